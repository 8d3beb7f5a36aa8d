"""What can go wrong for a user: one sentence each, and the exit status that a shell script sees."""

from collections.abc import Iterable
from enum import IntEnum


class ExitStatus(IntEnum):
    """What the shell is told when a command ends."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    RECORDS_FAILED = 3
    GATE_FAILED = 4
    INTERRUPTED = 130
    TERMINATED = 143


# Where several hold, the first of these is the one that is told.
_GRAVEST_FIRST = (
    ExitStatus.TERMINATED,
    ExitStatus.INTERRUPTED,
    ExitStatus.USAGE,
    ExitStatus.FAILED,
    ExitStatus.GATE_FAILED,
    ExitStatus.RECORDS_FAILED,
    ExitStatus.DONE,
)


def gravest(statuses: Iterable[ExitStatus]) -> ExitStatus:
    """Pick the one status to end with where several hold.

    >>> gravest([ExitStatus.RECORDS_FAILED, ExitStatus.GATE_FAILED])
    <ExitStatus.GATE_FAILED: 4>
    """
    return min(statuses, key=_GRAVEST_FIRST.index, default=ExitStatus.DONE)


class AudioRestoreError(Exception):
    """Something that the user can understand and mend; the message is one whole sentence for them."""

    status = ExitStatus.FAILED


class UsageError(AudioRestoreError):
    """The command was called in a way that cannot work."""

    status = ExitStatus.USAGE


class AudioFileError(AudioRestoreError):
    """An audio file that cannot be read or written."""


class RecordError(AudioRestoreError):
    """A record or manifest line that is not what it should be."""


# What can be found wrong with a pair and let through all the same, the most telling first.
FINDINGS = {
    "channels": "the degraded recording's channels are swapped",
    "polarity": "the degraded recording is upside down",
    "content": "the two do not look like the same recording",
    "drift": "the lag is not the same everywhere: another speed, wow, a cut or a gap",
}


class AlignmentError(AudioRestoreError):
    """Two recordings that cannot be laid over each other.

    Args:
        message: One whole sentence.
        kind: Which of `FINDINGS` it is, the first where several hold; empty where none of them is at fault.
    """

    def __init__(self, message: str, *, kind: str = "") -> None:
        super().__init__(message)
        self.kind = kind


class CheckpointError(AudioRestoreError):
    """A model file that cannot be used."""
