"""The steps of ``ar eval``: read records, check files, measure, and report what was found."""

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ExitStatus, UsageError
from ._inputs import read_inputs, read_sides
from ._speech import FILE_WIDTH, report_failure, report_no_picture, say, show_beside, stderr, write_line

if TYPE_CHECKING:
    from ..data.manifest import Record
    from ..scores.summary import Summary
    from ..scores.verdict import Verdict


def read_batch(
    inputs: list[str] | None, reference: Path | None, sides: dict[str, Path | None]
) -> "tuple[Iterable[Record], int | None, str, bool]":
    """Read the records that a command was given; manifests that contain the same restored items become systems.

    Returns:
        The records, how many there are (if that is known), the name of the system where they have none, and whether
        those of several systems start from the same audio.
    """
    if reference is not None or not inputs:
        return *read_sides(inputs, reference, sides, "eval"), "restored", False
    from ..scores.systems import FIELD, distinct_names, side_by_side

    if len(inputs) == 1:
        records, total = read_inputs(inputs, "degraded", "eval")
        held = list(records)
        name = distinct_names(inputs)[0]
    else:
        held = side_by_side([(path, list(read_inputs([path], "degraded", "eval")[0])) for path in inputs])
        total, name = len(held), "restored"
    return held, total, name, len({str(record.get(FIELD)) for record in held}) > 1


def check_metrics(names: Sequence[str] | None) -> None:
    """Refuse metrics that do not exist or are not installed, and report those that ``all`` leaves out."""
    from ..metrics import ALL, METRICS, chosen, missing

    for name in names or ():
        if name != ALL and (reason := missing(name)):
            raise UsageError(f"--metric {name}: {reason}")
    if ALL in (names or ()) and (absent := sorted(set(METRICS.names()) - set(chosen(names)))):
        say(f"not installed, and so not measured: {', '.join(absent)} ('ar metrics' says how)")


def check_outputs(junit: Path | None, report: Path | None, logs: Sequence[Path]) -> None:
    """Refuse output files that cannot be written or would replace something else, and logs that are not files."""
    if logs and report is None:
        raise UsageError("--log needs --report FILE: training curves are shown in the report")
    for log in logs:
        if not log.is_file():
            raise UsageError(f"--log {log} is not a file; give the log that 'ar train' wrote")
    _check_output(junit, "--junit", b"<?xml")
    _check_output(report, "--report", b"<!doctype html>")
    if junit and report and junit.resolve() == report.resolve():
        raise UsageError(f"--junit and --report are both {report}; give each its own file")


def _check_output(path: Path | None, option: str, start: bytes) -> None:
    """Refuse a file that cannot be written, or that begins with something else than this option writes."""
    if path is None:
        return
    if path.is_file():
        with path.open("rb") as file:
            begins = file.read(64).lstrip()[: len(start)].lower()
        if begins and begins != start:
            raise UsageError(f"{option} {path} exists and was not written by {option}; choose another name")
    if path.is_dir():
        raise UsageError(f"{option} {path} is a folder; give the name of a file")
    folder = next(each for each in path.absolute().parents if each.exists())
    if not folder.is_dir():
        raise UsageError(f"{option} {path}: {folder} is a file, not a folder; choose another folder")
    if not os.access(folder, os.W_OK):
        raise UsageError(f"{option} {path}: you are not allowed to write in {folder}; choose another folder")


def measure(
    records: "Iterable[Record]", metrics: Sequence[str] | None, align: bool, jobs: int, plot: Path | None, several: bool
) -> "Iterator[Record]":
    """Measure records and, if ``plot`` is given, draw a picture of each into its system's folder inside ``plot``."""
    from ..engine.batch import run_batch, with_plot
    from ..engine.evaluate import Known, evaluate_record

    known: Known | None = {} if several else None

    def measured(record: "Record") -> "Record":
        return evaluate_record(record, metrics, align, known)

    if plot is None:
        return run_batch(records, measured, "eval", jobs=jobs)
    from ..report._canvas import name_apart
    from ..report.spectrograms import plot_record
    from ..scores.systems import system_folder

    def folder_of(record: "Record") -> Path:
        return system_folder(record, plot)

    def drawn(record: "Record") -> "Record":
        return with_plot(measured(record), lambda done: plot_record(done, folder_of(done)))

    return run_batch(name_apart(records, folder_of), drawn, "eval", jobs=jobs)


def collect(
    records: "Iterable[Record]", summary: "Summary", kept: "list[Record] | None", write: bool, plot: bool
) -> tuple[int, int]:
    """Add measured records to a summary, write them to stdout, and report failures and doubts about single records.

    Where ``kept`` is given, the records are added to it.

    Returns:
        How many records have a lag, and how many could not be drawn.
    """
    lagging = without_picture = 0
    for record in records:
        summary.add(record)
        if "error" in record:
            report_failure(record, "eval")
        else:
            lagging += _report_doubts(record)
            without_picture += plot and report_no_picture(record, "eval")
        if kept is not None:
            kept.append(record)
        if write:
            write_line(record)
    return lagging, without_picture


def _report_doubts(record: "Record") -> bool:
    """Report why a record's numbers may be misleading; return whether it has a lag."""
    for role, check in record["check"].items():
        if "warning" in check:
            say(f"eval {record['id']}, {role}: {check['warning']}")
        if check.get("aligned"):
            side = "delayed" if check["lag"] > 0 else "advanced"
            say(f"eval {record['id']}, {role}: {side} by {abs(check['lag']):g} samples; removed before measuring")
    if "metrics_note" in record:
        say(f"eval {record['id']}: {record['metrics_note']}")
    return any(check.get("lag") for check in record["check"].values())


def show_summary(summary: "Summary", format: str) -> None:
    """Show the table and notes on it on stderr, and write the summary to stdout in the format that was asked for."""
    from ..report.tables import notes_on, summary_as, summary_table

    if summary.records and not (format == "markdown" and sys.stdout.isatty()):
        table = summary_table(summary)
        width = stderr.measure(table, options=stderr.options.update(width=1000)).maximum
        too_wide = stderr.is_terminal and width > stderr.width
        show_beside(summary_table(summary, intervals=False) if too_wide else table)
    if format != "records":
        sys.stdout.write(summary_as(summary, format))
    for note in notes_on(summary):
        say(note)


def show_verdicts(verdicts: "Sequence[Verdict]") -> ExitStatus:
    """Show on stderr which conditions are not met; return GATE_FAILED where there is one."""
    from ..report.tables import verdict_table

    failed = [verdict for verdict in verdicts if verdict.reason]
    if failed:
        table = verdict_table(failed, f"{len(failed)} of {len(verdicts)} conditions are not met")
        table.width = None if stderr.is_terminal else FILE_WIDTH
        stderr.print(table)
    elif verdicts:
        say(f"{len(verdicts)} of {len(verdicts)} conditions are met")
    return ExitStatus.GATE_FAILED if failed else ExitStatus.DONE
