"""The variables of PEAQ basic, frame by frame: eleven ways in which an estimate differs from its reference.

Sources: Recommendation ITU-R BS.1387-1 (2001), Annex 2, section 4; P. Kabal, An Examination and Interpretation of ITU-R
BS.1387, McGill University, 2002, section 5. Functions take arrays of (frames, signals, channels, bands or bins) and
give arrays of (frames, channels), or (frames, 1) where both ears are one.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from .ear import BAND_BARK, BANDS, FRAME, HOP, INTERNAL_NOISE, Array

Flags = NDArray[np.bool_]
Terms = dict[str, Array]  # what adds up over frames

_BANDS = np.arange(BANDS)


def sounding(reference: Array) -> Flags:
    """Find the frames in which the reference sounds: five samples in a row whose sum is over 200, in any channel.

    Samples are in steps of 16 bit, shape (channels, time).
    """
    magnitudes = np.abs(reference)
    count = magnitudes.shape[-1] - 4
    sums = sum((magnitudes[:, first : first + count] for first in range(5)), np.zeros(()))
    loud = np.any(sums > 200.0, axis=0)
    return np.asarray(sliding_window_view(loud, FRAME - 4)[::HOP].any(axis=-1))


_WEIGHT = 100.0 * INTERNAL_NOISE**0.3


def modulation_differences(modulation: Array, mean_loudness: Array) -> tuple[Array, Array, Array]:
    """Compare modulations: any difference, mostly added ones, and the frame's weight; Kabal, equations 73 to 82."""
    reference, estimate = modulation[:, 0], modulation[:, 1]
    difference = np.abs(estimate - reference)
    any_way = 100.0 / BANDS * np.sum(difference / (1.0 + reference), axis=-1)
    weighted = np.where(estimate >= reference, difference, 0.1 * difference)
    added = 100.0 / BANDS * np.sum(weighted / (0.01 + reference), axis=-1)
    return any_way, added, np.sum(mean_loudness[:, 0] / (mean_loudness[:, 0] + _WEIGHT), axis=-1)


def noise_loudness(modulation: Array, adapted: Array) -> Array:
    """Compute the loudness of the noise that was added, masked by the reference; Kabal, equations 87 to 91."""
    threshold = 0.15 * modulation + 0.5
    excitation = threshold * adapted
    added = np.maximum(excitation[:, 1] - excitation[:, 0], 0.0)
    beta = np.exp(-1.5 * (adapted[:, 1] - adapted[:, 0]) / adapted[:, 0])
    partial = (1.0 + added / (INTERNAL_NOISE + excitation[:, 0] * beta)) ** 0.23 - 1.0
    return np.asarray(24.0 / BANDS * np.sum((INTERNAL_NOISE / threshold[:, 1]) ** 0.23 * partial, axis=-1))


_TOP_BIN = 921  # 21.6 kHz: the estimate above it is regarded as its noise
LEAST_BANDWIDTH = 346  # bins, 8.1 kHz: frames whose reference reaches no higher do not count


def bandwidths(power: Array) -> Terms:
    """Count the bins up to the highest that stands out of the noise: 10 dB in the reference, 5 dB in the estimate.

    The estimate's bandwidth is at most the reference's. A bin has to be over the noise, not at it, so that digital
    silence has bandwidth 0.
    """
    noise = np.max(power[:, 1, :, _TOP_BIN : FRAME // 2], axis=-1, keepdims=True)
    bins = np.arange(1, _TOP_BIN + 1)
    reference = np.max(np.where(power[:, 0, :, :_TOP_BIN] > 10.0 * noise, bins, 0), axis=-1)
    over = (power[:, 1, :, :_TOP_BIN] > 10.0**0.5 * noise) & (bins <= reference[..., None])
    estimate = np.max(np.where(over, bins, 0), axis=-1)
    counts = (reference > LEAST_BANDWIDTH).astype(np.float64)
    return {"bandwidth_frames": counts, "bandwidth_ref": counts * reference, "bandwidth_test": counts * estimate}


_MASKING = 10.0 ** (np.where(_BANDS * BAND_BARK <= 12.0, 3.0, 0.25 * _BANDS * BAND_BARK) / 10.0)
_DISTURBED = 10.0**0.15  # noise 1.5 dB over the mask


def noise_to_mask(noise: Array, smeared: Array) -> Terms:
    """Compare the error's power with what the reference masks, bands of shape (frames, channels, bands).

    Kabal, equations 114 to 118.
    """
    ratios = noise * _MASKING / smeared[:, 0]
    return {
        "noise_to_mask": np.mean(ratios, axis=-1),
        "disturbed": (np.max(ratios, axis=-1) > _DISTURBED).astype(np.float64),
    }


_STEP = (9.01033e-11, 5.05622e-6, -0.00102438, 0.0550197, -0.198719)  # of a just noticed difference, in powers of level


def detection(smeared: Array) -> tuple[Array, Array]:
    """Find how likely a difference is audible, and how many just noticeable steps it has; Kabal, equations 120 to 127.

    Of the channels the one with the greater difference counts, in each band.

    Returns:
        Probability and number of steps, shape (frames, 1).
    """
    levels_db = 10.0 * np.log10(smeared)
    reference, estimate = levels_db[:, 0], levels_db[:, 1]
    level = 0.3 * np.maximum(reference, estimate) + 0.7 * estimate
    audible = level > 0.0
    safe = np.where(audible, level, 1.0)
    step = np.where(audible, 5.95072 * (6.39468 / safe) ** 1.71332 + np.polyval(_STEP, safe), 1e30)
    lost = reference - estimate
    squared = (lost / step) ** 2
    unheard = 0.5 ** (squared * squared * np.where(lost > 0.0, 1.0, squared))  # to the 4th, or the 6th
    probability = 1.0 - np.prod(np.min(unheard, axis=1), axis=-1, keepdims=True)
    steps = np.sum(np.max(np.abs(np.trunc(lost)) / step, axis=1), axis=-1, keepdims=True)
    return probability, steps


_LAGS = 256
_LEAST_ENERGY = 8000.0  # of the newer half of a frame
_LAG_WINDOW = np.sqrt(8.0 / 3.0) / _LAGS * np.hanning(_LAGS)


def error_harmonics(power: Array) -> Array:
    """Find how harmonic the error is: the highest peak in the spectrum of its log spectrum's correlation.

    Kabal, equations 133 to 142. At 0 Hz, which the outer ear does not let through, the log spectrum of the error is 0.
    If another bin is digital silence, there are no ratios and no harmonics.
    """
    bins = power[..., : 2 * _LAGS - 1]
    exists = np.all(bins[..., 1:] > 0.0, axis=(1, 3))[..., None]
    error = np.diff(np.log(np.where(bins > 0.0, bins, 1.0)), axis=1)[:, 0] * exists
    error[..., 0] = 0.0
    start = np.fft.rfft(error[..., :_LAGS], 2 * _LAGS)
    products = np.fft.irfft(np.conj(start) * np.fft.rfft(error, 2 * _LAGS), 2 * _LAGS)[..., :_LAGS]
    sums = np.cumsum(np.concatenate([np.zeros_like(error[..., :1]), error**2], axis=-1), axis=-1)
    energies = sums[..., _LAGS:] - sums[..., :_LAGS]
    norms = energies[..., :1] * energies
    correlation = np.where(norms > 0.0, products / np.sqrt(np.where(norms > 0.0, norms, 1.0)), 1.0)
    cepstrum = np.fft.rfft((correlation - np.mean(correlation, axis=-1, keepdims=True)) * _LAG_WINDOW)
    peaks = cepstrum.real**2 + cepstrum.imag**2
    rising = peaks[..., 1:] > peaks[..., :-1]
    return np.asarray(np.max(np.where(rising, peaks[..., 1:], 0.0), axis=-1))


def energetic(samples: Array) -> Flags:
    """Find the frames with energy in their newer half, in any channel of reference or estimate.

    Frames are in steps of 16 bit, shape (frames, signals, channels, 2048).
    """
    newer = samples[..., HOP:]
    return np.asarray(np.any(np.einsum("...i,...i->...", newer, newer) >= _LEAST_ENERGY, axis=(1, 2)))
