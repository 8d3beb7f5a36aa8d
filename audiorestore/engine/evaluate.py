"""Measuring what a restorer did, always beside what doing nothing would have done."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..data.audio_file import read_audio
from ..data.manifest import Record, need
from ..errors import AlignmentError, RecordError
from ..metrics import METRICS
from ..metrics._comparison import Comparison, Signal
from ..signal.align import measure as measure_alignment
from ..signal.level import decibels


def evaluate_record(record: Record, metrics: Sequence[str] | None = None) -> Record:
    """Measure a record's degraded and restored audio against its reference, raw and with the best single gain.

    Lag and gain are looked at first and told in ``check``, since a few samples of lag make every other number
    meaningless.

    Args:
        record: With ``reference``, and ``degraded`` or ``restored`` or both.
        metrics: Names of the metrics to measure; all, by default.

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
    waveform, sample_rate = read_audio(reference_path)
    reference = Signal(waveform, sample_rate)
    modules = [METRICS.load(name) for name in metrics or METRICS.names()]
    rows: dict[str, dict[str, float | None]] = {}
    checks: dict[str, Any] = {}
    for role in roles:
        estimate = _load(record[role], reference, reference_path)
        checks[role] = _check(reference.waveform, estimate.waveform)
        comparison = Comparison(reference, estimate)
        for name, compared in ((role, comparison), (f"{role}_leveled", comparison.leveled())):
            rows[name] = {key: _rounded(value) for module in modules for key, value in module.measure(compared).items()}
    kept = {key: value for key, value in record.items() if key != "metrics_note"}  # from an earlier run
    updated = {**kept, "metrics": rows, "check": checks}
    undefined = sorted({key for row in rows.values() for key, value in row.items() if value is None})
    if undefined:
        why = "the reference is silent" if not waveform.any() else "nothing of the reference is in the audio to measure"
        updated["metrics_note"] = f"{', '.join(undefined)} undefined: {why}"
    return updated


def _load(path: str, reference: Signal, reference_path: str) -> Signal:
    waveform, sample_rate = read_audio(path)
    if sample_rate != reference.sample_rate:
        raise RecordError(f"{path} is at {sample_rate} Hz and {reference_path} at {reference.sample_rate} Hz")
    if waveform.shape != reference.waveform.shape:
        raise RecordError(
            f"{path} has {waveform.shape[0]} channel(s) of {waveform.shape[1]} samples and {reference_path} has "
            f"{reference.waveform.shape[0]} of {reference.waveform.shape[1]}; 'ar pair' lays them over each other"
        )
    return Signal(waveform, sample_rate)


def _check(reference: np.ndarray, estimate: np.ndarray) -> dict[str, Any]:
    try:
        found = [channel for channel in measure_alignment(reference, estimate) if channel is not None]
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


def _rounded(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(f"{value:.6g}")
