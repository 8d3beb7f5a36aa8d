"""A minute of music and voice that the project renders itself, so that the whole chain runs without any data.

The random numbers of a piece depend on its name. Pieces are dry notes, see `pieces`; ``render_demo`` mixes them, adds a
room and sets the level.
"""

import hashlib

import numpy as np
from numpy.typing import NDArray

from ..signal.level import from_decibels
from .instruments import Mono, fading, frames_in, noise, times
from .pieces import PIECES
from .score import mixed

DEMO_PIECES: tuple[str, ...] = tuple(PIECES)
PEAK_DB = -3.0

# From, to, fraction of the decay time.
_ROOM_BANDS_HZ = ((60.0, 900.0, 1.0), (900.0, 3600.0, 0.8), (3600.0, 20000.0, 0.45))
_FADE_IN_SECONDS, _FADE_OUT_SECONDS = 0.005, 0.4
_LOWEST_HZ = 25.0


def room(
    waveform: Mono, sample_rate: int, rng: np.random.Generator, decay_seconds: float = 0.9, wet: float = 0.2
) -> Mono:
    """Add the reverberation of a room: noise that decays exponentially, faster at high frequencies.

    Args:
        waveform: Dry sound, shape (time,).
        sample_rate: In Hz.
        rng: For the noise.
        decay_seconds: Time in which the reverberation of low frequencies falls by 60 dB.
        wet: Level of the reverberation relative to the dry sound; 1 is the same.

    Source: Moorer, "About This Reverberation Business", Computer Music Journal 3(2), 1979.
    """
    time = times(decay_seconds, sample_rate)
    tail = np.zeros_like(time)
    for low_hz, high_hz, share in _ROOM_BANDS_HZ:
        tail += noise(decay_seconds, sample_rate, rng, low_hz, high_hz) * fading(time, share * decay_seconds)
    # Noise of power 1/11025 per Hz whose squares sum up to decay_seconds / 13.8: this makes the gain 1 on average.
    tail *= np.sqrt(2.0 * 11025.0 * 13.8 / decay_seconds) / sample_rate
    predelay = frames_in(0.012, sample_rate)
    n_fft = 1 << (waveform.size + predelay + tail.size).bit_length()
    response = np.fft.rfft(np.concatenate([np.zeros(predelay), wet * tail]), n_fft)
    return waveform + np.fft.irfft(np.fft.rfft(waveform, n_fft) * response, n_fft)[: waveform.size]


def mastered(waveform: Mono, sample_rate: int) -> NDArray[np.float32]:
    """Make a waveform of shape (time,) a recording of shape (1, time): no rumble or offset, silent ends, peak -3 dB."""
    frames = waveform.size
    n_fft = 1 << (2 * frames).bit_length()
    frequency_hz = np.fft.rfftfreq(n_fft, 1.0 / sample_rate)
    above_rumble = frequency_hz**2 / (frequency_hz**2 + _LOWEST_HZ**2)
    clean = np.fft.irfft(np.fft.rfft(waveform, n_fft) * above_rumble, n_fft)[:frames]
    position = np.arange(frames) / sample_rate
    ramp = np.minimum(position / _FADE_IN_SECONDS, (position[-1] - position) / _FADE_OUT_SECONDS)
    fade = 0.5 - 0.5 * np.cos(np.pi * np.minimum(ramp, 1.0))
    clean = fade * clean
    clean -= fade * (clean.sum() / fade.sum())  # no offset, and the ends stay silent
    peak = from_decibels(PEAK_DB) - 1e-6  # so that rounding to float32 does not exceed it
    return np.asarray(peak / np.abs(clean).max() * clean[None], dtype=np.float32)


def render_demo(name: str, sample_rate: int = 22050) -> NDArray[np.float32]:
    """Render one piece of the demo audio, always the same.

    Args:
        name: One of ``DEMO_PIECES``.
        sample_rate: In Hz, at least 8000; a higher one only adds high frequencies.

    Returns:
        Shape (1, time), 5 seconds, with a peak of -3 dB below full scale.

    Raises:
        ValueError: The piece does not exist, or the sample rate is too low.

    >>> render_demo("bells-01").shape
    (1, 110250)
    """
    if name not in PIECES:
        raise ValueError(f"{name!r} is not a demo piece; the pieces are {', '.join(DEMO_PIECES)}")
    if sample_rate < 8000:
        raise ValueError(f"a sample rate of {sample_rate} Hz is too low for the demo; use at least 8000 Hz")
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little")
    for_piece, for_room = np.random.default_rng(seed).spawn(2)
    play, decay_seconds, wet = PIECES[name]
    dry = mixed(play(sample_rate, for_piece), sample_rate)
    return mastered(room(dry, sample_rate, for_room, decay_seconds, wet), sample_rate)
