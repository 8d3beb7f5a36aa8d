"""Damages one after another: drawn for each record, and carried out block by block."""

import contextlib
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..data.spool import spooled
from ..errors import UsageError
from ..signal.sound import Block, Sound, joined
from . import DAMAGES
from ._damage import DamageConfig, Outcome, Run, Value

Drawn = dict[str, Value]


@dataclass(frozen=True)
class Chain:
    """Damages one after another, as the user wrote them; their parameters may still be open."""

    links: tuple[tuple[str, DamageConfig], ...]

    def draw(self, rng: np.random.Generator) -> list[Drawn]:
        """Settle every open parameter, as it goes into a record's ``damage`` list."""
        return [{"name": name, **config.draw(rng)} for name, config in self.links]


@dataclass(frozen=True)
class Chains:
    """Several chains, of which each record gets one, as likely as its weight says."""

    weighted: tuple[tuple[float, Chain], ...]

    def draw(self, rng: np.random.Generator) -> list[Drawn]:
        """Choose a chain, and settle its open parameters."""
        if len(self.weighted) == 1:
            return self.weighted[0][1].draw(rng)
        weights = np.array([weight for weight, _ in self.weighted])
        place = np.searchsorted(np.cumsum(weights), rng.uniform(0.0, weights.sum()), side="right")
        return self.weighted[min(int(place), len(self.weighted) - 1)][1].draw(rng)

    def check(self) -> None:
        """Find out before any work whether each chain can be drawn and all that it needs is installed.

        Raises:
            UsageError: It is not so.
        """
        for _, chain in self.weighted:
            for damage in chain.draw(np.random.default_rng(0)):
                reason = missing(str(damage["name"]))
                if reason:
                    raise UsageError(f"damage {damage['name']}: {reason}")


def missing(name: str) -> str:
    """Say what has to be installed before a damage works; nothing where all is there."""
    module = DAMAGES.load(name)
    return str(module.missing() or "") if hasattr(module, "missing") else ""


def stream_chain(sound: Sound, damages: list[Drawn]) -> Generator[Block, None, list[tuple[Drawn, Outcome]]]:
    """Hurt a recording by drawn damages, one after another, in memory that does not grow with its length.

    Args:
        sound: The recording.
        damages: What `Chain.draw` gave.

    Yields:
        The damaged recording in blocks: of the same shape, at lag 0.

    Returns:
        Each damage with what it measured, and its outcome, whose files are open.
    """
    told: list[tuple[Drawn, Outcome]] = []
    if not damages:
        yield from sound.blocks()
    with contextlib.ExitStack() as outcomes, contextlib.ExitStack() as scratch:
        for place, damage in enumerate(damages, 1):
            parameters = {key: value for key, value in damage.items() if key != "name"}
            run = Run(DAMAGES.load(str(damage["name"])).apply(sound, parameters))
            if place < len(damages):  # a later damage may have to read this one's work more than once
                kept = contextlib.ExitStack()
                sound = kept.enter_context(spooled(sound, run))
                scratch.close()  # what went into this damage
                scratch.push(kept)
            else:
                yield from run
            outcomes.callback(run.result.close)
            told.append(({**damage, **run.result.measured}, run.result))
        outcomes.pop_all()
    return told


def apply_chain(
    waveform: np.ndarray, sample_rate: int, damages: list[Drawn]
) -> tuple[np.ndarray, list[dict[str, Any]]]:
    """Hurt a waveform, shape (channels, time), that is in memory, as `stream_chain` does.

    Returns:
        The damaged waveform, and the damages with what each measured added.
    """
    run = Run(stream_chain(Sound.of(waveform, sample_rate), damages))
    degraded = joined(run, waveform.shape[0])
    for _, outcome in run.result:
        outcome.close()
    return degraded, [damage for damage, _ in run.result]
