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


class AlignmentError(AudioRestoreError):
    """Two recordings that cannot be laid over each other."""


class CheckpointError(AudioRestoreError):
    """A model file that cannot be used."""
