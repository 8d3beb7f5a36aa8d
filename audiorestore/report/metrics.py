"""The list of metrics: what each number means, its better direction, its source and its limits."""

import inspect
from types import ModuleType

from rich.table import Table
from rich.text import Text

from ..metrics import METRICS
from ..metrics._comparison import Number


def metrics_table() -> Table:
    """Make a table of all metrics for a terminal: a section for each, with a row for each of its numbers.

    A section starts with the name that ``--metric`` takes, whether the metric is measured only on request, and what has
    to be installed first. Limits and sources are not repeated where they are those of the number before.
    """
    table = Table(title="↑ higher is better, ↓ lower is better", header_style="dim", expand=True)
    table.add_column("metric, its numbers, their units", no_wrap=True)
    table.add_column("meaning", overflow="fold", ratio=1)
    for name in METRICS.names():
        module = METRICS.load(name)
        table.add_row(Text(name, style="bold"), _heading(module))
        before: Number | None = None
        for key, number in module.NUMBERS.items():
            arrow = "↑" if number.higher_is_better else "↓"
            table.add_row(Text(f"  {key} {arrow} {number.unit}".rstrip()), _described(number, before))
            before = number
        table.add_section()
    return table


def _heading(module: ModuleType) -> Text:
    """Describe a metric, and what it takes to measure it."""
    sentence = " ".join((inspect.getdoc(module) or "").split("\n\n")[0].split()).removesuffix(".")
    heading = Text(sentence, style="bold")
    if getattr(module, "ON_REQUEST", False):
        heading.append("\nonly on request, with --metric", style="not bold yellow")
    reason = module.missing() if hasattr(module, "missing") else ""
    if reason:
        heading.append(f"\nnot installed: {reason}", style="not bold red")
    return heading


def _described(number: Number, before: Number | None) -> Text:
    """Describe a number, with its limits and source where they are not those of the one before."""
    described = Text(number.meaning)
    if number.limits and (before is None or number.limits != before.limits):
        described.append("\nLimits: ", style="italic").append(number.limits)
    if before is None or number.source != before.source:
        described.append("\nSource: ", style="italic").append(number.source, style="dim")
    return described
