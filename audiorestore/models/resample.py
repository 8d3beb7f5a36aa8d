"""Resampling to a lower rate and back, as a converter does: everything above the band of the lower rate is removed.

Source: the row "FFmpeg" in Table 1 of Deshpande and Abichandani, "Audio spectral enhancement: leveraging autoencoders
for low latency reconstruction of long, lossy audio sequences", 2021. The text says only "FFMPEG based reconstruction",
and FFmpeg has nothing that restores an MP3. Besides decoding, it can resample; so does this, with soxr's best quality
and without delay. LAME keeps what is below 8.25 kHz in a mono recording of 22,050 Hz at 32 kbit/s (measured on noise),
and 16,000 Hz is the common rate next to twice that: what the decoder left above can only be wrong, and is removed.
Nothing is restored.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..signal.sound import Block, Sound, regrid
from ._restorer import Restorer, RestorerConfig, require

_BLOCK = 4_096  # samples that are resampled at once


@dataclass(frozen=True)
class Config(RestorerConfig):
    """Music at 22,050 Hz, every channel alone.

    Attributes:
        through_rate: The lower sample rate in Hz; frequencies above half of it are removed.
    """

    through_rate: int = 16_000

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.sample_rate > 0, "sample_rate=0 is not possible: resampling has to know the rate; give it in Hz")
        require(
            1_000 <= self.through_rate < self.sample_rate,
            f"through_rate={self.through_rate} is not possible; it is from 1000 Hz to below {self.sample_rate} Hz",
        )


PRESETS: dict[str, dict[str, Any]] = {"paper": {}, "small": {}}


class Model(Restorer):
    """Resample down, and up again."""

    config: Config

    def restored(self, sound: Sound, rng: np.random.Generator) -> Iterator[Block]:
        """Resample the recording, in blocks on a fixed grid: the same bits however it was cut."""
        even = replace(sound, blocks=lambda: regrid(sound.blocks(), sound.channels, sound.frames, _BLOCK))
        through = even.resampled(self.config.through_rate).resampled(sound.sample_rate)
        return regrid(through.blocks(), sound.channels, sound.frames, _BLOCK)
