"""A level that swings up and down, as of an old guitar amplifier.

Source: Zölzer, "DAFX: Digital Audio Effects", 2nd edition, Wiley 2011, chapter 3 (tremolo as amplitude modulation).
"""

from dataclasses import dataclass

import numpy as np

from audiorestore.damage._damage import DamageConfig, Damaged, Domain, Outcome, Span, parameter
from audiorestore.signal.sound import Sound


@dataclass(frozen=True)
class Config(DamageConfig):
    """How deep and how fast the level swings."""

    depth_percent: float = parameter(Span(10.0, 80.0), Domain(float, "%", "how much softer it gets", low=0, high=100))
    rate_hz: float = parameter(Span(2.0, 8.0), Domain(float, "Hz", "swings in a second", low=0.1, high=20))


def apply(sound: Sound, config: Config) -> Damaged:
    """Multiply by a raised cosine."""
    start = 0
    for block in sound.blocks():
        turns = np.arange(start, start + block.shape[-1]) * (config.rate_hz / sound.sample_rate)
        yield block * (1.0 - config.depth_percent / 200.0 * (1.0 - np.cos(2.0 * np.pi * turns))).astype(np.float32)
        start += block.shape[-1]
    return Outcome()
