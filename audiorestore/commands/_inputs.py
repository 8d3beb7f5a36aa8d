"""Options and inputs that commands share, and checks that are made before any work."""

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import UsageError
from . import _complete

if TYPE_CHECKING:
    from ..data.manifest import Record

Inputs = Annotated[
    list[str] | None,
    typer.Argument(help="Audio files, folders or manifests; without any, records are read from stdin."),
]
Force = Annotated[bool, typer.Option("--force", "-f", help="Replace files that exist already.")]
Seed = Annotated[int, typer.Option(metavar="N", help="Seed for everything random.")]
Jobs = Annotated[int, typer.Option("--jobs", "-j", min=1, metavar="N", help="Process this many files at once.")]
Device = Annotated[
    str,
    typer.Option(metavar="NAME", help="Where to compute: auto, cpu, cuda, cuda:1 …", autocompletion=_complete.devices),
]


def read_inputs(arguments: list[str] | None, role: str, stage: str) -> "tuple[Iterable[Record], int | None]":
    """Read the input records of a command; the second value is their number, or None if unknown (stdin)."""
    from ..data.manifest import read_records

    records = read_records(arguments or [], role, stage, sys.stdin, unique=stage not in ("eval", "train", "quantize"))
    if not arguments:
        return records, None
    held = list(records)
    return held, len(held)


def read_sides(
    arguments: list[str] | None, reference: Path | None, others: dict[str, Path | None], stage: str
) -> "tuple[Iterable[Record], int | None]":
    """Read records as `read_inputs` does or, if ``reference`` is given, match the files of folders by name."""
    if reference is None:
        return read_inputs(arguments, "degraded", stage)
    from ..engine.pairing.pair import match_by_name

    if arguments:
        raise UsageError("give either records, or --reference with the folders to match, not both")
    held = list(match_by_name(reference, {role: path for role, path in others.items() if path}, stage))
    return held, len(held)


def refuse_nested(inputs: list[str] | None, output: str | Path) -> None:
    """Refuse an output folder inside an input folder: its files would be inputs next time."""
    place = Path(output).resolve()
    for name in inputs or []:
        if os.path.isdir(name) and place.is_relative_to(Path(name).resolve()):
            raise UsageError(f"the output {output} is inside the input folder {name}; choose a folder outside it")


def check_plot(folder: Path | None) -> None:
    """Refuse --plot if it is not a folder."""
    if folder is not None and folder.exists() and not folder.is_dir():
        raise UsageError(f"--plot {folder} is a file; give a folder for the pictures")
