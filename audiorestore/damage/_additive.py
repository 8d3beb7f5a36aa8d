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
    """Add noise to a recording, scaled by one factor that gives the SNR.

    The SNR is the power of the recording's active parts (ITU-T P.56, see `LevelMeter`) over the mean power of the
    noise. That mean is over the whole length, including the pauses between clicks or thumps. Each call of ``noise``
    yields the noise from its start, at any level, in blocks as long as those of the recording.

    Returns:
        ``noise_dbfs``, the level of the noise (a full-scale square wave is 0), and ``peak_dbfs``, its largest sample;
        both null if there is no noise.

    Raises:
        AudioRestoreError: The recording is silent.
    """
    wanted, found, peak = LevelMeter(sound.sample_rate), LevelMeter(sound.sample_rate), 0.0
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
    level_db, crest_db = decibels(wanted_power), decibels(peak**2 / noise_power)
    return Outcome({"noise_dbfs": round(level_db, 2), "peak_dbfs": round(level_db + crest_db, 2)})
