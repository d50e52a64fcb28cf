"""Disk trouble of a whole command: one message, exit code 2, what is safe, and the run goes on from there."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors import SafetensorError
from test_commands import settings
from transformers import Trainer

from contextrl.commands import disk
from contextrl.commands.cli import main
from contextrl.records import groups, run_directory
from contextrl.records.jsonl import read_objects
from contextrl.trainer import room, run
from contextrl.trainer.checkpoint_folders import complete_checkpoints

CONFIG = Path(__file__).resolve().parents[2] / "configs" / "miniature" / "contextrl.yaml"
SMALL = (
    "train.max_steps=2",
    "train.save_steps=1",
    "train.use_cpu=true",
    "train.per_device_train_batch_size=8",
    "train.max_completion_length=8",
    "data.eval=null",
    "data.examples=16",
)


class Command:
    """`contextrl train` on the miniature, again and again in one folder."""

    def __init__(
        self, policy: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.run, self.monkeypatch, self.capsys = folder / "run", monkeypatch, capsys
        self.arguments = ["train", str(CONFIG), *settings(f"run_dir={self.run}", f"model.path={policy}", *SMALL)]

    def __call__(self, *more: str) -> tuple[int, str]:
        """Exit code and what was said on stderr."""
        self.monkeypatch.setattr("sys.argv", ["contextrl", *self.arguments, *more])
        with pytest.raises(SystemExit) as stopped:
            main()
        return int(stopped.value.code or 0), self.capsys.readouterr().err

    def checkpoints(self) -> list[str]:
        return sorted(path.name for path in (self.run / "checkpoints").glob("checkpoint-*"))


@pytest.fixture
def train(
    tiny_policy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    return Command(tiny_policy, tmp_path, monkeypatch, capsys)


def no_room_for(name: str, write: Callable[..., None], at: int = 1) -> Callable[..., None]:
    """`write`, but for the `at`-th time that a file of that name is written."""
    times = 0

    def refusing(path: Path, *args: Any) -> None:
        nonlocal times
        times += path.name == name
        if path.name == name and times == at:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        write(path, *args)

    return refusing


def refusing_the_model(trainer: Any, folder: Path, *_: Any, **__: Any) -> None:
    """A disk that is full within the model's folder."""
    scratch = folder.with_name(".model.partial")
    scratch.mkdir()
    (scratch / "model.safetensors").write_bytes(b"half")
    raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")


PLACES = {
    "groups": (groups, "append_lines", "groups.jsonl", 2),
    "metrics": (run_directory, "append_lines", "metrics.jsonl", 2),
    "results": (run_directory, "write_atomically", "results.json", 1),
}


@pytest.mark.parametrize(("module", "function", "name", "at"), PLACES.values(), ids=PLACES.keys())
def test_a_disk_that_is_full_while_records_are_written(
    train: Command, monkeypatch: pytest.MonkeyPatch, module: Any, function: str, name: str, at: int
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(module, function, no_room_for(name, getattr(module, function), at))
        code, said = train()
    assert code == 2, said
    assert "Traceback" not in said
    safe = "checkpoint-2" if name == "results.json" else "checkpoint-1"
    for words in ("no space left", f"safe are {safe}", "Make room; then go on with: contextrl train", "--resume"):
        assert words in said
    assert said.count("error:") == 1
    code, said = train("--resume")
    assert code == 0, said
    assert json.loads((train.run / "results.json").read_text(encoding="utf-8"))["steps"] == 2
    assert [row["step"] for row in read_objects(train.run / "metrics.jsonl")] == [1, 2]
    assert {row["step"] for row in read_objects(train.run / "groups.jsonl")} == {1, 2}


def test_a_disk_that_is_full_while_the_model_is_written(train: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(run, "save_model_folder", refusing_the_model)
        code, said = train()
    assert code == 2, said
    for words in (f"{train.run / 'model'} could not be written: no space left", "safe are checkpoint-2", "--resume"):
        assert words in said
    assert not (train.run / ".model.partial").exists()
    code, said = train("--resume")
    assert code == 0, said
    assert (train.run / "model" / "model.safetensors").is_file()


def test_a_disk_that_is_still_full(train: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cut checkpoint goes first, the newest whole one never; then room is made as the message says."""

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    save = Trainer._save_optimizer_and_scheduler
    monkeypatch.setattr(
        Trainer,
        "_save_optimizer_and_scheduler",
        lambda trainer, folder: (full if trainer.state.global_step == 2 else save)(trainer, folder),
    )
    code, said = train()
    assert code == 2, said
    assert "checkpoint-2 could not be written: no space left" in " ".join(said.split())
    assert train.checkpoints() == ["checkpoint-1"]
    monkeypatch.setattr(Trainer, "_save_optimizer_and_scheduler", save)
    (train.run / "checkpoints" / "checkpoint-2").mkdir()
    (train.run / "checkpoints" / "checkpoint-2" / "model.safetensors").write_bytes(b"half")
    for module in (room, disk):
        monkeypatch.setattr(module, "free_bytes", lambda _: 1000)
    code, said = train("--resume")
    assert code == 2, said
    assert "free space for a checkpoint" in said
    assert train.checkpoints() == ["checkpoint-1"]
    # Two whole ones, of which one may go where the limit is lower than it was.
    whole = train.run / "checkpoints" / "checkpoint-1"
    older = train.run / "checkpoints" / "checkpoint-0"
    older.mkdir()
    for path in whole.iterdir():
        (older / path.name).write_bytes(path.read_bytes())
    for module in (room, disk):
        monkeypatch.setattr(module, "free_bytes", lambda _: 10**9 if not older.exists() else 1000)
    code, said = train("--resume", "--set", "train.save_total_limit=1")
    assert code == 0, said
    assert [path.name for path in complete_checkpoints(train.run / "checkpoints")] == ["checkpoint-2"]


def test_too_little_room_is_found_before_anything_begins(train: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "free_bytes", lambda _: 5_000_000)
    code, said = train()
    assert code == 2, said
    for words in ("MB of free space for a checkpoint (weights 6.0 MB, optimizer 12.1 MB)", "found 5.0 MB", "run_dir"):
        assert words in said
    assert not train.run.exists()


def test_room_for_one_checkpoint_but_not_for_all_is_said(
    train: Command, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(room, "free_bytes", lambda _: 30_000_000)
    monkeypatch.setattr("sys.argv", ["contextrl", *train.arguments])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert not stopped.value.code
    assert "keeps 2 checkpoints of 18.1 MB" in " ".join(capsys.readouterr().out.split())


def test_pictures_are_a_setting_that_a_resumed_run_may_change(train: Command) -> None:
    code, said = train("--set", "record.images=0")
    assert code == 0, said
    assert list((train.run / "images").iterdir()) == []
    assert all(row["images"] == [] for row in read_objects(train.run / "groups.jsonl"))
    (train.run / "results.json").unlink()
    code, said = train("--resume", "--set", "record.images=null", "--set", "record.max_side=32")
    assert code == 0, said
