"""A model on the disk comes back as it was; any other file gets one sentence."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import SafetensorError
from safetensors.numpy import save_file
from torch import nn

from audiorestore import __version__
from audiorestore.engine import checkpoint as module
from audiorestore.engine.checkpoint import (
    FORMAT,
    LoadedModel,
    bundled_models,
    float_parameters,
    is_file_name,
    load_model,
    make_model,
    read_arrays,
    save_arrays,
    save_model,
)
from audiorestore.engine.int8 import bounds_of, hold, linear_maps_of, uses_of
from audiorestore.errors import AudioFileError, CheckpointError, UsageError
from audiorestore.models._network import NetworkRestorer
from audiorestore.models._restorer import Restorer, RestorerConfig
from audiorestore.registry import Registry
from audiorestore.signal.sound import Sound, joined

TINY: dict[str, dict[str, Any]] = {
    "mlp": {"window": 21, "parameters": 1_000, "residual": True, "activation": "silu"},
    "cnn": {"window": 21, "parameters": 1_000, "kernel_sizes": (5, 3), "dilation": 1, "pooling": "lp2"},
    "level": {},
    "identity": {},
}


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A tiny mlp on the disk."""
    path = tmp_path / "mlp.safetensors"
    save_model(path, "mlp", make_model("mlp", TINY["mlp"]), {"step": 7})
    return path


def refusal(path: Path) -> str:
    with pytest.raises(CheckpointError) as refused:
        load_model(str(path))
    sentence = str(refused.value)
    assert "\n" not in sentence
    assert str(path) in sentence
    return sentence


def rewrite(path: Path, **changed: Any) -> Path:
    """Change what a checkpoint says about itself."""
    arrays, metadata = read_arrays(path)
    save_arrays(path, arrays, {**metadata, **changed})
    return path


@pytest.mark.parametrize("family", TINY)
def test_a_model_comes_back_as_it_was(tmp_path: Path, family: str) -> None:
    torch.manual_seed(1)
    model = make_model(family, TINY[family])
    path = tmp_path / "model.safetensors"
    save_model(path, family, model, {"step": 3, "validation": {"mse": {"restored": 0.1 + 0.2}}, "title": "Größe"})
    loaded = load_model(str(path))
    assert (loaded.name, loaded.family, loaded.model.config) == (str(path), family, model.config)
    assert loaded.metadata["format"] == FORMAT
    assert loaded.metadata["version"] == __version__
    assert loaded.metadata["validation"] == {"mse": {"restored": 0.1 + 0.2}}
    assert loaded.metadata["title"] == "Größe"
    state = loaded.model.state()
    for name, array in model.state().items():
        np.testing.assert_array_equal(state[name], array)
        assert (state[name].dtype, state[name].shape) == (array.dtype, array.shape)
    sound = Sound.of(np.random.default_rng(0).standard_normal((1, 300)), 22050)
    one, other = (joined(each.restored(sound, np.random.default_rng(0)), 1) for each in (loaded.model, model))
    np.testing.assert_array_equal(one, other)


def test_models_of_different_bytes_have_different_digests(tmp_path: Path) -> None:
    torch.manual_seed(1)
    model = make_model("mlp", TINY["mlp"])
    for name, step in (("one", 1), ("same", 1), ("other", 2)):
        save_model(tmp_path / f"{name}.safetensors", "mlp", model, {"step": step})
    one, same, other = (load_model(str(tmp_path / f"{name}.safetensors")).digest for name in ("one", "same", "other"))
    assert one == same != other


def test_scalars_empty_and_strided_arrays_keep_shape_and_type(tmp_path: Path) -> None:
    arrays = {
        "scalar": np.array(3, np.int64),
        "none": np.zeros((0, 4), np.float32),
        "turned": np.arange(6, dtype=np.float64).reshape(2, 3).T,
    }
    save_arrays(tmp_path / "a.safetensors", arrays, {"format": FORMAT})
    back, _ = read_arrays(tmp_path / "a.safetensors")
    for name, array in arrays.items():
        np.testing.assert_array_equal(back[name], array)
        assert (back[name].dtype, back[name].shape) == (array.dtype, array.shape)


def test_a_checkpoint_is_replaced_only_where_it_may_be(checkpoint: Path) -> None:
    before = checkpoint.read_bytes()
    with pytest.raises(AudioFileError, match="exists already"):
        save_model(checkpoint, "mlp", make_model("mlp", TINY["mlp"]), {}, overwrite=False)
    assert checkpoint.read_bytes() == before


def test_a_text_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.safetensors"
    path.write_text("These are not the weights that you are looking for.\n")
    assert "is not a complete safetensors file" in refusal(path)


@pytest.mark.parametrize("content", [b"", b"\0" * 7, b"\x08\0\0\0\0\0\0\0{}      ", b"\xff" * 64])
def test_empty_and_garbled_files_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.safetensors"
    path.write_bytes(content)
    assert "safetensors file" in refusal(path)


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_refused(checkpoint: Path, kept: float) -> None:
    content = checkpoint.read_bytes()
    checkpoint.write_bytes(content[: int(len(content) * kept)])
    assert "is not a complete safetensors file" in refusal(checkpoint)


def test_a_safetensors_file_of_another_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "foreign.safetensors"
    save_file({"weight": np.zeros(3, np.float32)}, path, {"format": "pt"})
    assert "of another program" in refusal(path)


def test_a_foreign_file_of_a_type_that_numpy_does_not_know_is_refused(tmp_path: Path) -> None:
    from safetensors.torch import save_file as save_torch_file

    path = tmp_path / "foreign.safetensors"
    save_torch_file({"weight": torch.zeros(3, dtype=torch.bfloat16)}, path)
    assert "safetensors file" in refusal(path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    assert "does not exist" in refusal(tmp_path / "missing.safetensors")
    (tmp_path / "folder.safetensors").mkdir()
    refusal(tmp_path / "folder.safetensors")


@pytest.mark.parametrize("text", ["{", "[]", "3", "null"])
def test_broken_metadata_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "broken.safetensors"
    save_file({"weight": np.zeros(3, np.float32)}, path, {"audiorestore": text})
    refusal(path)


def test_a_newer_format_says_to_upgrade(checkpoint: Path) -> None:
    sentence = refusal(rewrite(checkpoint, format=FORMAT + 1, version="9.1"))
    assert "newer audiorestore (9.1)" in sentence
    assert "upgrade" in sentence


def test_a_format_that_is_no_number_is_refused(checkpoint: Path) -> None:
    refusal(rewrite(checkpoint, format="one"))


@pytest.mark.parametrize("family", ["transformer", "_restorer", "../mlp", None, ["mlp"]])
def test_an_unknown_family_is_refused(checkpoint: Path, family: Any) -> None:
    assert "does not know" in refusal(rewrite(checkpoint, family=family))


@pytest.mark.parametrize(
    "config",
    [
        {**TINY["mlp"], "parameters": 3_000},  # weights of another shape
        {**TINY["mlp"], "residual": False},  # one number too many
        {**TINY["mlp"], "layers": 4},  # some missing
        {**TINY["mlp"], "window": 20},  # no such model
        {**TINY["mlp"], "window": "wide"},
        None,
        [],
    ],
    ids=["shape", "surplus", "missing", "impossible", "type", "none", "list"],
)
def test_weights_that_do_not_fit_the_config_are_refused(checkpoint: Path, config: Any) -> None:
    assert "does not fit its own description" in refusal(rewrite(checkpoint, config=config))


@pytest.mark.parametrize(
    ("family", "config"),
    [
        ("mlp", {"parameters": 10**18}),
        ("autoencoder", {"latent": 10**12}),
        ("autoencoder", {"latent": 60_000, "n_fft": 60_000}),
        ("autoencoder", {"depth": 10**7}),
        ("autoencoder", {"n_fft": 1_000_000_007}),
        ("autoencoder", {"kernel_size": 1_000_001}),
        ("audiounet", {"hidden_channels": 10**9}),
        ("audiounet", {"kernel_sizes": [9] * 40}),
        ("tfilm", {"kernel_sizes": [10**15 + 1]}),
        ("wavenet", {"hidden_channels": 2**62}),
        ("wavenet", {"stacks": 10**7}),
    ],
    ids=str,
)
def test_a_network_far_larger_than_its_file_is_refused_before_it_fills_the_memory(
    tmp_path: Path, family: str, config: dict[str, Any]
) -> None:
    path = tmp_path / "huge.safetensors"
    metadata = {"format": FORMAT, "family": family, "config": config}
    save_arrays(path, {"weight": np.zeros(10, np.float32)}, metadata)
    assert "does not fit its own description" in refusal(path)


def test_integers_in_the_place_of_float_weights_are_refused(checkpoint: Path) -> None:
    arrays, metadata = read_arrays(checkpoint)
    save_arrays(
        checkpoint, {**arrays, "network.3.weight": (arrays["network.3.weight"] * 100).astype(np.int8)}, metadata
    )
    assert "network.3.weight holds int8, not torch.float32" in refusal(checkpoint)


def test_a_checkpoint_without_a_config_is_refused(checkpoint: Path) -> None:
    arrays, metadata = read_arrays(checkpoint)
    del metadata["config"]
    save_arrays(checkpoint, arrays, metadata)
    assert "does not fit its own description" in refusal(checkpoint)


@pytest.fixture
def int8_checkpoint(tmp_path: Path) -> Path:
    """A tiny mlp in int8 on the disk."""
    model = make_model("mlp", TINY["mlp"])
    arithmetic = dict.fromkeys(linear_maps_of(model), "int8")
    hold(model, arithmetic, bounds_of(uses_of(model)))
    path = tmp_path / "mlp.int8.safetensors"
    save_model(path, "mlp", model, {"quantized": {"dtype": "int8", "arithmetic": arithmetic}})
    return path


RIGHT = {f"network.{place}": "int8" for place in (0, 3, 6, 9)}


@pytest.mark.parametrize(
    "quantized",
    [
        None,
        True,
        "int8",
        [],
        {},
        {"dtype": "int8"},
        {"arithmetic": RIGHT},
        {"dtype": "int4", "arithmetic": RIGHT},
        {"dtype": "int8", "arithmetic": None},
        {"dtype": "int8", "arithmetic": list(RIGHT)},
        {"dtype": "int8", "arithmetic": {}},
        {"dtype": "int8", "arithmetic": {**RIGHT, "network.1": "int8"}},
        {"dtype": "int8", "arithmetic": {**RIGHT, "gain": "float"}},
        {"dtype": "int8", "arithmetic": {name: kind for name, kind in RIGHT.items() if name != "network.9"}},
        {"dtype": "int8", "arithmetic": {**RIGHT, "network.0": "int4"}},
        {"dtype": "int8", "arithmetic": {**RIGHT, "network.0": None}},
        {"dtype": "int8", "arithmetic": {**RIGHT, "network.0": ["int8"]}},
        {"dtype": "int8", "arithmetic": {**RIGHT, "network.0": {"kind": "int8"}}},
    ],
    ids=str,
)
def test_what_an_int8_checkpoint_says_of_its_layers_has_to_be_true(int8_checkpoint: Path, quantized: Any) -> None:
    assert load_model(str(int8_checkpoint)).metadata["quantized"]["arithmetic"] == RIGHT
    assert "does not fit its own description" in refusal(rewrite(int8_checkpoint, quantized=quantized))


def test_int8_where_the_model_has_no_bound_for_it_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cnn.safetensors"
    model = make_model("cnn", TINY["cnn"])
    arithmetic = dict.fromkeys(linear_maps_of(model), "float")
    hold(model, arithmetic, bounds_of(uses_of(model)))
    save_model(path, "cnn", model, {"quantized": {"dtype": "int8", "arithmetic": arithmetic}})
    load_model(str(path))
    rewrite(path, quantized={"dtype": "int8", "arithmetic": {**arithmetic, "network.0": "int8"}})
    assert "network.0" in refusal(path)


def test_float_numbers_that_are_said_to_be_int8_and_the_other_way_round_are_refused(
    checkpoint: Path, int8_checkpoint: Path
) -> None:
    arrays, metadata = read_arrays(int8_checkpoint)
    save_arrays(int8_checkpoint, {**arrays, "network.3.weight": arrays["network.3.weight"] * np.float32(0.9)}, metadata)
    assert "not torch.int8" in refusal(int8_checkpoint)
    metadata.pop("quantized")
    save_arrays(int8_checkpoint, arrays, metadata)
    refusal(int8_checkpoint)
    refusal(rewrite(checkpoint, quantized={"dtype": "int8", "arithmetic": RIGHT}))


@pytest.mark.parametrize("family", ["level", "identity"])
def test_a_family_without_a_network_is_never_int8(tmp_path: Path, family: str) -> None:
    path = tmp_path / "model.safetensors"
    save_model(path, family, make_model(family, {}), {"quantized": {"dtype": "int8", "arithmetic": {}}})
    assert "no layers to quantize" in refusal(path)


def test_a_checkpoint_has_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "new").touch()
    save_arrays(tmp_path / "model.safetensors", {"gain": np.ones(1)}, {"format": 1})
    assert (tmp_path / "model.safetensors").stat().st_mode == (tmp_path / "new").stat().st_mode


def test_a_disk_that_refuses_is_reported_and_leaves_the_old_checkpoint(tmp_path: Path, monkeypatch: Any) -> None:
    path = tmp_path / "model.safetensors"
    save_arrays(path, {"gain": np.ones(1)}, {"format": 1})
    before = path.read_bytes()

    def full(*arguments: Any) -> None:
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(module, "save_file", full)
    with pytest.raises(AudioFileError, match=r"model\.safetensors cannot be written .*No space left"):
        save_arrays(path, {"gain": np.zeros(1)}, {"format": 1})
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_a_bare_name_is_a_family_and_anything_with_a_slash_or_the_suffix_a_file() -> None:
    assert not is_file_name("identity")
    assert is_file_name("./identity")
    assert is_file_name("identity.safetensors")
    loaded = load_model("identity")
    assert (loaded.name, loaded.family, loaded.metadata) == ("identity", "identity", {})
    assert not loaded.needs_torch
    assert LoadedModel("mlp", "mlp", make_model("mlp", TINY["mlp"]), {}, "").needs_torch


def test_a_family_with_nothing_to_learn_is_set_up_by_preset_and_settings() -> None:
    plain = load_model("spectral_gate")
    same = load_model("spectral_gate", "paper", ["reduction_db=12"])
    assert (same.name, same.digest) == (plain.name, plain.digest) == ("spectral_gate", plain.digest)
    other = load_model("spectral_gate", "strong", ["window_ms=5"])
    assert other.model.config == dataclasses.replace(plain.model.config, reduction_db=40.0, window_ms=5.0)
    assert other.name == "spectral_gate:reduction_db=40.0,window_ms=5.0"
    assert other.digest != plain.digest


@pytest.fixture
def bundled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of bundled models with one in it, `hum-2`."""
    monkeypatch.setattr(module, "WEIGHTS", tmp_path / "weights")
    card = {"what": "Removes hum from speech."}
    save_model(tmp_path / "weights" / "hum-2.safetensors", "mlp", make_model("mlp", TINY["mlp"]), {"card": card})
    (tmp_path / "weights" / "__init__.py").touch()
    return tmp_path / "weights"


def test_a_bundled_model_is_found_by_its_name_and_listed(bundled: Path, ar: Callable[..., Any]) -> None:
    loaded = load_model("hum-2")
    assert (loaded.name, loaded.family) == ("hum-2", "mlp")
    assert loaded.digest == load_model(str(bundled / "hum-2.safetensors")).digest
    with pytest.raises(UsageError, match=r"do not apply to hum-2, which is trained"):
        load_model("hum-2", None, ["layers=2"])
    with pytest.raises(UsageError, match=r"no model 'hum-3' \(did you mean 'hum-2'\?\); there are: hum-2, "):
        load_model("hum-3")
    assert "Removes hum from speech." in ar("models").stdout
    listed = json.loads(ar("models", "--json").stdout)
    assert listed["hum-2"] == {"what": "Removes hum from speech.", "bundled": True, "family": "mlp"}
    assert json.loads(ar("models", "hum-2", "--json").stdout)["family"] == "mlp"


def test_the_package_has_a_folder_of_bundled_models() -> None:
    assert module.WEIGHTS.joinpath("__init__.py").is_file()
    assert set(bundled_models()) == {path.stem for path in Path(str(module.WEIGHTS)).glob("*.safetensors")}


# A family of the tests' own.


class Critical(NetworkRestorer):
    """A network with a critic, which helps to train it."""

    def __init__(self, config: RestorerConfig) -> None:
        super().__init__(config)
        self.generator = nn.Conv1d(1, 1, 3, padding=1)
        self.critic = nn.Conv1d(1, 4, 5)

    def restoring_part(self) -> nn.Module:
        return self.generator

    def forward(self, degraded: torch.Tensor, draw: object = None) -> torch.Tensor:
        restored: torch.Tensor = self.generator(degraded)
        return restored


def install(monkeypatch: pytest.MonkeyPatch, model: type) -> None:
    """Let a family of the tests' own stand in the place of mlp."""
    family = SimpleNamespace(Config=RestorerConfig, Model=model, PRESETS={"paper": {}, "small": {}})
    monkeypatch.setattr(Registry, "load", lambda self, name: family)


def test_parts_that_do_not_restore_are_stored_but_not_counted_and_not_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, Critical)
    model = Critical(RestorerConfig())
    assert model.count_parameters() == 4
    save_model(tmp_path / "m.safetensors", "mlp", model, {})
    arrays, metadata = read_arrays(tmp_path / "m.safetensors")
    assert set(arrays) == {"generator.weight", "generator.bias", "critic.weight", "critic.bias"}
    loaded = load_model(str(tmp_path / "m.safetensors"))
    assert float_parameters(loaded) == 4
    state = loaded.model.state()
    np.testing.assert_array_equal(state["generator.weight"], arrays["generator.weight"])
    assert not np.array_equal(state["critic.weight"], arrays["critic.weight"])
    for wrong in (
        {name: array for name, array in arrays.items() if name != "generator.bias"},
        {**arrays, "generator.weight": np.zeros((1, 1, 5), np.float32)},
        {**arrays, "judge.weight": np.zeros(3, np.float32)},
    ):
        save_arrays(tmp_path / "m.safetensors", wrong, metadata)
        assert "does not fit its own description" in refusal(tmp_path / "m.safetensors")


@pytest.mark.parametrize("defect", [KeyError, TypeError, AttributeError, ValueError, RuntimeError])
@pytest.mark.parametrize("uses_torch", [False, True])
def test_a_defect_of_a_family_is_not_taken_for_a_broken_file(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch, defect: type[Exception], uses_torch: bool
) -> None:
    class Defective(Critical if uses_torch else Restorer):  # type: ignore[misc]
        def __init__(self, config: RestorerConfig) -> None:
            if not uses_torch or torch.empty(0).device.type != "meta":
                raise defect("a slip of the author")
            super().__init__(config)

    install(monkeypatch, Defective)
    rewrite(checkpoint, config={})
    with pytest.raises(defect, match="a slip of the author"):
        load_model(str(checkpoint))


def test_a_family_that_has_to_be_trained_says_how(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"'ar train cnn pairs\.jsonl -o cnn\.safetensors'"):
        load_model("cnn")
    with pytest.raises(UsageError, match="did you mean 'cnn'"):
        load_model("ccn")


def test_the_metadata_of_a_checkpoint_is_plain_json(checkpoint: Path) -> None:
    from safetensors import safe_open

    with safe_open(checkpoint, framework="numpy") as file:
        metadata = json.loads(file.metadata()["audiorestore"])
    assert metadata["family"] == "mlp"
    assert metadata["config"]["window"] == 21
    assert metadata["step"] == 7


def test_a_training_state_is_refused_as_a_model_and_the_sentence_says_where_the_model_is(tmp_path: Path) -> None:
    save_arrays(tmp_path / "m.state.safetensors", {}, {"format": 1, "family": "mlp", "state": {"step": 3}})
    with pytest.raises(CheckpointError, match=r"what training resumes from; the model is beside it"):
        load_model(str(tmp_path / "m.state.safetensors"))
