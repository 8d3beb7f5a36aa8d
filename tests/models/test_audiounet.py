"""The U-Net over samples is Kuleshov et al.'s, layer by layer, and sees what its kernels reach."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from audiorestore.engine.settings import build
from audiorestore.errors import UsageError
from audiorestore.models import audiounet, tfilm
from audiorestore.models._audio_unet import AudioUNetRestorer, subpixel_shuffle
from audiorestore.models._network import count_parameters


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def sound(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def lively(**options: Any) -> audiounet.Model:
    """Build a model whose last layer says something."""
    torch.manual_seed(0)
    model = audiounet.Model(audiounet.Config(**{"hidden_channels": 3, **options})).double()
    nn.init.normal_(model.last.weight)
    if model.gain is not None:
        nn.init.constant_(model.gain, 0.9)
    return model.eval()


def on_meta(family: Any, preset: str) -> AudioUNetRestorer:
    with torch.device("meta"):
        model: AudioUNetRestorer = family.Model(build(family.Config, family.PRESETS[preset]))
    return model


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
    passed = []
    for block in model.down:
        weight, bias = block.convolution.weight, block.convolution.bias
        everywhere = functional.conv1d(values, weight, bias, padding=weight.shape[-1] // 2)
        values = everywhere[..., ::2]
        values = torch.where(values > 0, values, config.slope * values)
        passed.append(values)
    passed.pop()
    for block in model.up:
        weight, bias = block.convolution.weight, block.convolution.bias
        values = functional.conv1d(values, weight, bias, padding=weight.shape[-1] // 2).clamp_min(0.0)
        half = values.shape[1] // 2
        doubled = values.new_zeros(1, half, 2 * values.shape[2])
        doubled[..., 0::2], doubled[..., 1::2] = values[:, :half], values[:, half:]
        values = torch.cat([doubled, passed.pop()], dim=1)
    last = functional.conv1d(values, model.last.weight, model.last.bias, padding=4)
    correction = torch.stack([last[0, 0], last[0, 1]], dim=1).reshape(-1)[:time]
    return (1.0 if model.gain is None else float(model.gain)) * recording + correction


@pytest.mark.parametrize(
    "options", [{}, {"slope": 0.0, "trained_gain": True}, {"kernel_sizes": (5,)}, {"kernel_sizes": (7, 3)}], ids=str
)
@pytest.mark.parametrize("frames", [1, 63, 64, 801])
@torch.no_grad()
def test_the_network_is_the_paper_s_written_out(options: dict[str, Any], frames: int) -> None:
    model = lively(**options)
    recordings = sound(2, 2, frames)
    restored = model(recordings)
    for batch in range(2):
        for channel in range(2):
            literal = literally(model, recordings[batch, channel])
            torch.testing.assert_close(restored[batch, channel], literal, rtol=0, atol=1e-9)
    assert (restored - recordings).abs().max() > 0.01  # it says something


def test_levels_are_as_wide_and_kernels_as_long_as_in_the_paper() -> None:
    model = on_meta(audiounet, "paper")
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


def test_sizes_are_those_told() -> None:
    for family, preset in ((audiounet, "paper"), (audiounet, "sulun"), (audiounet, "small")):
        size, seen = count_parameters(on_meta(family, preset)), field(family, preset)
        assert f"{size:,}" in family.__doc__
        assert f"{seen:,}" in family.__doc__
    assert count_parameters(on_meta(audiounet, "paper")) == 56_411_394


def field(family: Any, preset: str) -> int:
    """Measure how many samples one output sample hangs on, at the most."""
    model = narrow(family, preset)
    first, last = touched(model)
    return int((last - first + 1).max())


def narrow(family: Any, preset: str) -> AudioUNetRestorer:
    """Build a preset with one channel and positive weights throughout, so that nothing cancels out."""
    settings = {**family.PRESETS[preset], "hidden_channels": 1, "dropout": 0.0, "slope": 0.2}
    model: AudioUNetRestorer = family.Model(build(family.Config, settings)).double().eval()
    for name, parameter in model.named_parameters():
        if "film" not in name:
            nn.init.constant_(parameter, 1.0 / 64 if parameter.dim() > 1 else 0.1)
    return model


def touched(model: AudioUNetRestorer) -> tuple[np.ndarray, np.ndarray]:
    """Find for 64 output samples in the middle of a recording the first and the last input sample that they hang on."""
    frames = 64 * 80
    waveform = sound(1, 1, frames).abs().requires_grad_()
    restored, places = model(waveform)[0, 0], range(frames // 2, frames // 2 + 64)
    spans = []
    for place in places:
        (gradient,) = torch.autograd.grad(restored[place], waveform, retain_graph=True)
        seen = gradient[0, 0].nonzero()
        spans.append((int(seen.min()), int(seen.max())))
    first, last = np.array(spans).T
    assert (first <= np.array(places)).all()
    assert (last >= np.array(places)).all()
    return first, last


@pytest.mark.parametrize("preset", ["paper", "small"])
def test_the_context_is_what_output_samples_hang_on_and_no_more(preset: str) -> None:
    model = narrow(audiounet, preset)
    first, last = touched(model)
    places = np.arange(64 * 40, 64 * 40 + 64)
    assert model.context == max((places - first).max(), (last - places).max())
    assert model.stride == 32


@torch.no_grad()
def test_the_grid_is_what_the_recording_begins_with() -> None:
    model = lively()
    recording = sound(1, 1, 3_000)
    for shift in (1, 16, 32):
        moved = torch.cat([torch.zeros(1, 1, shift, dtype=torch.float64), recording], dim=-1)
        inner = slice(model.context, 3_000 - model.context)
        same = torch.allclose(model(moved)[..., shift:][..., inner], model(recording)[..., inner], atol=1e-9)
        assert same == (shift == 32)


# Learning.


@pytest.mark.parametrize("preset", ["paper", "small"])
def test_training_starts_from_doing_nothing(preset: str) -> None:
    settings = {**audiounet.PRESETS[preset], "hidden_channels": 2}
    model = audiounet.Model(build(audiounet.Config, settings)).eval()
    waveform = sound(2, 1, 700).float()
    assert torch.equal(model(waveform), waveform)


def test_dropout_is_in_the_bottleneck_and_on_the_way_up_and_in_training_only() -> None:
    model = lively(dropout=0.5)
    assert [block.dropout.p for block in model.down] == [0.0, 0.0, 0.0, 0.0, 0.5]
    assert [block.dropout.p for block in model.up] == [0.5] * 4
    waveform = sound(1, 1, 500)
    assert torch.equal(model(waveform), model(waveform))
    model.train()
    assert not torch.equal(model(waveform), model(waveform))


@torch.no_grad()
def test_the_objective_is_the_squared_error_of_what_has_its_context() -> None:
    model = lively()
    frames = 400 + 2 * model.context
    degraded, reference = sound(2, 1, frames), sound(2, 1, frames, seed=2)
    inner = slice(model.context, frames - model.context)
    expected = (model(degraded) - reference)[..., inner].square().mean()
    torch.testing.assert_close(model.objective(degraded, reference, np.random.default_rng(0))["mse"], expected)


def test_training_beats_doing_nothing_at_home() -> None:
    torch.manual_seed(0)
    options = {**audiounet.PRESETS["small"], "hidden_channels": 4}
    model = audiounet.Model(build(audiounet.Config, options)).train()
    optimizer = torch.optim.Adam(model.parameters(), 5e-3)
    time = torch.arange(1024 + 2 * model.context) + 100.0 * torch.arange(4)[:, None, None]
    reference = 0.5 * torch.sin(0.05 * time)
    degraded = reference.clamp(-0.25, 0.25)
    losses = []
    for _ in range(40):
        loss = model.objective(degraded, reference, np.random.default_rng(0))["mse"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]  # the first is that of doing nothing


# Work, and what cannot be.


@pytest.mark.parametrize("family", [audiounet, tfilm])
@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"hidden_channels": 0}, "hidden_channels=0"),
        ({"kernel_sizes": ()}, "kernel_sizes is empty"),
        ({"kernel_sizes": (9, 4)}, "4 has no middle; it must be odd"),
        ({"kernel_sizes": (-3,)}, "-3 has no middle"),
        ({"dropout": 1.0}, "dropout=1.0"),
        ({"slope": -0.1}, "slope=-0.1"),
    ],
    ids=str,
)
def test_networks_that_cannot_be_are_refused_in_a_sentence(family: Any, options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError) as refused:
        family.Config(**options)
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)
