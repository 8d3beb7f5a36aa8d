"""Damage to files: what was drawn is in the record, and order, jobs and earlier runs change nothing."""

import itertools
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from in_memory import apply_chain

from audiorestore import __version__
from audiorestore.damage import DAMAGES
from audiorestore.damage._chain import Link
from audiorestore.damage._chain_language import parse_chains
from audiorestore.data import spool
from audiorestore.data.audio_file import audio_info, read_audio, write_audio
from audiorestore.data.mpeg_frames import scan_mpeg
from audiorestore.demo.synthesis import render_demo
from audiorestore.engine.batch import run_batch
from audiorestore.engine.degrade import DegradeConfig, degrade_record, several_of_each
from audiorestore.errors import AudioFileError, AudioRestoreError, RecordError

CHAIN = "mp3:kbps=32/64/96|hiss:snr_db=10..30"


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Four short recordings."""
    folder = tmp_path_factory.mktemp("clean")
    song = render_demo("voice-01", 22050)[:, 11025:33075]
    records = []
    for index in range(4):
        path = folder / f"song{index}.wav"
        write_audio(path, np.roll(song, 1_000 * index, axis=1), 22050)
        records.append({"id": f"album/song{index}", "reference": str(path), "mood": index})
    return records


def config(folder: Path, chain: str = CHAIN, **options: Any) -> DegradeConfig:
    return DegradeConfig(parse_chains([chain]), folder, **options)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_record_tells_what_was_done_with_every_parameter(sources: Any, tmp_path: Path) -> None:
    record = degrade_record(sources[0], config(tmp_path))
    assert record.items() >= sources[0].items()
    assert record["degraded"] == str(tmp_path / "album" / "song0.wav")
    assert (record["sample_rate"], record["channels"], record["frames"]) == (22050, 1, 22_050)
    mp3, hiss = record["damage"]
    assert mp3["name"] == "mp3"
    assert mp3["kbps"] in (32, 64, 96)
    assert isinstance(mp3["coded_rate"], int)
    assert hiss["name"] == "hiss"
    assert 10 <= hiss["snr_db"] <= 30
    assert hiss["colour"] in ("white", "pink")
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert set(record) == {*sources[0], "degraded", "sample_rate", "channels", "frames", "damage"}


def test_the_file_holds_what_the_recorded_damage_does_to_the_reference(sources: Any, tmp_path: Path) -> None:
    record = degrade_record(sources[0], config(tmp_path))
    waveform, rate = read_audio(sources[0]["reference"])
    mp3, hiss = record["damage"]
    drawn = [
        Link(entry["name"], DAMAGES.load(entry["name"]).Config.from_record(entry))
        for entry in ({**mp3, "coded_rate": "auto"}, hiss)
    ]
    degraded, reported = apply_chain(waveform, rate, drawn)
    np.testing.assert_array_equal(read_audio(record["degraded"])[0], degraded)
    assert reported == record["damage"]
    assert audio_info(record["degraded"]).subtype == "FLOAT"  # nothing is clipped


def test_flac_holds_24_bit(sources: Any, tmp_path: Path) -> None:
    record = degrade_record(sources[0], config(tmp_path, format="flac"))
    info = audio_info(record["degraded"])
    assert (info.container, info.subtype, info.path.name) == ("FLAC", "PCM_24", "song0.flac")


def test_order_jobs_and_sharding_never_change_a_byte(sources: Any, tmp_path: Path) -> None:
    everything: list[dict[str, bytes]] = []
    records: list[dict[str, Any]] = []
    for number, (order, jobs) in enumerate(itertools.product((1, -1), (1, 4))):
        folder = tmp_path / str(number)
        chosen = config(folder)
        done = list(run_batch(sources[::order], lambda record: degrade_record(record, chosen), "degrade", 0, jobs))  # noqa: B023
        everything.append(contents(folder))
        records.append({record["id"]: record["damage"] for record in done})
    folder = tmp_path / "alone"
    for record in sources[2:]:
        degrade_record(record, config(folder))
    shard = contents(folder)
    assert all(each == records[0] for each in records)
    assert all(each == everything[0] for each in everything)
    assert len(everything[0]) == 4
    assert shard.items() <= everything[0].items()
    assert len(shard) == 2


def test_the_same_place_gets_the_same_bytes(sources: Any, tmp_path: Path) -> None:
    degrade_record(sources[0], config(tmp_path / "d"))
    before = contents(tmp_path)
    degrade_record(sources[0], config(tmp_path / "d", overwrite=True))
    assert contents(tmp_path) == before


def test_seed_and_name_and_sample_each_draw_their_own_damage(sources: Any, tmp_path: Path) -> None:
    source = sources[0]
    chosen = [
        (source, 0),
        (source, 1),
        ({**source, "id": "other"}, 0),
        ({**source, "sample": 1}, 0),
    ]
    drawn = [
        degrade_record(record, config(tmp_path / str(index), "hiss", seed=seed))["damage"][0]["noise_seed"]
        for index, (record, seed) in enumerate(chosen)
    ]
    assert len(set(drawn)) == 4


def test_several_samples_of_one_item_get_files_of_their_own(sources: Any, tmp_path: Path) -> None:
    made = [degrade_record({**sources[0], "sample": index}, config(tmp_path))["degraded"] for index in (0, 1)]
    assert made == [str(tmp_path / "album" / f"song0.{index}.wav") for index in (0, 1)]
    one, other = (read_audio(path)[0] for path in made)
    assert not np.array_equal(one, other)


def test_a_batch_that_is_run_again_skips_what_is_done(sources: Any, tmp_path: Path) -> None:
    chosen = config(tmp_path)
    first = [degrade_record(record, chosen) for record in sources[:2]]
    written = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.wav")}
    again = [degrade_record(record, chosen) for record in sources[:3]]
    assert again[:2] == first
    assert {path: path.stat().st_mtime_ns for path in written} == written
    assert Path(again[2]["degraded"]).is_file()


@pytest.mark.parametrize("changed", ["chain", "seed", "reference"])
def test_a_file_made_from_something_else_is_not_replaced_unasked(tmp_path: Path, sources: Any, changed: str) -> None:
    source = dict(sources[0])
    made = Path(degrade_record(source, config(tmp_path / "d"))["degraded"])
    before = made.read_bytes()
    chain, seed = ("mp3:kbps=16", 0) if changed == "chain" else (CHAIN, int(changed == "seed"))
    if changed == "reference":
        source["reference"] = sources[1]["reference"]
    with pytest.raises(AudioFileError, match="made from something else; give -f"):
        degrade_record(source, config(tmp_path / "d", chain, seed=seed))
    assert made.read_bytes() == before
    degrade_record(source, config(tmp_path / "d", chain, seed=seed, overwrite=True))
    assert made.read_bytes() != before


def test_a_foreign_file_in_the_way_is_not_replaced_unasked(sources: Any, tmp_path: Path) -> None:
    (tmp_path / "album").mkdir()
    (tmp_path / "album" / "song0.wav").write_text("my notes")
    with pytest.raises(AudioFileError, match=r"song0\.wav"):
        degrade_record(sources[0], config(tmp_path))
    assert (tmp_path / "album" / "song0.wav").read_text() == "my notes"


@pytest.mark.parametrize("overwrite", [False, True])
def test_the_reference_is_never_overwritten(sources: Any, tmp_path: Path, overwrite: bool) -> None:
    source = tmp_path / "song.wav"
    source.write_bytes(Path(sources[0]["reference"]).read_bytes())
    before = source.read_bytes()
    with pytest.raises(AudioFileError):
        degrade_record({"id": "song", "reference": str(source)}, config(tmp_path, overwrite=overwrite))
    assert source.read_bytes() == before


def test_the_stage_is_noted_with_version_and_seed(sources: Any, tmp_path: Path) -> None:
    chosen = config(tmp_path)
    (record,) = run_batch(sources[:1], lambda record: degrade_record(record, chosen), "degrade", 7)
    assert record["stages"] == [{"stage": "degrade", "version": __version__, "seed": 7}]


def test_a_record_without_a_reference_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="no reference"):
        degrade_record({"id": "x"}, config(tmp_path))
    with pytest.raises(AudioFileError, match=r"x\.wav"):
        degrade_record({"id": "x", "reference": str(tmp_path / "x.wav")}, config(tmp_path))


# Several versions of each file, and the codec's own files.


def test_several_versions_are_records_of_their_own() -> None:
    failed = {"id": "b", "error": {"stage": "x", "message": "y"}}
    made = list(several_of_each([{"id": "a"}, failed, {"id": "c", "sample": 2}], 3))
    assert [record.get("sample") for record in made] == [0, 1, 2, None, 6, 7, 8]
    assert made[3] == failed
    assert list(several_of_each([{"id": "a"}], 1)) == [{"id": "a"}]


def test_codec_files_are_kept_beside_what_they_decode_to(sources: Any, tmp_path: Path) -> None:
    record = degrade_record(sources[0], config(tmp_path, "mp3:kbps=64", keep_encoded=True))
    assert record["encoded"] == str(tmp_path / "album" / "song0.mp3")
    stream = scan_mpeg(Path(record["encoded"]).read_bytes())
    assert (stream.bitrate_kbps, stream.sample_rate) == (64, record["damage"][0]["coded_rate"])
    assert degrade_record(sources[0], config(tmp_path, "mp3:kbps=64", keep_encoded=True)) == record
    Path(record["encoded"]).unlink()
    assert degrade_record(sources[0], config(tmp_path, "mp3:kbps=64", keep_encoded=True)) == record
    assert Path(record["encoded"]).is_file(), "one that is gone is made again"
    without = degrade_record(sources[0], config(tmp_path / "other", "mp3:kbps=64"))
    assert "encoded" not in without
    assert not list((tmp_path / "other").rglob("*.mp3"))


def test_a_cascade_keeps_a_file_for_each_codec(sources: Any, tmp_path: Path) -> None:
    chain = "mp3:kbps=128|hiss|mp3:kbps=32"
    record = degrade_record({**sources[0], "sample": 3}, config(tmp_path, chain, keep_encoded=True))
    assert [Path(path).name for path in record["encoded"]] == ["song0.3.1of2.mp3", "song0.3.2of2.mp3"]
    assert [scan_mpeg(Path(path).read_bytes()).bitrate_kbps for path in record["encoded"]] == [128, 32]


def test_ogg_files_are_made_again_although_their_serial_numbers_differ(sources: Any, tmp_path: Path) -> None:
    wanted = config(tmp_path, "vorbis:quality=2|opus:quality=2", keep_encoded=True)
    record = degrade_record(sources[0], wanted)
    Path(record["encoded"][1]).unlink()
    assert degrade_record(sources[0], wanted) == record
    assert all(Path(path).is_file() for path in record["encoded"])


@pytest.mark.skipif(not shutil.which("ffmpeg"), reason="ffmpeg is not installed")
def test_a_codec_in_a_wav_file_is_kept_under_a_name_of_its_own(sources: Any, tmp_path: Path) -> None:
    record = degrade_record(sources[0], config(tmp_path, "ffmpeg:codec=alaw", keep_encoded=True))
    assert Path(record["encoded"]).name == "song0.1of1.wav"
    assert audio_info(record["encoded"]).subtype == "ALAW"
    assert audio_info(record["degraded"]).subtype == "FLOAT"


def test_a_foreign_codec_file_is_not_replaced_unasked(sources: Any, tmp_path: Path) -> None:
    (tmp_path / "album").mkdir()
    (tmp_path / "album" / "song0.mp3").write_text("my song")
    with pytest.raises(AudioFileError, match="exists already"):
        degrade_record(sources[0], config(tmp_path, "mp3:kbps=64", keep_encoded=True))
    assert [path.name for path in (tmp_path / "album").iterdir()] == ["song0.mp3"]
    assert (tmp_path / "album" / "song0.mp3").read_text() == "my song"


def test_what_codecs_made_is_gone_where_it_is_not_wanted(sources: Any, tmp_path: Path, monkeypatch: Any) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    degrade_record(sources[0], config(tmp_path / "d", "mp3:kbps=64|hiss|mp3:kbps=32"))
    with pytest.raises(AudioRestoreError):  # the second link fails: 320 kbit/s are not possible at this rate
        degrade_record(sources[1], config(tmp_path / "d", "mp3:kbps=64|mp3:kbps=320"))
    assert list(scratch.iterdir()) == []


def test_a_long_recording_is_damaged_as_a_short_one_is(sources: Any, tmp_path: Path, monkeypatch: Any) -> None:
    whole = degrade_record(sources[0], config(tmp_path / "memory"))
    monkeypatch.setattr(spool, "MEMORY_BYTES", 1000)
    in_parts = degrade_record(sources[0], config(tmp_path / "disk"))
    assert in_parts["damage"] == whole["damage"]
    assert contents(tmp_path / "disk") == contents(tmp_path / "memory")


def test_a_full_disk_is_reported_and_leaves_nothing(sources: Any, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(spool, "MEMORY_BYTES", 1000)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    with pytest.raises(AudioFileError, match="set TMPDIR"):
        degrade_record(sources[0], config(tmp_path / "d"))
    assert not list((tmp_path / "d").rglob("*.*"))
