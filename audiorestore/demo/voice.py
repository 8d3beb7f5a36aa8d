"""A voice that sings or speaks syllables: the buzz of vocal folds, filtered by a vocal tract whose resonances move.

As in `instruments`, all parameters are in hertz and seconds, never in samples or bins, and all random numbers come from
the generator that is passed in.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .instruments import Mono, damped, fading, frames_in, noise, times

_CONTROLS_PER_SECOND = 100
_TRACT_TOP_HZ = 21000.0  # formants above the fourth are 1 kHz apart up to here, at every sample rate
_SILENCE_FORMANTS_HZ = (500.0, 1500.0, 2500.0, 3500.0)


@dataclass(frozen=True)
class Syllable:
    """One syllable of a voice.

    Attributes:
        consonant: A key of ``CONSONANTS``, or nothing.
        vowel: One or more keys of ``VOWELS_HZ``, through which it glides; nothing is a pause.
        pitch_hz: Pitch of the vowel at its start and at its end.
        duration_seconds: Of consonant and vowel together.
    """

    consonant: str
    vowel: str
    pitch_hz: tuple[float, float]
    duration_seconds: float


# The first four formants in Hz; the first three: Peterson and Barney, "Control Methods Used in a Study of the Vowels",
# JASA 24, 1952, Table II, men.
VOWELS_HZ = {
    "i": (270.0, 2290.0, 3010.0, 3500.0),
    "e": (530.0, 1840.0, 2480.0, 3500.0),
    "a": (730.0, 1090.0, 2440.0, 3500.0),
    "o": (570.0, 840.0, 2410.0, 3300.0),
    "u": (300.0, 870.0, 2240.0, 3300.0),
    "r": (490.0, 1350.0, 1690.0, 3300.0),
}


@dataclass(frozen=True)
class Consonant:
    """How a consonant sounds before a vowel.

    Attributes:
        voicing: Level of the voice meanwhile, from 0 to 1.
        formants_hz: The lowest four formants.
        hiss: Level of the noise between ``low_hz`` and ``high_hz``.
        burst: Whether the noise is a burst after a silence (t, k), or lasts (s, f).
    """

    duration_seconds: float
    voicing: float
    formants_hz: tuple[float, float, float, float]
    hiss: float = 0.0
    low_hz: float = 0.0
    high_hz: float = math.inf
    burst: bool = False


CONSONANTS = {
    "m": Consonant(0.09, 0.35, (260.0, 1050.0, 2200.0, 3300.0)),
    "n": Consonant(0.08, 0.35, (260.0, 1550.0, 2500.0, 3400.0)),
    "l": Consonant(0.07, 0.45, (340.0, 1100.0, 2700.0, 3400.0)),
    "h": Consonant(0.09, 0.0, (500.0, 1500.0, 2500.0, 3500.0), 0.05, 900.0, 6000.0),
    "s": Consonant(0.15, 0.0, (320.0, 1600.0, 2600.0, 3500.0), 0.22, 5200.0, 13000.0),
    "S": Consonant(0.15, 0.0, (320.0, 1800.0, 2500.0, 3500.0), 0.22, 2500.0, 7000.0),  # as in "shore"
    "f": Consonant(0.12, 0.0, (340.0, 1100.0, 2200.0, 3400.0), 0.12, 1800.0, 14000.0),
    "t": Consonant(0.10, 0.0, (350.0, 1800.0, 2700.0, 3500.0), 0.45, 3200.0, 12000.0, True),
    "k": Consonant(0.10, 0.0, (320.0, 1900.0, 2300.0, 3500.0), 0.5, 1300.0, 4000.0, True),
}


def glottal_pulses(pitch_hz: Mono, sample_rate: int, rise: float = 0.4, fall: float = 0.16) -> Mono:
    """Make the buzz of vocal folds: the derivative of the air flow between them.

    Args:
        pitch_hz: Pitch at each sample, shape (time,).
        sample_rate: In Hz.
        rise: Fraction of each period in which the folds open.
        fall: Fraction in which they close.

    Returns:
        Shape (time,), made at four times the sample rate and so almost without aliases; the closing peaks near -1.

    Source: Rosenberg, "Effect of Glottal Pulse Shape on the Quality of Natural Vowels", JASA 49, 1971, pulse C.
    """
    finer = 4
    frames = pitch_hz.size
    cycles = np.cumsum(pitch_hz) / sample_rate
    phase = np.interp(np.arange(frames * finer) / finer, np.arange(frames), cycles) % 1.0
    opening = fall / rise * 2.0 * np.sin(np.pi / rise * phase)
    closing = -np.sin(np.pi / (2.0 * fall) * (phase - rise))
    slope = np.where(phase < rise, 0.5 * opening, np.where(phase < rise + fall, closing, 0.0))
    return np.fft.irfft(np.fft.rfft(slope)[: frames // 2 + 1], frames) / finer


def vocal_tract(source: Mono, formants_hz: NDArray[np.float64], sample_rate: int, tract_scale: float = 1.0) -> Mono:
    """Filter a buzz by the moving resonances of a vocal tract, in cascade.

    Each Hann-windowed 20 ms of the source is filtered by the tract at that time, and the results are added up.

    Args:
        source: The buzz, shape (time,).
        formants_hz: The lowest four formants, 100 times a second, shape (steps, 4).
        sample_rate: In Hz.
        tract_scale: Ratio of all formants to those of a man; about 1.15 for a woman.

    Source: Klatt, "Software for a cascade/parallel formant synthesizer", JASA 67, 1980; the fixed higher formants
    replace the higher-pole correction of Fant, "Acoustic Theory of Speech Production", 1960.
    """
    hop_length = sample_rate // _CONTROLS_PER_SECOND
    frame_count = -(-source.size // hop_length) + 1
    n_fft = 1 << (6 * hop_length - 1).bit_length()  # 20 ms of window, and at least 40 ms to ring
    frequency_hz = np.fft.rfftfreq(n_fft, 1.0 / sample_rate)
    upper_hz = np.arange(4500.0, _TRACT_TOP_HZ, 1000.0) * tract_scale
    tract = np.prod(_resonance(frequency_hz, upper_hz[:, None]), axis=0)[None]
    steps = np.arange(frame_count) * hop_length * _CONTROLS_PER_SECOND / sample_rate
    for track_hz in formants_hz.T * tract_scale:
        now_hz = np.interp(steps, np.arange(track_hz.size), track_hz)
        tract = tract * _resonance(frequency_hz, now_hz[:, None])
    window = 0.5 - 0.5 * np.cos(np.pi * np.arange(2 * hop_length) / hop_length)
    padded = np.pad(source, (hop_length, 2 * hop_length))
    starts = hop_length * np.arange(frame_count)
    pieces = padded[starts[:, None] + np.arange(2 * hop_length)] * window
    rings = np.fft.irfft(np.fft.rfft(pieces, n_fft) * tract, n_fft)
    voice = np.zeros(starts[-1] + n_fft)
    for start, ring in zip(starts, rings, strict=True):
        voice[start : start + n_fft] += ring
    return voice[hop_length : hop_length + source.size]


def sing(
    syllables: Sequence[Syllable],
    sample_rate: int,
    rng: np.random.Generator,
    tract_scale: float = 1.0,
    vibrato_cents: float = 35.0,
    breath: float = 0.04,
) -> Mono:
    """Sing or speak syllables: a buzz with vibrato and jitter, filtered by a vocal tract, with hisses and bursts.

    Args:
        syllables: With their pitches and durations.
        sample_rate: In Hz.
        rng: For jitter, breath and hisses.
        tract_scale: Ratio of the formants to those of a man.
        vibrato_cents: Depth of the vibrato of 5.4 Hz, to each side.
        breath: Level of breath noise in the voice.

    Returns:
        Shape (time,), as long as the syllables together; a vowel peaks near 1.
    """
    duration_seconds = sum(syllable.duration_seconds for syllable in syllables)
    formants_hz, pitch_hz, voicing, starts = _controls(syllables)
    steps = np.arange(len(pitch_hz)) / _CONTROLS_PER_SECOND
    jitter_cents = 150.0 * noise(len(pitch_hz) / _CONTROLS_PER_SECOND, _CONTROLS_PER_SECOND, rng)  # about 10 cents rms
    cents = vibrato_cents * np.sin(2.0 * np.pi * 5.4 * steps) + jitter_cents
    time = times(duration_seconds, sample_rate)
    pitch = np.interp(time, steps, pitch_hz * 2.0 ** (cents / 1200.0))
    # Above their first formant singers open the mouth until it meets the pitch (Sundberg, "The Acoustics of the Singing
    # Voice", Scientific American 236, 1977).
    formants_hz[:, 0] = np.maximum(formants_hz[:, 0], 1.05 * pitch_hz / tract_scale)
    folds = glottal_pulses(pitch, sample_rate)
    source = folds + breath * noise(duration_seconds, sample_rate, rng, 300.0) * (0.4 - folds)
    voice = 0.4 * vocal_tract(source * np.interp(time, steps, voicing), formants_hz, sample_rate, tract_scale)
    for start_seconds, syllable in zip(starts, syllables, strict=True):
        if syllable.consonant and CONSONANTS[syllable.consonant].hiss:
            start = frames_in(start_seconds, sample_rate)
            hiss = _hiss(CONSONANTS[syllable.consonant], sample_rate, rng)[: voice.size - start]
            voice[start : start + hiss.size] += hiss
    return damped(voice, sample_rate, 0.03)


def _controls(syllables: Sequence[Syllable]) -> tuple[NDArray[np.float64], Mono, Mono, list[float]]:
    """Make the tracks of a voice, 100 times a second: constant in each sound, then smoothed as a mouth moves."""
    edges = np.cumsum([0.0, *(syllable.duration_seconds for syllable in syllables)])
    steps = round(edges[-1] * _CONTROLS_PER_SECOND) + 10
    formants_hz = np.tile(_SILENCE_FORMANTS_HZ, (steps, 1))
    sounding_hz = [syllable.pitch_hz[0] for syllable in syllables if syllable.vowel]
    pitch_hz, voicing = np.full(steps, sounding_hz[0] if sounding_hz else 100.0), np.zeros(steps)
    for start_seconds, syllable in zip(edges, syllables, strict=False):
        start = round(start_seconds * _CONTROLS_PER_SECOND)
        stop = start + round(syllable.duration_seconds * _CONTROLS_PER_SECOND)
        vowel = start
        if syllable.consonant:
            consonant = CONSONANTS[syllable.consonant]
            vowel += round(consonant.duration_seconds * _CONTROLS_PER_SECOND)
            formants_hz[start:vowel], voicing[start:vowel] = consonant.formants_hz, consonant.voicing
        if syllable.vowel:
            for part, letters in enumerate(syllable.vowel):
                formants_hz[vowel + part * (stop - vowel) // len(syllable.vowel) :] = VOWELS_HZ[letters]
            voicing[vowel : stop - 1] = 1.0
            pitch_hz[start:stop] = np.linspace(*syllable.pitch_hz, stop - start)
            pitch_hz[stop:] = syllable.pitch_hz[1]
    smooth_formants = np.stack([_smoothed(track, 9) for track in formants_hz.T], axis=1)
    return smooth_formants, _smoothed(pitch_hz, 9), _smoothed(voicing, 5), [float(edge) for edge in edges[:-1]]


def _hiss(consonant: Consonant, sample_rate: int, rng: np.random.Generator) -> Mono:
    """Make the noise of one consonant, which swells and fades, or bursts after a silence."""
    seconds = consonant.duration_seconds + 0.03
    time = times(seconds, sample_rate)
    waveform = noise(seconds, sample_rate, rng, consonant.low_hz, consonant.high_hz)
    if consonant.burst:
        since = time - 0.6 * consonant.duration_seconds
        return consonant.hiss * waveform * np.where(since >= 0.0, fading(np.maximum(since, 0.0), 0.07), 0.0)
    return consonant.hiss * waveform * np.sin(np.pi * time / seconds) ** 0.8


def _resonance(frequency_hz: NDArray[np.floating], formant_hz: NDArray[np.float64]) -> NDArray[np.complex128]:
    """Compute the response of one resonance, with unit gain at zero frequency; higher formants are wider."""
    bandwidth_hz = 45.0 + 0.045 * formant_hz
    square = formant_hz**2
    return np.asarray(square / (square - frequency_hz**2 + 1j * frequency_hz * bandwidth_hz), dtype=np.complex128)


def _smoothed(track: Mono, steps: int) -> Mono:
    """Smooth a track by a Hann window of this many steps."""
    window = np.hanning(steps + 2)[1:-1]
    padded = np.pad(track, steps // 2, mode="edge")
    return np.convolve(padded, window / window.sum(), mode="valid")
