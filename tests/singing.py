"""Singing and hiss, for the metrics of speech."""

from functools import cache

import numpy as np

from audiorestore.demo.synthesis import render_demo


@cache
def voice(seconds: float = 3.0, rate: int = 16000) -> np.ndarray:
    """Singing, shape (1, time), over and over."""
    once = render_demo("voice-01", rate)
    frames = int(seconds * rate)
    return np.tile(once, -(-frames // once.shape[-1]))[:, :frames]


def hiss(waveform: np.ndarray, snr_db: float, seed: int = 0) -> np.ndarray:
    """Add white noise."""
    noise = np.random.default_rng(seed).standard_normal(waveform.shape)
    level = np.sqrt(np.mean(waveform**2)) * 10 ** (-snr_db / 20)
    return (waveform + level * noise).astype(np.float32)
