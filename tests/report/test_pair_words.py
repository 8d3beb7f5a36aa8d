"""The text about a pair: its damages in order, and its alignment as in the record."""

import math
from typing import Any

import numpy as np
import pytest

from audiorestore.report.pair_words import pair_lines, residual_lags

RATE = 16000
ALIGNMENT = {"lag": 160.0, "gain_db": -3.2, "residual_lag": 0.0, "level": "keep", "windows": [0.0, None, 0.02]}


@pytest.mark.parametrize(
    ("windows", "lags"),
    [
        ([0.5, None], [[0.5, math.nan]]),
        ([[0.5], None, [None, 1]], [[0.5], [], [math.nan, 1.0]]),
        ([], []),
        ([None, None], []),
        (None, []),
        ("many", []),
        ([True, "x", float("inf"), 2], [[math.nan, math.nan, math.nan, 2.0]]),
    ],
)
def test_lags_of_any_shape_are_read(windows: Any, lags: list[list[float]]) -> None:
    found = residual_lags({"alignment": {"windows": windows}})
    assert len(found) == len(lags)
    for row, expected in zip(found, lags, strict=True):
        np.testing.assert_array_equal(row, expected)


@pytest.mark.parametrize(
    ("alignment", "words"),
    [
        (ALIGNMENT, "was delayed by 160 samples (10 ms), gain −3.2 dB (kept), residual lag 0 samples"),
        ({"lag": -0.5, "gain_db": 1, "level": "match"}, "was advanced by 0.5 samples (0.0312 ms), gain 1 dB (removed)"),
        ({"lag": [16, 32.25]}, "was delayed by 16 / 32.25 samples (1 / 2.02 ms)"),
        ({"lag": [-16, 32.0]}, "was shifted by −16 / 32 samples (−1 / 2 ms)"),
        ({"lag": 0.0, "residual_lag": [0.01, None]}, "had no lag, residual lag 0.01 samples"),
        (
            {"lag": 0.0, "warped": True, "found": ["drift", "polarity"]},
            "had no lag, the reference warped in the same way, acc",
        ),
        ({"lag": None, "gain_db": "loud"}, "measured"),
    ],
)
def test_the_alignment_is_described_in_words(alignment: dict[str, Any], words: str) -> None:
    (line,) = pair_lines({"sample_rate": RATE, "alignment": alignment})
    assert line.startswith("alignment: " + words)


def test_the_damages_are_described_in_order_and_briefly() -> None:
    damages = [
        {"name": "mp3", "kbps": 32, "joint": False, "gain": 1 / 3, "empty": None},
        {"name": "clicks", "at": [0.25, None, 3, 4], "few": [1], "map": {"a": 1}, "shape": "a" * 99},
    ]
    assert " ".join(pair_lines({"damage": damages})) == (
        f"damage: mp3 kbps=32 joint=no gain=0.3333 | clicks at=[0.25,None,3,…] few=[1] map={{…}} shape={'a' * 23}…"
    )
    long = pair_lines({"damage": 20 * [{"name": "hum", **{f"partial_{number}": 0.5 for number in range(9)}}]})
    assert len(long) == 3
    assert long[-1].endswith("…")
    assert "partial_5" in long[0]
    assert "partial_6" not in long[0]
    assert pair_lines({"damage": ["odd\n你"]}) == ["damage: odd��"]
    assert pair_lines({"id": "plain"}) == []
