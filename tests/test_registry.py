"""A folder is a registry: its files are the entries, and each is imported only on demand."""

import subprocess
import sys
from pathlib import Path

import pytest

from audiorestore.damage import DAMAGES
from audiorestore.errors import ExitStatus, UsageError
from audiorestore.metrics import METRICS
from audiorestore.models import FAMILIES
from audiorestore.registry import Registry, suggestion


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """A package of two modules, a subpackage, and much that is not an entry."""
    folder = tmp_path / f"zoo_{tmp_path.name}"  # a name of its own: Python remembers packages by name
    (folder / "elephant").mkdir(parents=True)
    (folder / "bones").mkdir()
    (folder / "__pycache__").mkdir()
    (folder / "__init__.py").touch()
    (folder / "elephant" / "__init__.py").write_text("SOUND = 'trumpet'\n")
    (folder / "owl.py").write_text("SOUND = 'hoot'\n")
    (folder / "yeti.py").write_text("raise RuntimeError('there is no yeti')\n")
    (folder / "_cage.py").touch()
    (folder / "map.txt").touch()
    monkeypatch.syspath_prepend(tmp_path)
    return Registry(folder.name, "animal")


def test_entries_are_modules_and_packages_without_an_underscore_and_are_not_imported(zoo: Registry) -> None:
    assert zoo.names() == ["elephant", "owl", "yeti"]  # the yeti would raise
    assert f"{zoo.package}.owl" not in sys.modules


def test_one_entry_is_imported_and_no_other(zoo: Registry) -> None:
    assert zoo.load("owl").SOUND == "hoot"
    assert zoo.load("elephant").SOUND == "trumpet"
    assert f"{zoo.package}.yeti" not in sys.modules
    assert zoo.load("owl") is zoo.load("owl")


def test_an_error_inside_an_entry_is_not_taken_for_a_missing_one(zoo: Registry) -> None:
    with pytest.raises(RuntimeError, match="no yeti"):
        zoo.load("yeti")


def test_a_new_file_is_there_at_once(zoo: Registry, tmp_path: Path) -> None:
    (tmp_path / zoo.package / "fox.py").touch()
    assert "fox" in zoo.names()


@pytest.mark.parametrize("name", ["olw", "_cage", "bones", "map", "", "owl.py", "../owl", "__init__", "os"])
def test_what_is_not_there_is_answered_with_what_is(zoo: Registry, name: str) -> None:
    with pytest.raises(UsageError) as caught:
        zoo.load(name)
    words = str(caught.value)
    assert words.startswith(f"there is no animal '{name}'")
    assert words.endswith("there are: elephant, owl, yeti")
    assert caught.value.status is ExitStatus.USAGE


def test_a_mistyped_name_gets_a_suggestion(zoo: Registry) -> None:
    with pytest.raises(UsageError, match="did you mean 'elephant'"):
        zoo.load("elefant")
    assert suggestion("elefant", ["elephant", "owl"]) == " (did you mean 'elephant'?)"
    assert suggestion("xyz", ["elephant", "owl"]) == ""
    assert suggestion("owl", []) == ""


def test_a_missing_package_is_a_programming_error() -> None:
    with pytest.raises(ModuleNotFoundError):
        Registry("audiorestore.no_such_package", "thing").names()
    with pytest.raises(ModuleNotFoundError):
        Registry("audiorestore.errors", "thing").names()


@pytest.mark.parametrize("registry", [DAMAGES, METRICS, FAMILIES], ids=lambda registry: registry.kind)
def test_each_entry_of_the_package_can_be_imported(registry: Registry) -> None:
    assert registry.names()
    for name in registry.names():
        assert registry.load(name).__name__ == f"{registry.package}.{name}"


def test_the_registries_are_listed_without_torch() -> None:
    code = (
        "import sys\n"
        "from audiorestore.damage import DAMAGES\n"
        "from audiorestore.metrics import METRICS\n"
        "from audiorestore.models import FAMILIES\n"
        "assert DAMAGES.names() and METRICS.names() and FAMILIES.names()\n"
        "loaded = [name for name in sys.modules if name.startswith('audiorestore.') and name.count('.') > 1]\n"
        "print('torch' in sys.modules, loaded)\n"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "False []"
