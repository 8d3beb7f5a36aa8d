"""Training any family: one loop, in which each player takes its steps in turn.

Everything random depends on (seed, step) alone and on nothing that came before, so a resumed run continues exactly as
if it had never stopped.
"""

import contextlib
import dataclasses
import math
import time
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from typing import Literal

import torch
from torch import Tensor

from ...data.pairs import PairDataset
from ...errors import AudioRestoreError
from ...models._network import NetworkRestorer, Player
from ...models._restorer import require
from ...randomness import generator, seed_for
from ..device import Precision, autocast
from .averages import Averages
from .validation import Validated

OPTIMIZERS: dict[str, type[torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "nadam": torch.optim.NAdam,
    "radam": torch.optim.RAdam,
    "rmsprop": torch.optim.RMSprop,
    "sgd": torch.optim.SGD,
}

READ_LOSSES_EVERY = 10  # steps, on a GPU
ROUNDS_AHEAD = 2


@dataclass(frozen=True)
class TrainConfig:
    """The settings of the training loop.

    Attributes:
        optimizer: The rule that turns gradients into steps.
        learning_rate: Its largest step size.
        weight_decay: As the optimizer defines it.
        schedule: constant; cosine: down to 0 over the budget; plateau: halved where validation stagnates; cyclical: up
            from a tenth and down again, each time less high (Smith, "Cyclical learning rates for training neural
            networks", WACV 2017, "exp_range").
        warmup_steps: Steps over which the learning rate rises from 0.
        plateau_patience: Validations without improvement before the learning rate is halved.
        cycle_steps: Steps from one peak of the cyclical schedule to the next.
        cycle_decay: Share of its height above that tenth that the peak loses in each step.
        batch_size: Segments in a batch.
        segment_frames: Length of a segment, without its context, in samples.
        accumulate: Batches whose gradients are averaged for one step.
        precision: Of the forward pass: float32; bf16 or fp16: mixed precision, for GPUs (fp16 with scaled losses).
        ema_decay: Share of the average of the weights that is kept in each step, at most (1 + step) / (10 + step); the
            average is validated and saved instead of the weights. 0: off.
        steps: Maximum number of rounds of the loop.
        epochs: Budget in passes over the training split.
        minutes: Budget in minutes; the schedule runs over whichever budget ends first.
        validate_every: Rounds between validations.
        validation_seconds: How much of the validation split is restored, in seconds.
        patience: Validations without improvement before training stops early; 0: never.
        clip_norm: Gradients longer than this are shortened to it; 0: never.
        seed: Seed of the initial weights and of everything drawn.
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
    accumulate: int = 1
    precision: Precision = "float32"
    ema_decay: float = 0.0
    steps: int = 1000
    epochs: float | None = None
    minutes: float | None = None
    validate_every: int = 200
    validation_seconds: float = 30.0
    patience: int = 0
    clip_norm: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        counts = ("batch_size", "segment_frames", "accumulate", "steps")
        for name in (*counts, "validate_every", "plateau_patience", "cycle_steps"):
            require(getattr(self, name) >= 1, f"{name}={getattr(self, name)} is not possible; it is at least 1")
        for name in ("weight_decay", "warmup_steps", "patience", "clip_norm"):
            require(getattr(self, name) >= 0, f"{name}={getattr(self, name)} is not possible; it is at least 0")
        for name in ("cycle_decay", "ema_decay"):
            value = getattr(self, name)
            require(0 <= value < 1, f"{name}={value} is not possible; it is 0 to less than 1")
        require(self.batch_size * self.segment_frames > 1, "batch_size × segment_frames must be at least 2")
        require(self.learning_rate > 0, f"learning_rate={self.learning_rate} is not possible; it is more than 0")
        for name in ("validation_seconds", "epochs", "minutes"):
            value = getattr(self, name)
            require(value is None or value > 0, f"{name} must be positive, not {value}")


@dataclass
class Learner:
    """A player with its optimizer, and with the settings that are its own."""

    player: Player
    config: TrainConfig
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler


@dataclass
class TrainState:
    """Everything alive in training besides the model's weights.

    Attributes:
        learners: The players with their optimizers.
        averages: Averaged weights of the part that restores; None where none are kept.
        step: Rounds done.
        seconds: Time spent in all runs so far.
        best: The lowest validation loss so far.
        best_step: Its step.
        stagnant: Validations since then.
        halvings: How often the plateau schedule halved the learning rate.
    """

    learners: list[Learner] = field(default_factory=list)
    averages: Averages | None = None
    step: int = 0
    seconds: float = 0.0
    best: float = math.inf
    best_step: int = 0
    stagnant: int = 0
    halvings: int = 0

    def restoring_weights(self) -> contextlib.AbstractContextManager[None]:
        """Put the averaged weights, where there are any, into the model for a while: to validate or to save them."""
        return self.averages.in_the_model() if self.averages else contextlib.nullcontext()


@dataclass(frozen=True)
class Stepped:
    """A round of the loop was done."""

    step: int
    loss: float
    losses: dict[str, float]
    learning_rate: float
    seconds: float
    done: float  # share of the budget that is used up


Event = Stepped | Validated


def new_state(model: NetworkRestorer, config: TrainConfig) -> TrainState:
    """Begin training: fresh optimizers, which take a player's own options before those of ``config``."""
    settings = {item.name for item in dataclasses.fields(TrainConfig)}
    learners = []
    for player in model.players():
        own = {name: value for name, value in player.options.items() if name in settings}
        more = {name: value for name, value in player.options.items() if name not in settings}
        mine = dataclasses.replace(config, **own)
        more |= {"lr": mine.learning_rate, "weight_decay": mine.weight_decay}
        optimizer = OPTIMIZERS[mine.optimizer](player.parameters, **more)
        scaler = torch.amp.GradScaler(player.parameters[0].device.type, enabled=config.precision == "fp16")
        learners.append(Learner(player, mine, optimizer, scaler))
    averages = Averages(model.restoring_part(), config.ema_decay) if config.ema_decay else None
    return TrainState(learners, averages)


def train(
    model: NetworkRestorer,
    state: TrainState,
    config: TrainConfig,
    pairs: PairDataset,
    validate: Callable[[], Validated] | None,
    stop: Callable[[], bool] = lambda: False,
) -> Generator[Event, None, None]:
    """Train until the budget is used up, validation stagnates, or ``stop`` returns True; yield what happens.

    Args:
        model: Changed in place, as is ``state``.
        state: From `new_state`, or from a run to be resumed.
        config: The settings.
        pairs: The training split.
        validate: Makes a validation; None where there is no validation split.
        stop: Asked after each round.
    """
    model.train()
    started = time.monotonic() - state.seconds
    device = state.learners[0].player.parameters[0].device
    measured: dict[str, float] = {}
    with contextlib.closing(_batches(model, state, config, pairs, device)) as batches:
        while (done := share_done(state, config, pairs)) < 1.0 and not (
            0 < config.patience <= state.stagnant or stop()
        ):
            losses: dict[str, Tensor] = {}
            rate = _learning_rate(state, config, done)
            rounds = next(batches)
            for learner in state.learners:
                for turn in range(learner.player.steps):
                    stepped = _step(learner, state, done, rounds[turn], turn)
                    losses |= {f"{learner.player.name} {name}": value for name, value in stepped.items()}
            state.step += 1
            if state.averages:
                state.averages.update(state.step)
            state.seconds = time.monotonic() - started
            done = share_done(state, config, pairs)
            due = state.step % config.validate_every == 0 or done >= 1.0
            # Reading a loss waits for the GPU to finish, so there it is done less often.
            if not measured or due or device.type == "cpu" or state.step % READ_LOSSES_EVERY == 0:
                measured = dict(zip(losses, torch.stack([*losses.values()]).tolist(), strict=True))
            total = sum(measured.values())
            _refuse_nonfinite("loss", total, state.step)
            yield Stepped(state.step, total, measured, rate, state.seconds, done)
            if validate and due:
                with state.restoring_weights():
                    result = validate()
                _refuse_nonfinite("validation loss", result.loss, state.step)
                model.train()
                _note(state, result, config)
                yield result


def _refuse_nonfinite(what: str, loss: float, step: int) -> None:
    if not math.isfinite(loss):
        raise AudioRestoreError(f"the {what} is {loss} at step {step}; try a lower learning_rate, or clip_norm=1")


Batch = tuple[Tensor, Tensor]


def _batches(
    model: NetworkRestorer, state: TrainState, config: TrainConfig, pairs: PairDataset, device: torch.device
) -> Generator[list[list[Batch]], None, None]:
    """Draw the batches of each round ahead of time, in a thread that ends with this generator.

    Yields:
        For each turn of a round, which all players share, ``accumulate`` batches.
    """
    turns = max(learner.player.steps for learner in state.learners)

    def draw(step: int) -> list[list[Batch]]:
        return [[batch(step, turn, part) for part in range(config.accumulate)] for turn in range(turns)]

    def batch(*place: int) -> Batch:
        rng = generator(config.seed, "batch", *place)
        drawn = map(torch.from_numpy, pairs.draw(rng, config.batch_size, config.segment_frames, model.context))
        degraded, reference = (side.pin_memory() for side in drawn) if device.type == "cuda" else drawn
        return degraded, reference

    ahead: deque[Future[list[list[Batch]]]] = deque()
    thread = ThreadPoolExecutor(1, "batches")
    try:
        for step in count(state.step):
            ahead.append(thread.submit(draw, step))
            if len(ahead) > ROUNDS_AHEAD:
                yield [[_moved(each, device) for each in parts] for parts in ahead.popleft().result()]
    finally:
        thread.shutdown(cancel_futures=True)


def _moved(batch: Batch, device: torch.device) -> Batch:
    degraded, reference = (side.to(device, non_blocking=True) for side in batch)
    return degraded, reference


def _step(learner: Learner, state: TrainState, done: float, batches: list[Batch], turn: int) -> dict[str, Tensor]:
    """Let one player take one step; everything that it draws depends on its place alone."""
    player, config, scaler = learner.player, learner.config, learner.scaler
    sums: dict[str, Tensor] = {}
    learner.optimizer.zero_grad(set_to_none=True)
    for part, (degraded, reference) in enumerate(batches):
        place: list[str | int] = [player.name, state.step, turn, *([part] if part else [])]
        torch.manual_seed(seed_for(config.seed, "torch", *place))
        with autocast(config.precision, degraded.device):
            losses = player.objective(degraded, reference, generator(config.seed, "train", *place))
        shares = {name: loss / len(batches) for name, loss in losses.items()}
        torch.autograd.backward([scaler.scale(share) for share in shares.values()])
        sums = {name: share.detach().float() + sums.get(name, 0.0) for name, share in shares.items()}
    for group in learner.optimizer.param_groups:
        group["lr"] = _learning_rate(state, config, done)
    if config.clip_norm:
        scaler.unscale_(learner.optimizer)
        torch.nn.utils.clip_grad_norm_(player.parameters, config.clip_norm)
    scaler.step(learner.optimizer)
    scaler.update()
    return sums


def frames_of_a_step(config: TrainConfig) -> int:
    """Count the samples that a step learns from, context not counted."""
    return config.batch_size * config.segment_frames * config.accumulate


def share_done(state: TrainState, config: TrainConfig, pairs: PairDataset) -> float:
    """Return how much of the budget is used up, by the unit that ends first; 1 is all."""
    shares = [state.step / config.steps]
    if config.epochs:
        shares.append(state.step * frames_of_a_step(config) / (config.epochs * pairs.frames))
    if config.minutes:
        shares.append(state.seconds / (60.0 * config.minutes))
    return max(shares)


def _learning_rate(state: TrainState, config: TrainConfig, done: float) -> float:
    rate = config.learning_rate
    if config.schedule == "cosine":
        rate *= 0.5 + 0.5 * math.cos(math.pi * min(done, 1.0))
    if config.schedule == "cyclical":
        rise = 1.0 - abs(1.0 - 2.0 * (state.step / config.cycle_steps % 1.0))
        rate *= 0.1 + 0.9 * rise * (1.0 - config.cycle_decay) ** state.step
    rate *= 0.5**state.halvings
    return rate * min(1.0, (state.step + 1) / (config.warmup_steps + 1))


def _note(state: TrainState, result: Validated, config: TrainConfig) -> None:
    if result.improved:
        state.best, state.best_step, state.stagnant = result.loss, result.step, 0
        return
    state.stagnant += 1
    if config.schedule == "plateau" and state.stagnant % config.plateau_patience == 0:
        state.halvings += 1
