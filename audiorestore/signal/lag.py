"""Where a sound is in another recording: the lag to a fraction of a sample, the evidence for it, and its removal.

The lag is at the peak of the generalised cross-correlation (Knapp and Carter, "The generalized correlation method for
estimation of time delay", IEEE TASSP 1976). Speech and music are so much louder in the bass that the plain peak is
broad, so each frequency is divided by the square root of its magnitude, halfway between no weighting and PHAT. Between
samples the correlation is interpolated by a windowed sinc.

Music that repeats itself gives several peaks. Two lags a and b predict two signals; if a is true, predicting b instead
costs the energy of their difference. So the additional energy that the better lag explains, divided by the energy of
that difference, is 1 if the better one is true, and near 0 if both are equally good: then the smallest lag is chosen.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from .level import apparent_gain, dot

Mono = NDArray[np.floating]

LAG_TOLERANCE = 0.05  # samples: a lag below this counts as none
TAPS = 64  # length of the interpolating kernel to each side, for fractions of a sample
_OFFSETS = np.linspace(-1.0, 1.0, 65)  # samples at which the correlation is interpolated; between them, a parabola
_BETWEEN = np.sinc(_OFFSETS[:, None] - np.arange(-TAPS, TAPS + 1)) * np.kaiser(2 * TAPS + 1, 9.0)
_PEAK = 64  # samples to each side of a peak that belong to it
_NEIGHBOURS = (-1, 0, 1)  # samples: a lag between two samples shows on both of them
_MOST_RIVALS = 8
_LAGS_AT_ONCE = 1 << 16  # bounds memory
_DECIMATION = 4
_BINS_AT_ONCE = 1 << 16
_LONG_FFT = 1 << 22  # samples: from here on, memory matters
_TONAL = 30.0  # prominence: a peak this low may be one of many that held notes cause
_CLEARLY_LESS = 0.25  # share of the unexplained energy that a lag without a peak may leave
_RIVAL = 0.75  # of the highest peak
_NEAR_ZERO = 16  # samples: most pairs are aligned, so a lag up to this needs less evidence
_BEYOND_NOISE = 100.0  # times the noise's power: the difference of predictions that noise cannot cause


@dataclass(frozen=True)
class Found:
    """Where the reference was found in a degraded recording.

    Attributes:
        lag: Samples by which the degraded recording is delayed (negative: advanced), to a fraction of a sample.
        sign: 1, or -1 if it fits with inverted polarity.
        prominence: Height of the correlation's peak over its root mean square at all lags that were searched.
        rivals: Lag in whole samples and sign of every high peak, including the chosen one.
    """

    lag: float
    sign: int
    prominence: float
    rivals: tuple[tuple[int, int], ...]


def find(reference: Mono, degraded: Mono) -> Found:
    """Find where one waveform is in another, in either polarity.

    Of lags that explain the degraded recording equally well, those without inverted polarity win, and among them the
    smallest.
    """
    correlation = _correlate(reference, degraded)
    heights, first = _heights(correlation, len(reference), len(degraded))
    rivals = [(place + first, sign) for place, sign in peaks(heights)]
    power = math.sqrt(float(np.mean(np.square(heights))))
    lag, sign = rivals[0] if len(rivals) == 1 else _best_supported(reference, degraded, rivals)
    if abs(heights[lag - first]) < _TONAL * power:
        most = _most_explaining(reference, degraded)
        left = [dot(degraded, degraded) - _explained(reference, degraded, *rival)[0] for rival in (most, (lag, sign))]
        if abs(most[0] - lag) > _PEAK and left[0] < _CLEARLY_LESS * left[1]:
            lag, sign = _best_supported(reference, degraded, [*rivals, most])
    prominence = abs(float(heights[lag - first])) / power if power > 0 else 0.0
    return Found(lag + _fraction(correlation, lag, sign), sign, prominence, tuple(rivals))


def _most_explaining(reference: Mono, degraded: Mono) -> tuple[int, int]:
    """Find the lag and the sign at which the reference explains most of the degraded recording's energy.

    That need not be a peak: with struck and held notes, the loudest part may be near one end of the overlap.
    """
    products, first = _heights(_correlate(reference, degraded, weighted=False), len(reference), len(degraded))
    energy = np.zeros(len(reference) + 1)
    np.cumsum(np.square(reference, dtype=np.float64), out=energy[1:])
    best, most = 0, -1.0
    for start in range(0, len(products), _LAGS_AT_ONCE):
        here = products[start : start + _LAGS_AT_ONCE]
        lags = np.arange(first + start, first + start + len(here))
        powers = energy[np.clip(len(degraded) - lags, 0, len(reference))] - energy[np.maximum(-lags, 0)]
        explained = np.square(here) / np.maximum(powers, 1e-9 * energy[-1])
        peak = int(np.argmax(explained))
        if explained[peak] > most:
            best, most = start + peak, explained[peak]
    return best + first, 1 if products[best] >= 0 else -1


def _correlate(reference: Mono, degraded: Mono, weighted: bool = True) -> Mono:
    """Correlate at every lag, with less weight on loud frequencies if ``weighted``; negative lags are at the end."""
    n_fft = 1 << (len(reference) + len(degraded) - 1).bit_length()
    cross = np.concatenate(list(_spectrum(degraded, n_fft)))
    place = 0
    for bins in _spectrum(reference, n_fft):  # some at a time: of a long excerpt, an array of all takes 32 MB
        cross[place : place + len(bins)] *= np.conj(bins)
        place += len(bins)
    if weighted:
        magnitude = np.abs(cross)
        np.sqrt(magnitude, out=magnitude)
        np.divide(cross, magnitude, out=cross, where=magnitude > 0)
        del magnitude
    return np.fft.irfft(cross, n_fft)


def _spectrum(waveform: Mono, n_fft: int) -> Iterator[NDArray[np.complexfloating]]:
    """Compute `np.fft.rfft`, of a long waveform some bins at a time, since it works in double precision.

    It takes every R-th sample at a time: X[k] = Σ w^(rk) F_r[k mod n_fft/R] with w = exp(-2πi/n_fft), where F_r is the
    spectrum of the samples r, r + R, r + 2R … (decimation in time; Cooley and Tukey, Math. Comput. 1965).
    """
    size = n_fft // _DECIMATION
    if n_fft < _LONG_FFT or waveform.dtype != np.float32:
        yield np.fft.rfft(waveform, n_fft)
        return
    parts = [np.fft.rfft(waveform[first::_DECIMATION].astype(np.float64), size) for first in range(_DECIMATION)]
    turns = np.exp(-2j * np.pi / n_fft * np.arange(_BINS_AT_ONCE))
    for start in range(0, n_fft // 2, _BINS_AT_ONCE):
        place = start % size
        if place < size // 2:
            rows = [part[place : place + _BINS_AT_ONCE] for part in parts]
        else:  # the upper half of a real signal's spectrum mirrors the lower one
            stop = size - place
            rows = [np.conj(part[stop : stop - _BINS_AT_ONCE : -1]) for part in parts]
        turn = turns * np.exp(-2j * np.pi / n_fft * start)
        total = rows[-1] * turn
        for row in rows[-2:0:-1]:
            total += row
            total *= turn
        yield (total + rows[0]).astype(np.complex64)
    yield np.array([sum((-1) ** first * part[0].real for first, part in enumerate(parts))], np.complex64)


def _heights(correlation: Mono, frames: int, degraded_frames: int) -> tuple[Mono, int]:
    """Cut a correlation to the lags at which at least half of the shorter one overlaps; return it and its first lag."""
    least = -(-min(frames, degraded_frames) // 2)
    earlier = correlation[len(correlation) + least - frames :] if frames > least else correlation[:0]
    return np.concatenate([earlier, correlation[: degraded_frames - least + 1]]), -len(earlier)


def _fraction(correlation: Mono, lag: int, sign: int = 1) -> float:
    """Find the true peak between the samples of a correlation, near the best whole sample."""
    near = sign * np.take(correlation, np.arange(lag - TAPS, lag + TAPS + 1), mode="wrap")
    curve = _BETWEEN @ near
    best = int(np.argmax(curve))
    if best in (0, len(curve) - 1):
        return 0.0
    before, here, after = curve[best - 1 : best + 2]
    bend = before - 2.0 * here + after
    return float(_OFFSETS[best] + (0.5 * (before - after) / bend * (_OFFSETS[1] - _OFFSETS[0]) if bend < 0 else 0.0))


def peaks(heights: Mono) -> list[tuple[int, int]]:
    """List the highest peaks of a correlation with their signs: those near the highest, and one of opposite sign.

    >>> peaks(np.array([0.0, 1.0] + 200 * [0.0] + [-0.9]))
    [(1, 1), (202, -1)]
    """
    left = np.abs(heights)
    best = int(np.argmax(left))
    found = [(best, 1 if heights[best] >= 0 else -1)]
    opponent = int(np.argmax(-found[0][1] * heights))
    if left[opponent] >= _RIVAL * left[best] and opponent != best:
        found.append((opponent, -found[0][1]))
    least = _RIVAL * float(left[best])
    for _ in range(_MOST_RIVALS):
        left[max(0, best - _PEAK) : best + _PEAK + 1] = 0.0
        best = int(np.argmax(left))
        if left[best] < least or left[best] == 0.0:
            break
        found.append((best, 1 if heights[best] >= 0 else -1))
    return list(dict.fromkeys(found))


def _best_supported(reference: Mono, degraded: Mono, rivals: list[tuple[int, int]]) -> tuple[int, int]:
    """Choose the lag that explains most energy; among equals prefer no polarity flip, then the smallest lag."""
    explained = {rival: _explained(reference, degraded, *rival) for rival in rivals}
    best = max(rivals, key=lambda rival: explained[rival][0])
    noise = max(0.0, dot(degraded, degraded) - explained[best][0]) / len(degraded)
    as_good = [best]
    for rival in rivals:
        if rival != best and explained[rival][0] >= 0.5 * explained[best][0]:
            better = explained[best][0] - explained[rival][0]
            near_zero = abs(rival[0]) <= _NEAR_ZERO and rival[1] > 0 and better <= 0.05 * noise * len(degraded)
            predictions = [(lag, explained[lag, sign][1]) for lag, sign in (best, rival)]
            if near_zero or not tells_apart(better, _difference(reference, len(degraded), *predictions), noise):
                as_good.append(rival)
    return min(as_good, key=lambda rival: (-rival[1], abs(rival[0])))


def tells_apart(better: float, apart: float, noise: float) -> bool:
    """Decide whether one prediction is clearly better than another.

    Args:
        better: How much more energy it explains.
        apart: Energy of the predictions' difference: how much more it would explain if it were the true one.
        noise: Power per sample that neither explains.

    >>> tells_apart(0.9, 1.0, 1e-3), tells_apart(0.1, 1.0, 1e-3), tells_apart(0.9, 1.0, 0.1)
    (True, False, False)
    """
    return better >= 0.5 * apart and apart > _BEYOND_NOISE * noise


def _explained(reference: Mono, degraded: Mono, lag: int, sign: int) -> tuple[float, Mono]:
    """Measure how much energy the reference explains at this lag and its neighbours, and at which levels."""
    sides = [overlap(reference, degraded, lag + beside) for beside in _NEIGHBOURS]
    products = np.array([dot(clean, dirty) for clean, dirty in sides])
    if sign * products[1] <= 0:
        return 0.0, np.zeros(3)
    clean = sides[1][0]
    powers = [dot(clean[: len(clean) - apart], clean[apart:]) for apart in range(3)]
    gram = np.array(powers)[np.abs(np.subtract.outer(_NEIGHBOURS, _NEIGHBOURS))]
    levels = np.linalg.lstsq(gram, products, rcond=1e-7)[0]
    return float(levels @ products), levels


def _difference(reference: Mono, frames: int, first: tuple[int, Mono], second: tuple[int, Mono]) -> float:
    """Measure the energy by which two predictions (lag, levels) of a degraded recording differ."""
    difference = np.zeros(frames, np.float32)
    for (lag, levels), sign in ((first, 1.0), (second, -1.0)):
        for beside, level in zip(_NEIGHBOURS, levels, strict=True):
            clean, there = overlap(reference, difference, lag + beside)
            there += np.float32(sign * level) * clean  # a view: it is added to the difference
    return dot(difference, difference)


def overlap_range(frames: int, degraded_frames: int, lag: int) -> tuple[int, int, int]:
    """Find where the overlap begins in each of two recordings, the degraded one delayed by ``lag``, and its length.

    >>> overlap_range(10, 10, -3)
    (3, 0, 7)
    """
    ahead, behind = max(0, -lag), max(0, lag)
    return ahead, behind, max(0, min(frames - ahead, degraded_frames - behind))


def overlap(reference: Mono, degraded: Mono, lag: int) -> tuple[Mono, Mono]:
    """Cut both waveforms to where they overlap when the degraded one is delayed by ``lag`` samples."""
    ahead, behind, frames = overlap_range(reference.shape[-1], degraded.shape[-1], lag)
    return reference[..., ahead : ahead + frames], degraded[..., behind : behind + frames]


def at_lag(reference: Mono, degraded: Mono, lag: float) -> tuple[float, float]:
    """Measure correlation and gain where the two overlap at this lag."""
    if abs(lag - round(lag)) > LAG_TOLERANCE:
        degraded = shift(degraded, lag - round(lag), len(degraded))
    clean, dirty = overlap(reference, degraded, round(lag))
    power = np.sqrt(dot(clean, clean) * dot(dirty, dirty))
    return (dot(clean, dirty) / float(power) if power > 0 else 0.0), apparent_gain(clean, dirty)


def unexplained(reference: Mono, degraded: Mono, lag: float) -> float:
    """Measure the share of the degraded recording's energy that the reference does not explain at this lag."""
    return 1.0 - max(0.0, at_lag(reference, degraded, lag)[0]) ** 2


def shift(waveform: NDArray[np.floating], lag: float, frames: int) -> NDArray[np.float32]:
    """Undo a lag: return ``frames`` samples (…, time) of which the first is the one that was at ``lag``.

    Samples outside the waveform are zero. Fractions of a sample are interpolated by a windowed sinc (Kaiser, β = 9).

    >>> shift(np.array([0.0, 0.0, 1.0, 2.0]), 2, 3)
    array([1., 2., 0.], dtype=float32)
    """
    return stretch(waveform, round(lag), frames, lag - round(lag))


def stretch(waveform: NDArray[np.floating], start: int, frames: int, fraction: float) -> NDArray[np.float32]:
    """Read ``frames`` samples from ``start`` on, a fraction of a sample after each; outside there are zeros."""
    margin = 0 if abs(fraction) < LAG_TOLERANCE else TAPS
    first, last = start - margin, start + frames + margin
    inside = waveform[..., max(0, first) : max(0, last)]
    before = min(max(0, -first), last - first)
    after = last - first - before - inside.shape[-1]
    padded = np.pad(inside, [(0, 0)] * (waveform.ndim - 1) + [(before, after)])
    if margin:
        padded = np.apply_along_axis(np.convolve, -1, padded.astype(np.float32), _kernel(fraction), "valid")
    return padded.astype(np.float32)


@lru_cache(maxsize=8)
def _kernel(fraction: float) -> NDArray[np.float64]:
    kernel = np.sinc(np.arange(-TAPS, TAPS + 1) + fraction) * np.kaiser(2 * TAPS + 1, 9.0)
    return np.asarray(kernel / kernel.sum())
