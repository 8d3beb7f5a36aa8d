"""The metrics in a list: what each number means, which way is better, where it is from, and where not to trust it."""

import inspect
from types import ModuleType

from rich.table import Table
from rich.text import Text

from ..metrics import METRICS
from ..metrics._comparison import Number


def metrics_table() -> Table:
    """Lay out all metrics for a terminal: a section for each, with an entry for each of its numbers.

    A section starts with the name that ``--metric`` takes, whether it has to be asked for, and what has to be installed
    first. Limits and sources that are those of the number before are not said again.
    """
    table = Table(title="↑ more is better, ↓ less is better", header_style="dim", expand=True)
    table.add_column("metric, its numbers, their units", no_wrap=True)
    table.add_column("what it says", overflow="fold", ratio=1)
    for name in METRICS.names():
        module = METRICS.load(name)
        table.add_row(Text(name, style="bold"), _heading(module))
        before: Number | None = None
        for key, number in module.NUMBERS.items():
            arrow = "↑" if number.higher_is_better else "↓"
            table.add_row(Text(f"  {key} {arrow} {number.unit}".rstrip()), _explained(number, before))
            before = number
        table.add_section()
    return table


def _heading(module: ModuleType) -> Text:
    """Say what the metric is about, and what has to be done before it is measured."""
    heading = Text(_first_sentence(inspect.getdoc(module) or ""), style="bold")
    if getattr(module, "ON_REQUEST", False):
        heading.append("\nonly where asked for by name", style="not bold yellow")
    reason = module.missing() if hasattr(module, "missing") else ""
    if reason:
        heading.append(f"\nnot here: {reason}", style="not bold red")
    return heading


def _first_sentence(docstring: str) -> str:
    return " ".join(docstring.split("\n\n")[0].split()).removesuffix(".")


def _explained(number: Number, before: Number | None) -> Text:
    """Write what a number means, and its limits and source where they are not those of the one before."""
    explained = Text(number.meaning)
    if number.limits and (before is None or number.limits != before.limits):
        explained.append("\nLimits: ", style="italic").append(number.limits)
    if before is None or number.source != before.source:
        explained.append("\nSource: ", style="italic").append(number.source, style="dim")
    return explained
