"""What the frame headers of an MP3 say, compared with what LAME was asked for and what a decoder gives."""

import io
import mmap
import struct
from pathlib import Path

import lameenc
import numpy as np
import pytest
import soundfile
from oracles import decode_from_pipe

from audiorestore.data import mpeg_frames
from audiorestore.data.mpeg_frames import length_frames, parse_header, scan_mpeg

RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)


def encode(sample_rate: int, channels: int, seconds: float = 1.5, **settings: int) -> bytes:
    """Code alternating noise and tone with LAME, so that a varying bit rate varies."""
    encoder = lameenc.Encoder()
    encoder.silence()
    encoder.set_in_sample_rate(sample_rate)
    encoder.set_out_sample_rate(sample_rate)
    encoder.set_channels(channels)
    encoder.set_quality(7)
    for name, value in settings.items():
        getattr(encoder, f"set_{name}")(value)
    time_axis = np.arange(int(sample_rate * seconds)) / sample_rate
    noise = np.random.default_rng(1).standard_normal((len(time_axis), channels))
    sound = 0.3 * np.sin(2 * np.pi * 440 * time_axis)[:, None] + 0.1 * noise * (time_axis % 0.5 > 0.25)[:, None]
    pcm = (np.clip(sound, -0.99, 0.99) * 32767).astype("<i2")
    return bytes(encoder.encode(pcm.tobytes())) + bytes(encoder.flush())


MODES = {
    "constant": {"bit_rate": 64},
    "low": {"bit_rate": 32},
    "vbr": {"vbr": 4, "vbr_quality": 4},
    "old vbr": {"vbr": 2, "vbr_quality": 4},
    "worst vbr": {"vbr": 4, "vbr_quality": 9},
    "average": {"vbr": 3, "vbr_mean_bitrate_kbps": 48},
}


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("sample_rate", RATES)
@pytest.mark.parametrize("mode", MODES)
def test_counted_samples_are_what_a_decoder_yields(mode: str, sample_rate: int, channels: int) -> None:
    data = encode(sample_rate, channels, **MODES[mode])
    summary = scan_mpeg(data)
    assert summary.complete
    assert summary.tag is None  # lameenc writes no tag
    assert summary.samples == len(decode_from_pipe(data))
    assert (summary.sample_rate, summary.channels, summary.layer) == (sample_rate, channels, 3)
    assert summary.version == ("1" if sample_rate >= 32000 else "2" if sample_rate >= 16000 else "2.5")
    assert summary.runs == ((0, len(data)),)
    # The mean bit rate and the size of the file say the same; padding is at most one byte per frame.
    mean = len(data) * 8 / (summary.samples / sample_rate) / 1000
    assert summary.bitrate_kbps == pytest.approx(mean, rel=0.01)
    if "bit_rate" in MODES[mode]:
        assert summary.constant
        assert summary.bitrate_kbps == MODES[mode]["bit_rate"]


@pytest.mark.parametrize("kbps", [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320])
def test_every_bit_rate_of_mpeg_1_is_read_back(kbps: int) -> None:
    summary = scan_mpeg(encode(44100, 2, 0.3, bit_rate=kbps))
    assert (summary.bitrate_kbps, summary.constant) == (kbps, True)


@pytest.mark.parametrize("kbps", [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160])
def test_every_bit_rate_of_mpeg_2_is_read_back(kbps: int) -> None:
    summary = scan_mpeg(encode(22050, 2, 0.3, bit_rate=kbps))
    assert (summary.bitrate_kbps, summary.constant) == (kbps, True)


def test_lame_s_silent_substitution_is_seen() -> None:
    assert scan_mpeg(encode(44100, 1, 0.3, bit_rate=16)).bitrate_kbps == 32
    assert scan_mpeg(encode(22050, 2, 0.3, bit_rate=320)).bitrate_kbps == 160


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("sample_rate", RATES)
@pytest.mark.parametrize("mode", ["constant", "worst vbr", "average"])
def test_length_frames_make_a_seekable_decoder_yield_the_bare_stream_to_the_bit(
    mode: str, sample_rate: int, channels: int
) -> None:
    data = encode(sample_rate, channels, **MODES[mode])
    repaired = length_frames(data, scan_mpeg(data)) + data
    decoded, _ = soundfile.read(io.BytesIO(repaired), dtype="float32", always_2d=True)
    np.testing.assert_array_equal(decoded, decode_from_pipe(data))


ID3V2 = b"ID3\x04\x00\x00" + bytes([0, 0, 2, 100]) + b"\xff\xfb\x90\x64".ljust(356, b"\0")
ID3V2_FOOTER = b"ID3\x04\x00\x10" + bytes([0, 0, 0, 50]) + bytes(50) + b"3DI\x04\x00\x10" + bytes([0, 0, 0, 50])
ID3V1 = b"TAG".ljust(128, b"\xff")
APE_ITEM = struct.pack("<II", 5, 0) + b"Title\0Caf\xff\xff"
APE_SIZE = len(APE_ITEM) + 32
APE = (
    b"APETAGEX" + struct.pack("<IIII8x", 2000, APE_SIZE, 1, 0xA0000000) + APE_ITEM
    + b"APETAGEX" + struct.pack("<IIII8x", 2000, APE_SIZE, 1, 0x80000000)
)  # fmt: skip


@pytest.mark.parametrize("head", [b"", ID3V2, ID3V2_FOOTER, ID3V2 + ID3V2_FOOTER, b"junk\xff\xfb\xff" * 9])
@pytest.mark.parametrize("tail", [b"", ID3V1, APE, APE + ID3V1, bytes(1000), b"\xfe trailing junk"])
def test_tags_and_junk_around_the_stream_do_not_count(head: bytes, tail: bytes) -> None:
    data = encode(44100, 2, vbr=4)
    bare, dressed = scan_mpeg(data), scan_mpeg(head + data + tail)
    assert (dressed.frames, dressed.bitrate_kbps, dressed.complete) == (bare.frames, bare.bitrate_kbps, True)
    assert dressed.runs == ((len(head), len(head) + len(data)),)


def test_junk_in_the_middle_is_stepped_over() -> None:
    data = encode(44100, 1, bit_rate=128)
    cut = scan_mpeg(data[: 418 * 20]).runs[0][1]
    summary = scan_mpeg(data[:cut] + b"junk \xff\xe0 \xff\xfb\x90" + data[cut:])
    assert summary.frames == scan_mpeg(data).frames
    assert len(summary.runs) == 2
    assert summary.runs[0] == (0, cut)


@pytest.mark.parametrize("missing", [1, 2, 100, 414, 416])
def test_a_cut_last_frame_is_noticed(missing: int) -> None:
    data = encode(44100, 2, bit_rate=128)
    whole = scan_mpeg(data)
    summary = scan_mpeg(data[:-missing])
    assert whole.complete
    assert not summary.complete
    assert summary.frames == whole.frames - 1


def tagged(seconds: float = 1.0) -> bytes:
    buffer = io.BytesIO()
    tone = 0.4 * np.sin(2 * np.pi * 440 * np.arange(int(44100 * seconds)) / 44100)
    soundfile.write(buffer, tone, 44100, format="MP3", subtype="MPEG_LAYER_III")
    return buffer.getvalue()


def test_a_tag_s_promise_is_read_and_kept() -> None:
    summary = scan_mpeg(tagged())
    assert summary.tag
    assert summary.tag in ("Xing", "Info")
    assert summary.promised_frames == summary.frames
    assert summary.complete
    assert summary.exact_tag
    assert summary.runs[0][0] > 0  # the tag's own frame holds no sound


def test_a_broken_promise_is_noticed_even_at_a_frame_s_edge() -> None:
    data = tagged()
    header = parse_header(struct.unpack_from(">I", data, scan_mpeg(data).runs[0][0])[0])
    assert header is not None
    end = scan_mpeg(data).runs[0][0] + header.length
    summary = scan_mpeg(data[:end])
    assert summary.frames == 1
    assert not summary.complete


def test_a_second_song_behind_the_first_is_counted() -> None:
    one = scan_mpeg(tagged())
    two = scan_mpeg(tagged() + tagged())
    assert two.frames == 2 * one.frames + 1  # the second song's tag is a silent frame to a decoder
    assert two.complete
    assert not two.exact_tag


def test_a_vbri_tag_is_read() -> None:
    stream = encode(44100, 2, bit_rate=128)
    frames = scan_mpeg(stream).frames
    frame = bytearray(stream[:4] + bytes(414))
    frame[2] = 0x90  # 128 kbit/s without padding: 417 bytes
    vbri = b"VBRI" + struct.pack(">HHHII", 1, 0, 75, 417 + len(stream), frames)
    frame[36 : 36 + len(vbri)] = vbri
    summary = scan_mpeg(bytes(frame[:417]) + stream)
    assert (summary.tag, summary.promised_frames, summary.frames, summary.complete) == ("VBRI", frames, frames, True)
    assert not summary.exact_tag  # libsndfile's decoder does not know this tag


@pytest.mark.parametrize(
    ("head", "length", "samples", "layer", "kbps"),
    [
        ("fffb9064", 417, 1152, 3, 128),  # MPEG-1 layer III, 128 kbit/s, 44.1 kHz: 144 · 128000 / 44100
        ("fffb9264", 418, 1152, 3, 128),  # the same, padded
        ("fff38064", 208, 576, 3, 64),  # MPEG-2, 64 kbit/s, 22.05 kHz: 72 · 64000 / 22050
        ("ffe38864", 576, 576, 3, 64),  # MPEG-2.5, 8 kHz
        ("fffd8064", 417, 1152, 2, 128),  # layer II
        ("ffff4064", 136, 384, 1, 128),  # layer I counts in slots of 4 bytes: ⌊12 · 128000 / 44100⌋ · 4
    ],
)
def test_headers_by_hand(head: str, length: int, samples: int, layer: int, kbps: int) -> None:
    header = parse_header(int(head, 16))
    assert header is not None
    assert (header.length, header.samples, header.layer, header.bitrate_kbps) == (length, samples, layer, kbps)


@pytest.mark.parametrize("head", ["fffbf064", "fffb9c64", "ffeb9064", "fff99064", "7ffb9064", "fffb0064"])
def test_what_is_no_header(head: str) -> None:
    assert parse_header(int(head, 16)) is None


def test_layer_ii_is_counted() -> None:
    frame = bytes.fromhex("fffd8064").ljust(417, b"\0")
    summary = scan_mpeg(frame * 10)
    assert (summary.layer, summary.frames, summary.samples) == (2, 10, 11520)


def test_what_cannot_be_walked_is_said() -> None:
    with pytest.raises(ValueError, match="free format"):
        scan_mpeg((bytes.fromhex("fffb0064") + bytes(300)) * 5)
    for data in (b"", b"\xff", b"no audio here" * 50, bytes(5000), b"ID3" + bytes(40), b"\xff" * 5000):
        with pytest.raises(ValueError, match="no MPEG audio frames"):
            scan_mpeg(data)


def test_each_kind_of_header_is_parsed_once_however_long_the_file_is(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[int] = []
    real = mpeg_frames.parse_header
    monkeypatch.setattr(mpeg_frames, "parse_header", lambda word: parsed.append(word) or real(word))
    data, counts = encode(44100, 2, 6.0, vbr=4), {}
    for times in (2, 200):
        parsed.clear()
        counts[times] = scan_mpeg(data * times).frames, len(parsed)
    assert counts[200][0] > 45_000
    assert counts[200][1] == counts[2][1] < 100


def test_a_mapped_file_is_let_go_as_it_is_walked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = encode(44100, 2, 5.0, bit_rate=320)
    path = tmp_path / "long.mp3"
    path.write_bytes(data)
    let_go: list[int] = []
    real = mpeg_frames.let_go
    monkeypatch.setattr(mpeg_frames, "MAPPED_BYTES", 3 * mmap.PAGESIZE)
    monkeypatch.setattr(mpeg_frames, "let_go", lambda data, position: (let_go.append(position), real(data, position)))
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        assert scan_mpeg(mapped) == scan_mpeg(data)
        assert mapped[:] == data
    assert len(let_go) > 2 * len(data) / (4 * mmap.PAGESIZE) - 4
