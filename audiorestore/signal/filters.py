"""Convolution by FFT, block by block, and filters without delay.

A zero-phase filter looks as far ahead as it looks back, so a steep one rings before an attack as well as after it. That
is the price of lag 0 at every frequency.
"""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from ..errors import AudioRestoreError
from .sound import Block, Sound, regrid

Response = NDArray[np.float64]

_LEAST_FFT = 1 << 14
_GRIDS = [1 << bits for bits in range(11, 21)]


def convolved(sound: Sound, responses: Response, advance: int = 0) -> Iterator[Block]:
    """Filter a recording, in memory that grows with the filter and not with the recording.

    The blocks are on the filter's own grid, so the result does not depend on how the recording is cut. There is silence
    before and after the recording, and the result ends with it.

    Args:
        sound: The recording.
        responses: Impulse responses, shape (rows, taps); channel i is filtered by row i, and row 0 follows the last.
        advance: The tap at time 0: 0 for a causal filter, the middle one of a symmetric filter for lag 0.

    Yields:
        The filtered recording, of the same length.

    >>> sound = Sound.of(np.array([[1.0, 0.0, 2.0]]), 8000)
    >>> np.concatenate(list(convolved(sound, np.array([[1.0, 0.5]]))), axis=-1).tolist()
    [[1.0, 0.5, 2.0]]
    """
    first = max(0, advance - sound.frames + 1)  # taps further away than the recording is long never meet it
    responses = responses[:, first : advance + sound.frames]
    advance -= first
    taps = responses.shape[-1]
    n_fft = 1 << max(_LEAST_FFT, 2 * taps).bit_length()
    if sound.frames < n_fft // 2:
        n_fft = 1 << (sound.frames + taps).bit_length()
    hop = n_fft - taps + 1
    spectra = np.fft.rfft(responses, n_fft)
    ringing = np.zeros((sound.channels, taps - 1))
    early = advance
    for block in regrid(sound.blocks(), sound.channels, sound.frames, hop):
        frames = block.shape[-1]
        filtered = np.empty(block.shape, np.float32)
        for channel, row in enumerate(block):
            spectrum = np.fft.rfft(row.astype(np.float64), n_fft)
            spectrum *= spectra[channel % len(spectra)]
            summed = np.fft.irfft(spectrum, n_fft)[: frames + taps - 1]
            summed[: taps - 1] += ringing[channel]
            filtered[channel] = summed[:frames]
            ringing[channel] = summed[frames:]
        yield filtered[:, early:]
        early = 0  # the first block is longer than ``advance``
    yield ringing[:, :advance].astype(np.float32)


def zero_phase(
    amplitude: Callable[[NDArray[np.float64]], NDArray[np.float64]], tolerance: float = 1e-6
) -> NDArray[np.float64]:
    """Compute a symmetric impulse response from a real frequency response, as long as it has to be.

    Args:
        amplitude: Gives the response, negative where the phase is inverted, at angular frequencies from 0 to pi.
        tolerance: The largest error of the response, root mean square over frequency: 1e-6 is 120 dB below 1.

    Returns:
        An odd number of taps; the middle one is at time 0.

    Raises:
        AudioRestoreError: The filter is so sharp that it rings for millions of samples.

    >>> zero_phase(np.cos).round(9).tolist()
    [0.5, 0.0, 0.5]
    """
    for grid in _GRIDS:
        half = np.fft.irfft(amplitude(np.linspace(0.0, np.pi, grid // 2 + 1)), grid)[: grid // 2 + 1]
        left_out = np.sqrt(2.0 * np.cumsum(half[::-1] ** 2))[::-1]  # what ending before each tap misses (Parseval)
        if left_out[grid // 4] <= tolerance:
            taps = max(1, int(np.argmax(left_out <= tolerance)))
            return np.concatenate([half[taps - 1 : 0 : -1], half[:taps]])
    raise AudioRestoreError(
        f"a filter so sharp rings for more than {_GRIDS[-1] // 4} samples before and after a sound; ask for a lower "
        "order, or for a cut-off nearer to the middle of the band"
    )
