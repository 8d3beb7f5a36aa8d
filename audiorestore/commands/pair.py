"""``ar pair``: lay degraded audio over its reference, prove it, and share the pairs out to splits."""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ..errors import FINDINGS, ExitStatus, UsageError, gravest
from . import _complete
from ._inputs import Force, Inputs, Jobs, Seed, check_plot, read_sides
from ._signals import shell_command
from ._speech import emit, report_failure, report_no_picture, say, with_bar, write_line

if TYPE_CHECKING:
    from ..data.manifest import Record
    from ..engine.pairing.pair import PairConfig


@shell_command
def pair(
    inputs: Inputs = None,
    reference: Annotated[Path | None, typer.Option(help="Folder (or file) of clean audio, instead of records.")] = None,
    degraded: Annotated[Path | None, typer.Option(help="Folder (or file) of your own degraded audio, by name.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder for aligned copies, where any are needed.")
    ] = None,
    level: Annotated[
        Literal["keep", "match"],
        typer.Option(help="Keep the degraded level, or match the reference's."),
    ] = "keep",
    allow: Annotated[
        list[str] | None,
        typer.Option(
            help="Let a finding through, and tell it in the record, instead of refusing the pair: "
            f"{', '.join(FINDINGS)}. May be given several times.",
            metavar="FINDING",
            autocompletion=_complete.findings,
        ),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            metavar="SHARES",
            help="Shares of train:val:test, or train:test; default: the records' own splits, or 80:10:10.",
        ),
    ] = None,
    group_by: Annotated[
        str | None,
        typer.Option(
            "--group-by",
            metavar="HOW",
            autocompletion=_complete.groupings,
            help="What stays in one split: folder, path:REGEX (its first group, or all of the match) or field:NAME; "
            "default: what comes from one source file.",
        ),
    ] = None,
    format: Annotated[
        Literal["jsonl", "nemo", "lhotse"], typer.Option(help="Records, or lines as NeMo or Lhotse read them.")
    ] = "jsonl",
    plot: Annotated[
        Path | None,
        typer.Option(help="Folder for a picture of each pair: waveforms, spectrograms and difference."),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Only verify that a manifest of pairs still holds; status 4 if it does not.")
    ] = False,
    seed: Seed = 0,
    jobs: Jobs = 1,
    force: Force = False,
) -> ExitStatus:
    """Lay degraded audio over its reference sample by sample, prove it, and give each pair a split.

    Lag (to a fraction of a sample) and gain are measured on every channel by cross-correlation, the lag on windows
    over the whole recording as well, and written to the record. Pairs that drift, differ in content, are upside down
    or have their channels swapped are refused. All records of a group (by default a source file) fall in one split,
    by a hash of its name: files added later move none of the old ones, except back out of a split that would have
    been empty without them.

    \b
    Examples:
      ar pair degraded.jsonl --split 80:10:10 --seed 1 > pairs.jsonl
      ar pair degraded.jsonl --level match -o matched/ > pairs.jsonl
      ar pair --reference clean/ --degraded from-my-codec/ -o aligned/ > pairs.jsonl
      ar pair degraded.jsonl --group-by 'path:(.*)-[0-9]+' --format lhotse > cuts.jsonl
      ar pair --check pairs.jsonl
    """
    from ..data.foreign_manifest import WRITERS
    from ..engine.pairing.pair import PairConfig
    from ..engine.pairing.split import Splitter, parse_group_by, parse_ratios

    if check:
        if reference or degraded or output or split or group_by or plot or allow:
            raise UsageError("--check only looks at a manifest: give it alone, with records and --jobs at most")
        return _check(inputs, jobs)
    if (reference is None) != (degraded is None):
        raise UsageError("--reference and --degraded go together")
    check_plot(plot)
    ratios = parse_ratios(split) if split else None
    splitter = Splitter(ratios, seed, None if group_by is None else parse_group_by(group_by))
    records, total = read_sides(inputs, reference, {"degraded": degraded}, "pair")
    if reference and total == 1 and not split:
        splitter.ratios = parse_ratios("100:0:0")  # one pair by name: nothing to share out
    config = PairConfig(level, output, force, frozenset(allow or []))
    aligned = _aligned(splitter.note(records), config, plot, seed, jobs)
    # Splits are known once all groups are, so the bar runs while the pairs are gathered.
    gathered = list(with_bar(aligned, "pair", total))
    try:
        shared = list(splitter.share(gathered))
    except UsageError:
        for record in gathered:  # why there are so few groups
            if "error" in record:
                report_failure(record, "pair")
        raise
    if splitter.replaced:
        say(f"{splitter.replaced} records had another split, which --split replaced")
    undrawn = [record for record in shared if plot and report_no_picture(record, "pair")]
    status = emit(shared, "pair", form=WRITERS[format])
    return gravest([status, ExitStatus.RECORDS_FAILED]) if undrawn else status


def _aligned(
    records: "Iterable[Record]", config: "PairConfig", plot: Path | None, seed: int, jobs: int
) -> "Iterator[Record]":
    """Align records, and draw them where there is a folder for it."""
    from ..engine.batch import run_batch, with_plot
    from ..engine.pairing.pair import pair_record
    from ..engine.provenance import with_digests

    if plot is None:
        return run_batch(records, lambda record: with_digests(pair_record(record, config)), "pair", seed, jobs)
    from ..report.pair_pictures import plot_pair
    from ..report.spectrograms import name_apart

    def work(record: "Record") -> "Record":
        return with_plot(with_digests(pair_record(record, config)), lambda paired: plot_pair(paired, plot))

    return run_batch(name_apart(records, lambda _: plot), work, "pair", seed, jobs)


def _check(inputs: list[str] | None, jobs: int) -> ExitStatus:
    """Verify a manifest of pairs: what is wrong goes to stdout as failed records, and a sentence each to stderr."""
    from ..data.manifest import read_records
    from ..engine.batch import run_batch
    from ..engine.pairing.check import Leaks, check_record

    # An id may come twice here: that is one of the things to tell.
    records = list(read_records(inputs or [], "degraded", "check", sys.stdin, unique=False))
    leaks = Leaks()
    wrong = 0
    for record in with_bar(leaks.watch(run_batch(records, check_record, "check", jobs=jobs)), "check", len(records)):
        if "error" in record:
            wrong += 1
            say(f"{record['error'].get('stage', 'check')} {record['id']}: {record['error'].get('message')}")
            write_line(record)
    if leaks.undigested:
        say(
            f"{leaks.undigested} of {len(records)} pairs have no digests, so changed or copied files cannot be told; "
            "pair them anew for that"
        )
    say(f"{wrong} of {len(records)} pairs are wrong" if wrong else f"{len(records)} pairs: all right")
    return ExitStatus.GATE_FAILED if wrong else ExitStatus.DONE
