"""Walking the frames of an MP3 without decoding it: how long it is, at which rate, with how many bits.

The first frame of a file with varying bit rate does not give the length; only counting the frames does.
Header layout: ISO/IEC 11172-3 section 2.4.1.3 and 13818-3; the 2.5 extension and the Xing, Info and VBRI frames are
conventions of encoders.
"""

import mmap
import struct
from collections import Counter
from dataclasses import dataclass

from .container_chunks import MAPPED_BYTES, let_go

# The bits that all frames of a stream share: sync, version, layer, sample rate. Bit rate, padding, checksum and
# stereo mode may change from frame to frame.
_SAME_STREAM = 0xFFFE0C00

_VERSIONS = {0: "2.5", 2: "2", 3: "1"}
_LAYERS = {1: 3, 2: 2, 3: 1}
_RATES = {"1": (44100, 48000, 32000), "2": (22050, 24000, 16000), "2.5": (11025, 12000, 8000)}
_LOW_RATE_KBPS = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)  # layers II and III of versions 2 and 2.5
# kbit/s by index 1…14, for version 1 (or not) and layer; index 0 is "free format", 15 is forbidden.
_KBPS = {
    (True, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): _LOW_RATE_KBPS,
    (False, 3): _LOW_RATE_KBPS,
}

# What every decoder adds before the first sample; the delay in a LAME tag is counted from there.
_DECODER_DELAY = 529
# Silence put in front of an untagged stream. 4608 samples turn the decoder's 16-step filter ring exactly round (four
# frames of 1152 or eight of 576), so that its rounding, too, is the one of the bare stream.
_LEAD_IN = 4608


@dataclass(frozen=True)
class Header:
    """The four header bytes of one MPEG audio frame, decoded."""

    version: str
    layer: int
    sample_rate: int
    channels: int
    bitrate_kbps: int
    length: int  # of the whole frame, in bytes
    samples: int  # per channel
    side_bytes: int  # between the header and where an encoder's tag would be


@dataclass(frozen=True)
class MpegSummary:
    """What the frame headers of an MPEG audio stream add up to.

    `frames`, `samples`, `bitrate_kbps` and `runs` leave out the Xing, Info or VBRI frame, which holds no sound.
    """

    frames: int
    samples: int  # per channel, before a decoder trims it by the LAME tag
    sample_rate: int  # Hz, the coded rate
    channels: int
    bitrate_kbps: float  # mean over the frames
    constant: bool  # every frame has the same bit rate
    version: str  # "1", "2" or "2.5"
    layer: int
    tag: str | None  # "Xing", "Info" or "VBRI"
    promised_frames: int | None  # what the tag says
    complete: bool  # as many frames as promised, and the last one is whole
    exact_tag: bool  # decoders see the tag and its count holds, so they know the length by themselves
    runs: tuple[tuple[int, int], ...]  # byte ranges of unbroken frames; a gap between two is junk


def parse_header(word: int) -> Header | None:
    """Read one frame header, or return None where the four bytes are not one (free format included).

    >>> parse_header(0xFFFB9064).bitrate_kbps, parse_header(0xFFFB9064).length
    (128, 417)
    """
    version, layer = _VERSIONS.get(word >> 19 & 3), _LAYERS.get(word >> 17 & 3)
    rate_index, kbps_index = word >> 10 & 3, word >> 12 & 15
    if word >> 21 != 0x7FF or version is None or layer is None or rate_index == 3 or kbps_index in (0, 15):
        return None
    sample_rate = _RATES[version][rate_index]
    channels = 1 if word >> 6 & 3 == 3 else 2
    first = version == "1"
    kbps = _KBPS[first, layer][kbps_index - 1]
    samples = {1: 384, 2: 1152, 3: 1152 if first else 576}[layer]
    slot = 4 if layer == 1 else 1
    length = (samples // 8 * kbps * 1000 // sample_rate // slot + (word >> 9 & 1)) * slot
    side_bytes = (17, 32)[channels - 1] if first else (9, 17)[channels - 1]
    return Header(version, layer, sample_rate, channels, kbps, length, samples, side_bytes)


def scan_mpeg(data: bytes | mmap.mmap) -> MpegSummary:
    """Count the frames of an MP3 and read back its true coded rate and bit rate.

    ID3 and APE tags at either end are skipped. Elsewhere, junk is skipped to the next place where two headers in a
    row fit the stream. A stream cut exactly between two frames, and without a tag, looks like a complete one.

    Args:
        data: The whole file, or the bytes that an encoder returned.

    Raises:
        ValueError: There are no frames, or they are of the free format, whose length is not in the header.
    """
    start, end = _after_id3v2(data), _before_end_tags(data)
    position = _next_sync(data, start, end, None)
    if position is None:
        word = struct.unpack_from(">I", data, start)[0] if start + 4 <= end else 0
        free = word >> 12 & 15 == 0 and parse_header(word | 1 << 12) is not None
        raise ValueError("its MPEG frames are of the free format" if free else "it holds no MPEG audio frames")
    first_word = struct.unpack_from(">I", data, position)[0]
    first = parse_header(first_word)
    assert first is not None  # _next_sync stops at valid headers only
    tag, promised_frames, promised_bytes = _encoder_tag(data, position, first)
    bitrates, runs, cut = _walk(data, position + first.length if tag else position, end, first_word)
    frames = bitrates.total()
    # Some encoders count the tag's own frame; then the byte count shows that nothing is missing.
    spare = promised_bytes is not None and end - position >= promised_bytes and not cut
    short = promised_frames is not None and frames < promised_frames - (1 if spare else 0)
    seen = tag in ("Xing", "Info") and first.length >= 120 + 4 + first.side_bytes
    return MpegSummary(
        frames=frames,
        samples=frames * first.samples,
        sample_rate=first.sample_rate,
        channels=first.channels,
        bitrate_kbps=sum(kbps * n for kbps, n in bitrates.items()) / max(frames, 1),
        constant=len(bitrates) <= 1,
        version=first.version,
        layer=first.layer,
        tag=tag,
        promised_frames=promised_frames,
        complete=not cut and not short,
        # One or two frames more than promised is an encoder's way of flushing; many more is a second song behind it.
        exact_tag=seen and promised_frames is not None and promised_frames <= frames <= promised_frames + 2,
        runs=tuple(runs),
    )


def length_frames(data: bytes | mmap.mmap, summary: MpegSummary) -> bytes:
    """Make the frames which, put before the runs of an untagged layer III stream, give a decoder its true length.

    A LAME tag with the counted frames and a delay that ends with the silent frames behind it: what is decoded is the
    bare stream, from its first sample to its last.
    """
    word = int(struct.unpack_from(">I", data, summary.runs[0][0])[0])
    # Same stream, but without checksum and padding, and at a bit rate whose frames have room for the tag.
    word = (word & ~0xF200 | 0x10000) | 9 << 12
    header = parse_header(word)
    assert header is not None
    silent_frames = _LEAD_IN // header.samples
    delay, padding = _LEAD_IN - _DECODER_DELAY, _DECODER_DELAY
    lame = b"LAME".ljust(9) + bytes(12) + (delay << 12 | padding).to_bytes(3, "big")
    tag = bytes(header.side_bytes) + b"Xing" + struct.pack(">II", 1, summary.frames + silent_frames) + lame
    head = word.to_bytes(4, "big")
    return (head + tag).ljust(header.length, b"\0") + head.ljust(header.length, b"\0") * silent_frames


def _walk(
    data: bytes | mmap.mmap, start: int, end: int, first_word: int
) -> tuple[Counter[int], list[tuple[int, int]], bool]:
    """Step from header to header. This loop is the whole cost of a scan, so each kind of header is parsed once.

    Returns:
        How many frames have each bit rate, the byte ranges of unbroken frames, and whether the last frame is cut.
    """
    read_word = struct.Struct(">I").unpack_from
    step: dict[int, tuple[int, int]] = {}  # upper three header bytes → frame length and kbit/s; length 0: not ours
    counts: Counter[int] = Counter()
    runs: list[tuple[int, int]] = []
    position = run_start = start
    held = start + MAPPED_BYTES
    while position + 4 <= end:
        if position > held:
            let_go(data, position)
            held = position + MAPPED_BYTES
        key = read_word(data, position)[0] >> 8
        if key not in step:
            header = parse_header(key << 8) if (key << 8 ^ first_word) & _SAME_STREAM == 0 else None
            step[key] = (header.length, header.bitrate_kbps) if header else (0, 0)
        length, kbps = step[key]
        if length and position + length <= end:
            counts[kbps] += 1
            position += length
            continue
        if position > run_start:
            runs.append((run_start, position))
        if length:
            return counts, runs, True
        found = _next_sync(data, position + 1, end, first_word)
        if found is None:
            return counts, runs, False
        position = run_start = found
    if position > run_start:
        runs.append((run_start, position))
    return counts, runs, position < end and data[position] == 0xFF


def _next_sync(data: bytes | mmap.mmap, start: int, end: int, first_word: int | None) -> int | None:
    """Find the next frame that is followed by one like it, or that ends just where the stream ends."""
    position = start - 1
    while (position := data.find(b"\xff", position + 1, end - 3)) >= 0:
        word = struct.unpack_from(">I", data, position)[0]
        header = parse_header(word)
        if header is None or (first_word is not None and (word ^ first_word) & _SAME_STREAM):
            continue
        behind = position + header.length
        if behind == end:
            return position
        if behind + 4 <= end:
            following = struct.unpack_from(">I", data, behind)[0]
            if (following ^ word) & _SAME_STREAM == 0 and parse_header(following) is not None:
                return position
    return None


def _after_id3v2(data: bytes | mmap.mmap) -> int:
    """Skip the ID3v2 tags at the start; their size is written in four 7-bit bytes."""
    start = 0
    while data[start : start + 3] == b"ID3" and len(data) >= start + 10:
        size = 0
        for byte in data[start + 6 : start + 10]:
            size = size << 7 | byte & 0x7F
        footer = 10 if data[start + 5] & 0x10 else 0
        start += 10 + size + footer
    return min(start, len(data))


def _before_end_tags(data: bytes | mmap.mmap) -> int:
    """Leave out an ID3v1 tag and an APE tag at the end."""
    end = len(data)
    if end >= 128 and data[end - 128 : end - 125] == b"TAG":
        end -= 128
    if end >= 32 and data[end - 32 : end - 24] == b"APETAGEX":
        size, _, flags = struct.unpack_from("<III", data, end - 20)
        whole = size + (32 if flags & 0x80000000 else 0)  # the size counts the footer, not the header
        if whole <= end:
            end -= whole
    return end


def _encoder_tag(data: bytes | mmap.mmap, start: int, header: Header) -> tuple[str | None, int | None, int | None]:
    """Read the frame and byte counts that an encoder left in a first frame without sound, where it did."""
    frame = data[start : start + header.length]
    if header.layer != 3:
        return None, None, None
    if frame[36:40] == b"VBRI" and len(frame) >= 54:
        size, frames = struct.unpack_from(">II", frame, 46)
        return "VBRI", frames, size
    for offset in (4 + header.side_bytes, 6 + header.side_bytes):  # the second: behind a checksum
        name = frame[offset : offset + 4]
        if name in (b"Xing", b"Info") and len(frame) >= offset + 16:
            flags, one, two = struct.unpack_from(">III", frame, offset + 4)
            counted_bytes = (two if flags & 1 else one) if flags & 2 else None
            return name.decode(), one if flags & 1 else None, counted_bytes
    return None, None, None
