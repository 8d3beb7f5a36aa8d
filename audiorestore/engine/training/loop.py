"""Training any family: one loop, in which each player takes its steps in turn.

Everything random hangs on (seed, step) and on nothing that came before, so a run that is resumed goes on exactly as
if it had never stopped.
"""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch

from ...data.pairs import PairDataset
from ...errors import AudioRestoreError
from ...metrics._comparison import ratio_db
from ...models._channels import fold
from ...models._network import NetworkRestorer, Player
from ...models._restorer import Restorer, require
from ...models.level import Model as Level
from ...randomness import generator, seed_for
from ...signal.sound import Sound, joined

OPTIMIZERS: dict[str, type[torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "nadam": torch.optim.NAdam,
    "radam": torch.optim.RAdam,
    "rmsprop": torch.optim.RMSprop,
    "sgd": torch.optim.SGD,
}

VALIDATION_FRAMES = 1 << 16  # a piece of the validation split that is restored at once


@dataclass(frozen=True)
class TrainConfig:
    """What the training loop can be told.

    Attributes:
        optimizer: Which rule turns gradients into steps.
        learning_rate: Its step size at the most.
        weight_decay: As the optimizer defines it.
        schedule: constant; cosine: down to 0 over the budget; plateau: halved where validation stagnates; cyclical: up
            from a tenth and down again, each time less high (Smith, "Cyclical learning rates for training neural
            networks", WACV 2017, "exp_range").
        warmup_steps: Steps over which the learning rate rises from 0.
        plateau_patience: Validations without improvement before the learning rate is halved.
        cycle_steps: Steps from one peak of the cyclical schedule to the next.
        cycle_decay: By what share of its height over the tenth the peak sinks in each step.
        batch_size: Segments a step.
        segment_frames: Length of a segment, without its context, in samples.
        steps: Rounds of the loop at the most.
        epochs: Budget in passes over the training split.
        minutes: Budget in minutes; the schedule runs over whichever budget ends first.
        validate_every: Rounds between validations.
        validation_seconds: How much of the validation split is listened to.
        patience: Validations without improvement before training stops early; 0: never.
        clip_norm: Gradients longer than this are shortened to it; 0: never.
        seed: What initial weights and draws hang on.
    """

    optimizer: Literal["adam", "adamw", "nadam", "radam", "rmsprop", "sgd"] = "adam"
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    schedule: Literal["constant", "cosine", "plateau", "cyclical"] = "constant"
    warmup_steps: int = 0
    plateau_patience: int = 5
    cycle_steps: int = 640
    cycle_decay: float = 5e-4
    batch_size: int = 16
    segment_frames: int = 1024
    steps: int = 1000
    epochs: float | None = None
    minutes: float | None = None
    validate_every: int = 200
    validation_seconds: float = 30.0
    patience: int = 0
    clip_norm: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("batch_size", "segment_frames", "validate_every", "steps", "plateau_patience", "cycle_steps"):
            require(getattr(self, name) >= 1, f"{name}={getattr(self, name)} is not possible; it is at least 1")
        for name in ("weight_decay", "warmup_steps", "patience", "clip_norm"):
            require(getattr(self, name) >= 0, f"{name}={getattr(self, name)} is not possible; it is at least 0")
        require(0 <= self.cycle_decay < 1, f"cycle_decay={self.cycle_decay} is not possible; it is 0 to less than 1")
        require(self.batch_size * self.segment_frames > 1, "one sample a step is too little; raise segment_frames")
        require(self.learning_rate > 0, f"learning_rate={self.learning_rate} is not possible; it is more than 0")
        require(self.validation_seconds > 0, f"validation_seconds={self.validation_seconds} leaves nothing to hear")
        for name in ("epochs", "minutes"):
            value = getattr(self, name)
            require(value is None or value > 0, f"{name}={value} is not possible; it is more than 0")


@dataclass
class TrainState:
    """Everything alive in training beside the model's weights.

    Attributes:
        optimizers: One for each player.
        step: Rounds done.
        seconds: Time spent in all runs so far.
        best: The lowest validation loss so far.
        best_step: Where it was.
        stagnant: Validations since then.
        halvings: How often the plateau schedule halved the learning rate.
    """

    optimizers: list[torch.optim.Optimizer] = field(default_factory=list)
    step: int = 0
    seconds: float = 0.0
    best: float = math.inf
    best_step: int = 0
    stagnant: int = 0
    halvings: int = 0


@dataclass(frozen=True)
class Stepped:
    """A round of the loop was done."""

    step: int
    loss: float
    losses: dict[str, float]
    learning_rate: float
    seconds: float
    done: float  # share of the budget that is used up


@dataclass(frozen=True)
class Validated:
    """The model was heard on the validation split.

    Attributes:
        loss: The objective there.
        mse: Mean squared error of ``restored``, ``degraded`` (doing nothing) and ``level`` (one gain fitted on the
            training split).
        snr_db: The same three as signal-to-noise ratios.
        improved: Whether no earlier loss was lower.
    """

    step: int
    loss: float
    mse: dict[str, float]
    snr_db: dict[str, float | None]
    improved: bool
    seconds: float


Event = Stepped | Validated


def new_state(model: Restorer, config: TrainConfig) -> TrainState:
    """Begin training: fresh optimizers."""
    rule = OPTIMIZERS[config.optimizer]
    options: dict[str, Any] = {"lr": config.learning_rate, "weight_decay": config.weight_decay}
    return TrainState([rule(player.parameters, **options) for player in model.players()])


def train(
    model: NetworkRestorer,
    state: TrainState,
    config: TrainConfig,
    pairs: PairDataset,
    listener: Callable[[], Validated] | None,
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[Event]:
    """Train until the budget is used up, validation stagnates, or ``stop`` says so; yield what happens.

    Args:
        model: Changed in place, as is ``state``.
        state: From `new_state`, or from a run to be resumed.
        config: What to do.
        pairs: The training split.
        listener: Makes a validation; None where there is no validation split.
        stop: Asked after each round.
    """
    players: list[Player] = model.players()
    model.train()
    started = time.monotonic() - state.seconds
    while (done := share_done(state, config, pairs)) < 1.0 and not (_stagnates(state, config) or stop()):
        rate = _learning_rate(state, config, done)
        losses: dict[str, float] = {}
        for player, optimizer in zip(players, state.optimizers, strict=True):
            for turn in range(player.steps):
                stepped = _step(model, player, optimizer, rate, config, pairs, (state.step, turn))
                losses |= {f"{player.name} {name}": value for name, value in stepped.items()}
        state.step += 1
        state.seconds = time.monotonic() - started
        total = sum(losses.values())
        _refuse_nonfinite("loss", total, state.step)
        yield Stepped(state.step, total, losses, rate, state.seconds, share_done(state, config, pairs))
        if listener and (state.step % config.validate_every == 0 or share_done(state, config, pairs) >= 1.0):
            heard = listener()
            _refuse_nonfinite("validation loss", heard.loss, state.step)
            model.train()
            _take_note(state, heard, config)
            yield heard


def _refuse_nonfinite(what: str, loss: float, step: int) -> None:
    if not math.isfinite(loss):
        raise AudioRestoreError(f"the {what} is {loss} at step {step}; try a lower learning_rate, or clip_norm=1")


def _step(
    model: NetworkRestorer,
    player: Player,
    optimizer: torch.optim.Optimizer,
    rate: float,
    config: TrainConfig,
    pairs: PairDataset,
    place: tuple[int, int],
) -> dict[str, float]:
    """Let one player take one step, with what is drawn hanging on its place alone."""
    rng = generator(config.seed, "train", player.name, *place)
    torch.manual_seed(seed_for(config.seed, "torch", player.name, *place))
    device = player.parameters[0].device
    batch = pairs.draw(rng, config.batch_size, config.segment_frames, model.context)
    degraded, reference = (torch.from_numpy(part).to(device) for part in batch)
    losses = player.objective(degraded, reference, rng)
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(list(losses.values()))
    if config.clip_norm:
        torch.nn.utils.clip_grad_norm_(player.parameters, config.clip_norm)
    optimizer.step()
    return {name: float(loss.detach()) for name, loss in losses.items()}


def share_done(state: TrainState, config: TrainConfig, pairs: PairDataset) -> float:
    """Tell how much of the budget is used up, by the unit that ends first; 1 is all."""
    shares = [state.step / config.steps]
    if config.epochs:
        shares.append(state.step * config.batch_size * config.segment_frames / (config.epochs * pairs.frames))
    if config.minutes:
        shares.append(state.seconds / (60.0 * config.minutes))
    return max(shares)


def _stagnates(state: TrainState, config: TrainConfig) -> bool:
    return bool(config.patience) and state.stagnant >= config.patience


def _learning_rate(state: TrainState, config: TrainConfig, done: float) -> float:
    rate = config.learning_rate
    if config.schedule == "cosine":
        rate *= 0.5 + 0.5 * math.cos(math.pi * min(done, 1.0))
    if config.schedule == "cyclical":
        rise = 1.0 - abs(1.0 - 2.0 * (state.step / config.cycle_steps % 1.0))
        rate *= 0.1 + 0.9 * rise * (1.0 - config.cycle_decay) ** state.step
    rate *= 0.5**state.halvings
    return rate * min(1.0, (state.step + 1) / (config.warmup_steps + 1))


def _take_note(state: TrainState, heard: Validated, config: TrainConfig) -> None:
    if heard.improved:
        state.best, state.best_step, state.stagnant = heard.loss, heard.step, 0
        return
    state.stagnant += 1
    if config.schedule == "plateau" and state.stagnant % config.plateau_patience == 0:
        state.halvings += 1


class Listener:
    """Hears a model on the validation split, always the same part of it, beside the two do-nothing rows.

    Args:
        model: The model.
        pairs: The validation split.
        training: The training split, on which the ``level`` row's one gain is fitted.
        config: How much to hear.
    """

    def __init__(self, model: Restorer, pairs: PairDataset, training: PairDataset, config: TrainConfig) -> None:
        self._model = model
        self._pairs = pairs
        self._config = config
        level = Level(model.config)
        level.fit(training.walk(VALIDATION_FRAMES))
        self.level_gain = level.gain

    def hear(self, state: TrainState) -> Validated:
        """Restore the validation pieces and compare; the model is left in evaluation mode."""
        model, context = self._model, self._model.context
        rng = generator(self._config.seed, "validation")
        limit = int(self._config.validation_seconds * (self._pairs.sample_rate or 44100))
        losses, weights = [], []
        errors, energy = dict.fromkeys(("restored", "degraded", "level"), 0.0), 0.0
        if isinstance(model, torch.nn.Module):
            model.eval()
        for degraded, reference in self._pairs.walk(VALIDATION_FRAMES, context, limit):
            batch, target = fold(degraded, model.config.channels), fold(reference, model.config.channels)
            inner = slice(context, batch.shape[-1] - context)
            sound = Sound.of(degraded, self._pairs.sample_rate or 44100)
            restored = fold(joined(model.restored(sound, rng), sound.channels), model.config.channels)
            rows = {"restored": restored, "degraded": batch, "level": batch * np.float32(self.level_gain)}
            for name, row in rows.items():
                errors[name] += float(np.sum(np.square(row[..., inner] - target[..., inner], dtype=np.float64)))
            energy += float(np.sum(np.square(target[..., inner], dtype=np.float64)))
            weights.append(target[..., inner].size)
            losses.append(self._loss(batch, target, restored[..., inner], rng))
        count = sum(weights)
        mse = {name: error / count for name, error in errors.items()}
        loss = sum(each * weight for each, weight in zip(losses, weights, strict=True)) / count
        snr = {name: ratio_db(energy, error) if energy > 0.0 else None for name, error in errors.items()}
        return Validated(state.step, loss, mse, snr, loss < state.best, round(state.seconds, 3))

    def _loss(
        self, degraded: np.ndarray, reference: np.ndarray, restored: np.ndarray, rng: np.random.Generator
    ) -> float:
        """Compute the first player's objective; a family without players is judged by its squared error."""
        players = self._model.players()
        if not players:
            inner = slice(self._model.context, reference.shape[-1] - self._model.context)
            return float(np.mean(np.square(restored - reference[..., inner], dtype=np.float64)))
        device = players[0].parameters[0].device
        with torch.no_grad():
            losses = players[0].objective(
                torch.from_numpy(degraded).to(device), torch.from_numpy(reference).to(device), rng
            )
        return float(sum(loss.item() for loss in losses.values()))
