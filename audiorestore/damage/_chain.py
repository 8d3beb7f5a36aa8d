"""The chain language: ``mp3:kbps=16/32|hiss:snr_db=10..30`` is an MP3 at one of two rates, then hiss."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..data.spool import spooled
from ..errors import UsageError
from ..signal.sound import Block, Sound
from . import DAMAGES
from ._damage import DamageConfig, Outcome, Value

DEFAULT_CHAIN = "mp3:kbps=16/32/64/96/128"

Drawn = dict[str, Value]


@dataclass(frozen=True)
class Chain:
    """Damages one after another, as the user wrote them; their parameters may still be open."""

    links: tuple[tuple[str, DamageConfig], ...]

    def draw(self, rng: np.random.Generator) -> list[Drawn]:
        """Settle every open parameter, as it goes into a record's ``damage`` list."""
        return [{"name": name, **config.draw(rng)} for name, config in self.links]


def parse_chain(text: str) -> Chain:
    """Read a chain.

    Raises:
        UsageError: A damage, a parameter or a value is not possible; the sentence lists what is.

    >>> parse_chain("mp3:kbps=96").draw(np.random.default_rng(0))[0]["kbps"]
    96
    """
    return Chain(tuple(_parse_link(link.strip(), text) for link in text.split("|")))


def _parse_link(link: str, chain: str) -> tuple[str, DamageConfig]:
    name, _, rest = (part.strip() for part in link.partition(":"))
    if not name:
        raise UsageError(f"the chain '{chain}' has an empty link; it is written name:key=value,key=value|name:…")
    settings: dict[str, str] = {}
    for setting in rest.split(",") if rest else ():
        key, equals, value = (part.strip() for part in setting.partition("="))
        if not equals or not value:
            raise UsageError(f"'{setting}' in the chain '{chain}' is not written key=value")
        if key in settings:
            raise UsageError(f"the chain '{chain}' sets {key} twice in {name}; several values are written {key}=a/b/c")
        settings[key] = value
    module = DAMAGES.load(name)
    try:
        config: DamageConfig = module.Config.parse(settings)
    except UsageError as error:
        raise UsageError(f"damage {name}: {error}") from None
    return name, config


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
    if not damages:
        yield from sound.blocks()
        return []
    first, *others = damages
    outcome = Outcome()

    def blocks() -> Generator[Block, None, None]:
        nonlocal outcome
        parameters = {key: value for key, value in first.items() if key != "name"}
        outcome = yield from DAMAGES.load(str(first["name"])).apply(sound, parameters)

    try:
        if others:
            with spooled(sound, blocks()) as hurt:
                told = yield from stream_chain(hurt, others)
        else:
            yield from blocks()
            told = []
    except BaseException:
        outcome.close()
        raise
    return [({**first, **outcome.measured}, outcome), *told]


def apply_chain(
    waveform: np.ndarray, sample_rate: int, damages: list[Drawn]
) -> tuple[np.ndarray, list[dict[str, Any]]]:
    """Hurt a waveform, shape (channels, time), that is in memory, as `stream_chain` does.

    Returns:
        The damaged waveform, and the damages with what each measured added.
    """
    told: list[tuple[Drawn, Outcome]] = []

    def blocks() -> Generator[Block, None, None]:
        nonlocal told
        told = yield from stream_chain(Sound.of(waveform, sample_rate), damages)

    held = list(blocks())
    for _, outcome in told:
        outcome.close()
    return np.concatenate([np.zeros((waveform.shape[0], 0), np.float32), *held], axis=-1), [each for each, _ in told]
