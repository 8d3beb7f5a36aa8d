"""How far from 0 the values inside a network can be, found by interval arithmetic.

A tanh gives values within −1…1 whatever its input, and so do the mean of two of them and the product with a sigmoid.
`Ranges` follows a run operator by operator and keeps, for each tensor, an interval that contains all of its values; the
results of convolutions and matrix products are unbounded. Nothing depends on the data, so the run may be on torch's
``meta`` device, where nothing is computed.
"""

import itertools
import math
import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

Interval = tuple[float, float]
UNKNOWN: Interval = (-math.inf, math.inf)

_aten = torch.ops.aten


def _ends(function: Callable[..., float]) -> Callable[..., Interval]:
    """Make the rule of a function that has its extremes where each argument is at an end of its interval."""

    def rule(*intervals: Interval, **options: float) -> Interval:
        try:
            ends = [function(*each, **options) for each in itertools.product(*intervals)]
        except ValueError:  # a root of less than 0
            return UNKNOWN
        return UNKNOWN if any(map(math.isnan, ends)) else (min(ends), max(ends))

    return rule


def _abs(values: Interval) -> Interval:
    low, high = sorted(map(abs, values))
    return (0.0 if values[0] <= 0 <= values[1] else low), high


def _pow(values: Interval, exponent: Interval) -> Interval:
    if exponent == (2, 2):
        values = _abs(values)
    return _ends(pow)(values, exponent) if values[0] >= 0 and exponent[0] == exponent[1] > 0 else UNKNOWN


def _clamp(values: Interval, low: Interval = UNKNOWN, high: Interval = UNKNOWN) -> Interval:
    return min(max(values[0], low[0]), high[1]), min(max(values[1], low[0]), high[1])


def _hull(*each: Interval) -> Interval:
    return min(low for low, _ in each), max(high for _, high in each)


def _same(values: Interval, *_: Any) -> Interval:
    return values


def _within(low: float, high: float) -> Callable[..., Interval]:
    return lambda *_: (low, high)


# From the intervals of an operator's tensors and numbers to that of its result. Views share storage and need no rule.
_RULES: dict[Any, Callable[..., Interval]] = {
    _aten.tanh: _within(-1.0, 1.0),
    _aten.sigmoid: _within(0.0, 1.0),
    _aten._softmax: _within(0.0, 1.0),
    _aten.zeros: _within(0.0, 0.0),
    _aten.zeros_like: _within(0.0, 0.0),
    _aten.new_zeros: _within(0.0, 0.0),
    _aten.new_full: lambda like, shape, value: value,
    _aten.relu: _ends(lambda value: max(value, 0.0)),
    _aten.clamp: _clamp,
    _aten.clamp_min: _clamp,
    _aten.abs: _abs,
    _aten.neg: _ends(operator.neg),
    _aten.sqrt: _ends(math.sqrt),
    _aten.pow: _pow,
    _aten.add: _ends(lambda one, other, alpha=1: one + alpha * other),
    _aten.sub: _ends(lambda one, other, alpha=1: one - alpha * other),
    _aten.rsub: _ends(lambda one, other, alpha=1: other - alpha * one),
    _aten.mul: _ends(operator.mul),
    _aten.maximum: _ends(max),
    _aten.minimum: _ends(min),
    _aten.cat: _hull,
    _aten.stack: _hull,
    _aten.copy_: _hull,  # of a part, perhaps: the rest stays as it was
    _aten.constant_pad_nd: lambda values, pad, value=(0.0, 0.0): _hull(values, value),
} | dict.fromkeys(
    [
        _aten.max_pool2d_with_indices,
        _aten.upsample_nearest1d,
        _aten.upsample_nearest2d,
        _aten.clone,
        _aten._to_copy,
        _aten.index_select,
        _aten.mean,
        _aten.scalar_tensor,
    ],
    _same,
)


class Ranges(TorchDispatchMode):  # type: ignore[no-untyped-call] # torch's modes have no types
    """Follow what runs within ``with``, without gradients.

    >>> with torch.no_grad(), Ranges() as ranges:
    ...     gated = torch.tanh(torch.randn(3)) * torch.sigmoid(torch.randn(3))
    >>> ranges.of(gated)
    (-1.0, 1.0)
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._known: dict[int, tuple[Any, Interval]] = {}  # by storage, kept so that no other takes its address

    def of(self, values: Any) -> Interval:
        """Return the interval of a number, or of all values of a tensor."""
        if isinstance(values, Tensor):
            return self._known.get(values.untyped_storage()._cdata, (None, UNKNOWN))[1]
        return (values, values) if isinstance(values, int | float) else UNKNOWN

    def set(self, values: Tensor, interval: Interval) -> None:
        """Set the interval of all values of a tensor, and of all tensors that share its storage."""
        storage = values.untyped_storage()
        self._known[storage._cdata] = storage, interval

    def __torch_dispatch__(
        self, called: Any, types: Any, arguments: tuple[Any, ...] = (), options: dict[str, Any] | None = None
    ) -> Any:
        """Run an operator, and note the interval of what it makes."""
        options = options or {}
        each = arguments[0] if arguments and isinstance(arguments[0], list) else arguments
        alpha = {"alpha": options["alpha"]} if "alpha" in options else {}
        rule = _RULES.get(called.overloadpacket)
        interval = rule(*map(self.of, each), **alpha) if rule else UNKNOWN
        made = called(*arguments, **options)
        first = made[0] if isinstance(made, tuple | list) and made else made
        if isinstance(first, Tensor) and not called.is_view and called is not _aten._unsafe_view.default:
            self.set(first, interval)
        return made
