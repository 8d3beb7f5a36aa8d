"""Scratches of old discs, and bad joins of tapes: single clicks that the ear can distinguish.

A click is a short wave of half a period to six periods in a Hann window, 20 µs to 4 ms long. Click times follow a
Poisson process; lengths and levels are log-normal. With ``rpm``, part of the clicks belong to scratches, which repeat
at every turn of the disc, 1 to 19 times, within a millisecond or two, each time with a different shape.

The defaults resemble five real discs without music. The median of the largest clicks has 5 to 95 % of its energy within
0.45 to 0.76 ms, and a spectrum centred on 2 to 5 kHz. 2 to 29 clicks a second are above 25 times the disc's own noise.
Levels that differ between channels do so by 4 to 7 dB, and 3 to 31 % of the clicks have opposite signs there. On a
run-off groove the clicks repeat after 1.73 s.

The SNR counts the pauses between clicks: in ten seconds the largest is 30 to 38 dB above the mean level that ``snr_db``
sets (on the real discs, with their hiss, 22 to 34). With speech at −20 dBFS the largest is near full scale at an SNR of
20 dB, and mostly above it at 10 dB. Nothing is clipped; see ``peak_dbfs``.

Source: Godsill and Rayner, "Digital Audio Restoration: A Statistical Model Based Approach", Springer 1998 (lengths);
Vaseghi, "Algorithms for restoration of archived gramophone recordings", PhD thesis, Cambridge 1988; Välimäki et al.,
"Digital audio antiquing: signal processing methods for imitating the sound quality of historical recordings", J. Audio
Eng. Soc. 56(3), 2008; IEC 60098 (33⅓, 45 and 78 turns a minute).
"""

from dataclasses import dataclass

from ..signal.sound import Sound
from ._additive import NOISE_SEED, SNR_DB
from ._damage import DamageConfig, Damaged, Domain, Off, Span, parameter
from ._events import DISC, LENGTH_SPREAD, LEVEL_SPREAD, REPEATING, RPM, Chance, add_events, pulse

LONGEST_MS = 4.0
MOST_PERIODS = 6.0


@dataclass(frozen=True)
class Config(DamageConfig):
    """How many clicks, how long and how loud."""

    snr_db: float = parameter(Span(15.0, 35.0), SNR_DB)
    rate_per_second: float = parameter(
        Span(2.0, 20.0), Domain(float, "1/s", "clicks in a second, on average", low=0.001, high=1000.0)
    )
    length_ms: float = parameter(
        Span(0.8, 1.6), Domain(float, "ms", "length of a click: half of them are shorter", low=0.02, high=LONGEST_MS)
    )
    length_spread: float = parameter(2.0, LENGTH_SPREAD)
    level_spread_db: float = parameter(Span(3.0, 7.0), LEVEL_SPREAD)
    rpm: float | Off = RPM
    repeating_percent: float = REPEATING
    disc: str = DISC
    noise_seed: int = NOISE_SEED


def apply(sound: Sound, config: Config) -> Damaged:
    """Add the clicks; report how many there are (``events``) and how loud (``noise_dbfs``, ``peak_dbfs``)."""
    rate, spread, repeating = config.rate_per_second, config.level_spread_db, config.repeating_percent
    chance = Chance(config.noise_seed, rate, spread, config.disc, config.rpm, repeating)
    shape = pulse(config.length_ms, config.length_spread, LONGEST_MS, MOST_PERIODS)
    return (yield from add_events(sound, chance, config.snr_db, shape))
