"""Lags that are not the same everywhere: what is said of them (`test_align.py` and the pair tests hear real ones)."""

import numpy as np
import pytest

from audiorestore.signal import drift


def test_lags_that_lie_in_two_far_places_are_no_wow(monkeypatch: pytest.MonkeyPatch) -> None:
    scattered = np.array([[1000.0 * place, (-900.0, 900.0)[place % 2]] for place in range(6)])
    monkeypatch.setattr(drift, "trace", lambda *_: scattered)
    monkeypatch.setattr(drift, "find_speed", lambda *_: None)
    noise = np.random.default_rng(0).standard_normal(8000)
    assert "wow" not in drift.describe(noise, noise, 0.0)
