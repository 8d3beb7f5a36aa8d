"""Dust and wear in the grooves: hundreds or thousands of small clicks a second, which sound like one crackle.

They are like those of ``clicks``, but have at most three periods and 0.5 ms, and do not repeat. On real discs the
levels above the noise follow a log-normal distribution of 6 to 11 dB around the noise level; softer ones cannot be
counted. In ten seconds the largest is 23 to 30 dB above the mean level that ``snr_db`` sets.

Source: Godsill and Rayner, "Digital Audio Restoration: A Statistical Model Based Approach", Springer 1998; Välimäki et
al., "Digital audio antiquing: signal processing methods for imitating the sound quality of historical recordings", J.
Audio Eng. Soc. 56(3), 2008.
"""

from dataclasses import dataclass

from ..signal.sound import Sound
from ._additive import NOISE_SEED, SNR_DB
from ._damage import DamageConfig, Damaged, Domain, Span, parameter
from ._events import DISC, LENGTH_SPREAD, LEVEL_SPREAD, Chance, add_events, pulse

LONGEST_MS = 0.5
MOST_PERIODS = 3.0


@dataclass(frozen=True)
class Config(DamageConfig):
    """How dense the crackle is, and how even."""

    snr_db: float = parameter(Span(15.0, 35.0), SNR_DB)
    rate_per_second: float = parameter(
        Span(200.0, 2000.0), Domain(float, "1/s", "crackles in a second, on average", low=1.0, high=5000.0)
    )
    length_ms: float = parameter(
        Span(0.2, 0.4), Domain(float, "ms", "length of a crackle: half of them are shorter", low=0.02, high=LONGEST_MS)
    )
    length_spread: float = parameter(1.6, LENGTH_SPREAD)
    level_spread_db: float = parameter(Span(4.0, 8.0), LEVEL_SPREAD)
    disc: str = DISC
    noise_seed: int = NOISE_SEED


def apply(sound: Sound, config: Config) -> Damaged:
    """Add the crackle; report how many events there are (``events``) and how loud (``noise_dbfs``, ``peak_dbfs``)."""
    chance = Chance(config.noise_seed, config.rate_per_second, config.level_spread_db, config.disc)
    shape = pulse(config.length_ms, config.length_spread, LONGEST_MS, MOST_PERIODS)
    return (yield from add_events(sound, chance, config.snr_db, shape))
