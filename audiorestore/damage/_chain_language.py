"""The chain language: ``mp3:kbps=16/32|hiss:snr_db=10..30`` is an MP3 at one of two rates, then hiss.

Several chains are a choice for each record; ``2*`` in front makes one twice as likely; ``@file.toml`` holds many.
"""

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import UsageError
from . import DAMAGES
from ._chain import Chain, Chains, Link

DEFAULT_CHAIN = "mp3:kbps=16/32/64/96/128"
_TOML_FORM = (
    "a chain is a table [[chain]] with text = 'mp3:kbps=96|hiss', or with tables [[chain.damage]] that have a name and "
    "parameters, such as name = 'mp3', kbps = [16, 32]; weight = 2 makes it twice as likely"
)


def parse_chains(texts: Sequence[str]) -> Chains:
    """Read chains as the user gave them: with a weight in front (``2*mp3:kbps=32``), or a file of them (``@f.toml``).

    Raises:
        UsageError: A chain is not possible; the sentence says what is.

    >>> [weight for weight, _ in parse_chains(["2*mp3:kbps=32", "hiss"]).weighted]
    [2.0, 1.0]
    """
    weighted: list[tuple[float, Chain]] = []
    for text in texts:
        weight, chain = _split_weight(text)
        named = _read_file(chain[1:].strip()) if chain.startswith("@") else [(1.0, parse_chain(chain))]
        weighted += [(weight * share, each) for share, each in named]
    return Chains(tuple(weighted))


def _split_weight(text: str) -> tuple[float, str]:
    found = re.fullmatch(r"\s*(\d+\.?\d*|\.\d+)\s*\*(.*)", text, re.DOTALL)
    if not found:
        return 1.0, text.strip()
    return _weight(float(found[1]), text), found[2].strip()


def _weight(weight: Any, where: str) -> float:
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 < weight < float("inf"):
        raise UsageError(f"the weight in {where} is {weight!r}; it is a number above 0")
    return float(weight)


def _read_file(name: str) -> list[tuple[float, Chain]]:
    """Read a TOML file of chains, in tables ``[[chain]]``."""
    try:
        content = tomllib.loads(Path(name).read_text("utf-8"))
    except OSError as error:
        raise UsageError(f"the chains in {name} cannot be read ({error.strerror})") from None
    except ValueError as error:  # also if the text is not UTF-8
        raise UsageError(f"{name} is not a TOML file ({error})") from None
    tables = content.get("chain")
    if not isinstance(tables, list) or not tables or set(content) != {"chain"}:
        raise UsageError(f"{name} holds no chains, or something else too; {_TOML_FORM}")
    return [_read_table(table, f"chain {place} of {name}", Path(name).parent) for place, table in enumerate(tables, 1)]


def _read_table(table: Any, where: str, folder: Path) -> tuple[float, Chain]:
    known = isinstance(table, dict) and set(table) <= {"weight", "text", "damage"}
    if not known or ("text" in table) == ("damage" in table):
        raise UsageError(f"{where} is not understood; {_TOML_FORM}")
    weight = _weight(table.get("weight", 1.0), where)
    if "text" in table:
        return weight, parse_chain(str(table["text"]))
    links = []
    for entry in table["damage"]:
        if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
            raise UsageError(f"{where} has a damage without a name; {_TOML_FORM}")
        settings = {
            key: "/".join(map(str, value)) if isinstance(value, list) else str(value)
            for key, value in entry.items()
            if key != "name"
        }
        links.append(_make_link(entry["name"], settings, folder))
    return weight, Chain(tuple(links))


def parse_chain(text: str) -> Chain:
    """Read a chain.

    Raises:
        UsageError: A damage, a parameter or a value is not possible; the sentence lists what is.

    >>> [name for name, config in parse_chain("mp3:kbps=96|hiss").links]
    ['mp3', 'hiss']
    """
    return Chain(tuple(_parse_link(link.strip(), text) for link in text.split("|")))


def _parse_link(link: str, chain: str) -> Link:
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
    return _make_link(name, settings, Path())


def _make_link(name: str, settings: dict[str, str], folder: Path) -> Link:
    """Make a link; a path that does not exist in the working directory is tried from ``folder``."""
    module = DAMAGES.load(name)
    for key, domain in module.Config.domains().items():
        value = settings.get(key)
        if domain.kind is Path and value and not Path(value).exists() and (folder / value).exists():
            settings = {**settings, key: str(folder / value)}
    try:
        return Link(name, module.Config.parse(settings))
    except UsageError as error:
        raise UsageError(f"damage {name}: {error}") from None
