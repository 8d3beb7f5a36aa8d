"""MP3 at a constant, an average or a varying bit rate: encoded by LAME, decoded, and aligned with the input.

Measured facts that this relies on (`tests/damage/test_mp3.py` measures it again):

- lameenc writes no LAME tag, so the decoder skips nothing: the audio is delayed by 1105 samples at the *coded* rate
  (576 of the encoder, 528 + 1 of the decoder), with more than that appended. The delay is cut off here.
- LAME scales its input by 0.95 at up to 160 kbit/s (by 0.98 at 224): the ``gain_db`` in the record.
- LAME picks the coded rate from the bit rate (``coded_rate=auto``). If a coded rate is given, it takes the nearest bit
  rate that exists there. Both are read back from the frames, and any deviation from the request is refused.
- LAME's own resampler drifts when it divides the rate by more than about 3, so soxr first resamples from above 48 kHz.
- libsndfile reads only a part of a stream of varying bit rate without a tag; here all its frames are read.

Source: Panchenko et al. 2025 (96 kbit/s), Lattner and Nistal 2021 (16, 32, 64), Deshpande et al. 2021 (32 against 128,
which is ``mp3:kbps=128|mp3:kbps=32``); the encoder is LAME 3.100.
"""

import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lameenc

from ..data.mpeg_frames import scan_mpeg
from ..data.spool import scratch_errors
from ..errors import AudioRestoreError
from ..signal.sound import Sound
from ._codec import encoder_rate, through_codec, to_pcm16
from ._damage import Auto, Choice, DamageConfig, Damaged, Domain, parameter

BITRATES_KBPS = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 192, 224, 256, 320)
CODED_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
DELAY = 1105  # samples at the coded rate
_LAME_MODES = {"abr": 3, "vbr": 4}
_RANGES_KBPS = {"1": (32, 320), "2": (8, 160), "2.5": (8, 64)}  # by the version of MPEG


@dataclass(frozen=True)
class Config(DamageConfig):
    """How strongly the encoder compresses."""

    kbps: int = parameter(
        Choice((16, 32, 64, 96, 128)),
        Domain(int, "kbit/s", "bit rate of the whole stream; not used by vbr", choices=BITRATES_KBPS),
    )
    mode: str = parameter(
        "cbr", Domain(str, meaning="constant, average or variable bit rate", choices=("cbr", "abr", "vbr"))
    )
    vbr_quality: int = parameter(4, Domain(int, meaning="LAME's -V, 0 (best) to 9; used by vbr only", low=0, high=9))
    coded_rate: int | Auto = parameter(
        "auto", Domain(int, "Hz", "sample rate inside the MP3; auto is LAME's choice", choices=("auto", *CODED_RATES))
    )
    quality: int = parameter(
        2, Domain(int, meaning="LAME's -q, 0 (slowest) to 9; changes the SNR by decibels from 96 kbit/s", low=0, high=9)
    )


def apply(sound: Sound, config: Config) -> Damaged:
    """Encode and decode; report what the frames hold, the gain, and how many input samples were clipped.

    One or two channels are one stream, as MP3 holds no more; more channels are a mono stream each.
    """

    def write(part: Sound, path: Path) -> dict[str, Any]:
        part = part.resampled(encoder_rate(part.sample_rate, highest=48000))
        clipped = [0]
        with scratch_errors(), path.open("wb") as file:
            file.writelines(encode(part, config, clipped))
        return {**_read_back(path, config), "delay": DELAY, "clipped": clipped[0]}

    return (yield from through_codec(sound, write, ".mp3"))


def encode(sound: Sound, config: Config, clipped: list[int]) -> Iterator[bytes]:
    """Make an MP3 without any tag, at the drawn bit rate, coded rate and quality.

    LAME is given 16 bit, rounded without dither; samples over full scale are clipped, and counted in ``clipped``.
    """
    encoder = lameenc.Encoder()
    encoder.silence()
    encoder.set_channels(sound.channels)
    encoder.set_in_sample_rate(sound.sample_rate)
    encoder.set_quality(config.quality)
    if config.mode == "cbr":
        encoder.set_bit_rate(config.kbps)
    else:
        encoder.set_vbr(_LAME_MODES[config.mode])
        encoder.set_vbr_mean_bitrate_kbps(config.kbps)
        encoder.set_vbr_quality(config.vbr_quality)
    if config.coded_rate != "auto":
        encoder.set_out_sample_rate(config.coded_rate)
    try:
        for block in sound.blocks():
            pcm, over = to_pcm16(block)
            clipped[0] += over
            yield bytes(encoder.encode(pcm))
        yield bytes(encoder.flush())
    except RuntimeError as error:
        raise AudioRestoreError(
            f"LAME cannot make an MP3 of {config.kbps} kbit/s from {sound.sample_rate} Hz ({error})"
        ) from None


def _read_back(path: Path, config: Config) -> dict[str, Any]:
    """Read from the frames what was made, and refuse what was not asked for."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        stream = scan_mpeg(data)
    kbps, wanted_rate, mode = config.kbps, config.coded_rate, config.mode
    lowest, highest = _RANGES_KBPS[stream.version]
    possible = {"cbr": round(stream.bitrate_kbps) == kbps, "abr": lowest <= kbps <= highest, "vbr": True}[mode]
    if not possible or wanted_rate not in ("auto", stream.sample_rate):
        raise AudioRestoreError(
            f"LAME made {stream.bitrate_kbps:.0f} kbit/s at {stream.sample_rate} Hz where kbps={kbps},"
            f"coded_rate={wanted_rate} was asked for: an MP3 up to 12000 Hz holds 8 to 64 kbit/s, up to 24000 Hz "
            "8 to 160, above it 32 to 320 without 144; ask for another kbps or coded_rate"
        )
    return {"coded_rate": stream.sample_rate, "bitrate_kbps": round(stream.bitrate_kbps, 2)}
