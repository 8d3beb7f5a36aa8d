"""``ar pair``: lay degraded audio over its reference, and share the pairs out to splits."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from ..errors import ExitStatus, UsageError
from ._shell import Force, Inputs, Jobs, Seed, emit, read_sides, say, shell_command, with_bar


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
    split: Annotated[
        str | None,
        typer.Option(help="Shares of train:val:test, or train:test; default: the records' own splits, or 80:10:10."),
    ] = None,
    seed: Seed = 0,
    jobs: Jobs = 1,
    force: Force = False,
) -> ExitStatus:
    """Lay degraded audio over its reference sample by sample, prove it, and give each pair a split.

    Lag (to a fraction of a sample) and gain are measured on every channel by cross-correlation and written to the
    record; a pair whose lag differs from place to place is refused. All records of a group (by default a source
    file) fall in one split, by a hash of its name: files added later move none of the old ones, except back out of a
    split that would have been empty without them.

    \b
    Examples:
      ar pair degraded.jsonl --split 80:10:10 --seed 1 > pairs.jsonl
      ar pair degraded.jsonl --level match -o matched/ > pairs.jsonl
      ar pair --reference clean/ --degraded from-my-codec/ -o aligned/ > pairs.jsonl
    """
    from ..engine.batch import run_batch
    from ..engine.pair import PairConfig, pair_record
    from ..engine.split import Splitter, parse_ratios

    if (reference is None) != (degraded is None):
        raise UsageError("--reference and --degraded go together")
    ratios = parse_ratios(split) if split else None
    records, total = read_sides(inputs, reference, {"degraded": degraded}, "pair")
    if reference and total == 1 and not split:
        ratios = parse_ratios("100:0:0")  # one pair by name: nothing to share out
    config = PairConfig(level, output, force)
    splitter = Splitter(ratios, seed)
    aligned = run_batch(splitter.note(records), lambda record: pair_record(record, config), "pair", seed, jobs)
    # Splits are known once all groups are, so the bar runs while the pairs are gathered.
    shared = list(splitter.share(list(with_bar(aligned, "pair", total))))
    if splitter.replaced:
        say(f"{splitter.replaced} records had another split, which --split replaced")
    return emit(shared, "pair")
