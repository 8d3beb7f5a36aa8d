"""Through a codec and back, block by block: lined up with what went in, at its rate and of its length."""

import contextlib
import tempfile
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..data.audio_file import AudioReader
from ..data.spool import scratch_errors
from ..signal.level import decibels, dot
from ..signal.resample import resampled_frames
from ..signal.sound import Block, Sound, regrid
from ._damage import Damaged, Encoded, Outcome

Encode = Callable[[Sound, Path], dict[str, Any]]


def through_codec(sound: Sound, encode: Encode, suffix: str, most_channels: int = 2, delay: int = 0) -> Damaged:
    """Encode a recording, decode it, cut off the codec's delay, and tell what that did to level and length.

    Args:
        sound: The recording.
        encode: Writes a codec file of a recording (of at most ``most_channels``, brought to a rate that the codec
            takes) under a path that is there already and empty, and tells what was measured.
        suffix: Of the codec's files, ``.mp3``.
        most_channels: What a stream of this codec holds; of a recording with more channels each is a stream of its own.
        delay: Samples at the coded rate by which what is decoded comes late.

    Returns:
        What the first ``encode`` told; ``gain_db``, by how much the recording's own sound is louder (null where it
        is silent); ``streams``, where there are several; and the codec files.
    """
    parts = [sound] if sound.channels <= most_channels else [sound.channel(index) for index in range(sound.channels)]
    with contextlib.ExitStack() as on_error:
        files = [_scratch(on_error, suffix) for _ in parts]
        told = [encode(part, Path(file.name)) for part, file in zip(parts, files, strict=True)]
        gain = yield from _decoded_all(sound, [Path(file.name) for file in files], delay)
        on_error.pop_all()
    measured = {key: _sum(key, [each[key] for each in told]) for key in told[0]}
    measured["gain_db"] = round(decibels(gain**2), 3) if gain > 0 else None
    if len(parts) > 1:
        measured["streams"] = len(parts)
    return Outcome(measured, tuple(Encoded(suffix, file) for file in files))


def _scratch(on_error: contextlib.ExitStack, suffix: str) -> Any:
    with scratch_errors():
        return on_error.enter_context(contextlib.closing(tempfile.NamedTemporaryFile(prefix="ar-", suffix=suffix)))


def _sum(name: str, values: list[Any]) -> Any:
    """Join what was told of several streams: counts add up, of all else the first stands for all."""
    return sum(values) if name == "clipped" else values[0]


def _decoded_all(sound: Sound, paths: list[Path], delay: int) -> Generator[Block, None, float]:
    energy = product = 0.0
    with contextlib.ExitStack() as stack:
        streams = [stack.enter_context(contextlib.closing(decoded(path, sound, delay))) for path in paths]
        for clean, *parts in zip(_even(sound), *streams, strict=True):
            block = np.concatenate(parts) if len(parts) > 1 else parts[0]
            energy += dot(clean, clean)
            product += dot(clean, block)
            yield block
    return product / energy if energy > 0 else 1.0


def _even(sound: Sound) -> Iterator[Block]:
    return regrid(sound.blocks(), sound.channels, sound.frames)


def decoded(path: Path, like: Sound, delay: int) -> Generator[Block, None, None]:
    """Decode a codec file, without its delay, at the rate of the recording that it was made of and of its length."""
    with AudioReader(path) as reader:
        rate, channels = reader.info.sample_rate, reader.info.channels
        frames = min(resampled_frames(like.frames, like.sample_rate, rate), max(0, reader.info.frames - delay))

        def kept() -> Iterator[Block]:
            position = -delay
            for block in reader.blocks():
                yield block[:, max(0, -position) : max(0, frames - position)]
                position += block.shape[-1]
                if position >= frames:
                    return

        yield from regrid(
            Sound(rate, channels, frames, kept).resampled(like.sample_rate).blocks(), channels, like.frames
        )


def to_pcm16(block: Block) -> tuple[bytes, int]:
    """Round to 16 bit without dither, time first, and count the samples over full scale, which are clipped."""
    pcm = np.clip(np.rint(block.T * 32768.0), -32768, 32767).astype("<i2")
    return pcm.tobytes(), int(np.count_nonzero(np.abs(block) > 1.0))
