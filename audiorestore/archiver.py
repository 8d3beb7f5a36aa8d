"""``ar`` is also the POSIX archiver: calls meant for it are passed on to the next ``ar`` on PATH.

In an activated environment our script is the first ``ar`` that a C build finds. The first argument decides. It is meant
for the archiver if it is

- an **operation**: a word of the archiver's letters (POSIX, GNU, BSD) with exactly one of ``d m p q r t x``, or with
  none of them but ``s`` (write the index) or ``M`` (read a script), as ``rcs``, ``cru``, ``qc``, ``tv``, ``s``. The
  letters ``a b i``, which place a member, occur at most once and only with ``m`` or ``r``; so a mistyped ``pai`` is
  ours;
- any word of those letters after a **dash**, also modifiers alone: ``-rcs``, ``-c`` (as in ``-c -r``), ``-M``;
- a **long option** of GNU ar or llvm-ar with one dash or two, and with or without its ``=value``: ``--plugin`` (the
  first argument that gcc-ar gives), ``--target``, ``--output``, ``--record-libdeps``, ``--thin``, ``--format``,
  ``--rsp-quoting``; or AIX's and GNU's ``-X32_64``;
- a file of arguments: ``@file``.

Everything else is ours: no arguments, ``-h``, ``--help``, ``--version``, the subcommands, and unknown words. Build
tools that ask for ``--version`` or ``-h`` get our answer, which suffices: meson accepts any ``ar`` whose ``--version``
succeeds, and leaves out the modifiers that ``-h`` does not list.

A C build calls ``ar`` many times, so only what the call needs is imported here.
"""
# ruff: noqa: PTH113, PTH116, PTH119
# Importing pathlib would take longer than the whole call.

import os
import re
import signal
import stat

OPERATIONS = "dmpqrtx"
INSTEAD = "sM"  # operations if there is no other
PLACES = "abi"
LETTERS = frozenset(OPERATIONS + INSTEAD + PLACES + "cCDfjlLNoOPSTuUvVz")
LONG = re.compile(r"--?(plugin|target|output|record-libdeps|thin|format|rsp-quoting)(=.*)?|-X.*|@.+", re.DOTALL)

TRIED = "AUDIORESTORE_ARCHIVERS_TRIED"


def hand_over(command_line: list[str]) -> None:
    """Replace this process by the archiver if the call is meant for it; return if it is ours.

    Only a program that was called as ``ar`` hands over, never ``audiorestore`` or ``python -m audiorestore``.
    Arguments, streams and exit status are those of the archiver.

    Args:
        command_line: The program and its arguments, as in ``sys.argv``.

    Raises:
        SystemExit: The call is meant for the archiver, but there is none or it cannot be started (status 1).
    """
    program, *arguments = command_line
    if os.path.basename(program) != "ar" or not (arguments and for_archiver(arguments[0])):
        return
    tried = {*os.environ.get(TRIED, "").split(os.pathsep), _identity(_located(program))}
    archiver = next_archiver(tried)
    if archiver is None:
        raise SystemExit(
            f"ar: {arguments[0]!r} is an operation of the archiver `ar` of C toolchains, but PATH has no `ar` other "
            "than audiorestore's: install binutils or LLVM, or see `ar --help` for the commands of this one"
        )
    os.environ[TRIED] = os.pathsep.join(sorted(filter(None, {*tried, _identity(archiver)})))
    _restore_signals()
    try:
        # Its first argument is its full path: given "ar", GNU ar would find us on PATH and look for its plugins here.
        os.execv(archiver, [archiver, *arguments])
    except OSError as error:
        raise SystemExit(f"ar: {archiver}: cannot start the archiver: {error.strerror}") from None


def for_archiver(argument: str) -> bool:
    """Return whether a first argument is meant for the archiver.

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
    """Find the first ``ar`` on PATH that has not been tried.

    Each ``ar`` that a call was passed to is remembered in the environment, this one included. So a call that comes
    back, through a second environment on PATH or a shim that starts the ``ar`` of the current Python, moves further
    down PATH every time, and ends.
    """
    for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
        path = f"{folder or os.curdir}/ar"  # an empty entry is the working directory
        identity = _identity(path)
        if identity and identity not in tried and os.access(path, os.X_OK):
            return path
    return None


def _identity(path: str | None) -> str:
    """Identify a regular file, whatever path leads to it; empty if there is none."""
    try:
        found = os.stat(path or "")
    except OSError:
        return ""
    return f"{found.st_dev}-{found.st_ino}" if stat.S_ISREG(found.st_mode) else ""


def _located(program: str) -> str | None:
    """Find the file that was started: Python knows its path, other launchers may pass only its name."""
    if os.sep in program or os.path.isfile(program):
        return program
    return next_archiver(set())


def _restore_signals() -> None:
    """Restore signals that Python ignores, since the program that replaces it would ignore them, too.

    With SIGPIPE ignored, ``ar t library.a | head -1`` would report a broken pipe.
    """
    for name in ("SIGPIPE", "SIGXFZ", "SIGXFSZ"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_DFL)
