"""A minute of music and voice that the project renders itself, so that the whole chain runs with no data at all.

Each piece is a function of a sample rate and a generator, and knows nothing of the others: its random numbers come from
its own name. A piece is dry sound in ``PIECE_SECONDS``; ``render_demo`` puts it into a room and sets its level.
"""

import hashlib
import re
from collections.abc import Callable, Iterable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from .instruments import (
    Mono,
    Syllable,
    bell,
    fading,
    frames_in,
    hi_hat,
    kick,
    noise,
    organ,
    pluck,
    sing,
    snare,
    times,
)
from .level import from_decibels

PIECE_SECONDS = 5.0
PEAK_DB = -3.0

_SEMITONES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_ROOM_BANDS_HZ = (
    (60.0, 900.0, 1.0),
    (900.0, 3600.0, 0.8),
    (3600.0, 20000.0, 0.45),
)  # from, to, share of the decay time
_FADE_IN_SECONDS, _FADE_OUT_SECONDS = 0.005, 0.4
_LOWEST_HZ = 25.0
_FIRST_BEAT_SECONDS = 0.05

Note = tuple[float, Mono]  # when it begins, in seconds, and its sound


def note_hz(name: str) -> float:
    """Give the pitch of a note, in equal temperament with A4 at 440 Hz.

    Args:
        name: Letter, ``#`` or ``b`` or nothing, octave: ``C4`` is the middle C.

    Returns:
        Hz.

    >>> note_hz("A3")
    220.0
    """
    match = re.fullmatch(r"([A-G])([#b]?)(\d)", name)
    if match is None:
        raise ValueError(f"{name!r} is not a note; write notes as A3, F#4 or Bb2")
    letter, accidental, octave = match.groups()
    semitones = _SEMITONES[letter] + {"": 0, "#": 1, "b": -1}[accidental] + 12 * int(octave) - 57
    return float(440.0 * 2.0 ** (semitones / 12.0))


def room(
    waveform: Mono, sample_rate: int, rng: np.random.Generator, decay_seconds: float = 0.9, wet: float = 0.2
) -> Mono:
    """Let a sound die away in a room: noise that fades exponentially, the highs sooner.

    Args:
        waveform: Dry sound, shape (time,).
        sample_rate: In Hz.
        rng: Where the room comes from.
        decay_seconds: Time in which the reverberation of the lows falls by 60 dB.
        wet: How strong the reverberation is beside the dry sound; 1 is as strong.

    Returns:
        Dry and wet sound together, of the same shape.

    Source:
        Moorer, "About This Reverberation Business", Computer Music Journal 3(2), 1979.
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
    """Finish a recording: no rumble, no offset, silent ends, and a peak of -3 dB below full scale.

    Args:
        waveform: Shape (time,).
        sample_rate: In Hz.

    Returns:
        Shape (1, time).
    """
    frames = waveform.size
    n_fft = 1 << (2 * frames).bit_length()
    frequency_hz = np.fft.rfftfreq(n_fft, 1.0 / sample_rate)
    above_rumble = frequency_hz**2 / (frequency_hz**2 + _LOWEST_HZ**2)
    clean = np.fft.irfft(np.fft.rfft(waveform, n_fft) * above_rumble, n_fft)[:frames]
    position = np.arange(frames) / sample_rate
    ramp = np.minimum(position / _FADE_IN_SECONDS, (position[-1] - position) / _FADE_OUT_SECONDS)
    fade = 0.5 - 0.5 * np.cos(np.pi * np.minimum(ramp, 1.0))
    clean = fade * clean
    clean -= fade * (clean.sum() / fade.sum())  # the offset goes, and the ends stay silent
    peak = from_decibels(PEAK_DB) - 1e-6  # rounding to float32 must not lift it above
    return np.asarray(peak / np.abs(clean).max() * clean[None], dtype=np.float32)


def render_demo(name: str, sample_rate: int = 22050) -> NDArray[np.float32]:
    """Render one piece of the demo audio, the same at each call.

    Args:
        name: One of ``DEMO_PIECES``.
        sample_rate: In Hz, at least 8000; a higher one adds highs and changes nothing else.

    Returns:
        Shape (1, time), 5 seconds, with a peak of -3 dB below full scale.

    Raises:
        ValueError: There is no such piece, or the sample rate is too low.

    >>> render_demo("bells-01").shape
    (1, 110250)
    """
    if name not in _PIECES:
        raise ValueError(f"there is no demo piece {name!r}; the pieces are {', '.join(DEMO_PIECES)}")
    if sample_rate < 8000:
        raise ValueError(f"a sample rate of {sample_rate} Hz is too low for the demo; take 8000 Hz or more")
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little")
    for_piece, for_room = np.random.default_rng(seed).spawn(2)
    play, decay_seconds, wet = _PIECES[name]
    return mastered(room(play(sample_rate, for_piece), sample_rate, for_room, decay_seconds, wet), sample_rate)


def _laid_out(notes: Iterable[Note], sample_rate: int) -> Mono:
    """Add up notes, each from its own begin, and cut them at the end of the piece."""
    waveform = np.zeros(frames_in(PIECE_SECONDS, sample_rate))
    for start_seconds, sound in notes:
        start = min(frames_in(max(start_seconds, 0.0), sample_rate), waveform.size)
        heard = sound[: waveform.size - start]
        waveform[start : start + heard.size] += heard
    return waveform


def _picked(
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

    A ``!`` after the word accents it. Fingers are never quite on time, nor each stroke as strong as the last. The
    brightness is that of the strongest stroke, the decay time that of a string at 220 Hz; higher ones die sooner.
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


def _drummed(
    score: dict[str, str], step_seconds: float, swing: float, sample_rate: int, rng: np.random.Generator
) -> Iterable[Note]:
    """Play a drum pattern, one sign for each step: ``x`` loud, ``o`` soft, ``-`` nothing; off-beats swing late."""
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
                start_seconds = (
                    _FIRST_BEAT_SECONDS + (step + (swing if step % 2 else 0.0)) * step_seconds + late_seconds
                )
                gain = loudness[drum] * wobble * (1.0 if sign == "x" else 0.45)
                yield start_seconds, gain * drums[drum](sample_rate, stick)


def _sung(words: str, beat_seconds: float) -> list[Syllable]:
    """Read a line of song, one word for each syllable: ``na:A3``, ``lo:G3*2`` for two beats, ``-`` for a pause.

    A word is an optional consonant and its vowels; ``sa:120~90`` is said rather than sung, gliding from 120 to 90 Hz.
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


def _voiced(words: str, beat_seconds: float, sample_rate: int, rng: np.random.Generator, **voice: float) -> Note:
    """Sing a line from the first beat on."""
    return _FIRST_BEAT_SECONDS, sing(_sung(words, beat_seconds), sample_rate, rng, **voice)


def _scaled(gain: float, notes: Iterable[Note]) -> Iterable[Note]:
    """Play notes louder or softer."""
    return ((start_seconds, gain * sound) for start_seconds, sound in notes)


def _plucked_in_d(sample_rate: int, rng: np.random.Generator) -> Mono:
    """Finger-picking in D major: D, G, A7, and the last chord is left to ring."""
    score = "D3! A3 D4 F#4 A3 D4 G2! B3 D4 G4 B3 D4 A2! G3 C#4 E4 . D3+A3+D4+F#4+D5!"
    return _laid_out(_picked(score, 0.2, sample_rate, rng, ring_seconds=1.6), sample_rate)


def _plucked_in_a(sample_rate: int, rng: np.random.Generator) -> Mono:
    """Strummed steel strings in A minor, with a choked chord in between."""
    score = (
        "A2+E3+A3+C4+E4! . C4+A3+E3 A2+E3+A3+C4+E4 . E4+C4+A3 F2+C3+F3+A3+C4! . "
        "C4+A3+F3 . C3+G3+C4+E4! E4+C4+G3 . E2+B2+E3+G#3+B3+E4!"
    )
    steel = {"brightness_hz": 5200.0, "decay_seconds": 2.6, "position": 0.1}
    return _laid_out(_picked(score, 0.25, sample_rate, rng, ring_seconds=1.2, **steel), sample_rate)


def _plucked_in_g_dorian(sample_rate: int, rng: np.random.Generator) -> Mono:
    """A lute tune in G Dorian over a slow bass, with a breath after each half."""
    tune = "G4! A4 Bb4 C5 D5! . Bb4 G4 A4! F4 D4 . . D5 C5 Bb4 A4 G4 F4 G4!"
    bass = "G2+D3! . . . . Bb2 . . D3 . . . . G2 . . D2 . . G2+D3+Bb3!"
    lute = {"brightness_hz": 3800.0, "decay_seconds": 1.8, "position": 0.13}
    return _laid_out(
        [
            *_picked(tune, 0.2, sample_rate, rng, ring_seconds=1.0, **lute),
            *_scaled(0.5, _picked(bass, 0.2, sample_rate, rng, ring_seconds=1.5, **lute)),
        ],
        sample_rate,
    )


def _drums_with_swing(sample_rate: int, rng: np.random.Generator) -> Mono:
    """Two bars of swung sixteenths at 100 beats a minute; the second breaks off into a fill."""
    score = {
        "hat": "x-oox-ooxoo-x-o- x-oox-oox---x---",
        "open hat": "--------------x- ----------------",
        "snare": "----x--o-o--x--o ----x--oooxx----",
        "kick": "x------xx-x----- x-o----x----x---",
    }
    return _laid_out(_drummed(score, 0.15, 0.3, sample_rate, rng), sample_rate)


def _drums_with_toms(sample_rate: int, rng: np.random.Generator) -> Mono:
    """A straight beat at 120 with toms, a stop, and an answer of the open hats."""
    score = {
        "hat": "xoxoxoxoxoxo---- xoxoxoxoxo------",
        "open hat": "------------x--- ----------x-x---",
        "snare": "----x-------x--- ----x-----o-x---",
        "high tom": "---------x-x---- -------xx-------",
        "low tom": "---o------x---x- ---------x------",
        "kick": "x-----x-x------- x--x--x-----x---",
    }
    return _laid_out(_drummed(score, 0.136, 0.08, sample_rate, rng), sample_rate)


def _voice_low(sample_rate: int, rng: np.random.Generator) -> Mono:
    """A man sings a slow line of vowels that melt into each other."""
    words = "na:A2*1.5 mo:C3 lai:D3*1.5 -*0.5 ha:E3*1.5 sou:D3 mi:C3 na:A2*2"
    return _laid_out([_voiced(words, 0.46, sample_rate, rng)], sample_rate)


def _voice_high(sample_rate: int, rng: np.random.Generator) -> Mono:
    """A woman sings a lively tune with hissing and bursting consonants."""
    words = "la:G4 ti:A4 sa:B4*1.5 fi:A4*0.5 So:G4 ka:E4*1.5 -*0.7 te:D4*0.8 si:E4 la:G4 sai:A4 na:G4*2"
    return _laid_out([_voiced(words, 0.34, sample_rate, rng, tract_scale=1.16, breath=0.06)], sample_rate)


def _voice_spoken(sample_rate: int, rng: np.random.Generator) -> Mono:
    """Someone says two sentences in no language; the pitch falls at the end of each."""
    words = (
        "se:140~150 ka:150~138 lo:138~130 ti:142~128 sa:128~120*1.3 me:118~108 nur:108~92*1.5 -*2 "
        "Si:150~158 fa:152~140 tai:140~132*1.2 li:130~126 ko:128~118 su:118~110 te:112~84*1.6"
    )
    return _laid_out([_voiced(words, 0.27, sample_rate, rng, vibrato_cents=6.0, breath=0.05)], sample_rate)


def _bells(sample_rate: int, rng: np.random.Generator) -> Mono:
    """Bells change order over one that tolls."""
    tune = ((0.1, "E5"), (0.6, "D5"), (1.1, "C5"), (1.6, "G4"), (2.35, "C5"), (2.85, "D5"), (3.35, "E5"), (3.6, "C5"))
    notes = [(start, 0.6 * bell(note_hz(name), 2.5, sample_rate, rng.spawn(1)[0], 4.0)) for start, name in tune]
    notes += [(start, bell(note_hz("C4"), 3.5, sample_rate, rng.spawn(1)[0], 7.0)) for start in (0.1, 2.35)]
    return _laid_out(notes, sample_rate)


def _chords(chords: Iterable[tuple[float, float, str]], sample_rate: int, rng: np.random.Generator) -> Iterable[Note]:
    """Hold organ chords, each given by begin and duration in seconds and its notes."""
    for start_seconds, duration_seconds, names in chords:
        for name in names.split("+"):
            yield start_seconds, 0.4 * organ(note_hz(name), duration_seconds, sample_rate, rng.spawn(1)[0])


def _organ(sample_rate: int, rng: np.random.Generator) -> Mono:
    """An organ closes a chorale: F, C over E, D minor, B flat, C with its suspension, F."""
    chords = (
        (0.05, 0.7, "F3+C4+F4+A4"),
        (0.77, 0.7, "E3+C4+G4+C5"),
        (1.49, 0.7, "D3+D4+F4+A4"),
        (2.21, 0.5, "Bb2+D4+F4+Bb4"),
        (2.75, 1.0, "C3+C4+G4"),
        (2.75, 0.5, "F4"),
        (3.25, 0.5, "E4"),
        (3.85, 1.1, "F2+F3+C4+F4+A4"),
    )
    return _laid_out(_chords(chords, sample_rate, rng), sample_rate)


def _mix_of_a_band(sample_rate: int, rng: np.random.Generator) -> Mono:
    """Guitar, bass and drums in E minor, at 100 beats a minute."""
    guitar = "E3+B3+E4+G4! . B3 E4 . G4 F#4 E4 C3+G3+C4+E4! . G3 C4 D3+A3+D4+F#4! . E3+B3+E4+G4!"
    bass = "E2! . . E2 . G2 A2 B2 C2! . . C2 D2! . E2!"
    drums = {
        "hat": "xoxoxoxo xoxox-x-",
        "snare": "--x---x- --x--o--",
        "kick": "x--o-x-- x---x-x-",
        "open hat": "-" * 14 + "x",
    }
    return _laid_out(
        [
            *_scaled(0.5, _picked(guitar, 0.3, sample_rate, rng, ring_seconds=1.4, brightness_hz=4500.0)),
            *_scaled(0.5, _picked(bass, 0.3, sample_rate, rng, ring_seconds=0.6, brightness_hz=900.0)),
            *_scaled(1.0, _drummed(drums, 0.3, 0.1, sample_rate, rng)),
        ],
        sample_rate,
    )


def _mix_with_voice(sample_rate: int, rng: np.random.Generator) -> Mono:
    """A voice over organ, plucked strings, a light beat, and a bell at the end."""
    words = "sa:C4*1.5 la:D4*0.5 ti:E4 no:G4*1.5 -*0.5 fa:A4 ka:G4 se:E4 la:C4*2.5"
    chords = (
        (0.05, 1.15, "C3+G3+E4"),
        (1.25, 1.15, "A2+A3+C4+E4"),
        (2.45, 1.15, "F2+A3+C4+F4"),
        (3.65, 1.25, "C3+G3+C4+E4"),
    )
    strings = "C4 G4 E5 G4 A3 E4 C5 E4 F3 C4 A4 C5 C4 G4 . ."
    drums = {"hat": "--xo--xo--xo--x-", "kick": "x---x---x---x---", "snare": "--o---o---o---o-"}
    return _laid_out(
        [
            _voiced(words, 0.45, sample_rate, rng, tract_scale=1.12, breath=0.05),
            *_scaled(0.4, _chords(chords, sample_rate, rng)),
            *_scaled(0.8, _picked(strings, 0.3, sample_rate, rng, ring_seconds=0.9)),
            *_scaled(1.0, _drummed(drums, 0.3, 0.15, sample_rate, rng)),
            (3.65, 0.25 * bell(note_hz("C5"), 1.3, sample_rate, rng.spawn(1)[0])),
        ],
        sample_rate,
    )


# Name: the piece, the decay time of its room in seconds, and how strong the room is.
_PIECES: dict[str, tuple[Callable[[int, np.random.Generator], Mono], float, float]] = {
    "plucked-01": (_plucked_in_d, 1.0, 0.16),
    "plucked-02": (_plucked_in_a, 0.7, 0.12),
    "plucked-03": (_plucked_in_g_dorian, 1.4, 0.2),
    "drums-01": (_drums_with_swing, 0.5, 0.12),
    "drums-02": (_drums_with_toms, 0.8, 0.12),
    "voice-01": (_voice_low, 1.6, 0.2),
    "voice-02": (_voice_high, 1.0, 0.15),
    "voice-03": (_voice_spoken, 0.4, 0.08),
    "bells-01": (_bells, 1.8, 0.2),
    "organ-01": (_organ, 2.0, 0.3),
    "mix-01": (_mix_of_a_band, 0.7, 0.1),
    "mix-02": (_mix_with_voice, 1.2, 0.15),
}

DEMO_PIECES: tuple[str, ...] = tuple(_PIECES)
