"""What the tests of network families share."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from audiorestore.engine.settings import build
from audiorestore.errors import UsageError
from audiorestore.models._network import NetworkRestorer


def sound(*shape: int, seed: int = 1) -> Tensor:
    """Draw noise in double precision."""
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def without_weights(family: Any, preset: str) -> Any:
    """Build a preset of a family on torch's meta device: shapes, but no memory."""
    with torch.device("meta"):
        return family.Model(build(family.Config, family.PRESETS[preset]))


def assert_refused(config: Any, options: dict[str, Any], sentence: str) -> None:
    """Check that a Config refuses these settings with one line that contains the sentence."""
    with pytest.raises(UsageError) as refused:
        config(**options)
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)


def assert_squared_error_inside(model: NetworkRestorer, inside: int) -> None:
    """Check that the objective is the mean squared error of the samples that have their context."""
    frames = inside + 2 * model.context
    degraded, reference = sound(2, 1, frames), sound(2, 1, frames, seed=2)
    inner = slice(model.context, frames - model.context)
    expected = (model(degraded) - reference)[..., inner].square().mean()
    torch.testing.assert_close(model.objective(degraded, reference, np.random.default_rng(0))["mse"], expected)


def losses_of_training(
    model: NetworkRestorer, degraded: Tensor, reference: Tensor, learning_rate: float, steps: int
) -> list[float]:
    """Train with Adam on one batch, and return the loss of each step."""
    optimizer, losses = torch.optim.Adam(model.train().parameters(), learning_rate), []
    for _ in range(steps):
        loss = torch.stack([*model.objective(degraded, reference, np.random.default_rng(0)).values()]).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def clipped_tones(frames: int, radians: float) -> tuple[Tensor, Tensor]:
    """Make four clipped tones, and the tones as they were: (batch, 1, time) each."""
    time = torch.arange(frames) + 100.0 * torch.arange(4)[:, None, None]
    reference = 0.5 * torch.sin(radians * time)
    return reference.clamp(-0.25, 0.25), reference
