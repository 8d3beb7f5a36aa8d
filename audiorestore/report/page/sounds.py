"""The excerpts of a record on a page: the busiest ten seconds of the reference, and the same of the other versions."""

import base64
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import soundfile
from numpy.typing import NDArray

from ...data.audio_file import AudioReader, Waveform
from ...data.manifest import Record
from ...errors import AudioRestoreError, RecordError
from ...signal.busiest import busiest_start
from ...signal.resample import resample
from ...signal.sound import Sound

SECONDS = 10.0  # the longest excerpt
MAX_RATE = 48000  # Hz
MAX_CHANNELS = 2
MOST_GAIN_DB = 24.0  # beyond this a level is not matched, to protect people's ears


class Stretch(NamedTuple):
    """An excerpt's place in a recording.

    Attributes:
        start: Its first sample.
        frames: Samples per channel.
        sample_rate: In Hz.
        channels: Of the recording.
        total: Samples per channel of the recording.
    """

    start: int
    frames: int
    sample_rate: int
    channels: int
    total: int

    @property
    def start_seconds(self) -> float:
        """Start in seconds."""
        return self.start / self.sample_rate

    @property
    def duration_seconds(self) -> float:
        """Length in seconds."""
        return self.frames / self.sample_rate


@dataclass(frozen=True)
class Version:
    """One of the sounds of a record.

    Attributes:
        label: What it is.
        index: −1 for the reference, 0 for degraded, then a number for each system.
        path: Its file.
        gain_db: Its level relative to the reference, where that was measured.
    """

    label: str
    index: int
    path: str
    gain_db: float | None = None


@dataclass
class Excerpts:
    """The same stretch of all versions of a record.

    Attributes:
        stretch: Its place; None where nothing could be read.
        waveforms: By the version's index, shape (channels, time).
        troubles: What could not be read, and why.
    """

    stretch: Stretch | None = None
    waveforms: dict[int, Waveform] = field(default_factory=dict)
    troubles: list[str] = field(default_factory=list)


def versions_of(records: Mapping[int, Record], names: Sequence[str]) -> list[Version]:
    """List the sounds of one record: the reference, the degraded one, and what each system made of it.

    Args:
        records: The record as each system has it, by the system's number from 1.
        names: Of the systems.
    """
    found: list[Version] = []
    for index, role in ((-1, "reference"), (0, "degraded")):
        record = next((record for record in records.values() if record.get(role)), None)
        if record is not None:
            found.append(Version(role, index, str(record[role]), _gain(record, role)))
    for index, record in records.items():
        if record.get("restored"):
            found.append(Version(names[index - 1], index, str(record["restored"]), _gain(record, "restored")))
    return found


def _gain(record: Record, role: str) -> float | None:
    if role == "reference":
        return 0.0
    check: Any = record.get("check")
    found = check.get(role) if isinstance(check, dict) else None
    gain = found.get("gain_db") if isinstance(found, dict) else None
    if isinstance(gain, int | float) and not isinstance(gain, bool) and abs(gain) <= MOST_GAIN_DB:
        return float(gain)
    return None


def read_excerpts(versions: Sequence[Version]) -> Excerpts:
    """Read the same stretch of all versions: the busiest one of the first version that can be read."""
    found = Excerpts()
    for version in versions:
        try:
            with AudioReader(Path(version.path)) as reader:
                stretch, info = found.stretch or busiest_stretch(reader), reader.info
                shape = (stretch.sample_rate, stretch.channels, stretch.total)
                if (info.sample_rate, info.channels, info.frames) != shape:
                    raise RecordError(
                        f"{version.path} differs from the others in length, rate or channels, so it is left out"
                    )
                found.waveforms[version.index] = reader.read(stretch.start, stretch.frames)
            found.stretch = stretch
        except (AudioRestoreError, OSError, ValueError, MemoryError) as error:
            found.troubles.append(f"{version.label}: {error}")
    return found


def busiest_stretch(reader: AudioReader) -> Stretch:
    """Find the ten seconds with the most sound; a shorter recording is taken whole."""
    info = reader.info
    frames = min(info.frames, math.floor(SECONDS * info.sample_rate))
    start = 0
    if frames < info.frames:
        start = busiest_start(Sound(info.sample_rate, info.channels, info.frames, reader.blocks), frames)
    return Stretch(start, frames, info.sample_rate, info.channels, info.frames)


def playable(waveform: Waveform, sample_rate: int) -> tuple[NDArray[np.int16], int, int]:
    """Convert an excerpt to what a page holds: 16 bit, at most two channels and 48 kHz; its level is kept.

    Returns:
        The samples, shape (channels, time), their rate in Hz, and how many were clipped because they were over full
        scale.
    """
    kept = waveform[:MAX_CHANNELS]
    if sample_rate > MAX_RATE:
        kept = resample(kept, sample_rate, MAX_RATE).astype(np.float32)
        sample_rate = MAX_RATE
    steps = np.rint(kept * np.float32(1 << 15))
    over = int(np.count_nonzero((steps < -(1 << 15)) | (steps > (1 << 15))))
    return np.clip(steps, -(1 << 15), (1 << 15) - 1).astype(np.int16), sample_rate, over


def flac(samples: NDArray[np.int16], sample_rate: int) -> str:
    """Encode samples, shape (channels, time), as FLAC in base64."""
    file = io.BytesIO()
    soundfile.write(file, samples.T, sample_rate, format="FLAC", subtype="PCM_16")
    return base64.b64encode(file.getvalue()).decode()
