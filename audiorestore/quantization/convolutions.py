"""Convolutions with 8-bit weights that take the place of torch's own: the same call, the same shapes.

A convolution in int8 is a product of matrices: windows, one to a row, times the kernels. Each window is rounded with
its own scale, so its result depends only on the samples under the kernel, however a recording is cut into blocks.
Rounding each time step once for all windows that contain it would be less work, but then a loud time step would make
more distant results coarser, or scales would differ within a sum. Where a bound on the input is known, all time steps
share its scale, and the int8 convolution operator is used.

Measured on one core of a busy CPU with VNNI, with 2,048 time steps: 128 to 256 channels over 33 places by a stride of 2
take 43 to 51 ms in float, 12 as windows (4 of them for rounding), 25 place by place with a scale for each time step,
and 10 with one scale for all.
"""

import itertools
from collections.abc import Iterator
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from .layers import Int8Layer, as_codes, round_input, steps_of

_ROWS = 512  # windows to a product, at least
_CODES = 1 << 19  # to a product; a small kernel sees more windows
_AT_ONCE = 1 << 16  # values to round at once, so that intermediate results stay in the cache

Pair = tuple[int, int]


class _Int8Convolution(Int8Layer):
    """What convolutions over time, and over height and width, share."""

    kernel_size: Any
    stride: Any
    dilation: Any
    padding: Any
    groups: int
    padding_mode: Any

    @property
    def can_compute(self) -> bool:
        """Whether it can compute in int8: the kernels of a grouped convolution are not one matrix."""
        uneven = any(d * (k - 1) % 2 for d, k in zip(self.dilation, self.kernel_size, strict=True))
        return self.groups == 1 and self.padding_mode == "zeros" and not (self.padding == "same" and uneven)

    def forward(self, values: Tensor) -> Tensor:
        """Convolve (batch, channels, time) or (batch, channels, height, width)."""
        if self.arithmetic == "float":
            return super().forward(values)  # type: ignore[no-any-return]
        if self.codes.dim() == 3:  # over time alone, the height is 1
            return self._convolve(values.unsqueeze(2), self.codes.unsqueeze(2)).squeeze(2)
        return self._convolve(values, self.codes)

    def _convolve(self, values: Tensor, kernel: Tensor) -> Tensor:
        padding = self.padding
        if isinstance(padding, str):  # "same", of odd kernels; or "valid"
            both = zip(self.dilation, self.kernel_size, strict=True)
            padding = [dilation * (size - 1) // 2 if padding == "same" else 0 for dilation, size in both]
        stride, padding, dilation = (
            cast(Pair, (other, *size)[-2:]) for size, other in ((self.stride, 1), (padding, 0), (self.dilation, 1))
        )
        if self.bound is not None:
            return self.multiply(*round_input(values, self.bound), kernel, (stride, padding, dilation, 1))
        return self._by_windows(values, kernel, stride, padding, dilation)

    def _by_windows(self, values: Tensor, kernel: Tensor, stride: Pair, padding: Pair, dilation: Pair) -> Tensor:
        """Convolve (batch, channels, height, width) window by window, each a row with its channels side by side."""
        size, (height, width) = kernel.shape[2:], padding
        padded = functional.pad(values.permute(0, 2, 3, 1), (0, 0, width, width, height, height)).contiguous()
        windows = padded
        for axis in (0, 1):
            reach = dilation[axis] * (size[axis] - 1) + 1
            windows = windows.unfold(1 + axis, reach, stride[axis])[..., :: dilation[axis]]
        windows = windows.permute(0, 1, 2, 4, 5, 3)  # batch, height, width, kernel's height and width, channels
        steps = functional.max_pool2d(steps_of(padded, -1).permute(0, 3, 1, 2), size, stride, dilation=dilation)[:, 0]
        rows: Tensor = self.derived("rows", lambda: kernel.permute(0, 2, 3, 1).flatten(1))
        answer = padded.new_empty(*windows.shape[:3], len(kernel))
        for piece in _pieces(windows.shape[:3], max(_ROWS, _CODES // rows.shape[1])):
            answer[piece] = self._product(windows[piece], steps[piece], rows)
        return answer.permute(0, 3, 1, 2)

    def _product(self, windows: Tensor, steps: Tensor, rows: Tensor) -> Tensor:
        """Multiply windows (…, height, width, channels), three axes of them, each with its step, by (out, in) rows."""
        integers = windows.new_empty(windows.shape, dtype=torch.int8)
        factors = (1.0 / steps)[..., None, None, None]
        at_once = max(1, _AT_ONCE // (rows.shape[1] * windows[:, :, 0, 0, 0, 0].numel()))
        for start in range(0, windows.shape[2], at_once):
            part = slice(start, start + at_once)
            integers[:, :, part] = torch.mul(windows[:, :, part], factors[:, :, part]).round_()
        product = self.multiply(as_codes(integers.view(-1, rows.shape[1])), steps.reshape(-1, 1), rows)
        return product.reshape(*steps.shape, -1)


class Int8Conv1d(_Int8Convolution, nn.Conv1d):  # type: ignore[override] # the weight is a property
    """A convolution over time with an int8 weight."""


class Int8Conv2d(_Int8Convolution, nn.Conv2d):  # type: ignore[override]
    """A convolution over height and width with an int8 weight."""


class Int8ConvTranspose1d(Int8Layer, nn.ConvTranspose1d):  # type: ignore[override]
    """A transposed convolution with an int8 weight, computed in float."""

    outputs_along: ClassVar[int] = 1
    can_compute: ClassVar[bool] = False


def _pieces(shape: torch.Size, rows: int) -> Iterator[tuple[slice, ...]]:
    """Cut (batch, height, width) into boxes of about this many places.

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
