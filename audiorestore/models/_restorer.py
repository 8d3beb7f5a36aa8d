"""What every model family promises, in NumPy terms; the restore engine uses nothing else.

A family is a module with

- ``Config``: a frozen dataclass, `RestorerConfig` with the family's own fields, the paper's values as defaults;
- ``PRESETS``: by name, the settings of ``Config`` and of the training loop that differ from the defaults; at least
  ``paper`` and ``small``;
- ``Model(config)``: a `Restorer`. Families with a network derive from `_network.NetworkRestorer`, which adds
  ``forward``, ``objective`` and ``players``; classical ones implement `Restorer.restored` and need no torch.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ..errors import UsageError
from ..signal.sound import Block, Sound

Pair = tuple[np.ndarray, np.ndarray]
Preset = dict[str, Any]  # settings of a Config and of the training loop


def require(condition: bool, sentence: str) -> None:
    """Refuse an impossible Config: a UsageError with a sentence for the user, unless the condition holds."""
    if not condition:
        raise UsageError(sentence)


def require_range(config: object, low: float, high: float, *names: str) -> None:
    """Refuse settings of a Config below ``low`` or above ``high`` (which may be infinite) with a UsageError."""
    for name in names:
        value = getattr(config, name)
        possible = f"at least {low}" if high == math.inf else f"{low} to {high}"
        require(low <= value <= high, f"{name}={value} is not possible; it must be {possible}")


@dataclass(frozen=True)
class RestorerConfig:
    """The settings of every family.

    Attributes:
        sample_rate: The rate that the model works at, in Hz; 0: any rate, which the Sound gives.
        channels: 1: each channel is restored separately; 2: channels are restored in pairs.
    """

    sample_rate: int = 22050
    channels: int = 1

    def __post_init__(self) -> None:
        require_range(self, 0, math.inf, "sample_rate")
        require_range(self, 1, 2, "channels")


class Restorer:
    """A model that restores audio.

    Attributes:
        config: The family's Config.
        learns: ``nothing``: needs no training; ``at once``: `fit` makes one pass over the pairs; ``by steps``: the
            training loop optimises its `players`.
        uses_torch: Whether it is a torch module, which runs on a device.
        context: Samples on each side that an output sample depends on; 0 if that number is not fixed.
        stride: The grid, in samples, that strides, pooling and hops impose.
    """

    learns: Literal["nothing", "at once", "by steps"] = "nothing"
    uses_torch: bool = False
    context: int = 0
    stride: int = 1

    def __init__(self, config: RestorerConfig) -> None:
        super().__init__()
        self.config = config

    def restored(self, sound: Sound, rng: np.random.Generator) -> Iterator[Block]:
        """Restore a recording, in bounded memory.

        The result does not depend on how ``sound`` is cut into blocks. Several threads may call this at the same time.

        Args:
            sound: At ``config.sample_rate``, or at any rate if that is 0; with any number of channels. It may be
                read several times.
            rng: The generator of this recording. All random numbers come from it, so that the same seed gives the
                same result; most families ignore it.

        Returns:
            Blocks of any lengths, float32 (channels, time): in all, the same channels and length as ``sound``.
        """
        raise NotImplementedError

    def fit(self, pairs: Iterable[Pair]) -> None:
        """Learn from (degraded, reference) waveforms in one pass, in families that learn at once."""

    def players(self) -> list[Any]:
        """List the parts that gradient descent trains; none by default."""
        return []

    def validation(self, restored: np.ndarray, reference: np.ndarray) -> float:
        """Measure a restored segment of the validation split; the checkpoint with the lowest mean is kept.

        By default the mean squared error. A family whose paper chooses by another measure overrides this; never by an
        adversarial loss. Both waveforms are (batch, channels of the model, time), without context.
        """
        return float(np.mean(np.square(restored - reference, dtype=np.float64)))

    def restoring_part(self) -> Any:
        """Return the part that restores: the whole model, or a submodule if the others are for training only.

        A critic, a feature extractor or an averaged copy outside this part is stored in checkpoints, but neither
        counted, quantized, nor loaded for restoring.
        """
        return self

    def count_parameters(self) -> int:
        """Count the learned numbers of the part that restores."""
        return sum(array.size for array in self.state().values())

    def state(self) -> dict[str, np.ndarray]:
        """Return the learned numbers by name, as a checkpoint stores them."""
        return {}

    def load_state(self, state: Mapping[str, np.ndarray]) -> None:
        """Load learned numbers from a checkpoint.

        Raises:
            ValueError: They do not belong to this model.
        """
        if state:
            raise ValueError(f"unexpected numbers {', '.join(state)}")

    def load_restoring_state(self, state: Mapping[str, np.ndarray]) -> None:
        """Load the learned numbers of the part that restores, as `load_state` does; all others stay as they are."""
        self.load_state(state)
