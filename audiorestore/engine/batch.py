"""Doing the same work on each record: in order, several at a time, with errors kept in their record."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from ..data.manifest import Record, failed, with_stage
from ..errors import AudioRestoreError

Work = Callable[[Record], Record]

DEBUG_VARIABLE = "AUDIORESTORE_DEBUG"
_EXPECTED = (AudioRestoreError, OSError, MemoryError)


def run_batch(
    records: Iterable[Record], work: Work, stage: str, seed: int | None = None, jobs: int = 1
) -> Iterator[Record]:
    """Do the work to each record and yield the results in the order of the records.

    Threads are enough: encoders, decoders and FFTs leave Python while they run. A record that already failed passes
    through unchanged; one whose work fails gets an ``error``. At most two records per job are in progress, so memory
    does not grow however many there are.

    Args:
        records: What to work on; read no faster than needed.
        work: Makes a new record from one; called from several threads at once where jobs > 1.
        stage: Name of the stage for ``stages`` and ``error``.
        seed: The seed noted in ``stages``.
        jobs: How many records are worked on at the same time.
    """

    def safely(record: Record) -> Record:
        """Work on one record; any error is noted in it."""
        if "error" in record:
            return record
        try:
            return with_stage(work(record), stage, seed)
        except Exception as error:  # one bad file must not end the batch
            if is_debugged(error):
                raise
            return failed(record, stage, why_it_failed(error))

    if jobs <= 1:
        yield from map(safely, records)
        return
    with ThreadPoolExecutor(jobs) as pool:
        waiting: deque[Future[Record]] = deque()
        try:
            for record in records:
                waiting.append(pool.submit(safely, record))
                if len(waiting) >= 2 * jobs:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def is_debugged(error: Exception) -> bool:
    """Whether an error is unexpected, and the environment variable asks to see its traceback."""
    return not isinstance(error, _EXPECTED) and bool(os.environ.get(DEBUG_VARIABLE))


def why_it_failed(error: Exception) -> str:
    """Describe in a sentence why work on a record failed."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or 'the file'}: {error.strerror}"
    if isinstance(error, _EXPECTED):
        return str(error) or type(error).__name__
    return f"unexpected {type(error).__name__}: {error} (a bug in this program: set {DEBUG_VARIABLE}=1 to see where)"


def with_plot(record: Record, draw: Callable[[Record], str]) -> Record:
    """Draw a record; where that fails, everything else in it is kept, and ``plot_note`` says why there is no picture.

    Args:
        record: One that has a ``plot_note`` already is not drawn.
        draw: Makes a picture of a record and returns its path.

    Returns:
        The record with ``plot``, the path of its picture, or with ``plot_note``.
    """
    if "plot_note" in record:
        return record
    try:
        return {**record, "plot": draw(record)}
    except Exception as error:  # a missing picture must not lose the numbers
        if is_debugged(error):
            raise
        return {**record, "plot_note": why_it_failed(error)}
