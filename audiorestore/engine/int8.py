"""The int8 form of a restorer: only the part that restores is looked at."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ..models._restorer import Restorer

if TYPE_CHECKING:
    from torch import nn

    from ..quantization.hold import LinearMap
    from ..quantization.layers import Int8Layer
    from ..quantization.study import Use


def restoring_name(model: Restorer) -> str:
    """Name the submodule that restores; "" is the whole model."""
    if not model.uses_torch:
        return ""
    network, part = cast("nn.Module", model), model.restoring_part()
    return str(next(name for name, module in network.named_modules() if module is part))


def restoring_state(model: Restorer) -> dict[str, np.ndarray]:
    """Return the numbers of the part that restores, by their names in the model."""
    part = restoring_name(model)
    return {name: array for name, array in model.state().items() if not part or name.startswith(f"{part}.")}


def linear_maps_of(model: Restorer) -> "dict[str, LinearMap]":
    """List the layers of the part that restores that can be, or are, stored in int8; none without a network."""
    if not model.uses_torch:
        return {}
    from ..quantization.hold import linear_maps

    return linear_maps(cast("nn.Module", model), restoring_name(model))


def uses_of(model: Restorer) -> "dict[str, Use]":
    """Find out how a float network uses its linear maps, counted for each restored sample."""
    import torch

    from ..quantization.study import study

    def run(network: Any, frames: int, device: torch.device) -> object:
        waveform = torch.full((1, network.config.channels, frames), 0.1, device=device)
        return network(waveform, network.draw(np.random.default_rng(0)))

    return study(cast("nn.Module", model), run, restoring_name(model), max(1, model.stride))


def bounds_of(uses: "Mapping[str, Use]") -> dict[str, float | None]:
    """List the linear maps that can compute in int8, each with the bound on its input, where that is known."""
    return {name: use.bound for name, use in uses.items() if use.obstacle is None}


def hold(model: Restorer, arithmetic: Mapping[str, Any], bounds: Mapping[str, Any]) -> "dict[str, Int8Layer]":
    """Store a float network's linear maps in int8, in place, and let each compute in ``int8`` or ``float``.

    Args:
        model: The network; it is changed.
        arithmetic: For each of its linear maps, by name.
        bounds: As from `bounds_of`: those that can compute in int8.

    Returns:
        The int8 layers by name.

    Raises:
        ValueError: These are not the model's maps, or one of them cannot compute like this. The model has not changed.
    """
    from ..quantization.hold import hold_in_int8

    names = linear_maps_of(model).keys()
    wrong = (arithmetic.keys() ^ names) | (bounds.keys() - names)
    wrong |= {name for name, kind in arithmetic.items() if kind != "float" and (kind != "int8" or name not in bounds)}
    known = {name: bound for name, bound in bounds.items() if bound is not None}
    wrong |= {name for name, bound in known.items() if not (isinstance(bound, float) and 0.0 < bound < math.inf)}
    if wrong or not names:
        raise ValueError(f"these layers cannot compute as stated: {', '.join(sorted(wrong)) or 'there are none'}")
    layers = hold_in_int8(cast("nn.Module", model), restoring_name(model))
    for name, layer in layers.items():
        layer.arithmetic, layer.bound = arithmetic[name], known.get(name, layer.bound)
    return layers
