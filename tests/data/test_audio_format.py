"""What an output made from an input is to hold."""

from pathlib import Path

import pytest

from audiorestore.data.audio_format import AudioInfo, output_subtype, output_suffix


def described(container: str, subtype: str, channels: int = 2, sample_rate: int = 44100) -> AudioInfo:
    return AudioInfo(Path("x"), sample_rate, channels, 1, container, subtype, {})


@pytest.mark.parametrize(
    ("container", "subtype", "suffix", "depth", "in_flac"),
    [
        ("WAV", "PCM_U8", ".wav", "PCM_16", "PCM_16"),
        ("AIFF", "PCM_S8", ".aiff", "PCM_16", "PCM_16"),
        ("WAV", "ULAW", ".wav", "PCM_16", "PCM_16"),
        ("WAV", "IMA_ADPCM", ".wav", "PCM_16", "PCM_16"),
        ("FLAC", "PCM_16", ".flac", "PCM_16", "PCM_16"),
        ("FLAC", "PCM_24", ".flac", "PCM_24", "PCM_24"),
        ("CAF", "ALAC_20", ".caf", "PCM_24", "PCM_24"),
        ("W64", "PCM_32", ".wav", "PCM_32", "PCM_24"),
        ("RF64", "FLOAT", ".wav", "FLOAT", "PCM_24"),
        ("WAV", "DOUBLE", ".wav", "DOUBLE", "PCM_24"),
        ("MP3", "MPEG_LAYER_III", ".flac", "PCM_16", "PCM_16"),
        ("OGG", "OPUS", ".flac", "PCM_16", "PCM_16"),
        ("AU", "PCM_24", ".wav", "PCM_24", "PCM_24"),
    ],
)
def test_an_output_keeps_the_input_s_depth_and_family(
    container: str, subtype: str, suffix: str, depth: str, in_flac: str
) -> None:
    info = described(container, subtype)
    assert output_suffix(info) == suffix
    assert output_subtype(info, "WAV") == depth
    assert output_subtype(info, "FLAC") == in_flac


def test_what_flac_cannot_hold_becomes_wav() -> None:
    assert output_suffix(described("OGG", "VORBIS", channels=8)) == ".flac"
    assert output_suffix(described("OGG", "VORBIS", channels=9)) == ".wav"
