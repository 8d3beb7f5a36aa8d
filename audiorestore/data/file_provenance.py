"""Provenance: what an output was made from, stored in the output itself.

libsndfile keeps 128 bytes of a software tag, so the JSON gets a place of its own: a chunk behind the sound in WAV,
RF64, AIFF and CAF, and the Vorbis comment AUDIORESTORE in FLAC. Other programs skip both. W64 carries none, because
libsndfile takes what follows the sound there for more of it.
"""

import json
import os
import struct
from pathlib import Path
from typing import Any, BinaryIO

from ..errors import AudioFileError
from .container_chunks import LAYOUTS, Chunk, list_chunks, open_file

# The start of our provenance chunk's payload; in CAF, such a number identifies the chunk.
_MARK = b"arst\x91\x2e\x4d\xc7\x9a\x0b\x5e\x83\x27\xd6\x11\x6f"
# The name of that chunk, by the four bytes that name the container.
_NOTES = {b"RIFF": b"arst", b"RF64": b"arst", b"RIFX": b"arst", b"FORM": b"arst", b"caff": b"uuid"}
_COMMENT = b"AUDIORESTORE="
_MOVED_BYTES = 1 << 20  # of a FLAC file are moved at once, to make room for the comment


def read_provenance(path: str | Path) -> dict[str, Any] | None:
    """Read back what an output was made from, as `AudioWriter` stored it; None where a file does not say."""
    try:
        with open_file(Path(path)) as file:
            text = _raw_provenance(file)
        found = None if text is None else json.loads(text)
    except (AudioFileError, OSError, ValueError, struct.error):
        return None
    return found if isinstance(found, dict) else None


def _raw_provenance(file: BinaryIO) -> bytes | None:
    magic, chunks, _ = list_chunks(file)
    if magic == b"fLaC":
        texts = _flac_comments(file)[1]
        return next((text[len(_COMMENT) :] for text in texts if text.startswith(_COMMENT)), None)
    for chunk in chunks:
        if chunk.name == _NOTES.get(magic):
            file.seek(chunk.start)
            payload = file.read(chunk.size)
            if payload.startswith(_MARK):
                return payload[len(_MARK) :]
    return None


def add_provenance(file: BinaryIO, text: bytes) -> None:
    """Store a JSON object in a complete audio file that has none yet; a W64 file stays as it is."""
    magic, chunks, _ = list_chunks(file)
    if magic == b"fLaC":
        _add_flac_comment(file, _COMMENT + text)
    if magic not in _NOTES:
        return
    layout = LAYOUTS[magic]
    # Not the file's end: libsndfile leaves out a last padding byte, or adds one where there should be none.
    last = chunks[-1].start + chunks[-1].size
    chunk = layout.header.pack(_NOTES[magic], len(_MARK + text)) + _MARK + text
    file.seek(last)
    file.write(bytes(-last % layout.grid) + chunk + bytes(-len(chunk) % layout.grid))
    end = file.tell()
    file.truncate()
    place = {b"RIFF": (4, "<I"), b"FORM": (4, ">I"), b"RF64": (20, "<Q")}.get(magic)  # a CAF file has no such size
    if place is not None:
        file.seek(place[0])
        file.write(struct.pack(place[1], end - 8))


def _flac_comments(file: BinaryIO) -> tuple[Chunk, list[bytes]]:
    """Find the Vorbis comments of a FLAC file: their metadata block, and each as "NAME=text"."""
    position, last = 4, False
    while not last:
        file.seek(position)
        head = int.from_bytes(file.read(4).ljust(4, b"\xff"), "big")  # past the end: "the last block"
        last, kind, size = bool(head >> 31), head >> 24 & 0x7F, head & 0xFFFFFF
        position += 4
        if kind == 4:
            block, texts = file.read(size), []
            at = 4 + struct.unpack_from("<I", block)[0] + 4  # behind the vendor's name and the number of comments
            for _ in range(struct.unpack_from("<I", block, at - 4)[0]):
                (length,) = struct.unpack_from("<I", block, at)
                texts.append(block[at + 4 : at + 4 + length])
                at += 4 + length
            return Chunk(b"", position, size), texts
        position += size
    return Chunk(b"", 0, 0), []


def _add_flac_comment(file: BinaryIO, text: bytes) -> None:
    """Append a comment to the block of comments, which libFLAC always writes, and move the sound behind it on."""
    block, texts = _flac_comments(file)
    entry = struct.pack("<I", len(text)) + text
    behind, end = block.start + block.size, file.seek(0, os.SEEK_END)
    for at in reversed(range(behind, end, _MOVED_BYTES)):
        file.seek(at)
        moved = file.read(_MOVED_BYTES)
        file.seek(at + len(entry))
        file.write(moved)
    file.seek(behind)
    file.write(entry)
    file.seek(behind - sum(4 + len(each) for each in texts) - 4)
    file.write(struct.pack("<I", len(texts) + 1))
    file.seek(block.start - 3)
    file.write((block.size + len(entry)).to_bytes(3, "big"))
