"""The learned judge's training inputs are what a server will render, and its checkpoint is kept under its recipe.

What it has learned is measured behind a server: tests/vllm_servers.
"""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from transformers import Qwen3VLForConditionalGeneration

from contextrl.judge.llm.prompts import PromptSet, Task
from contextrl.miniature.digits import compose
from contextrl.miniature.learned_judge.lessons import draw_lesson
from contextrl.miniature.learned_judge.training import (
    JudgeRecipe,
    LessonSampler,
    corpus_for_tokenizer,
    learned_judge,
    prompt_text,
)
from contextrl.miniature.learned_judge.writing import ReplyWriter
from contextrl.miniature.policy import build_processor, build_tokenizer
from contextrl.policy.processor import ImageOnlyQwen3VLProcessor

PROMPTS = Path(__file__).resolve().parents[3] / "configs" / "miniature" / "judge-prompts"
SHORT = JudgeRecipe(steps=2, batch=4)


@pytest.fixture(scope="module")
def prompts() -> PromptSet:
    return PromptSet.load(PROMPTS)


@pytest.fixture(scope="module")
def processor(prompts: PromptSet) -> Any:
    return build_processor(build_tokenizer(corpus_for_tokenizer(prompts)))


def test_training_prompts_are_what_the_processor_makes_of_the_conversation(prompts: PromptSet, processor: Any) -> None:
    sampler = LessonSampler(processor, prompts, SHORT)
    rng = random.Random(3)
    for _ in range(20):
        lesson = draw_lesson(rng)
        text = prompt_text(processor, prompts, lesson.request, lesson.task, lesson.disclose)
        inputs = processor(text=[text], images=[compose(lesson.problem.images)])
        assert sampler.draw(lesson).prompt == list(inputs["input_ids"][0])


def test_only_the_reply_is_learned(prompts: PromptSet, processor: Any) -> None:
    batch = next(LessonSampler(processor, prompts, SHORT).batches(3))
    tokenizer = processor.tokenizer
    for ids, labels in zip(batch["input_ids"], batch["labels"], strict=True):
        learned = labels[labels != -100]
        assert torch.equal(ids[labels != -100], learned)
        text = tokenizer.decode(learned)
        assert text.startswith("Truth/said: ")
        assert text.endswith("<|im_end|>")


def test_prompts_tell_tasks_and_contexts_apart(prompts: PromptSet, processor: Any) -> None:
    lesson = draw_lesson(random.Random(5))
    texts = {
        (task, context): prompt_text(processor, prompts, replace(lesson.request, context=context), task)
        for task in get_args(Task)
        for context in ("none", "answer", "solution")
    }
    assert len(set(texts.values())) == 9
    assert all(text.count(processor.image_token) == 1 for text in texts.values())
    assert all((lesson.request.example.solution in text) is (key[1] == "solution") for key, text in texts.items())
    # A verification has no system message: most calls are the shortest.
    assert "system" not in texts["verify", "none"]


def test_a_judge_is_kept_by_recipe_and_prompts(
    prompts: PromptSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONTEXTRL_CACHE", str(tmp_path))
    torch.manual_seed(11)
    folder = learned_judge(prompts, SHORT)
    drawn = torch.rand(1)
    built = (folder / "recipe.json").stat().st_mtime_ns
    torch.manual_seed(11)
    assert learned_judge(prompts, SHORT) == folder
    # The caller's random numbers are the same whether the judge was trained or found.
    assert torch.equal(torch.rand(1), drawn)
    assert (folder / "recipe.json").stat().st_mtime_ns == built
    assert json.loads((folder / "recipe.json").read_text())["steps"] == 2
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]
    other = PromptSet({**prompts.texts, "none.user.txt": "{{response}}"})
    assert SHORT.key(other) != SHORT.key(prompts)
    assert replace(SHORT, seed=1).key(prompts) != SHORT.key(prompts)


def test_a_saved_judge_replies(prompts: PromptSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONTEXTRL_CACHE", str(tmp_path))
    folder = learned_judge(prompts, SHORT)
    model = Qwen3VLForConditionalGeneration.from_pretrained(folder).eval()
    rng = random.Random(2)
    requests = [draw_lesson(rng).request for _ in range(3)]
    arguments = (model, ImageOnlyQwen3VLProcessor.load(folder), PromptSet.load(folder / "prompts"))
    replies = [ReplyWriter(*arguments, batch=batch, max_tokens=5).write(requests) for batch in (2, 3)]
    assert [len(reply.pieces) for reply in replies[0]] == [5] * 3
    assert [reply.text for reply in replies[0]] == [reply.text for reply in replies[1]]
