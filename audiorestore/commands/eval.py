"""``ar eval``: measure restored audio, next to the degraded audio that it was made from."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ..errors import ExitStatus, UsageError, most_severe
from . import _complete
from ._inputs import Inputs, Jobs, check_plot
from ._signals import shell_command
from ._speech import batch_status, say, with_bar

if TYPE_CHECKING:
    from ..data.manifest import Record

_INPUT, _TABLE, _GATES, _REPORTS = "Input", "Table", "Quality gates", "Reports"


@shell_command
def evaluate(
    inputs: Inputs = None,
    reference: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH", help="Folder (or file) of clean audio, instead of records.", rich_help_panel=_INPUT
        ),
    ] = None,
    degraded: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="Folder (or file) with the degraded audio, under the same names.",
            rich_help_panel=_INPUT,
        ),
    ] = None,
    restored: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="Folder (or file) with the restored audio, under the same names.",
            rich_help_panel=_INPUT,
        ),
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Measure only this metric, such as snr; repeatable. all is every metric that is installed.",
            autocompletion=_complete.metrics,
        ),
    ] = None,
    align: Annotated[
        bool,
        typer.Option("--align", help="Remove a lag before measuring, and measure only where both recordings overlap."),
    ] = False,
    jobs: Jobs = 1,
    by: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FIELD",
            help="Group the table by this field, such as damage.mp3.kbps or group; repeatable, for each combination.",
            rich_help_panel=_TABLE,
        ),
    ] = None,
    format: Annotated[
        Literal["records", "json", "csv", "markdown"],
        typer.Option(help="Write this to stdout: one record per file, or the summary.", rich_help_panel=_TABLE),
    ] = "records",
    require: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CONDITION",
            help="Exit with status 4 unless this holds for the mean, such as 'restored.snr_db>=degraded.snr_db+1.0'. "
            "Prefix with median: for the median or all: for every record. An undefined number fails it. Repeatable.",
            rich_help_panel=_GATES,
        ),
    ] = None,
    baseline: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Records of an earlier eval: exit with status 4 if the mean of a number is worse now, or a record is "
            "missing.",
            rich_help_panel=_GATES,
        ),
    ] = None,
    tolerance: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NUMBER=AMOUNT",
            help="How much worse than the baseline a number may be, for example lsd_db=0.05. Prefix with all: to check "
            "each file. Repeatable.",
            rich_help_panel=_GATES,
        ),
    ] = None,
    junit: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write conditions and failed records as JUnit XML, for build servers; an older file is replaced.",
            rich_help_panel=_GATES,
        ),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Draw a PNG of each record into this folder: spectrograms of each version and of its difference from "
            "the reference. Existing pictures are replaced.",
            rich_help_panel=_REPORTS,
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write one self-contained HTML page with tables, pictures and sound; an older one is replaced.",
            rich_help_panel=_REPORTS,
        ),
    ] = None,
    log: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Show the training curves of this log of ar train in the report; repeatable.",
            rich_help_panel=_REPORTS,
        ),
    ] = None,
) -> ExitStatus:
    """Measure restored and degraded audio against the reference, each also with the best single gain.

    Lag and gain are checked and reported first. The table on stderr shows the mean with its 95 % interval, the median
    and the gain over doing nothing; one record per file is written to stdout. Undefined numbers, such as those of
    silence, are named and not averaged. If several manifests contain the same items, the systems are compared side by
    side; the first is the baseline.

    \b
    Examples:
      ar restore --model cnn.safetensors -o out/ pairs.jsonl | ar eval > scores.jsonl
      ar eval --reference clean/ --degraded mp3s/ --restored out/ --format markdown > table.md
      ar eval cnn.jsonl mlp.jsonl --by damage.mp3.kbps --jobs 2 --report report.html > both.jsonl
      ar eval today.jsonl --require 'restored.snr_db>=degraded.snr_db+1.0' > scores.jsonl
      ar eval today.jsonl --baseline scores.jsonl --tolerance lsd_db=0.05 --junit out.xml > new.jsonl
      ar eval --metric si_sdr --metric lsd --plot pictures/ scores.jsonl > fewer.jsonl
    """
    if bool(reference) != bool(degraded or restored):
        raise UsageError("--reference needs --degraded, --restored or both, and they need --reference")
    if tolerance and baseline is None:
        raise UsageError("--tolerance needs --baseline FILE: it says how much worse than that a number may be")
    from ..metrics import chosen
    from ..scores.baseline import compare, parse_tolerances, read_baseline
    from ..scores.gates import judge_gates, read_gates
    from ..scores.groups import check_field
    from ..scores.summary import Summary
    from ._evaluation import check_metrics, check_outputs, collect, measure, read_batch, show_summary, show_verdicts

    check_metrics(metric)
    summary = Summary(chosen(metric), [check_field(field) for field in by or ()])
    check_plot(plot)
    check_outputs(junit, report, log or ())
    gates = read_gates(require or (), summary.numbers)
    tolerances = parse_tolerances(tolerance or (), summary.numbers)
    earlier = read_baseline(baseline) if baseline else None

    given, total, name, several = read_batch(inputs, reference, {"degraded": degraded, "restored": restored})
    records = with_bar(measure(given, summary.metrics, align, jobs, plot, several), "eval", total)
    kept: list[Record] | None = [] if report else None
    lagging, without_picture = collect(records, summary, kept, format == "records", plot is not None)
    show_summary(summary, format)
    if lagging and not align:
        say(f"{lagging} record(s) are not aligned with their reference; use --align to remove the lag before measuring")

    verdicts = judge_gates(gates, summary.scores, summary.numbers)
    if earlier is not None:
        verdicts += compare(earlier, summary.scores, summary.numbers, tolerances)
    statuses = [show_verdicts(verdicts)]
    if junit:
        from ..report.junit import write_junit

        write_junit(junit, verdicts, summary.scores.failures)
    if report:
        from ..report.page import write_page
        from ..scores.systems import by_system

        write_page(report, by_system(kept or [], name), summary, log or (), verdicts)
        say(f"{report}: open it in a browser")
    statuses.append(batch_status(summary.records, summary.failed))
    return most_severe([*statuses, ExitStatus.RECORDS_FAILED] if without_picture else statuses)
