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
from ..tables import summary_cells, summary_title
from .logs import training
from .numbers import columns, numbers_in, picked, ranked, summed
from .records import MEDIA_BYTES, MOST_SYSTEMS, record_views
from .tables import css_of, distributions, failures_in, mean_lines, warnings_in
from .text import breakable, cleaned, cut

__all__ = ["MEDIA_BYTES", "MOST_RECORDS", "write_page"]

MOST_RECORDS = 12  # with sound and pictures


def write_page(
    path: Path,
    systems: Mapping[str, Sequence[Record]],
    logs: Sequence[Path] = (),
    summary: Summary | None = None,
    verdicts: Sequence[Verdict] = (),
) -> None:
    """Write the report of one or several restored systems as one HTML file; an existing file is replaced.

    A record whose sound cannot be read still has its numbers, and the page says what is missing.

    Args:
        path: The file to write; whole, or not at all.
        systems: Measured records by the name of what restored them.
        logs: Logs of trainings, as ``ar train`` writes them, to be drawn as curves.
        summary: Of the same records; by default without groups.
        verdicts: Results of quality gates.

    Raises:
        AudioFileError: The file cannot be written.
    """
    summary = summary or summed(systems)
    content = _content(systems, summary) | {
        "logs": [training(log, number) for number, log in enumerate(logs, 1)],
        "verdicts": [_verdict_row(verdict) for verdict in verdicts],
    }
    content["titles"] = _titles(content, summary.by, verdicts)
    pieces = _environment().get_template("page.html.j2").generate(content)  # sounds are read as they are written
    with atomic_path(path, overwrite=True) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(pieces)


def _environment() -> Environment:
    environment = Environment(
        loader=FunctionLoader(_asset),
        autoescape=True,
        finalize=cleaned,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters |= {"breakable": breakable, "cut": cut, "sha256": _sha256}
    environment.globals |= {"css_of": css_of, "version": __version__, "most_systems": MOST_SYSTEMS}
    environment.globals |= {"style": Markup(_asset("page.css")), "script": Markup(_asset("page.js"))}
    return environment


def _content(systems: Mapping[str, Sequence[Record]], summary: Summary) -> dict[str, Any]:
    """Gather what the template shows; sounds are read and pictures are drawn only when it gets there."""
    found = columns(summary, list(systems))
    meant = numbers_in(summary)
    by_key = _by_key(systems)
    measured = [key for key, records in by_key.items() if any(map(is_measured, records.values()))]
    shown = picked(ranked(found, meant, measured), MOST_RECORDS)
    headings, rows = summary_cells(summary)
    return {
        "systems": systems,
        "title": cut(", ".join(systems) or "nothing measured", 120),
        "tiles": _tiles(systems, len(by_key)),
        "total": sum(map(len, systems.values())),
        "columns": found,
        "numbers": meant,
        "means": mean_lines(found, meant),
        "details": {"title": summary_title(summary), "headings": headings, "rows": rows} if summary.records else None,
        "failures": failures_in(systems),
        "warnings": warnings_in(systems),
        "distributions": distributions(found, meant),
        "shown": len(shown),
        "left_out": len(measured) - len(shown),
        "records": record_views(by_key, shown, list(systems), found, meant),
    }


def _titles(content: Mapping[str, Any], by: Sequence[str], verdicts: Sequence[Verdict]) -> dict[str, str]:
    """Name the sections that have something to show, in order."""
    missed = sum(bool(verdict.reason) for verdict in verdicts)
    titles = {
        "gates": f"Quality gates ({missed} of {len(verdicts)} not met)" if verdicts else "",
        "summary": "Numbers",
        "details": (f"By {', '.join(by)}" if by else "Intervals") if content["details"] else "",
        "failures": f"Failures and warnings ({len(content['failures'])} failed)",
        "spread": "Distributions" if content["numbers"] else "",
        "records": "Listen and look" if content["shown"] else "",
        "training": "Training" if content["logs"] else "",
        "meanings": "What the numbers mean" if content["numbers"] else "",
    }
    return {name: title for name, title in titles.items() if title}


def _verdict_row(verdict: Verdict) -> list[str]:
    worst = [f"{name}: {words}" for name, words in verdict.worst]
    why = "; ".join([verdict.reason, *worst]) if verdict.reason else "met"
    return [verdict.name, verdict.found, verdict.wanted, why]


def _by_key(systems: Mapping[str, Sequence[Record]]) -> dict[Key, dict[int, Record]]:
    """Find the same record in all systems: by its key, then by the system's number from 1."""
    found: dict[Key, dict[int, Record]] = {}
    for index, records in enumerate(systems.values(), 1):
        for key, record in keyed(records):
            found.setdefault(key, {})[index] = record
    return found


def _tiles(systems: Mapping[str, Sequence[Record]], count: int) -> list[tuple[str, object, str]]:
    """Say what was run, in a few large figures: name, value, CSS class."""
    records = [record for each in systems.values() for record in each]
    failed = sum(not is_measured(record) for record in records)
    models = list(dict.fromkeys(str(record["model"]) for record in records if record.get("model")))
    tiles: list[tuple[str, object, str]] = [("systems", len(systems), "")] if len(systems) > 1 else []
    tiles += [
        ("records", count, ""),
        ("failed", f"{failed} of {len(records)}" if failed else 0, "bad" if failed else ""),
    ]
    if models:
        named = ", ".join(models[:3]) + (", …" if len(models) > 3 else "")
        tiles.append(("model" if len(models) == 1 else "models", named, ""))
    return [*tiles, ("audiorestore", __version__, "")]


def _asset(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text("utf-8")


def _sha256(text: str) -> str:
    """Name a style or a script by its content, as a Content-Security-Policy does."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
