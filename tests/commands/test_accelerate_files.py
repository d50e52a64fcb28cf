"""accelerate's files: read by its own class, and every key is one that `accelerate launch` acts on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from accelerate.commands.config.config_args import ClusterConfig, load_config_from_file
from accelerate.commands.launch import _validate_launch_command, launch_command_parser
from accelerate.utils import DistributedType, FullyShardedDataParallelPlugin
from accelerate.utils.launch import prepare_multi_gpu_env

from contextrl.commands.shipped_configs import CONFIGS, shipped_files

FILES = {path.stem: path for name, path in shipped_files().items() if name.startswith("accelerate/")}
KINDS = {"ddp": DistributedType.MULTI_GPU, "fsdp2": DistributedType.FSDP, "zero3": DistributedType.DEEPSPEED}


def launched(name: str) -> Any:
    """Arguments of `accelerate launch --config_file FILE -m contextrl`, as it resolves them with the file."""
    given = ["--config_file", str(FILES[name]), "--main_process_port", "0", "-m", "contextrl"]
    arguments, _, _ = _validate_launch_command(launch_command_parser().parse_args(given))
    return arguments


@pytest.mark.parametrize("name", FILES)
def test_accelerate_reads_them(name: str) -> None:
    config = load_config_from_file(str(FILES[name]))
    assert isinstance(config, ClusterConfig)
    assert config.distributed_type == KINDS[name]
    assert (config.num_processes, config.num_machines, config.mixed_precision) == (8, 1, "bf16")
    assert config.use_cpu is False
    arguments = launched(name)
    assert (arguments.multi_gpu, arguments.use_fsdp, arguments.use_deepspeed) == tuple(name == kind for kind in KINDS)
    assert arguments.mixed_precision == "bf16"
    assert bool(config.fsdp_config) == (name == "fsdp2")
    assert bool(config.deepspeed_config) == (name == "zero3")


@pytest.mark.parametrize("name", FILES)
def test_keys_that_accelerate_itself_does_not_check_are_its_options(name: str) -> None:
    config = ClusterConfig.from_yaml_file(str(FILES[name]))
    known = vars(launch_command_parser().parse_args(["script.py"]))
    assert [key for key in {**config.fsdp_config, **config.deepspeed_config} if key not in known] == []


def test_fsdp2_arrives_as_it_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a process reads of the file is in its environment."""
    given = prepare_multi_gpu_env(launched("fsdp2"))
    for key, value in given.items():
        monkeypatch.setenv(key, value)
    plugin = FullyShardedDataParallelPlugin()
    assert plugin.fsdp_version == 2
    assert plugin.reshard_after_forward is True
    assert str(plugin.state_dict_type).endswith("FULL_STATE_DICT")
    assert not plugin.activation_checkpointing
    # The reference model's weights would stay where no process but the first has read them (TRL's prepare_fsdp).
    assert not plugin.cpu_ram_efficient_loading


def test_they_are_those_that_runs_name() -> None:
    named = {
        raw["launch"]["accelerate"]
        for path in CONFIGS.rglob("*.yaml")
        if "launch" in (raw := yaml.safe_load(path.read_text(encoding="utf-8")))
    }
    assert named
    assert all((CONFIGS.parent / Path(name)).is_file() for name in named)
