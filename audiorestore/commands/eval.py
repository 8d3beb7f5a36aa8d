"""``ar eval``: numbers for what a restorer did, beside what doing nothing would have done."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ..errors import ExitStatus, UsageError
from ._shell import Inputs, Jobs, batch_status, read_sides, say, shell_command, stderr, tell_failure, with_bar

if TYPE_CHECKING:
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
    jobs: Jobs = 1,
) -> ExitStatus:
    """Measure restored and degraded audio against the reference, each also with the best single gain.

    Lag and gain are checked first and told. The table on stderr shows mean, median and the gain over doing nothing;
    stdout gets a record a file. Numbers that are undefined, as for silence, are named and not averaged.

    \b
    Examples:
      ar restore --model cnn.safetensors -o out/ pairs.jsonl | ar eval > scores.jsonl
      ar eval --reference clean/ --degraded mp3s/ --restored out/ --format markdown > table.md
    """
    from ..data.manifest import write_record
    from ..engine.batch import run_batch
    from ..engine.evaluate import evaluate_record
    from ..report.summary import Summary
    from ..report.tables import summary_as, summary_table

    if bool(reference) != bool(degraded or restored):
        raise UsageError("--reference goes together with --degraded, --restored or both")
    records, total = read_sides(inputs, reference, {"degraded": degraded, "restored": restored}, "eval")
    summary = Summary()
    for record in with_bar(run_batch(records, evaluate_record, "eval", jobs=jobs), "eval", total):
        summary.add(record)
        if "error" in record:
            tell_failure(record, "eval")
        else:
            _tell_doubts(record)
        if format == "records":
            write_record(sys.stdout, record)
    if summary.records and not (format == "markdown" and sys.stdout.isatty()):
        stderr.print(summary_table(summary))
    if format != "records":
        sys.stdout.write(summary_as(summary, format))
    return batch_status(summary.records, summary.failed)


def _tell_doubts(record: "Record") -> None:
    for role, check in record["check"].items():
        if "warning" in check:
            say(f"eval {record['id']}, {role}: {check['warning']}")
    if "metrics_note" in record:
        say(f"eval {record['id']}: {record['metrics_note']}")
