"""Cracks and deep scratches of old discs: knocks that make the tonearm swing, each a low tone that decays.

A thump rises within 4 ms. Then its frequency falls from ``start_hz`` to ``resonance_hz``, that of the tonearm on the
springy stylus, and its level by 1/e, both in ``decay_ms``. Each is different: its decay and start vary by about 15 %,
and half of them begin downwards. ``click_db`` adds the broken groove itself, a click of 4 ms; without it 99 % of the
power is below 200 Hz. As with ``clicks``, a cracked disc thumps again at every turn.

The SNR counts the pauses between thumps: in ten seconds the largest is 18 to 25 dB above the mean level that
``snr_db`` sets.

Source: Godsill and Rayner, "Digital Audio Restoration: A Statistical Model Based Approach", Springer 1998 (slow
pulses); Esquef, Biscainho and Välimäki, "An efficient algorithm for the restoration of audio signals corrupted with
low-frequency pulses", J. Audio Eng. Soc. 51(6), 2003; de Carvalho, Ávila and Biscainho, "Bayesian restoration of audio
degraded by low-frequency pulses modeled via Gaussian process", arXiv 2005.14181, 2020 (a break of under 10 ms, then an
oscillation whose amplitude and frequency decay).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..signal.level import from_decibels
from ..signal.sound import Sound
from ._additive import NOISE_SEED, SNR_DB
from ._damage import Choice, DamageConfig, Damaged, Domain, Off, Span, parameter
from ._events import DISC, LEVEL_SPREAD, REPEATING, RPM, Chance, Events, Floats, Shape, Wave, add_events

_DECAYS = 7.0  # after which a thump is over, 61 dB down
_RISE_SECONDS = 0.004
_VARIETY = 0.15


@dataclass(frozen=True)
class Config(DamageConfig):
    """How many thumps, how low and how long."""

    snr_db: float = parameter(Span(5.0, 25.0), SNR_DB)
    rate_per_second: float = parameter(
        Span(0.3, 2.0), Domain(float, "1/s", "thumps in a second, on average", low=0.001, high=10.0)
    )
    resonance_hz: float = parameter(
        Span(8.0, 30.0), Domain(float, "Hz", "frequency in which a thump ends", low=2.0, high=100.0)
    )
    start_hz: float = parameter(
        Span(40.0, 120.0), Domain(float, "Hz", "frequency with which a thump begins", low=2.0, high=300.0)
    )
    decay_ms: float = parameter(
        Span(30.0, 150.0), Domain(float, "ms", "time in which it dies away by 1/e (8.7 dB)", low=5.0, high=500.0)
    )
    click_db: float | Off = parameter(
        Choice(("off", -12.0, -6.0)),
        Domain(float, "dB", "level of the click of 4 ms that it begins with", low=-60.0, high=20.0, words=("off",)),
    )
    level_spread_db: float = parameter(Span(2.0, 6.0), LEVEL_SPREAD)
    rpm: float | Off = RPM
    repeating_percent: float = REPEATING
    disc: str = DISC
    noise_seed: int = NOISE_SEED


def apply(sound: Sound, config: Config) -> Damaged:
    """Add the thumps; report how many there are (``events``) and how loud (``noise_dbfs``, ``peak_dbfs``)."""
    rate, spread, repeating = config.rate_per_second, config.level_spread_db, config.repeating_percent
    chance = Chance(config.noise_seed, rate, spread, config.disc, config.rpm, repeating)
    return (yield from add_events(sound, chance, config.snr_db, _thump(config)))


def _thump(config: Config) -> Shape:
    resonance_hz = config.resonance_hz
    click = 0.0 if config.click_db == "off" else from_decibels(config.click_db)

    def shape(events: Events) -> tuple[Floats, Wave]:
        decays = 1e-3 * config.decay_ms * np.exp(_VARIETY * np.clip(events.normal, -3.0, 3.0))
        falls_hz = config.start_hz * np.exp(_VARIETY * (2.0 * events.even[0] - 1.0)) - resonance_hz
        signs = np.where(events.even[1] < 0.5, -1.0, 1.0)

        def wave(seconds: Floats, which: NDArray[np.intp]) -> Floats:
            level = np.exp(-seconds / decays[which])
            # The integral of a frequency that falls as the level does.
            turns = resonance_hz * seconds + (falls_hz * decays)[which] * (1.0 - level)
            swing: Floats = (signs[which] * (level - np.exp(-_DECAYS))) * np.sin(2.0 * np.pi * turns)
            rise = np.flatnonzero(seconds < _RISE_SECONDS)
            place = seconds[rise] / _RISE_SECONDS
            swing[rise] *= np.sin(0.5 * np.pi * place) ** 2
            swing[rise] += click * signs[which[rise]] * np.sin(np.pi * place) ** 2 * np.sin(4.0 * np.pi * place)
            return swing

        return _DECAYS * decays, wave

    return shape
