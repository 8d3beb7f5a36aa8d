"""The log of a training as curves: losses and signal-to-noise ratios over the steps.

Training writes a log next to each checkpoint: JSON Lines, each an ``event``, ``stepped`` or ``validated``.
"""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from markupsafe import Markup

from .charts import Curve, curves

_POINTS = 600  # of a curve, about as many as a chart has pixels
_MOST_LOSSES = 6  # of one model that are drawn
# Colours as everywhere on the page: grey for training, and those of the rows of a validation.
_ROWS = {"degraded": "c0", "level": "c3", "restored": "c1"}

Points = dict[str, list[tuple[float, float]]]  # name of a curve to its steps and values


class Chart(NamedTuple):
    """A chart with its title and legend."""

    title: str
    lines: list[Curve]
    svg: Markup


class Training(NamedTuple):
    """What the page shows of one log."""

    name: str
    trouble: str
    charts: list[Chart]


def training(path: Path, number: int) -> Training:
    """Draw the page's log of this number; one that cannot be read has its trouble in words."""
    charts: dict[str, Points] = {"loss": {}, "snr_db": {}}
    unread = 0
    try:
        with path.open(encoding="utf-8", errors="replace") as lines:
            for line in filter(str.strip, lines):
                try:
                    _add(charts, json.loads(line))
                except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
                    unread += 1
    except OSError as error:
        return Training(path.name, f"{path} cannot be read ({error.strerror}).", [])
    trouble = f"{unread} line(s) are not events of a training." if unread else ""
    return Training(path.name, trouble, list(_charts(charts["loss"], charts["snr_db"], number)))


def _add(charts: dict[str, Points], event: dict[str, Any]) -> None:
    """Add what an event measured to the curves of the charts ``loss`` and ``snr_db``."""
    kind, step, found = event["event"], float(event["step"]), {}
    if kind == "stepped":
        losses = event.get("losses") or {}
        found["loss"] = losses if len(losses) > 1 else {"training": event["loss"]}
    elif kind == "validated":
        found = {"loss": {"validation": event["loss"]}, "snr_db": event.get("snr_db") or {}}
    for chart, values in found.items():
        for name, value in values.items():
            if isinstance(value, int | float) and math.isfinite(value) and math.isfinite(step):
                charts[chart].setdefault(str(name), []).append((step, float(value)))


def _charts(losses: Points, snr_db: Points, number: int) -> Iterator[Chart]:
    names = sorted(losses, key=lambda name: name == "validation")
    shown = [*names[: _MOST_LOSSES - 1], *names[_MOST_LOSSES - 1 :][-1:]]
    css = ["c1" if name == "validation" else f"c{1 + place % 6}" if place else "c7" for place, name in enumerate(shown)]
    curves_of_losses = [_curve(name, colour, losses[name]) for name, colour in zip(shown, css, strict=True)]
    rows = [_curve(name, colour, snr_db[name]) for name, colour in _ROWS.items() if name in snr_db]
    for title, ylabel, lines in (
        ("Loss, lower is better", "loss", curves_of_losses),
        ("SNR on the validation split, dB, higher is better", "SNR (dB)", rows),
    ):
        if lines:
            yield Chart(title, lines, curves(lines, f"log {number} {ylabel}", ylabel, title))


def _curve(name: str, css: str, points: list[tuple[float, float]]) -> Curve:
    """Reduce a curve to what a chart can show: means of neighbours."""
    steps, values = np.array(points, np.float64).T
    if len(points) > _POINTS:
        starts = np.linspace(0, len(points), _POINTS + 1).astype(int)[:-1]
        counts = np.diff([*starts, len(points)])
        steps, values = (np.add.reduceat(each, starts) / counts for each in (steps, values))
    return Curve(name, css, steps, values)
