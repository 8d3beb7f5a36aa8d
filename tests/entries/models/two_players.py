"""A tiny generator with noise, trained against a critic: what a family with two players looks like.

Not a good restorer, but a whole family: its critic is trained and stored, but does not restore.

Source: Gulrajani et al., "Improved training of Wasserstein GANs", NeurIPS 2017, for the critic's losses and options.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from audiorestore.models._network import Losses, NetworkRestorer, Player
from audiorestore.models._restorer import RestorerConfig

_KERNEL = 5


@dataclass(frozen=True)
class Config(RestorerConfig):
    """The generator's and the critic's size.

    Attributes:
        hidden_channels: Of both networks.
        noise: Numbers that are drawn once for each recording.
        adversarial: Weight of the critic's opinion in the generator's objective.
        penalty: Weight of the gradient penalty in the critic's.
    """

    hidden_channels: int = 8
    noise: int = 2
    adversarial: float = 1e-3
    penalty: float = 10.0


PRESETS: dict[str, dict[str, Any]] = {
    "paper": {"batch_size": 8, "segment_frames": 512},
    "small": {"batch_size": 4, "segment_frames": 64, "steps": 300},
}


class Model(NetworkRestorer):
    """Two convolutions that predict a correction, and a critic that tells restored from original sound."""

    config: Config

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.context = _KERNEL - 1
        hidden = config.hidden_channels
        self.generator = nn.Sequential(
            nn.Conv1d(1 + config.noise, hidden, _KERNEL), nn.Tanh(), nn.Conv1d(hidden, 1, _KERNEL)
        )
        self.critic = nn.Sequential(nn.Conv1d(2, hidden, 9, stride=4), nn.Tanh(), nn.Conv1d(hidden, 1, 1))

    def restoring_part(self) -> nn.Module:
        """Return the generator."""
        return self.generator

    def draw(self, rng: np.random.Generator) -> Tensor:
        """Draw the noise of a recording."""
        return torch.from_numpy(rng.standard_normal(self.config.noise).astype(np.float32))

    def forward(self, degraded: Tensor, draw: Any = None) -> Tensor:
        """Add the generator's correction; without a draw, that of no noise."""
        channels = functional.pad(degraded, (self.context, self.context)).flatten(0, 1).unsqueeze(1)
        noise = channels.new_zeros(self.config.noise) if draw is None else draw.to(channels)
        noise = noise.reshape(1, -1, 1).expand(channels.shape[0], -1, channels.shape[-1])
        return degraded + self.generator(torch.cat([channels, noise], dim=1)).reshape(degraded.shape)

    def objective(self, degraded: Tensor, reference: Tensor, rng: np.random.Generator) -> Losses:
        """Squared error, and what the critic makes of the result."""
        restored = self.without_context(self(degraded, self.draw(rng)))
        opinion = self._judge(self.without_context(degraded), restored).mean()
        error = functional.mse_loss(restored, self.without_context(reference))
        return {"mse": error, "adversarial": -self.config.adversarial * opinion}

    def players(self) -> list[Player]:
        """The generator takes one step in each round, the critic two at a higher rate."""
        options = {"optimizer": "adam", "learning_rate": 4e-3, "betas": (0.0, 0.9)}
        return [
            Player("generator", list(self.generator.parameters()), self.objective),
            Player("critic", list(self.critic.parameters()), self._criticism, steps=2, options=options),
        ]

    def _criticism(self, degraded: Tensor, reference: Tensor, rng: np.random.Generator) -> Losses:
        with torch.no_grad():
            restored = self.without_context(self(degraded, self.draw(rng)))
        degraded, reference = self.without_context(degraded), self.without_context(reference)
        between = torch.lerp(reference, restored, float(rng.random())).requires_grad_()
        slope = torch.autograd.grad(self._judge(degraded, between).sum(), between, create_graph=True)[0]
        penalty = (slope.flatten(1).square().sum(1).add(1e-12).sqrt() - 1.0).square().mean()
        distance = self._judge(degraded, restored).mean() - self._judge(degraded, reference).mean()
        return {"distance": distance, "penalty": self.config.penalty * penalty}

    def _judge(self, degraded: Tensor, other: Tensor) -> Tensor:
        return self.critic(torch.stack([degraded.flatten(0, 1), other.flatten(0, 1)], dim=1)).mean((1, 2))
