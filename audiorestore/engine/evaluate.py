"""Measuring what a restorer did, always next to what doing nothing would have done."""

import math
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from ..data.manifest import Record, need
from ..data.spool import open_sound
from ..errors import RecordError
from ..metrics import METRICS, chosen
from ..metrics._comparison import Comparison, Measured, Signal, Undefined
from ..signal.sound import Sound
from .lag_check import align_for_measuring

_Done = tuple[dict[str, Measured], dict[str, Any]]  # the rows of one recording, and its ``check``
Known = dict[tuple[str, str], _Done]


def evaluate_record(
    record: Record, metrics: Sequence[str] | None = None, align: bool = False, known: Known | None = None
) -> Record:
    """Measure a record's degraded and restored audio against its reference, raw and with the best single gain.

    Lag and gain are measured first and reported in ``check``, since a few samples of lag make every other number
    meaningless.

    Args:
        record: With ``reference``, and ``degraded`` or ``restored`` or both.
        metrics: Names of the metrics to measure; by default all except those that are measured on request only.
        align: Whether to remove a lag before measuring, and to measure only where both recordings overlap.
        known: What was measured on degraded audio before, kept for other records with the same.

    Returns:
        The record with ``metrics``: a row each for ``degraded``, ``degraded_leveled``, ``restored`` and
        ``restored_leveled``, as far as there is audio; undefined numbers are None, named in ``metrics_note``.

    Raises:
        RecordError: Nothing to measure, or length, rate or channels differ.
    """
    (reference_path,) = need(record, "reference")
    roles = [role for role in ("degraded", "restored") if record.get(role)]
    if not roles:
        raise RecordError("the record has neither degraded nor restored audio to measure")
    modules = [METRICS.load(name) for name in chosen(metrics)]
    rows: dict[str, Measured] = {}
    checks: dict[str, Any] = {}
    with open_sound(reference_path, any_order=True) as sound:
        reference = Signal(sound)
        for role in roles:
            path = record[role]
            done = known.get((reference_path, path)) if known and role == "degraded" else None
            if done is None:
                done = _measure(role, path, reference, reference_path, align, modules)
            if known is not None and role == "degraded":
                known[reference_path, path] = done
            rows |= done[0]
            checks[role] = done[1]
    kept = {key: value for key, value in record.items() if key != "metrics_note"}  # from an earlier run
    numbers = {row: {key: _rounded(value) for key, value in measured.items()} for row, measured in rows.items()}
    updated = {**kept, "metrics": numbers, "check": checks}
    if note := _note(rows):
        updated["metrics_note"] = note
    return updated


def _measure(
    role: str, path: str, reference: Signal, reference_path: str, align: bool, modules: Sequence[ModuleType]
) -> _Done:
    """Measure as it is and with the best single gain; what does not depend on the gain is measured once."""
    with open_sound(path, any_order=True) as estimate:
        _refuse_unlike(path, estimate, reference_path, reference.sound, align)
        pair = align_for_measuring(reference.sound, estimate, align)
        clean = reference if pair.reference is reference.sound else Signal(pair.reference)
        comparison = Comparison(clean, Signal(pair.estimate))
        matched = comparison.leveled()
        raw: Measured = {}
        leveled: Measured = {}
        for module in modules:
            measured: Measured = module.measure(comparison)
            raw |= measured
            leveled |= measured if getattr(module, "ANY_LEVEL", False) else module.measure(matched)
    return {role: raw, f"{role}_leveled": leveled}, pair.report


def _note(rows: dict[str, Measured]) -> str:
    """Describe which numbers are undefined, and why."""
    reasons: dict[str, set[str]] = {}
    for measured in rows.values():
        for key, value in measured.items():
            if isinstance(value, Undefined):
                reasons.setdefault(value.reason, set()).add(key)
            elif not math.isfinite(value):
                reasons.setdefault("it is not finite", set()).add(key)
    return "; ".join(f"{', '.join(sorted(keys))} undefined: {reason}" for reason, keys in sorted(reasons.items()))


def _refuse_unlike(path: str, here: Sound, reference_path: str, there: Sound, any_length: bool) -> None:
    if here.sample_rate != there.sample_rate:
        raise RecordError(f"{path} is at {here.sample_rate} Hz and {reference_path} at {there.sample_rate} Hz")
    if here.channels != there.channels or (here.frames != there.frames and not any_length):
        hint = "'ar pair' aligns them, and --align measures where they overlap"
        if here.channels != there.channels:
            hint = "both need the same channels"
        raise RecordError(
            f"{path} has {here.channels} channel(s) of {here.frames} samples and {reference_path} has "
            f"{there.channels} of {there.frames}; {hint}"
        )


def _rounded(value: float | Undefined) -> float | None:
    return None if isinstance(value, Undefined) or not math.isfinite(value) else float(f"{value:.6g}")
