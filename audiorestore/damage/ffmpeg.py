"""A codec of the ffmpeg program, from AAC to a telephone's: encoded, decoded, and aligned with the input.

ffmpeg is not part of this package: an error says if it is not installed, or was built without an encoder.

Measured facts that this relies on, with ffmpeg 5.1, 7.0 and 9.0 (`tests/damage/test_ffmpeg.py` measures again):

- Every codec delays by its own number of samples at the coded rate, whatever the bit rate: AC-3 by 256, MP2 by 481, SBC
  by 73, G.722 by 22, AMR by 40 (wide band 95), Speex by 80, G.723.1 by 60. AAC in MP4 carries an edit list that ffmpeg
  obeys, so its delay is 0, as are those of GSM, G.726, ADPCM, A-law and µ-law. WMA is *advanced* by 512 to 2048: its
  first frame is lost, so silence is inserted before. Each is removed as ``delay``. If another version has another
  delay, its results are refused if the loudest part shows this beyond doubt (see `_codec`).
- A voice coder moves a voice by up to a third of a sample of 8 kHz, which is not corrected.
- What a decoder still holds at the end is lost, so silence is appended, too. ``bitrate_kbps`` in the record counts the
  whole file with that silence, container included.
- AAC, WMA and Speex treat ``kbps`` as a request (AAC made 17 of 8 kbit/s, Speex 19 of 24); see ``bitrate_kbps``.
- Each encoder treats samples over full scale differently (AAC reduces them, AC-3 breaks), so they are clipped and
  counted, as for MP3.
- ffmpeg 7 decodes wide-band Speex as noise of twice the length; Speex is offered at 8 kHz only.

Source: ISO/IEC 14496-3 (AAC); ATSC A/52 (AC-3); ISO/IEC 11172-3 (MP2); 3GPP TS 26.071 and 26.171 (AMR); ETSI EN 300
961 (GSM); ITU-T G.711, G.722, G.723.1, G.726; RFC 5574 (Speex); Bluetooth A2DP, appendix B (SBC); the ffmpeg program.
"""

import contextlib
import itertools
import subprocess
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..errors import AudioRestoreError
from ..signal.sound import BLOCK_FRAMES, Block, Sound
from ._codec import Stream, through_codec
from ._damage import Auto, DamageConfig, Damaged, Domain, parameter
from ._ffmpeg_program import encoders, missing_program, running


class Codec(NamedTuple):
    """How a codec is requested from ffmpeg, and what is known about it."""

    encoder: str
    container: str
    suffix: str
    channels: int = 2
    delay: int = 0  # samples at the coded rate
    rates: tuple[int, ...] = ()  # Hz; empty: any
    kbps: tuple[float, ...] = ()  # possible bit rates; empty: it follows from the sample rate
    ranging: bool = False  # any bit rate between the first and the last
    auto_kbps: float = 0.0  # per channel


_AC3_RATES = (32000, 44100, 48000)
_MPEG_RATES = (16000, 22050, 24000, *_AC3_RATES)
_AC3_KBPS = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640)
_MP2_KBPS = (32, 48, 56, 64, 80, 96, 112, 128, 160)
_AMR_NB_KBPS = (4.75, 5.15, 5.9, 6.7, 7.4, 7.95, 10.2, 12.2)
_AMR_WB_KBPS = (6.6, 8.85, 12.65, 14.25, 15.85, 18.25, 19.85, 23.05, 23.85)
_WMA_RATES = (8000, 11025, 16000, 22050, *_AC3_RATES)
CODED_RATES = (8000, 11025, 12000, *_MPEG_RATES, 88200, 96000)
CODECS = {
    "aac": Codec("aac", "mp4", ".m4a", rates=CODED_RATES, kbps=(8, 512), ranging=True, auto_kbps=48),
    "ac3": Codec("ac3", "ac3", ".ac3", delay=256, rates=_AC3_RATES, kbps=_AC3_KBPS, auto_kbps=64),
    "adpcm_ima": Codec("adpcm_ima_wav", "wav", ".wav"),
    "adpcm_ms": Codec("adpcm_ms", "wav", ".wav"),
    "alaw": Codec("pcm_alaw", "wav", ".wav"),
    "amr_nb": Codec(
        "libopencore_amrnb", "amr", ".amr", channels=1, delay=40, rates=(8000,), kbps=_AMR_NB_KBPS, auto_kbps=12.2
    ),
    "amr_wb": Codec(
        "libvo_amrwbenc", "amr", ".amr", channels=1, delay=95, rates=(16000,), kbps=_AMR_WB_KBPS, auto_kbps=23.85
    ),
    "eac3": Codec("eac3", "eac3", ".eac3", delay=256, rates=_AC3_RATES, kbps=(32, 640), ranging=True, auto_kbps=48),
    "g722": Codec("g722", "g722", ".g722", channels=1, delay=22, rates=(16000,), kbps=(64,), auto_kbps=64),
    "g723_1": Codec("g723_1", "wav", ".wav", channels=1, delay=60, rates=(8000,), kbps=(6.3,), auto_kbps=6.3),
    "g726": Codec("g726", "wav", ".wav", channels=1, rates=(8000,), kbps=(16, 24, 32, 40), auto_kbps=32),
    "gsm": Codec("libgsm", "gsm", ".gsm", channels=1, rates=(8000,), kbps=(13,), auto_kbps=13),
    "mp2": Codec("mp2", "mp2", ".mp2", delay=481, rates=_MPEG_RATES, kbps=_MP2_KBPS, auto_kbps=64),
    "mulaw": Codec("pcm_mulaw", "wav", ".wav"),
    "sbc": Codec(
        "sbc", "sbc", ".sbc", delay=73, rates=(16000, *_AC3_RATES), kbps=(64, 345), ranging=True, auto_kbps=164
    ),
    "speex": Codec(
        "libspeex", "ogg", ".spx", channels=1, delay=80, rates=(8000,), kbps=(3, 24), ranging=True, auto_kbps=15
    ),
    "wma": Codec("wmav2", "asf", ".wma", rates=_WMA_RATES, kbps=(24, 32, 48, 64, 96, 128), auto_kbps=48),
}
_READ_AS = {"mp4": "mov", "mp2": "mp3"}  # what the container is called where it is read
_AAC_BITS = 6.0  # most that AAC spends on a sample
_SBC_KBPS = 172.5  # most for a channel; above, ffmpeg changes the number of bands and with it the delay
_WMA_LOST = ((16000, 512), (22050, 1024), (48000, 2048))  # samples that its decoder drops, up to each coded rate
_TAIL = 4096  # samples of silence appended, in addition to the delay: two frames of the longest codec


@dataclass(frozen=True)
class Config(DamageConfig):
    """Which codec, and how strongly it compresses."""

    codec: str = parameter("aac", Domain(str, meaning="how the sound is coded", choices=tuple(CODECS)))
    kbps: float | Auto = parameter(
        "auto", Domain(float, "kbit/s", "bit rate of a stream; auto is medium", low=1, high=640, words=("auto",))
    )
    coded_rate: int | Auto = parameter(
        "auto",
        Domain(int, "Hz", "rate inside the file; auto: the recording's or the next", choices=("auto", *CODED_RATES)),
    )


missing = missing_program


def apply(sound: Sound, config: Config) -> Damaged:
    """Encode and decode; report what is in the file, the delay removed, how many samples were clipped, and the gain.

    A telephone's codec holds one channel, the others two; if there are more, each channel is its own stream.
    """
    name, codec = config.codec, CODECS[config.codec]
    available = encoders()
    if codec.encoder not in available:
        able = ", ".join(each for each, other in CODECS.items() if other.encoder in available)
        raise AudioRestoreError(
            f"this ffmpeg was built without the encoder {codec.encoder} for {name}; it has those for {able}"
        )
    rate = _coded_rate(name, sound.sample_rate, config.coded_rate)
    channels = sound.channels if sound.channels <= codec.channels else 1
    kbps = _kbps(name, rate, channels, config.kbps)

    def write(part: Sound, path: Path) -> dict[str, Any]:
        return _encode(part.resampled(rate), path, name, kbps)

    @contextlib.contextmanager
    def decode(path: Path) -> Iterator[Stream]:
        with contextlib.closing(_decode(path, codec.container, rate, channels)) as blocks:
            yield Stream(rate, channels, blocks)

    return (yield from through_codec(sound, write, codec.suffix, codec.channels, decode, verified=True))


def _encode(sound: Sound, path: Path, name: str, kbps: float | None) -> dict[str, Any]:
    """Write a codec file with silence on both sides of the recording, and report what is in it."""
    codec = CODECS[name]
    rate, channels = sound.sample_rate, sound.channels
    lost = next(lost for upto, lost in _WMA_LOST if rate <= upto) if name == "wma" else 0
    before = 2048 if name == "wma" else 0
    delay = before - lost + codec.delay
    behind = delay + _TAIL
    clipped = 0
    arguments = [
        *("-f", "f32le", "-ar", str(rate), "-ac", str(channels), "-i", "pipe:0", "-map_metadata", "-1"),
        *("-fflags", "+bitexact", "-flags:a", "+bitexact", "-c:a", codec.encoder),
        *(() if kbps is None else ("-b:a", str(round(1000 * kbps)))),
        *("-f", codec.container, "-y", str(path)),
    ]
    with running(arguments, f"make {name}", stdin=subprocess.PIPE) as (process, end):
        with contextlib.suppress(BrokenPipeError):  # ffmpeg's own message says why
            for block in itertools.chain([_silence(channels, before)], sound.blocks(), [_silence(channels, behind)]):
                clipped += int(np.count_nonzero(np.abs(block) > 1.0))
                process.stdin.write(np.ascontiguousarray(np.clip(block, -1.0, 1.0).T, "<f4").data)
            process.stdin.close()
        end()
    seconds = (before + sound.frames + behind) / rate
    found = round(path.stat().st_size * 8e-3 / seconds, 2)
    return {"coded_rate": rate, "bitrate_kbps": found, "delay": delay, "clipped": clipped}


def _silence(channels: int, frames: int) -> Block:
    return np.zeros((channels, frames), np.float32)


def _decode(path: Path, container: str, sample_rate: int, channels: int) -> Generator[Block, None, None]:
    """Decode block by block; ffmpeg is stopped when the reader stops."""
    arguments = [
        *("-f", _READ_AS.get(container, container), "-i", str(path)),
        *("-f", "f32le", "-ar", str(sample_rate), "-ac", str(channels), "pipe:1"),
    ]
    with running(arguments, f"read {container}", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as (process, end):
        while data := process.stdout.read(4 * channels * BLOCK_FRAMES):
            samples = np.frombuffer(data, "<f4", len(data) // (4 * channels) * channels)  # whole, though it broke off
            yield np.ascontiguousarray(samples.reshape(-1, channels).T, np.float32)
        end()


def _coded_rate(name: str, sample_rate: int, wanted: int | str) -> int:
    """Choose the rate inside the file: the requested one, else the lowest that keeps all sound, else the highest."""
    rates = CODECS[name].rates
    if wanted == "auto":
        return min((rate for rate in rates if rate >= sample_rate), default=max(rates, default=sample_rate))
    if rates and wanted not in rates:
        raise AudioRestoreError(f"{name} has no coded_rate={wanted}; it has {_listed(rates)} Hz")
    return int(wanted)


def _kbps(name: str, rate: int, channels: int, wanted: float | str) -> float | None:
    """Choose the bit rate of a stream; None where the rate decides it."""
    codec = CODECS[name]
    rates = codec.kbps
    if name == "aac":
        rates = (rates[0], min(rates[1], _AAC_BITS * rate * channels / 1000.0))
    if name == "sbc":
        rates = (rates[0], _SBC_KBPS * channels)
    if not rates:
        if wanted != "auto":
            raise AudioRestoreError(f"{name} has a fixed number of bits a sample; ask for kbps=auto, and a coded_rate")
        return None
    if wanted == "auto":
        medium = codec.auto_kbps * channels
        if codec.ranging:
            return min(max(medium, rates[0]), rates[-1])
        return max(kbps for kbps in rates if kbps <= medium)
    if not (rates[0] <= float(wanted) <= rates[-1] if codec.ranging else wanted in rates):
        listed = " to ".join(f"{kbps:g}" for kbps in rates) if codec.ranging else _listed(rates)
        raise AudioRestoreError(f"{name} has no kbps={wanted:g} at {rate} Hz in {channels} channel(s); it has {listed}")
    return float(wanted)


def _listed(numbers: tuple[float, ...]) -> str:
    return ", ".join(f"{number:g}" for number in numbers)
