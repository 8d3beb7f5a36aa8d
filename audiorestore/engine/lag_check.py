"""Looking at how two recordings lie on each other before anything is measured on them, and undoing a lag if asked."""

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
class Laid:
    """Two recordings as they are to be compared, and what was found on the way.

    Attributes:
        reference: The clean one; cut, where only a part of it is left.
        estimate: The other one; of the same length.
        check: What is told in the record: ``lag`` and ``gain_db`` of the channel that lags most (the gain is None where
            nothing of the reference is found), ``warning``, and where a lag was undone ``aligned``, ``residual_lag``
            and, if something was cut off, ``frames``.
    """

    reference: Sound
    estimate: Sound
    check: dict[str, Any]


def lay(reference: Sound, estimate: Sound, align: bool = False) -> Laid:
    """Look at lag and gain, and where it is wanted lay one recording over the other.

    Args:
        reference: The clean recording.
        estimate: The other, of the same rate and channels, and of the same length unless ``align``.
        align: Whether to undo a lag, and to cut both to where they overlap.

    Raises:
        RecordError: They are of different lengths, and do not look like the same recording at any lag.
    """
    channels, warning = _look(reference, estimate)
    check = _told(channels, warning)
    if not align:
        return Laid(reference, estimate, check)
    if warning and reference.frames != estimate.frames:
        raise RecordError(f"their lengths differ, and no lag was found that could be undone: {warning}")
    if warning or not any(channels):
        return Laid(*_common_part(reference, estimate, check), check)
    lags = _lags(channels)
    start = max(0, *(-math.floor(lag) for lag in lags))
    stop = min(reference.frames, *(estimate.frames - math.ceil(lag) for lag in lags))
    if any(lags):
        check.pop("warning", None)
        estimate = without_lag(estimate, [lag + start for lag in lags], stop - start)
        if (start, stop) != (0, reference.frames):
            reference = without_lag(reference, [start] * reference.channels, stop - start)
            check["frames"] = stop - start
        left, trouble = _look(reference, estimate)
        check |= {"aligned": True, "residual_lag": _told(left, trouble)["lag"]}
        if trouble or max(map(abs, _lags(left)), default=0.0) >= LAG_TOLERANCE:
            check["warning"] = (
                trouble or f"{check['residual_lag']:g} samples of lag are left: no number is to be trusted"
            )
        return Laid(reference, estimate, check)
    return Laid(*_common_part(reference, estimate, check), check)


def _common_part(reference: Sound, estimate: Sound, check: dict[str, Any]) -> tuple[Sound, Sound]:
    """Cut the longer one to the length of the other, where no lag is to be undone."""
    frames = min(reference.frames, estimate.frames)
    if reference.frames == estimate.frames:
        return reference, estimate
    check["frames"] = frames
    cut = (without_lag(sound, [0] * sound.channels, frames) for sound in (reference, estimate))
    return next(cut), next(cut)


def _lags(channels: Channels) -> list[float]:
    """Say what to undo in each channel; one in which nothing can be seen lies as the first in which something can."""
    known = next((channel for channel in channels if channel and channel.gain > 0), None)
    if known is None:
        return [0.0] * len(channels)
    found = (channel if channel and channel.gain > 0 else known for channel in channels)
    return [channel.lag if abs(channel.lag) >= LAG_TOLERANCE else 0.0 for channel in found]


def _look(reference: Sound, estimate: Sound) -> tuple[Channels, str]:
    """Measure each channel, and describe what speaks against the pair."""
    try:
        return measure(reference, estimate), ""
    except AlignmentError as error:
        return [], str(error)


def _told(channels: Channels, warning: str) -> dict[str, Any]:
    found = [channel for channel in channels if channel is not None]
    if warning or not found:
        return {"lag": None, "gain_db": None} | ({"warning": warning} if warning else {})
    worst = max(found, key=lambda channel: abs(channel.lag))
    gain = round(decibels(worst.gain**2), 2) + 0.0 if worst.gain else None
    told: dict[str, Any] = {"lag": round(worst.lag, 2) + 0.0, "gain_db": gain}
    if gain is None:
        told["warning"] = "nothing of the reference is found in it"
    if worst.lag:
        side = "late" if worst.lag > 0 else "early"
        told["warning"] = f"{round(abs(worst.lag), 2):g} samples {side}: no number is to be trusted"
    return told
