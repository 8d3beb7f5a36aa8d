"""``ar eval``: numbers for what a restorer did, beside what doing nothing would have done."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ..errors import ExitStatus, UsageError, gravest
from ._shell import (
    Inputs,
    Jobs,
    batch_status,
    check_plot,
    read_sides,
    say,
    shell_command,
    stderr,
    tell_failure,
    tell_undrawn,
    with_bar,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ..data.manifest import Record


@shell_command
def evaluate(
    inputs: Inputs = None,
    reference: Annotated[Path | None, typer.Option(help="Folder (or file) of clean audio, instead of records.")] = None,
    degraded: Annotated[Path | None, typer.Option(help="Folder (or file) of the same names, as it was.")] = None,
    restored: Annotated[Path | None, typer.Option(help="Folder (or file) of the same names, restored.")] = None,
    format: Annotated[
        Literal["records", "json", "csv", "markdown"],
        typer.Option(help="What stdout gets: a record a file, or the summary."),
    ] = "records",
    metric: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Measure only this, such as snr; may be given several times."),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder for a PNG of each record: spectrograms, and those of what differs from the reference. "
            "Pictures that are there already are replaced. Needs matplotlib.",
        ),
    ] = None,
    jobs: Jobs = 1,
) -> ExitStatus:
    """Measure restored and degraded audio against the reference, each also with the best single gain.

    Lag and gain are checked first and told. The table on stderr shows mean, median and the gain over doing nothing;
    stdout gets a record a file. Numbers that are undefined, as for silence, are named and not averaged.

    \b
    Examples:
      ar restore --model cnn.safetensors -o out/ pairs.jsonl | ar eval > scores.jsonl
      ar eval --reference clean/ --degraded mp3s/ --restored out/ --format markdown > table.md
      ar eval --metric si_sdr --metric lsd --plot pictures/ scores.jsonl > fewer.jsonl
    """
    from ..data.manifest import write_record
    from ..report.summary import Summary
    from ..report.tables import summary_as, summary_table

    if bool(reference) != bool(degraded or restored):
        raise UsageError("--reference goes together with --degraded, --restored or both")
    _check_wishes(metric or [], plot)
    records, total = read_sides(inputs, reference, {"degraded": degraded, "restored": restored}, "eval")
    summary = Summary(metrics=metric or None)
    undrawn = failed_before = 0
    for record in with_bar(_measured(records, metric or None, plot, jobs), "eval", total):
        summary.add(record)
        if "error" in record:
            tell_failure(record, "eval")
            failed_before += record["error"].get("stage") != "eval"
        else:
            _tell_doubts(record)
            undrawn += bool(plot) and tell_undrawn(record, "eval")
        if format == "records":
            write_record(sys.stdout, record)
    if summary.records and not (format == "markdown" and sys.stdout.isatty()):
        stderr.print(summary_table(summary))
    if format != "records":
        sys.stdout.write(summary_as(summary, format))
    if failed_before:
        say(f"{failed_before} record(s) had failed before, and could not be measured")
    status = batch_status(summary.records, summary.failed)
    return gravest([status, ExitStatus.RECORDS_FAILED]) if undrawn else status


def _check_wishes(metrics: list[str], plot: Path | None) -> None:
    """Refuse what could not be done, before anything is measured."""
    from ..metrics import METRICS

    for name in metrics:
        METRICS.load(name)
    check_plot(plot)


def _measured(
    records: "Iterable[Record]", metrics: list[str] | None, plot: Path | None, jobs: int
) -> "Iterator[Record]":
    """Measure records, and draw them where there is a folder for it."""
    from ..engine.batch import run_batch, with_plot
    from ..engine.evaluate import evaluate_record

    if plot is None:
        return run_batch(records, lambda record: evaluate_record(record, metrics), "eval", jobs=jobs)
    from ..report.spectrograms import name_apart, plot_record

    def work(record: "Record") -> "Record":
        return with_plot(evaluate_record(record, metrics), lambda measured: plot_record(measured, plot))

    return run_batch(name_apart(records, plot), work, "eval", jobs=jobs)


def _tell_doubts(record: "Record") -> None:
    for role, check in record["check"].items():
        if "warning" in check:
            say(f"eval {record['id']}, {role}: {check['warning']}")
    if "metrics_note" in record:
        say(f"eval {record['id']}: {record['metrics_note']}")
