"""One run of training on the disk: the best model so far, the state to resume from, and the log."""

import dataclasses
import json
import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ...data.audio_file import audio_info
from ...data.manifest import Record, need
from ...data.pairs import PairDataset, pairs_digest
from ...errors import CheckpointError, UsageError
from ...models import FAMILIES
from ...models._network import NetworkRestorer, count_parameters
from ...models._restorer import Restorer
from ...randomness import seed_for
from ..checkpoint import SUFFIX, make_model, read_arrays, save_arrays, save_model
from ..settings import build
from .loop import VALIDATION_FRAMES, Event, Listener, TrainConfig, TrainState, Validated, new_state, share_done, train

LOG_EVERY_SECONDS = 1.0

# What may differ between a run and its continuation: how long to go on, and how often to look.
_FREE_TO_CHANGE = ("steps", "epochs", "minutes", "validate_every", "patience")


def state_path_of(output: Path) -> Path:
    """Name the file beside a checkpoint that holds the state to resume from."""
    return output.with_suffix(".state" + SUFFIX)


@dataclass
class TrainingRun:
    """A model in training, and the files that belong to it.

    Attributes:
        family: The model's family.
        model: The model.
        config: What the loop was told.
        state: Where the loop is.
        output: The checkpoint of the best model so far; beside it lie ``….state.safetensors`` and ``….log.jsonl``.
        data_digest: Tells this training data from other.
        training: The training split.
        listener: Hears the validation split; None where there is none.
    """

    family: str
    model: Restorer
    config: TrainConfig
    state: TrainState
    output: Path
    data_digest: str
    training: PairDataset
    listener: Listener | None
    best_heard: Validated | None = None

    @property
    def sample_rate(self) -> int:
        """The rate that the model works at, in Hz; 0: any."""
        return self.model.config.sample_rate

    @property
    def parameters(self) -> int:
        """How many numbers training may change; a family that is fitted at once has as many as it keeps."""
        if isinstance(self.model, NetworkRestorer):
            return count_parameters(self.model)
        return sum(array.size for array in self.model.state().values())

    @property
    def audio_seconds(self) -> float:
        """How much audio was learnt from so far, in seconds; what comes again counts again."""
        frames = self.state.step * self.config.batch_size * self.config.segment_frames
        return frames / (self.training.sample_rate or 44100)

    @property
    def share_done(self) -> float:
        """How much of the budget is used up; 1 is all."""
        return share_done(self.state, self.config, self.training)

    @property
    def state_path(self) -> Path:
        """Where the state to resume from is kept."""
        return state_path_of(self.output)

    @property
    def log_path(self) -> Path:
        """Where what happens is written, one JSON object a line."""
        return self.output.with_suffix(".log.jsonl")

    def go(self, stop: Callable[[], bool]) -> Iterator[Event]:
        """Train to the end, or until ``stop``; save as it goes and yield what happens."""
        if not isinstance(self.model, NetworkRestorer):
            yield from self._fit()
            return
        hear = (lambda: self.listener.hear(self.state)) if self.listener else None  # type: ignore[union-attr]
        logged = -LOG_EVERY_SECONDS
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        with self.log_path.open("a" if self.state.step else "w", encoding="utf-8") as log:
            for event in train(self.model, self.state, self.config, self.training, hear, stop):
                if isinstance(event, Validated):
                    self._keep(event)
                elif self.listener is None and event.step % self.config.validate_every == 0:
                    self._finish()
                if isinstance(event, Validated) or event.seconds - logged >= LOG_EVERY_SECONDS:
                    logged = event.seconds
                    log.write(json.dumps({"event": type(event).__name__.lower(), **dataclasses.asdict(event)}) + "\n")
                    log.flush()
                yield event
        self._finish()

    def _fit(self) -> Iterator[Event]:
        self.model.fit(self.training.walk(VALIDATION_FRAMES))
        if self.listener:
            self.best_heard = self.listener.hear(self.state)
            yield self.best_heard
        save_model(self.output, self.family, self.model, self._told())

    def _keep(self, heard: Validated) -> None:
        if heard.improved:
            self.best_heard = heard
            save_model(self.output, self.family, self.model, self._told())
        self.save_state()

    def _finish(self) -> None:
        # Without a validation split the last model is the best; so it is where nothing was heard before the end.
        if self.listener is None or self.state.best_step == 0:
            save_model(self.output, self.family, self.model, self._told())
        self.save_state()

    def _told(self) -> dict[str, Any]:
        heard = dataclasses.asdict(self.best_heard) if self.best_heard else None
        return {
            "step": self.state.step,
            "seed": self.config.seed,
            "seconds": round(self.state.seconds, 3),
            "training": dataclasses.asdict(self.config),
            "data_digest": self.data_digest,
            "validation": heard,
        }

    def save_state(self) -> None:
        """Write down everything that the loop needs to go on as if it had never stopped."""
        arrays = {f"model/{name}": array for name, array in self.model.state().items()}
        numbers: dict[str, Any] = {}
        for player, optimizer in enumerate(self.state.optimizers):
            for index, entries in optimizer.state_dict()["state"].items():
                for name, value in entries.items():
                    key = f"optimizer/{player}/{index}/{name}"
                    if isinstance(value, torch.Tensor):
                        arrays[key] = value.detach().cpu().numpy()
                    else:
                        numbers[key] = value
        state = {
            item.name: getattr(self.state, item.name)
            for item in dataclasses.fields(self.state)
            if item.name != "optimizers"
        }
        state["best"] = state["best"] if math.isfinite(self.state.best) else None  # JSON knows no infinity
        told = {"format": 1, "family": self.family, "config": dataclasses.asdict(self.model.config), **self._told()}
        save_arrays(self.state_path, arrays, {**told, "state": state, "numbers": numbers})

    def resume(self) -> None:
        """Take up the state that an earlier run left.

        Raises:
            CheckpointError: It belongs to another model, other data or other settings.
        """
        arrays, told = read_arrays(self.state_path)
        if not self.output.exists():
            raise CheckpointError(
                f"{self.output} is gone, and with it the best model so far; {self.state_path} alone cannot be resumed: "
                "delete it to start anew"
            )
        mine = {"family": self.family, "config": dataclasses.asdict(self.model.config), **self._told()}
        for what in ("family", "config", "data_digest", "training"):
            ours, theirs = (json.loads(json.dumps(_fixed(side.get(what)))) for side in (mine, told))
            if ours != theirs:
                raise CheckpointError(
                    f"{self.state_path} cannot be resumed: its {what} is {_difference(theirs, ours)}; give the same, "
                    "or start anew with -f"
                )
        self.model.load_state({key[6:]: array for key, array in arrays.items() if key.startswith("model/")})
        for name, value in told["state"].items():
            setattr(self.state, name, math.inf if name == "best" and value is None else value)
        self.best_heard = Validated(**told["validation"]) if told["validation"] else None
        self._load_optimizers({key: torch.from_numpy(array) for key, array in arrays.items()} | told["numbers"])

    def _load_optimizers(self, values: dict[str, Any]) -> None:
        for player, optimizer in enumerate(self.state.optimizers):
            entries: dict[int, dict[str, Any]] = {}
            for key, value in values.items():
                if key.startswith(f"optimizer/{player}/"):
                    _, _, index, name = key.split("/", 3)
                    entries.setdefault(int(index), {})[name] = value
            optimizer.load_state_dict({"state": entries, "param_groups": optimizer.state_dict()["param_groups"]})


def _fixed(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: item for key, item in value.items() if key not in _FREE_TO_CHANGE}
    return value


def _difference(theirs: Any, ours: Any) -> str:
    if isinstance(theirs, dict) and isinstance(ours, dict):
        changed = [key for key in ours if theirs.get(key) != ours[key]]
        return ", ".join(f"{key}={theirs.get(key)} (now {ours[key]})" for key in changed)
    return f"{theirs} (now {ours})"


def prepare_run(
    family: str, settings: dict[str, Any], records: list[Record], output: Path, device: torch.device
) -> TrainingRun:
    """Open the data and build model and optimizers.

    Args:
        family: Which family.
        settings: For its Config and for `TrainConfig`.
        records: Good records with a split; those of the test split are never opened.
        output: Where the checkpoint goes.
        device: Where to train.
    """
    splits = {name: [record for record in records if record.get("split") == name] for name in ("train", "val")}
    config: TrainConfig = build(TrainConfig, settings)
    torch.manual_seed(seed_for(config.seed, "weights"))
    if "sample_rate" not in settings and FAMILIES.load(family).Config().sample_rate:
        settings = {**settings, "sample_rate": common_rate(splits["train"] + splits["val"])}
    model = make_model(family, settings)
    rate, channels = model.config.sample_rate, model.config.channels
    training = PairDataset(splits["train"], rate, channels)
    listener = None
    if config.schedule == "plateau" and not splits["val"]:
        raise UsageError("schedule=plateau needs a val split to see where validation stagnates")
    if splits["val"]:
        listener = Listener(model, PairDataset(splits["val"], rate, channels), training, config)
    if isinstance(model, torch.nn.Module):
        model.to(device)
    digest = pairs_digest([record for split in splits.values() for record in split])
    return TrainingRun(family, model, config, new_state(model, config), output, digest, training, listener)


def common_rate(records: list[Record]) -> int:
    """Find the one sample rate of all pairs, which a model works at unless told otherwise.

    Raises:
        UsageError: There are several.
    """
    rates = Counter(
        int(record["sample_rate"]) if "sample_rate" in record else audio_info(need(record, "reference")[0]).sample_rate
        for record in records
    )
    if len(rates) > 1:
        listed = ", ".join(f"{rate} Hz ({count})" for rate, count in rates.most_common())
        raise UsageError(f"the pairs have several sample rates, {listed}; choose one with --set sample_rate=…")
    return next(iter(rates), 0)
