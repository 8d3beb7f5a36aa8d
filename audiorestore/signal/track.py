"""One channel of a recording of any length, of which parts are read without the rest."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .lag import LAG_TOLERANCE, TAPS, Mono, interpolate, overlap_range
from .level import dot
from .sound import BLOCK_FRAMES, Sound, regrid

ENERGY_FRAMES = 1 << 10  # samples per entry of `block_energies`


@dataclass(frozen=True)
class Track:
    """One channel of a recording, or a stretch of it.

    Attributes:
        sound: The recording.
        frames: Samples in the stretch.
        channel: Which channel.
        first: Where the stretch begins in the recording.
        sign: -1 to invert the polarity.
    """

    sound: Sound
    frames: int
    channel: int = 0
    first: int = 0
    sign: int = 1

    @classmethod
    def of(cls, waveform: Mono) -> "Track":
        """Take a waveform, shape (time,), that is in memory."""
        return cls(Sound.of(waveform[None], 1), len(waveform))

    def part(self, start: int, stop: int) -> Mono:
        """Read the samples from ``start`` to ``stop``, as far as the stretch has them, shape (time,)."""
        start, stop = max(0, start) + self.first, min(stop, self.frames) + self.first
        # A block at a time, so that the other channels of a long part are not held.
        ends = range(start, max(start + 1, stop), BLOCK_FRAMES)
        rows = [self.sound.part(at, min(at + BLOCK_FRAMES, stop))[self.channel] for at in ends]
        row = rows[0] if len(rows) == 1 else np.concatenate(rows)
        return row if self.sign > 0 else -row

    def padded_part(self, start: int, stop: int) -> Mono:
        """Read the samples from ``start`` to ``stop``; those outside the stretch are zero."""
        inside = self.part(start, stop)
        before = min(max(0, -start), stop - start)
        return np.pad(inside, (before, stop - start - before - len(inside)))

    def inverted(self) -> "Track":
        """Get it with the opposite polarity."""
        return replace(self, sign=-self.sign)

    def cut(self, first: int, frames: int) -> "Track":
        """Get the stretch of ``frames`` samples that begins at ``first``."""
        return replace(self, first=self.first + first, frames=frames)


def tracks(sound: Sound) -> list[Track]:
    """List the channels of a recording."""
    return [Track(sound, sound.frames, channel) for channel in range(sound.channels)]


def block_energies(sound: Sound) -> NDArray[np.float64]:
    """Sum the squared samples of every `ENERGY_FRAMES` samples of each channel, shape (channels, blocks).

    The last block may be shorter than the others.
    """
    energies = []
    for block in regrid(sound.blocks(), sound.channels, sound.frames):
        whole = block.shape[-1] // ENERGY_FRAMES * ENERGY_FRAMES
        rows = block[:, :whole].reshape(sound.channels, -1, ENERGY_FRAMES)
        energies.append(np.einsum("cbt,cbt->cb", rows, rows, dtype=np.float64))
        if whole < block.shape[-1]:
            energies.append(np.square(block[:, whole:], dtype=np.float64).sum(axis=-1, keepdims=True))
    return np.concatenate([np.zeros((sound.channels, 0)), *energies], axis=-1)


def aligned(reference: Track, degraded: Track, lag: int) -> tuple[Track, Track]:
    """Cut two tracks to where they overlap when the degraded one is delayed by ``lag`` samples."""
    ahead, behind, frames = overlap_range(reference.frames, degraded.frames, lag)
    return reference.cut(ahead, frames), degraded.cut(behind, frames)


@dataclass(frozen=True)
class Fit:
    """How well a degraded track matches its reference at one lag.

    Attributes:
        lag: Delay of the degraded track in samples.
        correlation: Normalised correlation of the overlapping parts, from -1 to 1.
        gain: The factor by which the reference was scaled; 1 where the reference is silent.
    """

    lag: float
    correlation: float
    gain: float

    @property
    def unexplained(self) -> float:
        """The share of the degraded track's energy that the reference does not explain."""
        return 1.0 - max(0.0, self.correlation) ** 2


def fits(reference: Track, degraded: Track, lags: Sequence[float]) -> list[Fit]:
    """Measure correlation and gain at several lags that are near each other, reading both tracks once."""
    wholes = [round(lag) for lag in lags]
    least, most = min(wholes) - TAPS, max(wholes) + TAPS
    sums = np.zeros((len(lags), 3))
    for start in range(0, reference.frames, BLOCK_FRAMES):
        clean = reference.part(start, start + BLOCK_FRAMES)
        near = degraded.padded_part(start + least, start + most + len(clean))
        for row, lag, whole in zip(sums, lags, wholes, strict=True):
            low, high = max(0, -start - whole), min(len(clean), degraded.frames - start - whole)
            if low < high:
                at, fraction = whole - least, lag - whole
                if abs(fraction) > LAG_TOLERANCE:
                    dirty = interpolate(near[at + low - TAPS : at + high + TAPS], fraction)
                else:
                    dirty = near[at + low : at + high]
                here = clean[low:high]
                row += dot(here, dirty), dot(here, here), dot(dirty, dirty)
    return [_fit(lag, *row) for lag, row in zip(lags, sums.tolist(), strict=True)]


def _fit(lag: float, product: float, clean: float, dirty: float) -> Fit:
    power = math.sqrt(clean * dirty)
    return Fit(lag, product / power if power > 0 else 0.0, product / clean if clean > 0 else 1.0)


def products(reference: Sound, degraded: Track, lag: int) -> NDArray[np.float64]:
    """Sum the products of every channel of the reference, and the degraded track, where they overlap.

    Returns:
        Shape (channels + 1, channels + 1), the degraded track last.
    """
    ahead, behind, frames = overlap_range(reference.frames, degraded.frames, lag)
    found = np.zeros((reference.channels + 1, reference.channels + 1))
    for start in range(0, frames, BLOCK_FRAMES):
        stop = min(start + BLOCK_FRAMES, frames)
        dirty = degraded.part(behind + start, behind + stop)
        rows = np.vstack([reference.part(ahead + start, ahead + stop), dirty]).astype(np.float64)
        found += rows @ rows.T
    return found
