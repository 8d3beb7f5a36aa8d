"""The interface of every metric: two recordings to compare, and named numbers with their units.

A metric is a module with two things:

- ``NUMBERS``: the numbers that it returns, each a `Number`;
- ``measure(comparison) -> Measured``: their values, or `Undefined` with the reason.

And, where it applies, with

- ``ON_REQUEST = True``: it is slow, or needs an extra, and is measured only if it is named;
- ``ANY_LEVEL = True``: a gain on the estimate changes nothing, so the levelled rows need no second measurement;
- ``missing() -> str``: what has to be installed first, in a sentence; empty if nothing is missing.
"""

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..signal.level import dot
from ..signal.sound import Block, Sound, Waveform, regrid
from ..signal.stft import power_blocks

IDENTICAL_DB = 120.0  # what identical signals score where the formula says infinity
_KEPT_BYTES = 1 << 26  # spectra of one signal that are kept for the next metric: one kind, of 90 seconds of stereo

Spectra = NDArray[np.float32]  # powers, shape (channels, frames, bins)


@dataclass(frozen=True)
class Number:
    """What a metric's number means, in words for people."""

    unit: str  # ``dB``, or empty for a bare number
    higher_is_better: bool
    meaning: str  # one line
    source: str  # of the definition
    style: str = ".2f"  # how to write a value, as in Python's format language
    limits: str = ""  # how it treats rates and channels, and where it is not reliable
    part_of: str = ""  # the number that it contributes to; by itself it need not say how good a recording is


@dataclass(frozen=True)
class Undefined:
    """The number does not exist for this recording; the reason follows "snr_db is undefined: "."""

    reason: str


Measured = dict[str, float | Undefined]

SILENT_REFERENCE = Undefined("the reference is silent")
SILENT_ESTIMATE = Undefined("the measured audio is silent")


@dataclass
class Signal:
    """A recording, multiplied by a gain, whose spectra are kept for all metrics if they take little memory."""

    sound: Sound
    gain: float = 1.0
    _spectra: dict[tuple[int, int], list[Spectra]] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, waveform: Waveform, sample_rate: int) -> "Signal":
        """Take a waveform, shape (channels, time), that is in memory."""
        return cls(Sound.of(waveform, sample_rate))

    @property
    def sample_rate(self) -> int:
        """In Hz."""
        return self.sound.sample_rate

    def blocks(self) -> Iterator[Block]:
        """Read it from its start, in even blocks of shape (channels, time)."""
        for block in regrid(self.sound.blocks(), self.sound.channels, self.sound.frames):
            yield block if self.gain == 1.0 else block * np.float32(self.gain)

    def resampled(self, sample_rate: int) -> Sound:
        """Get it at another sample rate."""
        return Sound(self.sound.sample_rate, self.sound.channels, self.sound.frames, self.blocks).resampled(sample_rate)

    def power(self, n_fft: int, hop_length: int) -> Iterator[Spectra]:
        """Measure the power spectra of Hann frames, see `power_blocks`."""
        factor = np.float32(self.gain * self.gain)
        for spectra in self._raw_power(n_fft, hop_length):
            yield spectra if self.gain == 1.0 else spectra * factor

    def _raw_power(self, n_fft: int, hop_length: int) -> Iterator[Spectra]:
        key = (n_fft, hop_length)
        if key in self._spectra:
            yield from self._spectra[key]
            return
        bins = self.sound.channels * (self.sound.frames // hop_length + 1) * (n_fft // 2 + 1)
        keep = 4 * bins + sum(each.nbytes for kept in self._spectra.values() for each in kept) <= _KEPT_BYTES
        kept: list[Spectra] = []
        for spectra in power_blocks(self.sound, n_fft, hop_length):
            if keep:
                kept.append(spectra)
            yield spectra
        if keep:
            self._spectra[key] = kept

    def scaled(self, gain: float) -> "Signal":
        """Get the same sound louder or softer; the spectra are shared."""
        return Signal(self.sound, self.gain * gain, self._spectra)


@dataclass(frozen=True)
class Comparison:
    """An estimate and its reference: same rate, channels and length, lag 0."""

    reference: Signal
    estimate: Signal

    @classmethod
    def of(cls, reference: Waveform, estimate: Waveform, sample_rate: int) -> "Comparison":
        """Take two waveforms, shape (channels, time), that are in memory."""
        return cls(Signal.of(reference, sample_rate), Signal.of(estimate, sample_rate))

    @property
    def sample_rate(self) -> int:
        """In Hz, of both."""
        return self.reference.sample_rate

    @property
    def channels(self) -> int:
        """How many channels both have."""
        return self.reference.sound.channels

    @property
    def frames(self) -> int:
        """How many samples a channel of both has."""
        return self.reference.sound.frames

    def blocks(self) -> Iterator[tuple[Block, Block]]:
        """Read reference and estimate together, in blocks of the same shape (channels, time)."""
        return zip(self.reference.blocks(), self.estimate.blocks(), strict=True)

    def power(self, n_fft: int, hop_length: int) -> Iterator[tuple[Spectra, Spectra]]:
        """Measure the power spectra of both, in blocks of the same shape (channels, frames, bins)."""
        return zip(self.reference.power(n_fft, hop_length), self.estimate.power(n_fft, hop_length), strict=True)

    def resampled(self, sample_rate: int) -> tuple[Sound, Sound]:
        """Get both at another sample rate."""
        return self.reference.resampled(sample_rate), self.estimate.resampled(sample_rate)

    def energies(self) -> tuple[float, float, float]:
        """Sum up the reference's energy, the estimate's, and the product of both."""
        reference = estimate = product = 0.0
        for clean, dirty in self.blocks():
            reference += dot(clean, clean)
            estimate += dot(dirty, dirty)
            product += dot(clean, dirty)
        return reference, estimate, product

    def leveled(self) -> "Comparison":
        """Apply to the estimate the gain that gives the smallest squared error."""
        _, energy, product = self.energies()
        return Comparison(self.reference, self.estimate.scaled(product / energy if energy > 0 else 1.0))


def missing_package(name: str) -> str:
    """Say how to install an optional package; empty if it is there."""
    if importlib.util.find_spec(name):
        return ""
    return f"the package {name} is not installed: pip install 'audiorestore[speech]'"


def ratio_db(signal_power: float, error_power: float) -> float:
    """Express the power of a signal that is not silent over that of an error, at most 120 dB.

    >>> ratio_db(1.0, 0.01), ratio_db(1.0, 0.0)
    (20.0, 120.0)
    """
    if error_power <= signal_power * 10.0 ** (-IDENTICAL_DB / 10.0):
        return IDENTICAL_DB
    return 10.0 * float(np.log10(signal_power / error_power))
