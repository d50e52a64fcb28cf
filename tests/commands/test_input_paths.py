"""A path is relative to the file that names it; what is written is relative to the working directory."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
import yaml

from contextrl.commands.config import config_of_run, load_config
from contextrl.commands.sources import run_examples
from contextrl.records.run_directory import RunDirectory

ROW = {"question": "4 + 8?", "images": [], "solution": "Answer: 12", "answer": "12"}


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """The folder of the configuration, and the working directory."""
    project, here = tmp_path / "project", tmp_path / "here"
    for folder in (project, here):
        folder.mkdir()
    monkeypatch.chdir(here)
    return project, here


def rows(path: Path, name: str = "x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**ROW, "id": name}) + "\n")
    return path


def write(folder: Path, **sections: Any) -> Path:
    path = folder / "run.yaml"
    path.write_text(yaml.safe_dump(sections))
    return path


def test_inputs_are_beside_the_file_and_outputs_in_the_working_directory(folders: tuple[Path, Path]) -> None:
    project, here = folders
    rows(project / "data" / "train.jsonl")
    rows(project / "dev.jsonl")
    (project / "model").mkdir()
    (project / "prompts").mkdir()
    config = load_config(
        write(
            project,
            run_dir="runs/a",
            model={"path": "./model"},
            data={"train": "data/train.jsonl", "eval": "dev.jsonl"},
            judge={"kind": "rules", "prompts": "prompts"},
        )
    )
    assert config.model.path == str(project / "model")
    assert (config.data.train, config.data.eval) == (str(project / "data/train.jsonl"), str(project / "dev.jsonl"))
    assert config.judge.prompts == project / "prompts"
    assert config.run_dir == Path("runs/a")
    recorded = yaml.safe_load(config.recorded())
    assert recorded["run_dir"] == str(here / "runs/a")
    assert recorded["data"]["train"] == str(project / "data/train.jsonl")


@pytest.mark.parametrize("value", ["up/../data.jsonl", "../project/data.jsonl", "~/data.jsonl", "dat*.jsonl", "."])
def test_paths_of_every_form(folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    project, _ = folders
    monkeypatch.setenv("HOME", str(project))
    rows(project / "data.jsonl")
    config = load_config(write(project, data={"train": value}))
    assert Path(config.data.train).is_absolute()
    assert [example.id for example in run_examples(config, vision=False)[0]] == ["x"]


def test_the_working_directory_is_the_second_place_and_said(
    folders: tuple[Path, Path], caplog: pytest.LogCaptureFixture
) -> None:
    project, here = folders
    rows(here / "data.jsonl")
    path = write(project, data={"train": "data.jsonl"})
    with caplog.at_level(logging.WARNING, "contextrl"):
        assert load_config(path).data.train == str(here / "data.jsonl")
    assert caplog.messages == [f"data.train: data.jsonl is not beside {path}; it is taken from the working directory"]


def test_the_file_s_folder_comes_first_and_another_file_is_told(
    folders: tuple[Path, Path], caplog: pytest.LogCaptureFixture
) -> None:
    project, here = folders
    rows(project / "data.jsonl", "right")
    rows(here / "data.jsonl", "wrong")
    path = write(project, data={"train": "data.jsonl"})
    with caplog.at_level(logging.WARNING, "contextrl"):
        config = load_config(path)
    assert [example.id for example in run_examples(config, vision=False)[0]] == ["right"]
    assert caplog.messages == [f"data.train: data.jsonl is the one beside {path}, not the one in the working directory"]


def test_options_are_relative_to_the_working_directory(
    folders: tuple[Path, Path], caplog: pytest.LogCaptureFixture
) -> None:
    project, here = folders
    rows(project / "data.jsonl")
    rows(here / "data.jsonl")
    config = load_config(
        write(project, data={"train": "data.jsonl"}), ["data.train=data.jsonl", "data.eval=data.jsonl"]
    )
    assert config.data.train == config.data.eval == str(here / "data.jsonl")


@pytest.mark.parametrize("value", ["miniature", "owner/name", "owner/name:config", "gone.jsonl", "a/b/gone.jsonl"])
def test_names_hub_ids_and_what_is_nowhere_stay(folders: tuple[Path, Path], value: str) -> None:
    project, here = folders
    for folder in (project, here):
        (folder / "miniature").mkdir()
    config = load_config(write(project, data={"train": value}, model={"path": "miniature"}))
    assert (config.data.train, config.model.path) == (value, "miniature")


def test_a_run_s_settings_serve_from_anywhere(folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    project, here = folders
    rows(project / "data.jsonl")
    config = load_config(write(project, run_dir="runs/a", data={"train": "data.jsonl"}))
    run = here / "runs" / "a"
    run.mkdir(parents=True)
    (run / "config.yaml").write_text(config.recorded())
    monkeypatch.chdir("/")
    again = config_of_run(RunDirectory(run))
    assert again == load_config(run / "config.yaml")
    assert (again.run_dir, again.data) == (run, config.data)


def test_runs_of_before_are_found_from_their_working_directory(folders: tuple[Path, Path]) -> None:
    _, here = folders
    rows(here / "data.jsonl")
    (here / "run").mkdir()
    (here / "run" / "config.yaml").write_text("data: {train: data.jsonl, eval: null}\n")
    assert config_of_run(RunDirectory(Path("run"))).data.train == str(here / "data.jsonl")
