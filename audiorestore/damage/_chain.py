"""The chain language: ``mp3:kbps=16/32|hiss:snr_db=10..30`` is an MP3 at one of two rates, then hiss."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import UsageError
from . import DAMAGES
from ._damage import DamageConfig, Value

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


def apply_chain(
    waveform: np.ndarray, sample_rate: int, damages: list[Drawn]
) -> tuple[np.ndarray, list[dict[str, Any]]]:
    """Hurt a waveform by drawn damages, one after another.

    Args:
        waveform: Samples, shape (channels, time).
        sample_rate: In Hz.
        damages: What `Chain.draw` gave.

    Returns:
        The damaged waveform, of the same shape and at lag 0, and the damages with what each measured added.
    """
    told = []
    for damage in damages:
        parameters = {key: value for key, value in damage.items() if key != "name"}
        waveform, measured = DAMAGES.load(str(damage["name"])).apply(waveform, sample_rate, parameters)
        told.append({**damage, **measured})
    return waveform, told
