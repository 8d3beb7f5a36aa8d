"""Sound on its way between two steps: in memory while it is short, in an unnamed temporary file where it is long."""

import contextlib
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..errors import AudioFileError
from ..signal.sound import Block, Sound, joined
from .audio_reader import AudioReader

MEMORY_BYTES = 1 << 26  # a recording up to this size is held in memory: six minutes of mono at 44.1 kHz


@contextlib.contextmanager
def open_sound(path: str | Path, encoded: str | Path | None = None) -> Iterator[Sound]:
    """Open an audio file as blocks that can be read again and again; a short one is decoded only once.

    Args:
        path: The audio file.
        encoded: The codec file that it was decoded from; by default the file itself where its coding is lossy.

    Raises:
        AudioFileError: The file cannot be read, is damaged, or holds NaN or infinite samples.
    """
    with AudioReader(path) as reader:
        info = reader.info
        if 4 * info.channels * info.frames <= MEMORY_BYTES:
            sound = Sound.of(reader.read(), info.sample_rate)
        else:
            sound = Sound(info.sample_rate, info.channels, info.frames, reader.blocks)
        codec_file = encoded or (path if info.lossy else None)
        yield replace(sound, path=Path(path), encoded=Path(codec_file) if codec_file else None)


@contextlib.contextmanager
def spooled(like: Sound, blocks: Iterable[Block]) -> Iterator[Sound]:
    """Keep blocks until the end of a ``with`` block, so that they can be read again and again.

    Args:
        like: A recording of the rate, channels and length of what comes.
        blocks: Shape (channels, time) each.
    """
    if 4 * like.channels * like.frames <= MEMORY_BYTES:
        yield Sound.of(joined(blocks, like.channels), like.sample_rate)
        return
    with scratch_file(".f32") as path:
        lengths = []
        with path.open("wb", buffering=0) as file, scratch_errors():
            for block in blocks:
                lengths.append(block.shape[-1])
                file.write(np.ascontiguousarray(block.T, np.float32).data)

        def read() -> Iterator[Block]:
            with path.open("rb", buffering=0) as file:
                for frames in lengths:
                    rows = np.fromfile(file, np.float32, frames * like.channels)
                    yield np.ascontiguousarray(rows.reshape(frames, like.channels).T)

        yield Sound(like.sample_rate, like.channels, like.frames, read)


@contextlib.contextmanager
def scratch_file(suffix: str) -> Iterator[Path]:
    """Lend the path of an empty temporary file, which is gone at the end of the ``with`` block."""
    with scratch_errors():
        file = tempfile.NamedTemporaryFile(prefix="ar-", suffix=suffix)  # noqa: SIM115
    with file:
        yield Path(file.name)


@contextlib.contextmanager
def scratch_errors() -> Iterator[None]:
    """Say what to do where a temporary file cannot be written.

    Raises:
        AudioFileError: It cannot.
    """
    try:
        yield
    except OSError as error:
        raise AudioFileError(
            f"a temporary file in {tempfile.gettempdir()} cannot be written ({error.strerror}); free some space, or "
            "set TMPDIR to another folder"
        ) from error
