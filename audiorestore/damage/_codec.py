"""Through a codec and back, block by block: lined up with what went in, at its rate and of its length."""

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
from ..signal.lag import Mono, at_lag, find
from ..signal.level import decibels, dot
from ..signal.resample import resample, resampled_frames
from ..signal.sound import Block, Sound, even, regrid
from ._damage import Damaged, Encoded, Outcome


class Stream(NamedTuple):
    """What a codec file holds, decoded as it is read: the codec's delay and padding are still in it."""

    sample_rate: int
    channels: int
    blocks: Iterator[Block]


Encode = Callable[[Sound, Path], dict[str, Any]]
Decode = Callable[[Path], AbstractContextManager[Stream]]

_LEAST_HEARD = 4096  # samples: of a shorter recording no lag is told
_FITTING = 0.9  # correlation that is believed at a lag
_EXPLAINED = 0.7  # of what is unexplained at no lag, a true one explains more
_COUNTED = ("clipped",)  # what adds up over streams


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
    """Encode a recording, decode it, undo the codec's delay, and tell what that did to level and length.

    Args:
        sound: The recording.
        encode: Writes a codec file of a recording (of at most ``most_channels``, brought to a rate that the codec
            takes) under a path that is there already and empty, and tells what was measured. Told as ``delay``: by
            how many samples at the coded rate what is decoded comes late; not told, it is 0.
        suffix: Of the codec's files, ``.mp3``.
        most_channels: What a stream of this codec holds; of a recording with more channels each is a stream of its own.
        decode: Opens such a file.
        verified: Look for a lag in what came out, where it is loudest, and refuse one that is beyond doubt, when all
            is done; ``encode`` tells ``coded_rate`` then.

    Returns:
        What ``encode`` told, as a list where the streams differ (what was clipped adds up); ``gain_db``, by how much
        the recording's own sound is louder (0 where there is none, null where none of it came back); ``streams``,
        where there are several; and the codec files.

    Raises:
        AudioRestoreError: The delay turned out to be another one.
    """
    parts = [sound] if sound.channels <= most_channels else [sound.channel(index) for index in range(sound.channels)]
    with contextlib.ExitStack() as on_error:
        files = [_scratch(on_error, suffix) for _ in parts]
        told = [encode(part, Path(file.name)) for part, file in zip(parts, files, strict=True)]
        delays = [int(each.get("delay", 0)) for each in told]
        heard = yield from _decoded_all(sound, [Path(file.name) for file in files], delays, decode)
        if verified:
            heard.refuse_lag(delays[0], sound.sample_rate, told[0]["coded_rate"])
        on_error.pop_all()
    measured = {key: _joined(key, [each[key] for each in told]) for key in told[0]}
    gain = heard.gain
    measured["gain_db"] = round(decibels(gain**2), 3) if gain > 0 else None
    if len(parts) > 1:
        measured["streams"] = len(parts)
    return Outcome(measured, tuple(Encoded(suffix, file) for file in files))


def _scratch(on_error: contextlib.ExitStack, suffix: str) -> Any:
    with scratch_errors():
        return on_error.enter_context(contextlib.closing(tempfile.NamedTemporaryFile(prefix="ar-", suffix=suffix)))


def _joined(name: str, values: list[Any]) -> Any:
    if name in _COUNTED:
        return sum(values)
    return values[0] if all(value == values[0] for value in values) else values


class _Heard:
    """What comes back, against what went in: the gain over all of it, and the loudest block of both."""

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
        """Refuse what lies off by more than half a sample, where that can be heard beyond doubt.

        A refusal costs a recording, while another delay of a codec is heard on about two of five. So a lag counts only
        where nothing speaks against it: of a drum a voice coder may make the same sound half a period later.

        Args:
            delay: What was undone, in samples at the coded rate, for the sentence.
            sample_rate: Of the recording, in Hz.
            coded_rate: In Hz; above half of it there is nothing to compare.
        """
        if self._pair is None or self._pair[0].shape[-1] < _LEAST_HEARD:
            return
        rate = min(sample_rate, coded_rate)
        clean, dirty = (resample(block, sample_rate, rate) for block in self._pair)
        for here, there in zip(clean, dirty, strict=True):
            lag = _certain_lag(here, there)
            if abs(lag) > 0.5:
                raise AudioRestoreError(
                    f"what the codec gives back is {delay + lag * coded_rate / rate:.1f} samples late, not {delay} as "
                    "with the versions that are known here; another version of it is needed"
                )


def _certain_lag(clean: Mono, dirty: Mono) -> float:
    """Find by how many samples a sound is late, or 0 where that is in doubt.

    What is compared is the difference of neighbouring samples, as low sounds fit hardly less a sample later. The sound
    has to fit well at a lag, and a tone, which fits at many, to leave much more unexplained at none.
    """
    clean, dirty = np.diff(clean), np.diff(dirty)
    if not (clean.any() and dirty.any()):
        return 0.0
    found = find(clean, dirty)
    there, here = (max(0.0, at_lag(clean, dirty, lag)[0]) for lag in (found.lag, 0.0))
    certain = there >= _FITTING and 1.0 - there**2 <= (1.0 - _EXPLAINED) * (1.0 - here**2)
    return found.lag if certain else 0.0


def _decoded_all(sound: Sound, paths: list[Path], delays: list[int], decode: Decode) -> Generator[Block, None, _Heard]:
    heard = _Heard()
    with contextlib.ExitStack() as stack:
        streams = [
            stack.enter_context(contextlib.closing(decoded(path, sound, delay, decode)))
            for path, delay in zip(paths, delays, strict=True)
        ]
        for clean, *parts in zip(even(sound).blocks(), *streams, strict=True):
            block = np.concatenate(parts) if len(parts) > 1 else parts[0]
            heard.push(clean, block)
            yield block
    return heard


def decoded(path: Path, like: Sound, delay: int, decode: Decode = read_stream) -> Generator[Block, None, None]:
    """Decode a codec file, without its delay, at the rate of the recording that it was made of and of its length.

    Where it ends early, and before a sound that comes early (a negative delay), there is silence.
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
