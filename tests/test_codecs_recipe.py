"""The recipe that measures what codecs do to recordings: one line per chain, even if a file lacks that bit rate."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from audiorestore.data.audio_file import write_audio
from audiorestore.demo.synthesis import render_demo

RECIPES = Path(__file__).parents[1] / "recipes"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """The recipe, which installs nothing, with this environment, and three recordings."""
    (tmp_path / "recipes").mkdir()
    shutil.copy(RECIPES / "codecs.sh", tmp_path / "recipes")
    (tmp_path / "recipes" / "install.sh").write_text("exit 0\n")
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    program = tmp_path / ".venv" / "bin" / "audiorestore"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m audiorestore "$@"\n')
    program.chmod(0o755)
    (tmp_path / "my songs").mkdir()
    for rate in (22050, 44100):
        write_audio(tmp_path / "my songs" / f"{rate}.wav", render_demo("voice-01", rate)[:, : 2 * rate], rate)
    write_audio(tmp_path / "my songs" / "silence.wav", np.zeros((1, 22050), np.float32), 22050)
    return tmp_path


def table(place: Path, chains: str) -> list[list[str]]:
    env = {**os.environ, "DATA": "my songs", "OUT": "a run", "CHAINS": chains, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        ["sh", "recipes/codecs.sh"], cwd=place, env=env, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return [[cell.strip() for cell in line.split(" | ")] for line in done.stdout.splitlines()[2:]]


def test_each_chain_has_a_line_and_a_second_run_measures_nothing(place: Path) -> None:
    first = table(place, "mp3:kbps=64 mp3:kbps=256")
    assert [line[:5] for line in first] == [
        ["| `mp3:kbps=64`", "3", "0", "1", "2"],  # no lag is seen in silence
        ["| `mp3:kbps=256`", "3", "2", "0", "1"],  # an MP3 at 22,050 Hz holds 160 kbit/s at most
    ]
    gains = [float(line[5].removesuffix(" dB")) for line in first]
    assert gains == pytest.approx([-0.45, 0.0], abs=0.1)  # LAME turns its input down by 0.95
    snr, leveled = (float(first[0][column].removesuffix(" dB")) for column in (6, 7))
    assert leveled > snr > 10.0
    (place / ".venv" / "bin" / "audiorestore").write_text("#!/bin/sh\nexit 1\n")
    assert table(place, "mp3:kbps=64 mp3:kbps=256") == first


def test_where_no_file_has_the_bit_rate_there_are_dashes(place: Path) -> None:
    (place / "my songs" / "44100.wav").unlink()
    (line,) = table(place, "mp3:kbps=320")
    assert line == ["| `mp3:kbps=320`", "2", "2", "0", "0", "–", "–", "–", "– |"]


def test_numbers_of_other_recordings_are_not_shown_as_these(place: Path) -> None:
    table(place, "mp3:kbps=320")
    (place / "others").mkdir()
    env = {**os.environ, "DATA": "others", "OUT": "a run", "CHAINS": "mp3:kbps=320"}
    done = subprocess.run(["sh", "recipes/codecs.sh"], cwd=place, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "choose another OUT" in done.stderr
