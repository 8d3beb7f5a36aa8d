"""Reading: every sample of a file, block by block or at once, or one clear sentence where the file is damaged.

Two problems of seeking are avoided here, each shown by a test: soundfile 0.14 seeks after each block, which ruins
MP3 at every block edge; and a seek of libsndfile 1.2.2 in Vorbis lands on wrong samples.
"""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Self

import numpy as np
import soundfile

from ..errors import AudioFileError
from .audio_format import BLOCK_FRAMES, FLOATS, AudioInfo, Waveform
from .container_chunks import open_file
from .repair import Recipe, check_sound_chunk, repaired_copy, true_mpeg_length, w64_frames

# libsndfile appends its own name to the software tag on writing.
_SIGNED = re.compile(r" \(libsndfile-[\w.]+\)$")


def audio_info(path: str | Path) -> AudioInfo:
    """Look at an audio file without reading its sound; raises what `AudioReader` raises."""
    with AudioReader(path) as reader:
        return reader.info


class AudioReader:
    """Read an audio file block by block, in memory that does not grow with its length.

    Args:
        path: The file; its content, not its name, decides what it is.
        allow_nonfinite: Accept NaN and infinite samples, which are an error otherwise.

    Raises:
        AudioFileError: The file is missing, unreadable, not audio, cut short or empty.
    """

    info: AudioInfo

    def __init__(self, path: str | Path, allow_nonfinite: bool = False) -> None:
        self.path = Path(path)
        self._allow_nonfinite = allow_nonfinite
        self._sound: _ForwardSound | None = None
        self._position = 0
        self._file = open_file(self.path)
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
        """Close the file."""
        if self._sound is not None:
            self._sound.close()
        self._sound = None
        self._file.close()

    def blocks(self, frames: int = BLOCK_FRAMES) -> Iterator[Waveform]:
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
            AudioFileError: The stretch is damaged, or holds NaN or infinite samples.
        """
        frames = self.info.frames - start if frames is None else frames
        if start < 0 or frames < 0 or start + frames > self.info.frames:
            raise ValueError(f"{self.path} has {self.info.frames} samples, not {start} to {start + frames}")
        try:
            waveform = np.empty((self.info.channels, frames), np.float32)
        except MemoryError as error:  # also how a garbled length in a header shows
            raise AudioFileError(
                f"{self.path} claims to hold {self.info.duration_seconds:.0f} s of sound, more than fits in memory; it "
                "is damaged, or has to be split into several files"
            ) from error
        self._go_to(start)
        for at in range(0, frames, BLOCK_FRAMES):
            waveform[:, at : at + BLOCK_FRAMES] = self._decode(min(BLOCK_FRAMES, frames - at)).T
        if not (self._allow_nonfinite or np.isfinite(waveform).all()):
            seconds = (start + int(np.argmin(np.isfinite(waveform).all(axis=0)))) / self.info.sample_rate
            raise AudioFileError(
                f"{self.path} holds NaN or infinite samples, the first at {seconds:.3f} s; it was written by a faulty "
                "program; create it again or repair it"
            )
        return waveform

    def _go_to(self, start: int) -> None:
        if self._sound is None or (start < self._position and not seeks_exactly(self.info)):
            self._rewind()
        if start != self._position and self._sound is not None and seeks_exactly(self.info):
            with _decoder_errors(self.path):
                self._sound.seek(start)
            self._position = start
        while self._position < start:
            self._decode(min(BLOCK_FRAMES, start - self._position))

    def _rewind(self) -> None:
        if self._sound is not None:
            self._sound.close()
        elif self._recipe is not None:  # the first time: read from the repaired copy from here on
            repaired = repaired_copy(self._file, self._recipe, self.path)
            self._file.close()
            self._file, self._recipe = repaired, None
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
                f"its header says {self.info.duration_seconds:.3f} s; it is damaged or cut short, get a whole copy"
            )
        return block


def read_audio(path: str | Path, allow_nonfinite: bool = False) -> tuple[Waveform, int]:
    """Read a whole audio file: the waveform, float32 (channels, time), and its sample rate in Hz.

    Raises:
        AudioFileError: The file cannot be read, is damaged, or holds NaN or infinite samples.
    """
    with AudioReader(path, allow_nonfinite) as reader:
        return reader.read(), reader.info.sample_rate


class _ForwardSound(soundfile.SoundFile):  # type: ignore[misc]  # soundfile is untyped
    """A sound that is only read forwards.

    soundfile seeks to where it is after each read of a seekable file. In an MP3 such a seek forgets the bit reservoir:
    the start of each block is wrong by up to full scale. If the file says that it cannot seek, soundfile does not.
    """

    def seekable(self) -> bool:
        return False


def seeks_exactly(info: AudioInfo) -> bool:
    """Whether any part of such a file can be read without decoding all before it."""
    return info.subtype.startswith("PCM_") or info.subtype in (*FLOATS, "ULAW", "ALAW")


def _open_sound(file: BinaryIO, path: Path) -> _ForwardSound:
    file.seek(0)
    try:
        return _ForwardSound(file.fileno(), closefd=False)
    except soundfile.SoundFileError as error:
        file.seek(0)
        if file.read(12)[4:8] == b"ftyp":
            raise AudioFileError(f"{path} is an MP4 or M4A file, which is not supported; convert it to WAV") from error
        raise AudioFileError(
            f"{path} is damaged or not a supported audio format ({_reason(error)}); check it, or convert it to WAV or "
            "FLAC"
        ) from error


@contextlib.contextmanager
def _decoder_errors(path: Path, seconds: float = 0.0) -> Iterator[None]:
    try:
        yield
    except soundfile.SoundFileError as error:
        raise AudioFileError(
            f"{path} cannot be decoded after {seconds:.3f} s ({_reason(error)}); it is damaged or cut short, get a "
            "whole copy"
        ) from error


def _reason(error: soundfile.SoundFileError) -> str:
    return str(getattr(error, "error_string", error)).strip().rstrip(".")


def _inspect(file: BinaryIO, path: Path) -> tuple[AudioInfo, Recipe | None]:
    """Find out what a file holds and, where libsndfile would read it wrongly, how to repair it first."""
    recipe = check_sound_chunk(file, path)
    with contextlib.ExitStack() as stack:
        source = file if recipe is None else stack.enter_context(repaired_copy(file, recipe, path))
        sound = stack.enter_context(contextlib.closing(_open_sound(source, path)))
        frames = int(sound.frames)
        if sound.format == "MP3":
            frames, recipe = true_mpeg_length(file, path, frames)
        elif sound.format == "W64":
            frames = min(frames, w64_frames(file, sound.subtype, sound.channels))
        elif frames > 1 << 60:  # a FLAC stream whose writer could not go back to note the length
            frames = 0
            with _decoder_errors(path):
                while block := len(sound.read(BLOCK_FRAMES, dtype="float32", always_2d=True)):
                    frames += block
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
