"""What a module defines, read from its source: importing a family would import torch, which takes seconds."""

import ast
import functools
import importlib.util
from pathlib import Path
from typing import NamedTuple

_PACKAGE = __name__.split(".")[0]


class Definition(NamedTuple):
    """The statement that defines a name, and the module that it is in."""

    module: str
    statement: ast.stmt


def find(module: str, name: str) -> Definition | None:
    """Find the definition of a name in a module, following imports within the package."""
    statement = _statements(module).get(name)
    if isinstance(statement, ast.ImportFrom):
        path = importlib.util.resolve_name("." * statement.level + (statement.module or ""), module.rpartition(".")[0])
        original = next(each.name for each in statement.names if (each.asname or each.name) == name)
        return find(path, original) if path.split(".")[0] == _PACKAGE else None
    return None if statement is None else Definition(module, statement)


def fields(module: str, name: str) -> dict[str, tuple[str, ...]]:
    """List the fields of a dataclass, inherited ones first, each with its possible values (none if not enumerable).

    >>> fields("audiorestore.models.mlp", "Config")["residual"]
    ('true', 'false')
    """
    listed: dict[str, tuple[str, ...]] = {}
    for each in reversed(_classes(module, name)):
        for line in each.statement.body:  # type: ignore[attr-defined]
            if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name):
                listed[line.target.id] = _values(each.module, line.annotation)
    return listed


def attribute(module: str, name: str, key: str) -> object:
    """Get a constant attribute of a class or its bases; None if there is no such constant.

    >>> attribute("audiorestore.models.identity", "Model", "learns")
    'nothing'
    """
    for each in _classes(module, name):
        for line in each.statement.body:  # type: ignore[attr-defined]
            target = line.target if isinstance(line, ast.AnnAssign) else getattr(line, "targets", [None])[0]
            if isinstance(target, ast.Name) and target.id == key and isinstance(line.value, ast.Constant):
                return line.value.value
    return None


def keys(module: str, name: str) -> list[str]:
    """List the keys of a module-level dictionary: literal ones, and those of a comprehension over a range.

    >>> keys("audiorestore.models.level", "PRESETS")
    ['paper', 'small']
    """
    found = find(module, name)
    return _keys(found.module, getattr(found.statement, "value", None)) if found else []


@functools.cache
def _statements(module: str) -> dict[str, ast.stmt]:
    """Map each top-level name of a module to the statement that defines it."""
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        return {}
    listed: dict[str, ast.stmt] = {}
    for statement in ast.parse(Path(spec.origin).read_bytes()).body:
        if isinstance(statement, ast.ImportFrom):
            names = [each.asname or each.name for each in statement.names]
        elif isinstance(statement, ast.Assign | ast.AnnAssign):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            names = [target.id for target in targets if isinstance(target, ast.Name)]
        else:
            names = [statement.name] if isinstance(statement, ast.ClassDef) else []
        listed |= dict.fromkeys(names, statement)
    return listed


def _classes(module: str, name: str) -> list[Definition]:
    """List a class and its bases within this package, nearest first."""
    found = find(module, name)
    if found is None or not isinstance(found.statement, ast.ClassDef):
        return []
    bases = [base.id for base in found.statement.bases if isinstance(base, ast.Name)]
    return [found, *(each for base in bases for each in _classes(found.module, base))]


def _values(module: str, annotation: ast.expr | None) -> tuple[str, ...]:
    match annotation:
        case ast.Constant(value=None):
            return ("none",)
        case ast.Name(id="bool"):
            return ("true", "false")
        case ast.BinOp(left=left, right=right):
            return _values(module, left) + _values(module, right)
        case ast.Subscript(value=ast.Name(id="Literal"), slice=ast.Tuple(elts=listed)):
            return tuple(str(each.value) for each in listed if isinstance(each, ast.Constant))
        case ast.Name(id=name) if found := find(module, name):
            return _values(found.module, getattr(found.statement, "value", None))
    return ()


def _keys(module: str, value: ast.expr | None) -> list[str]:
    match value:
        case ast.Dict():
            pairs = zip(value.keys, value.values, strict=True)
            parts = ([key.value] if isinstance(key, ast.Constant) else _keys(module, held) for key, held in pairs)
            return [str(each) for part in parts for each in part]
        case ast.DictComp():
            listed = ast.fix_missing_locations(ast.Expression(ast.ListComp(value.key, value.generators)))
            return list(eval(compile(listed, module, "eval"), {"__builtins__": {"range": range}}))
        case ast.Name(id=name):
            return keys(module, name)
    return []
