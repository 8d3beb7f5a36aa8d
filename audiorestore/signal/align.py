"""Laying a degraded recording over its reference: lag to a fraction of a sample, gain, and the proof that it holds.

What speaks against a pair is a finding: swapped channels, turned polarity, other content, a lag that drifts. Each is
refused, or told with the result where it is allowed.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from ..errors import FINDINGS, AlignmentError
from .drift import Window, describe, find_speed, is_bent, listen, say_speed, wavers
from .lag import LAG_TOLERANCE, Found, Mono, at_lag, find, find_lag, overlap, shift, unexplained
from .level import dot

__all__ = ["LAG_TOLERANCE", "ChannelAlignment", "find_lag", "measure", "overlap", "shift"]

Waveform = NDArray[np.floating]

_WHOLE_FRAMES = 1 << 22  # recordings up to this length are correlated whole, longer ones by their loudest parts
_EXCERPT_FRAMES = 1 << 21
_BLOCK_FRAMES = 1 << 10  # the grid on which loud parts are looked for
_LEAST_CORRELATION = 0.1
_PLAIN_CORRELATION = 0.5  # nothing but the same sound correlates so well
_PROMINENT = 5.0  # prominence times correlation: beyond this, a peak is no chance
_LEAST_SEARCHED = 100  # samples: a shorter recording fits anywhere, so it is taken as it lies
_SILENT = 1e-6  # of the loudest channel's energy


@dataclass(frozen=True)
class ChannelAlignment:
    """How one channel of a degraded recording lies on its reference.

    Attributes:
        lag: Samples by which the degraded channel is late (negative: early); a fraction is meant.
        gain: The factor by which the reference's own sound was scaled, without its sign; 0 where nothing of it is left.
        correlation: Normalised correlation at that lag, at most 1, without its sign.
        windows: By how much later than that windows spread over the recording are, in samples; None for a window that
            has no sound or fits at several lags.
        found: Which of `errors.FINDINGS` were let through.
    """

    lag: float
    gain: float
    correlation: float
    windows: tuple[float | None, ...] = ()
    found: tuple[str, ...] = ()


def measure(
    reference: Waveform, degraded: Waveform, allow: Collection[str] = frozenset()
) -> list[ChannelAlignment | None]:
    """Find how each channel of a degraded recording lies on its reference.

    Where swapped channels are allowed, each is measured against the one that it holds; turned polarity is measured as
    if turned back; of other content the lag and the gain are 0; of what drifts, the best lag over the whole is taken.

    Args:
        reference: Samples, shape (channels, time).
        degraded: Samples at the same rate, shape (channels, time), of any length.
        allow: Which of `errors.FINDINGS` to tell in the result instead of raising them.

    Returns:
        One entry a channel; None for a channel whose reference is silent, where no lag can be seen.

    Raises:
        AlignmentError: The two hold different sound, drift against each other, have their channels swapped, or one is
            the other upside down; its ``kind`` says which.
    """
    if reference.shape[0] != degraded.shape[0]:
        raise AlignmentError(f"the reference has {reference.shape[0]} channels and the degraded {degraded.shape[0]}")
    found = [_search(clean, dirty) for clean, dirty in zip(reference, degraded, strict=True)]
    sources = _sources(reference, degraded, found)
    readings = []
    for index, source in enumerate(sources):
        searched = found[index] if source == index else _search(reference[source], degraded[index])
        readings.append(_read(reference[source], degraded[index], searched))
        if source != index:
            readings[-1].sentences["channels"] = f"channel {index + 1} holds the reference's channel {source + 1}"
    _agree(readings)
    refused = [kind for kind in FINDINGS if kind not in allow and any(kind in each.sentences for each in readings)]
    if refused:
        raise AlignmentError("; and ".join(_sentence(kind, readings) for kind in refused), kind=refused[0])
    return [reading.result() for reading in readings]


@dataclass
class _Reading:
    """What was measured on one channel (silent: nothing to; astray: nothing that fits), a sentence for each finding."""

    lag: float = 0.0
    gain: float = 0.0
    correlation: float = 0.0
    windows: list[Window] = field(default_factory=list)
    silent: bool = False
    astray: bool = False
    sentences: dict[str, str] = field(default_factory=dict)

    def result(self) -> ChannelAlignment | None:
        """Say it without the sentences; None where the reference is silent."""
        if self.silent:
            return None
        windows = tuple(window.residual for window in self.windows)
        return ChannelAlignment(self.lag, self.gain, self.correlation, windows, tuple(sorted(self.sentences)))


def _agree(readings: list[_Reading]) -> None:
    """Where one channel is the same sound at another speed, the speed is what is wrong with the others too."""
    speeds = [each for each in readings if "drift" in each.sentences and not each.gain]
    for each in readings:
        if speeds and each.astray:
            each.sentences = {**speeds[0].sentences, **each.sentences}
            del each.sentences["content"]


def _sentence(kind: str, readings: list[_Reading]) -> str:
    told = {index + 1: each.sentences[kind] for index, each in enumerate(readings) if kind in each.sentences}
    if kind == "channels":
        return f"{FINDINGS[kind]}: {', '.join(told.values())}"
    where = "" if len(told) == len(readings) else f" (in channel {' and '.join(map(str, told))})"
    return next(iter(told.values())) + where


def _read(reference: Mono, degraded: Mono, found: Found | None) -> _Reading:
    """Measure one channel against the one that it holds."""
    if not reference.any():
        return _Reading(silent=True)
    if not degraded.any():
        return _Reading(sentences={"content": "the degraded recording is silent where its reference is not"})
    if found is None:
        correlation, gain = at_lag(reference, degraded, 0.0)
        return _Reading(0.0, max(0.0, gain), max(0.0, correlation))
    reading = _Reading()
    if found.sign < 0:
        degraded = -degraded
        reading.sentences["polarity"] = "the degraded recording is upside down: its polarity is inverted"
    lag = _plainest(reference, degraded, found.lag)
    correlation, gain = at_lag(reference, degraded, lag)
    if not _is_same(reference, degraded, correlation, found.prominence):
        speed = find_speed(reference, degraded)
        if speed is None or abs(speed) * len(reference) >= 1.0:
            return _stranger(reference, degraded, lag, correlation, speed)
    reading.lag, reading.gain, reading.correlation = lag, gain, correlation
    reading.windows = listen(reference, degraded, lag)
    drifting = {window.place: window.residual for window in reading.windows if window.drifts}
    if drifting or (correlation < 0.99 and wavers(reference, degraded, lag)):
        kind = describe(reference, degraded, lag)
        if not kind and correlation < _PLAIN_CORRELATION:
            return _stranger(reference, degraded, lag, correlation, None)
        reading.sentences["drift"] = _say_drift(kind, lag, drifting)
    return reading


def _is_same(reference: Mono, degraded: Mono, correlation: float, prominence: float) -> bool:
    """Believe in a high correlation, or in a lower one whose peak stands out the more."""
    if correlation >= _PLAIN_CORRELATION:
        return True
    frames = min(len(reference), len(degraded))
    return correlation >= max(_LEAST_CORRELATION, 5.0 / math.sqrt(frames)) and prominence * correlation >= _PROMINENT


def _stranger(reference: Mono, degraded: Mono, lag: float, correlation: float, speed: float | None) -> _Reading:
    """Tell the same sound at a wrong or a swaying speed from other sound."""
    if speed is not None:
        return _Reading(
            lag, windows=listen(reference, degraded, lag), sentences={"drift": _say_drift(say_speed(speed))}
        )
    if is_bent(reference, degraded):
        kind = describe(reference, degraded, 0.0)
        return _Reading(lag, windows=listen(reference, degraded, lag), sentences={"drift": _say_drift(kind)})
    searched = "" if _short(reference, degraded) else f", of those up to {_EXCERPT_FRAMES // 2} samples,"
    sentence = f"at their best lag{searched} they correlate by {correlation:.2f} only"
    return _Reading(astray=True, sentences={"content": f"these do not look like the same recording: {sentence}"})


def _say_drift(kind: str, lag: float = 0.0, drifting: Mapping[int, float | None] = MappingProxyType({})) -> str:
    kind = kind or "another speed, a cut, or different content"
    told = {place: offset for place, offset in drifting.items() if offset is not None}
    if not told:
        return f"the lag is not the same everywhere ({kind})"
    place = max(told, key=lambda each: abs(told[each]))
    return (
        f"the lag is not the same everywhere: {lag:.1f} samples over the whole recording, but "
        f"{lag + told[place]:.1f} around sample {place} ({kind})"
    )


def _plainest(reference: Mono, degraded: Mono, lag: float) -> float:
    """Take no lag for a lag of a sample or two, or a whole one for a fraction, where that explains as much.

    Coding noise moves the peak of a correlation by up to a sample where nothing was moved. A true lag leaves an error
    that undoing it removes; one that removes less than 5 % (0.2 dB) is taken for noise.
    """
    best = unexplained(reference, degraded, lag)
    for plain in ([0.0] if abs(lag) <= 2.0 else []) + [float(round(lag))]:
        if unexplained(reference, degraded, plain) <= 1.05 * best + 1e-9:
            return plain
    return lag


# Finding a lag in what may be long.


def _short(reference: Mono, degraded: Mono) -> bool:
    return max(len(reference), len(degraded)) <= _WHOLE_FRAMES


def _search(reference: Mono, degraded: Mono) -> Found | None:
    """Find one channel in another; None where one of them is silent or too short for a lag."""
    if min(len(reference), len(degraded)) < _LEAST_SEARCHED or not (reference.any() and degraded.any()):
        return None
    if _short(reference, degraded):
        return find(reference, degraded)
    found = []
    for start in _loud_starts(reference):
        first = max(0, start - _EXCERPT_FRAMES // 2)
        excerpt = degraded[first : start + _EXCERPT_FRAMES + _EXCERPT_FRAMES // 2]
        clean = reference[start : start + _EXCERPT_FRAMES]
        if len(excerpt) < _LEAST_SEARCHED or not excerpt.any():
            continue  # the degraded recording holds nothing of this part
        part = find(clean, excerpt)
        found.append(Found(part.lag - (start - first), part.sign, part.prominence, part.rivals))
        if part.sign * at_lag(clean, excerpt, part.lag)[0] >= _PLAIN_CORRELATION:
            return found[-1]
    return max(found, key=lambda each: each.prominence) if found else None


def _loud_starts(waveform: Mono) -> list[int]:
    """Say where excerpts start that hold most of the sound: the loudest, then that of each quarter."""
    if len(waveform) <= _EXCERPT_FRAMES:
        return [0]
    blocks = waveform[: len(waveform) // _BLOCK_FRAMES * _BLOCK_FRAMES].reshape(-1, _BLOCK_FRAMES)
    energy = np.concatenate([[0.0], np.cumsum(np.einsum("bt,bt->b", blocks, blocks, dtype=np.float64))])
    length = _EXCERPT_FRAMES // _BLOCK_FRAMES
    energies = energy[length:] - energy[:-length]
    edges = np.linspace(0, len(energies), 5, dtype=int)
    quarters = [int(low + np.argmax(energies[low:high])) for low, high in pairwise(edges) if low < high]
    return [start * _BLOCK_FRAMES for start in dict.fromkeys([int(np.argmax(energies)), *quarters])]


# Which channel holds which.


def _sources(reference: Waveform, degraded: Waveform, found: list[Found | None]) -> list[int]:
    """Say for each degraded channel which of the reference's it holds: its own, unless some are clearly exchanged.

    Two channels of a stereo recording resemble each other, and codecs store what they share. So a channel counts as
    another one only where that is nearer by half of what tells the two apart, and only if the other went elsewhere.
    """
    own = list(range(reference.shape[0]))
    if len(own) < 2 or min(reference.shape[1], degraded.shape[1]) < _LEAST_SEARCHED:
        return own
    sounds = [_sounds(reference), _sounds(degraded)]
    sources = []
    for index in own:
        if not sounds[1][index]:
            silent = [other for other in own if not sounds[0][other]]
            sources.append(index if index in silent or len(silent) != 1 else silent[0])
            continue
        others = [other for other in own if other != index and sounds[0][other]]
        nearness = {other: _nearness(reference, degraded[index], index, other, found) for other in others}
        best = max(nearness, key=lambda other: nearness[other], default=index)
        sources.append(best if nearness.get(best, 0.0) > 0.5 else index)
    return sources if sorted(sources) == own else own


def _sounds(waveform: Waveform) -> list[bool]:
    energies = [dot(channel, channel) for channel in waveform]
    return [energy > _SILENT * max(energies) for energy in energies]


def _nearness(reference: Waveform, degraded: Mono, index: int, other: int, found: list[Found | None]) -> float:
    """Say how much nearer a degraded channel is to another of the reference's than to its own.

    Returns:
        1 if it is the other one, 0 if it is its own or neither, or if nothing tells the two apart.
    """
    known = found[index]
    lag = round(known.lag) if known else 0
    clean, dirty = overlap(reference[[index, other]], degraded, lag)
    total = dot(dirty, dirty)
    own = _explained(clean[0], dirty)
    if own < 0.8 * total:  # its own lag may be no good, and the other's better
        there = _search(reference[other], degraded)
        if there is not None:
            clean, dirty = overlap(reference[[index, other]], degraded, round(there.lag))
            total = dot(dirty, dirty)
            own = max(own, _explained(clean[0], dirty))
    across = _explained(clean[1], dirty)
    best = max(own, across)
    alike = _explained(clean[0], clean[1]) / max(dot(clean[1], clean[1]), 1e-30)
    expected = best * (1.0 - alike)
    noise = (total - best) / max(1, len(dirty))
    clear = max(1e-3 * total, 0.1 * (total - best))  # where the two drift, neither channel explains much
    return (across - own) / expected if across - own > clear and expected > 100.0 * noise else 0.0


def _explained(clean: Mono, dirty: Mono) -> float:
    power = dot(clean, clean)
    return dot(clean, dirty) ** 2 / power if power > 0 else 0.0
