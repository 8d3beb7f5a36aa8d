"""On a terminal: bars on stderr, and every record where stdout goes."""

import json
import os
import pty
import subprocess
import sys
import termios
from pathlib import Path

import pytest


def on_a_terminal(folder: Path, *arguments: str) -> tuple[int, list[str], str]:
    """Run with stderr on a pseudo-terminal and stdout in a file, as in ``ar … > records.jsonl`` at a prompt."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    with (folder / "stdout").open("w") as stdout:
        process = subprocess.Popen(
            [sys.executable, "-m", "audiorestore", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=theirs,
            cwd=folder,
            env={**os.environ, "TERM": "xterm", "OMP_NUM_THREADS": "1"},
        )
    os.close(theirs)
    seen = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        seen += part
    os.close(ours)
    return process.wait(), (folder / "stdout").read_text().splitlines(), seen.decode(errors="replace")


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["degrade", "voice.wav", "--chain", "hiss:snr_db=20", "-o", "d"], "degrade"),
        (["pair", "--reference", "voice.wav", "--degraded", "voice.wav"], "pair"),
        (["restore", "-m", "identity", "voice.wav", "-o", "out"], "voice"),
        (["eval", "--reference", "voice.wav", "--restored", "voice.wav"], "eval"),
    ],
)
def test_records_go_to_the_file_and_a_bar_to_the_screen(
    tmp_path: Path, voice: Path, arguments: list[str], word: str
) -> None:
    status, lines, screen = on_a_terminal(tmp_path, *arguments)
    assert status == 0, screen
    assert [json.loads(line)["id"] for line in lines] == ["voice"]
    assert "|" in screen, "no bar was seen"
    assert word in screen
    assert '"id"' not in screen


def test_audio_is_not_poured_over_a_terminal(tmp_path: Path, voice: Path) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "audiorestore", "restore", "-m", "identity", "voice.wav", "-o", "-"]
    done = subprocess.run(command, stdout=theirs, stderr=subprocess.PIPE, cwd=tmp_path, text=True, check=False)
    os.close(theirs)
    os.close(ours)
    assert done.returncode == 2
    assert "audio to the terminal" in done.stderr
