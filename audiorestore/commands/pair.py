"""``ar pair``: align degraded audio to its reference, verify the alignment, and assign the pairs to splits."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ..errors import ExitStatus, UsageError, most_severe
from ..signal.findings import FINDINGS
from . import _complete
from ._inputs import Force, Inputs, Jobs, Seed, check_plot, read_sides
from ._signals import shell_command
from ._speech import emit, report_failure, report_no_picture, say, with_bar

if TYPE_CHECKING:
    from ..data.manifest import Record
    from ..engine.pairing.pair import PairConfig


@shell_command
def pair(
    inputs: Inputs = None,
    reference: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Folder (or file) of clean audio, instead of records.")
    ] = None,
    degraded: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Folder (or file) with the degraded audio, under the same names."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FOLDER", help="Where aligned copies are written, if any are needed."),
    ] = None,
    level: Annotated[
        Literal["keep", "match"],
        typer.Option(help="Keep the level of the degraded audio, or match that of the reference."),
    ] = "keep",
    allow: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PROBLEM",
            help="Accept pairs with this problem and note it in the record instead of rejecting them: "
            f"{', '.join(FINDINGS)}. Repeatable.",
            autocompletion=_complete.findings,
        ),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            metavar="RATIOS",
            help="Ratios train:val:test, or train:test; by default the records' own splits, or 80:10:10.",
        ),
    ] = None,
    group_by: Annotated[
        str | None,
        typer.Option(
            "--group-by",
            metavar="RULE",
            autocompletion=_complete.groupings,
            help="Which records stay in one split: folder, path:REGEX (the first group of the match, or all of it) or "
            "field:NAME; by default those of one source file.",
        ),
    ] = None,
    format: Annotated[
        Literal["jsonl", "nemo", "lhotse"], typer.Option(help="Write records, or lines for NeMo or Lhotse.")
    ] = "jsonl",
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Draw a picture of each pair: waveforms, spectrograms and difference.",
        ),
    ] = None,
    seed: Seed = 0,
    jobs: Jobs = 1,
    force: Force = False,
) -> ExitStatus:
    """Align degraded audio to its reference to the sample, verify the alignment, and assign each pair to a split.

    Lag (to a fraction of a sample) and gain are measured on every channel by cross-correlation, the lag also in
    windows over the whole recording, and written to the record. Pairs that drift, differ in content, have inverted
    polarity or swapped channels are rejected. All records of a group (by default of one source file) are in the same
    split, by a hash of the group's name: adding files later never moves existing ones, except out of a split that had
    to borrow them because it was empty.

    \b
    Examples:
      ar pair degraded.jsonl --split 80:10:10 --seed 1 > pairs.jsonl
      ar pair degraded.jsonl --level match -o matched/ > pairs.jsonl
      ar pair --reference clean/ --degraded from-my-codec/ -o aligned/ > pairs.jsonl
      ar pair degraded.jsonl --group-by 'path:(.*)-[0-9]+' --format lhotse > cuts.jsonl
    """
    from ..data.foreign_manifest import WRITERS
    from ..engine.pairing.pair import PairConfig
    from ..engine.pairing.split import Splitter, parse_group_by, parse_ratios

    if (reference is None) != (degraded is None):
        raise UsageError("--reference and --degraded go together")
    check_plot(plot)
    ratios = parse_ratios(split) if split else None
    splitter = Splitter(ratios, seed, None if group_by is None else parse_group_by(group_by))
    records, total = read_sides(inputs, reference, {"degraded": degraded}, "pair")
    if reference and total == 1 and not split:
        splitter.ratios = parse_ratios("100:0:0")  # one pair by name is for training
    config = PairConfig(level, output, force, frozenset(allow or []))
    aligned = _aligned(splitter.note(records), config, plot, seed, jobs)
    # Splits are known once all groups are, so the progress bar runs while the pairs are aligned.
    gathered = list(with_bar(aligned, "pair", total))
    try:
        assigned = list(splitter.share(gathered))
    except UsageError:
        for record in gathered:  # they explain why there are so few groups
            if "error" in record:
                report_failure(record, "pair")
        raise
    if splitter.replaced:
        say(f"--split moved {splitter.replaced} records to another split")
    without_picture = [record for record in assigned if plot and report_no_picture(record, "pair")]
    status = emit(assigned, "pair", form=WRITERS[format])
    return most_severe([status, ExitStatus.RECORDS_FAILED]) if without_picture else status


def _aligned(
    records: "Iterable[Record]", config: "PairConfig", plot: Path | None, seed: int, jobs: int
) -> "Iterator[Record]":
    """Align records, and draw them where there is a folder for it."""
    from ..engine.batch import run_batch, with_plot
    from ..engine.pairing.pair import pair_record
    from ..engine.provenance import with_digests

    if plot is None:
        return run_batch(records, lambda record: with_digests(pair_record(record, config)), "pair", seed, jobs)
    from ..report._canvas import name_apart
    from ..report.pair_pictures import plot_pair

    def work(record: "Record") -> "Record":
        return with_plot(with_digests(pair_record(record, config)), lambda paired: plot_pair(paired, plot))

    return run_batch(name_apart(records, lambda _: plot), work, "pair", seed, jobs)
