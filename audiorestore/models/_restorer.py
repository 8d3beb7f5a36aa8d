"""What every model family promises, in NumPy terms: the restore engine knows nothing else.

A family is a module with

- ``Config``: a frozen dataclass, `RestorerConfig` with the family's own fields, the paper's values as defaults;
- ``PRESETS``: name to settings that differ from the defaults, of ``Config`` and of the training loop alike; at least
  ``paper`` and ``small`` where there is something to train;
- ``Model(config)``: a `Restorer`. Families with a network take `_network.NetworkRestorer`, which adds ``forward``,
  ``objective`` and ``players``; classical ones do without torch.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np

from ..errors import UsageError

BLOCK_FRAMES = 1 << 16

Pair = tuple[np.ndarray, np.ndarray]


def require(condition: bool, sentence: str) -> None:
    """Refuse a Config that cannot be, with a sentence for the user.

    Raises:
        UsageError: The condition does not hold.
    """
    if not condition:
        raise UsageError(sentence)


@dataclass(frozen=True)
class RestorerConfig:
    """What every family can be told.

    Attributes:
        sample_rate: The rate that the model works at, in Hz; 0 for any rate, as it comes.
        channels: 1: every channel is restored alone; 2: channels are restored in pairs.
    """

    sample_rate: int = 22050
    channels: int = 1

    def __post_init__(self) -> None:
        require(self.sample_rate >= 0, f"sample_rate={self.sample_rate} is not possible; it is in Hz, or 0 for any")
        require(self.channels in (1, 2), f"channels={self.channels} is not possible; it is 1 or 2")


class Stream(Protocol):
    """One recording on its way through a model: blocks in, blocks out, the total length kept."""

    def push(self, block: np.ndarray) -> np.ndarray:
        """Take the next samples (batch, channels, time) and return what is ready, perhaps nothing."""

    def flush(self) -> np.ndarray:
        """End the recording and return the rest."""


class Restorer:
    """A model that restores audio.

    Attributes:
        config: The family's Config.
        context: Samples on each side that an output sample depends on.
        stride: The grid, in samples, that the model's inner steps impose; blocks start on its multiples.
        learns: ``nothing``: it is ready as it is; ``at once``: `fit` in one pass over the pairs; ``by steps``: its
            `players` learn by gradient in the training loop.
        uses_torch: Whether it is a torch module, which runs on a device.
    """

    context: int = 0
    stride: int = 1
    learns: Literal["nothing", "at once", "by steps"] = "nothing"
    uses_torch: bool = False

    def __init__(self, config: RestorerConfig) -> None:
        super().__init__()
        self.config = config

    def draw(self, rng: np.random.Generator) -> Any:
        """Draw whatever the family draws once for each file; most draw nothing."""
        return None

    def restore(self, waveform: np.ndarray, draw: Any = None) -> np.ndarray:
        """Restore a whole waveform: float32 (batch, channels, time), any time ≥ 1, same shape back."""
        raise NotImplementedError

    def stream(self, draw: Any = None) -> Stream:
        """Begin a recording of any length; memory does not grow with it."""
        return OverlapSave(self, draw)

    def fit(self, pairs: Iterable[Pair]) -> None:
        """Learn from (degraded, reference) waveforms in one pass, for families without `players`."""

    def players(self) -> list[Any]:
        """List who learns by gradient; nobody here."""
        return []

    def linear_maps(self) -> dict[str, Any]:
        """List the dense layers and convolutions by name; none here."""
        return {}

    def restoring_part(self) -> Any:
        """Return the part that restores: the whole model, or the submodule beside which others only help to train it.

        A critic, a feature extractor or an averaged copy outside of it is stored in checkpoints, but not counted, not
        quantized, and not loaded for restoring.
        """
        return self

    def count_parameters(self) -> int:
        """Count the numbers that training finds for the part that restores."""
        return sum(array.size for array in self.state().values())

    def load_restoring_state(self, state: Mapping[str, np.ndarray]) -> None:
        """Take the learnt numbers of the part that restores from a checkpoint, and leave all others as they are.

        Raises:
            ValueError: They are not this model's.
        """
        self.load_state(state)

    def state(self) -> dict[str, np.ndarray]:
        """Get the learnt numbers by name, as a checkpoint stores them."""
        return {}

    def load_state(self, state: Mapping[str, np.ndarray]) -> None:
        """Take learnt numbers from a checkpoint.

        Raises:
            ValueError: They are not this model's.
        """
        if state:
            raise ValueError(f"unexpected numbers {', '.join(state)}")


class OverlapSave:
    """Stream by overlapping blocks of which only the inner part is kept, so that no seam can be heard or measured.

    Block k gives the samples [k·B, (k+1)·B) and is computed from [k·B − c, (k+1)·B + c), c ≥ the model's context, cut
    to where there is a recording: at its two ends the model pads as it does on a whole file. B and c are multiples of
    the stride, so every block lies on the model's grid; and the grid is fixed, so that the result is the same however
    the recording was cut on its way in.

    Args:
        model: What restores a block.
        draw: What the model drew for this recording.
        block_frames: About how many samples to restore at once.
    """

    def __init__(self, model: Restorer, draw: Any = None, block_frames: int = BLOCK_FRAMES) -> None:
        stride = max(1, model.stride)
        self._model = model
        self._draw = draw
        self._context = -(-model.context // stride) * stride
        self._block = max(1, -(-block_frames // stride)) * stride
        self._held: list[np.ndarray] = []  # samples from self._first on
        self._first = 0
        self._end = 0
        self._done = 0

    def push(self, block: np.ndarray) -> np.ndarray:
        """Take the next samples and return the blocks that have all their context."""
        self._held.append(block)
        self._end += block.shape[-1]
        ready = [block[..., :0]]
        while self._end >= self._done + self._block + self._context:
            ready.append(self._next(self._done + self._block))
        return np.concatenate(ready, axis=-1)

    def flush(self) -> np.ndarray:
        """Restore what is left."""
        if not self._held:
            raise ValueError("nothing was pushed")
        ready = [self._held[0][..., :0]]
        while self._done < self._end:
            ready.append(self._next(min(self._done + self._block, self._end)))
        return np.concatenate(ready, axis=-1)

    def _next(self, stop: int) -> np.ndarray:
        samples = self._held[0] if len(self._held) == 1 else np.concatenate(self._held, axis=-1)
        start = max(0, self._done - self._context)
        restored = self._model.restore(
            samples[..., start - self._first : stop + self._context - self._first], self._draw
        )
        kept = restored[..., self._done - start : stop - start]
        self._done = stop
        keep_from = max(0, stop - self._context)
        self._held = [samples[..., keep_from - self._first :]]
        self._first = keep_from
        return kept
