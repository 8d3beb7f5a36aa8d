"""Demo audio as files: sounds to try the project on, which it renders itself."""

from pathlib import Path

from ..data.audio_file import write_audio
from ..data.manifest import Record
from ..demo.synthesis import DEMO_PIECES, render_demo
from .provenance import digest_of, made_before, provenance


def demo_records() -> list[Record]:
    """List the pieces, as records with only an ``id``."""
    return [{"id": name} for name in DEMO_PIECES]


def render_record(record: Record, folder: Path, sample_rate: int, overwrite: bool) -> Record:
    """Render one piece as a 16-bit WAV file, unless it exists; return the record with ``reference``."""
    target = folder / f"{record['id']}.wav"
    digest = digest_of("demo", record["id"], sample_rate)
    added = {"reference": str(target)}
    if made_before(target, digest, overwrite) is None:
        waveform = render_demo(record["id"], sample_rate)
        write_audio(
            target, waveform, sample_rate, subtype="PCM_16", overwrite=overwrite, provenance=provenance(digest, added)
        )
    return {**record, **added}
