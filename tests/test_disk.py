"""Disk trouble says what it is, whoever wrote, and is told from everything else."""

from __future__ import annotations

import errno
import os
import sqlite3
import subprocess
from pathlib import Path

import pytest
import safetensors.torch
import torch
from limits import files_of_at_most

from contextrl import disk
from contextrl.disk import disk_error, sized, why_not_writable, writing
from contextrl.errors import ContextRLError, DiskError


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.ENOSPC, "no space left"),
        (errno.EDQUOT, "no space left, the disk quota is used up"),
        (errno.EFBIG, "no space left, the file may not grow further"),
        (errno.EROFS, "read-only file system"),
        (errno.EACCES, "no permission"),
        (errno.ENAMETOOLONG, "the name is too long"),
        (errno.EIO, "input/output error"),
        (errno.EISDIR, "there is a folder of that name"),
        (errno.ENOTDIR, "is a file, not a folder"),
        (errno.ENOENT, "its folder is gone"),
        (errno.EMFILE, "ulimit -n"),
    ],
)
def test_what_the_system_says_becomes_words(tmp_path: Path, code: int, words: str) -> None:
    path = tmp_path / "groups.jsonl"
    with pytest.raises(DiskError) as caught, writing(path, fix="Make room"):
        raise OSError(code, os.strerror(code))
    assert f"{path} could not be written: " in str(caught.value)
    assert words in str(caught.value)
    assert str(caught.value).endswith("Make room.")
    assert caught.value.exit_code == 2
    full = code in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    assert ("free now" in str(caught.value)) == full


def test_a_device_that_is_always_full() -> None:
    with pytest.raises(DiskError, match="no space left"), writing(Path("/dev/full")), open("/dev/full", "w") as file:
        file.write("x")


def saves_badly(*, explicit: bool) -> None:
    """Fails for want of room, and then for another reason."""
    try:
        raise OSError(errno.ENOSPC, "full")
    except OSError as error:
        if explicit:
            raise RuntimeError("while saving") from error
        raise ValueError("then this")  # noqa: B904 - as libraries do


@pytest.mark.parametrize("explicit", [True, False])
def test_the_cause_may_be_anywhere_in_the_chain(tmp_path: Path, explicit: bool) -> None:
    with pytest.raises(DiskError, match="no space left"), writing(tmp_path / "x"):
        saves_badly(explicit=explicit)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("CUDA out of memory"),
        ValueError("no"),
        ConnectionResetError(errno.ECONNRESET, "the hub"),
        TimeoutError("slow"),
        OSError("the hub has no such model"),
        RuntimeError("PytorchStreamReader failed reading zip archive: inline_container.cc"),
        KeyboardInterrupt(),
    ],
    ids=repr,
)
def test_other_errors_pass_as_they_are(tmp_path: Path, error: BaseException) -> None:
    with pytest.raises(type(error)) as caught, writing(tmp_path / "x"):
        raise error
    assert caught.value is error
    assert not isinstance(error, Exception) or disk_error(error, tmp_path) is None


def test_pytorch_and_safetensors_say_it_too(tmp_path: Path) -> None:
    """PyTorch's own message is `unexpected pos 576 vs 534`."""
    tensors = {"weights": torch.zeros(100_000)}
    with files_of_at_most(100_000):
        with pytest.raises(DiskError, match="no space left"), writing(tmp_path):
            torch.save(tensors, tmp_path / "optimizer.pt")
        with pytest.raises(DiskError, match="no space left"), writing(tmp_path):
            safetensors.torch.save_file(tensors, tmp_path / "model.safetensors")


def test_pytorch_on_a_full_disk_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.EDQUOT, "quota")

    monkeypatch.setattr(disk.tempfile, "TemporaryFile", full)
    with pytest.raises(DiskError, match="quota"), writing(tmp_path):
        raise RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 576 vs 534")


def test_a_full_database(tmp_path: Path) -> None:
    database = sqlite3.connect(tmp_path / "c.sqlite")
    database.execute("PRAGMA max_page_count = 1")
    with pytest.raises(DiskError, match="no space left"), writing(tmp_path):
        database.execute("CREATE TABLE a (b)")
    database.close()


def test_outside_of_writing_only_what_is_surely_the_disks(tmp_path: Path) -> None:
    found = disk_error(OSError(errno.ENOSPC, "full", str(tmp_path / "x")))
    assert isinstance(found, DiskError)
    assert str(tmp_path / "x") in str(found)
    assert disk_error(FileNotFoundError(errno.ENOENT, "no", "data.jsonl")) is None
    assert disk_error(PermissionError(errno.EACCES, "no", "data.jsonl")) is None


def test_a_disk_error_is_ours_and_the_systems() -> None:
    error = DiskError("x could not be written: full", fix="Make room")
    assert isinstance(error, ContextRLError)
    assert isinstance(error, OSError)
    assert str(error) == "x could not be written: full. Make room."
    assert disk_error(error) is error


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("n" * 256, "too long"),
        ("答" * 86, "too long"),
        ("/".join(["p" * 200] * 20), "too long"),
        ("file/run", "not a folder"),
        ("loop", "circle"),
        ("dangling", "link to nothing"),
        ("nul\0", "null"),
    ],
)
def test_where_nothing_can_be_written(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    before = sorted(tmp_path.iterdir())
    assert words in (why_not_writable(tmp_path / name) or "")
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("name", ["", "new", "deep/er/new", "n" * 255])
def test_where_it_can(tmp_path: Path, name: str) -> None:
    assert why_not_writable(tmp_path / name) is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("flag", "words"), [(0, "no permission"), (os.ST_RDONLY, "read-only")])
def test_a_folder_that_may_not_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flag: int, words: str
) -> None:
    """Root may write everywhere but on a read-only disk: the system's answers are stood in for."""

    class Answer:
        f_flag = flag

    monkeypatch.setattr(os, "access", lambda *_: False)
    monkeypatch.setattr(os, "statvfs", lambda _: Answer)
    assert words in (why_not_writable(tmp_path / "run") or "")


def test_a_disk_that_is_mounted_read_only(tmp_path: Path) -> None:
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "ro,size=1m", "tmpfs", tmp_path], capture_output=True)
    if mounted.returncode:
        pytest.skip("nothing can be mounted here")
    try:
        assert "read-only" in (why_not_writable(tmp_path / "run") or "")
    finally:
        subprocess.run(["umount", tmp_path], check=True)


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (1_500, "1.5 kB"), (18_190_000, "18.2 MB"), (3.1e9, "3.1 GB")],
)
def test_sizes_for_people(size: float, text: str) -> None:
    assert sized(size) == text
