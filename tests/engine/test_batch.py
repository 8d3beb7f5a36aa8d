"""Many records at once: in order, none brings down another, and the source is read no faster than needed."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from audiorestore import __version__
from audiorestore.engine.batch import DEBUG_VARIABLE, run_batch, with_plot
from audiorestore.errors import AudioFileError

Record = dict[str, Any]


def records(count: int) -> list[Record]:
    return [{"id": f"song{index}", "number": index} for index in range(count)]


def double(record: Record) -> Record:
    return {**record, "number": 2 * record["number"]}


def slower_at_first(record: Record) -> Record:
    time.sleep(0.02 / (1 + record["number"]))
    return double(record)


@pytest.mark.parametrize("jobs", [1, 2, 4])
def test_results_come_in_the_order_of_the_records(jobs: int) -> None:
    done = list(run_batch(iter(records(12)), slower_at_first, "test", 7, jobs))
    assert [record["number"] for record in done] == [2 * index for index in range(12)]
    assert done == list(run_batch(records(12), double, "test", 7, 1))


def test_each_record_notes_the_stage_and_keeps_its_earlier_ones() -> None:
    before = {"id": "a", "number": 1, "stages": [{"stage": "degrade"}]}
    (done,) = run_batch([before], double, "pair", 3)
    assert done["stages"] == [{"stage": "degrade"}, {"stage": "pair", "version": __version__, "seed": 3}]
    assert before["stages"] == [{"stage": "degrade"}]  # not changed in place


@pytest.mark.parametrize("jobs", [1, 4])
def test_one_that_fails_does_not_stop_the_others(jobs: int) -> None:
    troubles = {
        2: AudioFileError("song2.wav is broken"),
        3: FileNotFoundError(2, "No such file or directory", "song3.wav"),
        4: MemoryError(),
        5: ZeroDivisionError("division by zero"),
    }

    def work(record: Record) -> Record:
        if record["number"] in troubles:
            raise troubles[record["number"]]
        return double(record)

    done = list(run_batch(records(8), work, "test", jobs=jobs))
    assert [record["id"] for record in done] == [record["id"] for record in records(8)]
    messages = {record["number"]: record["error"]["message"] for record in done if "error" in record}
    assert messages.keys() == troubles.keys()
    assert messages[2] == "song2.wav is broken"
    assert messages[3] == "song3.wav: No such file or directory"
    assert messages[4] == "MemoryError"
    assert messages[5].startswith("unexpected ZeroDivisionError: division by zero (a bug in this program")
    for record in done:
        if "error" in record:
            assert record["error"]["stage"] == "test"
            assert "stages" not in record  # the stage did not get through


def test_a_record_that_failed_before_passes_through_untouched() -> None:
    before = {"id": "a", "error": {"stage": "degrade", "message": "broken"}, "mood": "blue"}

    def never(record: Record) -> Record:
        raise AssertionError("worked on a failed record")

    for jobs in (1, 3):
        assert list(run_batch([before, before], never, "pair", 0, jobs)) == [before, before]


@pytest.mark.parametrize("jobs", [1, 4])
def test_defects_show_themselves_where_the_variable_asks_for_it(jobs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DEBUG_VARIABLE, "1")

    def work(record: Record) -> Record:
        raise ZeroDivisionError("look here")

    with pytest.raises(ZeroDivisionError, match="look here"):
        list(run_batch(records(3), work, "test", jobs=jobs))


@pytest.mark.parametrize("jobs", [1, 2, 4])
def test_the_source_is_read_no_more_than_two_records_a_job_ahead(jobs: int) -> None:
    read = 0

    def source() -> Iterator[Record]:
        nonlocal read
        for record in records(50):
            read += 1
            yield record

    for taken, _ in enumerate(run_batch(source(), double, "test", jobs=jobs)):
        assert read - taken <= 2 * jobs
    assert read == 50


def test_as_many_work_at_once_as_there_are_jobs_and_no_more() -> None:
    meeting = threading.Barrier(3, timeout=10)  # passes only when three are there together
    working = most = 0
    lock = threading.Lock()

    def work(record: Record) -> Record:
        nonlocal working, most
        with lock:
            working += 1
            most = max(most, working)
        meeting.wait()
        with lock:
            working -= 1
        return record

    assert len(list(run_batch(records(9), work, "test", jobs=3))) == 9
    assert most == 3


def test_one_job_works_only_when_asked_for_the_next() -> None:
    worked: list[str] = []

    def work(record: Record) -> Record:
        worked.append(record["id"])
        return record

    results = run_batch(records(5), work, "test")
    next(results)
    assert worked == ["song0"]


@pytest.mark.parametrize("jobs", [1, 3])
def test_leaving_early_leaves_the_rest_undone(jobs: int) -> None:
    worked: list[str] = []

    def work(record: Record) -> Record:
        worked.append(record["id"])
        return record

    results = run_batch(records(100), work, "test", jobs=jobs)
    next(results)
    results.close()  # type: ignore[attr-defined]
    assert len(worked) <= 2 * jobs


def test_a_source_that_breaks_is_not_hidden() -> None:
    def source() -> Iterator[Record]:
        yield from records(2)
        raise AudioFileError("the manifest ends in the middle")

    for jobs in (1, 2):
        with pytest.raises(AudioFileError, match="ends in the middle"):
            list(run_batch(source(), double, "test", jobs=jobs))


def test_a_drawn_record_tells_where_its_picture_is() -> None:
    record = {"id": "song", "metrics": {}}
    assert with_plot(record, lambda drawn: f"{drawn['id']}.png") == {**record, "plot": "song.png"}
    assert "plot" not in record


@pytest.mark.parametrize("error", [AudioFileError("no"), OSError(28, "no"), MemoryError("no"), ZeroDivisionError("no")])
def test_a_failing_picture_leaves_the_numbers(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(record: dict[str, Any]) -> str:
        raise error

    monkeypatch.delenv("AUDIORESTORE_DEBUG", raising=False)
    record = {"id": "song", "metrics": {"restored": {"snr_db": 3.0}}}
    noted = with_plot(record, fail)
    assert {key: value for key, value in noted.items() if key != "plot_note"} == record
    assert "no" in noted["plot_note"]
    assert ("a bug in this program" in noted["plot_note"]) == isinstance(error, ZeroDivisionError)


def test_a_defect_of_a_picture_shows_where_it_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUDIORESTORE_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        with_plot({"id": "song"}, lambda record: str(1 / 0))


def test_a_record_that_is_not_to_be_drawn_is_not() -> None:
    record = {"id": "song", "plot_note": "another record has this picture"}
    assert with_plot(record, lambda drawn: pytest.fail("drawn")) == record
