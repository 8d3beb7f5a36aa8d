"""What a file was made from, stored in the file, so that an interrupted batch can simply be repeated."""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from .. import __version__
from ..data.audio_file import read_provenance
from ..data.manifest import Record, need
from ..errors import AudioFileError


def file_digest(path: str | Path) -> str:
    """Compute the digest of a file's bytes; one that cannot be read is an AudioFileError."""
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "blake2b").hexdigest()[:32]
    except OSError as error:
        raise AudioFileError(f"{path} cannot be read ({error.strerror})") from None


def with_digests(record: Record) -> Record:
    """Note the digests of a pair's files in its record, so that changed files are detected.

    Raises:
        RecordError: The record has no reference or no degraded audio.
        AudioFileError: A file cannot be read.
    """
    reference, degraded = need(record, "reference", "degraded")
    return {**record, "digests": {"reference": file_digest(reference), "degraded": file_digest(degraded)}}


def digest_in(record: Record, role: str) -> str | None:
    """Get the digest that a record has for one of its files; None where it has none."""
    digests = record.get("digests")
    found = digests.get(role) if isinstance(digests, dict) else None
    return str(found) if found else None


def digest_of(*parts: object) -> str:
    """Compute one digest of everything that a file was made from, this program's version included."""
    text = json.dumps([__version__, *parts], sort_keys=True, default=str)
    return hashlib.blake2b(text.encode()).hexdigest()[:32]


def provenance(digest: str, added: dict[str, Any]) -> str:
    """Format the provenance of a file: its digest, and the fields that it adds to the record."""
    return json.dumps({"digest": digest, "record": added})


def refuse_own_input(target: Path, *sources: str | Path) -> None:
    """Raise an AudioFileError for an output that is one of its own inputs, whatever their names and links."""
    for source in map(Path, sources):
        if target.exists() and source.exists() and target.samefile(source):
            raise AudioFileError(f"the output {target} would overwrite its own input; choose another -o")


def made_before(target: Path, digest: str, overwrite: bool) -> dict[str, Any] | None:
    """Recognise an output that an earlier run made from the same inputs.

    Returns:
        What making it added to the record; None where the file is to be made.

    Raises:
        AudioFileError: A file exists that was made from something else.
    """
    if overwrite or not target.exists():
        return None
    made = read_provenance(target)
    if made is None or made.get("digest") != digest or not isinstance(made.get("record"), dict):
        raise AudioFileError(f"{target} exists already, made from something else; give -f to replace it")
    record: dict[str, Any] = made["record"]
    return record


def resumable(
    outputs: Mapping[str, Path],
    digest: str,
    overwrite: bool,
    make: Callable[[dict[str, bool]], dict[str, Any]],
    usable: Callable[[dict[str, Any]], bool] = lambda added: True,
) -> dict[str, Any]:
    """Make the files of a record, unless an earlier run made all of them from the same inputs.

    Args:
        outputs: The files by their role in the record.
        digest: Of everything that they are made from.
        overwrite: Replace existing files, whatever made them.
        make: Makes the files, and returns the fields to add to the record; for each role it gets whether an existing
            file may be replaced, as one that an interrupted run made may be.
        usable: Checks the fields that an earlier run added; False: make the files again.

    Raises:
        AudioFileError: A file exists that was made from something else.
    """
    made = {role: made_before(path, digest, overwrite) for role, path in outputs.items()}
    added = next(iter(made.values()), None)
    if added is not None and None not in made.values() and usable(added):
        return added
    return make({role: overwrite or record is not None for role, record in made.items()})
