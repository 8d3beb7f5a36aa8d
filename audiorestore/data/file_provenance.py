"""Provenance: what an output was made from, stored in the output itself.

libsndfile keeps 128 bytes of a software tag, so the JSON gets a place of its own: a chunk behind the sound in WAV,
RF64, AIFF and CAF, and the Vorbis comment AUDIORESTORE in FLAC. Other programs skip both. W64 carries none, because
libsndfile takes what follows the sound there for more of it.
"""

import json
import struct
from pathlib import Path
from typing import Any, BinaryIO

from ..errors import AudioFileError
from .container_chunks import LAYOUTS, list_chunks, open_file

# The start of our provenance chunk's payload; in CAF, such a number identifies the chunk.
_MARK = b"arst\x91\x2e\x4d\xc7\x9a\x0b\x5e\x83\x27\xd6\x11\x6f"
# The name of that chunk, by the four bytes that name the container.
_NOTES = {b"RIFF": b"arst", b"RF64": b"arst", b"RIFX": b"arst", b"FORM": b"arst", b"caff": b"uuid"}
_COMMENT = b"AUDIORESTORE="


def read_provenance(path: str | Path) -> dict[str, Any] | None:
    """Read back what an output was made from, as `AudioWriter` noted it; None where a file carries no such note."""
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
        entries = _flac_comments(file)[1]
        return next((text[len(_COMMENT) :] for _, text in entries if text.startswith(_COMMENT)), None)
    for chunk in chunks:
        if chunk.name == _NOTES.get(magic):
            file.seek(chunk.start)
            payload = file.read(chunk.size)
            if payload.startswith(_MARK):
                return payload[len(_MARK) :]
    return None


def append_provenance(file: BinaryIO, text: bytes) -> None:
    """Add our chunk behind the last one, and count it in the container's size."""
    magic, chunks, _ = list_chunks(file)
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


def _flac_comments(file: BinaryIO) -> tuple[int, list[tuple[int, bytes]]]:
    """List the Vorbis comments of a FLAC file: where their count stands, and (offset, "NAME=text") of each."""
    position, last = 4, False
    while not last:
        file.seek(position)
        head = int.from_bytes(file.read(4).ljust(4, b"\xff"), "big")  # past the end: "the last block"
        last, kind, size = bool(head >> 31), head >> 24 & 0x7F, head & 0xFFFFFF
        if kind == 4:
            block = file.read(size)
            at = 4 + struct.unpack_from("<I", block)[0]
            count_offset, entries = position + 4 + at, []
            count, at = struct.unpack_from("<I", block, at)[0], at + 4
            for _ in range(count):
                text_size = struct.unpack_from("<I", block, at)[0]
                entries.append((position + 4 + at, block[at + 4 : at + 4 + text_size]))
                at += 4 + text_size
            return count_offset, entries
        position += 4 + size
    return 0, []


def flac_placeholder(license_tag: str, text: bytes) -> str:
    """Make a license tag long enough to be cut into the true one and our comment, see `place_flac_provenance`."""
    room = len(_COMMENT) + len(text) + (4 if license_tag else -len(b"license="))
    return license_tag + "." * room


def place_flac_provenance(file: BinaryIO, license_tag: str, text: bytes) -> None:
    """Cut the placeholder into the user's license tag, if there is one, and our comment, byte for byte in place.

    libsndfile writes only the tags that it knows, and a FLAC file's tags come before its sound.
    """
    count_offset, entries = _flac_comments(file)
    offset = next(offset for offset, entry in entries if entry.lower().startswith(b"license="))
    texts = [_COMMENT + text]
    if license_tag:
        texts.insert(0, b"license=" + license_tag.encode())
    file.seek(offset)
    file.write(b"".join(struct.pack("<I", len(entry)) + entry for entry in texts))
    file.seek(count_offset)
    file.write(struct.pack("<I", len(entries) - 1 + len(texts)))
