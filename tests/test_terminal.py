"""On a terminal: bars on stderr that are gone at the end, messages and records above them; elsewhere no bars."""

import json
import os
import pty
import subprocess
import sys
import termios
from collections.abc import Callable
from pathlib import Path

import pytest

BAR = "%|"


def on_a_terminal(folder: Path, *arguments: str, stdout: Path | None = None) -> tuple[int, str]:
    """Run on a pseudo-terminal, with stdout in a file or on the terminal, too; all that it was sent comes back."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 400))
    with open(stdout or os.devnull, "w") as file:  # noqa: PTH123 - one name for both
        process = subprocess.Popen(
            [sys.executable, "-m", "audiorestore", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=file if stdout else theirs,
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
    return process.wait(), seen.decode(errors="replace")


def left_on_screen(sent: str) -> list[str]:
    """List the lines that stay: behind a carriage return, a line is written over from its start."""
    lines = []
    for line in sent.replace("\r\n", "\n").split("\n"):
        shown: list[str] = []
        for part in line.split("\r"):
            shown[: len(part)] = part
        lines.append("".join(shown).rstrip())
    return [line for line in lines if line]


@pytest.fixture
def one_good_one_bad(tmp_path: Path, voice: Path) -> list[str]:
    """Files of which the second fails."""
    (tmp_path / "broken.wav").write_bytes(b"RIFF")
    return ["voice.wav", "broken.wav"]


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
    status, sent = on_a_terminal(tmp_path, *arguments, stdout=tmp_path / "records")
    assert status == 0, sent
    records = [json.loads(line) for line in (tmp_path / "records").read_text().splitlines()]
    assert [record["id"] for record in records] == ["voice"]
    assert f"\r{word}: " in sent
    assert BAR in sent
    assert '"id"' not in sent
    assert BAR not in "".join(left_on_screen(sent)), "the bar is still there"


def test_messages_and_records_stand_whole_above_the_bar(tmp_path: Path, one_good_one_bad: list[str]) -> None:
    status, sent = on_a_terminal(tmp_path, "degrade", *one_good_one_bad, "--chain", "mp3", "-o", "d")
    assert status == 3
    assert BAR in sent
    record, message, failed, summary = left_on_screen(sent)
    assert json.loads(record)["id"] == "voice"
    assert message.startswith("ar: degrade broken: broken.wav")
    assert json.loads(failed)["id"] == "broken"
    assert summary == "ar: 1 of 2 records failed"


def test_training_shows_a_bar_and_keeps_its_news(tmp_path: Path, ar: Callable, voice: Path) -> None:
    paired = ar("pair", "--reference", "voice.wav", "--degraded", "voice.wav", "--split", "100:0:0")
    (tmp_path / "pairs.jsonl").write_text(paired.stdout)
    budget = ["--set", "parameters=2000", "--set", "batch_size=2", "--steps", "500", "-o", "m.safetensors"]
    status, sent = on_a_terminal(tmp_path, "train", "mlp", "pairs.jsonl", *budget)
    assert status == 0, sent
    assert "\rmlp · step " in sent
    assert BAR in sent
    *news, result = left_on_screen(sent)
    assert all(line.startswith("ar: ") for line in news)
    assert json.loads(result)["steps"] == 500


def test_no_bar_reaches_a_file(tmp_path: Path, ar: Callable, one_good_one_bad: list[str]) -> None:
    done = ar("degrade", *one_good_one_bad, "--chain", "mp3", "-o", "d")
    assert len(done.stderr.splitlines()) == 2
    assert all(line.startswith("ar: ") for line in done.stderr.splitlines())
    paired = ar("pair", "--split", "100:0:0", stdin=done.stdout.splitlines()[0] + "\n")
    trained = ar("train", "identity", "-o", "m.safetensors", stdin=paired.stdout)
    restored = ar("restore", "-m", "identity", "voice.wav", "-o", "out")
    measured = ar("eval", "--metric", "snr", stdin=restored.stdout)
    for each in (paired, restored, trained):
        assert all(line.startswith("ar: ") for line in each.stderr.splitlines())
    assert "\r" not in measured.stderr + trained.stderr
    assert BAR not in measured.stderr


def test_audio_is_not_poured_over_a_terminal(tmp_path: Path, voice: Path) -> None:
    status, sent = on_a_terminal(tmp_path, "restore", "-m", "identity", "voice.wav", "-o", "-")
    assert status == 2
    assert "audio to the terminal" in sent
