"""``ar restore``: make damaged audio better."""

import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ..errors import ExitStatus, UsageError
from . import _complete
from ._inputs import Device, Force, Inputs, Jobs, Seed, read_inputs, refuse_nested
from ._signals import shell_command
from ._speech import emit, restoring_bar, say

if TYPE_CHECKING:
    from ..data.manifest import Record
    from ..engine.checkpoint import LoadedModel
    from ..engine.restoring.restore import RestoreConfig

STDIN_NAME = "stdin"


@shell_command
def restore(
    inputs: Inputs = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            metavar="MODEL",
            help="A checkpoint file, a bundled model, or a family with nothing to train (identity).",
            autocompletion=_complete.models,
        ),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Named settings of a family with nothing to train.",
            autocompletion=_complete.presets,
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Change one setting of such a family; may be repeated.",
            autocompletion=_complete.settings,
        ),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output", "-o", metavar="PLACE", help="A file for one input, a folder for many, - for WAV on stdout."
        ),
    ] = None,
    residual: Annotated[
        Path | None, typer.Option(help="Write what was removed (input minus output) to this file or folder.")
    ] = None,
    mix: Annotated[
        float, typer.Option(min=0.0, max=1.0, metavar="X", help="1: restored, 0: the input, between: a blend.")
    ] = 1.0,
    loudness: Annotated[
        Literal["keep"] | None,
        typer.Option(help="Apply one gain, so that the output is as loud (LUFS) as the input.", show_default="off"),
    ] = None,
    bits: Annotated[
        Literal["16", "24", "float"] | None,
        typer.Option(help="Output depth.", show_default="as the input, at least 16"),
    ] = None,
    clip: Annotated[
        Literal["saturate", "refuse"],
        typer.Option(help="What to do with samples over full scale."),
    ] = "saturate",
    dither: Annotated[
        bool, typer.Option("--dither", help="Triangular dither before rounding to 16 or 24 bit.")
    ] = False,
    device: Device = "auto",
    seed: Seed = 0,
    jobs: Jobs = 1,
    force: Force = False,
) -> ExitStatus:
    """Restore damaged audio: same sample rate, channels, length and bit depth out as in.

    Long files are restored block by block, in little memory, and the result does not depend on the blocks. Where the
    model works at another rate, only its correction is resampled: sound above the model's band stays as it was. MP3
    and other lossy files become FLAC.

    \b
    Examples:
      ar restore --model cnn.safetensors noisy.mp3 -o clean.wav
      ar restore --model cnn.safetensors album/ -o restored/ --residual removed/ --jobs 4
      grep '"split": "test"' pairs.jsonl | ar restore --model cnn.safetensors -o out/ | ar eval > scores.jsonl
      sox in.wav -t wav - | ar restore --model cnn.safetensors - -o - | play -
    """
    from ..data.audio_file import CONTAINERS
    from ..engine.checkpoint import load_model
    from ..engine.restoring.restore import UNWRITTEN_SUFFIXES, RestoreConfig, is_one_file

    if model is None:
        raise UsageError("give --model FILE.safetensors, from 'ar train', or a family such as identity")
    if output is None:
        raise UsageError("give -o FILE for one input, -o FOLDER for many, or -o - for stdout")
    for place in (output, str(residual or "")):
        if Path(place).suffix.lower() in UNWRITTEN_SUFFIXES:
            suffix = Path(place).suffix
            raise UsageError(f"{place}: writing {suffix} is not supported; use {', '.join(CONTAINERS)}, or a folder")
    if output == "-" and sys.stdout.isatty():
        raise UsageError("-o - would write audio to the terminal; send it to a file or a pipe, or give -o FILE")
    loaded = load_model(model, preset, settings or [])
    if loaded.needs_torch:
        from ..engine.device import choose_device

        loaded.model.to(choose_device(device))  # type: ignore[attr-defined]
    with tempfile.TemporaryDirectory(prefix="ar-") as scratch:
        spooled = Path(scratch, STDIN_NAME)
        if inputs and "-" in inputs:
            with spooled.open("wb") as file:  # decoders need to seek in it
                shutil.copyfileobj(sys.stdin.buffer, file)
            inputs = [str(spooled) if name == "-" else name for name in inputs]
        for written in (None if output == "-" else output, residual):
            if written:
                refuse_nested(inputs, written)
        records, _ = read_inputs(inputs, "degraded", "restore")
        target = Path(scratch, "out", "stdout.wav") if output == "-" else Path(output)
        if is_one_file(target) or (residual and is_one_file(residual)):
            records = held = list(records)
            if len(held) > 1:
                raise UsageError(f"-o {output} is one file, but there are {len(held)} inputs; give a folder")
        config = RestoreConfig(target, residual, mix, bits, clip, dither, seed, force, loudness)
        restored = _restored(records, loaded, config, spooled, jobs)
        if output != "-":
            return emit(restored, "restore")
        with Path(scratch, "record").open("w") as aside:
            status = emit(restored, "restore", output=aside)
        if status is ExitStatus.DONE:
            with target.open("rb") as made:
                shutil.copyfileobj(made, sys.stdout.buffer)
        return status


def _restored(
    records: "Iterable[Record]", loaded: "LoadedModel", config: "RestoreConfig", spooled: Path, jobs: int
) -> "Iterator[Record]":
    """Restore the records, with a progress bar on a terminal, and report samples over full scale."""
    from ..engine.batch import run_batch
    from ..engine.restoring.restore import restore_record

    with restoring_bar() as follow:

        def work(record: "Record") -> "Record":
            return restore_record(record, loaded, config, follow)

        for record in run_batch(records, work, "restore", config.seed, jobs):
            for key, fate in (("clipped", "clipped; --bits float would keep them"), ("over_full_scale", "kept")):
                if key in record and "error" not in record:
                    say(f"restore {record['id']}: {record[key]} samples over full scale were {fate}")
            if "loudness_note" in record and "error" not in record:
                say(f"restore {record['id']}: {record['loudness_note']}")
            if record.get("degraded") == str(spooled):
                del record["degraded"]  # it is deleted when the command ends
            yield record
