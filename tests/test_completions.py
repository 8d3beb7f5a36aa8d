"""Completions: what TAB offers is what the registries know at that moment.

What is offered for a line is asked of the program in this process; that it arrives, of bash, zsh and fish themselves,
each where it is installed.
"""

import dataclasses
import json
import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.main import get_command

import audiorestore
from audiorestore.cli import app
from audiorestore.commands._completion import Words
from audiorestore.damage import DAMAGES
from audiorestore.engine.training.loop import TrainConfig
from audiorestore.metrics import METRICS
from audiorestore.models import FAMILIES
from audiorestore.signal.findings import FINDINGS

FOLDER = Path(__file__).parents[1] / "completions"
FILES = {"bash": FOLDER / "ar.bash", "zsh": FOLDER / "_ar", "fish": FOLDER / "ar.fish"}
END = "(end)"  # behind what was offered for one line

Offered = Callable[[str], list[str]]


@pytest.fixture
def offered(monkeypatch: pytest.MonkeyPatch) -> Offered:
    """Ask what is offered at the end of a line."""
    command = get_command(app)

    def ask(line: str) -> list[str]:
        monkeypatch.setenv("_AUDIORESTORE_LINE", line)
        return [answer.split("\t")[0] for answer in Words(command, {}, "ar", "").complete().splitlines()]

    return ask


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with files to offer, in which the test is."""
    place = tmp_path / "place"
    (place / "sub").mkdir(parents=True)
    for name in ("model.safetensors", "two words.safetensors", "x.wav", "library.a", "sub/other.safetensors"):
        (place / name).touch()
    monkeypatch.chdir(place)
    return place


def test_every_command_and_option_is_offered(offered: Offered) -> None:
    command = get_command(app)
    assert set(offered("ar ")) == set(command.commands)  # type: ignore[attr-defined]
    for name, each in command.commands.items():  # type: ignore[attr-defined]
        if hasattr(each, "commands"):
            assert set(offered(f"ar {name} ")) == set(each.commands)
        else:
            options = {form for parameter in each.params if parameter.opts[0][0] == "-" for form in parameter.opts}
            assert set(offered(f"ar {name} -")) == options | {"--help", "-h"}


def test_families_presets_and_settings_are_those_of_the_registry(offered: Offered) -> None:
    assert offered("ar train ") == FAMILIES.names()
    for family in FAMILIES.names():
        module = FAMILIES.load(family)
        assert set(offered(f"ar train {family} --preset ")) == set(module.PRESETS)
        keys = {f"{field.name}=" for holder in (module.Config, TrainConfig) for field in dataclasses.fields(holder)}
        assert set(offered(f"ar train {family} --set ")) == keys
    untrained = [name for name in FAMILIES.names() if FAMILIES.load(name).Model.learns == "nothing"]
    assert set(untrained) <= set(offered("ar restore --model "))
    assert "mlp" not in offered("ar restore --model ")


def test_damages_their_parameters_and_values_are_those_of_the_registry(offered: Offered) -> None:
    assert offered("ar degrade --chain ") == [f"{name}:" for name in DAMAGES.names()]
    for damage in DAMAGES.names():
        domains = DAMAGES.load(damage).Config.domains()
        assert offered(f"ar degrade --chain '{damage}:") == [f"{damage}:{key}=" for key in domains]
        for key, domain in domains.items():
            values = offered(f"ar degrade --chain {damage}:{key}=")
            assert set(values) == {f"{damage}:{key}={value}" for value in (*domain.choices, *domain.words)}


def test_metrics_and_findings_are_offered(offered: Offered) -> None:
    assert set(offered("ar eval --metric ")) == {"all", *METRICS.names()}
    assert set(offered("ar pair --allow ")) == set(FINDINGS)


# What is typed, what is offered then, and what is not. Of a word only the end is named.
CASES = {
    "ar trai": ("train", "restore"),
    "ar train cn": ("cnn", "mlp"),
    "ar train level --preset ": ("paper", "paper-residual"),
    "ar train --resume mlp --set ": ("layers= optimizer=", "kernel_sizes= mlp"),
    "ar train --minutes 5 mlp --set la": ("layers=", "activation="),
    "ar train --minutes=5 mlp --set la": ("layers=", "activation="),
    "ar train --set activation=": ("relu tanh", "true"),
    "ar train cnn --set residual=": ("true false", "relu"),
    "ar train cnn --set=schedule=c": ("constant cosine cyclical", "plateau"),
    "ar train cnn --device c": ("cpu cuda", "auto"),
    "ar degrade --format=": ("wav flac", "json"),
    "ar eval --format ": ("json markdown", "wav"),
    "ar degrade --chain '": ("mp3: hiss:", "x.wav"),
    "ar degrade --chain 'mp3:kbps=96|": ("mp3: hiss:", "kbps="),
    "ar degrade --chain 'mp3:kbps=96 | ": ("hiss:", "kbps="),
    "ar degrade --chain 'mp3:kbps=96 | hiss:colour=": ("pink white", "96"),
    'ar degrade --chain "mp3:kbps=96|hiss:colour=w': ("white", "pink"),
    "ar degrade --chain mp3:kbps=16/9": ("96", "16 192"),
    "ar degrade --chain mp3:kbps=96,": ("coded_rate= quality=", "kbps="),
    "ar degrade --chain=mp3:k": ("kbps=", "quality="),
    "ar restore --model ": ("identity model.safetensors words.safetensors sub/", "cnn x.wav"),
    "ar restore -m ide": ("identity", "model.safetensors"),
    "ar restore --model=m": ("model.safetensors", "identity"),
    "ar restore -m sub/": ("sub/other.safetensors", "identity"),
    "ar restore -m resample --set ": ("through_rate=", "layers= steps="),
    "ar restore -m identity --preset ": ("paper small", "paper-residual"),
    "ar models c": ("cnn", "mlp"),
    "ar quantize ": ("model.safetensors", "identity cnn"),
    "ar eval --metric snr --metric ls": ("lsd", "snr"),
    "ar listen p": ("page", "ratings"),
    "ar eval --form": ("--format", "--jobs"),
    "ar --": ("--help --version", "--jobs train"),
}
NOTHING = [
    "ar train cnn --minutes ",
    "ar train cnn --set window=",
    "ar degrade --chain no_such_damage:",
    "ar train no_such_family",
    "ar restore -m identity ",
    "ar rcs li",
    "ar rcs ",
    "ar -t li",
]


def test_what_is_offered_depends_on_what_was_typed(offered: Offered, files: Path) -> None:
    for line, (present, absent) in CASES.items():
        words = {re.split(r"[|:,/ =](?=[^|:,/ =])", word)[-1] for word in offered(line)} | set(offered(line))
        assert words >= set(present.split()), line
        assert not words & set(absent.split()), line


def test_nothing_is_offered_where_nothing_is_known(offered: Offered, files: Path) -> None:
    assert {line: offered(line) for line in NOTHING} == {line: [] for line in NOTHING}


def test_answers_without_torch_and_numpy_are_the_same(offered: Offered, files: Path) -> None:
    """For the shells, placeholders take the place of what a family or a damage imports."""
    lines = [*CASES, "ar train --set ", *(f"ar train {name} --preset " for name in FAMILIES.names())]
    lines += [f"ar train {name} --set {key}" for name in FAMILIES.names() for key in ("", "loss=", "activation=")]
    lines += [f"ar degrade --chain {name}:{key}" for name in DAMAGES.names() for key in ("", "kind=", "kbps=")]
    code = (
        "import json, os, sys\nfrom typer.main import get_command\nfrom audiorestore.cli import app\n"
        "from audiorestore.commands._completion import Words, answer_shells\n"
        "import audiorestore.models, audiorestore.damage\n"
        f"audiorestore.models.__path__ = {list(audiorestore.models.__path__)}\n"
        f"audiorestore.damage.__path__ = {list(audiorestore.damage.__path__)}\n"
        "answer_shells()\ncommand = get_command(app)\n"
        f"for line in {lines}:\n"
        "    os.environ['_AUDIORESTORE_LINE'] = line\n"
        "    answer = Words(command, {}, 'ar', '').complete()\n"
        "    print(json.dumps([each.split('\\t')[0] for each in answer.splitlines()]))\n"
        "heavy = ('torch', 'numpy', 'scipy', 'soundfile')\n"
        "print([name for name in heavy if getattr(sys.modules.get(name), '__file__', None)])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    *answers, heavy = done.stdout.splitlines()
    assert {line: json.loads(answer) for line, answer in zip(lines, answers, strict=True)} == {
        line: offered(line) for line in lines
    }
    assert heavy == "[]"


# ---- in the shells

# Bash fills in these variables and arguments when it completes.
BASH = r"""
source "$0"
compopt() { :; }
while (($#)); do
    COMP_LINE=$1 COMP_POINT=${#1} COMPREPLY=()
    _audiorestore ar "$2" ''
    printf '%s\n' "${COMPREPLY[@]}"; printf '(end)\n'
    shift 2
done
"""

FISH = r"""
source $argv[1]
for line in $argv[2..]
    complete -C$line; printf '(end)\n'
end
"""

# Before its first prompt zsh completes each line of the file `lines`; `compadd`, through which all offers go, tells.
ZSH = r"""
fpath=($COMPLETIONS $fpath)
autoload -Uz compinit && compinit -D -u
unsetopt auto_menu beep
LISTMAX=10000
compadd() {
    if [[ ${@[1,(i)(-|--)]} != *-(O|A|D)\ * ]]; then
        local -a found
        builtin compadd -A found "$@"
        (($#found)) && print -rl -- $found >>offered
    fi
    builtin compadd "$@"
}
zle-line-init() {
    local line
    for line in "${(@f)$(<lines)}"; do
        BUFFER=$line CURSOR=$#line
        zle complete-word
        print -r -- '(end)' >>offered
    done
    exit
}
zle -N zle-line-init
"""


@pytest.fixture
def place(files: Path) -> Path:
    """The folder with files, and next to it one for PATH with `audiorestore`, and with an `ar` that must not start."""
    programs = files.parent / "bin"
    programs.mkdir()
    (programs / "audiorestore").write_text(f"#!{sys.executable}\nfrom audiorestore.cli import main\nmain()\n")
    (programs / "ar").write_text(f"#!/bin/sh\necho ar >> '{files.parent}/started'\n")
    for program in programs.iterdir():
        program.chmod(0o755)
    return files


def environment(place: Path) -> dict[str, str]:
    return {
        "PATH": str(place.parent / "bin"),
        "HOME": str(place.parent),
        "ZDOTDIR": str(place.parent),
        "COMPLETIONS": str(FOLDER),
        "INPUTRC": "/dev/null",
        "TERM": "dumb",
        "LC_ALL": "C.UTF-8",
    }


def shell_path(shell: str) -> str:
    path = shutil.which(shell)
    if path is None:
        pytest.skip(f"{shell} is not installed, so its completions were not tried")
    return path


@pytest.fixture(params=FILES)
def in_shell(request: pytest.FixtureRequest, place: Path) -> Callable[[list[str]], dict[str, set[str]]]:
    """Ask a shell what it offers at the end of each line; without the part of the word before it."""
    shell: str = request.param
    path = shell_path(shell)

    def ask(lines: list[str]) -> dict[str, set[str]]:
        if shell == "zsh":
            (place.parent / ".zshrc").write_text(ZSH)
            (place / "lines").write_text("\n".join(lines))
            on_a_terminal([path, "-d", "-i"], place)
            text = (place / "offered").read_text()
        else:
            options = ["--norc", "-c", BASH] if shell == "bash" else ["--no-config", "-c", FISH]
            words = [word for line in lines for word in (line, replaced(line))] if shell == "bash" else lines
            done = subprocess.run(
                [path, *options, FILES[shell], *words],
                cwd=place,
                env=environment(place),
                capture_output=True,
                text=True,
                check=True,
            )
            assert done.stderr == ""
            text = done.stdout
        assert not (place.parent / "started").exists()
        answers = [{last_part(word) for word in answer.splitlines()} - {""} for answer in text.split(f"{END}\n")]
        assert len(answers) == len(lines) + 1
        return dict(zip(lines, answers, strict=False))

    return ask


def replaced(line: str) -> str:
    """Find what bash replaces at the end of a line: from an open quote on, or else from the last : or =."""
    quote = re.search(r"""^(?:[^'"]|'[^']*'|"[^"]*")*['"]([^'"]*)$""", line)
    return quote[1] if quote else re.split(r"(?<!\\)[ :=|]", line)[-1]


def last_part(offer: str) -> str:
    """Take the description off an offer, and the part of the word before it."""
    return re.split(r"[|:,=/ ]", offer.split("\t")[0].rstrip("=:/…"))[-1]


def on_a_terminal(command: list[str], place: Path, typed: list[str] | None = None) -> str:
    """Run a shell on a pseudo-terminal, type a line at each prompt, and give back what was on the screen."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=place, env=environment(place), start_new_session=True
    )
    os.close(theirs)
    waiting, seen, screen, deadline = list(typed or []), "", "", time.monotonic() + 120
    while time.monotonic() < deadline:
        if not select.select([ours], [], [], 0.1)[0]:
            continue
        try:
            part = os.read(ours, 65536).decode(errors="replace")
        except OSError:  # the shell has ended
            part = ""
        if not part:
            break
        seen, screen = seen + part, screen + part
        if waiting and "ready>" in seen:
            seen = ""
            os.write(ours, waiting.pop(0).encode())
    process.kill()
    process.wait()
    os.close(ours)
    return screen


@pytest.mark.parametrize("shell", FILES)
def test_the_file_is_good_syntax_and_says_how_to_install_it(shell: str) -> None:
    assert "# To install" in FILES[shell].read_text("utf-8")
    done = subprocess.run([shell_path(shell), "-n", FILES[shell]], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


# Lines of which each takes another way through a script, with all that is offered then.
IN_SHELL = {
    "audiorestore listen ": {"page", "ratings"},
    "ar train level --preset ": {"paper", "small"},
    "ar train cnn --set=schedule=c": {"constant", "cosine", "cyclical"},
    "ar degrade --chain mp3:kbps=9": {"96"},
    "ar degrade --chain 'mp3:kbps=96|hiss:col": {"colour"},
    "ar restore --model=m": {"model.safetensors"},
    "ar train '$(: >made)": set(),
}


def test_the_shell_offers_what_the_program_does(in_shell: Callable, place: Path) -> None:
    assert in_shell(list(IN_SHELL)) == IN_SHELL
    assert not (place / "made").exists(), "a line that was completed was run"


# What is typed at a prompt, and the arguments that the program is called with.
TYPED = {
    "audiorestore rest\t-m iden\t": ["restore", "-m", "identity"],
    "ar degrade --chain 'mp3\tkb\t96|his\tcol\tp\t": ["degrade", "--chain", "mp3:kbps=96|hiss:colour=pink"],
    "ar degrade --chain=mp3:kbps=96,quali\t5 x.\t": ["degrade", "--chain=mp3:kbps=96,quality=5", "x.wav"],
    "ar restore -m tw\tx\t": ["restore", "-m", "two words.safetensors", "x.wav"],
    "ar restore x.wav -o s\ty.wav": ["restore", "x.wav", "-o", "sub/y.wav"],
    "ar rcs li\t": ["rcs", "library.a"],
}
NOTED = r"""
ar() { printf '%s\n' "$@" '' >>called; }
audiorestore() { ar "$@"; }
PS1='ready> '
"""


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_keys_typed_at_a_prompt_make_the_command(shell: str, place: Path) -> None:
    path = shell_path(shell)
    if shell == "bash":
        (place / "rc").write_text(f"source '{FILES['bash']}'\n{NOTED}")
        command = [path, "--rcfile", "rc", "-i"]
    else:
        (place.parent / ".zshrc").write_text(
            f"fpath=('{FOLDER}' $fpath)\nautoload -Uz compinit && compinit -D -u\nunsetopt beep prompt_sp\n{NOTED}"
        )
        command = [path, "-d", "-i"]
    screen = on_a_terminal(command, place, [f"{keys}\n" for keys in TYPED] + ["exit\n"])
    called = (place / "called").read_text().split("\n\n")[:-1] if (place / "called").exists() else []
    assert dict(zip(TYPED, (words.split("\n") for words in called), strict=False)) == TYPED, screen
    assert not (place.parent / "started").exists()


def test_bash_leaves_an_escaped_pipe_alone(place: Path) -> None:
    shell = shell_path("bash")
    words = ["ar degrade --chain mp3:kbps=96\\|h", "96\\|h"]
    done = subprocess.run(
        [shell, "--norc", "-c", BASH, FILES["bash"], *words],
        env=environment(place),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == [END], "without its backslash the pipe would start another command"
