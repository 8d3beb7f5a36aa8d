"""One loop trains any family: it learns, it stops when asked to, and a resumed run never shows that it stopped."""

import dataclasses
import itertools
import json
import math
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from audiorestore.data.audio_file import write_audio
from audiorestore.data.manifest import Record
from audiorestore.data.pairs import PairDataset
from audiorestore.engine.checkpoint import load_model, read_arrays
from audiorestore.engine.provenance import with_digests
from audiorestore.engine.training import loop as loop
from audiorestore.engine.training.loop import Event, Stepped, TrainConfig, new_state, train
from audiorestore.engine.training.run import TrainingRun, common_rate, pairs_digest, prepare_run
from audiorestore.engine.training.validation import Validated
from audiorestore.errors import AudioRestoreError, CheckpointError, RecordError, UsageError
from audiorestore.models._network import Losses, NetworkRestorer, Player
from audiorestore.models._restorer import RestorerConfig

RATE = 8000
CPU = torch.device("cpu")

# A net of 21 samples is enough to undo a level and a short filter.
SETTINGS: dict[str, Any] = {
    "window": 21,
    "parameters": 1_000,
    "batch_size": 4,
    "segment_frames": 64,
    "validate_every": 10,
    "validation_seconds": 0.2,
    "steps": 20,
}


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def muffled(reference: np.ndarray) -> np.ndarray:
    """Turn it down, and mix each sample with the one before."""
    return np.convolve(reference, [0.5, 0.3])[: len(reference)].astype(np.float32)


@pytest.fixture
def records(tmp_path: Path) -> list[Record]:
    """Two pairs to train on, one to validate on; the test split's files are not there at all."""
    made: list[Record] = []
    for index, split in enumerate(["train", "train", "val"]):
        rng = np.random.default_rng(index)
        reference = (0.2 * np.convolve(rng.standard_normal(4_000), [1.0, 1.6, 0.8])[:4_000]).astype(np.float32)
        paths = {"reference": tmp_path / f"clean{index}.wav", "degraded": tmp_path / f"muffled{index}.wav"}
        write_audio(paths["reference"], reference, RATE, subtype="FLOAT")
        write_audio(paths["degraded"], muffled(reference), RATE, subtype="FLOAT")
        known = {"sample_rate": RATE, "channels": 1, "frames": 4_000, "split": split}
        made.append({"id": f"song{index}", **{role: str(path) for role, path in paths.items()}, **known})
    missing = str(tmp_path / "missing.wav")
    return [*made, {"id": "song3", "reference": missing, "degraded": missing, "split": "test"}]


@pytest.fixture
def begin(records: list[Record], tmp_path: Path) -> Callable[..., TrainingRun]:
    """Prepare a run of a tiny mlp, with some settings changed."""

    def prepare(name: str = "model", family: str = "mlp", **changed: Any) -> TrainingRun:
        own = {key: value for key, value in SETTINGS.items() if family == "mlp" or key not in ("window", "parameters")}
        return prepare_run(family, {**own, **changed}, records, tmp_path / f"{name}.safetensors", CPU)

    return prepare


def never() -> bool:
    return False


def after(run: TrainingRun, steps: int) -> Callable[[], bool]:
    return lambda: run.state.step >= steps


def validations(events: list[Event]) -> list[Validated]:
    return [event for event in events if isinstance(event, Validated)]


def assert_same_arrays(ours: dict[str, np.ndarray], theirs: dict[str, np.ndarray]) -> None:
    assert ours.keys() == theirs.keys()
    for name, array in ours.items():
        np.testing.assert_array_equal(array, theirs[name], err_msg=name)
        assert array.dtype == theirs[name].dtype, name


def test_a_network_learns_to_undo_level_and_filter_beyond_both_do_nothing_rows(begin: Any) -> None:
    run = begin(steps=120, validate_every=60, learning_rate=1e-2, activation="silu", residual=True)
    events = list(run.go(never))
    result = validations(events)[-1]
    assert result.mse["restored"] < 0.2 * result.mse["level"] < 0.2 * result.mse["degraded"]
    assert result.snr_db["restored"] > result.snr_db["level"] > result.snr_db["degraded"]
    assert [event.step for event in events if isinstance(event, Stepped)] == list(range(1, 121))
    saved = load_model(str(run.output))
    assert saved.metadata["validation"]["mse"] == run.best.mse
    assert saved.metadata["data_digest"] == run.data_digest
    assert saved.model.config.sample_rate == RATE  # that of the pairs, not the family's default


def test_the_do_nothing_rows_are_what_they_say(begin: Any, records: list[Record]) -> None:
    run = begin(validation_seconds=10.0)
    result = run.validator.validate(run.state)
    pairs = PairDataset(records[:2], RATE)
    degraded, reference = (np.concatenate(parts, axis=1) for parts in zip(*pairs.walk(10_000), strict=True))
    gain = float((degraded * reference).sum() / np.square(degraded).sum())
    ((degraded, reference),) = PairDataset(records[2:3], RATE).walk(10_000)
    assert result.mse["degraded"] == pytest.approx(np.square(reference - degraded).mean(), rel=1e-4)
    assert result.mse["level"] == pytest.approx(np.square(reference - gain * degraded).mean(), rel=1e-4)
    power = np.square(reference).mean()
    assert result.snr_db["degraded"] == pytest.approx(10 * math.log10(power / result.mse["degraded"]), abs=1e-3)


@pytest.mark.parametrize(
    ("changed", "stops"),
    [
        ({"optimizer": "adam", "ema_decay": 0.8}, (3, 4, 6)),  # off, on and past the grid of validations
        *(({"optimizer": optimizer}, (3,)) for optimizer in loop.OPTIMIZERS if optimizer != "adam"),
        ({"family": "two_players", "accumulate": 3, "ema_decay": 0.9}, (5,)),
    ],
    ids=lambda value: "-".join(map(str, value.values())) if isinstance(value, dict) else "",
)
def test_a_resumed_run_ends_with_the_very_weights_of_a_straight_one(begin: Any, changed: Any, stops: Any) -> None:
    changed |= {"schedule": "cosine", "warmup_steps": 3, "clip_norm": 1.0, "steps": 8, "validate_every": 4}
    straight = begin("straight", **changed)
    list(straight.go(never))
    for stop_at in stops:
        name = f"stopped{stop_at}"
        first = begin(name, **changed)
        list(first.go(after(first, stop_at)))
        assert first.state.step == stop_at
        second = begin(name, **changed)
        second.resume()
        events = list(second.go(never))
        assert next(event for event in events if isinstance(event, Stepped)).step == stop_at + 1
        assert_same_arrays(second.model.state(), straight.model.state())
        assert_same_arrays(read_arrays(second.output)[0], read_arrays(straight.output)[0])
        assert_same_arrays(read_arrays(second.state_path)[0], read_arrays(straight.state_path)[0])
        assert second.best.loss == straight.best.loss


def test_a_run_stopped_at_every_step_ends_as_if_it_had_not(begin: Any) -> None:
    changed = {"steps": 8, "validate_every": 3, "schedule": "plateau", "plateau_patience": 1}
    straight = begin("straight", **changed)
    list(straight.go(never))
    for step in range(1, 9):
        run = begin("stopped", **changed)
        if step > 1:
            run.resume()
        list(run.go(after(run, step)))
    assert_same_arrays(run.model.state(), straight.model.state())
    assert_same_arrays(read_arrays(run.output)[0], read_arrays(straight.output)[0])


def test_a_finished_run_can_be_given_more_steps(begin: Any) -> None:
    straight = begin("straight", steps=8, validate_every=4)
    list(straight.go(never))
    first = begin("longer", steps=4, validate_every=4)
    list(first.go(never))
    second = begin("longer", steps=8, validate_every=4)
    second.resume()
    list(second.go(never))
    assert_same_arrays(second.model.state(), straight.model.state())


def test_the_log_of_a_resumed_run_continues_in_the_same_file(begin: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audiorestore.engine.training.run.LOG_EVERY_SECONDS", 0.0)
    first = begin()
    list(first.go(after(first, 12)))
    second = begin()
    second.resume()
    list(second.go(never))
    lines = [json.loads(line) for line in second.log_path.read_text().splitlines()]
    assert [line["step"] for line in lines if line["event"] == "stepped"] == list(range(1, 21))
    assert [line["step"] for line in lines if line["event"] == "validated"] == [10, 20]
    seconds = [line["seconds"] for line in lines]
    assert all(later >= earlier - 1e-3 for earlier, later in itertools.pairwise(seconds))  # the clock runs on, too


def test_the_same_seed_gives_the_same_model_and_another_seed_another(begin: Any) -> None:
    one, same, other = begin("one", steps=3), begin("same", steps=3), begin("other", steps=3, seed=1)
    for run in (one, same, other):
        list(run.go(never))
    assert_same_arrays(one.model.state(), same.model.state())
    assert not np.array_equal(one.model.state()["network.0.weight"], other.model.state()["network.0.weight"])


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"parameters": 2_000}, "config is parameters=1000 (now 2000)"),
        ({"activation": "relu"}, "config is activation=tanh (now relu)"),
        ({"learning_rate": 0.5}, "training is learning_rate=0.001 (now 0.5)"),
        ({"batch_size": 8}, "training is batch_size=4 (now 8)"),
        ({"seed": 3}, "training is seed=0 (now 3)"),
    ],
)
def test_resuming_with_other_settings_is_refused_and_says_which(begin: Any, changed: Any, what: str) -> None:
    first = begin()
    list(first.go(after(first, 2)))
    with pytest.raises(CheckpointError) as refused:
        begin(**changed).resume()
    assert what in str(refused.value)


def test_resuming_another_family_is_refused(begin: Any) -> None:
    first = begin()
    list(first.go(after(first, 2)))
    with pytest.raises(CheckpointError, match="family is mlp \\(now cnn\\)"):
        begin(family="cnn", kernel_sizes=(3,), dilation=1).resume()


def test_resuming_on_other_data_is_refused(begin: Any, records: list[Record]) -> None:
    first = begin()
    list(first.go(after(first, 2)))
    records[0]["damage"] = [{"name": "hiss", "snr_db": 10}]
    with pytest.raises(CheckpointError, match="data_digest"):
        begin().resume()


def test_the_digest_of_the_data_depends_on_sound_and_records_but_not_on_order_or_place(records: Any) -> None:
    records = records[:3]
    digest = pairs_digest(records)
    assert pairs_digest([{**record, "mood": "blue"} for record in records[::-1]]) == digest
    for changed in ({"split": "val"}, {"damage": [{"name": "hiss"}]}, {"alignment": {"lag": 1.0}}, {"id": "c"}):
        assert pairs_digest([{**records[0], **changed}, *records[1:]]) != digest
    assert pairs_digest(records[:1]) != digest
    moved = Path(records[0]["degraded"]).rename(Path(records[0]["degraded"]).with_suffix(".moved.wav"))
    assert pairs_digest([{**records[0], "degraded": str(moved)}, *records[1:]]) == digest
    moved.write_bytes(moved.read_bytes()[:-4] + b"\0\0\0\1")
    assert pairs_digest([{**records[0], "degraded": str(moved)}, *records[1:]]) != digest


def test_digests_that_the_records_carry_are_believed_and_no_file_is_read(records: Any) -> None:
    noted = [with_digests(record) for record in records[:3]]
    digest = pairs_digest(records[:3])
    for record in noted:
        Path(record["degraded"]).unlink()
        Path(record["reference"]).unlink()
    assert pairs_digest(noted) == digest


def test_the_budget_may_change_when_resuming(begin: Any) -> None:
    first = begin()
    list(first.go(after(first, 2)))
    second = begin(steps=4, epochs=9.0, minutes=9.0, validate_every=2, patience=3)
    second.resume()
    list(second.go(never))
    assert second.state.step == 4


def test_resuming_a_state_that_is_missing_or_broken_is_refused(begin: Any) -> None:
    run = begin()
    with pytest.raises(CheckpointError, match="does not exist"):
        run.resume()
    list(run.go(after(run, 2)))
    run.state_path.write_bytes(run.state_path.read_bytes()[:-10])
    with pytest.raises(CheckpointError, match="not a complete safetensors file"):
        begin().resume()


def test_the_checkpoint_is_the_best_model_validated_and_the_state_the_last(begin: Any) -> None:
    # A learning rate this high is best right at the start.
    run = begin(steps=40, learning_rate=0.3, optimizer="sgd", validate_every=5, residual=True)
    results = validations(list(run.go(never)))
    best = min(results, key=lambda event: event.loss)
    assert [event.improved for event in results] == [
        event.loss < min((other.loss for other in results[:index]), default=math.inf)
        for index, event in enumerate(results)
    ]
    assert read_arrays(run.output)[1]["step"] == best.step == run.state.best_step
    assert read_arrays(run.state_path)[1]["state"]["step"] == 40


def test_the_best_checkpoint_is_the_one_that_restores_best_whatever_the_critic_says(begin: Any) -> None:
    run = begin(family="two_players", adversarial=1.0, learning_rate=3e-3, segment_frames=64, steps=30)
    events = list(run.go(never))
    generator_losses = [
        sum(value for name, value in event.losses.items() if name.startswith("generator"))
        for event in events
        if isinstance(event, Stepped) and event.step % 10 == 0
    ]
    assert generator_losses == sorted(
        generator_losses, reverse=True
    )  # the critic likes each better than the one before
    results = validations(events)
    assert [result.mse["restored"] for result in results] == sorted(result.mse["restored"] for result in results)
    assert read_arrays(run.output)[1]["step"] == run.state.best_step == 10


def test_a_critic_is_trained_and_stored_but_not_counted(begin: Any) -> None:
    run = begin(family="two_players", steps=2)
    before = {name: array.copy() for name, array in run.model.state().items()}
    list(run.go(never))
    after_training = read_arrays(run.output)[0]
    assert all(np.any(after_training[name] != array) for name, array in before.items() if "weight" in name)
    counts = {
        part: sum(array.size for name, array in before.items() if part in name) for part in ("generator", "critic")
    }
    assert run.model.count_parameters() == counts["generator"]
    assert run.trained_parameters == counts["generator"] + counts["critic"]


def test_averaged_weights_are_what_is_validated_and_saved(begin: Any) -> None:
    run = begin(ema_decay=0.9, steps=3, validate_every=3, validation_seconds=9.0)
    seen = [run.model.state()["network.0.weight"].copy()]
    result = None
    for event in run.go(never):
        if isinstance(event, Stepped):
            seen.append(run.model.state()["network.0.weight"].copy())
        else:
            result = event
    expected = seen[0]
    for step, weight in enumerate(seen[1:], 1):
        kept = (1 + step) / (10 + step)  # less than 0.9 so early
        expected = kept * expected + (1 - kept) * weight
    saved = load_model(str(run.output))
    np.testing.assert_allclose(saved.model.state()["network.0.weight"], expected, rtol=1e-5, atol=1e-7)
    np.testing.assert_array_equal(run.model.state()["network.0.weight"], seen[-1])  # training continues with its own
    run.validator._model = saved.model
    assert run.validator.validate(run.state).loss == result.loss


def test_without_a_validation_split_the_last_model_is_kept(begin: Any, records: list[Record]) -> None:
    records[2]["split"] = "train"
    run = begin()
    assert run.validator is None
    assert validations(list(run.go(never))) == []
    assert_same_arrays(read_arrays(run.output)[0], run.model.state())
    assert read_arrays(run.output)[1]["validation"] is None


def test_the_folder_of_the_checkpoint_is_made(begin: Any) -> None:
    run = begin("models/of/mine", steps=1)
    list(run.go(never))
    assert load_model(str(run.output)).family == "mlp"


def test_no_pairs_to_learn_from_are_refused(begin: Any, records: list[Record]) -> None:
    for record in records:
        record["split"] = "val"
    records.pop()
    with pytest.raises(RecordError, match="no pairs to train on"):
        begin()


def test_several_sample_rates_have_to_be_chosen_from(records: list[Record]) -> None:
    assert common_rate(records[:3]) == RATE
    with pytest.raises(UsageError, match="8000 Hz \\(2\\), 16000 Hz \\(1\\); choose one with --set sample_rate"):
        common_rate([*records[:2], {**records[2], "sample_rate": 16000}])


def test_a_family_without_players_is_fitted_in_one_pass(begin: Any, records: list[Record]) -> None:
    run = begin(family="level")
    (result,) = list(run.go(never))
    assert result.mse["restored"] == result.mse["level"] < result.mse["degraded"]
    saved = load_model(str(run.output)).model
    degraded, reference = (np.concatenate(side) for side in zip(*_waveforms(records[:2]), strict=True))
    assert saved.gain == pytest.approx((degraded @ reference) / (degraded @ degraded), rel=1e-5)


def _waveforms(records: list[Record]) -> list[tuple[np.ndarray, np.ndarray]]:
    pairs = PairDataset(records, RATE)
    return [(degraded[0], reference[0]) for degraded, reference in pairs.walk(10_000)]


# The loop alone, with players made for looking at it.


class Fake(NetworkRestorer):
    """Two numbers, two players: one takes three steps to the other's one, and each writes down what it was given."""

    def __init__(self, steps: tuple[int, int] = (3, 1), options: Any = None) -> None:
        super().__init__(RestorerConfig(sample_rate=RATE))
        self.first, self.second = nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1))
        self.seen: list[tuple[str, float, float, float]] = []
        self.steps, self.options = steps, options or {}
        self.value = 1.0

    def forward(self, degraded: Tensor, draw: Any = None) -> Tensor:
        return degraded * (1 + self.first)

    def players(self) -> list[Player]:
        return [
            Player("first", [self.first], self._objective("first"), self.steps[0]),
            Player("second", [self.second], self._objective("second"), self.steps[1], self.options),
        ]

    def _objective(self, name: str) -> Callable[[Tensor, Tensor, np.random.Generator], Losses]:
        def objective(degraded: Tensor, reference: Tensor, rng: np.random.Generator) -> Losses:
            self.seen.append((name, float(degraded.sum()), float(rng.random()), float(torch.rand(()))))
            return {name: self.value * (self.first + self.second - 1).square().sum()}

        return objective


@pytest.fixture
def pairs(records: list[Record]) -> PairDataset:
    return PairDataset(records[:2], RATE)


def rounds(model: Fake, pairs: PairDataset, validation: Any = None, **settings: Any) -> tuple[list[Event], Any]:
    config = TrainConfig(**{"segment_frames": 16, "batch_size": 2, **settings})
    state = new_state(model, config)
    return list(train(model, state, config, pairs, validation and validation(state))), state


def test_each_player_takes_its_steps_in_turn(pairs: PairDataset) -> None:
    model = Fake()
    events, _ = rounds(model, pairs, steps=4)
    assert [name for name, *_ in model.seen] == ["first", "first", "first", "second"] * 4
    assert [event.step for event in events] == [1, 2, 3, 4]
    assert set(events[0].losses) == {"first first", "second second"}


def test_a_step_changes_only_the_parameters_of_its_player(pairs: PairDataset) -> None:
    model = Fake(steps=(1, 0))
    rounds(model, pairs, steps=3, learning_rate=0.1)
    assert model.first.item() != 0.0
    assert model.second.item() == 0.0


def test_all_players_of_a_round_see_the_same_batch_and_draw_their_own_numbers(pairs: PairDataset) -> None:
    model = Fake()
    rounds(model, pairs, steps=4)
    for column in (2, 3):  # the generator's numbers, torch's numbers
        assert len({entry[column] for entry in model.seen}) == len(model.seen)
    assert len({batch for _, batch, *_ in model.seen}) == 4 * 3
    for first, second in zip(model.seen[::4], model.seen[3::4], strict=True):  # the first turn of each player
        assert (first[0], second[0]) == ("first", "second")
        assert first[1] == second[1]
    again = Fake()
    torch.manual_seed(99)  # what happened before does not matter
    rounds(again, pairs, steps=4)
    assert again.seen == model.seen


def test_another_player_s_gradients_are_not_swept_up(pairs: PairDataset) -> None:
    # d/dx (x − 1)² at 0 is −2: with plain descent of rate 0.1 the first step is exactly 0.2, for each player.
    model = Fake(steps=(1, 1))
    rounds(model, pairs, steps=1, optimizer="sgd", learning_rate=0.1)
    assert model.first.item() == pytest.approx(0.2)
    assert model.second.item() == pytest.approx(0.1 * 2 * 0.8)  # from 1 − 0.2, not from both gradients


def test_gradients_longer_than_clip_norm_are_shortened_to_it(pairs: PairDataset) -> None:
    model = Fake(steps=(1, 0))
    rounds(model, pairs, steps=1, optimizer="sgd", learning_rate=0.1, clip_norm=0.5)
    assert model.first.item() == pytest.approx(0.05, rel=1e-4)


def test_a_player_s_own_options_come_before_the_settings_of_training(pairs: PairDataset) -> None:
    own = {"optimizer": "adam", "learning_rate": 0.3, "betas": (0.0, 0.9), "clip_norm": 5.0}
    model = Fake(steps=(1, 1), options=own)
    _, state = rounds(model, pairs, steps=1, optimizer="sgd", learning_rate=0.1, weight_decay=0.01)
    first, second = (learner.optimizer for learner in state.learners)
    assert (type(first), type(second)) == (torch.optim.SGD, torch.optim.Adam)
    assert [group["lr"] for each in (first, second) for group in each.param_groups] == [0.1, 0.3]
    assert (second.defaults["betas"], second.defaults["weight_decay"]) == ((0.0, 0.9), 0.01)
    assert model.second.item() == pytest.approx(0.3)  # Adam's first step is as long as its rate


def test_accumulated_gradients_are_the_mean_over_batches_of_their_own(pairs: PairDataset) -> None:
    class Mean(Fake):
        def players(self) -> list[Player]:
            return [Player("first", [self.first], self._mean)]

        def _mean(self, degraded: Tensor, reference: Tensor, rng: np.random.Generator) -> Losses:
            self.seen.append(("first", degraded.mean().item(), float(rng.random()), float(torch.rand(()))))
            return {"mean": (self.first * degraded).mean()}

    model = Mean()
    events, _ = rounds(model, pairs, steps=1, accumulate=3, optimizer="sgd", learning_rate=1.0)
    means = [batch for _, batch, *_ in model.seen]
    for column in (1, 2, 3):
        assert len({entry[column] for entry in model.seen}) == 3
    assert model.first.item() == pytest.approx(-np.mean(means), rel=1e-5)
    assert events[0].loss == 0.0


def test_objectives_run_in_the_precision_asked_for(pairs: PairDataset) -> None:
    seen = []

    class Precise(Fake):
        def players(self) -> list[Player]:
            return [Player("first", [self.first], self._look)]

        def _look(self, degraded: Tensor, reference: Tensor, rng: np.random.Generator) -> Losses:
            product = self.first.reshape(1, 1) @ degraded.reshape(1, -1)
            seen.append((product.dtype, degraded.dtype))
            return {"square": product.float().square().mean()}

    for precision in ("float32", "bf16"):
        _, state = rounds(Precise(), pairs, steps=1, precision=precision)
        assert state.learners[0].player.parameters[0].dtype == torch.float32
    assert seen == [(torch.float32, torch.float32), (torch.bfloat16, torch.float32)]


def test_fp16_is_refused_on_a_cpu(begin: Any) -> None:
    with pytest.raises(UsageError, match="precision=fp16 needs a GPU; use bf16 or float32 on a CPU"):
        begin(precision="fp16")


def drawing() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("batches")]


def test_the_thread_that_draws_ahead_ends_with_the_loop_however_it_ends(pairs: PairDataset) -> None:
    rounds(Fake(), pairs, steps=3)
    assert not drawing()
    for end in (GeneratorExit, KeyboardInterrupt):
        model, config = Fake(), TrainConfig(segment_frames=16, batch_size=2)
        events = train(model, new_state(model, config), config, pairs, None)
        next(events)
        assert len(drawing()) == 1
        with pytest.raises(end):
            events.throw(end)
        assert not drawing()


def test_an_error_while_drawing_ahead_is_raised_in_the_loop(pairs: PairDataset, monkeypatch: Any) -> None:
    draw, calls = pairs.draw, itertools.count(1)

    def fail(*arguments: Any) -> Any:
        if next(calls) == 4 * 3:  # the last batch of the fourth round
            raise RecordError("the disk is gone")
        return draw(*arguments)

    monkeypatch.setattr(pairs, "draw", fail)
    model = Fake()
    with pytest.raises(RecordError, match="the disk is gone"):
        rounds(model, pairs, steps=9)
    assert len(model.seen) == 3 * 4
    assert not drawing()


def test_a_loss_that_is_not_a_number_ends_training_with_a_sentence(pairs: PairDataset) -> None:
    model = Fake()
    model.value = math.nan
    with pytest.raises(AudioRestoreError, match="the loss is nan at step 1; try a lower learning_rate, or clip_norm=1"):
        rounds(model, pairs, steps=5)


def scripted(losses: list[float]) -> Callable[[Any], Callable[[], Validated]]:
    """Make a validation that finds these losses, one after another."""
    waiting = iter(losses)

    def for_state(state: Any) -> Callable[[], Validated]:
        def validate() -> Validated:
            loss = next(waiting)
            return Validated(state.step, loss, {}, {}, loss < state.best, 0.0)

        return validate

    return for_state


def test_training_stops_early_after_patience_validations_without_improvement(pairs: PairDataset) -> None:
    validations_to_come = scripted([3.0, 2.0, 2.5, 2.0, 2.1, 1.0])
    events, state = rounds(Fake((1, 0)), pairs, validations_to_come, steps=100, validate_every=5, patience=3)
    assert [event.loss for event in validations(events)] == [3.0, 2.0, 2.5, 2.0, 2.1]
    assert (state.step, state.best, state.best_step, state.stagnant) == (25, 2.0, 10, 3)


def test_without_patience_training_goes_to_the_end_of_its_budget(pairs: PairDataset) -> None:
    events, _ = rounds(Fake((1, 0)), pairs, scripted([1.0] * 9), steps=22, validate_every=5)
    assert [event.step for event in validations(events)] == [5, 10, 15, 20, 22]  # and the end is always validated


def test_a_plateau_halves_the_learning_rate_each_time_it_lasts(pairs: PairDataset) -> None:
    validations_to_come = scripted([3.0, 2.0, 2.0, 2.0, 2.0, 2.0, 1.0, 1.0, 1.0, 1.0])
    events, state = rounds(
        Fake((1, 0)),
        pairs,
        validations_to_come,
        steps=10,
        validate_every=1,
        schedule="plateau",
        plateau_patience=2,
        learning_rate=0.8,
    )
    rates = [event.learning_rate for event in events if isinstance(event, Stepped)]
    assert rates == [0.8, 0.8, 0.8, 0.8, 0.4, 0.4, 0.2, 0.2, 0.2, 0.1]
    assert state.halvings == 3


def test_the_cosine_falls_to_nothing_over_the_budget_and_warm_up_rises(pairs: PairDataset) -> None:
    events, _ = rounds(Fake((1, 0)), pairs, steps=40, schedule="cosine", learning_rate=0.01)
    rates = [event.learning_rate for event in events]
    assert rates[0] == 0.01
    assert rates[20] == pytest.approx(0.005)
    assert rates[-1] < 2e-5
    assert rates == sorted(rates, reverse=True)
    events, _ = rounds(Fake((1, 0)), pairs, steps=6, warmup_steps=3, learning_rate=0.04)
    assert [event.learning_rate for event in events] == pytest.approx([0.01, 0.02, 0.03, 0.04, 0.04, 0.04])


def test_epochs_are_passes_over_the_training_split(pairs: PairDataset) -> None:
    # 8,000 samples of sound, 2 × 16 a step: 250 steps a pass.
    events, state = rounds(Fake((1, 0)), pairs, steps=10_000, epochs=0.1)
    assert state.step == 25
    assert events[-1].done == 1.0


def test_a_budget_of_minutes_ends_training_and_the_end_is_validated(pairs: PairDataset, monkeypatch: Any) -> None:
    clock = iter(range(10_000))
    monkeypatch.setattr(loop.time, "monotonic", lambda: float(next(clock)))  # each look at the clock takes a second
    events, state = rounds(Fake((1, 0)), pairs, scripted([1.0]), steps=10**9, minutes=0.5)
    assert state.step == 30
    assert isinstance(events[-1], Validated)


def test_stopping_is_asked_for_between_rounds(pairs: PairDataset) -> None:
    model, asked = Fake(), []
    config = TrainConfig(steps=100, segment_frames=16, batch_size=1)
    state = new_state(model, config)
    events = list(train(model, state, config, pairs, None, lambda: asked.append(state.step) or len(asked) > 3))
    assert asked == [0, 1, 2, 3]
    assert len(events) == 3


@pytest.mark.parametrize(
    "settings",
    [
        *({name: 0} for name in ("batch_size", "segment_frames", "accumulate", "validate_every", "steps")),
        *({name: 1.0} for name in ("cycle_decay", "ema_decay")),
        {"learning_rate": 0.0},
        *({name: -1} for name in ("weight_decay", "warmup_steps", "patience", "clip_norm")),
        {"validation_seconds": 0.0},
        {"epochs": 0.0},
        {"minutes": -1.0},
    ],
    ids=str,
)
def test_impossible_settings_are_refused_by_name(settings: dict[str, Any]) -> None:
    (name,) = settings
    with pytest.raises(UsageError, match=name):
        TrainConfig(**settings)


def test_every_setting_of_training_is_described() -> None:
    for field in dataclasses.fields(TrainConfig):
        assert f"\n        {field.name}: " in TrainConfig.__doc__
