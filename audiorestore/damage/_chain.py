"""Chains of damages: their parameters are drawn for each record, then they are applied block by block."""

import contextlib
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..data.spool import spooled
from ..errors import UsageError
from ..signal.sound import Block, Sound
from . import DAMAGES
from ._damage import DamageConfig, Outcome, Run


class Link(NamedTuple):
    """One damage of a chain, whose values may still have to be drawn."""

    name: str
    config: DamageConfig

    def record(self) -> dict[str, Any]:
        """Make the entry of a record's ``damage`` list."""
        return self.config.record(self.name)


@dataclass(frozen=True)
class Chain:
    """Damages one after another, as the user wrote them: values may still have to be drawn."""

    links: tuple[Link, ...]

    def draw(self, rng: np.random.Generator) -> list[Link]:
        """Draw a value for each parameter that is a choice or a range."""
        return [Link(name, config.draw(rng)) for name, config in self.links]


@dataclass(frozen=True)
class Chains:
    """Several chains, of which each record gets one, with a probability proportional to its weight."""

    weighted: tuple[tuple[float, Chain], ...]

    def draw(self, rng: np.random.Generator) -> list[Link]:
        """Choose a chain, and draw its parameters."""
        place = 0
        if len(self.weighted) > 1:
            weights = np.array([weight for weight, _ in self.weighted])
            place = int(np.searchsorted(np.cumsum(weights), rng.uniform(0.0, weights.sum()), side="right"))
        return self.weighted[min(place, len(self.weighted) - 1)][1].draw(rng)

    def check(self) -> None:
        """Raise a UsageError if a chain cannot be drawn, or if something that it needs is not installed."""
        for _, chain in self.weighted:
            for name, _ in chain.draw(np.random.default_rng(0)):
                if reason := missing(name):
                    raise UsageError(f"damage {name}: {reason}")


def missing(name: str) -> str:
    """Say what has to be installed before a damage works; empty if nothing is missing."""
    module = DAMAGES.load(name)
    return str(module.missing() or "") if hasattr(module, "missing") else ""


def stream_chain(sound: Sound, damages: list[Link]) -> Generator[Block, None, list[tuple[dict[str, Any], Outcome]]]:
    """Apply drawn damages one after another to a recording, in memory that does not grow with its length.

    Yields:
        The damaged recording in blocks: of the same shape, at lag 0.

    Returns:
        For each damage its entry of the record's ``damage`` list, with what it measured, and its outcome. The caller
        closes the outcome's codec files.
    """
    done: list[tuple[dict[str, Any], Outcome]] = []
    if not damages:
        yield from sound.blocks()
    spool = contextlib.ExitStack()  # holds the input of the current damage, which may read it more than once
    try:
        for place, link in enumerate(damages, 1):
            run = Run(DAMAGES.load(link.name).apply(sound, link.config))
            if place == len(damages):
                yield from run
            else:
                following = contextlib.ExitStack()
                sound = following.enter_context(spooled(sound, run))
                spool.close()
                spool = following
            done.append((link.record() | run.result.measured, run.result))
    except BaseException:
        for _, outcome in done:
            outcome.close()
        raise
    finally:
        spool.close()
    return done
