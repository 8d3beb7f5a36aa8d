"""Laying a degraded recording over its reference: lag to a fraction of a sample, gain, and the proof that it holds.

The lag is where the cross-correlation of both recordings peaks, after each frequency's share in it has been flattened
part of the way (Knapp and Carter, "The generalized correlation method for estimation of time delay", IEEE TASSP 1976;
here with the square root of the magnitude, between no weighting and PHAT), since speech and music are so much louder
in the bass that the plain peak is broad. Between samples the correlation is followed as a sum of cosines.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import AlignmentError
from .level import apparent_gain, dot

Mono = NDArray[np.floating]

LAG_TOLERANCE = 0.05  # samples: a lag below this is no lag
_WHOLE_FRAMES = 1 << 22  # recordings up to this length are correlated whole, longer ones by their loudest part
_EXCERPT_FRAMES = 1 << 21
_WINDOWS = 8
_LEAST_CORRELATION = 0.1
_LEAST_WINDOW = 1024  # samples: a shorter window is no witness
_LEAST_DRIFT = 0.5  # samples: a window this close to the others lies where they lie
_FAR = 4.0  # samples: less than one inside an MP3 that is coded at 8 kHz
_CLEARER = 0.01  # share of the energy that a lag so far away has to explain more
_LEAST_SEARCHED = 100  # samples: a shorter recording fits anywhere, so it is taken as it lies
_TAPS = 64  # length of the interpolating kernel to each side, for fractions of a sample


@dataclass(frozen=True)
class ChannelAlignment:
    """How one channel of a degraded recording lies on its reference.

    Attributes:
        lag: Samples by which the degraded channel is late (negative: early); a fraction is meant.
        gain: The factor by which the reference's own sound was scaled.
        correlation: Normalised correlation at that lag, at most 1.
    """

    lag: float
    gain: float
    correlation: float


def measure(reference: NDArray[np.floating], degraded: NDArray[np.floating]) -> list[ChannelAlignment | None]:
    """Find how each channel of a degraded recording lies on its reference.

    Args:
        reference: Samples, shape (channels, time).
        degraded: Samples at the same rate, shape (channels, time), of any length.

    Returns:
        One entry a channel; None for a channel whose reference is silent, where no lag can be seen.

    Raises:
        AlignmentError: The two hold different sound, drift against each other, or one is the other upside down.
    """
    if reference.shape[0] != degraded.shape[0]:
        raise AlignmentError(f"the reference has {reference.shape[0]} channels and the degraded {degraded.shape[0]}")
    return [_measure_channel(clean, dirty) for clean, dirty in zip(reference, degraded, strict=True)]


def _measure_channel(reference: Mono, degraded: Mono) -> ChannelAlignment | None:
    if not reference.any():
        return None
    if not degraded.any():
        raise AlignmentError("the degraded recording is silent where its reference is not")
    if min(len(reference), len(degraded)) < _LEAST_SEARCHED:
        correlation, gain = _at_lag(reference, degraded, 0.0)
        return ChannelAlignment(0.0, gain, correlation)
    lag = _plainest(reference, degraded, _global_lag(reference, degraded))
    correlation, gain = _at_lag(reference, degraded, lag)
    if correlation < 0.95 and _at_lag(reference, degraded, _global_lag(reference, -degraded))[0] < -max(
        correlation, _LEAST_CORRELATION
    ):
        raise AlignmentError("the degraded recording is upside down: its polarity is inverted")
    if correlation < max(_LEAST_CORRELATION, 5.0 / math.sqrt(min(len(reference), len(degraded)))):
        searched = "" if _short(reference, degraded) else f", of those up to {_EXCERPT_FRAMES // 2} samples,"
        raise AlignmentError(
            f"these do not look like the same recording: at their best lag{searched} they correlate by "
            f"{correlation:.2f} only"
        )
    _refuse_drift(reference, degraded, lag)
    return ChannelAlignment(lag, gain, correlation)


def find_lag(reference: Mono, degraded: Mono) -> float:
    """Find by how many samples one waveform is late against another: the peak of their weighted cross-correlation.

    >>> click = np.zeros(64); click[20] = 1.0
    >>> round(find_lag(click, np.roll(click, 5)), 3)
    5.0
    """
    cross, n_fft = _weighted_spectrum(reference, degraded)
    correlation = np.fft.irfft(cross, n_fft)
    # Later, then earlier: negative lags stand at the end, as the FFT wraps them. At least half of the shorter one lies
    # on the other, since a few samples fit anywhere.
    least = -(-min(len(reference), len(degraded)) // 2)
    lags = np.concatenate([np.arange(len(degraded) - least + 1), np.arange(least - len(reference), 0)])
    best = int(lags[np.argmax(correlation[lags])])
    return best + _fraction(cross, n_fft, best)


def _weighted_spectrum(reference: Mono, degraded: Mono) -> tuple[NDArray[np.complexfloating], int]:
    n_fft = 1 << (len(reference) + len(degraded) - 1).bit_length()
    cross = np.fft.rfft(degraded, n_fft) * np.conj(np.fft.rfft(reference, n_fft))
    magnitude = np.sqrt(np.abs(cross))
    return np.divide(cross, magnitude, out=np.zeros_like(cross), where=magnitude > 0), n_fft


def _fraction(cross: NDArray[np.complexfloating], n_fft: int, lag: int) -> float:
    """Climb from the best whole sample to the true peak: Newton's steps on a sum of cosines."""
    radians = 2.0 * np.pi * np.arange(len(cross)) / n_fft
    offset = 0.0
    for _ in range(8):
        turned = cross * np.exp(1j * radians * (lag + offset))
        slope = -float(np.sum(radians * turned.imag))
        curvature = -float(np.sum(radians**2 * turned.real))
        if curvature >= 0:
            return 0.0
        step = -slope / curvature
        offset += float(np.clip(step, -0.5, 0.5))
        if abs(step) < 1e-6:
            break
    return offset if abs(offset) <= 1.0 else 0.0


def _plainest(reference: Mono, degraded: Mono, lag: float) -> float:
    """Take no lag for a lag of a sample or two, or a whole one for a fraction, where that explains as much.

    Coding noise moves the peak of a correlation by up to a sample where nothing was moved. A true lag leaves an error
    that undoing it removes; one that removes less than 5 % (0.2 dB) is taken for noise.
    """
    best = _left(reference, degraded, lag)
    for plain in ([0.0] if abs(lag) <= 2.0 else []) + [float(round(lag))]:
        if _left(reference, degraded, plain) <= 1.05 * best + 1e-9:
            return plain
    return lag


def _left(reference: Mono, degraded: Mono, lag: float) -> float:
    """Tell which share of the degraded recording's energy the reference does not explain at this lag."""
    return 1.0 - max(0.0, _at_lag(reference, degraded, lag)[0]) ** 2


def _short(reference: Mono, degraded: Mono) -> bool:
    return max(len(reference), len(degraded)) <= _WHOLE_FRAMES


def _global_lag(reference: Mono, degraded: Mono) -> float:
    if _short(reference, degraded):
        return find_lag(reference, degraded)
    start = _loudest(reference, _EXCERPT_FRAMES)
    first = max(0, start - _EXCERPT_FRAMES // 2)
    excerpt = degraded[first : start + _EXCERPT_FRAMES + _EXCERPT_FRAMES // 2]
    return find_lag(reference[start : start + _EXCERPT_FRAMES], excerpt) - (start - first)


def _loudest(waveform: Mono, frames: int) -> int:
    energy = np.concatenate([[0.0], np.cumsum(np.square(waveform, dtype=np.float64))])
    return int(np.argmax(energy[frames:] - energy[:-frames])) if len(waveform) > frames else 0


def overlap(reference: Mono, degraded: Mono, lag: int) -> tuple[Mono, Mono]:
    """Cut both waveforms to where they lie on each other when the degraded one is ``lag`` samples late."""
    ahead, behind = max(0, -lag), max(0, lag)
    frames = max(0, min(reference.shape[-1] - ahead, degraded.shape[-1] - behind))
    return reference[..., ahead : ahead + frames], degraded[..., behind : behind + frames]


def _at_lag(reference: Mono, degraded: Mono, lag: float) -> tuple[float, float]:
    """Measure correlation and gain where the two lie on each other at this lag."""
    if abs(lag - round(lag)) > LAG_TOLERANCE:
        degraded = shift(degraded, lag - round(lag), len(degraded))
    clean, dirty = overlap(reference, degraded, round(lag))
    power = np.sqrt(dot(clean, clean) * dot(dirty, dirty))
    return (dot(clean, dirty) / float(power) if power > 0 else 0.0), apparent_gain(clean, dirty)


def _refuse_drift(reference: Mono, degraded: Mono, lag: float) -> None:
    """Look at windows over the whole recording: all must lie at the same lag.

    A window testifies against the pair only if its own lag explains most of what differs there, or if it fits clearly
    better several samples away. So neither a held tone, which fits at many lags, nor coding noise, which no lag
    explains, is a witness.
    """
    clean, dirty = overlap(reference, degraded, round(lag))
    fraction = lag - round(lag)
    frames = min(1 << 15, len(clean) // 2)
    if frames < _LEAST_WINDOW:
        return
    starts = np.linspace(0, len(clean) - frames, min(_WINDOWS, max(2, len(clean) // frames)), dtype=int)
    powers = [dot(clean[start : start + frames], clean[start : start + frames]) for start in starts]
    offsets = {}
    for start, power in zip(starts, powers, strict=True):
        if power < 1e-4 * max(powers):
            continue
        here, there = clean[start : start + frames], dirty[start : start + frames]
        offset = find_lag(here, there)
        distance = abs(offset - fraction)
        left, left_there = _left(here, there, fraction), _left(here, there, offset)
        if (distance >= _LEAST_DRIFT and left_there < 0.5 * left) or (
            distance >= _FAR and left_there < left - _CLEARER
        ):
            offsets[start + frames // 2] = offset
    if offsets:
        place = max(offsets, key=lambda each: abs(offsets[each]))
        raise AlignmentError(
            f"the lag is not the same everywhere: {lag:.1f} samples over the whole recording, but "
            f"{round(lag) + offsets[place]:.1f} around sample {place} (another speed, a cut, or different content)"
        )


def shift(waveform: NDArray[np.floating], lag: float, frames: int) -> NDArray[np.float32]:
    """Undo a lag: return ``frames`` samples of which the first is the one that was at ``lag``; nothing wraps around.

    What lies outside the waveform is zero. Fractions of a sample are interpolated by a windowed sinc (Kaiser, β = 9).

    Args:
        waveform: Samples, shape (…, time).
        lag: Samples by which it is late.
        frames: Length of what is returned.

    >>> shift(np.array([0.0, 0.0, 1.0, 2.0]), 2, 3)
    array([1., 2., 0.], dtype=float32)
    """
    whole = round(lag)
    fraction = lag - whole
    margin = 0 if abs(fraction) < LAG_TOLERANCE else _TAPS
    first, last = whole - margin, whole + frames + margin
    inside = waveform[..., max(0, first) : max(0, last)]
    before = min(max(0, -first), last - first)
    after = last - first - before - inside.shape[-1]
    padded = np.pad(inside, [(0, 0)] * (waveform.ndim - 1) + [(before, after)]).astype(np.float32)
    if not margin:
        return padded
    times = np.arange(-_TAPS, _TAPS + 1)
    kernel = np.sinc(times + fraction) * np.kaiser(2 * _TAPS + 1, 9.0)
    return np.apply_along_axis(lambda row: np.convolve(row, kernel / kernel.sum(), "valid"), -1, padded).astype(
        np.float32
    )
