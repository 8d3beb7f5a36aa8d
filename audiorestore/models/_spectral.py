"""The short-time Fourier transform and its inverse in torch, for all families that work on spectra.

Frames begin at multiples of the hop, and all that overlap the recording are computed, also those that begin before it:
its ends are covered as often as its middle. So a block that begins at a multiple of the hop has the same frames there
as the whole recording, and processing by blocks (`_segments.overlap_save`) gives the same result.

Source: Griffin and Lim, "Signal estimation from modified short-time Fourier transform", IEEE Trans. ASSP 32 (2), 1984,
eq. 6: frames are windowed again before they are added, and divided by the sum of all squared windows, which gives the
recording whose spectra are closest to the given ones. Here that sum is periodic in the hop, and the synthesis window is
divided by it.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional


class ShortTimeSpectra(nn.Module):
    """A Hann-windowed short-time Fourier transform of any frame length and hop, and its inverse.

    Spectra are *pairs*: (…, 2, frames, bins), real parts above imaginary parts. They are not scaled: a sine of
    amplitude 1 has a magnitude of about n_fft / 4.

    Args:
        n_fft: Length of a frame and of its window, in samples.
        hop_length: Distance between the starts of frames in samples, at most half of a frame.

    Attributes:
        bins: Frequencies of a spectrum, n_fft // 2 + 1.
        before: Frames that begin before a recording's first sample and reach into it.

    Raises:
        ValueError: The hop is not 1 … n_fft // 2.

    >>> pairs = ShortTimeSpectra(4, 2)(torch.ones(1, 5))
    >>> pairs.shape  # frames from -2, 0, 2 and 4 on
    torch.Size([1, 2, 4, 3])
    >>> pairs[0, 0, 1]  # the sum of the window 0, 0.5, 1, 0.5, and half of it on its other side
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
        """Count the frames that touch a recording of that number of samples."""
        return self.before + -(-time // self.hop_length)

    def forward(self, waveform: Tensor, inside: bool = False) -> Tensor:
        """Compute the spectra of all frames.

        Args:
            waveform: (…, time), real.
            inside: Only of frames that lie wholly inside, from sample 0 on; time ≥ n_fft then.

        Returns:
            (…, 2, frames, bins).
        """
        if not inside:
            left, time = self.before * self.hop_length, waveform.shape[-1]
            last = (self.frames(time) - 1) * self.hop_length + self.n_fft
            waveform = functional.pad(waveform, (left, last - left - time))
        framed = waveform.unfold(-1, self.n_fft, self.hop_length) * self.window
        spectra = torch.fft.rfft(framed)
        return torch.stack((spectra.real, spectra.imag), dim=-3)

    def inverse(self, pairs: Tensor, time: int) -> Tensor:
        """Turn the spectra (…, 2, frames, bins) of all frames of a recording back into samples, (…, time)."""
        hop, frames = self.hop_length, pairs.shape[-2]
        if pairs.dtype in (torch.bfloat16, torch.float16):  # what networks give in mixed precision
            pairs = pairs.float()
        framed: Tensor = torch.fft.irfft(torch.complex(*pairs.unbind(-3)), n=self.n_fft) * self.synthesis
        parts = range(0, self.n_fft, hop)  # a frame adds one part to the hop that it begins in, one to the next, …
        total = framed.new_zeros(*framed.shape[:-2], frames + len(parts) - 1, hop)
        for place, start in enumerate(parts):
            part = framed[..., start : start + hop]
            total[..., place : place + frames, : part.shape[-1]] += part
        return total[..., self.before :, :].flatten(-2)[..., :time]
