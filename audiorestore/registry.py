"""A folder is a registry: its files are listed without being imported, and one is imported on demand."""

import difflib
import importlib
import importlib.util
from pathlib import Path
from types import ModuleType

from .errors import UsageError


class Registry:
    """The entries of one package: each module or subpackage whose name starts with no underscore.

    Args:
        package: Dotted name, such as ``audiorestore.models``.
        kind: What an entry is called when speaking to people, such as ``family``.

    >>> "mse" in Registry("audiorestore.metrics", "metric").names()
    True
    """

    def __init__(self, package: str, kind: str) -> None:
        self.package = package
        self.kind = kind

    def names(self) -> list[str]:
        """List the entries, sorted, without importing any of them."""
        spec = importlib.util.find_spec(self.package)
        folders = spec.submodule_search_locations if spec else None
        if not folders:
            raise ModuleNotFoundError(f"{self.package} is no package")
        found = set()
        for folder in folders:
            for path in Path(folder).iterdir():
                is_module = path.suffix == ".py" or (path / "__init__.py").is_file()
                if is_module and not path.name.startswith("_"):
                    found.add(path.stem)
        return sorted(found)

    def load(self, name: str) -> ModuleType:
        """Import one entry.

        Raises:
            UsageError: There is no such entry; the sentence lists those that there are.
        """
        names = self.names()
        if name not in names:
            listed = ", ".join(names)
            raise UsageError(f"there is no {self.kind} '{name}'{suggestion(name, names)}; there are: {listed}")
        return importlib.import_module(f"{self.package}.{name}")


def suggestion(word: str, possible: list[str]) -> str:
    """Say what a mistyped word was probably meant to be, or nothing.

    >>> suggestion("ccn", ["cnn", "mlp"])
    " (did you mean 'cnn'?)"
    """
    close = difflib.get_close_matches(word, possible, n=1)
    return f" (did you mean '{close[0]}'?)" if close else ""
