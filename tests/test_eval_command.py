"""The command `ar eval`: records, tables, gates, pictures and the report."""

import csv
import io
import json
import os
import shutil
import subprocess
import sys
import tracemalloc
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.main import get_command

from audiorestore.cli import app
from audiorestore.commands._evaluation import collect, measure, read_batch
from audiorestore.data.audio_file import read_audio, write_audio
from audiorestore.demo.synthesis import render_demo
from audiorestore.scores.summary import Summary


@pytest.fixture(scope="module")
def song() -> np.ndarray:
    """Half a second of a singing voice at 22,050 Hz."""
    return render_demo("voice-01", 22050)[:, 11025:22050]


@pytest.fixture
def voice(tmp_path: Path, song: np.ndarray) -> Path:
    """Write that voice as `voice.wav` in the test's folder."""
    write_audio(tmp_path / "voice.wav", song, 22050)
    return tmp_path / "voice.wav"


@pytest.fixture
def pairs(tmp_path: Path, voice: Path) -> Path:
    """Two records: degraded by hiss, and restored by less of it."""
    reference, rate = read_audio(voice)
    white = 0.01 * np.random.default_rng(0).standard_normal(reference.shape)
    lines = []
    for number, id in enumerate(["first", "album/second"], start=1):
        record: dict[str, Any] = {"id": id, "reference": "voice.wav"}
        for role, share in (("degraded", 1.0), ("restored", 0.3)):
            record[role] = f"{role}{number}.wav"
            hissy = (reference + number * share * white).astype(np.float32)
            write_audio(tmp_path / record[role], hissy, rate, subtype="FLOAT")
        lines.append(json.dumps(record) + "\n")
    manifest = tmp_path / "pairs.jsonl"
    manifest.write_text("".join(lines))
    return manifest


def test_only_the_requested_metrics_are_measured(ar: Callable, pairs: Path) -> None:
    done = ar("eval", pairs, "--metric", "snr", "--metric", "mse")
    assert done.status == 0, done.stderr
    assert len(done.records) == 2
    for record in done.records:
        assert list(record["metrics"]) == ["degraded", "degraded_leveled", "restored", "restored_leveled"]
        for row in record["metrics"].values():
            assert list(row) == ["snr_db", "mse"]
    assert "snr_db ↑" in done.stderr
    assert "mse ↓" in done.stderr
    assert "lsd" not in done.stderr
    assert "si_sdr" not in done.stderr


def test_a_chosen_number_is_the_same_as_among_all(ar: Callable, pairs: Path) -> None:
    everything, chosen = ar("eval", pairs).records, ar("eval", pairs, "--metric", "si_sdr").records
    for whole, part in zip(everything, chosen, strict=True):
        for row, values in part["metrics"].items():
            assert values == {"si_sdr_db": whole["metrics"][row]["si_sdr_db"]}


def test_summaries_hold_the_chosen_numbers_in_their_order(ar: Callable, pairs: Path) -> None:
    words = ("eval", pairs, "--metric", "snr", "--metric", "mse", "--metric", "snr", "--format")
    table = json.loads(ar(*words, "json").stdout)["table"]
    assert [each["number"] for each in table] == ["snr_db", "mse"] * 4
    lines = list(csv.DictReader(io.StringIO(ar(*words, "csv").stdout)))
    assert [(line["row"], line["number"]) for line in lines] == [(each["row"], each["number"]) for each in table]
    assert ar(*words, "markdown").stdout.count("\n") == 2 + 8


@pytest.fixture
def small_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures with nothing but a title, which are drawn in no time; what they show is tested elsewhere."""
    spectrograms = pytest.importorskip("audiorestore.report.spectrograms", reason="matplotlib is not installed")
    figure = pytest.importorskip("matplotlib.figure")

    def draw(*arguments: Any) -> Any:
        drawn = figure.Figure(figsize=(1, 1))
        drawn.text(0, 0, next(each for each in arguments if isinstance(each, str)))
        return drawn

    monkeypatch.setattr(spectrograms, "draw", draw)


@pytest.mark.usefixtures("small_pictures")
def test_each_record_gets_its_picture(ar: Callable, pairs: Path, tmp_path: Path) -> None:
    done = ar("eval", pairs, "--metric", "snr", "--plot", "plots")
    assert done.status == 0, done.stderr
    names = [record["plot"] for record in done.records]
    assert names == ["plots/first.png", "plots/album/second.png"]
    for name in names:
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
    plain = [{key: value for key, value in record.items() if key != "plot"} for record in done.records]
    assert plain == ar("eval", pairs, "--metric", "snr").records


@pytest.mark.usefixtures("small_pictures")
def test_running_again_or_with_more_jobs_gives_the_same_bytes(ar: Callable, pairs: Path, tmp_path: Path) -> None:
    def bytes_of(folder: str) -> dict[str, bytes]:
        found = (tmp_path / folder).rglob("*.png")
        return {path.relative_to(tmp_path / folder).as_posix(): path.read_bytes() for path in found}

    one = ar("eval", pairs, "--metric", "snr", "--plot", "one")
    first = bytes_of("one")
    two = ar("eval", pairs, "--metric", "snr", "--plot", "two", "--jobs", "2")
    assert len(first) == 2
    assert bytes_of("two") == first
    assert two.stdout.replace("two/", "one/") == one.stdout
    (tmp_path / "one" / "first.png").write_bytes(b"something old")
    again = ar("eval", "--metric", "snr", "--plot", "one", stdin=one.stdout)
    assert again.status == 0, again.stderr
    assert bytes_of("one") == first


@pytest.mark.usefixtures("small_pictures")
def test_a_picture_that_fails_costs_no_numbers_and_is_reported(ar: Callable, pairs: Path, tmp_path: Path) -> None:
    (tmp_path / "plots").mkdir()
    (tmp_path / "plots" / "album").write_text("a file where a folder has to be")
    done = ar("eval", pairs, "--plot", "plots", "--metric", "snr")
    assert done.status == 3
    first, second = done.records
    assert "plot" in first
    assert second["metrics"]["restored"]["snr_db"] > second["metrics"]["degraded"]["snr_db"]
    assert "plot" not in second
    assert "error" not in second
    assert "choose another folder" in second["plot_note"]
    result = [line for line in done.stderr.splitlines() if "no picture" in line]
    assert result == [f"ar: eval album/second, no picture: {second['plot_note']}"]


@pytest.mark.usefixtures("small_pictures")
def test_two_records_of_one_id_are_both_measured_and_the_first_is_drawn(
    ar: Callable, pairs: Path, tmp_path: Path
) -> None:
    lines = pairs.read_text().replace("album/second", "first").splitlines(True)
    alone = ar("eval", "--metric", "snr", "--plot", "alone", stdin=lines[0])
    assert alone.status == 0
    together = ar("eval", "--metric", "snr", "--plot", "together", "--jobs", "2", stdin="".join(lines))
    assert together.status == 3
    assert ["plot" in record for record in together.records] == [True, False]
    assert ["plot_note" in record for record in together.records] == [False, True]
    assert all("metrics" in record for record in together.records)
    assert (tmp_path / "together/first.png").read_bytes() == (tmp_path / "alone/first.png").read_bytes()


@pytest.mark.usefixtures("small_pictures")
def test_a_record_that_cannot_be_measured_gets_no_picture(ar: Callable, pairs: Path, tmp_path: Path) -> None:
    (tmp_path / "degraded1.wav").unlink()
    done = ar("eval", pairs, "--metric", "snr", "--plot", "plots")
    assert done.status == 3
    assert "error" in done.records[0]
    assert sorted(path.name for path in (tmp_path / "plots").rglob("*.png")) == ["second.png"]


def test_all_is_every_metric_that_is_installed(ar: Callable, pairs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from audiorestore import metrics
    from audiorestore.metrics import mse

    assert set(metrics.chosen()) <= set(metrics.chosen(["all"])) <= set(metrics.METRICS.names())
    monkeypatch.setattr(mse, "missing", lambda: "mse needs a slide rule", raising=False)
    assert "mse" not in metrics.chosen(["snr", "all"])
    refused = ar("eval", pairs, "--metric", "snr", "--metric", "mse")
    assert (refused.status, refused.stderr) == (2, "ar: --metric mse: mse needs a slide rule\n")


@pytest.fixture
def systems(pairs: Path) -> tuple[Path, Path]:
    """The records of one system, and those of another that restores nothing."""
    records = [json.loads(line) for line in pairs.read_text().splitlines()]
    lazy = pairs.with_name("lazy.jsonl")
    lazy.write_text("".join(json.dumps({**each, "restored": each["degraded"]}) + "\n" for each in records))
    return pairs, lazy


def test_systems_side_by_side_give_records_of_each_and_one_table(ar: Callable, systems: tuple[Path, Path]) -> None:
    done = ar("eval", *systems, "--metric", "snr", "--jobs", "2")
    assert done.status == 0, done.stderr
    assert [(record["system"], record["id"]) for record in done.records] == [
        (system, id) for system in ("pairs", "lazy") for id in ("first", "album/second")
    ]
    again = ar("eval", "--metric", "snr", "--format", "csv", stdin=done.stdout)
    lines = list(csv.DictReader(io.StringIO(again.stdout)))
    assert [(line["system"], line["row"], line["count"]) for line in lines if "leveled" not in line["row"]] == [
        ("", "degraded", "2"),
        ("pairs", "restored", "2"),
        ("lazy", "restored", "2"),
    ]
    assert float(lines[-1]["difference"]) < -5
    assert lines[-1]["p"] == "0.5"
    one = ar("eval", "--metric", "snr", stdin="".join(line + "\n" for line in done.stdout.splitlines()[:2]))
    assert one.records[0]["metrics"] == done.records[0]["metrics"]


def test_each_system_has_a_folder_of_pictures(systems: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    spectrograms = pytest.importorskip("audiorestore.report.spectrograms", reason="matplotlib is not installed")
    monkeypatch.setattr(spectrograms, "plot_record", lambda record, folder: f"{folder}/{record['id']}.png")
    given, *_, several = read_batch([*map(str, systems), str(systems[0])], None, {})
    records = list(measure(given, ["snr"], align=False, jobs=1, plot=Path("plots"), several=several))
    assert [(record["system"], record["plot"]) for record in records if record["id"] == "first"] == [
        ("pairs", "plots/pairs/first.png"),
        ("lazy", "plots/lazy/first.png"),
        ("pairs-3", "plots/pairs-3/first.png"),
    ]


def test_output_is_the_same_whatever_the_jobs(ar: Callable, systems: tuple[Path, Path], tmp_path: Path) -> None:
    words = ("eval", *systems, "--metric", "snr", "--by", "id", "--require", "all:restored.snr_db>=degraded.snr_db+1")
    runs = []
    for jobs in ("1", "2"):
        done = ar(*words, "--junit", f"{jobs}.xml", "--jobs", jobs)
        assert done.status == 4, done.stderr
        runs.append((done.stdout, done.stderr, (tmp_path / f"{jobs}.xml").read_bytes()))
    assert runs[0] == runs[1]


def test_a_gate_that_fails_ends_with_4_and_names_the_worst(ar: Callable, pairs: Path, tmp_path: Path) -> None:
    words = ("eval", pairs, "--metric", "snr")
    assert ar(*words, "--require", "restored.snr_db>=degraded.snr_db+1").status == 0
    done = ar(*words, "--require", "restored.snr_db>=degraded.snr_db+50", "--junit", "new/out.xml")
    assert done.status == 4
    assert len(done.records) == 2
    assert "1 of 1 conditions are not met" in done.stderr
    assert "album/second: " in done.stderr
    (suite,) = ElementTree.parse(tmp_path / "new/out.xml").getroot()
    assert suite.get("failures") == "1"


def test_a_later_run_is_compared_with_an_earlier_one(ar: Callable, pairs: Path, tmp_path: Path) -> None:
    words = ("eval", pairs, "--metric", "snr")
    (tmp_path / "baseline.jsonl").write_text(ar(*words).stdout)
    held = (*words, "--baseline", "baseline.jsonl")
    same = ar(*held)
    assert same.status == 0, same.stderr
    assert same.stdout == (tmp_path / "baseline.jsonl").read_text()
    shutil.copy(tmp_path / "degraded1.wav", tmp_path / "restored1.wav")
    worse = ar(*held)
    assert worse.status == 4
    assert "restored.snr_db" in worse.stderr
    assert "→" in worse.stderr
    assert ar(*held, "--tolerance", "snr_db=20").status == 0
    assert ar(*held, "--tolerance", "snr_db=20", "--tolerance", "all:snr_db=5").status == 4


def test_the_most_severe_exit_status_is_returned(ar: Callable, pairs: Path, tmp_path: Path) -> None:
    words = ("eval", pairs, "--metric", "snr", "--junit", "out.xml", "--require")
    (tmp_path / "restored1.wav").unlink()
    assert ar(*words, "restored.snr_db>=1").status == 3  # some records failed
    assert ar(*words, "restored.snr_db>=99").status == 4
    assert ar(*words, "all:restored.snr_db>=1").status == 4  # since a failed record cannot meet a condition
    (suite,) = ElementTree.parse(tmp_path / "out.xml").getroot()
    assert [case.get("classname") for case in suite] == ["audiorestore.require", "audiorestore.record"]
    assert suite[1].get("name") == "first"
    (tmp_path / "restored2.wav").unlink()
    assert ar(*words, "restored.snr_db>=99").status == 1  # nothing could be measured


def test_records_that_failed_earlier_are_counted_and_named(ar: Callable, pairs: Path) -> None:
    broken = json.dumps({"id": "lost", "error": {"stage": "restore", "message": "it broke"}})
    done = ar("eval", "--metric", "snr", "--format", "json", stdin=broken + "\n" + pairs.read_text().splitlines()[0])
    assert done.status == 3
    assert "1 record(s) failed in an earlier stage and were not measured: lost" in done.stderr
    result = json.loads(done.stdout)
    assert (result["records"], result["failed"]) == (1, 1)
    assert result["failures"] == [{"id": "lost", "system": "", "stage": "restore", "message": "it broke"}]


def test_a_lag_is_reported_and_removed_on_request(ar: Callable, pairs: Path, tmp_path: Path) -> None:
    late, rate = read_audio(tmp_path / "degraded1.wav")
    late = np.concatenate([np.zeros((1, 30), np.float32), late[:, :-30]], axis=1)
    write_audio(tmp_path / "degraded1.wav", late, rate, subtype="FLOAT", overwrite=True)
    result = ar("eval", pairs, "--metric", "snr")
    assert "degraded: it is delayed by 30 samples, so the numbers are not reliable" in result.stderr
    assert "1 record(s) are not aligned with their reference; use --align" in result.stderr
    undone = ar("eval", pairs, "--metric", "snr", "--align")
    assert undone.status == 0
    assert "eval first, degraded: delayed by 30 samples; removed before measuring" in undone.stderr
    check = undone.records[0]["check"]["degraded"]
    assert (check["lag"], check["aligned"], check["frames"]) == (30.0, True, 10995)
    assert undone.records[0]["metrics"]["degraded"]["snr_db"] > result.records[0]["metrics"]["degraded"]["snr_db"] + 5


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("--metric snr --metric snr_bd", "there is no metric 'snr_bd' (did you mean 'snr'?); there are: "),
        ("--by damage..kbps", "is not the name of a field"),
        ("--log voice.wav", "--log needs --report FILE"),
        ("--log none.jsonl --report r.html", "--log none.jsonl is not a file"),
        ("--junit .", "--junit . is a folder"),
        ("--report voice.wav/report.html", "voice.wav is a file, not a folder"),
        ("--plot voice.wav", "voice.wav is a file; give a folder"),
        ("--junit out --report new/../out", "--junit and --report are both new/../out"),
        ("--require restored.snr>=1", "no number 'snr' (did you mean"),
        ("--metric snr --require restored.mse<=1", "add --metric mse"),
        ("--tolerance mse=1", "--tolerance needs --baseline FILE"),
        ("--baseline none.jsonl", "--baseline none.jsonl is not a file"),
        ("--degraded voice.wav", "--reference needs --degraded, --restored or both"),
    ],
)
def test_impossible_options_are_refused_before_any_work(ar: Callable, words: str, sentence: str, voice: Path) -> None:
    done = ar("eval", "no-such-manifest.jsonl", *words.split())
    assert done.status == 2
    assert sentence in done.stderr
    assert done.stdout == ""
    assert [path.name for path in voice.parent.iterdir()] == ["voice.wav"]


def test_eval_has_at_most_fifteen_options() -> None:
    parameters = get_command(app).commands["eval"].params  # type: ignore[attr-defined]
    assert sum(each.param_type_name == "option" for each in parameters) <= 15


def test_records_are_kept_only_where_the_report_needs_them() -> None:
    def measured(count: int) -> Iterator[dict[str, Any]]:
        for number in range(count):
            yield {"id": str(number), "metrics": {}, "check": {}, "notes": "x" * 10_000 + str(number)}

    for kept, least, most in ((None, 0, 1e6), ([], 5e6, 8e6)):
        tracemalloc.start()
        collect(measured(500), Summary(["snr"]), kept, write=False, plot=False)
        held, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert least <= held <= most


def test_a_report_is_one_page(ar: Callable, systems: tuple[Path, Path], tmp_path: Path) -> None:
    done = ar("eval", *systems, "--metric", "snr", "--report", "out/report.html")
    assert done.status == 0, done.stderr
    assert len(done.records) == 4
    page = (tmp_path / "out" / "report.html").read_text("utf-8")
    assert "lazy" in page
    assert "snr_db" in page


def run_python(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )


@pytest.mark.parametrize(("words", "drawn"), [([], False), (["--metric", "snr", "--plot", "plots"], True)])
def test_matplotlib_is_imported_for_pictures_only_and_pyplot_never(
    pairs: Path, tmp_path: Path, words: list[str], drawn: bool
) -> None:
    pairs.write_text(pairs.read_text().splitlines()[0])
    script = f"import sys\nsys.argv = {['ar', 'eval', str(pairs), *words]!r}\nfrom audiorestore.cli import main\n"
    script += "try:\n    main()\nexcept SystemExit as end:\n    assert end.code == 0, end.code\n"
    script += "print(*sys.modules, file=sys.stderr)"
    done = run_python(script, tmp_path)
    modules = set(done.stderr.splitlines()[-1].split())
    assert ("matplotlib" in modules) == drawn, done.stderr
    assert not modules & {"matplotlib.pyplot", "torch"}
    assert [path.stat().st_size > 50_000 for path in sorted((tmp_path / "plots").rglob("*.png"))] == [True] * drawn


def test_real_speech_is_drawn(ar: Callable, corpus: Path, tmp_path: Path) -> None:
    speech = corpus / "ljspeech" / "LJ001-0002.flac"
    degraded = ar("degrade", speech, "--chain", "mp3:kbps=32", "-o", "d")
    restored = ar("restore", "--model", "identity", "-o", "r", stdin=degraded.stdout)
    done = ar("eval", "--plot", "plots", "--metric", "snr", stdin=restored.stdout)
    assert done.status == 0, done.stderr
    (record,) = done.records
    assert (tmp_path / record["plot"]).stat().st_size > 100_000


@pytest.mark.parametrize("option", ["--report", "--junit"])
def test_a_file_of_another_kind_is_never_replaced(ar: Callable, pairs: Path, option: str) -> None:
    before = pairs.read_bytes()
    done = ar("eval", pairs, "--metric", "snr", option, pairs)
    assert done.status == 2
    assert f"was not written by {option}" in done.stderr
    assert pairs.read_bytes() == before
    place = pairs.with_name("report")
    for _ in range(2):  # its own are replaced
        assert ar("eval", pairs, "--metric", "snr", option, place).status == 0


def test_the_report_shows_groups_and_gates(ar: Callable, pairs: Path, tmp_path: Path) -> None:
    words = ("--by", "id", "--require", "restored.snr_db>=200", "--require", "restored.snr_db>=1")
    done = ar("eval", pairs, "--metric", "snr", *words, "--report", "report.html")
    assert done.status == 4
    page = (tmp_path / "report.html").read_text()
    assert "Quality gates (1 of 2 not met)" in page
    assert "restored.snr_db&gt;=200" in page
    assert ">By id</h2>" in page
    assert "<td>album/second</td>" in page


def test_a_field_that_no_record_has_is_reported(ar: Callable, pairs: Path) -> None:
    done = ar("eval", pairs, "--metric", "snr", "--by", "damage.mp3.kpbs")
    assert done.status == 0
    assert "no record has the field damage.mp3.kpbs" in done.stderr
    assert "no record has" not in ar("eval", pairs, "--metric", "snr", "--by", "id").stderr


def test_unrelated_audio_of_another_length_is_not_cut_to_fit(ar: Callable, pairs: Path, tmp_path: Path) -> None:
    noise = np.random.default_rng(1).standard_normal((1, 30000)).astype(np.float32)
    write_audio(tmp_path / "degraded1.wav", 0.1 * noise, 22050, subtype="FLOAT", overwrite=True)
    done = ar("eval", pairs, "--metric", "snr", "--align")
    assert done.status == 3
    assert "lengths differ" in done.records[0]["error"]["message"]
    assert "metrics" in done.records[1]


def test_a_line_with_nan_is_refused_and_the_others_are_measured(ar: Callable, pairs: Path) -> None:
    with pairs.open("a") as file:
        file.write('{"id": "third", "reference": "voice.wav", "degraded": "degraded1.wav", "x": NaN}\n')
    done = ar("eval", pairs, "--metric", "snr")
    assert done.status == 3
    assert "NaN is not a JSON number" in done.stderr
    assert len([record for record in done.records if "metrics" in record]) == 2
