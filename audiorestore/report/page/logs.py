"""The log of a training as curves: losses and signal-to-noise ratios over the steps.

A log is what training writes beside a checkpoint: JSON Lines, an ``event`` each, ``stepped`` or ``validated``.
"""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from .charts import Curve, curves

_POINTS = 600  # of a curve, about as many as a chart has pixels
_MOST_LOSSES = 6  # of one model that are drawn
# Colours as everywhere on the page: grey for training, and those of the rows of a validation.
_ROWS = {"degraded": "c0", "level": "c3", "restored": "c1"}

Points = dict[str, list[tuple[float, float]]]  # name of a curve to its steps and values


@dataclass
class Log:
    """The points of a log's curves, and how many of its lines are not events."""

    losses: Points = field(default_factory=dict)
    snr_db: Points = field(default_factory=dict)
    unread: int = 0


@dataclass(frozen=True)
class Chart:
    """A chart with its title and legend."""

    title: str
    lines: list[Curve]
    svg: Markup


@dataclass(frozen=True)
class Training:
    """What the page shows of one log."""

    name: str
    trouble: str
    charts: list[Chart]


def read_log(path: Path) -> Log:
    """Read a log; lines that are not events are counted.

    Raises:
        OSError: It cannot be read.
    """
    log = Log()
    with path.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if not line.strip():
                continue
            try:
                event = json.loads(line)
                _add(log, event["event"], float(event["step"]), event)
            except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
                log.unread += 1
    return log


def _add(log: Log, kind: str, step: float, event: dict[str, Any]) -> None:
    if kind == "stepped":
        losses = event.get("losses") or {}
        for name, value in (losses if len(losses) > 1 else {"training": event["loss"]}).items():
            _add_point(log.losses, str(name), step, value)
    elif kind == "validated":
        _add_point(log.losses, "validation", step, event["loss"])
        for name, value in (event.get("snr_db") or {}).items():
            _add_point(log.snr_db, str(name), step, value)


def _add_point(points: Points, name: str, step: float, value: Any) -> None:
    if isinstance(value, int | float) and math.isfinite(value) and math.isfinite(step):
        points.setdefault(name, []).append((step, float(value)))


def training(path: Path, number: int) -> Training:
    """Draw a log; one that cannot be read has its trouble in words.

    Args:
        path: The log.
        number: Which of the page's logs it is.
    """
    try:
        log = read_log(path)
    except OSError as error:
        return Training(path.name, f"{path} cannot be read ({error.strerror}).", [])
    trouble = f"{log.unread} line(s) are not events of a training." if log.unread else ""
    return Training(path.name, trouble, list(_charts(log, number)))


def _charts(log: Log, number: int) -> Iterator[Chart]:
    names = sorted(log.losses, key=lambda name: name == "validation")
    shown = [*names[: _MOST_LOSSES - 1], *names[_MOST_LOSSES - 1 :][-1:]]
    losses = [_curve(name, _loss_css(name, place), log.losses[name]) for place, name in enumerate(shown)]
    rows = [_curve(name, css, log.snr_db[name]) for name, css in _ROWS.items() if name in log.snr_db]
    for title, ylabel, lines in (
        ("Loss, lower is better", "loss", losses),
        ("SNR on the validation split, dB, higher is better", "SNR (dB)", rows),
    ):
        if lines:
            yield Chart(title, lines, curves(lines, f"log {number} {ylabel}", ylabel, title))


def _loss_css(name: str, place: int) -> str:
    return "c1" if name == "validation" else "c7" if place == 0 else f"c{1 + place % 6}"


def _curve(name: str, css: str, points: list[tuple[float, float]]) -> Curve:
    """Reduce a curve to what a chart can show: means of neighbours."""
    steps, values = np.array(points, np.float64).T
    if len(points) > _POINTS:
        starts = np.linspace(0, len(points), _POINTS + 1).astype(int)[:-1]
        counts = np.diff([*starts, len(points)])
        steps, values = (np.add.reduceat(each, starts) / counts for each in (steps, values))
    return Curve(name, css, steps, values)
