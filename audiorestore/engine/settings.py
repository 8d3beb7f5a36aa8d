"""``key=value`` for models and training alike: read by the types of the dataclasses that will hold them."""

import dataclasses
import types
import typing
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from ..errors import UsageError
from ..registry import suggestion


def parse_settings(texts: Sequence[str], *holders: type) -> dict[str, Any]:
    """Read ``--set`` arguments.

    Args:
        texts: Each written ``key=value``.
        holders: Dataclasses whose fields the keys may be.

    Raises:
        UsageError: An unknown key or a value of the wrong type; the sentence lists what is possible.

    >>> @dataclasses.dataclass
    ... class Net:
    ...     kernel_sizes: tuple[int, ...] = (3,)
    >>> parse_settings(["kernel_sizes=7/5/3"], Net)
    {'kernel_sizes': (7, 5, 3)}
    """
    known = {name: kind for holder in holders for name, kind in typing.get_type_hints(holder).items()}
    settings: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise UsageError(f"'{text}' is not written key=value")
        if key not in known:
            listed = ", ".join(f"{name} ({describe(kind)})" for name, kind in known.items())
            raise UsageError(f"there is no setting '{key}'{suggestion(key, list(known))}; there are: {listed}")
        try:
            settings[key] = _parse(value, known[key])
        except ValueError:
            raise UsageError(f"{key}={value} is not possible; {key} is {describe(known[key])}") from None
    return settings


def family_settings(module: ModuleType, preset: str | None, texts: Sequence[str], *holders: type) -> dict[str, Any]:
    """Read a family's settings: those of a preset, if any, and over them those that the user gives.

    ``preset`` is one of the module's ``PRESETS``; ``texts`` and ``holders`` are as in `parse_settings`.

    Raises:
        UsageError: There is no such preset, or a setting is not possible.
    """
    if preset is not None and preset not in module.PRESETS:
        family, listed = module.__name__.rpartition(".")[2], ", ".join(module.PRESETS)
        raise UsageError(
            f"{family} has no preset '{preset}'{suggestion(preset, list(module.PRESETS))}; it has: {listed}"
        )
    return {**(module.PRESETS[preset] if preset else {}), **parse_settings(texts, *holders)}


def written(value: Any) -> str:
    """Write a value as ``--set`` takes it.

    >>> written((7, 5, 3)), written(True), written(None), written(0.5)
    ('7/5/3', 'true', 'none', '0.5')
    """
    if isinstance(value, tuple):
        return "/".join(map(written, value))
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)


def build(holder: type, settings: dict[str, Any]) -> Any:
    """Make a dataclass from those settings that are its own."""
    names = {field.name for field in dataclasses.fields(holder)}
    return holder(**{key: value for key, value in settings.items() if key in names})


def check(holder: type, settings: dict[str, Any]) -> None:
    """Check that settings from a file are fields of a dataclass, each of its type.

    Raises:
        ValueError: One is unknown, or of another type.
    """
    kinds = typing.get_type_hints(holder)
    for key, value in settings.items():
        if key not in kinds:
            raise ValueError(f"unknown setting {key}")
        try:
            fits = _parse(written(value), kinds[key]) == value
        except ValueError:
            fits = False
        if not fits:
            raise ValueError(f"{key} is {value!r}, not {describe(kinds[key])}")


def describe(kind: Any) -> str:
    """Say what values a field takes.

    >>> describe(tuple[int, ...])
    'whole numbers such as 7/5/3'
    """
    if typing.get_origin(kind) is typing.Literal:
        return " or ".join(str(value) for value in typing.get_args(kind))
    if typing.get_origin(kind) is tuple:
        return "whole numbers such as 7/5/3"
    if isinstance(kind, types.UnionType):
        return " or ".join(describe(option) for option in typing.get_args(kind))
    words = {int: "a whole number", float: "a number", bool: "true or false", str: "a word", type(None): "none"}
    return words.get(kind, str(kind))


def _parse(text: str, kind: Any) -> Any:
    if typing.get_origin(kind) is typing.Literal:
        for value in typing.get_args(kind):
            if text == str(value):
                return value
        raise ValueError(text)
    if typing.get_origin(kind) is tuple:
        (item, *_) = typing.get_args(kind)
        return tuple(item(part) for part in text.split("/"))
    if isinstance(kind, types.UnionType):
        if text == "none":
            return None
        return _parse(text, next(option for option in typing.get_args(kind) if option is not type(None)))
    if kind is bool:
        if text not in ("true", "false"):
            raise ValueError(text)
        return text == "true"
    value = kind(text)
    if isinstance(value, float) and value != value:
        raise ValueError(text)
    return value
