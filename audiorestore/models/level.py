"""One multiplication: the second do-nothing row of every table, fitted on the training split.

An MP3 encoder lowers the level (LAME by a factor of 0.95). Undoing that gains decibels of SNR without restoring
anything, so a restorer is useful only if it beats this row as well.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from ..signal.level import dot
from ..signal.sound import Block, Sound
from ._restorer import Pair, Preset, Restorer, RestorerConfig


@dataclass(frozen=True)
class Config(RestorerConfig):
    """Any rate, each channel separately."""

    sample_rate: int = 0


PRESETS: dict[str, Preset] = {"paper": {}, "small": {}}


class Model(Restorer):
    """Multiply by the gain that minimises the squared error over all training pairs."""

    learns = "at once"

    def __init__(self, config: RestorerConfig) -> None:
        super().__init__(config)
        self.gain = 1.0

    def restored(self, sound: Sound, rng: np.random.Generator) -> Iterator[Block]:
        """Multiply the recording by the gain."""
        return (block * np.float32(self.gain) for block in sound.blocks())

    def fit(self, pairs: Iterable[Pair]) -> None:
        """Compute the gain: the sum of degraded times reference, divided by the energy of degraded."""
        product = energy = 0.0
        for degraded, reference in pairs:
            product += dot(degraded, reference)
            energy += dot(degraded, degraded)
        self.gain = product / energy if energy > 0 else 1.0

    def state(self) -> dict[str, np.ndarray]:
        """Return the gain."""
        return {"gain": np.array([self.gain])}

    def load_state(self, state: Mapping[str, np.ndarray]) -> None:
        """Load the gain."""
        if set(state) != {"gain"} or state["gain"].shape != (1,):
            raise ValueError("the only entry must be gain, one number")
        self.gain = float(state["gain"][0])
