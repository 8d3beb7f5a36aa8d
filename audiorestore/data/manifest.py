"""Records, one JSON object a line: read, checked, and passed on with all fields, known or not."""

import gzip
import json
import os
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any

from .. import __version__
from ..errors import RecordError, UsageError
from .audio_file import AUDIO_SUFFIXES
from .foreign_manifest import from_foreign

Record = dict[str, Any]

MANIFEST_SUFFIXES = frozenset({".jsonl", ".ndjson", ".json", ".txt", ".list"})
SPLITS = ("train", "val", "test")

_PATH_FIELDS = ("reference", "degraded", "restored")
_COUNTS = ("sample_rate", "channels", "frames")


def failed(record: Record, stage: str, message: str) -> Record:
    """Mark a record as failed: later stages pass it through unchanged, and the exit status reports it."""
    return {**record, "error": {"stage": stage, "message": message}}


def with_stage(record: Record, stage: str, seed: int | None = None) -> Record:
    """Append this stage and version to the ``stages`` of a record."""
    return {**record, "stages": [*record.get("stages", []), {"stage": stage, "version": __version__, "seed": seed}]}


def write_record(stream: IO[str], record: Record) -> None:
    """Write one line and flush it, so that the next command in the pipe can start on it."""
    line = json.dumps(record, ensure_ascii=False, allow_nan=False)
    if not line.isascii():
        try:
            line.encode()
        except UnicodeEncodeError:  # a file name that is not UTF-8
            line = json.dumps(record, allow_nan=False)
    stream.write(line + "\n")
    stream.flush()


def read_records(
    arguments: Iterable[str], role: str, stage: str, stdin: IO[str] | None = None, unique: bool = True
) -> Iterator[Record]:
    """Turn the arguments of a command into records: audio files, folders, manifests, or lines on stdin.

    An invalid line becomes a record with an ``error`` that names the file and the line; so does a second
    record of the same id, since its outputs would overwrite those of the first.

    Args:
        arguments: Paths as the user typed them; if there are none, ``stdin`` is read.
        role: What a plain audio file is, and a NeMo or Lhotse line that does not say: ``reference`` or
            ``degraded``.
        stage: The command that asks, for the ``error`` of bad lines.
        stdin: Lines of records, or of paths.
        unique: Whether each id may stand for one record only, as it must where outputs are named by it.

    Raises:
        UsageError: Nothing was given, or a folder or a manifest is not there or empty.
    """
    seen: set[tuple[str, int]] = set()
    for record in _expand(list(arguments), role, stage, stdin):
        key = (record["id"], record.get("sample", 0))
        if unique and key in seen and "error" not in record:
            record = failed(
                record,
                stage,
                f"the id '{record['id']}' stands for two records, so their outputs would be the same file; "
                "rename one, give their common folder, or a manifest with an id for each",
            )
        seen.add(key)
        yield record


def _expand(arguments: list[str], role: str, stage: str, stdin: IO[str] | None) -> Iterator[Record]:
    if not arguments:
        if stdin is None or stdin.isatty():
            raise UsageError("give audio files, a folder or a manifest, or pipe records in")
        yield from _read_lines(stdin, "stdin", Path(), role, stage)
    for argument in arguments:
        path = Path(argument)
        zipped = path.suffix.lower() == ".gz"  # as Lhotse writes its manifests
        if os.path.isdir(argument):  # unlike Path's, it takes any name
            yield from ({"id": id_within(file, path), role: str(file)} for file in list_audio(path))
        elif (path.with_suffix("") if zipped else path).suffix.lower() in MANIFEST_SUFFIXES:
            opened = gzip.open if zipped else open
            try:
                with opened(path, "rt", encoding="utf-8", errors="surrogateescape") as lines:
                    yield from _read_lines(lines, argument, path.parent, role, stage)
            except (OSError, EOFError, zlib.error) as error:
                reason = getattr(error, "strerror", None) or error
                raise UsageError(f"the manifest {argument} cannot be read ({reason})") from None
        else:
            yield {"id": _clean_id(PurePosixPath(path.name)), role: argument}


def list_audio(folder: Path) -> list[Path]:
    """List the audio files of a folder and its subfolders, sorted, without hidden ones; UsageError if there is none."""
    found = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in AUDIO_SUFFIXES
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )
    if not found:
        raise UsageError(f"the folder {folder} holds no audio files ({', '.join(sorted(AUDIO_SUFFIXES))})")
    return found


def id_within(path: Path, folder: Path) -> str:
    """Name a file by its place in a folder, without its extension: ``album/song``."""
    return _clean_id(PurePosixPath(path.relative_to(folder).as_posix()))


def _clean_id(path: PurePosixPath) -> str:
    parts = [part for part in path.parts if part not in ("/", "..", ".")]
    return str(PurePosixPath(*parts).with_suffix("")) if parts else "audio"


def _read_lines(lines: Iterable[str], name: str, folder: Path, role: str, stage: str) -> Iterator[Record]:
    empty = True
    for number, line in enumerate(lines, 1):
        text = line.strip().lstrip("\ufeff")
        if not text:
            continue
        empty = False
        try:
            if text.startswith("{"):
                yield _locate(parse_record(text, role), folder)
            elif text.startswith(("[", '"')):
                raise RecordError("is neither a JSON object nor a path")
            else:
                path = PurePosixPath(text)
                clean = path.is_absolute() or ".." in path.parts
                yield _locate({"id": _clean_id(PurePosixPath(path.name) if clean else path), role: text}, folder)
        except RecordError as error:
            yield failed({"id": f"{Path(name).name}:{number}"}, stage, f"{name}, line {number}: {error}")
    if empty:
        raise UsageError(f"{name} holds no records")


def _locate(record: Record, folder: Path) -> Record:
    """Try the manifest's own folder for a path that does not exist from the working directory."""
    for field in _PATH_FIELDS:
        value = record.get(field)
        if value is not None and not os.path.exists(value) and os.path.exists(folder / value):
            record[field] = str(folder / value)
    return record


def parse_record(text: str, role: str = "reference") -> Record:
    """Read one line of a manifest in our format, NeMo's or Lhotse's; ``role`` is as in `read_records`.

    Raises:
        RecordError: It is not a record; the sentence says why.

    >>> parse_record('{"id": "a", "mood": "blue"}')
    {'id': 'a', 'mood': 'blue'}
    """

    def refuse(word: str) -> None:
        raise ValueError(f"{word} is not a JSON number")

    try:
        record = json.loads(text, parse_constant=refuse)
    except ValueError as error:
        raise RecordError(f"is not JSON ({error})") from None
    if not isinstance(record, dict):
        raise RecordError("is not a JSON object")
    record = from_foreign(record, role)
    _check(record)
    return record


def _check(record: Record) -> None:
    for field in _PATH_FIELDS:
        value = record.get(field)
        if value is not None and (not isinstance(value, str) or not value or "\0" in value):
            raise RecordError(f"{field} is {value!r}, not a path")
    if "id" not in record:
        paths = [record[field] for field in _PATH_FIELDS if record.get(field)]
        if not paths:
            raise RecordError("has neither an id nor a path in " + ", ".join(_PATH_FIELDS))
        record["id"] = _clean_id(PurePosixPath(paths[0]))
    if not is_clean_id(record["id"]):
        raise RecordError(f"id is {record['id']!r}; it must be a relative path such as album/song, without '..'")
    for field in _COUNTS:
        value = record.get(field, 1)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise RecordError(f"{field} is {value!r}, not a positive whole number")
    if not isinstance(record.get("sample", 0), int):
        raise RecordError(f"sample is {record['sample']!r}, not a whole number")
    if record.get("split", "train") not in SPLITS:
        raise RecordError(f"split is {record['split']!r}; it is one of {', '.join(SPLITS)}")
    for field in ("damage", "stages"):
        if not isinstance(record.get(field, []), list):
            raise RecordError(f"{field} is {record[field]!r}, not a list")
    if "error" in record and not isinstance(record["error"], dict):
        raise RecordError(f"error is {record['error']!r}, not an object with stage and message")


def is_clean_id(name: Any) -> bool:
    """Whether an id can name output files: a relative POSIX path that stays inside its folder.

    >>> is_clean_id("album/song"), is_clean_id("../song"), is_clean_id("/song")
    (True, False, False)
    """
    if not isinstance(name, str) or not name or "\0" in name or "\\" in name:
        return False
    return all(part not in ("", ".", "..") for part in name.split("/"))


def need(record: Record, *fields: str) -> list[str]:
    """Get fields that a stage needs; a missing one is a RecordError."""
    missing = [field for field in fields if not record.get(field)]
    if missing:
        raise RecordError(f"the record has no {' and no '.join(missing)}")
    return [record[field] for field in fields]


def output_path(folder: Path, record: Record, suffix: str) -> Path:
    """Mirror a record's id inside an output folder; one of several samples gets its number."""
    sample = f".{record['sample']}" if "sample" in record else ""
    return folder / f"{record['id']}{sample}{suffix}"
