"""Ctrl-C and SIGTERM: finished work is kept, no file is incomplete, and the exit status says so."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from audiorestore.data.audio_file import read_audio, write_audio
from audiorestore.engine.checkpoint import read_arrays


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "audiorestore", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "nothing happened for a minute"
        time.sleep(0.02)


@pytest.fixture
def pairs(ar: Callable, voice: Path, tmp_path: Path) -> Path:
    (tmp_path / "wavs").mkdir()
    spoken, rate = read_audio(voice)
    for number, name in enumerate("abc"):  # different files: copies of one would be one group
        write_audio(tmp_path / "wavs" / f"{name}.wav", np.roll(spoken, 1000 * number), rate)
    degraded = ar("degrade", "wavs", "--chain", "hiss:snr_db=20", "-o", "d")
    paired = ar("pair", "--split", "34:33:33", stdin=degraded.stdout)
    assert paired.status == 0, paired.stderr
    (tmp_path / "pairs.jsonl").write_text(paired.stdout)
    return tmp_path / "pairs.jsonl"


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 143)])
def test_training_that_is_stopped_can_be_resumed(
    ar: Callable, pairs: Path, tmp_path: Path, number: int, status: int
) -> None:
    settings = ["--set", "parameters=2000", "--set", "batch_size=2", "--set", "validate_every=5"]
    process = start(tmp_path, "train", "mlp", "pairs.jsonl", *settings, "--steps", "1000000", "-o", "m.safetensors")
    wait_for((tmp_path / "m.state.safetensors").exists, process)
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == status, stderr
    assert stdout == ""
    assert "Traceback" not in stderr
    steps = read_arrays(tmp_path / "m.state.safetensors")[1]["state"]["step"]
    budget = ["--steps", str(steps + 5)]
    resumed = ar("train", "mlp", "pairs.jsonl", *settings, *budget, "--resume", "-o", "m.safetensors")
    assert resumed.status == 0, resumed.stderr
    assert f"resuming from step {steps}" in resumed.stderr
    assert json.loads(resumed.stdout)["steps"] == steps + 5


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_batch_leaves_only_complete_files_and_can_be_repeated(
    ar: Callable, voice: Path, tmp_path: Path, number: int, status: int
) -> None:
    (tmp_path / "wavs").mkdir()
    for index in range(300):
        (tmp_path / "wavs" / f"{index:03}.wav").hardlink_to(voice)
    process = start(tmp_path, "degrade", "wavs", "--chain", "mp3:kbps=64", "-j", "2", "-o", "d")
    wait_for(lambda: len(list(tmp_path.glob("d/*.wav"))) > 2, process)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == status, stderr
    assert "Traceback" not in stderr
    done = sorted(path.name for path in (tmp_path / "d").iterdir())
    assert not [name for name in done if name.startswith(".")], "an incomplete file is left"
    assert len(done) < 300
    before = {name: (tmp_path / "d" / name).stat().st_mtime_ns for name in done}
    again = ar("degrade", "wavs", "--chain", "mp3:kbps=64", "-j", "2", "-o", "d")
    assert again.status == 0, again.stderr
    assert len(again.records) == 300
    assert {name: (tmp_path / "d" / name).stat().st_mtime_ns for name in done} == before, "done work was done again"
