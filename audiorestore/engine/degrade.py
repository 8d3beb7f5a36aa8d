"""Hurting reference audio on purpose: each record draws its own damage and gets its own file."""

from dataclasses import dataclass
from pathlib import Path

from ..damage._chain import Chain, apply_chain
from ..data.audio_file import AudioWriter, read_audio
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
        return {**record, "degraded": str(target), **made}
    waveform, sample_rate = read_audio(reference)
    degraded, told = apply_chain(waveform, sample_rate, damages)
    added = {
        "sample_rate": sample_rate,
        "channels": waveform.shape[0],
        "frames": waveform.shape[-1],
        "damage": told,
    }
    # What did not fit between ±1 is known only when all is written, so the file keeps room for it.
    with AudioWriter(
        target,
        sample_rate,
        waveform.shape[0],
        subtype=subtype,
        overwrite=config.overwrite,
        provenance=provenance(digest, {**added, "clipped": 1 << 62}),
        expected_frames=waveform.shape[-1],
    ) as writer:
        writer.write(degraded)
        if writer.over_full_scale and subtype != "FLOAT":
            added["clipped"] = writer.over_full_scale
        writer.note(provenance(digest, added))
    return {**record, "degraded": str(target), **added}
