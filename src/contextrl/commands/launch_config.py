"""The section `launch`: how many processes train together, and what shares the model out over them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from contextrl.errors import InputError
from contextrl.records.yaml_files import read_yaml
from contextrl.settings import INPUT_PATH, Section


class LaunchConfig(Section):
    processes: int | None = Field(None, ge=1)
    """Processes of a machine that train together, one for each of its GPUs: `contextrl train` starts them. By default
    as many as the file `accelerate` names, or one; torchrun and `accelerate launch` have their own number."""
    accelerate: Annotated[str | None, INPUT_PATH] = None
    """A file as `accelerate config` writes it, with FSDP2 or DeepSpeed ZeRO-3, for a model that one GPU does not hold.
    Without it every process holds the whole model (DDP)."""
    machines: int | None = Field(None, ge=1)
    """Machines that train together. With more than one `contextrl train` starts nothing: it says what to start on each
    of them. By default as the file `accelerate` says, or one."""

    def resolved(self) -> LaunchConfig:
        """With what the file says where the section does not.

        Raises:
            InputError: there is no such file, or what it holds is not accelerate's.
        """
        if self.accelerate is None:
            return self
        written = read_accelerate_file(self.accelerate)
        machines = self.machines or _count(written, "num_machines", self.accelerate)
        processes = _count(written, "num_processes", self.accelerate)
        return LaunchConfig(
            processes=self.processes or (max(1, processes // machines) if processes else None),
            accelerate=self.accelerate,
            machines=machines,
        )


def read_accelerate_file(path: str) -> dict[str, Any]:
    """What a file of accelerate's holds.

    Raises:
        InputError: names the file.
    """
    if not Path(path).is_file():
        raise InputError(
            "a file that accelerate config has written", found=f"no file {path}", where="launch.accelerate"
        )
    written = read_yaml(Path(path), "valid YAML")
    if not isinstance(written, dict) or "distributed_type" not in written:
        raise InputError(
            "a file that accelerate config has written",
            found="one without distributed_type",
            where=f"launch.accelerate, {path}",
        )
    return written


def _count(written: dict[str, Any], name: str, path: str) -> int:
    value = written.get(name, 1)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InputError("a whole number from 1", found=repr(value), where=f"launch.accelerate, {path}, {name}")
    return value
