"""Training pairs: short segments from anywhere in many recordings, from memory-mapped WAV files or from memory.

A collection that fits in memory is held there; a larger one is mapped from its WAV files, so that only the samples of
a segment are read.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import RecordError
from ..signal.resample import resample
from .audio_file import audio_info, map_wav, read_audio
from .manifest import Record, need

MEMORY_BYTES = 2 << 30  # a collection of up to this size, as float32, is held in memory


class _Mapped:
    """Samples of a WAV file that stay on the disk until they are needed."""

    def __init__(self, rows: np.ndarray) -> None:
        self._rows = rows
        self._scale = np.float32(1.0 / 32768.0) if rows.dtype == np.int16 else np.float32(1.0)
        self.shape = (rows.shape[1], rows.shape[0])

    def __getitem__(self, part: tuple[slice, slice]) -> np.ndarray:
        channels, times = part
        return np.ascontiguousarray(self._rows[times, channels].T, np.float32) * self._scale


@dataclass(frozen=True)
class Track:
    """One pair: degraded and reference audio, (channels, time) each, of the same shape."""

    name: str
    degraded: np.ndarray | _Mapped
    reference: np.ndarray | _Mapped

    @property
    def frames(self) -> int:
        """Length in samples."""
        return int(self.reference.shape[1])

    @property
    def channels(self) -> int:
        """Number of channels."""
        return int(self.reference.shape[0])

    def cut(self, start: int, frames: int, channels: slice) -> tuple[np.ndarray, np.ndarray]:
        """Read samples of both; outside the recording there is silence."""
        count = len(range(*channels.indices(self.channels)))
        degraded, reference = np.zeros((2, count, frames), np.float32)
        self.cut_into(degraded, reference, start, channels)
        return degraded, reference

    def cut_into(self, degraded: np.ndarray, reference: np.ndarray, start: int, channels: slice) -> None:
        """Copy the samples from ``start`` on into two rows of zeros, (channels, time) each."""
        begin, end = max(0, start), min(start + degraded.shape[-1], self.frames)
        if begin < end:
            place = slice(begin - start, end - start)
            degraded[:, place] = self.degraded[channels, begin:end]
            reference[:, place] = self.reference[channels, begin:end]


class PairDataset:
    """All pairs of one split, at one sample rate.

    Args:
        records: Aligned records of that split.
        sample_rate: The rate to train at, in Hz; other rates are resampled, which needs them in memory. 0: as they are.
        channels: 1: segments of single channels; 2: segments of channel pairs (a mono recording is doubled).

    Raises:
        RecordError: A pair's parts differ in rate, length or channels, or there is none.
        AudioFileError: A file cannot be read.
    """

    def __init__(self, records: Sequence[Record], sample_rate: int, channels: int = 1) -> None:
        if not records:
            raise RecordError("there are no pairs to train on")
        self.sample_rate = sample_rate
        self.channels = channels
        self.in_memory = 8 * sum(map(_samples, records)) <= MEMORY_BYTES
        self.tracks = [_open(record, sample_rate, self.in_memory) for record in records]
        self._lengths = np.array([track.frames for track in self.tracks])
        self._track_channels = np.array([track.channels for track in self.tracks])
        self._ends = np.cumsum(self._lengths)

    @property
    def frames(self) -> int:
        """Length of all tracks together, in samples."""
        return int(self._ends[-1])

    def draw(
        self, rng: np.random.Generator, batch_size: int, frames: int, context: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Draw segments of ``frames`` samples and ``context`` on both sides, each part of the sound equally likely.

        Returns:
            Degraded and reference segments, each float32 (batch, channels, frames + 2 · context).
        """
        places = rng.integers(self.frames, size=batch_size)
        indices = np.searchsorted(self._ends, places, side="right")
        lengths = self._lengths[indices]
        starts = places - (self._ends[indices] - lengths) - frames // 2
        starts = np.clip(starts, 0, np.maximum(0, lengths - frames)) - context
        firsts = rng.integers(self._track_channels[indices]) // self.channels * self.channels
        degraded, reference = np.zeros((2, batch_size, self.channels, frames + 2 * context), np.float32)
        # A mono track, or the odd last channel, fills both channels of a stereo model's segment.
        drawn = zip(indices.tolist(), starts.tolist(), firsts.tolist(), strict=True)
        for row, (index, start, first) in enumerate(drawn):
            self.tracks[index].cut_into(degraded[row], reference[row], start, slice(first, first + self.channels))
        return degraded, reference

    def walk(self, frames: int, context: int = 0, limit: int | None = None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Iterate over all tracks in pieces, with ``context`` more samples on both sides of each.

        With a limit on the samples of all tracks together, each track gives an equal share, from its middle.

        Yields:
            Degraded and reference pieces, (channels, time).
        """
        for track in self.tracks:
            share = track.frames if limit is None else min(track.frames, -(-limit // len(self.tracks)))
            begin = (track.frames - share) // 2
            for start in range(begin, begin + share, frames):
                length = min(frames, begin + share - start)
                yield track.cut(start - context, length + 2 * context, slice(None))


def _open(record: Record, sample_rate: int, in_memory: bool) -> Track:
    reference_path, degraded_path = need(record, "reference", "degraded")
    sides: list[np.ndarray | _Mapped] = []
    for path in (degraded_path, reference_path):
        rows = None if in_memory else map_wav(path)
        if rows is not None and sample_rate in (0, audio_info(path).sample_rate):
            sides.append(_Mapped(rows))
            continue
        waveform, own_rate = read_audio(path)
        sides.append(resample(waveform, own_rate, sample_rate or own_rate).astype(np.float32, copy=False))
    degraded, reference = sides
    if degraded.shape != reference.shape:
        raise RecordError(
            f"'{record['id']}': degraded and reference audio differ in length or channels "
            f"({degraded.shape[1]}×{degraded.shape[0]} and {reference.shape[1]}×{reference.shape[0]}); "
            "use 'ar pair' to align them"
        )
    return Track(record["id"], degraded, reference)


def _samples(record: Record) -> int:
    """Count the samples of a pair's reference, over all channels."""
    if "frames" in record:
        return int(record["frames"]) * int(record.get("channels", 1))
    info = audio_info(*need(record, "reference"))
    return info.frames * info.channels
