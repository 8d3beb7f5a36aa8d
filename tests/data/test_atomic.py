"""A file appears whole under its name, or not at all."""

import errno
import os
import stat
from pathlib import Path

import pytest

from audiorestore.data.atomic import atomic_path
from audiorestore.errors import AudioFileError, AudioRestoreError


def test_the_file_appears_only_when_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "song.wav"
    with atomic_path(target) as temporary:
        temporary.write_bytes(b"half")
        assert not target.exists()
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".wav"
        assert temporary.name.startswith(".")
    assert target.read_bytes() == b"half"
    assert [path.name for path in tmp_path.iterdir()] == ["song.wav"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, AudioRestoreError])
def test_any_exception_leaves_nothing_and_the_old_file_as_it_was(tmp_path: Path, error: type[BaseException]) -> None:
    target = tmp_path / "song.wav"
    target.write_bytes(b"old")

    def fail_halfway() -> None:
        with atomic_path(target, overwrite=True) as temporary:
            temporary.write_bytes(b"new")
            raise error

    with pytest.raises(error):
        fail_halfway()
    assert target.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


def test_missing_folders_are_made(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "a" / "b" / "ü -x.flac") as temporary:
        temporary.write_bytes(b"x")
    assert (tmp_path / "a" / "b" / "ü -x.flac").read_bytes() == b"x"


def test_an_existing_file_is_kept_without_overwrite(tmp_path: Path) -> None:
    target = tmp_path / "song.wav"
    target.write_bytes(b"old")
    with pytest.raises(AudioFileError, match="exists already; give -f"), atomic_path(target):
        pytest.fail("the body must not run")
    with atomic_path(target, overwrite=True) as temporary:
        temporary.write_bytes(b"new")
    assert target.read_bytes() == b"new"


def test_two_jobs_with_one_output_do_not_overwrite_each_other(tmp_path: Path) -> None:
    target = tmp_path / "song.wav"

    def second_job() -> None:
        with atomic_path(target) as temporary:
            temporary.write_bytes(b"second")
            target.write_bytes(b"first")

    with pytest.raises(AudioFileError, match="exists already"):
        second_job()
    assert target.read_bytes() == b"first"
    assert len(list(tmp_path.iterdir())) == 1


def test_without_hard_links_the_file_still_appears(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    with atomic_path(tmp_path / "song.wav") as temporary:
        temporary.write_bytes(b"x")
    assert [path.name for path in tmp_path.iterdir()] == ["song.wav"]


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_the_umask_decides_who_may_read_the_file(tmp_path: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        with atomic_path(tmp_path / "song.wav") as temporary:
            temporary.write_bytes(b"x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "song.wav").stat().st_mode) == mode


def test_a_link_is_written_through(tmp_path: Path) -> None:
    real = tmp_path / "real.wav"
    real.write_bytes(b"old")
    link = tmp_path / "link.wav"
    link.symlink_to(real)
    with atomic_path(link, overwrite=True) as temporary:
        temporary.write_bytes(b"new")
    assert link.is_symlink()
    assert real.read_bytes() == b"new"


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_or_device_is_refused(tmp_path: Path, overwrite: bool) -> None:
    with pytest.raises(AudioFileError, match="is a folder"), atomic_path(tmp_path, overwrite):
        pytest.fail("the body must not run")
    expected = "is a device" if overwrite else "exists already"
    with pytest.raises(AudioFileError, match=expected), atomic_path(Path("/dev/null"), overwrite):
        pytest.fail("the body must not run")


def test_a_file_in_the_place_of_the_folder_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    expected = "cannot be written: a part of its path is a file"
    with pytest.raises(AudioFileError, match=expected), atomic_path(tmp_path / "file" / "song.wav"):
        pytest.fail("the body must not run")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_unwritable_folder_is_one_sentence(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(AudioFileError, match="you may not write in that folder"), atomic_path(tmp_path / "song.wav"):
        pytest.fail("the body must not run")


@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.ENOSPC, "the disk is full"), (errno.EACCES, "you may not write"), (errno.EROFS, "read-only")],
)
def test_what_the_disk_refuses_on_flushing_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, words: str
) -> None:
    def refuse(_: int) -> None:
        raise OSError(number, os.strerror(number), str(tmp_path))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(AudioFileError, match=words), atomic_path(tmp_path / "song.wav") as temporary:
        temporary.write_bytes(b"x")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_in_the_body_is_one_sentence_but_a_missing_input_stays_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(AudioFileError, match="the disk is full"), atomic_path(tmp_path / "song.wav"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with pytest.raises(FileNotFoundError, match="other"), atomic_path(tmp_path / "song.wav"):
        (tmp_path / "other.wav").read_bytes()
