"""Measurements that only tests need."""

import os
import threading

import numpy as np
import soundfile

from audiorestore.signal.lag import find
from audiorestore.signal.level import LevelMeter, dot


def find_lag(reference: np.ndarray, degraded: np.ndarray) -> float:
    """Measure by how many samples one waveform, shape (time,), is delayed relative to another.

    >>> click = np.zeros(64); click[20] = 1.0
    >>> round(find_lag(click, np.roll(click, 5)), 3)
    5.0
    """
    return find(reference, degraded).lag


def mean_power(waveform: np.ndarray) -> float:
    """Average the squared samples over all channels; 0 for silence and for no samples."""
    return dot(waveform, waveform) / waveform.size if waveform.size else 0.0


def active_power(waveform: np.ndarray, sample_rate: int) -> float:
    """Average the power over the active parts of a waveform, shape (channels, time), see `LevelMeter`."""
    meter = LevelMeter(sample_rate)
    meter.push(waveform)
    return meter.active_power()


def closest_gain(reference: np.ndarray, estimate: np.ndarray) -> float:
    """Find the one factor for the estimate that leaves the smallest squared error to the reference.

    >>> closest_gain(np.array([1.0, 2.0]), np.array([0.5, 1.0]))
    2.0
    """
    return dot(reference, estimate) / dot(estimate, estimate)


def decode_from_pipe(data: bytes) -> np.ndarray:
    """Decode as libsndfile does where it cannot seek: every frame that is there."""
    out, into = os.pipe()

    def feed() -> None:
        with os.fdopen(into, "wb") as stream:
            stream.write(data)

    feeder = threading.Thread(target=feed)
    feeder.start()
    with soundfile.SoundFile(out) as sound:
        blocks = []
        while len(block := sound.read(65536, dtype="float32", always_2d=True)):
            blocks.append(block)
    feeder.join()
    return np.concatenate(blocks)
