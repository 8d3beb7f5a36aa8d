"""Manifests of NeMo and Lhotse: read as records, written so that they load there, and nothing lost on the way."""

import copy
import gzip
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audiorestore.data.audio_file import write_audio
from audiorestore.data.foreign_manifest import WRITERS, from_foreign, to_lhotse, to_nemo
from audiorestore.data.manifest import Record, parse_record, read_records, write_record
from audiorestore.errors import RecordError, UsageError

PAIR: Record = {
    "id": "álbum/песня",
    "reference": "clean/песня.flac",
    "degraded": "/bad/песня.wav",
    "sample_rate": 44100,
    "channels": 2,
    "frames": 100_001,
    "sample": 3,
    "damage": [{"name": "mp3", "kbps": 32, "width": 0.5}, {"name": "clicks", "at": [0.25, None, 1e-9]}],
    "stages": [{"stage": "degrade", "version": "0.1", "seed": 7}, {"stage": "pair", "version": "0.1", "seed": None}],
    "alignment": {"lag": [1105.0, 0.25], "gain_db": -0.0, "residual_lag": 0, "level": "keep", "windows": [0.0, None]},
    "split": "val",
    "group": "álbum",
    "restored": "out/песня.flac",
    "metrics": {"degraded": {"snr_db": None}},
    "mood": {"blue": ["✓", "\u2028", "a\\b\"c"]},
    "supervisions": [{"id": "s", "text": "naïve"}],
}  # fmt: skip
MONO: Record = {
    "id": "a",
    "reference": "r.wav",
    "degraded": "d.wav",
    "sample_rate": 8000,
    "channels": 1,
    "frames": 4000,
}


def read_back(line: dict[str, Any] | None) -> Record:
    """Send a line through JSON, as a file would."""
    out = io.StringIO()
    assert line is not None
    write_record(out, line)
    return parse_record(out.getvalue())


def recording(path: str, **changed: Any) -> dict[str, Any]:
    """Make what Lhotse 1.33 writes of a mono file of a second."""
    sources = [{"type": "file", "channels": [0], "source": path}]
    whole = {"sampling_rate": 16000, "num_samples": 16000, "duration": 1.0, "channel_ids": [0]}
    return {"id": "rec", "sources": sources, **whole, **changed}


def cut(**changed: Any) -> dict[str, Any]:
    """Make what Lhotse 1.33 writes of a cut of it, with a target as NeMo's audio tasks have it."""
    whole = {"id": "rec-7", "start": 0.0, "duration": 1.0, "channel": 0, "supervisions": []}
    targets = {"target_recording": recording("clean.wav")}
    return {**whole, "recording": recording("noisy.wav"), "custom": targets, "type": "MonoCut", **changed}


def two_channels(path: str) -> dict[str, Any]:
    return recording(path, sources=[{"type": "file", "channels": [0, 1], "source": path}], channel_ids=[0, 1])


# Writing


@pytest.mark.parametrize("pair", [PAIR, MONO])
def test_lhotse_gives_the_same_record_back(pair: Record) -> None:
    before = copy.deepcopy(pair)
    assert read_back(to_lhotse(pair)) == pair == before


@pytest.mark.parametrize("pair", [PAIR, MONO])
def test_nemo_gives_the_same_record_back_and_its_duration(pair: Record) -> None:
    before = copy.deepcopy(pair)
    assert read_back(to_nemo(pair)) == {**pair, "duration": pair["frames"] / pair["sample_rate"]}
    assert pair == before


def test_a_line_of_nemo_has_what_its_datasets_ask_for() -> None:
    line = to_nemo({**MONO, "duration": 9.0, "input_filepath": "from-an-earlier-manifest.wav"})
    assert line == {
        "input_filepath": "d.wav",
        "target_filepath": "r.wav",
        "duration": 0.5,
        "id": "a",
        "sample_rate": 8000,
        "channels": 1,
        "frames": 4000,
    }


def test_a_mono_pair_is_a_mono_cut_of_its_degraded_side() -> None:
    assert to_lhotse({**MONO, "split": "train"}) == {
        "id": "a",
        "start": 0.0,
        "duration": 0.5,
        "channel": 0,
        "supervisions": [],
        "recording": {
            "id": "a-degraded",
            "sources": [{"type": "file", "channels": [0], "source": "d.wav"}],
            "sampling_rate": 8000,
            "num_samples": 4000,
            "duration": 0.5,
            "channel_ids": [0],
        },
        "custom": {
            "target_recording": {
                "id": "a-reference",
                "sources": [{"type": "file", "channels": [0], "source": "r.wav"}],
                "sampling_rate": 8000,
                "num_samples": 4000,
                "duration": 0.5,
                "channel_ids": [0],
            },
            "audiorestore": {"id": "a", "split": "train"},
        },
        "type": "MonoCut",
    }


def test_several_channels_are_a_multi_cut() -> None:
    line = to_lhotse(PAIR)
    assert line is not None
    assert (line["type"], line["channel"], line["recording"]["channel_ids"]) == ("MultiCut", [0, 1], [0, 1])


def test_samples_of_one_id_are_cuts_of_different_ids() -> None:
    lines = [to_lhotse(MONO | {"sample": sample}) for sample in range(3)]
    assert [line and line["id"] for line in lines] == ["a.0", "a.1", "a.2"]
    assert len({line and line["recording"]["id"] for line in lines}) == 3


@pytest.mark.parametrize("write", [to_nemo, to_lhotse])
def test_a_failed_record_has_no_line(write: Any) -> None:
    assert write({"id": "a", "error": {"stage": "pair", "message": "why"}}) is None
    assert write(PAIR | {"error": {"stage": "pair", "message": "why"}}) is None


@pytest.mark.parametrize("write", [to_nemo, to_lhotse])
@pytest.mark.parametrize("field", ["reference", "degraded", "sample_rate", "channels", "frames"])
def test_what_a_line_cannot_do_without_is_named(write: Any, field: str) -> None:
    with pytest.raises(RecordError, match=f"no {field}, which a (NeMo|Lhotse) manifest needs"):
        write({key: value for key, value in MONO.items() if key != field})


def test_fields_that_would_mean_another_thing_there_are_refused() -> None:
    with pytest.raises(RecordError, match=r"offset 0\.5"):
        to_nemo(MONO | {"offset": 0.5})
    with pytest.raises(RecordError, match="width"):
        to_lhotse(MONO | {"width": 2})
    assert to_lhotse(MONO | {"sources": ["vinyl"]}), "alone it does not make a recording"


def test_own_lines_are_written_as_they_are() -> None:
    assert list(WRITERS) == ["jsonl", "nemo", "lhotse"]
    assert WRITERS["jsonl"](PAIR) is PAIR
    broken = {"id": "a", "error": {}}
    assert WRITERS["jsonl"](broken) is broken


def test_lhotse_itself_loads_what_is_written(tmp_path: Path) -> None:
    lhotse = pytest.importorskip("lhotse", reason="Lhotse is not installed")
    manifest, lines = tmp_path / "cuts.jsonl", []
    for name, channels in (("mono", 1), ("stereo", 2)):
        sound = np.random.default_rng(channels).uniform(-0.5, 0.5, (channels, 22_051)).astype(np.float32)
        shape = {"sample_rate": 22050, "channels": channels, "frames": 22_051}
        pair = {**PAIR, "id": name, **shape}
        for role, waveform in (("reference", sound), ("degraded", sound / 2)):
            pair[role] = str(tmp_path / f"{role}-{name}.wav")
            write_audio(pair[role], waveform, 22050, subtype="FLOAT")
        lines.append((pair, sound))
    manifest.write_text("".join(json.dumps(to_lhotse(pair)) + "\n" for pair, _ in lines))
    for loaded, (pair, sound) in zip(lhotse.CutSet.from_jsonl(manifest), lines, strict=True):
        lhotse.qa.validate_cut(loaded, read_data=True)
        np.testing.assert_array_equal(loaded.load_audio(), sound / 2)
        np.testing.assert_array_equal(loaded.load_target_recording(), sound)
        assert loaded.audiorestore["damage"] == pair["damage"]
        assert read_back(loaded.to_dict()) == pair


# Reading


@pytest.mark.parametrize(
    ("line", "record"),
    [
        ({"input_filepath": "n.wav", "target_filepath": "c.wav"}, {"degraded": "n.wav", "reference": "c.wav"}),
        ({"noisy_filepath": "n.wav", "clean_filepath": "c.wav"}, {"degraded": "n.wav", "reference": "c.wav"}),
        ({"audio_filepath": "n.wav", "target_filepath": "c.wav"}, {"degraded": "n.wav", "reference": "c.wav"}),
        ({"audio_filepath": "x.wav", "text": "hé"}, {"restored": "x.wav", "text": "hé"}),
        (
            {"audio_filepath": "x.wav", "offset": 0.0, "duration": 2},
            {"restored": "x.wav", "offset": 0.0, "duration": 2},
        ),
        ({"input_filepath": "n.wav", "target_filepath": None}, {"degraded": "n.wav", "target_filepath": None}),
        ({"reference": "own.wav", "target_filepath": "c.wav"}, {"reference": "own.wav", "target_filepath": "c.wav"}),
        ({"reference": None, "target_filepath": "c.wav"}, {"reference": "c.wav"}),
        ({"target_filepath": "a.wav", "clean_filepath": "b.wav"}, {"reference": "a.wav", "clean_filepath": "b.wav"}),
        ({"id": "a", "offset": 3, "type": "song"}, {"id": "a", "offset": 3, "type": "song"}),
    ],
)
def test_paths_of_nemo_get_our_names(line: dict[str, Any], record: Record) -> None:
    assert from_foreign(line, "restored") == record


@pytest.mark.parametrize("role", ["reference", "degraded"])
def test_audio_that_a_line_says_nothing_about_is_what_the_command_takes_it_for(role: str) -> None:
    lines = [{"audio_filepath": "in/x.wav", "duration": 1.0}, recording("in/y.wav"), cut(id="z", custom=None)]
    stdin = io.StringIO("".join(json.dumps(line) + "\n" for line in lines))
    first, second, third = read_records([], role, "test", stdin)
    assert (first[role], second[role], third[role]) == ("in/x.wav", "in/y.wav", "noisy.wav")
    assert [record["id"] for record in (first, second, third)] == ["in/x", "rec", "z"]
    assert ("frames" in second) is ("frames" in third) is (role == "reference"), "frames are of the reference"


@pytest.mark.parametrize("name", ["target_recording", "clean_recording"])
def test_a_cut_is_a_pair_of_its_recording_and_its_target(name: str) -> None:
    line = cut(custom={name: recording("clean.wav", num_samples=15999), "snr": 5})
    line["supervisions"] = [{"id": "s", "text": "hé"}]
    assert from_foreign(line, "degraded") == {
        "id": "rec-7",
        "reference": "clean.wav",
        "degraded": "noisy.wav",
        "sample_rate": 16000,
        "channels": 1,
        "frames": 15999,
        "supervisions": [{"id": "s", "text": "hé"}],
        "custom": {"snr": 5},
    }


def test_a_duration_that_was_rounded_is_the_whole_recording() -> None:
    assert from_foreign(cut(duration=0.98), "degraded")["degraded"] == "noisy.wav"


def test_an_id_that_is_a_path_names_files_inside_a_folder() -> None:
    assert from_foreign(cut(id="/data/../a.wav"), "degraded")["id"] == "data/a.wav"


def test_paths_that_moved_hold_against_what_was_written_as_ours() -> None:
    line = to_lhotse(MONO)
    assert line is not None
    line["recording"]["sources"][0]["source"] = "moved.wav"
    line["custom"]["audiorestore"]["degraded"] = "old.wav"
    assert from_foreign(line, "reference") == {**MONO, "degraded": "moved.wav"}


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ({"audio_filepath": "x.wav", "offset": 1.5}, "offset 1.5, so it means a part"),
        ({"input_filepath": "x.wav", "input_channel_selector": 0}, "input_channel_selector"),
        ({"input_filepath": ["l.wav", "r.wav"]}, "not the path of one file"),
        (cut(start=0.25, duration=0.5), "from 0.25 to 0.75 s of a recording of 1 s"),
        (cut(duration=0.5), "from 0 to 0.5 s"),
        (cut(duration="long"), "duration is 'long'"),
        (cut(recording=two_channels("x.wav"), channel=1), r"channel 1 of \[0, 1\]"),
        (cut(recording=None), "Lhotse cut has no recording"),
        (cut(type="MixedCut"), "MixedCut"),
        (cut(recording=recording("x.wav", transforms=[{"name": "Speed"}])), "transformed"),
        (cut(custom={"target_recording": recording("c.wav", sources=[])}), "without sources"),
        (cut(custom={"target_recording": recording("c.wav"), "target_recording_channel_selector": 0}), "some channels"),
        (cut(custom="blue"), "custom is 'blue'"),
        (recording("x.wav", sources=[{"type": "command", "channels": [0], "source": "sox"}]), "from a command"),
        (recording("x.wav", sources=[{"type": "url", "channels": [0], "source": "http://x"}]), "from a url"),
        (recording("x.wav", sources=[{"type": "shar", "channels": [0], "source": ""}]), "from a shar"),
        (recording("x.wav", sources=2 * [{"type": "file", "channels": [0], "source": "x"}]), "over 2 files"),
        (recording("x.wav", sources=[{"type": "file", "channels": [0]}]), "source is None"),
        (recording("x.wav", num_samples="many"), "frames is 'many'"),
        (recording("x.wav", id=None), "id is None"),
    ],
)
def test_what_is_no_whole_file_is_refused_in_a_sentence(line: dict[str, Any], why: str) -> None:
    with pytest.raises(RecordError, match=why):
        parse_record(json.dumps(line), "reference")


def test_a_refused_line_is_named_and_the_others_go_on() -> None:
    stdin = io.StringIO("".join(json.dumps(line) + "\n" for line in (cut(id="a"), cut(id="b", start=0.5), cut(id="c"))))
    first, bad, last = read_records([], "degraded", "test", stdin)
    assert (first["id"], last["id"]) == ("a", "c")
    assert "stdin, line 2: is a cut from 0.5" in bad["error"]["message"]


def test_a_packed_manifest_is_read_and_a_broken_one_is_told(tmp_path: Path) -> None:
    packed = gzip.compress((json.dumps(cut()) + "\n").encode())
    manifest = tmp_path / "cuts.jsonl.gz"
    manifest.write_bytes(packed)
    assert [record["id"] for record in read_records([str(manifest)], "degraded", "test")] == ["rec-7"]
    for broken in (packed[:-20], b"{}", packed[:12] + b"\xff" * 9 + packed[20:]):
        manifest.write_bytes(broken)
        with pytest.raises(UsageError, match=r"cuts\.jsonl\.gz cannot be read \((?!None)"):
            list(read_records([str(manifest)], "degraded", "test"))
