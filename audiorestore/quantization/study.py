"""What a run of a model shows about its linear maps: their multiply-adds, and whether they can be computed in int8.

In int8 a layer rounds its input, and the result must not depend on the rest of the recording. A layer that is called
directly rounds each row, or each window under its kernel, with its own scale. Where a layer slides over a recording at
once (`Int8Layer.convolve`), overlapping windows share rounded values: that is allowed where the input has a bound,
which gives one scale for all, or where the batch entries are pieces of a fixed length, each with its own scale.
"""

import copy
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from .hold import hold_in_int8
from .layers import Int8Layer
from .ranges import UNKNOWN, Ranges
from .recurrent import Int8Lstm

_FRAMES = 1024  # to run a model over, and twice as many
_WAYS = ("forward", "convolve", "repeated")  # to use an int8 layer

SHARED = "its input range is unknown and overlapping windows share computation"

Run = Callable[[nn.Module, int, torch.device], object]


@dataclass(frozen=True)
class Use:
    """How a model uses a linear map.

    Attributes:
        multiply_adds: For each time step that the model is run over.
        bound: How far from 0 the input can be, where the int8 form is to rely on it.
        obstacle: Why the map cannot compute in int8; None: it can.
    """

    multiply_adds: float
    bound: float | None
    obstacle: str | None


def study(model: nn.Module, run: Run, part: str = "", stride: int = 1) -> dict[str, Use]:
    """Find out how a model uses its linear maps, by running it over two lengths without computing anything.

    Args:
        model: The float model, which stays as it is.
        run: Runs a copy of the model over a number of time steps on a device. The device is torch's ``meta``, where
            tensors have no values, or the CPU if the model cannot do that.
        part: The name of the submodule whose maps are wanted; "" for all of the model.
        stride: The lengths are multiples of this.

    Returns:
        The use of each of the part's `linear_maps`, by its name.
    """
    frames = -(-_FRAMES // stride) * stride
    try:
        return _study(copy.deepcopy(model).to("meta"), run, part, frames)
    except (RuntimeError, TypeError, ValueError):  # it looks at values, or makes tensors on the CPU
        return _study(copy.deepcopy(model).cpu(), run, part, frames)


@dataclass
class _Calls:
    """How one run used a module."""

    multiply_adds: float = 0.0
    largest: float = -1.0  # never called
    entries: set[tuple[int, ...]] = field(default_factory=set)  # slid over: shapes of the entries of batches
    batched: bool = True


def _study(model: nn.Module, run: Run, part: str, frames: int) -> dict[str, Use]:
    layers = hold_in_int8(model, part)
    owners = {name: owner_of(model, name) for name in layers}
    weights = Counter[str]()
    for name, layer in layers.items():
        weights[owners[name]] += layer.codes.numel()
    short, long = (_watch(model, layers, run, length) for length in (frames, 2 * frames))
    uses = {}
    for name, layer in layers.items():
        first, second = short[owners[name]], long[owners[name]]
        share = layer.codes.numel() / weights[owners[name]]  # an LSTM does all of its maps in one go, each as often
        count = share * (second.multiply_adds - first.multiply_adds) / frames
        pieces = second.entries == first.entries  # of one length; or not slid over at all
        known = owners[name] == name and second.largest < math.inf and not (second.entries and pieces)
        obstacle = None
        if second.largest < 0:
            obstacle = "restoring does not use it"
        elif not (layer.can_compute and second.batched):
            obstacle = "there is no int8 form of what it computes"
        elif not known and not pieces:
            obstacle = SHARED
        uses[name] = Use(count, second.largest if known and second.largest >= 0 else None, obstacle)
    return uses


def _watch(model: nn.Module, layers: dict[str, Int8Layer], run: Run, frames: int) -> dict[str, _Calls]:
    calls = {owner_of(model, name): _Calls() for name in layers}
    device = next(iter(layers.values())).scale.device if layers else torch.device("cpu")
    with torch.no_grad(), FlopCounterMode(display=False) as counter, Ranges() as ranges:

        def around(owner: str, way: str, work: Callable[..., Any], values: Tensor, *rest: Any) -> Any:
            seen, layer, before = calls[owner], model.get_submodule(owner), counter.get_total_flops()
            seen.largest = max(seen.largest, *map(abs, ranges.of(values)))
            made = work(values, *rest)
            seen.multiply_adds += (counter.get_total_flops() - before) / 2
            if way == "convolve":
                seen.entries.add(tuple(values.shape[1:]))
            elif isinstance(layer, Int8Lstm):
                ranges.set(made[0], UNKNOWN)  # within −1…1, but mostly far within: rows have finer scales
            elif isinstance(layer, Int8Layer) and way == "forward" and layer.codes.dim() > 2:
                seen.batched &= values.dim() == layer.codes.dim()
            return made

        with watching(model, layers, around):
            run(model, frames, device)
    return calls


def owner_of(model: nn.Module, name: str) -> str:
    """Return the name of the module that computes a linear map: its LSTM, or the layer itself."""
    parent = name.rpartition(".")[0]
    return parent if isinstance(model.get_submodule(parent), Int8Lstm) else name


@contextmanager
def watching(model: nn.Module, names: Iterable[str], around: Callable[..., Any]) -> Iterator[None]:
    """Call ``around(owner, way, work, *arguments)`` wherever one of the int8 layers would do ``work(*arguments)``."""
    owners = {owner_of(model, name): model.get_submodule(owner_of(model, name)) for name in names}
    try:
        for owner, module in owners.items():
            for way in _WAYS:
                if hasattr(module, way):
                    vars(module)[way] = partial(around, owner, way, getattr(module, way))
        yield
    finally:
        for module in owners.values():
            for way in _WAYS:
                vars(module).pop(way, None)
