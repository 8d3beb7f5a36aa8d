"""Restoring recordings of any length, sample rate and number of channels, block by block.

The output is the recording plus the model's *correction*: what the model changed at its own rate is resampled to the
recording's rate and added. So sound above the model's band passes untouched instead of being cut off, and a model
that changes nothing gives back every sample as it was.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ...data.audio_file import (
    AUDIO_SUFFIXES,
    CONTAINERS,
    FLOATS,
    AudioInfo,
    AudioWriter,
    Clip,
    audio_info,
    output_subtype,
    output_suffix,
)
from ...data.manifest import Record, need, output_path
from ...data.spool import open_sound, spooled
from ...errors import AudioFileError, UsageError
from ...models._restorer import Restorer
from ...randomness import generator
from ...signal.loudness import integrated_loudness
from ...signal.sound import Block, Sound, Tap, joined, regrid
from ..checkpoint import LoadedModel
from ..provenance import digest_of, file_digest, provenance, refuse_own_input, resumable

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
        seed: Seed of what the model draws.
        overwrite: Replace existing files.
        loudness: ``keep``: one gain gives the output the integrated loudness of the input.
    """

    target: Path
    residual: Path | None = None
    mix: float = 1.0
    bits: str | None = None
    clip: Clip = "saturate"
    dither: bool = False
    seed: int = 0
    overwrite: bool = False
    loudness: Literal["keep"] | None = None

    @property
    def options(self) -> tuple[object, ...]:
        """The options that change the samples of an output."""
        return self.mix, self.bits, self.clip, self.dither, self.seed, *([self.loudness] if self.loudness else [])


def restored_pairs(
    model: Restorer, sound: Sound, rng: np.random.Generator, mix: float = 1.0
) -> Iterator[tuple[Block, Block]]:
    """Restore a recording of any sample rate at that rate, without delay, in bounded memory.

    Returns:
        Blocks of the recording, each with its restored form (the input where ``mix`` is 0), both (channels, time).
    """
    here = Tap(sound)
    there = here.sound.resampled(model.config.sample_rate or sound.sample_rate)
    correction = Sound(
        there.sample_rate, there.channels, there.frames, lambda: _corrections(model, there, rng)
    ).resampled(sound.sample_rate)
    for change, original in _in_step(correction.blocks(), here.follow(), sound):
        yield original, original + np.float32(mix) * change


def _corrections(model: Restorer, sound: Sound, rng: np.random.Generator) -> Iterator[Block]:
    """Yield what a model changes in a recording at the model's rate."""
    tap = Tap(sound)
    for restored, original in _in_step(model.restored(tap.sound, rng), tap.follow(), sound):
        yield restored - original


def _in_step(first: Iterable[Block], second: Iterable[Block], like: Sound) -> Iterator[tuple[Block, Block]]:
    """Cut two recordings of the same shape into the same blocks, and advance the first one first."""
    size = like.channels, like.frames
    return zip(regrid(first, *size), regrid(second, *size), strict=True)


def restore_waveform(
    loaded: LoadedModel, waveform: np.ndarray, sample_rate: int, rng: np.random.Generator | None = None
) -> np.ndarray:
    """Restore a waveform in memory: (channels, time), same shape back.

    Args:
        loaded: The model.
        waveform: Samples, shape (channels, time).
        sample_rate: In Hz.
        rng: What the model draws from; by default that of seed 0.
    """
    pairs = restored_pairs(loaded.model, Sound.of(waveform, sample_rate), rng or np.random.default_rng(0))
    return joined((restored for _, restored in pairs), len(waveform))


def restore_record(
    record: Record, loaded: LoadedModel, config: RestoreConfig, follow: Follow = lambda name, done, total: None
) -> Record:
    """Restore a record's degraded audio into a file, in bounded memory; a file that an earlier run made from the same
    input is kept.

    Args:
        record: With ``degraded``.
        loaded: The model.
        config: Where the files go, and how they are made.
        follow: Called with the record's id, how many samples were restored, and how many there are.

    Returns:
        The record with ``restored``, ``model``, and where samples went over full scale their number: ``clipped``
        in integers, ``over_full_scale`` in floats, which keep them. With ``loudness`` the gain that was applied,
        ``loudness_gain_db``, and where there is no loudness to keep ``loudness_note``.
    """
    (source,) = need(record, "degraded")
    info = audio_info(source)
    outputs = _outputs(config, record, info)
    digest = digest_of("restore", file_digest(source), loaded.digest, config.options)

    def make(replace: dict[str, bool]) -> dict[str, Any]:
        encoded = record.get("encoded")  # a list where the channels are in several files
        rng = generator(config.seed, "restore", record["id"], record.get("sample", 0))
        added: dict[str, Any] = {}
        with ExitStack() as files:
            sound = files.enter_context(open_sound(source, encoded if isinstance(encoded, str) else None))
            pairs = _followed(restored_pairs(loaded.model, sound, rng, config.mix), sound, record["id"], follow)
            if config.loudness == "keep":
                pairs, added = files.enter_context(_as_loud(sound, pairs))
            writers = {
                role: files.enter_context(_writer(path, info, config, replace[role])) for role, path in outputs.items()
            }
            for original, block in pairs:
                for role, writer in writers.items():
                    writer.write(block if role == "restored" else original - block)
            restored = writers["restored"]
            if restored.over_full_scale:
                added["over_full_scale" if restored.subtype in FLOATS else "clipped"] = restored.over_full_scale
            for writer in writers.values():
                writer.provenance = provenance(digest, added)
        return added

    added = resumable(outputs, digest, config.overwrite, make)
    names = {role: str(path) for role, path in outputs.items()}
    return {**record, "restored": names["restored"], "model": loaded.name, **names, **added}


def _followed(
    pairs: Iterator[tuple[Block, Block]], sound: Sound, name: str, follow: Follow
) -> Iterator[tuple[Block, Block]]:
    """Report progress as blocks pass through."""
    done = 0
    for pair in pairs:
        yield pair
        done += pair[0].shape[-1]
        follow(name, done, sound.frames)


@contextmanager
def _as_loud(
    sound: Sound, pairs: Iterator[tuple[Block, Block]]
) -> Iterator[tuple[Iterator[tuple[Block, Block]], dict[str, Any]]]:
    """Give the restored recording the loudness of the original by one gain, which is returned as record fields."""
    with spooled(sound, (block for _, block in pairs)) as restored:
        before, after = integrated_loudness(sound), integrated_loudness(restored)
        added: dict[str, Any] = {"loudness_gain_db": 0.0}
        if before is None or after is None:
            which = "degraded" if before is None else "restored"
            added["loudness_note"] = (
                f"the {which} audio is silent or shorter than 0.4 s, so its loudness is undefined: no gain was applied"
            )
        else:
            added["loudness_gain_db"] = round(before - after, 4)
        gain = np.float32(10 ** (added["loudness_gain_db"] / 20))
        blocks = _in_step(restored.blocks(), sound.blocks(), sound)
        yield ((original, gain * block) for block, original in blocks), added


def _outputs(config: RestoreConfig, record: Record, info: AudioInfo) -> dict[str, Path]:
    """Name the files to write, by their role in the record."""
    places = {"restored": config.target} | ({"residual": config.residual} if config.residual else {})
    outputs = {
        role: place if is_one_file(place) else output_path(place, record, output_suffix(info))
        for role, place in places.items()
    }
    for output in outputs.values():
        refuse_own_input(output, info.path)
    if len({output.resolve() for output in outputs.values()}) < len(outputs):
        raise AudioFileError(
            f"the output and the residual would be the same file, {outputs['restored']}; give another --residual"
        )
    return outputs


def is_one_file(place: Path) -> bool:
    """Whether an output names one file: it has a container's suffix, and no folder is there.

    >>> is_one_file(Path("clean.wav")), is_one_file(Path("restored"))
    (True, False)
    """
    return place.suffix.lower() in CONTAINERS and not place.is_dir()


def _writer(target: Path, info: AudioInfo, config: RestoreConfig, replace: bool) -> AudioWriter:
    container = CONTAINERS[target.suffix.lower()]
    subtype = BITS[config.bits] if config.bits else output_subtype(info, container)
    if container == "FLAC" and subtype not in ("PCM_16", "PCM_24"):
        raise UsageError(f"FLAC holds 16 or 24 bit, not float: choose another --bits, or a .wav output ({target})")
    return AudioWriter(
        target,
        info.sample_rate,
        info.channels,
        subtype=subtype,
        overwrite=replace,
        dither=config.dither,
        clip=config.clip,
        tags=info.tags,
        expected_frames=info.frames,
    )
