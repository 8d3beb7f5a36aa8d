"""A low-pass filter of one of many kinds removes the highs, so that no network learns the edge of a single filter.

Each has the magnitude of its kind and zero phase, so nothing is delayed at any frequency: the response is sampled, and
realised by a symmetric filter with an error of −120 dB (root mean square over frequency; −60 to −80 dB at single
frequencies on the edge of the sharpest). A sharp filter rings before a sound as well as after it: an elliptic one of
order 12 with Sulun and Davies' ripple for 1.2 s to each side. One that would ring for 262,144 samples is refused.

At ``cutoff_hz`` a Butterworth or Bessel filter is 3 dB down and the sinc 6 dB; Chebyshev filters of type 1 and elliptic
ones are down by their ripple, those of type 2 by all of ``stopband_db``.

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

_IIR = {  # their names in SciPy
    "butterworth": "butter",
    "chebyshev1": "cheby1",
    "chebyshev2": "cheby2",
    "elliptic": "ellip",
    "bessel": "bessel_mag",
}
KINDS = (*_IIR, "sinc")


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
        Span(0.15, 0.75), Domain(float, meaning="cut-off over half the rate if cutoff_hz is auto", low=0.01, high=0.99)
    )
    ripple_db: float = parameter(
        Span(0.05, 1.0), Domain(float, "dB", "ripple of chebyshev1 and elliptic below the cut-off", low=0.01, high=3)
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
    from scipy.signal import iirfilter

    zeros, poles, gain = iirfilter(
        config.order, cutoff, config.ripple_db, config.stopband_db, "low", ftype=_IIR[config.kind], output="zpk"
    )
    return zero_phase(lambda radians: _amplitude(radians, zeros, poles, float(gain)) ** config.passes)


def _amplitude(
    radians: NDArray[np.float64], zeros: NDArray[Any], poles: NDArray[Any], gain: float
) -> NDArray[np.float64]:
    """Compute the magnitude, with the sign changed at each zero of the stop band as in a sinc, to keep ringing short.

    All zeros have magnitude 1: with its mirror image each is a factor 2 (cos w - cos w0), or alone at half the sample
    rate 2 cos(w / 2).
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
    """Make a sinc that ends after ``reach`` samples on each side, under Kaiser's window for this attenuation."""
    from scipy.signal import kaiser_beta

    beta, time = kaiser_beta(stopband_db), np.arange(-int(reach), int(reach) + 1)
    response = np.sinc(cutoff * time) * np.i0(beta * np.sqrt(np.maximum(0.0, 1.0 - (time / reach) ** 2)))
    return np.asarray(response / response.sum(), np.float64)
