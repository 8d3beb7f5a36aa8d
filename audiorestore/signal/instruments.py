"""The instruments of the demo audio: strings, drums, bells, an organ and a voice, each from a few physical numbers.

What an instrument is made of is given in hertz and seconds, never in samples or bins, and noise is drawn frequency by
frequency, from the lowest up. So a note at a higher sample rate is the same note, with more of its highs. All random
numbers come from the generator that is handed in. Levels are meant for mixing: loud notes peak near 1.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Mono = NDArray[np.float64]  # shape (time,)

_NOISE_BAND_HZ = 11025.0  # noise has unit power in each band of this width, whatever the sample rate
_GRID_SECONDS = 0.02  # a whole number of samples at 16,000, 22,050, 44,100 and 48,000 Hz
_SIXTY_DB = math.log(1000.0)  # decay times are what it takes to fall by 60 dB


def frames_in(duration_seconds: float, sample_rate: int) -> int:
    """Count the samples of a duration.

    >>> frames_in(0.5, 22050)
    11025
    """
    return round(duration_seconds * sample_rate)


def times(duration_seconds: float, sample_rate: int) -> Mono:
    """List the time of each sample in seconds, from zero."""
    return np.arange(frames_in(duration_seconds, sample_rate)) / sample_rate


def fading(time: Mono, decay_seconds: float) -> Mono:
    """Fall away exponentially, by 60 dB in each decay time."""
    return np.exp(-_SIXTY_DB / decay_seconds * time)


def damped(waveform: Mono, sample_rate: int, fade_seconds: float) -> Mono:
    """End a note without a click: its last moment fades to nothing."""
    count = min(waveform.size, frames_in(fade_seconds, sample_rate))
    fade = 0.5 + 0.5 * np.cos(np.pi * (np.arange(count) + 1.0) / max(count, 1))
    return np.concatenate([waveform[: waveform.size - count], waveform[waveform.size - count :] * fade])


def noise(
    duration_seconds: float,
    sample_rate: int,
    rng: np.random.Generator,
    low_hz: float = 0.0,
    high_hz: float = math.inf,
) -> Mono:
    """Rush evenly over a band of frequencies, with the same rush below Nyquist at every sample rate.

    Args:
        duration_seconds: How long.
        sample_rate: In Hz.
        rng: Where the noise comes from: a child of it draws bin by bin, upwards, so that a higher rate adds highs and
            leaves what ``rng`` itself draws next as it was.
        low_hz: Lower edge of the band, below which it falls by 18 dB per octave.
        high_hz: Upper edge, above which it falls in the same way.

    Returns:
        Noise of shape (time,), of unit power per 11,025 Hz of bandwidth.
    """
    seconds = max(1, math.ceil(duration_seconds / _GRID_SECONDS)) * _GRID_SECONDS
    frames = frames_in(seconds, sample_rate)
    frequency_hz = np.arange(frames // 2 + 1) / seconds
    drawn = rng.spawn(1)[0].standard_normal((frequency_hz.size, 2))
    spectrum = drawn[:, 0] + 1j * drawn[:, 1]
    if low_hz > 0.0:
        spectrum *= 1.0 / np.sqrt(1.0 + (low_hz / np.maximum(frequency_hz, 1e-3)) ** 6)
    spectrum *= 1.0 / np.sqrt(1.0 + (frequency_hz / high_hz) ** 6)
    spectrum[0] = 0.0
    # Each bin adds a cosine whose power is 2 before scaling, and there are 1/seconds Hz between bins.
    waveform = np.fft.irfft(spectrum, frames) * frames / math.sqrt(4.0 * _NOISE_BAND_HZ * seconds)
    return waveform[: frames_in(duration_seconds, sample_rate)]


def pluck(
    frequency_hz: float,
    duration_seconds: float,
    sample_rate: int,
    rng: np.random.Generator,
    decay_seconds: float = 3.0,
    brightness_hz: float = 3000.0,
    position: float = 0.18,
) -> Mono:
    """Pluck a string: a burst one period long goes round a loop that dulls it at each turn.

    The loop y(t) = x(t) + g * y(t - 1/frequency) is a linear recursion, so all its turns are one division in the
    frequency domain, Y = X / (1 - G exp(-2 pi i f / frequency)). There the delay need not be whole samples, so the
    pitch is exact. The spectrum is sampled so finely that what would wrap around has died away.

    Args:
        frequency_hz: Pitch.
        duration_seconds: When the finger damps the string.
        sample_rate: In Hz.
        rng: Where the noise of the pick comes from.
        decay_seconds: Time in which the fundamental falls by 60 dB.
        brightness_hz: How sharp the pick is; also where overtones begin to die sooner.
        position: Where on the string it is plucked, as a share of its length; 1/position and its multiples are mute.

    Returns:
        The note, shape (time,).

    Source:
        Karplus and Strong, "Digital Synthesis of Plucked-String and Drum Timbres", Computer Music Journal 7(2), 1983;
        pick position and exact tuning as in Jaffe and Smith, "Extensions of the Karplus-Strong Plucked-String
        Algorithm", in the same issue.
    """
    seconds = math.ceil(2.0 * (duration_seconds + decay_seconds)) / 2.0
    frames = frames_in(seconds, sample_rate)
    turns = np.arange(frames // 2 + 1) / (seconds * frequency_hz)  # frequency, in harmonics of the string
    frequency_ratio = turns * frequency_hz / brightness_hz
    period_seconds = 1.0 / frequency_hz
    scratch = np.fft.rfft(noise(period_seconds, sample_rate, rng), frames) / sample_rate
    scratch *= math.sqrt(_NOISE_BAND_HZ * frequency_hz)  # as loud as the push of one impulse, on average
    push = 1.0 / (1.0 + 0.5j * turns) + 0.4 * scratch / (1.0 + 1j * frequency_ratio)  # the finger, and its nail
    pick = push * (1.0 - np.exp(-2j * np.pi * position * turns))
    gain = np.exp(-_SIXTY_DB * period_seconds / decay_seconds * (1.0 + frequency_ratio**2))
    spectrum = pick / (1.0 - gain * np.exp(-2j * np.pi * turns))
    waveform = np.fft.irfft(spectrum, frames) * (0.25 * sample_rate * period_seconds)
    waveform = waveform[: frames_in(duration_seconds, sample_rate)]
    return damped(waveform, sample_rate, 0.04)


def kick(sample_rate: int, rng: np.random.Generator, tone_hz: float = 48.0) -> Mono:
    """Kick a bass drum: a sine whose pitch drops fast onto its tone, and the click of the beater."""
    time = times(0.5, sample_rate)
    drop_seconds = 0.028
    cycles = tone_hz * time + 130.0 * drop_seconds * (1.0 - np.exp(-time / drop_seconds))
    click = noise(0.5, sample_rate, rng, 1500.0, 9000.0) * fading(time, 0.025)
    body = np.sin(2.0 * np.pi * cycles) * fading(time, 0.7) * np.minimum(1.0, time / 0.001)
    return damped(body + 0.25 * click, sample_rate, 0.1)


def snare(sample_rate: int, rng: np.random.Generator, tone_hz: float = 186.0) -> Mono:
    """Hit a snare drum: two modes of the skin, and the rattle of the wires up to Nyquist."""
    time = times(0.4, sample_rate)
    skin = np.sin(2.0 * np.pi * tone_hz * time) * fading(time, 0.22)
    skin += 0.6 * np.sin(2.0 * np.pi * 1.78 * tone_hz * time) * fading(time, 0.15)
    wires = noise(0.4, sample_rate, rng, 1400.0) * (0.7 * fading(time, 0.12) + 0.3 * fading(time, 0.38))
    return damped(0.45 * skin + 0.5 * wires, sample_rate, 0.05)


def hi_hat(sample_rate: int, rng: np.random.Generator, decay_seconds: float = 0.12) -> Mono:
    """Strike a pair of cymbals: noise and two dozen clashing partials, all above 5 kHz.

    Args:
        sample_rate: In Hz.
        rng: Where the noise and the partials come from.
        decay_seconds: Time in which it falls by 60 dB; 0.1 is closed, 0.7 open.

    Returns:
        One stroke, shape (time,), as long as it can be heard.
    """
    time = times(decay_seconds, sample_rate)
    partials_hz = 5200.0 * (15500.0 / 5200.0) ** rng.random(24)
    phases = rng.random(24)
    heard = partials_hz < 0.48 * sample_rate
    metal = np.sin(2.0 * np.pi * (np.outer(partials_hz[heard], time) + phases[heard, None])).sum(axis=0)
    hiss = noise(decay_seconds, sample_rate, rng, 6800.0)
    stroke = (0.5 * hiss + 0.1 * metal) * fading(time, decay_seconds)
    return damped(stroke, sample_rate, 0.1 * decay_seconds)


# Risset's bell: ratio to the pitch, beating offset in Hz, amplitude, share of the decay time.
_BELL_PARTIALS = (
    (0.56, 0.0, 1.0, 1.0),
    (0.56, 1.0, 0.67, 0.9),
    (0.92, 0.0, 1.0, 0.65),
    (0.92, 1.7, 1.8, 0.55),
    (1.19, 0.0, 2.67, 0.325),
    (1.7, 0.0, 1.67, 0.35),
    (2.0, 0.0, 1.46, 0.25),
    (2.74, 0.0, 1.33, 0.2),
    (3.0, 0.0, 1.33, 0.15),
    (3.76, 0.0, 1.0, 0.1),
    (4.07, 0.0, 1.33, 0.075),
)


def bell(
    frequency_hz: float,
    duration_seconds: float,
    sample_rate: int,
    rng: np.random.Generator,
    decay_seconds: float = 5.0,
) -> Mono:
    """Strike a bell: eleven partials that are no harmonics, the high ones first to go.

    Args:
        frequency_hz: The pitch that the ear makes of it.
        duration_seconds: How long it may ring.
        sample_rate: In Hz.
        rng: Where the phases and the noise of the clapper come from.
        decay_seconds: Time in which the lowest partial, the hum, falls by 60 dB.

    Returns:
        The stroke, shape (time,).

    Source:
        Risset, "An Introductory Catalogue of Computer Synthesized Sounds", Bell Laboratories, 1969, no. 430.
    """
    time = times(duration_seconds, sample_rate)
    waveform = np.zeros_like(time)
    for ratio, offset_hz, amplitude, share in _BELL_PARTIALS:
        cycles = (ratio * frequency_hz + offset_hz) * time + rng.random()
        waveform += 0.12 * amplitude * np.sin(2.0 * np.pi * cycles) * fading(time, share * decay_seconds)
    waveform += 0.15 * noise(duration_seconds, sample_rate, rng, 3000.0) * fading(time, 0.05)
    return damped(waveform * np.minimum(1.0, time / 0.001), sample_rate, 0.1)


# Drawbars, with the ear's own dulling: harmonic (of the 8-foot pipe), amplitude.
_ORGAN_PIPES = ((0.5, 0.5), (1.0, 1.0), (2.0, 0.6), (3.0, 0.3), (4.0, 0.35), (5.0, 0.08), (6.0, 0.12), (8.0, 0.15))


def organ(frequency_hz: float, duration_seconds: float, sample_rate: int, rng: np.random.Generator) -> Mono:
    """Sound a rank of organ pipes: slightly mistuned harmonics, a chiff at the start, and a breath of wind."""
    time = times(duration_seconds, sample_rate)
    waveform = np.zeros_like(time)
    for harmonic, amplitude in _ORGAN_PIPES:
        pipe_hz = harmonic * frequency_hz * 2.0 ** (rng.uniform(-3.0, 3.0) / 1200.0)
        phase = rng.random()
        for overtone, share in ((1, 1.0), (2, 0.25), (3, 0.12), (4, 0.05), (5, 0.03)):
            if overtone * pipe_hz < 0.48 * sample_rate:
                waveform += amplitude * share * np.sin(2.0 * np.pi * overtone * (pipe_hz * time + phase))
    attack = np.minimum(1.0, time / 0.05)
    chiff = noise(duration_seconds, sample_rate, rng, 2.0 * frequency_hz, 7000.0) * (0.25 * fading(time, 0.15) + 0.012)
    return damped((0.25 * waveform + chiff) * attack**2 * (3.0 - 2.0 * attack), sample_rate, 0.08)


@dataclass(frozen=True)
class Syllable:
    """One syllable of a voice.

    Attributes:
        consonant: A key of ``CONSONANTS``, or nothing.
        vowel: One or more keys of ``VOWELS_HZ``, which it glides through; nothing is a pause.
        pitch_hz: Pitch of the vowel, from its begin to its end.
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
    """What the tongue and lips do before a vowel.

    Attributes:
        duration_seconds: How long.
        voicing: How loud the voice goes on meanwhile, from 0 to 1.
        formants_hz: What the mouth is shaped for.
        hiss: Loudness of the noise made in the mouth.
        low_hz: Lower edge of that noise.
        high_hz: Upper edge.
        burst: Whether the noise follows a silence, all at once (t, k), or lasts (s, f).
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

_CONTROLS_PER_SECOND = 100
_TRACT_TOP_HZ = 21000.0  # formants above the fourth go on up to here, 1 kHz apart, at every sample rate
_SILENCE_FORMANTS_HZ = (500.0, 1500.0, 2500.0, 3500.0)


def glottal_pulses(pitch_hz: Mono, sample_rate: int, rise: float = 0.4, fall: float = 0.16) -> Mono:
    """Buzz as the vocal folds do: the slope of the puffs of air that they let through.

    Args:
        pitch_hz: Pitch at each sample, shape (time,).
        sample_rate: In Hz.
        rise: Share of each period in which the folds open.
        fall: Share in which they close.

    Returns:
        Shape (time,), free of aliases but for what lies four times above; the folds' closing peaks near -1.

    Source:
        Rosenberg, "Effect of Glottal Pulse Shape on the Quality of Natural Vowels", JASA 49, 1971, pulse C.
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
    """Shape a buzz by the moving resonances of a mouth, in cascade.

    Each Hann-windowed 20 ms of the source passes the tract as it stands at that moment, and the rings add up.

    Args:
        source: What the throat makes, shape (time,).
        formants_hz: The lowest four formants, 100 times a second, shape (moments, 4).
        sample_rate: In Hz.
        tract_scale: How far all formants lie above a grown man's; about 1.15 for a woman.

    Returns:
        The voice, shape (time,).

    Source:
        Klatt, "Software for a cascade/parallel formant synthesizer", JASA 67, 1980; the fixed higher formants stand
        for the higher-pole correction of Fant, "Acoustic Theory of Speech Production", 1960.
    """
    hop_length = sample_rate // _CONTROLS_PER_SECOND
    frame_count = -(-source.size // hop_length) + 1
    n_fft = 1 << (6 * hop_length - 1).bit_length()  # 20 ms of window, and at least 40 ms to ring
    frequency_hz = np.fft.rfftfreq(n_fft, 1.0 / sample_rate)
    upper_hz = np.arange(4500.0, _TRACT_TOP_HZ, 1000.0) * tract_scale
    tract = np.prod(_resonance(frequency_hz, upper_hz[:, None]), axis=0)[None]
    moments = np.arange(frame_count) * hop_length * _CONTROLS_PER_SECOND / sample_rate
    for track_hz in formants_hz.T * tract_scale:
        now_hz = np.interp(moments, np.arange(track_hz.size), track_hz)
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
    """Sing or say syllables: a buzz with vibrato and jitter through a moving mouth, with hisses and bursts between.

    Args:
        syllables: What, how high and how long.
        sample_rate: In Hz.
        rng: Where jitter, breath and hisses come from.
        tract_scale: How far the formants lie above a man's.
        vibrato_cents: Depth of the vibrato of 5.4 Hz, to each side.
        breath: Loudness of the breath that goes with the voice.

    Returns:
        Shape (time,), as long as the syllables together; a vowel peaks near 1.
    """
    duration_seconds = sum(syllable.duration_seconds for syllable in syllables)
    formants_hz, pitch_hz, voicing, starts = _controls(syllables)
    moments = np.arange(len(pitch_hz)) / _CONTROLS_PER_SECOND
    jitter_cents = 150.0 * noise(len(pitch_hz) / _CONTROLS_PER_SECOND, _CONTROLS_PER_SECOND, rng)  # about 10 cents rms
    cents = vibrato_cents * np.sin(2.0 * np.pi * 5.4 * moments) + jitter_cents
    time = times(duration_seconds, sample_rate)
    pitch = np.interp(time, moments, pitch_hz * 2.0 ** (cents / 1200.0))
    # Above their first formant singers open the mouth until it meets the pitch (Sundberg, "The Acoustics of the Singing
    # Voice", Scientific American 236, 1977).
    formants_hz[:, 0] = np.maximum(formants_hz[:, 0], 1.05 * pitch_hz / tract_scale)
    folds = glottal_pulses(pitch, sample_rate)
    source = folds + breath * noise(duration_seconds, sample_rate, rng, 300.0) * (0.4 - folds)
    voice = 0.4 * vocal_tract(source * np.interp(time, moments, voicing), formants_hz, sample_rate, tract_scale)
    for start_seconds, syllable in zip(starts, syllables, strict=True):
        if syllable.consonant and CONSONANTS[syllable.consonant].hiss:
            hiss = _hiss(CONSONANTS[syllable.consonant], sample_rate, rng)
            start = frames_in(start_seconds, sample_rate)
            hiss = hiss[: voice.size - start]
            voice[start : start + hiss.size] += hiss
    return damped(voice, sample_rate, 0.03)


def _controls(syllables: Sequence[Syllable]) -> tuple[NDArray[np.float64], Mono, Mono, list[float]]:
    """Draw the tracks of a voice, 100 times a second: steps from sound to sound, then smoothed as a mouth moves."""
    edges = np.cumsum([0.0, *(syllable.duration_seconds for syllable in syllables)])
    moments = round(edges[-1] * _CONTROLS_PER_SECOND) + 10
    formants_hz = np.tile(_SILENCE_FORMANTS_HZ, (moments, 1))
    sounding_hz = [syllable.pitch_hz[0] for syllable in syllables if syllable.vowel]
    pitch_hz, voicing = np.full(moments, sounding_hz[0] if sounding_hz else 100.0), np.zeros(moments)
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
    """Let the noise of one consonant swell and fade, or burst after its silence."""
    seconds = consonant.duration_seconds + 0.03
    time = times(seconds, sample_rate)
    waveform = noise(seconds, sample_rate, rng, consonant.low_hz, consonant.high_hz)
    if consonant.burst:
        since = time - 0.6 * consonant.duration_seconds
        return consonant.hiss * waveform * np.where(since >= 0.0, fading(np.maximum(since, 0.0), 0.07), 0.0)
    return consonant.hiss * waveform * np.sin(np.pi * time / seconds) ** 0.8


def _resonance(frequency_hz: NDArray[np.floating], formant_hz: NDArray[np.float64]) -> NDArray[np.complex128]:
    """Resonate once, with unit gain at zero frequency; higher formants are broader."""
    bandwidth_hz = 45.0 + 0.045 * formant_hz
    square = formant_hz**2
    return np.asarray(square / (square - frequency_hz**2 + 1j * frequency_hz * bandwidth_hz), dtype=np.complex128)


def _smoothed(track: Mono, moments: int) -> Mono:
    """Round off the steps of a track by a Hann window of so many moments."""
    window = np.hanning(moments + 2)[1:-1]
    padded = np.pad(track, moments // 2, mode="edge")
    return np.convolve(padded, window / window.sum(), mode="valid")
