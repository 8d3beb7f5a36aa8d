"""A spectral gate: quiet frequencies of short frames are turned down, in NumPy alone and at any rate.

Source: Boll, "Suppression of acoustic noise in speech using spectral subtraction", IEEE Transactions on Acoustics,
Speech, and Signal Processing 27(2), 1979, with one threshold in place of a noise estimate.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from audiorestore.models._restorer import Restorer, RestorerConfig, require
from audiorestore.signal.sound import Block, Sound, regrid, windows


@dataclass(frozen=True)
class Config(RestorerConfig):
    """Any rate, every channel alone.

    Attributes:
        reduction_db: By how much quiet frequencies are turned down.
        threshold_db: What is quiet: the amplitude of a sine in dB full scale.
        window_ms: Length of a frame in milliseconds.
    """

    sample_rate: int = 0
    reduction_db: float = 12.0
    threshold_db: float = -50.0
    window_ms: float = 20.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.reduction_db >= 0.0, f"reduction_db={self.reduction_db} is not possible; it is at least 0")
        require(0.1 <= self.window_ms <= 1e4, f"window_ms={self.window_ms} is not possible; it is 0.1 to 10000")


PRESETS: dict[str, dict[str, Any]] = {"paper": {}, "small": {"window_ms": 5.0}, "strong": {"reduction_db": 40.0}}


class Model(Restorer):
    """Turn quiet frequencies down frame by frame; the frames overlap by half and add up to the recording."""

    config: Config

    def restored(self, sound: Sound, rng: np.random.Generator) -> Iterator[Block]:
        """Gate the recording."""
        return regrid(self._gated(sound), sound.channels, sound.frames)

    def _gated(self, sound: Sound) -> Iterator[Block]:
        hop = max(1, round(self.config.window_ms / 2000 * sound.sample_rate))
        window = np.sin(np.pi * np.arange(2 * hop) / (2 * hop)) ** 2  # halves of it add up to 1
        threshold = 10 ** (self.config.threshold_db / 20) * hop / 2
        floor = 10 ** (-self.config.reduction_db / 20)
        tail = None
        for frame in windows(sound.blocks(), 2 * hop, hop, before=hop, after=hop, pad=True):
            spectrum = np.fft.rfft(frame * window)
            gated = np.fft.irfft(np.where(np.abs(spectrum) < threshold, floor, 1.0) * spectrum, 2 * hop)
            if tail is not None:
                yield (tail + gated[:, :hop]).astype(np.float32)
            tail = gated[:, hop:]
