"""LSTMs in int8 take the place of torch's own: same outputs to 8 bits, in as many layers and directions."""

import itertools
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from audiorestore.quantization import operators
from audiorestore.quantization.hold import linear_maps
from audiorestore.quantization.recurrent import Int8Lstm, lstm_maps

SHAPES: dict[str, dict[str, Any]] = {
    "plain": {"batch_first": True},
    "time first": {},
    "no bias": {"batch_first": True, "bias": False},
    "two layers": {"batch_first": True, "num_layers": 2},
    "both directions": {"batch_first": True, "bidirectional": True},
    "two layers in both directions": {"num_layers": 2, "bidirectional": True},
}


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def lstm_of(name: str) -> tuple[nn.LSTM, Tensor]:
    torch.manual_seed(3)
    lstm = nn.LSTM(12, 20, **SHAPES[name]).eval()
    with torch.no_grad():
        for parameter in lstm.parameters():
            parameter.mul_(2.0)  # gates that open and close
    return lstm, torch.randn(3, 17, 12)


def held(lstm: nn.LSTM, inputs: str, recurrent: str | None = None) -> Int8Lstm:
    kinds = {"inputs": inputs, "recurrent": recurrent or inputs}
    made = Int8Lstm(lstm)
    for name, layer in made.named_children():
        layer.arithmetic = kinds[name.split("_")[0]]  # type: ignore[assignment]
    return made


def flat(answer: Any) -> list[Tensor]:
    values, (outputs, cells) = answer
    return [values, outputs, cells]


def noise_db(ours: Tensor, wanted: Tensor) -> float:
    return float(10 * torch.log10((ours - wanted).square().mean() / wanted.square().mean()))


@pytest.mark.parametrize(("name", "emulated"), [(name, place % 2 == 0) for place, name in enumerate(SHAPES)])
def test_every_arithmetic_gives_torch_s_own_outputs_and_ends(
    monkeypatch: pytest.MonkeyPatch, name: str, emulated: bool
) -> None:
    if emulated:
        monkeypatch.setattr(operators, "usable", lambda codes, scale: False)
    lstm, values = lstm_of(name)
    with torch.inference_mode():
        wanted = flat(lstm(values))
        for inputs, recurrent in itertools.product(("int8", "float"), repeat=2):
            answers = flat(held(lstm, inputs, recurrent)(values))
            for ours, theirs in zip(answers, wanted, strict=True):
                assert ours.shape == theirs.shape
                assert noise_db(ours, theirs) < -28
            assert not torch.equal(answers[0], wanted[0])


@pytest.mark.parametrize("name", SHAPES)
def test_the_loop_and_torch_s_own_agree_on_the_same_weights(name: str) -> None:
    lstm, values = lstm_of(name)
    ours = held(lstm, "float")
    with torch.inference_mode():
        native = flat(ours(values))
        ours.get_submodule("recurrent_l0").arithmetic = "int8"  # type: ignore[assignment]
        for dense in ours.children():
            dense.forward = partial(nn.Linear.forward, dense)  # type: ignore[method-assign,arg-type]
        for one, other in zip(flat(ours(values)), native, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


def test_maps_are_the_lstm_s_own_weights_by_names_that_int8_keeps() -> None:
    lstm, _ = lstm_of("two layers in both directions")
    maps = lstm_maps(lstm)
    assert list(maps) == [
        f"{kind}_l{layer}{way}" for layer in (0, 1) for way in ("", "_reverse") for kind in ("inputs", "recurrent")
    ]
    assert maps["inputs_l1"].weight is lstm.weight_ih_l1
    assert maps["recurrent_l0_reverse"].weight is lstm.weight_hh_l0_reverse
    state = held(lstm, "int8").state_dict()
    for name, dense in maps.items():
        assert state[f"{name}.weight"].dtype == torch.int8
        assert state[f"{name}.weight"].shape == dense.weight.shape
        assert state[f"{name}.scale"].shape == (80,)  # one for each row of each of four gates


def test_a_loud_recording_of_a_batch_changes_nothing_in_its_neighbours() -> None:
    lstm, values = lstm_of("plain")
    ours = held(lstm, "int8")
    company = values * torch.tensor([1.0, 1_000.0, 1.0])[:, None, None]
    with torch.inference_mode():
        together = ours(company)[0]
        for entry in range(3):
            # torch's sigmoid differs in the last digit with the batch, and now and then a code is the next one
            assert noise_db(ours(company[entry : entry + 1])[0][0], together[entry]) < -50
        assert noise_db(ours(values[:, :9])[0], ours(values)[0][:, :9]) < -50  # and what comes later, nothing before


def test_a_state_to_start_from_and_recordings_without_a_batch_are_taken_as_by_torch() -> None:
    lstm, values = lstm_of("plain")
    ours = held(lstm, "int8")
    with torch.inference_mode():
        _, state = lstm(values)
        assert noise_db(ours(values, state)[0], lstm(values, state)[0]) < -28
        assert noise_db(ours(values[0])[0], lstm(values[0])[0]) < -28


def test_projections_are_left_alone() -> None:
    assert set(linear_maps(nn.Sequential(nn.LSTM(3, 4)))) == {"0.inputs_l0", "0.recurrent_l0"}
    assert not linear_maps(nn.Sequential(nn.LSTM(3, 4, proj_size=2), nn.GRU(3, 4)))
