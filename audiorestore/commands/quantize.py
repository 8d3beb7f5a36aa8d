"""``ar quantize``: a smaller model, and what that changes."""

import json
import sys
from dataclasses import asdict
from enum import Enum
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import ExitStatus, UsageError
from ._inputs import Force, read_inputs
from ._signals import shell_command
from ._speech import batch_status, say, stderr, tell_failure, training_bar, with_bar

if TYPE_CHECKING:
    from rich.table import Table

    from ..data.manifest import Record
    from ..engine.checkpoint import LoadedModel
    from ..engine.quantize import Layer


_NAMES_TOLD = 8


class Dtype(Enum):
    """What numbers are stored in."""

    int8 = "int8"
    float16 = "float16"


@shell_command
def quantize(
    model: Annotated[str, typer.Argument(help="A float checkpoint from 'ar train'.")],
    dtype: Annotated[
        Dtype, typer.Option(help="What to store numbers in: int8, a quarter of the size, or float16, half of it.")
    ] = Dtype.int8,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Checkpoint to write (.safetensors).")] = None,
    pairs: Annotated[
        list[str] | None,
        typer.Option(help="Manifest of pairs to measure SNR, LSD and speed on before and after; may be repeated."),
    ] = None,
    force: Force = False,
) -> ExitStatus:
    """Store a model's weights in int8, a quarter of the size, and compute in int8 where that is faster.

    Each layer is tried both ways on this machine. The int8 model is used like any other, and its results do not depend
    on how the audio is cut into blocks. With --dtype float16 all numbers are stored in 16 bits, half of the size, and
    computed in float32 as before. stdout gets one JSON object: sizes, speeds measured in turns on the same audio, what
    share is stored and computed in int8, what became of each layer and why, and with --pairs the means of SNR and LSD
    before and after.

    \b
    Examples:
      ar quantize mlp.safetensors -o mlp.int8.safetensors
      ar quantize mlp.safetensors --dtype float16 -o mlp.float16.safetensors
      ar quantize cnn.safetensors --pairs test.jsonl -o cnn.int8.safetensors > cnn.int8.json
    """
    from ..data.audio_file import read_audio
    from ..demo.synthesis import render_demo
    from ..engine.checkpoint import SUFFIX, is_file_name, load_model
    from ..engine.provenance import refuse_own_input
    from ..engine.quantize import compare_speed, coverage, left_in_float32, save_quantized
    from ..engine.quantize import quantize as shrink

    if output is None or output.suffix != SUFFIX:
        raise UsageError(f"give -o FILE{SUFFIX} for the smaller model")
    sources = [Path(model)] if is_file_name(model) else []
    refuse_own_input(output, *sources)
    if output.exists() and not force:
        raise UsageError(f"{output} exists already; give -f to replace it")
    loaded = load_model(model)
    records = _readable_pairs(pairs)
    with training_bar() as (advance, _):
        shrunk, layers = shrink(
            loaded, dtype.value, lambda done, total: advance(done / total, f"turn {done + 1} of {total}")
        )
    save_quantized(output, loaded, shrunk, layers, force, dtype.value)
    forms = {"float": loaded, dtype.value: load_model(str(output))}
    told: dict[str, Any] = {"model": str(output), "from": model, "family": loaded.family}
    told["dtype"] = dtype.value if layers else "float"
    told["bytes"] = {"float": sum(file.stat().st_size for file in sources), dtype.value: output.stat().st_size}
    shares = coverage(shrunk, layers, dtype.value)
    told[f"{dtype.value}_share"] = {key: round(share, 4) for key, share in shares.items()}
    told["layers"] = [asdict(layer) for layer in layers]
    told["left_in_float32"] = left_in_float32(shrunk, layers, dtype.value) if layers else {}
    measured, status = _measured_pairs(forms, records)
    rate = max(shrunk.config.sample_rate or 22050, 8000)  # the demo's lowest
    audio = read_audio(measured[0]["degraded"]) if measured else (render_demo("voice-01", rate), rate)
    speeds = compare_speed(forms, *audio)
    told["times_real_time"] = {form: round(speed, 2) for form, speed in speeds.items()}
    told["speed_ratio"] = round(speeds[dtype.value] / speeds["float"], 3)
    told |= _means([record["compared"] for record in measured])
    stderr.print(_table(told, dtype.value))
    _say_what_is_not_small(told, layers, dtype.value)
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


def _table(told: dict[str, Any], dtype: str) -> "Table":
    from rich.table import Table
    from rich.text import Text

    table = Table("", "float", dtype, "change", title=Text(f"{told['from']} → {told['model']}"))
    for column in table.columns[1:]:
        column.justify = "right"
    before, after = told["bytes"].values()
    table.add_row("size, bytes", f"{before:,}", f"{after:,}", f"{after / before - 1:+.1%}" if before else "")
    before, after = told["times_real_time"].values()
    table.add_row("speed, × real time", f"{before:.1f}", f"{after:.1f}", f"× {told['speed_ratio']:.2f}")
    for key, unit in (("snr_db", "SNR, dB"), ("lsd_db", "LSD, dB")):
        before, after = (told.get(key, {}).get(form) for form in ("float", dtype))
        if before is not None and after is not None:
            table.add_row(unit, f"{before:.3f}", f"{after:.3f}", f"{after - before:+.4f}")
    shares = told[f"{dtype}_share"]
    table.add_row(f"numbers stored in {dtype}", "", f"{shares['stored']:.1%}", "")
    table.add_row("multiply-adds in int8", "", f"{shares['computed']:.1%}", "")
    return table


def _say_what_is_not_small(told: dict[str, Any], layers: "list[Layer]", dtype: str) -> None:
    if not layers:
        say(f"nothing was gained: {told['family']} has no dense layers, convolutions or LSTMs")
        return
    in_float: dict[str, list[Layer]] = {}
    for layer in layers:
        if layer.arithmetic == "float" and dtype == "int8":
            in_float.setdefault(layer.reason, []).append(layer)
    for reason, group in in_float.items():
        gains = [layer.gain for layer in group if layer.gain is not None]
        ends = dict.fromkeys(f"{gain:.2f}" for gain in (min(gains), max(gains))) if gains else {}
        tried = f" ({' to '.join(ends)} times as fast)" if gains else ""
        say(f"{_names([layer.name for layer in group])} computed in float: {reason}{tried}")
    left = told["left_in_float32"]
    if left:
        why = "too large or too small for it" if dtype == "float16" else "in no layer that is held in int8"
        count = sum(left.values())
        stay = "1 number stays" if count == 1 else f"{count:,} numbers stay"
        say(f"{stay} in float32, {why}: {_names(list(left), verb=False)}")
    before, after = told["bytes"].values()
    if after >= before:
        say("nothing was gained in size")
    if told["speed_ratio"] < 1.0:
        ratio = told["speed_ratio"]
        say(f"nothing was gained in speed: restoring with {dtype} runs at {ratio:.2f} times that of float here")


def _names(names: list[str], verb: bool = True) -> str:
    """Write names, the first few of many."""
    told = ", ".join(names[:_NAMES_TOLD]) + (
        f" and {len(names) - _NAMES_TOLD} more" if len(names) > _NAMES_TOLD else ""
    )
    return told + ((" is" if len(names) == 1 else " are") if verb else "")
