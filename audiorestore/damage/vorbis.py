"""Ogg Vorbis at a quality or at a bit rate: encoded by libvorbis, decoded, and aligned with the input.

Measured facts that this relies on (`test_vorbis_and_opus.py` and `test_ogg.py` in `tests/damage` measure it
again):

- Decoded audio has lag 0 and the exact length, at every rate from 8 to 200 kHz. libvorbis crashes at higher rates, so
  these are resampled to at most 192 kHz first. Nothing is clipped: samples over full scale stay over full scale.
- libsndfile's ``compression_level`` is 1 − q/10 for Vorbis' own quality q of 0 to 10 (``oggenc -q``, ffmpeg's
  ``-q:a``); its −1 is not available.
- Vorbis has no bit rate to set. With ``kbps``, the quality is searched whose file has that bit rate within 5 %; if none
  has, an error says so. ``bitrate_kbps`` in the record is measured: the bits of all pages that hold sound over the
  duration. About 4 kB of headers are not counted, which in a clip of one second would be 30 kbit/s.
- libvorbis' output depends on how much it is given at once, so it always gets blocks of the same length.
- With more than two channels libvorbis would treat one as the subwoofer, so each channel is its own stream.

Source: Xiph.Org Foundation, "Vorbis I specification", 2020; the copies of 32 kHz of LadLe are
``vorbis:coded_rate=32000``.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..signal.sound import Sound
from ._codec import encoder_rate, through_codec
from ._damage import Auto, Choice, DamageConfig, Damaged, Domain, parameter
from ._ogg import KBPS, encode_ogg

CODED_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 88200, 96000)
_HIGHEST_RATE = 192000
# What qualities 0 to 10 take of a stereo recording at 44.1 kHz, as the encoder's authors name them.
_NOMINAL_KBPS = (64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 500)


@dataclass(frozen=True)
class Config(DamageConfig):
    """How strongly the encoder compresses."""

    kbps: int | Auto = parameter("auto", KBPS)
    quality: float = parameter(
        Choice((0.0, 2.0, 5.0)),
        Domain(float, meaning="Vorbis' own scale, 10 is best; used if kbps is auto", low=0.0, high=10.0),
    )
    coded_rate: int | Auto = parameter(
        "auto",
        Domain(int, "Hz", "sample rate inside the file; auto is the recording's", choices=("auto", *CODED_RATES)),
    )


def apply(sound: Sound, config: Config) -> Damaged:
    """Encode and decode; report the quality, the measured bit rate, the coded rate and the gain.

    More than two channels are a mono stream each, each with its own quality.
    """

    def write(part: Sound, path: Path) -> dict[str, Any]:
        auto = encoder_rate(part.sample_rate, _HIGHEST_RATE)
        part = part.resampled(auto if config.coded_rate == "auto" else config.coded_rate)

        def guess(kbps: float) -> float:
            stereo_kbps = kbps * 2.0 / part.channels * 44100.0 / part.sample_rate
            return float(np.interp(stereo_kbps, _NOMINAL_KBPS, range(len(_NOMINAL_KBPS))))

        return encode_ogg(part, path, "VORBIS", config.kbps, config.quality, guess)

    return (yield from through_codec(sound, write, ".ogg"))
