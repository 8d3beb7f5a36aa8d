"""A model on disk: one safetensors file of weights and JSON; nothing is ever unpickled.

The metadata of the file has one key, ``audiorestore``, with JSON: ``format`` (1), ``version``, ``family``, ``config``,
``step``, ``seed``, ``data_digest``, ``validation`` and ``training`` (the settings of the training loop); in int8 and
float16 models also ``quantized``, with the dtype and the arithmetic of each layer (and the bounds on the input of those
in int8), and in place of ``validation`` ``validation_of_float_form``.
"""

import contextlib
import dataclasses
import importlib.resources
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from .. import __version__
from ..data.atomic import atomic_path
from ..errors import AudioFileError, AudioRestoreError, CheckpointError, UsageError
from ..models import FAMILIES
from ..models._restorer import Restorer
from ..registry import suggestion
from .int8 import bounds_of, hold, linear_maps_of, restoring_state, uses_of
from .provenance import digest_of, file_digest
from .settings import build, check, family_settings, written

FORMAT = 1
SUFFIX = ".safetensors"
WEIGHTS = importlib.resources.files("audiorestore.weights")
_KEY = "audiorestore"


@dataclass
class LoadedModel:
    """A model ready to restore, and what is known about it.

    Attributes:
        name: For records: a path, a bundled model, or a family with the settings that differ from its defaults.
        family: Its family.
        model: The restorer.
        metadata: From its checkpoint; empty for a family with nothing to train.
        digest: Of its file; of name and settings for a family with nothing to train.
    """

    name: str
    family: str
    model: Restorer
    metadata: dict[str, Any]
    digest: str

    @property
    def needs_torch(self) -> bool:
        """Whether the model is a torch network, which runs on a device."""
        return self.model.uses_torch


def is_file_name(name: str) -> bool:
    """Say whether ``--model`` names a file: it has a ``/`` in it or ends in .safetensors.

    >>> is_file_name("cnn"), is_file_name("cnn.safetensors"), is_file_name("models/cnn")
    (False, True, True)
    """
    return "/" in name or name.endswith(SUFFIX)


def make_model(family: str, settings: dict[str, Any]) -> Restorer:
    """Build an untrained model of a family."""
    module = FAMILIES.load(family)
    model: Restorer = module.Model(build(module.Config, settings))
    return model


def save_model(path: Path, family: str, model: Restorer, metadata: dict[str, Any], overwrite: bool = True) -> None:
    """Write a checkpoint, whole or not at all; quantized, of the part that restores alone."""
    described = {"format": FORMAT, "version": __version__, "family": family}
    stored = {**described, "config": dataclasses.asdict(model.config), **metadata}
    arrays = restoring_state(model) if _dtype(stored) else model.state()
    if _dtype(stored) == "float16":
        arrays = {name: in_16_bits(array) for name, array in arrays.items()}
    save_arrays(path, arrays, stored, overwrite)


def in_16_bits(array: np.ndarray) -> np.ndarray:
    """Write float32 as float16 where nothing is lost by that; else leave it."""
    if array.dtype != np.float32:
        return array
    with np.errstate(over="ignore"):
        short = array.astype(np.float16)
    return short if np.array_equal(short.astype(np.float32), array) else array


def _dtype(metadata: dict[str, Any]) -> str | None:
    quantized = metadata.get("quantized")
    return quantized.get("dtype") if isinstance(quantized, dict) else None


def save_arrays(path: Path, arrays: dict[str, np.ndarray], metadata: dict[str, Any], overwrite: bool = True) -> None:
    """Write arrays and JSON as one safetensors file, whole or not at all, without a copy in memory.

    Where it cannot be written, it raises an AudioFileError.
    """
    # NumPy gives a scalar an axis, which is taken away again.
    contiguous = {name: np.ascontiguousarray(array).reshape(array.shape) for name, array in arrays.items()}
    with atomic_path(path, overwrite) as part:
        permissions = part.stat().st_mode  # by the umask; the library would leave a file of the user's alone
        try:
            save_file(contiguous, part, {_KEY: json.dumps(metadata)})
        except SafetensorError as error:
            raise AudioFileError(f"{path} cannot be written ({error})") from None
        part.chmod(permissions)


def read_arrays(path: str | Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read what `save_arrays` wrote.

    Raises:
        CheckpointError: The file is missing, broken, or not from this program.
    """
    if not Path(path).is_file():
        raise CheckpointError(f"the model file {path} does not exist")
    try:
        with safe_open(str(path), framework="numpy") as file:
            metadata = _parse_metadata(path, (file.metadata() or {}).get(_KEY))
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is not a dict
    except (SafetensorError, OSError, ValueError, TypeError) as error:
        raise CheckpointError(f"{path} is not a complete safetensors file ({error})") from None
    return arrays, metadata


def _parse_metadata(path: str | Path, text: str | None) -> dict[str, Any]:
    if text is None:
        raise CheckpointError(f"{path} is a safetensors file of another program: it lacks the key '{_KEY}'")
    try:
        metadata = json.loads(text)
    except ValueError:
        metadata = None
    if not isinstance(metadata, dict) or not isinstance(metadata.get("format"), int):
        raise CheckpointError(f"{path} has broken metadata under the key '{_KEY}'")
    if metadata["format"] > FORMAT:
        raise CheckpointError(
            f"{path} was written by a newer audiorestore ({metadata.get('version')}); this is {__version__}: "
            "upgrade to read it"
        )
    return metadata


def bundled_models() -> dict[str, Path]:
    """List the models that come with the program, by name."""
    files = sorted(Path(str(file)) for file in WEIGHTS.iterdir() if file.name.endswith(SUFFIX))
    return {file.stem: file for file in files}


def load_model(name: str, preset: str | None = None, settings: Sequence[str] = ()) -> LoadedModel:
    """Load a checkpoint by its path, a bundled model by its name, or a family that has nothing to learn by its name.

    Args:
        name: A path has a ``/`` in it or ends in .safetensors.
        preset: Named settings of a family that has nothing to learn.
        settings: More of its settings, each ``key=value``; they take precedence over the preset.

    Raises:
        CheckpointError: The file cannot be used.
        UsageError: There is no such model, it has to be trained first, or it is trained and cannot be set up.
    """
    bundled = bundled_models()
    if not is_file_name(name) and name not in bundled:
        return _family_as_it_is(name, preset, settings, list(bundled))
    if preset is not None or settings:
        raise UsageError(f"--preset and --set do not apply to {name}, which is trained; its settings are fixed")
    path = bundled.get(name, Path(name))
    arrays, metadata = read_arrays(path)
    family = metadata.get("family")
    if "state" in metadata:
        raise CheckpointError(
            f"{path} is what training resumes from; the model is beside it, without '.state' in its name"
        )
    if family not in FAMILIES.names():
        raise CheckpointError(f"{path} holds a model of the family '{family}', which this version does not know")
    with _description_errors(path, ValueError, AudioRestoreError):
        config = _config(family, metadata.get("config"))
    with _description_errors(path, ValueError, RuntimeError, MemoryError):  # as torch says that sizes are too large
        _refuse_oversized(family, config, arrays)
    model = make_model(family, config)
    with _description_errors(path, ValueError):
        if "quantized" in metadata:
            _quantize(model, metadata["quantized"])
            if _dtype(metadata) == "float16":
                short = {key: array.astype(np.float32) for key, array in arrays.items() if array.dtype == "f2"}
                arrays = arrays | short
        model.load_restoring_state(arrays)
    if model.uses_torch:
        model.eval()  # type: ignore[attr-defined]
    return LoadedModel(name, family, model, metadata, file_digest(path))


def _family_as_it_is(name: str, preset: str | None, settings: Sequence[str], bundled: list[str]) -> LoadedModel:
    """Set up a family that has nothing to learn."""
    if "." in name:
        raise UsageError(f"{name} is neither a model file ({SUFFIX}) nor a family")
    if name not in FAMILIES.names():
        names = [*bundled, *FAMILIES.names()]
        raise UsageError(f"there is no model '{name}'{suggestion(name, names)}; there are: {', '.join(names)}")
    module = FAMILIES.load(name)
    if module.Model.learns != "nothing":
        raise UsageError(
            f"the family '{name}' has to be trained first: 'ar train {name} pairs.jsonl -o {name}{SUFFIX}', then "
            f"--model {name}{SUFFIX}"
        )
    model = make_model(name, family_settings(module, preset, settings, module.Config))
    defaults = dataclasses.asdict(module.Config())
    config = dataclasses.asdict(model.config)
    changed = ",".join(f"{key}={written(value)}" for key, value in config.items() if value != defaults[key])
    return LoadedModel(f"{name}:{changed}" if changed else name, name, model, {}, digest_of(name, config))


@contextlib.contextmanager
def _description_errors(path: Path, *expected: type[Exception]) -> Iterator[None]:
    """Turn what a checkpoint's metadata or numbers may raise into a sentence; a defect of a family is left as it is."""
    try:
        yield
    except expected as error:
        sentence, *_ = str(error).splitlines() or [type(error).__name__]  # torch adds where in its code it was
        raise CheckpointError(f"{path} does not fit its own description ({sentence})") from None


def _config(family: str, stored: Any) -> dict[str, Any]:
    """Check the settings in a checkpoint, by its family's Config."""
    if not isinstance(stored, dict):
        raise ValueError("it has no config")
    settings = {key: tuple(value) if isinstance(value, list) else value for key, value in stored.items()}
    holder = FAMILIES.load(family).Config
    check(holder, settings)
    build(holder, settings)
    return settings


def float_parameters(loaded: LoadedModel) -> int:
    """Count the numbers that training found for the part that restores, whatever form they are stored in."""
    if not loaded.needs_torch:
        return loaded.model.count_parameters()
    return _on_meta(loaded.family, dataclasses.asdict(loaded.model.config)).count_parameters()


def _on_meta(family: str, settings: dict[str, Any]) -> Restorer:
    """Build a network without memory for its numbers."""
    import torch

    with torch.device("meta"):
        return make_model(family, settings)


def _refuse_oversized(family: str, settings: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    """Refuse a Config that would fill the memory with a network whose weights are not in the file."""
    if not FAMILIES.load(family).Model.uses_torch:
        return
    from ..models._network import count_parameters

    model: Any = _on_meta(family, settings)
    wanted, held = count_parameters(model.restoring_part()), sum(array.size for array in arrays.values())
    if wanted > 2 * held:  # in int8 some numbers are folded into others, and never half of them
        raise ValueError(f"its config asks for {wanted:,} numbers, and the file holds {held:,}")


def _quantize(model: Restorer, quantized: Any) -> None:
    """Prepare a new model to load quantized weights."""
    fields = quantized if isinstance(quantized, dict) else {}
    arithmetic, layers = fields.get("arithmetic"), linear_maps_of(model)
    if fields.get("dtype") == "float16":
        if not layers or arithmetic != dict.fromkeys(layers, "float"):
            raise ValueError("quantized is float16, but not with each of the family's layers computed in float")
        return
    if fields.get("dtype") != "int8" or not isinstance(arithmetic, dict):
        raise ValueError(f"quantized is {str(quantized)[:80]}, not int8 with the arithmetic of each layer")
    if not layers:
        raise ValueError("quantized, but the family has no layers to quantize")
    bounds = fields.get("bounds")  # older files lack them
    if not isinstance(bounds, dict | None):
        raise ValueError(f"quantized has bounds of {str(bounds)[:80]}, which names no layers")
    hold(model, arithmetic, bounds_of(uses_of(model)) if bounds is None else bounds)
