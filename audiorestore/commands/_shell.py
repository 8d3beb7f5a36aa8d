"""What all commands share towards the shell: records out, words on stderr, a bar on a terminal, one exit status."""

import functools
import inspect
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich.console import Console

from ..errors import AudioRestoreError, ExitStatus, RecordError, UsageError

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn

    from ..data.manifest import Record

Inputs = Annotated[
    list[str] | None,
    typer.Argument(help="Audio files, folders or manifests; without any, records are read from stdin."),
]
Force = Annotated[bool, typer.Option("--force", "-f", help="Replace files that exist already.")]
Seed = Annotated[int, typer.Option(help="What every random draw hangs on.")]
Jobs = Annotated[int, typer.Option("--jobs", "-j", min=1, help="Files worked on at the same time.")]

stderr = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)


class Terminated(BaseException):
    """The system asked the program to end (SIGTERM)."""


def say(message: str) -> None:
    """Speak to a person, on stderr."""
    stderr.print(f"ar: {message}", markup=False)


def shell_command(function: Callable[..., ExitStatus]) -> Callable[..., NoReturn]:
    """Wrap a command: every end it can come to becomes one sentence at most, and an exit status."""

    @functools.wraps(function)
    def wrapped(*arguments: Any, **options: Any) -> NoReturn:
        signal.signal(signal.SIGINT, _interrupt)
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, _terminate)
        try:
            status = function(*arguments, **options)
            sys.stdout.flush()
        except AudioRestoreError as error:
            say(str(error))
            status = error.status
        except BrokenPipeError:
            # The reader has seen enough, as in `| head`. Nothing failed; and nothing more may be written there.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            status = ExitStatus.DONE
        except OSError as error:
            say(f"{error.filename or 'a file'}: {error.strerror or error}")
            status = ExitStatus.FAILED
        except KeyboardInterrupt:
            say("interrupted")
            status = ExitStatus.INTERRUPTED
        except Terminated:
            say("terminated")
            status = ExitStatus.TERMINATED
        raise typer.Exit(int(status))

    wrapped.__doc__ = reflowed(function.__doc__ or "")
    return wrapped


def reflowed(text: str) -> str:
    """Join the lines of each paragraph, so that help fills the terminal's width; those behind a ``\\b`` stay.

    >>> reflowed("one\\n    two\\n\\n    three")
    'one two\\n\\nthree'
    """
    paragraphs = inspect.cleandoc(text).split("\n\n")
    return "\n\n".join(each if each.startswith("\b") else " ".join(each.split("\n")) for each in paragraphs)


def _interrupt(*_: object) -> NoReturn:
    """Stop; files that other threads work on are finished first, unless the user asks again."""
    signal.signal(signal.SIGINT, lambda *_: os._exit(int(ExitStatus.INTERRUPTED)))
    if any(thread.name.startswith("ThreadPoolExecutor") for thread in threading.enumerate()):
        say("finishing the files under way; again to stop at once")
    raise KeyboardInterrupt


def _terminate(*_: object) -> NoReturn:
    raise Terminated


@contextmanager
def stop_flag() -> Iterator[Callable[[], bool]]:
    """Turn Ctrl-C and SIGTERM into a question that a loop asks; a second Ctrl-C ends at once.

    After the block, the exception that was held back is raised.
    """
    received: list[int] = []

    def note(number: int, _: object) -> None:
        if received:
            raise KeyboardInterrupt if number == signal.SIGINT else Terminated
        received.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield lambda: bool(received)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if received:
        raise KeyboardInterrupt if received[0] == signal.SIGINT else Terminated


def read_inputs(arguments: list[str] | None, role: str, stage: str) -> "tuple[Iterable[Record], int | None]":
    """Read what a command was given: an iterator over records, and their number where it can be known beforehand."""
    from ..data.manifest import read_records

    records = read_records(arguments or [], role, stage, sys.stdin, unique=stage not in ("eval", "train", "quantize"))
    if not arguments:
        return records, None
    held = list(records)
    return held, len(held)


def read_sides(
    arguments: list[str] | None, reference: Path | None, others: dict[str, Path | None], stage: str
) -> "tuple[Iterable[Record], int | None]":
    """Read records as `read_inputs` does, or join folders by the names of their files where ``reference`` is given."""
    if reference is None:
        return read_inputs(arguments, "degraded", stage)
    from ..engine.pairing.pair import match_by_name

    if arguments:
        raise UsageError("give either records or --reference and what belongs to it, not both")
    held = list(match_by_name(reference, {role: path for role, path in others.items() if path}, stage))
    return held, len(held)


def refuse_nested(inputs: list[str] | None, output: str | Path) -> None:
    """Refuse an output folder inside an input folder, whose outputs would be inputs the next time."""
    place = Path(output).resolve()
    for name in inputs or []:
        if os.path.isdir(name) and place.is_relative_to(Path(name).resolve()):
            raise UsageError(f"the output {output} lies inside the input folder {name}; give a folder outside of it")


def check_plot(folder: Path | None) -> None:
    """Refuse a folder for pictures that is none, or pictures where matplotlib is missing, before any work."""
    if folder is None:
        return
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"--plot {folder} is a file; give a folder for the pictures")
    try:
        from ..report import spectrograms  # noqa: F401
    except ImportError as error:
        raise UsageError(f"--plot needs matplotlib ({error}): pip install 'audiorestore[plots]'") from error


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
    from ..data.manifest import failed, write_record

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
            write_record(output or sys.stdout, line)
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


def progress_bar(*columns: "ProgressColumn | str") -> "Progress":
    """Make a bar on stderr, which must never take hold of a stdout that goes to a file or a pipe."""
    from rich.progress import Progress

    return Progress(*columns, console=stderr, transient=True, redirect_stdout=sys.stdout.isatty())


def with_bar(items: Iterable[Any], what: str, total: int | None) -> Iterator[Any]:
    """Pass items through, with a bar that counts them on a terminal."""
    if not stderr.is_terminal:
        yield from items
        return
    with progress_bar() as progress:
        yield from progress.track(items, description=what, total=total)


@contextmanager
def restoring_bar() -> Iterator[Callable[[str, int, int], None]]:
    """Show how far the restoring of a file is: its name, samples done, samples in all."""
    if not stderr.is_terminal:
        yield lambda name, done, total: None
        return
    with progress_bar() as progress:
        task = progress.add_task("restoring")
        yield lambda name, done, total: progress.update(task, description=name, completed=done, total=total)


@contextmanager
def training_bar() -> Iterator[tuple[Callable[[float, str], None], Callable[[str], None]]]:
    """Show a long job: how far it is (a share and a line about it), and news that stay on the screen.

    Off a terminal only the news are written.
    """
    if not stderr.is_terminal:
        yield lambda share, line: None, say
        return
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with progress_bar(*columns) as progress:
        task = progress.add_task("training", total=1.0)
        yield lambda share, line: progress.update(task, completed=share, description=line), say
