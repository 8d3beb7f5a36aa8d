"""Shrinking a trained model: int8 weights, and int8 arithmetic wherever that was measured to be faster; or float16.

Storing and computing are two decisions. Every dense layer, convolution and LSTM is stored in int8, a quarter of the
size. Whether it is also computed in int8 is tried on the machine at hand, layer by layer in a run of the whole model,
and kept in the checkpoint. float16 halves all numbers, and leaves all arithmetic in float32.
"""

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ..data.audio_file import read_audio
from ..data.manifest import Record, need
from ..errors import CheckpointError, RecordError, UsageError
from ..metrics import METRICS
from ..metrics._comparison import Comparison, Signal, Undefined
from ..models._restorer import Restorer
from ..randomness import generator
from .checkpoint import LoadedModel, in_16_bits, save_model
from .restoring.restore import restore_waveform

Dtype = Literal["int8", "float16"]

METRICS_TOLD = ("snr", "lsd")
_EXCERPT_FRAMES = 1 << 15  # to try layers on, fewer where a sample takes many multiply-adds
_LEAST_FRAMES = 1 << 13
_EXCERPT_PRODUCTS = 5e10
_TIMED_SECONDS = 20  # of a recording, to compare speeds on
_TURNS = 9
_LEAST_SECONDS = 1.0  # small models have more turns: what else a machine does hits single ones
_MOST_SECONDS = 20.0  # large models have fewer, but two at least
FASTER = "int8 is faster here"
SLOWER = "int8 is slower here"
NO_GAIN = "int8 is faster for the layer alone, but the model with all such layers in int8 is not"
NO_BOUND = "what comes in has no bound, and windows share what is computed"
NO_OPERATORS = "no int8 products in this torch, or on this CPU"

_FAITHFUL = 2.0**-10  # float16 errs by 2^-11 of a number, unless numbers are too large or too small for it


@dataclass(frozen=True)
class Layer:
    """What became of one linear map.

    Attributes:
        name: In the network.
        weights: How many it has.
        multiply_adds: For each restored sample.
        stored: What its weights are stored in: ``int8``, ``float16`` or ``float32``.
        stored_reason: Why.
        arithmetic: What it is computed in: ``int8`` or ``float``.
        reason: Why.
        gain: How many times as fast as in float it was in int8; None: not tried.
    """

    name: str
    weights: int
    multiply_adds: float
    stored: str
    stored_reason: str
    arithmetic: str
    reason: str
    gain: float | None = None


Progress = Callable[[int, int], None]


def quantize(
    loaded: LoadedModel, dtype: Dtype = "int8", progress: Progress = lambda done, total: None
) -> tuple[Restorer, list[Layer]]:
    """Store a model's linear maps in int8 and find out which of them to compute in int8; or store all in float16.

    Args:
        loaded: The model; it stays as it is.
        dtype: What to store in.
        progress: Told how many turns of trying are done, and of how many.

    Returns:
        The smaller model, and what became of each linear map; a family without a network comes back as it is, with
        none.

    Raises:
        UsageError: It is in int8 or float16 already.
        CheckpointError: It holds numbers that are not finite.
    """
    if "quantized" in loaded.metadata:
        raise UsageError(f"{loaded.name} is {loaded.metadata['quantized']['dtype']} already; give the float model")
    for name, array in loaded.model.state().items():
        if not np.isfinite(array).all():
            raise CheckpointError(f"{loaded.name} holds NaN or infinite numbers in {name}; train it anew")
    if not loaded.needs_torch:
        return loaded.model, []
    from ..models._network import NetworkRestorer

    assert isinstance(loaded.model, NetworkRestorer)
    model = copy.deepcopy(loaded.model).cpu().eval()
    return (model, _in_float16(model)) if dtype == "float16" else (model, _in_int8(model, progress))


def _in_float16(model: Any) -> list[Layer]:
    """Round a model's numbers to 16 bits, where these can tell them; tell what became of its linear maps."""
    state = {name: _rounded_to_float16(array) for name, array in model.state().items()}
    model.load_state(state)
    counts, layers = model.multiply_adds(), []
    for name, layer in model.linear_maps().items():
        weights = layer.weight.detach().numpy()
        stored = str(in_16_bits(weights).dtype)
        why = "half the size" if stored == "float16" else "too large or too small for float16"
        layers.append(
            Layer(
                name, weights.size, counts[name], stored, why, "float", "float16 is for storing, and slow to compute in"
            )
        )
    return layers


def _rounded_to_float16(array: np.ndarray) -> np.ndarray:
    if array.dtype != np.float32:
        return array
    with np.errstate(over="ignore"):
        rounded = array.astype(np.float16).astype(np.float32)
    with np.errstate(invalid="ignore"):
        error = np.abs(rounded - array).max(initial=0.0)
    return rounded if error <= _FAITHFUL * np.abs(array).max(initial=0.0) else array


def _in_int8(model: Any, progress: Progress) -> list[Layer]:
    """Hold a model in int8, and compute in int8 what is faster so; tell what became of its linear maps."""
    from ..models._int8 import int8_operators_work

    works, possible, counts = int8_operators_work(), model.int8_bounds(), model.multiply_adds()
    model.hold_in_int8({name: "int8" if works and name in possible else "float" for name in counts})
    maps, gains = model.linear_maps(), dict[str, float]()
    reasons = dict.fromkeys(maps, NO_BOUND if works else NO_OPERATORS)
    tried = {name: layer for name, layer in maps.items() if layer.arithmetic == "int8"}
    if tried:
        for name, (in_float, in_int8) in _race(model, tried, progress)[1].items():
            gains[name] = in_float / in_int8
            tried[name].arithmetic, reasons[name] = ("int8", FASTER) if gains[name] > 1.0 else ("float", SLOWER)
    chosen = {name: layer for name, layer in tried.items() if layer.arithmetic == "int8"}
    if chosen:
        in_float, in_int8 = _race(model, chosen, progress)[0]
        if in_int8 >= in_float:
            for name, layer in chosen.items():
                layer.arithmetic, reasons[name] = "float", NO_GAIN
    return [
        Layer(
            name,
            layer.weight.numel(),
            counts[name],
            "int8",
            _change_of_size(layer.weight.numel(), layer.out_features),
            str(layer.arithmetic),
            reasons[name],
            gains.get(name),
        )
        for name, layer in maps.items()
    ]


def _change_of_size(weights: int, outputs: int) -> str:
    """Tell what int8 weights and a scale for each output weigh, beside float32 weights.

    >>> _change_of_size(1000, 10), _change_of_size(10, 10)
    ('74% smaller', '25% larger, by the scales')
    """
    change = (weights + 4 * outputs) / (4 * weights) - 1.0
    return f"{-change:.0%} smaller" if change < 0 else f"{change:.0%} larger, by the scales"


def _goes_on(turns: int, seconds: float) -> bool:
    return seconds < _LEAST_SECONDS or (turns < _TURNS and seconds < _MOST_SECONDS)


Times = tuple[float, float]  # in float, in int8


def _race(model: Any, layers: dict[str, Any], progress: Progress) -> tuple[Times, dict[str, Times]]:
    """Time the model with these layers in float and in int8, in turns.

    The layers are left in int8.

    Returns:
        The best seconds of the whole, and of each layer.
    """
    rng = np.random.default_rng(0)
    frames = max(_LEAST_FRAMES, int(_EXCERPT_PRODUCTS / sum(model.multiply_adds().values())))
    shape = 1, model.config.channels, min(frames, _EXCERPT_FRAMES)
    excerpt = (0.1 * rng.standard_normal(shape)).astype(np.float32)
    draw = model.draw(rng)
    whole: dict[str, list[float]] = {"float": [], "int8": []}
    each: dict[str, dict[str, list[float]]] = {name: {"float": [], "int8": []} for name in layers}
    started, turn = time.perf_counter(), 0
    while turn < 2 or _goes_on(turn, time.perf_counter() - started):
        turn += 1
        progress(min(turn, _TURNS) - 1, _TURNS)
        for arithmetic, seconds in whole.items():
            for layer in layers.values():
                layer.arithmetic, layer.stopwatch.seconds = arithmetic, 0.0
            seconds.append(_seconds(lambda: model.restore(excerpt, draw)))
            for name, layer in layers.items():
                each[name][arithmetic].append(layer.stopwatch.seconds)
    best = {name: (min(times["float"]), min(times["int8"])) for name, times in each.items()}
    return (min(whole["float"]), min(whole["int8"])), best


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def save_quantized(
    path: Path, loaded: LoadedModel, model: Restorer, layers: list[Layer], overwrite: bool, dtype: Dtype = "int8"
) -> None:
    """Write the smaller model, with what its float form's checkpoint told; what was measured on that is said to be."""
    own = ("format", "version", "family", "config")
    told = {key: value for key, value in loaded.metadata.items() if key not in own}
    if layers:
        if "validation" in told:
            told["validation_of_float_form"] = told.pop("validation")
        arithmetic = {layer.name: layer.arithmetic for layer in layers}
        told["quantized"] = {"dtype": dtype, "arithmetic": arithmetic}
    save_model(path, loaded.family, model, told, overwrite)


def coverage(model: Restorer, layers: list[Layer], dtype: Dtype = "int8") -> dict[str, float]:
    """Tell what share of a model's numbers is stored as was asked for, and of its multiply-adds computed in int8.

    The numbers counted are weights, scales, biases and whatever else the checkpoint keeps; the multiply-adds, those of
    the layers, without what a family computes in another way (depthwise kernels, transforms).
    """
    arrays = list(model.state().values())
    stored = [in_16_bits(array) for array in arrays] if dtype == "float16" else arrays
    numbers, products = sum(array.size for array in arrays), sum(layer.multiply_adds for layer in layers)
    small = sum(array.size for array in stored if array.dtype == dtype)
    in_int8 = sum(layer.multiply_adds for layer in layers if layer.arithmetic == "int8")
    return {
        "stored": small / numbers if numbers and layers else 0.0,
        "computed": in_int8 / products if products else 0.0,
    }


def left_in_float32(model: Restorer, layers: list[Layer], dtype: Dtype = "int8") -> dict[str, int]:
    """Count the numbers that are not stored as was asked for, by their names; scales and biases of int8 layers are no
    news."""
    if dtype == "int8":
        held = tuple(f"{layer.name}." for layer in layers)
        return {name: array.size for name, array in model.state().items() if not name.startswith(held)}
    return {name: array.size for name, array in model.state().items() if in_16_bits(array).dtype == np.float32}


def compare_speed(models: dict[str, LoadedModel], waveform: np.ndarray, sample_rate: int) -> dict[str, float]:
    """Time restorations of the same waveform (channels, time), or its start, in turns; as multiples of real time."""

    def seconds_of(name: str, excerpt: np.ndarray) -> float:
        return _seconds(partial(restore_waveform, models[name], excerpt, sample_rate))

    first = waveform[:, :sample_rate]
    slowest = max(seconds_of(name, first) for name in models) / first.shape[-1]  # seconds a sample
    waveform = waveform[:, : max(first.shape[-1], min(_TIMED_SECONDS * sample_rate, int(_MOST_SECONDS / slowest)))]
    best = dict.fromkeys(models, float("inf"))
    started, turn = time.perf_counter(), 0
    while turn < 2 or _goes_on(turn, time.perf_counter() - started):
        turn += 1
        best = {name: min(seconds, seconds_of(name, waveform)) for name, seconds in best.items()}
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
        rng = generator(0, "restore", record["id"], record.get("sample", 0))
        estimates[name] = restore_waveform(loaded, degraded, sample_rate, rng)
    rows = {}
    for name, estimate in estimates.items():
        comparison = Comparison(reference, Signal.of(estimate, sample_rate))
        measured = [item for metric in METRICS_TOLD for item in METRICS.load(metric).measure(comparison).items()]
        rows[name] = {key: None if isinstance(value, Undefined) else value for key, value in measured}
    return rows
