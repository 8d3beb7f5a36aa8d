"""What bash, zsh and fish are told: the same words, each in its own language.

Bash and zsh get functions of one `case` that set their caller's variables; zsh gets its `_arguments` besides, and fish
one `complete` a line.
"""

import re
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass

PLAIN = re.compile(r"[\w./:+-]+")  # what means itself in all three shells

Words = tuple[str, ...]
Rows = list[tuple[list[str], str]]  # what is said, behind the keys of which it is said


@dataclass(frozen=True)
class Value:
    """What may stand behind an option, or as an argument.

    Attributes:
        words: The words that there are.
        files: The pattern of files that may stand there as well; empty for none.
        language: What hangs on the rest of the line: preset, setting or chain; empty for none.
    """

    words: Words = ()
    files: str = ""
    language: str = ""


@dataclass(frozen=True)
class Option:
    """An option with a value, or a flag without one."""

    names: Words
    help: str
    value: Value | None
    repeatable: bool


@dataclass(frozen=True)
class Argument:
    """A positional argument; one that takes all that follow is ``repeatable``."""

    name: str
    value: Value
    repeatable: bool


@dataclass(frozen=True)
class Command:
    """A subcommand, or the program before any."""

    name: str
    help: str
    options: list[Option]
    arguments: list[Argument]

    @property
    def option_names(self) -> Words:
        """All forms of all options."""
        return tuple(name for option in self.options for name in option.names)


@dataclass(frozen=True)
class Table:
    """Words by what they hang on; a key may hold a star for anything, where no other key fits."""

    name: str
    meaning: str
    rows: dict[str, Words]


@dataclass(frozen=True)
class Program:
    """All that is completed."""

    top: Command
    commands: list[Command]
    damages: Words
    tables: list[Table]


def lines_of(words: Iterable[str], width: int = 100) -> list[str]:
    """Lay words out in lines, without quotes.

    Raises:
        ValueError: A word would have to be quoted.
    """
    listed = list(words)
    for word in listed:
        if not PLAIN.fullmatch(word):
            raise ValueError(f"'{word}' would have to be quoted, which completions/shells.py cannot do")
    return textwrap.wrap(" ".join(listed), width, break_long_words=False, break_on_hyphens=False)


def line_of(words: Iterable[str]) -> str:
    """Lay words out in one line, without quotes."""
    return " ".join(lines_of(words))


def continued(lines: list[str], indent: int) -> str:
    """Join lines that the shell is to read as one."""
    return (" \\\n" + " " * indent).join(lines)


def rows_of(said: dict[str, str]) -> Rows:
    """Join the keys of which the same is said; keys with a star come last, as they fit others, too."""
    keys_of: dict[str, list[str]] = {}
    for key, text in said.items():
        keys_of.setdefault(text, []).append(key)
    rows = [(["*"] if "*" in keys else keys, text) for text, keys in keys_of.items()]
    return sorted(rows, key=lambda row: any("*" in key for key in row[0]))


# ---- bash and zsh


def case_function(name: str, rows: Rows, otherwise: str = "") -> list[str]:
    """Write a function that does what its first argument says."""
    lines = [f"{name}() {{", "    case $1 in"]
    for keys, action in rows:
        row = f"        {' | '.join(keys)}) {action} ;;".replace(")  ;;", ") ;;")
        if len(row) <= 120 and "\n" not in row:
            lines += [row]
        else:
            pattern = textwrap.wrap(" | ".join(keys), 100, break_long_words=False, break_on_hyphens=False)
            lines += [f"        {continued(pattern, 8)})", f"            {action}", "            ;;"]
    lines += [f"        *) {otherwise} ;;"] if otherwise else []
    return [*lines, "    esac", "}"]


def known(words: Words) -> str:
    """Write the assignment that a row of words is."""
    return "known='" + "\n                ".join(lines_of(words)) + "'"


def table_functions(prefix: str, tables: list[Table]) -> list[str]:
    """Write the tables as functions that set their caller's ``known``."""
    lines = []
    for table in tables:
        rows = rows_of({key: known(words) for key, words in table.rows.items()})
        lines += ["", f"# {table.meaning}.", *case_function(f"{prefix}_{table.name}", rows)]
    return lines


def quoted(text: str) -> str:
    """Put a text between single quotes."""
    return "'" + text.replace("'", "'\\''") + "'"


def bash_words(program: Program) -> list[str]:
    """Write the words of `ar.bash`."""
    options = rows_of({command.name: known(command.option_names) for command in program.commands})
    expected = [row for command in program.commands for row in _bash_expected(command)]
    return [
        f"_audiorestore_commands='{line_of(command.name for command in program.commands)}'",
        f"_audiorestore_top_options='{line_of(program.top.option_names)}'",
        f"_audiorestore_damages='{line_of(program.damages)}'",
        "",
        "# A command's options; false where there is no such command.",
        *case_function("_audiorestore_options", options, "return 1"),
        "",
        "# COMMAND.OPTION, COMMAND.1: what is expected behind an option, or as the first argument; false for a flag.",
        *case_function("_audiorestore_expected", expected, "return 1"),
        *table_functions("_audiorestore", program.tables),
    ]


def _bash_expected(command: Command) -> Rows:
    expected = {name: option.value for option in command.options if option.value for name in option.names}
    for number, argument in enumerate(command.arguments, 1):
        expected["[1-9]*" if argument.repeatable else str(number)] = argument.value
    return rows_of({f"{command.name}.{key}": _bash_value(value) for key, value in expected.items()})


def _bash_value(value: Value) -> str:
    parts = [known(value.words)] if value.words else []
    parts += [f"files='{value.files}'"] if value.files else []
    parts += [f"language={value.language}"] if value.language else []
    return " ".join(parts)


def zsh_words(program: Program) -> list[str]:
    """Write the words of `_ar`."""
    lines = [f"typeset -g _ar_damages='{line_of(program.damages)}'", "", "typeset -ga _ar_commands=("]
    lines += [f"    {quoted(f'{command.name}:{command.help}')}" for command in program.commands]
    lines += [")", "", "typeset -ga _ar_top_options=("]
    lines += [f"    {_zsh_option(option)}" for option in program.top.options]
    lines += [
        ")",
        "",
        "# What a command takes; false where there is no such command.",
        "_ar_specs() {",
        "    case $1 in",
    ]
    for command in program.commands:
        specs = [_zsh_option(option) for option in command.options]
        specs += [_zsh_argument(number, argument) for number, argument in enumerate(command.arguments, 1)]
        lines += [f"        {command.name})", "            specs=(", *(f"                {spec}" for spec in specs)]
        lines += ["            )", "            ;;"]
    return [*lines, "        *) return 1 ;;", "    esac", "}", *table_functions("_ar", program.tables)]


def _zsh_option(option: Option) -> str:
    """Write an option, whose forms rule each other out unless it may be repeated."""
    forms = [name if option.value is None else f"{name}{'=' if name[1] == '-' else '+'}" for name in option.names]
    once = "*" if option.repeatable else f"({' '.join(option.names)})"
    text = "[" + re.sub(r"([\[\]\\])", r"\\\1", option.help) + "]"
    if option.value is not None:
        text += f":{option.names[0].lstrip('-')}:{_zsh_action(option.value)}"
    if len(forms) == 1:
        return quoted(once + forms[0] + text)
    return f"'{once}'{{{','.join(forms)}}}{quoted(text)}"


def _zsh_argument(number: int, argument: Argument) -> str:
    return quoted(f"{'*' if argument.repeatable else number}:{argument.name}:{_zsh_action(argument.value)}")


def _zsh_action(value: Value) -> str:
    if value.language:
        return f"_ar_{value.language}"
    if value.files == "*":
        return "_files"
    words = line_of(value.words)
    if value.files:
        return f'{{_ar_words_or_files "{value.files}" {words}}}' if words else f'_files -g "{value.files}"'
    return f"({words or ' '})"


# ---- fish


def fish_words(program: Program) -> list[str]:
    """Write the words of `ar.fish`."""
    lines = [f"set -g __audiorestore_damages {line_of(program.damages)}"]
    for table in program.tables:
        lines += ["", f"# {table.meaning}.", f"function __audiorestore_{table.name}", "    switch $argv[1]"]
        for keys, words in rows_of({key: continued(lines_of(each, 84), 16) for key, each in table.rows.items()}):
            lines += [f"        case {' '.join(map(_fish_quoted, keys))}", f"            printf '%s\\n' {words}"]
        lines += ["    end", "end"]
    lines += ["", "# COMMAND.OPTION: true for an option that takes a value.", "function __audiorestore_takes_value"]
    lines += ["    switch $argv[1]"]
    for command in program.commands:
        valued = [f"{command.name}.{name}" for option in command.options if option.value for name in option.names]
        lines += [f"        case {continued(lines_of(valued), 12)}", "            return 0"] if valued else []
    lines += ["    end", "    return 1", "end", ""]
    lines += [_fish_option("__audiorestore_first", option) for option in program.top.options]
    return lines + [line for command in program.commands for line in _fish_command(command)]


def _fish_command(command: Command) -> list[str]:
    here = f"__audiorestore_in {command.name}"
    first = f"complete -c ar -n __audiorestore_first -f -a {command.name} -d {_fish_quoted(command.help)}"
    lines = ["", first, *(_fish_option(here, option) for option in command.options)]
    for number, argument in enumerate(command.arguments, 1):
        if argument.value.files != "*":  # else fish's own default
            condition = _fish_quoted(f"{here}; and __audiorestore_argument {number}")
            lines.append(f"complete -c ar -n {condition} {_fish_value(argument.value)}")
    return lines


def _fish_option(condition: str, option: Option) -> str:
    forms = " ".join(f"-l {name[2:]}" if name[1] == "-" else f"-s {name[1:]}" for name in option.names)
    value = "" if option.value is None else f" {_fish_value(option.value)}"
    return f"complete -c ar -n {_fish_quoted(condition)} {forms}{value} -d {_fish_quoted(option.help)}"


def _fish_value(value: Value) -> str:
    if value.files == "*":
        return "-r -F"
    words = lines_of(value.words)
    words += [f"(__audiorestore_files {value.files.lstrip('*')})"] if value.files else []
    words += [f"(__audiorestore_{value.language})"] if value.language else []
    return f"-x -a {_fish_quoted(' '.join(words))}" if words else "-x"


def _fish_quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
