"""Audio on the disk: every sample in, every sample out, and one clear sentence where a file is not what it says.

Waveforms are float32 arrays of shape (channels, time), full scale ±1; (time, channels) stays inside this file. Integers
are converted here, not in libsndfile, which multiplies by 32767 and divides by 32768: so a 16-bit or 24-bit file that
is read and written again is the same to the bit. 32-bit integers and float64 lose what float32 cannot hold.

Four traps of libsndfile 1.2.2 and soundfile 0.14 are stepped around here, each pinned by a test: an untagged MP3 of
varying bit rate is cut short; soundfile seeks after each block, which ruins MP3 at every block edge; a seek in Vorbis
lands on wrong samples; a WAV shorter than its header says is read without a word.
"""

import contextlib
import json
import mmap
import os
import re
import stat
import struct
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Literal, Self, TypedDict, Unpack

import numpy as np
import soundfile

from audiorestore.data.atomic import atomic_path
from audiorestore.data.mpeg_frames import MpegSummary, length_frames, scan_mpeg
from audiorestore.errors import AudioFileError
from audiorestore.randomness import generator

Waveform = np.ndarray[Any, np.dtype[np.float32]]
Clip = Literal["saturate", "refuse"]

# What counts as audio when a folder is listed.
AUDIO_SUFFIXES = frozenset(
    {".wav", ".flac", ".aif", ".aiff", ".aifc", ".mp3", ".ogg", ".oga", ".opus", ".caf", ".w64", ".rf64"}
)

_BLOCK = 65536  # frames: half a megabyte of stereo


# --- What a file holds -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class AudioInfo:
    """What an audio file holds, and how."""

    path: Path
    sample_rate: int
    channels: int
    frames: int  # samples per channel, exactly as many as reading yields
    container: str  # "WAV", "FLAC", "AIFF", "MP3", "OGG", "CAF", "W64", "RF64", …
    subtype: str  # "PCM_16", "PCM_24", "FLOAT", "VORBIS", "MPEG_LAYER_III", …
    tags: dict[str, str]  # title, artist, album, date, genre, tracknumber, comment, copyright, license, software

    @property
    def lossy(self) -> bool:
        """Whether the coding threw sound away (MP3, Vorbis, Opus, GSM, ADPCM, µ-law …), so that 16 bit hold it."""
        return not self.subtype.startswith(("PCM_", "ALAC_", "DWVW_", "DPCM_")) and self.subtype not in _FLOATS

    @property
    def duration_seconds(self) -> float:
        """How long the sound lasts."""
        return self.frames / self.sample_rate


_FLOATS = ("FLOAT", "DOUBLE")
_DEPTHS = {
    **dict.fromkeys(("PCM_24", "ALAC_20", "ALAC_24", "DWVW_24"), "PCM_24"),
    **dict.fromkeys(("PCM_32", "ALAC_32"), "PCM_32"),
    "FLOAT": "FLOAT",
    "DOUBLE": "DOUBLE",
}
_CONTAINERS = {
    ".wav": "WAV",
    ".flac": "FLAC",
    ".aiff": "AIFF",
    ".aif": "AIFF",
    ".caf": "CAF",
    ".w64": "W64",
    ".rf64": "RF64",
}
# An RF64 file is a WAV file in all but size; the writer chooses RF64 again where the size asks for it.
_SUFFIXES = {"WAV": ".wav", "RF64": ".wav", "FLAC": ".flac", "AIFF": ".aiff", "CAF": ".caf", "W64": ".w64"}
_FLAC_CHANNELS, _FLAC_RATE = 8, 655_350


def output_subtype(info: AudioInfo, container: str) -> str:
    """Choose the depth of an output made from this input: the same, never under 16 bit; lossy inputs get 16.

    FLAC holds at most 24 bit here, so 32-bit and float inputs become 24-bit there.

    >>> mp3 = AudioInfo(Path("a.mp3"), 44100, 2, 1152, "MP3", "MPEG_LAYER_III", {})
    >>> output_subtype(mp3, "FLAC"), output_suffix(mp3)
    ('PCM_16', '.flac')
    """
    subtype = _DEPTHS.get(info.subtype, "PCM_16")
    return "PCM_24" if container == "FLAC" and subtype != "PCM_16" else subtype


def output_suffix(info: AudioInfo) -> str:
    """Choose the container family of an output made from this input: the same; MP3, Vorbis and Opus become FLAC.

    Families that are only read (AU, VOC, …) become WAV, and so does what FLAC cannot hold: more than 8 channels,
    or a rate above 655,350 Hz. A WAV file stays WAV, also where its samples are µ-law or ADPCM.
    """
    if info.container in _SUFFIXES:
        return _SUFFIXES[info.container]
    fits_flac = info.channels <= _FLAC_CHANNELS and info.sample_rate <= _FLAC_RATE
    return ".flac" if info.lossy and fits_flac else ".wav"


def audio_info(path: str | Path) -> AudioInfo:
    """Look at an audio file without reading its sound.

    Raises:
        AudioFileError: the file is missing, unreadable, not audio, cut short or empty.
    """
    with AudioReader(path) as reader:
        return reader.info


# --- Reading ---------------------------------------------------------------------------------------------------------


class AudioReader:
    """Read an audio file block by block, in memory that does not grow with its length.

    Args:
        path: the file; its content, not its name, says what it is.
        allow_nonfinite: let NaN and infinite samples through, which are an error otherwise.

    Raises:
        AudioFileError: the file is missing, unreadable, not audio, cut short or empty.
    """

    info: AudioInfo

    def __init__(self, path: str | Path, allow_nonfinite: bool = False) -> None:
        self.path = Path(path)
        self._allow_nonfinite = allow_nonfinite
        self._sound: _ForwardSound | None = None
        self._position = 0
        self._file = _open_file(self.path)
        try:
            self.info, self._recipe = _inspect(self._file, self.path)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        if self._sound is not None:
            self._sound.close()
            self._sound = None
        self._file.close()

    def blocks(self, frames: int = _BLOCK) -> Iterator[Waveform]:
        """Yield the sound from its start in blocks of this many samples per channel; the last may be shorter."""
        for start in range(0, self.info.frames, frames):
            yield self.read(start, min(frames, self.info.frames - start))

    def read(self, start: int = 0, frames: int | None = None) -> Waveform:
        """Read a stretch of the sound, to its end by default.

        PCM files seek there. MP3, Vorbis and Opus are decoded from the start and the rest thrown away, because a
        seek would give wrong samples; reading on from where the last read ended costs nothing extra.

        Returns:
            float32, (channels, frames).

        Raises:
            AudioFileError: the stretch is damaged, or holds NaN or infinite samples.
        """
        frames = self.info.frames - start if frames is None else frames
        if start < 0 or frames < 0 or start + frames > self.info.frames:
            raise ValueError(f"{self.path} has {self.info.frames} samples; {start} to {start + frames} was asked for")
        try:
            waveform = np.empty((self.info.channels, frames), np.float32)
        except MemoryError as error:  # also how a garbled length in a header shows
            raise AudioFileError(
                f"{self.path} announces {self.info.duration_seconds:.0f} s of sound, more than memory holds; it is "
                "damaged, or has to be cut into parts"
            ) from error
        self._go_to(start)
        for at in range(0, frames, _BLOCK):
            waveform[:, at : at + _BLOCK] = self._decode(min(_BLOCK, frames - at)).T
        if not self._allow_nonfinite:
            _refuse_nonfinite(waveform, start, self.info)
        return waveform

    def _go_to(self, start: int) -> None:
        if self._sound is None or (start < self._position and not _seeks_exactly(self.info)):
            self._rewind()
        if start != self._position and self._sound is not None and _seeks_exactly(self.info):
            with _decoder_errors(self.path):
                self._sound.seek(start)
            self._position = start
        while self._position < start:
            self._decode(min(_BLOCK, start - self._position))

    def _rewind(self) -> None:
        if self._sound is not None:
            self._sound.close()
        elif self._recipe is not None:  # the first time: read from the mended copy from here on
            mended = _spool(self._file, self._recipe, self.path)
            self._file.close()
            self._file, self._recipe = mended, None
        self._sound = _open_sound(self._file, self.path)
        self._position = 0

    def _decode(self, frames: int) -> np.ndarray[Any, np.dtype[np.float32]]:
        """Decode the next samples, as (time, channels)."""
        assert self._sound is not None
        with _decoder_errors(self.path, self._position / self.info.sample_rate):
            block: Waveform = self._sound.read(frames, dtype="float32", always_2d=True)
        self._position += len(block)
        if len(block) < frames:
            raise AudioFileError(
                f"{self.path} ends after {self._position / self.info.sample_rate:.3f} s although "
                f"{self.info.duration_seconds:.3f} s are announced; it is damaged or cut short, get a whole copy"
            )
        return block


def read_audio(path: str | Path, allow_nonfinite: bool = False) -> tuple[Waveform, int]:
    """Read a whole audio file.

    Returns:
        The waveform, float32 (channels, time), and its sample rate in Hz.

    Raises:
        AudioFileError: the file cannot be read, is damaged, or holds NaN or infinite samples.
    """
    with AudioReader(path, allow_nonfinite) as reader:
        return reader.read(), reader.info.sample_rate


class _ForwardSound(soundfile.SoundFile):  # type: ignore[misc]  # soundfile is untyped
    """A sound that is only read onwards.

    soundfile seeks to where it is after each read of a seekable file. In an MP3 such a seek forgets the bit reservoir:
    the start of each block is wrong by up to full scale. Told that nothing can seek, soundfile leaves it alone.
    """

    def seekable(self) -> bool:
        return False


def _seeks_exactly(info: AudioInfo) -> bool:
    return info.subtype.startswith("PCM_") or info.subtype in (*_FLOATS, "ULAW", "ALAW")


def _refuse_nonfinite(waveform: Waveform, start: int, info: AudioInfo) -> None:
    finite = np.isfinite(waveform).all(axis=0)
    if not finite.all():
        seconds = (start + int(np.argmin(finite))) / info.sample_rate
        raise AudioFileError(
            f"{info.path} holds NaN or infinite samples, the first at {seconds:.3f} s; it was written by a faulty "
            "program, make it anew or repair it"
        )


# A mended file: these bytes, then these byte ranges of the original.
_Recipe = tuple[bytes, tuple[tuple[int, int], ...]]


def _open_file(path: Path) -> BinaryIO:
    try:
        if stat.S_ISDIR(path.stat().st_mode):
            raise AudioFileError(f"{path} is a folder, not an audio file; name a file in it")
        if not stat.S_ISREG(path.stat().st_mode):
            raise AudioFileError(f"{path} is a device or a pipe; save its audio to a file first")
        if path.stat().st_size == 0:
            raise AudioFileError(f"{path} is empty (0 bytes); get a whole copy")
        return path.open("rb", buffering=0)  # unbuffered: libsndfile reads from the same descriptor
    except FileNotFoundError as error:
        raise AudioFileError(f"{path} does not exist; check the name") from error
    except PermissionError as error:
        raise AudioFileError(f"{path} may not be read; change its permissions") from error
    except OSError as error:
        raise AudioFileError(f"{path} cannot be opened ({error.strerror}); check the name") from error


def _open_sound(file: BinaryIO, path: Path) -> _ForwardSound:
    file.seek(0)
    try:
        return _ForwardSound(file.fileno(), closefd=False)
    except soundfile.SoundFileError as error:
        file.seek(0)
        if file.read(12)[4:8] == b"ftyp":
            raise AudioFileError(f"{path} is an MP4 or M4A file, which is not read here; convert it to WAV") from error
        reason = str(getattr(error, "error_string", error)).strip().rstrip(".")
        raise AudioFileError(
            f"{path} is damaged or no audio file that is read here ({reason}); check it, or convert it to WAV or FLAC"
        ) from error


@contextlib.contextmanager
def _decoder_errors(path: Path, seconds: float = 0.0) -> Iterator[None]:
    try:
        yield
    except soundfile.SoundFileError as error:
        reason = str(getattr(error, "error_string", error)).strip().rstrip(".")
        raise AudioFileError(
            f"{path} cannot be decoded after {seconds:.3f} s ({reason}); it is damaged or cut short, get a whole copy"
        ) from error


def _inspect(file: BinaryIO, path: Path) -> tuple[AudioInfo, _Recipe | None]:
    """Find out what a file holds and, where libsndfile would read it wrongly, how to mend it first."""
    recipe = _checked_sound_chunk(file, path)
    with contextlib.ExitStack() as stack:
        source = file if recipe is None else stack.enter_context(_spool(file, recipe, path))
        sound = stack.enter_context(contextlib.closing(_open_sound(source, path)))
        frames = int(sound.frames)
        if sound.format == "MP3":
            frames, recipe = _true_mpeg_length(file, path, frames)
        elif sound.format == "W64":
            frames = min(frames, _w64_frames(file, sound.subtype, sound.channels))
        elif frames > 1 << 60:  # a FLAC stream whose writer could not go back to note the length
            frames = _count_by_decoding(sound, path)
        info = AudioInfo(
            path=path,
            sample_rate=int(sound.samplerate),
            channels=int(sound.channels),
            frames=frames,
            container="WAV" if sound.format == "WAVEX" else str(sound.format),
            subtype=sound.subtype,
            tags={name: _SIGNED.sub("", text) for name, text in sound.copy_metadata().items()},
        )
    if frames == 0:
        raise AudioFileError(f"{path} holds no samples; get a whole copy or leave it out")
    return info, recipe


# libsndfile appends its own name to the software tag on writing.
_SIGNED = re.compile(r" \(libsndfile-[\w.]+\)$")


def _count_by_decoding(sound: _ForwardSound, path: Path) -> int:
    frames = 0
    with _decoder_errors(path):
        while block := len(sound.read(_BLOCK, dtype="float32", always_2d=True)):
            frames += block
    return frames


def _w64_frames(file: BinaryIO, subtype: str, channels: int) -> int:
    """Count the samples of a W64 file by its header: libsndfile reads 24 bytes on into a chunk behind the sound."""
    sound = _sound_chunk(_chunks(file)[1])
    width = {"PCM_U8": 1, "ULAW": 1, "ALAW": 1, **_BYTES}.get(subtype)
    if sound is None or width is None or _size_is_unknown(sound.size):
        return 1 << 60
    return sound.size // (width * channels)


def _true_mpeg_length(file: BinaryIO, path: Path, announced: int) -> tuple[int, _Recipe | None]:
    """Decide how many samples an MP3 holds, and mend it where libsndfile would stop before the last one."""
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        try:
            summary = scan_mpeg(data)
        except ValueError as error:
            raise AudioFileError(f"{path} cannot be read: {error}; convert it to WAV or FLAC first") from error
        if not summary.complete:
            raise AudioFileError(_cut_mpeg(path, summary))
        trimmed = summary.samples - announced  # by what a tag says of delay and padding, in 12 bits each
        if summary.exact_tag and 0 <= trimmed <= 3 * 4096:
            return announced, None
        if summary.tag is None and len(summary.runs) == 1 and trimmed <= 0:  # an estimate that is long enough
            return summary.samples, None
        if summary.layer != 3:
            raise AudioFileError(f"{path} is MPEG layer {summary.layer} of varying bit rate; convert it to WAV first")
        return summary.samples, (length_frames(data, summary), summary.runs)


def _cut_mpeg(path: Path, summary: MpegSummary) -> str:
    if summary.promised_frames is not None and summary.promised_frames > summary.frames:
        found = f"its tag promises {summary.promised_frames} frames and {summary.frames} are there"
    else:
        found = "its last frame is not whole"
    return f"{path} is cut short: {found}; get a whole copy"


def _spool(file: BinaryIO, recipe: _Recipe, path: Path) -> BinaryIO:
    """Write the mended file to an unnamed temporary one, which libsndfile can read at full speed."""
    head, runs = recipe
    try:
        with contextlib.ExitStack() as on_error:
            mended = on_error.enter_context(tempfile.TemporaryFile(buffering=0))
            mended.write(head)
            for start, end in runs:
                file.seek(start)
                for at in range(start, end, 1 << 20):
                    mended.write(file.read(min(1 << 20, end - at)))
            on_error.pop_all()
            return mended
    except OSError as error:
        raise AudioFileError(
            f"{path} needs a temporary copy in {tempfile.gettempdir()}, which cannot be written ({error.strerror}); "
            "set TMPDIR to another folder"
        ) from error


# --- Chunked containers: WAV, RF64, AIFF, CAF, W64 -------------------------------------------------------------------


@dataclass(frozen=True)
class _Layout:
    """How the chunks of one container family are laid out."""

    first: int  # byte offset of the first chunk
    header: struct.Struct  # name and size
    grid: int  # chunks start on multiples of this
    own: int  # bytes of the chunk's header that its size counts
    note: bytes  # name of the chunk that carries our provenance


# The start of our provenance chunk's payload; where chunks are told apart by such a number (CAF), it is that.
_MARK = b"arst\x91\x2e\x4d\xc7\x9a\x0b\x5e\x83\x27\xd6\x11\x6f"
_LAYOUTS = {
    b"RIFF": _Layout(12, struct.Struct("<4sI"), 2, 0, b"arst"),
    b"RF64": _Layout(12, struct.Struct("<4sI"), 2, 0, b"arst"),
    b"RIFX": _Layout(12, struct.Struct(">4sI"), 2, 0, b"arst"),
    b"FORM": _Layout(12, struct.Struct(">4sI"), 2, 0, b"arst"),
    b"caff": _Layout(8, struct.Struct(">4sq"), 1, 0, b"uuid"),
    b"riff": _Layout(40, struct.Struct("<16sQ"), 8, 24, b""),
}


@dataclass(frozen=True)
class _Chunk:
    name: bytes  # four bytes, also of a GUID
    start: int  # of the payload
    size: int  # of the payload, as declared


def _chunks(file: BinaryIO) -> tuple[bytes, list[_Chunk], int]:
    """List the chunks of a file.

    Returns:
        The four bytes that name the container, its chunks (none for other files), and the file's length in bytes.
    """
    length = file.seek(0, os.SEEK_END)
    file.seek(0)
    magic = file.read(4)
    layout = _LAYOUTS.get(magic)
    found: list[_Chunk] = []
    if layout is None:
        return magic, found, length
    position, long_size = layout.first, None
    while position + layout.header.size <= length and len(found) < 10_000:
        file.seek(position)
        name, size = layout.header.unpack(file.read(layout.header.size))
        if not name[:4].isascii() or not name[:4].decode().isprintable():
            break
        start, size = position + layout.header.size, size - layout.own
        if name == b"ds64":  # the 64-bit sizes of an RF64 file
            long_size = struct.unpack("<8xQ", file.read(16))[0]
        if name == b"data" and magic == b"RF64" and size == 0xFFFFFFFF and long_size is not None:
            size = long_size
        found.append(_Chunk(name[:4], start, size))
        if size < 0:  # CAF: to the end of the file
            break
        position = -(-(start + size) // layout.grid) * layout.grid
    return magic, found, length


def _sound_chunk(chunks: list[_Chunk]) -> _Chunk | None:
    return next((chunk for chunk in chunks if chunk.name in (b"data", b"SSND")), None)


def _size_is_unknown(size: int) -> bool:
    """Whether a writer that could not seek back left this size: 0, or one of the large numbers in use."""
    return size <= 0 or 0x7FFFF000 <= size <= 0x80000000 or 0xFFFFF000 <= size <= 0xFFFFFFFF


def _checked_sound_chunk(file: BinaryIO, path: Path) -> _Recipe | None:
    """Refuse a file that is shorter than its header says; mend a WAV whose streaming writer left the size 0."""
    magic, chunks, length = _chunks(file)
    sound = _sound_chunk(chunks)
    if sound is None:
        return None
    there = length - sound.start
    if sound.size > there and not (_size_is_unknown(sound.size) and magic != b"RF64"):
        raise AudioFileError(
            f"{path} is cut short: its header promises {sound.size} bytes of sound and {there} are there; "
            "get a whole copy"
        )
    last = chunks[-1]
    truly_empty = last is not sound and last.start + last.size in (length, length - 1)
    if magic != b"RIFF" or sound.size != 0 or there == 0 or truly_empty:
        return None
    file.seek(0)
    return file.read(sound.start - 4) + b"\xff\xff\xff\xff", ((sound.start, length),)


def map_wav(path: str | Path) -> np.memmap[Any, Any] | None:
    """Lay a WAV file's samples into memory without reading them, for picking stretches of many long files.

    Returns:
        A read-only array of shape (frames, channels), int16 or float32, for WAV and RF64 files of 16-bit integers or
        32-bit floats; None for anything else. A size that the header leaves open, or that is larger than the file,
        means "to the end of the file".
    """
    with _open_file(Path(path)) as file:
        magic, chunks, length = _chunks(file)
        sound, form = _sound_chunk(chunks), next((chunk for chunk in chunks if chunk.name == b"fmt "), None)
        if magic not in (b"RIFF", b"RF64") or sound is None or form is None or form.size < 16:
            return None
        file.seek(form.start)
        fields = file.read(min(form.size, 40))
    code, channels, _, _, frame_bytes, bits = struct.unpack_from("<HHIIHH", fields)
    if code == 0xFFFE and len(fields) >= 26:  # WAVE_FORMAT_EXTENSIBLE: the true code starts its GUID
        code = struct.unpack_from("<H", fields, 24)[0]
    kinds: dict[tuple[int, int], np.dtype[Any]] = {(1, 16): np.dtype("<i2"), (3, 32): np.dtype("<f4")}
    kind = kinds.get((code, bits))
    if kind is None or channels == 0 or frame_bytes != channels * kind.itemsize:
        return None
    there = length - sound.start
    frames = (there if _size_is_unknown(sound.size) else min(sound.size, there)) // frame_bytes
    return np.memmap(path, kind, "r", sound.start, (frames, channels)) if frames else None


# --- Provenance: where an output came from, in the output itself -----------------------------------------------------
#
# libsndfile keeps 128 bytes of a software tag, so the JSON gets a place of its own: a chunk behind the sound in WAV,
# RF64, AIFF and CAF, and the Vorbis comment AUDIORESTORE in FLAC. Other programs skip both. W64 carries none, because
# libsndfile takes what follows the sound there for more of it.

_COMMENT = b"AUDIORESTORE="


def read_provenance(path: str | Path) -> dict[str, Any] | None:
    """Read back what an output was made from, as `AudioWriter` noted it; None where a file carries no such note."""
    try:
        with _open_file(Path(path)) as file:
            text = _raw_provenance(file)
        found = None if text is None else json.loads(text)
    except (AudioFileError, OSError, ValueError, struct.error):
        return None
    return found if isinstance(found, dict) else None


def _raw_provenance(file: BinaryIO) -> bytes | None:
    magic, chunks, _ = _chunks(file)
    if magic == b"fLaC":
        entries = _flac_comments(file)[1]
        return next((text[len(_COMMENT) :] for _, text in entries if text.startswith(_COMMENT)), None)
    for chunk in chunks:
        if chunk.name == _LAYOUTS[magic].note:
            file.seek(chunk.start)
            payload = file.read(chunk.size)
            if payload.startswith(_MARK):
                return payload[len(_MARK) :]
    return None


def _append_provenance(file: BinaryIO, text: bytes) -> None:
    """Add our chunk behind the last one, and count it in the container's size."""
    magic, chunks, _ = _chunks(file)
    layout = _LAYOUTS[magic]
    # Not the file's end: libsndfile leaves out a last padding byte, or adds one where there should be none.
    last = chunks[-1].start + chunks[-1].size
    chunk = layout.header.pack(layout.note, len(_MARK + text)) + _MARK + text
    file.seek(last)
    file.write(bytes(-last % layout.grid) + chunk + bytes(-len(chunk) % layout.grid))
    end = file.tell()
    file.truncate()
    place = {b"RIFF": (4, "<I"), b"FORM": (4, ">I"), b"RF64": (20, "<Q")}.get(magic)  # a CAF file has no such size
    if place is not None:
        file.seek(place[0])
        file.write(struct.pack(place[1], end - 8))


def _flac_comments(file: BinaryIO) -> tuple[int, list[tuple[int, bytes]]]:
    """List the Vorbis comments of a FLAC file: where their count stands, and (offset, "NAME=text") of each."""
    position, last = 4, False
    while not last:
        file.seek(position)
        head = int.from_bytes(file.read(4).ljust(4, b"\xff"), "big")  # past the end: "the last block"
        last, kind, size = bool(head >> 31), head >> 24 & 0x7F, head & 0xFFFFFF
        if kind == 4:
            block = file.read(size)
            at = 4 + struct.unpack_from("<I", block)[0]
            count_offset, entries = position + 4 + at, []
            count, at = struct.unpack_from("<I", block, at)[0], at + 4
            for _ in range(count):
                text_size = struct.unpack_from("<I", block, at)[0]
                entries.append((position + 4 + at, block[at + 4 : at + 4 + text_size]))
                at += 4 + text_size
            return count_offset, entries
        position += 4 + size
    return 0, []


def _flac_placeholder(license_tag: str, text: bytes) -> str:
    """Make a license tag long enough to be cut into the true one and our comment, see `_place_flac_provenance`."""
    room = len(_COMMENT) + len(text) + (4 if license_tag else -len(b"license="))
    return license_tag + "." * room


def _place_flac_provenance(file: BinaryIO, license_tag: str, text: bytes) -> None:
    """Cut the placeholder into the user's license tag, if there is one, and our comment, byte for byte in place.

    libsndfile writes only the tags that it knows, and a FLAC file's tags come before its sound.
    """
    count_offset, entries = _flac_comments(file)
    offset = next(offset for offset, entry in entries if entry.lower().startswith(b"license="))
    texts = [_COMMENT + text]
    if license_tag:
        texts.insert(0, b"license=" + license_tag.encode())
    file.seek(offset)
    file.write(b"".join(struct.pack("<I", len(entry)) + entry for entry in texts))
    file.seek(count_offset)
    file.write(struct.pack("<I", len(entries) - 1 + len(texts)))


# --- Writing ---------------------------------------------------------------------------------------------------------

# The sizes in a WAV or AIFF header have 32 bits; a megabyte is left for tags and provenance.
_LARGEST_32_BIT = (1 << 32) - (1 << 20)
_BITS = {"PCM_16": 16, "PCM_24": 24, "PCM_32": 32}
_BYTES = {"PCM_16": 2, "PCM_24": 3, "PCM_32": 4, "FLOAT": 4, "DOUBLE": 8}
_TAGS = ("title", "artist", "album", "date", "genre", "tracknumber", "comment", "copyright", "license", "software")


class WriteOptions(TypedDict, total=False):
    """The options of `AudioWriter`, as `write_audio` takes them."""

    subtype: str
    container: str | None
    overwrite: bool
    dither: bool
    clip: Clip
    tags: dict[str, str] | None
    provenance: str | None
    expected_frames: int | None


class AudioWriter:
    """Write an audio file block by block; it appears under its name when it is whole, and not at all on an error.

    Args:
        path: the file; its suffix chooses the container (.wav .flac .aiff .aif .caf .w64 .rf64) unless that is given.
        sample_rate: Hz.
        channels: how many; FLAC holds at most 8.
        subtype: "PCM_16", "PCM_24", "PCM_32", "FLOAT" or "DOUBLE"; FLAC holds the first two.
        container: "WAV", "FLAC", "AIFF", "CAF", "W64" or "RF64".
        overwrite: replace a file that is there already.
        dither: add triangular noise of ±1 quantizing step before rounding to integers; the same noise each time.
        clip: for integers, whether samples over full scale saturate or are refused with an error.
        tags: title, artist, … to keep. WAV and RF64 carry all but license; FLAC and CAF all; AIFF title, artist,
            comment, copyright (ASCII); W64 none. What a container cannot carry is left out.
        provenance: a JSON object as text, carried beside the tags; not by W64. See `read_provenance`.
        expected_frames: the length, if known; a WAV file that would pass 4 GB then becomes RF64.

    Attributes:
        frames: samples per channel written so far.
        over_full_scale: samples, over all channels, whose magnitude was above 1. Integers saturate there, floats
            keep them; counted for both.

    Raises:
        AudioFileError: the file exists already, cannot be written, or cannot hold what is asked for.
    """

    def __init__(
        self,
        path: str | Path,
        sample_rate: int,
        channels: int,
        subtype: str = "PCM_16",
        container: str | None = None,
        overwrite: bool = False,
        dither: bool = False,
        clip: Clip = "saturate",
        tags: dict[str, str] | None = None,
        provenance: str | None = None,
        expected_frames: int | None = None,
    ) -> None:
        self.path = Path(path)
        self.sample_rate = sample_rate
        self.channels = channels
        self.subtype = subtype
        self.container = _container_for(self.path, container)
        self.frames = 0
        self.over_full_scale = 0
        self._overwrite, self._clip, self._tags = overwrite, clip, dict(tags or {})
        self._provenance = None if provenance is None else provenance.encode()
        self._dither = generator(0, "write", "dither") if dither and subtype in _BITS else None
        if self.container == "WAV" and self._bytes(expected_frames or 0) > _LARGEST_32_BIT:
            self.container = "RF64"
        self._check()
        self._refuse_too_long(expected_frames or 0)

    def __enter__(self) -> Self:
        self._session = self._open()
        self._sound = self._session.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        return self._session.__exit__(kind, error, traceback)

    def write(self, block: np.ndarray[Any, Any]) -> None:
        """Append a block of sound, (channels, time), or (time,) where there is one channel.

        Raises:
            AudioFileError: it holds NaN or infinite samples, samples over full scale where clip is "refuse", or
                the disk takes no more.
        """
        block = np.atleast_2d(block)
        if block.ndim != 2 or block.shape[0] != self.channels:
            raise ValueError(f"a block of shape {block.shape} does not fit {self.channels} channel(s)")
        if block.dtype.kind != "f":
            raise TypeError(f"samples must be floats with full scale ±1, not {block.dtype}")
        if not np.isfinite(block).all():
            raise AudioFileError(f"{self.path} was to get NaN or infinite samples; what made them is at fault")
        self._count_over_full_scale(block)
        self._refuse_too_long(self.frames + block.shape[1])
        samples = np.ascontiguousarray(block.T)
        if self.subtype in _BITS:
            samples = _to_integers(samples, _BITS[self.subtype], self._dither)
        try:
            self._sound.write(samples)
        except (soundfile.SoundFileError, AssertionError) as error:  # soundfile asserts that all frames were taken
            raise self._unwritten() from error
        self.frames += block.shape[1]

    def _count_over_full_scale(self, block: np.ndarray[Any, Any]) -> None:
        over = int(np.count_nonzero(np.abs(block) > 1.0))
        self.over_full_scale += over
        if over and self._clip == "refuse" and self.subtype in _BITS:
            peak_db = 20 * np.log10(float(np.abs(block).max()))
            raise AudioFileError(
                f"{self.path} would be clipped: {over} samples are over full scale, by up to {peak_db:.2f} dB; "
                "write floats, lower the level, or let them saturate"
            )

    @contextlib.contextmanager
    def _open(self) -> Iterator[soundfile.SoundFile]:
        with atomic_path(self.path, self._overwrite) as temporary:
            try:
                sound = soundfile.SoundFile(
                    temporary, "w", self.sample_rate, self.channels, self.subtype, format=self.container
                )
            except soundfile.SoundFileError as error:
                raise self._unwritten() from error
            try:
                self._write_tags(sound)
                yield sound
            except BaseException:
                with contextlib.suppress(soundfile.SoundFileError):
                    sound.close()
                raise
            try:
                sound.close()
            except soundfile.SoundFileError as error:
                raise self._unwritten() from error
            self._finish(temporary)

    def _write_tags(self, sound: soundfile.SoundFile) -> None:
        tags = {name: self._tags[name] for name in _TAGS if self._tags.get(name)}
        if self._provenance is not None and self.container == "FLAC":
            tags["license"] = _flac_placeholder(tags.get("license", ""), self._provenance)
        for name, text in tags.items():
            with contextlib.suppress(soundfile.SoundFileError):  # W64 has no place for tags
                setattr(sound, name, text)

    def _finish(self, temporary: Path) -> None:
        if self.frames == 0:
            raise AudioFileError(f"{self.path} would hold no samples; what was to fill it gave nothing")
        with temporary.open("r+b") as file:
            if self._provenance is not None and self.container == "FLAC":
                _place_flac_provenance(file, self._tags.get("license", ""), self._provenance)
            elif self._provenance is not None and self.container != "W64":
                _append_provenance(file, self._provenance)
            _forget_time(file)
        if audio_info(temporary).frames != self.frames:
            raise self._unwritten()

    def _check(self) -> None:
        if self.subtype not in _BYTES:
            raise AudioFileError(f"{self.path} cannot be written as {self.subtype}; use one of {', '.join(_BYTES)}")
        if self.container == "FLAC":
            if self.channels > _FLAC_CHANNELS or self.sample_rate > _FLAC_RATE:
                raise AudioFileError(
                    f"{self.path} cannot be FLAC, which holds at most {_FLAC_CHANNELS} channels and {_FLAC_RATE} Hz, "
                    f"not {self.channels} and {self.sample_rate}; write .wav"
                )
            if self.subtype not in ("PCM_16", "PCM_24"):
                raise AudioFileError(f"{self.path} cannot be FLAC of {self.subtype}; use PCM_24, or write .wav")
        if not soundfile.check_format(self.container, self.subtype) or self.channels < 1 or self.sample_rate < 1:
            raise AudioFileError(
                f"{self.path} cannot be {self.container} of {self.subtype} with {self.channels} channel(s) at "
                f"{self.sample_rate} Hz; write .wav"
            )

    def _bytes(self, frames: int) -> int:
        return frames * self.channels * _BYTES.get(self.subtype, 8) + len(self._provenance or b"")

    def _refuse_too_long(self, frames: int) -> None:
        if self.container in ("WAV", "AIFF") and self._bytes(frames) > _LARGEST_32_BIT:
            raise AudioFileError(f"{self.path} would pass 4 GB, more than {self.container} holds; write .rf64 or .flac")

    def _unwritten(self) -> AudioFileError:
        return AudioFileError(f"{self.path} cannot be written whole; the disk is full, or a limit of it is reached")


def write_audio(
    path: str | Path, waveform: np.ndarray[Any, Any], sample_rate: int, **options: Unpack[WriteOptions]
) -> int:
    """Write a whole waveform, (channels, time) or (time,), with the options of `AudioWriter`.

    Returns:
        How many samples were over full scale.
    """
    waveform = np.atleast_2d(waveform)
    options.setdefault("expected_frames", waveform.shape[-1])
    with AudioWriter(path, sample_rate, waveform.shape[0], **options) as writer:
        for start in range(0, waveform.shape[-1], _BLOCK):
            writer.write(waveform[:, start : start + _BLOCK])
    return writer.over_full_scale


def _container_for(path: Path, container: str | None) -> str:
    chosen = container or _CONTAINERS.get(path.suffix.lower(), "")
    if chosen not in _CONTAINERS.values():
        asked = container or path.suffix or "no suffix"
        raise AudioFileError(f"{path} cannot be written as {asked}; use one of {', '.join(_CONTAINERS)}")
    return chosen


def _to_integers(samples: np.ndarray[Any, Any], bits: int, dither: np.random.Generator | None) -> np.ndarray[Any, Any]:
    """Round floats to integers of this many bits, at the top of an int16 or int32.

    The inverse of reading, which divides by 2^(bits−1): multiplying by it is exact, so integers come back as they were.
    """
    full_scale = 1 << (bits - 1)
    # float32 holds 24-bit integers, not 32-bit ones; and noise of one step must not be rounded away.
    steps = samples.astype(np.float64) if bits == 32 or dither is not None else samples
    steps = steps * full_scale
    if dither is not None:
        # Drawn sample by sample in the order of time, so that the noise does not depend on the blocks.
        steps += dither.random((*steps.shape, 2)).sum(axis=-1) - 1.0
    np.rint(steps, out=steps)
    np.clip(steps, -full_scale, full_scale - 1, out=steps)
    integers: np.ndarray[Any, Any] = steps.astype(np.int16 if bits == 16 else np.int32)
    return integers if bits == 16 else integers << (32 - bits)


def _forget_time(file: BinaryIO) -> None:
    """Clear the time of writing that libsndfile leaves in the PEAK chunk: same sound in, same bytes out."""
    for chunk in _chunks(file)[1]:
        if chunk.name == b"PEAK":
            file.seek(chunk.start + 4)
            file.write(bytes(4))
