"""``ar degrade``: degrade clean audio on purpose."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ..errors import ExitStatus, UsageError
from . import _complete
from ._inputs import Force, Inputs, Jobs, Seed, read_inputs, refuse_nested
from ._signals import shell_command
from ._speech import emit, say, with_bar

if TYPE_CHECKING:
    from ..data.manifest import Record


@shell_command
def degrade(
    inputs: Inputs = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder for the degraded files; subfolders as in the input.")
    ] = None,
    chain: Annotated[
        list[str] | None,
        typer.Option(
            help="Damages one after another, as in mp3:kbps=96|hiss:snr_db=10..30; a/b/c is a choice, a..b a range, "
            "drawn for each file. Given several times, one is chosen for each file; 2*CHAIN is twice as likely, "
            "@FILE.toml holds chains. Default: mp3:kbps=16/32/64/96/128.",
            metavar="CHAIN",
            autocompletion=_complete.chain,
        ),
    ] = None,
    per: Annotated[int, typer.Option(min=1, metavar="N", help="Number of versions to make of each file.")] = 1,
    keep_encoded: Annotated[
        bool,
        typer.Option(
            "--keep-encoded",
            help="Keep the codec files (.mp3 …) next to the degraded files. Every run makes the same bytes, except for "
            "the random serial number of Ogg files (.ogg, .opus).",
        ),
    ] = False,
    format: Annotated[Literal["wav", "flac"], typer.Option(help="wav is float32, flac 24 bit.")] = "wav",
    seed: Seed = 0,
    jobs: Jobs = 1,
    force: Force = False,
) -> ExitStatus:
    """Degrade clean audio on purpose, and write a record of what was done to each file.

    The output has the input's sample rate, channels and exact length, and is sample-aligned with it (for wow, which
    warps time, ar pair knows the warp). A file that an earlier run made from the same input and chain is kept, so an
    interrupted run can simply be repeated.

    \b
    Examples:
      ar degrade wavs/ --chain mp3:kbps=96 -o degraded/ > degraded.jsonl
      ar degrade wavs/ --chain 'mp3:kbps=32/64|hiss:snr_db=10..30' --jobs 2 -o hissy/ > hissy.jsonl
      ar degrade wavs/ --chain '2*mp3:kbps=32' --chain hum --per 3 -o many/ > many.jsonl
    """
    from ..damage._chain_language import DEFAULT_CHAIN, parse_chains
    from ..engine.batch import run_batch
    from ..engine.degrade import DegradeConfig, degrade_record, several_of_each

    if output is None:
        raise UsageError("give -o FOLDER for the degraded files")
    chains = parse_chains([DEFAULT_CHAIN] if chain is None else chain)
    chains.check()
    config = DegradeConfig(chains, output, seed, format, force, keep_encoded)
    refuse_nested(inputs, output)
    records, total = read_inputs(inputs, "reference", "degrade")
    wanted = several_of_each(records, per)
    done = run_batch(wanted, lambda record: degrade_record(record, config), "degrade", seed, jobs)
    return emit(_report_clipped(with_bar(done, "degrade", total and total * per)), "degrade")


def _report_clipped(records: "Iterator[Record]") -> "Iterator[Record]":
    for record in records:
        if "error" not in record:
            for damage in record["damage"]:
                if damage.get("clipped"):
                    say(
                        f"degrade {record['id']}: {damage['clipped']} samples over full scale "
                        f"were clipped by {damage['name']}"
                    )
            if record.get("clipped"):
                say(f"degrade {record['id']}: {record['clipped']} samples over full scale clipped; wav would keep them")
        yield record
