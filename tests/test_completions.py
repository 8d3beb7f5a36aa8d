"""Completions: what the shells offer is what the program knows, and no program is started for it.

Bash, zsh and fish are asked themselves, each where it is installed.
"""

import dataclasses
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
import typer
from typer.main import get_command

from audiorestore.cli import app
from audiorestore.damage import DAMAGES
from audiorestore.engine.training.loop import TrainConfig
from audiorestore.metrics import METRICS
from audiorestore.models import FAMILIES

FOLDER = Path(__file__).parents[1] / "completions"
FILES = {"bash": FOLDER / "ar.bash", "zsh": FOLDER / "_ar", "fish": FOLDER / "ar.fish"}
SHELLS = list(FILES)
END = "(end)"  # behind what was offered for one line
DECOYS = ("python", "python3", "ar", "audiorestore", "ls", "sed")

Offers = Callable[[list[str]], dict[str, set[str]]]

# Bash fills in these variables and arguments when it completes.
BASH = r"""
source "$0"
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
def place(tmp_path: Path) -> Path:
    """A folder with files to offer, and one for PATH with programs that leave a trace when they are started."""
    place = tmp_path / "place"
    (place / "sub").mkdir(parents=True)
    for name in ("model.safetensors", "two words.safetensors", "x.wav", "library.a"):
        (place / name).touch()
    (tmp_path / "bin").mkdir()
    for name in DECOYS:
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\necho {name} >> '{tmp_path}/started'\n")
        (tmp_path / "bin" / name).chmod(0o755)
    return place


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


@pytest.fixture(params=SHELLS)
def offers(request: pytest.FixtureRequest, place: Path) -> Offers:
    """Ask a shell what it offers at the end of each line; without what stands before it in the same word."""
    shell: str = request.param
    path = shell_path(shell)

    def ask(lines: list[str]) -> dict[str, set[str]]:
        if shell == "zsh":
            (place.parent / ".zshrc").write_text(ZSH)
            (place / "lines").write_text("\n".join(lines))
            on_a_terminal([path, "-d", "-i"], place)
            told = (place / "offered").read_text()
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
            told = done.stdout
        assert not (place.parent / "started").exists(), (place.parent / "started").read_text()
        answers = [{last_part(word) for word in answer.splitlines()} - {""} for answer in told.split(f"{END}\n")]
        assert len(answers) == len(lines) + 1
        return dict(zip(lines, answers, strict=False))

    return ask


def replaced(line: str) -> str:
    """Find what bash replaces at the end of a line: from an open quote on, or else from the last : or =."""
    quote = re.search(r"""^(?:[^'"]|'[^']*'|"[^"]*")*['"]([^'"]*)$""", line)
    return quote[1] if quote else re.split(r"(?<!\\)[ :=|]", line)[-1]


def last_part(offer: str) -> str:
    """Take the description off an offer, and what stands before the part that was completed."""
    return re.split(r"[|:,=/ ]", offer.split("\t")[0].rstrip("=:/"))[-1]


def on_a_terminal(command: list[str], place: Path, typed: list[str] | None = None) -> str:
    """Run a shell on a pseudo-terminal, type a line at each prompt, and give back what was on the screen."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=place, env=environment(place), start_new_session=True
    )
    os.close(theirs)
    waiting, seen, screen, deadline = list(typed or []), "", "", time.monotonic() + 60
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


def options_of(name: str) -> set[str]:
    group = get_command(app)
    context = typer.Context(group, info_name="ar", **group.context_settings)
    command = group.commands[name]  # type: ignore[attr-defined]
    parameters = command.get_params(typer.Context(command, info_name=name, parent=context))
    return {
        form
        for parameter in parameters
        if parameter.param_type_name == "option"
        for form in (*parameter.opts, *parameter.secondary_opts)
    }


def fish_form(word: str) -> str:
    """Write an option as fish's `complete` does; other words stay."""
    return f"-l {word[2:]}" if word.startswith("--") else f"-s {word[1:]}" if word.startswith("-") else word


COMMANDS = sorted(get_command(app).commands)  # type: ignore[attr-defined]


def settings_of(family: str) -> set[str]:
    module = FAMILIES.load(family)
    holders = [module.Config] + ([TrainConfig] if module.Model.learns != "nothing" else [])
    return {field.name for holder in holders for field in dataclasses.fields(holder)}


def what_the_program_knows() -> dict[str, set[str]]:
    """List lines that end where something is to be completed, and all that belongs there."""
    families = FAMILIES.names()
    presets = {family: set(FAMILIES.load(family).PRESETS) for family in families}
    domains = {damage: DAMAGES.load(damage).Config.domains() for damage in DAMAGES.names()}
    return {
        "ar ": set(COMMANDS),
        "audiorestore ": set(COMMANDS),
        "ar train ": set(families),
        "ar train --preset ": set().union(*presets.values()),
        "ar train --set ": set().union(*map(settings_of, families)),
        "ar degrade --chain ": set(domains),
        "ar eval --metric ": {"all", *METRICS.names()},
        **{f"ar {name} -": options_of(name) for name in COMMANDS},
        **{f"ar train {family} --preset ": names for family, names in presets.items()},
        **{f"ar train {family} --set ": settings_of(family) for family in families},
        **{f"ar degrade --chain '{damage}:": set(known) for damage, known in domains.items()},
        **{
            f"ar degrade --chain {damage}:{key}=": set(map(str, domain.choices))
            for damage, known in domains.items()
            for key, domain in known.items()
            if domain.choices
        },
    }


def test_the_files_are_what_generate_writes() -> None:
    done = subprocess.run([sys.executable, FOLDER / "generate", "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("shell", SHELLS)
def test_every_word_of_the_program_is_in_the_file(shell: str) -> None:
    text = FILES[shell].read_text("utf-8")
    for line, words in what_the_program_knows().items():
        for word in words:
            form = fish_form(word) if shell == "fish" else word
            assert re.search(rf"(?<![\w-]){re.escape(form)}(?![\w-])", text), f"{line}{word}"


@pytest.mark.parametrize("shell", SHELLS)
def test_the_file_is_good_syntax_and_says_how_to_install_it(shell: str) -> None:
    assert "# To install" in FILES[shell].read_text("utf-8")
    done = subprocess.run([shell_path(shell), "-n", FILES[shell]], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_everything_that_the_program_knows_is_offered_where_it_belongs(offers: Offers) -> None:
    known = what_the_program_knows()
    assert offers(list(known)) == known


# What is typed, what is offered then, and what is not.
CASES = {
    "ar trai": ("train", "restore x.wav"),
    "ar train cn": ("cnn", "mlp x.wav"),
    "ar train level --preset ": ("paper", "paper-residual x.wav"),
    "ar train --resume mlp --set ": ("layers optimizer", "kernel_sizes mlp"),
    "ar train --minutes 5 mlp --set la": ("layers", "activation"),
    "ar train --minutes=5 mlp --set la": ("layers", "activation"),
    "ar train --set activation=": ("relu tanh", "activation true"),
    "ar train cnn --set residual=": ("true false", "relu"),
    "ar train cnn --set=schedule=c": ("constant cosine cyclical", "plateau"),
    "ar train cnn --device c": ("cpu cuda", "auto"),
    "ar degrade --format=": ("wav flac", "json x.wav"),
    "ar eval --format ": ("json markdown", "wav x.wav"),
    "ar degrade --chain mp": ("mp3", "hiss"),
    "ar degrade --chain '": ("mp3 hiss", "x.wav"),
    "ar degrade --chain 'mp3:kbps=96|": ("mp3 hiss", "kbps quality"),
    "ar degrade --chain 'mp3:kbps=96 | hiss:colour=": ("pink white", "96 mp3"),
    'ar degrade --chain "mp3:kbps=96|hiss:colour=w': ("white", "pink"),
    "ar degrade --chain mp3:kbps=9": ("96", "9 192"),
    "ar degrade --chain mp3:kbps=16/9": ("96", "16 192"),
    "ar degrade --chain mp3:kbps=96,": ("coded_rate quality", "kbps hiss"),
    "ar degrade --chain 'mp3:kbps=96,": ("coded_rate quality", "kbps hiss"),
    "ar degrade --chain=mp3:k": ("kbps", "quality"),
    "ar restore --model ": ("identity model.safetensors words.safetensors sub", "cnn x.wav"),
    "ar restore -m ide": ("identity", "model.safetensors"),
    "ar restore --model=m": ("model.safetensors", "identity"),
    "ar models c": ("cnn", "mlp model.safetensors"),
    "ar eval --metric snr --metric ls": ("lsd", "snr"),
    "ar eval --form": ("--format", "--jobs"),
    "ar --": ("--help --version", "--jobs train"),
}
NOTHING = [
    "ar train cnn --minutes ",
    "ar train cnn --set window=",
    "ar degrade --seed ",
    "ar degrade --chain no_such_damage:",
    "ar train no_such_family",
]


def test_what_is_offered_hangs_on_what_was_typed(offers: Offers) -> None:
    offered = offers(list(CASES))
    for line, (present, absent) in CASES.items():
        assert offered[line] >= set(present.split()), line
        assert not offered[line] & set(absent.split()), line


def test_nothing_is_offered_where_nothing_is_known(offers: Offers) -> None:
    assert offers(NOTHING) == {line: set() for line in NOTHING}


def test_a_chain_is_never_run(offers: Offers, place: Path) -> None:
    offers(["ar degrade --chain '$(: >made)|h", "ar degrade --chain 'mp3:kbps=`: >made`/", "ar train '$(: >made)"])
    assert not (place / "made").exists()


# What is typed at a prompt, and the arguments that the program is called with.
TYPED = {
    "ar trai\t": ["train"],
    "audiorestore rest\t-m iden\t": ["restore", "-m", "identity"],
    "ar degrade --chain mp3\tkb\t96": ["degrade", "--chain", "mp3:kbps=96"],
    "ar degrade --chain 'mp3\tkb\t96|his\tcol\tp\t": ["degrade", "--chain", "mp3:kbps=96|hiss:colour=pink"],
    "ar degrade --chain=mp3:kbps=96,q\t5 x.\t": ["degrade", "--chain=mp3:kbps=96,quality=5", "x.wav"],
    "ar train cnn --set activ\tr\t--preset=sm\t": ["train", "cnn", "--set", "activation=relu", "--preset=small"],
    "ar train level --preset p\t": ["train", "level", "--preset", "paper"],
    "ar restore -m tw\tx\t": ["restore", "-m", "two words.safetensors", "x.wav"],
    "ar restore --model=two\\ w\t": ["restore", "--model=two words.safetensors"],
    "ar restore x.wav -o s\ty.wav": ["restore", "x.wav", "-o", "sub/y.wav"],
    "ar rcs li\tx\t": ["rcs", "library.a", "x.wav"],
    "ar -t li\t": ["-t", "library.a"],
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
        version = subprocess.run([path, "-c", "echo ${BASH_VERSINFO[0]}"], capture_output=True, text=True, check=True)
        if int(version.stdout) < 4:
            pytest.skip("bash before 4 puts a space behind mp3: and key=")
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
        [shell, "--norc", "-c", BASH, FILES["bash"], *words], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [END], "without its backslash the pipe would start another command"
