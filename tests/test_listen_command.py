"""`ar listen` makes a page and summarises its ratings; `ar damages` and `ar metrics` list all that there is."""

import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from audiorestore.damage import DAMAGES
from audiorestore.data.audio_file import read_audio, write_audio
from audiorestore.metrics import METRICS
from audiorestore.scores.summary import numbers


@pytest.fixture
def systems(tmp_path: Path, voice: Path) -> list[str]:
    """Manifests of two systems: one took half of the noise away, the other none of it."""
    reference, rate = read_audio(voice)
    noise = 0.01 * np.random.default_rng(0).standard_normal(reference.shape)
    for name, share in (("degraded", 1.0), ("restored", 0.5)):
        write_audio(tmp_path / f"{name}.wav", (reference + share * noise).astype(np.float32), rate, subtype="FLOAT")
    record = {"id": "song", "reference": "voice.wav", "degraded": "degraded.wav"}
    for system, restored in (("better", "restored.wav"), ("lazy", "degraded.wav")):
        (tmp_path / f"{system}.jsonl").write_text(json.dumps(record | {"restored": restored}) + "\n")
    return ["better.jsonl", "lazy.jsonl"]


def test_a_page_is_made_and_its_ratings_are_summarised(ar: Callable, systems: list[str], tmp_path: Path) -> None:
    made = ar("listen", "page", *systems, "--kind", "mos", "-o", "page")
    assert made.status == 0, made.stderr
    assert made.stdout == ""
    assert re.search(r"ar: \d+ trial\(s\) in page", made.stderr)
    assert (tmp_path / "page" / "index.html").is_file()
    key = json.loads((tmp_path / "page.key.json").read_text())
    columns = "test,kind,listener,group,position,trial,stimulus,against,score,seconds"
    played = [(name, code) for name, trial in key["trials"].items() for code in trial["stimuli"]]
    for listener, start in (("one", 0), ("two", 1)):
        lines = [
            f"{key['test']},mos,{listener},amateur,{place + 1},{trial},{code},,{1 + (place + start) % 5},3.5"
            for place, (trial, code) in enumerate(played)
        ]
        (tmp_path / f"{listener}.csv").write_text("\n".join([columns, *lines]) + "\n")
    rated = ar("listen", "ratings", "one.csv", "two.csv", "--format", "csv")
    assert rated.status == 0, rated.stderr
    table = list(csv.DictReader(io.StringIO(rated.stdout)))
    assert {line["system"]: line["listeners"] for line in table if not line["against"]}["lazy"] == "2"
    assert "lazy" in rated.stderr
    assert len(ar("listen", "ratings", "one.csv").records) == len(played)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["page", "a.jsonl", "--kind", "mos"], "give -o DIR for the page"),
        (["page", "a.jsonl", "-o", "page"], "--kind mos, mushra, acr or cmp"),
        (["page", "--reference", "a", "--kind", "mos", "-o", "page"], "--reference goes together with"),
        (["ratings"], "Missing argument"),
    ],
)
def test_what_is_missing_is_named(ar: Callable, words: list[str], sentence: str, tmp_path: Path) -> None:
    done = ar("listen", *words)
    assert done.status == 2
    assert sentence in " ".join(done.stderr.split())
    assert not list(tmp_path.iterdir())


def test_the_lists_name_every_damage_and_every_number(ar: Callable) -> None:
    listed = ar("damages")
    assert listed.status == 0, listed.stderr
    assert all(name in listed.stdout for name in DAMAGES.names())
    assert listed.stdout.count("Source:") == len(DAMAGES.names())
    listed = ar("metrics")
    assert listed.status == 0, listed.stderr
    assert all(name in listed.stdout for name in numbers(METRICS.names()))
