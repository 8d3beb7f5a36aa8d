"""The list of damages: what each does to the sound, its parameters, and its source."""

import dataclasses
import inspect
import re

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ..damage import DAMAGES
from ..damage._chain import missing
from ..damage._damage import REQUIRED


def damage_listing() -> Group:
    """List all damages for a terminal: what each does, a line for each parameter, and the source."""
    return Group(*(part for name in DAMAGES.names() for part in _entry(name)))


def _entry(name: str) -> list[RenderableType]:
    module = DAMAGES.load(name)
    what, source = explained(module.__doc__ or "")
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for heading, share in (("parameter", None), ("default", 3), ("possible", 4), ("what it is", 5)):
        table.add_column(heading, no_wrap=share is None, min_width=14, ratio=share, overflow="fold")
    defaults = {field.name: str(field.default) for field in dataclasses.fields(module.Config)}
    for key, domain in module.Config.domains().items():
        default = "required" if defaults[key] == REQUIRED else defaults[key]
        unit = f" ({domain.unit})" if domain.unit else ""
        table.add_row(Text(key), Text(default), Text(str(domain)), Text(domain.meaning + unit))
    reason = missing(name)
    return [
        Text.assemble((name, "bold"), f"  {what}"),
        *([Text(f"not available: {reason}", style="red")] if reason else []),
        Padding(table, (0, 0, 0, 2)),
        Padding(Text(f"Source: {source}", style="dim"), (0, 0, 1, 2)),
    ]


def explained(docstring: str) -> tuple[str, str]:
    """Get the first sentence and the source from the docstring of a damage.

    >>> explained("Steady ``noise``.\\n\\nMore of it.\\n\\nSource: Voss and Clarke, Nature, 1975.")
    ('Steady noise', 'Voss and Clarke, Nature, 1975')
    """
    paragraphs = [" ".join(each.replace("``", "").split()) for each in inspect.cleandoc(docstring).split("\n\n")]
    source = next((each.removeprefix("Source: ") for each in paragraphs if each.startswith("Source: ")), "")
    return re.sub(r"[.:]$", "", paragraphs[0]), source.removesuffix(".")
