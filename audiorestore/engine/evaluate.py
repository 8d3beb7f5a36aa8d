"""Measuring what a restorer did, always beside what doing nothing would have done."""

import contextlib
import math
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from ..data.manifest import Record, need
from ..data.spool import open_sound
from ..errors import AlignmentError, RecordError
from ..metrics import METRICS, chosen
from ..metrics._comparison import Comparison, Measured, Signal, Undefined
from ..signal.align import measure as measure_alignment
from ..signal.level import decibels


def evaluate_record(record: Record, metrics: Sequence[str] | None = None) -> Record:
    """Measure a record's degraded and restored audio against its reference, raw and with the best single gain.

    Lag and gain are looked at first and told in ``check``, since a few samples of lag make every other number
    meaningless.

    Args:
        record: With ``reference``, and ``degraded`` or ``restored`` or both.
        metrics: Names of the metrics to measure; by default all that are not measured on request only.

    Returns:
        The record with ``metrics``: a row each for ``degraded``, ``degraded_leveled``, ``restored`` and
        ``restored_leveled``, as far as the audio is there; undefined numbers are None, named in ``metrics_note``.

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
    with contextlib.ExitStack() as stack:
        reference = Signal(stack.enter_context(open_sound(reference_path)))
        for role in roles:
            estimate = Signal(stack.enter_context(open_sound(record[role])))
            _refuse_unlike(record[role], estimate, reference_path, reference)
            checks[role] = _check(reference, estimate)
            rows[role], rows[f"{role}_leveled"] = _measure_both(Comparison(reference, estimate), modules)
    kept = {key: value for key, value in record.items() if key != "metrics_note"}  # from an earlier run
    told = {row: {key: _rounded(value) for key, value in measured.items()} for row, measured in rows.items()}
    updated = {**kept, "metrics": told, "check": checks}
    if note := _note(rows):
        updated["metrics_note"] = note
    return updated


def _measure_both(comparison: Comparison, modules: Sequence[ModuleType]) -> tuple[Measured, Measured]:
    """Measure as it is and with the best single gain; what no gain changes is measured once."""
    raw: Measured = {}
    leveled: Measured = {}
    matched = comparison.leveled()
    for module in modules:
        numbers: Measured = module.measure(comparison)
        raw |= numbers
        leveled |= numbers if getattr(module, "ANY_LEVEL", False) else module.measure(matched)
    return raw, leveled


def _note(rows: dict[str, Measured]) -> str:
    """Say which numbers are undefined, and why."""
    reasons: dict[str, set[str]] = {}
    for measured in rows.values():
        for key, value in measured.items():
            if isinstance(value, Undefined):
                reasons.setdefault(value.reason, set()).add(key)
            elif not math.isfinite(value):
                reasons.setdefault("it is not finite", set()).add(key)
    return "; ".join(f"{', '.join(sorted(keys))} undefined: {reason}" for reason, keys in sorted(reasons.items()))


def _refuse_unlike(path: str, estimate: Signal, reference_path: str, reference: Signal) -> None:
    here, there = estimate.sound, reference.sound
    if here.sample_rate != there.sample_rate:
        raise RecordError(f"{path} is at {here.sample_rate} Hz and {reference_path} at {there.sample_rate} Hz")
    if (here.channels, here.frames) != (there.channels, there.frames):
        raise RecordError(
            f"{path} has {here.channels} channel(s) of {here.frames} samples and {reference_path} has "
            f"{there.channels} of {there.frames}; 'ar pair' lays them over each other"
        )


def _check(reference: Signal, estimate: Signal) -> dict[str, Any]:
    try:
        aligned = measure_alignment(reference.sound.whole(), estimate.sound.whole())
        found = [channel for channel in aligned if channel is not None]
    except AlignmentError as error:
        return {"lag": None, "gain_db": None, "warning": str(error)}
    if not found:
        return {"lag": None, "gain_db": None}
    worst = max(found, key=lambda channel: abs(channel.lag))
    gain = decibels(worst.gain**2) if worst.gain else -math.inf
    told: dict[str, Any] = {"lag": round(worst.lag, 2) + 0.0, "gain_db": round(gain, 2) + 0.0}
    if worst.lag:
        side = "late" if worst.lag > 0 else "early"
        told["warning"] = f"{round(abs(worst.lag), 2):g} samples {side}: no number is to be trusted"
    return told


def _rounded(value: float | Undefined) -> float | None:
    return None if isinstance(value, Undefined) or not math.isfinite(value) else float(f"{value:.6g}")
