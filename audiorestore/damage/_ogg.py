"""Ogg files through libsndfile: at a quality or a bit rate, how many bits the sound takes, the same bytes each time.

An Ogg stream is a row of pages; a page tells its length, the stream's serial number and a checksum over all its bytes.
libsndfile draws the serial number anew for each file; here it is set to 1 and the checksums are carried along. A cyclic
redundancy check without start and end values is linear: the checksum of the changed page is the old one plus that of
the change alone.

Source: RFC 3533, "The Ogg Encapsulation Format Version 0", 2003; RFC 7845, "Ogg Encapsulation for the Opus Audio
Codec", 2016; Xiph.Org, "Vorbis I specification", annex A.
"""

import mmap
import struct
from collections.abc import Callable, Iterator
from functools import cache, lru_cache
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
    int, "kbit/s", "bit rate of the whole stream, for which the quality is searched", low=1, high=2000, words=("auto",)
)
_SERIAL = 1
_PAGE = struct.Struct("<4xBBqIIIB")  # version, flags, granule, serial, number, checksum, segments
_POLYNOMIAL = 0x04C11DB7
_SERIAL_AT, _CHECKSUM_AT = 14, 22
_HEADER_PACKETS = {b"\x01vorbi": 3, b"OpusHe": 2}


def encode_ogg(
    sound: Sound, path: Path, subtype: str, wanted_kbps: int | Auto, quality: float, guess: Callable[[float], float]
) -> dict[str, Any]:
    """Write an Ogg file at the drawn quality, or at that which takes the drawn bit rate.

    Args:
        sound: The recording, at a rate that the codec takes.
        path: Of the file, which is replaced.
        subtype: "VORBIS" or "OPUS".
        wanted_kbps: The drawn bit rate, or ``auto``.
        quality: The drawn quality, which counts if the bit rate is ``auto``.
        guess: Tells about which quality takes a bit rate.

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
    settle_serial(path)
    return {"coded_rate": sound.sample_rate, "quality": quality, "bitrate_kbps": round(kbps, 2)}


def _write(sound: Sound, path: Path, subtype: str, quality: float) -> None:
    """Write with libsndfile, whose ``compression_level`` 0 is the best; in even blocks, as what libvorbis decides
    depends on how much it is given at once."""
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
    """Where a page of an Ogg file lies, and the packets that begin in it."""

    start: int
    length: int
    serial: int
    checksum: int
    ended: int  # packets that end in it
    packets: tuple[int, ...]  # offsets in the file of those that begin in it


def pages(data: bytes | mmap.mmap) -> Iterator[Page]:
    """Walk the pages of an Ogg file with a single stream."""
    start, goes_on = 0, False
    held = MAPPED_BYTES
    while start + 27 <= len(data):
        if start > held:
            let_go(data, start)
            held = start + MAPPED_BYTES
        _, _, _, serial, _, checksum, segments = _PAGE.unpack_from(data, start)
        lacing = data[start + 27 : start + 27 + segments]
        position = start + 27 + segments
        packets: list[int] = []
        ended = 0
        for size in lacing:
            if not goes_on:
                packets.append(position)
            position += size
            goes_on = size == 255
            ended += not goes_on
        yield Page(start, position - start, serial, checksum, ended, tuple(packets))
        start = position


def sound_packets(data: bytes | mmap.mmap) -> tuple[int, list[int]]:
    """Tell where the pages that hold sound begin in an Ogg file, and where each packet of sound does."""
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


def settle_serial(path: Path) -> None:
    """Give an Ogg file the serial number 1 and the checksums that belong to it."""
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as data:
        for page in pages(data):
            data[page.start + _SERIAL_AT : page.start + _SERIAL_AT + 4] = _SERIAL.to_bytes(4, "little")
            change = int.from_bytes((page.serial ^ _SERIAL).to_bytes(4, "little"), "big")
            checksum = page.checksum ^ _times(change, _power(page.length - _SERIAL_AT))
            data[page.start + _CHECKSUM_AT : page.start + _CHECKSUM_AT + 4] = checksum.to_bytes(4, "little")


def _times(first: int, second: int) -> int:
    """Multiply two polynomials over GF(2), modulo that of the checksum."""
    product = 0
    while second:
        if second & 1:
            product ^= first
        second >>= 1
        first = first << 1 ^ (_POLYNOMIAL | 1 << 32 if first >> 31 else 0)
    return product


@cache
def _square(step: int) -> int:
    """Compute x to the power of 8 · 2^step."""
    return 1 << 8 if step == 0 else _times(_square(step - 1), _square(step - 1))


@lru_cache(maxsize=4096)
def _power(size: int) -> int:
    """Compute x to the power of 8 · size: what the checksum of as many bytes multiplies those before by."""
    power = 1
    for step in range(size.bit_length()):
        if size >> step & 1:
            power = _times(power, _square(step))
    return power
