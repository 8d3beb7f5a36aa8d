"""Short excerpts for people to compare by ear: the same place of each recording, equally loud, and none clipped.

The place is the loudest and busiest of the reference: there most of what a codec or a restorer does can be heard. Each
excerpt but the anchors gets one gain, which brings its loudness to the reference's; loudness is the K-weighted power of
the whole excerpt, without gates, since a busy place has no pauses to leave out. (The gain of the least squared error
would play a restorer the softer, the less its phase is that of the original, which nobody hears.) Where one of an item
would go over full scale, all of the item are lowered alike. Both ends are faded over 10 ms.

Source: ITU-R, "Algorithms to measure audio programme loudness and true-peak audio level", Recommendation BS.1770-4,
2015, Annex 1 (K weighting); ITU-R, "Method for the subjective assessment of intermediate quality level of audio
systems", Recommendation BS.1534-3, 2015 (anchors: the reference up to 3.5 kHz and up to 7 kHz).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..data.audio_file import AudioReader
from ..data.spool import open_sound
from ..errors import RecordError
from ..signal.filters import convolved, zero_phase
from ..signal.level import decibels, from_decibels
from ..signal.sound import BLOCK_FRAMES, Sound, regrid

Samples = NDArray[np.float32]

PARTS_PER_SECOND = 20  # how finely the place of an excerpt is looked for
FADE_SECONDS = 0.01
LARGEST_GAIN_DB = 30.0  # an output that is all but silent is not blown up without end
# The anchor's edge, and where nothing is left; the Recommendation asks for 25 dB at 4 and 50 dB at 4.5 kHz.
ANCHORS_HZ = {"anchor_3500_hz": (3500.0, 4000.0), "anchor_7000_hz": (7000.0, 8000.0)}

# The two filters of the K weighting at 48 kHz: a head's high shelf, and a high pass. BS.1770-4, Tables 1 and 2.
_K_RATE = 48000.0
_K_FILTERS = (
    ((1.53512485958697, -2.69169618940638, 1.19839281085285), (1.0, -1.69065929318241, 0.73248077421585)),
    ((1.0, -2.0, 1.0), (1.0, -1.99004745483398, 0.99007225036621)),
)


@dataclass(frozen=True)
class Excerpts:
    """One place of an item, as its reference, its degraded version and each system have it.

    Attributes:
        sample_rate: In Hz.
        start_seconds: Where the place lies.
        waveforms: Name to samples, shape (channels, time); all alike in shape.
        gains_db: Name to the gain that the samples got, the lowering of the whole item included.
    """

    sample_rate: int
    start_seconds: float
    waveforms: Mapping[str, Samples]
    gains_db: Mapping[str, float]


def cut_excerpts(paths: Mapping[str, str], seconds: float, anchors: Iterable[str] = ()) -> Excerpts:
    """Cut the same place out of recordings, and make them equally loud.

    Args:
        paths: Name to audio file; the one called ``reference`` decides on the place and the loudness.
        seconds: How long; a shorter recording is taken whole.
        anchors: Which of `ANCHORS_HZ` to make from the reference, where its sample rate can hold them.

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
                    f"{path} and {paths['reference']} differ in sample rate, channels or length; 'ar pair' lays them "
                    "over each other"
                )
            cut[name] = reader.read(start, frames)
    gains = {name: loudness_gain_db(cut["reference"], each, sound.sample_rate) for name, each in cut.items()}
    for name in anchors:
        passed, stopped = ANCHORS_HZ[name]
        if 2.0 * stopped <= sound.sample_rate:
            cut[name] = low_passed(cut["reference"], sound.sample_rate, passed, stopped)
            gains[name] = 0.0  # an anchor is the reference less its highs, not the same loudness made of lows
    return _leveled(cut, gains, sound.sample_rate, start)


def busiest_start(sound: Sound, frames: int) -> int:
    """Find where the excerpt of this many samples starts that holds the most sound.

    The amplitudes of parts of 50 ms are added up, not their powers: so one bang does not outweigh music.

    >>> tone = np.zeros((1, 8000), np.float32)
    >>> tone[:, 4000:6000] = 0.5
    >>> busiest_start(Sound.of(tone, 8000), 2000)
    4000
    """
    part = max(1, sound.sample_rate // PARTS_PER_SECOND)
    count = frames // part
    if count == 0:
        return 0
    levels = []
    for block in regrid(sound.blocks(), sound.channels, sound.frames, max(1, BLOCK_FRAMES // part) * part):
        whole = block[:, : block.shape[-1] // part * part].astype(np.float64)
        levels.append(np.sqrt(np.square(whole).reshape(sound.channels, -1, part).mean(axis=(0, 2))))
    # Rounded, so that equal places are equal whatever the order of the sums.
    sums = np.round(np.concatenate([[0.0], np.cumsum(np.concatenate(levels))]), 9)
    first = int(np.argmax(np.round(sums[count:] - sums[:-count], 6))) * part
    return min(first, sound.frames - frames)


def loudness_gain_db(reference: Samples, estimate: Samples, sample_rate: int) -> float:
    """Say which gain makes an excerpt as loud as the reference, in hundredths of a decibel; 0 where one is silent."""
    powers = [k_weighted_power(each, sample_rate) for each in (reference, estimate)]
    if min(powers) <= 0.0:
        return 0.0
    gain = round(decibels(powers[0] / powers[1]), 2)
    return min(max(gain, -LARGEST_GAIN_DB), LARGEST_GAIN_DB) + 0.0


def k_weighted_power(waveform: Samples, sample_rate: int) -> float:
    """Sum the mean power of all channels after K weighting; -0.691 dB more than this in decibels is LUFS.

    Args:
        waveform: Samples, shape (channels, time).
        sample_rate: In Hz; above 24 kHz, where the Recommendation ends, the weight stays what it is there.
    """
    frames = waveform.shape[-1]
    if not frames:
        return 0.0
    weights = _k_weights(np.arange(frames // 2 + 1) * (sample_rate / frames))
    weights[1 : (frames + 1) // 2] *= 2.0  # these bins stand for negative frequencies, too
    total = 0.0
    for channel in waveform:
        spectrum = np.fft.rfft(channel.astype(np.float64))
        total += float(np.sum(weights * (spectrum.real**2 + spectrum.imag**2)))
    return total / float(frames) ** 2


def _k_weights(frequencies: NDArray[np.float64]) -> NDArray[np.float64]:
    delay = np.exp(-2j * np.pi * np.minimum(frequencies, _K_RATE / 2.0) / _K_RATE)
    weights = np.ones(len(frequencies))
    for (b0, b1, b2), (a0, a1, a2) in _K_FILTERS:
        weights *= np.abs((b0 + delay * (b1 + delay * b2)) / (a0 + delay * (a1 + delay * a2))) ** 2
    return weights


def low_passed(waveform: Samples, sample_rate: int, passed_hz: float, stopped_hz: float) -> Samples:
    """Take the highs away without delay: all of it passes up to one frequency, nothing from the other on."""

    def amplitude(radians: NDArray[np.float64]) -> NDArray[np.float64]:
        frequencies = radians * sample_rate / (2.0 * np.pi)
        share = np.clip((frequencies - passed_hz) / (stopped_hz - passed_hz), 0.0, 1.0)
        return np.asarray(0.5 + 0.5 * np.cos(np.pi * share))

    response = zero_phase(amplitude)
    sound = Sound.of(waveform, sample_rate)
    return np.concatenate(list(convolved(sound, response[np.newaxis], advance=len(response) // 2)), axis=-1)


def _leveled(cut: Mapping[str, Samples], gains: Mapping[str, float], sample_rate: int, start: int) -> Excerpts:
    peak = max(from_decibels(gains[name]) * float(np.abs(each).max(initial=0.0)) for name, each in cut.items())
    # Rounded up to hundredths of a decibel, so that the key file tells all.
    lowered = np.ceil(100.0 * max(0.0, decibels(peak**2))) / 100.0 if peak > 1.0 else 0.0
    told = {name: round(gain - lowered, 2) + 0.0 for name, gain in gains.items()}
    faded = {name: _faded(from_decibels(told[name]) * each, sample_rate) for name, each in cut.items()}
    return Excerpts(sample_rate, round(start / sample_rate, 3), faded, told)


def _faded(waveform: NDArray[np.floating], sample_rate: int) -> Samples:
    frames = waveform.shape[-1]
    length = min(round(FADE_SECONDS * sample_rate), frames // 2)
    ramp = 0.5 - 0.5 * np.cos(np.pi * (np.arange(length) + 0.5) / max(1, length))
    envelope = np.concatenate([ramp, np.ones(frames - 2 * length), ramp[::-1]])
    return np.asarray(waveform * envelope, np.float32)
