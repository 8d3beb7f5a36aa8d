"""One page that tells how well a restoration went, to read, to look at and to listen to: ``ar eval --report``.

The page is one file that asks nothing of any network: pictures, sounds, style and script are inside, and its
Content-Security-Policy forbids all else. The same records and sounds give the same bytes, with the same versions of
zlib and of libsndfile, which pack pictures and sounds.
"""

import base64
import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path

from ... import __version__
from ...data.atomic import atomic_path
from ...data.manifest import Record
from ...scores.columns import Key, is_measured, keyed
from ...scores.summary import Summary
from ...scores.verdict import Verdict
from .logs import training_section
from .numbers import columns, numbers_in, picked, ranked, summed
from .records import MEDIA_BYTES, record_section
from .tables import (
    details_section,
    failures_section,
    gates_section,
    meanings_section,
    summary_section,
    violins_section,
)
from .text import escaped

MOST_RECORDS = 12  # that can be heard and seen
_PLACEHOLDER = re.compile(r"\{\{(\w+)\}\}")


def write_page(
    path: Path,
    systems: Mapping[str, Sequence[Record]],
    logs: Sequence[Path] = (),
    summary: Summary | None = None,
    verdicts: Sequence[Verdict] = (),
) -> None:
    """Write the report of one or several restored systems as one HTML file; one that is there already is replaced.

    A record whose sound cannot be read has its numbers all the same, and the page says what is missing.

    Args:
        path: Where it goes; whole, or not at all.
        systems: Measured records by the name of what restored them.
        logs: Logs of trainings, as ``ar train`` writes them, to be drawn as curves.
        summary: The same records summed up; by default without groups.
        verdicts: What quality gates said.

    Raises:
        AudioFileError: The file cannot be written.
    """
    with atomic_path(path, overwrite=True) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(_page(systems, _sections(systems, summary or summed(systems), logs, verdicts)))


def _page(systems: Mapping[str, Sequence[Record]], sections: "list[Section]") -> Iterator[str]:
    """Fill the template, piece by piece: sounds are read as they are written."""
    style, script = _asset("page.css"), _asset("page.js")
    texts: dict[str, Callable[[], Iterable[str]]] = {
        "style": lambda: [style],
        "style_hash": lambda: [_hash(style)],
        "script": lambda: [script],
        "script_hash": lambda: [_hash(script)],
        "version": lambda: [escaped(__version__)],
        "title": lambda: [escaped(", ".join(systems) or "nothing measured", 120)],
        "tiles": lambda: _tiles(systems),
        "links": lambda: [f'<li><a href="#{name}">{title}</a></li>' for name, title, _ in sections],
        "sections": lambda: _filled(sections),
    }
    for place, piece in enumerate(_PLACEHOLDER.split(_asset("page.html"))):
        if place % 2:
            yield from texts[piece]()
        else:
            yield piece


Section = tuple[str, str, Iterable[str]]  # its name in links, its title, its content


def _sections(
    systems: Mapping[str, Sequence[Record]],
    summary: Summary,
    logs: Sequence[Path],
    verdicts: Sequence[Verdict],
) -> list[Section]:
    """List the parts of the page that there is something to say in."""
    found = columns(summary, list(systems))
    meant = numbers_in(summary)
    by_key = _by_key(systems)
    measured = [key for key, records in by_key.items() if any(is_measured(record) for record in records.values())]
    shown = picked(ranked(found, meant, measured), MOST_RECORDS)
    failed = sum(not is_measured(record) for records in systems.values() for record in records)
    parts: list[Section] = []
    if verdicts:
        missed = sum(bool(verdict.reason) for verdict in verdicts)
        parts.append(("gates", f"Quality gates ({missed} of {len(verdicts)} not met)", gates_section(verdicts)))
    parts.append(("summary", "Numbers", summary_section(found, meant)))
    if summary.records:
        title = f"By {', '.join(summary.by)}" if summary.by else "Intervals"
        parts.append(("details", title, details_section(summary)))
    parts.append(("failures", f"Failures and doubts ({failed} failed)", failures_section(systems)))
    if meant:
        parts.append(("spread", "Distributions", violins_section(found, meant)))
    if shown:
        rest = len(measured) - len(shown)
        parts.append(("records", "Listen and look", record_section(by_key, shown, list(systems), found, meant, rest)))
    if logs:
        parts.append(("training", "Training", training_section(list(logs))))
    if meant:
        parts.append(("meanings", "What the numbers mean", meanings_section(meant)))
    return parts


def _by_key(systems: Mapping[str, Sequence[Record]]) -> dict[Key, dict[int, Record]]:
    """Lay the same record of all systems side by side: by its key, then by the system's number from 1."""
    found: dict[Key, dict[int, Record]] = {}
    for index, records in enumerate(systems.values(), 1):
        for key, record in keyed(records):
            found.setdefault(key, {})[index] = record
    return found


def _filled(sections: Sequence[Section]) -> Iterator[str]:
    for name, title, content in sections:
        yield f'<section id="{name}" aria-labelledby="{name}-title"><h2 id="{name}-title">{title}</h2>'
        yield from content
        yield "</section>\n"


def _tiles(systems: Mapping[str, Sequence[Record]]) -> Iterator[str]:
    """Say what was run, in a few big figures."""
    records = [record for each in systems.values() for record in each]
    failed = sum(not is_measured(record) for record in records)
    yield _tile("systems", len(systems)) if len(systems) > 1 else ""
    yield _tile("records", len(_by_key(systems)))
    yield _tile("failed", f"{failed} of {len(records)}" if failed else 0, "bad" if failed else "")
    models = list(dict.fromkeys(str(record["model"]) for record in records if record.get("model")))
    if models:
        yield _tile("model" if len(models) == 1 else "models", ", ".join(models[:3]) + ", …" * (len(models) > 3))
    yield _tile("audiorestore", __version__)


def _tile(name: str, value: object, colour: str = "") -> str:
    return f'<div class="tile {colour}"><dt>{escaped(name)}</dt><dd>{escaped(value, 60)}</dd></div>'


def _asset(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text("utf-8")


def _hash(text: str) -> str:
    """Name a style or a script by its content, as a Content-Security-Policy does."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


__all__ = ["MEDIA_BYTES", "MOST_RECORDS", "write_page"]
