"""Manifests of other toolkits: NeMo's lines and Lhotse's cuts and recordings, read as records and written from them.

NeMo is read and written as its ``AudioToTargetDataset`` reads it: paths, ``duration`` in seconds, any other field on
top. Lhotse is read and written as a ``CutSet`` in JSON lines whose cuts carry the clean side as ``target_recording``,
which is also what NeMo's ``LhotseAudioToTargetDataset`` takes; a ``RecordingSet`` is read too. Both formats can
describe a part of a file, or sound that is made on loading; records hold whole files, so those lines are refused.
"""

import math
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any

from ..errors import RecordError

Line = dict[str, Any]

_NEMO_PATHS = {
    "target_filepath": "reference",
    "clean_filepath": "reference",
    "input_filepath": "degraded",
    "noisy_filepath": "degraded",
}
_NEMO_PLAIN = "audio_filepath"
_NEMO_SELECTORS = ("channel_selector", "input_channel_selector", "target_channel_selector")

_CUTS = ("MonoCut", "MultiCut")
_MIXES = ("MixedCut", "PaddingCut")
_TARGETS = ("target_recording", "clean_recording")
_OURS = "audiorestore"  # where a cut holds what Lhotse has no place for
_TOLERANCE_SECONDS = 0.025  # Lhotse's own, for a cut whose duration was rounded
# On loading, Lhotse takes what has these fields for an image, or for a recording, and fails.
_MISREAD = ({"width"}, {"sources", "sampling_rate"})


def from_foreign(line: Line, role: str) -> Line:
    """Read a NeMo or Lhotse line as a record; any other line is returned as it is.

    Fields that have no counterpart in a record stay.

    Args:
        line: One object of a manifest.
        role: What audio is where a line does not say, ``reference`` or ``degraded``.

    Raises:
        RecordError: The line means less than a whole file, or sound that is in no file.

    >>> from_foreign({"audio_filepath": "a.wav", "duration": 2.5}, "degraded")
    {'degraded': 'a.wav', 'duration': 2.5}
    """
    if not any(field in line for field in ("reference", "degraded", "restored")):
        if line.get("type") in (*_CUTS, *_MIXES):
            return _from_cut(line, role)
        if isinstance(line.get("sources"), list) and "sampling_rate" in line:
            return {"id": _clean_id(line.get("id")), **_sound({role: line})}
    return _from_nemo(line, role)


def to_nemo(record: Line) -> Line | None:
    """Write a pair as a NeMo line; a failed record has none.

    NeMo ignores the fields that it does not know, so all other fields of the record are kept.

    Raises:
        RecordError: The record is not a pair, does not say how long it is, or has an ``offset``.

    >>> sides = {"reference": "r.wav", "degraded": "d.wav"}
    >>> to_nemo({"id": "a", **sides, "sample_rate": 8000, "channels": 1, "frames": 4000})["duration"]
    0.5
    """
    if "error" in record:
        return None
    sample_rate, _, frames = _shape(record, "NeMo")
    _refuse_part_of_file(record)
    paths = {"input_filepath": record["degraded"], "target_filepath": record["reference"]}
    made = {**paths, "duration": frames / sample_rate}
    return made | {key: value for key, value in record.items() if key not in (*made, "reference", "degraded")}


def to_lhotse(record: Line) -> Line | None:
    """Write a pair as a Lhotse cut; a failed record has none.

    The cut spans all of the degraded recording, and ``custom`` holds the reference as ``target_recording`` and the
    record's other fields as ``audiorestore``, so that reading the cut gives the record back. Its id is the record's,
    with the sample behind it where there are several.

    Raises:
        RecordError: The record is not a pair, does not say how long it is, or has a field that Lhotse cannot load.
    """
    if "error" in record:
        return None
    sample_rate, channels, frames = _shape(record, "Lhotse")
    sides = ("reference", "degraded", "sample_rate", "channels", "frames")
    ours = {key: value for key, value in record.items() if key not in sides}
    for fields in _MISREAD:
        if fields <= ours.keys():
            raise RecordError(f"a field named {min(fields)} cannot be loaded by Lhotse again; give it another name")
    name = record["id"] + (f".{record['sample']}" if "sample" in record else "")
    degraded, reference = (
        {
            "id": f"{name}-{role}",
            "sources": [{"type": "file", "channels": list(range(channels)), "source": record[role]}],
            "sampling_rate": sample_rate,
            "num_samples": frames,
            "duration": frames / sample_rate,
            "channel_ids": list(range(channels)),
        }
        for role in ("degraded", "reference")
    )
    return {
        "id": name,
        "start": 0.0,
        "duration": frames / sample_rate,
        "channel": 0 if channels == 1 else list(range(channels)),
        "supervisions": [],
        "recording": degraded,
        "custom": {"target_recording": reference, _OURS: ours},
        "type": "MonoCut" if channels == 1 else "MultiCut",
    }


#: By the name of a format, what makes its line of a record; None where the record has no place in it.
WRITERS: dict[str, Callable[[Line], Line | None]] = {
    "jsonl": lambda record: record,
    "nemo": to_nemo,
    "lhotse": to_lhotse,
}


def _shape(record: Line, whose: str) -> tuple[int, int, int]:
    """Get sample rate, channels and frames of a record that has all that a foreign line needs."""
    needed = ("reference", "degraded", "sample_rate", "channels", "frames")
    missing = [field for field in needed if not record.get(field)]
    if missing:
        raise RecordError(f"the record has no {' and no '.join(missing)}, which a {whose} manifest needs")
    return record["sample_rate"], record["channels"], record["frames"]


def _from_nemo(line: Line, role: str) -> Line:
    """Give NeMo's paths our names; where the line has a path under our name already, that one holds."""
    names: dict[str, str] = {}
    for theirs, ours in _NEMO_PATHS.items():
        if line.get(theirs) and not line.get(ours) and ours not in names.values():
            names[theirs] = ours
    known = {ours for ours in ("reference", "degraded") if line.get(ours)} | set(names.values())
    plain = "degraded" if known == {"reference"} else role
    if line.get(_NEMO_PLAIN) and plain not in known:
        names[_NEMO_PLAIN] = plain
    if not names:
        return line
    _refuse_part_of_file(line)
    for theirs in names:
        if not isinstance(line[theirs], str):
            raise RecordError(f"{theirs} is {line[theirs]!r}, not the path of one file")
    return {names.get(key, key): value for key, value in line.items() if key in names or key not in names.values()}


def _refuse_part_of_file(line: Line) -> None:
    if line.get("offset"):
        raise RecordError(
            f"has the offset {line['offset']!r}, so it means a part of its file; records need whole files: cut it out"
        )
    for selector in _NEMO_SELECTORS:
        if line.get(selector) is not None:
            raise RecordError(f"has a {selector}; records need all channels of a file: save the channels that you want")


def _from_cut(cut: Line, role: str) -> Line:
    recording, custom = cut.get("recording"), cut.get("custom") or {}
    if cut["type"] in _MIXES:
        raise RecordError(f"Lhotse {cut['type']} has no audio file; save its audio, and use that file")
    if not isinstance(recording, dict):
        raise RecordError("Lhotse cut has no recording")
    if not isinstance(custom, dict):
        raise RecordError(f"custom is {custom!r}, not an object")
    target = next((name for name in _TARGETS if isinstance(custom.get(name), dict)), None)
    sides = {role: recording} if target is None else {"reference": custom[target], "degraded": recording}
    if target and custom.get(f"{target}_channel_selector") is not None:
        raise RecordError(f"uses only some channels of its {target}; records need all channels of a file")
    shape = _sound(sides)
    _refuse_part_of_recording(cut, recording)
    return {"id": _clean_id(cut.get("id")), **shape, **_other_fields(cut, custom, target, shape)}


def _other_fields(cut: Line, custom: Line, target: str | None, shape: Line) -> Line:
    """Gather the fields of a cut that are not about its sound: ours, and what users of Lhotse put there."""
    others = {key: value for key, value in custom.items() if key not in (target, _OURS)}
    known = ("id", "type", "start", "duration", "channel", "recording")
    kept = {key: value for key, value in {**cut, "custom": others}.items() if key not in known and value}
    ours = custom.get(_OURS)
    kept |= ours if isinstance(ours, dict) else {}
    return {key: value for key, value in kept.items() if key not in shape}


def _sound(recordings: dict[str, Line]) -> Line:
    """Describe Lhotse recordings as a record does: their paths by role, and the size of the reference."""
    shape: Line = {role: _path(recording) for role, recording in recordings.items()}
    if reference := recordings.get("reference"):
        shape["sample_rate"] = reference.get("sampling_rate")
        shape["channels"] = len(_channels(reference))
        shape["frames"] = reference.get("num_samples")
    return shape


def _path(recording: Line) -> str:
    """Get the one file of a Lhotse recording."""
    sources = recording.get("sources")
    if not isinstance(sources, list) or not sources or not all(isinstance(source, dict) for source in sources):
        raise RecordError("has a Lhotse recording without sources")
    if len(sources) > 1:
        raise RecordError(f"has a recording that is spread over {len(sources)} files; join their channels in one file")
    kind, path = sources[0].get("type"), sources[0].get("source")
    if kind != "file":
        raise RecordError(f"has a recording that comes from a {kind}, not from a file; save its audio, and give that")
    if recording.get("transforms"):
        raise RecordError("has a recording that is transformed on loading; save its audio, and give that")
    if not isinstance(path, str):
        raise RecordError(f"source is {path!r}, not a path")
    return path


def _refuse_part_of_recording(cut: Line, recording: Line) -> None:
    start, taken = _seconds("start", cut.get("start", 0.0)), _seconds("duration", cut.get("duration"))
    whole = _seconds("duration of the recording", recording.get("duration"))
    if start or abs(taken - whole) > _TOLERANCE_SECONDS:
        raise RecordError(
            f"is a cut from {start:g} to {start + taken:g} s of a recording of {whole:g} s; records hold whole files, "
            "save its audio, and give that"
        )
    channel, all_channels = cut.get("channel"), _channels(recording)
    channels = channel if isinstance(channel, list) else [channel]
    if channel is not None and len(channels) != len(all_channels):
        raise RecordError(f"is a cut of channel {channel} of {all_channels}; records hold all channels of a file")


def _seconds(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise RecordError(f"{name} is {value!r}, not a number of seconds")
    return float(value)


def _channels(recording: Line) -> list[Any]:
    channels = recording.get("channel_ids") or recording["sources"][0].get("channels")
    return channels if isinstance(channels, list) else [0]


def _clean_id(name: Any) -> Any:
    """Turn a Lhotse id into one that can name files; what is not text is left to be rejected."""
    return (
        name
        if not isinstance(name, str)
        else "/".join(part for part in PurePosixPath(name).parts if part not in ("/", "//", "..", "."))
    )
