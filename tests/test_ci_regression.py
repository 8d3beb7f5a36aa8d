"""The recipe that guards a restorer: it passes the same run again, and stops one with a damaged file."""

import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from audiorestore.data.audio_file import write_audio
from audiorestore.demo.synthesis import render_demo

RECIPES = Path(__file__).parents[1] / "recipes"


def test_one_damaged_file_stops_the_run(tmp_path: Path) -> None:
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "ci-regression.sh").write_text((RECIPES / "ci-regression.sh").read_text())
    (tmp_path / "recipes" / "install.sh").write_text("exit 0\n")
    program = tmp_path / ".venv" / "bin" / "audiorestore"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m audiorestore "$@"\n')
    program.chmod(0o755)
    (tmp_path / "my songs").mkdir()
    for place in range(4):
        piece = render_demo("plucked-01", 22050)[:, place * 11025 :][:, :22050]
        write_audio(tmp_path / "my songs" / f"piece {place}.wav", piece, 22050)
    done = subprocess.run(
        ["sh", "recipes/ci-regression.sh"],
        cwd=tmp_path,
        env={**os.environ, "DATA": "my songs", "OUT": "out", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "The gate passed the first run and stopped the second" in done.stdout
    assert "conditions are not met" in done.stderr
    passed, stopped = (ElementTree.parse(tmp_path / "out" / name).getroot() for name in ("passed.xml", "stopped.xml"))
    assert passed.get("failures") == "0"
    assert int(passed.get("tests", "0")) == int(stopped.get("tests", "0")) > 1
    failed = {case.get("name") for case in stopped.iter("testcase") if case.find("failure") is not None}
    assert failed >= {"restored.snr_db", "restored.lsd_db"}
    assert not any(str(name).startswith("degraded") for name in failed)
