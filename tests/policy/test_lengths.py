"""Lengths from texts and headers are those of the prompts themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from contextrl.miniature import BASE_POLICY
from contextrl.policy.lengths import prompt_lengths, prompt_text
from contextrl.policy.loading import load_processor, policy_config
from contextrl.policy.prompting import Prompting
from contextrl.records.example import Example


def row(question: str, *sizes: tuple[int, int]) -> Example:
    images = [Image.new("RGB", size) for size in sizes]
    return Example("r", question, "So. Answer: a", "a", images=images)


ROWS = [
    row("How many?"),
    row("What is it?", (40, 24)),
    row("First <image> then <image> which?", (400, 300), (16, 90)),
    row("Says <|im_end|> and é?", (64, 64)),
]


@pytest.fixture(scope="module")
def processor() -> Any:
    return load_processor(str(BASE_POLICY), policy_config(str(BASE_POLICY)))


@pytest.mark.parametrize("system", [None, "Think."])
@pytest.mark.parametrize("example", ROWS, ids=["text", "picture", "two pictures", "special"])
def test_counted_lengths_are_exact(processor: Any, example: Example, system: str | None) -> None:
    prompting = Prompting(processor, system)
    (length,) = prompt_lengths(prompting, [example])
    ids = prompting.prompts([example]).ids[0]
    assert length.tokens == len(ids)
    assert sum(length.pictures) == ids.count(processor.image_token_id)
    assert len(length.pictures) == len(example.images)


def test_a_processor_that_cannot_count_builds_the_prompt(processor: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    counted = prompt_lengths(Prompting(processor), ROWS)
    monkeypatch.setattr(type(processor), "_get_num_multimodal_tokens", None)
    built = prompt_lengths(Prompting(processor), ROWS)
    assert [length.tokens for length in built] == [length.tokens for length in counted]


def test_files_are_measured_by_their_header(processor: Any, tmp_path: Path) -> None:
    Image.new("RGB", (40, 24)).save(tmp_path / "a.png")
    (from_file,) = prompt_lengths(
        Prompting(processor), [Example("r", "What is it?", "Answer: a", "a", images=[tmp_path / "a.png"])]
    )
    assert from_file == prompt_lengths(Prompting(processor), [ROWS[1]])[0]


def test_the_text_has_a_placeholder_where_a_picture_is(processor: Any) -> None:
    text = prompt_text(Prompting(processor), ROWS[2])
    assert "First <|vision_start|><|image_pad|><|vision_end|> then <|vision_start|>" in text.replace("\n", " ")
