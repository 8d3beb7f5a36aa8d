"""Added noise: as loud as requested and reported, of one seed, and absent where nothing happens."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from in_memory import added_alone, apply_damage
from oracles import mean_power

from audiorestore.damage import DAMAGES
from audiorestore.damage._damage import DamageConfig
from audiorestore.randomness import generator
from audiorestore.signal.level import decibels
from audiorestore.signal.resample import resample

SETTINGS: dict[str, dict[str, Any]] = {
    "clicks": {"rate_per_second": 10.0, "rpm": "off"},
    "crackle": {},
    "thumps": {"rate_per_second": 3.0, "rpm": "off"},
    "hum": {},
    "hiss": {"colour": "pink"},
}


def config(name: str, **settings: Any) -> DamageConfig:
    drawn: DamageConfig = DAMAGES.load(name).Config().draw(generator(0, name))
    return replace(drawn, **(SETTINGS[name] | settings))


@pytest.mark.parametrize(
    ("rate", "disc", "snr_db"), [(8000, "mono", 0.0), (44100, "stereo", 20.0), (48000, "mono", 40.0)]
)
@pytest.mark.parametrize("name", SETTINGS)
def test_the_snr_is_the_one_asked_for(name: str, rate: int, disc: str, snr_db: float) -> None:
    tone = np.tile(0.2 * np.sin(2 * np.pi * 440 * np.arange(3 * rate) / rate), (2, 1)).astype(np.float32)
    settings = {"disc": disc} if hasattr(config(name), "disc") else {}
    degraded, reported = apply_damage(DAMAGES.load(name), tone, rate, config(name, snr_db=snr_db, **settings))
    added = degraded.astype(np.float64) - tone
    assert decibels(mean_power(tone) / mean_power(added)) == pytest.approx(snr_db, abs=0.05)
    assert reported["noise_dbfs"] == pytest.approx(decibels(mean_power(added)), abs=0.05)
    assert reported["peak_dbfs"] == pytest.approx(20 * np.log10(np.abs(added).max()), abs=0.05)


@pytest.mark.parametrize("name", SETTINGS)
def test_one_seed_is_the_same_noise_and_another_is_not(name: str) -> None:
    module = DAMAGES.load(name)
    first, again, other = (added_alone(module, config(name, noise_seed=seed), 3.0, 16000)[0] for seed in (7, 7, 8))
    np.testing.assert_array_equal(first, again)
    assert abs(np.corrcoef(first[0], other[0])[0, 1]) < (0.98 if name == "hum" else 0.1)


@pytest.mark.parametrize("name", ["clicks", "crackle"])
def test_one_seed_is_the_same_events_at_every_rate(name: str) -> None:
    fine, reported = added_alone(DAMAGES.load(name), config(name), 1.5, 96000)
    for rate in (8000, 44100):
        coarse, reported_coarse = added_alone(DAMAGES.load(name), config(name), 1.5, rate)
        wanted = resample(fine, 96000, rate)
        # All but the scale, which the SNR sets from what is left below half of the rate.
        assert np.sum(wanted * coarse) / np.sqrt(np.sum(wanted**2) * np.sum(coarse**2)) > 0.9999
        assert reported_coarse["events"] == reported["events"]


@pytest.mark.parametrize("name", ["clicks", "thumps"])
def test_where_no_event_falls_the_sound_stays_as_it_is(name: str) -> None:
    sound = np.full((2, 800), 0.3, np.float32)
    degraded, reported = apply_damage(DAMAGES.load(name), sound, 8000, config(name, rate_per_second=0.001))
    np.testing.assert_array_equal(degraded, sound)
    assert reported == {"noise_dbfs": None, "peak_dbfs": None, "events": 0}
