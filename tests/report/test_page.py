"""The page of a report: one file, true to the records, safe with any text in them, and always the same."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from matplotlib import colormaps
from PIL import Image

from audiorestore.data.audio_file import write_audio
from audiorestore.engine.evaluate import evaluate_record
from audiorestore.report import page
from audiorestore.report.page import records as page_records
from audiorestore.report.page import write_page
from audiorestore.report.page.charts import Curve, Violin, curves, violins
from audiorestore.report.page.logs import training
from audiorestore.report.page.numbers import columns, numbers_in, ranked
from audiorestore.report.page.pictures import COLOURS, ROWS, image_uri, pixels_of
from audiorestore.report.page.sounds import playable, read_excerpts, versions_of
from audiorestore.report.power_grid import power_grid
from audiorestore.scores.summary import Summary

RATE = 16000
METRICS = ["mse", "snr"]
VOID = {"meta", "link", "input", "br", "image", "wbr", "path", "line", "circle", "polyline"}


class Page(HTMLParser):
    """What a browser would make of a page: elements with their attributes, the text, and what scripts hold."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self.held: dict[str, list[str]] = {"script": [], "style": []}
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in self.held:
            self.held[self.open[-1]].append(data)
        else:
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def all(self, tag: str, css: str = "") -> list[dict[str, str]]:
        return [
            attributes
            for name, attributes in self.elements
            if name == tag and (not css or css in attributes.get("class", "").split())
        ]

    @property
    def sounds(self) -> list[list[dict[str, Any]]]:
        """What each player holds."""
        return [json.loads(text) for text in self.held["script"] if text.startswith("[")]


def noise(seed: int, frames: int = RATE, channels: int = 1) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal((channels, frames))).astype(np.float32)


@pytest.fixture
def measured(tmp_path: Path) -> Any:
    """Write a reference, a noisy copy and what a system made of it, measured."""

    def make(id: str, restored: float = 0.5, frames: int = RATE, channels: int = 1, rate: int = RATE) -> dict[str, Any]:
        reference = noise(1, frames, channels)
        sounds = {
            "reference": reference,
            "degraded": reference + 0.1 * noise(2, frames, channels),
            "restored": reference + restored * 0.1 * noise(2, frames, channels),
        }
        record: dict[str, Any] = {"id": id}
        for role, sound in sounds.items():
            record[role] = str(tmp_path / f"{len(list(tmp_path.iterdir()))}.wav")
            write_audio(record[role], sound, rate, subtype="FLOAT")
        return evaluate_record(record, METRICS)

    return make


def summed(systems: dict[str, list[dict[str, Any]]], metrics: list[str] | None = None) -> Summary:
    summary = Summary(metrics)
    for name, records in systems.items():
        for record in records:
            summary.add({**record, "system": name})
    return summary


def written(path: Path, systems: dict[str, list[dict[str, Any]]], **options: Any) -> Page:
    write_page(path / "page.html", systems, summed(systems), **options)
    return Page((path / "page.html").read_text("utf-8"))


def test_all_that_was_measured_is_in_the_table(tmp_path: Path, measured: Any) -> None:
    made = written(tmp_path, {"half": [measured("a", 0.5), measured("b", 0.5)], "tenth": [measured("a", 0.1)]})
    assert not made.open, "every element is closed"
    for heading in ("degraded", "degraded, leveled", "half", "half, leveled", "tenth", "tenth, leveled"):
        assert heading in made.texts
    # Half of the noise is 6.02 dB less of it, a tenth 20 dB.
    assert "+6.02" in made.texts
    assert "+20.00" in made.texts
    assert "1 of 2" in made.texts
    assert numbers_in(summed({"x": [measured("c")]})).keys() == {"mse", "snr_db"}


def test_the_page_needs_nothing_from_outside_and_every_control_has_a_name(tmp_path: Path, measured: Any) -> None:
    made = written(tmp_path, {"half": [measured("a")]})
    text = (tmp_path / "page.html").read_text("utf-8")
    (policy,) = (each["content"] for each in made.all("meta") if "http-equiv" in each)
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    for tag in ("style", "script"):
        run = [text for text in made.held[tag] if not text.startswith("[")]
        (digest,) = re.findall(rf"{tag}-src 'sha256-([^']+)'", policy)
        assert base64.b64decode(digest) == hashlib.sha256("".join(run).encode()).digest()
    assert not re.search(r"https?:|//\w", re.sub(r"[A-Za-z0-9+/=]{200,}", "", "".join(made.held["style"]) + made.text))
    for _, attributes in made.elements:
        assert not any(name.startswith("on") or name == "style" for name in attributes)
        for name in ("src", "href", "action", "data"):
            assert attributes.get(name, "#").startswith(("#", "data:"))
    assert "http://" not in text
    assert "https://" not in text
    # Every control has a name.
    assert 'aria-label="Play a"' in text
    assert text.count("<label") == 3 + 2  # versions, and two options
    assert all(each.get("aria-label") for each in made.all("svg", "spectrogram") + made.all("svg", "chart"))
    assert made.all("input", "position")[0]["aria-label"]
    ids = [attributes["id"] for _, attributes in made.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {each["href"][1:] for each in made.all("a")} <= set(ids)


HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>&lt;\u202eevil\udcff</script>"


def test_what_records_say_is_shown_and_not_obeyed(tmp_path: Path, measured: Any) -> None:
    record = measured("a")
    hostile = {
        **record,
        "id": HOSTILE,
        "model": HOSTILE,
        "damage": [{"name": HOSTILE, HOSTILE: HOSTILE}],
        "metrics_note": HOSTILE,
        "check": {HOSTILE: {"warning": HOSTILE}, "degraded": 3},
        "metrics": {**record["metrics"], "restored": {**record["metrics"]["restored"], HOSTILE: 1.0}},
    }
    broken = {"id": HOSTILE, "error": {"stage": HOSTILE, "message": HOSTILE}}
    made = written(tmp_path, {HOSTILE: [hostile, broken]})
    assert not made.all("img")
    assert len(made.all("script")) == 2  # the sounds of one record, and the page's own
    assert not any("onerror" in attributes for _, attributes in made.elements)
    assert "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>" in made.text
    assert "\u202e" not in made.text


def test_failures_are_listed_and_counted_and_never_averaged(tmp_path: Path, measured: Any) -> None:
    late = measured("late")
    late["check"]["restored"]["warning"] = "3 samples late: do not trust the numbers"
    failed = {**measured("bad"), "error": {"stage": "eval", "message": "the lengths differ"}}
    made = written(tmp_path, {"half": [measured("good"), failed, late, {"id": "raw"}]})
    assert "2 of 4 records failed" in made.text
    assert "eval: the lengths differ" in made.text
    assert "it was not measured" in made.text
    assert "restored: 3 samples late: do not trust the numbers" in made.text
    assert len(made.sounds) == 2
    column = columns(summed({"half": [measured("good"), failed]}), ["half"])[0]
    assert column.cells["snr_db"].count == 1


def test_missing_sounds_are_reported_in_their_record(tmp_path: Path, measured: Any) -> None:
    whole, gone, empty = measured("whole"), measured("gone"), measured("empty")
    Path(gone["restored"]).unlink()
    for role in ("reference", "degraded", "restored"):
        Path(empty[role]).unlink()
    made = written(tmp_path, {"half": [whole, gone, empty]})
    assert sorted(len(each) for each in made.sounds) == [2, 3]
    assert f"half: {gone['restored']}" in made.text
    assert f"reference: {empty['reference']}" in made.text
    assert len(made.all("article", "record")) == 3


def test_without_records_there_is_a_page_too(tmp_path: Path) -> None:
    for systems in ({}, {"none": []}, {"none": [{"id": "x", "error": {}}]}):
        made = written(tmp_path, systems, logs=[tmp_path / "no.log.jsonl"])
        assert "No record was measured" in made.text
        assert "no.log.jsonl cannot be read" in made.text


def test_the_same_records_give_the_same_bytes(tmp_path: Path, measured: Any) -> None:
    systems = {"half": [measured("a", channels=2), measured("b")], "tenth": [measured("a", 0.1)]}
    pages = []
    for _ in range(2):
        write_page(tmp_path / "page.html", systems, summed(systems))
        pages.append((tmp_path / "page.html").read_bytes())
    assert pages[0] == pages[1]
    assert sorted(path.name for path in tmp_path.glob("*") if path.suffix != ".wav") == ["page.html"]


def test_sounds_are_the_files_own_samples(tmp_path: Path, measured: Any) -> None:
    record = measured("a", channels=2)
    made = written(tmp_path, {"half": [record]})
    for role, sound in zip(("reference", "degraded", "restored"), made.sounds[0], strict=True):
        played, rate = soundfile.read(BytesIO(base64.b64decode(sound["flac"])), dtype="float32")
        own, _ = soundfile.read(record[role], dtype="float32")
        assert rate == RATE
        assert played.shape == own.shape
        assert np.abs(played - own).max() <= 0.5 / 32768 + 1e-9, role
    assert made.sounds[0][0]["gain_db"] == 0.0
    assert made.sounds[0][2]["gain_db"] == record["check"]["restored"]["gain_db"]


def test_only_the_busiest_ten_seconds_are_on_the_page(tmp_path: Path, measured: Any) -> None:
    record = measured("long", frames=15 * 8000, rate=8000)
    loud = np.full((1, 15 * 8000), 1e-4, np.float32)
    loud[:, 4 * 8000 : 13 * 8000] = noise(3, 9 * 8000)
    for role in ("reference", "degraded", "restored"):
        write_audio(record[role], loud, 8000, subtype="FLOAT", overwrite=True)
    taken = read_excerpts(versions_of({1: record}, ["half"]))
    assert taken.stretch is not None
    assert taken.stretch.frames == 10 * 8000
    assert 3.0 <= taken.stretch.start_seconds <= 4.0
    assert {waveform.shape for waveform in taken.waveforms.values()} == {(1, 80000)}
    made = written(tmp_path, {"half": [record]})
    assert f"{taken.stretch.start_seconds:.1f} to {taken.stretch.start_seconds + 10:.1f} s of 15.0 s" in made.text


def test_sounds_of_the_page_are_bounded() -> None:
    samples, rate, over = playable(noise(1, 96000, channels=6), 96000)
    assert (samples.shape, rate, over) == ((2, 48000), 48000, 0)
    samples, rate, over = playable(np.array([[0.5, 1.25, -1.5, 1.0]], np.float32), 8000)
    assert (samples.tolist(), rate, over) == ([[16384, 32767, -32768, 32767]], 8000, 2)


def test_a_page_shows_no_more_than_it_may(tmp_path: Path, measured: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    record = measured("a", frames=4000)
    many = [{**record, "id": f"record {number}"} for number in range(9)]
    monkeypatch.setattr(page, "MOST_RECORDS", 6)
    made = written(tmp_path, {"half": many})
    assert len(made.all("article", "record")) == 6 == len(made.sounds)
    assert "6 of 9 measured records; 3 are left out" in made.text
    monkeypatch.setattr(page_records, "MEDIA_BYTES", 200_000)
    made = written(tmp_path, {"half": many})
    assert 0 < len(made.sounds) < 6
    assert "the page would become too large" in made.text
    assert (tmp_path / "page.html").stat().st_size < 200_000 + 150_000  # the rest is text


def test_odd_sounds_do_not_stop_it(tmp_path: Path, measured: Any) -> None:
    silent, short, wide, fast = (measured(name) for name in ("silent", "short", "wide", "fast"))
    for record, sound, rate in (
        (silent, np.zeros((1, 4000), np.float32), 8000),
        (short, np.full((1, 1), 0.5, np.float32), RATE),
        (wide, noise(1, 4000, 8), RATE),
        (fast, noise(1, 19200), 192000),
    ):
        for role in ("reference", "degraded", "restored"):
            write_audio(record[role], sound, rate, subtype="FLOAT", overwrite=True)
    made = written(tmp_path, {"half": [silent, short, wide, fast]})
    assert [len(each) for each in made.sounds] == [3] * 4
    assert "Only the first two of 8 channels are played." in made.text
    assert "Played at 48 kHz, recorded at 192 kHz." in made.text
    assert "half − reference: no difference" in made.text


def test_records_that_lost_most_come_first() -> None:
    def record(id: str, degraded: float, restored: float) -> dict[str, Any]:
        return {"id": id, "metrics": {"degraded": {"snr_db": degraded}, "restored": {"snr_db": restored}}}

    summary = summed({"half": [record("same", 50, 50), record("won", 10, 20), record("lost", 30, 25)]})
    found = columns(summary, ["half"])
    order = ranked(found, numbers_in(summary), list(found[0].values["snr_db"]))
    assert [key[0] for key in order] == ["lost", "same", "won"]


def test_a_system_s_gain_is_over_what_it_started_from() -> None:
    def record(degraded: float, restored: float) -> dict[str, Any]:
        return {"id": "a", "metrics": {"degraded": {"snr_db": degraded}, "restored": {"snr_db": restored}}}

    found = columns(summed({"cnn": [record(10, 12)], "mlp": [record(20, 21)]}), ["cnn", "mlp"])
    assert [column.cells["snr_db"].gain for column in found] == [None, 2.0, 1.0]


def test_the_ingredients_of_a_grade_do_not_order_records() -> None:
    def record(id: str, grade: float, part: float) -> dict[str, Any]:
        before = {"peaq_odg": -4.0, "peaq_adb": 0.0, "peaq_ehs": 0.0}
        after = {"peaq_odg": grade, "peaq_adb": part, "peaq_ehs": part}
        return {"id": id, "metrics": {"degraded": before, "restored": after}}

    summary = summed({"half": [record("good", -1.0, 2.0), record("bad", -3.0, 1.0)]}, ["peaq"])
    found = columns(summary, ["half"])
    order = ranked(found, numbers_in(summary), list(found[0].values["peaq_odg"]))
    assert [key[0] for key in order] == ["bad", "good"]


def drawn_pixels(uri: str) -> np.ndarray:
    """Decode an image of the page to red, green and blue, shape (height, width, 3)."""
    return np.asarray(Image.open(BytesIO(base64.b64decode(uri.partition(",")[2]))).convert("RGB")).astype(int)


def test_a_tone_is_a_bright_line_at_its_frequency() -> None:
    tone = 0.5 * np.sin(2 * np.pi * 2000.0 * np.arange(RATE) / RATE)[np.newaxis].astype(np.float32)
    pixels = pixels_of(power_grid(tone, RATE), 0.0)
    light = drawn_pixels(image_uri(pixels)).sum(axis=2)
    brightest = light[:, 5:-5].argmax(axis=0)
    assert set(brightest.tolist()) <= {3 * ROWS // 4 - 1, 3 * ROWS // 4}  # 2 of 8 kHz, from below
    assert pixels[: ROWS // 3, 5:-5].max() == 0
    loudest = round(255 * (1 - 6.02 / 90.0))  # half of full scale, on a scale of 90 dB
    assert light.max() == pytest.approx(int(np.sum(colormaps["magma"](loudest, bytes=True)[:3])), abs=12)
    assert pixels.max() < COLOURS


def points_in(chart: str, css: str) -> list[np.ndarray]:
    """Get the points of each drawn path of this class: horizontal and vertical, in units of the picture."""
    paths = re.findall(rf'<g class="{css}[^"]*">(?:<defs>)?<path [^>]*?\bd="([^"]+)"', chart)
    return [np.array(re.findall(r"(-?[\d.]+) (-?[\d.]+)", path), float) for path in paths]


def test_a_violin_is_wide_where_values_are_dense_and_its_median_is_marked() -> None:
    rng = np.random.default_rng(0)
    two_groups = np.concatenate([rng.normal(0.0, 1.0, 200), rng.normal(20.0, 1.0, 200)])
    chart = str(violins([Violin("two", "c1", two_groups)], "number", "dB", ".1f"))
    (outline,) = points_in(chart, "violin c1")
    left, right = outline[:, 0].min(), outline[:, 0].max()

    def width(share: float) -> float:
        near = np.abs(outline[:, 0] - (left + share * (right - left))) < 0.05 * (right - left)
        return float(np.ptp(outline[near, 1]))

    assert width(0.5) < 0.5 * min(width(0.15), width(0.85))
    (median,) = points_in(chart, "median")
    middle = left + (right - left) * (np.median(two_groups) - two_groups.min()) / np.ptp(two_groups)
    assert median[:, 0] == pytest.approx([middle] * 2, abs=2.0)


@pytest.mark.parametrize("values", [[7.0], [7.0, 7.0], [1.0, 2.0], [7.0] * 5, [0.0] * 9 + [1.0], [1e-30, 2e-30, 9e-30]])
def test_a_violin_can_be_made_of_any_values(values: list[float]) -> None:
    chart = str(violins([Violin("<b> 字 $x", "c1", np.array(values))], "number", "", ".2f"))
    assert len(points_in(chart, "violin c1")) == (len(values) >= 3 and values[0] != values[-1])
    assert chart.count("<use") >= len(values)  # a dot for each
    assert "&lt;b&gt; �" in chart
    assert "nan" not in chart


def test_curves_that_span_decades_have_a_logarithmic_axis() -> None:
    steps = np.arange(1.0, 101.0)
    falling = Curve("loss", "c1", steps, 10.0 ** (-steps / 25.0))
    ((*_, line),) = (points_in(str(curves([falling], "a", "loss", "loss")), "curve c1"),)
    slopes = np.diff(line[:, 1]) / np.diff(line[:, 0])
    assert slopes == pytest.approx([slopes[0]] * len(slopes), rel=0.01)
    text = str(curves([falling], "a", "loss", "loss"))
    assert {">step<", ">loss<", ">0.01<"} <= set(re.findall(r">[^<>]+<", text))


def test_a_training_is_drawn_from_its_log(tmp_path: Path) -> None:
    log = tmp_path / "<b>.log.jsonl"
    lines = [{"event": "stepped", "step": step, "loss": 1.0 / step, "losses": {"mse": 1.0}} for step in range(1, 3000)]
    validated = {
        "event": "validated",
        "step": 3000,
        "loss": 0.5,
        "snr_db": {"restored": 9.0, "degraded": 8.0, "level": None},
    }
    text = "\n".join(json.dumps(each) for each in [*lines, validated])
    endless = f'{{"event": "stepped", "loss": 1, "step": 1{"0" * 400}}}'
    log.write_text(text + f'\nno json\n[]\n{{"event": "stepped"}}\n{endless}\n', "utf-8")
    made = written(tmp_path, {}, logs=[log])
    assert "<b>.log.jsonl" in made.text
    assert "4 line(s) are not events" in made.text
    assert [each for each in made.texts if each in ("training", "validation", "restored", "degraded", "level")] == [
        "training",
        "validation",
        "degraded",
        "restored",
    ]
    falling = points_in((tmp_path / "page.html").read_text("utf-8"), "curve c7")[0]
    assert len(training(log, 1).charts[0].lines[0].steps) == 600
    assert np.all(np.diff(falling[:, 1]) >= 0.0)  # a falling loss falls: y grows downwards
    assert np.ptp(falling[:, 1]) > 100.0
