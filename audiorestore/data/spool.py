"""Sound between two steps: in memory where it is short, in a temporary file where it is long."""

import contextlib
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..errors import AudioFileError
from ..signal.sound import BLOCK_FRAMES, Block, Sound, joined
from .audio_reader import AudioReader, seeks_exactly

MEMORY_BYTES = 1 << 25  # a recording up to this size is held in memory: a minute and a half of stereo at 44.1 kHz


@contextlib.contextmanager
def open_sound(path: str | Path, encoded: str | Path | None = None, any_order: bool = False) -> Iterator[Sound]:
    """Open an audio file as blocks that can be read again and again; a short one is decoded only once.

    Args:
        path: The audio file.
        encoded: The codec file that it was decoded from; by default the file itself where its coding is lossy.
        any_order: Whether parts of it are to be read, so that `Sound.parts` is needed; a long file whose format does
            not allow that, or takes long to decode (FLAC), is decoded into a temporary one.

    Raises:
        AudioFileError: The file cannot be read, is damaged, or holds NaN or infinite samples.
    """
    with AudioReader(path) as reader, contextlib.ExitStack() as stack:
        info = reader.info
        sound = Sound(info.sample_rate, info.channels, info.frames, reader.blocks)
        if 4 * info.channels * info.frames <= MEMORY_BYTES:
            sound = Sound.of(reader.read(), info.sample_rate)
        elif seeks_exactly(info) and not (any_order and info.container == "FLAC"):
            sound = replace(sound, parts=lambda start, stop: reader.read(start, stop - start))
        elif any_order:
            sound = stack.enter_context(spooled(sound, reader.blocks()))
        codec_file = encoded or (path if info.lossy else None)
        yield replace(sound, path=Path(path), encoded=Path(codec_file) if codec_file else None)


@contextlib.contextmanager
def spooled(like: Sound, blocks: Iterable[Block]) -> Iterator[Sound]:
    """Keep blocks, shape (channels, time), until the end of a ``with`` block, to be read repeatedly, in any order.

    ``like`` is a recording of their rate, channels and length.
    """
    if 4 * like.channels * like.frames <= MEMORY_BYTES:
        yield Sound.of(joined(blocks, like.channels), like.sample_rate)
        return
    with scratch_file(".f32") as path:
        with scratch_errors(), path.open("wb") as file:
            for block in blocks:
                file.write(np.ascontiguousarray(block.T, np.float32).data)

        def parts(start: int, stop: int) -> Block:
            count, offset = (stop - start) * like.channels, 4 * start * like.channels
            rows = np.fromfile(path, np.float32, count, offset=offset)
            return np.ascontiguousarray(rows.reshape(-1, like.channels).T)

        def read() -> Iterator[Block]:
            for start in range(0, like.frames, BLOCK_FRAMES):
                yield parts(start, min(start + BLOCK_FRAMES, like.frames))

        yield Sound(like.sample_rate, like.channels, like.frames, read, parts=parts)


@contextlib.contextmanager
def scratch_file(suffix: str) -> Iterator[Path]:
    """Lend the path of an empty temporary file, which is gone at the end of the ``with`` block."""
    with scratch_errors():
        file = tempfile.NamedTemporaryFile(prefix="ar-", suffix=suffix)  # noqa: SIM115
    with file:
        yield Path(file.name)


@contextlib.contextmanager
def scratch_errors() -> Iterator[None]:
    """Say what to do where a temporary file cannot be written, in an AudioFileError."""
    try:
        yield
    except OSError as error:
        raise AudioFileError(
            f"a temporary file in {tempfile.gettempdir()} cannot be written ({error.strerror}); free some space, or "
            "set TMPDIR to another folder"
        ) from error
