"""Shrinking a trained model: int8 weights, and int8 arithmetic wherever that was measured to be faster.

Storing and computing are two decisions. Every dense layer and convolution is stored in int8, a quarter of the size.
Whether it is also computed in int8 is tried layer by layer on the machine at hand, and kept in the checkpoint.
"""

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..data.audio_file import read_audio
from ..data.manifest import Record, need
from ..errors import CheckpointError, RecordError, UsageError
from ..metrics import METRICS
from ..metrics._comparison import Comparison, Signal, Undefined
from ..models._restorer import Restorer
from ..randomness import generator
from .checkpoint import LoadedModel, save_model
from .restore import restore_waveform

METRICS_TOLD = ("snr", "lsd")
_EXCERPT_FRAMES = 1 << 15
_TIMED_SECONDS = 20  # of a recording, to compare speeds on
_TURNS = 9
_NOISE = 0.02  # of the time: a single layer that loses no more is tried in int8 together with the others


@dataclass(frozen=True)
class Layer:
    """What became of one linear map.

    Attributes:
        name: In the network.
        weights: How many it has.
        multiply_adds: For each restored sample.
        arithmetic: ``int8`` or ``float``.
        reason: Why.
    """

    name: str
    weights: int
    multiply_adds: float
    arithmetic: str
    reason: str


Progress = Callable[[int, int], None]


def quantize(loaded: LoadedModel, progress: Progress = lambda done, total: None) -> tuple[Restorer, list[Layer]]:
    """Store a model's linear maps in int8, and find out which of them to compute in int8.

    Args:
        loaded: The model; it stays as it is.
        progress: Told how many layers were tried, and how many there are.

    Returns:
        The int8 model, and what became of each linear map; a family without a network comes back as it is, with none.

    Raises:
        UsageError: It is int8 already.
        CheckpointError: It holds numbers that are not finite.
    """
    if "quantized" in loaded.metadata:
        raise UsageError(f"{loaded.name} is {loaded.metadata['quantized']['dtype']} already; give the float model")
    for name, array in loaded.model.state().items():
        if not np.isfinite(array).all():
            raise CheckpointError(f"{loaded.name} holds NaN or infinite numbers in {name}; train it anew")
    if not loaded.needs_torch:
        return loaded.model, []
    from ..models._int8 import int8_operators_work
    from ..models._network import NetworkRestorer

    assert isinstance(loaded.model, NetworkRestorer)
    model = copy.deepcopy(loaded.model).cpu().eval()
    works, possible, counts = int8_operators_work(), model.int8_bounds(), model.multiply_adds()
    model.hold_in_int8({name: "int8" if works and name in possible else "float" for name in counts})
    maps, reasons = model.linear_maps(), {}
    for place, (name, layer) in enumerate(maps.items()):
        progress(place, len(counts))
        if layer.arithmetic == "int8":
            gained = _gained_in_int8(model, [layer])
            if gained <= -_NOISE:  # once more: what else a machine does hits the two forms unequally
                gained = max(gained, _gained_in_int8(model, [layer]))
            layer.arithmetic = "int8" if gained > -_NOISE else "float"
            reasons[name] = f"the model is {abs(gained):.0%} {'faster' if gained > 0 else 'slower'} with it in int8"
        elif not works:
            reasons[name] = "no int8 products in this torch, or on this CPU"
        else:
            reasons[name] = "no bound on what comes in, and windows share what is computed"
    in_int8 = {name: layer for name, layer in maps.items() if layer.arithmetic == "int8"}
    if in_int8 and _gained_in_int8(model, list(in_int8.values())) <= 0:
        for name, layer in in_int8.items():
            layer.arithmetic = "float"
            reasons[name] = "with all such layers in int8 the model is no faster"
    return model, [
        Layer(name, layer.weight.numel(), counts[name], str(layer.arithmetic), reasons[name])
        for name, layer in maps.items()
    ]


def _gained_in_int8(model: Restorer, layers: list[Any]) -> float:
    """Time the whole model with these layers in int8 and in float, in turns; tell by what share it is faster in int8.

    The layers are left in int8.
    """
    rng = np.random.default_rng(0)
    excerpt = (0.1 * rng.standard_normal((1, model.config.channels, _EXCERPT_FRAMES))).astype(np.float32)
    draw = model.draw(rng)
    best = {"float": float("inf"), "int8": float("inf")}
    for _ in range(_TURNS):
        for arithmetic in best:
            for layer in layers:
                layer.arithmetic = arithmetic
            best[arithmetic] = min(best[arithmetic], _seconds(lambda: model.restore(excerpt, draw)))
    return best["float"] / best["int8"] - 1.0


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def save_quantized(path: Path, loaded: LoadedModel, model: Restorer, layers: list[Layer], overwrite: bool) -> None:
    """Write the int8 model, with what its float form's checkpoint told."""
    own = ("format", "version", "family", "config")
    told = {key: value for key, value in loaded.metadata.items() if key not in own}
    if layers:
        arithmetic = {layer.name: layer.arithmetic for layer in layers}
        told["quantized"] = {"dtype": "int8", "arithmetic": arithmetic}
    save_model(path, loaded.family, model, told, overwrite)


def coverage(model: Restorer, layers: list[Layer]) -> dict[str, float]:
    """Tell what share of a model's numbers is stored in int8, and of its multiply-adds computed in int8.

    The numbers counted are weights, scales, biases and whatever else the checkpoint keeps.
    """
    numbers = sum(array.size for array in model.state().values())
    products = sum(layer.multiply_adds for layer in layers)
    in_int8 = sum(layer.multiply_adds for layer in layers if layer.arithmetic == "int8")
    return {
        "stored": sum(layer.weights for layer in layers) / numbers if numbers else 0.0,
        "computed": in_int8 / products if products else 0.0,
    }


def compare_speed(models: dict[str, LoadedModel], waveform: np.ndarray, sample_rate: int) -> dict[str, float]:
    """Time restorations of the same waveform (channels, time), or its start, in turns; as multiples of real time."""
    waveform = waveform[:, : _TIMED_SECONDS * sample_rate]
    draws = {name: loaded.model.draw(np.random.default_rng(0)) for name, loaded in models.items()}
    best = dict.fromkeys(models, float("inf"))
    for _ in range(_TURNS):
        for name, loaded in models.items():
            work = partial(restore_waveform, loaded, waveform, sample_rate, draws[name])
            best[name] = min(best[name], _seconds(work))
    return {name: waveform.shape[-1] / sample_rate / seconds for name, seconds in best.items()}


def compare_record(record: Record, models: dict[str, LoadedModel]) -> dict[str, dict[str, float | None]]:
    """Measure a record's degraded audio, and what each model makes of it with the draw of `restore_record`'s seed 0.

    Returns:
        Numbers by name, for ``degraded`` and for each model.

    Raises:
        RecordError: Reference and degraded audio do not lie on each other.
    """
    reference_path, degraded_path = need(record, "reference", "degraded")
    waveform, sample_rate = read_audio(reference_path)
    degraded, degraded_rate = read_audio(degraded_path)
    if (degraded.shape, degraded_rate) != (waveform.shape, sample_rate):
        raise RecordError("degraded and reference audio differ in rate, length or channels; 'ar pair' aligns them")
    reference = Signal.of(waveform, sample_rate)
    estimates = {"degraded": degraded}
    for name, loaded in models.items():
        draw = loaded.model.draw(generator(0, "restore", record["id"], record.get("sample", 0)))
        estimates[name] = restore_waveform(loaded, degraded, sample_rate, draw)
    rows = {}
    for name, estimate in estimates.items():
        comparison = Comparison(reference, Signal.of(estimate, sample_rate))
        measured = [item for metric in METRICS_TOLD for item in METRICS.load(metric).measure(comparison).items()]
        rows[name] = {key: None if isinstance(value, Undefined) else value for key, value in measured}
    return rows
