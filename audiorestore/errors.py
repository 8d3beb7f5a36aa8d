"""What can go wrong for a user: one sentence each, and the exit status that a shell script sees."""

from collections.abc import Iterable
from enum import IntEnum


class ExitStatus(IntEnum):
    """How a command ended, for the shell."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    RECORDS_FAILED = 3
    GATE_FAILED = 4
    INTERRUPTED = 130
    TERMINATED = 143


# Where several apply, the first of these is the exit status.
_MOST_SEVERE_FIRST = (
    ExitStatus.TERMINATED,
    ExitStatus.INTERRUPTED,
    ExitStatus.USAGE,
    ExitStatus.FAILED,
    ExitStatus.GATE_FAILED,
    ExitStatus.RECORDS_FAILED,
    ExitStatus.DONE,
)


def most_severe(statuses: Iterable[ExitStatus]) -> ExitStatus:
    """Pick the one exit status where several apply.

    >>> most_severe([ExitStatus.RECORDS_FAILED, ExitStatus.GATE_FAILED])
    <ExitStatus.GATE_FAILED: 4>
    """
    return min(statuses, key=_MOST_SEVERE_FIRST.index, default=ExitStatus.DONE)


class AudioRestoreError(Exception):
    """Something that the user can understand and fix; the message is one whole sentence for them."""

    status = ExitStatus.FAILED


class UsageError(AudioRestoreError):
    """The command was called in a way that cannot work."""

    status = ExitStatus.USAGE


class AudioFileError(AudioRestoreError):
    """An audio file that cannot be read or written."""


class RecordError(AudioRestoreError):
    """A record or manifest line that is not valid."""


class AlignmentError(AudioRestoreError):
    """Two recordings that cannot be aligned.

    Args:
        message: One whole sentence.
        kind: Which of `signal.findings.FINDINGS` it is, the most severe if there are several; empty if none.
    """

    def __init__(self, message: str, *, kind: str = "") -> None:
        super().__init__(message)
        self.kind = kind


class CheckpointError(AudioRestoreError):
    """A model file that cannot be used."""
