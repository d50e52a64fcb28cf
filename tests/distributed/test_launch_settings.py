"""The section `launch`, what a launcher tells a process, and what is refused before anything is started."""

from __future__ import annotations

import shlex
from io import StringIO
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from contextrl import launchers
from contextrl.commands import launching
from contextrl.commands.config import load_config
from contextrl.commands.launch_config import LaunchConfig
from contextrl.errors import InputError, LostProcessError
from contextrl.trainer import launched
from contextrl.trainer.checkpoint_folders import MARKER
from contextrl.trainer.checkpoints import check_resumable

FSDP2 = """\
compute_environment: LOCAL_MACHINE
distributed_type: FSDP
fsdp_config:
  fsdp_version: 2
  fsdp_auto_wrap_policy: TRANSFORMER_BASED_WRAP
  fsdp_reshard_after_forward: true
  fsdp_state_dict_type: SHARDED_STATE_DICT
machine_rank: 0
mixed_precision: bf16
num_machines: {machines}
num_processes: {processes}
"""
VARIABLES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", launchers.LAUNCHER)


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*VARIABLES, "ACCELERATE_USE_CPU", "ACCELERATE_USE_FSDP", "OMPI_COMM_WORLD_RANK"):
        monkeypatch.delenv(name, raising=False)


def accelerate_file(folder: Path, machines: int = 1, processes: int = 2) -> str:
    path = folder / "fsdp2.yaml"
    path.write_text(FSDP2.format(machines=machines, processes=processes), encoding="utf-8")
    return str(path)


def told(settings: LaunchConfig, *arguments: str) -> tuple[int | None, str]:
    out = StringIO()
    return launching.launch(settings, arguments, Console(file=out, width=80)), out.getvalue()


def test_without_the_section_a_command_trains_itself() -> None:
    assert told(LaunchConfig(), "train", "run.yaml") == (None, "")
    assert told(LaunchConfig(processes=1), "train", "run.yaml") == (None, "")


@pytest.mark.parametrize("name", ["RANK", "OMPI_COMM_WORLD_RANK", "PMI_RANK"])
def test_what_a_launcher_has_started_starts_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "0")
    assert told(LaunchConfig(processes=8), "train", "run.yaml") == (None, "")


@pytest.mark.parametrize("by_file", [False, True], ids=["section", "file"])
def test_for_several_machines_the_command_for_each_is_told(by_file: bool, tmp_path: Path) -> None:
    path = accelerate_file(tmp_path, machines=2 if by_file else 1, processes=16)
    section = LaunchConfig(accelerate=path) if by_file else LaunchConfig(accelerate=path, machines=2, processes=8)
    code, text = told(section, "train", "my run.yaml", "--set", "seed=1")
    assert code == 2
    lines = [shlex.split(line) for line in text.splitlines() if line.startswith("accelerate launch")]
    assert [line[line.index("--machine_rank") + 1] for line in lines] == ["0", "1"]
    for line in lines:
        assert line[line.index("--num_processes") + 1] == "16"
        assert line[line.index("--config_file") + 1] == path
        assert line[-5:] == ["contextrl", "train", "my run.yaml", "--set", "seed=1"]


def test_a_file_says_how_many_processes_and_the_section_says_it_first(tmp_path: Path) -> None:
    path = accelerate_file(tmp_path, machines=2, processes=16)
    assert LaunchConfig(accelerate=path).resolved().processes == 8
    resolved = LaunchConfig(accelerate=path, processes=3, machines=1).resolved()
    assert (resolved.processes, resolved.machines) == (3, 1)


def test_accelerate_tells_its_processes_what_the_file_says(tmp_path: Path) -> None:
    environment = launching.accelerate_environment(accelerate_file(tmp_path), 2)
    assert environment["ACCELERATE_USE_FSDP"] == "true"
    assert environment["FSDP_VERSION"] == "2"
    assert environment["FSDP_STATE_DICT_TYPE"] == "SHARDED_STATE_DICT"
    assert environment["ACCELERATE_MIXED_PRECISION"] == "bf16"
    assert "RANK" not in environment


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("num_processes: 2", "one without distributed_type"),
        ("- 1", "one without distributed_type"),
        ("distributed_type: FSDP\nnum_processes: many", "a whole number from 1, found 'many'"),
        ("distributed_type: FSDP\nnum_machines: 0", "a whole number from 1, found 0"),
    ],
)
def test_a_file_that_is_not_accelerates_is_refused(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "file.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        LaunchConfig(accelerate=str(path)).resolved()


def test_a_file_that_is_missing_is_refused() -> None:
    with pytest.raises(InputError, match=r"no file nowhere\.yaml"):
        LaunchConfig(accelerate="nowhere.yaml").resolved()


@pytest.mark.parametrize("value", ["0", "-1", "two", "1.5"])
def test_a_number_of_processes_is_one(value: str, tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text("method: grpo\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"launch\.processes"):
        load_config(path, [f"launch.processes={value}"])


def test_the_file_lies_beside_the_configuration(tmp_path: Path) -> None:
    accelerate_file(tmp_path)
    path = tmp_path / "run.yaml"
    path.write_text("launch: {processes: 2, accelerate: fsdp2.yaml}\n", encoding="utf-8")
    assert load_config(path).launch.accelerate == str(tmp_path / "fsdp2.yaml")


# ---- a process that was started ----------------------------------------------------------------------------------


def test_a_process_that_stays_alone_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(InputError, match="one run of 2 processes, as many as were started, found 1"):
        launched.check_joined(SimpleNamespace(world_size=1))


def test_a_number_of_processes_without_their_places_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    with pytest.raises(InputError, match="WORLD_SIZE=2 without LOCAL_RANK, MASTER_ADDR, MASTER_PORT"):
        launched.prepare_to_join(use_cpu=False)


@pytest.mark.parametrize(
    ("then", "now", "message"),
    [(2, 1, "expected 2 processes, as checkpoint-3 was trained with, found 1"), (1, 2, "expected 1 process, as")],
)
def test_a_checkpoint_wants_the_processes_that_wrote_it(then: int, now: int, message: str, tmp_path: Path) -> None:
    folder = tmp_path / "checkpoint-3"
    folder.mkdir()
    (folder / MARKER).write_text(f'{{"step": 3, "processes": {[{}] * then}}}'.replace("'", '"'), encoding="utf-8")
    with pytest.raises(InputError, match=message) as refused:
        check_resumable(SimpleNamespace(world_size=now), folder)
    assert f"Set launch.processes to {then}" in refused.value.fix
    check_resumable(SimpleNamespace(world_size=then), folder)


@pytest.mark.parametrize(
    ("code", "words"),
    [(-9, "killed by SIGKILL"), (-15, "killed by SIGTERM"), (1, "exit code 1"), (launchers.LOST, "lost the others")],
)
def test_how_a_process_ended_is_told_in_words(code: int, words: str) -> None:
    assert words in launching.how_it_ended(code)


def test_errors_of_others_are_not_taken_for_a_lost_process(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = RuntimeError("[gloo/pair.cc:537] Read error [127.0.0.1]:53396: Connection reset by peer.")
    assert launched.lost_process(gone) is None, "nothing is shared with anybody"
    monkeypatch.setattr("torch.distributed.is_initialized", lambda: True)
    assert isinstance(launched.lost_process(gone), LostProcessError)
    assert launched.lost_process(RuntimeError("mat1 and mat2 shapes cannot be multiplied")) is None
    assert launched.lost_process(ValueError("Connection reset by peer")) is None
