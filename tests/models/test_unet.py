"""The U-Net restores each window as the paper's network does, and joins windows by a literal cross-fade."""

from typing import Any

import numpy as np
import pytest
import torch
from networks import assert_refused, assert_squared_error_inside, losses_of_training, sound
from torch import Tensor, nn

from audiorestore.models import unet
from audiorestore.models._network import count_parameters


def randomised(parameters: int = 3_000, **options: Any) -> unet.Model:
    """Build a model with random batch statistics and a random last layer."""
    torch.manual_seed(0)
    model = unet.Model(unet.Config(parameters=parameters, **options)).double()
    nn.init.normal_(model.network.last.weight)
    if model.gain is not None:
        nn.init.constant_(model.gain, 0.9)
    for norm in (layer for layer in model.modules() if isinstance(layer, nn.BatchNorm1d)):
        nn.init.uniform_(norm.weight, 0.8, 1.5)
        nn.init.uniform_(norm.bias, -0.5, 0.5)
        nn.init.normal_(norm.running_mean, 0.0, 0.2)
        nn.init.uniform_(norm.running_var, 0.1, 0.5)
    return model.eval()


def literally(model: unet.Model, windows: Tensor) -> Tensor:
    """Run the paper's network as it is usually written, with torch's own layers, on (count, window) windows."""
    network = model.network
    values = windows[:, None]
    skips = []
    for block in network.encoder:
        values = block(values)
        skips.append(values)
        values = network.pool(values)
    values = network.bottom(values)
    for level in reversed(range(model.config.levels)):
        values = values.repeat_interleave(2, dim=-1)
        values = network.decoder[level](torch.cat([values, skips[level]], dim=1))
    return network.last(values)[:, 0]


def cut(model: unet.Model, recording: Tensor) -> list[tuple[int, Tensor]]:
    """Cut a recording (time,) into windows by hand, each with its start; the last one is padded with silence."""
    config = model.config
    windows, start = [], 0
    while True:
        inside = recording[start : start + config.window]
        windows.append((start, torch.cat([inside, inside.new_zeros(config.window - len(inside))])))
        if start + config.window >= len(recording):
            return windows
        start += config.window - config.overlap


def joined(model: unet.Model, recording: Tensor) -> np.ndarray:
    """Restore window by window, and add them up with the weights of a literal cross-fade."""
    config = model.config
    windows = cut(model, recording)
    total = np.zeros(windows[-1][0] + config.window)
    shares = np.zeros_like(total)
    rise = (np.arange(config.overlap) + 0.5) / config.overlap if config.overlap else np.zeros(0)
    for place, (start, window) in enumerate(windows):
        share = np.ones(config.window)
        if place > 0:
            share[: config.overlap] = rise
        if place < len(windows) - 1:
            share[config.window - config.overlap :] *= 1.0 - rise
        total[start : start + config.window] += share * literally(model, window[None])[0].numpy()
        shares[start : start + config.window] += share
    np.testing.assert_allclose(shares, 1.0, rtol=0, atol=1e-12)  # the weights of a sample add up to 1
    total = total[: len(recording)]
    return total if model.gain is None else float(model.gain) * recording.numpy() + total


FORMS: list[dict[str, Any]] = [
    {},
    *({"levels": levels} for levels in (1, 2, 6)),
    {"levels": 8, "window": 256},
    *({"kernel_size": size} for size in (1, 5, 9)),
    *({"pooling": pooling} for pooling in ("avg", "lp2", "lp3")),
    *({"activation": activation} for activation in ("tanh", "silu")),
    {"window": 16, "levels": 2},
]


def name(options: dict[str, Any]) -> str:
    return ",".join(f"{key}={value}" for key, value in options.items()) or "paper"


# Windows.


@pytest.mark.parametrize("options", FORMS, ids=name)
@torch.no_grad()
def test_the_network_is_the_paper_s_written_out(options: dict[str, Any]) -> None:
    model = randomised(**options)
    windows = sound(5, model.config.window)
    literal = literally(model, windows)
    torch.testing.assert_close(model.network(windows[:, None])[:, 0], literal, rtol=0, atol=1e-9)
    for place in range(5):
        alone = model.network(windows[place : place + 1, None])[:, 0]
        torch.testing.assert_close(alone, literal[place : place + 1], rtol=0, atol=1e-9)
    assert literal.std() > 0.05  # the output is not zero


@pytest.mark.parametrize("overlap", [0, 1, 50, 96])
@pytest.mark.parametrize("options", [{}, {"levels": 2, "residual": True}], ids=name)
@torch.no_grad()
def test_a_recording_is_restored_window_by_window_and_cross_faded(options: dict[str, Any], overlap: int) -> None:
    model = randomised(overlap=overlap, **options)
    recordings = sound(3, 1, 1_000)
    restored = model(recordings)
    for index in range(3):
        np.testing.assert_allclose(restored[index, 0], joined(model, recordings[index, 0]), rtol=0, atol=1e-9)


@pytest.mark.parametrize("overlap", [0, 1, 7, 8])
@torch.no_grad()
def test_all_lengths_use_the_same_grid(overlap: int) -> None:
    model = randomised(window=16, levels=2, overlap=overlap)
    for frames in range(1, 70):
        recording = sound(1, 1, frames, seed=frames)
        np.testing.assert_allclose(model(recording)[0, 0], joined(model, recording[0, 0]), rtol=0, atol=1e-9)


@torch.no_grad()
def test_windows_run_in_pieces_give_the_same_result() -> None:
    model = randomised(parameters=500, window=16, levels=2)
    recording = sound(2, 1, 16 * 2_000)
    few = torch.cat([model(part) for part in recording.split(16 * 40, dim=-1)], dim=-1)
    torch.testing.assert_close(model(recording), few, rtol=0, atol=1e-12)


@torch.no_grad()
def test_windows_without_overlap_are_independent() -> None:
    model = randomised()
    recording = sound(1, 1, 5 * 192)
    changed = recording.clone()
    changed[..., 2 * 192 : 3 * 192] += 1.0
    touched = (model(changed) - model(recording)).abs().reshape(5, 192).amax(1) > 0
    assert touched.tolist() == [False, False, True, False, False]


@torch.no_grad()
def test_the_last_window_is_padded_with_silence() -> None:
    model = randomised()
    recording = sound(1, 1, 300)
    longer = torch.cat([recording, torch.zeros(1, 1, 84)], dim=-1)
    torch.testing.assert_close(model(recording), model(longer)[..., :300], rtol=0, atol=1e-12)


@torch.no_grad()
def test_channels_are_restored_separately() -> None:
    model = randomised(overlap=40)
    recording = sound(2, 3, 500)
    alone = model(recording.reshape(6, 1, 500)).reshape(2, 3, 500)
    torch.testing.assert_close(model(recording), alone, rtol=0, atol=1e-12)


@pytest.mark.parametrize("options", [{}, {"overlap": 96, "residual": True, "levels": 2}], ids=name)
def test_gradients_are_those_of_the_literal_windows(options: dict[str, Any]) -> None:
    model = randomised(parameters=1_000, **options)
    recording, weighting = sound(1, 1, 450), sound(450, seed=2)
    parameters = list(model.parameters())
    ours = torch.autograd.grad((model(recording)[0, 0] * weighting).sum(), parameters)
    stride, overlap, window = model.stride, model.config.overlap, model.config.window
    literal = recording.new_zeros(0)
    rise = (torch.arange(overlap).double() + 0.5) / max(1, overlap)
    for start, each in cut(model, recording[0, 0]):
        restored = literally(model, each[None])[0]
        if start:
            faded = (1 - rise) * literal[start:] + rise * restored[:overlap]
            literal = torch.cat([literal[:start], faded, restored[overlap:]])
        else:
            literal = restored
    assert literal.shape[0] == (len(cut(model, recording[0, 0])) - 1) * stride + window
    restored = literal[:450] if model.gain is None else model.gain * recording[0, 0] + literal[:450]
    theirs = torch.autograd.grad((restored * weighting).sum(), parameters)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-7, atol=1e-9)


# Size.


def built(config: unet.Config) -> tuple[int, list[int]]:
    """Count the parameters of a model, and of models one narrower and one wider."""
    with torch.device("meta"):
        width = unet.Model(config).width
        sizes = [count_parameters(unet._Network(config, width + step)) for step in (-1, 0, 1) if width + step]
        return count_parameters(unet._Network(config, width)), sizes


# Tables 8 to 10: budgets, levels and kernel sizes. With 50,000 parameters, eight levels have 23 channels each.
ROWS: list[dict[str, Any]] = [
    *(
        {"parameters": budget, "levels": 3}
        for budget in (50_000, 100_000, 200_000, 300_000, 400_000, 500_000, 1_000_000, 2_000_000, 5_000_000)
    ),
    *({"levels": levels} for levels in (2, 3, 4, 5, 6)),
    {"levels": 8, "window": 256},
    *({"kernel_size": size} for size in (3, 5, 7, 9)),
    *(
        {"parameters": 50_000, **options}
        for options in ({"levels": 2}, {"levels": 6}, {"levels": 8, "window": 256}, {"kernel_size": 9})
    ),
    *({"parameters": 5_000_000, **options} for options in ({"levels": 8, "window": 256}, {"kernel_size": 9})),
]


@pytest.mark.parametrize("options", ROWS, ids=name)
def test_parameter_budgets_are_met_within_five_percent(options: dict[str, Any]) -> None:
    config = unet.Config(**options)
    chosen, neighbours = built(config)
    assert chosen == pytest.approx(config.parameters, rel=0.05)
    assert abs(chosen - config.parameters) == min(abs(size - config.parameters) for size in neighbours)


def test_all_levels_are_equally_wide() -> None:
    model = unet.Model(unet.Config(parameters=20_000))
    assert len(model.network.encoder) == len(model.network.decoder) == 4
    widths = {layer.out_channels for layer in model.modules() if isinstance(layer, nn.Conv1d)}
    assert widths == {model.width, 1}


def test_the_residual_gain_adds_one_parameter() -> None:
    plain, residual = (unet.Model(unet.Config(parameters=5_000, residual=on)) for on in (False, True))
    assert count_parameters(residual) == count_parameters(plain) + 1


@pytest.mark.parametrize("overlap", [0, 96])
def test_an_untrained_residual_network_returns_its_input(overlap: int) -> None:
    model = unet.Model(unet.Config(parameters=5_000, residual=True, overlap=overlap)).eval()
    waveform = sound(2, 1, 700).float()
    assert torch.equal(model(waveform), waveform)
    assert model.objective(waveform, waveform, np.random.default_rng(0))["mse"].item() == 0.0


# Impossible settings.


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"levels": 8}, "8 levels need a multiple of 256, such as window=256"),
        ({"levels": 7}, "7 levels need a multiple of 128, such as window=256"),
        ({"window": 200, "levels": 4}, "such as window=208"),
        ({"levels": 0}, "levels=0"),
        ({"levels": -1}, "levels=-1"),
        ({"window": 0}, "window=0 is not possible; it must be at least 1"),
        ({"kernel_size": 4}, "kernel_size=4 is not possible; it must be odd"),
        ({"kernel_size": 0}, "kernel_size=0"),
        ({"kernel_size": -3}, "kernel_size=-3"),
        ({"pooling": "none"}, "choose max, avg, lp2 or lp3"),
        ({"overlap": 97}, "overlap=97 is not possible; it must be 0 to 96"),
        ({"overlap": -1}, "overlap=-1"),
        ({"parameters": 0}, "parameters=0"),
    ],
    ids=str,
)
def test_impossible_settings_are_refused_in_a_sentence(options: dict[str, Any], sentence: str) -> None:
    assert_refused(unet.Config, options, sentence)


def test_windows_of_192_samples_can_be_halved_six_times() -> None:
    assert unet.Config(levels=6).window == 192


# Learning.


@torch.no_grad()
def test_the_objective_is_the_squared_error_of_samples_with_context() -> None:
    for overlap, context in ((0, 0), (96, 192)):
        model = randomised(overlap=overlap)
        assert model.context == context
        assert_squared_error_inside(model, 576)


@pytest.mark.parametrize("options", [{}, {"residual": True, "overlap": 96}], ids=name)
def test_training_lowers_the_loss(options: dict[str, Any]) -> None:
    torch.manual_seed(0)
    model = unet.Model(unet.Config(parameters=3_000, **options))
    time = torch.arange(4 * 960).reshape(4, 1, 960)
    reference = 0.5 * torch.sin(0.05 * time) + 0.2 * torch.sin(0.31 * time)
    degraded = 0.7 * reference + 0.1 * torch.randn(reference.shape)
    losses = losses_of_training(model, degraded, reference, 3e-3, 40)
    assert losses[-1] < 0.7 * losses[0]
    assert losses[-1] < (degraded - reference).square().mean().item()  # it beats doing nothing
