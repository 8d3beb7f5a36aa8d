"""Making a trained model smaller: int8 weights, with int8 arithmetic where that was measured to be faster; or float16.

Storing and computing are two decisions. Every dense layer, convolution and LSTM of the part that restores is stored in
int8, a quarter of the size. Whether it is also computed in int8 is measured on this machine, layer by layer in a run of
the whole model, and kept in the checkpoint. float16 halves all numbers, and leaves all arithmetic in float32.
"""

import copy
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import Any, Literal, cast

import numpy as np

from ..data.manifest import Record
from ..errors import CheckpointError, UsageError
from ..models._restorer import Restorer
from ..signal.sound import Sound
from .batch import run_batch
from .checkpoint import LoadedModel, in_16_bits, save_model
from .evaluate import Known, evaluate_record
from .int8 import bounds_of, hold, linear_maps_of, restoring_state, uses_of
from .restoring.restore import RestoreConfig, restore_record, restore_waveform

Dtype = Literal["int8", "float16"]

METRICS_COMPARED = ("snr", "lsd")
_LEAST_FRAMES = 1 << 13
_EXCERPT_PRODUCTS = 5e10
_TIMED_SECONDS = 20  # of a recording, to compare speeds on
_FAITHFUL = 2.0**-10  # float16 errs by 2^-11 of a number, unless numbers are too large or too small for it

FASTER = "int8 is faster"
SLOWER = "int8 is slower"
NO_GAIN = "int8 is faster for the layer alone, but the model with all such layers in int8 is not faster"
NO_OPERATORS = "this torch, or this CPU, has no int8 products"

Progress = Callable[[int, int], None]
Times = tuple[float, float]  # seconds in float, in int8


@dataclass(frozen=True)
class Patience:
    """How long to measure speeds: other programs disturb single runs of small models, and large ones take long."""

    turns: int = 9  # of each form; at least two
    least_seconds: float = 1.0  # more turns if they take less
    most_seconds: float = 20.0  # fewer if they take more
    excerpt_frames: int = 1 << 15  # samples to try layers on; fewer where each takes many multiply-adds

    def rounds(self, progress: Progress = lambda done, total: None) -> Iterator[None]:
        """Yield once for each turn."""
        started, done, seconds = time.perf_counter(), 0, 0.0
        while done < 2 or seconds < self.least_seconds or (done < self.turns and seconds < self.most_seconds):
            progress(min(done, self.turns - 1), self.turns)
            yield
            done, seconds = done + 1, time.perf_counter() - started


PATIENCE = Patience()


@dataclass(frozen=True)
class Layer:
    """What was decided for one linear map."""

    name: str  # in the network
    weights: int  # how many
    multiply_adds: float  # for each restored sample
    stored: str  # what its weights are stored in: int8, float16 or float32
    stored_reason: str
    arithmetic: str  # what it is computed in: int8 or float
    reason: str
    gain: float | None = None  # its time in float over its time in int8; None: not measured
    bound: float | None = None  # how far from 0 its input can be, where int8 relies on that


def quantize(
    loaded: LoadedModel,
    dtype: Dtype = "int8",
    progress: Progress = lambda done, total: None,
    patience: Patience | None = None,
) -> tuple[Restorer, list[Layer]]:
    """Store a model's linear maps in int8 and find out which of them to compute in int8; or store all in float16.

    Args:
        loaded: The model; it stays as it is.
        dtype: What to store in.
        progress: Called with the number of turns of measuring that are done, and of all of them.
        patience: How long to measure.

    Returns:
        The smaller model, and what was decided for each linear map; a model without any comes back as it is, with
        none.

    Raises:
        UsageError: It is in int8 or float16 already.
        CheckpointError: It holds numbers that are not finite.
    """
    if "quantized" in loaded.metadata:
        raise UsageError(f"{loaded.name} is {loaded.metadata['quantized']['dtype']} already; give the float model")
    for name, array in loaded.model.state().items():
        if not np.isfinite(array).all():
            raise CheckpointError(f"{loaded.name} holds NaN or infinite numbers in {name}; train it again")
    if not linear_maps_of(loaded.model):
        return loaded.model, []
    model: Any = copy.deepcopy(loaded.model)
    model = model.cpu().eval()
    return model, _in_float16(model) if dtype == "float16" else _in_int8(model, progress, patience or PATIENCE)


def _in_float16(model: Any) -> list[Layer]:
    """Round a model's numbers to 16 bits, where these can represent them; list its linear maps."""
    uses = uses_of(model)
    model.load_state({name: _rounded_to_float16(array) for name, array in model.state().items()})
    layers = []
    for name, layer in linear_maps_of(model).items():
        weights = layer.weight.detach().numpy()
        stored = str(in_16_bits(weights).dtype)
        why = "half the size" if stored == "float16" else "too large or too small for float16"
        arithmetic = "float", "float16 is for storing, and slow to compute in"
        layers.append(Layer(name, weights.size, uses[name].multiply_adds, stored, why, *arithmetic))
    return layers


def _rounded_to_float16(array: np.ndarray) -> np.ndarray:
    if array.dtype != np.float32:
        return array
    with np.errstate(over="ignore", invalid="ignore"):
        rounded = array.astype(np.float16).astype(np.float32)
        error = np.abs(rounded - array).max(initial=0.0)
    return rounded if error <= _FAITHFUL * np.abs(array).max(initial=0.0) else array


def _in_int8(model: Any, progress: Progress, patience: Patience) -> list[Layer]:
    """Store a model in int8, and compute in int8 where that is faster; list its linear maps."""
    from ..quantization.operators import int8_operators_work

    works, uses = int8_operators_work(), uses_of(model)
    bounds, gains = bounds_of(uses), dict[str, float]()
    reasons = {name: (use.obstacle if works else None) or NO_OPERATORS for name, use in uses.items()}
    maps = hold(model, {name: "int8" if works and name in bounds else "float" for name in uses}, bounds)
    race = partial(_race, model, sum(use.multiply_adds for use in uses.values()), patience, progress)
    tried = {name: layer for name, layer in maps.items() if layer.arithmetic == "int8"}
    if tried:
        times = race(tried)
        for name, layer in tried.items():
            gains[name] = times[name][0] / times[name][1]
            layer.arithmetic, reasons[name] = ("int8", FASTER) if gains[name] > 1.0 else ("float", SLOWER)
    chosen = {name: layer for name, layer in tried.items() if layer.arithmetic == "int8"}
    if chosen:
        in_float, in_int8 = race(chosen)[""]
        if in_int8 >= in_float:
            for name, layer in chosen.items():
                layer.arithmetic, reasons[name] = "float", NO_GAIN
    layers = []
    for name, layer in maps.items():
        weights = layer.codes.numel()
        size, use = _change_of_size(weights, len(layer.scale)), uses[name]
        how = layer.arithmetic, reasons[name]
        layers.append(Layer(name, weights, use.multiply_adds, "int8", size, *how, gains.get(name), use.bound))
    return layers


def _change_of_size(weights: int, outputs: int) -> str:
    """Say how much int8 weights and a scale for each output take, relative to float32 weights.

    >>> _change_of_size(1000, 10), _change_of_size(10, 10)
    ('74% smaller', '25% larger, by the scales')
    """
    change = (weights + 4 * outputs) / (4 * weights) - 1.0
    return f"{-change:.0%} smaller" if change < 0 else f"{change:.0%} larger, by the scales"


def _race(
    model: Any, multiply_adds: float, patience: Patience, progress: Progress, layers: dict[str, Any]
) -> dict[str, Times]:
    """Time the model with these layers in float and in int8, in turns; they are left in int8.

    Returns:
        The best seconds of each layer, by its name, and under "" those of the whole model.
    """
    from ..quantization.study import owner_of, watching

    rng, frames = np.random.default_rng(0), max(_LEAST_FRAMES, int(_EXCERPT_PRODUCTS / max(1.0, multiply_adds)))
    shape = model.config.channels, min(frames, patience.excerpt_frames)
    excerpt = Sound.of((0.1 * rng.standard_normal(shape)).astype(np.float32), model.config.sample_rate or 22050)
    owners = {name: owner_of(model, name) for name in layers}
    spent = defaultdict[str, float](float)
    best = {name: [float("inf")] * 2 for name in ["", *layers]}

    def timed(owner: str, way: str, work: Callable[..., Any], *arguments: Any) -> Any:
        started = time.perf_counter()
        made = work(*arguments)
        spent[owner] += time.perf_counter() - started
        return made

    with watching(model, layers, timed):
        for _ in patience.rounds(progress):
            for place, kind in enumerate(("float", "int8")):
                spent.clear()
                for layer in layers.values():
                    layer.arithmetic = kind
                whole = _seconds(lambda: deque(model.restored(excerpt, np.random.default_rng(0)), 0))
                seconds = {"": whole} | {name: spent[owner] for name, owner in owners.items()}
                for name, taken in seconds.items():
                    best[name][place] = min(best[name][place], taken)
    return {name: cast(Times, tuple(times)) for name, times in best.items()}


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def save_quantized(
    path: Path, loaded: LoadedModel, model: Restorer, layers: list[Layer], overwrite: bool, dtype: Dtype = "int8"
) -> None:
    """Write the part of the smaller model that restores, with the metadata of its float form's checkpoint.

    The validation numbers are renamed, as they were measured on the float form.
    """
    own = ("format", "version", "family", "config")
    metadata = {key: value for key, value in loaded.metadata.items() if key not in own}
    if layers:
        if "validation" in metadata:
            metadata["validation_of_float_form"] = metadata.pop("validation")
        arithmetic = {layer.name: layer.arithmetic for layer in layers}
        metadata["quantized"] = {"dtype": dtype, "arithmetic": arithmetic}
        if dtype == "int8":  # so that loading need not find them again
            bounds = {layer.name: layer.bound for layer in layers if layer.arithmetic == "int8"}
            metadata["quantized"]["bounds"] = bounds
    save_model(path, loaded.family, model, metadata, overwrite)


def coverage(model: Restorer, layers: list[Layer], dtype: Dtype = "int8") -> dict[str, float]:
    """Compute what share of the numbers that restore is stored in the dtype, and of the multiply-adds done in int8.

    The numbers counted are weights, scales, biases and whatever else the checkpoint keeps; the multiply-adds, those of
    the layers, without what a family computes in another way (depthwise kernels, transforms).
    """
    arrays = list(restoring_state(model).values())
    stored = [in_16_bits(array) for array in arrays] if dtype == "float16" else arrays
    numbers, products = sum(array.size for array in arrays), sum(layer.multiply_adds for layer in layers)
    small = sum(array.size for array in stored if array.dtype == dtype)
    in_int8 = sum(layer.multiply_adds for layer in layers if layer.arithmetic == "int8")
    return {
        "stored": small / numbers if numbers and layers else 0.0,
        "computed": in_int8 / products if products else 0.0,
    }


def left_in_float32(model: Restorer, layers: list[Layer], dtype: Dtype = "int8") -> dict[str, int]:
    """Count the numbers that are not stored in the dtype, by their names, without scales and biases of int8 layers."""
    state = restoring_state(model)
    if dtype == "int8":
        held = tuple(f"{layer.name}." for layer in layers)
        return {name: array.size for name, array in state.items() if not name.startswith(held)}
    return {name: array.size for name, array in state.items() if in_16_bits(array).dtype == np.float32}


def compare_speed(
    models: dict[str, LoadedModel], waveform: np.ndarray, sample_rate: int, patience: Patience | None = None
) -> dict[str, float]:
    """Time restorations of the same waveform (channels, time), or its start, in turns; as multiples of real time."""
    patience = patience or PATIENCE

    def seconds_of(name: str, excerpt: np.ndarray) -> float:
        return _seconds(partial(restore_waveform, models[name], excerpt, sample_rate))

    first = waveform[:, :sample_rate]
    slowest = max(seconds_of(name, first) for name in models) / first.shape[-1]  # seconds a sample
    frames = min(_TIMED_SECONDS * sample_rate, int(patience.most_seconds / slowest))
    waveform = waveform[:, : max(first.shape[-1], frames)]
    best = dict.fromkeys(models, float("inf"))
    for _ in patience.rounds():
        best = {name: min(seconds, seconds_of(name, waveform)) for name, seconds in best.items()}
    return {name: waveform.shape[-1] / sample_rate / seconds for name, seconds in best.items()}


def compare_records(records: Iterable[Record], models: dict[str, LoadedModel]) -> Iterator[Record]:
    """Restore records with each model, with seed 0, and measure the results.

    Returns:
        Records with ``compared``: a row of numbers for ``degraded`` and for each model. A record that cannot be
        restored or measured has an ``error`` instead.
    """
    with TemporaryDirectory() as folder:
        config = RestoreConfig(Path(folder) / "restored.wav", bits="float", overwrite=True)

        def compare(record: Record) -> Record:
            rows: dict[str, Any] = {}
            known: Known = {}
            for name, loaded in models.items():
                restored = restore_record(record, loaded, config)
                measured = evaluate_record(restored, METRICS_COMPARED, known=known)["metrics"]
                rows |= {"degraded": measured["degraded"], name: measured["restored"]}
            return {**record, "compared": rows}

        yield from run_batch(records, compare, "quantize")


def means(rows: list[dict[str, dict[str, float | None]]]) -> dict[str, dict[str, float | None]]:
    """Average each number over the records: number to row to mean; None where no record has it."""
    if not rows:
        return {}
    return {key: {name: _mean([row[name][key] for row in rows]) for name in rows[0]} for key in rows[0]["degraded"]}


def _mean(values: list[float | None]) -> float | None:
    defined = [value for value in values if value is not None]
    return round(fmean(defined), 4) if defined else None
