"""One run of training on the disk: the best model so far, the state to resume from, and the log."""

import dataclasses
import hashlib
import json
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ...data.audio_file import audio_info
from ...data.manifest import Record, need
from ...data.pairs import PairDataset
from ...errors import CheckpointError, UsageError
from ...models import FAMILIES
from ...models._network import NetworkRestorer, count_parameters
from ...models._restorer import Restorer
from ...randomness import seed_for
from ..checkpoint import SUFFIX, make_model, read_arrays, save_arrays, save_model
from ..device import autocast
from ..provenance import digest_in, file_digest
from ..settings import build
from .loop import Event, TrainConfig, TrainState, frames_of_a_step, new_state, share_done, train
from .validation import VALIDATION_FRAMES, Validated, Validator

LOG_EVERY_SECONDS = 1.0

_COUNTERS = ("step", "seconds", "best", "best_step", "stagnant", "halvings")  # of TrainState

# What may differ between a run and its continuation: how long to train, and how often to validate.
_FREE_TO_CHANGE = ("steps", "epochs", "minutes", "validate_every", "patience")


def state_path_of(output: Path) -> Path:
    """Name the file beside a checkpoint that holds the state to resume from."""
    return output.with_suffix(".state" + SUFFIX)


@dataclass
class TrainingRun:
    """A model in training, and the files that belong to it.

    Attributes:
        config: The loop's settings.
        state: Where the loop is.
        output: The checkpoint of the best model so far; beside it are ``….state.safetensors`` and ``….log.jsonl``.
        data_digest: A digest of the training data.
        training: The training split.
        validator: Measures the model on the validation split; None where there is none.
        best: The validation of the checkpoint.
    """

    family: str
    model: Restorer
    config: TrainConfig
    state: TrainState
    output: Path
    data_digest: str
    training: PairDataset
    validator: Validator | None
    best: Validated | None = None

    @property
    def trained_parameters(self) -> int:
        """How many numbers training may change, those that only help to train included."""
        model = self.model
        return count_parameters(model) if isinstance(model, NetworkRestorer) else model.count_parameters()

    @property
    def audio_seconds(self) -> float:
        """How much audio the model has been trained on so far, in seconds; repetitions count again."""
        return self.state.step * frames_of_a_step(self.config) / (self.training.sample_rate or 44100)

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
            self.model.fit(self.training.walk(VALIDATION_FRAMES))
            if self.validator:
                self.best = self.validator.validate(self.state)
                yield self.best
            self._save_model()
            return
        validate = (lambda: self.validator.validate(self.state)) if self.validator else None  # type: ignore[union-attr]
        logged = -LOG_EVERY_SECONDS
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        events = train(self.model, self.state, self.config, self.training, validate, stop)
        with closing(events), self.log_path.open("a" if self.state.step else "w", encoding="utf-8") as log:
            for event in events:
                if isinstance(event, Validated):
                    if event.improved:
                        self.best = event
                        self._save_model()
                    self.save_state()
                elif self.validator is None and event.step % self.config.validate_every == 0:
                    self._finish()
                if isinstance(event, Validated) or event.seconds - logged >= LOG_EVERY_SECONDS:
                    logged = event.seconds
                    log.write(json.dumps({"event": type(event).__name__.lower(), **dataclasses.asdict(event)}) + "\n")
                    log.flush()
                yield event
        self._finish()

    def _finish(self) -> None:
        # Without a validation split the last model is the best; so it is where training ends before any validation.
        if self.validator is None or self.state.best_step == 0:
            self._save_model()
        self.save_state()

    def _save_model(self) -> None:
        with self.state.restoring_weights():
            save_model(self.output, self.family, self.model, self._metadata())

    def _metadata(self) -> dict[str, Any]:
        return {
            "step": self.state.step,
            "seed": self.config.seed,
            "seconds": round(self.state.seconds, 3),
            "training": dataclasses.asdict(self.config),
            "data_digest": self.data_digest,
            "validation": dataclasses.asdict(self.best) if self.best else None,
        }

    def save_state(self) -> None:
        """Write everything that the loop needs to continue as if it had never stopped."""
        arrays = {f"model/{name}": array for name, array in self.model.state().items()}
        averages = self.state.averages.values if self.state.averages else {}
        arrays |= {f"average/{name}": tensor.cpu().numpy() for name, tensor in averages.items()}
        numbers: dict[str, Any] = {}
        for player, learner in enumerate(self.state.learners):
            numbers |= {f"scaler/{player}/{name}": value for name, value in learner.scaler.state_dict().items()}
            for index, entries in learner.optimizer.state_dict()["state"].items():
                for name, value in entries.items():
                    key = f"optimizer/{player}/{index}/{name}"
                    if isinstance(value, torch.Tensor):
                        arrays[key] = value.detach().cpu().numpy()
                    else:
                        numbers[key] = value
        state = {name: getattr(self.state, name) for name in _COUNTERS}
        state["best"] = state["best"] if math.isfinite(self.state.best) else None  # JSON has no infinity
        metadata = {"format": 1, "family": self.family, "config": dataclasses.asdict(self.model.config)}
        save_arrays(self.state_path, arrays, {**metadata, **self._metadata(), "state": state, "numbers": numbers})

    def resume(self) -> None:
        """Take up the state that an earlier run left.

        Raises:
            CheckpointError: It belongs to another model, other data or other settings.
        """
        arrays, metadata = read_arrays(self.state_path)
        if not self.output.exists():
            raise CheckpointError(
                f"{self.output} is missing, and with it the best model so far; {self.state_path} alone cannot be "
                "resumed: delete it to start over"
            )
        mine = {"family": self.family, "config": dataclasses.asdict(self.model.config), **self._metadata()}
        for what in ("family", "config", "data_digest", "training"):
            if difference := _difference(metadata.get(what), mine[what]):
                raise CheckpointError(
                    f"{self.state_path} cannot be resumed: its {what} is {difference}; give the same, or use -f to "
                    "start over"
                )
        self.model.load_state(_below("model/", arrays))
        for name, value in metadata["state"].items():
            setattr(self.state, name, math.inf if name == "best" and value is None else value)
        self.best = Validated(**metadata["validation"]) if metadata["validation"] else None
        tensors = {key: torch.from_numpy(array) for key, array in arrays.items()}
        for name, tensor in _below("average/", tensors).items():
            self.state.averages.values[name].copy_(tensor)  # type: ignore[union-attr]
        for player, learner in enumerate(self.state.learners):
            learner.scaler.load_state_dict(_below(f"scaler/{player}/", metadata["numbers"]))
            entries: dict[int, dict[str, Any]] = {}
            for key, value in _below(f"optimizer/{player}/", tensors | metadata["numbers"]).items():
                index, name = key.split("/", 1)
                entries.setdefault(int(index), {})[name] = value
            groups = learner.optimizer.state_dict()["param_groups"]
            learner.optimizer.load_state_dict({"state": entries, "param_groups": groups})


def _below(prefix: str, values: Mapping[str, Any]) -> dict[str, Any]:
    return {key.removeprefix(prefix): value for key, value in values.items() if key.startswith(prefix)}


def _difference(theirs: Any, ours: Any) -> str:
    """Describe how what an earlier run noted differs from this run, as far as that rules out resuming; else empty."""
    theirs, ours = json.loads(json.dumps([theirs, ours]))  # tuples as lists
    if not isinstance(theirs, dict):
        return "" if theirs == ours else f"{theirs} (now {ours})"
    changed = [key for key in {**ours, **theirs} if key not in _FREE_TO_CHANGE and theirs.get(key) != ours.get(key)]
    return ", ".join(f"{key}={theirs.get(key)} (now {ours.get(key)})" for key in changed)


def prepare_run(
    family: str, settings: dict[str, Any], records: list[Record], output: Path, device: torch.device
) -> TrainingRun:
    """Open the data and build model and optimizers.

    Settings are those of the family's Config and of `TrainConfig`. Records are good ones with a split; those of the
    test split are never opened. ``output`` is where the checkpoint goes.
    """
    # What is drawn depends on the order of the pairs, so it may not depend on the order of the manifest.
    ordered = sorted(records, key=lambda record: (str(record["id"]), record.get("sample", 0)))
    splits = {name: [record for record in ordered if record.get("split") == name] for name in ("train", "val")}
    config: TrainConfig = build(TrainConfig, settings)
    torch.manual_seed(seed_for(config.seed, "weights"))
    if "sample_rate" not in settings and FAMILIES.load(family).Config().sample_rate:
        settings = {**settings, "sample_rate": common_rate(splits["train"] + splits["val"])}
    model = make_model(family, settings)
    rate, channels = model.config.sample_rate, model.config.channels
    training = PairDataset(splits["train"], rate, channels)
    validator = None
    if config.schedule == "plateau" and not splits["val"]:
        raise UsageError("schedule=plateau needs a val split to see where validation stagnates")
    if splits["val"]:
        validator = Validator(model, PairDataset(splits["val"], rate, channels), training, config)
    state = TrainState()
    if isinstance(model, NetworkRestorer):
        autocast(config.precision, device)  # refuses what the device cannot do
        state = new_state(model.to(device), config)
    digest = pairs_digest([record for split in splits.values() for record in split])
    return TrainingRun(family, model, config, state, output, digest, training, validator)


def pairs_digest(records: Sequence[Record]) -> str:
    """Compute a digest of training data that depends on neither the order of the records nor the place of the files.

    Digests of files that `ar pair` wrote into the records are believed; only other files are read.
    """
    described = [
        [record.get(key) for key in ("id", "sample", "split", "damage", "alignment")]
        + [digest_in(record, role) or file_digest(*need(record, role)) for role in ("degraded", "reference")]
        for record in records
    ]
    return hashlib.blake2b(json.dumps(sorted(map(json.dumps, described))).encode()).hexdigest()[:32]


def common_rate(records: list[Record]) -> int:
    """Find the one sample rate of all pairs, at which a model works by default; UsageError if there are several."""
    rates = Counter(
        int(record["sample_rate"]) if "sample_rate" in record else audio_info(need(record, "reference")[0]).sample_rate
        for record in records
    )
    if len(rates) > 1:
        listed = ", ".join(f"{rate} Hz ({count})" for rate, count in rates.most_common())
        raise UsageError(f"the pairs have several sample rates, {listed}; choose one with --set sample_rate=…")
    return next(iter(rates), 0)
