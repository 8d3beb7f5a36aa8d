"""Averaged weights: smoother than those of any single step, so they often restore better."""

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor, nn


class Averages:
    """An exponential moving average of everything in a module's state, buffers included.

    ``decay`` is the share of the average that is kept in each step.

    Attributes:
        values: The average, by name; whole numbers, such as counters, are copied.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self._module = module
        self._decay = decay
        self.values: dict[str, Tensor] = _copied(module)

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after the step of this number, counted from 1."""
        kept = min(self._decay, (1 + step) / (10 + step))
        for name, tensor in self._module.state_dict().items():
            if tensor.is_floating_point():
                self.values[name].lerp_(tensor, 1.0 - kept)
            else:
                self.values[name].copy_(tensor)

    @contextlib.contextmanager
    def in_the_model(self) -> Iterator[None]:
        """Exchange the module's weights for their average; the weights come back at the end, exactly."""
        weights = _copied(self._module)
        self._module.load_state_dict(self.values)
        try:
            yield
        finally:
            self._module.load_state_dict(weights)


def _copied(module: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}
