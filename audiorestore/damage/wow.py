"""Speed that varies slowly (wow) and fast (flutter), as with discs pressed off centre and worn tape drives.

The time map itself is drawn. At ``t`` seconds the damaged recording is the clean one at ``t + d(t)``, and runs
``1 + d'(t)`` times as fast:

    d(t) = Σ percent / (100 · 2π · hz) · (sin(2π · hz · t + phase) − sin(phase)),  over wow and flutter.

``d(0)`` is 0 and the speed stays above 0, so nothing is read before the start. At the end the map may go past the
recording, where there is silence, or end before it: by ``largest_lag`` at most. `warp` does the same to a reference.

An eccentric disc varies by its eccentricity over the radius of the groove, 0.5 mm at 100 mm being 0.5 %, once a turn:
at 0.56, 0.75 or 1.3 Hz for 33⅓, 45 or 78 turns a minute. Good machines stay under 0.1 %.

A windowed sinc of 257 taps interpolates between samples, with an error of −120 dB for tones up to 0.48 of the sample
rate. A tone above that has an image as far beyond half the sample rate, which is folded back.

Source: AES6-2008 and IEC 60386 (wow and flutter, and how they are weighted: the numbers here are unweighted peaks);
Farrow, "A continuously variable digital delay element", ISCAS 1988 (kernels as polynomials); Kaiser, "Nonrecursive
digital filter design using the I0-sinh window function", ISCAS 1974.
"""

from collections.abc import Generator
from dataclasses import dataclass
from itertools import chain, repeat

import numpy as np
from numpy.typing import NDArray

from ..signal.sound import BLOCK_FRAMES, Block, Sound, windows
from ._damage import DamageConfig, Damaged, Domain, Outcome, Span, parameter

_REACH = 128  # samples that the kernel looks at on each side
_BETA = 12.27  # of Kaiser's window: −120 dB
_DEGREE = 10  # of the polynomials, one for each tap; the next would change less than rounding to float32 does
_FFT_FRAMES = 16384
_STEP = _FFT_FRAMES - 2 * _REACH  # samples that one round of the fast convolution moves on by
_PHASE = Domain(float, "°", "phase at the start: fastest at 0, slowest at 180", low=0.0, high=360.0)


@dataclass(frozen=True)
class Config(DamageConfig):
    """How much and how fast the speed varies."""

    wow_percent: float = parameter(
        Span(0.1, 1.0), Domain(float, "%", "greatest slow deviation of the speed", low=0.0, high=10.0)
    )
    wow_hz: float = parameter(Span(0.5, 2.0), Domain(float, "Hz", "rate of the slow deviation", low=0.1, high=6.0))
    wow_phase_degrees: float = parameter(Span(0.0, 360.0), _PHASE)
    flutter_percent: float = parameter(
        Span(0.0, 0.1), Domain(float, "%", "greatest fast deviation of the speed", low=0.0, high=5.0)
    )
    flutter_hz: float = parameter(
        Span(6.0, 20.0), Domain(float, "Hz", "rate of the fast deviation", low=6.0, high=100.0)
    )
    flutter_phase_degrees: float = parameter(Span(0.0, 360.0), _PHASE)


def apply(sound: Sound, config: Config) -> Damaged:
    """Warp time, and report the largest lag in samples, advanced or delayed (``largest_lag``)."""
    largest_lag = yield from warp(sound, config)
    return Outcome({"largest_lag": round(largest_lag, 3)})


def warp(sound: Sound, config: Config) -> Generator[Block, None, float]:
    """Warp any recording by the time map, and return the largest lag.

    A tap's weight changes smoothly with the place between two samples. As a polynomial of it, the sum over the taps is
    a polynomial too, whose coefficients are the recording filtered by a few fixed kernels.
    """
    kernels = np.fft.rfft(_polynomials(), _FFT_FRAMES)
    slowest = 1.0 - (config.wow_percent + config.flutter_percent) / 100.0
    most = int(_STEP / slowest) + 2  # samples that result from one step
    first, done, largest_lag = -_REACH, 0, 0.0  # the sample that the next step starts at; samples yielded
    silence = np.zeros((sound.channels, BLOCK_FRAMES), np.float32)
    blocks = chain(sound.blocks(), repeat(silence))
    for segment in windows(blocks, _FFT_FRAMES, _STEP, before=2 * _REACH, pad=True):
        places = _places(done, min(done + most, sound.frames), sound.sample_rate, config)
        nearest = np.rint(places)
        count = int(np.searchsorted(nearest, first + _STEP))
        places, nearest = places[:count], nearest[:count]
        index = nearest.astype(np.int64) - first
        aside = 2.0 * (places - nearest)  # −1 to 1
        warped = np.empty((sound.channels, count), np.float32)
        for row, samples in zip(warped, segment, strict=True):
            coefficients = np.fft.irfft(np.fft.rfft(samples.astype(np.float64)) * kernels, _FFT_FRAMES)[:, 2 * _REACH :]
            value = coefficients[-1].take(index)
            for coefficient in coefficients[-2::-1]:
                value = value * aside + coefficient.take(index)
            row[:] = value
        if count:
            largest_lag = max(largest_lag, float(np.abs(places - np.arange(done, done + count)).max()))
            yield warped
        first, done = first + _STEP, done + count
        if done == sound.frames:
            break
    return largest_lag


def _places(start: int, stop: int, sample_rate: int, config: Config) -> NDArray[np.float64]:
    """Compute where in the clean recording, in samples, samples ``start`` to ``stop`` of the warped one are."""
    places = np.arange(start, stop, dtype=np.float64)
    turns = 2.0 * np.pi / sample_rate * places  # the phase of a deviation of 1 Hz
    for percent, rate_hz, phase_degrees in (
        (config.wow_percent, config.wow_hz, config.wow_phase_degrees),
        (config.flutter_percent, config.flutter_hz, config.flutter_phase_degrees),
    ):
        phase = np.deg2rad(phase_degrees)
        largest = percent / 100.0 / (2.0 * np.pi * rate_hz) * sample_rate
        places += largest * (np.sin(rate_hz * turns + phase) - np.sin(phase))
    return places


def _polynomials() -> NDArray[np.float64]:
    """Write each tap of the windowed sinc as a polynomial of the place, −1 to 1 for half a sample to either side.

    Returns:
        Coefficients, shape (degree + 1, taps), the constant ones first; the taps are reversed for the convolution.
    """
    nodes = np.polynomial.chebyshev.chebpts1(_DEGREE + 1)
    distance = np.arange(-_REACH, _REACH + 1) - nodes[:, None] / 2.0
    window = np.i0(_BETA * np.sqrt(1.0 - (distance / (_REACH + 0.5)) ** 2)) / np.i0(_BETA)
    solved = np.linalg.solve(np.vander(nodes, increasing=True), np.sinc(distance) * window)
    return np.asarray(solved[:, ::-1], np.float64)
