"""Stages as jobs of datatrove: shared out, in order, not done twice; Slurm and Ray are given what they ask for."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from contextrl.errors import InputError, ServiceError
from contextrl.integrations import datatrove_stages
from contextrl.integrations.datatrove_stages import ExecutorSettings, Stage, run_stages


def note(folder: Path, name: str, rank: int, tasks: int) -> None:
    """Leaves a file that says what was there before."""
    before = sorted(path.name for path in folder.iterdir())
    (folder / f"{name}-{rank}-of-{tasks}").write_text("\n".join(before), encoding="utf-8")


def fail_once(folder: Path, rank: int, tasks: int) -> None:
    if rank == 1 and not (folder / "failed").exists():
        (folder / "failed").touch()
        raise OSError("the server is gone")
    note(folder, "second", rank, tasks)


def test_shared_stages_follow_each_other(tmp_path: Path) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    stages = [
        Stage("first", partial(note, folder, "first")),
        Stage("count", partial(note, folder, "count"), shared=False),
        Stage("last", partial(note, folder, "last")),
    ]
    settings = ExecutorSettings(tasks=3, workers=2)
    run_stages(stages, settings, tmp_path / "logs")
    firsts = [f"first-{rank}-of-3" for rank in range(3)]
    lasts = [f"last-{rank}-of-3" for rank in range(3)]
    assert sorted(path.name for path in folder.iterdir()) == sorted([*firsts, "count-0-of-1", *lasts])
    assert set((folder / "count-0-of-1").read_text(encoding="utf-8").splitlines()) == set(firsts)
    assert all("count-0-of-1" in (folder / last).read_text(encoding="utf-8") for last in lasts)
    for path in folder.iterdir():
        path.unlink()
    run_stages(stages, settings, tmp_path / "logs")
    assert list(folder.iterdir()) == [], "it is done"


def test_what_failed_is_done_the_next_time(tmp_path: Path) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    stages = [Stage("first", partial(fail_once, folder)), Stage("last", partial(note, folder, "last"), shared=False)]
    with pytest.raises(OSError, match="server is gone"):
        run_stages(stages, ExecutorSettings(tasks=2), tmp_path / "logs")
    assert not list(folder.glob("last-*"))
    run_stages(stages, ExecutorSettings(tasks=2), tmp_path / "logs")
    assert {path.name for path in folder.glob("*-of-*")} >= {"second-0-of-2", "second-1-of-2", "last-0-of-1"}


def test_slurm_hands_in_jobs_that_wait_for_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """datatrove's own executor, with a Slurm that only notes what it is given."""
    slurm = pytest.importorskip("datatrove.executor.slurm")
    handed_in: list[tuple[str, tuple[str, ...]]] = []

    def launch(contents: str, _: Any, *arguments: str) -> str:
        handed_in.append((contents, arguments))
        return str(100 + len(handed_in))

    monkeypatch.setattr(slurm, "launch_slurm_job", launch)
    settings = ExecutorSettings(kind="slurm", tasks=8, workers=4, options={"time": "01:00:00", "partition": "cpu"})
    stages = [Stage("import", partial(note, tmp_path, "a")), Stage("write", partial(note, tmp_path, "b"), shared=False)]
    run_stages(stages, settings, tmp_path / "logs")
    jobs = [(text, given) for text, given in handed_in if "merge_stats" not in text]
    assert len(jobs) == 2
    assert "--job-name=contextrl-import" in jobs[0][0]
    assert "--array=0-7%4" in jobs[0][0]
    assert "--array=0-0" in jobs[1][0]
    assert any("--dependency=afterok:101" in given for given in jobs[1][1])


def test_ray_is_asked_for_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    settings = ExecutorSettings(kind="ray")
    with pytest.raises(InputError, match="datatrove for executor ray") as caught:
        run_stages([Stage("a", partial(note, tmp_path, "a"))], settings, tmp_path / "logs")
    assert "ray" in str(caught.value)


def test_tasks_that_failed_on_ray_end_the_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray's executor returns as if nothing had happened, and the next would wait for the failed task for ever."""
    local = pytest.importorskip("datatrove.executor.local").LocalPipelineExecutor

    class AsRay(local):  # type: ignore[misc, valid-type] - datatrove has no types
        def run(self) -> None:
            with suppress(OSError):
                super().run()

    monkeypatch.setattr(datatrove_stages, "_executor_class", lambda _: AsRay)
    folder = tmp_path / "work"
    folder.mkdir()
    stages = [Stage("first", partial(fail_once, folder)), Stage("last", partial(note, folder, "last"), shared=False)]
    # One after the other: where they run at once, the one that fails may end the other.
    settings = ExecutorSettings(kind="ray", tasks=2, workers=1)
    with pytest.raises(ServiceError, match="1 of 2 tasks of stage first have failed") as caught:
        run_stages(stages, settings, tmp_path / "logs")
    assert str(tmp_path / "logs" / "00-first" / "logs") in str(caught.value)
    assert not list(folder.glob("last-*"))
    run_stages(stages, settings, tmp_path / "logs")
    assert list(folder.glob("last-*"))


def test_a_build_on_a_real_ray(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Ray is installed, which it need not be: a stage that fails, and the next time goes on."""
    ray = pytest.importorskip("ray")
    # Its workers are other processes, which import this file to know its functions.
    folders = [str(Path(__file__).parent), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(folders))
    folder = tmp_path / "work"
    folder.mkdir()
    stages = [Stage("first", partial(fail_once, folder)), Stage("last", partial(note, folder, "last"), shared=False)]
    settings = ExecutorSettings(kind="ray", tasks=2)
    try:
        with pytest.raises(ServiceError, match="1 of 2 tasks of stage first have failed"):
            run_stages(stages, settings, tmp_path / "logs")
        run_stages(stages, settings, tmp_path / "logs")
    finally:
        ray.shutdown()
    assert list(folder.glob("last-0-of-1"))


def test_options_are_datatroves_own(tmp_path: Path) -> None:
    stages = [Stage("a", partial(note, tmp_path, "a"))]
    with pytest.raises(InputError, match="none of them among the options"):
        run_stages(stages, ExecutorSettings(options={"tasks": 9}), tmp_path / "logs")
    with pytest.raises(InputError, match="arguments of datatrove's LocalPipelineExecutor"):
        run_stages(stages, ExecutorSettings(options={"partition": "cpu"}), tmp_path / "logs")


def test_without_datatrove_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    classes = {**datatrove_stages._CLASSES, "local": ("datatrove_that_is_not_there", "Executor")}
    monkeypatch.setattr(datatrove_stages, "_CLASSES", classes)
    with pytest.raises(InputError, match=r"contextrl\[datatrove\]"):
        run_stages([Stage("a", partial(note, tmp_path, "a"))], ExecutorSettings(), tmp_path / "logs")
