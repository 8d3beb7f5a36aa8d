"""`ar quantize` on the command line: a smaller model that restores as before, and a sentence for whatever is wrong."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from audiorestore.data.audio_file import read_audio, write_audio
from audiorestore.engine import quantize as engine
from audiorestore.engine.checkpoint import load_model, make_model, read_arrays, save_arrays, save_model

FORMS = ("float", "int8")


@pytest.fixture
def pairs(tmp_path: Path, voice: Path) -> Path:
    """Four records of a voice under a little noise, at another level: two to train, one to validate, one to test on."""
    reference, rate = read_audio(voice)
    rng, lines = np.random.default_rng(0), []
    for number, split in enumerate(["train", "train", "val", "test"]):
        part = reference[:, 11_025 * number : 11_025 * (number + 1)]
        write_audio(tmp_path / f"reference{number}.wav", part, rate, subtype="FLOAT")
        noisy = (0.8 * part + 0.005 * rng.standard_normal(part.shape)).astype(np.float32)
        write_audio(tmp_path / f"degraded{number}.wav", noisy, rate, subtype="FLOAT")
        record = {"id": f"{split}/{number}", "split": split, "sample_rate": rate}
        record |= {role: f"{role}{number}.wav" for role in ("reference", "degraded")}
        lines.append(json.dumps(record) + "\n")
    (tmp_path / "test.jsonl").write_text(lines[-1])
    (tmp_path / "pairs.jsonl").write_text("".join(lines))
    return tmp_path / "pairs.jsonl"


@pytest.fixture
def level(tmp_path: Path) -> Path:
    """A model with one number and no layers, which needs no torch."""
    path = tmp_path / "level.safetensors"
    model = make_model("level", {})
    model.load_state({"gain": np.array([0.5])})
    save_model(path, "level", model, {"step": 3})
    return path


@pytest.fixture(autouse=True)
def _brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time nothing for longer than it takes to see that it is timed."""
    monkeypatch.setattr(engine, "PATIENCE", engine.Patience(turns=2, least_seconds=0.0, excerpt_frames=4_096))
    torch.set_num_threads(1)


def is_one_sentence(stderr: str) -> bool:
    return stderr.startswith("ar: ") and stderr.count("\n") == 1


def test_the_whole_way_of_a_trained_model(ar: Callable, pairs: Path, tmp_path: Path) -> None:
    budget = ["--steps", "40", "--set", "batch_size=4", "--set", "segment_frames=256"]
    trained = ar("train", "mlp", pairs, "--preset", "paper-residual", *budget, "-o", "mlp.safetensors")
    assert trained.status == 0, trained.stderr
    (learnt,) = trained.records
    pace = 40 * 4 * 256 / 22050 / learnt["training_seconds"]
    assert learnt["audio_seconds_per_second"] == pytest.approx(pace, rel=0.02)
    done = ar("quantize", "mlp.safetensors", "--pairs", "test.jsonl", "-o", "small/mlp.int8.safetensors")
    assert done.status == 0, done.stderr
    (result,) = done.records
    small = tmp_path / "small" / "mlp.int8.safetensors"
    assert [path.name for path in small.parent.iterdir()] == [small.name]

    # A file of less than 40 % for a model of 50,000 parameters.
    assert result["bytes"] == {"float": (tmp_path / "mlp.safetensors").stat().st_size, "int8": small.stat().st_size}
    assert result["bytes"]["int8"] < 0.4 * result["bytes"]["float"]
    assert (result["model"], result["from"]) == ("small/mlp.int8.safetensors", "mlp.safetensors")
    assert (result["family"], result["dtype"]) == ("mlp", "int8")
    assert result["int8_share"].keys() == {"stored", "computed"}
    assert result["int8_share"]["stored"] > 0.95
    assert 0.0 <= result["int8_share"]["computed"] <= 1.0
    assert result["times_real_time"].keys() == set(FORMS)
    assert all(speed > 0 for speed in result["times_real_time"].values())
    assert f"{result['bytes']['int8']:,}" in done.stderr
    arithmetic = load_model(str(small)).metadata["quantized"]["arithmetic"]
    in_float = "".join(line for line in done.stderr.splitlines(True) if "computed in float: " in line)
    for name, kind in arithmetic.items():
        assert (name in in_float) == (kind == "float")
    assert {layer["name"]: layer["arithmetic"] for layer in result["layers"]} == arithmetic
    assert all(layer["reason"] and layer["stored_reason"] for layer in result["layers"])
    assert result["left_in_float32"] == {"gain": 1}
    assert "ar: 1 parameter stays in float32 because it belongs to no int8 layer: gain\n" in done.stderr
    before, after = result["times_real_time"].values()
    assert result["speed_ratio"] == pytest.approx(after / before, rel=0.01)

    # The same sound, by the numbers; and these are what restoring and measuring gives.
    for key in ("snr_db", "lsd_db"):
        assert result[key].keys() == {"degraded", *FORMS}
    assert result["snr_db"]["float"] > result["snr_db"]["degraded"] + 3.0  # something was learnt
    assert abs(result["snr_db"]["int8"] - result["snr_db"]["float"]) < 0.1
    restored = ar("restore", "--model", small, "test.jsonl", "--bits", "float", "-o", "out")
    assert restored.status == 0, restored.stderr
    (measured,) = ar("eval", "--metric", "snr", "--metric", "lsd", stdin=restored.stdout).records
    for key in ("snr_db", "lsd_db"):
        assert result[key]["int8"] == pytest.approx(measured["metrics"]["restored"][key], abs=1e-3)
        assert result[key]["degraded"] == pytest.approx(measured["metrics"]["degraded"][key], abs=1e-3)

    # It is a model like any other, but that it is int8 already, and nothing to train on.
    listed = ar("models", small)
    assert listed.status == 0, listed.stderr
    words = " ".join(listed.stdout.replace("│", " ").split())
    assert "dtype int8" in words
    assert " validation of float form " in words
    assert not set("{}'") & set(words)  # no raw dict
    described = json.loads(ar("models", small, "--json").stdout)
    assert described["parameters"] == json.loads(ar("models", "mlp.safetensors", "--json").stdout)["parameters"]
    assert 0.95 * 50_000 < described["parameters"] < 1.05 * 50_000  # the float form's, not those of the file
    assert described["quantized"]["arithmetic"] == arithmetic
    again = ar("quantize", small, "-o", "twice.safetensors")
    assert again.status == 2
    assert again.stderr == f"ar: {small} is int8 already; give the float model\n"
    before = small.read_bytes()
    resumed = ar("train", "mlp", pairs, "--resume", "-o", small)
    assert resumed.status == 2
    assert is_one_sentence(resumed.stderr)
    assert "cannot be resumed; use -f to start over" in resumed.stderr
    begun = ar("train", small, pairs, "-o", "new.safetensors")
    assert begun.status == 2
    assert is_one_sentence(begun.stderr)
    assert "there is no family" in begun.stderr
    assert small.read_bytes() == before


def test_a_family_without_layers_gives_a_usable_copy_and_says_that_nothing_changes(
    ar: Callable, level: Path, voice: Path, tmp_path: Path
) -> None:
    for model, family in ((level.name, "level"), ("identity", "identity")):
        done = ar("quantize", model, "-o", f"{family}.int8.safetensors")
        assert done.status == 0, done.stderr
        assert (
            f"ar: the family '{family}' has no dense layers, convolutions or LSTMs, so nothing changes\n" in done.stderr
        )
        (result,) = done.records
        assert result["dtype"] == "float"
        assert result["int8_share"] == {"stored": 0.0, "computed": 0.0}
        restored = ar(
            "restore", "--model", f"{family}.int8.safetensors", voice, "--bits", "float", "-o", f"{family}.wav"
        )
        assert restored.status == 0, restored.stderr
        gain = 0.5 if family == "level" else 1.0
        np.testing.assert_allclose(read_audio(tmp_path / f"{family}.wav")[0], gain * read_audio(voice)[0], atol=1e-7)
    assert read_arrays(tmp_path / "level.int8.safetensors")[1] == read_arrays(level)[1]


def test_float16_halves_the_file_and_is_reported_the_same_way(ar: Callable, pairs: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    save_model(tmp_path / "cnn.safetensors", "cnn", make_model("cnn", {}), {"step": 3})
    done = ar("quantize", "cnn.safetensors", "--dtype", "float16", "--pairs", "test.jsonl", "-o", "half.safetensors")
    assert done.status == 0, done.stderr
    result = json.loads(done.stdout)
    assert (result["dtype"], result["float16_share"]["computed"]) == ("float16", 0.0)
    assert result["bytes"]["float16"] == (tmp_path / "half.safetensors").stat().st_size
    assert result["bytes"]["float16"] < 0.51 * result["bytes"]["float"]
    assert result["times_real_time"].keys() == result["bytes"].keys() == {"float", "float16"}
    assert abs(result["snr_db"]["float16"] - result["snr_db"]["float"]) < 0.01
    assert "numbers stored in float16" in done.stderr
    listed = " ".join(ar("models", "half.safetensors").stdout.replace("│", " ").split())
    assert "dtype float16" in listed
    assert "5 of 5 layers in float" in listed
    restored = ar("restore", "--model", "half.safetensors", "test.jsonl", "-o", "out")
    assert restored.status == 0, restored.stderr
    refused = ar("quantize", "cnn.safetensors", "--dtype", "int4", "-o", "x.safetensors")
    assert refused.status == 2
    assert "int4" in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (["level.safetensors"], 2, "give -o FILE.safetensors"),
        (["level.safetensors", "-o", "x.onnx"], 2, "give -o FILE.safetensors"),
        (["level.safetensors", "-o", "taken.safetensors"], 2, "taken.safetensors exists already; give -f"),
        (["level.safetensors", "-f", "-o", "level.safetensors"], 1, "would overwrite its own input"),
        (["level.safetensors", "-f", "-o", "link.safetensors"], 1, "would overwrite its own input"),
        (["level.safetensors", "-o", "voice.wav/x.safetensors"], 1, "a part of its path is a file"),
        (["level.safetensors", "-f", "-o", "folder.safetensors"], 1, "is a folder"),
        (["no.safetensors", "-o", "x.safetensors"], 1, "no.safetensors does not exist"),
        (["taken.safetensors", "-o", "x.safetensors"], 1, "not a complete safetensors file"),
        (["lying.safetensors", "-o", "x.safetensors"], 1, "does not fit its own description"),
        (["levle", "-o", "x.safetensors"], 2, "did you mean 'level'?"),
        (["level", "-o", "x.safetensors"], 2, "has to be trained first"),
        (["level.safetensors", "--pairs", "no.jsonl", "-o", "x.safetensors"], 2, "no.jsonl cannot be read"),
        (["level.safetensors", "--pairs", "empty.jsonl", "-o", "x.safetensors"], 2, "holds no records"),
    ],
    ids=str,
)
def test_what_cannot_be_done_is_one_sentence_and_changes_nothing(
    ar: Callable, level: Path, voice: Path, tmp_path: Path, arguments: list[str], status: int, sentence: str
) -> None:
    (tmp_path / "taken.safetensors").write_text("some text")
    (tmp_path / "empty.jsonl").touch()
    (tmp_path / "folder.safetensors").mkdir()
    (tmp_path / "link.safetensors").symlink_to(level)
    arrays, metadata = read_arrays(level)
    save_arrays(tmp_path / "lying.safetensors", arrays, {**metadata, "quantized": {"dtype": "int8", "arithmetic": {}}})
    before = {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    done = ar("quantize", *arguments)
    assert done.status == status
    assert sentence in done.stderr
    assert is_one_sentence(done.stderr)
    assert done.stdout == ""
    assert {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before


def test_an_output_is_replaced_with_force(ar: Callable, level: Path, tmp_path: Path) -> None:
    (tmp_path / "taken.safetensors").write_text("some text")
    done = ar("quantize", level, "-f", "-o", "taken.safetensors")
    assert done.status == 0, done.stderr
    assert read_arrays(tmp_path / "taken.safetensors")[0]["gain"] == 0.5


def test_brackets_in_a_name_are_letters(ar: Callable, level: Path) -> None:
    done = ar("quantize", level, "-o", "[bold]a[/red].safetensors")
    assert done.status == 0, done.stderr
    assert "[bold]a[/red].safetensors" in done.stderr


def test_a_bad_pair_is_reported_and_left_out_and_the_model_is_there(
    ar: Callable, level: Path, pairs: Path, tmp_path: Path
) -> None:
    good = pairs.read_text().splitlines()[3]
    record: dict[str, Any] = json.loads(good)
    lines = {
        "mixed.jsonl": [good, json.dumps({**record, "id": "gone", "degraded": "gone.wav"}), "{broken"],
        "bad.jsonl": [json.dumps({"id": "alone", "degraded": record["degraded"]})],
        "again.jsonl": [good, good],  # one recording in two manifests counts twice, as in eval
    }
    for name, content in lines.items():
        (tmp_path / name).write_text("\n".join(content) + "\n")
    mixed = ar("quantize", level, "--pairs", "mixed.jsonl", "-o", "mixed.safetensors")
    assert mixed.status == 3
    assert "ar: quantize gone: gone.wav does not exist" in mixed.stderr
    assert "mixed.jsonl, line 3: is not JSON" in mixed.stderr
    assert "ar: 2 of 3 records failed" in mixed.stderr
    bad = ar("quantize", level, "--pairs", "bad.jsonl", "-o", "bad.safetensors")
    assert bad.status == 2
    assert bad.stderr == "ar: --pairs bad.jsonl: there are no pairs to measure on; 'ar pair' makes some\n"
    assert not (tmp_path / "bad.safetensors").exists()  # it is reported before the work
    again = ar("quantize", level, "--pairs", "again.jsonl", "--pairs", "test.jsonl", "-o", "again.safetensors")
    assert again.status == 0, again.stderr
    result = [json.loads(ended.stdout) for ended in (mixed, again)]
    assert result[0]["snr_db"] == result[1]["snr_db"]
    for each in result:
        assert (tmp_path / each["model"]).is_file()
        assert each["times_real_time"]["int8"] > 0


def test_a_model_at_a_rate_below_the_demo_s_is_timed_all_the_same(ar: Callable, tmp_path: Path) -> None:
    save_model(tmp_path / "slow.safetensors", "level", make_model("level", {"sample_rate": 4_000}), {})
    done = ar("quantize", "slow.safetensors", "-o", "small.safetensors")
    assert done.status == 0, done.stderr
    assert json.loads(done.stdout)["times_real_time"]["int8"] > 0
