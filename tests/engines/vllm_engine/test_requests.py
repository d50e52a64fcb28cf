"""What vLLM is asked: one request per prompt, one placeholder per picture where it expands them; what comes back."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fake_backend import IMAGE, answered, prompts_of

from contextrl.engines.vllm.requests import (
    EngineMismatchError,
    Request,
    check_read,
    image_runs,
    requests_of,
    sampled_of,
    unexpanded,
)
from contextrl.errors import InputError
from contextrl.rollout.sampling import Draws

ONE = [5, 9, 9, 9, 6]
TWO = [5, 9, 9, 6, 7, 9, 9, 9, 9, 8]


def test_samples_of_a_prompt_are_one_request() -> None:
    prompts = prompts_of((ONE, 1), ([5, 6], 0), (TWO, 2))
    draws = Draws([0] * 3 + [1] * 3 + [2] * 3, [()] * 9, [10, 11, 12, 70, 71, 72, 40, 41, 42])
    requests = requests_of(prompts, draws)
    assert requests == [
        Request(ONE, ("picture 0.0",), 3, 10),
        Request([5, 6], (), 3, 70),
        Request(TWO, ("picture 2.0", "picture 2.1"), 3, 40),
    ]


@pytest.mark.parametrize(
    ("draws", "expected"),
    [
        pytest.param(Draws([0, 0], [(), ()], [10, 12]), [(1, 10), (1, 12)], id="seeds-with-a-gap"),
        pytest.param(Draws([0, 0], [(), ()], [10, 10]), [(1, 10), (1, 10)], id="the-same-seed"),
        pytest.param(Draws([0, 0], [(), ()], [10, 9]), [(1, 10), (1, 9)], id="seeds-downwards"),
        pytest.param(Draws([0, 1], [(), ()], [10, 11]), [(1, 10), (1, 11)], id="another-prompt"),
        pytest.param(Draws([0, 0], [(3,), (4,)], [10, 11]), [(1, 10), (1, 11)], id="another-suffix"),
        pytest.param(Draws([0, 0], [(3,), [3]], [10, 11]), [(2, 10)], id="the-same-suffix"),
        pytest.param(Draws([0, 1, 0], [()] * 3, [10, 11, 11]), [(1, 10), (1, 11), (1, 11)], id="not-side-by-side"),
        pytest.param(Draws([], [], []), [], id="none"),
    ],
)
def test_only_samples_with_consecutive_seeds_of_one_context_are(draws: Draws, expected: list[tuple[int, int]]) -> None:
    requests = requests_of(prompts_of((ONE, 1), (ONE, 1)), draws)
    assert [(request.samples, request.seed) for request in requests] == expected
    assert sum(request.samples for request in requests) == len(draws)


def test_suffixes_of_stage_2_follow_the_prompt() -> None:
    requests = requests_of(prompts_of((TWO, 2)), Draws([0, 0], [[1, 2], [3]], [4, 9]))
    assert [request.ids for request in requests] == [[*TWO, 1, 2], [*TWO, 3]]
    assert [unexpanded(request, IMAGE) for request in requests] == [[5, 9, 6, 7, 9, 8, 1, 2], [5, 9, 6, 7, 9, 8, 3]]


def test_samples_come_back_in_the_order_of_the_draws() -> None:
    prompts = prompts_of((ONE, 1), ([5, 6], 0))
    draws = Draws([1, 0, 0, 1], [()] * 4, [3, 20, 21, 4])
    sampled = sampled_of([answered(request) for request in requests_of(prompts, draws)])
    assert [ids[1] for ids in sampled.ids] == [3, 20, 21, 4]
    assert [ids[0] for ids in sampled.ids] == [sum(prompts.ids[n]) % 97 for n in draws.prompt_of]
    assert sampled.logps == [[-0.5] * 3] * 4


@pytest.mark.parametrize(
    ("ids", "runs"),
    [
        ([5, 6], []),
        (ONE, [(1, 3)]),
        (TWO, [(1, 2), (5, 4)]),
        ([9, 5, 9], [(0, 1), (2, 1)]),
        ([9, 9], [(0, 2)]),
    ],
)
def test_runs_of_image_tokens(ids: list[int], runs: list[tuple[int, int]]) -> None:
    assert image_runs(ids, IMAGE) == runs
    assert image_runs(ids, None) == []
    short = unexpanded(Request(ids, ("p",) * len(runs), 1, 0), IMAGE)
    assert short.count(IMAGE) == len(runs)
    assert [token for token in short if token != IMAGE] == [token for token in ids if token != IMAGE]


@pytest.mark.parametrize("images", [0, 1, 3])
def test_images_that_are_not_one_run_each_are_refused(images: int) -> None:
    with pytest.raises(InputError, match=rf"2 runs of token 9 for {images} images.*use_vllm"):
        unexpanded(Request(TWO, ("p",) * images, 1, 0), IMAGE)


def test_a_prompt_without_its_images_is_not_sampled_from() -> None:
    prompts = replace(prompts_of((TWO, 2)), images=[])
    with pytest.raises(EngineMismatchError, match="2 images came with 0"):
        requests_of(prompts, Draws([0], [()], [0]))


REQUEST = Request(TWO, ("a", "b"), 2, 7)


def test_an_engine_that_read_the_prompt_passes() -> None:
    check_read(REQUEST, answered(REQUEST), IMAGE)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        pytest.param({"prompt_ids": [5, 9, *TWO[1:]]}, r"11 tokens \(7 of them.*10 \(6\).*token 3 on", id="pads-twice"),
        pytest.param({"prompt_ids": [5, 9, 6, 7, 9, 8]}, r"6 tokens \(2 of them", id="pads-not-expanded"),
        pytest.param({"prompt_ids": TWO[:-1]}, "token 9 on", id="shorter"),
        pytest.param({"prompt_ids": [*TWO[:-1], 3]}, "token 9 on", id="another-token"),
        pytest.param({"placeholders": []}, r"at \(offset, length\) \[\]", id="no-features"),
        pytest.param(
            {"placeholders": [(1, 4), (5, 2)]}, r"\[\(1, 4\), \(5, 2\)\].*\[\(1, 2\), \(5, 4\)\]", id="swapped"
        ),
        pytest.param({"ids": [[1]]}, "1 samples of 2", id="too-few-samples"),
        pytest.param({"ids": [[1, 2], []], "logps": [[-1.0, -1.0], []]}, "0 tokens", id="an-empty-sample"),
        pytest.param({"logps": [[-1.0], [-1.0]]}, "3 tokens with 1 log", id="lost-log-probabilities"),
    ],
)
def test_what_an_engine_read_otherwise_is_named(changed: dict[str, object], words: str) -> None:
    with pytest.raises(EngineMismatchError, match=words):
        check_read(REQUEST, replace(answered(REQUEST), **changed), IMAGE)  # type: ignore[arg-type]
