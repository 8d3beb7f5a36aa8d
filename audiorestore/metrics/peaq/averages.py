"""Variables of PEAQ over a whole recording, as sums over frames that are not kept.

Sources: Recommendation ITU-R BS.1387-1 (2001), Annex 2, section 5 (averaging); P. Kabal, An Examination and
Interpretation of ITU-R BS.1387, McGill University, 2002, sections 5 and 6.
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from .._comparison import Measured, Undefined
from . import ear, movs
from .ear import Array
from .network import VARIABLES
from .patterns import Adaptation, Modulation, loudness

Value = float | Undefined

_DELAY = 24  # frames, half a second, until the means over time have settled
_AFTER_ONSET = 3  # frames, 50 ms, after both have been loud
_ONSET_SONE = 0.1
_WINDOW = 4  # frames, 0.1 s

NEVER_SOUNDS = Undefined("the reference is silent, or shorter than the 43 ms of a frame")
NO_BANDWIDTH = Undefined("the reference never reaches 8.1 kHz, 10 dB over what the estimate has above 21.6 kHz")
TOO_SHORT = Undefined("PEAQ needs 0.1 s of sound after the first half second")
NEVER_LOUD = Undefined("reference and estimate are never audible at the same time after the first half second")


class Averages:
    """The eleven variables of a recording that is added in blocks."""

    def __init__(self, channels: int) -> None:
        self._ear = ear.Ear(channels)
        self._adaptation = Adaptation(channels)
        self._modulation = Modulation(channels)
        self._frames = 0  # so far
        self._started = False
        self._onset: int | None = None  # the first frame in which both are loud, in at least one channel
        self._roots = np.full((_WINDOW - 1, channels), np.nan)  # of the modulation differences of the last frames
        self._detection = 0.0
        self._active = np.zeros(channels, np.bool_)
        self._totals = _Totals()

    def add(self, samples: Array) -> None:
        """Add whole frames of reference and estimate.

        Args:
            samples: In steps of 16 bit, shape (2, channels, time). They start 1024 samples after the start of the last
                frame added.
        """
        frames = np.moveaxis(sliding_window_view(samples, ear.FRAME, axis=-1)[:, :, :: ear.HOP], 2, 0)
        power = ear.power_spectra(frames)
        behind = ear.weighted(power)
        excitation = ear.excited(behind)
        smeared = self._ear.smeared(excitation)
        adapted = self._adaptation(smeared)
        modulation, mean_loudness = self._modulation(excitation)
        self._active |= np.any(samples != 0.0, axis=(0, 2))
        number = self._frames + np.arange(len(frames))
        self._frames += len(frames)
        if self._onset is None:
            both_loud = np.any(np.all(loudness(smeared) > _ONSET_SONE, axis=1), axis=-1)
            self._onset = int(number[np.argmax(both_loud)]) if np.any(both_loud) else None

        sounds = movs.sounding(samples[0])
        first = 0 if self._started else int(np.argmax(sounds))
        self._started = self._started or bool(np.any(sounds))
        if not self._started:
            return
        cut = slice(first, None)
        power, smeared, modulation, number = power[cut], smeared[cut], modulation[cut], number[cut]
        noise = ear.grouped((np.sqrt(behind[cut, 0]) - np.sqrt(behind[cut, 1])) ** 2)
        terms = movs.bandwidths(power) | movs.noise_to_mask(noise, smeared)
        terms |= self._modulation_terms(modulation, mean_loudness[cut], number >= _DELAY)
        terms |= self._noise_terms(movs.noise_loudness(modulation, adapted[cut]), number)
        terms |= self._harmonic_terms(power, movs.energetic(frames[cut]))
        probability, steps = movs.detection(smeared)
        detected = (probability > 0.5).astype(np.float64)
        both_ears = {"frames": np.ones_like(detected), "detected": detected, "steps": detected * steps}
        terms |= {name: np.broadcast_to(term, noise.shape[:2]) for name, term in both_ears.items()}
        self._totals.add(terms, self._filtered(probability), sounds[cut])

    def _modulation_terms(self, modulation: Array, mean_loudness: Array, settled: movs.Flags) -> movs.Terms:
        any_way, added, weight = movs.modulation_differences(modulation, mean_loudness)
        weight = weight * settled[:, None]
        roots = np.concatenate([self._roots, np.where(settled[:, None], np.sqrt(any_way), np.nan)])
        self._roots = roots[len(any_way) :]
        windows = np.mean(sliding_window_view(roots, _WINDOW, axis=0), axis=-1) ** 4
        whole = np.isfinite(windows)
        return {
            "modulation_weight": weight,
            "modulation_1": weight * any_way,
            "modulation_2": weight * added,
            "modulation_windows": whole.astype(np.float64),
            "modulation_window": np.where(whole, windows, 0.0),
        }

    def _noise_terms(self, noise: Array, number: NDArray[np.int_]) -> movs.Terms:
        late = np.zeros(len(number), np.bool_)
        if self._onset is not None:
            late = number >= max(_DELAY, self._onset + _AFTER_ONSET)
        counts = np.broadcast_to(late[:, None], noise.shape).astype(np.float64)
        return {"noise_frames": counts, "noise_squared": counts * noise**2}

    def _harmonic_terms(self, power: Array, energetic: movs.Flags) -> movs.Terms:
        harmonics = movs.error_harmonics(power)
        counts = np.broadcast_to(energetic[:, None], harmonics.shape).astype(np.float64)
        return {"harmonic_frames": counts, "harmonics": counts * harmonics}

    def _filtered(self, probability: Array) -> Array:
        """Smooth the probability of detection over frames, so that no single frame decides."""
        smooth = []
        for value in probability[:, 0].tolist():
            self._detection = 0.9 * self._detection + 0.1 * value
            smooth.append(self._detection)
        return np.array(smooth)

    def variables(self) -> Measured:
        """Average over frames, then over the channels that are not digital silence in reference and estimate alike."""
        if not self._totals.sums:
            return dict.fromkeys(VARIABLES, NEVER_SOUNDS)
        sums = {name: total[self._active] for name, total in self._totals.sums.items()}

        def mean(part: str, whole: str, missing: Undefined, scale: Callable[[Array], Array] = np.asarray) -> Value:
            defined = sums[whole] > 0.0
            if not np.any(defined):
                return missing
            return float(np.mean(scale(sums[part][defined] / sums[whole][defined])))

        steps = mean("steps", "detected", Undefined("nothing is detected"))
        return {
            "bandwidth_ref": mean("bandwidth_ref", "bandwidth_frames", NO_BANDWIDTH),
            "bandwidth_test": mean("bandwidth_test", "bandwidth_frames", NO_BANDWIDTH),
            "total_nmr_db": mean("noise_to_mask", "frames", NEVER_SOUNDS, lambda ratio: 10.0 * np.log10(ratio)),
            "win_mod_diff_1": mean("modulation_window", "modulation_windows", TOO_SHORT, np.sqrt),
            "adb": _disturbance(steps),
            "ehs": mean("harmonics", "harmonic_frames", NEVER_SOUNDS, lambda peak: 1000.0 * peak),
            "avg_mod_diff_1": mean("modulation_1", "modulation_weight", TOO_SHORT),
            "avg_mod_diff_2": mean("modulation_2", "modulation_weight", TOO_SHORT),
            "rms_noise_loud": mean("noise_squared", "noise_frames", NEVER_LOUD, np.sqrt),
            "mfpd": self._totals.highest,
            "rel_dist_frames": mean("disturbed", "frames", NEVER_SOUNDS),
        }


def _disturbance(steps: Value) -> float:
    """Take the logarithm of the mean number of just noticeable steps in frames with a detected difference."""
    if isinstance(steps, Undefined):
        return 0.0
    return math.log10(steps) if steps > 0.0 else -0.5


class _Totals:
    """Sums over frames up to the last in which the reference sounds; later frames wait for the next one."""

    def __init__(self) -> None:
        self.sums: movs.Terms = {}
        self.highest = 0.0
        self._waiting: movs.Terms = {}
        self._waiting_highest = 0.0

    def add(self, terms: movs.Terms, peaks: Array, sounds: movs.Flags) -> None:
        """Add terms of shape (frames, channels); of ``peaks``, shape (frames), the highest is kept."""
        end = len(sounds) - int(np.argmax(sounds[::-1])) if np.any(sounds) else 0
        if end:
            for name, term in terms.items():
                before = self.sums.get(name, 0.0) + self._waiting.get(name, 0.0)
                self.sums[name] = before + np.sum(term[:end], axis=0)
            self.highest = max(self.highest, self._waiting_highest, float(np.max(peaks[:end])))
            self._waiting, self._waiting_highest = {}, 0.0
        for name, term in terms.items():
            self._waiting[name] = self._waiting.get(name, 0.0) + np.sum(term[end:], axis=0)
        self._waiting_highest = max(self._waiting_highest, float(np.max(peaks[end:], initial=0.0)))
