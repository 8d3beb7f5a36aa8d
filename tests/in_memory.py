"""Damages applied to waveforms that are in memory: the short way for tests, through the functions that users use."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import cycle
from types import ModuleType
from typing import Any

import numpy as np

from audiorestore.damage._chain import Link, stream_chain
from audiorestore.damage._chain_language import parse_chain
from audiorestore.damage._damage import DamageConfig, Run
from audiorestore.signal.sound import Block, Sound, joined


def apply_damage(
    module: ModuleType, waveform: np.ndarray, sample_rate: int, config: DamageConfig, block_frames: int = 65536
) -> tuple[Block, dict[str, Any]]:
    """Apply one damage to a waveform, shape (channels, time); returns the damaged waveform and what was measured."""
    run = Run(module.apply(Sound.of(waveform, sample_rate, block_frames), config))
    degraded = joined(run, waveform.shape[0])
    run.result.close()
    return degraded, run.result.measured


def apply_chain(
    waveform: np.ndarray, sample_rate: int, damages: list[Link] | str, seed: int = 0
) -> tuple[Block, list[dict[str, Any]]]:
    """Apply drawn damages, or a chain that is drawn here; returns the damaged waveform and the ``damage`` list."""
    if isinstance(damages, str):
        damages = parse_chain(damages).draw(np.random.default_rng(seed))
    run = Run(stream_chain(Sound.of(waveform, sample_rate), damages))
    degraded = joined(run, waveform.shape[0])
    for _, outcome in run.result:
        outcome.close()
    return degraded, [entry for entry, _ in run.result]


def added_alone(
    module: ModuleType, config: DamageConfig, seconds: float, sample_rate: int, channels: int = 1
) -> tuple[np.ndarray, dict[str, Any]]:
    """What a damage adds to a constant that is too soft to leave a trace in it, and what was measured."""
    quiet = np.full((channels, int(seconds * sample_rate)), 1e-6, np.float32)
    degraded, measured = apply_damage(module, quiet, sample_rate, replace(config, snr_db=-100.0))  # type: ignore[call-arg]
    return (degraded.astype(np.float64) - quiet) * 10, measured


def in_blocks(waveform: np.ndarray, sample_rate: int, lengths: list[int]) -> Sound:
    """A waveform that is read in blocks of these lengths, over and over."""

    def blocks() -> Iterator[Block]:
        start = 0
        for length in cycle(lengths):
            if start >= waveform.shape[-1]:
                return
            yield waveform[:, start : start + length]
            start += length

    return Sound(sample_rate, waveform.shape[0], waveform.shape[-1], blocks)
