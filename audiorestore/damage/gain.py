"""Louder or softer by one factor, or with inverted polarity: nothing else is changed.

The factor is a gain in decibels, or whatever brings the recording to an integrated loudness (``lufs``, as in
``gain:lufs=-23``). It does not sound like damage, but it matters for pairs: half as loud is an SNR of 6 dB, twice as
loud of 0 dB, and inverted of −6 dB. So it shows whether later stages handle the level. Nothing is clipped: samples
over full scale are counted and kept.

Source: Le Roux, Wisdom, Erdogan and Hershey, "SDR – half-baked or well done?", ICASSP 2019 (what a factor does to
measures of quality); ITU-R BS.1770-4 and EBU R 128 (loudness).
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from ..errors import AudioRestoreError, UsageError
from ..signal.level import from_decibels
from ..signal.loudness import integrated_loudness
from ..signal.sound import Sound
from ._damage import DamageConfig, Damaged, Domain, Off, Outcome, Span, parameter

POLARITIES = ("keep", "turn")


@dataclass(frozen=True)
class Config(DamageConfig):
    """Gain and polarity."""

    gain_db: float = parameter(
        Span(-12.0, 6.0), Domain(float, "dB", "gain; negative values make it softer", low=-100.0, high=60.0)
    )
    polarity: str = parameter("keep", Domain(str, meaning="keep the polarity, or turn (invert) it", choices=POLARITIES))
    lufs: float | Off = parameter(
        "off", Domain(float, "LUFS", "integrated loudness to reach; sets gain_db", low=-70.0, high=0.0, words=("off",))
    )

    @classmethod
    def parse(cls, settings: dict[str, str]) -> Self:
        """Make a Config from the words of a chain; either a gain or a loudness can be given."""
        if "gain_db" in settings and settings.get("lufs", "off") != "off":
            raise UsageError("gain_db and lufs cannot be combined; give one of them")
        return super().parse(settings)


def apply(sound: Sound, config: Config) -> Damaged:
    """Multiply, and count the samples that are over full scale then (``over_full_scale``).

    With ``lufs`` the recording's loudness is measured first; ``gain_db`` in the record is the gain that was applied.

    Raises:
        AudioRestoreError: ``lufs`` is given, but the recording has no loudness.
    """
    gain_db, measured = config.gain_db, {}
    if config.lufs != "off":
        loudness = integrated_loudness(sound)
        if loudness is None:
            raise AudioRestoreError(
                "the recording is silent (under −70 LUFS) or shorter than 0.4 s, so it has no loudness; use gain_db"
            )
        gain_db = config.lufs - loudness
        measured = {"gain_db": round(gain_db, 3)}
    sign = -1.0 if config.polarity == "turn" else 1.0
    factor = np.float32(sign * from_decibels(gain_db))
    over = 0
    for block in sound.blocks():
        damaged = factor * block
        over += int(np.count_nonzero(np.abs(damaged) > 1.0))
        yield damaged
    return Outcome({**measured, "over_full_scale": over})
