"""`ar degrade` and `ar pair` as a shell sees them: what is shown, refused, let through, and checked."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from audiorestore.data.audio_file import read_audio, write_audio
from audiorestore.signal.findings import FINDINGS


@pytest.fixture
def songs(tmp_path: Path, voice: Path) -> Path:
    """Four recordings of two songs."""
    waveform, rate = read_audio(voice)
    folder = tmp_path / "songs"
    for name, start in (("one-1", 0), ("one-2", 9000), ("two-1", 18000), ("two-2", 27000)):
        write_audio(folder / f"{name}.wav", waveform[:, start : start + 15000], rate)
    return folder


@pytest.mark.parametrize(
    ("chain", "reported"),
    [
        ("mp3:kbps=33", "8/16/24/32/40/48"),
        ("hiss:snr=loud", "did you mean 'snr_db'?"),
        ("hiss:snr_db=loud", "a number in -60..120"),
        ("his", "did you mean 'hiss'?"),
        ("noise", "folder"),
        ("", "empty link"),
        ("@nowhere.toml", "cannot be read"),
    ],
)
def test_what_is_not_possible_is_answered_with_what_is(ar: Callable, voice: Path, chain: str, reported: str) -> None:
    done = ar("degrade", voice, "--chain", chain, "-o", "d")
    assert (done.status, done.stdout) == (2, "")
    assert reported in done.stderr
    assert "Traceback" not in done.stderr


def test_several_versions_and_codec_files_by_weight(ar: Callable, songs: Path, tmp_path: Path) -> None:
    chains = ["--chain", "3*mp3:kbps=32/64,quality=7", "--chain", "hiss"]
    done = ar("degrade", "songs", *chains, "--per", "3", "--keep-encoded", "-j", "2", "-o", "d")
    assert done.status == 0, done.stderr
    assert [record["sample"] for record in done.records] == [0, 1, 2] * 4
    names = [record["damage"][0]["name"] for record in done.records]
    assert set(names) == {"mp3", "hiss"}
    assert all(("encoded" in record) == (name == "mp3") for record, name in zip(done.records, names, strict=True))
    again = ar("degrade", "songs", *chains, "--per", "3", "--keep-encoded", "-o", "d")
    assert again.stdout == done.stdout


def paired(ar: Callable, *options: str) -> list[dict]:
    degraded = ar("degrade", "songs", "--chain", "mp3:kbps=64,quality=7", "-o", "d")
    done = ar("pair", "--split", "50:50", *options, stdin=degraded.stdout)
    assert done.status == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_songs_stay_together_by_pattern(ar: Callable, songs: Path) -> None:
    for seed in range(3):
        records = paired(ar, "--group-by", r"path:([a-z]+)-\d", "--seed", str(seed))
        assert {record["group"] for record in records} == {"one", "two"}
        assert len({(record["group"], record["split"]) for record in records}) == 2


def test_a_manifest_is_checked_and_what_changed_is_reported(ar: Callable, songs: Path, tmp_path: Path) -> None:
    records = paired(ar)
    manifest = tmp_path / "pairs.jsonl"
    manifest.write_text("".join(json.dumps(record) + "\n" for record in records))
    good = ar("check", "pairs.jsonl")
    assert (good.status, good.stdout) == (0, "")
    assert "all 4 pairs are good" in good.stderr
    waveform, rate = read_audio(tmp_path / records[0]["degraded"])
    write_audio(tmp_path / records[0]["degraded"], np.roll(waveform, 3, axis=1), rate, subtype="FLOAT", overwrite=True)
    (tmp_path / records[1]["degraded"]).unlink()
    bad = ar("check", "pairs.jsonl")
    assert bad.status == 4
    assert [record["id"] for record in bad.records] == [records[0]["id"], records[1]["id"]]
    assert "has changed" in bad.stderr
    assert "does not exist" in bad.stderr
    assert "2 of 4 pairs are bad" in bad.stderr


@pytest.mark.parametrize("format", ["nemo", "lhotse"])
def test_foreign_manifests_are_written_and_read_again(ar: Callable, songs: Path, format: str) -> None:
    records = paired(ar)
    foreign = paired(ar, "--format", format)
    keys = {"nemo": "target_filepath", "lhotse": "recording"}
    assert all(keys[format] in line for line in foreign)
    again = ar("eval", stdin="".join(json.dumps(line) + "\n" for line in foreign))
    assert again.status == 0, again.stderr
    assert [(record["reference"], record["split"]) for record in again.records] == [
        (record["reference"], record["split"]) for record in records
    ]


def test_a_finding_is_refused_and_let_through_where_allowed(ar: Callable, voice: Path, tmp_path: Path) -> None:
    waveform, rate = read_audio(voice)
    write_audio(tmp_path / "turned.wav", -waveform, rate)
    sides = ("pair", "--reference", "voice.wav", "--degraded", "turned.wav")
    refused = ar(*sides)
    assert refused.status == 1
    assert FINDINGS["polarity"] in refused.stderr
    allowed = ar(*sides, "--allow", "polarity")
    assert allowed.status == 0, allowed.stderr
    assert allowed.records[0]["alignment"]["found"] == ["polarity"]
    unknown = ar(*sides, "--allow", "everything")
    assert unknown.status == 2
    assert all(name in unknown.stderr for name in FINDINGS)


def test_pairs_are_drawn(ar: Callable, songs: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    records = paired(ar, "--plot", "pictures")
    for record in records:
        assert (tmp_path / record["plot"]).read_bytes().startswith(b"\x89PNG")


def test_wow_is_followed_by_the_reference(ar: Callable, voice: Path, tmp_path: Path) -> None:
    bent = ar("degrade", voice, "--chain", "wow:wow_percent=2,wow_hz=1|hiss:snr_db=30", "-o", "d")
    assert bent.status == 0, bent.stderr
    refused = ar("pair", "--split", "100:0:0", stdin=bent.stdout)
    assert refused.status == 1
    assert "time warp" in refused.stderr
    done = ar("pair", "--split", "100:0:0", "-o", "a", stdin=bent.stdout)
    assert done.status == 0, done.stderr
    (record,) = done.records
    assert record["alignment"]["lag"] == record["alignment"]["residual_lag"] == 0.0
    assert set(record["alignment"]["windows"]) == {0.0}
    again = ar("pair", "--split", "100:0:0", "-o", "b", stdin=done.stdout)
    assert again.status == 0, again.stderr
    assert again.records[0]["alignment"]["lag"] == 0.0, "a reference that was bent already is not bent again"


def test_why_there_are_too_few_groups_is_reported(ar: Callable, voice: Path, tmp_path: Path) -> None:
    spoken, rate = read_audio(voice)
    for folder, gains in (("clean", (0.5, 0.7)), ("dirty", (0.5, -0.7))):
        (tmp_path / folder).mkdir()
        for name, gain in zip("ab", gains, strict=True):
            write_audio(tmp_path / folder / f"{name}.wav", np.float32(gain) * spoken, rate)
    done = ar("pair", "--reference", "clean", "--degraded", "dirty", "--split", "50:0:50")
    assert done.status == 2
    assert "1 group(s) cannot fill 2 splits" in done.stderr
    assert done.stderr.count("--allow polarity") == 1
