"""Audio files of the user that a damage works with: picked from a folder, read block by block."""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np

from ..data.audio_file import BLOCK_FRAMES, AudioReader
from ..data.manifest import list_audio
from ..errors import UsageError
from ..signal.sound import Block
from ._damage import REQUIRED, Domain, parameter

DRAWN = "drawn"
FILE: str = parameter(DRAWN, Domain(Path, meaning="the file to use; 'drawn' picks one for each record"))


def drawn_file(file: str, folder: str, rng: np.random.Generator) -> str:
    """Pick a file of ``folder`` at random, unless ``file`` names one; a UsageError if there is no audio in it."""
    if file != DRAWN:
        return file
    if folder == REQUIRED:
        raise UsageError("it needs folder=a path: a folder with audio files, or one audio file")
    files = _listed(folder)
    return files[int(rng.integers(len(files)))]


@lru_cache(maxsize=16)  # each record of a batch asks again
def _listed(folder: str) -> tuple[str, ...]:
    path = Path(folder)
    if path.is_dir():
        return tuple(map(str, list_audio(path)))  # ordered by their paths inside the folder, wherever it is
    if path.is_file():
        return (folder,)
    raise UsageError(f"there is no file or folder {folder}; give a folder with audio files, or one audio file")


def endless(reader: AudioReader, start: int, fade: int) -> Iterator[Block]:
    """Read a file from ``start`` to its end, then again and again from its beginning, without end.

    Its last ``fade`` samples (at most half of the file) fade out while its first fade in, so that there is no click.
    The powers of both gains add up to one, which keeps noise at its level.
    """
    angle = np.linspace(0.0, np.pi / 2, fade, dtype=np.float32)
    end = reader.info.frames - fade
    fading_out = np.zeros((reader.info.channels, 0), np.float32)
    while True:
        for position in range(start, end, BLOCK_FRAMES):
            block = reader.read(position, min(BLOCK_FRAMES, end - position))
            if position == 0 and fading_out.size:
                block[:, :fade] = block[:, :fade] * np.sin(angle) + fading_out
            yield block
        fading_out = reader.read(end, fade) * np.cos(angle)
        start = 0
