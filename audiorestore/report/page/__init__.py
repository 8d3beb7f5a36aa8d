"""One page that shows how well a restoration worked, to read, to look at and to listen to: ``ar eval --report``.

The page is one file that needs no network: pictures, sounds, style and script are inside, and its
Content-Security-Policy forbids everything else. The same records and sounds give the same bytes, with the same versions
of matplotlib, Pillow and libsndfile, which draw and encode them. Importing this file imports matplotlib.
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from ... import __version__
from ...data.atomic import atomic_path
from ...data.manifest import Record
from ...scores.columns import Key, is_measured, keyed
from ...scores.summary import Summary
from ...scores.verdict import Verdict
from ..tables import format_number, summary_cells, summary_title
from .logs import training
from .numbers import best, columns, numbers_in, picked, ranked
from .records import MEDIA_BYTES, MOST_SYSTEMS, record_views
from .tables import css_of, distributions, failures_in, warnings_in
from .text import breakable, cleaned, cut

__all__ = ["MEDIA_BYTES", "MOST_RECORDS", "write_page"]

MOST_RECORDS = 12  # with sound and pictures


def write_page(
    path: Path,
    systems: Mapping[str, Sequence[Record]],
    summary: Summary,
    logs: Sequence[Path] = (),
    verdicts: Sequence[Verdict] = (),
) -> None:
    """Write the report of one or several restored systems as one HTML file; an existing file is replaced.

    A record whose sound cannot be read still has its numbers, and the page says what is missing.

    Args:
        path: The file to write; whole, or not at all.
        systems: Measured records by the name of what restored them.
        summary: Of the same records.
        logs: Logs of trainings, as ``ar train`` writes them, to be drawn as curves.
        verdicts: Results of quality gates.

    Raises:
        AudioFileError: The file cannot be written.
    """
    environment = Environment(
        loader=FunctionLoader(_asset),
        autoescape=True,
        finalize=cleaned,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters |= {"breakable": breakable, "cut": cut, "number": format_number, "sha256": _sha256}
    environment.globals |= {"css_of": css_of, "version": __version__, "most_systems": MOST_SYSTEMS}
    environment.globals |= {"style": Markup(_asset("page.css")), "script": Markup(_asset("page.js"))}
    content = _content(systems, summary) | {"verdicts": verdicts}
    content["logs"] = [training(log, number) for number, log in enumerate(logs, 1)]
    pieces = environment.get_template("page.html.j2").generate(content)  # sounds are read as they are written
    with atomic_path(path, overwrite=True) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(pieces)


def _content(systems: Mapping[str, Sequence[Record]], summary: Summary) -> dict[str, Any]:
    """Gather what the template shows; sounds are read and pictures are drawn only when it gets there."""
    found = columns(summary, list(systems))
    meant = numbers_in(summary)
    by_key: dict[Key, dict[int, Record]] = {}  # the same record in all systems, by the system's number from 1
    for index, records in enumerate(systems.values(), 1):
        for key, record in keyed(records):
            by_key.setdefault(key, {})[index] = record
    measured = [key for key, records in by_key.items() if any(map(is_measured, records.values()))]
    shown = picked(ranked(found, meant, measured), MOST_RECORDS)
    means = {name: [column.cells[name] for column in found] for name in meant}
    headings, rows = summary_cells(summary)
    everything = [record for records in systems.values() for record in records]
    return {
        "systems": systems,
        "title": cut(", ".join(systems) or "nothing measured", 120),
        "models": list(dict.fromkeys(str(record["model"]) for record in everything if record.get("model"))),
        "items": len(by_key),
        "total": len(everything),
        "columns": found,
        "numbers": meant,
        "means": [(name, number, means[name], best(means[name], number)) for name, number in meant.items()],
        "by": summary.by,
        "details": {"title": summary_title(summary), "headings": headings, "rows": rows} if summary.records else None,
        "failures": failures_in(systems),
        "warnings": warnings_in(systems),
        "distributions": distributions(found, meant),
        "shown": len(shown),
        "left_out": len(measured) - len(shown),
        "records": record_views(by_key, shown, list(systems)),
    }


def _asset(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text("utf-8")


def _sha256(text: str) -> str:
    """Name a style or a script by its content, as a Content-Security-Policy does."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
