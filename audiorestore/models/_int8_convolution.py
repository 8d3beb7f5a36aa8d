"""Convolutions with 8-bit weights that take the place of torch's own: the same call, the same shapes.

A convolution in int8 is a product of matrices: windows, one to a row, times the kernels. Each window is rounded in
steps of its own, so that its result hangs on what the kernel sees and on nothing else, however a recording is cut into
blocks. Rounding a moment once for all windows that share it would be less work, but then a loud moment would coarsen
its neighbours' neighbours, or steps would differ within a sum. Where a bound on the input is known, all moments do
share one step, and the operator for convolutions in int8 is used.

Measured on one core of a busy CPU with VNNI, with 2,048 moments: 128 to 256 channels over 33 places by a stride of 2
take 43 to 51 ms in float, 12 as windows (4 of them for rounding), 25 place by place with a step for each moment, and 10
with one step for all.
"""

import itertools
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, TypeGuard

import torch
from torch import Tensor, nn
from torch.nn import functional

from ._int8 import Arithmetic, FloatLayer, Int8Map, as_codes, coded_alike, steps_of

_ROWS = 512  # windows to a product, at least
_CODES = 1 << 19  # to a product; a small kernel sees more windows
_AT_ONCE = 1 << 16  # values to turn into codes at once, so that what lies between the steps stays in the cache

Pair = tuple[int, int]


def can_hold(module: nn.Module) -> TypeGuard[FloatLayer]:
    """Tell whether a module is a layer whose weights can be held in int8: any dense layer, and convolutions that pad
    evenly and with zeros, if at all; transposed ones of one group."""
    if isinstance(module, nn.Conv1d | nn.Conv2d):
        uneven = any(d * (k - 1) % 2 for d, k in zip(module.dilation, module.kernel_size, strict=True))
        return module.padding_mode == "zeros" and not (module.padding == "same" and uneven)
    return isinstance(module, nn.Linear) or (isinstance(module, nn.ConvTranspose1d) and module.groups == 1)


def can_compute(layer: FloatLayer | Int8Map) -> bool:
    """Tell whether a layer can be computed in int8: the kernels of a grouped convolution are no one matrix."""
    return isinstance(layer, nn.Linear) or getattr(layer, "groups", 1) == 1


def held(layer: FloatLayer, bound: float | None, arithmetic: Arithmetic) -> Int8Map:
    """Make what takes a float layer's place, with its weights in int8."""
    if isinstance(layer, nn.Linear):
        return Int8Map.of(layer, bound, arithmetic)
    if isinstance(layer, nn.ConvTranspose1d):
        return Int8Transposed.of(layer, bound, arithmetic)
    return Int8Convolution.of(layer, bound, arithmetic)


class Int8Convolution(Int8Map):
    """Takes the place of a `torch.nn.Conv1d` or `torch.nn.Conv2d`.

    Attributes:
        kernel_size: Along height and width, as are the following; the height is 1 where there is only time.
        stride: See `torch.nn.Conv2d`.
        padding: Likewise.
        dilation: Likewise.
        groups: Likewise; where there are several, computing in int8 is not possible.
    """

    kernel_size: Pair
    stride: Pair
    padding: Pair
    dilation: Pair
    groups: int

    @classmethod
    def of(cls, layer: FloatLayer | Int8Map, bound: float | None, arithmetic: Arithmetic) -> "Int8Convolution":
        """Quantize a convolution that pads with zeros, if at all."""
        made = super().of(layer, bound, arithmetic)
        assert isinstance(made, Int8Convolution)
        assert isinstance(layer, nn.Conv1d | nn.Conv2d)
        made.kernel_size, made.stride, made.dilation = (
            _pair(each, 1) for each in (layer.kernel_size, layer.stride, layer.dilation)
        )
        if isinstance(layer.padding, str):  # "same", of odd kernels
            both = zip(layer.dilation, layer.kernel_size, strict=True)
            reach = [dilation * (size - 1) // 2 if layer.padding == "same" else 0 for dilation, size in both]
            made.padding = _pair(tuple(reach), 0)
        else:
            made.padding = _pair(layer.padding, 0)
        made.groups = layer.groups
        return made

    def forward(self, values: Tensor) -> Tensor:
        """Convolve (batch, channels, time) or (batch, channels, height, width)."""
        flat = values.unsqueeze(2) if self.weight.dim() == 3 else values
        with self.stopwatch:
            if self.arithmetic == "float":
                return self._in_float(values)
            answer = self._by_windows(flat) if self.bound is None else self._by_operator(flat, self.bound)
        return answer.squeeze(2) if self.weight.dim() == 3 else answer

    def _in_float(self, values: Tensor) -> Tensor:
        """Convolve as torch's own layer does."""
        places = values.dim() - 2
        weight = self.kept("float", self._as_float)
        spread = (each[-places:] for each in (self.stride, self.padding, self.dilation))
        convolve: Callable[..., Tensor] = functional.conv1d if places == 1 else functional.conv2d
        return convolve(values, weight, self.bias, *spread, self.groups)

    def _by_operator(self, values: Tensor, bound: float) -> Tensor:
        """Convolve (batch, channels, height, width) by integers of one step."""
        codes, step = coded_alike(values, bound)
        kernel = self.weight.reshape(self.out_features, -1, *self.kernel_size)
        return self.slide(codes, step, kernel, (self.stride, self.padding, self.dilation, self.groups))

    def _by_windows(self, values: Tensor) -> Tensor:
        """Convolve (batch, channels, height, width) window by window, each a row; channels lie side by side."""
        height, width = self.padding
        moments = functional.pad(values.permute(0, 2, 3, 1), (0, 0, width, width, height, height)).contiguous()
        windows = moments
        for axis, size, stride, dilation in zip((1, 2), self.kernel_size, self.stride, self.dilation, strict=True):
            windows = windows.unfold(axis, dilation * (size - 1) + 1, stride)[..., ::dilation]
        windows = windows.permute(0, 1, 2, 4, 5, 3)  # batch, height, width, kernel's height and width, channels
        steps = self._steps(moments)
        answer = moments.new_empty(*windows.shape[:3], self.out_features)
        for piece in _pieces(windows.shape[:3], max(_ROWS, _CODES // windows[0, 0, 0].numel())):
            answer[piece] = self._product(windows[piece], steps[piece])
        return answer.permute(0, 3, 1, 2)

    def _steps(self, moments: Tensor) -> Tensor:
        """Tell each window's step, by the largest value of its moments."""
        loudest = torch.maximum(moments.amax(-1), -moments.amin(-1)).unsqueeze(1)
        heard = functional.max_pool2d(loudest, self.kernel_size, self.stride, dilation=self.dilation)
        return steps_of(heard).squeeze(1)

    def _product(self, windows: Tensor, steps: Tensor) -> Tensor:
        """Multiply windows (…, height, width, channels), three axes of them, each with its step."""
        row = windows[0, 0, 0].numel()
        codes = windows.new_empty(windows.shape, dtype=torch.int8)
        factors = (1.0 / steps)[..., None, None, None]
        at_once = max(1, _AT_ONCE // (row * windows[:, :, 0, 0, 0, 0].numel()))
        for start in range(0, windows.shape[2], at_once):
            part = slice(start, start + at_once)
            codes[:, :, part] = torch.mul(windows[:, :, part], factors[:, :, part]).round_()
        dense: Int8Map = self.kept("rows", self._rows)
        product = dense.multiply(as_codes(codes.view(-1, row)), steps.reshape(-1, 1))
        return product.reshape(*steps.shape, -1)

    def _rows(self) -> Int8Map:
        kernel = self.weight.reshape(self.out_features, -1, *self.kernel_size)
        return self.repeated(kernel.permute(0, 2, 3, 1).flatten(1), 1)


class Int8Transposed(Int8Map):
    """Takes the place of a `torch.nn.ConvTranspose1d` of one group: each moment, rounded in steps of its own, gives to
    all places that it reaches.

    Attributes:
        stride: See there.
        padding: Likewise.
        output_padding: Likewise.
        dilation: Likewise.
    """

    outputs_along: ClassVar[int] = 1
    stride: int
    padding: int
    output_padding: int
    dilation: int

    @classmethod
    def of(cls, layer: FloatLayer | Int8Map, bound: float | None, arithmetic: Arithmetic) -> "Int8Transposed":
        """Quantize a transposed convolution."""
        made = super().of(layer, bound, arithmetic)
        assert isinstance(made, Int8Transposed)
        assert isinstance(layer, nn.ConvTranspose1d)
        (made.stride,), (made.dilation,), (made.output_padding,) = layer.stride, layer.dilation, layer.output_padding
        (made.padding,) = (size for size in layer.padding if not isinstance(size, str))
        return made

    def forward(self, values: Tensor) -> Tensor:
        """Map (batch, channels, time) as torch's own layer does."""
        with self.stopwatch:
            if self.arithmetic == "int8":
                return self._by_moments(values)
            weight = self.kept("float", self._as_float)
            stride, padding, extra, dilation = self.stride, self.padding, self.output_padding, self.dilation
            return functional.conv_transpose1d(values, weight, self.bias, stride, padding, extra, 1, dilation)

    def _by_moments(self, values: Tensor) -> Tensor:
        batch, _, time = values.shape
        places = self.weight.shape[-1]
        dense: Int8Map = self.kept("rows", self._rows)
        given = dense(values.transpose(1, 2)).reshape(batch, time, places, -1)
        first, last = self.padding, (time - 1) * self.stride + self.dilation * (places - 1) + 1 + self.output_padding
        total = given.new_zeros(batch, last, self.out_features)
        for place in range(places):
            start = place * self.dilation
            total[:, start : start + (time - 1) * self.stride + 1 : self.stride] += given[:, :, place]
        answer: Tensor = total[:, first : last - first].transpose(1, 2)
        return answer if self.bias is None else answer + self.bias[:, None]

    def _rows(self) -> Int8Map:
        dense = self.repeated(self.weight.permute(2, 1, 0).flatten(0, 1), self.weight.shape[-1])
        dense.bias = None
        dense.arithmetic = "int8"
        return dense


def _pair(sizes: tuple[Any, ...], height: int) -> Pair:
    """Write a size along time, or along height and width, as one along both."""
    return (height, int(sizes[0])) if len(sizes) == 1 else (int(sizes[0]), int(sizes[1]))


def _pieces(shape: torch.Size, rows: int) -> Iterator[tuple[slice, ...]]:
    """Cut (batch, height, width) into boxes of about so many places.

    >>> [len(list(_pieces(torch.Size(shape), 50))) for shape in ([1, 2, 100], [8, 1, 10], [8, 1, 0])]
    [4, 2, 0]
    """
    sizes: list[int] = []
    for length in reversed(shape):
        sizes.insert(0, max(1, min(length, rows)))
        rows = max(1, rows // sizes[0])
    starts = itertools.product(*(range(0, length, size) for length, size in zip(shape, sizes, strict=True)))
    for corner in starts:
        yield tuple(slice(start, start + size) for start, size in zip(corner, sizes, strict=True))
