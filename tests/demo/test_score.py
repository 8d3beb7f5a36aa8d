"""Music as a line of text."""

import numpy as np
import pytest

from audiorestore.demo.score import PIECE_SECONDS, mixed, note_hz, picked, sung
from audiorestore.demo.voice import Syllable


def test_notes_have_names() -> None:
    assert note_hz("A4") == 440.0
    assert note_hz("C4") == pytest.approx(261.6256, abs=1e-4)
    assert note_hz("Bb3") == note_hz("A#3")
    with pytest.raises(ValueError, match="not a note"):
        note_hz("H4")


def test_a_line_of_song_is_read_word_for_word() -> None:
    song = sung("na:A3*2 - sai:120~90 o:A2", 0.5)
    assert song == [
        Syllable("n", "a", (220.0, 220.0), 1.0),
        Syllable("", "", (0.0, 0.0), 0.5),
        Syllable("s", "ai", (120.0, 90.0), 0.5),
        Syllable("", "o", (110.0, 110.0), 0.5),
    ]
    with pytest.raises(ValueError, match="'xa:A3' is not a syllable"):
        sung("na:A3 xa:A3", 0.5)


def test_a_waiting_step_is_silent_and_a_strum_has_a_note_for_each_string() -> None:
    notes = list(picked("D3 . D3+A3+D4", 1.0, 8000, np.random.default_rng(7), ring_seconds=0.5))
    assert [start for start, _ in notes] == pytest.approx([0.05, 2.05, 2.066, 2.082], abs=0.03)


def test_notes_add_up_and_end_with_the_piece() -> None:
    waveform = mixed([(0.0, np.ones(8)), (0.0005, np.ones(8)), (PIECE_SECONDS - 0.001, np.ones(80))], 8000)
    assert waveform.size == 8000 * PIECE_SECONDS
    np.testing.assert_array_equal(waveform[:13], [1, 1, 1, 1, 2, 2, 2, 2, 1, 1, 1, 1, 0])
    assert waveform.sum() == 16 + 8
