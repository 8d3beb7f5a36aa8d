"""Help that reads like a manual page: ``--seed N``, ``--output PATH``, and flags as flags."""

from pathlib import Path
from typing import Any, get_args

from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

_METAVARS: dict[Any, str] = {int: "N", float: "X", Path: "PATH", str: "TEXT"}


class _Manual:
    """Gives options a metavar from their type unless they name one, and shows no types of arguments."""

    def get_params(self, ctx: Any) -> list[Any]:
        """List the parameters as the help shows them."""
        parameters: list[Any] = super().get_params(ctx)  # type: ignore[misc]
        for parameter in parameters:
            if isinstance(parameter, TyperArgument):
                parameter.display_type_rich = lambda *_, **__: ""  # type: ignore[method-assign]  # there is no switch
            elif isinstance(parameter, TyperOption) and parameter.metavar is None:
                hint = parameter.type_descriptor.annotation
                parameter.metavar = "" if parameter.is_flag else _METAVARS.get((*get_args(hint), hint)[0])
        return parameters


class Command(_Manual, TyperCommand):
    """A command with such help."""


class Group(_Manual, TyperGroup):
    """A command with subcommands, with such help."""
