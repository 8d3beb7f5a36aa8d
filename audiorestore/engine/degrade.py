"""Hurting reference audio on purpose: each record draws its own damage and gets its own file."""

from dataclasses import dataclass
from pathlib import Path

from ..damage._chain import Chain, apply_chain
from ..data.audio_file import read_audio, write_audio
from ..data.manifest import Record, need, output_path
from ..randomness import generator
from .provenance import digest_of, file_digest, made_before, provenance, refuse_own_input

FORMATS = {"wav": (".wav", "FLOAT"), "flac": (".flac", "PCM_24")}


@dataclass(frozen=True)
class DegradeConfig:
    """How references are hurt.

    Attributes:
        chain: The damages.
        folder: Where the degraded files go; ids are mirrored there.
        seed: What the draws of all records hang on.
        format: ``wav`` (float32: nothing is clipped, and training maps it into memory) or ``flac`` (24 bit).
        overwrite: Replace files that are there already, whatever made them.
    """

    chain: Chain
    folder: Path
    seed: int = 0
    format: str = "wav"
    overwrite: bool = False


def degrade_record(record: Record, config: DegradeConfig) -> Record:
    """Hurt one record's reference, or recognise the file that an earlier run made from the same parts.

    Returns:
        The record with ``degraded``, ``sample_rate``, ``channels``, ``frames`` and ``damage``.
    """
    (reference,) = need(record, "reference")
    suffix, subtype = FORMATS[config.format]
    target = output_path(config.folder, record, suffix)
    refuse_own_input(target, reference)
    damages = config.chain.draw(generator(config.seed, "degrade", record["id"], record.get("sample", 0)))
    digest = digest_of(file_digest(reference), "degrade", damages, config.format)
    made = made_before(target, digest, config.overwrite)
    if made is not None:
        return {**record, **made}
    waveform, sample_rate = read_audio(reference)
    degraded, told = apply_chain(waveform, sample_rate, damages)
    added = {
        "degraded": str(target),
        "sample_rate": sample_rate,
        "channels": waveform.shape[0],
        "frames": waveform.shape[-1],
        "damage": told,
    }
    carried = provenance(digest, added)
    write_audio(target, degraded, sample_rate, subtype=subtype, overwrite=config.overwrite, provenance=carried)
    return {**record, **added}
