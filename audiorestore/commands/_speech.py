"""What commands write: records to stdout, messages for people to stderr, and progress bars on a terminal."""

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
FILE_WIDTH = 120  # columns, where no terminal says how many there are


def say(message: str) -> None:
    """Print a message for a person to stderr, above any progress bar."""
    with bars_hidden():
        stderr.print(f"ar: {message}", markup=False)


def show(what: RenderableType) -> None:
    """Print a list or a table to stdout, for commands whose output it is."""
    Console(file=sys.stdout, highlight=False, width=None if sys.stdout.isatty() else FILE_WIDTH).print(what)


def show_beside(table: "Table") -> None:
    """Print a table for a person to stderr; if that is a file, in its full width."""
    if not stderr.is_terminal:
        table.width = stderr.measure(table, options=stderr.options.update(width=1000)).maximum
    with bars_hidden():
        stderr.print(table)


def reflowed(text: str) -> str:
    """Join the lines of each paragraph, so that help fills the terminal's width; after ``\\b`` lines stay.

    >>> reflowed("one\\n    two\\n\\n    three")
    'one two\\n\\nthree'
    """
    paragraphs = inspect.cleandoc(text).split("\n\n")
    return "\n\n".join(each if each.startswith("\b") else " ".join(each.split("\n")) for each in paragraphs)


def report_no_picture(record: "Record", what: str) -> bool:
    """Report why a record has no picture; return whether that is so."""
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
    """Write records to stdout as they come, and report failures on stderr.

    Args:
        records: What a batch gives.
        what: The stage; failures of earlier stages were reported there.
        output: Replaces stdout.
        form: Turns a record into the line that is written; None if it has no place in that format.

    Returns:
        DONE; RECORDS_FAILED if some records failed; FAILED if all did.
    """
    from ..data.manifest import failed

    good = bad = 0
    for record in records:
        line: Record | None = record
        try:
            line = form(record) if form else record
        except RecordError as error:  # it cannot be written in that format
            record, line = failed(record, what, str(error)), None
        if "error" in record:
            bad += 1
            report_failure(record, what)
        else:
            good += 1
        if line is not None:
            write_line(line, output)
    return batch_status(good, bad)


def batch_status(good: int, bad: int) -> ExitStatus:
    """Report how many records of a batch failed; some and all have different statuses."""
    if bad and good + bad > 1:
        say(f"{bad} of {good + bad} records failed")
    return ExitStatus.DONE if not bad else ExitStatus.RECORDS_FAILED if good else ExitStatus.FAILED


def report_failure(record: "Record", what: str) -> None:
    """Report a record that failed in this stage; failures of earlier stages were reported there."""
    if record["error"].get("stage") == what:
        say(f"{what} {record['id']}: {record['error'].get('message')}")


def write_line(record: "Record", output: IO[str] | None = None) -> None:
    """Write one record to stdout (on a terminal, above any progress bar) or to a file."""
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
    """Make a bar on stderr that vanishes when closed, and never appears off a terminal; ``form`` is its bar_format."""
    return _tqdm()(desc=text, total=total, bar_format=form, leave=False, disable=None, dynamic_ncols=True, miniters=0)


@functools.cache
def _tqdm() -> "type[tqdm[Any]]":
    from tqdm.std import tqdm

    tqdm.monitor_interval = 0  # it needs no thread
    tqdm.set_lock(threading.RLock())  # nor a lock between processes
    return tqdm


def with_bar(items: Iterable[Any], what: str, total: int | None) -> Iterator[Any]:
    """Pass items through; on a terminal, a bar counts them."""
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
    """Show the progress of each file: the yielded function takes its name, samples done, and samples in total.

    It may be called from several threads; the bar shows the file of the latest call.
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
    """Show the progress of a long job: one function takes the share done and a line about it, one prints messages.

    Off a terminal only the messages are written.
    """
    if not sys.stderr.isatty():
        yield lambda share, line: None, say
        return
    with progress_bar("training", 1.0, _FORM) as bar:

        def advance(share: float, line: str) -> None:
            bar.set_description_str(line, refresh=False)
            bar.update(share - bar.n)

        yield advance, say
