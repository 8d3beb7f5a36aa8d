"""The int8 form of a restorer: only the part that restores is looked at."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast, get_args

import numpy as np

from ..models._restorer import Restorer

if TYPE_CHECKING:
    import torch
    from torch import nn

    from ..quantization.hold import LinearMap
    from ..quantization.layers import Int8Layer
    from ..quantization.study import Use


def restoring_name(model: Restorer) -> str:
    """Name the submodule that restores; "" is the whole model."""
    if not model.uses_torch:
        return ""
    network = cast("nn.Module", model)
    return str(next(name for name, module in network.named_modules() if module is model.restoring_part()))


def restoring_state(model: Restorer) -> dict[str, np.ndarray]:
    """Return the numbers of the part that restores, by their names in the model."""
    part = restoring_name(model)
    return {name: array for name, array in model.state().items() if not part or name.startswith(f"{part}.")}


def linear_maps_of(model: Restorer) -> "dict[str, LinearMap]":
    """List the layers of the part that restores that can be, or are, stored in int8; none without a network."""
    if not model.uses_torch:
        return {}
    from ..quantization.hold import linear_maps

    return linear_maps(model, restoring_name(model))  # type: ignore[arg-type]


def uses_of(model: Restorer) -> "dict[str, Use]":
    """Find out how a float network uses its linear maps, counted for each restored sample."""
    from ..quantization.study import study

    return study(model, _run, restoring_name(model), max(1, model.stride))  # type: ignore[arg-type]


def bounds_of(uses: "Mapping[str, Use]") -> dict[str, float | None]:
    """List the linear maps that can compute in int8, each with the bound on its input, where that is known."""
    return {name: use.bound for name, use in uses.items() if use.obstacle is None}


def _run(model: "nn.Module", frames: int, device: "torch.device") -> object:
    import torch

    restorer: Any = model
    waveform = torch.full((1, restorer.config.channels, frames), 0.1, device=device)
    return restorer(waveform, restorer.draw(np.random.default_rng(0)))


def hold(model: Restorer, arithmetic: Mapping[str, Any], bounds: Mapping[str, Any]) -> "dict[str, Int8Layer]":
    """Store a network's linear maps in int8, and let each compute in ``int8`` or ``float``.

    Args:
        model: The float network; it is changed.
        arithmetic: For each of its linear maps, by name.
        bounds: As from `bounds_of`: those that can compute in int8.

    Returns:
        The int8 layers by name.

    Raises:
        ValueError: These are not the model's maps, or one of them cannot compute like this. The model has not changed.
    """
    from ..quantization.hold import hold_in_int8
    from ..quantization.layers import Arithmetic

    names = linear_maps_of(model).keys()
    wrong = (arithmetic.keys() ^ names) | (bounds.keys() - names)
    wrong |= {name for name, kind in arithmetic.items() if kind not in get_args(Arithmetic)}
    wrong |= {name for name, kind in arithmetic.items() if kind == "int8" and name not in bounds}
    wrong |= {name for name, bound in bounds.items() if not _possible(bound)}
    if wrong or not names:
        raise ValueError(f"these layers cannot compute as stated: {', '.join(sorted(wrong)) or 'there are none'}")
    layers = hold_in_int8(model, restoring_name(model))  # type: ignore[arg-type]
    for name, layer in layers.items():
        layer.arithmetic = arithmetic[name]
        if bounds.get(name) is not None:
            layer.bound = bounds[name]
    return layers


def _possible(bound: object) -> bool:
    return bound is None or (isinstance(bound, float) and 0.0 < bound < math.inf)
