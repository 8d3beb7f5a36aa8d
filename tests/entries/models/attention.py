"""A tiny Transformer of torch's own encoder layer, over segments of a recording."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor, nn
from torch.nn import functional

from audiorestore.models._network import Losses, NetworkRestorer
from audiorestore.models._restorer import RestorerConfig
from audiorestore.models._segments import Restore, cross_fade


@dataclass(frozen=True)
class Config(RestorerConfig):
    """One encoder layer.

    Attributes:
        frame: Samples that are one token.
        width: Of the network.
        segment: Samples that attend to each other.
        overlap: Samples over which neighbouring segments are cross-faded.
    """

    frame: int = 16
    width: int = 24
    segment: int = 2_048
    overlap: int = 512


PRESETS: dict[str, dict[str, Any]] = {"paper": {}, "small": {"steps": 20, "segment_frames": 512, "batch_size": 2}}


class Model(NetworkRestorer):
    """Frames of samples attend to each other; what comes out is a correction."""

    config: Config

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.stride = config.frame
        self.embed = nn.Linear(config.frame, config.width)
        self.encoder = nn.TransformerEncoderLayer(config.width, 4, 2 * config.width, dropout=0.0, batch_first=True)
        self.answer = nn.Linear(config.width, config.frame)

    def forward(self, degraded: Tensor, draw: object = None) -> Tensor:
        """Restore each channel of each recording alone."""
        time, frame = degraded.shape[-1], self.config.frame
        frames = functional.pad(degraded, (0, -time % frame)).flatten(0, 1).unflatten(-1, (-1, frame))
        correction = self.answer(self.encoder(self.embed(frames))).flatten(1)[:, :time]
        return degraded + 0.1 * correction.reshape(degraded.shape)

    def pieces(self, restore: Restore, batches: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Restore a recording in cross-faded segments."""
        return cross_fade(restore, batches, self.config.segment, self.config.overlap)

    def objective(self, degraded: Tensor, reference: Tensor, rng: np.random.Generator) -> Losses:
        """Mean squared error."""
        return {"mse": functional.mse_loss(self(degraded), reference)}
