"""Records: read with care, checked, and passed on as they are."""

import io
import json
from pathlib import Path

import pytest

from audiorestore.data.manifest import (
    Record,
    failed,
    is_clean_id,
    need,
    output_path,
    parse_record,
    read_records,
    with_stage,
    write_record,
)
from audiorestore.errors import RecordError, UsageError


def read(text: str, role: str = "reference") -> list[Record]:
    return list(read_records([], role, "test", io.StringIO(text)))


def test_round_trip_keeps_every_field_and_its_order() -> None:
    line = '{"id": "a/b", "reference": "x.wav", "unknown": {"k": [1, null, "ü"]}, "text": "naïve"}\n'
    (record,) = read(line)
    out = io.StringIO()
    write_record(out, record)
    assert out.getvalue() == line


def test_a_name_that_is_no_utf8_survives() -> None:
    name = b"caf\xe9.wav".decode(errors="surrogateescape")
    out = io.StringIO()
    write_record(out, {"id": "a", "reference": name})
    assert out.getvalue().isascii()
    assert read(out.getvalue())[0]["reference"] == name


def test_nan_is_never_written() -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_record(io.StringIO(), {"id": "a", "metrics": float("nan")})


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("{not json", "is not JSON"),
        ("[1, 2]", "neither a JSON object nor a path"),
        ('{"reference": 5}', "reference is 5"),
        ('{"mood": "blue"}', "neither an id nor a path"),
        ('{"id": "../up", "reference": "a.wav"}', "without '..'"),
        ('{"id": "/abs"}', "relative path"),
        ('{"id": "a//b"}', "relative path"),
        ('{"id": ""}', "relative path"),
        ('{"id": 7}', "relative path"),
        ('{"id": "a", "frames": 0}', "positive whole number"),
        ('{"id": "a", "sample_rate": "44100"}', "positive whole number"),
        ('{"id": "a", "split": "dev"}', "train, val, test"),
        ('{"id": "a", "damage": "mp3"}', "not a list"),
        ('{"id": "a", "error": "bad"}', "not an object"),
    ],
)
def test_a_bad_line_is_named_and_the_others_go_on(line: str, found: str) -> None:
    first, bad, last = read(f'{{"id": "one"}}\n{line}\n{{"id": "two"}}\n')
    assert (first["id"], last["id"]) == ("one", "two")
    assert "stdin, line 2" in bad["error"]["message"]
    assert found in bad["error"]["message"]
    assert is_clean_id(bad["id"])


def test_an_id_can_stand_for_one_record_only_but_samples_of_it_for_many() -> None:
    first, second, third = read('{"id": "a"}\n{"id": "a"}\n{"id": "a", "sample": 1}\n')
    assert "error" not in first
    assert "two records" in second["error"]["message"]
    assert "error" not in third


def test_nemo_paths_get_our_names_and_its_other_keys_are_kept(tmp_path: Path) -> None:
    (tmp_path / "clean.wav").write_bytes(b"")
    manifest = tmp_path / "nemo.json"
    manifest.write_text('{"input_filepath": "noisy/x.wav", "target_filepath": "clean.wav", "duration": 2.5}\n')
    (record,) = read_records([str(manifest)], "degraded", "test")
    assert record["reference"] == str(tmp_path / "clean.wav"), "looked for beside the manifest"
    assert record["degraded"] == "noisy/x.wav"
    assert record["id"] == "clean"
    assert record["duration"] == 2.5
    assert "input_filepath" not in record, "it would go on naming this file when degraded has become another"


def test_the_working_directory_comes_before_the_manifests_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sub").mkdir()
    for place in (tmp_path, tmp_path / "sub"):
        (place / "x.wav").write_bytes(b"")
    (tmp_path / "sub" / "m.jsonl").write_text('{"id": "x", "reference": "x.wav"}\n')
    monkeypatch.chdir(tmp_path)
    (record,) = read_records(["sub/m.jsonl"], "reference", "test")
    assert record["reference"] == "x.wav"


def test_a_folder_gives_its_audio_with_ids_that_mirror_it(tmp_path: Path) -> None:
    for name in ("b/song.v2.flac", "a.wav", "b/notes.txt", ".hidden/x.wav", "b/._a.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    records = list(read_records([str(tmp_path)], "degraded", "test"))
    assert [record["id"] for record in records] == ["a", "b/song.v2"]
    assert records[0]["degraded"] == str(tmp_path / "a.wav")


def test_nothing_given_is_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no records"):
        read("\n\n")
    with pytest.raises(UsageError, match="holds no audio"):
        list(read_records([str(tmp_path)], "reference", "test"))
    with pytest.raises(UsageError, match="cannot be read"):
        list(read_records([str(tmp_path / "missing.jsonl")], "reference", "test"))
    with pytest.raises(UsageError, match="pipe records in"):
        list(read_records([], "reference", "test", None))


def test_small_parts() -> None:
    assert output_path(Path("out"), {"id": "a/b", "sample": 3}, ".wav") == Path("out/a/b.3.wav")
    assert output_path(Path("out"), {"id": "a/b.v2"}, ".wav") == Path("out/a/b.v2.wav")
    assert with_stage({"id": "a"}, "pair", 4)["stages"][0]["seed"] == 4
    assert failed({"id": "a"}, "pair", "why")["error"] == {"stage": "pair", "message": "why"}
    with pytest.raises(RecordError, match="no degraded"):
        need({"id": "a", "reference": "x"}, "reference", "degraded")
    assert json.loads(json.dumps(parse_record('{"id": "a"}'))) == {"id": "a"}
