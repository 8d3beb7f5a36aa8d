"""The sweep of panchenko-2025: which trainings it runs, and how its report reads them; the program is a stand-in."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from audiorestore.engine.settings import build, parse_settings
from audiorestore.engine.training.loop import TrainConfig
from audiorestore.models import FAMILIES

RECIPES = Path(__file__).parents[1] / "recipes"
STAND_IN = """#!/bin/sh
echo "$@" >> "$CALLS"
case $1 in
degrade | restore) echo '{"id": "a"}' ;;
pair) echo '{"id": "a", "split": "test"}' ;;
train)
    case "$*" in *"$FAILING"*) echo 'ar: the loss is nan at step 3' >&2; exit 1 ;; esac
    while [ "$1" != -o ]; do shift; done
    touch "$2" "${2%.safetensors}.state.safetensors"
    echo 'ar: kept step 2' >&2
    echo '{"parameters": 50, "training_seconds": 1.6, "validation": {"step": 2, "mse": {"restored": 3e-04, "degraded": 2e-04, "level": 1e-04},' \\
        '"snr_db": {"restored": 20.5, "degraded": 22.0, "level": 25.0}}}'
    ;;
eval) printf 'row,key,count,mean\\nrestored,mse,1,4.5e-05\\nrestored,snr_db,1,25.1234\\nrestored,si_sdr_db,1,25\\nrestored,lsd_db,1,9\\n' ;;
esac
"""  # noqa: E501


def a_place(tmp_path: Path) -> Path:
    """Make a folder with the recipes and the stand-in."""
    shutil.copytree(RECIPES, tmp_path / "recipes", ignore=shutil.ignore_patterns("runs"))
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    program = tmp_path / ".venv" / "bin" / "audiorestore"
    program.write_text(STAND_IN)
    program.chmod(0o755)
    return tmp_path


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return a_place(tmp_path)


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Run the whole sweep once, and give its folder and its report."""
    place = a_place(tmp_path_factory.mktemp("swept"))
    done = sweep(place)
    assert done.returncode == 0, done.stderr
    return place, done.stdout


def sweep(place: Path, failing: str = "no such words", **options: str) -> "subprocess.CompletedProcess[str]":
    chosen = {"DATA": "speech", "SCALE": "smoke", "OUT": "a run", "JOBS": "4", **options}
    env = {**os.environ, **chosen, "CALLS": str(place / "calls"), "FAILING": failing}
    command = ["sh", "recipes/panchenko-2025.sh"]
    return subprocess.run(command, cwd=place, env=env, capture_output=True, text=True, check=False)


def trainings(place: Path) -> list[list[str]]:
    return [line.split() for line in (place / "calls").read_text().splitlines() if line.startswith("train ")]


def test_the_sweep_trains_all_88_networks_with_settings_that_exist(swept: tuple[Path, str]) -> None:
    networks = [words for words in trainings(swept[0]) if "run/sweep/" in " ".join(words)]
    assert len(networks) == 88
    for family, count in (("mlp", 28), ("cnn", 47), ("unet", 13)):
        own = [words for words in networks if words[1] == family]
        assert len(own) == count
        for words in own:
            texts = [words[place + 1] for place, word in enumerate(words) if word == "--set"]
            settings = parse_settings(texts, FAMILIES.load(family).Config, TrainConfig)
            build(FAMILIES.load(family).Config, settings)  # and they are possible: all kernels fit, all levels halve


def test_the_report_has_the_paper_s_numbers_beside_ours_and_the_rows_that_did_nothing(swept: tuple[Path, str]) -> None:
    report = swept[1]
    assert "doing nothing 2e-04, one gain 1e-04" in report
    assert re.findall(r"### Table (\d+)", report) == [str(table) for table in range(1, 12)]
    paper = {"| 3 layers | 50000 | 1.61e-04 |", "| 7/5/3 | dilation 2 | 1.39e-04 |", "| avg |  | 1.37e-04 |"}
    paper |= {"| silu | 7 layers | 2.13e-04 |", "| 4 levels |  | 3.11e-04 |", "| kernel 9 |  | 3.81e-04 |"}
    for start in paper:
        assert f"{start} 3.00e-04 | 50 | 2 |" in report, start
    assert "Best in the paper: silu, 7 layers." in report
    assert "Best in the paper: 7/5/3, dilation 2." in report
    for level in ("keep", "match"):
        for model in ("identity", "level", "unet-paper-residual"):
            assert f"| {level} | {model} |  | 4.500e-05 | 25.123 |" in report


def test_the_test_split_is_opened_for_the_last_table_only(swept: tuple[Path, str]) -> None:
    calls = [line for line in (swept[0] / "calls").read_text().splitlines() if "test.jsonl" in line]
    assert calls
    assert all(call.startswith("restore -f --model") and "sweep" not in call for call in calls)


def test_a_training_that_fails_is_reported_and_the_rest_is_not_trained_again(place: Path) -> None:
    failed = sweep(place, failing="activation=silu")
    assert failed.returncode != 0
    assert "the loss is nan" in failed.stderr
    before = len(trainings(place))
    done = sweep(place)
    assert done.returncode == 0, done.stderr
    again = trainings(place)[before:]
    assert len(again) <= 2 + 12 + 2  # the two that failed, the last table's two levels, and what had not begun
    assert not list((place / "a run" / "sweep").glob("*.state.safetensors"))


def test_an_unknown_scale_is_refused(place: Path) -> None:
    done = sweep(place, SCALE="huge")
    assert done.returncode == 2
    assert "SCALE=huge" in done.stderr
