"""Distances of training agree with numbers worked out by hand, and with the formulas written out as loops."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from audiorestore import losses

Distance = Callable[[Tensor, Tensor], Tensor]
OF_ANYTHING: list[Distance] = [losses.mse, losses.mae, losses.pixel]
OF_MAGNITUDES: list[Distance] = [losses.kl_divergence, losses.log_spectral]


def dissimilarity(restored: Tensor, reference: Tensor) -> Tensor:
    return 1.0 - losses.ssim(restored, reference)


EVERY = [*OF_ANYTHING, *OF_MAGNITUDES, dissimilarity]


def magnitudes(*shape: int, seed: int = 1) -> Tensor:
    return torch.rand(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("distance", "restored", "reference", "expected"),
    [
        (losses.mse, [0.0, 0.0, 0.0], [1.0, 2.0, 3.0], 14 / 3),
        (losses.mae, [0.0, 0.0, 0.0], [1.0, -2.0, 3.0], 2.0),
        (losses.pixel, [2.0, 2.0, 2.0], [1.0, 2.0, 3.0], 1.0),  # the mean explains nothing
        (losses.pixel, [1.0, 2.0, 4.0], [1.0, 2.0, 3.0], 0.5),
        (losses.pixel, [0.0, 0.0], [10.0, 12.0], 122.0),  # (100 + 144) / 2
        (losses.kl_divergence, [1.0, 3.0], [2.0, 2.0], (2 * math.log(2) + 2 * math.log(2 / 3)) / 4),
        (losses.kl_divergence, [1.0, 1.0], [math.e, math.e], 1 - (math.e - 1) / math.e),
        (losses.log_spectral, [[10.0, 100.0]], [[1.0, 1.0]], math.sqrt((20**2 + 40**2) / 2)),
        (losses.log_spectral, [[10.0], [1.0]], [[1.0], [1.0]], 10.0),  # frames are averaged last
    ],
)
def test_distances_are_what_a_hand_works_out(
    distance: Distance, restored: list[float], reference: list[float], expected: float
) -> None:
    one, other = (torch.tensor(values, dtype=torch.float64) for values in (restored, reference))
    assert distance(one, other).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("distance", EVERY)
def test_equal_sounds_have_no_distance_and_others_have_more_the_further_they_are(distance: Distance) -> None:
    reference, other = magnitudes(2, 7, 9) + 0.1, magnitudes(2, 7, 9, seed=2)
    assert distance(reference, reference).item() == pytest.approx(0.0, abs=2e-5)
    near, far = (distance(reference.lerp(other, share), reference).item() for share in (0.1, 0.5))
    assert 0 < near < far


@pytest.mark.parametrize("distance", [losses.pixel, losses.kl_divergence])
def test_scaled_distances_do_not_change_with_the_level(distance: Distance) -> None:
    restored, reference = magnitudes(5, 6), magnitudes(5, 6, seed=2)
    assert distance(3 * restored, 3 * reference).item() == pytest.approx(distance(restored, reference).item())


# Structural similarity.


def literal_ssim(restored: np.ndarray, reference: np.ndarray, dynamic_range: float, k1: float, k2: float) -> float:
    """Wang et al. 2004, equations 13 to 16, window by window."""
    distance = np.array([[2, 1, 2], [1, 0, 1], [2, 1, 2]])  # squared, from the middle
    weights = np.exp(-distance / (2 * 1.5**2))
    weights /= weights.sum()
    c1, c2 = (k1 * dynamic_range) ** 2, (k2 * dynamic_range) ** 2
    indices = []
    for row in range(restored.shape[0] - 2):
        for column in range(restored.shape[1] - 2):
            x = reference[row : row + 3, column : column + 3]
            y = restored[row : row + 3, column : column + 3]
            mean_x, mean_y = (weights * x).sum(), (weights * y).sum()
            variance_x = (weights * (x - mean_x) ** 2).sum()
            variance_y = (weights * (y - mean_y) ** 2).sum()
            covariance = (weights * (x - mean_x) * (y - mean_y)).sum()
            level = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
            pattern = (2 * covariance + c2) / (variance_x + variance_y + c2)
            indices.append(level * pattern)
    return float(np.mean(indices))


@pytest.mark.parametrize(("dynamic_range", "k1", "k2"), [(1.0, 0.01, 0.03), (100.0, 0.005, 0.01), (0.01, 0.01, 0.02)])
def test_similarity_is_the_literal_one(dynamic_range: float, k1: float, k2: float) -> None:
    restored, reference = magnitudes(11, 14), magnitudes(11, 14, seed=2) + 0.3 * magnitudes(11, 14)
    expected = literal_ssim(restored.numpy(), reference.numpy(), dynamic_range, k1, k2)
    assert losses.ssim(restored, reference, dynamic_range, k1, k2).item() == pytest.approx(expected, abs=1e-9)
    assert abs(expected) < 0.9  # the two are not alike


def test_similarity_of_a_batch_is_the_mean_of_its_own() -> None:
    restored, reference = magnitudes(3, 6, 8), magnitudes(3, 6, 8, seed=2)
    alone = [losses.ssim(restored[index], reference[index]).item() for index in range(3)]
    assert losses.ssim(restored, reference).item() == pytest.approx(np.mean(alone))


def test_an_opposite_pattern_is_negatively_similar() -> None:
    pattern = torch.tensor([[0.0, 1.0] * 5, [1.0, 0.0] * 5] * 4)
    assert losses.ssim(1.0 - pattern, pattern).item() < -0.9


def test_a_difference_far_below_the_range_is_not_seen() -> None:
    restored, reference = 1e-3 * magnitudes(6, 6), 1e-3 * magnitudes(6, 6, seed=2)
    assert losses.ssim(restored, reference, dynamic_range=100.0).item() > 0.999
    assert losses.ssim(restored, reference, dynamic_range=1e-4).item() < 0.8


# Silence.


def test_what_cannot_be_heard_in_a_silent_batch_does_not_outweigh_the_others() -> None:
    inaudible = torch.full((1, 2, 5, 6), 1e-4, requires_grad=True)
    assert losses.pixel(inaudible, torch.zeros(1, 2, 5, 6)).item() == pytest.approx(0.01)


def test_magnitudes_are_those_of_complex_numbers() -> None:
    pairs = torch.randn(2, 2, 5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(
        losses.magnitude(pairs), torch.complex(pairs[:, 0], pairs[:, 1]).abs(), rtol=0, atol=1e-6
    )


@pytest.mark.parametrize("distance", EVERY)
@pytest.mark.parametrize("levels", [(0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1e-20, 0.0)], ids=str)
def test_losses_and_gradients_are_finite_at_silence(distance: Distance, levels: tuple[float, float]) -> None:
    restored, reference = (level * torch.randn(1, 2, 5, 6) for level in levels)
    restored.requires_grad_()
    if distance in OF_ANYTHING:
        loss = distance(restored, reference)
    else:
        loss = distance(losses.magnitude(restored), losses.magnitude(reference))
    (gradient,) = torch.autograd.grad(loss, restored)
    assert torch.isfinite(loss)
    assert torch.isfinite(gradient).all()
