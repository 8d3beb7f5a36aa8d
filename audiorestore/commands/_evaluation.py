"""What ``ar eval`` does once its options are read: check all wishes, measure, tell, and judge."""

import os
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import typer
from rich.console import Console

from ..errors import ExitStatus, UsageError, gravest
from ._inputs import check_plot, read_inputs, read_sides
from ._speech import batch_status, report_failure, report_no_picture, say, stderr, with_bar, write_line

if TYPE_CHECKING:
    from ..data.manifest import Record
    from ..scores.quality import Conditions, Judged
    from ..scores.summary import Summary

_FILE_WIDTH = 120  # columns, where nobody's terminal says how many there are
_MOST_NAMES = 20


class Batch(NamedTuple):
    """What is to be measured.

    Attributes:
        records: One for each file.
        total: How many there are, where that is known.
        name: Of the system that restored them, where the records do not say.
        several: Whether records of several systems start from the same audio.
    """

    records: "Iterable[Record]"
    total: int | None
    name: str
    several: bool


def read_batch(inputs: list[str] | None, reference: Path | None, sides: dict[str, Path | None]) -> Batch:
    """Read what a command was given; manifests that restored the same items become systems."""
    if reference is not None or not inputs:
        return Batch(*read_sides(inputs, reference, sides, "eval"), "restored", False)
    from ..scores.systems import FIELD, distinct_names, side_by_side

    parts = [(path, list(read_inputs([path], "degraded", "eval")[0])) for path in inputs]
    records = side_by_side(parts) if len(parts) > 1 else parts[0][1]
    name = distinct_names(inputs)[0] if len(inputs) == 1 else "restored"
    return Batch(records, len(records), name, len({str(record.get(FIELD)) for record in records}) > 1)


def only_with(context: typer.Context, option: str, *companions: str) -> None:
    """Refuse what the command was given besides an option that does something of its own.

    Args:
        context: Of the command.
        option: The option, as the user knows it.
        companions: The parameters that may be there.

    Raises:
        UsageError: There is another one.
    """
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        if parameter.name not in companions and source is not None and source.name == "COMMANDLINE":
            other = parameter.opts[0] if parameter.param_type_name == "option" else "arguments"
            raise UsageError(f"{option} measures nothing, so it does not go with {other}")


@dataclass(frozen=True)
class Wishes:
    """How to measure, and what to make of it; each as the option of that name says."""

    metrics: list[str] | None = None
    align: bool = False
    jobs: int = 1
    format: str = "records"
    by: tuple[str, ...] = ()
    junit: Path | None = None
    plot: Path | None = None
    report: Path | None = None
    logs: tuple[Path, ...] = ()

    def check(self, require: Sequence[str], baseline: Path | None, tolerance: Sequence[str]) -> "Conditions":
        """Refuse what could not be done, before anything is measured, and read the conditions.

        Raises:
            UsageError: Something is not there, cannot be read or written, or has nothing to go with.
        """
        from ..metrics import ALL, missing
        from ..scores.groups import check_field
        from ..scores.quality import Conditions
        from ..scores.summary import numbers

        for name in self.metrics or ():
            if name != ALL and (reason := missing(name)):
                raise UsageError(f"--metric {name}: {reason}")
        for field in self.by:
            check_field(field)
        if self.logs and self.report is None:
            raise UsageError("--log shows in the page that --report FILE writes; give that too")
        for log in self.logs:
            if not log.is_file():
                raise UsageError(f"--log {log} is no file; give the log that 'ar train' wrote")
        check_plot(self.plot)
        check_writable(self.junit, "--junit", b"<?xml")
        check_writable(self.report, "--report", b"<!doctype html>")
        if self.junit and self.report and self.junit.resolve() == self.report.resolve():
            raise UsageError(f"--junit and --report are both {self.report}; give each a file of its own")
        return Conditions.parse(require, baseline, tolerance, numbers(self.metrics))


def check_writable(path: Path | None, option: str, start: bytes) -> None:
    """Refuse a place where no file can be written, or where one is that was not written by this option.

    Args:
        path: The place.
        option: Its option, for the sentence.
        start: How a file of this kind begins: only such a one is replaced.

    Raises:
        UsageError: It is a folder, another file, or the folder that it would be in cannot be written.
    """
    if path is None:
        return
    if path.is_file():
        with path.open("rb") as file:
            begins = file.read(len(start)).lower()
        if begins and begins != start:
            raise UsageError(f"{option} {path} is there, and was not written by {option}; choose another name")
    if path.is_dir():
        raise UsageError(f"{option} {path} is a folder; give the name of a file")
    folder = next(each for each in path.absolute().parents if each.exists())
    if not folder.is_dir():
        raise UsageError(f"{option} {path}: {folder} is a file, not a folder; choose another place")
    if not os.access(folder, os.W_OK):
        raise UsageError(f"{option} {path}: you may not write in {folder}; choose another place")


def measure_all(batch: Batch, wishes: Wishes, conditions: "Conditions") -> ExitStatus:
    """Measure a batch; write records, tables and reports, and say how it went."""
    from ..metrics import ALL, METRICS, chosen
    from ..report.tables import summary_as
    from ..scores.summary import Summary

    metrics = chosen(wishes.metrics)
    if ALL in (wishes.metrics or ()) and (absent := sorted(set(METRICS.names()) - set(metrics))):
        say(f"not installed, and so not measured: {', '.join(absent)} ('ar eval --list' says how)")
    summary = Summary(metrics, wishes.by)
    kept: list[Record] = []
    undrawn = lagging = 0
    for record in with_bar(measured(batch, metrics, wishes), "eval", batch.total):
        summary.add(record)
        if "error" in record:
            report_failure(record, "eval")
        else:
            lagging += _tell_doubts(record)
            undrawn += bool(wishes.plot) and report_no_picture(record, "eval")
        if wishes.report:
            kept.append(record)
        if wishes.format == "records":
            write_line(record)
    if summary.records and not (wishes.format == "markdown" and sys.stdout.isatty()):
        _print_summary(summary)
    if wishes.format != "records":
        sys.stdout.write(summary_as(summary, wishes.format))
    _tell_all(summary, 0 if wishes.align else lagging)
    judged = conditions.judge(summary.scores)
    stopped = _tell_verdicts(judged)
    if wishes.junit:
        from ..report.junit import write_junit

        write_junit(wishes.junit, judged, summary.scores.failures)
    if wishes.report:
        _write_report(wishes, kept, batch.name, summary, judged)
    statuses = [batch_status(summary.records, summary.failed)]
    statuses += [ExitStatus.GATE_FAILED] if stopped else []
    return gravest([*statuses, ExitStatus.RECORDS_FAILED] if undrawn else statuses)


def measured(batch: Batch, metrics: list[str], wishes: Wishes) -> "Iterator[Record]":
    """Measure records, and draw them where there is a folder for it."""
    from ..engine.batch import run_batch, with_plot
    from ..engine.evaluate import Known, evaluate_record

    known: Known | None = {} if batch.several else None

    def measure(record: "Record") -> "Record":
        return evaluate_record(record, metrics, wishes.align, known)

    if wishes.plot is None:
        return run_batch(batch.records, measure, "eval", jobs=wishes.jobs)
    from ..report.spectrograms import name_apart, plot_record

    folder = wishes.plot

    def drawn(record: "Record") -> "Record":
        return with_plot(measure(record), lambda done: plot_record(done, _folder_of(done, folder)))

    def apart(records: "Iterable[Record]") -> "Iterator[Record]":
        """Tell records of one id apart in each system's folder by itself."""
        waiting: dict[Path, tuple[deque[Record], Iterator[Record]]] = {}
        for record in records:
            place = _folder_of(record, folder)
            if place not in waiting:
                queue: deque[Record] = deque()
                waiting[place] = queue, name_apart(iter(queue.popleft, None), place)
            queue, named = waiting[place]
            queue.append(record)
            yield next(named)

    return run_batch(apart(batch.records), drawn, "eval", jobs=wishes.jobs)


def _folder_of(record: "Record", folder: Path) -> Path:
    from ..data.manifest import is_clean_id

    system = record.get("system")
    return folder / system if isinstance(system, str) and is_clean_id(system) else folder


def _tell_doubts(record: "Record") -> bool:
    """Say what speaks against a record's numbers; tell whether a lag was left in it."""
    for role, check in record["check"].items():
        if "warning" in check:
            say(f"eval {record['id']}, {role}: {check['warning']}")
        if check.get("aligned"):
            side = "late" if check["lag"] > 0 else "early"
            say(f"eval {record['id']}, {role}: {abs(check['lag']):g} samples {side}, which was undone before measuring")
    if "metrics_note" in record:
        say(f"eval {record['id']}: {record['metrics_note']}")
    return any(check.get("lag") for check in record["check"].values())


def _tell_all(summary: "Summary", lagging: int) -> None:
    """Say what concerns the numbers as a whole."""
    before = [failure.name for failure in summary.scores.failures if failure.stage != "eval"]
    if before:
        more = f" and {len(before) - _MOST_NAMES} more" if len(before) > _MOST_NAMES else ""
        names = ", ".join(before[:_MOST_NAMES]) + more
        say(f"{len(before)} record(s) had failed before, and could not be measured: {names}")
    for field in summary.by:
        if summary.records and summary.lacks(field):
            say(f"no record has a field {field}, so --by {field} parts nothing; fields are such as damage.mp3.kbps")
    if lagging:
        say(f"{lagging} record(s) do not lie on their reference; --align undoes a lag before measuring")
    if unlike := summary.unlike():
        say(
            f"{unlike} record(s) were restored from other degraded audio by one system than by another: the rows of "
            f"degraded are those of {summary.systems[0]}"
        )


def _print_summary(summary: "Summary") -> None:
    """Show the table; on a terminal that is too narrow, without the intervals."""
    from ..report.tables import summary_table

    table = summary_table(summary)
    width = stderr.measure(table, options=stderr.options.update(width=1000)).maximum
    if not stderr.is_terminal:
        table.width = width
    elif width > stderr.width:
        table = summary_table(summary, intervals=False)
    stderr.print(table)


def _tell_verdicts(judged: "Sequence[Judged]") -> bool:
    """Show which conditions were not met; tell whether there is one."""
    from ..scores.verdict import verdict_table

    failed = [verdict for _, verdict in judged if verdict.reason]
    if failed:
        table = verdict_table(failed, f"{len(failed)} of {len(judged)} conditions are not met")
        table.width = None if stderr.is_terminal else _FILE_WIDTH
        stderr.print(table)
    elif judged:
        say(f"{len(judged)} of {len(judged)} conditions are met")
    return bool(failed)


def _write_report(
    wishes: Wishes, records: "list[Record]", name: str, summary: "Summary", judged: "Sequence[Judged]"
) -> None:
    from ..report.page import write_page
    from ..scores.systems import by_system

    assert wishes.report is not None
    verdicts = [verdict for _, verdict in judged]
    write_page(wishes.report, by_system(records, name), summary.metrics, wishes.logs, summary, verdicts)
    say(f"{wishes.report}: open it in a browser")


def make_listening_test(folder: Path, kind: str, batch: Batch) -> ExitStatus:
    """Make a page for listeners; nothing is measured, and stdout stays empty."""
    from ..listening import key_path, write_listening_test
    from ..scores.systems import by_system

    trials = write_listening_test(folder, by_system(list(batch.records), batch.name), kind)
    say(f"{trials} trial(s) in {folder}; keep {key_path(folder)} from the listeners")
    return ExitStatus.DONE


def sum_up_ratings(paths: Sequence[Path], format: str) -> ExitStatus:
    """Sum up what listeners rated: a table for people on stderr, and what was asked for on stdout."""
    from ..listening.ratings import ratings_as, ratings_table, read_ratings

    ratings = read_ratings(paths)
    _print(ratings_table(ratings))
    sys.stdout.write(ratings_as(ratings, format))
    return ExitStatus.DONE


def show_metrics() -> ExitStatus:
    """Show what can be measured."""
    from ..report.metrics import metrics_table

    Console(file=sys.stdout, highlight=False, width=None if sys.stdout.isatty() else _FILE_WIDTH).print(metrics_table())
    return ExitStatus.DONE


def _print(table: Any) -> None:
    if not stderr.is_terminal:
        table.width = stderr.measure(table, options=stderr.options.update(width=1000)).maximum
    stderr.print(table)
