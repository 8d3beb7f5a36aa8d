"""Temporal FiLM equals the paper's loop over blocks, and long recordings are cross-faded segments on a fixed grid."""

from collections.abc import Iterator
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
from torch import nn

from audiorestore.engine.settings import build
from audiorestore.models import audiounet, tfilm
from audiorestore.models._network import count_parameters
from audiorestore.models._segments import Restore, cross_fade, rise
from audiorestore.signal.sound import Sound


def randomised(**options: Any) -> tfilm.Model:
    """Build a small model whose last layer and whose modulation have an effect."""
    torch.manual_seed(0)
    model = tfilm.Model(tfilm.Config(**{"hidden_channels": 2, "kernel_sizes": (5, 3), "block": 16, **options}))
    for name, parameter in model.named_parameters():
        if name.startswith("last") or "film.dense.weight" in name:
            nn.init.normal_(parameter)
    return model.eval()


# The layer.


def sigmoid(values: np.ndarray) -> np.ndarray:
    return np.asarray(1.0 / (1.0 + np.exp(-values)))


def literally(film: tfilm.TemporalFilm, values: np.ndarray) -> np.ndarray:
    """Modulate (channels, time) block by block, with the LSTM written out."""
    weights = {name: parameter.detach().numpy() for name, parameter in film.named_parameters()}
    channels, time = values.shape
    state, cell = np.zeros(channels), np.zeros(channels)
    modulated = np.zeros_like(values)
    for start in range(0, time, film.block):
        block = values[:, start : start + film.block]
        largest = block.max(axis=1)
        gates = weights["lstm.weight_ih_l0"] @ largest + weights["lstm.bias_ih_l0"]
        gates += weights["lstm.weight_hh_l0"] @ state + weights["lstm.bias_hh_l0"]
        let_in, forget, candidate, let_out = np.split(gates, 4)
        cell = sigmoid(forget) * cell + sigmoid(let_in) * np.tanh(candidate)
        state = sigmoid(let_out) * np.tanh(cell)
        both = weights["dense.weight"] @ state + weights["dense.bias"]
        scale, shift = both[:channels, None], both[channels:, None]
        modulated[:, start : start + film.block] = scale * block + shift
    return modulated


@pytest.mark.parametrize("block", [1, 4, 10])
@torch.no_grad()
def test_the_layer_is_the_paper_s_loop_over_blocks(block: int) -> None:
    torch.manual_seed(0)
    film = tfilm.TemporalFilm(3, block).double()
    nn.init.normal_(film.dense.weight)
    values = sound(2, 3, 6 * block)
    modulated = film(values)
    for batch in range(2):
        np.testing.assert_allclose(modulated[batch].numpy(), literally(film, values[batch].numpy()), atol=1e-12)


@torch.no_grad()
def test_an_untrained_layer_returns_its_input() -> None:
    film = tfilm.TemporalFilm(3, 4)
    values = sound(1, 3, 20).float()
    assert torch.equal(film(values), values)


@torch.no_grad()
def test_a_block_depends_on_itself_and_all_blocks_before_it_and_on_none_after_it() -> None:
    torch.manual_seed(0)
    film = tfilm.TemporalFilm(2, 5).double()
    nn.init.normal_(film.dense.weight)
    values = sound(1, 2, 40)
    changed = values.clone()
    changed[..., 17] += 5.0
    moved = (film(changed) != film(values))[0].any(0).reshape(8, 5)
    assert not moved[:3].any()
    assert moved[3:].all()


def test_presets_have_the_sizes_of_the_docstring_and_audiounet_s_convolutions() -> None:
    for preset in ("paper", "small"):
        model, plain = without_weights(tfilm, preset), without_weights(audiounet, preset)
        films = [module for module in model.modules() if isinstance(module, tfilm.TemporalFilm)]
        assert len(films) == 9
        assert f"{count_parameters(model):,}" in str(tfilm.__doc__)
        assert count_parameters(model) == count_parameters(plain) + sum(map(count_parameters, films))
        lstms, dense = (sum(count_parameters(getattr(film, part)) for film in films) for part in ("lstm", "dense"))
        if preset == "paper":
            for number in (count_parameters(plain), lstms, dense):
                assert f"{number:,}" in str(tfilm.__doc__)
            biases = sum(film.lstm.bias_ih_l0.numel() for film in films)
            assert f"{lstms - biases:,}" in str(tfilm.__doc__)
            assert round((lstms - biases + count_parameters(plain)) / 1e6, 1) == 68.2
        for halvings, block in enumerate(model.down, start=1):
            assert block.film.block * 2**halvings == model.config.block
        for halvings, block in zip((4, 3, 2, 1), model.up, strict=True):
            assert block.film.block * 2**halvings == model.config.block


@pytest.mark.parametrize("preset", ["paper", "small"])
def test_the_receptive_field_of_the_convolutions_is_the_context(preset: str) -> None:
    settings = {**tfilm.PRESETS[preset], "hidden_channels": 1, "dropout": 0.0}
    model = tfilm.Model(build(tfilm.Config, settings)).double().eval()
    for name, parameter in model.named_parameters():
        if "film" not in name:
            nn.init.constant_(parameter, 1.0 / 64 if parameter.dim() > 1 else 0.1)
    frames, seen = 24 * 256, []
    # Maximum pooling hides the smaller of two neighbours: together, a rising and a falling line show both.
    for sign in (1.0, -1.0):
        waveform = torch.linspace(1.0, 1.0 + sign * 0.9, frames, dtype=torch.float64)[None, None].requires_grad_()
        restored = model(waveform)[0, 0]
        for sample in range(frames // 2, frames // 2 + 32):
            (gradient,) = torch.autograd.grad(restored[sample], waveform, retain_graph=True)
            inputs = gradient[0, 0].nonzero()
            seen.append((sample - int(inputs.min()), int(inputs.max()) - sample))
    before, after = np.array(seen).max(axis=0)
    assert max(before, after) == model.context
    assert f"{before + after + 1:,}" in str(tfilm.__doc__)


@torch.no_grad()
def test_the_memory_reaches_further_than_the_convolutions_but_only_backwards() -> None:
    model = randomised().double()
    far = model.context + model.config.block
    waveform = sound(1, 1, 4_000)
    changed = waveform.clone()
    changed[..., 2_000] += 3.0
    moved = (model(changed) - model(waveform)).abs()[0, 0] > 0
    assert moved[2_000 + far :].any()
    # A block is modulated as a whole on each level, so that a sample also depends on a few blocks after it.
    assert not moved[: 2_000 - far - 5 * model.config.block].any()


# Segments.


def joined(restore: Any, waveform: np.ndarray, segment: int, overlap: int, margin: int) -> np.ndarray:
    """Restore all segments and add them up with the weights of a literal cross-fade."""
    frames, step = waveform.shape[-1], segment - overlap
    starts = [0]
    while starts[-1] + segment < frames:
        starts.append(starts[-1] + step)
    total, shares = np.zeros_like(waveform), np.zeros(frames)
    up = np.array([min(1.0, max(0.0, (place + 0.5 - margin) / (overlap - 2 * margin))) for place in range(overlap)])
    for number, start in enumerate(starts):
        stop = min(start + segment, frames)
        share = np.ones(stop - start)
        if number > 0:
            share[:overlap] = up
        if number < len(starts) - 1:
            share[step:] *= 1.0 - up
        total[..., start:stop] += share * restore(waveform[..., start:stop])
        shares[start:stop] += share
    np.testing.assert_allclose(shares, 1.0, rtol=0, atol=1e-6)  # the weights of a sample add up to 1
    return total


def faded(waveform: np.ndarray, size: int, restore: Restore, *lengths: int) -> np.ndarray:
    """Cross-fade a waveform that comes in blocks of this size."""
    blocks = [waveform[..., start : start + size] for start in range(0, waveform.shape[-1], size)]
    return np.concatenate([*cross_fade(restore, blocks, *lengths)], axis=-1)


def summed(samples: np.ndarray) -> np.ndarray:
    """Return sums whose every sample depends on the whole segment."""
    return np.asarray(np.cumsum(samples, axis=-1) + samples.sum(axis=-1, keepdims=True), np.float32)


@pytest.mark.parametrize(("segment", "overlap", "margin"), [(10, 4, 0), (10, 4, 1), (7, 3, 1), (8, 4, 0), (5, 1, 0)])
def test_segments_are_joined_as_a_literal_cross_fade_for_all_lengths_and_blocks(
    segment: int, overlap: int, margin: int
) -> None:
    rng = np.random.default_rng(0)
    for frames in range(1, 40):
        waveform = rng.standard_normal((2, 1, frames)).astype(np.float32)
        expected = joined(summed, waveform, segment, overlap, margin)
        first = faded(waveform, frames, summed, segment, overlap, margin)
        np.testing.assert_allclose(first, expected, atol=1e-5)
        for size in (1, 3, segment):
            np.testing.assert_array_equal(faded(waveform, size, summed, segment, overlap, margin), first)


def test_segments_without_an_overlap_are_concatenated() -> None:
    waveform = np.ones((1, 1, 25), np.float32)
    restored = faded(waveform, 4, lambda samples: np.cumsum(samples, axis=-1), 10, 0)
    assert restored[0, 0].tolist() == [*range(1, 11), *range(1, 11), *range(1, 6)]


def test_no_more_than_a_segment_and_a_block_is_read_ahead() -> None:
    read = done = 0

    def blocks() -> Iterator[np.ndarray]:
        nonlocal read
        for _ in range(200):
            read += 7
            yield np.zeros((1, 1, 7), np.float32)

    for piece in cross_fade(summed, blocks(), 100, 40, 10):
        done += piece.shape[-1]
        assert read - done <= 100 + 7
    assert done == 1_400
    assert [*cross_fade(summed, [np.zeros((1, 1, 0), np.float32)], 10, 4)] == []


@pytest.mark.parametrize("sizes", [(10, 6, 0), (10, 4, 3), (0, 0, 0), (10, -2, 0), (10, 4, -1)])
def test_overlaps_and_margins_that_do_not_fit_are_refused(sizes: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        next(cross_fade(summed, [], *sizes))


def test_the_fade_rises_only_between_its_margins() -> None:
    shares = rise(100, 20)
    assert (shares[:20] == 0.0).all()
    assert (shares[-20:] == 1.0).all()
    assert (np.diff(shares[19:81]) > 0).all()
    np.testing.assert_allclose(shares + shares[::-1], 1.0, atol=1e-7)


# The family's segments.


def restored(model: tfilm.Model, waveform: np.ndarray, block: int) -> np.ndarray:
    blocks = model.restored(Sound.of(waveform, 22050, block), np.random.default_rng(0))
    return np.concatenate([*blocks], axis=-1)


@pytest.mark.parametrize("frames", [1, 255, 256, 257, 448, 449, 1_000, 2_001])
def test_a_recording_is_restored_in_cross_faded_segments_whatever_its_blocks(frames: int) -> None:
    model = randomised(window=256, overlap=64)
    waveform = sound(2, 1, frames).float().numpy()
    whole = restored(model, waveform[:, 0], frames)
    for size in (50, 333):
        np.testing.assert_array_equal(restored(model, waveform[:, 0], size), whole)
    margin = min(model.context, 16)
    literal = joined(lambda part: model(torch.from_numpy(part)).detach().numpy(), waveform, 256, 64, margin)
    np.testing.assert_allclose(whole, literal[:, 0], atol=1e-4)


@torch.no_grad()
def test_a_recording_of_one_window_is_one_segment() -> None:
    model = randomised(window=1_024, overlap=256)
    waveform = sound(1, 1, 1_024).float()
    np.testing.assert_array_equal(restored(model, waveform[0].numpy(), 100), model(waveform)[0].numpy())


def test_the_objective_is_the_squared_error_of_samples_with_context() -> None:
    assert_squared_error_inside(randomised().double(), 400)


def test_training_changes_the_lstm_and_beats_doing_nothing() -> None:
    torch.manual_seed(0)
    model = tfilm.Model(tfilm.Config(hidden_channels=3, kernel_sizes=(9, 5), block=64, dropout=0.0))
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters() if "lstm" in name}
    losses = losses_of_training(model, *clipped_tones(1024 + 2 * model.context, 0.05), 5e-3, 40)
    assert losses[-1] < 0.3 * losses[0]
    now = dict(model.named_parameters())
    assert all(not torch.equal(now[name], parameter) for name, parameter in before.items())


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"block": 48}, "block=48 is not possible: 5 halvings need a multiple of 32"),
        ({"block": 0}, "block=0"),
        ({"window": 1_000}, "window=1000 is not a multiple of block=256"),
        ({"overlap": 100}, "overlap=100 is not a multiple"),
        ({"window": 0, "overlap": 0}, "window=0"),
        ({"window": 1_024, "overlap": 768}, "overlap=768 is not possible; it must be 0 to 512"),
        ({"overlap": -256}, "overlap=-256"),
    ],
    ids=str,
)
def test_impossible_settings_are_refused_in_a_sentence(options: dict[str, Any], sentence: str) -> None:
    assert_refused(tfilm.Config, options, sentence)
