"""How a command ends: normally, with an error, by Ctrl-C or by a signal; each has its exit status."""

import functools
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import typer

from ..errors import AudioRestoreError, ExitStatus
from ._speech import reflowed, say


class Terminated(BaseException):
    """The system asked the program to end (SIGTERM)."""


def shell_command(function: Callable[..., ExitStatus]) -> Callable[..., NoReturn]:
    """Wrap a command: however it ends, it prints at most one sentence and returns an exit status."""

    @functools.wraps(function)
    def wrapped(*arguments: Any, **options: Any) -> NoReturn:
        signal.signal(signal.SIGINT, _interrupt)
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, _terminate)
        try:
            status = function(*arguments, **options)
            sys.stdout.flush()
        except AudioRestoreError as error:
            say(str(error))
            status = error.status
        except BrokenPipeError:
            # The reader has closed the pipe, as `| head` does. Nothing failed, but nothing more can be written there.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            status = ExitStatus.DONE
        except OSError as error:
            say(f"{error.filename or 'the output'}: {error.strerror or error}")
            status = ExitStatus.FAILED
        except (KeyboardInterrupt, Terminated) as stop:
            status = ExitStatus.TERMINATED if isinstance(stop, Terminated) else ExitStatus.INTERRUPTED
            say(status.name.lower())
        raise typer.Exit(int(status))

    wrapped.__doc__ = reflowed(function.__doc__ or "")
    return wrapped


def _interrupt(*_: object) -> NoReturn:
    """Stop after the files in progress in other threads; at a second Ctrl-C, immediately."""
    signal.signal(signal.SIGINT, lambda *_: os._exit(int(ExitStatus.INTERRUPTED)))
    if any(thread.name.startswith("ThreadPoolExecutor") for thread in threading.enumerate()):
        say("finishing the files in progress; press Ctrl-C again to stop immediately")
    raise KeyboardInterrupt


def _terminate(*_: object) -> NoReturn:
    raise Terminated


@contextmanager
def stop_flag() -> Iterator[Callable[[], bool]]:
    """Turn Ctrl-C and SIGTERM into a flag that a loop can check; a second signal stops immediately.

    The exception is raised after the block.
    """
    received: list[int] = []

    def note(number: int, _: object) -> None:
        if received:
            raise KeyboardInterrupt if number == signal.SIGINT else Terminated
        received.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield lambda: bool(received)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if received:
        raise KeyboardInterrupt if received[0] == signal.SIGINT else Terminated
