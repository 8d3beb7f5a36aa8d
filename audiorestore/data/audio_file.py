"""Audio on the disk: every sample in, every sample out, and one clear sentence where a file is damaged.

Everyone imports from here; behind it are `audio_format` (what a file holds), `audio_reader`, `audio_writer`,
`file_provenance`, `container_chunks` (files as bytes) and `repair` (what libsndfile would read wrongly).

Waveforms are float32 arrays of shape (channels, time), full scale ±1; (time, channels) is only used inside. Read and
written again, a 16-bit or 24-bit file is the same to the bit.
"""

from .audio_format import AUDIO_SUFFIXES as AUDIO_SUFFIXES
from .audio_format import BLOCK_FRAMES as BLOCK_FRAMES
from .audio_format import CONTAINERS as CONTAINERS
from .audio_format import FLOATS as FLOATS
from .audio_format import AudioInfo as AudioInfo
from .audio_format import Waveform as Waveform
from .audio_format import output_subtype as output_subtype
from .audio_format import output_suffix as output_suffix
from .audio_reader import AudioReader as AudioReader
from .audio_reader import audio_info as audio_info
from .audio_reader import read_audio as read_audio
from .audio_writer import AudioWriter as AudioWriter
from .audio_writer import Clip as Clip
from .audio_writer import WriteOptions as WriteOptions
from .audio_writer import write_audio as write_audio
from .container_chunks import map_wav as map_wav
from .file_provenance import read_provenance as read_provenance
