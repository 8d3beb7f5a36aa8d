"""Steady noise, as of tape, amplifiers and bad microphones.

White noise has the same power in every hertz, pink noise in every octave. ``snr_db`` stands against the parts where
something sounds, as ITU-T P.56 measures speech, so that pauses do not make a recording noisier.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import AudioRestoreError
from ..signal.level import active_power, decibels, from_decibels, mean_power
from ._damage import Choice, DamageConfig, Domain, Span, Specification, parameter


@dataclass(frozen=True)
class Config(DamageConfig):
    """How much noise, and of which colour."""

    snr_db: Specification = parameter(
        Span(10.0, 30.0), Domain(float, "dB", "level of the sound over the noise", low=-60.0, high=120.0)
    )
    colour: Specification = parameter(
        Choice(("white", "pink")), Domain(str, meaning="even per hertz or per octave", choices=("white", "pink"))
    )
    noise_seed: Specification = parameter(
        Span(0, 2**32 - 1), Domain(int, meaning="which noise: drawn for each record", low=0, high=2**32 - 1)
    )


def apply(waveform: np.ndarray, sample_rate: int, parameters: dict[str, Any]) -> tuple[np.ndarray, dict[str, Any]]:
    """Add the noise, different in every channel, and tell its level (``noise_dbfs``)."""
    signal_power = active_power(waveform, sample_rate)
    if signal_power == 0.0:
        raise AudioRestoreError("it is silent, so there is no level that the hiss's snr_db could stand against")
    rng = np.random.default_rng(parameters["noise_seed"])
    noise = rng.standard_normal(waveform.shape, dtype=np.float32)
    if parameters["colour"] == "pink":
        noise = _pink(noise)
    wanted_power = signal_power * from_decibels(-2.0 * parameters["snr_db"])
    noise *= np.float32(np.sqrt(wanted_power / mean_power(noise)))
    return waveform + noise, {"noise_dbfs": round(decibels(wanted_power), 2)}


def _pink(noise: np.ndarray) -> np.ndarray:
    """Tilt white noise by −3 dB an octave, flat below 20 cycles over the whole, where an octave holds few bins."""
    spectrum = np.fft.rfft(noise)
    spectrum /= np.sqrt(np.maximum(np.arange(spectrum.shape[-1]), 20.0))
    tilted: np.ndarray = np.fft.irfft(spectrum, noise.shape[-1]).astype(np.float32)
    return tilted if tilted.any() else noise
