"""MP3 at a constant bit rate: through LAME and back, lined up with what went in.

What had to be measured to get this right (`tests/damage/test_mp3.py` measures it again):

- lameenc writes no LAME tag, so the decoder skips nothing: the audio comes back 1105 samples late at the *coded*
  rate (576 of the encoder, 528 + 1 of the decoder), with more than that appended. The delay is cut off here.
- LAME turns its input down by 0.95 at up to 160 kbit/s (to 0.98 at 224): the ``gain_db`` in the record.
- LAME picks the coded rate from the bit rate (``coded_rate=auto``), and takes the nearest bit rate that exists at a
  coded rate that is forced. Both are read back from the frames; what was not asked for is refused.
- LAME's own resampler loses its place when it divides the rate by more than about 3, so a rate above 48 kHz is
  brought down by soxr first.
"""

from dataclasses import dataclass
from io import BytesIO
from typing import Any

import lameenc
import numpy as np
import soundfile

from ..data.mpeg_frames import scan_mpeg
from ..errors import AudioRestoreError
from ..signal.level import apparent_gain, decibels
from ..signal.resample import fit, resample, resampled_frames
from ._damage import Choice, DamageConfig, Domain, Specification, parameter

BITRATES_KBPS = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 192, 224, 256, 320)
CODED_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
DELAY = 1105  # samples at the coded rate


@dataclass(frozen=True)
class Config(DamageConfig):
    """How hard the encoder squeezes."""

    kbps: Specification = parameter(
        Choice((16, 32, 64, 96, 128)), Domain(int, "kbit/s", "bit rate of the whole stream", choices=BITRATES_KBPS)
    )
    coded_rate: Specification = parameter(
        "auto", Domain(int, "Hz", "sample rate inside the MP3; auto is LAME's choice", choices=("auto", *CODED_RATES))
    )
    quality: Specification = parameter(
        2,
        Domain(
            int,
            meaning="LAME's -q, 0 (slowest) to 9; at 96 kbit/s and above it moves the SNR by decibels",
            low=0,
            high=9,
        ),
    )


def apply(waveform: np.ndarray, sample_rate: int, parameters: dict[str, Any]) -> tuple[np.ndarray, dict[str, Any]]:
    """Encode and decode; tell what the frames hold, the gain, and how many samples were clipped on the way in.

    One or two channels are one stream, as MP3 holds no more; each of more channels is a mono stream of its own.
    """
    channels = waveform.shape[0]
    streams = [waveform] if channels <= 2 else [waveform[index : index + 1] for index in range(channels)]
    rate = _encoder_rate(sample_rate)
    decoded, coded_rate, clipped = [], 0, 0
    for stream in streams:
        stream = resample(stream, sample_rate, rate)
        clipped += int(np.count_nonzero(np.abs(stream) > 1.0))
        encoded = encode(stream, rate, parameters)
        coded_rate = _read_back(encoded, parameters)
        decoded.append(_decode(encoded, coded_rate, sample_rate, waveform.shape[-1]))
    degraded = np.concatenate(decoded)
    gain = apparent_gain(waveform, degraded)
    measured = {
        "coded_rate": coded_rate,
        "gain_db": round(decibels(gain**2), 3) if gain > 0 else None,
        "clipped": clipped,
    }
    return degraded, measured | ({"streams": len(streams)} if len(streams) > 1 else {})


def encode(waveform: np.ndarray, sample_rate: int, parameters: dict[str, Any]) -> bytes:
    """Make an MP3 without any tag, at the drawn bit rate, coded rate and quality.

    LAME is given 16 bit, rounded without dither; samples over full scale are clipped.
    """
    encoder = lameenc.Encoder()
    encoder.silence()
    encoder.set_channels(waveform.shape[0])
    encoder.set_in_sample_rate(sample_rate)
    encoder.set_bit_rate(parameters["kbps"])
    encoder.set_quality(parameters["quality"])
    if parameters["coded_rate"] != "auto":
        encoder.set_out_sample_rate(parameters["coded_rate"])
    pcm = np.clip(np.rint(waveform.T * 32768.0), -32768, 32767).astype("<i2")
    try:
        return bytes(encoder.encode(pcm.tobytes())) + bytes(encoder.flush())
    except RuntimeError as error:
        raise AudioRestoreError(
            f"LAME cannot make an MP3 of {parameters['kbps']} kbit/s from {sample_rate} Hz ({error})"
        ) from None


def _encoder_rate(sample_rate: int) -> int:
    if sample_rate <= 48000:
        return sample_rate
    return 44100 if sample_rate % 11025 == 0 else 48000


def _read_back(encoded: bytes, parameters: dict[str, Any]) -> int:
    stream = scan_mpeg(encoded)
    kbps, wanted_rate = parameters["kbps"], parameters["coded_rate"]
    if round(stream.bitrate_kbps) != kbps or wanted_rate not in ("auto", stream.sample_rate):
        raise AudioRestoreError(
            f"LAME made {stream.bitrate_kbps:.0f} kbit/s at {stream.sample_rate} Hz where kbps={kbps},"
            f"coded_rate={wanted_rate} was asked for: an MP3 up to 12000 Hz holds 8 to 64 kbit/s, up to 24000 Hz "
            "8 to 160, above it 32 to 320 without 144; ask for another kbps or coded_rate"
        )
    return stream.sample_rate


def _decode(encoded: bytes, coded_rate: int, sample_rate: int, frames: int) -> np.ndarray:
    rows, _ = soundfile.read(BytesIO(encoded), dtype="float32", always_2d=True)
    kept = np.ascontiguousarray(rows[DELAY : DELAY + resampled_frames(frames, sample_rate, coded_rate)].T)
    return fit(resample(kept, coded_rate, sample_rate), frames)
