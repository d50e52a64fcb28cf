"""The run directory: what it refuses, what it writes, what it reads back after a kill."""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from limits import files_of_at_most

from contextrl.commands.config import RunConfig, parse_config
from contextrl.errors import DiskError, InputError
from contextrl.records import run_directory
from contextrl.records.files import append_lines, write_atomically
from contextrl.records.jsonl import read_objects
from contextrl.records.run_directory import RunDirectory, environment

COMMAND = ["contextrl", "train", "demo.yaml"]


def lines(*rows: dict[str, Any]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def absent(path: Path) -> None:
    """Nothing there."""


def empty(path: Path) -> None:
    path.mkdir()


def foreign(path: Path) -> None:
    path.mkdir()
    (path / "thesis.tex").write_text("dear")


def killed_before_it_began(path: Path) -> None:
    """What a kill or a full disk leaves when the configuration was being written."""
    (path / "checkpoints").mkdir(parents=True)
    (path / "environment.json").write_text("{}")
    (path / ".config.yaml.partial").write_text("method: cont")


def earlier_run(path: Path) -> None:
    RunDirectory(path).start(RunConfig().to_yaml(), environment(7, COMMAND), resume=False)


# ---- check_free --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "resume", "overwrite", "refusal"),
    [
        pytest.param(absent, False, False, None, id="new"),
        pytest.param(absent, False, True, None, id="new-overwrite"),
        pytest.param(absent, True, False, "expected a run to resume, found none", id="new-resume"),
        pytest.param(empty, False, False, None, id="empty"),
        pytest.param(empty, True, False, "expected a run to resume, found none", id="empty-resume"),
        pytest.param(foreign, False, False, "found files that are not a run", id="foreign"),
        pytest.param(foreign, False, True, "found files that are not a run", id="foreign-is-never-overwritten"),
        pytest.param(foreign, True, False, "expected a run to resume, found none", id="foreign-resume"),
        pytest.param(killed_before_it_began, False, False, None, id="killed-before-it-began"),
        pytest.param(killed_before_it_began, False, True, None, id="killed-before-it-began-overwrite"),
        pytest.param(
            killed_before_it_began, True, False, "expected a run to resume", id="killed-before-it-began-resume"
        ),
        pytest.param(earlier_run, False, False, "found an earlier run", id="earlier-run"),
        pytest.param(earlier_run, False, True, None, id="earlier-run-overwrite"),
        pytest.param(earlier_run, True, False, None, id="earlier-run-resume"),
    ],
)
def test_check_free(
    tmp_path: Path, state: Callable[[Path], None], resume: bool, overwrite: bool, refusal: str | None
) -> None:
    path = tmp_path / "run"
    state(path)
    before = sorted(path.rglob("*"))
    if refusal is None:
        RunDirectory(path).check_free(resume=resume, overwrite=overwrite)
    else:
        with pytest.raises(InputError) as caught:
            RunDirectory(path).check_free(resume=resume, overwrite=overwrite)
        assert refusal in str(caught.value)
        assert str(path) in str(caught.value)
        assert caught.value.fix
    # Checking touches nothing.
    assert sorted(path.rglob("*")) == before


def test_a_file_in_the_way_is_the_users_error(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("a file")
    with pytest.raises(InputError):
        RunDirectory(tmp_path / "run").check_free(resume=False, overwrite=False)


@pytest.mark.parametrize("name", ["checkpoints", "images", "metrics.jsonl", "groups.jsonl", "results.json"])
@pytest.mark.parametrize("resume", [True, False])
def test_a_file_in_a_folders_place_and_the_other_way_round(tmp_path: Path, name: str, resume: bool) -> None:
    path = tmp_path / "run"
    if resume:
        earlier_run(path)
    path.mkdir(exist_ok=True)
    if name in ("checkpoints", "images"):
        if resume:
            (path / name).rmdir()
        (path / name).write_text("mine")
    else:
        (path / name).mkdir()
    with pytest.raises(InputError) as caught:
        RunDirectory(path).check_free(resume=resume, overwrite=False)
    assert str(path / name if resume else path) in str(caught.value)


@pytest.mark.parametrize("name", ["n" * 256, "file/run", "loop"])
def test_a_place_where_no_run_can_be(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(InputError, match="Change run_dir"):
        RunDirectory(tmp_path / name).check_free(resume=False, overwrite=False)


def test_a_run_that_may_not_be_written_is_not_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    earlier_run(tmp_path / "run")
    may = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != "images" and may(path, mode))
    with pytest.raises(InputError, match=r"images: expected a folder that can be written"):
        RunDirectory(tmp_path / "run").check_free(resume=True, overwrite=False)


# ---- start -------------------------------------------------------------------------------------------------------


def test_start_writes_what_the_run_is(tmp_path: Path) -> None:
    config = RunConfig(seed=7, method="dapo", run_dir=tmp_path / "deep" / "run", train={"learning_rate": 1e-4})
    run = RunDirectory(config.run_dir)
    assert not run.exists()
    run.start(config.to_yaml(), environment(7, COMMAND), resume=False)
    assert run.exists()
    assert parse_config(run.settings()) == config
    assert run.checkpoints.is_dir()
    assert (run.path / "images").is_dir()
    written = json.loads((run.path / "environment.json").read_text())
    assert (written["seed"], written["command"]) == (7, COMMAND)


def test_start_replaces_an_earlier_run(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    run.start(RunConfig(seed=1).to_yaml(), environment(7, COMMAND), resume=False)
    run.append_metrics({"step": 1})
    (run.checkpoints / "checkpoint-1").mkdir()
    run.start(RunConfig(seed=2).to_yaml(), environment(7, COMMAND), resume=False)
    assert run.settings()["seed"] == 2
    assert not (run.path / "metrics.jsonl").exists()
    assert list(run.checkpoints.iterdir()) == []


def test_resuming_keeps_what_is_there(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    run.start(RunConfig(seed=1).to_yaml(), environment(7, COMMAND), resume=False)
    run.append_metrics({"step": 1})
    (run.checkpoints / "checkpoint-1").mkdir()
    before = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    run.start(RunConfig(seed=2).to_yaml(), environment(7, ["other"]), resume=True)
    assert {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()} == before
    assert (run.checkpoints / "checkpoint-1").is_dir()


def test_a_run_is_there_only_once_its_config_is(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    run.start(RunConfig().to_yaml(), environment(7, COMMAND), resume=False)
    (run.path / "config.yaml").unlink()
    assert not run.exists()


@pytest.mark.parametrize("name", ["n" * 250, "答" * 84])
def test_a_run_with_a_long_name_is_replaced(tmp_path: Path, name: str) -> None:
    earlier_run(tmp_path / name)
    (tmp_path / name / "metrics.jsonl").touch()
    earlier_run(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert not (tmp_path / name / "metrics.jsonl").exists()


@pytest.mark.parametrize("failing", ["environment.json", "config.yaml"])
def test_a_start_that_the_disk_refuses_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    def refuse(path: Path, text: str) -> None:
        if path.name == failing:
            raise OSError(errno.ENOSPC, "full")
        write_atomically(path, text)

    monkeypatch.setattr(run_directory, "write_atomically", refuse)
    with pytest.raises(DiskError, match="no space left"):
        earlier_run(tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def test_resuming_removes_what_was_being_written(tmp_path: Path) -> None:
    earlier_run(tmp_path)
    for left in (".metrics.jsonl.partial", "images/a.png.77.partial"):
        (tmp_path / left).write_text("half")
    (tmp_path / "images" / "a.png").write_text("whole")
    (tmp_path / ".model.partial").mkdir()
    (tmp_path / ".model.partial" / "model.safetensors").write_text("half")
    RunDirectory(tmp_path).start("", {}, resume=True)
    assert not list(tmp_path.rglob("*.partial"))
    assert (tmp_path / "images" / "a.png").exists()


# ---- lines -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        pytest.param('{"step": 1}\n{"step": 2}\n', [1, 2], id="whole"),
        pytest.param('{"step": 1}\n{"step": 2', [1], id="cut-inside-a-value"),
        pytest.param('{"step": 1}\n{"step": 2}', [1], id="cut-before-the-newline"),
        pytest.param('{"st', [], id="only-a-cut-line"),
        pytest.param("", [], id="empty"),
        pytest.param('{"step": 1, "text": "a\\u2028b\u2028c"}\n', [1], id="line-separator-in-a-text"),
    ],
)
def test_read_objects_leaves_out_a_cut_last_line(tmp_path: Path, content: str, rows: list[int]) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text(content, encoding="utf-8")
    assert [row["step"] for row in read_objects(path)] == rows


def test_read_objects_without_a_file(tmp_path: Path) -> None:
    assert list(read_objects(tmp_path / "absent.jsonl")) == []


def test_read_objects_with_a_line_cut_inside_a_character(tmp_path: Path) -> None:
    path = tmp_path / "groups.jsonl"
    path.write_bytes('{"step": 1}\n{"step": 2, "text": "答'.encode()[:-1])
    assert [row["step"] for row in read_objects(path)] == [1]


def test_metrics_are_appended_a_line_each(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    run.append_metrics({"step": 1, "loss": 0.5})
    run.append_metrics({"step": 2, "loss": None})
    assert list(read_objects(tmp_path / "metrics.jsonl")) == [{"step": 1, "loss": 0.5}, {"step": 2, "loss": None}]
    assert (tmp_path / "metrics.jsonl").read_text().count("\n") == 2


def test_forget_after_drops_later_steps_and_the_cut_line(tmp_path: Path) -> None:
    rows = [{"step": step, "text": "答案"} for step in (0, 1, 2, 2, 3)]
    for name in ("metrics.jsonl", "groups.jsonl", "groups-1.jsonl"):
        (tmp_path / name).write_text(lines(*rows) + '{"step": 1, "cut', encoding="utf-8")
    RunDirectory(tmp_path).forget_after(2)
    for name in ("metrics.jsonl", "groups.jsonl", "groups-1.jsonl"):
        assert (tmp_path / name).read_text(encoding="utf-8") == lines(*rows[:4])


def test_what_is_appended_after_forgetting_is_readable(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    (tmp_path / "metrics.jsonl").write_text(lines({"step": 1}) + '{"step": 2')
    run.forget_after(1)
    run.append_metrics({"step": 2})
    assert [row["step"] for row in read_objects(tmp_path / "metrics.jsonl")] == [1, 2]


def test_forget_after_needs_no_room(tmp_path: Path) -> None:
    """The file is cut, not written anew: a resumed run must get past a disk that is still full."""
    (tmp_path / "metrics.jsonl").write_text(lines({"step": 1}, {"step": 2}, {"step": 3}))
    with files_of_at_most(1):
        RunDirectory(tmp_path).forget_after(2)
    assert (tmp_path / "metrics.jsonl").read_text() == lines({"step": 1}, {"step": 2})


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(lines({"step": 3}, {"step": 1}, {"step": 4}, {"step": 2}), id="not-in-order"),
        pytest.param(lines({"step": 1}) + "\0\0\0\n" + lines({"step": 2}, {"step": 9}), id="damaged"),
        pytest.param(lines({"step": 1}) + "[1]\n" + lines({"step": 2}), id="no-object"),
        pytest.param(lines({"step": 1}, {"step": 2}) + '{"loss": 1}\n', id="without-a-step"),
    ],
)
def test_forget_after_keeps_what_belongs_wherever_it_stands(tmp_path: Path, content: str) -> None:
    (tmp_path / "metrics.jsonl").write_text(content)
    RunDirectory(tmp_path).forget_after(2)
    assert (tmp_path / "metrics.jsonl").read_text() == lines({"step": 1}, {"step": 2})


def test_lines_are_appended_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "groups.jsonl"
    append_lines(path, "first\n")
    with files_of_at_most(20), pytest.raises(DiskError, match=r"groups\.jsonl could not be written: no space left"):
        append_lines(path, "second, which is longer than that\n")
    assert path.read_text() == "first\n"
    append_lines(path, "third 答\ud83d\n")
    assert path.read_text(encoding="utf-8") == "first\nthird 答?\n"


def test_lines_on_a_device_that_is_always_full(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").symlink_to("/dev/full")
    with pytest.raises(DiskError, match="no space left"):
        RunDirectory(tmp_path).append_metrics({"step": 1})


def test_forget_after_makes_no_files(tmp_path: Path) -> None:
    RunDirectory(tmp_path).forget_after(0)
    assert list(tmp_path.iterdir()) == []


# ---- files -------------------------------------------------------------------------------------------------------


def test_write_atomically_replaces_and_leaves_no_scratch(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    write_atomically(path, "old, and longer")
    write_atomically(path, "新")
    assert path.read_text(encoding="utf-8") == "新"
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "results.json"
    write_atomically(path, "old")

    def full_disk(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(DiskError, match="no space left"):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path], "what was begun would take the room that is left"


@pytest.mark.parametrize("name", ["n" * 255, "答" * 85])
def test_the_longest_names(tmp_path: Path, name: str) -> None:
    write_atomically(tmp_path / name, "text")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_results(tmp_path: Path) -> None:
    RunDirectory(tmp_path).write_results({"steps": 3, "after": None})
    assert json.loads((tmp_path / "results.json").read_text()) == {"steps": 3, "after": None}


# ---- environment -------------------------------------------------------------------------------------------------


def test_environment_has_versions_and_no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-do-not-write-me")
    written = environment(5, COMMAND)
    assert written["python"] == ".".join(str(part) for part in sys.version_info[:3])
    assert {"torch", "transformers", "trl", "contextrl"} <= written["packages"].keys()
    assert all(version[0].isdigit() for version in written["packages"].values())
    assert (written["seed"], written["command"]) == (5, COMMAND)
    assert set(written) == {"python", "platform", "cpus", "packages", "seed", "command"}
    assert "sk-do-not-write-me" not in json.dumps(written)
