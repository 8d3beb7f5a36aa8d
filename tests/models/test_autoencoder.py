"""The autoencoder is the paper's network, restores any length, and as a residual network starts as the identity."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from networks import assert_refused, losses_of_training, without_weights
from torch import Tensor, nn
from torch.nn import functional

from audiorestore import losses
from audiorestore.engine.settings import build
from audiorestore.engine.training.loop import TrainConfig, TrainState, _learning_rate
from audiorestore.errors import UsageError
from audiorestore.models import autoencoder
from audiorestore.models._network import count_parameters
from audiorestore.models._segments import overlap_save

TINY: dict[str, Any] = {"n_fft": 15, "hop_length": 4, "latent": 5}
DEPTHS = [1, 2, 3, 4, 5, 6, 7]


def sound(*shape: int, seed: int = 1) -> Tensor:
    return 0.3 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def randomised(**options: Any) -> autoencoder.Model:
    """Build a model without neutral initial values."""
    torch.manual_seed(0)
    model = autoencoder.Model(autoencoder.Config(**{**TINY, **options}))
    for name, parameter in model.named_parameters():
        if name.endswith(("slope", "bias")):
            nn.init.uniform_(parameter, -0.5, 1.5)
        elif name == "gain":
            nn.init.constant_(parameter, 0.9)
        elif not parameter.any():
            nn.init.uniform_(parameter, -0.3, 0.3)
    return model.eval()


# The network.


def separable(layer: Any, values: Tensor) -> Tensor:
    """(batch, channels, 2, frames) through a whole 5 × 5 kernel for each channel, then 1 × 1 convolutions."""
    moved = functional.conv2d(values, layer.depthwise, padding="same", groups=values.shape[1])
    return functional.conv2d(moved, layer.dense.weight[:, :, None, None], layer.dense.bias)


def literal(model: autoencoder.Model, pairs: Tensor) -> Tensor:
    """Run the network of the paper's figure: (batch, 2, frames, channels) to the same."""

    def block(each: Any, values: Tensor) -> Tensor:
        latent = separable(each.down, values)
        slope = each.slope.squeeze(1).T[None, :, :, None]
        return separable(each.up, torch.where(latent > 0, latent, slope * latent))

    values = pairs.permute(0, 3, 1, 2)
    blocks, depth = list(model.network.blocks), model.config.depth
    skips = []
    for each in blocks[: depth // 2]:
        values = block(each, values)
        skips.append(values)
    if depth % 2:
        values = block(blocks[depth // 2], values)
    for each, skip in zip(blocks[math.ceil(depth / 2) :], reversed(skips), strict=True):
        values = block(each, values) * skip
    if depth > 1:
        values = separable(model.network.last, values)
    return values.permute(0, 2, 3, 1)


@pytest.mark.parametrize("options", [*({"depth": depth} for depth in DEPTHS), {"kernel_size": 1}, {"kernel_size": 3}])
@torch.no_grad()
def test_the_network_is_the_paper_s_written_out(options: dict[str, Any]) -> None:
    model = randomised(**options).double()
    pairs = sound(2, 2, 11, 8).double()
    expected = literal(model, pairs)
    torch.testing.assert_close(model.network(pairs), expected, rtol=1e-9, atol=1e-12)
    assert expected.std() > 1e-3


def test_a_training_example_is_two_rows_of_400_frames_with_512_channels() -> None:
    model = autoencoder.Model(autoencoder.Config())
    training = build(TrainConfig, autoencoder.PRESETS["paper"])
    seen: list[torch.Size] = []
    model.network.register_forward_pre_hook(lambda module, values: seen.append(values[0].shape))
    assert training.segment_frames + 2 * model.context == 100_000
    with torch.no_grad():
        model.objective(sound(1, 1, 100_000), sound(1, 1, 100_000), np.random.default_rng(0))
    assert seen == [(1, 2, 400, 512)]
    assert (training.optimizer, training.learning_rate, training.batch_size) == ("adam", 1e-3, 32)
    assert training.steps == pytest.approx(200 * 0.85 * 3_000 / 32, rel=0.01)


def test_sizes_are_those_computed_by_hand_and_five_blocks_are_six_times_one() -> None:
    down = 512 * 25 + 512 * 256 + 256
    up = 256 * 25 + 256 * 512 + 512
    last = 512 * 25 + 512 * 512 + 512
    sizes = []
    for depth in DEPTHS:
        sizes.append(count_parameters(without_weights(autoencoder, f"paper-{depth}" if depth > 1 else "paper")))
        assert sizes[-1] == depth * (down + 2 * 256 + up) + (last if depth > 1 else 0)
    assert sizes[0] == 282_624
    assert sizes[4] / sizes[0] == pytest.approx(6.0, rel=0.01)  # "six times", says the paper
    assert autoencoder.__doc__ is not None
    assert " | ".join(f"{size:,}" for size in sizes) in autoencoder.__doc__
    assert " | ".join(f"{4 * size / 1000:,.0f}" for size in sizes) in autoencoder.__doc__


@pytest.mark.parametrize("depth", DEPTHS)
def test_an_untrained_network_keeps_the_power_of_its_input(depth: int) -> None:
    torch.manual_seed(depth)
    model = autoencoder.Model(autoencoder.Config(depth=depth))
    with torch.no_grad():
        power = model.network(sound(1, 2, 60, 512) / 0.3).square().mean()
    assert 1e-2 < power < 1e2
    assert all(not block.slope.any() for block in model.network.blocks)  # PReLU starts as ReLU


def test_rows_of_a_kernel_that_see_only_padding_change_nothing() -> None:
    model = randomised()
    model.network(sound(1, 2, 9, 8)).sum().backward()
    for layer in (model.network.blocks[0].down, model.network.blocks[0].up):
        assert not layer.depthwise.grad[:, :, [0, 4]].any()
        assert layer.depthwise.grad[:, :, 1:4].abs().min() > 0


# Recordings.


@pytest.mark.parametrize("options", [{"depth": 2}, {"depth": 3, "kernel_size": 3}, {"residual": True}, {"n_fft": 16}])
@pytest.mark.parametrize("frames", [1, 4, 5, 150, 401])
def test_pieces_of_any_size_give_what_the_whole_recording_gives(options: dict[str, Any], frames: int) -> None:
    model = randomised(**options)
    waveform = sound(1, 1, frames).numpy()
    whole = model.restore(waveform)
    for block in (1, 50, 128):
        pieces = overlap_save(model.restore, [waveform], model.context, model.stride, block)
        np.testing.assert_allclose(np.concatenate([*pieces], axis=-1), whole, atol=1e-5 * max(1.0, np.abs(whole).max()))


@pytest.mark.parametrize("options", [{}, {"depth": 2, "kernel_size": 3}])
def test_the_context_is_the_measured_one(options: dict[str, Any]) -> None:
    # A Hann window begins with 0, so that the first sample of a frame has no effect: the context is two samples less.
    model = randomised(**options).double()
    layers = 2 * model.config.depth + (model.config.depth > 1)
    assert model.context == 14 + 4 * layers * (model.config.kernel_size // 2)
    reached = []
    for middle in range(1_000, 1_004):
        waveform = torch.zeros(1, 1, 2_000, dtype=torch.float64, requires_grad=True)
        (gradient,) = torch.autograd.grad(model(waveform + sound(1, 1, 2_000).double())[0, 0, middle], waveform)
        places = gradient[0, 0].nonzero().squeeze(1)
        reached += [middle - int(places.min()), int(places.max()) - middle]
    assert model.context - 4 < max(reached) <= model.context


@pytest.mark.parametrize("options", [{}, {"n_fft": 16}, {"depth": 2}, {"depth": 3}], ids=str)
def test_an_untrained_residual_network_returns_its_input(options: dict[str, Any]) -> None:
    torch.manual_seed(0)
    model = autoencoder.Model(autoencoder.Config(**{**TINY, "residual": True, **options}))
    for level in (0.0, 1e-6, 1.0, 1e3):
        waveform = level * sound(2, 1, 301)
        torch.testing.assert_close(model(waveform), waveform, rtol=0, atol=3e-6 * max(level, 1e-6))


@torch.no_grad()
def test_a_residual_network_does_not_depend_on_the_level() -> None:
    model = randomised(residual=True)
    waveform = sound(1, 1, 400)
    change = (model(waveform) - waveform).std() / waveform.std()
    assert change > 0.05
    torch.testing.assert_close(model(8 * waveform), 8 * model(waveform), rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_the_bin_at_half_the_rate_bypasses_the_network() -> None:
    for residual in (False, True):
        model = randomised(n_fft=16, residual=residual)
        pairs = sound(1, 2, 7, 9)
        gain = torch.ones(()) if model.gain is None else model.gain
        assert torch.equal(model.restore_pairs(pairs)[..., 8], gain * pairs[..., 8])
        assert not torch.isclose(model.restore_pairs(pairs)[..., :8], pairs[..., :8]).all()


# The objective.


@torch.no_grad()
def test_the_objective_covers_frames_with_all_their_neighbours() -> None:
    model = randomised()
    assert model.reach == 4
    degraded, reference = sound(2, 1, 200), sound(2, 1, 200, seed=2)
    measured = model.objective(degraded, reference, np.random.default_rng(0))
    restored = model.network(model.spectra(degraded[:, 0], inside=True))[:, :, 4:-4]
    wanted = model.spectra(reference[:, 0], inside=True)[:, :, 4:-4]
    expected = (restored - wanted).square().sum() / (wanted - wanted.mean()).square().sum()
    torch.testing.assert_close(measured["pixel"], expected)
    similarity = losses.ssim(restored.square().sum(1).sqrt(), wanted.square().sum(1).sqrt())
    torch.testing.assert_close(measured["ssim"], 0.5 * (1.0 - similarity))
    assert list(measured) == ["pixel", "ssim"]
    # Frames at the ends do not count, so silence around the segment changes nothing.
    longer = [functional.pad(each, (40, 40)) for each in (degraded, reference)]
    inner = model.objective(*longer, np.random.default_rng(0))
    assert inner["pixel"].isfinite()


@pytest.mark.parametrize("frames", [1, 2, 5])
def test_the_last_samples_of_a_recording_are_measured_with_hops_of_half_a_frame(frames: int) -> None:
    model = randomised(n_fft=16, hop_length=8)
    degraded, reference = (sound(1, 1, frames + 2 * model.context, seed=seed) for seed in (1, 2))
    measured = model.objective(degraded, reference, np.random.default_rng(0))
    assert all(torch.isfinite(loss) for loss in measured.values())


@pytest.mark.parametrize("loss", [*autoencoder.LOSSES, "mse+ssim", "log_spectral+kl"])
def test_losses_of_figure_2_are_finite_and_reach_all_parameters(loss: str) -> None:
    model = randomised(loss=loss).train()
    for reference in (sound(2, 1, 200), torch.zeros(2, 1, 200)):
        measured = model.objective(sound(2, 1, 200, seed=2), reference, np.random.default_rng(0))
        assert sorted(measured) == sorted(loss.split("+"))
        gradients = torch.autograd.grad(sum(measured.values()), list(model.parameters()))
        assert all(gradient.isfinite().all() for gradient in gradients)
        assert all(gradient.any() for gradient in gradients) or not reference.any()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {"loss": "pixel+sim"},
            "there is no loss 'sim'; choose from mse, mae, kl, log_spectral, pixel, ssim",
        ),
        ({"loss": ""}, "there is no loss ''"),
        ({"depth": 0}, "depth=0"),
        ({"latent": 0}, "latent=0"),
        ({"kernel_size": 4}, "kernel_size=4 is not possible; it must be odd"),
        ({"kernel_size": -1}, "kernel_size=-1"),
        ({"n_fft": 3}, "n_fft=3 is not possible"),
        ({"hop_length": 0}, "it must be 1 to 511"),
        ({"hop_length": 512}, "hop_length=512"),
        ({"ssim_weight": 0.0}, "ssim_weight=0.0 is not possible; it must be positive"),
        ({"ssim_k1": -0.01}, "ssim_k1=-0.01"),
        ({"ssim_range": 0.0}, "ssim_range=0.0"),
    ],
    ids=str,
)
def test_impossible_settings_are_refused_in_a_sentence(options: dict[str, Any], sentence: str) -> None:
    assert_refused(autoencoder.Config, options, sentence)


# Training.


def test_the_cyclical_schedule_rises_and_falls_and_its_peaks_decrease() -> None:
    config = TrainConfig(schedule="cyclical", learning_rate=1.0, cycle_steps=100, cycle_decay=0.01)
    rates = [_learning_rate(TrainState(step=step), config, 0.0) for step in range(301)]
    for cycle in range(4):
        assert rates[100 * cycle] == pytest.approx(0.1)
    for cycle in range(3):
        assert max(rates[100 * cycle : 100 * cycle + 100]) == pytest.approx(
            0.1 + 0.9 * 0.99 ** (100 * cycle + 50), rel=0.1
        )
    assert rates[:45] == sorted(rates[:45])
    for options in ({"cycle_steps": 0}, {"cycle_decay": -0.1}, {"cycle_decay": 1.0}):
        with pytest.raises(UsageError, match=next(iter(options))):
            TrainConfig(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize("options", [{}, {"depth": 2}, {"residual": True}], ids=str)
def test_training_lowers_the_loss(options: dict[str, Any]) -> None:
    torch.manual_seed(0)
    model = autoencoder.Model(autoencoder.Config(**{**TINY, "n_fft": 63, "hop_length": 16, "latent": 16, **options}))
    time = torch.arange(4 * 1_500).reshape(4, 1, 1_500)
    reference = 0.5 * torch.sin(0.05 * time) + 0.2 * torch.sin(0.31 * time)
    degraded = 0.7 * reference + 0.1 * sound(4, 1, 1_500) / 0.3
    losses = losses_of_training(model, degraded, reference, 3e-3, 80)
    assert losses[-1] < 0.85 * losses[0]
