"""Recordings of any number of channels, for models of one channel or two."""

import numpy as np


def fold(waveform: np.ndarray, channels: int) -> np.ndarray:
    """Arrange a recording's channels as a batch for a model.

    A mono model gets each channel separately. A stereo model gets neighbours in pairs; an odd last channel is doubled.

    Args:
        waveform: Samples, shape (channels of the recording, time).
        channels: Channels of the model, 1 or 2.

    Returns:
        Shape (batch, channels of the model, time).
    """
    if channels == 1:
        return waveform[:, np.newaxis]
    if waveform.shape[0] % 2:
        waveform = np.concatenate([waveform, waveform[-1:]])
    return waveform.reshape(waveform.shape[0] // 2, 2, waveform.shape[-1])


def unfold(batch: np.ndarray, channels: int) -> np.ndarray:
    """Turn a batch back into a recording with this number of channels; a doubled channel is averaged."""
    flat = batch.reshape(batch.shape[0] * batch.shape[1], batch.shape[-1])
    if flat.shape[0] == channels:
        return flat
    return np.concatenate([flat[: channels - 1], flat[channels - 1 :].mean(axis=0, keepdims=True)])
