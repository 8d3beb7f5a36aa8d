"""Restoring recordings of any length, rate and number of channels, block by block.

What leaves is the recording plus the model's *correction*: what the model changed at its own rate is brought back to
the recording's rate and added. So sound above the model's band passes untouched instead of being cut off, and a model
that changes nothing gives back every sample as it was.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...data.audio_file import (
    AUDIO_SUFFIXES,
    BLOCK_FRAMES,
    CONTAINERS,
    FLOATS,
    AudioInfo,
    AudioReader,
    AudioWriter,
    Clip,
    audio_info,
    output_subtype,
    output_suffix,
)
from ...data.manifest import Record, need, output_path
from ...errors import AudioFileError, UsageError
from ...models._restorer import Stream
from ...randomness import generator
from ...signal.resample import StreamResampler, fit
from ..checkpoint import LoadedModel
from ..provenance import digest_of, file_digest, made_before, provenance, refuse_own_input
from .channels import fold, unfold

BITS = {"16": "PCM_16", "24": "PCM_24", "float": "FLOAT"}
UNWRITTEN_SUFFIXES = (AUDIO_SUFFIXES | {".m4a", ".aac", ".mp4", ".wma"}) - {*CONTAINERS}

Follow = Callable[[str, int, int], None]


@dataclass(frozen=True)
class RestoreConfig:
    """How recordings are restored and written.

    Attributes:
        target: A folder, into which ids are mirrored, or one file where there is one input.
        residual: The same for what was removed (input minus output); None: not written.
        mix: 1 is the restored sound, 0 the input, between them a blend.
        bits: ``16``, ``24`` or ``float``; None: the input's own depth, at least 16.
        clip: ``saturate`` samples over full scale, or ``refuse`` the file.
        dither: Add triangular dither of ±1 step before rounding to 16 or 24 bit.
        seed: What the model's draws hang on.
        overwrite: Replace files that are there already.
    """

    target: Path
    residual: Path | None = None
    mix: float = 1.0
    bits: str | None = None
    clip: Clip = "saturate"
    dither: bool = False
    seed: int = 0
    overwrite: bool = False


class Restoration:
    """One recording on its way through a model: at its own rate and number of channels, lag 0, exact length.

    Args:
        loaded: The model.
        sample_rate: Of the recording, in Hz.
        channels: Of the recording.
        draw: What the model drew for it.
        mix: 1 for the restored sound, 0 for the input.
    """

    def __init__(
        self, loaded: LoadedModel, sample_rate: int, channels: int, draw: Any = None, mix: float = 1.0
    ) -> None:
        self._config = loaded.model.config
        self._channels = channels
        self._mix = np.float32(mix)
        self._stream: Stream = loaded.model.stream(draw)
        own_rate = self._config.sample_rate or sample_rate
        self._to = self._back = None
        if own_rate != sample_rate:
            self._to = StreamResampler(sample_rate, own_rate, channels)
            self._back = StreamResampler(own_rate, sample_rate, channels)
        self._input = np.zeros((channels, 0), np.float32)  # what the output still waits for
        self._sent = np.zeros((channels, 0), np.float32)  # the same, as the model got it
        self._ready = np.zeros((channels, 0), np.float32)  # the correction, ahead of the input

    def push(self, block: np.ndarray) -> np.ndarray:
        """Take the next samples (channels, time) and return those that are restored."""
        self._input = np.concatenate([self._input, block], axis=-1)
        return self._deliver(self._correct(self._to.push(block) if self._to else block))

    def flush(self) -> np.ndarray:
        """End the recording and return the rest."""
        if self._to and self._back:
            last = self._correct(self._to.flush())
            rest = self._correct_rest()
            tail = np.concatenate([last, self._back.push(rest), self._back.flush()], axis=-1)
        else:
            tail = self._correct_rest()
        wanted = self._input.shape[-1] - self._ready.shape[-1]
        return self._deliver(fit(tail, wanted))

    def _correct(self, sent: np.ndarray) -> np.ndarray:
        """Send samples at the model's rate through it; return corrections at the recording's rate."""
        self._sent = np.concatenate([self._sent, sent], axis=-1)
        correction = self._take(self._stream.push(fold(sent, self._config.channels)))
        return self._back.push(correction) if self._back else correction

    def _correct_rest(self) -> np.ndarray:
        return self._take(self._stream.flush())

    def _take(self, restored: np.ndarray) -> np.ndarray:
        frames = restored.shape[-1]
        correction = unfold(restored, self._channels) - self._sent[:, :frames]
        self._sent = self._sent[:, frames:]
        return correction

    def _deliver(self, correction: np.ndarray) -> np.ndarray:
        self._ready = np.concatenate([self._ready, correction], axis=-1)
        frames = min(self._ready.shape[-1], self._input.shape[-1])
        output = self._input[:, :frames] + self._mix * self._ready[:, :frames]
        self._input, self._ready = self._input[:, frames:], self._ready[:, frames:]
        return output


def restore_waveform(loaded: LoadedModel, waveform: np.ndarray, sample_rate: int, draw: Any = None) -> np.ndarray:
    """Restore a waveform in memory: (channels, time), same shape back."""
    restoration = Restoration(loaded, sample_rate, waveform.shape[0], draw)
    return np.concatenate([restoration.push(waveform), restoration.flush()], axis=-1)


def restore_record(
    record: Record, loaded: LoadedModel, config: RestoreConfig, follow: Follow = lambda name, done, total: None
) -> Record:
    """Restore a record's degraded audio into a file, in bounded memory.

    Args:
        record: With ``degraded``.
        loaded: The model.
        config: Where to and how.
        follow: Told the record's id, how many samples were read, and how many there are.

    Returns:
        The record with ``restored``, ``model``, and where samples went over full scale their number: ``clipped``
        in integers, ``over_full_scale`` in floats, which keep them.
    """
    (source,) = need(record, "degraded")
    info = audio_info(source)
    target = _target(config.target, record, info)
    residual = _target(config.residual, record, info) if config.residual else None
    for output in (target, residual) if residual else (target,):
        refuse_own_input(output, source)
    if residual and residual.resolve() == target.resolve():
        raise AudioFileError(f"the output and the residual would be one file, {target}; give another --residual")
    options = (config.mix, config.bits, config.clip, config.dither, config.seed)
    digest = digest_of("restore", file_digest(source), loaded.digest, options)
    made = made_before(target, digest, config.overwrite)
    made_residual = made_before(residual, digest, config.overwrite) if residual else {}
    added: dict[str, Any] = {"restored": str(target), "model": loaded.name}
    if residual:
        added["residual"] = str(residual)
    if made is not None and made_residual is not None:
        return {**record, **made, **added}
    rng = generator(config.seed, "restore", record["id"], record.get("sample", 0))
    room = provenance(digest, {"over_full_scale": 1 << 62})
    with AudioReader(source) as reader, ExitStack() as files:
        writer = files.enter_context(_writer(target, info, config, room, made is not None))
        sink = (
            files.enter_context(_writer(residual, info, config, room, made_residual is not None)) if residual else None
        )
        restoration = Restoration(loaded, info.sample_rate, info.channels, loaded.model.draw(rng), config.mix)
        for restored, original in _through(restoration, reader):
            writer.write(restored)
            if sink:
                sink.write(original - restored)
            follow(record["id"], writer.frames, info.frames)
        key = "over_full_scale" if writer.subtype in FLOATS else "clipped"
        over = {key: writer.over_full_scale} if writer.over_full_scale else {}
        for file in (writer, sink) if sink else (writer,):
            file.note(provenance(digest, over))
    return {**record, **added, **over}


def _through(restoration: Restoration, reader: AudioReader) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pair each restored stretch with the input that it stands for."""
    waiting = np.zeros((reader.info.channels, 0), np.float32)
    for block in reader.blocks(BLOCK_FRAMES):
        waiting = np.concatenate([waiting, block], axis=-1)
        restored = restoration.push(block)
        yield restored, waiting[:, : restored.shape[-1]]
        waiting = waiting[:, restored.shape[-1] :]
    yield restoration.flush(), waiting


def is_one_file(place: Path) -> bool:
    """Tell whether an output names one file: it has a container's suffix, and no folder is there.

    >>> is_one_file(Path("clean.wav")), is_one_file(Path("restored"))
    (True, False)
    """
    return place.suffix.lower() in CONTAINERS and not place.is_dir()


def _target(place: Path, record: Record, info: AudioInfo) -> Path:
    if is_one_file(place):
        return place
    return output_path(place, record, output_suffix(info))


def _writer(target: Path, info: AudioInfo, config: RestoreConfig, carried: str, overwrite: bool) -> AudioWriter:
    container = CONTAINERS[target.suffix.lower()]
    subtype = BITS[config.bits] if config.bits else output_subtype(info, container)
    if container == "FLAC" and subtype not in ("PCM_16", "PCM_24"):
        raise UsageError(f"FLAC holds 16 or 24 bit, not float: choose another --bits, or a .wav output ({target})")
    return AudioWriter(
        target,
        info.sample_rate,
        info.channels,
        subtype=subtype,
        overwrite=overwrite or config.overwrite,
        dither=config.dither,
        clip=config.clip,
        tags=info.tags,
        provenance=carried,
        expected_frames=info.frames,
    )
