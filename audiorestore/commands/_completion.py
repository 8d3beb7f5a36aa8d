"""The form in which a shell asks what may follow on a line, and gets the answer; the scripts are in `completions/`."""

import os
from typing import Any

from typer._click.shell_completion import ShellComplete, add_completion_class, split_arg_string

END = "\0"  # no line holds it


class Words(ShellComplete):
    """One question for all shells, ``_AUDIORESTORE_COMPLETE=complete_words``: what completes the line so far?

    The line up to the cursor is in ``_AUDIORESTORE_LINE``, as it was typed. The answer is a word a line, with its
    meaning behind a tab. (Typer's own forms differ by shell, cut chains at ``:``, and import a renderer for meanings.)
    """

    name = "words"
    source_template = ""

    def source_vars(self) -> dict[str, Any]:
        """Give nothing: the scripts are files."""
        return {}

    def get_completion_args(self) -> tuple[list[str], str]:
        """Split the line as a shell does: the words, and what there is of the last, whose quote may be open."""
        *words, last = split_arg_string(os.environ.get("_AUDIORESTORE_LINE", "") + END)
        return words[1:], last.removesuffix(END)

    def get_completions(self, args: list[str], incomplete: str) -> list[Any]:
        """Complete a line of ours; behind a word that is not a command, as in ``ar rcs lib``, leave it to the shell."""
        if args and args[0] not in getattr(self.cli, "commands", {}):
            return []
        return super().get_completions(args, incomplete)

    def format_completion(self, item: Any) -> str:
        """Write a word and its meaning."""
        return f"{item.value}\t{' '.join((item.help or '').split())}"


def answer_shells() -> None:
    """Make the command line answer the question."""
    add_completion_class(Words, Words.name)
