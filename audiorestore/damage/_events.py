"""Events at random times, such as scratches and dust: drawn second by second, so hours need no memory.

Each second has its own generator, made from the seed and the number of the second, so its events depend on neither
blocks nor length. Waveforms are made at 96 kHz whatever the recording's rate, then resampled with soxr: one seed gives
the same clicks at 8 and at 192 kHz, as if the same disc had been recorded at both rates.
"""

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..signal.resample import resampled_frames
from ..signal.sound import Block, Sound, even, regrid
from ._additive import add
from ._damage import Choice, Damaged, Domain, Off, Outcome, parameter

Floats = NDArray[np.float64]
Wave = Callable[[Floats, NDArray[np.intp]], Floats]  # seconds since an event began, and which event: the value there

GRID_RATE = 96000
LENGTH_SPREAD = Domain(float, meaning="two thirds of the lengths are within this factor", low=1.0, high=5.0)
LEVEL_SPREAD = Domain(float, "dB", "standard deviation of their levels, cut off at three of it", low=0.0, high=20.0)
DISC: str = parameter(
    Choice(("mono", "stereo")),
    Domain(
        str,
        meaning="mono: the same in all channels; stereo: another level in each, sometimes with opposite sign",
        choices=("mono", "stereo"),
    ),
)
RPM: float | Off = parameter(
    Choice(("off", 33.333, 45.0, 78.0)),
    Domain(float, "rpm", "speed of a disc whose scratches repeat at every turn", low=10.0, high=120.0, words=("off",)),
)
REPEATING: float = parameter(
    50.0,
    Domain(float, "%", "share of the events that are in such scratches; unused if rpm is off", low=0.0, high=100.0),
)

_CHANNEL_SPREAD_DB = 4.0
_OPPOSITE = 0.1  # of all channels of all events
_MEAN_TURNS = 10  # of 1 to 19, each as likely
_JITTER_SECONDS = 0.001
_BEFORE = 1000  # seconds that a scratch can have begun before the recording
_PIECE = 4096
_MOST_VALUES = 1 << 15  # computed at once
_SHORTEST_SECONDS = 20e-6


class Events(NamedTuple):
    """Some events in the order of time.

    Attributes:
        seconds: When each begins, from the start of the recording, shape (events,).
        normal: A number for each to be different by, normally distributed, shape (events,).
        even: Two such numbers, evenly distributed between 0 and 1, shape (2, events).
        levels: The factor of each, shape (channels, events).
    """

    seconds: Floats
    normal: Floats
    even: Floats
    levels: Floats


Shape = Callable[[Events], tuple[Floats, Wave]]  # the length of each event in seconds, and all their waveforms


@dataclass(frozen=True)
class Chance:
    """How often events occur, and how loud they are.

    ``level_spread_db`` is the standard deviation of their levels; ``disc``, ``rpm`` and ``repeating_percent`` are
    described at `DISC`, `RPM` and `REPEATING`.
    """

    seed: int
    rate_per_second: float
    level_spread_db: float
    disc: str
    rpm: float | Off = "off"
    repeating_percent: float = 0.0

    @property
    def turn_seconds(self) -> float:
        """How long the disc takes for a turn; 0 if nothing repeats."""
        return 0.0 if self.rpm == "off" else 60.0 / self.rpm

    def seconds(self, rows: int) -> Iterator[Events]:
        """Yield the events of each second of the recording, without end; each of ``rows`` channels has its levels."""
        # Start before the recording, so that its first turn has as many scratches as all others.
        first = -math.ceil(self.turn_seconds * 2 * _MEAN_TURNS)
        held = self._begin(first, rows)
        for second in itertools.count(first):
            due = held.seconds < second + 1
            if second >= 0:
                now = _select(held, due)
                yield _select(now, np.argsort(now.seconds, kind="stable"))
            begun = self._begin(second + 1, rows)
            held = Events(*(np.concatenate(pair, -1) for pair in zip(_select(held, ~due), begun, strict=True)))

    def _begin(self, second: int, rows: int) -> Events:
        """Draw what begins in one second: single events, and scratches with all their turns."""
        rng = np.random.default_rng((self.seed, second + _BEFORE))
        repeating = 0.0 if self.rpm == "off" else self.repeating_percent / 100.0
        alone = rng.poisson(self.rate_per_second * (1.0 - repeating))
        scratches = rng.poisson(self.rate_per_second * repeating / _MEAN_TURNS)
        turns = np.append(np.ones(alone, np.intp), rng.integers(1, 2 * _MEAN_TURNS, scratches))
        which = np.repeat(np.arange(len(turns)), turns)
        turn = np.arange(len(which)) - np.repeat(np.cumsum(turns) - turns, turns)
        jitter = np.where(turn > 0, rng.standard_normal(len(which)), 0.0)
        seconds = second + rng.random(len(turns))[which] + turn * self.turn_seconds + _JITTER_SECONDS * jitter
        levels_db = self.level_spread_db * np.clip(rng.standard_normal(len(turns)), -3.0, 3.0)
        normal, even = rng.standard_normal(len(which)), rng.random((2, len(which)))
        signs = np.ones((rows, len(turns)))
        if rows > 1:
            levels_db = levels_db + _CHANNEL_SPREAD_DB * rng.standard_normal((len(turns), rows)).T
            signs[rng.random((len(turns), rows)).T < _OPPOSITE] = -1.0
        return Events(seconds, normal, even, (signs * 10.0 ** (levels_db / 20.0))[:, which])


def add_events(sound: Sound, chance: Chance, snr_db: float, shape: Shape) -> Damaged:
    """Add events at the drawn rate and levels, and count them (``events``)."""
    rows = 1 if chance.disc == "mono" else sound.channels
    grid_frames = resampled_frames(sound.frames, sound.sample_rate, GRID_RATE)
    count = 0

    def made() -> Iterator[Block]:
        nonlocal count
        count = 0
        tail = np.zeros((rows, 0))
        for second, events in zip(range(-(-grid_frames // GRID_RATE)), chance.seconds(rows), strict=False):
            events = _select(events, events.seconds < sound.frames / sound.sample_rate)
            count += len(events.seconds)
            sums = _waveforms(events, shape, second, max(GRID_RATE, tail.shape[-1]))
            sums[:, : tail.shape[-1]] += tail
            yield sums[:, : min(GRID_RATE, grid_frames - second * GRID_RATE)].astype(np.float32)
            tail = sums[:, GRID_RATE:]

    def noise() -> Iterator[Block]:
        added = Sound(GRID_RATE, rows, grid_frames, made).resampled(sound.sample_rate)
        for block in regrid(added.blocks(), rows, sound.frames):
            yield np.broadcast_to(block, (sound.channels, block.shape[-1]))

    outcome = yield from add(even(sound), noise, snr_db)
    return Outcome({**outcome.measured, "events": count})


def pulse(length_ms: float, length_spread: float, longest_ms: float, most_periods: float) -> Shape:
    """Make each event a short wave in a Hann window: half a period to ``most_periods``, at any phase."""

    def shape(events: Events) -> tuple[Floats, Wave]:
        lengths = np.clip(1e-3 * length_ms * length_spread**events.normal, _SHORTEST_SECONDS, 1e-3 * longest_ms)
        periods, phase = 0.5 + (most_periods - 0.5) * events.even[0], 2.0 * np.pi * events.even[1]

        def wave(seconds: Floats, which: NDArray[np.intp]) -> Floats:
            place = seconds / lengths[which]
            waves: Floats = np.sin(np.pi * place) ** 2 * np.cos(2.0 * np.pi * periods[which] * place + phase[which])
            return waves

        return lengths, wave

    return shape


def _select(events: Events, which: NDArray[Any]) -> Events:
    return Events(*(array[..., which] for array in events))


def _waveforms(events: Events, shape: Shape, second: int, at_least: int) -> Floats:
    """Add up the waveforms of the events of one second, shape (channels, time), as far as the longest reaches."""
    begin = (events.seconds - second) * GRID_RATE
    lengths, wave = shape(events)
    first = np.ceil(begin).astype(np.intp)
    last = np.ceil(begin + lengths * GRID_RATE).astype(np.intp)
    sums = np.zeros((len(events.levels), max(at_least, last.max(initial=0))))
    # In pieces, a few at a time, so that neither many events nor long ones take much memory.
    pieces = -(-(last - first) // _PIECE)
    event = np.repeat(np.arange(len(pieces)), pieces)
    start = first[event] + _PIECE * (np.arange(len(event)) - np.repeat(np.cumsum(pieces) - pieces, pieces))
    counts = np.minimum(last[event] - start, _PIECE)
    for part in np.array_split(np.arange(len(event)), 1 + counts.sum() // _MOST_VALUES):
        if not len(part):
            continue
        which = np.repeat(event[part], counts[part])
        ends = np.cumsum(counts[part])
        frame = np.arange(len(which)) + np.repeat(start[part] - (ends - counts[part]), counts[part])
        values = wave((frame - begin[which]) / GRID_RATE, which)
        least = frame.min()
        for row, levels in zip(sums, events.levels, strict=True):
            added = np.bincount(frame - least, values * levels[which])
            row[least : least + len(added)] += added
    return sums
