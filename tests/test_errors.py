"""What a shell script sees when a command ends."""

from itertools import permutations

import pytest

from audiorestore import errors
from audiorestore.errors import AudioRestoreError, ExitStatus, UsageError, most_severe

# Where several hold, the earlier is the exit status.
GRAVITY = [130, 2, 1, 4, 3, 0]

ERRORS = [thing for thing in vars(errors).values() if isinstance(thing, type) and issubclass(thing, AudioRestoreError)]


def test_the_numbers_are_those_that_the_manual_promises() -> None:
    assert {status.name: status.value for status in ExitStatus} == {
        "DONE": 0,
        "FAILED": 1,
        "USAGE": 2,
        "RECORDS_FAILED": 3,
        "GATE_FAILED": 4,
        "INTERRUPTED": 130,
        "TERMINATED": 143,
    }


@pytest.mark.parametrize("stopped", [130, 143])
def test_the_most_severe_of_several_is_the_exit_status_in_any_order(stopped: int) -> None:
    order = [ExitStatus(stopped), *(ExitStatus(number) for number in GRAVITY[1:])]
    for first, second in permutations(order, 2):
        expected = min(first, second, key=order.index)
        assert most_severe([first, second]) is expected
    for turned in range(len(order)):
        assert most_severe(iter(order[turned:] + order[:turned])) is ExitStatus(stopped)


def test_every_status_has_its_place_and_none_is_done() -> None:
    for status in ExitStatus:
        assert most_severe([status]) is most_severe([ExitStatus.DONE, status]) is status
        for stopped in (ExitStatus.INTERRUPTED, ExitStatus.TERMINATED):
            assert most_severe([status, stopped]) in (ExitStatus.INTERRUPTED, ExitStatus.TERMINATED)
    assert most_severe([]) is ExitStatus.DONE


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_each_error_keeps_its_sentence_and_knows_its_status(error: type[AudioRestoreError]) -> None:
    assert str(error("one whole sentence")) == "one whole sentence"
    assert error.status is (ExitStatus.USAGE if issubclass(error, UsageError) else ExitStatus.FAILED)
    assert error.__doc__


def test_one_except_catches_them_all() -> None:
    assert len(ERRORS) >= 6
    assert AudioRestoreError in ERRORS
    assert not issubclass(AudioRestoreError, ValueError | OSError)
