"""What an audio file holds, and what an output made from it is to hold: container, depth, and the names for both."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

Waveform = np.ndarray[Any, np.dtype[np.float32]]  # shape (channels, time), full scale ±1

BLOCK_FRAMES = 65536  # samples per channel that are read or written at once: half a megabyte of stereo

# What counts as audio when a folder is listed.
AUDIO_SUFFIXES = frozenset(
    {".wav", ".flac", ".aif", ".aiff", ".aifc", ".mp3", ".ogg", ".oga", ".opus", ".caf", ".w64", ".rf64"}
)

# What can be written, by the suffix of the name.
CONTAINERS = {
    ".wav": "WAV",
    ".flac": "FLAC",
    ".aiff": "AIFF",
    ".aif": "AIFF",
    ".caf": "CAF",
    ".w64": "W64",
    ".rf64": "RF64",
}

FLOATS = ("FLOAT", "DOUBLE")
SAMPLE_BYTES = {"PCM_16": 2, "PCM_24": 3, "PCM_32": 4, "FLOAT": 4, "DOUBLE": 8}  # the depths that are written
FLAC_CHANNELS, FLAC_RATE = 8, 655_350  # the most that FLAC holds; the rate in Hz


@dataclass(frozen=True)
class AudioInfo:
    """What an audio file holds, and how."""

    path: Path
    sample_rate: int
    channels: int
    frames: int  # samples per channel, exactly as many as reading yields
    container: str  # "WAV", "FLAC", "AIFF", "MP3", "OGG", "CAF", "W64", "RF64", …
    subtype: str  # "PCM_16", "PCM_24", "FLOAT", "VORBIS", "MPEG_LAYER_III", …
    tags: dict[str, str]  # title, artist, album, date, genre, tracknumber, comment, copyright, license, software

    @property
    def lossy(self) -> bool:
        """Whether the coding threw sound away (MP3, Vorbis, Opus, GSM, ADPCM, µ-law …), so that 16 bit hold it."""
        return not self.subtype.startswith(("PCM_", "ALAC_", "DWVW_", "DPCM_")) and self.subtype not in FLOATS

    @property
    def duration_seconds(self) -> float:
        """How long the sound lasts."""
        return self.frames / self.sample_rate


_DEPTHS = {
    **dict.fromkeys(("PCM_24", "ALAC_20", "ALAC_24", "DWVW_24"), "PCM_24"),
    **dict.fromkeys(("PCM_32", "ALAC_32"), "PCM_32"),
    "FLOAT": "FLOAT",
    "DOUBLE": "DOUBLE",
}
# An RF64 file is a WAV file in all but size; the writer chooses RF64 again where the size asks for it.
_SUFFIXES = {"WAV": ".wav", "RF64": ".wav", "FLAC": ".flac", "AIFF": ".aiff", "CAF": ".caf", "W64": ".wav"}


def output_subtype(info: AudioInfo, container: str) -> str:
    """Choose the depth of an output made from this input: the same, never under 16 bit; lossy inputs get 16.

    FLAC holds at most 24 bit here, so 32-bit and float inputs become 24-bit there.

    >>> mp3 = AudioInfo(Path("a.mp3"), 44100, 2, 1152, "MP3", "MPEG_LAYER_III", {})
    >>> output_subtype(mp3, "FLAC"), output_suffix(mp3)
    ('PCM_16', '.flac')
    """
    subtype = _DEPTHS.get(info.subtype, "PCM_16")
    return "PCM_24" if container == "FLAC" and subtype != "PCM_16" else subtype


def output_suffix(info: AudioInfo) -> str:
    """Choose the container family of an output made from this input: the same; MP3, Vorbis and Opus become FLAC.

    Families that are only read (AU, VOC, …) become WAV, and so does what FLAC cannot hold: more than 8 channels,
    or a rate above 655,350 Hz. A WAV file stays WAV, also where its samples are µ-law or ADPCM.
    """
    if info.container in _SUFFIXES:
        return _SUFFIXES[info.container]
    fits_flac = info.channels <= FLAC_CHANNELS and info.sample_rate <= FLAC_RATE
    return ".flac" if info.lossy and fits_flac else ".wav"
