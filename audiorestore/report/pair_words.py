"""How a pair was damaged and how it was aligned, in words and numbers for a picture or a page."""

import math
import textwrap
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.manifest import Record
from ._canvas import printable

_LINE_LENGTH = 112  # letters in a line above the panels
_MOST_LINES = 3  # for the damages, and for the alignment
_MOST_PARAMETERS = 6
_MOST_VALUES = 3  # of a list
_LONGEST_VALUE = 24


def pair_lines(record: Record) -> list[str]:
    """Describe in a few lines what was done to a pair: its damages and its alignment."""
    texts = []
    if record.get("damage"):
        texts.append("damage: " + " | ".join(damage_text(each) for each in record["damage"]))
    if isinstance(record.get("alignment"), dict):
        texts.append("alignment: " + _alignment(record["alignment"], record.get("sample_rate")))
    wrapper = textwrap.TextWrapper(_LINE_LENGTH, max_lines=_MOST_LINES, placeholder=" …", break_on_hyphens=False)
    return [line for text in texts for line in wrapper.wrap(printable(text))]


def damage_text(damage: Any) -> str:
    """Write a damage as its name and its first parameters.

    >>> damage_text({"name": "mp3", "kbps": 32, "joint": True, "gain": 0.123456})
    'mp3 kbps=32 joint=yes gain=0.1235'
    """
    if not isinstance(damage, dict):
        return _value(damage)
    parameters = [(key, value) for key, value in damage.items() if key != "name" and value is not None]
    shown = [f"{key}={_value(value)}" for key, value in parameters[:_MOST_PARAMETERS]]
    more = ["…"] if len(parameters) > _MOST_PARAMETERS else []
    return " ".join([str(damage.get("name", "?")), *shown, *more])


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        shown = [_value(each) for each in value[:_MOST_VALUES]] + (["…"] if len(value) > _MOST_VALUES else [])
        return f"[{','.join(shown)}]"
    if isinstance(value, dict):
        return "{…}"
    text = str(value)
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"


def _alignment(alignment: dict[str, Any], sample_rate: Any) -> str:
    """Describe how the degraded sound was shifted against the reference, and what is left of it.

    >>> _alignment({"lag": 441, "gain_db": -3.2, "residual_lag": 0.0, "level": "keep"}, 44100)
    'was delayed by 441 samples (10 ms), gain −3.2 dB (kept), residual lag 0 samples'
    """
    parts = []
    lags = _numbers(alignment.get("lag"))
    if any(lags):
        together = len({lag > 0 for lag in lags}) == 1  # else each needs its sign
        side = "shifted" if not together else "delayed" if lags[0] > 0 else "advanced"
        shown = [abs(lag) for lag in lags] if together else lags
        in_time = ""
        if isinstance(sample_rate, int) and sample_rate > 0:
            in_time = f" ({_joined([1000.0 * lag / sample_rate for lag in shown], 3)} ms)"
        parts.append(f"was {side} by {_joined(shown, 6)} samples{in_time}")
    elif lags:
        parts.append("had no lag")
    gains = _numbers(alignment.get("gain_db"))
    if gains:
        level = {"keep": " (kept)", "match": " (removed)"}.get(str(alignment.get("level")), "")
        parts.append(f"gain {_joined(gains, 4)} dB{level}")
    residuals = _numbers(alignment.get("residual_lag"))
    if residuals:
        parts.append(f"residual lag {_joined(residuals, 3)} samples")
    if alignment.get("warped"):
        parts.append("the reference warped in the same way")
    if isinstance(alignment.get("found"), list) and alignment["found"]:
        parts.append("accepted despite " + " and ".join(map(str, alignment["found"])))
    return ", ".join(parts) or "measured"


def _numbers(value: Any) -> list[float]:
    """Get a number, or a list with one for each channel, without what is not a number."""
    values = value if isinstance(value, list) else [value]
    return [float(each) + 0.0 for each in values if _is_number(each)]


def _joined(numbers: list[float], digits: int) -> str:
    return " / ".join(f"{number:.{digits}g}".replace("-", "−") for number in numbers)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def residual_lags(record: Record) -> list[NDArray[np.float64]]:
    """Get the lags that were measured in windows from the start to the end of a pair.

    Returns:
        An array for each channel, or one for all; in samples, NaN where a window has no lag. Empty where none was
        measured.

    >>> residual_lags({"alignment": {"windows": [0.5, None]}})
    [array([0.5, nan])]
    """
    alignment = record.get("alignment")
    windows = alignment.get("windows") if isinstance(alignment, dict) else None
    if not isinstance(windows, list):
        return []
    rows = windows if any(isinstance(each, list) for each in windows) else [windows]
    lags = [
        np.array([each if _is_number(each) else math.nan for each in row]) if isinstance(row, list) else np.empty(0)
        for row in rows
    ]
    return lags if any(np.isfinite(each).any() for each in lags) else []
