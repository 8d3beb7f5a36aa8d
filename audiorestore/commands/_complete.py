"""What TAB offers: families, presets, settings, damages and metrics, from the registries.

Each public function is the ``autocompletion`` of an option or argument: it takes the beginning of a word and returns
the words that begin so. If there are none, the shell offers files. An incomplete word ends in ``=``, ``:`` or ``/``.
"""

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from typer import Context

SUFFIX = ".safetensors"
DEVICES = ("auto", "cpu", "cuda")


def families(incomplete: str) -> list[str]:
    """Offer all families."""
    from ..models import FAMILIES

    return _starting(incomplete, FAMILIES.names())


def checkpoints(incomplete: str) -> list[str]:
    """Offer checkpoint files, and folders that may hold some."""
    folder, _, _ = incomplete.rpartition("/")
    here = Path(f"{folder}/" if incomplete.startswith("/") else folder or ".").expanduser()
    before = incomplete[: len(incomplete) - len(incomplete.rpartition("/")[2])]
    found = sorted(here.iterdir()) if here.is_dir() else []
    names = [f"{each.name}/" if each.is_dir() else each.name for each in found if not each.name.startswith(".")]
    wanted = [name for name in names if name.endswith((SUFFIX, "/")) and ".state." not in name]
    return _starting(incomplete, [before + name for name in wanted])


def models(incomplete: str) -> list[str]:
    """Offer what can restore: families with nothing to learn, bundled models, and checkpoint files."""
    from ..models import FAMILIES

    ready = [name for name in FAMILIES.names() if FAMILIES.load(name).Model.learns == "nothing"]
    bundled = [path.stem for path in Path(__file__).parents[1].glob(f"weights/*{SUFFIX}")]
    return [*_starting(incomplete, ready + bundled), *checkpoints(incomplete)]


def models_to_show(incomplete: str) -> list[str]:
    """Offer what `ar models` describes."""
    return list(dict.fromkeys([*families(incomplete), *models(incomplete)]))


def presets(ctx: Context, incomplete: str) -> list[str]:
    """Offer the presets of the family on the line, or of all families."""
    return _starting(incomplete, [key for family in _families(ctx) for key in family.PRESETS])


def settings(ctx: Context, incomplete: str) -> list[str]:
    """Offer the settings of the family on the line (or of all) and of training as ``key=``, then their values."""
    configs = [family.Config for family in _families(ctx)]
    if ctx.info_name == "train":
        from ..engine.training.loop import TrainConfig

        configs.append(TrainConfig)
    known = [field for config in configs for field in dataclasses.fields(config)]
    key, given, _ = incomplete.partition("=")
    if not given:
        return _starting(incomplete, [f"{field.name}=" for field in known])
    return _starting(
        incomplete, [f"{key}={value}" for field in known if field.name == key for value in _values(field.type)]
    )


def chain(incomplete: str) -> list[str]:
    """Offer the next part of ``damage:parameter=value/value,parameter=value|damage``."""
    from ..damage import DAMAGES

    link = incomplete.rpartition("|")[2].rpartition("*")[2].lstrip()  # a weight can come first: 2*mp3
    damage, colon, parameters = link.partition(":")
    setting = parameters.rpartition(",")[2]
    key, given, values = setting.partition("=")
    if not colon:
        return _continued(incomplete, damage, [f"{name}:" for name in DAMAGES.names()])
    domains = DAMAGES.load(damage).Config.domains() if damage in DAMAGES.names() else {}
    if not given:  # each can be set once
        free = [f"{name}=" for name in domains if f",{name}=" not in f",{parameters}"]
        return _continued(incomplete, setting, free)
    words = [*domains[key].choices, *domains[key].words] if key in domains else []
    return _continued(incomplete, values.rpartition("/")[2], map(str, words))


def metrics(incomplete: str) -> list[str]:
    """Offer all metrics, and ``all``."""
    from ..metrics import ALL, METRICS

    return _starting(incomplete, [ALL, *METRICS.names()])


def findings(incomplete: str) -> list[str]:
    """Offer the problems for which `ar pair` rejects pairs."""
    from ..signal.findings import FINDINGS

    return _starting(incomplete, FINDINGS)


def groupings(incomplete: str) -> list[str]:
    """Offer ways to group records."""
    return _starting(incomplete, ["folder", "path:", "field:"])


def devices(incomplete: str) -> list[str]:
    """Offer where to compute."""
    return _starting(incomplete, DEVICES)


def _starting(incomplete: str, words: Iterable[str]) -> list[str]:
    return [word for word in dict.fromkeys(words) if word.startswith(incomplete)]


def _continued(incomplete: str, part: str, words: Iterable[str]) -> list[str]:
    """Complete the last part of a word, and put the rest in front."""
    before = incomplete[: len(incomplete) - len(part)]
    return [before + word for word in _starting(part, words)]


def _values(hint: Any) -> list[str]:
    """List the values of a type as they are written on the command line; none if they cannot be counted.

    >>> _values(bool | Literal["auto", 3] | None | int)
    ['true', 'false', 'auto', '3', 'none']
    """
    if hint in (bool, NoneType):
        return ["none"] if hint is NoneType else ["true", "false"]
    if get_origin(hint) is Literal:
        return [str(value) for value in get_args(hint)]
    parts = get_args(hint) if get_origin(hint) in (Union, UnionType) else ()
    return [value for part in parts for value in _values(part)]


def _families(ctx: Context) -> list[Any]:
    """Import the family on the line, an argument or --model; without one, all."""
    from ..models import FAMILIES

    names = FAMILIES.names()
    # The parser stops at an option without a value; the arguments that it has not reached are in `args`.
    given: list[Any] = [ctx.params.get("family"), ctx.params.get("model"), *ctx.args]
    return [FAMILIES.load(name) for name in next(([name] for name in given if name in names), names)]
