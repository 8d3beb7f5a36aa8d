"""Damages applied to waveforms that are in memory: the short way for tests, through the functions that users use."""

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
