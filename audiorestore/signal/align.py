"""How a degraded recording is aligned with its reference: the lag to a fraction of a sample, and the gain.

A problem with a pair is a finding: swapped channels, inverted polarity, other content, a lag that drifts. Each raises
an error, or is reported in the result if it is allowed. Recordings are read in parts, so two hours take no more memory
than two minutes.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from ..errors import AlignmentError
from .drift import Window, describe, find_speed, is_bent, measure_windows, speed_text, wavers
from .findings import FINDINGS
from .lag import LAG_TOLERANCE, Found, at_lag, find, overlap_range
from .sound import Sound
from .track import ENERGY_FRAMES, Fit, Track, block_energies, fits, products, tracks

__all__ = ["LAG_TOLERANCE", "ChannelAlignment", "measure"]

_WHOLE_FRAMES = 1 << 22  # recordings up to this length are correlated whole, longer ones by their loudest parts
_EXCERPT_FRAMES = 1 << 21
_LEAST_CORRELATION = 0.1
_PLAIN_CORRELATION = 0.5  # only the same sound correlates that well
_PROMINENT = 5.0  # prominence times correlation: above this, a peak is not due to chance
_LEAST_SEARCHED = 100  # samples: a shorter recording fits anywhere, so its lag is assumed to be 0
_SILENT = 1e-6  # of the loudest channel's energy

Energies = NDArray[np.float64]


@dataclass(frozen=True)
class ChannelAlignment:
    """How one channel of a degraded recording is aligned with its reference.

    Attributes:
        lag: Samples by which the degraded channel is delayed (negative: advanced), to a fraction of a sample.
        gain: The factor by which the reference's own sound was scaled, without its sign; 0 if nothing of it is left.
        correlation: Normalised correlation at that lag, at most 1, without its sign.
        windows: Lag of each window of the recording relative to ``lag``, in samples; None for a window that has no
            sound or fits at several lags.
        found: Which of `FINDINGS` were accepted.
    """

    lag: float
    gain: float
    correlation: float
    windows: tuple[float | None, ...] = ()
    found: tuple[str, ...] = ()


def measure(reference: Sound, degraded: Sound, allow: Collection[str] = frozenset()) -> list[ChannelAlignment | None]:
    """Measure how each channel of a degraded recording is aligned with its reference.

    If swapped channels are allowed, each is measured against the one that it holds. Inverted polarity is undone first.
    Other content has lag and gain 0. If the lag drifts, the best lag over the whole recording is returned.

    Args:
        reference: The clean recording.
        degraded: A recording with the same sample rate and channels, of any length.
        allow: Which of `FINDINGS` to report in the result instead of raising them.

    Returns:
        One entry per channel; None for a channel whose reference is silent, so that no lag can be measured.

    Raises:
        AlignmentError: There is a finding that is not allowed; its ``kind`` says which.
    """
    if reference.channels != degraded.channels:
        raise AlignmentError(f"the reference has {reference.channels} channels and the degraded {degraded.channels}")
    pair = _Pair(reference, degraded)
    sources = pair.sources()
    readings = [pair.read(source, index) for index, source in enumerate(sources)]
    _share_speed(readings)
    refused = [kind for kind in FINDINGS if kind not in allow and any(kind in each.sentences for each in readings)]
    if refused:
        raise AlignmentError("; and ".join(_sentence(kind, readings) for kind in refused), kind=refused[0])
    return [reading.result() for reading in readings]


@dataclass
class _Reading:
    """What was measured on one channel, with a sentence for each finding."""

    lag: float = 0.0
    gain: float = 0.0
    correlation: float = 0.0
    windows: list[Window] = field(default_factory=list)
    silent: bool = False  # the reference: there is nothing to measure
    unrelated: bool = False  # nothing fits
    sentences: dict[str, str] = field(default_factory=dict)

    def result(self) -> ChannelAlignment | None:
        """Get the result without the sentences; None if the reference is silent."""
        if self.silent:
            return None
        windows = tuple(window.residual for window in self.windows)
        return ChannelAlignment(self.lag, self.gain, self.correlation, windows, tuple(sorted(self.sentences)))


def _share_speed(readings: list[_Reading]) -> None:
    """If one channel is the same sound at another speed, report that for channels where nothing fits, too."""
    speeds = [each for each in readings if "drift" in each.sentences and not each.gain]
    for each in readings:
        if speeds and each.unrelated:
            each.sentences = {**speeds[0].sentences, **each.sentences}
            del each.sentences["content"]


def _sentence(kind: str, readings: list[_Reading]) -> str:
    sentences = {index + 1: each.sentences[kind] for index, each in enumerate(readings) if kind in each.sentences}
    if kind == "channels":
        return f"{FINDINGS[kind]}: {', '.join(sentences.values())}"
    where = "" if len(sentences) == len(readings) else f" (in channel {' and '.join(map(str, sentences))})"
    return next(iter(sentences.values())) + where


class _Pair:
    """Two recordings, their energies over time, and where their channels were found in each other."""

    def __init__(self, reference: Sound, degraded: Sound) -> None:
        self.reference, self.degraded = reference, degraded
        self._clean, self._dirty = tracks(reference), tracks(degraded)
        self._energies = [block_energies(reference), block_energies(degraded)]
        self._found: dict[tuple[int, int], Found | None] = {}
        self._sums: dict[tuple[int, int], Energies] = {}

    def read(self, source: int, index: int) -> _Reading:
        """Measure one degraded channel against the one of the reference that it holds."""
        if not self._energies[0][source].any():
            reading = _Reading(silent=True)
        elif not self._energies[1][index].any():
            reading = _Reading(sentences={"content": "the degraded recording is silent where its reference is not"})
        else:
            reading = _read(self._clean[source], self._dirty[index], self.search(source, index))
        if source != index:
            reading.sentences["channels"] = f"channel {index + 1} holds the reference's channel {source + 1}"
        return reading

    def search(self, source: int, index: int) -> Found | None:
        """Find one channel in another; None if one of them is silent or too short for a lag."""
        if (source, index) not in self._found:
            self._found[source, index] = self._search(source, index)
        return self._found[source, index]

    def _search(self, source: int, index: int) -> Found | None:
        clean, dirty, energies = self._clean[source], self._dirty[index], self._energies[0][source]
        if min(clean.frames, dirty.frames) < _LEAST_SEARCHED or not (energies.any() and self._energies[1][index].any()):
            return None
        if _short(clean, dirty):
            return find(clean.part(0, clean.frames), dirty.part(0, dirty.frames))
        found = []
        for start in _loud_starts(energies[: clean.frames // ENERGY_FRAMES], clean.frames):
            first = max(0, start - _EXCERPT_FRAMES // 2)
            excerpt = dirty.part(first, start + _EXCERPT_FRAMES + _EXCERPT_FRAMES // 2)
            here = clean.part(start, start + _EXCERPT_FRAMES)
            if len(excerpt) < _LEAST_SEARCHED or not excerpt.any():
                continue  # the degraded recording holds nothing of this part
            part = find(here, excerpt)
            found.append(Found(part.lag - (start - first), part.sign, part.prominence, part.rivals))
            if part.sign * at_lag(here, excerpt, part.lag)[0] >= _PLAIN_CORRELATION:
                return found[-1]
        return max(found, key=lambda each: each.prominence) if found else None

    def sources(self) -> list[int]:
        """Find which channel of the reference each degraded channel holds: its own, unless some are clearly swapped.

        The two channels of a stereo recording resemble each other, and codecs store what they have in common. So a
        channel counts as another one only if that is nearer by half of the difference between the two, and only if all
        swapped channels are found.
        """
        own = list(range(self.reference.channels))
        if len(own) < 2 or min(self.reference.frames, self.degraded.frames) < _LEAST_SEARCHED:
            return own
        clean, dirty = (_audible(energies) for energies in self._energies)
        sources = []
        for index in own:
            if not dirty[index]:
                silent = [other for other in own if not clean[other]]
                sources.append(index if index in silent or len(silent) != 1 else silent[0])
                continue
            nearness = {other: self._nearness(index, other) for other in own if other != index and clean[other]}
            best = max(nearness, key=lambda other: nearness[other], default=index)
            sources.append(best if nearness.get(best, 0.0) > 0.5 else index)
        return sources if sorted(sources) == own else own

    def _nearness(self, index: int, other: int) -> float:
        """Measure how much nearer a degraded channel is to another of the reference's channels than to its own.

        Returns:
            1 if it is the other one; 0 if it is its own or neither, or if nothing distinguishes the two.
        """
        energies, frames = self._products(index, self.search(index, index))
        own = _explained(energies, index)
        # Its own lag may be wrong, and the other's better.
        if own < 0.8 * energies[-1, -1] and (there := self.search(other, index)) is not None:
            energies, frames = self._products(index, there)
            own = max(own, _explained(energies, index))
        total = energies[-1, -1]
        across = _explained(energies, other)
        best = max(own, across)
        power = energies[index, index]
        alike = energies[index, other] ** 2 / power / max(energies[other, other], 1e-30) if power > 0 else 0.0
        expected = best * (1.0 - alike)
        noise = (total - best) / max(1, frames)
        clear = max(1e-3 * total, 0.1 * (total - best))  # if the two drift, neither channel explains much
        return (across - own) / expected if across - own > clear and expected > 100.0 * noise else 0.0

    def _products(self, index: int, found: Found | None) -> tuple[Energies, int]:
        """Sum the products of the reference's channels and a degraded one at the lag that was found."""
        lag = round(found.lag) if found else 0
        if (index, lag) not in self._sums:
            self._sums[index, lag] = products(self.reference, self._dirty[index], lag)
        return self._sums[index, lag], overlap_range(self.reference.frames, self.degraded.frames, lag)[2]


def _explained(energies: Energies, channel: int) -> float:
    power = energies[channel, channel]
    return float(energies[channel, -1] ** 2 / power) if power > 0 else 0.0


def _audible(energies: Energies) -> list[bool]:
    totals = energies.sum(axis=-1)
    return [bool(total > _SILENT * totals.max()) for total in totals]


def _short(reference: Track, degraded: Track) -> bool:
    return max(reference.frames, degraded.frames) <= _WHOLE_FRAMES


def _loud_starts(energies: Energies, frames: int) -> list[int]:
    """List where the excerpts with the most sound start: the loudest of all, then that of each quarter."""
    if frames <= _EXCERPT_FRAMES:
        return [0]
    summed = np.concatenate([[0.0], np.cumsum(energies)])
    length = _EXCERPT_FRAMES // ENERGY_FRAMES
    sums = summed[length:] - summed[:-length]
    edges = np.linspace(0, len(sums), 5, dtype=int)
    quarters = [int(low + np.argmax(sums[low:high])) for low, high in pairwise(edges) if low < high]
    return [start * ENERGY_FRAMES for start in dict.fromkeys([int(np.argmax(sums)), *quarters])]


def _read(reference: Track, degraded: Track, found: Found | None) -> _Reading:
    """Measure a channel against the reference channel that it holds; neither is silent."""
    if found is None:
        (fit,) = fits(reference, degraded, [0.0])
        return _Reading(0.0, max(0.0, fit.gain), max(0.0, fit.correlation))
    reading = _Reading()
    if found.sign < 0:
        degraded = degraded.inverted()
        reading.sentences["polarity"] = FINDINGS["polarity"]
    fit = _simplest(reference, degraded, found.lag)
    if not _is_same(reference, degraded, fit.correlation, found.prominence):
        speed = find_speed(reference, degraded)
        if speed is None or abs(speed) * reference.frames >= 1.0:
            return _unlike(reference, degraded, fit, speed)
    reading.lag, reading.gain, reading.correlation = fit.lag, fit.gain, fit.correlation
    reading.windows = measure_windows(reference, degraded, fit.lag)
    drifting = {window.place: window.residual for window in reading.windows if window.drifts}
    if drifting or (fit.correlation < 0.99 and wavers(reference, degraded, fit.lag)):
        kind = describe(reference, degraded, fit.lag)
        if not kind and fit.correlation < _PLAIN_CORRELATION:
            return _unlike(reference, degraded, fit, None)
        reading.sentences["drift"] = _drift_text(kind, fit.lag, drifting)
    return reading


def _is_same(reference: Track, degraded: Track, correlation: float, prominence: float) -> bool:
    """Accept a high correlation, or a lower one if its peak is prominent."""
    if correlation >= _PLAIN_CORRELATION:
        return True
    frames = min(reference.frames, degraded.frames)
    return correlation >= max(_LEAST_CORRELATION, 5.0 / math.sqrt(frames)) and prominence * correlation >= _PROMINENT


def _unlike(reference: Track, degraded: Track, fit: Fit, speed: float | None) -> _Reading:
    """Distinguish the same sound at a wrong or a varying speed from other sound."""
    kind = speed_text(speed) if speed is not None else None
    if kind is None and is_bent(reference, degraded):
        kind = describe(reference, degraded, 0.0)
    if kind is not None:
        windows = measure_windows(reference, degraded, fit.lag)
        return _Reading(fit.lag, windows=windows, sentences={"drift": _drift_text(kind)})
    searched = "" if _short(reference, degraded) else f" (up to {_EXCERPT_FRAMES // 2} samples were tried)"
    sentence = f"at their best lag{searched} they correlate by only {fit.correlation:.2f}"
    return _Reading(unrelated=True, sentences={"content": f"{FINDINGS['content']}: {sentence}"})


def _drift_text(kind: str, lag: float = 0.0, drifting: Mapping[int, float | None] = MappingProxyType({})) -> str:
    kind = kind or "another speed, a cut, or different content"
    known = {place: offset for place, offset in drifting.items() if offset is not None}
    if not known:
        return f"the lag is not the same everywhere ({kind})"
    place = max(known, key=lambda each: abs(known[each]))
    return (
        f"the lag is not the same everywhere: {lag:.1f} samples over the whole recording, but "
        f"{lag + known[place]:.1f} around sample {place} ({kind})"
    )


def _simplest(reference: Track, degraded: Track, lag: float) -> Fit:
    """Replace a lag of up to two samples by 0, or a fractional one by a whole one, if that explains as much.

    Coding noise moves the peak of a correlation by up to a sample. Undoing a true lag removes error; a lag that removes
    less than 5 % (0.2 dB) of it is attributed to noise.
    """
    lags = [lag, *([0.0] if abs(lag) <= 2.0 else []), float(round(lag))]
    best, *others = fits(reference, degraded, lags)
    return next((fit for fit in others if fit.unexplained <= 1.05 * best.unexplained + 1e-9), best)
