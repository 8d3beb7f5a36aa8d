"""Audio on the disk: every sample in, every sample out, and one clear sentence where a file is damaged.

Everyone imports from here; behind it are `audio_format` (what a file holds), `audio_reader`, `audio_writer`,
`file_provenance`, `container_chunks` (files as bytes) and `repair` (what libsndfile would read wrongly).

Waveforms are float32 arrays of shape (channels, time), full scale ±1; (time, channels) is only used inside. Read and
written again, a 16-bit or 24-bit file is the same to the bit.
"""

from .audio_format import (
    AUDIO_SUFFIXES,
    BLOCK_FRAMES,
    CONTAINERS,
    FLOATS,
    AudioInfo,
    Waveform,
    output_subtype,
    output_suffix,
)
from .audio_reader import AudioReader, audio_info, read_audio
from .audio_writer import AudioWriter, Clip, WriteOptions, write_audio
from .container_chunks import map_wav
from .file_provenance import read_provenance

__all__ = [
    "AUDIO_SUFFIXES",
    "BLOCK_FRAMES",
    "CONTAINERS",
    "FLOATS",
    "AudioInfo",
    "AudioReader",
    "AudioWriter",
    "Clip",
    "Waveform",
    "WriteOptions",
    "audio_info",
    "map_wav",
    "output_subtype",
    "output_suffix",
    "read_audio",
    "read_provenance",
    "write_audio",
]
