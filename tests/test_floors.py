"""Imports run downwards: the floors of the house, proved from the source.

    floor 6  cli         archiver
    floor 5  commands
    floor 4  engine    report    listening     the engine and the two others do not know each other
    floor 3  scores
    floor 2  models    metrics   damage    quantization   demo      none knows another
    floor 1  losses    data      codecs
    floor 0  signal    registry  errors    randomness

An import counts wherever it stands: at the top, inside a function, for type checkers only, or by name.
"""

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

import audiorestore

PACKAGE = "audiorestore"
ROOT = Path(audiorestore.__file__).parent
FLOORS = {
    "cli": 6,
    "archiver": 6,
    "__main__": 6,
    "commands": 5,
    "engine": 4,
    "report": 4,
    "listening": 4,
    "scores": 3,
    "models": 2,
    "metrics": 2,
    "damage": 2,
    "quantization": 2,
    "demo": 2,
    "losses": 1,
    "data": 1,
    "codecs": 1,
    "weights": 0,
    "signal": 0,
    "registry": 0,
    "errors": 0,
    "randomness": 0,
    "__init__": 0,
}
# On one floor, behind closed doors.
STRANGERS = [
    {"engine", "report"},
    {"engine", "listening"},
    {"models", "metrics", "damage", "quantization", "demo"},
]

# Who may import torch on being imported: networks, and what trains them.
TORCH = ("models/", "quantization/", "losses.py", "engine/training/", "engine/device.py")
NO_TORCH = {"models/__init__.py", "models/_restorer.py", "models/identity.py", "models/level.py"}

# What ends a process of its own there, and not the program.
WORKERS = {"metrics/pesq.py"}

SOURCES = {path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in sorted(ROOT.rglob("*.py"))}


def room(name: str) -> str:
    """`audiorestore.signal.level`, or `signal/level.py`, is in `signal`; the package itself in `__init__`."""
    parts = name.removesuffix(".py").replace("/", ".").split(".")
    if parts[0] == PACKAGE:
        parts = parts[1:] or ["__init__"]
    return parts[0]


@functools.cache
def tree(source: str) -> ast.Module:
    return ast.parse(source)


def imports(file: str, source: str) -> Iterator[tuple[int, str]]:
    """List the dotted names that a file imports, with their lines; those of the package absolute."""
    here = [PACKAGE, *file.removesuffix(".py").split("/")][:-1]  # the package that the file is in
    for node in ast.walk(tree(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = here[: len(here) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            # `from .. import errors` imports a module, `from .. import __version__` a name of the package.
            yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and _name(node.func) in ("import_module", "__import__") and node.args:
            target = node.args[0]
            if isinstance(target, ast.Constant) and isinstance(target.value, str):
                yield node.lineno, target.value


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def upward_imports(file: str, source: str) -> list[str]:
    """Say which imports of a file do not run downwards."""
    home, found = room(file), []
    for line, name in imports(file, source):
        if name.split(".")[0] != PACKAGE:
            continue
        target = room(name)
        if target not in FLOORS:
            target = "__init__"  # a name of the package itself, as its version
        closed = target != home and any({home, target} <= doors for doors in STRANGERS)
        if FLOORS[target] > FLOORS[home] or closed:
            found.append(f"{file}:{line} ({home}, floor {FLOORS[home]}) imports {name} (floor {FLOORS[target]})")
    return found


def run_on_import(node: ast.AST) -> Iterator[ast.AST]:
    """List what runs when a file is imported: not the bodies of functions, nor what only type checkers see."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return
    yield node
    for_checkers = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
    for child in node.orelse if for_checkers else ast.iter_child_nodes(node):
        yield from run_on_import(child)


def imports_torch(source: str) -> bool:
    """Say whether importing this file imports torch by itself."""
    for statement in run_on_import(tree(source)):
        names = [alias.name for alias in statement.names] if isinstance(statement, ast.Import) else []
        if isinstance(statement, ast.ImportFrom) and not statement.level:
            names = [statement.module or ""]
        if any(name.split(".")[0] in ("torch", "torchaudio") for name in names):
            return True
    return False


def prints(source: str) -> list[int]:
    """List the lines that print, or end the program."""
    return [
        node.lineno
        for node in ast.walk(tree(source))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("print", "sys.exit", "exit", "quit", "os._exit")
    ]


def test_every_file_stands_on_a_floor() -> None:
    assert len(SOURCES) > 30
    homeless = [file for file in SOURCES if room(file) not in FLOORS]
    assert not homeless, "say in FLOORS on which floor these stand"


def test_no_import_runs_upwards() -> None:
    assert [line for file, source in SOURCES.items() for line in upward_imports(file, source)] == []


def test_only_networks_and_their_training_import_torch() -> None:
    importing = {file for file, source in SOURCES.items() if imports_torch(source)}
    assert {"engine/training/loop.py", "models/_network.py"} <= importing
    assert [file for file in sorted(importing) if not file.startswith(TORCH) or file in NO_TORCH] == []


def test_nothing_below_the_commands_prints_or_ends_the_program() -> None:
    found = {file: prints(source) for file, source in SOURCES.items() if FLOORS[room(file)] < 5 and file not in WORKERS}
    assert {file: lines for file, lines in found.items() if lines} == {}


# The checker is checked: it must see what it is there to see.


UPWARD = [
    ("signal/level.py", "from ..damage import DAMAGES"),
    ("signal/level.py", "from .. import damage"),
    ("signal/level.py", "import audiorestore.damage.mp3"),
    ("signal/level.py", "import audiorestore.engine.training.loop as work"),
    ("signal/level.py", "from audiorestore.data.audio_file import read_audio"),
    ("signal/level.py", "from audiorestore import cli"),
    ("signal/level.py", "def late():\n    from ..engine import train"),
    ("signal/level.py", "class Late:\n    def go(self):\n        import audiorestore.engine"),
    ("signal/level.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from ..models.cnn import Model"),
    ("signal/level.py", "try:\n    from ..models import cnn\nexcept ImportError:\n    pass"),
    ("signal/level.py", "import importlib\nimportlib.import_module('audiorestore.engine.training.loop')"),
    ("signal/__init__.py", "from ..data import audio_file"),
    ("registry.py", "from .data import atomic"),
    ("__init__.py", "from .cli import main"),
    ("commands/restore.py", "def run():\n    from ..cli import app"),
    ("engine/restoring/restore.py", "from ...report.tables import summary_table"),
    ("report/tables.py", "from ..engine.evaluate import evaluate_record"),
    ("engine/evaluate.py", "from ..listening import excerpts"),
    ("scores/gates.py", "from ..report import tables"),
    ("quantization/maps.py", "from ..models import _network"),
    ("metrics/peaq/ear.py", "from ...damage.mp3 import encode"),
    ("metrics/peaq/ear.py", "from ... import models"),
    ("damage/mp3.py", "from ..metrics.snr import measure"),
    ("models/level.py", "from ..metrics import METRICS"),
]


def test_an_upward_import_is_caught() -> None:
    for file, source in UPWARD:
        (found,) = upward_imports(file, source)
        assert found.startswith(f"{file}:{len(source.splitlines()) if 'except' not in source else 2} ")


DOWNWARD = [
    ("signal/level.py", "import numpy as np\nfrom ..errors import AlignmentError\nfrom .stft import hann"),
    ("signal/level.py", "from .. import __version__, errors"),
    ("damage/mp3.py", "from ..data.mpeg_frames import scan_mpeg\nfrom . import DAMAGES"),
    ("metrics/peaq/ear.py", "from .._comparison import Number\nfrom ...signal.stft import hann"),
    ("engine/training/loop.py", "from ..models import FAMILIES\nfrom .device import choose_device"),
    ("report/tables.py", "from ..data.manifest import Record\nfrom ..metrics import METRICS"),
    ("commands/train.py", "def run():\n    from ..engine.train import train\n    from ..report import tables"),
    ("__main__.py", "from .cli import main"),
    ("cli.py", "from .commands.train import train"),
    ("errors.py", "import dataclasses\nfrom enum import IntEnum"),
]


def test_a_downward_import_is_accepted() -> None:
    assert [line for file, source in DOWNWARD for line in upward_imports(file, source)] == []


WITH_TORCH = [
    ("import torch", True),
    ("import numpy, torch.nn as nn", True),
    ("from torch import Tensor", True),
    ("try:\n    import torch\nexcept ImportError:\n    torch = None", True),
    ("class Late:\n    import torch", True),
    ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import torch", False),
    ("def late():\n    import torch", False),
    ("class Late:\n    def go(self):\n        import torch", False),
    ("from ..torch import nothing", False),
    ("import torchless", False),
]


def test_an_import_of_torch_is_seen_where_it_runs() -> None:
    for source, imported in WITH_TORCH:
        assert imports_torch(source) is imported, source


def test_printing_is_noticed() -> None:
    assert prints("def work():\n    print('hello')\n") == [2]
    assert prints("import sys\nsys.exit(1)\n") == [2]
    assert prints('"""print(1) in a docstring."""\nfingerprint(2)\nconsole.print(3)\n') == []
