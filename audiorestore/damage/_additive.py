"""Added noise, at an SNR relative to the active parts of the recording."""

from collections.abc import Callable, Iterator

import numpy as np

from ..errors import AudioRestoreError
from ..signal.level import LevelMeter, decibels, from_decibels
from ..signal.sound import Block, Sound
from ._damage import Damaged, Domain, Outcome, Span, parameter

SNR_DB = Domain(float, "dB", "level of the active parts of the sound relative to the noise", low=-60.0, high=120.0)
NOISE_SEED: int = parameter(
    Span(0, 2**32 - 1), Domain(int, meaning="seed of the noise, drawn for each record", low=0, high=2**32 - 1)
)


def add(sound: Sound, noise: Callable[[], Iterator[Block]], snr_db: float) -> Damaged:
    """Add noise to a recording, scaled by one factor so that the SNR is the one asked for.

    The SNR is the power of the recording's active parts (ITU-T P.56, see `LevelMeter`) over the mean power of the noise
    over the whole length; for clicks and thumps that is the mean over the pauses between them as well.

    Args:
        sound: The recording.
        noise: Starts again and yields the noise at any level, in blocks as long as those of the recording.
        snr_db: In decibels.

    Returns:
        ``noise_dbfs``, the level of what was added (a full-scale square wave is 0), and ``peak_dbfs``, its greatest
        sample; both null if there is no noise.

    Raises:
        AudioRestoreError: The recording is silent.
    """
    wanted = LevelMeter(sound.sample_rate)
    found = LevelMeter(sound.sample_rate)
    peak = 0.0
    for block, added in zip(sound.blocks(), noise(), strict=True):
        wanted.push(block)
        found.push(added)
        peak = max(peak, float(np.abs(added).max(initial=0.0)))
    signal_power, noise_power = wanted.active_power(), found.mean_power()
    if signal_power == 0.0:
        raise AudioRestoreError("the recording is silent, so snr_db is undefined")
    wanted_power = signal_power * from_decibels(-2.0 * snr_db)
    gain = np.float32(np.sqrt(wanted_power / noise_power) if noise_power > 0 else 0.0)
    for block, added in zip(sound.blocks(), noise(), strict=True):
        yield block + gain * added
    if noise_power == 0.0:
        return Outcome({"noise_dbfs": None, "peak_dbfs": None})
    crest = decibels(peak**2 / noise_power)
    return Outcome(
        {"noise_dbfs": round(decibels(wanted_power), 2), "peak_dbfs": round(decibels(wanted_power) + crest, 2)}
    )
