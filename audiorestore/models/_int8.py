"""Linear maps with 8-bit weights: a quarter of the size, and on many CPUs several times as fast.

A weight is stored as an integer of −127…127 and one scale for each output channel (symmetric, per channel). To compute
in int8, the input is rounded on the fly as well, to codes of 8 bit (dynamic quantization; Jacob et al., "Quantization
and training of neural networks for efficient integer-arithmetic-only inference", CVPR 2018): products and sums are
then of integers, and exact. A code stands for ``(code − 128) · step``. What is coded together shares its step: a row,
so that nothing elsewhere in a recording changes its result; or, where a bound on the input is known (tanh: 1), all.
Convolutions that stand alone are in `_int8_convolution`, LSTMs in `_int8_recurrent`.

Where this torch lacks the operator, or the operator overflows (as on old CPUs without the right instruction), or on
another device, the same integers are multiplied as floats: the same result to rounding, without the speed.
"""

import functools
import time
from collections.abc import Callable
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

Arithmetic = Literal["int8", "float"]
Spread = tuple[tuple[int, int], tuple[int, int], tuple[int, int], int]  # strides, paddings, dilations, groups

LEVELS = 127  # a weight and an input both lie within −127…127 steps
_ZERO = 128  # the code of 0
_TINY = 1e-20  # a silent row has a step, too
_AT_ONCE = 1 << 19  # values to turn into codes at once, so that memory does not grow with the rows


def quantize_weight(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Round a weight (out, …) to int8 with one scale for each output channel.

    >>> codes, scale = quantize_weight(torch.tensor([[1.0, -0.25], [0.0, 0.0]]))
    >>> codes.tolist(), round(scale[0].item() * 127, 6)
    ([[127, -32], [0, 0]], 1.0)
    """
    largest = weight.abs().flatten(1).amax(1)
    scale = torch.where(largest > 0, largest / LEVELS, torch.ones_like(largest))
    codes = torch.round(weight / _along_first(scale, weight)).clamp(-LEVELS, LEVELS)
    return codes.to(torch.int8), scale


def _along_first(scale: Tensor, values: Tensor) -> Tensor:
    return scale.reshape(-1, *[1] * (values.dim() - 1))


class Stopwatch:
    """Tells how long a layer took; what it holds within itself is not counted twice.

    Attributes:
        seconds: Since it was last set to 0.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self._depth = 0
        self._started = 0.0

    def __enter__(self) -> None:
        if self._depth == 0:
            self._started = time.perf_counter()
        self._depth += 1

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        if self._depth == 0:
            self.seconds += time.perf_counter() - self._started


class Int8Module(nn.Module):
    """A module that makes something of its int8 weights and keeps that until there are new ones.

    Attributes:
        stopwatch: Runs while the module works.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stopwatch = Stopwatch()
        self._made: dict[object, Any] = {}

    def kept(self, key: object, make: Callable[[], Any]) -> Any:
        """Get what was made of the weights before, or make it now; new weights forget it."""
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Any:
        self._made = {}
        return super()._apply(fn, recurse)  # type: ignore[no-untyped-call]

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], *rest: Any) -> None:
        self._made = {}
        super()._load_from_state_dict(state_dict, *rest)

    def __getstate__(self) -> dict[str, Any]:
        # What the operators were given cannot be copied; a copy makes it anew.
        return {**self.__dict__, "_made": {}}


class Int8Map(Int8Module):
    """A dense layer or a convolution whose weights are int8.

    Attributes:
        weight: int8, in the shape of the layer that it stands for: (out, in) or (out, in, places).
        scale: What one step of an output channel's weights is worth, (out,).
        bias: (out,), or None.
        bound: How far from 0 the input can lie; None: not known, so each batch entry (for dense layers each row) has a
            step of its own.
        arithmetic: ``int8``, or ``float``: from the int8 weights, at a float layer's speed.
    """

    weight: Tensor
    scale: Tensor
    bias: Tensor | None
    outputs_along: ClassVar[int] = 0  # the axis of the weight

    def __init__(self, shape: tuple[int, ...], bias: bool, bound: float | None, arithmetic: Arithmetic) -> None:
        super().__init__()
        outputs = shape[self.outputs_along]
        self.register_buffer("weight", torch.zeros(shape, dtype=torch.int8))
        self.register_buffer("scale", torch.ones(outputs))
        self.register_buffer("bias", torch.zeros(outputs) if bias else None)
        self.bound = bound
        self.arithmetic: Arithmetic = arithmetic

    @classmethod
    def of(cls, layer: "FloatLayer | Int8Map", bound: float | None, arithmetic: Arithmetic) -> "Int8Map":
        """Quantize a layer; one that is int8 already keeps its weights."""
        made = cls(tuple(layer.weight.shape), layer.bias is not None, bound, arithmetic)
        if isinstance(layer, Int8Map):
            made.weight, made.scale = layer.weight.clone(), layer.scale.clone()
        else:
            codes, made.scale = quantize_weight(layer.weight.detach().movedim(cls.outputs_along, 0))
            made.weight = codes.movedim(0, cls.outputs_along).contiguous()
        made.bias = None if layer.bias is None else layer.bias.detach().clone()
        return made

    @property
    def out_features(self) -> int:
        """How many numbers come out for each row."""
        return self.weight.shape[self.outputs_along]

    def repeated(self, weight: Tensor, times: int) -> "Int8Map":
        """Make a dense map of another int8 weight, whose output channels are this one's, ``times`` over."""
        made = Int8Map(tuple(weight.shape), self.bias is not None, self.bound, self.arithmetic)
        made.weight, made.scale = weight.contiguous(), self.scale.repeat(times)
        made.bias = None if self.bias is None else self.bias.repeat(times)
        made.stopwatch = self.stopwatch
        return made

    def forward(self, values: Tensor) -> Tensor:
        """Map rows (…, in) to (…, out), as a dense layer does."""
        with self.stopwatch:
            rows = values.reshape(-1, values.shape[-1])
            if self.arithmetic == "float":
                mapped = functional.linear(rows, self.kept("float", self._as_float), self.bias)
            else:
                codes, step = _coded(rows, self.bound)
                mapped = self._stepped(self._multiply(codes, step), step)
            return mapped.reshape(*values.shape[:-1], self.out_features)

    def convolve(self, values: Tensor, dilation: int, padding: int) -> Tensor:
        """Slide over (batch, channels, 1, time) values, as `_layers.convolve` does."""
        with self.stopwatch:
            if self.arithmetic == "float":
                weight = self.kept("float kernel", lambda: self._kernel(self._as_float(), values.shape[1]))
                return functional.conv2d(values, weight, self.bias, padding=(0, padding), dilation=(1, dilation))
            codes, step = _coded(values, self.bound)
            spread = (1, 1), (0, padding), (1, dilation), 1
            return self._stepped(self.slide(codes, step, self._kernel(self.weight, values.shape[1]), spread), step)

    def multiply(self, codes: Tensor, step: Tensor) -> Tensor:
        """Map coded rows (count, in) with a step each, (count, 1), to (count, out)."""
        return self._stepped(self._multiply(codes, step), step)

    def slide(self, codes: Tensor, step: "float | Tensor", kernel: Tensor, spread: Spread) -> Tensor:
        """Convolve coded (batch, channels, height, width) values; a step of all of them and the bias are done on the
        way.

        Args:
            codes: Channels-last.
            step: Of all values; or of each batch entry, which is left to do.
            kernel: This map's weight, as (out, channels, height, width).
            spread: How it slides.
        """
        unit, bias = (step, self.bias) if isinstance(step, float) else (1.0, None)
        if _fast(codes, self.scale):
            return self._slide_fast(codes, unit, bias, kernel, spread)
        weight = self.kept("exact kernel", kernel.float)
        sums = functional.conv2d(codes.float() - _ZERO, weight, None, *spread)
        sums = sums * (self.scale * unit).reshape(-1, 1, 1)
        return sums if bias is None else sums + bias.reshape(-1, 1, 1)

    def _as_float(self) -> Tensor:
        return self.weight * self.scale.reshape(-1, *[1] * (self.weight.dim() - 1 - self.outputs_along))

    def _kernel(self, weight: Tensor, channels: int) -> Tensor:
        kernel = weight.reshape(self.out_features, channels, 1, -1)
        return kernel.contiguous(memory_format=torch.channels_last)

    def _multiply(self, codes: Tensor, step: "float | Tensor") -> Tensor:
        """Multiply coded rows; a step of all rows and the bias are done on the way."""
        unit, bias = (step, self.bias) if isinstance(step, float) else (1.0, None)
        if _fast(codes, self.scale):
            return self._multiply_fast(codes, unit, bias)
        mapped = functional.linear(codes.float() - _ZERO, self.kept("exact", self.weight.float))
        mapped = mapped * (self.scale * unit)
        return mapped if bias is None else mapped + bias

    def _multiply_fast(self, codes: Tensor, unit: float, bias: Tensor | None) -> Tensor:
        packed = self.kept("packed", lambda: torch.ops.onednn.qlinear_prepack(self.weight, None))
        product: Tensor = torch.ops.onednn.qlinear_pointwise(
            codes, unit, _ZERO, packed, self.scale, self._zeros(), bias, 1.0, 0, torch.float32, "none", [], ""
        )
        return product

    def _slide_fast(self, codes: Tensor, unit: float, bias: Tensor | None, kernel: Tensor, spread: Spread) -> Tensor:
        packed = self.kept(
            ("packed", spread),
            lambda: torch.ops.onednn.qconv_prepack(kernel, self.scale, unit, _ZERO, *spread, list(codes.shape)),
        )
        convolved: Tensor = _convolution_operator()(
            codes, unit, _ZERO, packed, self.scale, self._zeros(), bias, *spread, 1.0, 0, torch.float32, "none", [], ""
        )
        return convolved

    def _zeros(self) -> Tensor:
        zeros: Tensor = self.kept("zeros", lambda: torch.zeros(self.out_features, dtype=torch.int32))
        return zeros

    def _stepped(self, mapped: Tensor, step: "float | Tensor") -> Tensor:
        """Undo the steps of single rows, and add the bias then."""
        if isinstance(step, float):
            return mapped
        if self.bias is None:
            return mapped * step
        return torch.addcmul(self.bias.reshape(-1, *[1] * (mapped.dim() - 2)), mapped, step)

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *rest: Any) -> None:
        weight = state_dict.get(prefix + "weight", self.weight)
        if weight.dtype != torch.int8:  # copying would cut off the fractions
            (*_, errors) = rest
            errors.append(f"{prefix}weight is {weight.dtype}, not torch.int8")
        super()._load_from_state_dict(state_dict, prefix, *rest)


FloatLayer = nn.Linear | nn.Conv1d | nn.Conv2d | nn.ConvTranspose1d


def _coded(values: Tensor, bound: float | None) -> "tuple[Tensor, float | Tensor]":
    """Round values to codes; get them and what a step is worth: of all, or (batch, 1, …) of each entry."""
    if bound is not None:
        step = bound / LEVELS
        return _rounded(values, 1.0 / step), step
    if values.dim() == 2:
        return _coded_rows(values)
    alone = tuple(range(1, values.dim()))
    largest = torch.maximum(values.amax(alone, keepdim=True), -values.amin(alone, keepdim=True))
    steps = steps_of(largest)
    return _rounded(values, 1.0 / steps), steps


def coded_alike(values: Tensor, bound: float) -> tuple[Tensor, float]:
    """Round (batch, channels, height, width) values within a bound to channels-last codes of one step."""
    step = bound / LEVELS
    integers = torch.empty_like(values, dtype=torch.int8, memory_format=torch.channels_last)
    return as_codes(integers.copy_(torch.mul(values, 1.0 / step).round_())), step


def _coded_rows(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Round each row (count, in) in steps of its own; get codes, and steps (count, 1)."""
    codes, steps = rows.new_empty(rows.shape, dtype=torch.int8), rows.new_empty(len(rows), 1)
    at_once = max(1, _AT_ONCE // max(1, rows.shape[1]))
    for start in range(0, len(rows), at_once):
        part = slice(start, start + at_once)
        step = steps_of(torch.maximum(rows[part].amax(1, keepdim=True), -rows[part].amin(1, keepdim=True)))
        codes[part] = torch.mul(rows[part], 1.0 / step).round_()
        steps[part] = step
    return as_codes(codes), steps


def steps_of(largest: Tensor) -> Tensor:
    """Tell what a step is worth where values lie as far from 0 as this."""
    return largest.clamp_min(_TINY) / LEVELS


def as_codes(integers: Tensor) -> Tensor:
    """Make codes of integers −127…127 in int8, in place."""
    return integers.view(torch.uint8).bitwise_xor_(_ZERO)


def _rounded(values: Tensor, factor: float | Tensor) -> Tensor:
    # By way of int8, whose highest bit is turned: torch converts to uint8 several times as slowly.
    return as_codes(torch.mul(values, factor).round_().to(torch.int8))


def _convolution_operator() -> Callable[..., Tensor]:
    """Get the operator, which older torch calls by another name."""
    operators = torch.ops.onednn
    name = "qconv_pointwise" if hasattr(operators, "qconv_pointwise") else "qconv2d_pointwise"
    operator: Callable[..., Tensor] = getattr(operators, name)
    return operator


def _fast(codes: Tensor, scale: Tensor) -> bool:
    return codes.device.type == "cpu" and scale.dtype == torch.float32 and int8_operators_work()


@functools.cache
def int8_operators_work() -> bool:
    """Tell whether this torch on this CPU computes in int8, and without overflow: tried with the largest numbers."""
    layer = Int8Map((16, 64, 3), False, 1.0, "int8")
    layer.weight.fill_(LEVELS)
    dense, kernel = layer.repeated(layer.weight.reshape(16, 192), 1), layer.weight.unsqueeze(2)
    rows = torch.full((5, 192), _ZERO + LEVELS, dtype=torch.uint8)
    moments = torch.full((1, 64, 1, 20), _ZERO + LEVELS, dtype=torch.uint8).contiguous(
        memory_format=torch.channels_last
    )
    largest, spread = LEVELS * LEVELS * 192, ((1, 1), (0, 0), (1, 1), 1)
    try:
        answers = dense._multiply_fast(rows, 1.0, None), layer._slide_fast(moments, 1.0, None, kernel, spread)
    except (AttributeError, RuntimeError):  # no such operators, or not for this CPU
        return False
    return all(bool((answer == largest).all()) for answer in answers)
