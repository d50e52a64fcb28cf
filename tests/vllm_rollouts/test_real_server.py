"""Rollouts by a real `vllm serve`, started by the very line that the trainer tells.

Its weights stay those of the policy's folder, and so do the trainer's: sending them needs NCCL, and so GPUs. That alone
is left out of the client.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from colocated import build_colocated, engine_of
from PIL import Image
from runs import ScriptedJudge
from test_rollout_pictures import ROWS, example, gap, picture, prompts_of
from trl.generation.vllm_client import VLLMClient

from contextrl.engines.vllm.requests import EngineMismatchError
from contextrl.errors import InputError, ServiceError
from contextrl.records import metrics as names
from contextrl.rollout.sampling import Draws

#: Seconds that a server may take to start; 30 where nothing else is going on.
READY = 500.0
#: So small that no weight of float32 moves.
FROZEN = 1e-12


def build_served(policy: Path, folder: Path, url: str, judge: Any = None, **settings: Any) -> Any:
    chosen = {"vllm_mode": "server", "vllm_server_base_url": url, "learning_rate": FROZEN, "beta": 0.0}
    chosen |= {"stage2": {"standalone": False, "max_context_tokens": 512}, "prompts": {"max_prompt_tokens": 700}}
    return build_colocated(policy, folder, judge or ScriptedJudge(lambda _: "correct"), **(chosen | settings))


@pytest.fixture(scope="module")
def url() -> str:
    """Of a port that is free."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture(scope="module")
def line(policy: Path, tmp_path_factory: pytest.TempPathFactory, url: str) -> str:
    """What a trainer says that finds no server: how it is started."""
    with pytest.raises(ServiceError, match=f"no vLLM server at {url}") as refusal:
        build_served(policy, tmp_path_factory.mktemp("none"), url, vllm_server_timeout=0.0)
    return re.search(r"Start it: (.*)", str(refusal.value))[1]  # type: ignore[index]


@pytest.fixture(scope="module")
def server(line: str, url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Started by that line, with what a CPU needs beside it."""
    words = shlex.split(line)
    start = words.index("vllm")
    environment = os.environ | dict(word.split("=", 1) for word in words[:start])
    host, port = url.removeprefix("http://").split(":")
    command = [str(Path(sys.executable).parent / "vllm"), *words[start + 1 :]]
    command += ["--enforce-eager", "--host", host, "--port", port]
    log = tmp_path_factory.mktemp("server") / "log"
    with (
        log.open("wb") as output,
        subprocess.Popen(command, env=environment, stdout=output, stderr=output, start_new_session=True) as process,
    ):
        try:
            until = time.monotonic() + READY
            while not answers(url):
                assert process.poll() is None, log.read_text(errors="replace")[-3000:]
                assert time.monotonic() < until, "not ready"
                time.sleep(1)
            yield url
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=5):
            return True
    except (urllib.error.URLError, OSError):
        return False


@pytest.fixture(scope="module")
def sent() -> Iterator[list[list[str]]]:
    """Names of the weights of each update; they go nowhere."""
    updates: list[list[str]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(VLLMClient, "init_communicator", lambda self, device: None)
        patch.setattr(
            VLLMClient,
            "update_named_params",
            lambda self, told, weights: updates.append([name for name, _ in weights]),
        )
        yield updates


@pytest.fixture(scope="module")
def trainer(server: str, policy: Path, sent: list[list[str]], tmp_path_factory: pytest.TempPathFactory) -> Any:
    return build_served(policy, tmp_path_factory.mktemp("run"), server)


def test_mixed_pictures_are_read_as_they_are_scored(trainer: Any) -> None:
    gaps = gap(trainer, prompts_of(trainer, ROWS))
    assert max(gaps) < 2e-3, gaps
    (found,) = engine_of(trainer).guard.gaps
    assert found.tokens > 8
    assert found.blank > 5 * found.engine


def test_height_and_width_reach_the_server(trainer: Any) -> None:
    prompts = prompts_of(trainer, ROWS[:2])
    turned = [{**row, "image_grid_thw": row["image_grid_thw"][:, [0, 2, 1]]} for row in prompts.features]
    assert min(gap(trainer, prompts, replace(prompts, features=turned, positions=[]))) > 1e-2


def test_samples_are_those_of_their_seeds_whatever_is_drawn_beside_them(trainer: Any) -> None:
    prompts = prompts_of(trainer, ROWS[:3])
    reading = engine_of(trainer).read(prompts)
    seeds = [2**61 + n for n in range(8)]
    whole = reading.sample(Draws([0] * 4 + [2] * 4, [()] * 8, seeds))
    alone = reading.sample(Draws([2, 0, 0], [()] * 3, [seeds[6], seeds[1], seeds[3]]))
    assert alone.ids == [whole.ids[6], whole.ids[1], whole.ids[3]]
    assert len({tuple(ids) for ids in whole.ids}) > 2


def test_a_conversation_of_stage_2_finds_its_prompt_in_the_cache_until_weights_come(
    trainer: Any, sent: list[list[str]]
) -> None:
    engine = engine_of(trainer)
    prompts = prompts_of(trainer, [example("long", "<image> " + "What digit is here, then? " * 20, picture(64, 32, 7))])
    engine.sample(prompts, Draws([0, 0], [(), ()], [5, 6]))
    engine.rest()
    engine.sample(prompts, Draws([0, 0], [[40, 41], [42]], [7, 8]))
    engine.rest()
    logged = trainer._metrics["train"][names.ENGINE_PREFIX_CACHE_HITS]
    assert 0.3 < logged[-1] <= 1.0
    updates = len(sent)
    engine._loaded_step = -1
    engine.sample(prompts, Draws([0], [[40]], [7]))
    engine.rest()
    assert logged[-1] == 0.0, "new weights, new cache"
    assert len(sent) == updates + 1
    assert set(sent[-1]) == {name for name, _ in trainer.model.named_parameters()}


def test_another_picture_in_its_place_stops_the_run(trainer: Any) -> None:
    engine = engine_of(trainer)
    prompts = prompts_of(trainer, ROWS[:1])
    engine.guard._passed.clear()
    blank = replace(prompts, images=[(Image.new("RGB", (96, 32), (127, 127, 127)),)])
    with pytest.raises(EngineMismatchError, match=r"vLLM does not sample from the policy that is trained: .* nats"):
        engine.sample(blank, Draws([0], [()], [1]))
    other = replace(prompts, images=[(picture(64, 64, 9),)])
    with pytest.raises(EngineMismatchError, match=r"features of a prompt's images, the trainer scores"):
        engine.sample(other, Draws([0], [()], [1]))
    engine.guard._passed = {False, True}


def test_a_run_of_both_stages(server: str, sent: list[list[str]], policy: Path, tmp_path: Path) -> None:
    """All groups fail at first, and all of their retries are right."""
    seen: dict[str, int] = {}

    def rule(request: Any) -> str:
        seen[request.example.id] = seen.get(request.example.id, 0) + 1
        return "correct" if seen[request.example.id] > 4 else "incorrect"

    run = build_served(policy, tmp_path, server, ScriptedJudge(rule), max_steps=2)
    before = len(sent)
    run.train()
    assert len(sent) == before + 2, "once for every step"
    logged = [entry for entry in run.state.log_history if names.STAGE2_ATTEMPTS in entry]
    assert [entry[names.STAGE2_ATTEMPTS] for entry in logged] == [8, 8]
    assert sum(entry[names.STAGE2_KEPT] for entry in logged) > 0
    assert max(entry["sampling/sampling_logp_difference/max"] for entry in logged) < 2e-3


def test_a_server_with_less_room_than_the_run_needs_is_refused(
    server: str, sent: list[list[str]], policy: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"--max-model-len \d+, below \d+.*Start it: VLLM_SERVER_DEV_MODE=1"):
        build_served(policy, tmp_path, server, max_completion_length=64)
