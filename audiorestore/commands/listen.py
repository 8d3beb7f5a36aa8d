"""``ar listen``: a web page for listening tests, and a summary of its ratings."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from ..errors import ExitStatus, UsageError
from ._inputs import Inputs
from ._signals import shell_command
from ._speech import say, show_beside


@shell_command
def page(
    inputs: Inputs = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="DIR", help="Folder for the page and its audio.")
    ] = None,
    kind: Annotated[
        Literal["mos", "mushra", "acr", "cmp"] | None,
        typer.Option(
            help="What listeners rate: single excerpts (mos, acr), all versions side by side (mushra), or pairs (cmp)."
        ),
    ] = None,
    reference: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Folder (or file) of clean audio, instead of records.")
    ] = None,
    degraded: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Folder (or file) of degraded audio, with the same names.")
    ] = None,
    restored: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Folder (or file) of restored audio, with the same names.")
    ] = None,
) -> ExitStatus:
    """Make a listening test: a web page that plays excerpts without naming their systems.

    The folder can be opened in a browser or put on a server. The key that says which excerpt is which is written beside
    the folder; keep it from the listeners. The page gives each listener a CSV file of ratings.

    \b
    Examples:
      ar listen page cnn.jsonl mlp.jsonl --kind mushra -o page/
      ar listen page --reference clean/ --degraded mp3s/ --restored out/ --kind mos -o page/
    """
    from ..listening import key_path, write_listening_test
    from ..scores.systems import by_system
    from ._evaluation import read_batch

    if output is None or kind is None:
        raise UsageError("give -o DIR for the page, and --kind mos, mushra, acr or cmp")
    if bool(reference) != bool(degraded or restored):
        raise UsageError("--reference goes together with --degraded, --restored or both")
    records, _, name, _ = read_batch(inputs, reference, {"degraded": degraded, "restored": restored})
    trials = write_listening_test(output, by_system(list(records), name), kind)
    say(f"{trials} trial(s) in {output}; keep {key_path(output)} from the listeners")
    return ExitStatus.DONE


@shell_command
def ratings(
    files: Annotated[list[Path], typer.Argument(metavar="CSV", help="Ratings that listeners sent.")],
    format: Annotated[
        Literal["records", "json", "csv", "markdown"],
        typer.Option(help="What is written to stdout: one record per rating, or the summary."),
    ] = "records",
) -> ExitStatus:
    """Summarise what listeners rated: means, deviations and tests between systems, by group of listeners.

    The key that `ar listen page` wrote is looked for near the CSV files; it can also be given among them.

    \b
    Examples:
      ar listen ratings anna.csv ben.csv > ratings.jsonl
      ar listen ratings *.csv --format markdown > ratings.md
    """
    from ..listening.ratings import ratings_as, ratings_table, read_ratings

    rated = read_ratings(files)
    show_beside(ratings_table(rated))
    sys.stdout.write(ratings_as(rated, format))
    return ExitStatus.DONE
