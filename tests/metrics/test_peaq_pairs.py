"""PEAQ against independent implementations: 64 synthetic pairs, made here from formulas, and what those say of them.

`peaq_pairs.tsv` holds for each pair the first digits of the SHA-256 of its 16-bit samples; the mean grade of gstpeaq
0.6.1 (without its zero-padded last frame) and PyEvalAudio (without bin 0 of the error's log spectrum), which differ by
0.01 at most; and the first one's own grade, distortion index and eleven variables.
"""

import csv
import functools
import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.signal import butter, sosfilt

from audiorestore.metrics._comparison import Comparison, Measured, Undefined
from audiorestore.metrics.peaq import measure
from audiorestore.metrics.peaq.network import VARIABLES

RATE = 48000
FRAMES = 5 * RATE
with (Path(__file__).parent / "peaq_pairs.tsv").open(newline="") as file:
    EXPECTED = {row["pair"]: row for row in csv.DictReader(file, delimiter="\t")}


def pcm(waveform: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(waveform * 32768.0), -32768, 32767).astype(np.int16)


def floating(samples: np.ndarray) -> np.ndarray:
    return samples.astype(np.float64) / 32768.0


# Four sounds, 16 bit, shape (time, channels). All have a faint noise that falls towards 24 kHz: PEAQ measures bandwidth
# against what lies above 21.6 kHz.


def soft_noise(rng: np.random.Generator, frames: int, channels: int) -> np.ndarray:
    white = rng.standard_normal((frames + 4, channels))
    return (white[:-4] + 4.0 * white[1:-3] + 6.0 * white[2:-2] + 4.0 * white[3:-1] + white[4:]) / 16.0


def noise_bursts(channels: int) -> np.ndarray:
    """Forty bursts of noise, 90 ms long, each 3 dB softer than the one before, eight times in a row."""
    rng = np.random.default_rng(1387)
    sound = 1e-3 * soft_noise(rng, FRAMES, channels)
    length, step = 4320, 6000
    envelope = 0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(length) + 0.5) / length)
    for burst in range(FRAMES // step):
        level = 0.30 * 10.0 ** (-(burst % 8) * 3.0 / 20.0)
        sound[burst * step :][:length] += level * envelope[:, None] * soft_noise(rng, length, channels)
    return pcm(sound)


def vibrato(channels: int) -> np.ndarray:
    """A tone of 60 harmonics on 220 Hz that wavers by 3 %, 5.5 times a second."""
    time = np.arange(FRAMES) / RATE
    phase = 2 * np.pi * 220.0 * time - 220.0 * 0.03 / 5.5 * np.cos(2 * np.pi * 5.5 * time)
    sound = 2e-4 * soft_noise(np.random.default_rng(220), FRAMES, channels)
    for k in range(1, 61):
        for channel in range(channels):
            width = 1.0 if channels == 1 else 1.0 + 0.5 * np.cos(np.pi * (k + channel))
            sound[:, channel] += 0.16 / k * width * np.sin(k * phase + 0.7 * k * k + 0.3 * channel)
    sound *= (0.75 + 0.25 * np.cos(2 * np.pi * 0.8 * time))[:, None]
    return pcm(sound)


def clicks(channels: int) -> np.ndarray:
    """Five clicks a second, each a snap of noise and a ring, each ring higher than the last."""
    rng = np.random.default_rng(25)
    sound = 1e-3 * soft_noise(rng, FRAMES, channels)
    length, step = 7200, 9600
    since = np.arange(length) / RATE
    for click in range(FRAMES // step):
        ring = np.sin(2 * np.pi * (900.0 + 137.0 * click) * since) * np.exp(-since / 0.020)
        snap = soft_noise(rng, length, channels) * np.exp(-since / 0.004)[:, None]
        pan = np.array([1.0] if channels == 1 else [0.6 + 0.3 * np.sin(click), 0.6 - 0.3 * np.sin(click)])
        sound[click * step :][:length] += (0.25 * ring[:, None] + 0.25 * snap) * pan
    return pcm(sound)


CHORDS = (
    (261.63, 329.63, 392.0, 523.25),
    (220.0, 261.63, 329.63, 440.0),
    (174.61, 220.0, 261.63, 349.23),
    (196.0, 246.94, 293.66, 392.0),
    (130.81, 196.0, 329.63, 523.25),
)


def chord(channels: int) -> np.ndarray:
    """A struck chord a second, its high partials dying first."""
    sound = 2e-4 * soft_noise(np.random.default_rng(4), FRAMES, channels)
    since = np.arange(RATE) / RATE
    attack = 1.0 - np.exp(-since / 0.003)
    for second, notes in enumerate(CHORDS):
        here = sound[second * RATE : (second + 1) * RATE]
        for note, pitch in enumerate(notes):
            pan = (1.0,) if channels == 1 else (0.4 + 0.2 * note, 1.0 - 0.2 * note)
            for k in range(1, 41):
                frequency = pitch * k * (1.0 + 0.0001 * k * k)
                if frequency > 18000.0:
                    break
                partial = np.sin(2 * np.pi * frequency * since + 0.5 * note * k)
                partial *= attack * np.exp(-since * (1.0 + 0.2 * k)) * 0.12 / k
                for channel in range(channels):
                    here[:, channel] += pan[channel] * partial
    return pcm(sound)


# Eight ways to damage them.


def lowpass(samples: np.ndarray, cutoff_hz: float) -> np.ndarray:
    return pcm(sosfilt(butter(4, cutoff_hz, fs=RATE, output="sos"), floating(samples), axis=0))


def hiss(samples: np.ndarray, snr_db: float) -> np.ndarray:
    sound = floating(samples)
    noise = np.random.default_rng(0).standard_normal(sound.shape)
    noise *= np.sqrt(np.mean(sound**2) / np.mean(noise**2)) * 10.0 ** (-snr_db / 20.0)
    return pcm(sound + noise)


@functools.cache
def mdct_basis(size: int) -> np.ndarray:
    k, i = np.arange(size)[:, None], np.arange(2 * size)[None, :]
    return np.cos(np.pi / size * (i + 0.5 + size / 2) * (k + 0.5)) * np.sin(np.pi * (i + 0.5) / (2 * size))


def coded(samples: np.ndarray, snr_db: float) -> np.ndarray:
    """As a codec would: an MDCT in steps as large as each 16 bins bear, nothing above 16 kHz."""
    size, bins = 1024, 16
    basis = mdct_basis(size)
    sound = floating(samples)
    decoded = np.zeros_like(sound)
    for channel in range(sound.shape[1]):
        padded = np.concatenate([np.zeros(size), sound[:, channel], np.zeros(2 * size)])
        count = len(padded) // size - 1
        frames = padded[(np.arange(count) * size)[:, None] + np.arange(2 * size)]
        groups = (frames @ basis.T).reshape(count, size // bins, bins)
        step = np.sqrt(np.mean(groups**2, axis=2, keepdims=True) * 12.0) * 10.0 ** (-snr_db / 20.0) + 1e-9
        coefficients = (np.rint(groups / step) * step).reshape(count, size)
        coefficients[:, int(16000 / (RATE / 2) * size) :] = 0.0
        overlapped = np.zeros(len(padded))
        for frame, part in enumerate(coefficients @ basis * (2.0 / size)):
            overlapped[frame * size :][: 2 * size] += part
        decoded[:, channel] = overlapped[size : size + len(sound)]
    return pcm(decoded)


def clipped(samples: np.ndarray, part: float) -> np.ndarray:
    sound = floating(samples)
    limit = part * np.max(np.abs(sound))
    return pcm(np.clip(sound, -limit, limit))


SOUNDS: dict[str, Callable[[int], np.ndarray]] = {
    "noise_bursts": noise_bursts,
    "vibrato": vibrato,
    "clicks": clicks,
    "chord": chord,
}
DAMAGES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "identity": lambda samples: samples.copy(),
    "lp7k": lambda samples: lowpass(samples, 7000),
    "lp12k": lambda samples: lowpass(samples, 12000),
    "noise30": lambda samples: hiss(samples, 30.0),
    "noise45": lambda samples: hiss(samples, 45.0),
    "mdct12": lambda samples: coded(samples, 12.0),
    "mdct20": lambda samples: coded(samples, 20.0),
    "clip50": lambda samples: clipped(samples, 0.50),
}


@functools.cache
def reference(name: str) -> np.ndarray:
    """`clicks_mono` and so on."""
    sound, _, channels = name.rpartition("_")
    return SOUNDS[sound](1 if channels == "mono" else 2)


@functools.cache
def grade(pair: str) -> tuple[Measured, bool]:
    """Measure a pair, and say whether it is sample by sample the one that the others measured."""
    name, _, damage = pair.partition("__")
    damaged = DAMAGES[damage](reference(name))
    digest = hashlib.sha256(np.ascontiguousarray(damaged, "<i2").tobytes()).hexdigest()
    return compare(reference(name), damaged), digest.startswith(EXPECTED[pair]["sha256"])


def compare(clean: np.ndarray, damaged: np.ndarray) -> Measured:
    return measure(Comparison.of(floating(clean).T, floating(damaged).T, RATE))


def value(measured: Measured, key: str) -> float:
    number = measured[f"peaq_{key}"]
    assert isinstance(number, float)
    return number


@pytest.mark.parametrize("pair", EXPECTED)
def test_it_agrees_with_two_other_implementations(pair: str) -> None:
    measured, same = grade(pair)
    expected = {key: float(text) for key, text in EXPECTED[pair].items() if key not in ("pair", "sha256")}
    assert value(measured, "odg") == pytest.approx(expected["odg_consensus"], abs=0.02)
    if same:  # a value that lies on the edge of a step may be rounded the other way on another machine
        assert value(measured, "odg") == pytest.approx(expected["odg"], abs=1e-5)
        assert value(measured, "di") == pytest.approx(expected["di"], abs=1e-4)
        for key in VARIABLES:
            assert value(measured, key) == pytest.approx(expected[key], rel=1e-6, abs=1e-6), key


def test_the_pairs_are_those_that_the_others_measured() -> None:
    assert len(EXPECTED) == len(SOUNDS) * len(DAMAGES) * 2 == 64
    assert sum(same for _, same in map(grade, EXPECTED)) >= 32


def test_silence_around_and_within() -> None:
    """gstpeaq without its zero-padded last frame: −3.1390, −3.3189 and −3.2360."""
    clean = chord(1)
    around = np.concatenate([np.zeros((24000, 1), np.int16), clean, np.zeros((33600, 1), np.int16)])
    assert value(compare(around, coded(around, 12.0)), "odg") == pytest.approx(-3.1390, abs=0.001)
    within = clean.copy()
    within[RATE : int(1.8 * RATE)] = 0
    assert value(compare(within, coded(within, 12.0)), "odg") == pytest.approx(-3.3189, abs=0.001)
    assert value(compare(within, hiss(within, 45.0)), "odg") == pytest.approx(-3.2360, abs=0.001)


def test_a_dull_sound_has_a_grade_but_no_bandwidth() -> None:
    """Nothing above 900 Hz: two implementations give nothing, peaqb gives 0.1295 and −3.8887."""
    time = np.arange(FRAMES) / RATE
    dull = pcm(sum((0.1 * np.sin(2 * np.pi * f * time) for f in (300.0, 600.0, 900.0)), np.zeros(FRAMES))[:, None])
    for damaged, odg in ((dull, 0.1295), (hiss(dull, 45.0), -3.8887)):
        measured = compare(dull, damaged)
        assert value(measured, "odg") == pytest.approx(odg, abs=0.01)
        for key in ("peaq_bandwidth_ref", "peaq_bandwidth_test"):
            assert isinstance(measured[key], Undefined)


def test_a_silent_channel_does_not_count() -> None:
    """Two implementations give nothing, peaqb gives −2.8311."""
    clean = chord(2)
    clean[:, 1] = 0
    damaged = coded(clean, 12.0)
    assert not np.any(damaged[:, 1])
    stereo = compare(clean, damaged)
    assert stereo == pytest.approx(compare(clean[:, :1], damaged[:, :1]), rel=1e-9)
    assert value(stereo, "odg") == pytest.approx(-2.8311, abs=0.05)
