"""Every command has help, an example that is real, and a place in the README; what documents name is there."""

import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.main import get_command

from audiorestore.cli import app
from audiorestore.damage import DAMAGES
from audiorestore.metrics import METRICS
from audiorestore.models import FAMILIES
from audiorestore.scores.summary import numbers

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
}


def commands(group: Any, *names: str) -> Iterator[tuple[str, Any]]:
    """List all commands, those inside of others as `listen page`."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, *names, name)
        else:
            yield " ".join([*names, name]), command


COMMANDS = dict(commands(get_command(app)))


def options(name: str) -> list[Any]:
    """List the options of a command, as its help shows them."""
    return [each for each in parameters(name) if each.param_type_name == "option"]


def parameters(name: str) -> list[Any]:
    command = COMMANDS[name]
    shown: list[Any] = command.get_params(typer.Context(command, help_option_names=["-h", "--help"]))
    return shown


def examples(text: str) -> list[tuple[str, list[str]]]:
    """Find `ar …` in a text, each as its command and its words up to the next pipe or redirection."""
    found = []
    for line in re.findall(r"(?:^|\| )\s*ar ([a-z][^\n]*)", text, flags=re.MULTILINE):
        words = shlex.split(line.split("  #")[0])
        stop = next((index for index, word in enumerate(words) if word in ("|", ">", "2>")), len(words))
        name = next((name for name in (" ".join(words[:2]), words[0]) if name in COMMANDS), words[0])
        found.append((name, words[len(name.split()) : stop]))
    return found


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_has_help_an_example_and_a_place_in_the_readme(name: str) -> None:
    text = COMMANDS[name].help
    assert "Example" in text
    assert name in [example for example, _ in examples(text)], "no example of the command itself"
    assert re.search(rf"^### .*`ar {name.split()[0]}`", README, re.MULTILINE)


@pytest.mark.parametrize("name", COMMANDS)
def test_each_option_says_what_it_takes_and_what_it_does(name: str) -> None:
    for each in options(name):
        sentence = each.help or ""
        assert sentence.endswith((".", "…")) or sentence.endswith(")"), f"{name} {each.opts}: {sentence!r}"
        if each.is_flag:
            assert each.metavar == "", f"{name} {each.opts} is a flag, and shows {each.metavar}"
        else:
            assert each.metavar or each.type_descriptor.is_choice, f"{name} {each.opts} has no metavar"
    for each in parameters(name):
        assert each.help, f"{name} {each.name} has no help"


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_has_less_than_sixteen_options(name: str) -> None:
    assert len([each for each in options(name) if "--help" not in each.opts]) < 16


def test_help_shows_metavars_and_flags_and_no_types(ar: Callable) -> None:
    lines = [line.strip("│ ") for line in ar("demo", "--help").stdout.splitlines()]
    assert any(re.match(r"--jobs +-j +N ", line) for line in lines)
    assert any(re.match(r"--force +-f +[A-Z]\w+", line) for line in lines)
    assert not re.search(r"<(bool|int|path|str|list)", "\n".join(lines))


@pytest.mark.parametrize("source", [*PAGES, *COMMANDS])
def test_examples_use_options_that_exist(source: str) -> None:
    text = PAGES.get(source) or COMMANDS[source].help
    for name, words in examples(text):
        assert name in COMMANDS, name
        known = {option for parameter in COMMANDS[name].params for option in parameter.opts}
        used = {word.partition("=")[0] for word in words if word.startswith("-") and word != "-"}
        assert used <= known, f"ar {name} has no {used - known}"


def rows(text: str, heading: str) -> Iterator[tuple[list[str], list[list[str]]]]:
    """List the rows of the tables with this first heading: the names in a row's first cell, and in the others."""
    for table in re.findall(rf"^\| {heading} \|.*\n\|[-:|]+\|\n((?:\|.*\n)+)", text, re.MULTILINE):
        for line in table.splitlines():
            first, *others = (re.findall(r"`([^`]+)`", cell) for cell in line.strip("|").split(" | "))
            yield first, others


def test_tables_name_only_what_there_is() -> None:
    """A page need not list all, since `ar damages`, `ar metrics` and `ar models` do; but what it lists is there."""
    seen = 0
    known = {"damage": set(DAMAGES.names()), "number": set(numbers(METRICS.names())), "family": set(FAMILIES.names())}
    for page, text in PAGES.items():
        for heading, names in known.items():
            for listed, others in rows(text, heading):
                assert set(listed) <= names, f"{page}: there is no {heading} {set(listed) - names}"
                seen += 1
                if heading == "damage":
                    parameters = {key for name in listed for key in DAMAGES.load(name).Config.domains()}
                    assert set(others[-1]) <= parameters, f"{page}: {listed} has no {set(others[-1]) - parameters}"
    assert seen > 20


def test_links_lead_somewhere() -> None:
    for page, text in PAGES.items():
        for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", text):
            assert ((ROOT / page).parent / target).exists(), f"{page} links to {target}"
    for recipe in re.findall(r"`(recipes/[\w.-]+)`", README):
        assert (ROOT / recipe).exists(), recipe


def test_module_runs_as_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "audiorestore", "--version"], capture_output=True, text=True, check=True
    )
    assert re.fullmatch(r"audiorestore \d+\.\d+\.\d+\n", done.stdout)
