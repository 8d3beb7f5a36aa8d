"""Layers with 8-bit weights, a quarter of the size, that take the place of torch's own.

A weight is stored as an integer of −127…127 and one scale for each output channel (symmetric, per channel). Such a
layer is still a layer of torch's: its ``weight`` reads as floats, so code that calls it, or computes with its weight,
works as before. It can also compute in int8: then its input is rounded to 8 bits as well (dynamic quantization; Jacob
et al., "Quantization and training of neural networks for efficient integer-arithmetic-only inference", CVPR 2018), and
products and sums are those of integers, and exact.

How the input is rounded decides what a result depends on. Each row has its own scale, so its result does not depend on
the rest of the recording; or, where the input has a known bound (tanh: 1), all rows share the bound's scale.

Where torch has no int8 operators for this device or CPU, the same integers are multiplied as floats: the same result,
without the speed.
"""

import functools
from collections.abc import Callable
from typing import Any, ClassVar, Literal, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from . import operators
from .operators import LEVELS, ZERO, Spread

Arithmetic = Literal["int8", "float"]

_TINY = 1e-20  # a silent row has a scale as well
_AT_ONCE = 1 << 19  # values to round at once, so that memory does not grow with the number of rows


def quantize_weight(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Round a weight (out, …) to int8 with one scale for each output channel.

    >>> codes, scale = quantize_weight(torch.tensor([[1.0, -0.25], [0.0, 0.0]]))
    >>> codes.tolist(), round(scale[0].item() * 127, 6)
    ([[127, -32], [0, 0]], 1.0)
    """
    largest = weight.abs().flatten(1).amax(1)
    scale = torch.where(largest > 0, largest / LEVELS, torch.ones_like(largest))
    codes = torch.round(weight / scale.reshape(-1, *[1] * (weight.dim() - 1))).clamp(-LEVELS, LEVELS)
    return codes.to(torch.int8), scale


def round_input(values: Tensor, bound: float | None) -> "tuple[Tensor, float | Tensor]":
    """Round (rows, in) or (batch, channels, height, width) values to uint8 codes, the latter channels last in memory.

    Args:
        values: What to round.
        bound: How far from 0 a value can be; None: each row, or each entry of the batch, has its own scale.

    Returns:
        The codes; what a step is worth, a number or (batch, 1, …).
    """
    if bound is not None:
        step = bound / LEVELS
        return _codes_of(values, 1.0 / step), step
    if values.dim() > 2:
        steps = steps_of(values, tuple(range(1, values.dim())))
        return _codes_of(values, 1.0 / steps), steps
    integers, steps = values.new_empty(values.shape, dtype=torch.int8), values.new_empty(len(values), 1)
    at_once = max(1, _AT_ONCE // max(1, values.shape[1]))
    for start in range(0, len(values), at_once):
        part = slice(start, start + at_once)
        steps[part] = steps_of(values[part], 1)
        integers[part] = torch.mul(values[part], 1.0 / steps[part]).round_()
    return as_codes(integers), steps


def steps_of(values: Tensor, axes: int | tuple[int, ...]) -> Tensor:
    """Compute what a step is worth, by the value that is farthest from 0 along these axes; they become 1 long."""
    largest = torch.maximum(values.amax(axes, keepdim=True), -values.amin(axes, keepdim=True))
    return largest.clamp_min(_TINY) / LEVELS


def _codes_of(values: Tensor, factor: float | Tensor) -> Tensor:
    order = torch.channels_last if values.dim() == 4 else torch.contiguous_format
    return as_codes(torch.mul(values, factor).round_().to(torch.int8, memory_format=order))


def as_codes(integers: Tensor) -> Tensor:
    """Turn int8 integers into uint8 codes in place: torch converts floats to uint8 several times as slowly."""
    return integers.view(torch.uint8).bitwise_xor_(ZERO)


class Derived(nn.Module):
    """A module that keeps what it derives from its weights until they change."""

    def __init__(self) -> None:
        nn.Module.__init__(self)
        self._derived: dict[object, Any] = {}

    def derived(self, key: object, make: Callable[[], Any]) -> Any:
        """Get what was derived before, or derive it now."""
        if key not in self._derived:
            self._derived[key] = make()
        return self._derived[key]

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Any:
        self._derived = {}
        return super()._apply(fn, recurse)  # type: ignore[no-untyped-call]

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], *rest: Any) -> None:
        self._derived = {}
        super()._load_from_state_dict(state_dict, *rest)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_derived": {}}  # the operators' packed weights cannot be copied


class Int8Layer(Derived):
    """What the int8 forms of torch's layers share; `of` makes one of a float layer.

    Attributes:
        scale: What one step of an output channel's weights is worth, (out,).
        bias: (out,), or None.
        arithmetic: ``int8``, or ``float``: from the int8 weights, at a float layer's speed.
        bound: How far from 0 the input can be, where that is known.
    """

    scale: Tensor
    bias: Tensor | None
    arithmetic: Arithmetic
    bound: float | None
    outputs_along: ClassVar[int] = 0  # the axis of the weight

    @classmethod
    def of(cls, layer: nn.Module) -> Self:
        """Quantize a layer of the kind that this one stands for."""
        made = cls.__new__(cls)
        Int8Layer.__init__(made)
        made.__dict__ |= {key: value for key, value in vars(layer).items() if key not in made.__dict__}
        weight, bias = layer.weight.detach(), layer.bias  # type: ignore[operator]
        codes, scale = quantize_weight(weight.movedim(cls.outputs_along, 0))
        made._set(codes.movedim(0, cls.outputs_along), scale, None if bias is None else bias.detach().clone())  # type: ignore[operator]
        return made

    def __init__(self) -> None:
        super().__init__()
        self.arithmetic, self.bound = "float", None

    def _set(self, codes: Tensor, scale: Tensor, bias: Tensor | None) -> None:
        self._buffers["weight"] = codes.contiguous()  # stored under this name; the attribute reads as floats
        self.register_buffer("scale", scale)
        self._buffers["bias"] = bias

    @property
    def can_compute(self) -> bool:
        """Whether it can compute in int8."""
        return True

    @property
    def codes(self) -> Tensor:
        """The int8 weight, in the shape of the layer that this one stands for."""
        codes = self._buffers["weight"]
        assert codes is not None
        return codes

    @property
    def weight(self) -> Tensor:
        """The weight as floats."""
        along = (-1, *[1] * (self.codes.dim() - 1 - self.outputs_along))
        weight: Tensor = self.derived("float", lambda: self.codes * self.scale.reshape(along))
        return weight

    def convolve(self, values: Tensor, dilation: int, padding: int) -> Tensor:
        """Slide over (batch, channels, 1, time) values.

        The weight is (out, channels, places), or flattened channel by channel; without a bound each entry of the batch
        is rounded with its own scale.
        """
        spread = (1, 1), (0, padding), (1, dilation), 1
        shape = len(self.scale), values.shape[1], 1, -1
        if self.arithmetic == "float":
            last = torch.channels_last
            kernel = self.derived("kernel", lambda: self.weight.reshape(shape).contiguous(memory_format=last))
            return functional.conv2d(values, kernel, self.bias, *spread)
        return self.multiply(*round_input(values, self.bound), self.codes.reshape(shape), spread)

    def multiply(self, codes: Tensor, step: "float | Tensor", weight: Tensor, spread: Spread | None = None) -> Tensor:
        """Multiply codes by this layer's int8 weight, in the shape that `operators.multiply` takes."""
        unit, bias = (step, self.bias) if isinstance(step, float) else (1.0, None)
        if operators.usable(codes, self.scale):
            pack = functools.partial(operators.pack, weight, unit, self.scale, spread, codes.shape)
            packed = self.derived(("packed", spread), pack)
            sums = operators.multiply(codes, unit, packed, self.scale, bias, spread)
        else:
            exact = self.derived(("exact", spread), weight.float)
            sums = operators.multiply_as_floats(codes, unit, exact, self.scale, bias, spread)
        if isinstance(step, float):  # it is in the sums already, and so is the bias
            return sums
        if self.bias is None:
            return sums * step
        return torch.addcmul(operators.along_outputs(self.bias, sums), sums, step)

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *rest: Any) -> None:
        weight = state_dict.get(prefix + "weight", self.codes)
        if weight.dtype != torch.int8:  # copying would cut off the fractions
            (*_, errors) = rest
            errors.append(f"{prefix}weight is {weight.dtype}, not torch.int8")
        super()._load_from_state_dict(state_dict, prefix, *rest)


class Int8Linear(Int8Layer, nn.Linear):  # type: ignore[misc, override] # the weight is a property
    """A dense layer with an int8 weight."""

    def forward(self, values: Tensor) -> Tensor:
        """Map rows (…, in) to (…, out)."""
        if self.arithmetic == "float":
            return super().forward(values)
        rows = values.reshape(-1, values.shape[-1])
        return self.multiply(*round_input(rows, self.bound), self.codes).reshape(*values.shape[:-1], len(self.scale))

    def repeated(self, values: Tensor, arrange: Callable[[Tensor], Tensor], times: int) -> Tensor:
        """Map rows (…, in') by the weight that ``arrange`` makes of this one, with its outputs ``times`` over."""
        bias = None if self.bias is None else self.bias.repeat(times)
        if self.arithmetic == "float":
            return functional.linear(values, self.derived("wide", lambda: arrange(self.weight)), bias)
        wide: Int8Linear = self.derived("wide int8", lambda: self._wide(arrange(self.codes), times, bias))
        wide.bound = self.bound
        return wide(values)  # type: ignore[no-any-return]

    def _wide(self, codes: Tensor, times: int, bias: Tensor | None) -> "Int8Linear":
        made = Int8Linear.__new__(Int8Linear)
        Int8Layer.__init__(made)
        made.out_features, made.in_features = codes.shape
        made._set(codes, self.scale.repeat(times), bias)
        made.arithmetic = "int8"
        return made
