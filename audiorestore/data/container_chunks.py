"""Audio files as bytes, without libsndfile: opened, walked chunk by chunk, and a plain WAV mapped into memory.

WAV, RF64, AIFF, CAF and W64 are chunks one behind the other, each with a name and a size; only the widths differ.
"""

import mmap
import os
import stat
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ..errors import AudioFileError

MAPPED_BYTES = 1 << 24  # of a mapped file are held at once while it is walked


@dataclass(frozen=True)
class Chunk:
    """Where one chunk of a file is."""

    name: bytes  # four bytes, also of a GUID
    start: int  # of the payload
    size: int  # of the payload, as declared


@dataclass(frozen=True)
class Layout:
    """How the chunks of one container family are arranged."""

    first: int  # byte offset of the first chunk
    header: struct.Struct  # name and size
    grid: int  # chunks start on multiples of this
    own: int  # bytes of the chunk's header that its size counts


# By the four bytes that name the container; W64 is "riff", AIFF is "FORM", and RIFX a big-endian WAV.
LAYOUTS = {
    b"RIFF": Layout(12, struct.Struct("<4sI"), 2, 0),
    b"RF64": Layout(12, struct.Struct("<4sI"), 2, 0),
    b"RIFX": Layout(12, struct.Struct(">4sI"), 2, 0),
    b"FORM": Layout(12, struct.Struct(">4sI"), 2, 0),
    b"caff": Layout(8, struct.Struct(">4sq"), 1, 0),
    b"riff": Layout(40, struct.Struct("<16sQ"), 8, 24),
}


def open_file(path: Path) -> BinaryIO:
    """Open an audio file for reading its bytes.

    Raises:
        AudioFileError: It is missing, unreadable, empty, a folder, a device or a pipe.
    """
    try:
        if stat.S_ISDIR(path.stat().st_mode):
            raise AudioFileError(f"{path} is a folder, not an audio file; name a file in it")
        if not stat.S_ISREG(path.stat().st_mode):
            raise AudioFileError(f"{path} is a device or a pipe; save its audio to a file first")
        if path.stat().st_size == 0:
            raise AudioFileError(f"{path} is empty (0 bytes); get a whole copy")
        return path.open("rb", buffering=0)  # unbuffered: libsndfile reads from the same descriptor
    except FileNotFoundError as error:
        raise AudioFileError(f"{path} does not exist; check the name") from error
    except PermissionError as error:
        raise AudioFileError(f"{path} cannot be read; change its permissions") from error
    except OSError as error:
        raise AudioFileError(f"{path} cannot be opened ({error.strerror}); check the name") from error


def list_chunks(file: BinaryIO) -> tuple[bytes, list[Chunk], int]:
    """List the chunks of a file.

    Returns:
        The four bytes that name the container, its chunks (none for other files), and the file's length in bytes.
    """
    length = file.seek(0, os.SEEK_END)
    file.seek(0)
    magic = file.read(4)
    layout = LAYOUTS.get(magic)
    found: list[Chunk] = []
    if layout is None:
        return magic, found, length
    position, long_size = layout.first, None
    while position + layout.header.size <= length and len(found) < 10_000:
        file.seek(position)
        name, size = layout.header.unpack(file.read(layout.header.size))
        if not name[:4].isascii() or not name[:4].decode().isprintable():
            break
        start, size = position + layout.header.size, size - layout.own
        if name == b"ds64":  # the 64-bit sizes of an RF64 file
            long_size = struct.unpack("<8xQ", file.read(16))[0]
        if name == b"data" and magic == b"RF64" and size == 0xFFFFFFFF and long_size is not None:
            size = long_size
        found.append(Chunk(name[:4], start, size))
        if size < 0:  # CAF: to the end of the file
            break
        position = -(-(start + size) // layout.grid) * layout.grid
    return magic, found, length


def sound_chunk(chunks: list[Chunk]) -> Chunk | None:
    """Pick the chunk that holds the samples."""
    return next((chunk for chunk in chunks if chunk.name in (b"data", b"SSND")), None)


def size_is_unknown(size: int) -> bool:
    """Whether a writer that could not seek back left this size: 0, or one of the large numbers in use."""
    return size <= 0 or 0x7FFFF000 <= size <= 0x80000000 or 0xFFFFF000 <= size <= 0xFFFFFFFF


def map_wav(path: str | Path) -> np.memmap[Any, Any] | None:
    """Map a WAV file's samples into memory without reading them, for picking segments of many long files.

    Returns:
        A read-only array of shape (frames, channels), int16 or float32, for WAV and RF64 files of 16-bit integers or
        32-bit floats; None for anything else. A size that the header leaves open, or that is larger than the file,
        means "to the end of the file".
    """
    with open_file(Path(path)) as file:
        magic, chunks, length = list_chunks(file)
        sound, form = sound_chunk(chunks), next((chunk for chunk in chunks if chunk.name == b"fmt "), None)
        if magic not in (b"RIFF", b"RF64") or sound is None or form is None or form.size < 16:
            return None
        file.seek(form.start)
        fields = file.read(min(form.size, 40))
    code, channels, _, _, frame_bytes, bits = struct.unpack_from("<HHIIHH", fields)
    if code == 0xFFFE and len(fields) >= 26:  # WAVE_FORMAT_EXTENSIBLE: the true code starts its GUID
        code = struct.unpack_from("<H", fields, 24)[0]
    kinds: dict[tuple[int, int], np.dtype[Any]] = {(1, 16): np.dtype("<i2"), (3, 32): np.dtype("<f4")}
    kind = kinds.get((code, bits))
    if kind is None or channels == 0 or frame_bytes != channels * kind.itemsize:
        return None
    there = length - sound.start
    frames = (there if size_is_unknown(sound.size) else min(sound.size, there)) // frame_bytes
    return np.memmap(path, kind, "r", sound.start, (frames, channels)) if frames else None


def let_go(data: bytes | mmap.mmap, position: int) -> None:
    """Release the part of a mapped file that was read, so that it no longer counts as this program's memory."""
    if isinstance(data, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        data.madvise(mmap.MADV_DONTNEED, 0, position // mmap.PAGESIZE * mmap.PAGESIZE)
