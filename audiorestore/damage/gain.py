"""Louder or softer by one factor, or upside down: nothing else is changed.

It hurts no ear, but it hurts pairs: half as loud is an SNR of 6 dB, twice as loud of 0 dB, upside down of −6 dB. So it
shows whether what comes after minds the level. Nothing is clipped: samples over full scale are counted, and stay.

Source: Le Roux, Wisdom, Erdogan and Hershey, "SDR – half-baked or well done?", ICASSP 2019 (what a factor does to
measures of quality).
"""

from dataclasses import dataclass

import numpy as np

from ..signal.level import from_decibels
from ..signal.sound import Sound
from ._damage import DamageConfig, Damaged, Domain, Outcome, Span, parameter

POLARITIES = ("keep", "turn")


@dataclass(frozen=True)
class Config(DamageConfig):
    """How much louder, and which way up."""

    gain_db: float = parameter(
        Span(-12.0, 6.0), Domain(float, "dB", "how much louder; softer where it is negative", low=-100.0, high=60.0)
    )
    polarity: str = parameter(
        "keep", Domain(str, meaning="as it is, or with every sample's sign turned", choices=POLARITIES)
    )


def apply(sound: Sound, config: Config) -> Damaged:
    """Multiply, and tell how many samples lie over full scale now (``over_full_scale``)."""
    sign = -1.0 if config.polarity == "turn" else 1.0
    factor = np.float32(sign * from_decibels(config.gain_db))
    over = 0
    for block in sound.blocks():
        damaged = factor * block
        over += int(np.count_nonzero(np.abs(damaged) > 1.0))
        yield damaged
    return Outcome({"over_full_scale": over})
