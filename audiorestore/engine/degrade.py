"""Degrading reference audio on purpose: each record draws its own damage and gets its own file."""

import contextlib
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from ..damage import DAMAGES
from ..damage._chain import Chains, Link, stream_chain
from ..damage._damage import Run
from ..data.atomic import atomic_path
from ..data.audio_file import AudioWriter
from ..data.manifest import Record, need, output_path
from ..data.spool import open_sound
from ..randomness import generator
from .provenance import digest_of, file_digest, provenance, refuse_own_input, resumable

FORMATS = {"wav": (".wav", "FLOAT"), "flac": (".flac", "PCM_24")}


@dataclass(frozen=True)
class DegradeConfig:
    """How references are degraded.

    Attributes:
        chains: The damages, or several chains of them to choose from.
        folder: Where the degraded files go; ids are mirrored there.
        seed: Seed of all random draws.
        format: ``wav`` (float32: nothing is clipped, and training maps it into memory) or ``flac`` (24 bit).
        overwrite: Replace existing files, whatever made them.
        keep_encoded: Keep the codec files beside the degraded files.
    """

    chains: Chains
    folder: Path
    seed: int = 0
    format: str = "wav"
    overwrite: bool = False
    keep_encoded: bool = False


def several_of_each(records: Iterable[Record], per: int) -> Iterator[Record]:
    """Make ``per`` records of each, numbered by ``sample``; failed records pass through."""
    for record in records:
        if per == 1 or "error" in record:
            yield record
        else:
            first = per * record.get("sample", 0)
            yield from ({**record, "sample": first + index} for index in range(per))


def degrade_record(record: Record, config: DegradeConfig) -> Record:
    """Degrade one record's reference, or recognise the file that an earlier run made from the same input.

    Memory does not grow with the length of the recording.

    Returns:
        The record with ``degraded``, ``sample_rate``, ``channels``, ``frames``, ``damage`` and, where codec files were
        kept, ``encoded`` (a path; a list where there are several).
    """
    (reference,) = need(record, "reference")
    target = output_path(config.folder, record, FORMATS[config.format][0])
    damages = config.chains.draw(generator(config.seed, "degrade", record["id"], record.get("sample", 0)))
    modules = [(DAMAGES.load(link.name), link.config) for link in damages]
    read = [module.sources(options) for module, options in modules if hasattr(module, "sources")]
    sources = [reference, *chain.from_iterable(read)]  # with the user's files that the damages read
    refuse_own_input(target, *sources)
    options = [config.format, "encoded"] if config.keep_encoded else [config.format]
    digest = digest_of(*map(file_digest, sources), "degrade", [link.record() for link in damages], *options)

    def make(replace: dict[str, bool]) -> dict[str, Any]:
        return _make(reference, damages, target, digest, config, replace["degraded"])

    def has_codec_files(added: dict[str, Any]) -> bool:
        return all(target.with_name(name).exists() for name in added.get("encoded", []))

    added = resumable({"degraded": target}, digest, config.overwrite, make, has_codec_files)
    kept = [str(target.with_name(name)) for name in added.pop("encoded", [])]
    return {**record, "degraded": str(target), **added} | ({"encoded": kept if kept[1:] else kept[0]} if kept else {})


def _make(
    reference: str, damages: list[Link], target: Path, digest: str, config: DegradeConfig, overwrite: bool
) -> dict[str, Any]:
    with open_sound(reference) as sound, contextlib.ExitStack() as kept:  # codec files appear after the degraded file
        added: dict[str, Any] = {"sample_rate": sound.sample_rate, "channels": sound.channels, "frames": sound.frames}
        with AudioWriter(
            target,
            sound.sample_rate,
            sound.channels,
            subtype=FORMATS[config.format][1],
            overwrite=overwrite,
            expected_frames=sound.frames,
        ) as writer:
            damaged = Run(stream_chain(sound, damages))
            for block in damaged:
                writer.write(block)
            with contextlib.ExitStack() as stack:
                for _, outcome in damaged.result:
                    stack.callback(outcome.close)
                added["damage"] = [damage for damage, _ in damaged.result]
                if writer.over_full_scale and writer.subtype != "FLOAT":
                    added["clipped"] = writer.over_full_scale
                encoded = [each for _, outcome in damaged.result for each in outcome.encoded]
                if encoded and config.keep_encoded:
                    # None of them may have the degraded file's own name.
                    several = len(encoded) > 1 or encoded[0].suffix == target.suffix
                    added["encoded"] = [
                        f"{target.stem}{f'.{place}of{len(encoded)}' if several else ''}{each.suffix}"
                        for place, each in enumerate(encoded, 1)
                    ]
                    for name, each in zip(added["encoded"], encoded, strict=True):
                        place = target.with_name(name)
                        refuse_own_input(place, reference)
                        temporary = kept.enter_context(atomic_path(place, overwrite))
                        shutil.copyfile(each.file.name, temporary)
                writer.provenance = provenance(digest, added)
    return added
