"""`contextrl train` starts the processes of a machine itself: one terminal, one error, one exit code.

torchrun and `accelerate launch` start the same processes; what they leave on the terminal when one of them dies is a
traceback of each. This module imports torch only where a file of accelerate's is to be read.
"""

from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from rich.console import Console
from rich.markup import escape

from contextrl.commands.interrupts import EXIT_CODE
from contextrl.commands.launch_config import LaunchConfig
from contextrl.commands.program import how_to_go_on
from contextrl.errors import InputError
from contextrl.launchers import LAUNCHER, LOST, is_started

#: Seconds that processes have to end by themselves when one has failed, to end when asked, and between two looks.
_TO_END, _TO_STOP, _LOOK = 10.0, 20.0, 0.1
#: How much of a process's last words is shown.
_TAIL = 4000


def launch(wanted: LaunchConfig, arguments: Sequence[str], console: Console) -> int | None:
    """Start the processes that are wanted and wait for them.

    Args:
        arguments: of the command, `sys.argv[1:]`, which each of them runs.

    Returns:
        The exit code; None where this process is to train itself.

    Raises:
        InputError: the file of accelerate's is none, or asks for what is not here.
    """
    settings = wanted.resolved()
    if is_started():
        return None
    count = settings.processes or asked_of_accelerate() or 1
    if (settings.machines or 1) > 1:
        console.print(what_to_start(settings, arguments), soft_wrap=True, markup=False, highlight=False)
        return InputError.exit_code
    if count == 1 and settings.accelerate is None:
        return None
    shared = accelerate_environment(settings.accelerate, count) if settings.accelerate else {}
    return Started.all(count, arguments, shared).wait(arguments)


def what_to_start(settings: LaunchConfig, arguments: Sequence[str]) -> str:
    """The command for each of several machines."""
    machines = settings.machines or 1
    total = machines * (settings.processes or 1)
    shape = (
        ["--config_file", settings.accelerate] if settings.accelerate else ["--multi_gpu", "--mixed_precision", "no"]
    )
    shape += ["--num_machines", str(machines), "--num_processes", str(total), "--rdzv_backend", "static"]
    lines = [
        f"{machines} machines train together: start this on each of them, the run directory on a disk that all see.",
        "HOST is the first one's name or address; PORT (29500, say) must be open on it.",
    ]
    for rank in range(machines):
        place = ["--machine_rank", str(rank), "--main_process_ip", "HOST", "--main_process_port", "PORT"]
        lines.append(shlex.join(["accelerate", "launch", *shape, *place, "-m", "contextrl", *arguments]))
    return "\n".join(lines)


def accelerate_environment(path: str, processes: int) -> dict[str, str]:
    """What `accelerate launch` tells its processes of a file's settings, in environment variables.

    Raises:
        InputError: accelerate does not take the file.
    """
    from accelerate.commands.launch import _validate_launch_command, launch_command_parser
    from accelerate.utils.launch import prepare_deepspeed_cmd_env, prepare_multi_gpu_env

    given = ["--config_file", path, "--num_processes", str(processes), "--num_machines", "1", "--machine_rank", "0"]
    try:
        parsed = launch_command_parser().parse_args([*given, "--main_process_port", "0", "-m", "contextrl"])
        args, defaults, own_precision = _validate_launch_command(parsed)
        if not args.use_deepspeed:
            environment: dict[str, str] = prepare_multi_gpu_env(args)
        else:
            fields = [*defaults.deepspeed_config, *(["mixed_precision"] if own_precision else [])]
            args.deepspeed_fields_from_accelerate_config = ",".join(fields)
            environment = prepare_deepspeed_cmd_env(args)[1]
    except (ValueError, TypeError, KeyError, AttributeError, ImportError, RuntimeError, SystemExit) as error:
        reason = " ".join(str(error).split())
        raise InputError(
            "a file that accelerate takes",
            found=reason,
            where=f"launch.accelerate, {path}",
            fix="See accelerate config",
        ) from error
    threads = {"OMP_NUM_THREADS"}  # accelerate's is 1, which is ours to say
    return {name: value for name, value in environment.items() if name not in threads and os.environ.get(name) != value}


def asked_of_accelerate() -> int | None:
    """The processes that `accelerate launch --cpu` was asked for: it starts one, whatever `--num_processes` says.

    It tells that one where the first process of several is, and neither their number nor which it is.
    """
    if os.environ.get("ACCELERATE_USE_CPU", "").lower() != "true" or not os.environ.get("MASTER_PORT"):
        return None
    from accelerate.commands.launch import launch_command_parser, load_config_from_file

    try:
        line = Path(f"/proc/{os.getppid()}/cmdline").read_bytes().decode("utf-8", errors="replace").split("\0")[:-1]
    except OSError:
        line = []
    place = next((n for n, word in enumerate(line) if word == "launch" or word.endswith("accelerate-launch")), None)
    if place is None:
        place = next((n for n, word in enumerate(line) if word == "accelerate.commands.launch"), None)
    if place is None:
        raise InputError(
            "one process, or the number of them",
            found="accelerate launch --cpu for several, of which it starts one",
            where="launch.processes",
            fix="Set launch.processes, or start with torchrun --nproc_per_node",
        )
    args = launch_command_parser().parse_args(line[place + 1 :])
    if args.num_processes is None and args.config_file is not None:
        return int(load_config_from_file(args.config_file).num_processes)
    return None if args.num_processes is None else int(args.num_processes)


@dataclass
class Process:
    """One of those that train together; `output` is where all but the first write."""

    rank: int
    popen: subprocess.Popen[bytes]
    output: IO[bytes] | None

    @property
    def code(self) -> int | None:
        """Its exit code, None while it works."""
        return self.popen.poll()

    def last_words(self) -> str:
        """The end of what it has written."""
        if self.output is None:
            return ""
        self.output.seek(0, os.SEEK_END)
        self.output.seek(max(0, self.output.tell() - _TAIL))
        return self.output.read().decode("utf-8", errors="replace").strip()


class Started:
    """The processes of one run on this machine."""

    def __init__(self, processes: list[Process]) -> None:
        self.processes = processes

    @classmethod
    def all(cls, count: int, arguments: Sequence[str], shared: Mapping[str, str]) -> Started:
        """Start `count` processes that run `contextrl` with `arguments`.

        Args:
            shared: environment variables beside those that say which process is which.
        """
        port = free_port()
        processes: list[Process] = []
        started = cls(processes)
        try:
            for rank in range(count):
                output = None if rank == 0 else tempfile.TemporaryFile()  # noqa: SIM115
                popen = subprocess.Popen(
                    [sys.executable, "-m", "contextrl", *arguments],
                    env={**os.environ, **_threads(count), **shared, **places(rank, count, port)},
                    stdout=output,
                    stderr=output and subprocess.STDOUT,
                    stdin=subprocess.DEVNULL if rank else None,
                    # Signals are passed on: a terminal would send its own to every process.
                    start_new_session=True,
                )
                processes.append(Process(rank, popen, output))
        except BaseException:
            started.stop(signal.SIGKILL)
            raise
        return started

    def wait(self, arguments: Sequence[str]) -> int:
        """Until all have ended; where one fails the others are stopped.

        Args:
            arguments: of the command, for what is said of going on.

        Returns:
            0, or the exit code of the process that failed first.
        """
        try:
            while any(process.code is None for process in self.processes):
                if any(process.code for process in self.processes):
                    return self._end(arguments)
                time.sleep(_LOOK)
            return self._end(arguments) if any(process.code for process in self.processes) else 0
        except KeyboardInterrupt:
            self.stop(signal.SIGINT)
            return EXIT_CODE
        finally:
            self.stop(signal.SIGKILL)

    def stop(self, how: signal.Signals) -> None:
        """Ask those that still work to end; those that do not are killed."""
        for asked, seconds in ((how, _TO_STOP), (signal.SIGKILL, _TO_STOP)):
            for process in self.processes:
                if process.code is None:
                    with suppress(ProcessLookupError):
                        process.popen.send_signal(asked)
            self._wait(seconds)

    def _wait(self, seconds: float) -> None:
        """Until all have ended, at most so long."""
        until = time.monotonic() + seconds
        while any(process.code is None for process in self.processes) and time.monotonic() < until:
            time.sleep(_LOOK)

    def _end(self, arguments: Sequence[str]) -> int:
        """Stop the others, say what happened where the first process has not, and return the exit code."""
        # All find the same mistake in a configuration: then the first tells it, if it has the time.
        self._wait(_TO_END)
        failed = [process for process in self.processes if process.code]
        self.stop(signal.SIGTERM)
        culprit = next((process for process in failed if process.code != LOST), failed[0])
        first, code = self.processes[0], int(culprit.code or 0)
        if culprit is first and code > 0 and code != LOST:
            return code
        if first in failed and first.code is not None and first.code > 0 and first.code != LOST and code > 0:
            return int(first.code)
        problem = f"process {culprit.rank} of {len(self.processes)} {how_it_ended(code)}; the others were stopped"
        errors = Console(stderr=True)
        if words := culprit.last_words():
            errors.print(words, soft_wrap=True, markup=False, highlight=False)
        go_on = f"Go on from the last checkpoint with: {how_to_go_on(['contextrl', *arguments])}"
        errors.print(f"[bold red]error:[/] {escape(problem)}. {escape(go_on)}", soft_wrap=True)
        return 128 - code if code < 0 else code


def how_it_ended(code: int) -> str:
    """In words."""
    if code == LOST:
        return "has lost the others"
    if code > 0:
        return f"ended with exit code {code}"
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    why = " (which is how a system that runs out of memory stops a process)" if -code == signal.SIGKILL else ""
    return f"was killed by {name}{why}"


def places(rank: int, count: int, port: int) -> dict[str, str]:
    """What a process of one machine is told of itself and of the others, as torchrun tells it."""
    return {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(count),
        "LOCAL_WORLD_SIZE": str(count),
        "GROUP_RANK": "0",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        LAUNCHER: str(os.getpid()),
        # torch's hint that a policy without pictures in a batch could do with less is none for the terminal.
        "TORCH_CPP_LOG_LEVEL": os.environ.get("TORCH_CPP_LOG_LEVEL", "ERROR"),
    }


def free_port() -> int:
    """One that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _threads(count: int) -> dict[str, str]:
    """The cores shared out, where nobody has said how many threads a process has."""
    return {} if "OMP_NUM_THREADS" in os.environ else {"OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // count))}
