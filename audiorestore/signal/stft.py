"""Short-time spectra of waveforms, for the metrics and pictures (networks have their own in torch)."""

from collections.abc import Iterator

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from .sound import BLOCK_FRAMES, Sound, Waveform, regrid, windows

_BINS_AT_ONCE = 1 << 24  # bounds the memory of one pass over the frames


def hann(n_fft: int) -> NDArray[np.float64]:
    """Make the periodic Hann window of ``n_fft`` samples."""
    return 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(n_fft) / n_fft)


def power_spectra(waveform: Waveform, n_fft: int, hop_length: int) -> NDArray[np.float32]:
    """Measure the power in each frequency bin of Hann-windowed frames of ``n_fft`` samples.

    The first frame starts at sample 0; the end of the waveform is padded with zeros to a whole frame.

    Args:
        waveform: Samples, shape (…, time), time ≥ 1.
        n_fft: Frame length in samples.
        hop_length: Distance between the starts of frames in samples.

    Returns:
        Squared magnitudes, shape (…, frames, n_fft // 2 + 1).
    """
    frames = 1 + max(0, -(-(waveform.shape[-1] - n_fft) // hop_length))
    missing = (frames - 1) * hop_length + n_fft - waveform.shape[-1]
    padded = np.pad(waveform.astype(np.float32, copy=False), [(0, 0)] * (waveform.ndim - 1) + [(0, missing)])
    views = sliding_window_view(padded, n_fft, axis=-1)[..., ::hop_length, :]
    window = hann(n_fft).astype(np.float32)
    powers = np.empty((*views.shape[:-1], n_fft // 2 + 1), np.float32)
    step = max(1, _BINS_AT_ONCE // (n_fft * max(1, int(np.prod(views.shape[:-2])))))
    for first in range(0, frames, step):
        spectra = np.fft.rfft(views[..., first : first + step, :] * window)
        powers[..., first : first + step, :] = spectra.real**2 + spectra.imag**2
    return powers


def power_blocks(sound: Sound, n_fft: int, hop_length: int) -> Iterator[NDArray[np.float32]]:
    """Compute `power_spectra` of a recording of any length of at least one sample, some frames at a time.

    Yields:
        Squared magnitudes of the next frames, shape (channels, frames, n_fft // 2 + 1); how many frames there are at a
        time does not depend on how the recording is cut into blocks.
    """
    frames = max(1, BLOCK_FRAMES // hop_length)
    blocks = regrid(sound.blocks(), sound.channels, sound.frames)
    for window in windows(blocks, (frames - 1) * hop_length + n_fft, frames * hop_length):
        yield power_spectra(window, n_fft, hop_length)
