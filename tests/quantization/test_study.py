"""A run without numbers shows what layers do, and whether their input may be rounded."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from audiorestore.models._layers import channels_last, convolve
from audiorestore.quantization.hold import hold_in_int8, linear_maps
from audiorestore.quantization.layers import Int8Layer
from audiorestore.quantization.study import SHARED, Use, study, watching


class Sliding(nn.Module):
    """Slides dense layers over a recording at once, or over pieces of a fixed length."""

    def __init__(self, piece: int | None = None, bounded: bool = False) -> None:
        super().__init__()
        self.first, self.second, self.unused = nn.Linear(9, 4), nn.Linear(4, 1), nn.Linear(2, 2)
        self.piece, self.bounded = piece, bounded

    def forward(self, waveform: Tensor) -> Tensor:
        if self.piece:
            waveform = waveform.unfold(-1, self.piece, self.piece).transpose(0, 2).flatten(1).unsqueeze(1)
        if self.bounded:
            waveform = waveform.tanh()
        return convolve(self.second, torch.relu(convolve(self.first, channels_last(waveform))))


class LooksAtValues(nn.Module):
    """Can be run with numbers alone, as one that draws noise on the CPU, too."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(1, 3)

    def forward(self, waveform: Tensor) -> Tensor:
        answer: Tensor = self.layer(waveform.mT.tanh())
        return answer if float(waveform.mean()) > 0 else -answer


def studied(model: nn.Module, **options: Any) -> dict[str, Use]:
    return study(model, lambda copy, frames, device: copy(torch.full((1, 1, frames), 0.1, device=device)), **options)


def test_what_slides_over_all_of_a_recording_needs_a_bound() -> None:
    assert studied(Sliding())["first"] == Use(36.0, None, SHARED)
    assert studied(Sliding(bounded=True))["first"] == Use(36.0, 1.0, None)
    assert studied(Sliding(bounded=True))["second"] == Use(4.0, None, SHARED)


def test_pieces_of_a_fixed_length_have_their_own_scale() -> None:
    for bounded in (False, True):
        uses = studied(Sliding(16, bounded), stride=16)
        assert uses["first"] == Use(36.0 * 8 / 16, None, None)  # 8 windows of 9 fit into 16 samples


def test_what_restoring_does_not_use_cannot_be_measured() -> None:
    assert studied(Sliding())["unused"] == Use(0.0, None, "restoring does not use it")


def test_layers_that_are_called_round_each_row() -> None:
    network = nn.Sequential(nn.Conv1d(1, 4, 5, stride=2), nn.Tanh(), nn.Conv1d(4, 2, 3), nn.Conv1d(2, 2, 3, groups=2))
    assert studied(network) == {
        "0": Use(10.0, None, None),
        "2": Use(12.0, 1.0, None),
        "3": Use(3.0, None, "there is no int8 form of what it computes"),
    }


def test_an_lstm_s_maps_share_its_work() -> None:
    class Recurrent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm, self.dense = nn.LSTM(3, 5, batch_first=True), nn.Linear(5, 2)

        def forward(self, waveform: Tensor) -> Tensor:
            answer: Tensor = self.dense(self.lstm(waveform.reshape(1, -1, 4)[..., :3])[0])
            return answer

    uses = studied(Recurrent())
    work = {"lstm.inputs_l0": 4 * 5 * 3, "lstm.recurrent_l0": 4 * 5 * 5, "dense": 10}
    assert {name: 4 * use.multiply_adds for name, use in uses.items()} == work
    assert {(use.bound, use.obstacle) for use in uses.values()} == {(None, None)}


def test_a_model_that_looks_at_values_is_run_with_some() -> None:
    assert studied(LooksAtValues()) == {"layer": Use(3.0, 1.0, None)}


def test_a_model_that_cannot_be_run_says_why_and_none_is_changed() -> None:
    model = nn.Sequential(nn.Conv1d(1, 4, 3), nn.BatchNorm1d(4), nn.Conv1d(3, 4, 3))
    with pytest.raises(RuntimeError, match="expected input"):
        studied(model)
    assert [type(layer) for layer in model] == [nn.Conv1d, nn.BatchNorm1d, nn.Conv1d]
    assert not any(parameter.is_meta for parameter in model.parameters())


# What is held.


class Own(nn.Linear):
    """May do anything with its weight."""


def test_subclasses_and_torch_s_fused_attention_are_left_alone() -> None:
    model = nn.ModuleDict(
        {
            "own": Own(4, 4),
            "attention": nn.MultiheadAttention(4, 2),
            "layers": nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 8), 2, enable_nested_tensor=False),
            "plain": nn.Sequential(nn.Linear(4, 4), nn.Conv2d(1, 1, 3)),
            "lstm": nn.LSTM(2, 2, bidirectional=True),
        }
    )
    lstm = [f"lstm.{kind}_l0{way}" for way in ("", "_reverse") for kind in ("inputs", "recurrent")]
    assert list(linear_maps(model)) == ["plain.0", "plain.1", *lstm]
    assert list(linear_maps(model, "plain")) == ["plain.0", "plain.1"]
    assert list(linear_maps(model, "plain.0")) == ["plain.0"]
    assert list(hold_in_int8(model, "plain")) == ["plain.0", "plain.1"]
    assert type(model["own"]) is Own
    assert type(model["lstm"]) is nn.LSTM
    assert all(isinstance(layer, Int8Layer) for layer in hold_in_int8(model).values())


@pytest.mark.parametrize(
    ("layers", "shape"),
    [
        ([nn.Linear(9, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 2), nn.BatchNorm1d(2)], (5, 9)),
        ([nn.Conv1d(3, 4, 5, padding=2, bias=False), nn.BatchNorm1d(4, affine=False)], (2, 3, 40)),
        ([nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.BatchNorm2d(4)], (2, 3, 9, 9)),
        ([nn.Linear(9, 8), nn.BatchNorm1d(8), nn.BatchNorm1d(8)], (5, 9)),
    ],
    ids=["dense", "without bias", "in two dimensions", "twice"],
)
def test_batch_normalisation_is_folded_into_the_layer_before_it(layers: list[nn.Module], shape: Any) -> None:
    network = nn.Sequential(*layers).eval()
    for layer in network:
        for tensor in (layer.running_mean, layer.running_var) if hasattr(layer, "running_mean") else ():
            nn.init.uniform_(tensor, 0.5, 2.0)
    values = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        before = network(values)
        hold_in_int8(network)
        assert (network(values) - before).square().mean() < 1e-3 * before.square().mean()
    norms = [isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d) for layer in layers]
    maps = [isinstance(layer, nn.Linear | nn.Conv1d | nn.Conv2d) for layer in layers]
    wanted = [norm and before for norm, before in zip(norms, [False, *maps], strict=False)]
    assert [isinstance(layer, nn.Identity) for layer in network] == wanted


def test_watching_sees_every_use_and_leaves_no_trace() -> None:
    model, seen = Sliding(), list[tuple[str, str]]()
    hold_in_int8(model)

    def around(owner: str, way: str, work: Any, *arguments: Any) -> Any:
        seen.append((owner, way))
        return work(*arguments)

    waveform = torch.from_numpy(np.ones((1, 1, 40), np.float32))
    with torch.inference_mode():
        before = model(waveform)
        with watching(model, linear_maps(model), around):
            assert torch.equal(model(waveform), before)
        assert torch.equal(model(waveform), before)
    assert seen == [("first", "convolve"), ("second", "convolve")]
