"""Linear maps with 8-bit weights: a quarter of the size, and on many CPUs several times as fast.

A weight is stored as an integer of −127…127 and one scale for each output channel (symmetric, per channel). To compute
in int8, the input is rounded on the fly as well, to codes of 8 bit (dynamic quantization; Jacob et al., "Quantization
and training of neural networks for efficient integer-arithmetic-only inference", CVPR 2018): products and sums are
then of integers, and exact. A code stands for ``(code − 128) · step``. What is coded together shares its step: a row,
so that nothing elsewhere in a recording changes its result; or, where a bound on the input is known (tanh: 1), all.

Where this torch lacks the operator, or the operator overflows (as on old CPUs without the right instruction), or on
another device, the same integers are multiplied as floats: the same result to rounding, without the speed.
"""

import functools
from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

Arithmetic = Literal["int8", "float"]

LEVELS = 127  # a weight and an input both lie within −127…127 steps
_ZERO = 128  # the code of 0
_TINY = 1e-20  # a silent row has a step, too


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


class Int8Map(nn.Module):
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

    def __init__(self, shape: tuple[int, ...], bias: bool, bound: float | None, arithmetic: Arithmetic) -> None:
        super().__init__()
        self.register_buffer("weight", torch.zeros(shape, dtype=torch.int8))
        self.register_buffer("scale", torch.ones(shape[0]))
        self.register_buffer("bias", torch.zeros(shape[0]) if bias else None)
        self.bound = bound
        self.arithmetic: Arithmetic = arithmetic
        self._made: dict[object, Any] = {}  # weights as the operators want them

    @classmethod
    def of(cls, layer: "nn.Linear | nn.Conv1d | Int8Map", bound: float | None, arithmetic: Arithmetic) -> "Int8Map":
        """Quantize a layer; one that is int8 already keeps its weights."""
        made = cls(tuple(layer.weight.shape), layer.bias is not None, bound, arithmetic)
        if isinstance(layer, Int8Map):
            made.weight, made.scale = layer.weight.clone(), layer.scale.clone()
        else:
            made.weight, made.scale = quantize_weight(layer.weight.detach())
        made.bias = None if layer.bias is None else layer.bias.detach().clone()
        return made

    @property
    def out_features(self) -> int:
        """How many numbers come out for each row."""
        return self.weight.shape[0]

    def repeated(self, weight: Tensor, times: int) -> "Int8Map":
        """Make a map of another int8 weight, whose output channels are this one's, ``times`` over."""
        made = Int8Map(tuple(weight.shape), self.bias is not None, self.bound, self.arithmetic)
        made.weight, made.scale = weight, self.scale.repeat(times)
        made.bias = None if self.bias is None else self.bias.repeat(times)
        return made

    def kept(self, key: object, make: Callable[[], Any]) -> Any:
        """Get what was made of the weights before, or make it now; new weights forget it."""
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]

    def forward(self, values: Tensor) -> Tensor:
        """Map rows (…, in) to (…, out), as a dense layer does."""
        rows = values.reshape(-1, values.shape[-1])
        if self.arithmetic == "float":
            mapped = functional.linear(rows, self.kept("float", self._as_float), self.bias)
        else:
            codes, step = _coded(rows, self.bound)
            mapped = self._stepped(self._multiply(codes, step), step)
        return mapped.reshape(*values.shape[:-1], self.out_features)

    def convolve(self, values: Tensor, dilation: int, padding: int) -> Tensor:
        """Slide over (batch, channels, 1, time) values, as `_layers.convolve` does."""
        if self.arithmetic == "float":
            weight = self.kept("float kernel", lambda: self._kernel(self._as_float(), values.shape[1]))
            return functional.conv2d(values, weight, self.bias, padding=(0, padding), dilation=(1, dilation))
        codes, step = _coded(values, self.bound)
        return self._stepped(self._slide(codes, step, dilation, padding), step)

    def _as_float(self) -> Tensor:
        return self.weight * _along_first(self.scale, self.weight)

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

    def _slide(self, codes: Tensor, step: "float | Tensor", dilation: int, padding: int) -> Tensor:
        """Convolve coded values; a step of all values and the bias are done on the way."""
        unit, bias = (step, self.bias) if isinstance(step, float) else (1.0, None)
        if _fast(codes, self.scale):
            return self._slide_fast(codes, unit, bias, dilation, padding)
        weight = self.kept("exact kernel", lambda: self._kernel(self.weight.float(), codes.shape[1]))
        sums = functional.conv2d(codes.float() - _ZERO, weight, padding=(0, padding), dilation=(1, dilation))
        sums = sums * (self.scale * unit).reshape(-1, 1, 1)
        return sums if bias is None else sums + bias.reshape(-1, 1, 1)

    def _slide_fast(self, codes: Tensor, unit: float, bias: Tensor | None, dilation: int, padding: int) -> Tensor:
        spread = [1, 1], [0, padding], [1, dilation], 1
        kernel = self.weight.reshape(self.out_features, codes.shape[1], 1, -1)
        packed = self.kept(
            ("packed", dilation, padding),
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

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Any:
        self._made = {}
        return super()._apply(fn, recurse)  # type: ignore[no-untyped-call]

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *rest: Any) -> None:
        self._made = {}
        weight = state_dict.get(prefix + "weight", self.weight)
        if weight.dtype != torch.int8:  # copying would cut off the fractions
            (*_, errors) = rest
            errors.append(f"{prefix}weight is {weight.dtype}, not torch.int8")
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def __getstate__(self) -> dict[str, Any]:
        # What the operators were given cannot be copied; a copy makes it anew.
        return {**self.__dict__, "_made": {}}


def _coded(values: Tensor, bound: float | None) -> "tuple[Tensor, float | Tensor]":
    """Round values to codes; get them and what a step is worth: of all, or (batch, 1, …) of each entry."""
    if bound is not None:
        step = bound / LEVELS
        return _rounded(values, 1.0 / step), step
    alone = tuple(range(1, values.dim()))
    largest = torch.maximum(values.amax(alone, keepdim=True), -values.amin(alone, keepdim=True))
    steps = largest.clamp_min(_TINY) / LEVELS
    return _rounded(values, 1.0 / steps), steps


def _rounded(values: Tensor, factor: float | Tensor) -> Tensor:
    # By way of int8, whose highest bit is turned: torch converts to uint8 several times as slowly.
    return torch.mul(values, factor).round_().to(torch.int8).view(torch.uint8).bitwise_xor_(_ZERO)


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
    dense = layer.repeated(layer.weight.reshape(16, 192), 1)
    rows = torch.full((5, 192), _ZERO + LEVELS, dtype=torch.uint8)
    moments = torch.full((1, 64, 1, 20), _ZERO + LEVELS, dtype=torch.uint8).contiguous(
        memory_format=torch.channels_last
    )
    largest = LEVELS * LEVELS * 192
    try:
        answers = dense._multiply_fast(rows, 1.0, None), layer._slide_fast(moments, 1.0, None, 1, 0)
    except (AttributeError, RuntimeError):  # no such operators, or not for this CPU
        return False
    return all(bool((answer == largest).all()) for answer in answers)
