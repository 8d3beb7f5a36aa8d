"""No restoring at all, but what a converter does: to a lower rate and back, by which all above its band is gone.

Source: the row "FFmpeg" in Table 1 of Deshpande and Abichandani, "Audio spectral enhancement: leveraging autoencoders
for low latency reconstruction of long, lossy audio sequences", 2021. The text says "FFMPEG based reconstruction" and
no more, and FFmpeg has nothing that restores an MP3. What it does to one besides decoding it is to resample it; so does
this, with soxr's best quality, late by nothing. Of a mono recording of 22,050 Hz LAME keeps what lies below 8.25 kHz
at 32 kbit/s (measured on noise), and 16,000 Hz is the common rate next to twice that: what the decoder left above can
only be wrong, and goes. Nothing is brought back.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..signal.resample import StreamResampler, fit
from ._restorer import Restorer, RestorerConfig, Stream, require

_BLOCK = 4_096  # samples that are resampled at once, however they came in


@dataclass(frozen=True)
class Config(RestorerConfig):
    """Music at 22,050 Hz, every channel alone.

    Attributes:
        through_rate: The lower sample rate in Hz; what lies above half of it is taken away.
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

    def restore(self, waveform: np.ndarray, draw: Any = None) -> np.ndarray:
        """Resample a whole waveform."""
        stream = self.stream(draw)
        return np.concatenate([stream.push(waveform), stream.flush()], axis=-1)

    def stream(self, draw: Any = None) -> Stream:
        """Begin a recording, resampled in blocks on a fixed grid: the same bits however it was cut."""
        return _DownAndUp(self.config)


class _DownAndUp:
    """One recording on its way down and up; its channels and its batch are resampled side by side."""

    def __init__(self, config: Config) -> None:
        self._rates = config.sample_rate, config.through_rate
        self._resamplers: list[StreamResampler] = []
        self._held = np.zeros((1, 1, 0), np.float32)
        self._ahead = 0  # samples that came in and did not go out yet

    def push(self, block: np.ndarray) -> np.ndarray:
        """Take the next samples and return those that are ready."""
        if not self._resamplers:
            high, low = self._rates
            rows = block.shape[0] * block.shape[1]
            self._resamplers = [StreamResampler(high, low, rows), StreamResampler(low, high, rows)]
            self._held = block[..., :0]
        self._ahead += block.shape[-1]
        self._held = np.concatenate([self._held, block], axis=-1)
        ready = [self._held[..., :0]]
        while self._held.shape[-1] >= _BLOCK:
            ready.append(self._resampled(self._held[..., :_BLOCK]))
            self._held = self._held[..., _BLOCK:]
        return self._counted(np.concatenate(ready, axis=-1))

    def flush(self) -> np.ndarray:
        """End the recording and return the rest."""
        if not self._resamplers:
            raise ValueError("nothing was pushed")
        shape = self._held.shape[:-1]
        down, up = self._resamplers
        rest = [self._resampled(self._held)] if self._held.shape[-1] else [self._held]
        rest += [each.reshape(*shape, -1) for each in (up.push(down.flush()), up.flush())]
        return self._counted(fit(np.concatenate(rest, axis=-1), self._ahead))

    def _resampled(self, block: np.ndarray) -> np.ndarray:
        down, up = self._resamplers
        return up.push(down.push(block.reshape(-1, block.shape[-1]))).reshape(*block.shape[:-1], -1)

    def _counted(self, ready: np.ndarray) -> np.ndarray:
        self._ahead -= ready.shape[-1]
        return ready
