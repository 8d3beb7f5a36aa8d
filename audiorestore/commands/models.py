"""``ar models``: which families there are, and what a checkpoint is."""

import dataclasses
import json
import sys
import typing
from collections.abc import Iterator
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from ..errors import ExitStatus
from ._signals import shell_command


@shell_command
def models(
    name: Annotated[str | None, typer.Argument(help="A family, or a checkpoint file.")] = None,
    names: Annotated[bool, typer.Option("--names", help="Only the families' names, one a line.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The same as one JSON object.")] = False,
) -> ExitStatus:
    """List the model families and their presets, the settings of one, or what a checkpoint file is.

    \b
    Examples:
      ar models
      ar models cnn
      ar models cnn.safetensors
    """
    from ..engine.checkpoint import is_file_name
    from ..models import FAMILIES

    if names:
        sys.stdout.write("\n".join(FAMILIES.names()) + "\n")
        return ExitStatus.DONE
    if name is None:
        told: dict[str, Any] = {family: _family(family) for family in FAMILIES.names()}
        table = _families_table(told)
    elif is_file_name(name):
        told = _checkpoint(name)
        table = _pairs_table(name, told)
    else:
        told = _family(name) | {"settings": _settings(name)}
        table = _settings_table(name, told)
    if as_json:
        sys.stdout.write(json.dumps(told) + "\n")
    else:
        Console(file=sys.stdout, highlight=False, width=None if sys.stdout.isatty() else 120).print(table)
    return ExitStatus.DONE


def _family(name: str) -> dict[str, Any]:
    from ..models import FAMILIES

    module = FAMILIES.load(name)
    (summary, *_) = (module.__doc__ or "").split("\n\n")
    return {"what": " ".join(summary.split()), "trained": module.Model.learns != "nothing", "presets": module.PRESETS}


def _settings(family: str) -> list[dict[str, Any]]:
    """List every key that ``--set`` takes for a family: of the model first, then of training."""
    from ..engine.settings import describe
    from ..engine.training.loop import TrainConfig
    from ..models import FAMILIES

    module = FAMILIES.load(family)
    holders = [("model", module.Config)] + ([("training", TrainConfig)] if module.Model.learns != "nothing" else [])
    return [
        {"of": part, "key": field.name, "default": field.default, "values": describe(hints[field.name])}
        for part, holder in holders
        for hints in [typing.get_type_hints(holder)]
        for field in dataclasses.fields(holder)
    ]


def _checkpoint(path: str) -> dict[str, Any]:
    from ..engine.checkpoint import float_parameters, load_model

    loaded = load_model(path)
    quantized = loaded.metadata.get("quantized", {})
    told: dict[str, Any] = {
        "family": loaded.family,
        "parameters": float_parameters(loaded),
        "dtype": quantized.get("dtype", "float32"),
    }
    return told | {key: value for key, value in loaded.metadata.items() if key != "family"}


def _families_table(told: dict[str, Any]) -> Table:
    table = Table("family", "what it is", "presets")
    for name, family in told.items():
        presets = ", ".join(family["presets"]) if family["trained"] else "nothing to train"
        table.add_row(name, family["what"], presets)
    return table


def _settings_table(name: str, told: dict[str, Any]) -> Table:
    presets = told["presets"]
    table = Table("of", title=f"{name}: {told['what']}")
    for heading in ("key", "values", "default", *presets):
        table.add_column(heading, no_wrap=heading == "key")
    for setting in told["settings"]:
        cells = [str(values.get(setting["key"], "")) for values in presets.values()]
        table.add_row(setting["of"], setting["key"], setting["values"], str(setting["default"]), *cells)
    return table


def _pairs_table(title: str, told: dict[str, Any]) -> Table:
    table = Table(show_header=False, title=title)
    for key, value in told.items():
        if key == "quantized":
            table.add_row("arithmetic", _arithmetic(value["arithmetic"]))
        elif isinstance(value, dict):
            table.add_row(key.replace("_", " "), "\n".join(f"{k}={v}" for k, v in _flat(value)))
        elif value is not None:
            table.add_row(key.replace("_", " "), f"{value:,}" if key == "parameters" else str(value))
    return table


def _arithmetic(layers: dict[str, str]) -> str:
    """Tell in which arithmetic layers are computed: the most first, the names of fewest."""
    in_each = {kind: [name for name, each in layers.items() if each == kind] for kind in ("int8", "float")}
    lines = [f"{len(names)} of {len(layers)} layers in {kind}" for kind, names in in_each.items() if names]
    fewer = min((names for names in in_each.values() if names), key=len)
    return "\n".join(lines + ([", ".join(fewer)] if len(lines) > 1 and len(fewer) <= 8 else []))


def _flat(told: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Write a mapping within a mapping as ``outer.inner``."""
    for key, value in told.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
