"""The pesq package in a process of its own, so that what goes wrong in its C code ends no more than that process.

Where speech seems to lie seconds apart in both recordings, that code reads past the ends of its arrays. It also keeps
some memory after each failure, and holds the interpreter's lock for as long as it works.

`PesqProcess` starts this very file as a program. That reads requests from stdin, each a `REQUEST` and the samples of
reference and estimate, and answers with an `ANSWER`, until stdin ends.
"""

import os
import struct
import subprocess
import sys
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

REQUEST = struct.Struct("<ii?")  # sample rate in Hz, samples of each of both, wide band
ANSWER = struct.Struct("<d")  # below 0 where there is no number


class PesqCrashError(Exception):
    """The process ended without an answer."""


class PesqProcess:
    """Scores pairs, one after another; the process is started for the first one, and anew after a crash."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "PesqProcess":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def score(
        self, reference: NDArray[np.float32], estimate: NDArray[np.float32], sample_rate: int, wide: bool
    ) -> float:
        """Measure one pair.

        Args:
            reference: Shape (time,), a quarter of a second to 19 s, not silent.
            estimate: The same.
            sample_rate: 16,000 or 8,000 Hz.
            wide: Whether to listen in wide band.

        Returns:
            The mean opinion that it predicts; not above 0 or not finite where it finds none.

        Raises:
            PesqCrashError: The process ended.
        """
        child = self._child = self._child or _start()
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            child.stdin.write(REQUEST.pack(sample_rate, reference.size, wide))
            child.stdin.write(np.stack([reference, estimate]).astype("<f4").tobytes())
            child.stdin.flush()
            answer = child.stdout.read(ANSWER.size)
        except BrokenPipeError:
            answer = b""
        if len(answer) < ANSWER.size:
            self._end()
            raise PesqCrashError
        return float(ANSWER.unpack(answer)[0])

    def _end(self) -> None:
        if self._child is not None:
            self._child.communicate()  # closes stdin, and waits
            self._child = None


def _start() -> "subprocess.Popen[bytes]":
    # -P: a neighbour of this file is called pesq.py. Ctrl-C is for the parent, at whose end this one's input ends.
    command = [sys.executable, "-P", __file__]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)


def main() -> None:
    """Answer requests until there are no more."""
    import pesq

    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # so that what the C code prints does not come between the answers
    while request := sys.stdin.buffer.read(REQUEST.size):
        sample_rate, frames, wide = REQUEST.unpack(request)
        samples = np.frombuffer(sys.stdin.buffer.read(2 * 4 * frames), "<f4").reshape(2, frames)
        mode = "wb" if wide else "nb"
        found = pesq.pesq(sample_rate, samples[0], samples[1], mode, on_error=pesq.PesqError.RETURN_VALUES)
        answers.write(ANSWER.pack(found))


if __name__ == "__main__":
    main()
