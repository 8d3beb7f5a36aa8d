"""A long recording takes no more memory than a short one: `ar pair`, `ar check` and `ar eval`."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from audiorestore.data.audio_file import AudioWriter

RATE = 8000
LAG = 333
MINUTES = {"short": 1, "long": 5}

# The command, with limits for a minute instead of those for an hour; at the end, the most memory that it took, in KiB.
PROGRAM = """
import sys
from audiorestore.cli import main
from audiorestore.data import spool
from audiorestore.metrics import _comparison
from audiorestore.signal import align
spool.MEMORY_BYTES, _comparison._KEPT_BYTES = 1 << 19, 1 << 21
align._WHOLE_FRAMES, align._EXCERPT_FRAMES = 1 << 18, 1 << 17
try:
    main()
finally:
    print([line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")][0], file=sys.stderr)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Noise that swells, and the same softer, noisier and delayed: 4 MB a minute of each."""
    folder = tmp_path_factory.mktemp("lengths")
    rng = np.random.default_rng(0)
    for name, minutes in MINUTES.items():
        files = [folder / f"{name}.{role}.wav" for role in ("clean", "late")]
        clean_file, late_file = (AudioWriter(file, RATE, 2, subtype="FLOAT") for file in files)
        with clean_file as clean, late_file as late:
            late.write(np.zeros((2, LAG), np.float32))
            for second in range(60 * minutes):
                block = rng.standard_normal((2, RATE), np.float32) * np.float32(0.1 + 0.05 * np.sin(second))
                clean.write(block)
                late.write(0.5 * block + 0.001 * rng.standard_normal((2, RATE), np.float32))
        record = {"id": name, "reference": str(files[0]), "degraded": str(files[1])}
        (folder / f"{name}.jsonl").write_text(json.dumps(record) + "\n")
    return folder


def peak(folder: Path, *arguments: str) -> tuple[int, str]:
    """Run a command: its peak memory in KiB, and its stdout."""
    command = [sys.executable, "-c", PROGRAM, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
    assert done.returncode == 0, done.stderr
    return int(done.stderr.split()[-1]), done.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="the peak memory is read from /proc")
def test_five_minutes_take_the_memory_of_one(folder: Path) -> None:
    peaks: dict[str, dict[str, int]] = {"pair": {}, "check": {}, "eval": {}}
    for name in MINUTES:
        peaks["pair"][name], pairs = peak(
            folder, "pair", f"{name}.jsonl", "--level", "match", "-o", "aligned", "--split", "100:0:0"
        )
        assert json.loads(pairs)["alignment"]["lag"] == LAG
        (folder / "pairs.jsonl").write_text(pairs)
        peaks["check"][name], _ = peak(folder, "check", "pairs.jsonl")
        peaks["eval"][name], rows = peak(folder, "eval", "--align", f"{name}.jsonl")
        assert json.loads(rows)["check"]["degraded"]["aligned"] is True
    assert all(each["long"] <= 1.3 * each["short"] for each in peaks.values()), peaks
