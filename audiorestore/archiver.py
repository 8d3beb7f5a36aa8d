"""``ar`` is the POSIX archiver too: calls that are meant for it go on to the next ``ar`` on PATH.

In an activated environment our script is the first ``ar`` that a C build finds. The first argument says who is meant:
the archiver, if that argument is

- an **operation**: a word of the archiver's letters (POSIX, GNU, BSD) with exactly one of ``d m p q r t x``, or with
  none of them but ``s`` (write the index) or ``M`` (read a script), as ``rcs``, ``cru``, ``qc``, ``tv``, ``s``. The
  letters ``a b i``, which put a member at a place, stand there alone and only beside ``m`` or ``r``; this keeps a
  mistyped ``pai`` for us;
- any word of those letters behind a **dash**, modifiers alone included: ``-rcs``, ``-c`` (as in ``-c -r``), ``-M``;
- a **long option** of GNU ar or llvm-ar with one dash or two, and with or without its ``=value``: ``--plugin`` (the
  first argument that gcc-ar gives), ``--target``, ``--output``, ``--record-libdeps``, ``--thin``, ``--format``,
  ``--rsp-quoting``; or AIX's and GNU's ``-X32_64``;
- a file of arguments: ``@file``.

All else is ours: no arguments, ``-h``, ``--help``, ``--version``, the subcommands, and what nobody knows.
Build tools that ask for ``--version`` or ``-h`` get our answer, and make do with it: meson takes any ``ar`` whose
``--version`` ends well, and leaves out the modifiers that ``-h`` does not list.

A C build calls ``ar`` many times, so nothing is imported here that the call does not need.
"""
# ruff: noqa: PTH113, PTH116, PTH119
# pathlib takes longer to import than all of this takes to run.

import os
import re
import signal
import stat

OPERATIONS = "dmpqrtx"
INSTEAD = "sM"  # an operation where no other stands
PLACES = "abi"
LETTERS = frozenset(OPERATIONS + INSTEAD + PLACES + "cCDfjlLNoOPSTuUvVz")
LONG = re.compile(r"--?(plugin|target|output|record-libdeps|thin|format|rsp-quoting)(=.*)?|-X.*|@.+", re.DOTALL)

TRIED = "AUDIORESTORE_ARCHIVERS_TRIED"


def hand_over(command_line: list[str]) -> None:
    """Become the archiver where a call of ``ar`` is meant for it; return where the call is ours.

    Only a program that was called by the name ``ar`` hands over: ``audiorestore`` and ``python -m audiorestore`` never
    do. Arguments, streams and exit status are the archiver's.

    Args:
        command_line: The program and its arguments, as in ``sys.argv``.

    Raises:
        SystemExit: The archiver is meant, but there is none, or it does not start: one sentence, and status 1.
    """
    program, *arguments = command_line
    if os.path.basename(program) != "ar" or not (arguments and for_archiver(arguments[0])):
        return
    tried = {*os.environ.get(TRIED, "").split(os.pathsep), _identity(_located(program))}
    archiver = next_archiver(tried)
    if archiver is None:
        raise SystemExit(
            f"ar: {arguments[0]!r} is work for the archiver of a C toolchain, but PATH has no `ar` besides this one of "
            "audiorestore: install binutils or LLVM, or see `ar --help` for what this one does"
        )
    os.environ[TRIED] = os.pathsep.join(sorted(filter(None, {*tried, _identity(archiver)})))
    _restore_signals()
    try:
        # Its first argument is its own path: told "ar", GNU ar finds us on PATH, and looks for its plugins beside us.
        os.execv(archiver, [archiver, *arguments])
    except OSError as error:
        raise SystemExit(f"ar: {archiver}: the archiver does not start: {error.strerror}") from None


def for_archiver(argument: str) -> bool:
    """Say whether a first argument is meant for the archiver.

    >>> [for_archiver(argument) for argument in ("rcs", "-M", "--plugin", "train", "--help")]
    [True, True, True, False, False]
    """
    if argument.startswith("-") and LETTERS.issuperset(argument[1:]):
        return argument != "-"
    return _is_operation(argument) or LONG.fullmatch(argument) is not None


def _is_operation(word: str) -> bool:
    if not LETTERS.issuperset(word):
        return False
    operations = "".join(letter for letter in word if letter in OPERATIONS)
    places = len({letter for letter in word if letter in PLACES})
    if operations in ("m", "r"):
        return places <= 1
    stand_in = not operations and any(letter in INSTEAD for letter in word)
    return (len(operations) == 1 or stand_in) and places == 0


def next_archiver(tried: set[str]) -> str | None:
    """Find the first ``ar`` on PATH that is none of those tried.

    Each that a call was handed to is remembered in the environment, ourselves included. So a call that comes back to
    us, by way of a second environment on PATH or a shim that starts the ``ar`` of the current Python, goes further
    down PATH every time, and ends.
    """
    for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
        path = f"{folder or os.curdir}/ar"  # an empty entry is the working directory
        identity = _identity(path)
        if identity and identity not in tried and os.access(path, os.X_OK):
            return path
    return None


def _identity(path: str | None) -> str:
    """Name a regular file, however it is reached; empty where there is none."""
    try:
        found = os.stat(path or "")
    except OSError:
        return ""
    return f"{found.st_dev}-{found.st_ino}" if stat.S_ISREG(found.st_mode) else ""


def _located(program: str) -> str | None:
    """Find the file that was started: Python was given its path, other launchers may only tell its name."""
    if os.sep in program or os.path.isfile(program):
        return program
    return next_archiver(set())


def _restore_signals() -> None:
    """Undo what Python ignores from its start on, and what a program that it becomes would ignore, too.

    With SIGPIPE ignored, ``ar t library.a | head -1`` would complain of a broken pipe.
    """
    for name in ("SIGPIPE", "SIGXFZ", "SIGXFSZ"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_DFL)
