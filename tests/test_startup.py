"""Start-up stays light: what a command does not need is not imported."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("torch", "scipy", "pyloudnorm", "matplotlib", "pesq")


def imported(script: str, folder: Path) -> set[str]:
    listing = "\nimport json, sys\nprint(json.dumps(sorted(sys.modules)), file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", script + listing], capture_output=True, text=True, cwd=folder, check=True
    )
    return set(json.loads(done.stderr.splitlines()[-1]))


def call(*arguments: str) -> str:
    return f"import sys\nsys.argv = {['ar', *arguments]!r}\nfrom audiorestore.cli import main\ntry:\n    main()\nexcept SystemExit as end:\n    assert end.code == 0, end.code"  # noqa: E501


@pytest.mark.parametrize("arguments", [["--help"], ["degrade", "--help"], ["train", "--help"], ["--version"]])
def test_help_imports_neither_torch_nor_numpy(arguments: list[str], tmp_path: Path) -> None:
    modules = imported(call(*arguments), tmp_path)
    assert "typer" in modules
    assert not modules & {*HEAVY, "numpy", "soundfile"}


def test_degrade_pair_eval_and_identity_import_no_torch(tmp_path: Path, voice: Path) -> None:
    steps = [
        ["degrade", "voice.wav", "--chain", "mp3:kbps=64|hiss:snr_db=30,colour=white", "-o", "d"],
        ["pair", "--reference", "voice.wav", "--degraded", "d/voice.wav"],
        ["restore", "--model", "identity", "d/voice.wav", "-o", "restored.wav"],
        ["eval", "--reference", "voice.wav", "--restored", "restored.wav"],
        ["models", "--names"],
    ]
    for step in steps:
        modules = imported(call(*step), tmp_path)
        assert "audiorestore.commands._signals" in modules
        assert not modules & set(HEAVY), step
