"""What a build server reads: well-formed XML with the right counts, whatever ids contain."""

import io
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from rich.console import Console

from audiorestore.errors import AudioFileError
from audiorestore.report.junit import write_junit
from audiorestore.report.tables import verdict_table
from audiorestore.scores.columns import Failure
from audiorestore.scores.verdict import Verdict

MET = Verdict("require", "restored.snr_db>=10", found="12", wanted=">= 10")
MISSED = Verdict(
    "baseline", "all: restored.lsd_db<1", "1 of 2 records do not meet it", worst=(("album/a", "3.00, wanted < 1.00"),)
)


def test_conditions_and_failed_records_are_cases(tmp_path: Path) -> None:
    path = tmp_path / "new" / "out.xml"
    failed = Failure("b", "cnn", "restore", "it broke")
    write_junit(path, [MET, MISSED], [failed])
    root = ElementTree.parse(path).getroot()
    (suite,) = root
    assert (root.tag, suite.tag) == ("testsuites", "testsuite")
    for counted in (root, suite):
        assert {name: counted.get(name) for name in ("tests", "failures", "errors")} == {
            "tests": "3",
            "failures": "1",
            "errors": "1",
        }
    met, missed, broken = suite
    assert (met.get("classname"), met.get("name"), len(met)) == ("audiorestore.require", "restored.snr_db>=10", 0)
    assert missed.get("classname") == "audiorestore.baseline"
    (failure,) = missed
    assert (failure.tag, failure.get("message")) == ("failure", "1 of 2 records do not meet it")
    assert "album/a: 3.00, wanted < 1.00" in (failure.text or "")
    (error,) = broken
    assert broken.get("name") == "cnn: b"
    assert (error.tag, error.get("type"), error.get("message")) == ("error", "restore", "it broke")


def test_the_same_run_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_junit(tmp_path / name, [MISSED], [])
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert not {"time", "timestamp", "hostname"} & set(ElementTree.parse(tmp_path / "one").getroot()[0].attrib)


@pytest.mark.parametrize(
    ("id", "read"),
    [
        ("<b> & \"c\" ]]> 'd'", "<b> & \"c\" ]]> 'd'"),
        ("null\x00bell\x07", "null\\x00bell\\x07"),
        ("\udcff", "\\udcff"),  # a file name that is not UTF-8
        ("\ufffe 𝄞 ü", "\\ufffe 𝄞 ü"),
        ("two\nlines", "two\nlines"),
    ],
)
def test_hostile_names_are_escaped(tmp_path: Path, id: str, read: str) -> None:
    verdict = Verdict("require", id, id, worst=((id, id),))
    write_junit(tmp_path / "out.xml", [verdict], [Failure(id, "", id, id)])
    case, broken = ElementTree.parse(tmp_path / "out.xml").getroot()[0]
    assert case.get("name") == broken.get("name") == read
    assert case[0].text == f"{read}\n{read}: {read}"


def test_a_path_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(AudioFileError, match="is a folder"):
        write_junit(tmp_path, [], [])


def test_the_terminal_shows_what_failed_and_in_which_files() -> None:
    console = Console(width=120, file=io.StringIO(), color_system=None)
    console.print(verdict_table([MET, MISSED, Verdict("require", "[red]", "[/] is not markup")], "2 of 3"))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "album/a: 3.00, wanted < 1.00" in text
    assert "restored.snr_db>=10" not in text
    assert "[red]" in text
    assert "[/] is not markup" in text
