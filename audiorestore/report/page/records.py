"""Some records of a report to look at and to listen to: spectrograms, and a player that switches between versions."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ...data.manifest import Record
from ...metrics._comparison import Number
from ...scores.columns import Key
from ..power_grid import PowerGrid, power_grid
from ..tables import format_number
from .numbers import Column
from .pictures import scale, scale_top_db, spectrogram
from .sounds import Excerpts, Stretch, Version, excerpts, flac, for_ears, versions_of
from .tables import arrow, breakable, colour_of, doubts_of, name_of, style_of
from .text import escaped, script_json

MEDIA_BYTES = 64 << 20  # pictures and sounds of a page; records beyond this are named, and neither shown nor heard
MOST_SYSTEMS = 6  # that are shown of a record
_MOST_PARAMETERS = 4


def record_section(
    records: Mapping[Key, Mapping[int, Record]],
    shown: Sequence[Key],
    names: Sequence[str],
    found: Sequence[Column],
    meant: Mapping[str, Number],
    left_out: int,
) -> Iterator[str]:
    """Write the records that are shown, and say which are not.

    Args:
        records: All of them, by key and by the number of the system from 1.
        shown: Which of them, in order.
        names: Of the systems.
        found: What was measured.
        meant: The numbers to tell.
        left_out: How many were measured and are not shown.
    """
    yield f'<p class="note">{_choice(len(shown), left_out)}{_beyond(len(names))}</p>'
    yield (
        '<p class="note">Each is the busiest stretch of at most 10 s, in 16 bit and as loud as it is in its file. '
        "In a player, <kbd>1</kbd>, <kbd>2</kbd>, <kbd>3</kbd> … switch between versions at the same position and "
        "<kbd>Space</kbd> plays or pauses; a click in a spectrogram goes there.</p>"
        '<noscript><p class="trouble">The players need JavaScript.</p></noscript>'
    )
    spent = 0
    for number, key in enumerate(shown, 1):
        text = "".join(_record(number, key, dict(records[key]), names, found, meant, spent < MEDIA_BYTES))
        if spent < MEDIA_BYTES <= spent + len(text):
            text = "".join(_record(number, key, dict(records[key]), names, found, meant, False))
            spent = MEDIA_BYTES  # the rest goes without as well, so that the page says one thing of all of them
        spent += len(text)
        yield text


def _choice(shown: int, left_out: int) -> str:
    if not left_out:
        return f"All {shown} measured record(s), first those where least was gained over doing nothing."
    return (
        f"{shown} of {shown + left_out} measured records; {left_out} are left out. They are the third where least was "
        "gained over doing nothing, a third around the middle and the third where most was, in this order: by the mean "
        "of their ranks in all numbers."
    )


def _beyond(systems: int) -> str:
    return f" Of {systems} systems the first {MOST_SYSTEMS} are shown." if systems > MOST_SYSTEMS else ""


def _record(
    number: int,
    key: Key,
    records: dict[int, Record],
    names: Sequence[str],
    found: Sequence[Column],
    meant: Mapping[str, Number],
    with_media: bool,
) -> Iterator[str]:
    first = next(iter(records.values()))
    yield f'<article class="record" id="record-{number}" aria-labelledby="record-{number}-title">'
    yield f'<header><h3 id="record-{number}-title">{escaped(name_of(first), 160)}</h3>'
    if first.get("damage"):
        yield f'<p class="damage">{escaped(" | ".join(_damage(each) for each in first["damage"]))}</p>'
    yield "</header>"
    doubts = {doubt: names[index - 1] for index, record in reversed(records.items()) for doubt in doubts_of(record)}
    yield from (f'<p class="trouble">{escaped(f"{doubts[doubt]}, {doubt}")}</p>' for doubt in reversed(doubts))
    if with_media:
        kept = {index: record for index, record in records.items() if index <= MOST_SYSTEMS}
        versions = versions_of(kept, names)
        taken = excerpts(versions)
        yield from (f'<p class="trouble">{escaped(trouble)}</p>' for trouble in taken.troubles)
        heard = [version for version in versions if version.index in taken.waveforms]
        if taken.stretch is not None:
            yield from _player(number, taken, taken.stretch, heard, key)
            yield from _pictures(taken, taken.stretch, heard)
    else:
        yield '<p class="trouble">Left without sound and picture: the page would become too large.</p>'
    yield from _numbers(key, found, meant)
    yield "</article>\n"


def _damage(damage: Any) -> str:
    """Write a damage as its name and its first parameters.

    >>> _damage({"name": "mp3", "kbps": 32, "gain": 0.123456})
    'mp3 kbps=32 gain=0.1235'
    """
    if not isinstance(damage, dict):
        return str(damage)
    parameters = [(key, value) for key, value in damage.items() if key != "name" and value is not None]
    shown = [f"{key}={value:.4g}" if isinstance(value, float) else f"{key}={value}" for key, value in parameters]
    return " ".join([str(damage.get("name", "?")), *shown[:_MOST_PARAMETERS], *["…"][: len(shown) > _MOST_PARAMETERS]])


def _player(number: int, taken: Excerpts, stretch: Stretch, heard: Sequence[Version], key: Key) -> Iterator[str]:
    """Write a player: buttons, and the sounds behind them."""
    title = escaped(key[0], 160)
    duration = stretch.duration_seconds
    if stretch.frames < stretch.total:
        start, total = stretch.start_seconds, stretch.total / stretch.sample_rate
        yield f'<p class="damage">{start:.1f} to {start + duration:.1f} s of {total:.1f} s</p>'
    sounds, notes = [], []
    for version in heard:
        samples, sample_rate, over = for_ears(taken.waveforms[version.index], stretch.sample_rate)
        sounds.append({"gain_db": version.gain_db, "flac": flac(samples, sample_rate)})
        if over:
            notes.append(f"{version.label}: {over} sample(s) over full scale are cut off here.")
    if stretch.channels > 2:
        notes.append(f"Of {stretch.channels} channels the first two are heard.")
    if stretch.sample_rate > 48000:
        notes.append(f"Heard at 48 kHz, recorded at {stretch.sample_rate / 1000:g} kHz.")
    level = all(version.gain_db is not None for version in heard)
    yield (
        f'<div class="player" data-seconds="{duration:.6f}" role="group" aria-label="Player of {title}">'
        f'<button type="button" class="play" aria-label="Play {title}"><span></span></button>'
        f'<input type="range" class="position" min="0" max="{duration:.3f}" step="0.001" value="0" '
        f'aria-label="Position in seconds"><span class="where"><output class="time">0.0 s</output> of {duration:.1f} s'
        "</span>"
        f'<div class="options"><label><input type="checkbox" class="loop"> repeat</label>'
        f'<label><input type="checkbox" class="level"{"" if level else " disabled"}> level-matched'
        f"{'' if level else ' (gains not known)'}</label></div>"
        '<fieldset class="versions"><legend>Version</legend>'
    )
    for place, version in enumerate(heard):
        shortcut = f"<kbd>{place + 1}</kbd>" if place < 9 else ""
        yield (
            f'<label class="{colour_of(version.index)}"><input type="radio" name="version-{number}" value="{place}"'
            f"{' checked' if place == 0 else ''}>{shortcut}<span>{escaped(version.label, 40)}</span></label>"
        )
    yield (
        '</fieldset><p class="trouble failure" role="alert" hidden></p>'
        f'<script type="application/json" class="sounds">{script_json(sounds)}</script></div>'
    )
    yield from (f'<p class="note">{escaped(note)}</p>' for note in notes)


def _pictures(taken: Excerpts, stretch: Stretch, heard: Sequence[Version]) -> Iterator[str]:
    """Draw what is heard, and what each version still has wrong, all on one scale of colours."""
    rate = stretch.sample_rate
    grids = {index: power_grid(waveform, rate) for index, waveform in taken.waveforms.items()}
    residuals: dict[int, PowerGrid] = {}
    if -1 in taken.waveforms:
        reference = taken.waveforms[-1]
        residuals = {i: power_grid(each - reference, rate) for i, each in taken.waveforms.items() if i >= 0}
    top = scale_top_db([*grids.values(), *residuals.values()])
    yield '<div class="pictures">'
    for version in heard:
        label = escaped(version.label, 60)
        yield f'<div class="version {colour_of(version.index)}"><figure><figcaption>{label}</figcaption>'
        yield spectrogram(grids[version.index], rate, top, stretch.start_seconds, f"Spectrogram of {version.label}")
        yield "</figure>"
        if version.index in residuals:
            grid = residuals[version.index]
            words = f"{version.label} − reference" + (": no difference" if grid.silent else "")
            yield f"<figure><figcaption>{escaped(words, 100)}</figcaption>"
            yield spectrogram(grid, rate, top, stretch.start_seconds, f"Spectrogram of {words}") + "</figure>"
        elif version.index < 0:
            yield f'<figure class="legend-of-colours">{scale(top)}</figure>'
        yield "</div>"
    yield "</div>"


def _numbers(key: Key, found: Sequence[Column], meant: Mapping[str, Number]) -> Iterator[str]:
    """Write the numbers of one record."""
    yield (
        '<details><summary>Numbers of this record</summary><div class="scroll" role="region" '
        'aria-label="Numbers of this record" tabindex="0"><table><thead><tr><th scope="col">number</th>'
    )
    for column in found:
        yield f'<th scope="col" class="{colour_of(column.index)}"><span>{escaped(column.label, 60)}</span></th>'
    yield "</tr></thead><tbody>"
    for name, number in meant.items():
        yield f'<tr><th scope="row">{breakable(name)} {arrow(number)}</th>'
        for column in found:
            value = column.values.get(name, {}).get(key)
            yield f"<td>{format_number(value, style_of(number))}</td>"
        yield "</tr>"
    yield "</tbody></table></div></details>"
