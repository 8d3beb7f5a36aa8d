"""``ar models``: list families and bundled models, and describe one."""

import dataclasses
import json
import sys
import typing
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import typer
from rich.table import Table

from ..errors import ExitStatus
from . import _complete
from ._signals import shell_command
from ._speech import show


@shell_command
def models(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[MODEL]",
            help="A family, a bundled model, or a checkpoint file.",
            autocompletion=_complete.models_to_show,
        ),
    ] = None,
    names: Annotated[bool, typer.Option("--names", help="List only the names of the families, one per line.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Write one JSON object instead of a table.")] = False,
) -> ExitStatus:
    """List the model families and the bundled models, or show the settings of a family or what a model was made of.

    \b
    Examples:
      ar models
      ar models cnn
      ar models cnn.safetensors
    """
    from ..engine.checkpoint import bundled_models, is_file_name
    from ..models import FAMILIES

    if names:
        sys.stdout.write("\n".join(FAMILIES.names()) + "\n")
        return ExitStatus.DONE
    bundled = bundled_models()
    if name is None:
        shown = {each: _bundled(path) for each, path in bundled.items()} | {
            family: _family(FAMILIES.load(family)) for family in FAMILIES.names()
        }
        table = _models_table(shown)
    elif is_file_name(name) or name in bundled:
        shown = _checkpoint(name)
        table = _pairs_table(name, shown)
    else:
        module = FAMILIES.load(name)
        shown = _family(module) | {"settings": _settings(module)}
        table = _settings_table(name, shown)
    if as_json:
        sys.stdout.write(json.dumps(shown) + "\n")
    else:
        show(table)
    return ExitStatus.DONE


def _bundled(path: Path) -> dict[str, Any]:
    """Describe a bundled model by the card in its file."""
    from ..engine.checkpoint import read_arrays

    _, metadata = read_arrays(path)
    what = metadata.get("card", {}).get("what", f"A trained model of the family {metadata['family']}.")
    return {"what": what, "bundled": True, "family": metadata["family"]}


def _family(module: ModuleType) -> dict[str, Any]:
    (summary, *_) = (module.__doc__ or "").split("\n\n")
    return {"what": " ".join(summary.split()), "trained": module.Model.learns != "nothing", "presets": module.PRESETS}


def _settings(module: ModuleType) -> list[dict[str, Any]]:
    """List every key that ``--set`` takes for a family: first those of the model, then those of training."""
    from ..engine.settings import describe
    from ..engine.training.loop import TrainConfig

    holders = [("model", module.Config)] + ([("training", TrainConfig)] if module.Model.learns != "nothing" else [])
    return [
        {"of": part, "key": field.name, "default": field.default, "values": describe(hints[field.name])}
        for part, holder in holders
        for hints in [typing.get_type_hints(holder)]
        for field in dataclasses.fields(holder)
    ]


def _checkpoint(name: str) -> dict[str, Any]:
    from ..engine.checkpoint import float_parameters, load_model

    loaded = load_model(name)
    dtype = loaded.metadata.get("quantized", {}).get("dtype", "float32")
    shown: dict[str, Any] = {"family": loaded.family, "parameters": float_parameters(loaded), "dtype": dtype}
    return shown | {key: value for key, value in loaded.metadata.items() if key != "family"}


def _models_table(models: dict[str, Any]) -> Table:
    table = Table("model", "what it is", "training", "presets")
    for name, model in models.items():
        training = "bundled" if model.get("bundled") else "needed" if model["trained"] else "none"
        table.add_row(name, model["what"], training, ", ".join(model.get("presets", ())))
    return table


def _settings_table(name: str, model: dict[str, Any]) -> Table:
    from ..engine.settings import written

    presets = model["presets"]
    table = Table("of", title=f"{name}: {model['what']}")
    for heading in ("key", "values", "default", *presets):
        table.add_column(heading, no_wrap=heading == "key")
    for setting in model["settings"]:
        key = setting["key"]
        cells = [written(values[key]) if key in values else "" for values in presets.values()]
        table.add_row(setting["of"], key, setting["values"], written(setting["default"]), *cells)
    return table


def _pairs_table(title: str, model: dict[str, Any]) -> Table:
    table = Table(show_header=False, title=title)
    for key, value in model.items():
        if key == "quantized":
            table.add_row("arithmetic", _arithmetic(value["arithmetic"]))
        elif isinstance(value, dict):
            table.add_row(key.replace("_", " "), "\n".join(f"{k}={v}" for k, v in _flat(value)))
        elif value is not None:
            table.add_row(key.replace("_", " "), f"{value:,}" if key == "parameters" else str(value))
    return table


def _arithmetic(layers: dict[str, str]) -> str:
    """Say in which arithmetic layers are computed; the shorter list is written out."""
    in_each = {kind: [name for name, each in layers.items() if each == kind] for kind in ("int8", "float")}
    lines = [f"{len(names)} of {len(layers)} layers in {kind}" for kind, names in in_each.items() if names]
    fewer = min((names for names in in_each.values() if names), key=len)
    return "\n".join(lines + ([", ".join(fewer)] if len(lines) > 1 and len(fewer) <= 8 else []))


def _flat(mapping: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Write a mapping within a mapping as ``outer.inner``."""
    for key, value in mapping.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
