"""``ar eval``: numbers for what a restorer did, beside what doing nothing would have done."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from ..errors import ExitStatus, UsageError
from . import _complete
from ._evaluation import Wishes, make_listening_test, measure_all, only_with, read_batch, show_metrics, sum_up_ratings
from ._inputs import Inputs, Jobs
from ._signals import shell_command

_TABLE, _GATES, _REPORTS, _LISTENING = "The table", "Quality gates", "Reports", "Listening tests"

Metric = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME",
        autocompletion=_complete.metrics,
        help="Measure only this, such as snr; may be given several times. all is every metric that is installed.",
    ),
]
Align = Annotated[
    bool, typer.Option("--align", help="Undo a lag before measuring, and measure only where both recordings are.")
]
Format = Annotated[
    Literal["records", "json", "csv", "markdown"],
    typer.Option(help="What stdout gets: a record a file, or the summary.", rich_help_panel=_TABLE),
]
By = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FIELD",
        help="A part of the table for each value of this field, such as damage.mp3.kbps or group; given several times, "
        "for each combination.",
        rich_help_panel=_TABLE,
    ),
]
Show = Annotated[
    bool, typer.Option("--list", help="Show each metric with its numbers, units, limits and source, and end.")
]
Require = Annotated[
    list[str] | None,
    typer.Option(
        metavar="CONDITION",
        help="End with status 4 unless this holds, such as 'restored.snr_db>=degraded.snr_db+1.0': in the mean, with "
        "median: in front in the median, with all: for every record. An undefined number fails it. May be given "
        "several times.",
        rich_help_panel=_GATES,
    ),
]
Baseline = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Records that an earlier eval wrote: end with status 4 where the mean of a number is worse now, or a "
        "record is missing.",
        rich_help_panel=_GATES,
    ),
]
Tolerance = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NUMBER=AMOUNT",
        help="By how much a number may be worse than in the baseline, such as lsd_db=0.05; with all: in front, in any "
        "single file. May be given several times.",
        rich_help_panel=_GATES,
    ),
]
Junit = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Write gates and failed records as the XML of JUnit, for build servers; an older file is replaced.",
        rich_help_panel=_GATES,
    ),
]
Plot = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Folder for a PNG of each record: spectrograms, and those of what differs from the reference. "
        "Pictures that are there already are replaced. Needs matplotlib.",
        rich_help_panel=_REPORTS,
    ),
]
Report = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Write one HTML page with tables, pictures and sound, to be opened anywhere; an older one is replaced.",
        rich_help_panel=_REPORTS,
    ),
]
Log = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="FILE",
        help="A log of ar train, whose curves the report shows; may be given several times.",
        rich_help_panel=_REPORTS,
    ),
]
ListeningTest = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR", help="Measure nothing; make a page for listeners in this folder.", rich_help_panel=_LISTENING
    ),
]
Kind = Annotated[
    Literal["mos", "mushra", "acr", "cmp"] | None,
    typer.Option(help="What listeners are asked in the listening test.", rich_help_panel=_LISTENING),
]
Ratings = Annotated[
    Path | None,
    typer.Option(
        metavar="CSV",
        help="Measure nothing; sum up what listeners rated. Arguments are more such files.",
        rich_help_panel=_LISTENING,
    ),
]


@shell_command
def evaluate(
    context: typer.Context,
    inputs: Inputs = None,
    reference: Annotated[Path | None, typer.Option(help="Folder (or file) of clean audio, instead of records.")] = None,
    degraded: Annotated[Path | None, typer.Option(help="Folder (or file) of the same names, as it was.")] = None,
    restored: Annotated[Path | None, typer.Option(help="Folder (or file) of the same names, restored.")] = None,
    metric: Metric = None,
    align: Align = False,
    jobs: Jobs = 1,
    show: Show = False,
    format: Format = "records",
    by: By = None,
    require: Require = None,
    baseline: Baseline = None,
    tolerance: Tolerance = None,
    junit: Junit = None,
    plot: Plot = None,
    report: Report = None,
    log: Log = None,
    listening_test: ListeningTest = None,
    kind: Kind = None,
    ratings: Ratings = None,
) -> ExitStatus:
    """Measure restored and degraded audio against the reference, each also with the best single gain.

    Lag and gain are checked first and told. The table on stderr shows the mean with its 95 % interval, the median and
    the gain over doing nothing; stdout gets a record a file. Numbers that are undefined, as for silence, are named and
    not averaged. Several manifests that restored the same items are compared side by side, each with the first.

    \b
    Examples:
      ar restore --model cnn.safetensors -o out/ pairs.jsonl | ar eval > scores.jsonl
      ar eval --reference clean/ --degraded mp3s/ --restored out/ --format markdown > table.md
      ar eval cnn.jsonl mlp.jsonl --by damage.mp3.kbps --jobs 2 --report report.html > both.jsonl
      ar eval today.jsonl --require 'restored.snr_db>=degraded.snr_db+1.0' > scores.jsonl
      ar eval today.jsonl --baseline scores.jsonl --tolerance lsd_db=0.05 --junit out.xml > new.jsonl
      ar eval --metric si_sdr --metric lsd --plot pictures/ scores.jsonl > fewer.jsonl
      ar eval cnn.jsonl mlp.jsonl --listening-test page/ --kind mushra
      ar eval --ratings results.csv
    """
    if show:
        only_with(context, "--list", "show")
        return show_metrics()
    if ratings is not None:
        only_with(context, "--ratings", "ratings", "inputs", "format")
        return sum_up_ratings([ratings, *map(Path, inputs or [])], format)
    if bool(reference) != bool(degraded or restored):
        raise UsageError("--reference goes together with --degraded, --restored or both")
    sides = {"degraded": degraded, "restored": restored}
    if listening_test is not None or kind is not None:
        if listening_test is None or kind is None:
            raise UsageError("--listening-test DIR and --kind mos, mushra, acr or cmp go together")
        only_with(context, "--listening-test", "listening_test", "kind", "inputs", "reference", *sides)
        return make_listening_test(listening_test, kind, read_batch(inputs, reference, sides))
    wishes = Wishes(metric, align, jobs, format, tuple(by or ()), junit, plot, report, tuple(log or ()))
    conditions = wishes.check(require or [], baseline, tolerance or [])
    return measure_all(read_batch(inputs, reference, sides), wishes, conditions)
