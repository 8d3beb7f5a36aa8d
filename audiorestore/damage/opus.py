"""Opus at a quality or at a bit rate: encoded by libopus, decoded, and aligned with the input.

Measured facts that this relies on (`test_vorbis_and_opus.py` and `test_ogg.py` in `tests/damage` measure it
again):

- Opus holds 8, 12, 16, 24 and 48 kHz only. Everything is resampled to 48 kHz and back (``coded_rate=auto``), or to one
  of the others, which removes everything above half of that rate.
- The length is exact, and the MDCT half of the codec (CELT) has lag 0: it codes music from about 16 kbit/s and speech
  from about 50 in mono. Below that, the speech half (SILK) works at 8 or 16 kHz inside and has a lag of −2.3 to 3
  samples of 48 kHz; in the hybrid mode only up to 6 kHz, so no single lag fits all of the sound. The whole number of
  samples that fits best is measured and removed: the ``delay``, negative if advanced. Of 182 recordings in these modes
  15 kept a residual lag, mostly of less than half a sample; if the encoder changes its mode in the middle, the shorter
  part keeps its own.
- libsndfile's ``compression_level`` c requests 6 + 250·(1 − c) kbit/s per channel: ``quality`` 0 to 10 is the same
  scale. The result varies. With ``kbps``, the quality is searched whose file has that bit rate within 5 %; if there is
  none, an error says so. ``bitrate_kbps`` in the record is measured, without the headers.
- Samples over full scale stay over full scale.
- With more than two channels Opus would treat one as the subwoofer, so each channel is its own stream.

Source: Valin, Vos and Terriberry, "Definition of the Opus Audio Codec", RFC 6716, 2012 (the modes: section 3.1).
"""

import mmap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..signal.level import dot
from ..signal.sound import Sound, even, regrid
from ._codec import read_stream, through_codec
from ._damage import Auto, Choice, DamageConfig, Damaged, Domain, parameter
from ._ogg import KBPS, encode_ogg, sound_packets

CODED_RATES = (8000, 12000, 16000, 24000, 48000)
_MODES = (*("silk",) * 12, *("hybrid",) * 4, *("celt",) * 16)  # by the first five bits of a packet
_MOST_DELAY = 4  # samples at the coded rate, to each side


@dataclass(frozen=True)
class Config(DamageConfig):
    """How strongly the encoder compresses."""

    kbps: int | Auto = parameter("auto", KBPS)
    quality: float = parameter(
        Choice((2.0, 4.0)),
        Domain(float, meaning="6 (0) to 256 (10) kbit/s per channel, nominally; used if kbps is auto", low=0, high=10),
    )
    coded_rate: int | Auto = parameter(
        "auto", Domain(int, "Hz", "sample rate inside the file; auto is 48000", choices=("auto", *CODED_RATES))
    )


def apply(sound: Sound, config: Config) -> Damaged:
    """Encode and decode; report the quality, the measured bit rate, the delay that was removed, and the gain.

    More than two channels are a mono stream each, each with its own quality.
    """

    def write(part: Sound, path: Path) -> dict[str, Any]:
        rate = 48000 if config.coded_rate == "auto" else int(config.coded_rate)
        part = part.resampled(rate)
        measured = encode_ogg(
            part, path, "OPUS", config.kbps, config.quality, lambda kbps: (kbps / part.channels - 6.0) / 25.0
        )
        return {**measured, "delay": 0 if _mode(path) == "celt" else _delay(part, path)}

    return (yield from through_codec(sound, write, ".opus"))


def _mode(path: Path) -> str:
    """Find the mode of most packets."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        modes = [_MODES[data[packet] >> 3] for packet in sound_packets(data)[1] if packet < len(data)]
    return max(("celt", "hybrid", "silk"), key=modes.count)


def _delay(sound: Sound, path: Path) -> int:
    """Measure by how many whole samples the decoded sound is delayed: where the two correlate best."""
    delays = sorted(range(-_MOST_DELAY, _MOST_DELAY + 1), key=abs)
    products = np.zeros(len(delays))
    inner = slice(_MOST_DELAY, -_MOST_DELAY)
    with read_stream(path) as stream:
        back = regrid(stream.blocks, sound.channels, sound.frames)
        for clean, dirty in zip(even(sound).blocks(), back, strict=True):
            if clean.shape[-1] > 2 * _MOST_DELAY:
                products += [dot(np.roll(clean, delay, axis=-1)[:, inner], dirty[:, inner]) for delay in delays]
    return delays[int(np.argmax(products))]
