"""The judge fleet and the batch files, run as they are with stand-ins for what a cluster has."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from contextrl.commands.config import parse_config
from contextrl.commands.shipped_configs import CONFIGS, shipped_configs, shipped_files

FLEET = CONFIGS / "judge" / "fleet.sh"
SCRIPTS = [path for path in shipped_files().values() if path.suffix in (".sh", ".sbatch")]

#: A server with vLLM's options and the two routes that the fleet asks for; it notes what it was started with.
VLLM = """\
import http.server, json, os, sys
arguments = sys.argv[1:]
option = lambda name: arguments[arguments.index(name) + 1]
model, port = arguments[1], int(option("--port"))
with open(os.environ["STARTED"], "a") as file:
    file.write(json.dumps({"gpus": os.environ["CUDA_VISIBLE_DEVICES"], "arguments": arguments}) + "\\n")
if model == "broken":
    sys.exit("no such model")
key = os.environ.get("VLLM_API_KEY")

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        known = not key or self.headers.get("Authorization") == f"Bearer {key}" or self.path == "/health"
        self.send_response(200 if known else 401)
        self.end_headers()
        if known:
            self.wfile.write(json.dumps({"data": [{"id": model}]}, separators=(",", ":")).encode())

    def log_message(self, *_):
        pass

http.server.ThreadingHTTPServer((option("--host"), port), Handler).serve_forever()
"""
#: Writes down its arguments and ends.
NOTES = '#!/bin/sh\nprintf "%s\\n" "$@" >>"$NOTED"\n'
#: One node's task of `srun`, here.
SRUN = '#!/bin/bash\nwhile [ "${1#--}" != "$1" ]; do shift; done\nexport SLURM_PROCID=0\nexec "$@"\n'


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of a job; what is still running afterwards is stopped."""
    commands = tmp_path / "bin"
    commands.mkdir()
    (commands / "vllm.py").write_text(VLLM)
    stand_ins = {
        "vllm": f'#!/bin/sh\nexec {sys.executable} -S {commands / "vllm.py"} "$@"\n',
        "contextrl": NOTES,
        "accelerate": NOTES,
        "srun": SRUN,
        "scontrol": "#!/bin/sh\nprintf 'one\\ntwo\\nlocalhost\\n'\n",
        "nvidia-smi": "#!/bin/sh\nprintf '0\\n1\\n2\\n3\\n'\n",
        "hostname": "#!/bin/sh\necho judge-host\n",
    }
    for name, text in stand_ins.items():
        (commands / name).write_text(text)
        (commands / name).chmod(0o755)
    environment = {
        "PATH": f"{commands}:{os.environ['PATH']}",
        "PORT": str(free_ports(4)),
        "FLEET_DIR": str(tmp_path / "fleet"),
        "FLEET": str(FLEET),
        "STARTED": str(tmp_path / "started.jsonl"),
        "NOTED": str(tmp_path / "noted"),
        "SLURM_TMPDIR": str(tmp_path),
        "SLURM_JOB_ID": "7",
        "SLURM_JOB_NODELIST": "nodes",
    }
    yield environment
    for folder in (tmp_path / "fleet", tmp_path / "judge-fleet-7"):
        run(FLEET, "stop", environment={**environment, "FLEET_DIR": str(folder)})


def free_ports(count: int) -> int:
    """The first of so many neighbours that nobody listens at."""
    for first in range(20000 + os.getpid() % 20000, 60000, count):
        held = []
        try:
            for port in range(first, first + count):
                held.append(socket.socket())
                held[-1].bind(("127.0.0.1", port))
        except OSError:
            continue
        finally:
            for one in held:
                one.close()
        return first
    raise AssertionError("no free ports")


def run(script: Path, *arguments: str, environment: dict[str, str], cwd: Path | None = None) -> Any:
    return subprocess.run(
        ["bash", str(script), *arguments],
        env=environment,
        cwd=cwd or Path(environment["NOTED"]).parent,
        capture_output=True,
        text=True,
        timeout=120,
    )


def started(environment: dict[str, str]) -> list[dict[str, Any]]:
    return [yaml.safe_load(line) for line in Path(environment["STARTED"]).read_text().splitlines()]


def listens(port: int) -> bool:
    with socket.socket() as asked:
        return asked.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_are_bash(script: Path) -> None:
    assert subprocess.run(["bash", "-n", str(script)], capture_output=True, text=True).stderr == ""
    text = script.read_text(encoding="utf-8")
    assert text.startswith("#!/usr/bin/env bash\n")
    assert "set -euo pipefail" in text


def test_a_fleet_starts_answers_and_stops(cluster: dict[str, str]) -> None:
    port = int(cluster["PORT"])
    done = run(FLEET, "start", "--seed", "0", environment={**cluster, "GPUS": "4,5,6,7"})
    assert done.returncode == 0, done.stderr
    urls = f"http://127.0.0.1:{port}/v1,http://127.0.0.1:{port + 1}/v1"
    assert done.stdout.splitlines()[-1] == f"--set judge.base_url=[{urls}]"
    assert run(FLEET, "urls", environment=cluster).stdout == done.stdout.splitlines()[-1] + "\n"
    replicas = sorted(started(cluster), key=lambda replica: replica["gpus"])
    assert [replica["gpus"] for replica in replicas] == ["4,5", "6,7"]
    for replica in replicas:
        arguments = replica["arguments"]
        assert arguments[:2] == ["serve", "Qwen/Qwen3-VL-32B-Instruct"]
        assert arguments[arguments.index("--tensor-parallel-size") + 1] == "2"
        assert arguments[-2:] == ["--seed", "0"]
    assert run(FLEET, "health", environment=cluster).returncode == 0
    again = run(FLEET, "start", environment=cluster)
    assert (again.returncode, "found one: bash fleet.sh stop" in again.stderr) == (2, True)
    assert run(FLEET, "stop", environment=cluster).returncode == 0
    assert not listens(port)
    assert not listens(port + 1)
    gone = run(FLEET, "health", environment=cluster)
    assert (gone.returncode, "found none: bash fleet.sh start" in gone.stderr) == (2, True)


def test_the_printed_setting_is_read(cluster: dict[str, str]) -> None:
    done = run(FLEET, "start", environment={**cluster, "HOST": "0.0.0.0", "MODEL": "a/b", "TP": "4"})
    flag, setting = done.stdout.splitlines()[-1].split()
    assert flag == "--set"
    key, _, value = setting.partition("=")
    judge = {"kind": "llm", "model": "a/b", key.removeprefix("judge."): yaml.safe_load(value)}
    # All GPUs that nvidia-smi shows are one replica here, for clients elsewhere.
    assert parse_config({"judge": judge}).judge.base_urls == [f"http://judge-host:{cluster['PORT']}/v1"]


def test_a_replica_that_dies_is_seen_and_the_others_are_left(cluster: dict[str, str]) -> None:
    environment = {**cluster, "GPUS": "0,1", "TP": "1"}
    assert run(FLEET, "start", environment=environment).returncode == 0
    identity, port, _ = (Path(cluster["FLEET_DIR"]) / "replicas").read_text().splitlines()[0].split()
    os.kill(int(identity), signal.SIGKILL)
    done = run(FLEET, "health", environment=environment)
    assert done.returncode == 1
    assert f"port {port} does not answer" in done.stdout
    assert f"port {int(port) + 1} answers" in done.stdout


@pytest.mark.parametrize(
    ("changes", "code", "message"),
    [
        ({"GPUS": "0,1,2"}, 2, "expected a multiple of TP=2 GPUs, found 3"),
        ({"VLLM": "no-such-command"}, 2, "expected the command no-such-command, found none"),
        ({"MODEL": "broken"}, 3, "has ended; its log"),
    ],
)
def test_what_cannot_start_says_why_and_leaves_nothing(
    changes: dict[str, str], code: int, message: str, cluster: dict[str, str]
) -> None:
    done = run(FLEET, "start", environment={**cluster, **changes})
    assert done.returncode == code
    assert message in done.stderr
    assert not listens(int(cluster["PORT"]))
    assert not (Path(cluster["FLEET_DIR"]) / "replicas").exists()


def test_a_port_that_is_taken_is_named(cluster: dict[str, str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", int(cluster["PORT"]) + 1))
        taken.listen()
        done = run(FLEET, "start", environment=cluster)
    assert done.returncode == 2
    assert f"expected port {int(cluster['PORT']) + 1} to be free" in done.stderr


def test_a_key_is_asked_for_and_shown_to_nobody(cluster: dict[str, str]) -> None:
    environment = {**cluster, "VLLM_API_KEY": "secret-key"}
    done = run(FLEET, "start", environment=environment)
    assert done.returncode == 0, done.stderr
    assert run(FLEET, "health", environment=environment).returncode == 0
    assert run(FLEET, "health", environment=cluster).returncode == 1
    written = [path.read_text() for path in Path(cluster["FLEET_DIR"]).iterdir()]
    assert not any("secret-key" in text for text in (done.stdout, done.stderr, *written, str(started(cluster))))


# ---- batch files -----------------------------------------------------------------------------------------------------


def settings_in(words: list[str]) -> list[str]:
    return [words[n + 1] for n, word in enumerate(words) if word == "--set"]


def test_one_node_trains_on_four_gpus_and_judges_on_four(cluster: dict[str, str], tmp_path: Path) -> None:
    script = CONFIGS / "cluster" / "slurm-node.sbatch"
    assert run(script, environment=cluster).returncode == 0
    words = (tmp_path / "noted").read_text().splitlines()
    assert words[:2] == ["train", "configs/qwen3-vl-8b/contextrl.yaml"]
    port = int(cluster["PORT"])
    assert settings_in(words) == [
        f"judge.base_url=[http://127.0.0.1:{port}/v1,http://127.0.0.1:{port + 1}/v1]",
        "run_dir=runs/qwen3-vl-8b-contextrl",
        "launch.processes=4",
        "train.gradient_accumulation_steps=32",
        "train.vllm_gpu_memory_utilization=0.35",
    ]
    assert {replica["gpus"] for replica in started(cluster)} == {"4,5", "6,7"}
    assert not listens(port), "the fleet ends with the job"
    # Put back into the queue: it goes on.
    (tmp_path / "noted").unlink()
    run_dir = tmp_path / "runs" / "qwen3-vl-8b-contextrl"
    run_dir.mkdir(parents=True)
    (run_dir / "config.yaml").touch()
    assert run(script, environment=cluster).returncode == 0
    assert "--resume" in (tmp_path / "noted").read_text().splitlines()


def test_several_nodes_train_and_the_last_judges(cluster: dict[str, str], tmp_path: Path) -> None:
    environment = {**cluster, "GPUS": "0,1,2,3,4,5,6,7"}
    done = run(CONFIGS / "cluster" / "slurm-nodes.sbatch", environment=environment)
    assert done.returncode == 0, done.stderr
    words = (tmp_path / "noted").read_text().splitlines()
    options = dict(zip(words[1::2], words[2::2], strict=False))
    assert words[0] == "launch"
    assert (options["--num_machines"], options["--num_processes"], options["--machine_rank"]) == ("2", "16", "0")
    assert options["--main_process_ip"] == "one"
    assert words[words.index("-m") :][:4] == ["-m", "contextrl", "train", "configs/qwen3-vl-8b/contextrl.yaml"]
    urls = ",".join(f"http://localhost:{int(cluster['PORT']) + n}/v1" for n in range(4))
    # 16 processes x 8 samples are 128, a group on each.
    assert settings_in(words) == [
        "run_dir=runs/qwen3-vl-8b-contextrl",
        f"judge.base_url=[{urls}]",
        "train.gradient_accumulation_steps=8",
    ]
    assert [replica["gpus"] for replica in sorted(started(cluster), key=lambda row: row["gpus"])] == [
        "0,1",
        "2,3",
        "4,5",
        "6,7",
    ]
    assert not listens(int(cluster["PORT"]))


#: Of a task file, https://docs.skypilot.co/en/latest/reference/yaml-spec.html
SKY = {"name": str, "resources": dict, "num_nodes": int, "workdir": str, "envs": dict, "setup": str, "run": str}
SKY_RESOURCES = {"accelerators", "disk_size", "memory", "cpus", "use_spot", "infra", "image_id", "ports", "any_of"}


def test_the_skypilot_file_is_a_task_whose_scripts_are_bash() -> None:
    task = yaml.safe_load((CONFIGS / "cluster" / "sky.yml").read_text(encoding="utf-8"))
    assert {key: type(value) for key, value in task.items()} == {key: SKY[key] for key in task}
    assert task["resources"].keys() <= SKY_RESOURCES
    assert set(task["resources"]["accelerators"].values()) == {8}
    assert task["envs"]["CONFIG"].removeprefix("configs/").removesuffix(".yaml") in shipped_configs()
    for part in ("setup", "run"):
        assert subprocess.run(["bash", "-n"], input=task[part], capture_output=True, text=True).stderr == ""
    named = [word for word in task["run"].split() if word.startswith("configs/")]
    assert named
    assert all((CONFIGS.parent / name).is_file() for name in named)
