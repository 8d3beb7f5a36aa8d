"""One channel of a recording of any length, of which parts can be read without the rest."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .lag import TAPS, Mono, overlap_range, stretch
from .level import dot
from .sound import BLOCK_FRAMES, Sound, regrid

ENERGY_FRAMES = 1 << 10  # samples per entry of `block_energies`


@dataclass(frozen=True)
class Track:
    """``frames`` samples of one channel of a recording, from ``first`` on."""

    sound: Sound
    frames: int
    channel: int = 0
    first: int = 0
    sign: int = 1  # -1 inverts the polarity

    @classmethod
    def of(cls, waveform: Mono) -> "Track":
        """Take a waveform, shape (time,), that is in memory."""
        return cls(Sound.of(waveform[None], 1), len(waveform))

    def part(self, start: int, stop: int) -> Mono:
        """Read the samples from ``start`` to ``stop``, as far as the stretch has them, shape (time,)."""
        start, stop = max(0, start) + self.first, min(stop, self.frames) + self.first
        # A block at a time, so that the other channels of a long part are not kept.
        ends = range(start, max(start + 1, stop), BLOCK_FRAMES)
        rows = [self.sound.part(at, min(at + BLOCK_FRAMES, stop))[self.channel] for at in ends]
        row = rows[0] if len(rows) == 1 else np.concatenate(rows)
        return row if self.sign > 0 else -row

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
    """How well a degraded track matches its reference at one lag."""

    lag: float  # delay of the degraded track in samples
    correlation: float  # normalised, of the overlapping parts, from -1 to 1
    gain: float  # by which the reference was scaled; 1 if it is silent

    @property
    def unexplained(self) -> float:
        """The share of the degraded track's energy that the reference does not explain."""
        return 1.0 - max(0.0, self.correlation) ** 2


def fits(reference: Track, degraded: Track, lags: Sequence[float]) -> list[Fit]:
    """Measure correlation and gain at several lags that are near each other, reading both tracks once."""
    wholes = [round(lag) for lag in lags]
    sums = np.zeros((len(lags), 3))
    for start in range(0, reference.frames, BLOCK_FRAMES):
        clean = reference.part(start, start + BLOCK_FRAMES)
        first = max(0, start + min(wholes) - TAPS)
        near = degraded.part(first, start + max(wholes) + TAPS + len(clean))
        for row, lag, whole in zip(sums, lags, wholes, strict=True):
            low, high = max(0, -start - whole), min(len(clean), degraded.frames - start - whole)
            if low < high:
                here, there = clean[low:high], stretch(near, start + whole + low - first, high - low, lag - whole)
                row += dot(here, there), dot(here, here), dot(there, there)
    found = []
    for lag, (product, clean_energy, energy) in zip(lags, sums.tolist(), strict=True):
        power = math.sqrt(clean_energy * energy)
        gain = product / clean_energy if clean_energy > 0 else 1.0
        found.append(Fit(lag, product / power if power > 0 else 0.0, gain))
    return found


def products(reference: Sound, degraded: Track, lag: int) -> NDArray[np.float64]:
    """Sum the products of all pairs of the reference's channels and the degraded track where they overlap.

    The result has the shape (channels + 1, channels + 1), the degraded track last.
    """
    ahead, behind, frames = overlap_range(reference.frames, degraded.frames, lag)
    found = np.zeros((reference.channels + 1, reference.channels + 1))
    for start in range(0, frames, BLOCK_FRAMES):
        stop = min(start + BLOCK_FRAMES, frames)
        dirty = degraded.part(behind + start, behind + stop)
        rows = np.vstack([reference.part(ahead + start, ahead + stop), dirty]).astype(np.float64)
        found += rows @ rows.T
    return found
