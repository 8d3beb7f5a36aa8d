"""Bad input, tried one by one on the command line: one clear sentence, the right status, and the others go on."""

import json
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiorestore.data.audio_file import read_audio

RATE = 22050

# What each broken file's sentence has to say.
BROKEN = {
    "empty.wav": "is empty",
    "text.wav": "not a supported audio format",
    "cut-mp3.mp3": "cut short",
    "cut-flac.flac": "cut short",
    "no-frames.wav": "holds no samples",
    "nan.wav": "NaN or infinite samples, the first at 0.005 s",
    "inf.wav": "NaN or infinite samples",
}
ODD = {
    "one.wav": {"frames": 1},
    "short.wav": {"frames": 50},
    "silence.wav": {"silent": True},
    "square.wav": {"square": True},
    "bits-8.wav": {"subtype": "PCM_U8"},
    "bits-24.wav": {"subtype": "PCM_24"},
    "float64.wav": {"subtype": "DOUBLE"},
    "eight.wav": {"channels": 8},
    "rate-8000.wav": {"rate": 8000},
    "rate-192000.wav": {"rate": 192000},
}


def noise(frames: int = RATE, channels: int = 1, silent: bool = False, square: bool = False) -> np.ndarray:
    rows = 0.1 * np.random.default_rng(0).standard_normal((frames, channels))
    return np.zeros_like(rows) if silent else np.sign(rows) if square else rows


@pytest.fixture
def bad_folder(tmp_path: Path) -> Path:
    """One of each: what cannot be read, what is odd, and one good file."""
    folder = tmp_path / "in"
    folder.mkdir()
    soundfile.write(folder / "good.wav", noise(), RATE)
    for name, how in ODD.items():
        options = dict(how)
        rate, subtype = options.pop("rate", RATE), options.pop("subtype", None)
        soundfile.write(folder / name, noise(**options), rate, subtype=subtype)
    (folder / "empty.wav").touch()
    (folder / "text.wav").write_text("hello, I am a text\n" * 20)
    for name in ("cut-mp3.mp3", "cut-flac.flac"):
        soundfile.write(folder / name, noise(4 * RATE), RATE)
        whole = (folder / name).read_bytes()
        (folder / name).write_bytes(whole[: len(whole) // 2])
    soundfile.write(folder / "no-frames.wav", noise(0), RATE)
    for name, value in (("nan.wav", np.nan), ("inf.wav", -np.inf)):
        rows = noise()
        rows[110] = value
        soundfile.write(folder / name, rows, RATE, subtype="FLOAT")
    return folder


def assert_reported(ended: object, stage: str, broken: dict[str, str]) -> dict[str, dict]:
    """Every broken file has one sentence in its record and on stderr; there is no traceback, and nothing is lost."""
    records = {record["id"]: record for record in ended.records}  # type: ignore[attr-defined]
    for name, sentence in broken.items():
        error = records[Path(name).stem]["error"]
        assert error["stage"] == stage
        assert sentence in error["message"]
        assert "\n" not in error["message"]
        assert error["message"] in ended.stderr  # type: ignore[attr-defined]
    assert "Traceback" not in ended.stderr  # type: ignore[attr-defined]
    assert "unexpected" not in ended.stderr  # type: ignore[attr-defined]
    return records


def test_degrade_goes_on_past_what_is_broken(ar: Callable, bad_folder: Path, tmp_path: Path) -> None:
    ended = ar("degrade", bad_folder, "--chain", "mp3:kbps=64", "-o", "d", "-j", "2")
    assert ended.status == 3
    records = assert_reported(ended, "degrade", BROKEN)
    for name in ["good.wav", *ODD]:
        record = records[Path(name).stem]
        clean, rate = read_audio(bad_folder / name)
        damaged, damaged_rate = read_audio(tmp_path / record["degraded"])
        assert (damaged.shape, damaged_rate) == (clean.shape, rate)
    assert len(list((tmp_path / "d").iterdir())) == 1 + len(ODD), "nothing half-written is left"


def test_restore_goes_on_past_what_is_broken(ar: Callable, bad_folder: Path, tmp_path: Path) -> None:
    ended = ar("restore", "--model", "identity", bad_folder, "-o", "out")
    assert ended.status == 3
    assert_reported(ended, "restore", BROKEN)
    depths = {"bits-8": "PCM_16", "bits-24": "PCM_24", "float64": "DOUBLE", "good": "PCM_16"}
    for name, depth in depths.items():
        assert soundfile.info(tmp_path / "out" / f"{name}.wav").subtype == depth
    for name in ["good.wav", *ODD]:
        before, after = read_audio(bad_folder / name)[0], read_audio(tmp_path / "out" / name)[0]
        assert np.array_equal(before, after), f"identity changed {name}"


def test_pair_and_eval_go_on_past_what_is_broken(ar: Callable, bad_folder: Path) -> None:
    silent = {"silence.wav": "is silent, so no lag can be measured"}
    paired = ar("pair", "--reference", bad_folder, "--degraded", bad_folder, "--split", "0:0:100")
    assert paired.status == 3
    records = assert_reported(paired, "pair", BROKEN | silent)
    aligned = records["good"]["alignment"]
    assert set(aligned.pop("windows")) == {0.0}
    assert aligned == {"lag": 0.0, "gain_db": 0.0, "residual_lag": 0.0, "level": "keep"}
    scored = ar("eval", "--reference", bad_folder, "--degraded", bad_folder)
    assert scored.status == 3
    records = assert_reported(scored, "eval", BROKEN)
    assert records["silence"]["metrics"]["degraded"]["snr_db"] is None
    assert "silent" in records["silence"]["metrics_note"]
    assert records["good"]["metrics"]["degraded"]["snr_db"] == 120.0


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (["restore", "-m", "identity", "missing.wav", "-o", "x.wav"], 1, "missing.wav does not exist"),
        (["restore", "-m", "identity", "voice.wav", "-o", "voice.wav"], 1, "would overwrite its own input"),
        (["restore", "-m", "identity", "voice.wav", "-o", "taken.wav"], 1, "exists already"),
        (["restore", "-m", "identity", "voice.wav", "-o", "taken.wav/deeper"], 1, "is a file, not a folder"),
        (["restore", "-m", "identity", "voice.wav", "voice.wav", "-o", "x.wav"], 2, "one file"),
        (["restore", "-m", "identity", "voice.wav", "-o", "x.mp3"], 2, "writing .mp3 is not supported"),
        (["restore", "-m", "identity", "voice.wav"], 2, "give -o"),
        (["restore", "voice.wav", "-o", "x.wav"], 2, "give --model"),
        (["restore", "-m", "mpl", "voice.wav", "-o", "x.wav"], 2, "there is no model 'mpl' (did you mean 'mlp'?)"),
        (["restore", "-m", "level", "voice.wav", "-o", "x.wav"], 2, "has to be trained first"),
        (["restore", "-m", "no.safetensors", "voice.wav", "-o", "x.wav"], 1, "does not exist"),
        (["restore", "-m", "text.safetensors", "voice.wav", "-o", "x.wav"], 1, "not a complete safetensors file"),
        (["degrade", "voice.wav", "-o", "d", "--chain", "mp3:kbps=33"], 2, "kbps is 8/16/24/32"),
        (["degrade", "voice.wav", "-o", "d", "--chain", "hiss:snr_db=loud"], 2, "snr_db is a number"),
        (["degrade", "voice.wav", "-o", "d", "--chain", "mp4"], 2, "there are: bits, clicks, "),
        (["degrade", "voice.wav", "-o", "d", "--chain", "mp3:kbps=320"], 1, "160 kbit/s at 22050 Hz"),
        (["degrade", ".", "-o", "d"], 2, "inside the input folder"),
        (["degrade", "voice.wav"], 2, "give -o"),
        (["pair", "no.jsonl"], 2, "cannot be read"),
        (["pair", "--reference", "voice.wav"], 2, "go together"),
        (["pair", "voice.wav", "--split", "80-20"], 2, "train:val:test"),
        (["train", "cnn", "voice.wav", "-o", "m.safetensors"], 1, "no record is in the train split"),
        (["train", "mlp", "voice.wav", "-o", "m.pt"], 2, "give -o FILE.safetensors"),
        (["train", "mlp", "voice.wav", "-o", "m.safetensors", "--set", "layerz=3"], 2, "did you mean 'layers'?"),
        (["train", "mlp", "voice.wav", "-o", "m.safetensors", "--set", "layers=x"], 2, "layers is a whole number"),
        (["train", "mlp", "voice.wav", "-o", "m.safetensors", "--preset", "tiny"], 2, "paper, paper-residual, small"),
        (["eval", "voice.wav"], 1, "has no reference"),
        (["models", "text.safetensors"], 1, "not a complete safetensors file"),
    ],
)
def test_one_sentence_and_the_right_status(
    ar: Callable, voice: Path, tmp_path: Path, arguments: list[str], status: int, sentence: str
) -> None:
    (tmp_path / "taken.wav").write_bytes(voice.read_bytes())
    (tmp_path / "text.safetensors").write_text("weights, honestly")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    ended = ar(*arguments)
    assert ended.status == status, ended.stderr
    assert sentence in ended.stderr
    assert "Traceback" not in ended.stderr
    left = {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    assert left == before, "a failing command leaves everything as it was"


def test_a_manifest_with_bad_lines(ar: Callable, voice: Path, tmp_path: Path) -> None:
    lines = [
        '{"id": "good", "reference": "voice.wav"}',
        "{broken",
        '{"id": "../up", "reference": "voice.wav"}',
        '{"id": "lost"}',
    ]
    (tmp_path / "m.jsonl").write_text("\n".join(lines) + "\n")
    ended = ar("degrade", "m.jsonl", "--chain", "hiss:snr_db=20", "-o", "d")
    assert ended.status == 3
    good, *bad = ended.records
    assert "error" not in good
    assert [record["error"]["message"].split(":")[0] for record in bad] == [
        "m.jsonl, line 2",
        "m.jsonl, line 3",
        "the record has no reference",
    ]
    assert ar("pair", "--split", "100:0:0", stdin=ended.stdout).status == 3, "later stages pass the errors on"


def test_a_checkpoint_from_a_newer_version_and_of_an_unknown_family(ar: Callable, voice: Path, tmp_path: Path) -> None:
    for metadata, sentence in (
        ({"format": 99, "version": "9.0"}, "written by a newer audiorestore (9.0)"),
        ({"format": 1, "family": "wizard"}, "family 'wizard'"),
    ):
        header = json.dumps({"__metadata__": {"audiorestore": json.dumps(metadata)}}).encode()
        (tmp_path / "m.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)
        ended = ar("restore", "-m", "m.safetensors", "voice.wav", "-o", "x.wav")
        assert ended.status == 1
        assert sentence in ended.stderr


def test_a_full_disk_leaves_nothing_behind(ar: Callable, voice: Path, tmp_path: Path) -> None:
    # A limit on file size fails a write halfway, as a full disk does.
    script = "import resource, sys\nresource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))\nimport signal\n"
    script += "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\nfrom audiorestore.cli import main\nmain()\n"
    (tmp_path / "limited.py").write_text(script)
    done = subprocess.run(
        [sys.executable, "limited.py", "restore", "-m", "identity", "voice.wav", "-o", "out/x.wav"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 1
    assert "x.wav cannot be written" in done.stderr
    assert list((tmp_path / "out").iterdir()) == []
