"""Hum of the mains: a tone of 50 or 60 Hz with its harmonics, steady from beginning to end.

The phases of its partials are random, and their levels fall by ``tilt_db_per_octave`` with a random deviation of
``harmonic_spread_db``. All channels carry the same wave at different levels.

The defaults are those of four real hums: 30 partials fall by 5.6 to 12 dB an octave and deviate from that line by 0.3
to 6 dB, and the mains' frequency is up to 0.14 % off. In 38 seconds of one it moved by no more than 0.015 Hz, so here
it is constant.

Source: Mauch and Ewert, "The Audio Degradation Toolbox and its application to robustness evaluation", ISMIR 2013 (mains
hum as a damage); Godsill and Rayner, "Digital Audio Restoration", Springer 1998.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..signal.sound import Block, Sound
from ._additive import NOISE_SEED, SNR_DB, add
from ._damage import Choice, DamageConfig, Damaged, Domain, Outcome, Span, parameter

MOST_HARMONICS = 60  # all are below half of 8 kHz


@dataclass(frozen=True)
class Config(DamageConfig):
    """How loud the hum is, and of what it is made."""

    snr_db: float = parameter(Span(10.0, 40.0), SNR_DB)
    mains_hz: int = parameter(Choice((50, 60)), Domain(int, "Hz", "frequency of the mains", choices=(50, 60)))
    offset_percent: float = parameter(
        Span(-0.2, 0.2), Domain(float, "%", "deviation from it, as when a tape runs fast", low=-6.0, high=6.0)
    )
    harmonics: int = parameter(
        Span(5, 40), Domain(int, meaning="number of partials; the first is the mains' own", low=1, high=MOST_HARMONICS)
    )
    tilt_db_per_octave: float = parameter(
        Span(-12.0, -5.0), Domain(float, "dB", "level of a partial over one an octave below", low=-24.0, high=6.0)
    )
    harmonic_spread_db: float = parameter(
        Span(0.0, 6.0), Domain(float, "dB", "standard deviation of the partials' levels", low=0.0, high=20.0)
    )
    channel_spread_db: float = parameter(
        Span(0.0, 3.0), Domain(float, "dB", "standard deviation of the channels' levels", low=0.0, high=20.0)
    )
    noise_seed: int = NOISE_SEED


def apply(sound: Sound, config: Config) -> Damaged:
    """Add the hum; report its frequency (``hum_hz``) and how loud it is (``noise_dbfs``, ``peak_dbfs``)."""
    hum_hz = config.mains_hz * (1.0 + config.offset_percent / 100.0)
    rng = np.random.default_rng(config.noise_seed)
    number = np.arange(1, MOST_HARMONICS + 1)
    levels_db = config.tilt_db_per_octave * np.log2(number)
    levels_db += config.harmonic_spread_db * rng.standard_normal(len(number))
    partials = 10.0 ** (levels_db / 20.0) * np.exp(2j * np.pi * rng.random(len(number)))
    partials = partials[(number <= config.harmonics) & (number * hum_hz < 0.5 * sound.sample_rate)]
    levels = 10.0 ** (config.channel_spread_db * rng.standard_normal((sound.channels, 1)) / 20.0)

    def noise() -> Iterator[Block]:
        start = 0
        for block in sound.blocks():
            end = start + block.shape[-1]
            # Computed from the sample's number, not accumulated: after two hours it is right to 1e-9 of a turn.
            turns = np.mod(np.arange(start, end) * (hum_hz / sound.sample_rate), 1.0)
            first = np.exp(2j * np.pi * turns)
            wave = np.zeros_like(first)
            for partial in partials[::-1]:  # the sum of partials times powers of the first, by Horner's rule
                wave += partial
                wave *= first
            yield (levels * wave.real).astype(np.float32)
            start = end

    outcome = yield from add(sound, noise, config.snr_db)
    return Outcome({**outcome.measured, "hum_hz": round(hum_hz, 4)})
