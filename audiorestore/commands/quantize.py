"""``ar quantize``: a smaller model, and what that changes."""

import json
import sys
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import ExitStatus, UsageError
from ._shell import Force, batch_status, read_inputs, say, shell_command, stderr, tell_failure, training_bar, with_bar

if TYPE_CHECKING:
    from rich.table import Table

    from ..data.manifest import Record
    from ..engine.checkpoint import LoadedModel
    from ..engine.quantize import Layer


@shell_command
def quantize(
    model: Annotated[str, typer.Argument(help="A float checkpoint from 'ar train'.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Checkpoint to write (.safetensors).")] = None,
    pairs: Annotated[
        list[str] | None,
        typer.Option(help="Manifest of pairs to measure SNR, LSD and speed on before and after; may be repeated."),
    ] = None,
    force: Force = False,
) -> ExitStatus:
    """Store a model's weights in int8, a quarter of the size, and compute in int8 where that is faster.

    Each layer is tried both ways on this machine. The int8 model is used like any other, and its results do not depend
    on how the audio is cut into blocks. stdout gets one JSON object: sizes, speeds measured in turns on the same
    audio, what share is stored and computed in int8, and with --pairs the means of SNR and LSD before and after.

    \b
    Examples:
      ar quantize mlp.safetensors -o mlp.int8.safetensors
      ar quantize cnn.safetensors --pairs test.jsonl -o cnn.int8.safetensors > cnn.int8.json
    """
    from ..data.audio_file import read_audio
    from ..engine.checkpoint import SUFFIX, is_file_name, load_model
    from ..engine.provenance import refuse_own_input
    from ..engine.quantize import compare_speed, coverage, save_quantized
    from ..engine.quantize import quantize as shrink
    from ..signal.synthesis import render_demo

    if output is None or output.suffix != SUFFIX:
        raise UsageError(f"give -o FILE{SUFFIX} for the int8 model")
    sources = [Path(model)] if is_file_name(model) else []
    refuse_own_input(output, *sources)
    if output.exists() and not force:
        raise UsageError(f"{output} exists already; give -f to replace it")
    loaded = load_model(model)
    records = _readable_pairs(pairs)
    with training_bar() as (advance, _):
        shrunk, layers = shrink(loaded, lambda done, total: advance(done / total, f"layer {done + 1} of {total}"))
    save_quantized(output, loaded, shrunk, layers, force)
    forms = {"float": loaded, "int8": load_model(str(output))}
    told: dict[str, Any] = {"model": str(output), "from": model, "family": loaded.family}
    told["dtype"] = "int8" if layers else "float"
    told["bytes"] = {"float": sum(file.stat().st_size for file in sources), "int8": output.stat().st_size}
    told["int8_share"] = {key: round(share, 4) for key, share in coverage(shrunk, layers).items()}
    measured, status = _measured_pairs(forms, records)
    rate = max(shrunk.config.sample_rate or 22050, 8000)  # the demo's lowest
    audio = read_audio(measured[0]["degraded"]) if measured else (render_demo("voice-01", rate), rate)
    told["times_real_time"] = {form: round(speed, 2) for form, speed in compare_speed(forms, *audio).items()}
    told |= _means([record["compared"] for record in measured])
    stderr.print(_table(told))
    _say_what_is_not_int8(told, layers)
    sys.stdout.write(json.dumps(told) + "\n")
    return status


def _readable_pairs(pairs: list[str] | None) -> "list[Record]":
    records = list(read_inputs(pairs, "degraded", "quantize")[0]) if pairs else []
    if pairs and not any("error" not in record and "reference" in record for record in records):
        for record in records:
            if "error" in record:
                tell_failure(record, "quantize")
        raise UsageError(f"--pairs {' '.join(pairs)}: there is no pair to measure on; 'ar pair' makes some")
    return records


def _measured_pairs(forms: "dict[str, LoadedModel]", records: "list[Record]") -> "tuple[list[Record], ExitStatus]":
    """Compare the two forms on each pair; pairs that cannot be measured are told, and left out."""
    from ..engine.batch import run_batch
    from ..engine.quantize import compare_record

    good, bad = [], 0
    work = run_batch(records, lambda record: {**record, "compared": compare_record(record, forms)}, "quantize")
    for record in with_bar(work, "quantize", len(records)):
        if "error" in record:
            bad += 1
            tell_failure(record, "quantize")
        else:
            good.append(record)
    return good, batch_status(len(good), bad)


def _means(rows: list[dict[str, dict[str, float | None]]]) -> dict[str, dict[str, float | None]]:
    """Average each number over the records: number to row to mean."""
    if not rows:
        return {}
    return {key: {name: _mean([row[name][key] for row in rows]) for name in rows[0]} for key in rows[0]["degraded"]}


def _mean(values: list[float | None]) -> float | None:
    defined = [value for value in values if value is not None]
    return round(fmean(defined), 4) if defined else None


def _table(told: dict[str, Any]) -> "Table":
    from rich.table import Table
    from rich.text import Text

    table = Table("", "float", "int8", "change", title=Text(f"{told['from']} → {told['model']}"))
    for column in table.columns[1:]:
        column.justify = "right"
    before, after = told["bytes"].values()
    table.add_row("size, bytes", f"{before:,}", f"{after:,}", f"{after / before - 1:+.1%}" if before else "")
    before, after = told["times_real_time"].values()
    table.add_row("speed, × real time", f"{before:.1f}", f"{after:.1f}", f"× {after / before:.2f}")
    for key, unit in (("snr_db", "SNR, dB"), ("lsd_db", "LSD, dB")):
        before, after = (told.get(key, {}).get(form) for form in ("float", "int8"))
        if before is not None and after is not None:
            table.add_row(unit, f"{before:.3f}", f"{after:.3f}", f"{after - before:+.4f}")
    table.add_row("numbers stored in int8", "", f"{told['int8_share']['stored']:.1%}", "")
    table.add_row("multiply-adds in int8", "", f"{told['int8_share']['computed']:.1%}", "")
    return table


def _say_what_is_not_int8(told: dict[str, Any], layers: "list[Layer]") -> None:
    if not layers:
        say(f"nothing was gained: {told['family']} has no dense layers or convolutions")
        return
    in_float: dict[str, list[str]] = {}
    for layer in layers:
        if layer.arithmetic == "float":
            in_float.setdefault(layer.reason, []).append(layer.name)
    for reason, names in in_float.items():
        say(f"{', '.join(names)} {'is' if len(names) == 1 else 'are'} computed in float: {reason}")
    before, after = told["bytes"].values()
    if after >= before:
        say("nothing was gained in size")
    before, after = told["times_real_time"].values()
    if after <= before:
        say(f"nothing was gained in speed: restoring with int8 runs at {after / before:.2f} times that of float here")
