"""The list of metrics contains everything that is known about their numbers, at any width of the terminal."""

import io
import re
from types import ModuleType, SimpleNamespace

import pytest
from rich.console import Console

from audiorestore.metrics import METRICS
from audiorestore.metrics._comparison import Number
from audiorestore.report import metrics
from audiorestore.report.metrics import metrics_table


def shown(width: int = 4000) -> str:
    text = io.StringIO()
    Console(file=text, width=width).print(metrics_table())
    return text.getvalue()


def squeezed(text: str) -> str:
    """Keep only letters and digits: lines may break anywhere."""
    return re.sub(r"[^\w]|_", "", text)


@pytest.mark.parametrize("width", [72, 100, 200])
def test_everything_known_about_the_numbers_is_there(width: int) -> None:
    text = squeezed(shown(width))
    for name in METRICS.names():
        assert squeezed(name) in text
        for key, number in METRICS.load(name).NUMBERS.items():
            for part in (key, number.unit, number.meaning, number.source, number.limits):
                assert squeezed(part) in text, (name, part)


def test_no_line_is_wider_than_the_terminal() -> None:
    assert max(map(len, shown(80).splitlines())) <= 80


def test_the_arrow_points_to_the_better_direction() -> None:
    lines = shown().splitlines()
    for key, arrow in (("snr_db", "↑ dB"), ("lsd_db", "↓ dB"), ("mse", "↓"), ("ssim", "↑")):
        assert any(f" {key} {arrow} " in line for line in lines), key


def test_what_is_not_installed_and_what_is_on_request_is_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = (Number("", True, f"meaning {n}", "the same source", limits=f"limit {n % 2}") for n in (1, 3))
    made = ModuleType("made", "What it is\nfor.\n\nMore.")
    made.__dict__.update(
        NUMBERS={"a": first, "b": second}, ON_REQUEST=True, missing=lambda: "pip install 'audiorestore[speech]'"
    )
    there = ModuleType("there", "What is there.")
    there.__dict__.update(NUMBERS={"c": first}, missing=lambda: "")
    modules = {"made": made, "there": there}
    monkeypatch.setattr(metrics, "METRICS", SimpleNamespace(names=lambda: list(modules), load=modules.__getitem__))
    text = shown()
    assert "What it is for" in text
    assert "More" not in text
    assert "not installed: pip install 'audiorestore[speech]'" in text
    assert text.count("not installed") == 1
    assert text.count("only on request, with --metric") == 1
    assert text.count("the same source") == 2, "once a metric"
    assert text.count("limit 1") == 2
