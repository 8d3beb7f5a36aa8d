"""What every model family promises, in NumPy terms: the restore engine knows nothing else.

A family is a module with

- ``Config``: a frozen dataclass, `RestorerConfig` with the family's own fields, the paper's values as defaults;
- ``PRESETS``: name to settings that differ from the defaults, of ``Config`` and of the training loop alike; at least
  ``paper`` and ``small``;
- ``Model(config)``: a `Restorer`. Families with a network take `_network.NetworkRestorer`, which adds ``forward``,
  ``objective`` and ``players``; classical ones implement `Restorer.restored` and do without torch.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ..errors import UsageError
from ..signal.sound import Block, Sound

Pair = tuple[np.ndarray, np.ndarray]


def require(condition: bool, sentence: str) -> None:
    """Refuse an impossible Config, with a sentence for the user.

    Raises:
        UsageError: The condition does not hold.
    """
    if not condition:
        raise UsageError(sentence)


@dataclass(frozen=True)
class RestorerConfig:
    """The settings of every family.

    Attributes:
        sample_rate: The rate that the model works at, in Hz; 0: any rate, and the Sound says which.
        channels: 1: every channel is restored alone; 2: channels are restored in pairs.
    """

    sample_rate: int = 22050
    channels: int = 1

    def __post_init__(self) -> None:
        require(self.sample_rate >= 0, f"sample_rate={self.sample_rate} is not possible; it is in Hz, or 0 for any")
        require(self.channels in (1, 2), f"channels={self.channels} is not possible; it is 1 or 2")


class Restorer:
    """A model that restores audio.

    Attributes:
        config: The family's Config.
        learns: ``nothing``: it is ready as it is; ``at once``: `fit` in one pass over the pairs; ``by steps``: its
            `players` learn by gradient in the training loop.
        uses_torch: Whether it is a torch module, which runs on a device.
        context: Samples on each side that an output sample depends on; 0 where there is no such number.
        stride: The grid, in samples, that the model's inner steps impose.
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

        The result does not depend on how ``sound`` is cut into blocks. It may be called from several threads at once.

        Args:
            sound: At ``config.sample_rate``, or at any rate where that is 0; with any number of channels. It may be
                read several times.
            rng: The generator of this recording. A family that draws takes all its draws from it, so that the same
                seed gives the same result; other families ignore it.

        Returns:
            Blocks of any lengths, float32 (channels, time): the same channels and the same length in all.
        """
        raise NotImplementedError

    def fit(self, pairs: Iterable[Pair]) -> None:
        """Learn from (degraded, reference) waveforms in one pass, for families that learn at once."""

    def players(self) -> list[Any]:
        """List who learns by gradient; nobody here."""
        return []

    def validation(self, restored: np.ndarray, reference: np.ndarray) -> float:
        """Measure a restored piece of the validation split; the checkpoint with the lowest mean is kept.

        By default the mean squared error. A family whose paper chooses by another measure says so here; adversarial
        losses are not measures.

        Args:
            restored: Shape (batch, channels of the model, time), without context.
            reference: The same shape.
        """
        return float(np.mean(np.square(restored - reference, dtype=np.float64)))

    def restoring_part(self) -> Any:
        """Return the part that restores: the whole model, or the submodule that the others only help to train.

        A critic, a feature extractor or an averaged copy outside of it is stored in checkpoints, but not counted, not
        quantized, and not loaded for restoring.
        """
        return self

    def count_parameters(self) -> int:
        """Count the learned numbers of the part that restores."""
        return sum(array.size for array in self.state().values())

    def state(self) -> dict[str, np.ndarray]:
        """Return the learned numbers by name, as a checkpoint stores them."""
        return {}

    def load_state(self, state: Mapping[str, np.ndarray]) -> None:
        """Take learned numbers from a checkpoint.

        Raises:
            ValueError: They are not this model's.
        """
        if state:
            raise ValueError(f"unexpected numbers {', '.join(state)}")

    def load_restoring_state(self, state: Mapping[str, np.ndarray]) -> None:
        """Take the learned numbers of the part that restores, and leave all others as they are.

        Raises:
            ValueError: They are not this model's.
        """
        self.load_state(state)
