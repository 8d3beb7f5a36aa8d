"""The U-Net over samples equals that of Kuleshov et al. layer by layer, and has its receptive field."""

from typing import Any

import numpy as np
import pytest
import torch
from networks import (
    assert_refused,
    assert_squared_error_inside,
    clipped_tones,
    losses_of_training,
    sound,
    without_weights,
)
from torch import Tensor, nn
from torch.nn import functional

from audiorestore.engine.settings import build
from audiorestore.models import audiounet, tfilm
from audiorestore.models._audio_unet import subpixel_shuffle
from audiorestore.models._network import count_parameters


def randomised(**options: Any) -> audiounet.Model:
    """Build a model whose last layer is not zero."""
    torch.manual_seed(0)
    model = audiounet.Model(audiounet.Config(**{"hidden_channels": 3, **options})).double()
    nn.init.normal_(model.last.weight)
    if model.gain is not None:
        nn.init.constant_(model.gain, 0.9)
    return model.eval()


# The shuffle.


def test_the_shuffle_by_hand() -> None:
    values = torch.tensor([[[1.0, 2.0], [3.0, 4.0], [10.0, 20.0], [30.0, 40.0]]])  # two channels of even, two of odd
    expected = torch.tensor([[[1.0, 10.0, 2.0, 20.0], [3.0, 30.0, 4.0, 40.0]]])
    torch.testing.assert_close(subpixel_shuffle(values), expected)


def test_the_shuffle_moves_every_value_and_changes_none() -> None:
    values = torch.arange(2 * 6 * 5.0).reshape(2, 6, 5)
    shuffled = subpixel_shuffle(values)
    assert shuffled.shape == (2, 3, 10)
    for batch in range(2):
        for channel in range(3):
            for time in range(10):
                assert shuffled[batch, channel, time] == values[batch, channel + 3 * (time % 2), time // 2]


# The network.


def literally(model: audiounet.Model, recording: Tensor) -> Tensor:
    """Run the paper's network with torch's functions and the model's weights, one recording (time,) at a time."""
    config = model.config
    time = len(recording)
    values = torch.cat([recording, recording.new_zeros(-time % 2 ** (len(config.kernel_sizes) + 1))])[None, None]
    skips = []
    for block in model.down:
        weight, bias = block.convolution.weight, block.convolution.bias
        everywhere = functional.conv1d(values, weight, bias, padding=weight.shape[-1] // 2)
        values = everywhere[..., ::2]
        values = torch.where(values > 0, values, config.slope * values)
        skips.append(values)
    skips.pop()
    for block in model.up:
        weight, bias = block.convolution.weight, block.convolution.bias
        values = functional.conv1d(values, weight, bias, padding=weight.shape[-1] // 2).clamp_min(0.0)
        half = values.shape[1] // 2
        doubled = values.new_zeros(1, half, 2 * values.shape[2])
        doubled[..., 0::2], doubled[..., 1::2] = values[:, :half], values[:, half:]
        values = torch.cat([doubled, skips.pop()], dim=1)
    last = functional.conv1d(values, model.last.weight, model.last.bias, padding=4)
    correction = torch.stack([last[0, 0], last[0, 1]], dim=1).reshape(-1)[:time]
    return (1.0 if model.gain is None else float(model.gain)) * recording + correction


@pytest.mark.parametrize(
    "options", [{}, {"slope": 0.0, "trained_gain": True}, {"kernel_sizes": (5,)}, {"kernel_sizes": (7, 3)}], ids=str
)
@pytest.mark.parametrize("frames", [1, 63, 64, 801])
@torch.no_grad()
def test_the_network_is_the_paper_s_written_out(options: dict[str, Any], frames: int) -> None:
    model = randomised(**options)
    recordings = sound(2, 2, frames)
    restored = model(recordings)
    for batch in range(2):
        for channel in range(2):
            literal = literally(model, recordings[batch, channel])
            torch.testing.assert_close(restored[batch, channel], literal, rtol=0, atol=1e-9)
    assert (restored - recordings).abs().max() > 0.01  # the correction is not zero


def test_widths_and_kernels_are_those_of_the_paper() -> None:
    model = without_weights(audiounet, "paper")
    shapes = [tuple(block.convolution.weight.shape) for block in model.down]
    assert shapes == [(128, 1, 65), (256, 128, 33), (512, 256, 17), (512, 512, 9), (512, 512, 9)]
    assert [block.convolution.stride for block in model.down] == [(2,)] * 5
    shapes = [tuple(block.convolution.weight.shape) for block in model.up]
    assert shapes == [(1024, 512, 9), (1024, 1024, 17), (512, 1024, 33), (256, 512, 65)]
    assert tuple(model.last.weight.shape) == (2, 256, 9)
    for level, layer in enumerate(model.down, start=1):
        outputs, inputs, size = layer.convolution.weight.shape
        assert outputs == min(2 ** (6 + level), 512)
        assert size == max(2 ** (7 - level) + 1, 9)
        assert inputs == (1 if level == 1 else min(2 ** (5 + level), 512))


def narrow(preset: str) -> audiounet.Model:
    """Build a preset with one channel and only positive weights, so that nothing cancels out."""
    settings = {**audiounet.PRESETS[preset], "hidden_channels": 1, "dropout": 0.0, "slope": 0.2}
    model = audiounet.Model(build(audiounet.Config, settings)).double().eval()
    for parameter in model.parameters():
        nn.init.constant_(parameter, 1.0 / 64 if parameter.dim() > 1 else 0.1)
    return model


def receptive_fields(model: audiounet.Model) -> tuple[np.ndarray, np.ndarray]:
    """Measure for 64 neighbouring output samples how many samples before and after them they depend on."""
    frames = 64 * 80
    waveform = sound(1, 1, frames).abs().requires_grad_()
    restored, fields = model(waveform)[0, 0], []
    for sample in range(frames // 2, frames // 2 + 64):
        (gradient,) = torch.autograd.grad(restored[sample], waveform, retain_graph=True)
        seen = gradient[0, 0].nonzero()
        fields.append((sample - int(seen.min()), int(seen.max()) - sample))
    before, after = np.array(fields).T
    assert min(before.min(), after.min()) >= 0
    return before, after


@pytest.mark.parametrize("preset", ["paper", "sulun", "small"])
def test_context_and_sizes_are_the_measured_ones_and_those_of_the_docstring(preset: str) -> None:
    model = narrow(preset)
    before, after = receptive_fields(model)
    assert model.context == max(before.max(), after.max())
    assert model.stride == 32
    assert f"{(before + after + 1).max():,}" in str(audiounet.__doc__)
    size = count_parameters(without_weights(audiounet, preset))
    assert f"{size:,}" in str(audiounet.__doc__)
    assert (size == 56_411_394) == (preset != "small")


@torch.no_grad()
def test_the_grid_begins_with_the_recording() -> None:
    model = randomised()
    recording = sound(1, 1, 3_000)
    for shift in (1, 16, 32):
        moved = torch.cat([torch.zeros(1, 1, shift, dtype=torch.float64), recording], dim=-1)
        inner = slice(model.context, 3_000 - model.context)
        same = torch.allclose(model(moved)[..., shift:][..., inner], model(recording)[..., inner], atol=1e-9)
        assert same == (shift == 32)


# Learning.


@pytest.mark.parametrize("preset", ["paper", "small"])
def test_an_untrained_network_returns_its_input(preset: str) -> None:
    settings = {**audiounet.PRESETS[preset], "hidden_channels": 2}
    model = audiounet.Model(build(audiounet.Config, settings)).eval()
    waveform = sound(2, 1, 700).float()
    assert torch.equal(model(waveform), waveform)


def test_dropout_is_in_the_bottleneck_and_the_decoder_and_in_training_only() -> None:
    model = randomised(dropout=0.5)
    assert [block.dropout.p for block in model.down] == [0.0, 0.0, 0.0, 0.0, 0.5]
    assert [block.dropout.p for block in model.up] == [0.5] * 4
    waveform = sound(1, 1, 500)
    assert torch.equal(model(waveform), model(waveform))
    model.train()
    assert not torch.equal(model(waveform), model(waveform))


@torch.no_grad()
def test_the_objective_is_the_squared_error_of_samples_with_context() -> None:
    assert_squared_error_inside(randomised(), 400)


def test_training_beats_doing_nothing_on_its_training_data() -> None:
    torch.manual_seed(0)
    options = {**audiounet.PRESETS["small"], "hidden_channels": 4}
    model = audiounet.Model(build(audiounet.Config, options))
    losses = losses_of_training(model, *clipped_tones(1024 + 2 * model.context, 0.05), 5e-3, 40)
    assert losses[-1] < 0.3 * losses[0]  # the first is that of doing nothing


# Impossible settings.


@pytest.mark.parametrize("family", [audiounet, tfilm])
@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"hidden_channels": 0}, "hidden_channels=0"),
        ({"kernel_sizes": ()}, "kernel_sizes has 0 levels; it must have 1 to 12"),
        ({"kernel_sizes": (9, 4)}, "4 must be positive and odd"),
        ({"kernel_sizes": (-3,)}, "-3 must be positive"),
        ({"dropout": 1.0}, "dropout=1.0"),
        ({"slope": -0.1}, "slope=-0.1 is not possible; it must be 0 to 1"),
    ],
    ids=str,
)
def test_impossible_settings_are_refused_in_a_sentence(family: Any, options: dict[str, Any], sentence: str) -> None:
    assert_refused(family.Config, options, sentence)
