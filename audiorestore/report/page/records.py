"""Some records of a report to look at and to listen to: spectrograms, and a player that switches between versions."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from markupsafe import Markup

from ...data.manifest import Record
from ...scores.columns import Key
from .._canvas import scale_top_db
from ..pair_words import damage_text
from ..power_grid import PowerGrid, power_grid
from .pictures import colour_scale, spectrograms
from .sounds import MAX_CHANNELS, MAX_RATE, Excerpts, Stretch, Version, flac, playable, read_excerpts, versions_of
from .tables import css_of, name_of, warnings_of

MEDIA_BYTES = 64 << 20  # pictures and sounds of a page; the records beyond this have numbers only
MOST_SYSTEMS = 6  # that are shown of a record


class VersionView(NamedTuple):
    """What the page shows of a version: its pictures are pairs of a caption and a drawing."""

    label: str
    css: str
    pictures: list[tuple[str, Markup]]


@dataclass(frozen=True)
class RecordView:
    """What the page shows of a record.

    Attributes:
        number: Place on the page, from 1.
        key: The record's.
        title: Its name for people.
        damage: What was done to it, in words.
        troubles: Why its numbers may not be reliable, and what is missing.
        stretch: Where in the recording the excerpts are; None if nothing could be read.
        sounds: For the player, one for each version.
        level_matched: Whether the levels of all versions are known.
        notes: How the played sounds differ from the files.
        versions: Its versions, from left to right.
    """

    number: int
    key: Key
    title: str
    damage: str
    troubles: list[str]
    stretch: Stretch | None = None
    sounds: list[dict[str, Any]] = field(default_factory=list)
    level_matched: bool = False
    notes: list[str] = field(default_factory=list)
    versions: list[VersionView] = field(default_factory=list)


def record_views(
    records: Mapping[Key, Mapping[int, Record]], shown: Sequence[Key], names: Sequence[str]
) -> Iterator[RecordView]:
    """Read and draw the records that are shown, one after the other, until the page is large enough.

    Args:
        records: All of them, by key and by the number of the system from 1.
        shown: Which of them, in order.
        names: Of the systems.
    """
    spent = 0
    for number, key in enumerate(shown, 1):
        view = _view(number, key, records[key], names)
        if spent < MEDIA_BYTES:
            full = _with_media(view, records[key], names)
            pictures = (len(drawing) for version in full.versions for _, drawing in version.pictures)
            spent += sum(pictures) + sum(len(sound["flac"]) for sound in full.sounds)
        if spent < MEDIA_BYTES:
            yield full
        else:  # nor do later records have media
            missing = "Without sound and pictures: the page would become too large."
            yield replace(view, troubles=[*view.troubles, missing])


def _view(number: int, key: Key, records: Mapping[int, Record], names: Sequence[str]) -> RecordView:
    """Describe a record in words."""
    first = next(iter(records.values()))
    damage = " | ".join(map(damage_text, first.get("damage") or []))
    found = {
        each: names[index - 1]
        for index, record in sorted(records.items(), reverse=True)
        for each in warnings_of(record)
    }
    troubles = [f"{found[warning]}, {warning}" for warning in reversed(found)]
    return RecordView(number, key, name_of(first), damage, troubles)


def _with_media(view: RecordView, records: Mapping[int, Record], names: Sequence[str]) -> RecordView:
    """Add sounds and pictures to the description of a record, as far as its files can be read."""
    versions = versions_of({index: record for index, record in records.items() if index <= MOST_SYSTEMS}, names)
    excerpts = read_excerpts(versions)
    view = replace(view, troubles=view.troubles + excerpts.troubles, stretch=excerpts.stretch)
    if excerpts.stretch is None:
        return view
    read = [version for version in versions if version.index in excerpts.waveforms]
    sounds, notes = _sounds(excerpts, excerpts.stretch, read)
    level_matched = all(version.gain_db is not None for version in read)
    pictures = _pictures(view.number, excerpts, excerpts.stretch, read)
    return replace(view, sounds=sounds, level_matched=level_matched, notes=notes, versions=pictures)


def _sounds(excerpts: Excerpts, stretch: Stretch, read: Sequence[Version]) -> tuple[list[dict[str, Any]], list[str]]:
    """Encode the excerpts for the player, and say what was changed of them."""
    sounds, notes = [], []
    for version in read:
        samples, sample_rate, over = playable(excerpts.waveforms[version.index], stretch.sample_rate)
        sounds.append({"gain_db": version.gain_db, "flac": flac(samples, sample_rate)})
        if over:
            notes.append(f"{version.label}: {over} sample(s) over full scale are clipped here.")
    if stretch.channels > MAX_CHANNELS:
        notes.append(f"Only the first two of {stretch.channels} channels are played.")
    if stretch.sample_rate > MAX_RATE:
        notes.append(f"Played at {MAX_RATE / 1000:g} kHz, recorded at {stretch.sample_rate / 1000:g} kHz.")
    return sounds, notes


def _pictures(number: int, excerpts: Excerpts, stretch: Stretch, read: Sequence[Version]) -> list[VersionView]:
    """Draw each version and its difference from the reference, all on one colour scale."""
    rate, reference = stretch.sample_rate, excerpts.waveforms.get(-1)
    views = [VersionView(version.label, css_of(version.index), []) for version in read]
    shown: list[tuple[VersionView, str, PowerGrid]] = []
    for version, view in zip(read, views, strict=True):
        waveform = excerpts.waveforms[version.index]
        shown.append((view, version.label, power_grid(waveform, rate)))
        if reference is not None and version.index >= 0:
            residual = power_grid(waveform - reference, rate)
            words = f"{version.label} − reference{': no difference' if residual.silent else ''}"
            shown.append((view, words, residual))
    top = scale_top_db(grid for *_, grid in shown)
    grids = [(words, grid) for _, words, grid in shown]
    drawings = spectrograms(grids, rate, top, stretch.start_seconds, f"record {number}")
    for (view, *_), drawing in zip(shown, drawings, strict=True):
        view.pictures.append(drawing)
    if reference is not None:
        views[0].pictures.append(("", colour_scale(top, f"record {number} scale")))
    return views
