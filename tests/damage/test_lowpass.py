"""The highs go as each kind of filter takes them, and nothing that stays is moved."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from in_memory import apply_damage

from audiorestore.damage import lowpass
from audiorestore.data.audio_file import read_audio
from audiorestore.errors import AudioRestoreError
from audiorestore.randomness import generator

RATE = 44100
FRAMES = 1 << 17
CUTOFF = 5000.0


def parameters(**settings: float | str) -> lowpass.Config:
    given = {"kind": "butterworth", "order": 6, "cutoff_hz": CUTOFF, "cutoff_share": 0.5, "passes": 1}
    return lowpass.Config(**({**given, "ripple_db": 0.5, "stopband_db": 60.0, **settings}))


def click_through(**settings: float | str) -> np.ndarray:
    click = np.zeros((1, FRAMES), np.float32)
    click[0, FRAMES // 2] = 1.0
    return apply_damage(lowpass, click, RATE, parameters(**settings))[0][0].astype(np.float64)


def gain_db(frequency_hz: np.ndarray | float, **settings: float | str) -> np.ndarray:
    """Measure the gain at some frequencies, from the answer to a click."""
    spectrum = np.abs(np.fft.rfft(click_through(**settings)))
    found = np.interp(frequency_hz, np.fft.rfftfreq(FRAMES, 1 / RATE), spectrum)
    return np.asarray(20.0 * np.log10(np.maximum(found, 1e-9)))


def warped(frequency_hz: np.ndarray) -> np.ndarray:
    """The frequency over the cut-off, as the bilinear transform sees them."""
    return np.asarray(np.tan(np.pi * frequency_hz / RATE) / np.tan(np.pi * CUTOFF / RATE))


def chebyshev(order: int, at: np.ndarray) -> np.ndarray:
    return np.polynomial.chebyshev.Chebyshev.basis(order)(at)


TEXTBOOK: dict[str, Callable[[np.ndarray, int], np.ndarray]] = {  # what the power is divided by
    "butterworth": lambda at, order: 1.0 + at ** (2 * order),
    "chebyshev1": lambda at, order: 1.0 + (10**0.05 - 1.0) * chebyshev(order, at) ** 2,
    "chebyshev2": lambda at, order: 1.0 + (10**6.0 - 1.0) / chebyshev(order, 1.0 / at) ** 2,
}


@pytest.mark.parametrize("kind", TEXTBOOK)
@pytest.mark.parametrize("order", [1, 2, 5, 8, 12])
def test_magnitudes_are_those_of_the_textbook(kind: str, order: int) -> None:
    frequency_hz = np.array([50.0, 1000, 2500, 4000, 4700, 5000, 5300, 6000, 8000])
    expected = -10.0 * np.log10(TEXTBOOK[kind](warped(frequency_hz), order))
    measurable = expected > -90.0
    found = gain_db(frequency_hz, kind=kind, order=order)
    np.testing.assert_allclose(found[measurable], expected[measurable], atol=0.2)
    assert (found[~measurable] < -85.0).all()


@pytest.mark.parametrize(("kind", "lost_db"), [("butterworth", 3.01), ("bessel", 3.01), ("sinc", 6.02)])
@pytest.mark.parametrize("order", [2, 6, 11])
def test_the_cutoff_is_where_it_is_said_to_be(kind: str, lost_db: float, order: int) -> None:
    if (kind, order) != ("sinc", 2):  # two zeros to each side hardly make an edge
        assert gain_db(CUTOFF, kind=kind, order=order) == pytest.approx(-lost_db, abs=0.05)


@pytest.mark.parametrize("order", [6, 9, 12])
def test_an_elliptic_filter_wavers_by_its_ripple_and_stays_below_its_stop_band(order: int) -> None:
    below = gain_db(np.arange(20.0, CUTOFF, 3.0), kind="elliptic", order=order, ripple_db=1.0, stopband_db=50.0)
    above = gain_db(np.arange(7500.0, 22000.0, 3.0), kind="elliptic", order=order, ripple_db=1.0, stopband_db=50.0)
    assert below.max() == pytest.approx(0.0, abs=0.05)
    assert below.min() == pytest.approx(-1.0, abs=0.05)
    assert above.max() == pytest.approx(-50.0, abs=0.5)


def test_a_bessel_filter_falls_gently_and_never_rises() -> None:
    frequency_hz = np.arange(20.0, 15000.0, 50.0)
    found = gain_db(frequency_hz, kind="bessel", order=8)
    assert (np.diff(found) < 1e-3).all()
    assert found[frequency_hz > 8000][0] > gain_db(8020.0, order=8) + 15.0


@pytest.mark.parametrize("stopband_db", [40.0, 80.0])
def test_a_sinc_takes_away_what_it_says(stopband_db: float) -> None:
    taps = 12 * RATE / CUTOFF
    edge_hz = CUTOFF + 0.5 * (stopband_db - 8.0) / (2.285 * taps) * RATE / (2 * np.pi)  # Kaiser's rule of thumb
    found = gain_db(np.arange(edge_hz, 22000.0, 7.0), kind="sinc", order=12, stopband_db=stopband_db)
    assert found.max() == pytest.approx(-stopband_db, abs=2.5)
    assert np.abs(gain_db(np.arange(20.0, 2000.0, 7.0), kind="sinc", order=12, stopband_db=stopband_db)).max() < 0.1


@pytest.mark.parametrize("kind", lowpass.KINDS)
def test_two_passes_double_the_decibels(kind: str) -> None:
    frequency_hz = np.array([500.0, 3000, 5000, 5500])
    once, twice = (gain_db(frequency_hz, kind=kind, passes=passes) for passes in (1, 2))
    measurable = twice > -90.0
    assert measurable[:2].all()
    np.testing.assert_allclose(twice[measurable], 2.0 * once[measurable], atol=0.05)


@pytest.mark.parametrize("kind", lowpass.KINDS)
@pytest.mark.parametrize("passes", [1, 2])
def test_a_click_rings_alike_before_and_after_its_place(kind: str, passes: int) -> None:
    answer = click_through(kind=kind, passes=passes)
    place = FRAMES // 2
    assert np.argmax(np.abs(answer)) == place
    np.testing.assert_allclose(answer[place + 1 : place + 20000], answer[place - 1 : place - 20000 : -1], atol=1e-6)


@pytest.mark.parametrize("kind", lowpass.KINDS)
def test_a_low_tone_stays_where_it_is_and_a_high_one_goes(kind: str) -> None:
    time = np.arange(30000) / RATE
    low, high = (0.5 * np.sin(2 * np.pi * hz * time)[np.newaxis].astype(np.float32) for hz in (441, 15000))
    settings = parameters(kind=kind, ripple_db=0.01)
    inside = slice(8000, 22000)
    kept, lost = (apply_damage(lowpass, tone, RATE, settings)[0][0, inside] for tone in (low, high))
    np.testing.assert_allclose(kept, low[0, inside], atol=0.03)  # a Bessel filter takes 0.2 dB even there
    # To a thousandth of a sample: the part of the output that is 90 degrees off.
    quadrature = np.cos(2 * np.pi * 441 * time)[inside]
    assert abs(2.0 * np.mean(kept * quadrature) / 0.5) < 0.001 * 2 * np.pi * 441 / RATE
    assert np.abs(lost).max() < 0.5 * 10 ** (-50 / 20)


def test_a_higher_order_is_steeper() -> None:
    for kind in ("butterworth", "chebyshev1"):
        found = [float(gain_db(9000.0, kind=kind, order=order)) for order in (1, 3, 5, 7)]
        assert found == sorted(found, reverse=True)


def test_auto_cuts_at_a_share_of_the_band_and_says_where() -> None:
    sound = np.ones((2, 100), np.float32)
    for rate in (8000, 192000):
        _, reported = apply_damage(lowpass, sound, rate, parameters(cutoff_hz="auto", cutoff_share=0.3))
        assert reported == {"cutoff_hz": pytest.approx(0.15 * rate)}
    assert apply_damage(lowpass, sound, RATE, parameters())[1] == {"cutoff_hz": CUTOFF}


@pytest.mark.parametrize("cutoff_hz", [4000.0, 11025.0])
def test_a_recording_without_highs_is_refused(cutoff_hz: float) -> None:
    with pytest.raises(AudioRestoreError, match="ends at 4000 Hz"):
        apply_damage(lowpass, np.ones((1, 100), np.float32), 8000, parameters(cutoff_hz=cutoff_hz))


def test_what_would_ring_for_ever_is_refused() -> None:
    with pytest.raises(AudioRestoreError, match="lower order"):
        apply_damage(
            lowpass,
            np.ones((1, 100), np.float32),
            192000,
            parameters(kind="elliptic", order=12, cutoff_hz=20.0, ripple_db=0.01, stopband_db=20.0),
        )


@pytest.mark.parametrize(
    ("kind", "order"),
    [("chebyshev1", 6), ("chebyshev1", 12), ("bessel", 6), ("bessel", 12), ("elliptic", 6), ("elliptic", 12)],
)
def test_the_filters_of_sulun_and_davies_are_made(kind: str, order: int) -> None:
    settings = {"cutoff_hz": 11025.0, "ripple_db": 0.05, "stopband_db": 20.0, "passes": 2}
    below, above = gain_db(np.array([2000.0, 15000.0]), kind=kind, order=order, **settings)
    assert below == pytest.approx(0.0, abs=0.5)
    assert above < (-20.0 if kind == "bessel" else -39.0)


def test_every_default_draw_is_possible_and_makes_many_filters() -> None:
    draws = [lowpass.Config().draw(generator(seed)) for seed in range(60)]
    assert {drawn.kind for drawn in draws} == set(lowpass.KINDS)
    assert len({drawn.cutoff_share for drawn in draws}) == 60
    for rate, drawn in zip((8000, 44100, 192000), draws, strict=False):
        apply_damage(lowpass, np.ones((1, 50), np.float32), rate, drawn)


def test_channels_do_not_mix() -> None:
    sound = np.zeros((2, 3000), np.float32)
    sound[1, 1500] = 1.0
    degraded, _ = apply_damage(lowpass, sound, RATE, parameters())
    assert not degraded[0].any()
    assert degraded[1].any()


def test_a_real_recording_loses_its_highs_and_nothing_else(corpus: Path) -> None:
    path = sorted((corpus / "ljspeech").glob("*.flac"))[0]
    speech, rate = read_audio(path)
    degraded, _ = apply_damage(lowpass, speech, rate, parameters(order=10, cutoff_hz=4000.0))
    clean, dirty = (np.abs(np.fft.rfft(each[0].astype(np.float64))) ** 2 for each in (speech, degraded))
    frequency_hz = np.fft.rfftfreq(speech.shape[-1], 1 / rate)
    assert dirty[frequency_hz > 6000].sum() < 1e-5 * clean[frequency_hz > 6000].sum()
    assert dirty[frequency_hz < 3000].sum() == pytest.approx(clean[frequency_hz < 3000].sum(), rel=1e-3)
