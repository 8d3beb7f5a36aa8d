"""Whether the lag is the same everywhere: the lags of single windows, and the cause if they differ."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .lag import Found, Mono, find, tells_apart, unexplained
from .level import dot
from .resample import resample
from .track import Track, aligned

Points = NDArray[np.float64]

_WINDOWS = 8
_LONGEST_WINDOW = 1 << 15
_LEAST_WINDOW = 1024  # samples: a shorter window proves nothing
_SHORT_WINDOW = 1 << 12  # samples: for lags that change within a long window
_SHORT_WINDOWS = 16
_LEAST_DRIFT = 0.5  # samples: a window this close to the others has the same lag
_FAR = 4.0  # samples: less than one inside an MP3 that is coded at 8 kHz
_CLEARER = 0.01  # share of the energy that a lag that far away must explain in addition
_WORTH = 0.5  # of the unexplained energy: a lag that leaves more of it is attributed to coding noise
_AUDIBLE = 1e-4  # of the loudest window's power
_TRACED = 24  # short windows from which the kind of a drift is found
_REACH = (1 << 15) - (1 << 12)  # samples to each side in which they are searched; with a window, a power of two
_SURE = 8.0  # prominence of a short window that was found
_ABOUT = 300.0  # samples by which wow moves a sound at most
_SPEEDS = 0.12  # the largest deviation of the speed that is searched


@dataclass(frozen=True)
class Window:
    """The lag of one window, relative to the one that was measured over the whole recording."""

    place: int  # its middle, in samples of the reference
    residual: float | None  # its lag minus that of the whole; None if it has no sound or fits at several lags
    drifts: bool  # it proves that the lag is different here


def measure_windows(reference: Track, degraded: Track, lag: float) -> list[Window]:
    """Measure in windows over the whole recording whether they have the lag of the whole.

    A window counts against the pair only if its own lag explains most of the difference there, or if it fits clearly
    better several samples away. So neither a held tone, which fits at many lags, nor coding noise, which no lag
    explains, counts.
    """
    clean, dirty = aligned(reference, degraded, round(lag))
    frames = min(_LONGEST_WINDOW, clean.frames // 2)
    if frames < _LEAST_WINDOW:
        return []
    starts = np.linspace(0, clean.frames - frames, min(_WINDOWS, max(2, clean.frames // frames)), dtype=int)
    windows = _windows(clean, dirty, starts, frames)
    fraction, middle = lag - round(lag), max(0, -round(lag)) + frames // 2
    return [
        Window(int(start) + middle, *_measure_window(clean, window, int(start), fraction))
        if audible
        else Window(int(start) + middle, None, False)
        for start, window, audible in zip(starts, windows, _audible(windows), strict=True)
    ]


def wavers(reference: Track, degraded: Track, lag: float) -> bool:
    """Measure in short windows whether the lag changes too fast for long ones, as with wow."""
    clean, dirty = aligned(reference, degraded, round(lag))
    if clean.frames < 4 * _SHORT_WINDOW:
        return False
    starts = np.linspace(0, clean.frames - _SHORT_WINDOW, _SHORT_WINDOWS, dtype=int)
    windows = _windows(clean, dirty, starts, _SHORT_WINDOW)
    fraction, against, audible = lag - round(lag), 0, _audible(windows)
    for index in np.flatnonzero(audible):
        here, there = windows[index]
        found = find(here, there)
        if found.sign > 0 and 2.0 <= abs(found.lag - fraction) < _SHORT_WINDOW // 4 and found.prominence >= _SURE:
            against += unexplained(here, there, found.lag) < 0.25 * unexplained(here, there, fraction)
    return 3 * against >= max(6, int(audible.sum()))


def _windows(clean: Track, dirty: Track, starts: NDArray[np.int_], frames: int) -> list[tuple[Mono, Mono]]:
    return [(clean.part(start, start + frames), dirty.part(start, start + frames)) for start in starts.tolist()]


def _audible(windows: list[tuple[Mono, Mono]]) -> NDArray[np.bool_]:
    """Find the windows that have sound on both sides."""
    powers = np.array([[dot(side, side) for side in window] for window in windows]).T
    return np.asarray(
        (powers[0] >= _AUDIBLE * powers[0].max()) & (powers[0] > 0) & (powers[1] >= 1e-2 * _AUDIBLE * powers[1].max())
    )


def _measure_window(clean: Track, window: tuple[Mono, Mono], start: int, fraction: float) -> tuple[float | None, bool]:
    here, there = window
    found = find(here, there)
    if found.sign < 0:
        return None, False
    distance = found.lag - fraction
    left, left_there = unexplained(here, there, fraction), unexplained(here, there, found.lag)
    drifts = (abs(distance) >= _LEAST_DRIFT and left_there < 0.5 * left) or (
        abs(distance) >= _FAR and left_there < left - _CLEARER
    )
    if _is_ambiguous(clean, there, start, found):
        return None, drifts
    if drifts:
        return distance, True
    if abs(distance) >= _FAR:
        return None, False  # it fits neither here nor anywhere else
    return (distance if left_there < _WORTH * left - 1e-9 else 0.0), False


def _is_ambiguous(clean: Track, there: Mono, start: int, found: Found) -> bool:
    """Check whether the window fits as well one sample away, or where its own sound repeats.

    The sound around the window is known, so a tone that continues beyond its ends is recognised as fitting anywhere.
    """
    margin = len(there) // 16
    there, start, lag = there[margin:-margin], start + margin, round(found.lag)
    best, beside = _predict(clean, there, start, [lag]), _predict(clean, there, start, [lag + 1])
    if best is None or beside is None:
        return False
    noise = max(0.0, dot(there, there) - dot(best, best)) / len(there)
    step = dot(best - beside, best - beside)
    if not tells_apart(step, step, noise):
        return True
    others = [rival for rival, sign in found.rivals if sign > 0 and rival != lag]
    others += [lag + side * period for period in _periods(clean.part(start, start + len(there))) for side in (-1, 1)]
    best = _predict(clean, there, start, [lag - 1, lag, lag + 1])
    for other in others:
        rival = _predict(clean, there, start, [other - 1, other, other + 1])
        if best is not None and rival is not None:
            better, apart = dot(best, best) - dot(rival, rival), dot(best - rival, best - rival)
            if not tells_apart(better, apart, noise):
                return True
    return False


def _periods(window: Mono) -> list[int]:
    """List the first lags at which a sound nearly repeats, measured in its middle."""
    middle = window[max(0, len(window) - 2 * _SHORT_WINDOW) // 2 :][: 2 * _SHORT_WINDOW]
    power = np.square(np.abs(np.fft.rfft(middle, 2 * len(middle))))
    again = np.fft.irfft(power)[: len(middle) // 2] / np.arange(len(middle), len(middle) - len(middle) // 2, -1)
    inner = again[1:-1]
    dips = np.flatnonzero(again < 0.5 * again[0])
    tops = np.flatnonzero((inner >= again[:-2]) & (inner > again[2:]) & (inner > 0.9 * again[0])) + 1
    return [int(top) for top in tops if len(dips) and top > dips[0]][:2]


def _predict(clean: Track, there: Mono, start: int, lags: list[int]) -> Mono | None:
    """Predict a window from the reference around it, delayed by these lags, each at the level that explains most."""
    if start - max(lags) < 0 or start - min(lags) + len(there) > clean.frames:
        return None
    rows = np.stack([clean.part(start - lag, start - lag + len(there)) for lag in lags]).astype(np.float64)
    levels = np.linalg.lstsq(rows @ rows.T, rows @ there, rcond=1e-9)[0]
    return np.asarray(levels @ rows)


def describe(reference: Track, degraded: Track, lag: float) -> str:
    """Describe the kind of drift: another speed, a cut or a gap, or wow; empty if unclear."""
    points = trace(reference, degraded, lag)
    if len(points) < 4:
        return ""
    step = _step(points)
    speed = _line(points)
    if step and (speed is None or step[2] >= speed[1]):
        place, frames, _ = step
        what = f"{abs(frames):.0f} samples are {'missing' if frames < 0 else 'too many'}"
        return f"a {'cut' if frames < 0 else 'gap'}: {what} around sample {place}"
    if speed and abs(speed[0]) * np.ptp(points[:, 0]) >= 2.0 * _LEAST_DRIFT:
        return speed_text(speed[0])
    fast = find_speed(reference, degraded)
    if fast is not None and abs(fast) > 1e-3:
        return speed_text(fast)
    moves = np.diff(points[:, 1])
    if min(np.mean(moves > _LEAST_DRIFT), np.mean(moves < -_LEAST_DRIFT)) >= 0.25:
        near = points[np.abs(points[:, 1] - np.median(points[:, 1])) <= _ABOUT, 1]
        if len(near):  # there are none if the median is between two distant groups
            return f"wow: the lag goes back and forth by {np.ptp(near):.0f} samples"
    return ""


def is_bent(reference: Track, degraded: Track) -> bool:
    """Check whether short windows are found at about the same place, although the whole fits nowhere."""
    lags = trace(reference, degraded, 0.0, windows=12, sure=1.5 * _SURE)[:, 1]
    return len(lags) >= 5 and bool(np.mean(np.abs(lags - np.median(lags)) <= _ABOUT) >= 0.8)


def speed_text(slope: float) -> str:
    """Describe how fast the degraded recording runs, given by how much its lag grows with every sample.

    >>> speed_text(0.001)
    'another speed: it is slower by 0.1 %'
    """
    percent = 100.0 * (1.0 - 1.0 / (1.0 + slope))
    return f"another speed: it is {'slower' if slope > 0 else 'faster'} by {abs(percent):.2g} %"


def trace(reference: Track, degraded: Track, lag: float, windows: int = _TRACED, sure: float = _SURE) -> Points:
    """Find short windows of the reference independently in the degraded recording.

    Returns:
        Place in the reference and lag of each window that was found for certain, shape (windows, 2), in order.
    """
    frames = min(2 * _SHORT_WINDOW, reference.frames // 8)
    if frames < _LEAST_WINDOW // 4:
        return np.empty((0, 2))
    starts = np.linspace(0, reference.frames - frames, windows, dtype=int)
    points = []
    pieces = _windows(reference, reference, starts, frames)
    for index in np.flatnonzero(_audible(pieces)):
        start = int(starts[index])
        first = max(0, start + round(lag) - _REACH)
        around = degraded.part(first, start + round(lag) + frames + _REACH)
        if len(around) < frames:
            continue
        found = find(pieces[index][0], around)
        if found.sign > 0 and found.prominence >= sure:
            points.append((start + frames / 2, found.lag + first - start))
    return np.array(points).reshape(-1, 2)


def _line(points: Points) -> tuple[float, int] | None:
    """Fit a straight line to most of the points; return its slope, and how many are near it."""
    first, second = np.triu_indices(len(points), 1)
    slope = float(np.median((points[second, 1] - points[first, 1]) / (points[second, 0] - points[first, 0])))
    heights = points[:, 1] - slope * points[:, 0]
    middle = np.median(heights)
    near = np.abs(heights - middle) <= 1.0 + 0.05 * abs(slope) * np.ptp(points[:, 0])
    if near.sum() < 0.7 * len(points) or abs(slope) > 1.5 * _SPEEDS:
        return None
    return float(np.polyfit(points[near, 0], points[near, 1], 1)[0]), int(near.sum())


def _step(points: Points) -> tuple[int, float, int] | None:
    """Fit one step to most of the points; return its place, its height, and how many points are near it."""
    found = None
    for index in range(2, len(points) - 1):
        before, after = np.median(points[:index, 1]), np.median(points[index:, 1])
        levels = np.where(np.arange(len(points)) < index, before, after)
        near = int((np.abs(points[:, 1] - levels) <= 1.0).sum())
        if abs(after - before) > 2.0 and near >= 0.8 * len(points) and (found is None or near > found[2]):
            found = int((points[index - 1, 0] + points[index, 0]) / 2), float(after - before), near
    return found


def find_speed(reference: Track, degraded: Track) -> float | None:
    """Check whether two recordings that do not fit hold the same sound at different speeds.

    A wrong speed moves all of a spectrum by the same interval: on a logarithmic scale of frequency, the average
    spectra are shifted against each other. The two best shifts are undone and checked in windows.

    Returns:
        By how much the lag grows with every sample, or None.
    """
    clean, dirty = reference.part(0, 1 << 20), degraded.part(0, 1 << 20)
    if min(len(clean), len(dirty)) < 8 * _SHORT_WINDOW:
        return None
    step = 2e-3
    shapes = [_log_spectrum(side, step) for side in (clean, dirty)]
    most = round(_SPEEDS / step)
    correlation = np.correlate(np.pad(shapes[0], most), shapes[1], "valid")  # by how much the degraded is lower
    for _ in range(2):
        best = int(np.argmax(correlation))
        correlation[max(0, best - 3) : best + 4] = -np.inf
        slope = float(np.expm1((best - most) * step))
        undone = resample(dirty[None], round(100_000 * (1 + slope)), 100_000)[0]
        points = trace(Track.of(clean), Track.of(undone), 0.0, windows=12)
        line = _line(points) if len(points) >= 6 else None
        if line:
            return (1 + slope) * (1 + line[0]) - 1
    return None


def _log_spectrum(waveform: Mono, step: float) -> NDArray[np.float64]:
    """Average the spectrum on a logarithmic scale of frequency, and remove its broad shape."""
    n_fft = 4 * _SHORT_WINDOW
    rows = waveform[: len(waveform) // n_fft * n_fft].reshape(-1, n_fft) * np.hanning(n_fft)
    power = np.mean(np.square(np.abs(np.fft.rfft(rows))), axis=0)
    bins = np.exp(np.arange(np.log(20.0), np.log(0.3 * n_fft), step))
    levels = np.log(np.interp(bins, np.arange(len(power)), power) + 1e-9 * power.max())
    smooth = np.convolve(np.pad(levels, 50, mode="edge"), np.full(101, 1 / 101), "valid")
    return np.asarray((levels - smooth) / np.sqrt(len(levels)))
