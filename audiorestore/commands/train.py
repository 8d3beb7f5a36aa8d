"""``ar train``: learn to restore from pairs."""

import dataclasses
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import AudioRestoreError, ExitStatus, UsageError
from . import _complete
from ._inputs import Device, Force, read_inputs
from ._signals import shell_command, stop_flag
from ._speech import report_failure, say, training_bar

if TYPE_CHECKING:
    from ..data.manifest import Record
    from ..engine.training.loop import Event
    from ..engine.training.run import TrainingRun
    from ..engine.training.validation import Validated


@shell_command
def train(
    family: Annotated[
        str, typer.Argument(help="Model family; 'ar models' lists them.", autocompletion=_complete.families)
    ],
    inputs: Annotated[
        list[str] | None, typer.Argument(help="Manifests of pairs; without any, records are read from stdin.")
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Checkpoint to write (.safetensors).")] = None,
    preset: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="Named settings; 'ar models FAMILY' shows them.", autocompletion=_complete.presets
        ),
    ] = "small",
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Change one setting of model or training; may be repeated.",
            autocompletion=_complete.settings,
        ),
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Budget in steps.")] = None,
    epochs: Annotated[float | None, typer.Option(help="Budget in passes over the training split.")] = None,
    minutes: Annotated[float | None, typer.Option(help="Budget in minutes.")] = None,
    device: Device = "auto",
    seed: Annotated[int | None, typer.Option(help="Seed for everything random.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue an interrupted run.")] = False,
    force: Force = False,
) -> ExitStatus:
    """Train a model of any family on the train split, and keep the checkpoint that restores the val split best.

    The test split is never opened. Next to the checkpoint are a log (.log.jsonl) and the state that --resume
    continues from (.state.safetensors), exactly as if training had never stopped. Ctrl-C keeps both.

    \b
    Examples:
      ar train cnn pairs.jsonl --preset paper -o cnn.safetensors
      ar train mlp pairs.jsonl --set layers=5 --set activation=relu --minutes 10 -o mlp.safetensors
      ar degrade wavs/ -o d/ | ar pair | ar train mlp -o mlp.safetensors
    """
    from ..engine.checkpoint import SUFFIX
    from ..engine.device import choose_device
    from ..engine.training.run import prepare_run, state_path_of
    from ..models import FAMILIES

    if output is None or output.suffix != SUFFIX:
        raise UsageError(f"give -o FILE{SUFFIX} for the model")
    chosen = _settings(
        family, preset, settings or [], {"steps": steps, "epochs": epochs, "minutes": minutes, "seed": seed}
    )
    state_path = state_path_of(output)
    resuming = resume and state_path.exists()
    if output.exists() and not (force or resume):
        raise UsageError(f"{output} exists already; use --resume to continue it, or -f to replace it")
    if output.exists() and resume and not resuming and FAMILIES.load(family).Model.learns == "by steps":
        raise UsageError(f"{state_path} is missing, so training of {output} cannot be resumed; use -f to start over")
    records, status = _good_pairs(read_inputs(inputs, "degraded", "train")[0])
    run = prepare_run(family, chosen, records, output, choose_device(device))
    rate = run.model.config.sample_rate
    say(f"training {family} on {run.training.frames} samples at {f'{rate} Hz' if rate else 'any sample rate'}")
    if not resuming:
        state_path.unlink(missing_ok=True)  # the state of what is replaced
    else:
        run.resume()
        say(f"resuming from step {run.state.step} ({state_path})")
    if run.share_done >= 1.0:
        say(f"nothing left to do: all {run.state.step} steps are done")
    with stop_flag() as stop:
        _watch(run.go(stop), family)
        if stop():
            say(f"stopped at step {run.state.step}; {output} holds the best model so far; continue with --resume")
    sys.stdout.write(json.dumps(_result(run, preset)) + "\n")
    return status


def _result(run: "TrainingRun", preset: str) -> dict[str, Any]:
    """Describe a finished run, for people on stderr and as the object that goes to stdout."""
    parameters = run.model.count_parameters()
    result: dict[str, Any] = {"model": str(run.output), "family": run.family, "preset": preset, "steps": run.state.step}
    result |= {"parameters": parameters, "training_seconds": round(run.state.seconds, 3)}
    if run.trained_parameters != parameters:
        result["trained_parameters"] = run.trained_parameters
        say(f"{run.trained_parameters} parameters were trained, of which {parameters} restore")
    if run.state.step and run.state.seconds > 0.0:
        pace = run.audio_seconds / run.state.seconds
        result["audio_seconds_per_second"] = float(f"{pace:.3g}")
        say(f"processed {pace:.3g} s of audio per second, including validation")
    if run.best:
        say(f"kept step {run.best.step}: {in_words(run.best)}")
        result["validation"] = dataclasses.asdict(run.best)
        mse = run.best.mse
        if run.state.step and mse["restored"] > mse["degraded"]:
            say(f"{run.family} is WORSE than doing nothing on the validation split; train longer, or on more audio")
        elif run.state.step and mse["restored"] > mse["level"]:
            say(f"{run.family} is no better than one fitted gain on the validation split")
    return result


def _settings(family: str, preset: str, texts: list[str], budget: dict[str, int | float | None]) -> dict[str, Any]:
    """Merge the user's settings into the preset's; a budget in any unit replaces the preset's steps."""
    from ..engine.settings import family_settings
    from ..engine.training.loop import TrainConfig
    from ..models import FAMILIES

    module = FAMILIES.load(family)
    texts = texts + [f"{key}={value}" for key, value in budget.items() if value is not None]
    if any(text.startswith(("epochs=", "minutes=")) and not text.endswith("=none") for text in texts):
        texts.insert(0, f"steps={sys.maxsize}")
    return family_settings(module, preset, texts, module.Config, TrainConfig)


def _good_pairs(records: "Iterable[Record]") -> "tuple[list[Record], ExitStatus]":
    given = list(records)
    good = [record for record in given if "error" not in record]
    for record in given:
        if "error" in record:
            report_failure(record, "train")
    if not any(record.get("split") == "train" for record in good):
        raise AudioRestoreError("no record is in the train split; 'ar pair' gives records a split")
    if not any(record.get("split") == "val" for record in good):
        say("no record is in the val split, so the last model is kept, not the best one")
    if len(good) == len(given):
        return good, ExitStatus.DONE
    say(f"{len(given) - len(good)} of {len(given)} records failed in an earlier stage and are not used")
    return good, ExitStatus.RECORDS_FAILED


def _watch(events: "Iterator[Event]", family: str) -> None:
    """Follow a run to its end, with a bar on a terminal."""
    from ..engine.training.loop import Stepped

    with training_bar() as (advance, announce):
        for event in events:
            if not isinstance(event, Stepped) and event.step:
                announce(f"step {event.step}: {in_words(event)}{' · best so far' if event.improved else ''}")
            elif isinstance(event, Stepped):
                advance(event.done, f"{family} · step {event.step} · loss {event.loss:.3e}")


def in_words(result: "Validated") -> str:
    """Describe a validation, with the do-nothing rows."""
    snr = {row: "– dB" if value is None else f"{value:.2f} dB" for row, value in result.snr_db.items()}
    restored, nothing, level = snr["restored"], snr["degraded"], snr["level"]
    return f"SNR {restored} (doing nothing {nothing}, one gain {level}), loss {result.loss:.3e}"
