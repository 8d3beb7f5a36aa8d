"""How far a restored sound is from its reference, as losses that training can minimise.

These are the distances that deshpande-2021 compares in its Figure 2 (Deshpande and Abichandani, "Audio spectral
enhancement: leveraging autoencoders for low latency reconstruction of long, lossy audio sequences", 2021). Each takes
restored and reference tensors of the same shape and returns one number, with gradients that are finite at silence.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

_TINY = 1e-12  # a power far below 16-bit rounding noise in any frame


def mse(restored: Tensor, reference: Tensor) -> Tensor:
    """Mean squared error: loud parts dominate.

    >>> mse(torch.tensor([1.0, 4.0]), torch.tensor([1.0, 2.0])).item()
    2.0
    """
    return functional.mse_loss(restored, reference)


def mae(restored: Tensor, reference: Tensor) -> Tensor:
    """Mean absolute error: outliers count less.

    >>> mae(torch.tensor([1.0, 4.0]), torch.tensor([1.0, 2.0])).item()
    1.0
    """
    return functional.l1_loss(restored, reference)


def pixel(restored: Tensor, reference: Tensor, floor: float = 1e-3) -> Tensor:
    """Squared error as a share of the reference's variance: what is not explained, 1 − R².

    Over all entries together, so that a loud example of a batch counts more than a quiet one.

    Args:
        restored: Any shape.
        reference: The same shape.
        floor: The least standard deviation to divide by. Without it a silent batch weighs a million times as much as
            others, and an optimizer that remembers its gradient hardly moves for thousands of steps.

    Source: deshpande-2021, eq. 1 ("pixel loss").

    >>> pixel(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 3.0])).item()
    0.5
    """
    spread = (reference - reference.mean()).square().sum()
    return (reference - restored).square().sum() / spread.clamp_min(floor**2 * reference.numel())


def magnitude(pairs: Tensor) -> Tensor:
    """Compute the magnitudes of spectra, (…, 2, frames, bins) real and imaginary parts to (…, frames, bins).

    A floor of 1e-6 keeps the root's slope finite at silence.

    >>> magnitude(torch.tensor([[[3.0]], [[4.0]]])).item()
    5.0
    """
    real, imaginary = pairs.unbind(-3)
    return torch.addcmul(torch.addcmul(real.new_tensor(_TINY), real, real), imaginary, imaginary).sqrt()


def ssim(restored: Tensor, reference: Tensor, dynamic_range: float = 1.0, k1: float = 0.01, k2: float = 0.03) -> Tensor:
    """Structural similarity of two magnitude spectrograms, 1 for equal ones: level, contrast and pattern, in 3 × 3.

    Args:
        restored: Magnitudes, (…, frames, bins), at least 3 of each.
        reference: The same shape.
        dynamic_range: L, the range that counts: differences far below k1 · L are not seen.
        k1: Steadies the comparison of levels.
        k2: Steadies the comparison of patterns.

    Returns:
        The mean over all places whose 3 × 3 neighbours are all there.

    Source: Wang, Bovik, Sheikh and Simoncelli, "Image quality assessment: from error visibility to structural
    similarity", IEEE Trans. Image Processing 13 (4), 2004, eq. 13–17, whose Gaussian weights (σ = 1.5) are kept for the
    windows of 3 × 3 that deshpande-2021, section 3.2, found best.

    >>> flat = torch.ones(3, 3)
    >>> round(ssim(2 * flat, flat).item(), 4)  # levels alone: (2·2·1 + 1e-4) / (4 + 1 + 1e-4)
    0.8
    """
    low, high = (k1 * dynamic_range) ** 2, (k2 * dynamic_range) ** 2
    one, other = _around(restored), _around(reference)
    product = one * other
    energy = one.square() + other.square()
    covariance = _around(restored * reference) - product
    variances = _around(restored.square() + reference.square()) - energy
    similar = (2.0 * product + low) * (2.0 * covariance + high)
    return (similar / ((energy + low) * (variances.clamp_min(0.0) + high))).mean()


def _around(values: Tensor) -> Tensor:
    """Average 3 × 3 neighbours with Gaussian weights, σ = 1.5."""
    side = math.exp(-1.0 / (2.0 * 1.5**2))
    outer, middle = side / (1.0 + 2.0 * side), 1.0 / (1.0 + 2.0 * side)
    values = outer * (values[..., :-2, :] + values[..., 2:, :]) + middle * values[..., 1:-1, :]
    return outer * (values[..., :-2] + values[..., 2:]) + middle * values[..., 1:-1]


def kl_divergence(restored: Tensor, reference: Tensor) -> Tensor:
    """Kullback-Leibler divergence of magnitudes, as a share of the reference's sum.

    In the form for values that do not sum to 1, which depends on the level as well: Σ (p · ln(p / q) − p + q) / Σ p.

    Args:
        restored: q, magnitudes of any shape, not negative.
        reference: p, the same shape.

    Source: Lee and Seung, "Algorithms for non-negative matrix factorization", NIPS 2000, eq. 3; deshpande-2021 names
    the divergence and no formula.

    >>> round(kl_divergence(torch.tensor([2.0, 2.0]), torch.tensor([1.0, 1.0])).item(), 4)  # 1 − ln 2
    0.3069
    """
    floor = _TINY**0.5
    p, q = reference.clamp_min(floor), restored.clamp_min(floor)
    return (p * (p / q).log() - p + q).sum() / p.sum()


def log_spectral(restored: Tensor, reference: Tensor, floor: float = 1e-3) -> Tensor:
    """Difference of magnitudes in decibels: root mean square over the bins of a frame, mean over the frames.

    Args:
        restored: Magnitudes, (…, frames, bins), not negative.
        reference: The same shape.
        floor: The magnitude below which differences do not count; about that of 16-bit rounding noise in a frame of a
            thousand samples. Without it silence would dominate.

    Source: Gray and Markel, "Distance measures for speech processing", IEEE Trans. ASSP 24 (5), 1976.

    >>> round(log_spectral(torch.full((2, 4), 10.0), torch.full((2, 4), 1.0)).item(), 3)
    20.0
    """
    ratio = (restored.square() + floor**2).log10() - (reference.square() + floor**2).log10()
    return 10.0 * (ratio.square().mean(-1) + _TINY).sqrt().mean()
