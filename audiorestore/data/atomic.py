"""Nothing half-written: a file appears under its name whole, or not at all."""

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from ..errors import AudioFileError

# Errors of the disk itself, which a write raises without naming a file.
_DISK_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO})

_REMEDIES = {
    errno.ENOSPC: "the disk is full; free some space or choose another folder",
    errno.EDQUOT: "your disk quota is used up; free some space or choose another folder",
    errno.EFBIG: "it is larger than this file system or a limit of this shell (ulimit -f) allows",
    errno.EROFS: "the file system is read-only; choose another folder",
    errno.EACCES: "you may not write in that folder; choose another one or change its permissions",
    errno.EPERM: "you may not write in that folder; choose another one or change its permissions",
    errno.ENOTDIR: "a part of its path is a file, not a folder; choose another folder",
    errno.EEXIST: "a part of its path is a file, not a folder; choose another folder",
    errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
}


@contextlib.contextmanager
def atomic_path(target: Path, overwrite: bool = False) -> Iterator[Path]:
    """Lend a hidden temporary name next to the target, and give the file its real name once it is complete.

    On a clean exit the file is flushed to the disk and renamed; on any exception, Ctrl-C included, it is removed
    and the target stays as it was. Missing folders are made.

    Args:
        target: Where the finished file goes; a link is followed.
        overwrite: Replace a file that is there already, which is an error otherwise.

    Raises:
        AudioFileError: The target exists already, or its place cannot be written.
    """
    target = Path(target)
    _refuse_existing(target, overwrite)
    final = Path(os.path.realpath(target))  # renaming onto a link would replace the link
    temporary = final.parent / f".ar-{secrets.token_hex(8)}{final.suffix}"
    try:
        with _disk_errors_in_words(target, final, temporary):
            final.parent.mkdir(parents=True, exist_ok=True)
            # Not mkstemp, whose 0600 would outlive the rename: this way the umask decides, as for any new file.
            os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
            yield temporary
            _flush(temporary)
            _move(temporary, final, overwrite)
            with contextlib.suppress(OSError):  # the new name, too, outlasts a power cut, where a folder can be flushed
                _flush(final.parent)
    finally:
        # After a clean move there is nothing left under this name. A failing removal must not hide the first error.
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _refuse_existing(target: Path, overwrite: bool) -> None:
    if target.is_dir():
        raise AudioFileError(f"{target} is a folder; give the name of a file")
    if os.path.lexists(target) and not overwrite:
        raise AudioFileError(f"{target} exists already; give -f to replace it")
    if target.exists() and not target.is_file():  # renaming onto /dev/null would replace the device
        raise AudioFileError(f"{target} is a device or a pipe, not a file; give the name of a file")


@contextlib.contextmanager
def _disk_errors_in_words(target: Path, final: Path, temporary: Path) -> Iterator[None]:
    """Turn what the disk refuses into a sentence; errors about other files (a missing input) pass unchanged."""
    try:
        yield
    except OSError as error:
        ours = {str(path) for path in (final, temporary, *final.parents)}
        named = None if error.filename is None else os.fsdecode(error.filename)
        if named in ours or (named is None and error.errno in _DISK_ERRORS):
            remedy = _REMEDIES.get(error.errno or 0, f"the system says {error.strerror!r}; choose another place")
            raise AudioFileError(f"{target} cannot be written: {remedy}") from error
        raise


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _move(temporary: Path, final: Path, overwrite: bool) -> None:
    if overwrite:
        temporary.replace(final)
        return
    # A link fails where the name was taken meanwhile (two jobs with one output); a rename would replace it silently.
    try:
        os.link(temporary, final)
    except OSError as error:
        if isinstance(error, FileExistsError) or final.exists():
            raise AudioFileError(f"{final} exists already; give -f to replace it") from error
        temporary.replace(final)  # a file system without hard links
