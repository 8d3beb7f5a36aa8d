"""The recipe that compares families: every stage, by the shell and by make, and continued after an interruption."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

RECIPES = Path(__file__).parents[1] / "recipes"
COLUMNS = re.split(",", "family,form,SNR dB,gain,SI-SDR,LSD dB,gain,parameters,train s,KiB,× real time")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recipes that install nothing, with this environment, and three short recordings."""
    root = tmp_path_factory.mktemp("a place")
    shutil.copytree(RECIPES, root / "recipes", ignore=shutil.ignore_patterns("runs"))
    (root / "recipes" / "install.sh").write_text("exit 0\n")
    (root / ".venv" / "bin").mkdir(parents=True)
    program = root / ".venv" / "bin" / "audiorestore"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m audiorestore "$@"\n')
    program.chmod(0o755)
    subprocess.run([program, "demo", root / "all"], check=True, capture_output=True)
    (root / "my songs").mkdir()
    for name in ("voice-01", "drums-01", "bells-01"):
        shutil.copy(root / "all" / f"{name}.wav", root / "my songs")
    return root


def call(place: Path, *command: str, **options: str) -> subprocess.CompletedProcess[str]:
    chosen = {"DATA": "my songs", "BUDGET": "2", "CHAIN": "mp3:kbps=32", "OMP_NUM_THREADS": "1", **options}
    env = {**os.environ, "PWD": str(place), **chosen}
    return subprocess.run(command, cwd=place, env=env, capture_output=True, text=True, check=False, timeout=300)


def table(report: str) -> list[dict[str, str]]:
    lines = [line for line in report.splitlines() if line.startswith("|")]
    assert [cell.strip() for cell in lines[0].strip("|").split("|")] == COLUMNS
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]
    return [
        dict(zip(["family", "form", "snr", "gain", *COLUMNS[4:6], "lsd_gain", *COLUMNS[7:]], row, strict=True))
        for row in cells
    ]


def test_families_are_compared_with_the_user_s_own_command_and_nothing_is_made_twice(place: Path) -> None:
    if not shutil.which("make"):
        pytest.skip("make is not installed")
    make = ("make", "-C", "recipes", "-j2", "compare", "OUT=the runs")
    failed = call(place, *make, POST="false", FAMILIES="mlp")
    assert failed.returncode != 0
    assert "POST failed on" in failed.stderr
    post = 'cp "$IN" "$OUT" && echo "$OUT" >> posted'
    done = call(place, *make, POST=post, FAMILIES="mlp")
    assert done.returncode == 0, done.stderr
    rows = table("\n".join(line for line in done.stdout.splitlines() if not line.startswith("make")))
    assert [row["family"] for row in rows] == ["identity", "level", "mlp", "mlp"]  # doing nothing comes first
    assert float(rows[0]["gain"]) == 0.0
    full, small = rows[2:]
    assert float(small["KiB"]) < 0.5 * float(full["KiB"])
    assert int(full["parameters"]) > 1000
    posted = (place / "posted").read_text().splitlines()
    assert len(posted) == 4  # one test recording, restored by three systems, one of them in int8, too
    (run,) = (path for path in (place / "the runs").iterdir() if (path / "report.md").exists())
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*.safetensors")}
    assert len(before) >= 4
    for gone in ("mlp/float.csv", "mlp/float.jsonl", "report.md"):
        (run / gone).unlink()
    again = call(place, "sh", "recipes/compare.sh", OUT="the runs", POST=post, FAMILIES="mlp")
    assert table(again.stdout) == rows
    assert len((place / "posted").read_text().splitlines()) == len(posted) + 1  # only what was gone
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*.safetensors")} == before


def test_what_cannot_be_compared_is_reported_in_a_sentence(place: Path) -> None:
    (place / "two").mkdir()
    for options, words in (
        ({"DATA": "nowhere"}, "DATA=nowhere is not a folder"),
        ({"DATA": "two"}, "at least 3 recordings"),
        ({"CHAIN": "mp3:kbps=33"}, "kbps=33"),
        ({"BUDGET": "soon"}, "BUDGET=soon is neither"),
        ({"FAMILIES": "cnm"}, "there is no family cnm"),
    ):
        done = call(place, "sh", "recipes/compare.sh", OUT="failed runs", **options)
        assert done.returncode != 0, options
        assert words in done.stderr
        assert not re.search("Traceback|not found|unbound", done.stderr)
