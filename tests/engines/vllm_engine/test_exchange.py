"""Server mode's requests from several processes: each gets its own samples, however many it and the others have."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from fake_backend import IMAGE, FakeClient, answered, prompts_of
from two_processes import on_two_processes

from contextrl.engines.vllm.backend import CacheCounts, together
from contextrl.engines.vllm.requests import EngineMismatchError, Request, check_read, requests_of
from contextrl.engines.vllm.server import ServerBackend, check_server, serve_line
from contextrl.engines.vllm.settings import VLLMSettings
from contextrl.errors import InputError, ServiceError
from contextrl.rollout.sampling import Draws

SETTINGS = VLLMSettings("policy", "float32", 64, 2, IMAGE, {"size": {"shortest_edge": 4, "longest_edge": 64}})
OPTIONS = {"temperature": 1.0, "max_tokens": 3}


def one_process() -> Any:
    from accelerate import Accelerator

    return SimpleNamespace(accelerator=Accelerator(cpu=True))


def backend(client: FakeClient) -> ServerBackend:
    """On this process alone."""
    return ServerBackend(one_process(), SETTINGS, client)


@pytest.mark.parametrize("counts", [(3, 3), (0, 2), (2, 0), (1, 4), (0, 0), (5, 0, 1, 3)])
def test_unequal_counts_of_processes(counts: tuple[int, ...]) -> None:
    every = [
        [Request([10 * rank + n], (), n % 3 + 1, 7 * n) for n in range(count)] for rank, count in enumerate(counts)
    ]
    for rank, own in enumerate(every):
        told: dict[int, Any] = {}

        def answer(flat: list[Request], tell: Any) -> list[Any]:
            answers = [answered(request) for request in flat]
            for place in reversed(range(len(flat))):
                tell(place, answers[place])
            return answers

        got = together(own, rank, lambda _, every=every: every, answer, told.__setitem__)
        assert got == [answered(request) for request in own]
        assert [told[n] for n in sorted(told)] == got, "of its own, and of no others"
        assert together(own, rank, lambda _, every=every: every, answer) == got


def test_two_processes_and_a_server(tmp_path: Path) -> None:
    """Over gloo; the server is a fake one that names what it was asked in its samples."""
    on_two_processes(Path(__file__).with_name("server_on_two_processes.py"), str(tmp_path), timeout=180)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["right-0", "right-1"]


def test_a_server_is_asked_once_per_prompt_with_the_expanded_run() -> None:
    two, plain = [5, 9, 9, 6, 7, 9, 9, 9, 8], [3, 4]
    prompts = prompts_of((two, 2), (plain, 0))
    client = FakeClient({"picture 0.0": 2, "picture 0.1": 3})
    requests = requests_of(prompts, Draws([0, 0, 1], [(), (), [2]], [50, 51, 8]))
    answers = _opened(client, requests)
    by_ids = {tuple(asked["token_ids"]): asked for asked in client.asked}
    assert by_ids.keys() == {tuple(two), (3, 4, 2)}
    asked = by_ids[tuple(two)]
    assert asked["sampling_params"] == {**OPTIONS, "n": 2, "seed": 50, "output_kind": 2}
    # The features are the pictures', where the trainer's prompt has them.
    assert asked["features"]["mm_placeholders"]["image"] == [{"offset": 1, "length": 2}, {"offset": 5, "length": 3}]
    assert asked["features"]["kwargs_data"] == {"image": ["picture 0.0", "picture 0.1"]}
    assert by_ids[(3, 4, 2)]["features"] is None
    for request, answer in zip(requests, answers, strict=True):
        check_read(request, answer, IMAGE)
    assert [ids[1] for ids in answers[0].ids] == [50, 51], "choices come in the order in which they end"


def test_a_server_tells_of_each_answer_once() -> None:
    requests = requests_of(prompts_of(([3, 4], 0), ([5], 0)), Draws([0, 0, 1], [()] * 3, [50, 51, 8]))
    told: list[tuple[int, Any]] = []
    answers = backend(FakeClient()).generate(requests, OPTIONS, lambda place, answer: told.append((place, answer)))
    assert sorted(told, key=lambda pair: pair[0]) == list(enumerate(answers))


def test_pictures_that_a_server_scales_otherwise_are_refused() -> None:
    client = FakeClient({"picture 0.0": 5})
    with pytest.raises(EngineMismatchError, match=r"\[5\] features.*scores \[3\].*vllm serve policy"):
        _opened(client, requests_of(prompts_of(([9, 9, 9], 1)), Draws([0], [()], [1])))


def _opened(client: FakeClient, requests: list[Request]) -> Any:
    server = backend(client)
    return server._answers(requests, None, options=OPTIONS)


def test_a_server_that_fails_is_a_service_that_fails() -> None:
    class Broken(FakeClient):
        def _post(self, url: str, json: dict[str, Any]) -> dict[str, Any]:
            raise RuntimeError("Request failed: 500, out of memory")

    with pytest.raises(ServiceError, match="500, out of memory"):
        backend(Broken()).generate(requests_of(prompts_of(([3], 0)), Draws([0], [()], [1])), OPTIONS)


def test_counts_of_a_servers_cache_are_summed_over_engines() -> None:
    assert backend(FakeClient()).cache_counts() == CacheCounts(200.0, 50.0)


def test_weights_are_sent_once_as_announced_and_all_caches_forgotten() -> None:
    from test_policy_weights import ALONE, base, weights_of, with_adapter

    client = FakeClient()
    server = backend(client)
    model = with_adapter(base(torch.bfloat16))
    expected = weights_of(model)
    for _ in range(2):
        server.load(model, ALONE)
    assert len(client.sent) == 2
    for told, sent in zip(client.told, client.sent, strict=True):
        assert [name for name, _ in sent] == [name for name, _, _ in told] == list(expected)
        assert all(torch.equal(weight, expected[name]) for name, weight in sent)
        assert {dtype for _, dtype, _ in told} == {"bfloat16"}
    assert client.reset == ["reset_prefix_cache", "reset_mm_cache", "reset_encoder_cache"] * 2


GOOD = {
    "model_config": {"max_model_len": 64, "logprobs_mode": "processed_logprobs", "dtype": "torch.float32"},
    "weight_transfer_config": {"backend": "nccl"},
}


def test_a_server_that_was_started_for_the_run_passes() -> None:
    check_server(GOOD, SETTINGS, "http://there")


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ({"max_model_len": 63}, "--max-model-len 63, below 64"),
        ({"logprobs_mode": "raw_logprobs"}, "--logprobs-mode raw_logprobs"),
        ({"dtype": "torch.bfloat16"}, "--dtype bfloat16"),
    ],
)
def test_another_server_is_refused_with_the_command_that_starts_it(part: dict[str, Any], words: str) -> None:
    info = {**GOOD, "model_config": GOOD["model_config"] | part}
    with pytest.raises(InputError) as refusal:
        check_server(info, SETTINGS, "http://there")
    assert words in str(refusal.value)
    assert serve_line(SETTINGS) in str(refusal.value)


def test_a_server_without_weight_transfer_is_refused() -> None:
    with pytest.raises(InputError, match="no --weight-transfer-config"):
        check_server({**GOOD, "weight_transfer_config": None}, SETTINGS, "http://there")
