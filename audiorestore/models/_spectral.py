"""Sound as a row of short spectra, and back, in torch: what the families that work on spectra share.

Frames begin at multiples of the hop before and inside a recording, and all that touch it are there: sample by sample
it is covered alike, at its ends as in its middle. So a block that begins at a multiple of the hop has the very frames
that the whole recording has there, and streaming by blocks (`_restorer.OverlapSave`) gives the same result.

Source: Griffin and Lim, "Signal estimation from modified short-time Fourier transform", IEEE Trans. ASSP 32 (2), 1984,
eq. 6: frames are windowed once more on their way back, and divided by the sum of all squared windows, which makes the
recording whose spectra come closest to those given. That sum has the hop as its period here, and is divided into the
window once and for all.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

_FAST_PRIMES = 13  # FFT libraries have code of their own for factors up to this
_LARGEST_FACTOR = 64
_ROWS = 16  # matrix products like multiples of it


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
        _keep(self, window=window, synthesis=window / covered)
        factors = coprime_factors(n_fft)
        self.transform: FastTransform | FactoredTransform
        self.transform = FactoredTransform(*factors) if factors else FastTransform(n_fft)

    def frames(self, time: int) -> int:
        """Count the frames that touch a recording of so many samples."""
        return self.before + -(-time // self.hop_length)

    def forward(self, waveform: Tensor, inside: bool = False) -> Tensor:
        """Measure the spectra of all frames.

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
        with torch.autocast(waveform.device.type, enabled=False):  # half precision would add noise at -50 dB
            framed = _unless_half(waveform).unfold(-1, self.n_fft, self.hop_length) * self.window
            return torch.stack(self.transform(framed), dim=-3)

    def inverse(self, pairs: Tensor, time: int) -> Tensor:
        """Bring the spectra (…, 2, frames, bins) of all frames that touch a recording back to samples, (…, time)."""
        hop, frames = self.hop_length, pairs.shape[-2]
        with torch.autocast(pairs.device.type, enabled=False):
            framed: Tensor = self.transform.inverse(*_unless_half(pairs).unbind(-3)) * self.synthesis
        parts = range(0, self.n_fft, hop)  # what one frame gives to the hop that it begins in, to the next, and so on
        total = framed.new_zeros(*framed.shape[:-2], frames + len(parts) - 1, hop)
        for place, start in enumerate(parts):
            part = framed[..., start : start + hop]
            total[..., place : place + frames, : part.shape[-1]] += part
        return total[..., self.before :, :].flatten(-2)[..., :time]


def _unless_half(values: Tensor) -> Tensor:
    return values.float() if values.dtype in (torch.bfloat16, torch.float16) else values


class FastTransform(nn.Module):
    """The discrete Fourier transform of real frames by torch's own FFT."""

    def __init__(self, length: int) -> None:
        super().__init__()
        self.length = length

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Transform (…, length) to real and imaginary parts, each (…, length // 2 + 1)."""
        spectra = torch.fft.rfft(frames)
        return spectra.real, spectra.imag

    def inverse(self, real: Tensor, imaginary: Tensor) -> Tensor:
        """Undo it."""
        frames: Tensor = torch.fft.irfft(torch.complex(real, imaginary), n=self.length)
        return frames


class FactoredTransform(nn.Module):
    """The discrete Fourier transform of real frames whose length is a product of two odd coprime numbers.

    1,023 = 31 · 33 is such a length, and an FFT over a prime as large as 31 is slow: on one core 408 frames take
    3.9 ms that way, and less than half of it as two small matrix products. Numbered by their remainders, samples and
    frequencies of a frame lie in a table of 31 by 33, over which the transform is one over its rows and one over its
    columns (Good, "The interaction algorithm and practical Fourier analysis", J. Royal Statistical Society B 20 (2),
    1958). Each of these is real here: into cosines and sines. A frequency k then is made of two of the four products
    at its place in the table: Re = cos·cos − sin·sin, Im = −(cos·sin + sin·cos).

    Args:
        rows: One factor.
        columns: The other.
    """

    order: Tensor
    back_order: Tensor
    over_rows: Tensor
    over_columns: Tensor
    back_over_rows: Tensor
    back_over_columns: Tensor

    def __init__(self, rows: int, columns: int) -> None:
        super().__init__()
        self.rows, self.columns = rows, columns
        self.length = rows * columns
        self.width = -(-columns // _ROWS) * _ROWS  # columns of nothing are added: products are twice as fast
        extra = self.width - columns
        row, column = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
        samples = (columns * row + rows * column) % self.length
        places = torch.argsort(samples.flatten())  # of samples 0, 1, 2 … in the table without its empty columns
        _keep(
            self,
            order=functional.pad(samples, (0, extra)).flatten(),
            back_order=places // columns * self.width + places % columns,
            over_rows=_waves(rows).T,
            over_columns=functional.pad(_waves(columns), (0, extra, 0, extra)),
            back_over_rows=_waves(rows, inverse=True),
            back_over_columns=functional.pad(_waves(columns, inverse=True).T, (0, extra, 0, extra)),
        )
        self.forwards = _Sums(*self._products_of_frequencies())
        self.backwards = _Sums(*self._frequencies_of_products())

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Transform (…, length) to real and imaginary parts, each (…, length // 2 + 1)."""
        table = frames.reshape(-1, self.length).index_select(1, self.order).reshape(-1, self.rows, self.width)
        table = self.over_rows @ (table @ self.over_columns)
        spectra: Tensor = self.forwards(table.flatten(1))
        real, imaginary = spectra.reshape(*frames.shape[:-1], 2, -1).unbind(-2)
        return real, imaginary

    def inverse(self, real: Tensor, imaginary: Tensor) -> Tensor:
        """Undo it."""
        spectra = torch.cat((real, imaginary), dim=-1).flatten(0, -2)
        table: Tensor = self.backwards(spectra).reshape(-1, self.rows, self.width)
        table = self.back_over_rows @ (table @ self.back_over_columns)
        return table.flatten(1).index_select(1, self.back_order).reshape(*real.shape[:-1], self.length)

    def _products_of_frequencies(self) -> tuple[Tensor, ...]:
        """Tell for all real, then all imaginary parts which two entries of the table they are made of, and how."""
        frequency = torch.arange(self.length // 2 + 1)
        cos_row, sin_row, row_sign = _wave_of(frequency, self.rows)
        cos_column, sin_column, column_sign = _wave_of(frequency, self.columns)
        first = torch.cat((cos_row * self.width + cos_column, cos_row * self.width + sin_column))
        second = torch.cat((sin_row * self.width + sin_column, sin_row * self.width + cos_column))
        return (
            first,
            second,
            torch.cat((torch.ones_like(row_sign), -column_sign)),
            torch.cat((-row_sign * column_sign, -row_sign)),
        )

    def _frequencies_of_products(self) -> tuple[Tensor, ...]:
        """Tell for each entry of the table which two real or imaginary parts it is made of, and how.

        They are those of the frequencies with its row's and its column's wave, one in the same direction and one in the
        opposite: (Re + Re′) / 2 is cos·cos, (Re′ − Re) / 2 sin·sin, (Im′ − Im) / 2 cos·sin, −(Im + Im′) / 2 sin·cos.
        """
        row, column = torch.meshgrid(torch.arange(self.rows), torch.arange(self.width), indexing="ij")
        row, column = row.flatten(), column.flatten()
        row_is_sin, column_is_sin = row > self.rows // 2, column > self.columns // 2
        row_wave = torch.where(row_is_sin, row - self.rows // 2, row)
        column_wave = torch.where(column_is_sin, column - self.columns // 2, column)
        imaginary = row_is_sin ^ column_is_sin
        parts, signs = [], []
        for direction in (1, -1):
            frequency = self._frequency(row_wave, direction * column_wave)
            mirrored = frequency > self.length // 2  # known by its conjugate
            frequency = torch.where(mirrored, self.length - frequency, frequency)
            parts.append(frequency + imaginary * (self.length // 2 + 1))
            signs.append(torch.where(mirrored & imaginary, -0.5, 0.5))
        first = torch.where(row_is_sin | column_is_sin, -signs[0], signs[0])
        second = torch.where(row_is_sin & imaginary, -signs[1], signs[1])
        nothing = column >= self.columns
        return (
            parts[0].masked_fill(nothing, 0),
            parts[1].masked_fill(nothing, 0),
            first.masked_fill(nothing, 0.0),
            second.masked_fill(nothing, 0.0),
        )

    def _frequency(self, row: Tensor, column: Tensor) -> Tensor:
        """Find the frequency with these remainders."""
        by_row = self.columns * pow(self.columns, -1, self.rows)  # 1 by the rows, 0 by the columns
        by_column = self.rows * pow(self.rows, -1, self.columns)
        return (row * by_row + column * by_column) % self.length


class _Sums(nn.Module):
    """Sums of two weighted entries each of (batch, entries)."""

    first: Tensor
    second: Tensor
    first_weight: Tensor
    second_weight: Tensor

    def __init__(self, first: Tensor, second: Tensor, first_weight: Tensor, second_weight: Tensor) -> None:
        super().__init__()
        _keep(self, first=first, second=second, first_weight=first_weight, second_weight=second_weight)

    def forward(self, values: Tensor) -> Tensor:
        """Make (batch, sums)."""
        sums = values.index_select(1, self.first) * self.first_weight
        return torch.addcmul(sums, values.index_select(1, self.second), self.second_weight)


def _keep(module: nn.Module, **tensors: Tensor) -> None:
    """Let tensors follow a module from device to device; none goes into a checkpoint, since a Config makes them all."""
    for name, tensor in tensors.items():
        kind = torch.get_default_dtype() if tensor.is_floating_point() else tensor.dtype
        module.register_buffer(name, tensor.to(kind).contiguous(), persistent=False)


def coprime_factors(length: int) -> tuple[int, int] | None:
    """Find the two odd coprime factors by which a length that is slow for an FFT is transformed faster, larger first.

    >>> coprime_factors(1023), coprime_factors(1024), coprime_factors(1021)
    ((33, 31), None, None)
    """
    if length % 2 == 0 or _largest_prime(length) <= _FAST_PRIMES:
        return None
    for factor in range(math.isqrt(length), 2, -1):
        other, rest = divmod(length, factor)
        if rest == 0 and math.gcd(factor, other) == 1 and other <= _LARGEST_FACTOR:
            return other, factor
    return None


def _largest_prime(number: int) -> int:
    prime = 2
    while number > 1:
        if number % prime:
            prime += 1
        else:
            number //= prime
    return prime


def _waves(length: int, inverse: bool = False) -> Tensor:
    """Make the real transform of an odd length: (samples, waves), cosines from 0 on and then sines from 1 on."""
    count = length // 2
    wave = torch.cat((torch.arange(count + 1), torch.arange(1, count + 1)))
    turns = torch.outer(torch.arange(length), wave).double() * (2.0 * math.pi / length)
    waves = torch.cat((turns[:, : count + 1].cos(), turns[:, count + 1 :].sin()), dim=1)
    if inverse:
        waves *= torch.where(wave == 0, 1.0, 2.0) / length
    return waves


def _wave_of(frequency: Tensor, length: int) -> tuple[Tensor, Tensor, Tensor]:
    """Find a frequency's cosine and sine among `_waves`, and the sine's sign; 0 where there is none."""
    rest = frequency % length
    wave = torch.minimum(rest, length - rest)
    sign = torch.where(wave == 0, 0.0, torch.where(rest > length // 2, -1.0, 1.0))
    return wave, torch.where(wave == 0, 0, length // 2 + wave), sign
