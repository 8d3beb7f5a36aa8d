"""`ar eval` with a choice of numbers and with pictures."""

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audiorestore.data.audio_file import read_audio, write_audio


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
    done = ar("eval", pairs, "--metric", "snr", "--metric", "lsd")
    assert done.status == 0, done.stderr
    assert len(done.records) == 2
    for record in done.records:
        assert list(record["metrics"]) == ["degraded", "degraded_leveled", "restored", "restored_leveled"]
        for row in record["metrics"].values():
            assert list(row) == ["snr_db", "lsd_db"]
    assert "snr_db ↑" in done.stderr
    assert "lsd_db ↓" in done.stderr
    assert "mse" not in done.stderr
    assert "si_sdr" not in done.stderr


def test_a_chosen_number_is_the_same_as_among_all(ar: Callable, pairs: Path) -> None:
    everything, chosen = ar("eval", pairs).records, ar("eval", pairs, "--metric", "si_sdr").records
    for whole, part in zip(everything, chosen, strict=True):
        for row, numbers in part["metrics"].items():
            assert numbers == {"si_sdr_db": whole["metrics"][row]["si_sdr_db"]}


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
    done = ar("eval", pairs, "--plot", "plots")
    assert done.status == 0, done.stderr
    names = [record["plot"] for record in done.records]
    assert names == ["plots/first.png", "plots/album/second.png"]
    for name in names:
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
    plain = [{key: value for key, value in record.items() if key != "plot"} for record in done.records]
    assert plain == ar("eval", pairs).records


def test_running_again_or_with_more_jobs_gives_the_same_bytes(ar: Callable, pairs: Path, tmp_path: Path) -> None:
    def bytes_of(folder: str) -> dict[str, bytes]:
        found = (tmp_path / folder).rglob("*.png")
        return {path.relative_to(tmp_path / folder).as_posix(): path.read_bytes() for path in found}

    one = ar("eval", pairs, "--plot", "one")
    first = bytes_of("one")
    two = ar("eval", pairs, "--plot", "two", "--jobs", "2")
    assert len(first) == 2
    assert bytes_of("two") == first
    assert two.stdout.replace("two/", "one/") == one.stdout
    (tmp_path / "one" / "first.png").write_bytes(b"something old")
    again = ar("eval", "--plot", "one", stdin=one.stdout)
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
    alone = ar("eval", "--plot", "alone", stdin=lines[0])
    assert alone.status == 0
    together = ar("eval", "--plot", "together", "--jobs", "2", stdin="".join(lines))
    assert together.status == 3
    assert ["plot" in record for record in together.records] == [True, False]
    assert ["plot_note" in record for record in together.records] == [False, True]
    assert all("metrics" in record for record in together.records)
    assert (tmp_path / "together/first.png").read_bytes() == (tmp_path / "alone/first.png").read_bytes()


def test_a_record_that_cannot_be_measured_gets_no_picture(ar: Callable, pairs: Path, tmp_path: Path) -> None:
    (tmp_path / "degraded1.wav").unlink()
    done = ar("eval", pairs, "--plot", "plots")
    assert done.status == 3
    assert "error" in done.records[0]
    assert sorted(path.name for path in (tmp_path / "plots").rglob("*.png")) == ["second.png"]


def test_a_file_in_the_place_of_the_folder_is_refused_before_any_work(ar: Callable, pairs: Path) -> None:
    done = ar("eval", pairs, "--plot", "voice.wav")
    assert done.status == 2
    assert "voice.wav is a file; give a folder" in done.stderr
    assert done.stdout == ""


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
