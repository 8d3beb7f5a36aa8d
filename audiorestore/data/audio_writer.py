"""Writing: every sample, under its name when the file is whole, with tags and provenance, and the same bytes each time.

Integers are rounded here, not in libsndfile, which multiplies by 32767 and divides by 32768: so a 16-bit or 24-bit file
that is read and written again is the same to the bit. 32-bit integers and float64 lose what float32 cannot hold.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, TypedDict, Unpack

import numpy as np
import soundfile

from ..errors import AudioFileError
from ..randomness import generator
from .atomic import atomic_path
from .audio_format import BLOCK_FRAMES, CONTAINERS, FLAC_CHANNELS, FLAC_RATE, SAMPLE_BYTES
from .audio_reader import audio_info
from .container_chunks import list_chunks
from .file_provenance import add_provenance

Clip = Literal["saturate", "refuse"]

# The sizes in a WAV or AIFF header have 32 bits; a megabyte is left for tags and provenance.
_LARGEST_32_BIT = (1 << 32) - (1 << 20)
_BITS = {"PCM_16": 16, "PCM_24": 24, "PCM_32": 32}
_TAGS = ("title", "artist", "album", "date", "genre", "tracknumber", "comment", "copyright", "license", "software")


class WriteOptions(TypedDict, total=False):
    """How an audio file is written.

    Attributes:
        subtype: "PCM_16" (the default), "PCM_24", "PCM_32", "FLOAT" or "DOUBLE"; FLAC holds the first two.
        container: "WAV", "FLAC", "AIFF", "CAF", "W64" or "RF64"; by default the path's suffix chooses (.wav .flac
            .aiff .aif .caf .w64 .rf64).
        overwrite: Replace a file that is there already.
        dither: Add triangular noise of ±1 quantizing step before rounding to integers; the same noise each time.
        clip: For integers, whether to saturate samples over full scale (the default) or to refuse them with an error.
        tags: Title, artist, … to keep. WAV and RF64 carry all but license; FLAC and CAF all; AIFF title, artist,
            comment, copyright (ASCII); W64 none. What a container cannot carry is left out.
        provenance: A JSON object as text, stored with the tags; not in W64. See `read_provenance`.
        expected_frames: The length, if known; a WAV file that would pass 4 GB then becomes RF64.
    """

    subtype: str
    container: str | None
    overwrite: bool
    dither: bool
    clip: Clip
    tags: dict[str, str] | None
    provenance: str | None
    expected_frames: int


class AudioWriter:
    """Write an audio file block by block; it appears under its name when it is complete, and not at all on an error.

    Args:
        path: The file.
        sample_rate: Hz.
        channels: How many; FLAC holds at most 8.
        options: See `WriteOptions`.

    Attributes:
        frames: Samples per channel written so far.
        over_full_scale: Samples, over all channels, whose magnitude was above 1. Integers saturate there, floats
            keep them; counted for both.
        provenance: May be set or changed until the file is closed.

    Raises:
        AudioFileError: The file exists already, cannot be written, or cannot hold what is asked for.
    """

    def __init__(self, path: str | Path, sample_rate: int, channels: int, **options: Unpack[WriteOptions]) -> None:
        self.path = Path(path)
        self.sample_rate = sample_rate
        self.channels = channels
        self.subtype = options.get("subtype", "PCM_16")
        self.container = _container_for(self.path, options.get("container"))
        self.frames = 0
        self.over_full_scale = 0
        self.provenance = options.get("provenance")
        self._overwrite, self._clip = options.get("overwrite", False), options.get("clip", "saturate")
        self._tags = options.get("tags") or {}
        dithered = options.get("dither", False) and self.subtype in _BITS
        self._dither = generator(0, "write", "dither") if dithered else None
        expected_frames = options.get("expected_frames", 0)
        if self.container == "WAV" and self._bytes(expected_frames) > _LARGEST_32_BIT:
            self.container = "RF64"
        self._check()
        self._refuse_too_long(expected_frames)

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
            AudioFileError: It holds NaN or infinite samples, samples over full scale where clip is "refuse", or
                the disk takes no more.
        """
        block = np.atleast_2d(block)
        if block.ndim != 2 or block.shape[0] != self.channels:
            raise ValueError(f"a block of shape {block.shape} does not fit {self.channels} channel(s)")
        if block.dtype.kind != "f":
            raise TypeError(f"samples must be floats with full scale ±1, not {block.dtype}")
        if not np.isfinite(block).all():
            raise AudioFileError(f"refusing to write NaN or infinite samples to {self.path}")
        over = int(np.count_nonzero(np.abs(block) > 1.0))
        self.over_full_scale += over
        if over and self._clip == "refuse" and self.subtype in _BITS:
            peak_db = 20 * np.log10(float(np.abs(block).max()))
            raise AudioFileError(
                f"{self.path} would be clipped: {over} samples are over full scale, by up to {peak_db:.2f} dB; "
                "write floats, lower the level, or let them saturate"
            )
        self._refuse_too_long(self.frames + block.shape[1])
        samples = np.ascontiguousarray(block.T)
        if self.subtype in _BITS:
            samples = _to_integers(samples, _BITS[self.subtype], self._dither)
        try:
            self._sound.write(samples)
        except (soundfile.SoundFileError, AssertionError) as error:  # soundfile asserts that all frames were taken
            raise self._unwritten() from error
        self.frames += block.shape[1]

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
                for name in _TAGS:
                    with contextlib.suppress(soundfile.SoundFileError):  # W64 has no place for tags
                        if self._tags.get(name):
                            setattr(sound, name, self._tags[name])
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

    def _finish(self, temporary: Path) -> None:
        if self.frames == 0:
            raise AudioFileError(f"nothing to write to {self.path}: the audio is empty")
        with temporary.open("r+b") as file:
            if self.provenance is not None:
                add_provenance(file, self.provenance.encode())
            for chunk in list_chunks(file)[1]:
                if chunk.name == b"PEAK":  # libsndfile leaves the time in it; the same sound gives the same bytes
                    file.seek(chunk.start + 4)
                    file.write(bytes(4))
        if audio_info(temporary).frames != self.frames:
            raise self._unwritten()

    def _check(self) -> None:
        if self.subtype not in SAMPLE_BYTES:
            raise AudioFileError(
                f"{self.path} cannot be written as {self.subtype}; use one of {', '.join(SAMPLE_BYTES)}"
            )
        if self.container == "FLAC":
            if self.channels > FLAC_CHANNELS or self.sample_rate > FLAC_RATE:
                raise AudioFileError(
                    f"{self.path} cannot be FLAC, which holds at most {FLAC_CHANNELS} channels and {FLAC_RATE} Hz, "
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
        return frames * self.channels * SAMPLE_BYTES.get(self.subtype, 8)

    def _refuse_too_long(self, frames: int) -> None:
        if self.container in ("WAV", "AIFF") and self._bytes(frames) > _LARGEST_32_BIT:
            raise AudioFileError(f"{self.path} would pass 4 GB, more than {self.container} holds; write .rf64 or .flac")

    def _unwritten(self) -> AudioFileError:
        return AudioFileError(f"{self.path} cannot be written completely; the disk or a quota is full")


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
        for start in range(0, waveform.shape[-1], BLOCK_FRAMES):
            writer.write(waveform[:, start : start + BLOCK_FRAMES])
    return writer.over_full_scale


def _container_for(path: Path, container: str | None) -> str:
    chosen = container or CONTAINERS.get(path.suffix.lower(), "")
    if chosen not in CONTAINERS.values():
        asked = container or path.suffix or "no suffix"
        raise AudioFileError(f"{path} cannot be written as {asked}; use one of {', '.join(CONTAINERS)}")
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
