"""Help that reads like a manual page: ``--seed N``, ``--output PATH``, and flags as flags."""

import inspect
import types
import typing
from pathlib import Path
from typing import Any

from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

_METAVARS: dict[Any, str] = {int: "N", float: "X", Path: "PATH", str: "TEXT"}


class Command(TyperCommand):
    """A command whose options have a metavar by their type, where they do not name one themselves."""

    def get_params(self, ctx: Any) -> list[Any]:
        """List the parameters, ready to be shown."""
        return _shown(super().get_params(ctx), self.callback)


class Group(TyperGroup):
    """The same for a command that has commands of its own; and nothing is completed behind an unknown command."""

    def get_params(self, ctx: Any) -> list[Any]:
        """List the parameters, ready to be shown."""
        return _shown(super().get_params(ctx), self.callback)

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        """Complete a subcommand; behind a word that is none, as in ``ar rcs lib<TAB>``, leave it to the shell."""
        return [] if ctx._protected_args else super().shell_complete(ctx, incomplete)


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
    """Find what an optional or repeated value is made of.

    >>> _plain(list[str] | None)
    <class 'str'>
    """
    while isinstance(hint, types.UnionType) or typing.get_origin(hint) in (typing.Union, list, tuple):
        hint = next(part for part in typing.get_args(hint) if part is not type(None))
    return hint
