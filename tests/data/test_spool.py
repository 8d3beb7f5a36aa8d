"""Sound between two steps: what is decoded once, and read from then on."""

from pathlib import Path

import numpy as np
import pytest

from audiorestore.data import spool
from audiorestore.data.audio_reader import AudioReader, read_audio
from audiorestore.data.audio_writer import AudioWriter


def test_a_long_flac_file_is_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "noise.flac"
    with AudioWriter(path, 8000, 2, subtype="PCM_16") as writer:
        writer.write(np.random.default_rng(0).uniform(-1.0, 1.0, (2, 9000)).astype(np.float32))
    expected, _ = read_audio(path)
    monkeypatch.setattr(spool, "MEMORY_BYTES", 1000)
    with spool.open_sound(path, any_order=True) as sound:
        monkeypatch.setattr(AudioReader, "read", None)
        assert np.array_equal(sound.whole(), expected)
        assert np.array_equal(sound.part(8990, 9100), expected[:, 8990:])
