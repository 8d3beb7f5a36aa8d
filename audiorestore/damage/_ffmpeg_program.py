"""The ffmpeg program: whether it is there, what it was built with, and running it without leaving anything behind."""

import contextlib
import functools
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

from ..data.spool import scratch_errors
from ..errors import AudioRestoreError


def missing_program() -> str:
    """Say what has to be installed first; empty if nothing is missing."""
    return "" if shutil.which("ffmpeg") else "the ffmpeg program is not installed, or not on PATH; install it"


def encoders() -> frozenset[str]:
    """List the encoders that this ffmpeg was built with; an AudioRestoreError if it is missing or does not run."""
    program = shutil.which("ffmpeg")
    if program is None:
        raise AudioRestoreError(missing_program())
    return _encoders_of(program)


@functools.cache
def _encoders_of(program: str) -> frozenset[str]:
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE}
    with running(["-encoders"], "list its encoders", **pipes) as (process, end):
        lines = process.stdout.read().decode(errors="replace").splitlines()
        end()
    return frozenset(words[1] for words in map(str.split, lines) if len(words) > 1)


@contextlib.contextmanager
def running(arguments: list[str], doing: str, **pipes: Any) -> Iterator[tuple[Any, Callable[[], None]]]:
    """Run ffmpeg during a ``with`` block; after the block it has ended, whatever happened.

    Args:
        arguments: Appended to those that keep it quiet; there is no shell.
        doing: What it does, for error messages.
        pipes: ``stdin`` and ``stdout``, as for `subprocess.Popen`.

    Yields:
        The process; and a function that waits for its end.

    Raises:
        AudioRestoreError: It cannot be started, or, on waiting, it failed; the message ends with ffmpeg's own.
    """
    with contextlib.ExitStack() as stack:
        with scratch_errors():
            messages = stack.enter_context(tempfile.TemporaryFile())
        try:
            process = subprocess.Popen(
                ["ffmpeg", "-nostdin", "-hide_banner", "-v", "error", *arguments], stderr=messages, **pipes
            )
        except OSError as error:
            raise AudioRestoreError(f"the ffmpeg program cannot be started ({error.strerror})") from None

        def end() -> None:
            if process.wait():
                messages.seek(0)
                words = " ".join(messages.read(65536).decode(errors="replace").split())
                raise AudioRestoreError(f"ffmpeg cannot {doing}: {words[-400:] or f'status {process.returncode}'}")

        try:
            yield process, end
        finally:
            process.kill()  # where it has not ended by itself
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):  # what it did not read is lost with it
                        pipe.close()
            process.wait()
