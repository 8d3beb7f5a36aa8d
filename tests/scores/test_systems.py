"""Which manifests are systems to be compared, and what they are called."""

from typing import Any

import pytest

from audiorestore.errors import UsageError
from audiorestore.scores.systems import by_system, distinct_names, side_by_side


def records(*ids: str, **more: Any) -> list[dict[str, Any]]:
    return [{"id": id, "restored": f"{id}.wav", **more} for id in ids]


def systems(*parts: tuple[str, list[dict[str, Any]]]) -> list[tuple[str, str | None]]:
    return [(record["id"], record.get("system")) for record in side_by_side(parts)]


def test_manifests_of_the_same_items_are_systems() -> None:
    result = systems(("out/cnn.jsonl", records("a", "b")), ("mlp.jsonl", records("b", "c")))
    assert result == [("a", "cnn"), ("b", "cnn"), ("b", "mlp"), ("c", "mlp")]


def test_manifests_of_different_items_are_one_set() -> None:
    result = systems(("1.jsonl", records("a", "a")), ("2.jsonl", records("b")))
    assert result == [("a", None), ("a", None), ("b", None)]


def test_degraded_audio_alone_is_not_a_system() -> None:
    assert systems(("1.jsonl", [{"id": "a"}]), ("2.jsonl", [{"id": "a"}])) == [("a", None), ("a", None)]


def test_each_sample_is_an_item() -> None:
    result = systems(("1.jsonl", records("a", sample=0)), ("2.jsonl", records("a", sample=1)))
    assert result == [("a", None), ("a", None)]


def test_a_failed_record_belongs_to_its_system() -> None:
    failed = [{"id": "b", "error": {"stage": "restore", "message": "broken"}}]
    assert systems(("x.jsonl", records("a") + failed), ("y.jsonl", records("a")))[1] == ("b", "x")


def test_a_manifest_of_other_items_among_systems_is_refused() -> None:
    with pytest.raises(UsageError, match=r"songs\.jsonl shares no restored record"):
        systems(("x.jsonl", records("a")), ("y.jsonl", records("a")), ("songs.jsonl", records("z")))


def test_records_keep_the_system_that_they_name_unless_two_manifests_have_it() -> None:
    old, new = ("old.jsonl", records("a", system="cnn")), ("new.jsonl", records("a", system="mlp"))
    assert systems(old, new) == [("a", "cnn"), ("a", "mlp")]
    assert systems(old, ("new.jsonl", records("a", system="cnn"))) == [("a", "old/cnn"), ("a", "new/cnn")]
    assert systems(old, ("new.jsonl", records("a", system="../up"))) == [("a", "cnn"), ("a", "new")]


def test_a_manifest_with_the_name_of_another_manifest_s_system_is_a_separate_system() -> None:
    both = ("both.jsonl", records("a", system="cnn") + records("a", system="mlp"))
    assert systems(both, ("cnn.jsonl", records("a"))) == [("a", "both/cnn"), ("a", "mlp"), ("a", "cnn")]
    nested = ("new/cnn.jsonl", records("a")), ("old/cnn.jsonl", records("a", system="new/cnn"))
    assert [system for _, system in systems(*nested)] == ["new/cnn", "old/cnn/new/cnn"]


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["cnn.jsonl", "b/mlp.ndjson"], ["cnn", "mlp"]),
        (["/r/cnn/scores.jsonl", "/r/mlp/scores.jsonl"], ["cnn/scores", "mlp/scores"]),
        (["a/x.jsonl", "b/x.jsonl.gz", "y.jsonl"], ["a/x", "b/x", "y"]),
        (["../x.jsonl", "x.jsonl"], ["x", "x-2"]),
        (["x.jsonl", "x.jsonl"], ["x", "x-2"]),
        (["x.jsonl", "x.jsonl", "x-2.jsonl", "x.jsonl"], ["x", "x-3", "x-2", "x-4"]),
        (["x\\y.jsonl", "z.jsonl"], ["x_y", "z"]),
        (["v1.2.jsonl", "v1.3.jsonl"], ["v1.2", "v1.3"]),
        ([".jsonl", "x.jsonl"], [".jsonl", "x"]),
    ],
)
def test_names_are_short_and_distinct(paths: list[str], names: list[str]) -> None:
    assert distinct_names(paths) == names


def test_records_are_grouped_by_system() -> None:
    odd = records("a", system="../y") + records("a", system=3)
    grouped = by_system([*records("a", system="x"), *records("b"), *records("c", system="x"), *odd], "restored")
    assert {name: [record["id"] for record in held] for name, held in grouped.items()} == {
        "x": ["a", "c"],
        "restored": ["b", "a"],
        "../y": ["a"],
    }
