"""`ar eval` with a choice of numbers and with pictures."""

import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audiorestore.commands._evaluation import Wishes, measured, read_batch
from audiorestore.data.audio_file import read_audio, write_audio
from audiorestore.errors import UsageError
from audiorestore.metrics import METRICS
from audiorestore.scores.summary import numbers


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


def test_only_the_metrics_that_were_asked_for_are_measured(ar: Callable, pairs: Path) -> None:
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


def test_an_unknown_metric_is_refused_before_any_work(ar: Callable, tmp_path: Path) -> None:
    done = ar("eval", "no-such-manifest.jsonl", "--metric", "snr", "--metric", "snr_bd", "--plot", "plots")
    assert done.status == 2
    assert "there is no metric 'snr_bd' (did you mean 'snr'?); there are: " in done.stderr
    assert done.stdout == ""
    assert not (tmp_path / "plots").exists()


def test_each_record_gets_its_picture(ar: Callable, pairs: Path, tmp_path: Path) -> None:
    done = ar("eval", pairs, "--metric", "snr", "--plot", "plots")
    assert done.status == 0, done.stderr
    names = [record["plot"] for record in done.records]
    assert names == ["plots/first.png", "plots/album/second.png"]
    for name in names:
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
    plain = [{key: value for key, value in record.items() if key != "plot"} for record in done.records]
    assert plain == ar("eval", pairs, "--metric", "snr").records


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


def test_a_picture_that_fails_costs_no_numbers_and_is_told(ar: Callable, pairs: Path, tmp_path: Path) -> None:
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
    told = [line for line in done.stderr.splitlines() if "no picture" in line]
    assert told == [f"ar: eval album/second, no picture: {second['plot_note']}"]


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


def test_a_record_that_cannot_be_measured_gets_no_picture(ar: Callable, pairs: Path, tmp_path: Path) -> None:
    (tmp_path / "degraded1.wav").unlink()
    done = ar("eval", pairs, "--metric", "snr", "--plot", "plots")
    assert done.status == 3
    assert "error" in done.records[0]
    assert sorted(path.name for path in (tmp_path / "plots").rglob("*.png")) == ["second.png"]


def test_a_file_in_the_place_of_the_folder_is_refused_before_any_work(ar: Callable, pairs: Path) -> None:
    done = ar("eval", pairs, "--plot", "voice.wav")
    assert done.status == 2
    assert "voice.wav is a file; give a folder" in done.stderr
    assert done.stdout == ""


def test_all_is_every_metric_that_is_installed(ar: Callable, pairs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from audiorestore import metrics
    from audiorestore.metrics import mse

    assert set(metrics.chosen()) <= set(metrics.chosen(["all"])) <= set(metrics.METRICS.names())
    monkeypatch.setattr(mse, "missing", lambda: "mse needs a slide rule", raising=False)
    assert "mse" not in metrics.chosen(["snr", "all"])
    with pytest.raises(UsageError, match="--metric mse: mse needs a slide rule"):
        Wishes(metrics=["snr", "mse"]).check([], None, [])
    assert "snr_db" in Wishes(metrics=["all"]).check([], None, []).numbers


@pytest.fixture
def systems(pairs: Path) -> tuple[Path, Path]:
    """What one system restored, and what another, that did nothing, did not."""
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
    batch = read_batch([*map(str, systems), str(systems[0])], None, {})
    records = list(measured(batch, ["snr"], Wishes(plot=Path("plots"))))
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


def test_a_later_run_is_held_against_an_earlier_one(ar: Callable, pairs: Path, tmp_path: Path) -> None:
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


def test_the_graver_end_is_told(ar: Callable, pairs: Path, tmp_path: Path) -> None:
    words = ("eval", pairs, "--metric", "snr", "--junit", "out.xml", "--require")
    (tmp_path / "restored1.wav").unlink()
    assert ar(*words, "restored.snr_db>=1").status == 3  # some records failed
    assert ar(*words, "restored.snr_db>=99").status == 4
    assert ar(*words, "all:restored.snr_db>=1").status == 4  # for what failed meets no condition
    (suite,) = ElementTree.parse(tmp_path / "out.xml").getroot()
    assert [case.get("classname") for case in suite] == ["audiorestore.require", "audiorestore.record"]
    assert suite[1].get("name") == "first"
    (tmp_path / "restored2.wav").unlink()
    assert ar(*words, "restored.snr_db>=99").status == 1  # nothing could be measured


def test_what_failed_before_is_counted_and_named(ar: Callable, pairs: Path) -> None:
    broken = json.dumps({"id": "lost", "error": {"stage": "restore", "message": "it broke"}})
    done = ar("eval", "--metric", "snr", "--format", "json", stdin=broken + "\n" + pairs.read_text().splitlines()[0])
    assert done.status == 3
    assert "1 record(s) had failed before, and could not be measured: lost" in done.stderr
    told = json.loads(done.stdout)
    assert (told["records"], told["failed"]) == (1, 1)
    assert told["failures"] == [{"id": "lost", "system": "", "stage": "restore", "message": "it broke"}]


def test_a_lag_is_told_and_undone_on_demand(ar: Callable, pairs: Path, tmp_path: Path) -> None:
    late, rate = read_audio(tmp_path / "degraded1.wav")
    late = np.concatenate([np.zeros((1, 30), np.float32), late[:, :-30]], axis=1)
    write_audio(tmp_path / "degraded1.wav", late, rate, subtype="FLOAT", overwrite=True)
    told = ar("eval", pairs, "--metric", "snr")
    assert "it is delayed by 30 samples, so the numbers are not reliable" in told.stderr
    assert "1 record(s) do not lie on their reference; --align undoes a lag" in told.stderr
    undone = ar("eval", pairs, "--metric", "snr", "--align")
    assert undone.status == 0
    assert "eval first, degraded: 30 samples late, which was undone before measuring" in undone.stderr
    check = undone.records[0]["check"]["degraded"]
    assert (check["lag"], check["aligned"], check["frames"]) == (30.0, True, 44070)
    assert undone.records[0]["metrics"]["degraded"]["snr_db"] > told.records[0]["metrics"]["degraded"]["snr_db"] + 5


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"metrics": ["snr_bd"]}, "no metric 'snr_bd'"),
        ({"by": ("damage..kbps",)}, "names no field"),
        ({"logs": (Path("voice.wav"),)}, "--log shows in the page that --report FILE writes"),
        ({"logs": (Path("none.jsonl"),), "report": Path("r.html")}, "--log none.jsonl is no file"),
        ({"junit": Path()}, "--junit . is a folder"),
        ({"report": Path("voice.wav/report.html")}, "voice.wav is a file, not a folder"),
        ({"plot": Path("voice.wav")}, "voice.wav is a file"),
        ({"junit": Path("out"), "report": Path("new/../out")}, "--junit and --report are both new/../out"),
    ],
)
def test_what_cannot_be_done_is_refused_before_any_work(
    options: dict[str, Any], words: str, voice: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(voice.parent)
    with pytest.raises(UsageError) as refused:
        Wishes(**options).check([], None, [])
    assert words in str(refused.value)
    assert [path.name for path in voice.parent.iterdir()] == ["voice.wav"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--require", "restored.snr>=1"], "no number 'snr' (did you mean"),
        (["--metric", "snr", "--require", "restored.mse<=1"], "give --metric mse"),
        (["--tolerance", "mse=1"], "--baseline; give that too"),
        (["--baseline", "none.jsonl"], "--baseline none.jsonl is no file"),
        (["--kind", "mos"], "--listening-test DIR and --kind"),
        (["--listening-test", "page"], "--listening-test DIR and --kind"),
        (["--listening-test", "page", "--kind", "acr", "--report", "r.html"], "does not go with --report"),
        (["--ratings", "r.csv", "--metric", "snr"], "--ratings measures nothing, so it does not go with --metric"),
        (["--ratings", "r.csv", "-j", "2"], "--ratings measures nothing, so it does not go with --jobs"),
        (["--list"], "--list measures nothing, so it does not go with arguments"),
    ],
)
def test_odd_combinations_are_wrong_usage(
    words: list[str], sentence: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from typer.testing import CliRunner

    from audiorestore.cli import app

    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["eval", "no-such-manifest.jsonl", *words])
    assert done.exit_code == 2
    assert sentence in " ".join(done.stderr.split())
    assert done.stdout == ""
    assert not list(tmp_path.iterdir())


def test_the_list_names_every_number(ar: Callable) -> None:
    done = ar("eval", "--list")
    assert done.status == 0, done.stderr
    assert all(name in done.stdout for name in numbers(METRICS.names()))


def test_a_listening_test_is_made_and_nothing_measured_and_ratings_are_summed_up(
    ar: Callable, systems: tuple[Path, Path], tmp_path: Path
) -> None:
    done = ar("eval", *systems, "--listening-test", "page", "--kind", "mos")
    assert done.status == 0, done.stderr
    assert done.stdout == ""
    assert re.search(r"ar: \d+ trial\(s\) in page", done.stderr)
    assert (tmp_path / "page" / "index.html").is_file()
    key = json.loads((tmp_path / "page.key.json").read_text())
    columns = "test,kind,listener,group,position,trial,stimulus,against,score,seconds"
    heard = [(trial, code) for trial, told in key["trials"].items() for code in told["stimuli"]]
    for name, start in (("one", 0), ("two", 1)):
        lines = [
            f"{key['test']},mos,{name},amateur,{place + 1},{trial},{code},,{1 + (place + start) % 5},3.5"
            for place, (trial, code) in enumerate(heard)
        ]
        (tmp_path / f"{name}.csv").write_text("\n".join([columns, *lines]) + "\n")
    rated = ar("eval", "--ratings", "one.csv", "two.csv", "--format", "csv")
    assert rated.status == 0, rated.stderr
    told = list(csv.DictReader(io.StringIO(rated.stdout)))
    assert {line["system"]: line["listeners"] for line in told if not line["against"]}["lazy"] == "2"
    assert "lazy" in rated.stderr


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


def test_without_matplotlib_one_sentence_comes_before_any_work(pairs: Path, tmp_path: Path) -> None:
    def evaluate(*words: str) -> subprocess.CompletedProcess[str]:
        script = "import sys\nsys.modules['matplotlib'] = None\n"
        script += f"sys.argv = {['ar', 'eval', str(pairs), *words]!r}\nfrom audiorestore.cli import main\nmain()"
        return run_python(script, tmp_path)

    done = evaluate("--plot", "plots")
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("ar: --plot needs matplotlib ")
    assert "pip install 'audiorestore[plots]'" in line
    assert not (tmp_path / "plots").exists()
    assert evaluate().returncode == 0


@pytest.mark.parametrize(("words", "drawn"), [([], False), (["--plot", "plots"], True)])
def test_matplotlib_is_imported_for_pictures_only_and_pyplot_never(
    pairs: Path, tmp_path: Path, words: list[str], drawn: bool
) -> None:
    script = f"import sys\nsys.argv = {['ar', 'eval', str(pairs), *words]!r}\nfrom audiorestore.cli import main\n"
    script += "try:\n    main()\nexcept SystemExit as end:\n    assert end.code == 0, end.code\n"
    script += "print(*sys.modules, file=sys.stderr)"
    done = run_python(script, tmp_path)
    modules = set(done.stderr.splitlines()[-1].split())
    assert ("matplotlib" in modules) == drawn, done.stderr
    assert not modules & {"matplotlib.pyplot", "torch", "scipy"}


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


def test_the_report_tells_groups_and_gates(ar: Callable, pairs: Path, tmp_path: Path) -> None:
    words = ("--by", "id", "--require", "restored.snr_db>=200", "--require", "restored.snr_db>=1")
    done = ar("eval", pairs, "--metric", "snr", *words, "--report", "report.html")
    assert done.status == 4
    page = (tmp_path / "report.html").read_text()
    assert "Quality gates (1 of 2 not met)" in page
    assert "restored.snr_db&gt;=200" in page
    assert ">By id</h2>" in page
    assert "<td>album/second</td>" in page


def test_a_field_that_no_record_has_is_told(ar: Callable, pairs: Path) -> None:
    done = ar("eval", pairs, "--metric", "snr", "--by", "damage.mp3.kpbs")
    assert done.status == 0
    assert "no record has a field damage.mp3.kpbs" in done.stderr
    assert "no record has" not in ar("eval", pairs, "--metric", "snr", "--by", "id").stderr


def test_other_sound_of_another_length_is_not_cut_to_fit(ar: Callable, pairs: Path, tmp_path: Path) -> None:
    noise = np.random.default_rng(1).standard_normal((1, 30000)).astype(np.float32)
    write_audio(tmp_path / "degraded1.wav", 0.1 * noise, 22050, subtype="FLOAT", overwrite=True)
    done = ar("eval", pairs, "--metric", "snr", "--align")
    assert done.status == 3
    assert "lengths differ" in done.records[0]["error"]["message"]
    assert "metrics" in done.records[1]


def test_a_line_with_nan_is_refused_and_the_others_go_on(ar: Callable, pairs: Path) -> None:
    with pairs.open("a") as file:
        file.write('{"id": "third", "reference": "voice.wav", "degraded": "degraded1.wav", "x": NaN}\n')
    done = ar("eval", pairs, "--metric", "snr")
    assert done.status == 3
    assert "NaN is not a JSON number" in done.stderr
    assert len([record for record in done.records if "metrics" in record]) == 2
