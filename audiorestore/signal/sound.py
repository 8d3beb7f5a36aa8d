"""A recording as blocks, read as often as one likes: how long it is does not decide how much memory it takes."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .resample import StreamResampler, fit, resampled_frames

Block = NDArray[np.float32]  # shape (channels, time)

BLOCK_FRAMES = 65536  # samples per channel in a block: half a megabyte of stereo


@dataclass(frozen=True)
class Sound:
    """A recording that is read in blocks, from its start each time.

    Attributes:
        sample_rate: In Hz.
        channels: Number of channels.
        frames: Samples per channel.
        blocks: Starts anew and yields blocks of shape (channels, time), float32, ``frames`` samples in all.
        parts: Reads the samples from ``start`` to ``stop`` directly; None where everything before must be read first.
    """

    sample_rate: int
    channels: int
    frames: int
    blocks: Callable[[], Iterator[Block]]
    parts: Callable[[int, int], Block] | None = None

    @classmethod
    def of(cls, waveform: NDArray[np.floating], sample_rate: int, block_frames: int = BLOCK_FRAMES) -> "Sound":
        """Take a waveform, shape (channels, time), that is in memory."""
        samples = np.asarray(waveform, np.float32)

        def blocks() -> Iterator[Block]:
            for start in range(0, samples.shape[-1], block_frames):
                yield samples[:, start : start + block_frames]

        def parts(start: int, stop: int) -> Block:
            return samples[:, start:stop]

        return cls(sample_rate, samples.shape[0], samples.shape[-1], blocks, parts)

    def whole(self) -> Block:
        """Read all of it into memory."""
        return joined(self.blocks(), self.channels)

    def part(self, start: int, stop: int) -> Block:
        """Read the samples from ``start`` to ``stop``, as far as the recording has them.

        Without `parts`, all blocks before them are read, too.

        >>> Sound.of(np.arange(5.0)[None], 8000).part(-2, 3)
        array([[0., 1., 2.]], dtype=float32)
        """
        start, stop = max(0, start), min(stop, self.frames)
        if start >= stop:
            return np.zeros((self.channels, 0), np.float32)
        if self.parts:
            return self.parts(start, stop)
        held, place = [], 0
        for block in self.blocks():
            if place + block.shape[-1] > start:
                held.append(block[:, max(0, start - place) : stop - place])
            place += block.shape[-1]
            if place >= stop:
                break
        return joined(held, self.channels)

    def channel(self, index: int) -> "Sound":
        """Take one channel, as a recording of its own."""
        return Sound(self.sample_rate, 1, self.frames, lambda: (block[index : index + 1] for block in self.blocks()))

    def resampled(self, sample_rate: int) -> "Sound":
        """Bring it to another sample rate, without delay; its duration is rounded up to whole samples."""
        if sample_rate == self.sample_rate:
            return self

        def blocks() -> Iterator[Block]:
            resampler = StreamResampler(self.sample_rate, sample_rate, self.channels)
            for block in self.blocks():
                yield resampler.push(block)
            yield resampler.flush()

        return Sound(sample_rate, self.channels, resampled_frames(self.frames, self.sample_rate, sample_rate), blocks)


def joined(blocks: Iterable[Block], channels: int) -> Block:
    """Join blocks to one waveform, shape (channels, time)."""
    return np.concatenate([np.zeros((channels, 0), np.float32), *blocks], axis=-1)


def regrid(blocks: Iterable[Block], channels: int, frames: int, block_frames: int = BLOCK_FRAMES) -> Iterator[Block]:
    """Cut blocks of any lengths anew into even ones, ``frames`` samples in all: the rest is left out, or zeros.

    >>> [block.shape[1] for block in regrid([np.ones((1, 3), np.float32)] * 3, 1, 10, 4)]
    [4, 4, 2]
    """
    held: list[Block] = []
    count = left = 0
    remaining = frames
    for block in blocks:
        held.append(block)
        count += block.shape[-1]
        if count >= min(block_frames, remaining):
            whole = joined(held, channels) if len(held) > 1 else block
            left = 0
            while remaining and count - left >= (size := min(block_frames, remaining)):
                yield whole[:, left : left + size]
                left += size
                remaining -= size
            held, count = [whole[:, left:]], count - left
        if not remaining:
            return
    rest = fit(joined(held, channels), remaining).astype(np.float32)
    for start in range(0, remaining, block_frames):
        yield rest[:, start : start + block_frames]
