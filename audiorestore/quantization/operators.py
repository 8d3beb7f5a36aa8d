"""Products and convolutions of 8-bit integers on the CPU, by oneDNN's operators in torch.

They are private to torch and have changed their names; `int8_operators_work` tries them out. What they compute, with
codes c of the input, integer weights w and one scale s for each output channel, is
``(unit · s) · Σ (c − 128) · w + bias``.

Codes are uint8, (rows, in); or, with a `Spread`, (batch, channels, height, width) with channels last in memory.
"""

import functools
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

ZERO = 128  # the code of 0
LEVELS = 127  # weights, and codes relative to ZERO, are −127…127
Spread = tuple[tuple[int, int], tuple[int, int], tuple[int, int], int]  # strides, paddings, dilations, groups

_AS_FLOAT: Any = (1.0, 0, torch.float32, "none", [], "")  # float sums, and nothing done to them afterwards


def pack(weight: Tensor, unit: float, scale: Tensor, spread: Spread | None, shape: torch.Size) -> Tensor:
    """Prepare an int8 weight (out, in) or (out, channels, height, width) to `multiply` codes of about this shape."""
    packed: Tensor
    if spread is None:
        packed = torch.ops.onednn.qlinear_prepack(weight, None)
    else:
        kernel = weight.contiguous(memory_format=torch.channels_last)
        packed = torch.ops.onednn.qconv_prepack(kernel, scale, unit, ZERO, *spread, list(shape))
    return packed


def multiply(
    codes: Tensor, unit: float, packed: Tensor, scale: Tensor, bias: Tensor | None, spread: Spread | None
) -> Tensor:
    """Multiply codes by a packed weight, or slide it over them."""
    if spread is None:
        operator = torch.ops.onednn.qlinear_pointwise
    elif hasattr(torch.ops.onednn, "qconv_pointwise"):
        operator = torch.ops.onednn.qconv_pointwise
    else:  # of older torch
        operator = torch.ops.onednn.qconv2d_pointwise
    zeros = torch.zeros(len(scale), dtype=torch.int32)
    product: Tensor = operator(codes, unit, ZERO, packed, scale, zeros, bias, *(spread or ()), *_AS_FLOAT)
    return product


def multiply_as_floats(
    codes: Tensor, unit: float, weight: Tensor, scale: Tensor, bias: Tensor | None, spread: Spread | None
) -> Tensor:
    """Do the same with a weight of whole numbers in float: just as exact, without the speed."""
    values = codes.float() - ZERO
    sums = functional.linear(values, weight) if spread is None else functional.conv2d(values, weight, None, *spread)
    sums = sums * along_outputs(scale * unit, sums)
    return sums if bias is None else sums + along_outputs(bias, sums)


def along_outputs(values: Tensor, sums: Tensor) -> Tensor:
    """Bring one value for each output to the axis of outputs of (rows, out) or (batch, out, height, width)."""
    return values if sums.dim() == 2 else values.reshape(-1, 1, 1)


def usable(codes: Tensor, scale: Tensor) -> bool:
    """Tell whether the operators can take these codes and scales."""
    return codes.device.type == "cpu" and scale.dtype == torch.float32 and int8_operators_work()


@functools.cache
def int8_operators_work() -> bool:
    """Tell whether this torch on this CPU computes in int8 without overflow, by trying the largest numbers."""
    weight, scale = torch.full((16, 64, 1, 3), LEVELS, dtype=torch.int8), torch.ones(16)
    codes = torch.full((1, 64, 1, 20), ZERO + LEVELS, dtype=torch.uint8).contiguous(memory_format=torch.channels_last)
    ways: list[tuple[Tensor, Tensor, Spread | None]] = [
        (codes.reshape(-1, 64), weight[..., 0].reshape(16, 64), None),
        (codes, weight, ((1, 1), (0, 0), (1, 1), 1)),
    ]
    try:
        for each, kernel, spread in ways:
            packed = pack(kernel, 1.0, scale, spread, each.shape)
            largest = kernel[0].numel() * LEVELS * LEVELS
            if not bool((multiply(each, 1.0, packed, scale, None, spread) == largest).all()):
                return False
    except (AttributeError, RuntimeError):  # these operators do not exist, or not for this CPU
        return False
    return True
