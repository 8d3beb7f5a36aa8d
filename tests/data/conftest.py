"""What the tests of audio files share: whole files to damage, and how a bad one is refused."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiorestore.data.audio_file import read_audio, write_audio
from audiorestore.errors import AudioFileError


@pytest.fixture
def noise() -> np.ndarray:
    """The sound of the files that `make` makes: loud, in two channels of 40,000 samples."""
    return np.random.default_rng(0).uniform(-0.9, 0.9, (2, 40_000)).astype(np.float32)


@pytest.fixture
def make(noise: np.ndarray) -> Callable[[Path], bytes]:
    """Write the noise to a path, as what its suffix says, and give the bytes of the file."""

    def written(path: Path) -> bytes:
        container = {".ogg": "OGG", ".mp3": "MP3"}.get(path.suffix)
        if container is None:
            write_audio(path, noise, 44100)
        else:
            subtype = "VORBIS" if container == "OGG" else "MPEG_LAYER_III"
            soundfile.write(path, noise.T * 0.5, 44100, format=container, subtype=subtype)
        return path.read_bytes()

    return written


@pytest.fixture
def refused() -> Callable[[Path], str]:
    """Read a file that must be refused, in one sentence with its name, and give the sentence."""

    def sentence_on(path: Path) -> str:
        with pytest.raises(AudioFileError) as caught:
            read_audio(path)
        sentence = str(caught.value)
        assert str(path) in sentence
        assert "\n" not in sentence
        assert "; " in sentence  # what was found; what to do
        return sentence

    return sentence_on
