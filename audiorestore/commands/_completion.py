"""The protocol between the scripts in `completions/` and the program."""

import os
from typing import Any

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


def answer_shells() -> None:
    """Make the command line answer such requests."""
    add_completion_class(Words, Words.name)
