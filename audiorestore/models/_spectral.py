"""The short-time Fourier transform and its inverse in torch, for families that work on spectra.

Frames begin at multiples of the hop, also before sample 0, and every frame that overlaps the recording is included: its
ends are covered by as many frames as its middle. So a block that begins at a multiple of the hop has the same frames as
the whole recording has there, and streaming by blocks (`_segments.overlap_save`) gives the same result.

Source: Griffin and Lim, "Signal estimation from modified short-time Fourier transform", IEEE Trans. ASSP 32 (2), 1984,
eq. 6: the inverse windows each frame again and divides by the sum of all squared windows, which gives the recording
whose spectra come closest to the given ones. Here that sum repeats with the hop as its period, so the window is divided
by it in advance.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional


class ShortTimeSpectra(nn.Module):
    """A Hann-windowed short-time Fourier transform of any frame length and hop, and its inverse.

    Spectra are *pairs*: (…, 2, frames, bins), real parts first, then imaginary parts. They are not scaled: a sine of
    amplitude 1 has a magnitude of about n_fft / 4.

    Args:
        n_fft: Length of a frame and of its window, in samples.
        hop_length: Hop in samples, at most half a frame.

    Attributes:
        bins: Frequency bins of a spectrum, n_fft // 2 + 1.
        before: Frames that begin before a recording's first sample and overlap it.

    Raises:
        ValueError: The hop is not 1 … n_fft // 2.

    >>> pairs = ShortTimeSpectra(4, 2)(torch.ones(1, 5))
    >>> pairs.shape  # frames that begin at -2, 0, 2 and 4
    torch.Size([1, 2, 4, 3])
    >>> pairs[0, 0, 1]  # of the window 0, 0.5, 1, 0.5 on samples of 1
    tensor([ 2., -1.,  0.])
    """

    window: Tensor
    synthesis: Tensor

    def __init__(self, n_fft: int, hop_length: int) -> None:
        super().__init__()
        if not 1 <= hop_length <= n_fft // 2:
            raise ValueError(f"a hop of {hop_length} is not within 1 … {n_fft // 2}, half of a frame")
        self.n_fft = n_fft
        self.hop_length = hop_length
        self.bins = n_fft // 2 + 1
        self.before = -(-n_fft // hop_length) - 1
        window = torch.hann_window(n_fft, dtype=torch.float64)
        parts = functional.pad(window.square(), (0, -n_fft % hop_length)).reshape(-1, hop_length)
        covered = parts.sum(0).repeat(parts.shape[0])[:n_fft]
        for name, tensor in (("window", window), ("synthesis", window / covered)):
            self.register_buffer(name, tensor.to(torch.get_default_dtype()), persistent=False)

    def frames(self, time: int) -> int:
        """Count the frames that overlap a recording of ``time`` samples."""
        return self.before + -(-time // self.hop_length)

    def forward(self, waveform: Tensor, inside: bool = False) -> Tensor:
        """Compute the spectra (…, 2, frames, bins) of all frames of a real waveform (…, time).

        ``inside`` uses only frames that lie completely inside, starting at sample 0; it needs time ≥ n_fft.
        """
        if not inside:
            left, time = self.before * self.hop_length, waveform.shape[-1]
            last = (self.frames(time) - 1) * self.hop_length + self.n_fft
            waveform = functional.pad(waveform, (left, last - left - time))
        framed = waveform.unfold(-1, self.n_fft, self.hop_length) * self.window
        spectra = torch.fft.rfft(framed)
        return torch.stack((spectra.real, spectra.imag), dim=-3)

    def inverse(self, pairs: Tensor, time: int) -> Tensor:
        """Turn the spectra (…, 2, frames, bins) of all frames of a recording back into samples (…, time)."""
        hop, frames = self.hop_length, pairs.shape[-2]
        if pairs.dtype in (torch.bfloat16, torch.float16):  # the output of a network in mixed precision
            pairs = pairs.float()
        framed: Tensor = torch.fft.irfft(torch.complex(*pairs.unbind(-3)), n=self.n_fft) * self.synthesis
        starts = range(0, self.n_fft, hop)  # overlap-add, one hop of every frame at a time
        total = framed.new_zeros(*framed.shape[:-2], frames + len(starts) - 1, hop)
        for shift, start in enumerate(starts):
            part = framed[..., start : start + hop]
            total[..., shift : shift + frames, : part.shape[-1]] += part
        return total[..., self.before :, :].flatten(-2)[..., :time]
