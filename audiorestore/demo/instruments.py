"""The instruments of the demo audio: strings, drums, bells and an organ, each from a few physical numbers.

All parameters are in hertz and seconds, never in samples or bins, and noise is drawn frequency by frequency, from the
lowest up. So a note at a higher sample rate is the same note with more high frequencies. All random numbers come from
the generator that is passed in. Levels are meant for mixing: loud notes peak near 1.
"""

import math

import numpy as np
from numpy.typing import NDArray

Mono = NDArray[np.float64]  # shape (time,)

_NOISE_BAND_HZ = 11025.0  # noise has unit power in each band of this width, whatever the sample rate
_GRID_SECONDS = 0.02  # a whole number of samples at 16,000, 22,050, 44,100 and 48,000 Hz
_SIXTY_DB = math.log(1000.0)  # a decay time is the time of a fall by 60 dB


def frames_in(duration_seconds: float, sample_rate: int) -> int:
    """Convert a duration to samples.

    >>> frames_in(0.5, 22050)
    11025
    """
    return round(duration_seconds * sample_rate)


def times(duration_seconds: float, sample_rate: int) -> Mono:
    """List the time of each sample in seconds, from zero."""
    return np.arange(frames_in(duration_seconds, sample_rate)) / sample_rate


def fading(time: Mono, decay_seconds: float) -> Mono:
    """Make an exponential decay, 60 dB in each decay time."""
    return np.exp(-_SIXTY_DB / decay_seconds * time)


def damped(waveform: Mono, sample_rate: int, fade_seconds: float) -> Mono:
    """End a note without a click, by fading out its end."""
    count = min(waveform.size, frames_in(fade_seconds, sample_rate))
    fade = 0.5 + 0.5 * np.cos(np.pi * (np.arange(count) + 1.0) / max(count, 1))
    return np.concatenate([waveform[: waveform.size - count], waveform[waveform.size - count :] * fade])


def noise(
    duration_seconds: float, sample_rate: int, rng: np.random.Generator, low_hz: float = 0.0, high_hz: float = math.inf
) -> Mono:
    """Make noise that is white in a band of frequencies, and the same below Nyquist at every sample rate.

    Args:
        duration_seconds: Length.
        sample_rate: In Hz.
        rng: For the noise: a child of it draws bin by bin, from the lowest up, so that a higher rate adds high
            frequencies and does not change what ``rng`` itself draws next.
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
    """Pluck a string: a burst of one period runs through a loop that removes high frequencies at each turn.

    The loop y(t) = x(t) + g * y(t - 1/frequency) is a linear recursion, so all its turns are one division in the
    frequency domain, Y = X / (1 - G exp(-2 pi i f / frequency)). There the delay need not be a whole number of samples,
    so the pitch is exact. The spectrum is sampled so finely that the note has decayed before it wraps around.

    Args:
        frequency_hz: Pitch.
        duration_seconds: Time at which the finger damps the string.
        sample_rate: In Hz.
        rng: For the noise of the pick.
        decay_seconds: Time in which the fundamental falls by 60 dB.
        brightness_hz: Sharpness of the pick; also where overtones start to decay faster.
        position: Where the string is plucked, as a fraction of its length; harmonic 1/position and its multiples are
            missing.

    Source: Karplus and Strong, "Digital Synthesis of Plucked-String and Drum Timbres", Computer Music Journal 7(2),
    1983; pick position and exact tuning as in Jaffe and Smith, "Extensions of the Karplus-Strong Plucked-String
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
    """Kick a bass drum: a sine whose pitch falls quickly to its tone, and the click of the beater."""
    time = times(0.5, sample_rate)
    drop_seconds = 0.028
    cycles = tone_hz * time + 130.0 * drop_seconds * (1.0 - np.exp(-time / drop_seconds))
    click = noise(0.5, sample_rate, rng, 1500.0, 9000.0) * fading(time, 0.025)
    body = np.sin(2.0 * np.pi * cycles) * fading(time, 0.7) * np.minimum(1.0, time / 0.001)
    return damped(body + 0.25 * click, sample_rate, 0.1)


def snare(sample_rate: int, rng: np.random.Generator, tone_hz: float = 186.0) -> Mono:
    """Hit a snare drum: two modes of the skin, and the noise of the wires up to Nyquist."""
    time = times(0.4, sample_rate)
    skin = np.sin(2.0 * np.pi * tone_hz * time) * fading(time, 0.22)
    skin += 0.6 * np.sin(2.0 * np.pi * 1.78 * tone_hz * time) * fading(time, 0.15)
    wires = noise(0.4, sample_rate, rng, 1400.0) * (0.7 * fading(time, 0.12) + 0.3 * fading(time, 0.38))
    return damped(0.45 * skin + 0.5 * wires, sample_rate, 0.05)


def hi_hat(sample_rate: int, rng: np.random.Generator, decay_seconds: float = 0.12) -> Mono:
    """Strike cymbals, closed (a decay of 0.1 s) or open (0.7 s): noise and 24 clashing partials, all above 5 kHz."""
    time = times(decay_seconds, sample_rate)
    partials_hz = 5200.0 * (15500.0 / 5200.0) ** rng.random(24)
    phases = rng.random(24)
    audible = partials_hz < 0.48 * sample_rate
    metal = np.sin(2.0 * np.pi * (np.outer(partials_hz[audible], time) + phases[audible, None])).sum(axis=0)
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
    frequency_hz: float, duration_seconds: float, sample_rate: int, rng: np.random.Generator, decay_seconds: float = 5.0
) -> Mono:
    """Strike a bell: eleven inharmonic partials, of which the high ones decay first.

    Args:
        frequency_hz: The perceived pitch.
        duration_seconds: Length.
        sample_rate: In Hz.
        rng: For the phases and the noise of the clapper.
        decay_seconds: Time in which the lowest partial, the hum, falls by 60 dB.

    Source: Risset, "An Introductory Catalogue of Computer Synthesized Sounds", Bell Laboratories, 1969, no. 430.
    """
    time = times(duration_seconds, sample_rate)
    waveform = np.zeros_like(time)
    for ratio, offset_hz, amplitude, share in _BELL_PARTIALS:
        cycles = (ratio * frequency_hz + offset_hz) * time + rng.random()
        waveform += 0.12 * amplitude * np.sin(2.0 * np.pi * cycles) * fading(time, share * decay_seconds)
    waveform += 0.15 * noise(duration_seconds, sample_rate, rng, 3000.0) * fading(time, 0.05)
    return damped(waveform * np.minimum(1.0, time / 0.001), sample_rate, 0.1)


# Drawbars: harmonic (of the 8-foot pipe), amplitude; high ones are softer.
_ORGAN_PIPES = ((0.5, 0.5), (1.0, 1.0), (2.0, 0.6), (3.0, 0.3), (4.0, 0.35), (5.0, 0.08), (6.0, 0.12), (8.0, 0.15))


def organ(frequency_hz: float, duration_seconds: float, sample_rate: int, rng: np.random.Generator) -> Mono:
    """Play organ pipes: slightly mistuned harmonics, a burst of noise at the start, and some wind noise."""
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
