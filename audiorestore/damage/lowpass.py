"""A low-pass filter of one of many kinds removes the highs, so that no network learns the edge of a single filter.

Each keeps the magnitude of its kind and turns no phase, so nothing is late at any frequency: the response is sampled,
and realised by a symmetric filter that misses it by 120 dB (root mean square over frequency; of the sharpest by 60 to
80 at single frequencies on their edge). What is sharp rings, before a sound as well as after it: an elliptic filter of
order 12 with Sulun and Davies' ripple for 1.2 s to each side. One that would ring for 262,144 samples is refused.

Where the edge lies: a Butterworth or Bessel filter is 3 dB down at ``cutoff_hz`` and the sinc 6; a Chebyshev filter of
type 1 and an elliptic one leave their ripple there; one of type 2 has fallen by all of ``stopband_db``.

Sulun and Davies filter forward and backward, which doubles all these decibels: ``passes=2``. They train with Chebyshev
filters of type 1 (orders 6, 8, 10, 12), Bessel and elliptic ones (6 and 12), test on an unseen Butterworth (6), at
11,025 Hz, with 0.05 dB of ripple and 20 dB in the stop band.

Source: Sulun and Davies, "On filter generalization for music bandwidth extension using deep neural networks", IEEE
JSTSP 15(1), 2021, with the values of its published code; Oppenheim and Schafer, "Discrete-time signal processing"
(the IIR kinds by the bilinear transform; the sinc, under Kaiser's window).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import AudioRestoreError
from ..signal.filters import convolved, zero_phase
from ..signal.sound import Sound
from ._damage import Auto, Choice, DamageConfig, Damaged, Domain, Outcome, Span, parameter

KINDS = ("butterworth", "chebyshev1", "chebyshev2", "elliptic", "bessel", "sinc")


@dataclass(frozen=True)
class Config(DamageConfig):
    """Which filter, and where it cuts."""

    kind: str = parameter(Choice(KINDS), Domain(str, meaning="the family of the filter", choices=KINDS))
    order: int = parameter(
        Choice((6, 8, 10, 12)), Domain(int, meaning="its steepness; of a sinc, zeros to each side", low=1, high=12)
    )
    cutoff_hz: float | Auto = parameter(
        "auto", Domain(float, "Hz", "cut-off; auto follows cutoff_share", low=20, high=96000, words=("auto",))
    )
    cutoff_share: float = parameter(
        Span(0.15, 0.75),
        Domain(
            float, meaning="cut-off relative to half the sample rate; used if cutoff_hz is auto", low=0.01, high=0.99
        ),
    )
    ripple_db: float = parameter(
        Span(0.05, 1.0),
        Domain(float, "dB", "ripple of chebyshev1 and elliptic below the cut-off", low=0.01, high=3),
    )
    stopband_db: float = parameter(
        Span(40.0, 80.0), Domain(float, "dB", "attenuation of chebyshev2, elliptic and sinc", low=20, high=120)
    )
    passes: int = parameter(
        1, Domain(int, meaning="1, or 2 for the filter's square, as forward and backward filtering", choices=(1, 2))
    )


def apply(sound: Sound, config: Config) -> Damaged:
    """Filter, and report the cut-off (``cutoff_hz``).

    Raises:
        AudioRestoreError: The recording holds nothing above the cut-off, or the filter would ring for too long.
    """
    highest = sound.sample_rate / 2
    cutoff = config.cutoff_hz
    cutoff = highest * config.cutoff_share if cutoff == "auto" else cutoff
    if cutoff >= highest:
        raise AudioRestoreError(
            f"a recording of {sound.sample_rate} Hz ends at {highest:g} Hz, so it has nothing above "
            f"cutoff_hz={cutoff:g}; ask for a lower cut-off"
        )
    response = impulse_response(config, cutoff / highest)
    yield from convolved(sound, response[np.newaxis], advance=len(response) // 2)
    return Outcome({"cutoff_hz": cutoff})


def impulse_response(config: Config, cutoff: float) -> NDArray[np.float64]:
    """Make the symmetric response of a filter, its cut-off given as a share of the highest frequency."""
    if config.kind == "sinc":
        response = _windowed_sinc(config.order / cutoff, cutoff, config.stopband_db)
        return np.convolve(response, response) if config.passes == 2 else response
    zeros, poles, gain = _prototype(config, cutoff)
    return zero_phase(lambda radians: _amplitude(radians, zeros, poles, gain) ** config.passes)


def _prototype(config: Config, cutoff: float) -> tuple[NDArray[Any], NDArray[Any], float]:
    from scipy import signal

    order, ripple, stopband = config.order, config.ripple_db, config.stopband_db
    match config.kind:
        case "butterworth":
            made = signal.butter(order, cutoff, output="zpk")
        case "chebyshev1":
            made = signal.cheby1(order, ripple, cutoff, output="zpk")
        case "chebyshev2":
            made = signal.cheby2(order, stopband, cutoff, output="zpk")
        case "elliptic":
            made = signal.ellip(order, ripple, stopband, cutoff, output="zpk")
        case _:
            made = signal.bessel(order, cutoff, norm="mag", output="zpk")
    return made[0], made[1], float(made[2])


def _amplitude(
    radians: NDArray[np.float64], zeros: NDArray[Any], poles: NDArray[Any], gain: float
) -> NDArray[np.float64]:
    """Give the magnitude, its sign turned at each zero of the stop band as in a sinc's, which keeps the ringing short.

    All zeros are of magnitude 1: with its mirror image each is a factor 2 (cos w - cos w0), or alone at half the
    sample rate 2 cos(w / 2).
    """
    response = np.full(len(radians), gain)
    at_end = zeros.real < -1.0 + 1e-9
    for zero in zeros[~at_end & (zeros.imag > 0)]:
        response *= 2.0 * (np.cos(radians) - zero.real)
    response *= (2.0 * np.cos(radians / 2.0)) ** np.count_nonzero(at_end)
    for pole in poles:
        response /= np.abs(np.exp(1j * radians) - pole)
    return response


def _windowed_sinc(reach: float, cutoff: float, stopband_db: float) -> NDArray[np.float64]:
    """Cut a sinc off at this many samples to each side, under Kaiser's window for this attenuation."""
    if stopband_db > 50.0:
        beta = 0.1102 * (stopband_db - 8.7)
    else:
        beta = 0.5842 * (stopband_db - 21.0) ** 0.4 + 0.07886 * (stopband_db - 21.0) if stopband_db > 21.0 else 0.0
    half = int(reach)
    time = np.arange(-half, half + 1)
    response = np.sinc(cutoff * time) * np.i0(beta * np.sqrt(np.maximum(0.0, 1.0 - (time / reach) ** 2)))
    return np.asarray(response / response.sum(), np.float64)
