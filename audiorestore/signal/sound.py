"""A recording as blocks, which can be read any number of times: memory does not grow with its length."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from .resample import StreamResampler, fit, resampled_frames

Block = NDArray[np.float32]  # shape (channels, time)
Waveform = NDArray[np.floating]  # shape (…, time)
Mono = NDArray[np.floating]  # shape (time,)
_Scalar = TypeVar("_Scalar", bound=np.generic)

BLOCK_FRAMES = 65536  # samples per channel in a block: half a megabyte of stereo


@dataclass(frozen=True)
class Sound:
    """A recording that is read in blocks, from its start each time.

    Attributes:
        sample_rate: In Hz.
        channels: Number of channels.
        frames: Samples per channel.
        blocks: Starts again and yields blocks of shape (channels, time), float32, ``frames`` samples in all.
        path: The audio file that it was read from; resampling and taking one channel keep it. None for other sounds.
        encoded: The codec file (MP3 …) that it was decoded from, where there is one.
        parts: Reads the samples from ``start`` to ``stop`` directly; None where everything before must be read first.
    """

    sample_rate: int
    channels: int
    frames: int
    blocks: Callable[[], Iterator[Block]]
    path: Path | None = None
    encoded: Path | None = None
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

        return cls(sample_rate, samples.shape[0], samples.shape[-1], blocks, parts=parts)

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
        """Take one channel, as a recording of its own; its files stay those of all channels."""
        blocks = lambda: (block[index : index + 1] for block in self.blocks())  # noqa: E731
        return replace(self, channels=1, blocks=blocks, parts=None)

    def resampled(self, sample_rate: int) -> "Sound":
        """Resample without delay; the duration is rounded up to whole samples, the files stay those at the old rate."""
        if sample_rate == self.sample_rate:
            return self

        def blocks() -> Iterator[Block]:
            resampler = StreamResampler(self.sample_rate, sample_rate, self.channels)
            for block in self.blocks():
                yield resampler.push(block)
            yield resampler.flush()

        frames = resampled_frames(self.frames, self.sample_rate, sample_rate)
        return replace(self, sample_rate=sample_rate, frames=frames, blocks=blocks, parts=None)


class Tap:
    """A recording that is read once for two readers: the first reads ``sound``, the second follows.

    Up to ``most_frames`` samples per channel that only the first has read are kept. If there are more, or if the second
    is ahead, the second reads the recording by itself. If the first reads it several times, the second follows the last
    time. The recording must come in the same blocks each time.
    """

    def __init__(self, sound: Sound, most_frames: int = 1 << 21) -> None:
        self.sound = replace(sound, blocks=self._lead)
        self._source = sound
        self._most_frames = most_frames
        self._held: deque[tuple[int, Block]] = deque()  # numbered blocks

    def _lead(self) -> Iterator[Block]:
        self._held = held = deque[tuple[int, Block]]()
        for number, block in enumerate(self._source.blocks()):
            frames = sum(each.shape[-1] for _, each in held) + block.shape[-1]
            if frames > self._most_frames:
                held.clear()
            held.append((number, block))
            yield block

    def follow(self) -> Iterator[Block]:
        """Yield the blocks of the recording to the second reader."""
        number = done = 0
        own: Iterator[tuple[int, Block]] | None = None
        while done < self._source.frames:
            while self._held and self._held[0][0] < number:
                self._held.popleft()
            if self._held and self._held[0][0] == number:
                _, block = self._held.popleft()
            else:
                own = own or enumerate(self._source.blocks())
                block = next(each for place, each in own if place == number)
            yield block
            number, done = number + 1, done + block.shape[-1]


def joined(blocks: Iterable[Block], channels: int) -> Block:
    """Join blocks to one waveform, shape (channels, time)."""
    return np.concatenate([np.zeros((channels, 0), np.float32), *blocks], axis=-1)


def regrid(blocks: Iterable[Block], channels: int, frames: int, block_frames: int = BLOCK_FRAMES) -> Iterator[Block]:
    """Cut blocks of any lengths into even ones, ``frames`` samples in all: a surplus is dropped, a lack is zeros.

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


def even(sound: Sound) -> Sound:
    """Give a recording blocks of `BLOCK_FRAMES` samples, for whatever depends on how much comes at once."""
    return replace(sound, blocks=lambda: regrid(sound.blocks(), sound.channels, sound.frames))


def windows(
    blocks: Iterable[NDArray[_Scalar]], length: int, hop: int, *, before: int = 0, after: int = 0, pad: bool = False
) -> Iterator[NDArray[_Scalar]]:
    """Cut overlapping windows out of a recording whose blocks may have any lengths.

    Window k holds the samples from k · hop − before to k · hop − before + length. The last window is the first one that
    reaches ``after`` samples past the end of the recording. The result does not depend on how the recording was cut
    into blocks. If there are no samples, there are no windows.

    Args:
        blocks: The recording, shape (…, time) each. They may go on forever.
        length: Samples in a window.
        hop: Samples between the starts of neighbouring windows.
        before: Samples of the first window that are before the recording, fewer than ``length``.
        after: Samples past the end that the last window must reach.
        pad: Pad with zeros outside the recording, so that all windows have the same length. Otherwise windows end where
            the recording does, so the first and the last ones may be shorter.

    Yields:
        Windows of shape (…, time). Do not write into them: neighbours may share memory.

    >>> blocks = [np.array([1, 2, 3]), np.array([4, 5])]
    >>> [window.tolist() for window in windows(blocks, 3, 2)]
    [[1, 2, 3], [3, 4, 5]]
    >>> [window.tolist() for window in windows(blocks, 4, 2, before=1, after=1)]
    [[1, 2, 3], [2, 3, 4, 5], [4, 5]]
    >>> [window.tolist() for window in windows(blocks, 4, 3, pad=True)]
    [[1, 2, 3, 4], [4, 5, 0, 0]]
    """
    source = iter(blocks)
    held: list[NDArray[_Scalar]] = []
    first = end = 0  # `held` holds the samples from `first` to `end`
    start, ended = -before, False
    while True:
        while not ended and end < start + length + (after == 0):  # without `after`, look ahead for the recording's end
            block = next(source, None)
            if block is None:
                ended = True
            elif block.shape[-1]:
                held.append(block)
                end += block.shape[-1]
        if not end:
            return
        if len(held) > 1:
            held = [np.concatenate(held, axis=-1)]
        stop = start + length
        window = held[0][..., max(0, start) - first : max(0, stop - first)]
        if pad and window.shape[-1] < length:
            missing = [(0, 0)] * (window.ndim - 1) + [(max(0, -start), max(0, stop - max(end, start)))]
            window = np.pad(window, missing)
        yield window
        if ended and stop >= end + after:
            return
        start += hop
        passed = min(max(0, start), end)
        held, first = [held[0][..., passed - first :]], passed
