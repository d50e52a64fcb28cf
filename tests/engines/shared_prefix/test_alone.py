"""Samples of a model without a trainer: those of the plain way, number by number."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tiny_models import PAD, TEXT, build, make_prompts
from transformers import GenerationConfig

from contextrl.engines.shared_prefix.alone import PromptSampler
from contextrl.policy.drawing import own_numbers
from contextrl.policy.prompts import Prompts

STOPS = [1, *range(5, TEXT, 10)]
CONFIG = GenerationConfig(
    pad_token_id=PAD,
    eos_token_id=STOPS,
    max_new_tokens=10,
    suppress_tokens=[*range(90, 94)],
    do_sample=True,
    temperature=0.8,
    top_k=0,
)
PROMPT_OF = [0, 0, 0, 1, 1, 1, 2, 2, 2]
SEEDS = [5, 6, 7, 50, 51, 52, 500, 501, 502]


def prompts() -> Prompts:
    return make_prompts("qwen3-vl", [(6, [(2, 2)]), (15, [(2, 3)]), (5, [(1, 2), (2, 2)])])


def plainly(model: Any) -> list[list[int]]:
    inputs = prompts().select(PROMPT_OF).padded(PAD).tensors
    with torch.no_grad(), own_numbers(model, SEEDS):
        drawn = model.generate(**inputs, generation_config=CONFIG)[:, inputs["input_ids"].size(1) :].tolist()
    ends = [next((n + 1 for n, token in enumerate(ids) if token in STOPS), len(ids)) for ids in drawn]
    return [ids[:end] for ids, end in zip(drawn, ends, strict=True)]


def test_samples_are_those_that_each_prompt_of_its_own_gives() -> None:
    model = build("qwen3-vl").eval()
    expected = plainly(model)
    sampler = PromptSampler.of(model, CONFIG)
    assert sampler is not None
    assert sampler.agrees(prompts())
    found = sampler.sample(prompts(), PROMPT_OF, SEEDS)
    assert found == expected
    assert len(set(map(tuple, found))) > 3, "seeds make samples"
    # Alone or beside others, a sample is the same.
    assert sampler.sample(prompts().select([1]), [0], [51]) == [expected[4]]


def test_a_model_that_computes_otherwise_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    sampler = PromptSampler.of(build("qwen3-vl").eval(), CONFIG)
    assert sampler is not None
    wrong = torch.zeros(3, sampler.model.config.get_text_config().vocab_size)
    monkeypatch.setattr("contextrl.engines.shared_prefix.alone.SharedDecoder.start", lambda _: wrong)
    assert not sampler.agrees(prompts())


def test_what_cannot_share_has_no_sampler() -> None:
    assert PromptSampler.of(build("gemma3").eval(), CONFIG) is None
    assert PromptSampler.of(build("qwen3-vl").eval(), GenerationConfig(num_return_sequences=2, do_sample=True)) is None
