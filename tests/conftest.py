"""What tests share: where real recordings lie, the command line, and a voice."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from audiorestore.data.audio_file import write_audio
from audiorestore.signal.synthesis import render_demo


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The folder of real recordings, or no test."""
    folder = os.environ.get("AUDIORESTORE_CORPUS")
    if not folder:
        pytest.skip("AUDIORESTORE_CORPUS is not set: no real recordings to test on")
    return Path(folder)


class Ended(NamedTuple):
    """How a command ended, and what it said."""

    status: int
    stdout: str
    stderr: str

    @property
    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stdout.splitlines()]


@pytest.fixture
def ar(tmp_path: Path) -> Callable[..., Ended]:
    """Run `ar` as a shell would, in a folder of the test's own."""

    def run(*arguments: str | Path, stdin: str = "", cwd: Path = tmp_path) -> Ended:
        done = subprocess.run(
            [sys.executable, "-m", "audiorestore", *map(str, arguments)],
            input=stdin,
            capture_output=True,
            text=True,
            cwd=cwd,
            env={**os.environ, "OMP_NUM_THREADS": "1"},  # small nets gain nothing from more, and busy cores lose much
            check=False,
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def voice(tmp_path: Path) -> Path:
    """Two seconds of a singing voice, 16 bit, 22,050 Hz, as `voice.wav` in the test's folder."""
    path = tmp_path / "voice.wav"
    write_audio(path, render_demo("voice-01", 22050)[:, 11025:55125], 22050)
    return path
