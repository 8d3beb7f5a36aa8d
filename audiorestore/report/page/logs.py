"""How a model learned: what the log of a training says, as curves of loss and of sound over the steps.

A log is what training writes beside a checkpoint: JSON Lines, an ``event`` each, ``stepped`` or ``validated``.
"""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from .charts import Curve, curves
from .text import escaped

_POINTS = 600  # of a curve: about what a chart has pixels for
_PARTS = 6  # losses of one model that are drawn, at the most
# The same colours as everywhere on the page: grey for what is learned from, and the rows of a validation.
_HEARD = {"degraded": "c0", "level": "c3", "restored": "c1"}


@dataclass
class Log:
    """The points of a log's curves, by name: steps and values."""

    losses: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    snr_db: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    unread: int = 0


def read_log(path: Path) -> Log:
    """Read a log; lines that are no events are counted.

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
                _take(log, event["event"], float(event["step"]), event)
            except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
                log.unread += 1
    return log


def _take(log: Log, kind: str, step: float, event: dict[str, Any]) -> None:
    if kind == "stepped":
        parts = event.get("losses") or {}
        for name, value in (parts if len(parts) > 1 else {"training": event["loss"]}).items():
            _note(log.losses, str(name), step, value)
    elif kind == "validated":
        _note(log.losses, "validation", step, event["loss"])
        for name, value in (event.get("snr_db") or {}).items():
            _note(log.snr_db, str(name), step, value)


def _note(points: dict[str, list[tuple[float, float]]], name: str, step: float, value: Any) -> None:
    if isinstance(value, int | float) and math.isfinite(value) and math.isfinite(step):
        points.setdefault(name, []).append((step, float(value)))


def training_section(logs: list[Path]) -> Iterator[str]:
    """Write what each log says, with its charts; one that cannot be read is named."""
    for path in logs:
        yield f'<article class="log"><h3>{escaped(path.name)}</h3>'
        try:
            yield from _charts(read_log(path))
        except OSError as error:
            yield f'<p class="trouble">{escaped(path)} cannot be read ({escaped(error.strerror)}).</p>'
        yield "</article>"


def _charts(log: Log) -> Iterator[str]:
    if log.unread:
        yield f'<p class="trouble">{log.unread} line(s) of it are no events of a training.</p>'
    if not log.losses and not log.snr_db:
        yield '<p class="note">There is no step in it.</p>'
        return
    yield '<div class="charts">'
    if log.losses:
        names = sorted(log.losses, key=lambda name: name == "validation")
        shown = [*names[: _PARTS - 1], *names[_PARTS - 1 :][-1:]]
        lines = [_curve(name, _loss_colour(name, place), log.losses[name]) for place, name in enumerate(shown)]
        yield _figure("Loss, lower is better", lines)
    if log.snr_db:
        order = [name for name in ("degraded", "level", "restored") if name in log.snr_db]
        yield _figure(
            "SNR on the validation split, dB, higher is better",
            [_curve(name, _HEARD[name], log.snr_db[name]) for name in order],
        )
    yield "</div>"


def _loss_colour(name: str, place: int) -> str:
    return "c1" if name == "validation" else "c7" if place == 0 else f"c{1 + place % 6}"


def _curve(name: str, colour: str, points: list[tuple[float, float]]) -> Curve:
    """Thin a curve out to what a chart can show: means of neighbours."""
    steps, values = np.array(points, np.float64).T
    if len(points) > _POINTS:
        starts = np.linspace(0, len(points), _POINTS + 1).astype(int)[:-1]
        counts = np.diff([*starts, len(points)])
        steps, values = (np.add.reduceat(each, starts) / counts for each in (steps, values))
    return Curve(name, colour, steps, values)


def _figure(title: str, lines: list[Curve]) -> str:
    if not lines:
        return ""
    legend = "".join(f'<li class="{line.colour}">{escaped(line.label, 40)}</li>' for line in lines)
    return (
        f'<figure><figcaption>{escaped(title)}<ul class="legend">{legend}</ul></figcaption>'
        f"{curves(lines, title)}</figure>"
    )
