"""Lag, gain and the proof that they hold everywhere: what is found, what is refused, and what must not be."""

import numpy as np
import pytest
import soxr
from oracles import find_lag

from audiorestore.errors import AlignmentError
from audiorestore.signal import align
from audiorestore.signal.align import ChannelAlignment
from audiorestore.signal.lag import overlap, shift
from audiorestore.signal.sound import Sound

RATE = 44100
FRAMES = 100_000


def sound(frames: int = FRAMES, seed: int = 0) -> np.ndarray:
    """Coloured noise that swells and fades at random, bass-heavy like speech and music; it never repeats."""
    rng = np.random.default_rng(seed)
    spectrum = np.fft.rfft(rng.standard_normal(frames))
    coloured = np.fft.irfft(spectrum / np.maximum(np.arange(len(spectrum)), 20.0) ** 0.8, frames)
    knots = rng.uniform(0.0, 1.0, frames // 2000 + 2) ** 2
    swelling = coloured * np.interp(np.arange(frames), np.arange(len(knots)) * 2000, knots)
    return np.asarray(0.3 * swelling / np.abs(swelling).max())


def delayed(waveform: np.ndarray, lag: float) -> np.ndarray:
    """The same length, later by any fraction (earlier where negative), by turning phases; nothing wraps around."""
    n_fft = 1 << (2 * len(waveform)).bit_length()
    turned = np.fft.rfft(waveform, n_fft) * np.exp(-2j * np.pi * np.arange(n_fft // 2 + 1) * lag / n_fft)
    return np.fft.irfft(turned, n_fft)[: len(waveform)]


def hiss(frames: int, level: float, seed: int = 99) -> np.ndarray:
    return level * np.random.default_rng(seed).standard_normal(frames)


def measure(
    reference: np.ndarray, degraded: np.ndarray, allow: frozenset[str] = frozenset()
) -> list[ChannelAlignment | None]:
    return align.measure(Sound.of(reference, RATE), Sound.of(degraded, RATE), allow)


def measured(reference: np.ndarray, degraded: np.ndarray) -> ChannelAlignment:
    (channel,) = measure(reference[None].astype(np.float32), degraded[None].astype(np.float32))
    assert channel is not None
    return channel


LAGS = [0, 1, -1, 2, -3, 576, -1105, 20000, -20000, 0.3, -0.5, 0.08, 17.25, -1000.7, 20000.4]


@pytest.mark.parametrize("lag", LAGS)
def test_a_lag_is_found_to_two_hundredths_of_a_sample(lag: float) -> None:
    reference = sound()
    assert find_lag(reference, delayed(reference, lag)) == pytest.approx(lag, abs=0.02)
    found = measured(reference, 0.7 * delayed(reference, lag))
    assert found.lag == pytest.approx(lag, abs=0.02)
    assert found.gain == pytest.approx(0.7, rel=1e-3)
    assert found.correlation > 0.999


@pytest.mark.parametrize("lag", LAGS)
def test_hiss_and_gain_do_not_move_the_lag(lag: float) -> None:
    reference = sound()
    noisy = 0.25 * delayed(reference, lag) + hiss(FRAMES, 0.002)
    found = measured(reference, noisy)
    # A fraction so small that undoing it would not lessen the noise by 5 % is not told from none.
    assert found.lag == pytest.approx(lag, abs=0.02 if abs(lag - round(lag)) > 0.1 else 0.1)
    assert found.gain == pytest.approx(0.25, rel=0.01)


def test_loud_noise_is_no_other_recording() -> None:
    reference = sound()
    level = float(np.sqrt(np.mean(reference**2)))
    found = measured(reference, delayed(reference, 100) + hiss(FRAMES, 3 * level))  # −10 dB SNR
    assert found.lag == pytest.approx(100, abs=0.1)
    assert found.correlation == pytest.approx(1 / np.sqrt(10), abs=0.03)
    assert found.gain == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("frames", [300, 2000, 30_000])
def test_short_recordings_have_a_lag_too(frames: int) -> None:
    click = np.zeros(frames)
    click[frames // 2 :] = hiss(frames - frames // 2, 0.2) * np.exp(-np.arange(frames - frames // 2) / 40)
    assert measured(click, delayed(click, 7.5)).lag == pytest.approx(7.5, abs=0.02)


@pytest.mark.parametrize("frames", [1, 2, 5])
def test_a_few_samples_lie_where_they_are(frames: int) -> None:
    few = np.linspace(0.5, 0.1, frames)
    found = measured(few, 0.9 * few)
    assert found.lag == pytest.approx(0.0, abs=0.02)
    assert found.gain == pytest.approx(0.9, rel=1e-3)


def test_lengths_may_differ() -> None:
    reference = sound()
    later = np.concatenate([np.zeros(1105), reference, np.zeros(2000)])
    assert measured(reference, later).lag == pytest.approx(1105, abs=0.02)
    assert measured(later, reference).lag == pytest.approx(-1105, abs=0.02)
    assert measured(reference, reference[40_000:60_000]).lag == pytest.approx(-40_000, abs=0.02)


def test_each_channel_has_its_own_lag_and_gain() -> None:
    left, right = sound(seed=1), sound(seed=2)
    degraded = np.stack([0.5 * delayed(left, 12.5), 0.8 * delayed(right, -300)])
    first, second = measure(np.stack([left, right]), degraded)
    assert first is not None and second is not None  # noqa: PT018
    assert (first.lag, second.lag) == (pytest.approx(12.5, abs=0.02), pytest.approx(-300, abs=0.02))
    assert (first.gain, second.gain) == (pytest.approx(0.5, rel=1e-3), pytest.approx(0.8, rel=1e-3))


def test_a_silent_channel_has_no_lag() -> None:
    left = sound()
    first, second = measure(np.stack([left, 0 * left]), np.stack([left, hiss(FRAMES, 0.001)]))
    assert first is not None
    assert second is None
    assert measure(np.zeros((1, 1000)), np.zeros((1, 1000))) == [None]


# What must be refused.


def test_silence_where_sound_should_be_is_refused() -> None:
    with pytest.raises(AlignmentError, match="silent"):
        measured(sound(), np.zeros(FRAMES))


def test_channels_that_do_not_match_are_refused() -> None:
    with pytest.raises(AlignmentError, match="2 channels and the degraded 1"):
        measure(np.zeros((2, 100)), np.zeros((1, 100)))


@pytest.mark.parametrize("lag", [0, 576, -20000, 0.5])
@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_inverted_polarity_is_refused(lag: float, noise: float) -> None:
    reference = sound()
    with pytest.raises(AlignmentError, match="polarity is inverted"):
        measured(reference, -0.8 * delayed(reference, lag) + hiss(FRAMES, noise))


@pytest.mark.parametrize("seed", [1, 2])
def test_a_wrong_partner_is_refused(seed: int) -> None:
    with pytest.raises(AlignmentError):
        measured(sound(), sound(seed=seed))
    with pytest.raises(AlignmentError):
        measured(sound(), hiss(FRAMES, 0.1, seed=seed))


@pytest.mark.parametrize("to_rate", [44200, 44000, 44144])
def test_another_speed_is_refused(to_rate: int) -> None:
    reference = sound(3 * RATE)
    with pytest.raises(AlignmentError, match="lag is not the same everywhere"):
        measured(reference, soxr.resample(reference, RATE, to_rate))


@pytest.mark.parametrize("cut", [20, 1105, 30_000])
def test_a_cut_in_the_middle_is_refused(cut: int) -> None:
    reference = sound(3 * RATE)
    middle = len(reference) // 2
    with pytest.raises(AlignmentError, match="lag is not the same everywhere"):
        measured(reference, np.concatenate([reference[:middle], reference[middle + cut :]]))
    with pytest.raises(AlignmentError, match="lag is not the same everywhere"):
        measured(reference, np.concatenate([reference[:middle], np.zeros(cut), reference[middle:]]))


def test_a_cut_in_one_channel_is_refused() -> None:
    stereo = np.stack([sound(seed=1), sound(seed=2)])
    degraded = stereo.copy()
    degraded[1, 50_000:-200] = stereo[1, 50_200:]
    with pytest.raises(AlignmentError, match="lag is not the same everywhere"):
        measure(stereo, degraded)


# What must not be refused.


@pytest.mark.parametrize("frequency_hz", [55.0, 441.0, 1000.0, 9000.0])
def test_a_held_tone_is_not_refused(frequency_hz: float) -> None:
    tone = 0.3 * np.sin(2 * np.pi * frequency_hz * np.arange(2 * RATE) / RATE)
    found = measured(tone, 0.95 * tone + hiss(len(tone), 0.003))
    assert abs(found.lag) < 0.001 * RATE / frequency_hz  # a thousandth of its period
    assert found.gain == pytest.approx(0.95, rel=0.01)


@pytest.mark.parametrize("lag", [0, 300, -1105])
def test_music_that_repeats_itself_is_not_refused(lag: int) -> None:
    beat = sound(RATE // 2) * np.exp(-np.arange(RATE // 2) / 4000)
    loop = np.tile(beat, 8)
    noisy = delayed(loop, lag) + hiss(len(loop), 0.002)
    assert measured(loop, noisy).lag == pytest.approx(lag, abs=0.02)


def test_sound_that_ends_early_is_not_refused() -> None:
    reference = sound(3 * RATE)
    faded = reference.copy()
    faded[2 * RATE :] *= np.linspace(1, 0, RATE)
    assert measured(reference, faded).lag == pytest.approx(0.0, abs=0.02)


def test_an_effect_that_changes_in_time_is_no_drift() -> None:
    reference = sound(2 * RATE)
    tremolo = reference * (0.6 + 0.4 * np.sin(2 * np.pi * 5 * np.arange(len(reference)) / RATE))
    assert measured(reference, tremolo).lag == pytest.approx(0.0, abs=0.02)


def test_clipping_and_lowpass_keep_the_lag() -> None:
    reference = sound()
    assert measured(reference, np.clip(reference, -0.03, 0.03)).lag == pytest.approx(0.0, abs=0.02)
    spectrum = np.fft.rfft(reference)
    spectrum[len(spectrum) // 6 :] = 0  # −60 … 3.7 kHz
    assert measured(reference, np.fft.irfft(spectrum, FRAMES)).lag == pytest.approx(0.0, abs=0.02)


# Recordings too long to be correlated whole.


@pytest.fixture
def low_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """One hundredth of the real limits: the same path, a hundredth of the time."""
    monkeypatch.setattr(align, "_WHOLE_FRAMES", 40_000)
    monkeypatch.setattr(align, "_EXCERPT_FRAMES", 20_000)


@pytest.mark.usefixtures("low_limits")
@pytest.mark.parametrize(
    ("lag", "loudest"), [(0, 0.98), (1.5, 0.02), (-1105, 0.5), (8000, 0.98), (8000, 0.02), (-8000.25, 0.02)]
)
def test_long_recordings_are_aligned_by_their_loudest_part(lag: float, loudest: float) -> None:
    reference = sound(200_000, seed=3)
    reference *= 0.05 + np.exp(-(((np.arange(200_000) / 200_000 - loudest) * 30) ** 2))
    found = measured(reference, 0.6 * delayed(reference, lag) + hiss(200_000, 1e-4))
    assert found.lag == pytest.approx(lag, abs=0.02)
    assert found.gain == pytest.approx(0.6, rel=0.01)


@pytest.mark.usefixtures("low_limits")
def test_a_long_recording_with_a_lag_for_each_channel() -> None:
    left, right = sound(150_000, seed=1), sound(150_000, seed=2)
    degraded = np.stack([delayed(left, 2000), 0.5 * delayed(right, -3.5)])
    first, second = measure(np.stack([left, right]), degraded)
    assert first is not None and second is not None  # noqa: PT018
    assert (first.lag, second.lag) == (pytest.approx(2000, abs=0.02), pytest.approx(-3.5, abs=0.02))


@pytest.mark.usefixtures("low_limits")
def test_a_cut_in_a_long_recording_is_refused() -> None:
    reference = sound(200_000)
    with pytest.raises(AlignmentError, match="lag is not the same everywhere"):
        measured(reference, np.delete(reference, slice(90_000, 90_500)))


@pytest.mark.usefixtures("low_limits")
@pytest.mark.parametrize("lag", [0, 5000, -700])
def test_a_long_recording_whose_loudest_part_is_lost_is_aligned_by_another(lag: float) -> None:
    reference = sound(200_000, seed=3)
    reference[100_000:130_000] *= 3.0
    muted = reference.copy()
    muted[85_000:145_000] = 0.0
    assert measured(reference, delayed(muted, lag)).lag == pytest.approx(lag, abs=0.02)


@pytest.mark.usefixtures("low_limits")
def test_a_wrong_partner_is_refused_where_it_is_long() -> None:
    with pytest.raises(AlignmentError, match="up to 10000 samples were tried") as caught:
        measured(sound(200_000, seed=3), sound(200_000, seed=4))
    assert caught.value.kind == "content"


def test_a_recording_over_the_real_limit() -> None:
    frames = (1 << 22) + 5
    rng = np.random.default_rng(0)
    reference = rng.standard_normal(frames, dtype=np.float32)
    reference *= np.repeat(rng.uniform(0, 1, frames // 1000 + 1).astype(np.float32), 1000)[:frames]
    late = np.concatenate([np.zeros(321, np.float32), reference])
    assert measured(reference, late).lag == pytest.approx(321, abs=0.02)


# Undoing a lag.


def band_limited(frames: int, part_of_nyquist: float = 0.8) -> np.ndarray:
    spectrum = np.fft.rfft(np.random.default_rng(5).standard_normal(frames))
    spectrum[int(part_of_nyquist * len(spectrum)) :] = 0
    return np.fft.irfft(spectrum, frames) * np.hanning(frames)


@pytest.mark.parametrize("lag", [0.06, -0.1, 0.25, 0.5, -0.5, 3.7, -100.45, 1105.3])
def test_a_fraction_of_a_sample_is_undone_below_0_8_nyquist(lag: float) -> None:
    clean = band_limited(8192)
    late = delayed(np.concatenate([clean, np.zeros(2000)]), lag)
    error = shift(late, lag, 8192) - clean
    inside = slice(300, -300)  # what a negative lag pushed over the start is lost
    assert 10 * np.log10(np.mean(error[inside] ** 2) / np.mean(clean[inside] ** 2)) < -60


def test_a_tone_keeps_its_level_through_a_fraction() -> None:
    for part in (0.01, 0.4, 0.8):
        tone = np.sin(np.pi * part * np.arange(4096))
        moved = shift(tone, 0.5, 4096)[500:-500]
        ideal = np.sin(np.pi * part * (np.arange(4096) + 0.5))[500:-500]
        assert np.abs(moved - ideal).max() < 1e-3


@pytest.mark.parametrize("lag", [0, 3, -3, 5, -5, 1000, -1000, 4.5, -4.5, 0.5])
def test_nothing_wraps_around(lag: float) -> None:
    ramp = np.arange(1.0, 6.0)
    shifted = shift(ramp, lag, 5)
    assert shifted.shape == (5,)
    if lag == round(lag):
        expected = [ramp[index + int(lag)] if 0 <= index + lag < 5 else 0.0 for index in range(5)]
        np.testing.assert_array_equal(shifted, expected)
    # A click at one end never appears at the other.
    click = np.zeros(4000)
    click[-1] = 1.0
    assert not shift(click, -lag - 1, 4000)[:2000].any()
    assert not shift(click[::-1], lag + 1, 4000)[2000:].any()


@pytest.mark.parametrize("frames", [1, 10, 5000])
@pytest.mark.parametrize("lag", [2, 2.5, -2.5])
def test_the_length_is_the_one_asked_for(frames: int, lag: float) -> None:
    stereo = np.stack([sound(1000, seed=1), sound(1000, seed=2)]).astype(np.float32)
    shifted = shift(stereo, lag, frames)
    assert shifted.shape == (2, frames)
    assert shifted.dtype == np.float32
    np.testing.assert_allclose(shifted[1], shift(stereo[1], lag, frames), atol=1e-6)


def test_shift_leaves_its_argument_alone() -> None:
    waveform = sound(1000)
    before = waveform.copy()
    shift(waveform, 0, 1000)[:] = 0.0
    np.testing.assert_array_equal(waveform, before)


@pytest.mark.parametrize("lag", [0, 4, -4, 10, -10, 50, -50])
def test_overlap_cuts_both_to_the_common_part(lag: int) -> None:
    reference = np.arange(30)
    degraded = np.arange(25) - lag  # sample by sample the same numbers where they lie on each other
    clean, dirty = overlap(reference, degraded, lag)
    np.testing.assert_array_equal(clean, dirty)
    assert len(clean) == max(0, min(30, 25 - lag) - max(0, -lag))


def test_what_measure_finds_shift_undoes() -> None:
    reference = sound().astype(np.float32)
    degraded = delayed(reference, 333.4).astype(np.float32)
    aligned = shift(degraded, measured(reference, degraded).lag, FRAMES)
    assert abs(measured(reference, aligned).lag) < align.LAG_TOLERANCE
    kept = slice(0, FRAMES - 400)
    assert np.mean((aligned - reference)[kept] ** 2) < 1e-4 * np.mean(reference[kept] ** 2)
