"""Validation: how well a model restores the validation split, compared with doing nothing and with one fitted gain."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from ...data.pairs import PairDataset
from ...metrics._comparison import ratio_db
from ...models._channels import fold
from ...models._restorer import Restorer
from ...models.level import Model as Level
from ...randomness import generator
from ...signal.sound import Sound, joined

if TYPE_CHECKING:
    from .loop import TrainConfig, TrainState

VALIDATION_FRAMES = 1 << 16  # a piece of the validation split that is restored as a recording of its own
ROWS = ("restored", "degraded", "level")


@dataclass(frozen=True)
class Validated:
    """The model was measured on the validation split.

    Attributes:
        loss: The model's own `validation` measure, by which the best checkpoint is chosen.
        mse: Mean squared error of ``restored``, ``degraded`` (doing nothing) and ``level`` (one gain fitted on the
            training split).
        snr_db: The same three as signal-to-noise ratios.
        improved: Whether no earlier loss was as low.
    """

    step: int
    loss: float
    mse: dict[str, float]
    snr_db: dict[str, float | None]
    improved: bool
    seconds: float


class Validator:
    """Measures a model on the validation split, always on the same part of it.

    The model restores as it will later, so a family that works in segments does so here, and no objective is computed.
    The one gain of the row ``level`` is fitted on the training split.
    """

    def __init__(self, model: Restorer, pairs: PairDataset, training: PairDataset, config: "TrainConfig") -> None:
        self._model = model
        self._pairs = pairs
        self._config = config
        level = Level(model.config)
        level.fit(training.walk(VALIDATION_FRAMES))
        self.level_gain = level.gain

    def validate(self, state: "TrainState") -> Validated:
        """Restore the validation pieces and compare; the model is left in evaluation mode."""
        model, context = self._model, self._model.context
        rng = generator(self._config.seed, "validation")
        sample_rate = self._pairs.sample_rate or 44100
        limit = max(1, int(self._config.validation_seconds * sample_rate))
        errors, energy, loss, count = dict.fromkeys(ROWS, 0.0), 0.0, 0.0, 0
        if isinstance(model, torch.nn.Module):
            model.eval()
        for degraded, reference in self._pairs.walk(VALIDATION_FRAMES, context, limit):
            inner = slice(context, degraded.shape[-1] - context)
            sound = Sound.of(degraded, sample_rate)
            restored = joined(model.restored(sound, rng), sound.channels)[:, inner]
            degraded, target = degraded[:, inner], reference[:, inner]
            for name, row in zip(ROWS, (restored, degraded, degraded * np.float32(self.level_gain)), strict=True):
                errors[name] += float(np.sum(np.square(row - target, dtype=np.float64)))
            energy += float(np.sum(np.square(target, dtype=np.float64)))
            channels = model.config.channels
            loss += target.size * model.validation(fold(restored, channels), fold(target, channels))
            count += target.size
        mse = {name: error / count for name, error in errors.items()}
        snr = {name: ratio_db(energy, error) if energy > 0.0 else None for name, error in errors.items()}
        loss /= count
        return Validated(state.step, loss, mse, snr, loss < state.best, round(state.seconds, 3))
