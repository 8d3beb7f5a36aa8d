"""What libsndfile 1.2.2 would read wrongly, found first: refused if sound is missing, else repaired.

It silently reads a WAV that is shorter than its header says, cuts an untagged MP3 of varying bit rate short, and takes
what follows the sound of a W64 for more of it. Each is pinned by a test.
"""

import contextlib
import mmap
import tempfile
from pathlib import Path
from typing import BinaryIO

from ..errors import AudioFileError
from .audio_format import SAMPLE_BYTES
from .container_chunks import list_chunks, size_is_unknown, sound_chunk
from .mpeg_frames import length_frames, scan_mpeg

# How to repair a file: these bytes, then these byte ranges (from, to) of the original.
Recipe = tuple[bytes, tuple[tuple[int, int], ...]]


def check_sound_chunk(file: BinaryIO, path: Path) -> Recipe | None:
    """Refuse a file that is shorter than its header says; repair a WAV whose streaming writer left the size 0."""
    magic, chunks, length = list_chunks(file)
    sound = sound_chunk(chunks)
    if sound is None:
        return None
    there = length - sound.start
    if sound.size > there and not (size_is_unknown(sound.size) and magic != b"RF64"):
        raise AudioFileError(
            f"{path} is cut short: its header promises {sound.size} bytes of sound and {there} are there; "
            "get a whole copy"
        )
    last = chunks[-1]
    truly_empty = last is not sound and last.start + last.size in (length, length - 1)
    if magic != b"RIFF" or sound.size != 0 or there == 0 or truly_empty:
        return None
    file.seek(0)
    return file.read(sound.start - 4) + b"\xff\xff\xff\xff", ((sound.start, length),)


def w64_frames(file: BinaryIO, subtype: str, channels: int) -> int:
    """Count the samples of a W64 file by its header: libsndfile reads 24 bytes on into a chunk behind the sound."""
    sound = sound_chunk(list_chunks(file)[1])
    width = {"PCM_U8": 1, "ULAW": 1, "ALAW": 1, **SAMPLE_BYTES}.get(subtype)
    if sound is None or width is None or size_is_unknown(sound.size):
        return 1 << 60
    return sound.size // (width * channels)


def true_mpeg_length(file: BinaryIO, path: Path, announced: int) -> tuple[int, Recipe | None]:
    """Decide how many samples an MP3 holds, and repair it where libsndfile would stop before the last one."""
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        try:
            summary = scan_mpeg(data)
        except ValueError as error:
            raise AudioFileError(f"{path} cannot be read: {error}; convert it to WAV or FLAC first") from error
        if not summary.complete:
            tag_frames = summary.promised_frames or 0
            found = "its last frame is not whole"
            if tag_frames > summary.frames:
                found = f"its tag promises {tag_frames} frames and {summary.frames} are there"
            raise AudioFileError(f"{path} is cut short: {found}; get a whole copy")
        trimmed = summary.samples - announced  # by what a tag says of delay and padding, in 12 bits each
        if summary.exact_tag and 0 <= trimmed <= 3 * 4096:
            return announced, None
        if summary.tag is None and len(summary.runs) == 1 and trimmed <= 0:  # an estimate that is long enough
            return summary.samples, None
        if summary.layer != 3:
            raise AudioFileError(f"{path} is MPEG layer {summary.layer} of varying bit rate; convert it to WAV first")
        return summary.samples, (length_frames(data, summary), summary.runs)


def repaired_copy(file: BinaryIO, recipe: Recipe, path: Path) -> BinaryIO:
    """Write the repaired file to an unnamed temporary one, which libsndfile can read at full speed."""
    head, runs = recipe
    try:
        with contextlib.ExitStack() as on_error:
            repaired = on_error.enter_context(tempfile.TemporaryFile(buffering=0))
            repaired.write(head)
            for start, end in runs:
                file.seek(start)
                for at in range(start, end, 1 << 20):
                    repaired.write(file.read(min(1 << 20, end - at)))
            on_error.pop_all()
            return repaired
    except OSError as error:
        raise AudioFileError(
            f"{path} needs a temporary copy in {tempfile.gettempdir()}, which cannot be written ({error.strerror}); "
            "set TMPDIR to another folder"
        ) from error
