"""Listening tests: a folder that any browser opens, with excerpts under meaningless names and a page to rate them.

Four kinds of test:

- ``mos`` as in Lattner and Nistal: one excerpt at a time, without a reference, played as often as the listener likes,
  rated on a slider of five steps from very bad to excellent. Scores are 1 to 5. (Their text says the same, but the
  means of their Table 3 start below 1, so they must count from 0: subtract 1 to compare.)
- ``acr``, absolute category rating as in P.800: one excerpt at a time, played exactly once, then rated from bad (1) to
  excellent (5).
- ``mushra``: all versions of an item side by side with an open reference, each rated from 0 to 100 with five words
  along the scale. Hidden among them are the reference and two anchors: the reference low-passed at 3.5 and at 7 kHz.
- ``cmp``: two versions in random order, and how much better one is, -5 to +5. Each system is compared with the degraded
  version (LadLe's improvement over lossy), with the reference (its difference to lossless), and with each other system.

In ``mos`` and ``acr`` the reference and the degraded version are rated like a system.

**The test is blind.** The folder contains codes only: the code of each excerpt is drawn from the seed, files and lists
are in the order of their codes, and all files of an item have the same size. Which code is which system is in one file
*beside* the folder, `<folder>.key.json`, so that the whole folder can be put on a server without the key.
``ar listen ratings`` needs the key. A listener's browser shuffles trials and versions by the listener's name, which is
in the CSV, with the position of each trial.

`write_listening_test` writes the folder, `ratings` reads what listeners saved and summarises it. The page works from a
local file and without a network: it plays its own audio files and reads nothing else.

Source: Lattner and Nistal, "Stochastic restoration of heavily compressed musical audio using generative adversarial
networks", Electronics 10(11), 2021, Section 3.4.5 and Table 3; ITU-T, "Methods for subjective determination of
transmission quality", Recommendation P.800, 1996, Annex B; ITU-R, Recommendation BS.1534-3, 2015; the LadLe framework
for lossy to lossless audio (scale from -5 to +5; professional engineers and amateurs).
"""

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import combinations
from pathlib import Path
from typing import Any

from ..data.atomic import atomic_path
from ..data.audio_file import write_audio
from ..data.manifest import Record, need
from ..errors import AudioFileError, RecordError, UsageError
from ..randomness import seed_for
from .excerpts import ANCHORS_HZ, Excerpts, cut_excerpts, k_weighted_power

KINDS = ("mos", "mushra", "acr", "cmp")
REFERENCE, DEGRADED = "reference", "degraded"
KEY_SUFFIX = ".key.json"
MOST_STIMULI = 12  # BS.1534-3: more cannot be compared at a time
LONGEST_SECONDS = 60.0
_CODE_MASK = (1 << 40) - 1

_NOTE = (
    "Which excerpt is which system. 'ar listen ratings' reads this file; keep it from the listeners, and off the "
    "server with the page."
)

_Item = tuple[str, int | None]  # the id of a recording, and its sample where it is one of several


def write_listening_test(
    folder: Path, systems: Mapping[str, Sequence[Record]], kind: str, seconds: float = 8.0, seed: int = 0
) -> int:
    """Write a listening test, whole or not at all: the folder for the listeners, and the key beside it.

    The same input and seed give the same bytes.

    Args:
        folder: Is created; an existing folder must be empty. The key is written to its `key_path`.
        systems: Name of each restored system to its records, with ``reference``, ``degraded`` and ``restored``; all
            have the same ids and samples, and the same reference and degraded audio for each.
        kind: ``mos``, ``mushra``, ``acr`` or ``cmp``.
        seconds: Length of an excerpt; a shorter recording is used whole.
        seed: Of the codes.

    Returns:
        The number of trials for each listener.

    Raises:
        UsageError: The kind is unknown, the name of a system is reserved, or there is nothing to rate.
        RecordError: A record failed or lacks audio, systems have different records, or recordings differ in length.
        AudioFileError: A file cannot be read, or the folder or the key cannot be written or exists.
    """
    _check_options(systems, kind, seconds)
    items = _items(systems)
    anchors = tuple(ANCHORS_HZ) if kind == "mushra" else ()
    if os.path.lexists(key_path(folder)):
        raise AudioFileError(f"{key_path(folder)} exists and is the key of an earlier page; choose another folder")
    with atomic_path(key_path(folder)) as key, new_folder(folder) as place:
        test = _Test(place, kind, seed)
        for item, paths in items.items():
            test.add(item, cut_excerpts(paths, seconds, anchors))
        content = {"note": _NOTE, "test": test.finish(), "kind": kind, "seconds": seconds, "seed": seed}
        content |= {"conditions": [REFERENCE, DEGRADED, *systems, *anchors], "trials": test.trials}
        key.write_text(json.dumps(content | {"stimuli": test.stimuli}, indent=1) + "\n", "utf-8")
    return len(test.trials)


def key_path(folder: Path) -> Path:
    """Name the key file of a listening test's folder; it is beside the folder.

    >>> key_path(Path("tests/page")).as_posix()
    'tests/page.key.json'
    """
    folder = folder.resolve() if folder.name in ("", "..") else folder
    return folder.with_name(folder.name + KEY_SUFFIX)


class _Test:
    """A listening test as far as it is written to its folder ``place``, which is empty at first, and its key."""

    def __init__(self, place: Path, kind: str, seed: int) -> None:
        self.trials: dict[str, dict[str, Any]] = {}
        self.stimuli: dict[str, dict[str, Any]] = {}
        self._place, self._kind, self._seed = place, kind, seed
        self._page: list[dict[str, Any]] = []
        self._digest = hashlib.sha256(f"{kind} {seed}".encode())
        self._loudest: tuple[float, Excerpts] | None = None
        (place / "excerpts").mkdir()

    def add(self, item: _Item, excerpts: Excerpts) -> None:
        """Write the excerpts of an item, and list its trials."""
        id, sample = item
        codes = {name: self._code(item, name) for name in excerpts.waveforms}
        for code, name in sorted((code, name) for name, code in codes.items()):
            self.stimuli[code] = {"condition": name, "gain_db": excerpts.gains_db[name]}
            self._write(code, excerpts, name)
            self._digest.update(f"{id}\0{sample}\0{name}\0".encode(errors="surrogateescape"))
            self._digest.update(excerpts.waveforms[name].tobytes())
        loudness = k_weighted_power(excerpts.waveforms[REFERENCE], excerpts.sample_rate)
        if self._loudest is None or loudness > self._loudest[0]:
            self._loudest = (loudness, excerpts)
        for names in self._trials_of(list(excerpts.waveforms)):
            trial = self._code(item, "trial", *names)
            listed: dict[str, Any] = {"trial": trial, "stimuli": sorted(codes[name] for name in names)}
            if self._kind == "mushra":
                # In a separate file: the name of the open reference must not reveal the hidden one.
                listed["reference"] = self._code(item, "open reference")
                self._write(listed["reference"], excerpts, REFERENCE)
            self._page.append(listed)
            self.trials[trial] = {"id": id} | ({} if sample is None else {"sample": sample})
            self.trials[trial] |= {"start_seconds": excerpts.start_seconds, "stimuli": [codes[name] for name in names]}

    def finish(self) -> str:
        """Write the page, and return the code of the test, which depends on each of its samples."""
        assert self._loudest is not None
        level = f"{seed_for(self._seed, 'listening', 'level') & _CODE_MASK:010x}"
        self._write(level, self._loudest[1], REFERENCE)
        test = self._digest.hexdigest()[:12]
        listed = sorted(self._page, key=lambda trial: str(trial["trial"]))
        page = {"test": test, "kind": self._kind, "level": level, "trials": listed}
        (self._place / "test.js").write_text(f"window.LISTENING_TEST = {json.dumps(page, indent=1)};\n", "utf-8")
        for source, name in (("listening.html", "index.html"), ("listening.js", "listening.js")):
            (self._place / name).write_bytes(Path(__file__).with_name(source).read_bytes())
        self.trials, self.stimuli = dict(sorted(self.trials.items())), dict(sorted(self.stimuli.items()))
        return test

    def _trials_of(self, names: list[str]) -> list[tuple[str, ...]]:
        """List which versions of an item are rated together; of a pair, the first is rated over the second."""
        if self._kind == "mushra":
            return [tuple(names)]
        if self._kind != "cmp":
            return [(name,) for name in names]
        systems = names[2:]
        fixed = [(system, base) for system in systems for base in (DEGRADED, REFERENCE)]
        return [*fixed, *((later, earlier) for earlier, later in combinations(systems, 2))]

    def _code(self, item: _Item, *names: str) -> str:
        return f"{seed_for(self._seed, 'listening', self._kind, *map(str, item), *names) & _CODE_MASK:010x}"

    def _write(self, code: str, excerpts: Excerpts, name: str) -> None:
        # WAV, because the size of a compressed file reveals how much of the sound is left; nobody can hear 24 bit.
        path = self._place / "excerpts" / f"{code}.wav"
        write_audio(path, excerpts.waveforms[name], excerpts.sample_rate, subtype="PCM_24")


def _check_options(systems: Mapping[str, Sequence[Record]], kind: str, seconds: float) -> None:
    if kind not in KINDS:
        raise UsageError(f"{kind!r} is not a kind of listening test; choose one of {', '.join(KINDS)}")
    if not 0.0 < seconds <= LONGEST_SECONDS:
        raise UsageError(f"excerpts of {seconds:g} s cannot be compared by ear; use up to {LONGEST_SECONDS:g} s")
    if not systems:
        raise UsageError("there is nothing restored to listen to; give records that 'ar restore' wrote")
    taken = [name for name in systems if name in (REFERENCE, DEGRADED, *ANCHORS_HZ) or not name.strip()]
    if taken:
        raise UsageError(f"a system cannot be called {taken[0]!r}, which is reserved here; rename it")
    stimuli = 2 + len(ANCHORS_HZ) + len(systems)
    if kind == "mushra" and stimuli > MOST_STIMULI:
        raise UsageError(
            f"{stimuli} versions are too many to compare side by side (BS.1534 allows {MOST_STIMULI}); give up to "
            f"{MOST_STIMULI - stimuli + len(systems)} systems"
        )


def _items(systems: Mapping[str, Sequence[Record]]) -> dict[_Item, dict[str, str]]:
    """Map each item, in the order of the first system's, to the paths of its reference, degraded and restored audio."""
    tables = {name: _by_id(name, records) for name, records in systems.items()}
    first, *others = tables
    for other in others:
        odd = sorted(tables[first].keys() ^ tables[other].keys(), key=str)
        if odd:
            raise RecordError(f"the record {_name(odd[0])} is in only one of {first} and {other}; both need it")
    items = {}
    for item, record in tables[first].items():
        paths = dict(zip((REFERENCE, DEGRADED), need(record, REFERENCE, DEGRADED), strict=True))
        for name, table in tables.items():
            mine = table[item]
            for role in (REFERENCE, DEGRADED):
                if os.path.realpath(need(mine, role)[0]) != os.path.realpath(paths[role]):
                    raise RecordError(
                        f"{first} and {name} have different {role} audio for {_name(item)}; systems are compared "
                        "on the same input"
                    )
            (paths[name],) = need(mine, "restored")
        items[item] = paths
    return items


def _by_id(name: str, records: Sequence[Record]) -> dict[_Item, Record]:
    table: dict[_Item, Record] = {}
    for record in records:
        key = (record["id"], record.get("sample"))
        if "error" in record:
            raise RecordError(f"the record {_name(key)} of {name} failed earlier; fix it or leave it out")
        if key in table:
            raise RecordError(f"{name} has two records {_name(key)}; leave one out")
        table[key] = record
    if not table:
        raise UsageError(f"{name} has no records, so there is nothing to listen to")
    return table


def _name(item: _Item) -> str:
    id, sample = item
    return repr(id) if sample is None else f"{id!r}, sample {sample},"


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """Make a hidden temporary folder beside the target, and rename it to the target when everything is in it.

    Raises:
        AudioFileError: The target exists and is not an empty folder, or it cannot be written.
    """
    final = Path(os.path.realpath(target))
    if os.path.lexists(final) and not final.is_dir():
        raise AudioFileError(f"{target} is a file; give a folder for the listening test")
    if final.is_dir() and any(final.iterdir()):
        raise AudioFileError(f"{target} exists and is not empty; give a new folder, or remove this one first")
    temporary = final.parent / f".ar-{secrets.token_hex(8)}"
    doing = "created"
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        temporary.mkdir()
        doing = "written"
        yield temporary
        if not final.exists():
            temporary.rename(final)
        else:  # it may be a working directory, and stays the same one; what is opened first is moved last
            for path in sorted(temporary.iterdir(), key=lambda path: (path.name == "index.html", path.name)):
                path.rename(final / path.name)
    except OSError as error:
        raise AudioFileError(f"{target} cannot be {doing} ({error.strerror}); choose another folder") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)  # after the renaming nothing has this name
