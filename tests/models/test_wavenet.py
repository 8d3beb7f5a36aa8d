"""The WaveNet is non-causal and gated, and equals the literal stack of dilated convolutions."""

from typing import Any

import numpy as np
import pytest
import torch
from networks import assert_refused, clipped_tones, losses_of_training, sound, without_weights
from torch import Tensor, nn
from torch.nn import functional

from audiorestore.engine.settings import build
from audiorestore.models import wavenet
from audiorestore.models._network import count_parameters

SMALL: dict[str, Any] = {"hidden_channels": 3, "stacks": 2, "layers": 3, "last_channels": (5, 4)}


def randomised(**options: Any) -> wavenet.Model:
    torch.manual_seed(0)
    model = wavenet.Model(wavenet.Config(**{**SMALL, **options})).double()
    nn.init.normal_(model.last.weight)
    if model.gain is not None:
        nn.init.constant_(model.gain, 0.9)
    return model.eval()


def literally(model: wavenet.Model, recording: Tensor) -> Tensor:
    """Run the network as it is usually written, with each layer padded to the length of its input; the recording
    (time,) is padded with enough silence that the layers' padding has no effect."""
    around = 2 * model.context
    values = model.first(functional.pad(recording[None, None], (around + 1, around + 1)))
    total = torch.zeros_like(values)
    for layer in model.gated:
        padded = functional.pad(values, (layer.dilation, layer.dilation))
        weight = layer.convolution.weight
        outputs = sum(
            torch.einsum("oi,bit->bot", weight[:, :, tap], padded[..., tap * layer.dilation :][..., : values.shape[-1]])
            for tap in range(3)
        )
        half = outputs.shape[1] // 2
        gated = torch.tanh(outputs[:, :half]) / (1.0 + torch.exp(-outputs[:, half:]))
        mixed = torch.einsum("oi,bit->bot", layer.mix.weight[..., 0], gated)
        values, total = values + mixed[:, :half], total + mixed[:, half:]
    wide = functional.conv1d(total.clamp_min(0.0), model.wide.weight, padding=1).clamp_min(0.0)
    narrow = functional.conv1d(wide, model.narrow.weight, padding=1)
    last = torch.einsum("oi,bit->bot", model.last.weight[..., 0], narrow) + model.last.bias
    restored = last[0, 0, around : around + len(recording)]
    return restored if model.gain is None else model.gain * recording + restored


@pytest.mark.parametrize("options", [{}, {"residual": True}, {"stacks": 1, "layers": 5}], ids=str)
@pytest.mark.parametrize("frames", [1, 7, 300])
@torch.no_grad()
def test_the_network_is_the_paper_s_written_out(options: dict[str, Any], frames: int) -> None:
    model = randomised(**options)
    recordings = sound(2, 2, frames)
    restored = model(recordings)
    for batch in range(2):
        for channel in range(2):
            literal = literally(model, recordings[batch, channel])
            torch.testing.assert_close(restored[batch, channel], literal, rtol=0, atol=1e-9)


@torch.no_grad()
def test_running_the_wide_layers_in_pieces_changes_nothing() -> None:
    model = randomised()
    recording = sound(1, 1, 2 * 4_096 + 5)
    with torch.enable_grad():
        at_once = model(recording).detach()
    torch.testing.assert_close(model(recording), at_once, rtol=0, atol=1e-12)


@torch.no_grad()
def test_a_closed_gate_blocks_the_signal_and_an_open_one_passes_it_through_tanh() -> None:
    layer = wavenet.GatedLayer(1, 2)
    nn.init.constant_(layer.mix.weight, 1.0)
    loud = torch.full((1, 1, 9), 100.0)
    weight = layer.convolution.weight  # half for the signal, half for its gate
    weight[0] = 1.0
    for gate in (1.0, 0.0):
        weight[1] = 2.0 * gate - 1.0
        output, skip = layer(loud)
        torch.testing.assert_close(skip, torch.full((1, 1, 5), gate))  # 2 · dilation shorter
        torch.testing.assert_close(output, torch.full((1, 1, 5), 100.0 + gate))


def receptive_field(model: wavenet.Model) -> tuple[int, int]:
    """Measure how many samples before and after it an output sample depends on, by its gradient."""
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
def test_the_receptive_field_is_symmetric_and_equals_the_context(preset: str) -> None:
    settings = {**wavenet.PRESETS[preset], "hidden_channels": 1, "last_channels": (1, 1)}
    model = wavenet.Model(build(wavenet.Config, settings))
    before, after = receptive_field(model)
    assert before == after == model.context
    assert f"{before + after + 1:,}" in str(wavenet.__doc__)


def test_the_dilated_layers_have_the_paper_s_receptive_field() -> None:
    model = without_weights(wavenet, "paper")
    assert [layer.dilation for layer in model.gated] == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512] * 3
    assert 1 + sum(2 * layer.dilation for layer in model.gated) == 6_139
    assert 2 * model.context + 1 == 6_139 + 3 * 2


def test_sizes_are_those_of_the_docstring_and_of_the_paper() -> None:
    paper, small = (without_weights(wavenet, preset) for preset in ("paper", "small"))
    for model in (paper, small):
        assert f"{count_parameters(model):,}" in str(wavenet.__doc__)
    assert round(count_parameters(paper) / 1e6, 1) == 6.3
    assert {tuple(layer.convolution.weight.shape) for layer in paper.gated} == {(256, 128, 3)}
    assert {tuple(layer.mix.weight.shape) for layer in paper.gated} == {(256, 128, 1)}
    assert [tuple(layer.weight.shape) for layer in (paper.wide, paper.narrow)] == [(2048, 128, 3), (256, 2048, 3)]


@torch.no_grad()
def test_the_energy_conserving_loss_is_that_of_sound_and_background() -> None:
    model = randomised()
    frames = 50 + 2 * model.context
    mixture, speech = sound(2, 1, frames), sound(2, 1, frames, seed=2)
    inner = slice(model.context, frames - model.context)
    estimate = model(mixture)[..., inner]
    background, estimated_background = (mixture - speech)[..., inner], mixture[..., inner] - estimate
    expected = (speech[..., inner] - estimate).abs().mean() + (background - estimated_background).abs().mean()
    losses = model.objective(mixture, speech, np.random.default_rng(0))
    torch.testing.assert_close(sum(losses.values()), expected)
    squared = randomised(loss="mse").objective(mixture, speech, np.random.default_rng(0))
    torch.testing.assert_close(squared["mse"], (speech[..., inner] - estimate).square().mean())


def test_an_untrained_residual_network_returns_its_input() -> None:
    model = wavenet.Model(wavenet.Config(**SMALL, residual=True)).eval()
    waveform = sound(2, 1, 300).float()
    assert torch.equal(model(waveform), waveform)


def test_training_beats_doing_nothing_on_its_training_data() -> None:
    torch.manual_seed(0)
    model = wavenet.Model(wavenet.Config(**{**SMALL, "hidden_channels": 6}, residual=True, loss="mse"))
    losses = losses_of_training(model, *clipped_tones(512 + 2 * model.context, 0.2), 1e-2, 60)
    assert losses[-1] < 0.3 * losses[0]  # the first is that of doing nothing


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"hidden_channels": 0}, "hidden_channels=0"),
        ({"stacks": 0}, "stacks=0"),
        ({"stacks": 65}, "1 to 64"),
        ({"layers": 0}, "layers=0"),
        ({"layers": 17}, "layers=17 is not possible; it must be 1 to 16"),
        ({"last_channels": (3,)}, "last_channels=3 is not possible; give two"),
        ({"last_channels": (3, 0)}, "last_channels=3/0"),
    ],
    ids=str,
)
def test_impossible_settings_are_refused_in_a_sentence(options: dict[str, Any], sentence: str) -> None:
    assert_refused(wavenet.Config, options, sentence)
