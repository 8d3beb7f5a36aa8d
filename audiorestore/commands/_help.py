"""Help that reads like a manual page: ``--seed N``, ``--output PATH``, and flags as flags."""

import inspect
import types
import typing
from pathlib import Path
from typing import Any

from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

_METAVARS: dict[Any, str] = {int: "N", float: "X", Path: "PATH", str: "TEXT"}


class Command(TyperCommand):
    """A command whose options get a metavar from their type unless they name one."""

    def get_params(self, ctx: Any) -> list[Any]:
        """List the parameters, with metavars for the help."""
        return _shown(super().get_params(ctx), self.callback)


class Group(TyperGroup):
    """The same for a command with subcommands."""

    def get_params(self, ctx: Any) -> list[Any]:
        """List the parameters, with metavars for the help."""
        return _shown(super().get_params(ctx), self.callback)


def _shown(parameters: list[Any], function: Any) -> list[Any]:
    hints = typing.get_type_hints(inspect.unwrap(function)) if function else {}
    for parameter in parameters:
        if isinstance(parameter, TyperArgument):
            parameter.display_type_rich = _no_type  # type: ignore[method-assign]  # typer has no switch for it
        elif isinstance(parameter, TyperOption) and parameter.metavar is None:
            parameter.metavar = "" if parameter.is_flag else _METAVARS.get(_plain(hints.get(parameter.name)))
    return parameters


def _no_type(*_: Any, **__: Any) -> str:
    return ""


def _plain(hint: Any) -> Any:
    """Find the type of an optional or repeated value.

    >>> _plain(list[str] | None)
    <class 'str'>
    """
    while isinstance(hint, types.UnionType) or typing.get_origin(hint) in (typing.Union, list, tuple):
        hint = next(part for part in typing.get_args(hint) if part is not type(None))
    return hint
