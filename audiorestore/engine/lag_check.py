"""Measuring lag and gain between two recordings before anything else, and removing a lag where that is asked for."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import AlignmentError, RecordError
from ..signal.align import LAG_TOLERANCE, ChannelAlignment, measure
from ..signal.level import decibels
from ..signal.sound import Sound
from ..signal.undo_lag import without_lag

Channels = Sequence[ChannelAlignment | None]


@dataclass(frozen=True)
class AlignedPair:
    """Two recordings as they are to be compared, and what was found on the way.

    Attributes:
        reference: The clean one; cut, where only a part of it is left.
        estimate: The other one; of the same length.
        report: For the record's ``check``: ``lag`` and ``gain_db`` of the channel with the largest lag (the gain is
            None where nothing of the reference is found), ``warning``, and where a lag was removed ``aligned``,
            ``residual_lag`` and, if something was cut off, ``frames``.
    """

    reference: Sound
    estimate: Sound
    report: dict[str, Any]


def align_for_measuring(reference: Sound, estimate: Sound, align: bool = False) -> AlignedPair:
    """Measure lag and gain, and align the two recordings where that is asked for.

    Args:
        reference: The clean recording.
        estimate: The other, of the same rate and channels, and of the same length unless ``align``.
        align: Whether to remove a lag, and to cut both to where they overlap.

    Raises:
        RecordError: They are of different lengths, and do not look like the same recording at any lag.
    """
    channels, warning = _measured(reference, estimate)
    report = _report(channels, warning)
    if not align:
        return AlignedPair(reference, estimate, report)
    if warning and reference.frames != estimate.frames:
        raise RecordError(f"their lengths differ, and no lag was found that could be removed: {warning}")
    lags = _lags(channels)
    if warning or not any(lags):  # there is no lag to remove, but the longer one is cut
        if reference.frames != estimate.frames:
            report["frames"] = frames = min(reference.frames, estimate.frames)
            reference, estimate = (without_lag(each, [0] * each.channels, frames) for each in (reference, estimate))
        return AlignedPair(reference, estimate, report)
    start = max(0, *(-math.floor(lag) for lag in lags))
    stop = min(reference.frames, *(estimate.frames - math.ceil(lag) for lag in lags))
    report.pop("warning", None)
    estimate = without_lag(estimate, [lag + start for lag in lags], stop - start)
    if (start, stop) != (0, reference.frames):
        reference = without_lag(reference, [start] * reference.channels, stop - start)
        report["frames"] = stop - start
    left, problem = _measured(reference, estimate)
    report |= {"aligned": True, "residual_lag": _report(left, problem)["lag"]}
    if problem or max(map(abs, _lags(left)), default=0.0) >= LAG_TOLERANCE:
        report["warning"] = problem or (
            f"a lag of {report['residual_lag']:g} samples is left, so the numbers are not reliable"
        )
    return AlignedPair(reference, estimate, report)


def _lags(channels: Channels) -> list[float]:
    """List the lags to remove; where none can be measured, it is that of the first channel where it can."""
    known = next((channel for channel in channels if channel and channel.gain > 0), None)
    if known is None:
        return [0.0] * len(channels)
    found = (channel if channel and channel.gain > 0 else known for channel in channels)
    return [channel.lag if abs(channel.lag) >= LAG_TOLERANCE else 0.0 for channel in found]


def _measured(reference: Sound, estimate: Sound) -> tuple[Channels, str]:
    """Measure each channel, and describe what speaks against the pair."""
    try:
        return measure(reference, estimate), ""
    except AlignmentError as error:
        return [], str(error)


def _report(channels: Channels, warning: str) -> dict[str, Any]:
    found = [channel for channel in channels if channel is not None]
    if warning or not found:
        return {"lag": None, "gain_db": None} | ({"warning": warning} if warning else {})
    worst = max(found, key=lambda channel: abs(channel.lag))
    gain = round(decibels(worst.gain**2), 2) + 0.0 if worst.gain else None
    report: dict[str, Any] = {"lag": round(worst.lag, 2) + 0.0, "gain_db": gain}
    if gain is None:
        report["warning"] = "nothing of the reference is found in it"
    if worst.lag:
        side = "delayed" if worst.lag > 0 else "advanced"
        lag = round(abs(worst.lag), 2)
        report["warning"] = f"it is {side} by {lag:g} samples, so the numbers are not reliable"
    return report
