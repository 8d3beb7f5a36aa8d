"""The user's own recorded noise, mixed in: a tape's leader, an empty groove, a room, a street.

For each record one file of the folder is drawn, and where in it to begin. A file that is long enough is used in one
piece; a shorter one is repeated, its end crossfaded into its beginning over 50 ms. If the noise has fewer channels
than the recording, they are used in turn.

Source: Valentini-Botinhao et al., "Investigating RNN-based speech enhancement methods for noise-robust Text-to-Speech",
SSW 2016 (recorded noise at a drawn SNR); Moliner and Välimäki, "A two-stage U-Net for high-fidelity denoising of
historical recordings", ICASSP 2022 (stretches of noise cut from old discs).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np

from ..data.audio_file import AudioReader
from ..errors import AudioRestoreError
from ..signal.resample import resampled_frames
from ..signal.sound import Block, Sound, even, regrid
from ._additive import SNR_DB, add
from ._damage import REQUIRED, DamageConfig, Damaged, Domain, Outcome, Span, parameter
from ._user_audio import FILE, drawn_file, endless

FADE_SECONDS = 0.05
LEAST_SECONDS = 0.2  # what is shorter and has to be repeated is a tone


@dataclass(frozen=True)
class Config(DamageConfig):
    """Which noise, and how much of it."""

    folder: str = parameter(REQUIRED, Domain(Path, meaning="a folder with recordings of noise, or one such file"))
    snr_db: float = parameter(Span(0.0, 20.0), SNR_DB)
    file: str = FILE
    start: float = parameter(
        Span(0.0, 1.0),
        Domain(float, meaning="where in the file to begin: 0 at its start, 1 as late as possible", low=0, high=1),
    )

    def draw(self, rng: np.random.Generator) -> Self:
        """Draw every parameter, and pick a file."""
        drawn = super().draw(rng)
        return replace(drawn, file=drawn_file(drawn.file, drawn.folder, rng))


def sources(config: Config) -> list[Path]:
    """Name the file that is read."""
    return [Path(config.file)]


def apply(sound: Sound, config: Config) -> Damaged:
    """Add the noise; report its level (``noise_dbfs``), where in the file it starts, and if it had to be repeated."""
    with AudioReader(config.file) as reader:
        rate, frames = reader.info.sample_rate, reader.info.frames
        needed = resampled_frames(sound.frames, sound.sample_rate, rate)
        looped = needed > frames
        if looped and frames < LEAST_SECONDS * rate:
            raise AudioRestoreError(
                f"{reader.path} holds {frames / rate:.3f} s of noise, and repeating so little would sound like a tone; "
                f"give a file of at least {LEAST_SECONDS} s"
            )
        fade = round(FADE_SECONDS * rate) if looped else 0
        start = round(config.start * (frames - (fade if looped else needed)))

        def noise() -> Iterator[Block]:
            stretch = Sound(rate, reader.info.channels, frames, lambda: endless(reader, start, fade))
            audible = False
            blocks = stretch.resampled(sound.sample_rate).blocks()
            for block in regrid(blocks, stretch.channels, sound.frames):
                audible = audible or bool(block[: sound.channels].any())
                yield block[np.arange(sound.channels) % stretch.channels]
            if not audible:
                stop = min(frames, start + needed)
                raise AudioRestoreError(
                    f"{reader.path} is silent from {start / rate:.2f} to {stop / rate:.2f} s, so there is no noise to "
                    "mix in; cut the silence off, or remove the file"
                )

        outcome = yield from add(even(sound), noise, config.snr_db)
    place = {"noise_start_seconds": round(start / rate, 3), "noise_looped": int(looped)}
    return Outcome({**outcome.measured, **place}, outcome.encoded)
