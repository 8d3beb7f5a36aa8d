"""What commands say: records on stdout, words for people on stderr, and bars on a terminal."""

import functools
import inspect
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

from rich.console import Console, RenderableType

from ..errors import ExitStatus, RecordError

if TYPE_CHECKING:
    from rich.table import Table
    from tqdm.std import tqdm

    from ..data.manifest import Record

stderr = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)
_FILE_WIDTH = 120  # columns, where no terminal says how many there are


def say(message: str) -> None:
    """Print a message for a person on stderr, above any progress bar."""
    with bars_hidden():
        stderr.print(f"ar: {message}", markup=False)


def show(what: RenderableType) -> None:
    """Print a list or a table on stdout, where it is what the command was asked for."""
    Console(file=sys.stdout, highlight=False, width=None if sys.stdout.isatty() else _FILE_WIDTH).print(what)


def show_beside(table: "Table") -> None:
    """Print a table on stderr, for a person; where it goes to a file, as wide as it is."""
    if not stderr.is_terminal:
        table.width = stderr.measure(table, options=stderr.options.update(width=1000)).maximum
    with bars_hidden():
        stderr.print(table)


def reflowed(text: str) -> str:
    """Join the lines of each paragraph, so that help fills the terminal's width; those behind a ``\\b`` stay.

    >>> reflowed("one\\n    two\\n\\n    three")
    'one two\\n\\nthree'
    """
    paragraphs = inspect.cleandoc(text).split("\n\n")
    return "\n\n".join(each if each.startswith("\b") else " ".join(each.split("\n")) for each in paragraphs)


def tell_undrawn(record: "Record", what: str) -> bool:
    """Tell why a record got no picture, and that it got none."""
    if "error" in record or "plot_note" not in record:
        return False
    say(f"{what} {record['id']}, no picture: {record['plot_note']}")
    return True


def emit(
    records: "Iterable[Record]",
    what: str,
    output: IO[str] | None = None,
    form: "Callable[[Record], Record | None] | None" = None,
) -> ExitStatus:
    """Write records to stdout as they come, and tell of failures on stderr.

    Args:
        records: What a batch gives.
        what: The stage, whose failures are told here.
        output: Where records go instead of stdout.
        form: Makes of a record the line that is written; None where it has no place there.

    Returns:
        DONE; RECORDS_FAILED where some records failed; FAILED where all did.
    """
    from ..data.manifest import failed

    good = bad = 0
    for record in records:
        line: Record | None = record
        try:
            line = form(record) if form else record
        except RecordError as error:  # it has no place in that form
            record, line = failed(record, what, str(error)), None
        if "error" in record:
            bad += 1
            tell_failure(record, what)
        else:
            good += 1
        if line is not None:
            write_line(line, output)
    return batch_status(good, bad)


def batch_status(good: int, bad: int) -> ExitStatus:
    """Sum up a batch: some failures are told apart from nothing but failures."""
    if bad and good + bad > 1:
        say(f"{bad} of {good + bad} records failed")
    return ExitStatus.DONE if not bad else ExitStatus.RECORDS_FAILED if good else ExitStatus.FAILED


def tell_failure(record: "Record", what: str) -> None:
    """Tell of a record that failed here; failures of earlier stages were told there."""
    if record["error"].get("stage") == what:
        say(f"{what} {record['id']}: {record['error'].get('message')}")


def write_line(record: "Record", output: IO[str] | None = None) -> None:
    """Write one record to stdout, or elsewhere; on a terminal, above any progress bar."""
    from ..data.manifest import write_record

    if output is None and sys.stdout.isatty():
        with bars_hidden():
            write_record(sys.stdout, record)
    else:
        write_record(output or sys.stdout, record)


@contextmanager
def bars_hidden() -> Iterator[None]:
    """Clear the progress bars while something else is written to the terminal, and draw them again below it."""
    loaded = sys.modules.get("tqdm.std")
    if loaded is None:  # no bar was ever made
        yield
        return
    with loaded.tqdm.external_write_mode(sys.stderr):
        yield


def progress_bar(text: str, total: float | None, form: str | None = None) -> "tqdm[Any]":
    """Make a bar on stderr that disappears when it is closed; off a terminal it never appears.

    Args:
        text: What stands in front of it.
        total: How far it goes; None where that is not known.
        form: Its layout, in tqdm's language, where that of tqdm does not fit.
    """
    return _tqdm()(desc=text, total=total, bar_format=form, leave=False, disable=None, dynamic_ncols=True, miniters=0)


@functools.cache
def _tqdm() -> "type[tqdm[Any]]":
    from tqdm.std import tqdm

    tqdm.monitor_interval = 0  # it needs no thread
    tqdm.set_lock(threading.RLock())  # nor a lock between processes
    return tqdm


def with_bar(items: Iterable[Any], what: str, total: int | None) -> Iterator[Any]:
    """Pass items through, with a bar that counts them on a terminal."""
    if not sys.stderr.isatty():
        yield from items
        return
    with progress_bar(what, total) as bar:
        for item in items:
            yield item
            bar.update()


_FORM = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining}"


@contextmanager
def restoring_bar() -> Iterator[Callable[[str, int, int], None]]:
    """Show how far the restoring of a file is: its name, samples done, samples in all.

    The function may be called from several threads; the bar shows the file that it was called for last.
    """
    if not sys.stderr.isatty():
        yield lambda name, done, total: None
        return
    lock = threading.Lock()
    with progress_bar("restoring", None, _FORM) as bar:

        def follow(name: str, done: int, total: int) -> None:
            with lock:
                if (name, total) != (bar.desc, bar.total):
                    bar.set_description_str(name, refresh=False)
                    bar.reset(total)
                bar.update(done - bar.n)

        yield follow


@contextmanager
def training_bar() -> Iterator[tuple[Callable[[float, str], None], Callable[[str], None]]]:
    """Show a long job: how far it is (a share and a line about it), and news that stay on the screen.

    Off a terminal only the news are written.
    """
    if not sys.stderr.isatty():
        yield lambda share, line: None, say
        return
    with progress_bar("training", 1.0, _FORM) as bar:

        def advance(share: float, line: str) -> None:
            bar.set_description_str(line, refresh=False)
            bar.update(share - bar.n)

        yield advance, say
