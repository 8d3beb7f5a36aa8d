"""Commands in shell pipes: records on stdout, messages on stderr, and quiet ends."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from audiorestore.data.audio_file import read_audio

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")


@pytest.fixture
def shell(tmp_path: Path) -> Callable[[str], subprocess.CompletedProcess[str]]:
    """Run a line of bash in which `ar` is this program."""
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    script = bin_folder / "ar"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m audiorestore "$@"\n')
    script.chmod(0o755)

    def run(line: str) -> subprocess.CompletedProcess[str]:
        path = f"{bin_folder}:{os.environ['PATH']}"
        environment = {**os.environ, "PATH": path, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
        return subprocess.run(
            ["bash", "-c", "set -o pipefail; " + line],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=environment,
            check=False,
        )

    return run


def test_head_ends_a_pipe_quietly(shell: Callable, tmp_path: Path, voice: Path) -> None:
    manifest = tmp_path / "many.jsonl"
    line = json.dumps({"id": "broken", "error": {"stage": "pair", "message": "x" * 2000}})
    manifest.write_text("".join(line.replace("broken", f"broken{n}") + "\n" for n in range(500)))
    done = shell("ar degrade many.jsonl -o d | head -n 1")
    assert done.returncode == 0
    assert json.loads(done.stdout)["id"] == "broken0"
    assert done.stderr == ""


def test_one_pipe_from_audio_to_model(shell: Callable, tmp_path: Path) -> None:
    done = shell(
        "ar demo demo > /dev/null && ar degrade demo --chain hiss:snr_db=20 -o d/ | ar pair | "
        "ar train mlp --set parameters=2000 --steps 3 --set validation_seconds=1 -o mlp.safetensors"
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["model"] == "mlp.safetensors"
    assert (tmp_path / "mlp.safetensors").exists()


def test_audio_flows_through_stdin_and_stdout(shell: Callable, tmp_path: Path, voice: Path) -> None:
    done = shell("ar restore --model identity - -o - < voice.wav > same.wav")
    assert done.returncode == 0, done.stderr
    waveform, sample_rate = read_audio(tmp_path / "same.wav")
    original, original_rate = read_audio(voice)
    assert sample_rate == original_rate
    assert (waveform == original).all()


def test_closed_streams_are_no_reason_to_stop(shell: Callable, tmp_path: Path, voice: Path) -> None:
    assert shell("ar restore --model identity voice.wav -o same.wav 2>&-").returncode == 0
    assert (tmp_path / "same.wav").exists()
    assert shell("ar degrade voice.wav --chain bits:bits=8 -o d <&- >&- 2>&-").returncode == 0
    assert (tmp_path / "d" / "voice.wav").exists()


def test_only_audio_from_stdin_has_no_path_in_its_record(shell: Callable, voice: Path) -> None:
    done = shell("mkdir in && mv voice.wav in/stdin && ar restore --model identity in/stdin -o out")
    assert json.loads(done.stdout)["degraded"] == "in/stdin"
    done = shell("ar restore --model identity - -o same.wav < in/stdin")
    assert "degraded" not in json.loads(done.stdout)


def test_degrade_to_scores_in_one_line(shell: Callable, tmp_path: Path, voice: Path) -> None:
    done = shell(
        'ar degrade voice.wav --chain mp3:kbps=96 -o d | ar pair --split 0:0:100 | grep \'"split": "test"\' | '
        "ar restore --model identity -o out | ar eval"
    )
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert [stage["stage"] for stage in record["stages"]] == ["degrade", "pair", "restore", "eval"]
    assert record["metrics"]["degraded"] == record["metrics"]["restored"] | {}
    assert record["metrics"]["degraded_leveled"]["snr_db"] > record["metrics"]["degraded"]["snr_db"]
    assert "snr_db" in done.stderr


def test_a_list_of_paths_is_read_as_records(shell: Callable, tmp_path: Path, voice: Path) -> None:
    done = shell("echo voice.wav | ar degrade --chain hiss:snr_db=20 -o d")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["reference"] == "voice.wav"


def test_unknown_fields_travel_along(shell: Callable, tmp_path: Path, voice: Path) -> None:
    done = shell(
        """echo '{"id": "a", "reference": "voice.wav", "mood": {"blue": [1, 2]}}' | """
        "ar degrade --chain hiss:snr_db=20 -o d | ar pair --split 100:0:0 | ar restore -m identity -o r | ar eval"
    )
    assert json.loads(done.stdout)["mood"] == {"blue": [1, 2]}
