"""The whole chain on real speech, as the README has it."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def clips(corpus: Path, tmp_path: Path) -> Path:
    """Eight clips of LJ Speech, 16-bit FLAC at 22,050 Hz."""
    folder = tmp_path / "wavs"
    folder.mkdir()
    for path in sorted((corpus / "ljspeech").glob("LJ001-*.flac"))[:8]:
        shutil.copy(path, folder)
    return folder


def mean(records: list[dict], row: str, number: str) -> float:
    return sum(record["metrics"][row][number] for record in records) / len(records)


def test_the_chain_on_speech(ar: Callable, clips: Path, tmp_path: Path) -> None:
    degraded = ar("degrade", "wavs/", "--chain", "mp3:kbps=96", "-j", "2", "-o", "degraded/")
    assert degraded.status == 0, degraded.stderr
    for record in degraded.records:
        assert record["damage"][0]["coded_rate"] == 22050
        assert record["damage"][0]["gain_db"] == pytest.approx(-0.45, abs=0.15)  # LAME's 0.95
    pairs = ar("pair", "--split", "60:20:20", "--seed", "1", stdin=degraded.stdout)
    assert pairs.status == 0, pairs.stderr
    assert {record["alignment"]["lag"] for record in pairs.records} == {0.0}
    assert {record["split"] for record in pairs.records} == {"train", "val", "test"}
    (tmp_path / "pairs.jsonl").write_text(pairs.stdout)

    trained = ar(
        *("train", "mlp", "pairs.jsonl", "--set", "parameters=5000", "--steps", "300", "-o", "mlp.safetensors")
    )
    assert trained.status == 0, trained.stderr
    mse = json.loads(trained.stdout)["validation"]["mse"]
    assert mse["restored"] < 0.8 * mse["degraded"]

    test = "".join(json.dumps(record) + "\n" for record in pairs.records if record["split"] == "test")
    restored = ar("restore", "--model", "mlp.safetensors", "-o", "out/", stdin=test)
    scores = ar("eval", stdin=restored.stdout)
    assert scores.status == 0, scores.stderr
    records = scores.records
    # Doing nothing costs the gain; the two dB above it are that gain undone, and no restoration yet.
    assert mean(records, "degraded_leveled", "snr_db") > mean(records, "degraded", "snr_db") + 1.5
    assert mean(records, "restored", "snr_db") > mean(records, "degraded", "snr_db") + 1.0
    assert mean(records, "restored", "snr_db") < mean(records, "degraded_leveled", "snr_db") + 1.0
    again = ar("restore", "--model", "mlp.safetensors", "-o", "out/", stdin=test)
    assert again.stdout == restored.stdout, "what is done is skipped, and told the same"


def test_same_bytes_for_any_order_and_jobs(ar: Callable, clips: Path, tmp_path: Path) -> None:
    chain = "mp3:kbps=16/32/64|hiss:snr_db=10..30"
    one = ar("degrade", "wavs", "--chain", chain, "-o", "one", "--seed", "7")
    names = [str(path) for path in sorted(clips.iterdir(), reverse=True)]
    two = ar("degrade", *names, "--chain", chain, "-o", "two", "--seed", "7", "-j", "3")
    assert one.status == two.status == 0
    drawn = {record["id"]: record["damage"] for record in one.records}
    assert drawn == {record["id"]: record["damage"] for record in two.records}
    assert len({damage[0]["kbps"] for damage in drawn.values()}) > 1
    for path in (tmp_path / "one").iterdir():
        left, right = path.read_bytes(), (tmp_path / "two" / path.name).read_bytes()
        assert left[: left.index(b"arst")] == right[: right.index(b"arst")]  # behind it stands the file's own path
