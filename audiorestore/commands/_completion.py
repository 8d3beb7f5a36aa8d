"""The protocol between the scripts in `completions/` and the program."""

import os
import sys
from collections.abc import Iterator, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, Self

from typer._click.shell_completion import ShellComplete, add_completion_class, split_arg_string

END = "\0"  # never part of a line


class Words(ShellComplete):
    """One request for all shells: ``_AUDIORESTORE_COMPLETE=complete_words``.

    The line up to the cursor is in ``_AUDIORESTORE_LINE``, as it was typed. The answer is one word per line, followed
    by a tab and a description. (Typer's own protocols differ by shell, split chains at ``:``, and import rich.)
    """

    name = "words"
    source_template = ""

    def source_vars(self) -> dict[str, Any]:
        """Return nothing: the scripts are files."""
        return {}

    def get_completion_args(self) -> tuple[list[str], str]:
        """Split the line into complete words and the beginning of the last one, whose quote may still be open."""
        *words, last = split_arg_string(os.environ.get("_AUDIORESTORE_LINE", "") + END)
        return words[1:], last.removesuffix(END)

    def get_completions(self, args: list[str], incomplete: str) -> list[Any]:
        """Complete our commands; leave others, such as ``ar rcs lib``, to the shell."""
        if args and args[0] not in getattr(self.cli, "commands", {}):
            return []
        return super().get_completions(args, incomplete)

    def format_completion(self, item: Any) -> str:
        """Write a word and its description."""
        return f"{item.value}\t{' '.join((item.help or '').split())}"


class Placeholder(ModuleType):
    """A module in which every name is defined, but nothing works.

    With placeholders for torch and NumPy, a family's file is imported in milliseconds, and its settings are known.
    """

    __path__: list[str] = []  # noqa: RUF012 - as in a package

    def __getattr__(self, name: str) -> Self:
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __call__(self, *_: Any, **__: Any) -> Self:
        return self

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[()]:
        return ()  # as a base class it adds nothing

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    __getitem__ = __or__ = __ror__ = __neg__ = __add__ = __radd__ = __sub__ = __rsub__ = __call__
    __mul__ = __rmul__ = __truediv__ = __rtruediv__ = __pow__ = __rpow__ = __call__


class Placeholders(MetaPathFinder, Loader):
    """Gives our modules a placeholder for each package that is neither Python's nor ours, nor imported already."""

    def __init__(self) -> None:
        self.ours = __name__.partition(".")[0]
        self.real = {*sys.stdlib_module_names, self.ours, *(name.partition(".")[0] for name in sys.modules)}

    def find_spec(self, fullname: str, path: Sequence[str] | None = None, target: Any = None) -> ModuleSpec | None:
        """Find such a package, if one of our modules imports it; typer tries some that may be missing."""
        frame = sys._getframe(1)
        while frame.f_back and frame.f_code.co_filename.startswith("<frozen importlib"):
            frame = frame.f_back
        importer, package = (name.partition(".")[0] for name in (frame.f_globals.get("__name__", ""), fullname))
        return (
            ModuleSpec(fullname, self, is_package=True) if importer == self.ours and package not in self.real else None
        )

    def create_module(self, spec: ModuleSpec) -> Placeholder:
        """Make the placeholder."""
        return Placeholder(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Do nothing: there is no source."""


def answer_shells() -> None:
    """Make the command line answer such requests, within the time of a key press."""
    sys.meta_path.insert(0, Placeholders())
    add_completion_class(Words, Words.name)
