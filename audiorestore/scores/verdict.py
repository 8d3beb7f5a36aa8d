"""What a quality gate stopped, in a table for people."""

from collections.abc import Iterable
from typing import Protocol

from rich import box
from rich.table import Table
from rich.text import Text


class Verdict(Protocol):
    """Whether one condition was met, see `engine.gates`."""

    @property
    def name(self) -> str:
        """What was asked for."""
        ...

    @property
    def reason(self) -> str:
        """Why it fails; empty where it holds."""
        ...

    @property
    def found(self) -> str:
        """What was measured."""
        ...

    @property
    def wanted(self) -> str:
        """What that had to reach."""
        ...

    @property
    def worst(self) -> tuple[tuple[str, str], ...]:
        """Files that are to blame, each with its numbers."""
        ...


def verdict_table(verdicts: Iterable[Verdict], title: str) -> Table:
    """Lay out the conditions that were not met for a terminal, each with its reason and the worst files."""
    table = Table(title=Text(title), box=box.SIMPLE_HEAD, pad_edge=False, show_lines=False)
    table.add_column("failed", overflow="fold")
    table.add_column("found", justify="right", no_wrap=True)
    table.add_column("wanted", no_wrap=True)
    table.add_column("why, and the worst files", overflow="fold", ratio=1)
    for verdict in verdicts:
        if verdict.reason:
            lines = [verdict.reason, *(f"{name}: {words}" for name, words in verdict.worst)]
            table.add_row(*map(Text, (verdict.name, verdict.found, verdict.wanted, "\n".join(lines))))
    return table
