"""Products and convolutions of 8-bit integers on the CPU, by oneDNN's operators in torch.

They are private to torch and have changed their names; `int8_operators_work` tries them out. What they compute, with
codes c of the input, integer weights w and one scale s for each output channel, is
``(unit · s) · Σ (c − 128) · w + bias``.
"""

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

ZERO = 128  # the code of 0
LEVELS = 127  # weights, and codes relative to ZERO, are −127…127
Spread = tuple[tuple[int, int], tuple[int, int], tuple[int, int], int]  # strides, paddings, dilations, groups

_AS_FLOAT: Any = (1.0, 0, torch.float32, "none", [], "")  # float sums, and nothing done to them afterwards


def pack_rows(weight: Tensor) -> Tensor:
    """Prepare an int8 weight (out, in) for `multiply`."""
    packed: Tensor = torch.ops.onednn.qlinear_prepack(weight, None)
    return packed


def multiply(codes: Tensor, unit: float, packed: Tensor, scale: Tensor, bias: Tensor | None) -> Tensor:
    """Multiply uint8 codes (rows, in) by a packed weight: (rows, out)."""
    zeros = torch.zeros(len(scale), dtype=torch.int32)
    product: Tensor = torch.ops.onednn.qlinear_pointwise(codes, unit, ZERO, packed, scale, zeros, bias, *_AS_FLOAT)
    return product


def pack_kernel(kernel: Tensor, unit: float, scale: Tensor, spread: Spread, shape: torch.Size) -> Tensor:
    """Prepare an int8 kernel (out, channels, height, width) for `slide` over codes of about this shape."""
    packed: Tensor = torch.ops.onednn.qconv_prepack(kernel, scale, unit, ZERO, *spread, list(shape))
    return packed


def slide(codes: Tensor, unit: float, packed: Tensor, scale: Tensor, bias: Tensor | None, spread: Spread) -> Tensor:
    """Convolve uint8 codes (batch, channels, height, width), channels last in memory, with a packed kernel."""
    operators = torch.ops.onednn
    name = "qconv_pointwise" if hasattr(operators, "qconv_pointwise") else "qconv2d_pointwise"  # of older torch
    operator: Callable[..., Tensor] = getattr(operators, name)
    zeros = torch.zeros(len(scale), dtype=torch.int32)
    return operator(codes, unit, ZERO, packed, scale, zeros, bias, *spread, *_AS_FLOAT)


def usable(codes: Tensor, scale: Tensor) -> bool:
    """Tell whether the operators can take these codes and scales."""
    return codes.device.type == "cpu" and scale.dtype == torch.float32 and int8_operators_work()


@functools.cache
def int8_operators_work() -> bool:
    """Tell whether this torch on this CPU computes in int8 without overflow, by trying the largest numbers."""
    weight, scale = torch.full((16, 64, 1, 3), LEVELS, dtype=torch.int8), torch.ones(16)
    values = torch.full((1, 64, 1, 20), ZERO + LEVELS, dtype=torch.uint8)
    values, spread = values.contiguous(memory_format=torch.channels_last), ((1, 1), (0, 0), (1, 1), 1)
    try:
        product = multiply(values.reshape(-1, 64), 1.0, pack_rows(weight[..., 0].reshape(16, 64)), scale, None)
        packed = pack_kernel(weight, 1.0, scale, spread, values.shape)
        convolved = slide(values, 1.0, packed, scale, None, spread)
    except (AttributeError, RuntimeError):  # these operators do not exist, or not for this CPU
        return False
    largest = 64 * LEVELS * LEVELS
    return bool((product == largest).all()) and bool((convolved == 3 * largest).all())
