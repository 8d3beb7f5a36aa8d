"""A listening test as a folder: blind, equally loud, the same stretch for all, and the key outside."""

import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audiorestore.data.audio_file import audio_info, read_audio, write_audio
from audiorestore.errors import AudioFileError, RecordError, UsageError
from audiorestore.listening import KINDS, key_path, write_listening_test
from audiorestore.listening.excerpts import k_weighted_power, loudness_gain_db
from audiorestore.signal.busiest import busiest_start
from audiorestore.signal.sound import Sound

RATE = 16000
Make = Callable[..., dict[str, list[dict[str, Any]]]]


def noise(seed: int, frames: int = 2 * RATE, channels: int = 1, level: float = 0.1) -> np.ndarray:
    return level * np.random.default_rng(seed).standard_normal((channels, frames)).astype(np.float32)


def tone(hz: float, frames: int, rate: int = RATE) -> np.ndarray:
    return np.sin(2.0 * np.pi * hz * np.arange(frames) / rate).astype(np.float32)[np.newaxis]


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait for the disk after each of many small files."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Write recordings, and list them by system: each restored one is the reference times a gain."""

    def written(
        reference: np.ndarray | None = None,
        rate: int = RATE,
        gains: dict[str, float] | None = None,
        ids: tuple[str, ...] = ("album/one", "album/two"),
    ) -> dict[str, list[dict[str, Any]]]:
        systems: dict[str, list[dict[str, Any]]] = {}
        for name, gain in (gains or {"cnn": 0.5, "gan": 1.0}).items():
            for index, id in enumerate(ids):
                clean = noise(index) if reference is None else reference
                paths = {role: tmp_path / f"{index}-{role}.wav" for role in ("reference", "degraded")}
                paths["restored"] = tmp_path / f"{index}-{name}.wav"
                sounds = {"reference": clean, "degraded": 0.8 * clean, "restored": gain * clean}
                for role, path in paths.items():
                    write_audio(path, sounds[role], rate, subtype="FLOAT", overwrite=True)
                record = {"id": id, **{role: str(path) for role, path in paths.items()}}
                systems.setdefault(name, []).append(record)
        return systems

    return written


def key_of(folder: Path) -> dict[str, Any]:
    key: dict[str, Any] = json.loads(key_path(folder).read_text())
    return key


def page_of(folder: Path) -> dict[str, Any]:
    text = (folder / "test.js").read_text()
    page: dict[str, Any] = json.loads(text.removeprefix("window.LISTENING_TEST = ").removesuffix(";\n"))
    return page


def excerpts_of(folder: Path, id: str) -> dict[str, np.ndarray]:
    """Read what listeners hear of an item: name to samples."""
    key = key_of(folder)
    codes = {code for trial in key["trials"].values() if trial["id"] == id for code in trial["stimuli"]}
    return {key["stimuli"][code]["condition"]: read_audio(folder / "excerpts" / f"{code}.wav")[0] for code in codes}


@pytest.mark.parametrize(
    ("kind", "trials"),
    [
        ("mos", 2 * 4),  # reference, degraded and two systems, one at a time
        ("acr", 2 * 4),
        ("mushra", 2),
        ("cmp", 2 * (2 * 2 + 1)),  # each system with degraded and reference, and the two with each other
    ],
)
def test_each_kind_has_its_trials(make: Make, tmp_path: Path, kind: str, trials: int) -> None:
    folder = tmp_path / "page"
    assert write_listening_test(folder, make(), kind, seconds=0.5) == trials
    page, key = page_of(folder), key_of(folder)
    assert len(page["trials"]) == len(key["trials"]) == trials
    assert (page["kind"], page["test"]) == (key["kind"], key["test"]) == (kind, page["test"])
    conditions = {stimulus["condition"] for stimulus in key["stimuli"].values()}
    anchors = {"anchor_3500_hz", "anchor_7000_hz"} if kind == "mushra" else set()
    assert conditions == {"reference", "degraded", "cnn", "gan"} | anchors
    assert {len(trial["stimuli"]) for trial in page["trials"]} == {{"mushra": 6, "cmp": 2}.get(kind, 1)}


def test_pairs_put_each_system_over_degraded_reference_and_earlier_systems(make: Make, tmp_path: Path) -> None:
    write_listening_test(tmp_path / "page", make(ids=("one",)), "cmp", seconds=0.1)
    key = key_of(tmp_path / "page")
    pairs = {tuple(key["stimuli"][code]["condition"] for code in trial["stimuli"]) for trial in key["trials"].values()}
    against = {(system, base) for system in ("cnn", "gan") for base in ("degraded", "reference")}
    assert pairs == against | {("gan", "cnn")}


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_in_the_folder_tells_what_is_what(make: Make, tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "page"
    names = {"zebra-net": 0.5, "<b>&'\"": 0.9}
    write_listening_test(folder, make(gains=names, ids=("se|cret/<script>", "se|cret/two")), kind, seconds=0.5)
    listed = (folder / "test.js").read_text() + "".join(str(path.relative_to(folder)) for path in folder.rglob("*"))
    for name in ("zebra", "<b>", "cret", "script>", "reference.wav", "degraded", "anchor", str(tmp_path)):
        assert name not in listed
    page, key = page_of(folder), key_of(folder)
    for trial in page["trials"]:
        assert trial["stimuli"] == sorted(trial["stimuli"])
    assert [trial["trial"] for trial in page["trials"]] == sorted(key["trials"])
    files = list((folder / "excerpts").iterdir())
    assert len({path.stat().st_size for path in files}) == 1
    open_ones = {trial["reference"] for trial in page["trials"] if "reference" in trial} | {page["level"]}
    assert {path.stem for path in files} == set(key["stimuli"]) | open_ones
    assert not open_ones & set(key["stimuli"]), "the open reference would give the hidden one away"


def test_codes_do_not_stand_in_the_order_of_the_systems(make: Make, tmp_path: Path) -> None:
    write_listening_test(tmp_path / "page", make(ids=tuple(f"song{index}" for index in range(6))), "mos", seconds=0.1)
    key = key_of(tmp_path / "page")
    firsts = {}
    for code, stimulus in sorted(key["stimuli"].items(), reverse=True):
        trial = next(each for each in key["trials"].values() if code in each["stimuli"])
        firsts[trial["id"]] = stimulus["condition"]
    assert len(set(firsts.values())) >= 2


def test_the_key_is_beside_the_folder_and_warns(make: Make, tmp_path: Path) -> None:
    write_listening_test(tmp_path / "tests" / "page", make(), "mos", seconds=0.1)
    assert sorted(path.name for path in (tmp_path / "tests").iterdir()) == ["page", "page.key.json"]
    assert "keep it from the listeners" in key_of(tmp_path / "tests" / "page")["note"]
    files = sorted(path.name for path in (tmp_path / "tests" / "page").iterdir())
    assert files == ["excerpts", "index.html", "listening.js", "test.js"]


def all_bytes(folder: Path) -> dict[str, bytes]:
    found = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return found | {"key": key_path(folder).read_bytes()}


def test_the_same_input_gives_the_same_bytes_and_another_seed_other_codes(make: Make, tmp_path: Path) -> None:
    systems = make()
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        write_listening_test(tmp_path / name, systems, "mushra", seconds=0.5, seed=seed)
    assert all_bytes(tmp_path / "a") == all_bytes(tmp_path / "b")
    assert not set(key_of(tmp_path / "a")["stimuli"]) & set(key_of(tmp_path / "c")["stimuli"])


def test_other_sound_makes_another_test(make: Make, tmp_path: Path) -> None:
    write_listening_test(tmp_path / "a", make(noise(1)), "mos", seconds=0.5)
    write_listening_test(tmp_path / "b", make(noise(2)), "mos", seconds=0.5)
    assert key_of(tmp_path / "a")["test"] != key_of(tmp_path / "b")["test"]


def test_excerpts_are_the_same_busiest_stretch_of_all_versions(make: Make, tmp_path: Path) -> None:
    quiet = 0.01 * noise(1, 6 * RATE)
    quiet[:, 3 * RATE : 4 * RATE] *= 50.0
    quiet[:, RATE] = 1.0  # a click outweighs no second of music
    folder = tmp_path / "page"
    write_listening_test(folder, make(quiet, ids=("one",)), "mos", seconds=1.0)
    inside = slice(RATE // 50, -RATE // 50)
    for name, sound in excerpts_of(folder, "one").items():
        assert sound.shape == (1, RATE)
        reference = quiet[:, 3 * RATE : 4 * RATE][:, inside]
        assert np.abs(sound[:, inside] - reference).max() < 1e-3, name
    assert {trial["start_seconds"] for trial in key_of(folder)["trials"].values()} == {3.0}


def test_all_versions_are_as_loud_as_the_reference(make: Make, tmp_path: Path) -> None:
    folder = tmp_path / "page"
    write_listening_test(folder, make(gains={"half": 0.5, "double": 2.0}), "mos", seconds=0.5)
    sounds = excerpts_of(folder, "album/one")
    powers = {name: float(np.mean(np.square(sound, dtype=np.float64))) for name, sound in sounds.items()}
    for power in powers.values():
        assert abs(10.0 * math.log10(power / powers["reference"])) < 0.02
    gains = {each["condition"]: each["gain_db"] for each in key_of(folder)["stimuli"].values()}
    assert gains == {"reference": 0.0, "degraded": 1.94, "half": 6.02, "double": -6.02}


def test_what_would_clip_lowers_all_of_its_item_alike(make: Make, tmp_path: Path) -> None:
    folder = tmp_path / "page"
    systems = make(ids=("loud", "soft"))
    for record in (systems["cnn"][0], systems["gan"][0]):
        for role in ("reference", "degraded", "restored"):
            write_audio(record[role], 1.5 * tone(500.0, RATE), RATE, subtype="FLOAT", overwrite=True)
    write_listening_test(folder, systems, "mos", seconds=0.5)
    peaks = {name: float(np.abs(sound).max()) for name, sound in excerpts_of(folder, "loud").items()}
    assert all(0.99 < peak <= 1.0 for peak in peaks.values()), peaks
    key = key_of(folder)
    gains = {trial["id"]: key["stimuli"][code] for trial in key["trials"].values() for code in trial["stimuli"]}
    assert gains["loud"]["gain_db"] == -3.53  # 1.5 is 3.52 dB
    assert np.abs(excerpts_of(folder, "soft")["reference"]).max() > 0.3


def test_both_ends_are_faded_over_ten_milliseconds(make: Make, tmp_path: Path) -> None:
    write_listening_test(
        tmp_path / "page", make(0.5 * tone(RATE / 4, RATE) + 0.5 * tone(RATE / 4, RATE + 1)[:, 1:]), "acr", seconds=0.5
    )
    for sound in excerpts_of(tmp_path / "page", "album/one").values():
        (row,) = np.abs(sound)
        assert row[0] < 0.001
        assert row[-1] < 0.001
        assert 0.2 < row[RATE // 200] < 0.3  # half way, half the amplitude
        assert np.ptp(row[RATE // 100 : -RATE // 100]) < 1e-5


def test_anchors_are_the_reference_without_its_highs(make: Make, tmp_path: Path) -> None:
    write_listening_test(tmp_path / "page", make(noise(3, 4 * RATE)), "mushra", seconds=4.0)
    sounds = excerpts_of(tmp_path / "page", "album/one")
    spectra = {name: np.abs(np.fft.rfft(sound[0])) ** 2 for name, sound in sounds.items()}
    hz = np.fft.rfftfreq(4 * RATE, 1.0 / RATE)

    def kept_db(name: str, low: float, high: float) -> float:
        band = (hz >= low) & (hz < high)
        return 10.0 * math.log10(spectra[name][band].sum() / spectra["reference"][band].sum())

    assert abs(kept_db("anchor_3500_hz", 100, 3450)) < 0.1
    assert kept_db("anchor_3500_hz", 4050, 8000) < -50
    assert abs(kept_db("anchor_7000_hz", 100, 6900)) < 0.1
    assert kept_db("anchor_7000_hz", 7950, 8000) < -40


def test_a_rate_that_ends_below_an_anchor_goes_without_it(make: Make, tmp_path: Path) -> None:
    write_listening_test(tmp_path / "page", make(noise(3, 8000), 8000), "mushra", seconds=0.5)
    assert set(excerpts_of(tmp_path / "page", "album/one")) == {"reference", "degraded", "cnn", "gan", "anchor_3500_hz"}


@pytest.mark.parametrize(
    ("frames", "channels", "rate"), [(1, 1, 8000), (7, 2, 44100), (300, 8, 16000), (9600, 2, 192000)]
)
@pytest.mark.parametrize("level", [0.0, 1.0])
def test_short_silent_and_many_channelled_recordings_pass(
    make: Make, tmp_path: Path, frames: int, channels: int, rate: int, level: float
) -> None:
    systems = make(level * noise(1, frames, channels), rate, gains={"cnn": 1e-6})
    write_listening_test(tmp_path / "page", systems, "mushra")
    info = audio_info(next((tmp_path / "page" / "excerpts").iterdir()))
    assert (info.frames, info.channels, info.sample_rate, info.subtype) == (frames, channels, rate, "PCM_24")
    gains = [stimulus["gain_db"] for stimulus in key_of(tmp_path / "page")["stimuli"].values()]
    assert max(map(abs, gains)) <= 30.0, "what is all but silent is not blown up without end"


def test_several_samples_of_an_item_are_items_of_their_own(make: Make, tmp_path: Path) -> None:
    systems = make(ids=("one", "two"), gains={"gan": 0.5})
    systems["gan"] = [{**record, "id": "one", "sample": index} for index, record in enumerate(systems["gan"])]
    assert write_listening_test(tmp_path / "page", systems, "mos", seconds=0.1) == 6
    trials = key_of(tmp_path / "page")["trials"].values()
    assert {(trial["id"], trial["sample"]) for trial in trials} == {("one", 0), ("one", 1)}


# What is refused, before or without leaving anything behind.


@pytest.mark.parametrize("before", ["page/mine.txt", "page.key.json"])
def test_nothing_that_is_there_is_overwritten(make: Make, tmp_path: Path, before: str) -> None:
    (tmp_path / before).parent.mkdir(exist_ok=True)
    (tmp_path / before).write_text("mine")
    with pytest.raises(AudioFileError, match=r"page.* exists"):
        write_listening_test(tmp_path / "page", make(), "mos", seconds=0.1)
    assert (tmp_path / before).read_text() == "mine"
    assert not list(tmp_path.rglob("index.html"))
    assert not list(tmp_path.glob(".ar-*"))


def test_an_empty_folder_is_filled_and_stays_the_same_one(make: Make, tmp_path: Path) -> None:
    folder = tmp_path / "page"
    folder.mkdir()
    before = folder.stat().st_ino
    write_listening_test(folder, make(), "mos", seconds=0.1)
    assert (folder / "index.html").exists()
    assert folder.stat().st_ino == before
    assert not list(tmp_path.glob(".ar-*"))


def test_a_bad_recording_leaves_nothing_behind(make: Make, tmp_path: Path) -> None:
    systems = make()
    Path(systems["gan"][1]["restored"]).write_bytes(b"no sound")
    with pytest.raises(AudioFileError, match=r"1-gan\.wav"):
        write_listening_test(tmp_path / "tests" / "page", systems, "mos", seconds=0.1)
    assert not list((tmp_path / "tests").iterdir())


def break_records(systems: dict[str, list[dict[str, Any]]], how: str) -> None:
    record = systems["gan"][1]
    match how:
        case "failed":
            record["error"] = {"stage": "restore", "message": "broken"}
        case "missing":
            systems["gan"].pop()
        case "twice":
            systems["gan"].append(record)
        case "other degraded":
            record["degraded"] = record["reference"]
        case "no restored":
            del record["restored"]
        case "length":
            write_audio(record["restored"], noise(1, RATE), RATE, overwrite=True)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("failed", "'album/two' of gan failed earlier"),
        ("missing", "'album/two' is in only one of cnn and gan"),
        ("twice", "gan has two records 'album/two'"),
        ("other degraded", "different degraded audio for 'album/two'"),
        ("no restored", "no restored"),
        ("length", "differ in sample rate, channels or length"),
    ],
)
def test_records_that_do_not_fit_are_refused(make: Make, tmp_path: Path, how: str, message: str) -> None:
    systems = make()
    break_records(systems, how)
    with pytest.raises(RecordError, match=message):
        write_listening_test(tmp_path / "page", systems, "mos", seconds=0.1)
    assert not list(tmp_path.glob("page*"))


def test_impossible_options_are_refused(make: Make, tmp_path: Path) -> None:
    systems = make()
    for name, given, kind, seconds in (
        ("'abx' is not a kind of listening test", systems, "abx", 1.0),
        ("nothing restored to listen to", {}, "mos", 1.0),
        ("no records", {"cnn": []}, "mos", 1.0),
        ("'reference', which is reserved", {"reference": systems["cnn"]}, "mos", 1.0),
        ("compared by ear", systems, "mos", 0.0),
        ("compared by ear", systems, "mos", math.nan),
        ("give up to 8 systems", {str(index): systems["cnn"] for index in range(9)}, "mushra", 1.0),
    ):
        with pytest.raises(UsageError, match=name):
            write_listening_test(tmp_path / "page", given, kind, seconds)
    assert not list(tmp_path.glob("page*"))


# The numbers behind it.


def test_loudness_is_that_of_bs_1770() -> None:
    # A sine of full scale in one channel reads -3.01 LUFS at 997 Hz (BS.1770-4, Annex 1), at any sample rate.
    for rate in (32000, 44100, 48000, 96000):
        power = k_weighted_power(tone(997.0, rate, rate), rate)
        assert abs(-0.691 + 10.0 * math.log10(power) + 3.01) < 0.01
    bass, treble = (k_weighted_power(tone(hz, 48000, 48000), 48000) for hz in (30.0, 8000.0))
    assert -16.0 < 10.0 * math.log10(bass / power) < -6.0
    assert 3.0 < 10.0 * math.log10(treble / power) < 3.6


def test_the_gain_ignores_polarity_and_phase_which_nobody_hears() -> None:
    sound = noise(1)
    assert loudness_gain_db(sound, -0.5 * sound, RATE) == 6.02
    assert loudness_gain_db(sound, np.ascontiguousarray(sound[:, ::-1]), RATE) == 0.0
    assert loudness_gain_db(sound, 0.0 * sound, RATE) == 0.0


def test_the_stretch_does_not_depend_on_how_the_recording_is_read() -> None:
    sound = noise(2, 20 * RATE, 2)
    sound[:, 7 * RATE : 9 * RATE] *= 3.0
    starts = {busiest_start(Sound.of(sound, RATE, block), 2 * RATE) for block in (777, 65536, 10**9)}
    assert starts == {7 * RATE}
