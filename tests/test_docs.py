"""Every command has help, an example that is real, and a place in the README; every local link leads somewhere."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from audiorestore.cli import app
from audiorestore.damage import DAMAGES
from audiorestore.metrics import METRICS
from audiorestore.scores.summary import numbers

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = get_command(app).commands  # type: ignore[attr-defined]


def examples(text: str) -> list[list[str]]:
    """Find `ar …` in a text, each as its words up to the next pipe or redirection."""
    found = []
    for line in re.findall(r"(?:^|\| )\s*ar ([a-z][^\n]*)", text, flags=re.MULTILINE):
        words = shlex.split(line.split("  #")[0])
        stop = next((index for index, word in enumerate(words) if word in ("|", ">", "2>")), len(words))
        found.append(words[:stop])
    return found


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_command_has_help_an_example_and_a_place_in_the_readme(name: str) -> None:
    command = COMMANDS[name]
    assert command.help
    assert "Example" in command.help
    assert any(words[0] == name for words in examples(command.help)), "no example of the command itself"
    assert f"### `ar {name}`" in README
    for parameter in command.params:
        assert getattr(parameter, "help", None), f"{name} {parameter.name} has no help"


@pytest.mark.parametrize("source", ["README", *sorted(COMMANDS)])
def test_examples_use_options_that_exist(source: str) -> None:
    text = README if source == "README" else COMMANDS[source].help
    for name, *words in examples(text):
        assert name in COMMANDS, name
        known = {option for parameter in COMMANDS[name].params for option in parameter.opts}
        used = {word for word in words if word.startswith("-") and word != "-"}
        assert used <= known, f"ar {name} has no {used - known}"


def test_readme_lists_every_damage_and_number() -> None:
    for name in DAMAGES.names():
        assert f"| `{name}` |" in README
        for parameter in DAMAGES.load(name).Config.domains():
            assert f"`{parameter}`" in README
    for name, number in numbers(METRICS.names()).items():
        row = rf"^\| (`\w+`, )?`{name}`(, `\w+`)? \|"  # one of two that share a row
        assert number.part_of or name == "peaq_di" or re.search(row, README, re.MULTILINE), name


def test_links_lead_somewhere() -> None:
    for page in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md"):
        for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", (ROOT / page).read_text(encoding="utf-8")):
            assert (ROOT / target).exists(), f"{page} links to {target}"
    for recipe in re.findall(r"`(recipes/[\w.-]+)`", README):
        assert (ROOT / recipe).exists(), recipe


def test_module_runs_as_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "audiorestore", "--version"], capture_output=True, text=True, check=True
    )
    assert re.fullmatch(r"audiorestore \d+\.\d+\.\d+\n", done.stdout)
