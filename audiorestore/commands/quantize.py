"""``ar quantize``: a smaller model, and what that changes."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ..errors import ExitStatus, UsageError
from . import _complete
from ._inputs import Force, read_inputs
from ._signals import shell_command
from ._speech import batch_status, report_failure, say, show_beside, training_bar, with_bar

if TYPE_CHECKING:
    from ..data.manifest import Record
    from ..engine.checkpoint import LoadedModel


@shell_command
def quantize(
    model: Annotated[
        str, typer.Argument(help="A float checkpoint from 'ar train'.", autocompletion=_complete.checkpoints)
    ],
    dtype: Annotated[
        Literal["int8", "float16"],
        typer.Option(help="Type to store numbers in: int8, a quarter of the size, or float16, half of it."),
    ] = "int8",
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Checkpoint to write (.safetensors).")] = None,
    pairs: Annotated[
        list[str] | None,
        typer.Option(help="Manifest of pairs to measure SNR, LSD and speed on, before and after; may be repeated."),
    ] = None,
    force: Force = False,
) -> ExitStatus:
    """Store a model's weights in int8, a quarter of the size, and compute in int8 where that is faster.

    Each layer is timed both ways on this machine. An int8 model is used like any other, and its results do not depend
    on how the audio is cut into blocks. With --dtype float16 all numbers are stored in 16 bits, half of the size, and
    computed in float32 as before. One JSON object is written to stdout: sizes, speeds (measured in turns on the same
    audio), the shares stored and computed in int8, what was decided for each layer and why, and with --pairs the mean
    SNR and LSD before and after.

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
    from ..engine.quantize import compare_speed, coverage, left_in_float32, means, save_quantized
    from ..engine.quantize import quantize as shrink
    from ..report.quantized import comparison_table, remarks

    if output is None or output.suffix != SUFFIX:
        raise UsageError(f"give -o FILE{SUFFIX} for the smaller model")
    sources = [Path(model)] if is_file_name(model) else []
    refuse_own_input(output, *sources)
    if output.exists() and not force:
        raise UsageError(f"{output} exists already; give -f to replace it")
    loaded = load_model(model)
    records = _readable_pairs(pairs)
    with training_bar() as (advance, _):
        small, layers = shrink(loaded, dtype, lambda done, total: advance(done / total, f"turn {done + 1} of {total}"))
    save_quantized(output, loaded, small, layers, force, dtype)
    forms = {"float": loaded, dtype: load_model(str(output))}
    measured, status = _compared(forms, records)
    rate = max(small.config.sample_rate or 22050, 8000)  # the lowest of the demo
    audio = read_audio(measured[0]["degraded"]) if measured else (render_demo("voice-01", rate), rate)
    speeds = compare_speed(forms, *audio)
    shares = coverage(small, layers, dtype)
    result: dict[str, Any] = {
        "model": str(output),
        "from": model,
        "family": loaded.family,
        "dtype": dtype if layers else "float",
        "bytes": {"float": sum(file.stat().st_size for file in sources), dtype: output.stat().st_size},
        f"{dtype}_share": {key: round(share, 4) for key, share in shares.items()},
        "layers": [asdict(layer) for layer in layers],
        "left_in_float32": left_in_float32(small, layers, dtype) if layers else {},
        "times_real_time": {form: round(speed, 2) for form, speed in speeds.items()},
        "speed_ratio": round(speeds[dtype] / speeds["float"], 3),
        **means([record["compared"] for record in measured]),
    }
    show_beside(comparison_table(result))
    for remark in remarks(result):
        say(remark)
    sys.stdout.write(json.dumps(result) + "\n")
    return status


def _readable_pairs(pairs: list[str] | None) -> "list[Record]":
    records = list(read_inputs(pairs, "degraded", "quantize")[0]) if pairs else []
    if pairs and not any("error" not in record and "reference" in record for record in records):
        for record in records:
            if "error" in record:
                report_failure(record, "quantize")
        raise UsageError(f"--pairs {' '.join(pairs)}: there are no pairs to measure on; 'ar pair' makes some")
    return records


def _compared(forms: "dict[str, LoadedModel]", records: "list[Record]") -> "tuple[list[Record], ExitStatus]":
    """Compare the two forms on each pair; pairs that cannot be measured are reported, and left out."""
    from ..engine.quantize import compare_records

    good, bad = [], 0
    for record in with_bar(compare_records(records, forms), "quantize", len(records)):
        if "error" in record:
            bad += 1
            report_failure(record, "quantize")
        else:
            good.append(record)
    return good, batch_status(len(good), bad)
