"""Ratings of many listeners: un-blinded, summed up as in lattner-2021's Table 3, tested after Welch, and screened."""

import csv
import io
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from audiorestore.errors import RecordError, UsageError
from audiorestore.listening.ratings import Ratings, ratings_as, ratings_table, read_ratings, summarise, welch

HEADER = "test,kind,listener,group,position,trial,stimulus,against,score,seconds"
CONDITIONS = ["reference", "degraded", "cnn", "gan"]
Score = Callable[[str, str, str], int | None]  # of listener, item and system
Save = Callable[..., list[Path]]


def code_of(item: int, name: str) -> str:
    return f"{item}{re.sub(r'[^a-z0-9_]', '', name)}"


def key_for(kind: str, items: int, systems: Sequence[str] = ("cnn", "gan")) -> dict[str, Any]:
    """Write down a key by hand: the code of song 0 as the system cnn is 0cnn."""
    conditions = ["reference", "degraded", *systems, *(["anchor_7000_hz"] if kind == "mushra" else [])]
    trials: dict[str, Any] = {}
    for item in range(items):
        codes = [code_of(item, name) for name in conditions]
        if kind == "mushra":
            sets = [codes]
        elif kind == "cmp":
            sets = [
                [code_of(item, name), code_of(item, base)] for name in systems for base in ("degraded", "reference")
            ]
        else:
            sets = [[code] for code in codes]
        for index, each in enumerate(sets):
            trials[f"t{item}{index}"] = {"id": f"song{item}", "stimuli": each}
    stimuli = {code_of(item, name): {"condition": name} for item in range(items) for name in conditions}
    return {"test": "abc", "kind": kind, "conditions": conditions, "trials": trials, "stimuli": stimuli}


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """Write a key, and a CSV of each listener's scores as the page would; returns the CSV files."""

    def saved(
        kind: str, listeners: Mapping[str, str], score: Score, items: int = 2, swap: bool = False, **key: Any
    ) -> list[Path]:
        content = key_for(kind, items, **key)
        (tmp_path / "page.key.json").write_text(json.dumps(content))
        (tmp_path / "csv").mkdir(exist_ok=True)
        paths = []
        for listener, group in listeners.items():
            lines = [HEADER]
            for position, (trial, listed) in enumerate(content["trials"].items(), 1):
                codes = listed["stimuli"]
                start = f"abc,{kind},{listener},{group},{position},{trial}"
                item = listed["id"]
                if kind == "cmp":
                    over, base = (code.lstrip("0123456789") for code in codes)
                    given = score(listener, item, f"{over} over {base}")
                    pair, given = (codes[::-1], -(given or 0)) if swap else (codes, given)
                    lines.append(f"{start},{pair[0]},{pair[1]},{given},3.5")
                else:
                    given_all = {code: score(listener, item, code.lstrip("0123456789")) for code in codes}
                    lines += [f"{start},{code},,{given},3.5" for code, given in given_all.items() if given is not None]
            path = tmp_path / "csv" / f"{listener}.csv"
            path.write_bytes(("\r\n".join(lines) + "\r\n").encode())
            paths.append(path)
        return paths

    return saved


def by_system(ratings: Ratings, group: str = "all") -> dict[str, Any]:
    return {row.system: row for row in summarise(ratings) if row.group == group}


ANN_AND_BOB = {"ann": "professional", "bob": "amateur"}
# What ann and bob gave song 0 and song 1, in this order: 2, 3, 3, 4 for cnn have the mean 3 and the variance 2/3.
GIVEN = {"reference": (5, 5, 5, 5), "degraded": (1, 1, 2, 2), "cnn": (2, 3, 3, 4), "gan": (1, 5, 3, 3)}


def mos(listener: str, item: str, system: str) -> int:
    return GIVEN[system][2 * (listener == "bob") + (item == "song1")]


def test_mean_and_standard_deviation_as_in_table_3(save: Save) -> None:
    rows = by_system(read_ratings(save("mos", ANN_AND_BOB, mos)))
    assert list(rows) == CONDITIONS
    assert {name: (row.listeners, row.n, row.mean) for name, row in rows.items()} == {
        "reference": (2, 4, 5.0),
        "degraded": (2, 4, 1.5),
        "cnn": (2, 4, 3.0),
        "gan": (2, 4, 3.0),
    }
    assert rows["reference"].standard_deviation == 0.0
    assert math.isclose(rows["cnn"].standard_deviation, math.sqrt(2 / 3))
    assert math.isclose(rows["gan"].standard_deviation, math.sqrt(8 / 3))
    # Of 4 ratings, t at 97.5 % with 3 degrees of freedom is 3.182.
    assert math.isclose(rows["cnn"].high - 3.0, 3.18245 * math.sqrt(2 / 3) / 2, rel_tol=1e-5)
    assert math.isclose(rows["cnn"].low + rows["cnn"].high, 6.0)


def test_groups_of_listeners_have_their_own_rows(save: Save) -> None:
    ratings = read_ratings(save("mos", ANN_AND_BOB, mos))
    assert by_system(ratings, "professional")["cnn"].mean == 2.5
    assert by_system(ratings, "amateur")["cnn"].mean == 3.5
    assert {row.group for row in summarise(ratings)} == {"all", "professional", "amateur"}
    alone = read_ratings(save("mos", {"ann": "professional"}, mos))
    assert {row.group for row in summarise(alone)} == {"all"}


def test_welch_is_welch_s_formula() -> None:
    first, second = [2.0, 3.0, 3.0, 4.0, 5.0], [1.0, 1.5, 2.0]
    variances = [1.3, 0.25]  # by hand
    errors = [variances[0] / 5, variances[1] / 3]
    test = welch(first, second)
    assert math.isclose(test.difference, 3.4 - 1.5)
    assert math.isclose(test.t, 1.9 / math.sqrt(sum(errors)))
    assert math.isclose(test.degrees_of_freedom, sum(errors) ** 2 / (errors[0] ** 2 / 4 + errors[1] ** 2 / 2))


def test_ratings_of_one_system_may_all_be_the_same() -> None:
    test = welch([5, 5, 5], [1, 2, 3])
    assert math.isclose(test.t, 3.0 / math.sqrt(1.0 / 3.0))
    assert test.degrees_of_freedom == 2.0
    assert math.isclose(test.p, 0.0351, abs_tol=1e-4)  # two-sided, from a table of t with 2 degrees of freedom
    assert math.isclose(test.high - 3.0, 4.30265 / math.sqrt(3.0), rel_tol=1e-5)


@pytest.mark.parametrize(("first", "second"), [([5], [1, 2, 3]), ([5, 5], [1, 1]), ([3], [3])])
def test_without_any_spread_there_is_no_test(first: list[float], second: list[float]) -> None:
    test = welch(first, second)
    assert test.difference == first[0] - sum(second) / len(second)
    assert (test.t, test.p, test.low, test.degrees_of_freedom) == (None, None, None, None)


def improvement(listener: str, item: str, row: str) -> int:
    return {"cnn over degraded": 4, "gan over degraded": -1, "cnn over reference": -2, "gan over reference": -5}[row]


@pytest.mark.parametrize("swap", [False, True])
def test_comparisons_are_turned_whatever_side_they_were_on(save: Save, swap: bool) -> None:
    ratings = read_ratings(save("cmp", ANN_AND_BOB, improvement, swap=swap))
    rows = by_system(ratings)
    assert {name: row.mean for name, row in rows.items()} == {
        "cnn over degraded": 4,
        "gan over degraded": -1,
        "cnn over reference": -2,
        "gan over reference": -5,
    }
    assert list(rows) == ["cnn over degraded", "gan over degraded", "cnn over reference", "gan over reference"]


def test_only_what_was_over_the_same_is_tested(save: Save) -> None:
    written = json.loads(ratings_as(read_ratings(save("cmp", {"ann": "other"}, improvement)), "json"))
    assert [(test["system"], test["against"]) for test in written["tests"]] == [
        ("cnn over degraded", "gan over degraded"),
        ("cnn over reference", "gan over reference"),
    ]


def test_mushra_leaves_out_who_does_not_hear_the_reference_or_the_anchor(save: Save) -> None:
    def score(listener: str, item: str, system: str) -> int:
        number = int(item.removeprefix("song"))
        if system == "reference":
            return 89 if (listener == "deaf" and number < 4) or (listener == "edge" and number < 3) else 90
        if system == "anchor_7000_hz":
            return 91 if listener == "numb" and number < 4 else 90
        return {"deaf": 10, "numb": 20}.get(listener, 60)

    listeners = {"deaf": "other", "edge": "other", "fine": "other", "numb": "other"}
    ratings = read_ratings(save("mushra", listeners, score, items=20))  # 15 % of 20 trials are 3
    assert ratings.left_out == {
        "deaf": "rated the hidden reference below 90 in 4 of 20 trials",
        "numb": "rated the 7 kHz anchor above 90 in 4 of 20 trials",
    }
    row = by_system(ratings)["cnn"]
    assert (row.listeners, row.n, row.mean) == (2, 40, 60.0)
    for written in (shown(ratings), ratings_as(ratings, "markdown"), ratings_as(ratings, "json")):
        assert "deaf" in written
        assert "rated the hidden reference below 90 in 4 of 20 trials" in " ".join(written.split())
    with pytest.raises(RecordError, match="leaves no listener: deaf"):
        read_ratings(save("mushra", {"deaf": "other"}, score, items=20))


def shown(ratings: Ratings, width: int = 100) -> str:
    console = Console(width=width, file=io.StringIO(), color_system=None)
    console.print(ratings_table(ratings))
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


def test_the_terminal_shows_table_3_and_the_tests(save: Save) -> None:
    text = shown(read_ratings(save("mos", ANN_AND_BOB, mos)))
    assert "16 rating(s) by 2 listener(s)" in text
    (line,) = [line for line in text.splitlines() if "cnn" in line and "1.70 … 4.30" in line]
    assert [cell.strip() for cell in line.split("│")[2:-1]] == ["cnn", "2", "4", "3.00", "0.82", "1.70 … 4.30"]
    (line,) = [line for line in text.splitlines() if "degraded" in line and " cnn " in line]
    # -1.5 over the root of (1/3 + 2/3) / 4 is -3.
    assert "-1.50" in line
    assert "-3.00" in line
    assert "professional" in text


def test_json_csv_and_markdown_tell_the_same(save: Save) -> None:
    ratings = read_ratings(save("mos", ANN_AND_BOB, mos))
    written = json.loads(ratings_as(ratings, "json"))
    lines = list(csv.DictReader(io.StringIO(ratings_as(ratings, "csv"))))
    markdown = ratings_as(ratings, "markdown").splitlines()
    assert (written["kind"], written["left_out"], written["notes"]) == ("mos", {}, [])
    assert len(written["systems"]) == 3 * 4
    assert len(written["tests"]) == 3 * 6
    assert len(lines) == 3 * 4 + 3 * 6
    (system,) = [line for line in lines if line["system"] == "cnn" and line["group"] == "all" and not line["against"]]
    assert (system["n"], system["mean"], system["standard_deviation"]) == ("4", "3.0", "0.816497")
    (test,) = [line for line in lines if (line["system"], line["against"], line["group"]) == ("degraded", "cnn", "all")]
    assert (test["mean"], test["t"]) == ("-1.5", "-3.0")
    assert "| all | cnn | 2 | 4 | 3.00 | 0.82 | 1.70 … 4.30 |" in markdown
    assert any(line.startswith("| all | degraded | cnn | -1.50 | -3.00 |") for line in markdown)


def test_records_are_single_ratings_with_names(save: Save) -> None:
    lines = ratings_as(read_ratings(save("mos", ANN_AND_BOB, mos)), "records").splitlines()
    assert len(lines) == 16
    assert json.loads(lines[2]) == {
        "id": "song0",
        "system": "cnn",
        "score": 2,
        "listener": "ann",
        "group": "professional",
        "position": 3,
        "seconds": 3.5,
    }


def test_names_that_look_like_markup_are_shown_as_they_are(save: Save) -> None:
    hostile = "[red]a|b\n<i>"
    ratings = read_ratings(save("mos", {"ann": "other"}, lambda *_: 3, systems=(hostile,)))
    assert "[red]a|b" in shown(ratings)
    rows = [line for line in ratings_as(ratings, "markdown").splitlines() if "[red]" in line]
    assert rows
    assert all("[red]a\\|b\N{REPLACEMENT CHARACTER}&lt;i&gt;" in row for row in rows)
    assert by_system(ratings)[hostile].n == 2


def test_an_unfinished_listener_counts_and_is_named(save: Save) -> None:
    paths = save("mos", ANN_AND_BOB, lambda listener, item, system: None if (listener, item) == ("bob", "song1") else 3)
    ratings = read_ratings(paths)
    assert ratings.notes == ("bob gave 4 of 8 ratings",)
    assert "bob gave 4 of 8 ratings" in shown(ratings)


# Where the key is looked for.


def test_the_key_is_found_nearby_or_given(save: Save, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (path,) = save("mos", {"ann": "other"}, lambda *_: 3)
    key = tmp_path / "page.key.json"
    (tmp_path / "aaa.key.json").write_text(json.dumps({**key_for("mos", 1), "test": "another"}))
    (tmp_path / "bad.key.json").write_text("{")
    assert read_ratings([path]).test == "abc"  # beside the folder of the CSV
    far = tmp_path / "far" / "away"
    far.mkdir(parents=True)
    moved = key.rename(far / "page.key.json")
    assert read_ratings([path, moved]).test == "abc"
    with pytest.raises(UsageError, match=r"key of test abc is not near.*\.key\.json"):
        read_ratings([path])
    with pytest.raises(RecordError, match="is not the key of test"):
        read_ratings([path, tmp_path / "aaa.key.json"])
    with pytest.raises(RecordError, match="is not the key of a listening test"):
        read_ratings([path, tmp_path / "bad.key.json"])
    monkeypatch.chdir(far)
    assert read_ratings([path]).test == "abc"


# What is refused, by file and line.


def change(text: str, old: str, new: str) -> str:
    assert old in text
    return text.replace(old, new, 1)


LINE_2 = "abc,mos,ann,other,1,t00,0reference,,3,3.5"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (HEADER, "a,b", "line 1: the columns are not test,kind"),
        (HEADER, HEADER.replace(",", ";"), "line 1: the columns are not"),
        (LINE_2, LINE_2 + ",9", "line 2: 11 cells instead of 10"),
        (LINE_2, LINE_2.replace("mos", "xyz"), "line 2: 'xyz' is not a kind of test"),
        (LINE_2, LINE_2.replace("ann", "=cmd()"), r"line 2: the listener is '=cmd\(\)'"),
        (LINE_2, LINE_2.replace("other", "expert"), "line 2: the group is 'expert'"),
        (LINE_2, LINE_2.replace("other", "amateur"), "line 3: ann is amateur elsewhere, but other here"),
        (LINE_2, LINE_2.replace(",3,", ",6,"), "line 2: the score is '6', not a whole number from 1 to 5"),
        (LINE_2, LINE_2.replace(",3,", ",2.5,"), "line 2: the score is '2.5'"),
        (LINE_2, LINE_2.replace(",3,", ",nan,"), "line 2: the score is 'nan'"),
        (LINE_2, LINE_2.replace(",3,", ",,"), "line 2: the score is ''"),
        (LINE_2, LINE_2.replace("3.5", "inf"), "line 2: the seconds are 'inf'"),
        (LINE_2, LINE_2.replace("other,1", "other,0"), "line 2: the position is '0'"),
        (LINE_2, LINE_2.replace("t00", "t99"), "line 2: the test has no trial 't99'"),
        (LINE_2, LINE_2.replace("0reference", "1cnn"), "line 2: '1cnn' is not rated in trial t00"),
        (LINE_2, LINE_2 + "\r\n" + LINE_2, r"line 3: ann already rated this in .*ann.csv, line 2"),
        (LINE_2, LINE_2.replace("abc", "abd"), "line 3: belongs to test abc"),
        (LINE_2, '"' + LINE_2, "not CSV|cells instead"),
    ],
)
def test_malformed_ratings_are_refused_by_file_and_line(save: Save, old: str, new: str, message: str) -> None:
    (path,) = save("mos", {"ann": "other"}, lambda *_: 3)
    path.write_text(change(path.read_bytes().decode(), old, new), newline="")
    with pytest.raises(RecordError, match=message) as caught:
        read_ratings([path])
    assert str(path) in str(caught.value)


def test_files_that_hold_no_ratings_are_refused(save: Save, tmp_path: Path) -> None:
    (path,) = save("mos", {"ann": "other"}, lambda *_: 3)
    with pytest.raises(RecordError, match=r"already rated this in .*; give each file once"):
        read_ratings([path, path])
    for content in (b"", HEADER.encode() + b"\r\n"):
        path.write_bytes(content)
        with pytest.raises(RecordError, match="no ratings"):
            read_ratings([path])
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="not UTF-8 text"):
        read_ratings([path])
    with pytest.raises(UsageError, match="No such file"):
        read_ratings([tmp_path / "gone.csv"])
    with pytest.raises(UsageError, match="give the CSV files"):
        read_ratings([])


def test_a_spreadsheet_s_byte_order_mark_is_no_harm(save: Save) -> None:
    (path,) = save("mos", {"ann": "other"}, lambda *_: 3)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert len(read_ratings([path]).kept) == 8
