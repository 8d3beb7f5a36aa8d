"""Peaks cut off at a threshold, flat as in an overdriven converter or rounded as in an overdriven amplifier.

``hard`` is the threshold T wherever the sound is louder. ``soft`` is x − 4/27 · x³ / T² up to 1.5 T and T beyond: its
slope is 1 at 0 and 0 at 1.5 T, so it bends everything a little and never exceeds T. The level is not restored.

The threshold is relative to the recording's own peak or to full scale; or it is searched so that the damage has the
given ``sdr_db``, as in the literature on declipping, which uses 1 to 20 dB.

Source: Záviška, Rajmic, Ozerov and Rencker, "A survey and an extensive evaluation of popular audio declipping methods",
IEEE Journal of Selected Topics in Signal Processing 15(1), 2021 (hard clipping by its SDR); Smith, "Physical audio
signal processing", W3K Publishing 2010 (the cubic soft clipper).
"""

from dataclasses import dataclass

import numpy as np

from ..errors import AudioRestoreError
from ..signal.level import decibels, dot, from_decibels
from ..signal.sound import Block, Sound
from ._damage import Choice, DamageConfig, Damaged, Domain, Off, Outcome, Span, parameter

KINDS = ("hard", "soft")
_KNEE = {"hard": 1.0, "soft": 1.5}  # from how many thresholds on the output is the threshold
_BINS = 1 << 16  # between silence and peak


@dataclass(frozen=True)
class Config(DamageConfig):
    """Where the peaks are cut, and how."""

    threshold_db: float = parameter(
        Span(-15.0, -3.0), Domain(float, "dB", "the highest level that is left", low=-80.0, high=0.0)
    )
    relative_to: str = parameter(
        "peak", Domain(str, meaning="what threshold_db is relative to", choices=("peak", "full_scale"))
    )
    kind: str = parameter(
        Choice(KINDS), Domain(str, meaning="cut off flat, or bent gradually towards the threshold", choices=KINDS)
    )
    sdr_db: float | Off = parameter(
        "off", Domain(float, "dB", "sound over clipping error; replaces threshold_db", low=0.1, high=60, words=("off",))
    )


def apply(sound: Sound, config: Config) -> Damaged:
    """Clip, and report the level, how many samples were above it, and the SDR that resulted.

    Returns:
        ``threshold_dbfs`` (null where silence was clipped at its peak); ``over_threshold`` and
        ``over_threshold_percent``, of all channels' samples; ``reached_sdr_db`` (null where nothing was changed).

    Raises:
        AudioRestoreError: The recording is silent and an SDR is given.
    """
    threshold = _threshold(sound, config)
    over, energy, error = 0, 0.0, 0.0
    for block in sound.blocks():
        damaged = _clip(block, threshold, config.kind)
        over += int(np.count_nonzero(np.abs(block) > threshold))
        energy += dot(block, block)
        error += dot(block - damaged, block - damaged)
        yield damaged
    return Outcome(
        {
            "threshold_dbfs": round(decibels(threshold**2), 2) if threshold > 0 else None,
            "over_threshold": over,
            "over_threshold_percent": round(100.0 * over / max(1, sound.channels * sound.frames), 3),
            "reached_sdr_db": round(decibels(energy / error), 2) if error > 0 else None,
        }
    )


def _clip(block: Block, threshold: float, kind: str) -> Block:
    if threshold == 0.0:  # the peak of silence
        return block
    samples = np.clip(block, -np.float32(_KNEE[kind] * threshold), np.float32(_KNEE[kind] * threshold))
    if kind == "hard":
        return samples
    ratio = samples.astype(np.float64) / threshold
    return np.asarray(threshold * (ratio - 4.0 / 27.0 * ratio**3), np.float32)


def _threshold(sound: Sound, config: Config) -> float:
    if config.sdr_db == "off" and config.relative_to == "full_scale":
        return from_decibels(config.threshold_db)
    peak = max((float(np.abs(block).max(initial=0.0)) for block in sound.blocks()), default=0.0)
    if config.sdr_db == "off":
        return peak * from_decibels(config.threshold_db)
    if peak == 0.0:
        raise AudioRestoreError("the recording is silent, so sdr_db is undefined")
    return peak * _threshold_for(sound, peak, config.sdr_db, _KNEE[config.kind])


def _threshold_for(sound: Sound, peak: float, sdr_db: float, knee: float) -> float:
    """Find the share of the peak at which clipping gives this SDR, in one reading whatever the length.

    With the sums of the samples' powers in fine bins of magnitude, the energy that clipping changes is known exactly
    if the knee is at the edge of a bin: ``(x − T)²`` sums up to ``Σx² − 2TΣx + T²n`` over the samples above, and
    the soft bend to ``(4/27)² Σx⁶ / T⁴`` over those below. In between it is a line, which is 0.001 dB from the truth.
    """
    count, first, second, sixth = np.zeros((4, _BINS))
    for block in sound.blocks():
        magnitude = np.abs(block).ravel().astype(np.float64) / peak
        bins = np.minimum((magnitude * _BINS).astype(np.int64), _BINS - 1)
        count += np.bincount(bins, minlength=_BINS)
        first += np.bincount(bins, magnitude, _BINS)
        square = magnitude * magnitude
        second += np.bincount(bins, square, _BINS)
        if knee > 1.0:
            sixth += np.bincount(bins, square * square * square, _BINS)
    wanted = second.sum() * from_decibels(-2.0 * sdr_db)
    thresholds = np.arange(_BINS + 1) / (knee * _BINS)
    number, total, energy = (np.append(np.cumsum(each[::-1])[::-1], 0.0) for each in (count, first, second))
    bent = (4.0 / 27.0) ** 2 * np.append(0.0, np.cumsum(sixth))
    error = energy - 2.0 * thresholds * total + thresholds**2 * number
    error[1:] += bent[1:] / thresholds[1:] ** 4
    if wanted < error[-1]:  # soft, and not even the peak reaches the knee
        return float((bent[-1] / wanted) ** 0.25)
    return float(np.interp(wanted, np.maximum.accumulate(error[::-1]), thresholds[::-1]))
