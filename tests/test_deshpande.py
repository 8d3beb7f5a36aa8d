"""The recipe of deshpande-2021: what it measures against what, and that nothing stale is told; the program is a
stand-in."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from audiorestore.data.audio_file import write_audio

RECIPES = Path(__file__).parents[1] / "recipes"
STAND_IN = """#!/bin/sh
record() { echo "{\\"id\\": \\"$1\\", \\"reference\\": \\"$2\\", \\"split\\": \\"$3\\"}"; }
at=${OUT#./}  # as the program writes it
case $1 in
degrade) echo '{"id": "a-1"}' ;;
pair)
    record a-1 "${at%/}/target/a-1.wav" test
    record a-2 "${at%/}/matched/reference/a-2.wav" test
    record b-1 "${at%/}/target/b-1.wav" train
    ;;
train)
    case "$*" in *"$FAILING"*) echo 'ar: the loss is nan at step 3' >&2; exit 1 ;; esac
    echo '{}'
    ;;
restore) cat "${OUT%/}/test.jsonl" ;;
quantize) echo '{"times_real_time": {"float": 100.0, "int8": 200.0}}' ;;
eval)
    case "$*" in *--plot*) cat > /dev/null; exit ;; esac
    [ "$2" != "$FAILING" ] || exit 1
    grep -q /target/ "$2" && snr=20 || snr=10
    printf 'row,number,count,mean\\nrestored,snr_db,1,%s\\nrestored_leveled,snr_db,1,%s.5\\n' $snr $snr
    ;;
esac
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    shutil.copytree(RECIPES, tmp_path / "recipes", ignore=shutil.ignore_patterns("runs"))
    (tmp_path / "recipes" / "install.sh").write_text("exit 0\n")
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    for name, text in {"audiorestore": STAND_IN, "python": "#!/bin/sh\n"}.items():
        (tmp_path / ".venv" / "bin" / name).write_text(text)
        (tmp_path / ".venv" / "bin" / name).chmod(0o755)
    return tmp_path


def recipe(place: Path, **options: str) -> "subprocess.CompletedProcess[str]":
    env = {**os.environ, "DATA": "music", "SCALE": "smoke", "OUT": "runs/a run", "FAILING": "nothing", **options}
    command = ["sh", "recipes/deshpande-2021.sh"]
    return subprocess.run(command, cwd=place, env=env, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("out", ["runs/a run", "./runs/a run", "runs/a run/"])
def test_the_original_is_not_the_target_however_the_folder_is_written(place: Path, out: str) -> None:
    done = recipe(place, OUT=out)
    assert done.returncode == 0, done.stderr
    assert '"runs/a run/thirds/a-1.wav"' in (place / "runs/a run/identity/original.jsonl").read_text()
    (row,) = [line for line in done.stdout.splitlines() if line.startswith("| autoencoder-1 |")]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[1] == "21.2532 / 4.3599 / 1.5909 / 0.9910 / 7.74"
    assert cells[2] == "20.00"
    assert cells[7] == "10.50"  # against the original after one gain, as the text above the table says
    assert cells[-1] == "45.4"  # 100,000 samples are 4.535 s
    assert "| autoencoder-5, int8 |" in done.stdout


def test_what_lies_on_a_piece_of_its_target_is_not_tested_on(place: Path) -> None:
    done = recipe(place)
    assert done.stdout.startswith("Test split: 1 thirds of songs, 3 in all; SCALE=smoke, trained with --steps 2,")


def test_a_run_with_other_settings_needs_another_folder(place: Path) -> None:
    assert recipe(place).returncode == 0
    assert recipe(place).returncode == 0
    for other in ({"DATA": "speech"}, {"SCALE": "small"}, {"MINUTES": "1"}, {"OMP_NUM_THREADS": "2"}):
        refused = recipe(place, **other)
        assert refused.returncode == 2
        assert "give another OUT" in refused.stderr


def test_a_stage_that_fails_is_not_hidden(place: Path) -> None:
    assert recipe(place, FAILING="runs/a run/wavenet-int8/original.jsonl").returncode != 0
    assert not (place / "runs/a run/report.md").exists()
    for failing in ("train wavenet", "loss=kl"):
        shutil.rmtree(place / "runs")
        failed = recipe(place, FAILING=failing)
        assert failed.returncode != 0
        assert "the loss is nan at step 3" in failed.stderr
    done = recipe(place)
    assert done.returncode == 0, done.stderr
    (place / "runs/a run/losses/kl/target.csv").unlink()
    (place / "runs/a run/losses/kl/target.csv").mkdir()
    assert recipe(place).returncode != 0


def test_songs_of_one_name_are_refused_and_broken_ones_left_out(tmp_path: Path) -> None:
    for name in ("a/b_c", "a_b/c"):
        (tmp_path / "music" / name).parent.mkdir(parents=True)
        write_audio(tmp_path / "music" / f"{name}.wav", np.full((1, 48000), 0.1, np.float32), 16000)
    (tmp_path / "music" / "broken.wav").write_text("no sound")

    def cut() -> "subprocess.CompletedProcess[str]":
        words = [sys.executable, str(RECIPES / "songs-in-thirds"), str(tmp_path / "music"), str(tmp_path / "out"), "1"]
        return subprocess.run(words, capture_output=True, text=True, check=False)

    refused = cut()
    assert refused.returncode == 1
    assert "b_c.wav" in refused.stderr
    (tmp_path / "music" / "a_b" / "c.wav").unlink()
    done = cut()
    assert done.returncode == 0, done.stderr
    assert "broken.wav" in done.stderr
    assert "1 of 2 songs" in done.stderr
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [f"a_b_c-{third}.wav" for third in (1, 2, 3)]
