"""Reverberation of a room: each sound dies away slowly, as on a distant microphone.

By default a room is drawn: after a pause its tail is noise, different in each channel, that decays exponentially, by 60
dB in ``decay_seconds`` up to 500 Hz and sooner above, since air and walls absorb the highs. With ``folder`` a recorded
impulse response is used. It is shifted so that its strongest peak, assumed to be the direct sound, has no delay (to a
fraction of a sample, in each channel), inverted if that peak is negative, and scaled so that the 2.5 ms on each side of
the peak have unit energy. What precedes the peak is kept. Its channels are used in turn.

Either way the direct sound keeps its level and its place, the reverberation is added, and it ends with the recording.

Source: Moorer, "About this reverberation business", Computer Music Journal 3(2), 1979 (noise that decays exponentially
sounds like a concert hall, and its highs decay sooner); ISO 3382-1:2009 (decay time from the backward integral).
"""

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ..data.audio_file import AudioReader
from ..errors import AudioRestoreError
from ..signal.filters import convolved
from ..signal.level import decibels, dot, from_decibels
from ..signal.resample import resample
from ..signal.sound import Mono, Sound
from ._additive import NOISE_SEED
from ._damage import DamageConfig, Damaged, Domain, Outcome, Span, parameter
from ._user_audio import DRAWN, FILE, drawn_file

LONGEST_SECONDS = 10.0
DIRECT_SECONDS = 0.0025
_RINGING = 64  # samples to each side in which a shift by a fraction of a sample rings
_FALL_60_DB = np.log(1000.0)
_OCTAVES = 4  # from 500 Hz to 8 kHz, over which the decay gets shorter


@dataclass(frozen=True)
class Config(DamageConfig):
    """A drawn room, or a recorded one."""

    folder: str = parameter(
        DRAWN, Domain(Path, meaning="a folder with recorded impulse responses, or one such file; 'drawn' makes one")
    )
    file: str = FILE
    decay_seconds: float = parameter(
        Span(0.2, 2.0), Domain(float, "s", "how long it takes to fall by 60 dB", low=0.02, high=LONGEST_SECONDS)
    )
    drr_db: float = parameter(
        Span(0.0, 15.0), Domain(float, "dB", "energy of the direct sound over that of the tail", low=-30, high=60)
    )
    predelay_ms: float = parameter(
        Span(2.0, 30.0), Domain(float, "ms", "how long after the direct sound the tail sets in", low=0, high=200)
    )
    damping_percent: float = parameter(
        Span(0.0, 60.0), Domain(float, "%", "by how much the decay is shorter at 8 kHz than at 500 Hz", low=0, high=90)
    )
    noise_seed: int = NOISE_SEED

    def draw(self, rng: np.random.Generator) -> Self:
        """Draw every parameter, and pick a file if there is a folder."""
        drawn = super().draw(rng)
        return drawn if drawn.folder == DRAWN else replace(drawn, file=drawn_file(drawn.file, drawn.folder, rng))


def sources(config: Config) -> list[Path]:
    """Name the impulse response that is read, if any."""
    return [] if config.file == DRAWN else [Path(config.file)]


def apply(sound: Sound, config: Config) -> Damaged:
    """Put the recording into the room.

    If the room is recorded, ``decay_seconds`` (null if it does not decay far enough) and ``drr_db`` are measured, and
    replace the drawn values in the record; ``predelay_ms`` and ``damping_percent`` are null.
    """
    if config.file == DRAWN:
        yield from convolved(sound, drawn_response(config, sound.channels, sound.sample_rate))
        return Outcome()
    response, advance = recorded_response(Path(config.file), sound.channels, sound.sample_rate)
    yield from convolved(sound, response, advance)
    return Outcome(
        {
            "decay_seconds": decay_seconds(response, sound.sample_rate),
            "drr_db": _drr_db(response, advance, sound.sample_rate),
            "predelay_ms": None,
            "damping_percent": None,
        }
    )


def drawn_response(config: Config, channels: int, sample_rate: int) -> NDArray[np.float64]:
    """Make an impulse response, shape (channels, taps): 1, a pause, and a decaying tail."""
    rng = np.random.default_rng(config.noise_seed)
    pause = max(1, round(config.predelay_ms / 1000.0 * sample_rate))
    frames = max(1, round(config.decay_seconds * sample_rate))
    n_fft = 1 << (frames - 1).bit_length()
    noise = rng.standard_normal((n_fft, channels), dtype=np.float32).T
    octave = np.log2(np.maximum(np.fft.rfftfreq(n_fft, 1.0 / sample_rate), 1.0) / 500.0).clip(0.0, _OCTAVES)
    response = np.zeros((channels, pause + frames))
    response[:, 0] = 1.0
    for band in range(_OCTAVES + 1):
        shorter = 1.0 - config.damping_percent / 100.0 * band / _OCTAVES
        fall = np.exp(-_FALL_60_DB / (config.decay_seconds * shorter * sample_rate) * np.arange(frames))
        share = np.maximum(0.0, 1.0 - np.abs(octave - band))
        for tail, row in zip(response[:, pause:], noise, strict=True):
            spectrum = np.fft.rfft(row.astype(np.float64))
            tail += fall * np.fft.irfft(spectrum * share, n_fft)[:frames]
    for tail in response[:, pause:]:
        tail *= from_decibels(-config.drr_db) / np.sqrt(dot(tail, tail))
    return response


def recorded_response(path: Path, channels: int, sample_rate: int) -> tuple[NDArray[np.float64], int]:
    """Read an impulse response at this rate, and align, invert and scale the direct sound of each channel.

    Returns:
        The response, shape (at most ``channels``, taps), and the tap of its direct sound.

    Raises:
        AudioRestoreError: It is too long to be one, or silent.
    """
    with AudioReader(path) as reader:
        if reader.info.duration_seconds > LONGEST_SECONDS:
            raise AudioRestoreError(
                f"{path} lasts {reader.info.duration_seconds:.1f} s, and an impulse response of at most "
                f"{LONGEST_SECONDS:g} s is possible; shorten the file, or remove it if it is not an impulse response"
            )
        rows = resample(reader.read()[:channels].astype(np.float64), reader.info.sample_rate, sample_rate)
    for number, row in enumerate(rows, 1):
        if not row.any():
            raise AudioRestoreError(
                f"channel {number} of {path} is silent and cannot be an impulse response; remove the file"
            )
    peaks = [_peak(row) for row in rows]
    advance = math.ceil(max(peaks)) + _RINGING
    taps = rows.shape[-1] + math.ceil(advance - min(peaks)) + _RINGING
    aligned = np.stack([_delayed(row, advance - peak, taps) for row, peak in zip(rows, peaks, strict=True)])
    for row in aligned:
        direct = row[_direct(advance, sample_rate)]
        row *= np.sign(row[advance]) / np.sqrt(dot(direct, direct))
    return aligned, advance


def _direct(advance: int, sample_rate: int) -> slice:
    reach = round(DIRECT_SECONDS * sample_rate)
    return slice(max(0, advance - reach), advance + reach + 1)


def _peak(row: Mono) -> float:
    """Find the strongest peak, to a sixteenth of a sample."""
    best = int(np.argmax(np.abs(row)))
    reach = _RINGING
    padded = np.pad(row[max(0, best - reach) : best + reach], (max(0, reach - best), reach))[: 2 * reach]
    finer = np.abs(np.fft.irfft(np.fft.rfft(padded), 32 * reach))
    return best - 1 + int(np.argmax(finer[16 * (reach - 1) : 16 * (reach + 1) + 1])) / 16


def _delayed(row: Mono, samples: float, frames: int) -> NDArray[np.float64]:
    """Delay by a fraction of samples, to this length."""
    n_fft = 1 << (frames + _RINGING).bit_length()
    turn = np.exp(-2j * np.pi * np.fft.rfftfreq(n_fft) * samples)
    return np.asarray(np.fft.irfft(np.fft.rfft(row, n_fft) * turn, n_fft)[:frames], np.float64)


def _drr_db(response: NDArray[np.float64], advance: int, sample_rate: int) -> float | None:
    direct = response[:, _direct(advance, sample_rate)]
    energy, rest = dot(direct, direct), dot(response, response) - dot(direct, direct)
    return round(decibels(energy / rest), 2) if rest > 1e-12 * energy else None


def decay_seconds(response: NDArray[np.float64], sample_rate: int) -> float | None:
    """Measure how long a response takes to fall by 60 dB: three times the time from −5 to −25 dB (T20, ISO 3382)."""
    energy = np.cumsum(np.square(response).sum(axis=0)[::-1])[::-1]
    level_db = 10.0 * np.log10(np.maximum(energy / energy[0], 1e-12))
    first, last = np.argmax(level_db < -5.0), np.argmax(level_db < -25.0)
    if last - first < 2:
        return None
    slope, _ = np.polyfit(np.arange(first, last) / sample_rate, level_db[first:last], 1)
    return round(float(-60.0 / slope), 3)
