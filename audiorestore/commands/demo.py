"""``ar demo``: a minute of sound to try everything on."""

from pathlib import Path
from typing import Annotated

import typer

from ..errors import ExitStatus
from ._inputs import Force, Jobs
from ._signals import shell_command
from ._speech import emit, with_bar


@shell_command
def demo(
    output: Annotated[Path, typer.Argument(help="Folder for the audio files.")],
    sample_rate: Annotated[int, typer.Option(min=8000, max=192000, help="Sample rate in Hz.")] = 22050,
    jobs: Jobs = 1,
    force: Force = False,
) -> ExitStatus:
    """Render a minute of demo audio: plucked strings, drums, a singing formant voice, bells, an organ, mixes.

    16-bit mono WAV, the same on every machine and free of copyright. Existing files are kept.

    \b
    Example:
      ar demo demo/ > demo.jsonl
    """
    from ..engine.batch import run_batch
    from ..engine.demo import demo_records, render_record

    def render(record: dict[str, object]) -> dict[str, object]:
        return render_record(record, output, sample_rate, force)

    records = demo_records()
    return emit(with_bar(run_batch(records, render, "demo", jobs=jobs), "demo", len(records)), "demo")
