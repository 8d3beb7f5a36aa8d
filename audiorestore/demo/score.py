"""Scores: music as a line of text, played note by note on the instruments and mixed into a piece."""

import re
from collections.abc import Callable, Iterable
from functools import partial

import numpy as np

from .instruments import Mono, frames_in, hi_hat, kick, organ, pluck, snare
from .voice import Syllable, sing

PIECE_SECONDS = 5.0

_SEMITONES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_FIRST_BEAT_SECONDS = 0.05

Note = tuple[float, Mono]  # its start in seconds, and its sound


def note_hz(name: str) -> float:
    """Convert the name of a note, such as C4 (the middle C), F#4 or Bb2, to Hz, in equal temperament with A4 at 440 Hz.

    >>> note_hz("A3")
    220.0
    """
    match = re.fullmatch(r"([A-G])([#b]?)(\d)", name)
    if match is None:
        raise ValueError(f"{name!r} is not a note; write notes as A3, F#4 or Bb2")
    letter, accidental, octave = match.groups()
    semitones = _SEMITONES[letter] + {"": 0, "#": 1, "b": -1}[accidental] + 12 * int(octave) - 57
    return float(440.0 * 2.0 ** (semitones / 12.0))


def mixed(notes: Iterable[Note], sample_rate: int) -> Mono:
    """Add up notes, each from its start, and cut them at the end of the piece."""
    waveform = np.zeros(frames_in(PIECE_SECONDS, sample_rate))
    for start_seconds, sound in notes:
        start = min(frames_in(max(start_seconds, 0.0), sample_rate), waveform.size)
        kept = sound[: waveform.size - start]
        waveform[start : start + kept.size] += kept
    return waveform


def scaled(gain: float, notes: Iterable[Note]) -> Iterable[Note]:
    """Play notes louder or softer."""
    return ((start_seconds, gain * sound) for start_seconds, sound in notes)


def picked(
    score: str,
    step_seconds: float,
    sample_rate: int,
    rng: np.random.Generator,
    ring_seconds: float,
    brightness_hz: float = 3000.0,
    decay_seconds: float = 3.2,
    position: float = 0.18,
) -> Iterable[Note]:
    """Play a score of plucked notes, one word for each step: ``D3``, ``D3+A3`` strummed, ``.`` to wait.

    A ``!`` after the word accents it. The timing and the strength of strokes vary a little. The brightness is that of
    the strongest stroke, the decay time that of a string at 220 Hz; higher strings decay faster.
    """
    for step, word in enumerate(score.split()):
        strength = (1.0 if word.endswith("!") else 0.72) * rng.uniform(0.85, 1.0)
        strum_seconds = rng.uniform(0.012, 0.02)
        names = [] if word == "." else word.rstrip("!").split("+")
        for order, name in enumerate(names):
            start_seconds = _FIRST_BEAT_SECONDS + step * step_seconds + order * strum_seconds + rng.normal(0.0, 0.004)
            frequency_hz = note_hz(name)
            decay = decay_seconds * (220.0 / frequency_hz) ** 0.4
            brightness = strength * brightness_hz
            string = pluck(frequency_hz, ring_seconds, sample_rate, rng.spawn(1)[0], decay, brightness, position)
            yield start_seconds, strength * len(names) ** -0.4 * string


def drummed(
    score: dict[str, str], step_seconds: float, swing: float, sample_rate: int, rng: np.random.Generator
) -> Iterable[Note]:
    """Play a drum pattern, one sign for each step: ``x`` loud, ``o`` soft, ``-`` nothing; swing delays off-beats."""
    drums: dict[str, Callable[[int, np.random.Generator], Mono]] = {
        "kick": kick,
        "low tom": partial(kick, tone_hz=82.0),
        "high tom": partial(kick, tone_hz=124.0),
        "snare": snare,
        "hat": hi_hat,
        "open hat": partial(hi_hat, decay_seconds=0.75),
    }
    loudness = {"kick": 0.95, "low tom": 0.6, "high tom": 0.55, "snare": 0.8, "hat": 0.42, "open hat": 0.4}
    for drum, line in score.items():
        for step, sign in enumerate(line.replace(" ", "")):
            stick, wobble, late_seconds = rng.spawn(1)[0], rng.uniform(0.85, 1.0), rng.normal(0.0, 0.003)
            if sign != "-":
                steps = step + (swing if step % 2 else 0.0)
                gain = loudness[drum] * wobble * (1.0 if sign == "x" else 0.45)
                yield _FIRST_BEAT_SECONDS + steps * step_seconds + late_seconds, gain * drums[drum](sample_rate, stick)


def chorded(chords: Iterable[tuple[float, float, str]], sample_rate: int, rng: np.random.Generator) -> Iterable[Note]:
    """Play organ chords, each given by its start and duration in seconds and its notes."""
    for start_seconds, duration_seconds, names in chords:
        for name in names.split("+"):
            yield start_seconds, 0.4 * organ(note_hz(name), duration_seconds, sample_rate, rng.spawn(1)[0])


def voiced(words: str, beat_seconds: float, sample_rate: int, rng: np.random.Generator, **voice: float) -> Note:
    """Sing a line from the first beat on."""
    return _FIRST_BEAT_SECONDS, sing(sung(words, beat_seconds), sample_rate, rng, **voice)


def sung(words: str, beat_seconds: float) -> list[Syllable]:
    """Read a line of song, one word for each syllable: ``na:A3``, ``lo:G3*2`` for two beats, ``-`` for a pause.

    A word is an optional consonant and its vowels; ``sa:120~90`` is spoken, gliding from 120 to 90 Hz.
    """
    syllables = []
    for word in words.split():
        match = re.fullmatch(r"(-|([mnlhsSftk]?)([ieaour]+):([^*]+))(?:\*([\d.]+))?", word)
        if match is None:
            raise ValueError(f"{word!r} is not a syllable; write them as na:A3, sa:120~90*1.5 or -")
        _, consonant, vowel, pitch, beats = match.groups()
        if vowel is None:
            consonant, vowel, pitch_hz = "", "", (0.0, 0.0)
        elif "~" in pitch:
            start, stop = pitch.split("~")
            pitch_hz = (float(start), float(stop))
        else:
            pitch_hz = (note_hz(pitch), note_hz(pitch))
        syllables.append(Syllable(consonant, vowel, pitch_hz, beat_seconds * float(beats or 1.0)))
    return syllables
