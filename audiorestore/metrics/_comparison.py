"""What every metric gets and gives: two waveforms side by side, and named numbers that know their unit.

A metric is a module with two things:

- ``NUMBERS``: the numbers that it gives, each a `Number`;
- ``measure(comparison) -> dict[str, float | None]``: their values, None where one is undefined.
"""

from dataclasses import dataclass, field

import numpy as np

from ..signal.level import closest_gain
from ..signal.stft import power_spectra

IDENTICAL_DB = 120.0  # what identical signals score where the formula says infinity


@dataclass(frozen=True)
class Number:
    """What a metric's number means.

    Attributes:
        unit: ``dB``, or empty for a bare number.
        higher_is_better: Which way is up.
        meaning: For people, one line.
        source: Where the definition is from.
        style: How to write a value, as in Python's format language.
    """

    unit: str
    higher_is_better: bool
    meaning: str
    source: str
    style: str = ".2f"


@dataclass
class Signal:
    """A waveform whose spectra are computed once, however many metrics ask.

    Attributes:
        waveform: Samples, shape (channels, time).
        sample_rate: In Hz.
    """

    waveform: np.ndarray
    sample_rate: int
    _spectra: dict[tuple[int, int], np.ndarray] = field(default_factory=dict, repr=False)

    def power(self, n_fft: int, hop_length: int) -> np.ndarray:
        """Get the power spectra of Hann frames, shape (channels, frames, bins)."""
        key = (n_fft, hop_length)
        if key not in self._spectra:
            self._spectra[key] = power_spectra(self.waveform, n_fft, hop_length)
        return self._spectra[key]

    def scaled(self, gain: float) -> "Signal":
        """Get the same sound louder or softer; spectra that are there are scaled along."""
        spectra = {key: power * np.float32(gain * gain) for key, power in self._spectra.items()}
        return Signal(self.waveform * np.float32(gain), self.sample_rate, spectra)


@dataclass(frozen=True)
class Comparison:
    """An estimate beside its reference: same shape, same rate, lag 0."""

    reference: Signal
    estimate: Signal

    def leveled(self) -> "Comparison":
        """Get the same with the one gain on the estimate that leaves the smallest squared error."""
        gain = closest_gain(self.reference.waveform, self.estimate.waveform)
        return Comparison(self.reference, self.estimate.scaled(gain))


def ratio_db(signal_power: float, error_power: float) -> float | None:
    """Say how far a signal lies over an error: None for a silent signal, at most 120 dB.

    >>> ratio_db(1.0, 0.01), ratio_db(1.0, 0.0), ratio_db(0.0, 1.0)
    (20.0, 120.0, None)
    """
    if signal_power <= 0.0:
        return None
    if error_power <= signal_power * 10.0 ** (-IDENTICAL_DB / 10.0):
        return IDENTICAL_DB
    return 10.0 * float(np.log10(signal_power / error_power))
