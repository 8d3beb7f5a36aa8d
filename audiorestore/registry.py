"""A folder is a registry: its files are listed without being imported, and one is imported on demand."""

import difflib
import importlib
import pkgutil
from types import ModuleType

from .errors import UsageError


class Registry:
    """The entries of one package: each module or subpackage whose name starts with no underscore.

    Args:
        package: Dotted name, such as ``audiorestore.models``.
        kind: What messages call an entry, such as ``family``.

    >>> "mse" in Registry("audiorestore.metrics", "metric").names()
    True
    """

    def __init__(self, package: str, kind: str) -> None:
        self.package = package
        self.kind = kind

    def names(self) -> list[str]:
        """List the entries, sorted, without importing any of them."""
        folders = getattr(importlib.import_module(self.package), "__path__", None)
        if folders is None:
            raise ModuleNotFoundError(f"{self.package} is not a package")
        return sorted({module.name for module in pkgutil.iter_modules(folders) if not module.name.startswith("_")})

    def load(self, name: str) -> ModuleType:
        """Import one entry.

        Raises:
            UsageError: There is no such entry; the message lists the existing ones.
        """
        names = self.names()
        if name not in names:
            listed = ", ".join(names)
            raise UsageError(f"there is no {self.kind} '{name}'{suggestion(name, names)}; there are: {listed}")
        return importlib.import_module(f"{self.package}.{name}")


def suggestion(word: str, possible: list[str]) -> str:
    """Suggest what a mistyped word was probably meant to be; empty if nothing is close.

    >>> suggestion("ccn", ["cnn", "mlp"])
    " (did you mean 'cnn'?)"
    """
    close = difflib.get_close_matches(word, possible, n=1)
    return f" (did you mean '{close[0]}'?)" if close else ""
