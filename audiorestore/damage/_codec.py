"""Audio encoded and decoded, block by block: aligned with the input, at its rate and with its length."""

import contextlib
import tempfile
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..data.audio_file import AudioReader
from ..data.spool import scratch_errors
from ..errors import AudioRestoreError
from ..signal.lag import at_lag, find
from ..signal.level import decibels, dot
from ..signal.resample import resample, resampled_frames
from ..signal.sound import Block, Mono, Sound, even, regrid
from ._damage import Damaged, Encoded, Outcome


class Stream(NamedTuple):
    """What a codec file holds, decoded as it is read: the codec's delay and padding are still in it."""

    sample_rate: int
    channels: int
    blocks: Iterator[Block]


Encode = Callable[[Sound, Path], dict[str, Any]]
Decode = Callable[[Path], AbstractContextManager[Stream]]

_LEAST_CHECKED = 4096  # samples: the lag of a shorter recording is not checked
_FITTING = 0.9  # correlation from which a lag is trusted
_EXPLAINED = 0.7  # share of the error at lag 0 that a true lag must explain


@contextlib.contextmanager
def read_stream(path: Path) -> Iterator[Stream]:
    """Decode a codec file that libsndfile reads."""
    with AudioReader(path) as reader:
        yield Stream(reader.info.sample_rate, reader.info.channels, reader.blocks())


def through_codec(
    sound: Sound,
    encode: Encode,
    suffix: str,
    most_channels: int = 2,
    decode: Decode = read_stream,
    verified: bool = False,
) -> Damaged:
    """Encode a recording, decode it, remove the codec's delay, and report what that did to level and length.

    Args:
        sound: The recording.
        encode: Writes a recording of at most ``most_channels`` to the path of a codec file, at a rate that the codec
            takes, and returns what was measured: if decoded audio is delayed, ``delay`` in samples at the coded rate.
        suffix: Of the codec's files, ``.mp3``.
        most_channels: What a stream of this codec holds; if there are more channels, each is its own stream.
        decode: Opens such a file.
        verified: At the end, look for a lag where the sound is loudest, and refuse one that is beyond doubt; then
            ``encode`` has to return ``coded_rate``.

    Returns:
        What ``encode`` returned, as a list if the streams differ (counts of clipped samples are added); ``gain_db``,
        by how much the recording's own sound is louder (0 for silence, null if nothing of it came back); ``streams``,
        if there are several; and the codec files.

    Raises:
        AudioRestoreError: The delay is not the expected one.
    """
    parts = [sound] if sound.channels <= most_channels else [sound.channel(index) for index in range(sound.channels)]
    files: list[Any] = []
    try:
        for _ in parts:
            with scratch_errors():
                files.append(tempfile.NamedTemporaryFile(prefix="ar-", suffix=suffix))  # noqa: SIM115
        encoded = [encode(part, Path(file.name)) for part, file in zip(parts, files, strict=True)]
        delays = [int(each.get("delay", 0)) for each in encoded]
        compared = yield from _decoded_all(sound, [Path(file.name) for file in files], delays, decode)
        if verified:
            compared.refuse_lag(delays[0], sound.sample_rate, encoded[0]["coded_rate"])
    except BaseException:  # otherwise the Outcome closes them
        for file in files:
            file.close()
        raise
    measured: dict[str, Any] = {}
    for key, first in encoded[0].items():
        values = [each[key] for each in encoded]
        if key == "clipped":
            measured[key] = sum(values)
        else:
            measured[key] = first if all(value == first for value in values) else values
    measured["gain_db"] = round(decibels(compared.gain**2), 3) if compared.gain > 0 else None
    if len(parts) > 1:
        measured["streams"] = len(parts)
    return Outcome(measured, tuple(Encoded(suffix, file) for file in files))


def encoder_rate(sample_rate: int, highest: int) -> int:
    """Choose the rate that an encoder gets: the recording's, or the highest of the same family (44.1 or 48 kHz).

    >>> encoder_rate(32000, 48000), encoder_rate(88200, 48000), encoder_rate(96000, 48000)
    (32000, 44100, 48000)
    """
    if sample_rate <= highest:
        return sample_rate
    return highest * 147 // 160 if sample_rate % 11025 == 0 else highest


class _Compared:
    """The decoded audio compared with the input: the gain over all of it, and the loudest block of both."""

    def __init__(self) -> None:
        self._energy = self._product = self._loudest = 0.0
        self._pair: tuple[Block, Block] | None = None

    def push(self, clean: Block, dirty: Block) -> None:
        energy = dot(clean, clean)
        self._energy += energy
        self._product += dot(clean, dirty)
        if energy > self._loudest:
            self._loudest, self._pair = energy, (clean, dirty)

    @property
    def gain(self) -> float:
        return self._product / self._energy if self._energy > 0 else 1.0

    def refuse_lag(self, delay: int, sample_rate: int, coded_rate: int) -> None:
        """Refuse a lag of more than half a sample, if it is beyond doubt; ``delay`` was removed at the coded rate.

        A false alarm costs a recording, while an unknown delay of a codec shows up in about two of five recordings. So
        only a clear lag counts: a voice coder may reproduce a drum half a period late.
        """
        if self._pair is None or self._pair[0].shape[-1] < _LEAST_CHECKED:
            return
        rate = min(sample_rate, coded_rate)  # above half of it there is nothing to compare
        clean, dirty = (resample(block, sample_rate, rate) for block in self._pair)
        for here, there in zip(clean, dirty, strict=True):
            lag = _certain_lag(here, there)
            if abs(lag) > 0.5:
                raise AudioRestoreError(
                    f"decoded audio is delayed by {delay + lag * coded_rate / rate:.1f} samples; this ffmpeg version's "
                    f"codec delay (expected {delay}) is unknown: try another version"
                )


def _certain_lag(clean: Mono, dirty: Mono) -> float:
    """Find by how many samples a sound is delayed, or 0 if that is in doubt.

    Differences of neighbouring samples are compared, since low sounds fit almost as well a sample later. The sound has
    to fit well at the lag, and much better than at lag 0, since a tone fits at many lags.
    """
    clean, dirty = np.diff(clean), np.diff(dirty)
    if not (clean.any() and dirty.any()):
        return 0.0
    found = find(clean, dirty)
    there, here = (max(0.0, at_lag(clean, dirty, lag)[0]) for lag in (found.lag, 0.0))
    certain = there >= _FITTING and 1.0 - there**2 <= (1.0 - _EXPLAINED) * (1.0 - here**2)
    return found.lag if certain else 0.0


def _decoded_all(
    sound: Sound, paths: list[Path], delays: list[int], decode: Decode
) -> Generator[Block, None, _Compared]:
    compared = _Compared()
    with contextlib.ExitStack() as stack:
        streams = [
            stack.enter_context(contextlib.closing(decoded(path, sound, delay, decode)))
            for path, delay in zip(paths, delays, strict=True)
        ]
        for clean, *parts in zip(even(sound).blocks(), *streams, strict=True):
            block = np.concatenate(parts) if len(parts) > 1 else parts[0]
            compared.push(clean, block)
            yield block
    return compared


def decoded(path: Path, like: Sound, delay: int, decode: Decode = read_stream) -> Generator[Block, None, None]:
    """Decode a codec file, without its delay, at the rate and with the length of the recording that was encoded.

    There is silence where it ends early, and before audio that is advanced (a negative delay).
    """
    with decode(path) as stream:
        frames = resampled_frames(like.frames, like.sample_rate, stream.sample_rate)

        def kept() -> Iterator[Block]:
            position = -delay
            if delay < 0:
                yield np.zeros((stream.channels, -delay), np.float32)
            for block in stream.blocks:
                yield block[:, max(0, -position) : max(0, frames - position)]
                position += block.shape[-1]
                if position >= frames:
                    return

        there = Sound(stream.sample_rate, stream.channels, frames, kept)
        yield from regrid(there.resampled(like.sample_rate).blocks(), stream.channels, like.frames)


def to_pcm16(block: Block) -> tuple[bytes, int]:
    """Round to 16 bit without dither, time first, and count the samples over full scale, which are clipped."""
    pcm = np.clip(np.rint(block.T * 32768.0), -32768, 32767).astype("<i2")
    return pcm.tobytes(), int(np.count_nonzero(np.abs(block) > 1.0))
