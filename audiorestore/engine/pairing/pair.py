"""Aligning degraded audio with its reference, and verifying the alignment."""

import math
from collections.abc import Collection, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from ...damage import DAMAGES
from ...data.audio_file import AudioWriter
from ...data.manifest import Record, failed, id_within, list_audio, need, output_path
from ...data.spool import open_sound, spooled
from ...errors import AlignmentError, UsageError
from ...signal.align import LAG_TOLERANCE, ChannelAlignment, measure
from ...signal.findings import FINDINGS
from ...signal.level import decibels
from ...signal.sound import Sound
from ...signal.undo_lag import without_lag
from ..provenance import digest_of, file_digest, made_before, provenance, refuse_own_input, resumable

Warp = tuple[str, ModuleType, dict[str, Any]]

_ROLES = ("reference", "degraded")


@dataclass(frozen=True)
class PairConfig:
    """How pairs are made.

    Attributes:
        level: ``keep`` the degraded audio's level, or ``match`` it to its reference.
        folder: Where aligned copies go; None to write no files.
        overwrite: Replace existing files.
        allow: Which of `FINDINGS` to accept and note in the record, instead of rejecting the pair.

    Raises:
        UsageError: There is no such finding.
    """

    level: str = "keep"
    folder: Path | None = None
    overwrite: bool = False
    allow: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        unknown = sorted(self.allow - FINDINGS.keys())
        if unknown:
            raise UsageError(f"--allow {unknown[0]} is not possible; there are: {', '.join(FINDINGS)}")


def match_by_name(reference: Path, others: dict[str, Path], stage: str) -> Iterator[Record]:
    """Match files in folders of audio by name: records with a field for each role.

    Args:
        reference: A folder, or one file.
        others: Role (``degraded``, ``restored``) to a folder, or one file where the reference is one.
        stage: The command that asks, for the ``error`` of names without a partner.

    Raises:
        UsageError: A folder is missing, or the kinds do not go together.
    """
    paths = {"reference": reference, **others}
    for role, path in paths.items():
        if not path.exists():
            raise UsageError(f"--{role} {path} does not exist")
    if len({path.is_dir() for path in paths.values()}) > 1:
        raise UsageError(f"give {' and '.join(f'--{role}' for role in paths)} as folders, or all as files")
    if not reference.is_dir():
        yield {"id": reference.stem, **{role: str(path) for role, path in paths.items()}}
        return
    found = {role: {id_within(file, path): file for file in list_audio(path)} for role, path in paths.items()}
    for name in sorted(set().union(*found.values())):
        record: Record = {"id": name, **{role: str(files[name]) for role, files in found.items() if name in files}}
        missing = [role for role, files in found.items() if name not in files]
        if missing:
            record = failed(record, stage, f"'{name}' has no file of that name in {paths[missing[0]]} ({missing[0]})")
        yield record


def pair_record(record: Record, config: PairConfig) -> Record:
    """Align one pair linearly: what lies before or after the common part is cut off, and nothing wraps around.

    Where neither lag nor level has to change, no file is written. Otherwise the aligned copy goes to
    ``folder/degraded`` and, where the reference is longer, its common part to ``folder/reference``. Where a damage
    warped time on purpose, the reference is warped in the same way first, and written. Memory does not grow with the
    length of the recordings.

    Returns:
        The record with ``alignment`` (lag in samples at the reference's rate, positive where the degraded audio is
        delayed; gain in decibels; the residual lag of the whole and of windows over it; lists where channels differ,
        null where nothing can be measured; ``found``, the findings that were accepted) and ``sample_rate``,
        ``channels``, ``frames``.

    Raises:
        AlignmentError: The two do not belong together, or a copy is needed and there is no folder for it.
    """
    sources = need(record, *_ROLES)
    warps = _warps(record)
    if warps and not config.folder:
        names = ", ".join(name for name, _, _ in warps)
        raise AlignmentError(
            f"the reference has to follow the time warp of {names}; give -o FOLDER for its warped copy"
        )
    if not config.folder:
        with ExitStack() as files:
            return {**record, **_align(record, warps, config, files)[0]}
    copies = {role: output_path(config.folder / role, record, ".wav") for role in _ROLES}
    for copy in copies.values():
        refuse_own_input(copy, *sources)
    maps = [[name, parameters] for name, _, parameters in warps]
    digest = digest_of("pair", *map(file_digest, sources), config.level, *maps)

    def make(replace: dict[str, bool]) -> dict[str, Any]:
        with ExitStack() as files:
            added, trimmed, aligned = _align(record, warps, config, files)
            if aligned is not None:
                added["trimmed"] = trimmed is not None
                note = provenance(digest, added)
                if trimmed is not None:
                    _write(copies["reference"], trimmed, note, config.overwrite or has_reference())
                _write(copies["degraded"], aligned, note, replace["degraded"])  # last: it says that the other is whole
        return added

    def has_reference() -> bool:
        return made_before(copies["reference"], digest, config.overwrite) is not None

    def usable(added: dict[str, Any]) -> bool:
        """Check that the reference's copy is there, too, and that what was found is accepted in this run."""
        complete = not added["trimmed"] or has_reference()
        return complete and config.allow.issuperset(added["alignment"].get("found", []))

    added = resumable({"degraded": copies["degraded"]}, digest, config.overwrite, make, usable)
    trimmed = added.pop("trimmed", None)
    written = () if trimmed is None else _ROLES if trimmed else ("degraded",)
    return {**record, **added, **{role: str(copies[role]) for role in written}}


def _align(
    record: Record, warps: list[Warp], config: PairConfig, files: ExitStack
) -> tuple[dict[str, Any], Sound | None, Sound | None]:
    """Align a pair, and verify that no lag is left.

    Returns:
        The fields to add to the record, the reference's common part (None where that is all of its file), and the
        aligned recording (None where both files are aligned as they are).
    """
    reference, degraded = (files.enter_context(open_sound(record[role], any_order=True)) for role in _ROLES)
    in_place = not warps and degraded.sample_rate == reference.sample_rate
    for _, module, parameters in warps:  # the reference is warped in time where the degraded recording is
        warped = module.warp(reference, module.Config.from_record(parameters))
        reference = files.enter_context(spooled(reference, warped))
    if degraded.sample_rate != reference.sample_rate:
        degraded = degraded.resampled(reference.sample_rate)
        degraded = files.enter_context(spooled(degraded, degraded.blocks()))
    plan = _plan(reference, degraded, config)
    if warps or _is_warped(record):
        plan.alignment["warped"] = True
    if in_place and plan.in_place:
        return _described(reference, plan.alignment), None, None
    if not config.folder:
        raise AlignmentError(
            f"{record['degraded']} needs an aligned copy (lag {plan.alignment['lag']} samples, gain "
            f"{plan.alignment['gain_db']} dB, {degraded.frames} samples where the reference has "
            f"{reference.frames}, level {config.level}); give -o FOLDER for it"
        )
    clean, aligned = plan.carry_out(reference, degraded, files)
    added = _described(clean, plan.alignment | _verified(clean, aligned, config.allow))
    return added, clean if warps or clean.frames != reference.frames else None, aligned


def _write(target: Path, sound: Sound, note: str, replace: bool) -> None:
    size = sound.sample_rate, sound.channels
    with AudioWriter(
        target, *size, subtype="FLOAT", overwrite=replace, provenance=note, expected_frames=sound.frames
    ) as writer:
        for block in sound.blocks():
            writer.write(block)


def _described(reference: Sound, alignment: dict[str, Any]) -> dict[str, Any]:
    sizes = {"sample_rate": reference.sample_rate, "channels": reference.channels, "frames": reference.frames}
    return {**sizes, "alignment": alignment}


def _is_warped(record: Record) -> bool:
    """Whether the reference follows the time warp already, since an earlier run aligned the pair."""
    alignment = record.get("alignment")
    return isinstance(alignment, dict) and bool(alignment.get("warped"))


def _warps(record: Record) -> list[Warp]:
    """List the damages that warped time on purpose, in order: name, module and parameters."""
    warps = []
    for damage in [] if _is_warped(record) else record.get("damage") or []:
        name = damage.get("name")
        module = DAMAGES.load(name) if name in DAMAGES.names() else None  # another program's damage is left alone
        if module is not None and hasattr(module, "warp"):
            warps.append((name, module, {key: value for key, value in damage.items() if key != "name"}))
    return warps


@dataclass(frozen=True)
class _Plan:
    """What has to be done to a degraded recording: lags to remove, gains to divide by, the part that is kept."""

    lags: list[float]
    gains: list[float]
    start: int
    stop: int
    in_place: bool
    alignment: dict[str, Any]

    def carry_out(self, reference: Sound, degraded: Sound, files: ExitStack) -> tuple[Sound, Sound]:
        """Cut the reference, and align the degraded recording with it once, as it is read several times."""
        frames = self.stop - self.start
        aligned = without_lag(degraded, [lag + self.start for lag in self.lags], frames)
        gains = np.asarray(self.gains, np.float32)[:, None]
        aligned = files.enter_context(spooled(aligned, (block / gains for block in aligned.blocks())))
        if frames != reference.frames:
            reference = without_lag(reference, [self.start] * reference.channels, frames)
        return reference, aligned


def _plan(reference: Sound, degraded: Sound, config: PairConfig) -> _Plan:
    found = _measured(reference, degraded, config.allow)
    lags = [0.0 if abs(channel.lag) < LAG_TOLERANCE else channel.lag for channel in found]
    start = max(0, *(-math.floor(lag) for lag in lags))
    stop = min(reference.frames, *(degraded.frames - math.ceil(lag) for lag in lags))
    alignment: dict[str, Any] = {
        "lag": _one_or_list([_rounded(lag) for lag in lags]),
        "gain_db": _one_or_list([_rounded(decibels(each.gain**2)) if each.gain > 0 else None for each in found]),
        **_residuals(found),
        "level": config.level,
    }
    accepted = [kind for kind in FINDINGS if any(kind in channel.found for channel in found)]
    if accepted:
        alignment["found"] = accepted
    # A gain that is 0.00 dB in the record is left alone, and so is one that could not be measured.
    matched = [config.level == "match" and channel.gain > 0 and abs(channel.gain - 1.0) > 5e-4 for channel in found]
    gains = [channel.gain if match else 1.0 for channel, match in zip(found, matched, strict=True)]
    if (start, stop) != (0, reference.frames):
        alignment["reference_start"] = start
    unchanged = not any(lags) and degraded.frames == reference.frames and all(gain == 1.0 for gain in gains)
    return _Plan(lags, gains, start, stop, unchanged, alignment)


def _measured(reference: Sound, degraded: Sound, allow: Collection[str]) -> list[ChannelAlignment]:
    """Measure all channels; where nothing can be measured, the lag is that of the first channel where it can."""
    try:
        channels = measure(reference, degraded, allow)
    except AlignmentError as error:
        hint = f" (--allow {error.kind} accepts the pair as it is)" if error.kind else ""
        raise AlignmentError(f"{error}{hint}", kind=error.kind) from None
    measured = [channel for channel in channels if channel is not None]
    if not measured:
        raise AlignmentError("the reference is silent, so no lag can be measured")
    known = next((channel for channel in measured if channel.gain > 0), measured[0])
    return [
        known if channel is None else channel if channel.gain > 0 else replace(channel, lag=known.lag)
        for channel in channels
    ]


def _residuals(found: list[ChannelAlignment]) -> dict[str, Any]:
    """List the lag that is left, over the whole and in windows; None where nothing could be measured."""
    return {
        "residual_lag": _one_or_list([_rounded(each.lag) if each.gain > 0 else None for each in found]),
        "windows": _one_or_list([[_rounded(window) for window in each.windows] for each in found]),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2) + 0.0


def _one_or_list(values: list[Any]) -> Any:
    return values[0] if all(value == values[0] for value in values) else values


def _verified(reference: Sound, aligned: Sound, allow: Collection[str]) -> dict[str, Any]:
    """Measure again after aligning: no lag may be left, unless drift or other content was accepted."""
    found = _measured(reference, aligned, allow)
    residuals = [channel.lag for channel in found if not {"drift", "content"} & set(channel.found)]
    if max(map(abs, residuals), default=0.0) >= LAG_TOLERANCE:
        raise AlignmentError(f"after aligning, a lag of {max(residuals, key=abs):.2f} samples is left")
    return _residuals(found)
