"""Answers of a model in this process: greedy as in evaluation, sampled by each question's own numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from toy_benchmark import picture

from contextrl.evaluation.answering.local import LocalModel, weights_digest
from contextrl.evaluation.answering.questions import Answer, Question
from contextrl.evaluation.benchmarks.items import Sampling
from contextrl.evaluation.generation import PresencePenalty, generate_greedy
from contextrl.policy.loading import load_policy, load_processor, policy_config
from contextrl.policy.prompting import Prompting
from contextrl.records.example import Example

GREEDY = Sampling(max_tokens=6)
SAMPLED = Sampling(temperature=1.0, max_tokens=8)


@pytest.fixture(scope="module")
def model(tiny_policy: Path) -> LocalModel:
    prompting = Prompting(load_processor(str(tiny_policy), policy_config(str(tiny_policy))))
    return LocalModel(load_policy(str(tiny_policy)), prompting, batch_size=2)


def asked(count: int) -> list[Question]:
    return [Question(str(n), f"What is {n} + {n}? " * (1 + n % 2), (picture(40 * n, (32, 32)),)) for n in range(count)]


def answers(model: LocalModel, questions: list[Question], sampling: Sampling) -> dict[str, Answer]:
    return {answer.id: answer for answer in model.answers(questions, sampling)}


def test_greedy_is_evaluations_greedy(model: LocalModel) -> None:
    questions = asked(5)
    found = answers(model, questions, GREEDY)
    examples = [Example(q.id, q.prompt, "", "", images=q.images) for q in questions]
    expected = generate_greedy(model.model, model.prompting, examples, max_new_tokens=6, batch_size=1)
    assert [found[str(n)].response for n in range(5)] == [response.text for response in expected]
    for answer in found.values():
        assert answer.finish_reason == ("length" if answer.truncated else "stop")
        assert answer.tokens == 6 if answer.truncated else 0 < answer.tokens <= 6


def test_samples_do_not_depend_on_what_is_asked_beside(model: LocalModel) -> None:
    questions = asked(4)
    state = torch.random.get_rng_state()
    found = answers(model, questions, SAMPLED)
    assert answers(model, questions[::-1], SAMPLED) == found
    assert answers(model, questions[2:3], SAMPLED) == {"2": found["2"]}
    assert torch.equal(state, torch.random.get_rng_state())
    other = answers(model, questions, Sampling(temperature=1.0, max_tokens=8, seed=1))
    assert other != found


def test_top_k_of_one_and_a_tiny_nucleus_are_greedy(model: LocalModel) -> None:
    questions = asked(3)
    greedy = answers(model, questions, Sampling(max_tokens=8))
    for narrow in (Sampling(1.0, top_k=1, max_tokens=8), Sampling(1.0, top_p=1e-6, max_tokens=8)):
        assert answers(model, questions, narrow) == greedy
    assert answers(model, questions, Sampling(1.0, top_k=-1, max_tokens=8)) == answers(model, questions, SAMPLED)


def test_a_large_penalty_lets_no_token_come_twice(model: LocalModel) -> None:
    seen: list[list[int]] = []
    generate = model.model.generate

    def watched(*args: Any, **kwargs: Any) -> Any:
        output = generate(*args, **kwargs)
        seen.extend(output[:, kwargs["input_ids"].shape[1] :].tolist())
        return output

    model.model.generate = watched
    try:
        answers(model, asked(3), Sampling(presence_penalty=1e4, max_tokens=12))
    finally:
        del model.model.generate
    end = model.prompting.tokenizer.eos_token_id
    for ids in seen:
        said = ids[: ids.index(end)] if end in ids else ids
        assert len(said) == len(set(said))


def test_the_penalty_is_taken_once_and_from_completions_only() -> None:
    """Prompt 3 3, completion 1 1: token 1 loses 0.5, once; token 3 is of the prompt."""
    scores = torch.tensor([[1.0, 2.0, 3.0, 4.0]])
    lowered = PresencePenalty(0.5, 2)(torch.tensor([[3, 3, 1, 1]]), scores)
    assert lowered.tolist() == [[1.0, 1.5, 3.0, 4.0]]
    assert PresencePenalty(0.5, 2)(torch.tensor([[3, 3]]), scores).tolist() == scores.tolist()


def test_a_sick_picture_is_an_error_of_its_own_question(model: LocalModel, tmp_path: Path) -> None:
    questions = asked(3)
    sick = Question("sick", "What?", (tmp_path / "none.png",))
    found = answers(model, [questions[0], sick, *questions[1:]], GREEDY)
    assert set(found) == {"0", "1", "2", "sick"}
    assert str(found.pop("sick").error).startswith("rejected: ")
    assert found == answers(model, questions, GREEDY)
    assert answers(model, [sick, sick], GREEDY)["sick"].response is None


def test_questions_without_pictures_and_with_several(model: LocalModel) -> None:
    grey = Image.new("RGB", (32, 32), (128, 128, 128))
    found = answers(model, [Question("a", "Why?"), Question("b", "Why?", (grey, grey))], GREEDY)
    assert all(answer.response is not None for answer in found.values())


def test_questions_are_pulled_batch_by_batch(model: LocalModel) -> None:
    pulled: list[str] = []
    stream = model.answers((pulled.append(q.id) or q for q in asked(6)), GREEDY)  # type: ignore[func-returns-value]
    next(stream)
    assert pulled == ["0", "1"]


def test_weights_that_change_have_another_digest(tmp_path: Path) -> None:
    assert weights_digest(tmp_path) == ""
    path = tmp_path / "model.safetensors"
    digests = set()
    for data in (b"a" * 3_000_000, b"a" * 2_999_999 + b"b", b"b" + b"a" * 2_999_999, b"a" * 10):
        path.write_bytes(data)
        digests.add(weights_digest(tmp_path))
    assert len(digests) == 4
    path.write_bytes(b"a" * 10)
    assert weights_digest(tmp_path) in digests
