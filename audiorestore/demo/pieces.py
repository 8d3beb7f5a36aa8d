"""The pieces of the demo audio: what is played in each, and in which room.

Each piece is a function of a sample rate and a generator that returns dry notes, to be `mixed`. A piece belongs to the
demo by its entry in ``PIECES``.
"""

from collections.abc import Callable, Iterable

import numpy as np

from .instruments import bell
from .score import Note, chorded, drummed, note_hz, picked, scaled, voiced


def _plucked_in_d(sample_rate: int, rng: np.random.Generator) -> Iterable[Note]:
    """Finger-picking in D major: D, G, A7, and the last chord rings."""
    score = "D3! A3 D4 F#4 A3 D4 G2! B3 D4 G4 B3 D4 A2! G3 C#4 E4 . D3+A3+D4+F#4+D5!"
    return picked(score, 0.2, sample_rate, rng, ring_seconds=1.6)


def _plucked_in_a(sample_rate: int, rng: np.random.Generator) -> Iterable[Note]:
    """Strummed steel strings in A minor, with a choked chord in between."""
    score = (
        "A2+E3+A3+C4+E4! . C4+A3+E3 A2+E3+A3+C4+E4 . E4+C4+A3 F2+C3+F3+A3+C4! . "
        "C4+A3+F3 . C3+G3+C4+E4! E4+C4+G3 . E2+B2+E3+G#3+B3+E4!"
    )
    steel = {"brightness_hz": 5200.0, "decay_seconds": 2.6, "position": 0.1}
    return picked(score, 0.25, sample_rate, rng, ring_seconds=1.2, **steel)


def _plucked_in_g_dorian(sample_rate: int, rng: np.random.Generator) -> Iterable[Note]:
    """A lute tune in G Dorian over a slow bass, with a breath after each half."""
    tune = "G4! A4 Bb4 C5 D5! . Bb4 G4 A4! F4 D4 . . D5 C5 Bb4 A4 G4 F4 G4!"
    bass = "G2+D3! . . . . Bb2 . . D3 . . . . G2 . . D2 . . G2+D3+Bb3!"
    lute = {"brightness_hz": 3800.0, "decay_seconds": 1.8, "position": 0.13}
    return [
        *picked(tune, 0.2, sample_rate, rng, ring_seconds=1.0, **lute),
        *scaled(0.5, picked(bass, 0.2, sample_rate, rng, ring_seconds=1.5, **lute)),
    ]


def _drums_with_swing(sample_rate: int, rng: np.random.Generator) -> Iterable[Note]:
    """Two bars of swung sixteenths at 100 beats a minute; the second breaks off into a fill."""
    score = {
        "hat": "x-oox-ooxoo-x-o- x-oox-oox---x---",
        "open hat": "--------------x- ----------------",
        "snare": "----x--o-o--x--o ----x--oooxx----",
        "kick": "x------xx-x----- x-o----x----x---",
    }
    return drummed(score, 0.15, 0.3, sample_rate, rng)


def _drums_with_toms(sample_rate: int, rng: np.random.Generator) -> Iterable[Note]:
    """A straight beat at 120 with toms, a stop, and an answer of the open hats."""
    score = {
        "hat": "xoxoxoxoxoxo---- xoxoxoxoxo------",
        "open hat": "------------x--- ----------x-x---",
        "snare": "----x-------x--- ----x-----o-x---",
        "high tom": "---------x-x---- -------xx-------",
        "low tom": "---o------x---x- ---------x------",
        "kick": "x-----x-x------- x--x--x-----x---",
    }
    return drummed(score, 0.136, 0.08, sample_rate, rng)


def _voice_low(sample_rate: int, rng: np.random.Generator) -> Iterable[Note]:
    """A man sings a slow line of vowels that melt into each other."""
    words = "na:A2*1.5 mo:C3 lai:D3*1.5 -*0.5 ha:E3*1.5 sou:D3 mi:C3 na:A2*2"
    return [voiced(words, 0.46, sample_rate, rng)]


def _voice_high(sample_rate: int, rng: np.random.Generator) -> Iterable[Note]:
    """A woman sings a lively tune with hissing and bursting consonants."""
    words = "la:G4 ti:A4 sa:B4*1.5 fi:A4*0.5 So:G4 ka:E4*1.5 -*0.7 te:D4*0.8 si:E4 la:G4 sai:A4 na:G4*2"
    return [voiced(words, 0.34, sample_rate, rng, tract_scale=1.16, breath=0.06)]


def _voice_spoken(sample_rate: int, rng: np.random.Generator) -> Iterable[Note]:
    """Someone says two sentences in no language; the pitch falls at the end of each."""
    words = (
        "se:140~150 ka:150~138 lo:138~130 ti:142~128 sa:128~120*1.3 me:118~108 nur:108~92*1.5 -*2 "
        "Si:150~158 fa:152~140 tai:140~132*1.2 li:130~126 ko:128~118 su:118~110 te:112~84*1.6"
    )
    return [voiced(words, 0.27, sample_rate, rng, vibrato_cents=6.0, breath=0.05)]


def _bells(sample_rate: int, rng: np.random.Generator) -> Iterable[Note]:
    """Bells change order over one that tolls."""
    tune = ((0.1, "E5"), (0.6, "D5"), (1.1, "C5"), (1.6, "G4"), (2.35, "C5"), (2.85, "D5"), (3.35, "E5"), (3.6, "C5"))
    notes = [(start, 0.6 * bell(note_hz(name), 2.5, sample_rate, rng.spawn(1)[0], 4.0)) for start, name in tune]
    notes += [(start, bell(note_hz("C4"), 3.5, sample_rate, rng.spawn(1)[0], 7.0)) for start in (0.1, 2.35)]
    return notes


def _organ(sample_rate: int, rng: np.random.Generator) -> Iterable[Note]:
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
    return chorded(chords, sample_rate, rng)


def _mix_of_a_band(sample_rate: int, rng: np.random.Generator) -> Iterable[Note]:
    """Guitar, bass and drums in E minor, at 100 beats a minute."""
    guitar = "E3+B3+E4+G4! . B3 E4 . G4 F#4 E4 C3+G3+C4+E4! . G3 C4 D3+A3+D4+F#4! . E3+B3+E4+G4!"
    bass = "E2! . . E2 . G2 A2 B2 C2! . . C2 D2! . E2!"
    drums = {
        "hat": "xoxoxoxo xoxox-x-",
        "snare": "--x---x- --x--o--",
        "kick": "x--o-x-- x---x-x-",
        "open hat": "-" * 14 + "x",
    }
    return [
        *scaled(0.5, picked(guitar, 0.3, sample_rate, rng, ring_seconds=1.4, brightness_hz=4500.0)),
        *scaled(0.5, picked(bass, 0.3, sample_rate, rng, ring_seconds=0.6, brightness_hz=900.0)),
        *scaled(1.0, drummed(drums, 0.3, 0.1, sample_rate, rng)),
    ]


def _mix_with_voice(sample_rate: int, rng: np.random.Generator) -> Iterable[Note]:
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
    return [
        voiced(words, 0.45, sample_rate, rng, tract_scale=1.12, breath=0.05),
        *scaled(0.4, chorded(chords, sample_rate, rng)),
        *scaled(0.8, picked(strings, 0.3, sample_rate, rng, ring_seconds=0.9)),
        *scaled(1.0, drummed(drums, 0.3, 0.15, sample_rate, rng)),
        (3.65, 0.25 * bell(note_hz("C5"), 1.3, sample_rate, rng.spawn(1)[0])),
    ]


# Name: the piece, the decay time of its room in seconds, and the level of the room.
PIECES: dict[str, tuple[Callable[[int, np.random.Generator], Iterable[Note]], float, float]] = {
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
