"""Short excerpts for people to compare by ear: the same stretch of each recording, equally loud, and never clipped.

The stretch is the busiest one of the reference, where the effects of a codec or a restorer are easiest to hear. Each
excerpt except the anchors gets one gain that makes it as loud as the reference. Loudness is the K-weighted power of the
whole excerpt, without gates, since a busy stretch has no pauses. (The gain of the least squared error would make a
restorer quieter the more its phase differs from the original's, which nobody hears.) If an excerpt of an item would
exceed full scale, all excerpts of the item are lowered by the same gain. Both ends are faded over 10 ms.

Source: ITU-R, "Algorithms to measure audio programme loudness and true-peak audio level", Recommendation BS.1770-4,
2015, Annex 1 (K weighting); ITU-R, "Method for the subjective assessment of intermediate quality level of audio
systems", Recommendation BS.1534-3, 2015 (anchors: the reference low-passed at 3.5 kHz and at 7 kHz).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..data.audio_file import AudioReader
from ..data.spool import open_sound
from ..errors import RecordError
from ..signal.busiest import busiest_start
from ..signal.filters import convolved, zero_phase
from ..signal.level import decibels, from_decibels
from ..signal.sound import Sound

Samples = NDArray[np.float32]

FADE_SECONDS = 0.01
LARGEST_GAIN_DB = 30.0  # for outputs that are almost silent
# Pass-band and stop-band edges of the anchors; the Recommendation asks for 25 dB at 4 and 50 dB at 4.5 kHz.
ANCHORS_HZ = {"anchor_3500_hz": (3500.0, 4000.0), "anchor_7000_hz": (7000.0, 8000.0)}

# The two filters of the K-weighting at 48 kHz: a high shelf for the head, and a high-pass. BS.1770-4, Tables 1 and 2.
_K_RATE = 48000.0
_K_FILTERS = (
    ((1.53512485958697, -2.69169618940638, 1.19839281085285), (1.0, -1.69065929318241, 0.73248077421585)),
    ((1.0, -2.0, 1.0), (1.0, -1.99004745483398, 0.99007225036621)),
)


@dataclass(frozen=True)
class Excerpts:
    """The same stretch of all versions of an item: its reference, its degraded version and that of each system.

    Attributes:
        sample_rate: In Hz.
        start_seconds: Where the stretch starts.
        waveforms: Name to samples, shape (channels, time), the same for all.
        gains_db: Name to the gain that was applied, including the lowering of the whole item.
    """

    sample_rate: int
    start_seconds: float
    waveforms: Mapping[str, Samples]
    gains_db: Mapping[str, float]


def cut_excerpts(paths: Mapping[str, str], seconds: float, anchors: Iterable[str] = ()) -> Excerpts:
    """Cut the same stretch out of several recordings, and make them equally loud.

    Args:
        paths: Name to audio file; the one called ``reference`` determines the stretch and the loudness.
        seconds: Length; a shorter recording is used whole.
        anchors: Which of `ANCHORS_HZ` to make from the reference; left out where its sample rate is too low.

    Raises:
        AudioFileError: A file cannot be read.
        RecordError: Sample rate, channels or length differ.
    """
    with open_sound(paths["reference"]) as sound:
        frames = min(sound.frames, max(1, round(seconds * sound.sample_rate)))
        start = busiest_start(sound, frames)
    cut: dict[str, Samples] = {}
    for name, path in paths.items():
        with AudioReader(path) as reader:
            here, there = reader.info, sound
            if (here.sample_rate, here.channels, here.frames) != (there.sample_rate, there.channels, there.frames):
                raise RecordError(
                    f"{path} and {paths['reference']} differ in sample rate, channels or length; 'ar pair' aligns them"
                )
            cut[name] = reader.read(start, frames)
    gains = {name: loudness_gain_db(cut["reference"], each, sound.sample_rate) for name, each in cut.items()}
    for name in anchors:
        passed, stopped = ANCHORS_HZ[name]
        if 2.0 * stopped <= sound.sample_rate:
            cut[name] = low_passed(cut["reference"], sound.sample_rate, passed, stopped)
            gains[name] = 0.0  # an anchor is the reference without its highs; more gain would make up for them
    return _leveled(cut, gains, sound.sample_rate, start)


def loudness_gain_db(reference: Samples, estimate: Samples, sample_rate: int) -> float:
    """Find the gain that makes an excerpt as loud as the reference, to 0.01 dB; 0 where one of them is silent."""
    powers = [k_weighted_power(each, sample_rate) for each in (reference, estimate)]
    if min(powers) <= 0.0:
        return 0.0
    gain = round(decibels(powers[0] / powers[1]), 2)
    return min(max(gain, -LARGEST_GAIN_DB), LARGEST_GAIN_DB) + 0.0


def k_weighted_power(waveform: Samples, sample_rate: int) -> float:
    """Sum the mean K-weighted power of all channels; in decibels, and less 0.691 dB, it is LUFS.

    Args:
        waveform: Samples, shape (channels, time).
        sample_rate: In Hz; the weights above 24 kHz, where the Recommendation ends, are those of 24 kHz.
    """
    frames = waveform.shape[-1]
    if not frames:
        return 0.0
    frequencies = np.minimum(np.arange(frames // 2 + 1) * (sample_rate / frames), _K_RATE / 2.0)
    delay = np.exp(-2j * np.pi * frequencies / _K_RATE)
    weights = np.ones(len(delay))
    for (b0, b1, b2), (a0, a1, a2) in _K_FILTERS:
        weights *= np.abs((b0 + delay * (b1 + delay * b2)) / (a0 + delay * (a1 + delay * a2))) ** 2
    weights[1 : (frames + 1) // 2] *= 2.0  # these bins also stand for negative frequencies
    total = 0.0
    for channel in waveform:
        spectrum = np.fft.rfft(channel.astype(np.float64))
        total += float(np.sum(weights * (spectrum.real**2 + spectrum.imag**2)))
    return total / float(frames) ** 2


def low_passed(waveform: Samples, sample_rate: int, passed_hz: float, stopped_hz: float) -> Samples:
    """Low-pass a waveform without delay: it passes up to one frequency, and nothing above the other one does."""

    def amplitude(radians: NDArray[np.float64]) -> NDArray[np.float64]:
        frequencies = radians * sample_rate / (2.0 * np.pi)
        share = np.clip((frequencies - passed_hz) / (stopped_hz - passed_hz), 0.0, 1.0)
        return np.asarray(0.5 + 0.5 * np.cos(np.pi * share))

    response = zero_phase(amplitude)
    sound = Sound.of(waveform, sample_rate)
    return np.concatenate(list(convolved(sound, response[np.newaxis], advance=len(response) // 2)), axis=-1)


def _leveled(cut: Mapping[str, Samples], gains: Mapping[str, float], sample_rate: int, start: int) -> Excerpts:
    """Apply the gains, lowered together where an excerpt would exceed full scale, and fade both ends."""
    peak = max(from_decibels(gains[name]) * float(np.abs(each).max(initial=0.0)) for name, each in cut.items())
    # Rounded up to 0.01 dB, so that the key file has the exact gain.
    lowered = np.ceil(100.0 * max(0.0, decibels(peak**2))) / 100.0 if peak > 1.0 else 0.0
    applied = {name: round(gain - lowered, 2) + 0.0 for name, gain in gains.items()}
    frames = cut["reference"].shape[-1]
    length = min(round(FADE_SECONDS * sample_rate), frames // 2)
    ramp = 0.5 - 0.5 * np.cos(np.pi * (np.arange(length) + 0.5) / max(1, length))
    envelope = np.concatenate([ramp, np.ones(frames - 2 * length), ramp[::-1]])
    faded = {name: np.asarray(from_decibels(applied[name]) * each * envelope, np.float32) for name, each in cut.items()}
    return Excerpts(sample_rate, round(start / sample_rate, 3), faded, applied)
