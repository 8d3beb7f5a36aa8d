"""``ar pair``: lay degraded audio over its reference, and share the pairs out to splits."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from ..errors import ExitStatus, UsageError
from ._shell import Force, Inputs, Jobs, Seed, emit, read_inputs, shell_command, with_bar


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
    split: Annotated[str, typer.Option(help="Shares of train:val:test, or train:test.")] = "80:10:10",
    seed: Seed = 0,
    jobs: Jobs = 1,
    force: Force = False,
) -> ExitStatus:
    """Lay degraded audio over its reference sample by sample, prove it, and give each pair a split.

    Lag (to a fraction of a sample) and gain are measured on every channel by cross-correlation and written to the
    record; a pair whose lag differs from place to place is refused. All records of a group (by default a source
    file) fall in one split, by a hash of its name: files added later move none of the old ones.

    \b
    Examples:
      ar pair degraded.jsonl --split 80:10:10 --seed 1 > pairs.jsonl
      ar pair degraded.jsonl --level match -o matched/ > pairs.jsonl
      ar pair --reference clean/ --degraded from-my-codec/ -o aligned/ > pairs.jsonl
    """
    from ..engine.batch import run_batch
    from ..engine.pair import PairConfig, match_by_name, pair_record, split_records
    from ..engine.split import parse_ratios

    if (reference is None) != (degraded is None):
        raise UsageError("--reference and --degraded go together")
    ratios = parse_ratios(split)
    if reference and degraded:
        if inputs:
            raise UsageError("give either records or --reference and --degraded, not both")
        records = list(match_by_name(reference, {"degraded": degraded}, "pair"))
        total: int | None = len(records)
        if total == 1:
            ratios = parse_ratios("100:0:0")  # one pair by name: nothing to share out
    else:
        found, total = read_inputs(inputs, "degraded", "pair")
        records = found  # type: ignore[assignment]
    config = PairConfig(level, output, force)
    aligned = run_batch(records, lambda record: pair_record(record, config), "pair", seed, jobs)
    # Splits are known once all groups are, so the bar runs while the pairs are gathered.
    shared = split_records(list(with_bar(aligned, "pair", total)), ratios, seed)
    return emit(shared, "pair")
