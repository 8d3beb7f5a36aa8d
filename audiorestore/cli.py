"""The command line: all subcommands of ``ar``, also named ``audiorestore``."""

import io
import os
import sys
from typing import Annotated

import typer
from rich.console import Console

from . import __version__
from .commands import listen
from .commands._help import Command, Group
from .commands._speech import reflowed
from .commands.check import check
from .commands.damages import damages
from .commands.degrade import degrade
from .commands.demo import demo
from .commands.eval import evaluate
from .commands.metrics import metrics
from .commands.models import models
from .commands.pair import pair
from .commands.quantize import quantize
from .commands.restore import restore
from .commands.train import train

app = typer.Typer(
    name="ar",
    cls=Group,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("degrade", cls=Command)(degrade)
app.command("pair", cls=Command)(pair)
app.command("check", cls=Command)(check)
app.command("train", cls=Command)(train)
app.command("restore", cls=Command)(restore)
app.command("eval", cls=Command)(evaluate)
app.command("quantize", cls=Command)(quantize)
app.command("models", cls=Command)(models)
app.command("damages", cls=Command)(damages)
app.command("metrics", cls=Command)(metrics)
app.command("demo", cls=Command)(demo)
listening = typer.Typer(cls=Group, no_args_is_help=True, help="Make a listening test, and summarise its ratings.")
listening.command("page", cls=Command)(listen.page)
listening.command("ratings", cls=Command)(listen.ratings)
app.add_typer(listening, name="listen")


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

    Each command reads and writes plain audio files and records, one JSON object per line, so commands can be piped:

    \b
      ar degrade wavs/ -o degraded/ | ar pair > pairs.jsonl
      ar train cnn pairs.jsonl -o cnn.safetensors
      ar restore --model cnn.safetensors noisy.mp3 -o clean.wav

    Records go to stdout, messages to stderr. Exit statuses are 0 done, 1 failed, 2 wrong usage,
    3 finished but some records failed, 4 a quality gate failed, 130 interrupted, 143 terminated.
    """


app.callback(help=reflowed(describe.__doc__ or ""))(describe)


def main() -> None:
    """Run the command line."""
    # A missing stream, as under cron, is treated as empty. Records are UTF-8 in any locale; file names are any bytes.
    sys.stdin = sys.stdin or open(os.devnull, encoding="utf-8")  # noqa: SIM115, PTH123 - open while the program runs
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123
    for stream in (sys.stdin, sys.stdout):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="surrogateescape")
    Console.on_broken_pipe = _reader_left  # type: ignore[assignment, method-assign]  # rich would end with status 1
    if "_AR_COMPLETE" in os.environ or "_AUDIORESTORE_COMPLETE" in os.environ:
        from .commands._completion import answer_shells

        answer_shells()
    try:
        app()
    except BrokenPipeError:  # in a help text: the reader has closed the pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _reader_left(_: Console) -> None:
    raise BrokenPipeError
