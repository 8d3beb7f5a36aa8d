"""The ear model of PEAQ: the excitation of the inner ear in quarter Bark bands, frame by frame.

Sources: Recommendation ITU-R BS.1387-1 (2001), Annex 2, section 2.1 (FFT-based ear model); P. Kabal, An Examination and
Interpretation of ITU-R BS.1387: Perceptual Evaluation of Audio Quality, McGill University, 2002, section 2. Arrays are
(frames, signals, channels, bands or bins); signals are the reference and the estimate.
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

SAMPLE_RATE = 48000
FRAME = 2048  # samples
HOP = 1024  # samples from frame to frame
FRAME_RATE = SAMPLE_RATE / HOP  # in Hz
FULL_SCALE = 32768.0  # samples come in steps of 16 bit
BANDS = 109
BAND_BARK = 0.25  # width of a band

_PLAYBACK_DB = 92.0  # sound pressure level of a full-scale sine
_PLAYBACK_HZ = 1019.5  # of that sine
_LEAST_POWER = 1e-12  # of a band
_COMPRESSION = 0.4  # of the powers that add up where excitations overlap


def _edges() -> Array:
    """Divide 80 Hz to 18 kHz into bands of a quarter Bark, the last one narrower: 110 edges in Bark."""
    first, last = 7.0 * np.arcsinh(np.array([80.0, 18000.0]) / 650.0)
    return np.asarray(np.minimum(first + BAND_BARK * np.arange(BANDS + 1), last))


def _hertz(bark: Array) -> Array:
    return np.asarray(650.0 * np.sinh(bark / 7.0))


_EDGES = _edges()
CENTRES = _hertz((_EDGES[1:] + _EDGES[:-1]) / 2.0)  # of the bands, in Hz


def _window() -> Array:
    """Make the Hann window that gives a full-scale sine its sound pressure level, as Kabal derives it."""
    bin_hz = SAMPLE_RATE / FRAME
    beside = _PLAYBACK_HZ / bin_hz % 1.0
    offset = min(beside, 1.0 - beside) * (FRAME - 1) / FRAME
    peak = np.sinc(offset) / (1.0 - offset**2)  # the window's transform so far beside its middle
    gain = 10.0 ** (_PLAYBACK_DB / 20.0) / (peak * (FRAME - 1) / 4.0 * FULL_SCALE)
    return np.asarray(gain * np.hanning(FRAME))


def _outer_ear() -> Array:
    """Weigh the powers of the bins by what outer and middle ear let through; nothing of the constant part."""
    khz = np.arange(1, FRAME // 2 + 1) * SAMPLE_RATE / FRAME / 1000.0
    weight_db = -0.6 * 3.64 * khz**-0.8 + 6.5 * np.exp(-0.6 * (khz - 3.3) ** 2) - 1e-3 * khz**3.6
    return np.concatenate([[0.0], 10.0 ** (weight_db / 10.0)])


def _grouping() -> Array:
    """Compute the share of each bin in each band, shape (bins, bands)."""
    bins = np.arange(FRAME // 2 + 1)[:, None]
    edges = _hertz(_EDGES) * FRAME / SAMPLE_RATE
    overlap = np.minimum(edges[1:], bins + 0.5) - np.maximum(edges[:-1], bins - 0.5)
    return np.asarray(np.maximum(overlap, 0.0))


_WINDOW = _window()
_OUTER_EAR = _outer_ear()
_GROUPING = _grouping()
INTERNAL_NOISE = 10.0 ** (0.4 * 0.364 * (CENTRES / 1000.0) ** -0.8)


def power_spectra(frames: Array) -> Array:
    """Measure the power in each bin of frames of 16-bit samples, shape (…, 2048), at the level of playback."""
    spectra = np.fft.rfft(frames * _WINDOW)
    return spectra.real**2 + spectra.imag**2


def weighted(power: Array) -> Array:
    """Weight the powers of bins by the outer and middle ear."""
    return power * _OUTER_EAR


def grouped(power: Array) -> Array:
    """Sum the powers of the bins in bands."""
    return np.maximum(power @ _GROUPING, _LEAST_POWER)


# Excitation spreads to both sides: down by 27 dB per Bark, up by 24 dB + 230 Hz/centre per Bark, less where it is loud.
_DOWN = 10.0 ** (-2.7 * BAND_BARK)
_UP = 10.0 ** ((-2.4 - 23.0 / CENTRES) * BAND_BARK)
_UP_LEVEL = 0.2 * BAND_BARK
_INDEX = np.arange(BANDS)
_ALL_DOWN = (1.0 - _DOWN ** (_INDEX + 1)) / (1.0 - _DOWN)
_DISTANCE = _INDEX[:, None] - _INDEX
_SPREAD_DOWN = np.where(_DISTANCE >= 0, _DOWN ** (_COMPRESSION * np.maximum(_DISTANCE, 0)), 0.0)  # (from, to)


def _spread(pattern: Array) -> Array:
    log_slope = np.log(_UP) + _UP_LEVEL * np.log(pattern)
    all_up = -np.expm1(log_slope * (BANDS - _INDEX)) / -np.expm1(log_slope)
    kept = (pattern / (_ALL_DOWN + all_up - 1.0)) ** _COMPRESSION
    sums = kept @ _SPREAD_DOWN
    # Upwards each band has its own slope: all bands move up one step at a time; bands come first, for contiguous steps.
    moving = kept.reshape(-1, BANDS).T.copy()
    slope = np.exp(_COMPRESSION * log_slope).reshape(-1, BANDS).T.copy()
    arrived = np.zeros_like(moving)
    for step in range(1, BANDS):
        moving = moving[:-1]
        moving *= slope[: BANDS - step]
        arrived[step:] += moving
    sums += arrived.T.reshape(sums.shape)
    return np.asarray(sums ** (1.0 / _COMPRESSION))


_SPREAD_OF_ONES = _spread(np.ones((1, BANDS)))


def excited(power: Array) -> Array:
    """Compute unsmeared excitation patterns (…, bands) of powers (…, bins) behind the outer ear.

    Internal noise is added, and bands spread into each other; Kabal, equations 17 to 25.
    """
    return _spread(grouped(power) + INTERNAL_NOISE) / _SPREAD_OF_ONES


class Smoother:
    """A running mean over frames, slower in low bands, whose state is carried from block to block.

    Args:
        slowest_seconds: Time constant at 100 Hz; it falls to 8 ms in high bands.
        shape: Of one frame, its last axis the bands.
        sum_up: Compute a decaying sum instead of a mean.
    """

    def __init__(self, slowest_seconds: float, shape: tuple[int, ...], sum_up: bool = False) -> None:
        seconds = 0.008 + 100.0 / CENTRES * (slowest_seconds - 0.008)
        self._keep = np.exp(-1.0 / (FRAME_RATE * seconds))
        self._take = np.ones(BANDS) if sum_up else 1.0 - self._keep
        self._memory = np.zeros(shape)

    def __call__(self, values: Array) -> Array:
        """Smooth the next frames, shape (frames, *shape)."""
        smooth = values * self._take
        memory = self._memory
        for frame in smooth:
            frame += self._keep * memory
            memory = frame
        self._memory = memory.copy()
        return smooth


class Ear:
    """Excitation patterns that decay over time, as in the ear; Kabal, section 2.9."""

    def __init__(self, channels: int) -> None:
        self._decaying = Smoother(0.030, (2, channels, BANDS))

    def smeared(self, excitation: Array) -> Array:
        """Let the excitation of earlier frames mask later ones, shape (frames, 2, channels, bands)."""
        return np.maximum(self._decaying(excitation), excitation)
