"""The WaveNet looks as far ahead as back, gates its layers, and is the literal stack of dilated convolutions."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from audiorestore.engine.settings import build
from audiorestore.errors import UsageError
from audiorestore.models import wavenet
from audiorestore.models._network import count_parameters


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


SMALL: dict[str, Any] = {"hidden_channels": 3, "stacks": 2, "layers": 3, "last_channels": (5, 4)}


def sound(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def lively(**options: Any) -> wavenet.Model:
    torch.manual_seed(0)
    model = wavenet.Model(wavenet.Config(**{**SMALL, **options})).double()
    nn.init.normal_(model.last.weight)
    if model.gain is not None:
        nn.init.constant_(model.gain, 0.9)
    return model.eval()


def literally(model: wavenet.Model, recording: Tensor) -> Tensor:
    """Run the network as it is usually written, each layer padded to its own input's length, with silence around the
    recording (time,) that is long enough for what is padded to matter nowhere."""
    around = 2 * model.context
    values = model.first(functional.pad(recording[None, None], (around + 1, around + 1)))
    total = torch.zeros_like(values)
    for layer in model.gated:
        padded = functional.pad(values, (layer.dilation, layer.dilation))
        weight = layer.convolution.weight
        answer = sum(
            torch.einsum("oi,bit->bot", weight[:, :, tap], padded[..., tap * layer.dilation :][..., : values.shape[-1]])
            for tap in range(3)
        )
        half = answer.shape[1] // 2
        gated = torch.tanh(answer[:, :half]) / (1.0 + torch.exp(-answer[:, half:]))
        mixed = torch.einsum("oi,bit->bot", layer.mix.weight[..., 0], gated)
        values, total = values + mixed[:, :half], total + mixed[:, half:]
    wide = functional.conv1d(total.clamp_min(0.0), model.wide.weight, padding=1).clamp_min(0.0)
    narrow = functional.conv1d(wide, model.narrow.weight, padding=1)
    answer = torch.einsum("oi,bit->bot", model.last.weight[..., 0], narrow) + model.last.bias
    restored = answer[0, 0, around : around + len(recording)]
    return restored if model.gain is None else model.gain * recording + restored


@pytest.mark.parametrize("options", [{}, {"residual": True}, {"stacks": 1, "layers": 5}], ids=str)
@pytest.mark.parametrize("frames", [1, 7, 300])
@torch.no_grad()
def test_the_network_is_the_paper_s_written_out(options: dict[str, Any], frames: int) -> None:
    model = lively(**options)
    recordings = sound(2, 2, frames)
    restored = model(recordings)
    for batch in range(2):
        for channel in range(2):
            literal = literally(model, recordings[batch, channel])
            torch.testing.assert_close(restored[batch, channel], literal, rtol=0, atol=1e-9)


@torch.no_grad()
def test_the_wide_layers_run_in_pieces_change_nothing() -> None:
    model = lively()
    recording = sound(1, 1, 2 * 4_096 + 5)
    with torch.enable_grad():
        at_once = model(recording).detach()
    torch.testing.assert_close(model(recording), at_once, rtol=0, atol=1e-12)


@torch.no_grad()
def test_a_closed_gate_lets_nothing_through_and_an_open_one_squashes() -> None:
    layer = wavenet.GatedLayer(1, 2)
    nn.init.constant_(layer.mix.weight, 1.0)
    loud = torch.full((1, 1, 9), 100.0)
    weight = layer.convolution.weight  # half for the sound, half for its gate
    weight[0], weight[1] = 1.0, 1.0
    onwards, told = layer(loud)
    assert told.shape == (1, 1, 5)  # 2 · dilation shorter
    torch.testing.assert_close(told, torch.ones(1, 1, 5))
    torch.testing.assert_close(onwards, torch.full((1, 1, 5), 101.0))
    weight[1] = -1.0
    onwards, told = layer(loud)
    torch.testing.assert_close(told, torch.zeros(1, 1, 5))
    torch.testing.assert_close(onwards, torch.full((1, 1, 5), 100.0))


def seen(model: wavenet.Model) -> tuple[int, int]:
    """Measure how many samples before and after it an output sample hangs on, by its gradient."""
    for parameter in model.parameters():
        nn.init.constant_(parameter, 0.01)
    frames = 2 * model.context + 201
    waveform = sound(1, 1, frames).abs().requires_grad_()
    middle = frames // 2
    (gradient,) = torch.autograd.grad(model.double()(waveform)[0, 0, middle], waveform)
    places = gradient[0, 0].nonzero()
    assert len(places) > 0.9 * (places.max() - places.min())  # and on all in between
    return middle - int(places.min()), int(places.max()) - middle


@pytest.mark.parametrize("preset", ["paper", "small"])
def test_it_looks_as_far_ahead_as_back_and_no_further_than_its_context(preset: str) -> None:
    settings = {**wavenet.PRESETS[preset], "hidden_channels": 1, "last_channels": (1, 1)}
    model = wavenet.Model(build(wavenet.Config, settings))
    before, after = seen(model)
    assert before == after == model.context
    assert f"{before + after + 1:,}" in str(wavenet.__doc__)


def test_the_dilated_layers_alone_see_what_the_paper_says() -> None:
    with torch.device("meta"):
        model = wavenet.Model(wavenet.Config())
    assert [layer.dilation for layer in model.gated] == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512] * 3
    assert 1 + sum(2 * layer.dilation for layer in model.gated) == 6_139
    assert 2 * model.context + 1 == 6_139 + 3 * 2


def test_sizes_are_those_told_and_the_paper_s() -> None:
    for preset in ("paper", "small"):
        with torch.device("meta"):
            model = wavenet.Model(build(wavenet.Config, wavenet.PRESETS[preset]))
        assert f"{count_parameters(model):,}" in str(wavenet.__doc__)
    with torch.device("meta"):
        paper = wavenet.Model(wavenet.Config())
    assert round(count_parameters(paper) / 1e6, 1) == 6.3
    assert {tuple(layer.convolution.weight.shape) for layer in paper.gated} == {(256, 128, 3)}
    assert {tuple(layer.mix.weight.shape) for layer in paper.gated} == {(256, 128, 1)}
    assert [tuple(layer.weight.shape) for layer in (paper.wide, paper.narrow)] == [(2048, 128, 3), (256, 2048, 3)]


@torch.no_grad()
def test_the_energy_conserving_loss_is_that_of_sound_and_background() -> None:
    model = lively()
    frames = 50 + 2 * model.context
    mixture, speech = sound(2, 1, frames), sound(2, 1, frames, seed=2)
    inner = slice(model.context, frames - model.context)
    estimate = model(mixture)[..., inner]
    background, estimated_background = (mixture - speech)[..., inner], mixture[..., inner] - estimate
    expected = (speech[..., inner] - estimate).abs().mean() + (background - estimated_background).abs().mean()
    losses = model.objective(mixture, speech, np.random.default_rng(0))
    torch.testing.assert_close(sum(losses.values()), expected)
    squared = lively(loss="mse").objective(mixture, speech, np.random.default_rng(0))
    torch.testing.assert_close(squared["mse"], (speech[..., inner] - estimate).square().mean())


def test_a_residual_network_starts_at_doing_nothing() -> None:
    model = wavenet.Model(wavenet.Config(**SMALL, residual=True)).eval()
    waveform = sound(2, 1, 300).float()
    assert torch.equal(model(waveform), waveform)


def test_training_beats_doing_nothing_at_home() -> None:
    torch.manual_seed(0)
    model = wavenet.Model(wavenet.Config(**{**SMALL, "hidden_channels": 6}, residual=True, loss="mse")).train()
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    time = torch.arange(512 + 2 * model.context) + 100.0 * torch.arange(4)[:, None, None]
    reference = 0.5 * torch.sin(0.2 * time)
    degraded = reference.clamp(-0.25, 0.25)
    losses = []
    for _ in range(60):
        loss = model.objective(degraded, reference, np.random.default_rng(0))["mse"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]  # the first is that of doing nothing


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"hidden_channels": 0}, "hidden_channels=0"),
        ({"stacks": 0}, "stacks=0"),
        ({"layers": 0}, "layers=0"),
        ({"layers": 17}, "at most 16"),
        ({"last_channels": (3,)}, "last_channels=3 is not possible; there are two"),
        ({"last_channels": (3, 0)}, "last_channels=3/0"),
    ],
    ids=str,
)
def test_networks_that_cannot_be_are_refused_in_a_sentence(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError) as refused:
        wavenet.Config(**options)
    assert sentence in str(refused.value)
