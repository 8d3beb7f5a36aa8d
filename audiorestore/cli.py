"""The command line: joins the subcommands under ``ar`` and its unambiguous second name ``audiorestore``."""

import io
import os
import sys
from typing import Annotated

import typer
from rich.console import Console

from . import __version__
from .commands._shell import reflowed
from .commands.check import check
from .commands.degrade import degrade
from .commands.demo import demo
from .commands.eval import evaluate
from .commands.models import models
from .commands.pair import pair
from .commands.quantize import quantize
from .commands.restore import restore
from .commands.train import train

app = typer.Typer(
    name="ar",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("degrade")(degrade)
app.command("pair")(pair)
app.command("check")(check)
app.command("train")(train)
app.command("restore")(restore)
app.command("eval")(evaluate)
app.command("quantize")(quantize)
app.command("models")(models)
app.command("demo")(demo)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"audiorestore {__version__}")
        raise typer.Exit


def describe(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Restore damaged and compressed audio with machine learning.

    Each command reads and writes plain audio files and records, one JSON object a line, so that a pipe chains them:

    \b
      ar degrade wavs/ -o degraded/ | ar pair > pairs.jsonl
      ar train cnn pairs.jsonl -o cnn.safetensors
      ar restore --model cnn.safetensors noisy.mp3 -o clean.wav

    Records go to stdout, words to stderr. Exit statuses are 0 done, 1 failed, 2 wrong usage,
    3 finished but some records failed, 4 a quality gate failed, 130 interrupted, 143 terminated.
    """


app.callback(help=reflowed(describe.__doc__ or ""))(describe)


def main() -> None:
    """Run the command line."""
    # A missing stream, as under cron, is an empty one; records are UTF-8 whatever the locale, file names any bytes.
    sys.stdin = sys.stdin or open(os.devnull, encoding="utf-8")  # noqa: SIM115, PTH123 - open while the program runs
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123
    for stream in (sys.stdin, sys.stdout):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="surrogateescape")
    Console.on_broken_pipe = _reader_left  # type: ignore[assignment, method-assign]  # rich would end with status 1
    try:
        app()
    except BrokenPipeError:  # in a help text: the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _reader_left(_: Console) -> None:
    raise BrokenPipeError
