"""Steady noise, as of tape, amplifiers and bad microphones.

White noise has the same power in every hertz, pink noise in every octave. Tape noise is modelled as white magnetic flux
played back by a cassette deck, so it rises above 1.3 kHz, which people hear as hiss.

Source: Moliner and Välimäki, "A two-stage U-Net for high-fidelity denoising of historical recordings", ICASSP 2022
(hiss of old discs); Voss and Clarke, "'1/f noise' in music and speech", Nature 258, 1975 (pink); IEC 60094-1 (tape).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..signal.sound import Block, Sound
from ._additive import NOISE_SEED, SNR_DB, add
from ._damage import Choice, DamageConfig, Damaged, Domain, Span, parameter

COLOURS = ("white", "pink", "tape")


@dataclass(frozen=True)
class Config(DamageConfig):
    """How much noise, and of which colour."""

    snr_db: float = parameter(Span(10.0, 30.0), SNR_DB)
    colour: str = parameter(
        Choice(("white", "pink")), Domain(str, meaning="even per hertz, per octave, or as a tape's", choices=COLOURS)
    )
    noise_seed: int = NOISE_SEED


def apply(sound: Sound, config: Config) -> Damaged:
    """Add the noise, different in every channel, and report its level (``noise_dbfs``)."""

    def noise() -> Iterator[Block]:
        rng = np.random.default_rng(config.noise_seed)
        colour = _Colour(config.colour, sound.channels, sound.sample_rate)
        for block in sound.blocks():
            # Drawn in the order of time, so that the noise does not depend on the blocks.
            yield colour.push(rng.standard_normal(block.shape[::-1], dtype=np.float32).T)

    return (yield from add(sound, noise, config.snr_db))


class _Colour:
    """Filter white noise block by block."""

    def __init__(self, name: str, channels: int, sample_rate: int) -> None:
        self._sections: NDArray[np.float64] | None = None
        if name != "white":
            from scipy.signal import zpk2sos

            zeros, poles = _pink(sample_rate) if name == "pink" else _tape(sample_rate)
            # Matched z-transform: a corner at f Hz lies at exp(-2πf / rate).
            places = [np.exp(-2.0 * np.pi * np.array(each) / sample_rate) for each in (zeros, poles)]
            self._sections = zpk2sos(*places, 1.0)
            self._state = np.zeros((len(self._sections), channels, 2))

    def push(self, noise: NDArray[np.float32]) -> Block:
        if self._sections is None:
            return noise
        from scipy.signal import sosfilt

        filtered, self._state = sosfilt(self._sections, noise, zi=self._state)
        return np.asarray(filtered, np.float32)


def _pink(sample_rate: int) -> tuple[list[float], list[float]]:
    """Step down every second octave: −3 dB an octave, within 0.3 dB from 20 Hz to 0.45 of the sample rate."""
    poles = [0.2 * sample_rate / 4.0**step for step in range(12) if 0.2 * sample_rate / 4.0**step > 1.25]
    return [pole / 2.0 for pole in poles[:-1]], poles


def _tape(sample_rate: int) -> tuple[list[float], list[float]]:
    """Play an even flux back by IEC 60094-1 for cassettes, 3180 and 120 µs; the head's gap ends it at 14 kHz."""
    corners_hz = [1.0 / (2.0 * np.pi * seconds) for seconds in (3180e-6, 120e-6)]
    return [0.0, corners_hz[1]], [corners_hz[0], min(14000.0, 0.45 * sample_rate)]
