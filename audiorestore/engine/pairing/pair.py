"""Laying degraded audio over its reference, and proving that it lies there."""

import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from ...damage import DAMAGES
from ...data.audio_file import read_audio, write_audio
from ...data.manifest import Record, failed, id_within, list_audio, need, output_path
from ...errors import FINDINGS, AlignmentError, UsageError
from ...signal.align import LAG_TOLERANCE, ChannelAlignment, measure, shift
from ...signal.level import decibels
from ...signal.resample import resample
from ...signal.sound import Sound, joined
from ..provenance import digest_of, file_digest, made_before, provenance, refuse_own_input


@dataclass(frozen=True)
class PairConfig:
    """How pairs are made.

    Attributes:
        level: ``keep`` the degraded audio's level, or ``match`` it to its reference.
        folder: Where aligned copies go; None where no file may be written.
        overwrite: Replace files that are there already.
        allow: Which of `errors.FINDINGS` to let through and tell in the record, instead of refusing the pair.

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
    """Join folders of audio by the files' names: records with a field for each role.

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
    """Align one pair, linearly: what lies before or after the common part is cut off, and nothing wraps around.

    Where nothing has to move and no level to change, no file is written. Otherwise the aligned copy goes to
    ``folder/degraded`` and, where the reference reaches further, its common part to ``folder/reference``. Where a
    damage warped time on purpose, the reference is warped alike first, and written.

    Returns:
        The record with ``alignment`` (lag in samples at the reference's rate, positive where the degraded audio is
        late; gain in decibels; the residual lag of the whole and of windows over it; lists where channels differ, null
        where nothing can be measured; ``found``, what was let through) and ``sample_rate``, ``channels``, ``frames``.

    Raises:
        AlignmentError: The two do not belong together, or a copy is needed and there is no folder for it.
    """
    reference_path, degraded_path = need(record, "reference", "degraded")
    earlier = record.get("alignment")
    bent = isinstance(earlier, dict) and bool(earlier.get("warped"))  # by an earlier pairing: it follows already
    warps = [] if bent else _warps(record)
    note = {"warped": True} if bent or warps else {}
    if warps and not config.folder:
        names = ", ".join(name for name, _, _ in warps)
        raise AlignmentError(f"the reference has to follow the time map of {names}; give -o FOLDER for its warped copy")
    copies = _Copies(record, config, warps) if config.folder else None
    if copies:
        made = copies.made_before()
        if made is not None:
            return {**record, **made}
    reference, sample_rate = read_audio(reference_path)
    for _, module, parameters in warps:
        blocks = module.warp(Sound.of(reference, sample_rate), module.Config.from_record(parameters))
        reference = joined(blocks, len(reference))
    degraded, degraded_rate = read_audio(degraded_path)
    if degraded_rate != sample_rate:
        degraded = resample(degraded, degraded_rate, sample_rate)
    plan = _plan(reference, degraded, config)
    added = {"sample_rate": sample_rate, "channels": reference.shape[0], "frames": plan.stop - plan.start}
    if plan.in_place and degraded_rate == sample_rate and not warps:
        return {**record, **added, "alignment": plan.alignment | note}
    if copies is None:
        raise AlignmentError(
            f"{degraded_path} needs an aligned copy (lag {plan.alignment['lag']} samples, gain "
            f"{plan.alignment['gain_db']} dB, {degraded.shape[1]} samples where the reference has "
            f"{reference.shape[1]}, level {config.level}); give -o FOLDER for it"
        )
    clean, aligned = reference[:, plan.start : plan.stop], plan.carry_out(degraded)
    added["alignment"] = plan.alignment | _proved(clean, aligned, config.allow) | note
    return {**record, **copies.write(added, aligned, clean if warps or clean.shape != reference.shape else None)}


Warp = tuple[str, ModuleType, dict[str, Any]]


def _warps(record: Record) -> list[Warp]:
    """List what warped time on purpose, in order: the damage's name, its module and its parameters."""
    warps = []
    for damage in record.get("damage") or []:
        name = damage.get("name")
        module = DAMAGES.load(name) if name in DAMAGES.names() else None  # one of another program is no warp of ours
        if module is not None and hasattr(module, "warp"):
            warps.append((name, module, {key: value for key, value in damage.items() if key != "name"}))
    return warps


class _Copies:
    """The aligned copies of one record: the degraded audio's, and the reference's where only a part of it is left."""

    def __init__(self, record: Record, config: PairConfig, warps: list[Warp]) -> None:
        assert config.folder is not None
        sources = (record["reference"], record["degraded"])
        self._degraded, self._reference = (
            output_path(config.folder / side, record, ".wav") for side in ("degraded", "reference")
        )
        for target in (self._degraded, self._reference):
            refuse_own_input(target, *sources)
        mapped = [[name, parameters] for name, _, parameters in warps]
        self._digest = digest_of("pair", *map(file_digest, sources), config.level, *mapped)
        self._overwrite = config.overwrite
        self._allow = config.allow

    def made_before(self) -> dict[str, Any] | None:
        """Recognise the copies of an earlier run, all of them or none, and none with what is allowed no longer."""
        added = made_before(self._degraded, self._digest, self._overwrite)
        if added is None or (added["trimmed"] and made_before(self._reference, self._digest, self._overwrite) is None):
            return None
        if not self._allow.issuperset(added["alignment"].get("found", [])):
            return None
        return self._with_paths(added)

    def write(self, added: dict[str, Any], aligned: np.ndarray, trimmed: np.ndarray | None) -> dict[str, Any]:
        """Write the copies, the degraded audio's last: it vouches for the other."""
        added = {**added, "trimmed": trimmed is not None}
        for target, waveform in ((self._reference, trimmed), (self._degraded, aligned)):
            if waveform is not None:
                # What an earlier run left that broke off between the two may be replaced; nothing else may.
                again = made_before(target, self._digest, self._overwrite) is not None
                write_audio(
                    target,
                    waveform,
                    added["sample_rate"],
                    subtype="FLOAT",
                    overwrite=again or self._overwrite,
                    provenance=provenance(self._digest, added),
                )
        return self._with_paths(added)

    def _with_paths(self, added: dict[str, Any]) -> dict[str, Any]:
        paths = {"degraded": str(self._degraded)} | ({"reference": str(self._reference)} if added["trimmed"] else {})
        return {key: value for key, value in added.items() if key != "trimmed"} | paths


@dataclass(frozen=True)
class _Plan:
    """What has to be done to a degraded recording: lags to undo, gains to divide by, the part that is kept."""

    lags: list[float]
    gains: list[float]
    start: int
    stop: int
    in_place: bool
    alignment: dict[str, Any]

    def carry_out(self, degraded: np.ndarray) -> np.ndarray:
        rows = zip(degraded, self.lags, self.gains, strict=True)
        frames = self.stop - self.start
        return np.stack([shift(row, lag + self.start, frames) / np.float32(gain) for row, lag, gain in rows])


def _plan(reference: np.ndarray, degraded: np.ndarray, config: PairConfig) -> _Plan:
    found = _measured(reference, degraded, config.allow)
    lags = [0.0 if abs(channel.lag) < LAG_TOLERANCE else channel.lag for channel in found]
    start = max(0, *(-math.floor(lag) for lag in lags))
    stop = min(reference.shape[-1], *(degraded.shape[-1] - math.ceil(lag) for lag in lags))
    alignment: dict[str, Any] = {
        "lag": _one_or_list([_rounded(lag) for lag in lags]),
        "gain_db": _one_or_list([_rounded(decibels(each.gain**2)) if each.gain > 0 else None for each in found]),
        **_residuals(found),
        "level": config.level,
    }
    let_through = [kind for kind in FINDINGS if any(kind in channel.found for channel in found)]
    if let_through:
        alignment["found"] = let_through
    # A gain that is 0.00 dB in the record is none, and so is one that could not be measured.
    matched = [config.level == "match" and channel.gain > 0 and abs(channel.gain - 1.0) > 5e-4 for channel in found]
    gains = [channel.gain if match else 1.0 for channel, match in zip(found, matched, strict=True)]
    if (start, stop) != (0, reference.shape[-1]):
        alignment["reference_start"] = start
    return _Plan(
        lags,
        gains=gains,
        start=start,
        stop=stop,
        in_place=not any(lags) and degraded.shape == reference.shape and all(gain == 1.0 for gain in gains),
        alignment=alignment,
    )


def _measured(reference: np.ndarray, degraded: np.ndarray, allow: Collection[str]) -> list[ChannelAlignment]:
    """Measure all channels; those where nothing can be measured lie as the first in which something can."""
    try:
        channels = measure(reference, degraded, allow)
    except AlignmentError as error:
        hint = f" (--allow {error.kind} takes the pair as it is)" if error.kind else ""
        raise AlignmentError(f"{error}{hint}", kind=error.kind) from None
    heard = [channel for channel in channels if channel is not None]
    if not heard:
        raise AlignmentError("the reference is silent, so no lag can be measured")
    known = next((channel for channel in heard if channel.gain > 0), heard[0])
    return [
        known if channel is None else channel if channel.gain > 0 else replace(channel, lag=known.lag)
        for channel in channels
    ]


def _residuals(found: list[ChannelAlignment]) -> dict[str, Any]:
    """Write down the lag that is left, over the whole and in windows; None where nothing could be measured."""
    return {
        "residual_lag": _one_or_list([_rounded(each.lag) if each.gain > 0 else None for each in found]),
        "windows": _one_or_list([[_rounded(window) for window in each.windows] for each in found]),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2) + 0.0


def _one_or_list(values: list[Any]) -> Any:
    return values[0] if all(value == values[0] for value in values) else values


def _proved(reference: np.ndarray, aligned: np.ndarray, allow: Collection[str]) -> dict[str, Any]:
    """Measure once more, on what was aligned: nothing may be left, but where drift or other content was allowed."""
    found = _measured(reference, aligned, allow)
    residuals = [channel.lag for channel in found if not {"drift", "content"} & set(channel.found)]
    if max(map(abs, residuals), default=0.0) >= LAG_TOLERANCE:
        raise AlignmentError(f"after aligning, a lag of {max(residuals, key=abs):.2f} samples is left")
    return _residuals(found)
