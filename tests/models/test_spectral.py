"""Spectra equal NumPy's, frame by frame, and the inverse returns the recording."""

import numpy as np
import pytest
import torch
from torch import Tensor

from audiorestore.models._spectral import ShortTimeSpectra

FORMS = [(1023, 248), (1024, 256), (2048, 512), (255, 60), (16, 4), (16, 5), (17, 8), (15, 1), (4, 2)]


@pytest.fixture(params=FORMS, ids=str)
def spectra(request: pytest.FixtureRequest) -> ShortTimeSpectra:
    return ShortTimeSpectra(*request.param)


def sound(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def literal(waveform: np.ndarray, n_fft: int, starts: list[int]) -> np.ndarray:
    """Cut, window and transform each frame of a recording (time,), with silence around it: (frames, bins)."""
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)
    padded = np.concatenate([np.zeros(n_fft), waveform, np.zeros(n_fft)])
    return np.stack([np.fft.rfft(window * padded[n_fft + start :][:n_fft]) for start in starts])


def as_complex(pairs: Tensor) -> np.ndarray:
    real, imaginary = pairs.double().numpy().swapaxes(-3, 0)
    return np.asarray(real + 1j * imaginary)


@pytest.mark.parametrize("time", [1, 2, 247, 248, 249, 3_000])
def test_all_frames_that_overlap_a_recording_are_included(spectra: ShortTimeSpectra, time: int) -> None:
    n_fft, hop = spectra.n_fft, spectra.hop_length
    starts = [start for start in range(-20_000 // hop * hop, time, hop) if start + n_fft > 0]
    waveform = sound(time)
    found = spectra(waveform)
    assert found.shape == (2, spectra.frames(time), n_fft // 2 + 1)
    assert spectra.frames(time) == len(starts)
    np.testing.assert_allclose(as_complex(found), literal(waveform.double().numpy(), n_fft, starts), atol=1e-4)


def test_spectra_stay_in_single_precision_under_autocast() -> None:
    spectra, waveform = ShortTimeSpectra(64, 16), torch.randn(1, 500)
    pairs = spectra(waveform)
    back = spectra.inverse(pairs, 500)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(spectra(waveform), pairs)
        assert torch.equal(spectra.inverse(pairs, 500), back)
        assert torch.equal(spectra.inverse(pairs.bfloat16(), 500), spectra.inverse(pairs.bfloat16().float(), 500))


def test_frames_inside_need_no_padding() -> None:
    spectra = ShortTimeSpectra(1023, 248)
    waveform = sound(100_000)
    found = spectra(waveform, inside=True)
    assert found.shape == (2, 400, 512)  # the paper's training example
    some = [0, 1, 200, 399]
    expected = literal(waveform.double().numpy(), 1023, [248 * frame for frame in some])
    np.testing.assert_allclose(as_complex(found)[some], expected, atol=1e-4)
    assert torch.equal(spectra(waveform[: 399 * 248 + 1023], inside=True), found)  # the 400 frames cover 99,975 samples
    assert spectra(waveform[:1023], inside=True).shape[1] == 1


@pytest.mark.parametrize("time", [1, 2, 61, 1_000, 4_001])
def test_the_inverse_returns_the_recording(spectra: ShortTimeSpectra, time: int) -> None:
    waveform = sound(2, 3, time)
    back = spectra.inverse(spectra(waveform), time)
    assert back.shape == waveform.shape
    torch.testing.assert_close(back, waveform, rtol=0, atol=3e-6)


def test_the_inverse_gives_the_recording_with_the_closest_spectra() -> None:
    spectra = ShortTimeSpectra(16, 4)
    wanted = sound(2, spectra.frames(40), 9)
    wanted[1, :, [0, 8]] = 0.0  # the two bins that have no imaginary part

    def distance(waveform: Tensor) -> float:
        weights = torch.tensor([1.0, *[2.0] * 7, 1.0])  # each bin between the two also counts for its mirror image
        return float((weights * (spectra(waveform) - wanted).square()).sum())

    best = spectra.inverse(wanted, 40)
    assert all(distance(best) < distance(best + 0.05 * sound(40, seed=seed)) for seed in range(20))


@pytest.mark.parametrize("blocks", [1, 7])
def test_a_block_on_the_grid_has_the_frames_of_the_whole_recording(spectra: ShortTimeSpectra, blocks: int) -> None:
    hop, waveform = spectra.hop_length, sound(5_000)
    whole, start = spectra(waveform), blocks * hop
    block = spectra(waveform[start:])
    inside = spectra.before  # frames that begin in the block
    torch.testing.assert_close(block[:, inside:], whole[:, blocks + inside :], rtol=0, atol=2e-5)


def test_gradients_reach_the_recording(spectra: ShortTimeSpectra) -> None:
    waveform = sound(1, 300).requires_grad_()
    (gradient,) = torch.autograd.grad(spectra.inverse(spectra(waveform), 300).sum(), waveform)
    torch.testing.assert_close(gradient, torch.ones_like(gradient), rtol=0, atol=1e-5)  # the round trip is the identity


def test_checkpoints_do_not_store_it(spectra: ShortTimeSpectra) -> None:
    assert spectra.state_dict() == {}


@pytest.mark.parametrize(("n_fft", "hop_length"), [(16, 0), (16, 9), (16, -1), (2, 2), (15, 8)])
def test_hops_that_leave_gaps_are_refused(n_fft: int, hop_length: int) -> None:
    with pytest.raises(ValueError, match=f"a hop of {hop_length} is not within 1 … {n_fft // 2}"):
        ShortTimeSpectra(n_fft, hop_length)
