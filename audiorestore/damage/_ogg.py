"""Ogg files through libsndfile, at a quality or at a bit rate, and how many bits the sound takes in them.

libsndfile draws a random serial number for each file. So two files of the same sound differ in this number and in the
checksums of their pages, and in nothing else.

Source: RFC 3533, "The Ogg Encapsulation Format Version 0", 2003; RFC 7845, "Ogg Encapsulation for the Opus Audio
Codec", 2016; Xiph.Org, "Vorbis I specification", annex A.
"""

import mmap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import soundfile

from ..data.container_chunks import MAPPED_BYTES, let_go
from ..data.spool import scratch_errors
from ..errors import AudioRestoreError
from ..signal.sound import Sound, even
from ._bit_rate_search import settle_quality
from ._damage import Auto, Domain

KBPS = Domain(
    int,
    "kbit/s",
    "bit rate of the whole stream; the quality that gives it is searched",
    low=1,
    high=2000,
    words=("auto",),
)
_HEADER_PACKETS = {b"\x01vorbi": 3, b"OpusHe": 2}


def encode_ogg(
    sound: Sound, path: Path, subtype: str, wanted_kbps: int | Auto, quality: float, guess: Callable[[float], float]
) -> dict[str, Any]:
    """Write an Ogg file (VORBIS or OPUS) at a bit rate, or at a quality if that is ``auto``.

    The recording has a rate that the codec takes; ``guess`` estimates the quality for a bit rate.

    Returns:
        ``coded_rate``; ``quality`` as used; ``bitrate_kbps`` as measured.

    Raises:
        AudioRestoreError: The codec does not take this recording, or no quality has this bit rate.
    """
    kbps = 0.0

    def trial(part: Sound, quality: float) -> float:
        nonlocal kbps
        _write(part, path, subtype, quality)
        kbps = sound_kbps(path, part.frames / part.sample_rate)
        return kbps

    if wanted_kbps == "auto":
        trial(sound, quality)
    else:
        quality = settle_quality(sound, wanted_kbps, trial, guess)
    return {"coded_rate": sound.sample_rate, "quality": quality, "bitrate_kbps": round(kbps, 2)}


def _write(sound: Sound, path: Path, subtype: str, quality: float) -> None:
    """Write with libsndfile, whose ``compression_level`` 0 is the best; in even blocks, on which libvorbis depends."""
    level = min(max(1.0 - quality / 10.0, 0.0), 1.0)
    try:
        with (
            scratch_errors(),
            soundfile.SoundFile(
                path, "w", sound.sample_rate, sound.channels, subtype, format="OGG", compression_level=level
            ) as file,
        ):
            for block in even(sound).blocks():
                file.write(np.ascontiguousarray(block.T))
    except (soundfile.SoundFileError, AssertionError) as error:  # soundfile asserts that all frames were taken
        reason = str(getattr(error, "error_string", "the temporary file cannot be written")).strip().rstrip(".")
        raise AudioRestoreError(
            f"libsndfile cannot make {subtype.capitalize()} of {sound.channels} channel(s) at {sound.sample_rate} Hz "
            f"({reason}); ask for another coded_rate, or free some space"
        ) from None


class Page(NamedTuple):
    """Where a page of an Ogg file is, and the packets that begin in it."""

    start: int
    length: int
    ended: int  # packets that end in it
    packets: tuple[int, ...]  # offsets in the file of those that begin in it


def pages(data: bytes | mmap.mmap) -> Iterator[Page]:
    """Walk the pages of an Ogg file with a single stream."""
    start, continues = 0, False
    held = MAPPED_BYTES
    while start + 27 <= len(data):
        if start > held:
            let_go(data, start)
            held = start + MAPPED_BYTES
        segments = data[start + 26]
        lacing = data[start + 27 : start + 27 + segments]
        position = start + 27 + segments
        packets: list[int] = []
        ended = 0
        for size in lacing:
            if not continues:
                packets.append(position)
            position += size
            continues = size == 255
            ended += not continues
        yield Page(start, position - start, ended, tuple(packets))
        start = position


def sound_packets(data: bytes | mmap.mmap) -> tuple[int, list[int]]:
    """Find where the pages that hold sound begin in an Ogg file, and where each packet of sound begins."""
    headers = begin = 0
    packets: list[int] = []
    for page in pages(data):
        if page.start == 0:
            headers = _HEADER_PACKETS[bytes(data[page.packets[0] : page.packets[0] + 6])]
        if headers > 0:
            headers -= page.ended
            begin = page.start + page.length
        else:
            packets += page.packets
    return begin, packets


def sound_kbps(path: Path, duration_seconds: float) -> float:
    """Measure the bit rate of an Ogg file: of the pages that hold sound, the headers left out."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return (len(data) - sound_packets(data)[0]) * 8e-3 / duration_seconds
