"""Damages one after another: drawn for each record, and carried out block by block."""

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
    """Damages one after another, as the user wrote them; their parameters may still be open."""

    links: tuple[Link, ...]

    def draw(self, rng: np.random.Generator) -> list[Link]:
        """Draw a value for each parameter that is a choice or a range."""
        return [Link(name, config.draw(rng)) for name, config in self.links]


@dataclass(frozen=True)
class Chains:
    """Several chains, of which each record gets one, as likely as its weight says."""

    weighted: tuple[tuple[float, Chain], ...]

    def draw(self, rng: np.random.Generator) -> list[Link]:
        """Choose a chain, and settle its open parameters."""
        if len(self.weighted) == 1:
            return self.weighted[0][1].draw(rng)
        weights = np.array([weight for weight, _ in self.weighted])
        place = np.searchsorted(np.cumsum(weights), rng.uniform(0.0, weights.sum()), side="right")
        return self.weighted[min(int(place), len(self.weighted) - 1)][1].draw(rng)

    def check(self) -> None:
        """Check before any work that each chain can be drawn and that everything it needs is installed.

        Raises:
            UsageError: Something is missing or not possible.
        """
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

    Args:
        sound: The recording.
        damages: What `Chain.draw` gave.

    Yields:
        The damaged recording in blocks: of the same shape, at lag 0.

    Returns:
        For each damage its entry of the record's ``damage`` list, with what it measured, and its outcome, whose codec
        files are open: the caller closes them.
    """
    done: list[tuple[dict[str, Any], Outcome]] = []
    if not damages:
        yield from sound.blocks()
    with contextlib.ExitStack() as spool:  # holds the input of the next damage, which may read it more than once
        try:
            for place, link in enumerate(damages, 1):
                run = Run(DAMAGES.load(link.name).apply(sound, link.config))
                if place == len(damages):
                    yield from run
                else:
                    kept = contextlib.ExitStack()
                    sound = kept.enter_context(spooled(sound, run))
                    spool.close()
                    spool.push(kept)
                done.append((link.record() | run.result.measured, run.result))
        except BaseException:
            for _, outcome in done:
                outcome.close()
            raise
    return done
