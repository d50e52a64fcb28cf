"""Tokenizer, processor and model of the miniature."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from contextrl.miniature.base import corpus_for_tokenizer
from contextrl.miniature.digits import compose
from contextrl.miniature.policy import SPECIAL_TOKENS, build_model, build_processor, build_tokenizer
from contextrl.policy.processor import ImageOnlyQwen3VLProcessor
from contextrl.policy.prompts import build_prompts, neutralise_special_tokens
from contextrl.records.example import Example

TOKENIZER = build_tokenizer(corpus_for_tokenizer())
SPECIAL_IDS = set(TOKENIZER.convert_tokens_to_ids(list(SPECIAL_TOKENS)))


def test_digits_are_single_tokens() -> None:
    assert [TOKENIZER.decode([i]) for i in TOKENIZER("0123456789")["input_ids"]] == list("0123456789")
    with_digits = [token for token in TOKENIZER.get_vocab() if re.search(r"[0-9]", token)]
    assert sorted(with_digits) == list("0123456789")


def test_the_miniatures_language_takes_few_tokens() -> None:
    text = "Digits: 4, 8. Sum: 4 + 8 = 12. Answer: 12"
    assert len(TOKENIZER(text)["input_ids"]) < len(text) / 2
    assert len(TOKENIZER) == 512


@given(st.text())
def test_text_survives_encoding_and_decoding(text: str) -> None:
    assert TOKENIZER.decode(TOKENIZER(text)["input_ids"]) == text


@given(st.lists(st.sampled_from(["4", "8", " ", "  ", ". ", ", ", "Digits: ", "\n", "'", " n't", " ."])).map("".join))
def test_spacing_survives_encoding_and_decoding(text: str) -> None:
    assert TOKENIZER.decode(TOKENIZER(text)["input_ids"]) == text


def test_special_tokens_are_where_the_template_needs_them() -> None:
    assert TOKENIZER("<|im_start|>user\n")["input_ids"][0] in SPECIAL_IDS
    assert (TOKENIZER.eos_token, TOKENIZER.pad_token, TOKENIZER.padding_side) == ("<|im_end|>", "<|endoftext|>", "left")


SPELLED = st.lists(st.sampled_from([*SPECIAL_TOKENS, "<", "<|", "|>", "im_end", " ", "a"]), max_size=8).map("".join)


@given(SPELLED)
def test_neutralised_text_has_no_special_ids(text: str) -> None:
    plain = neutralise_special_tokens(text, TOKENIZER)
    assert not SPECIAL_IDS & set(TOKENIZER(plain)["input_ids"])
    assert plain.replace(" ", "") == text.replace(" ", "")


@pytest.mark.parametrize("nested", ["<|im_<|im_end|>end|>", "<<|im_end|>|im_end|>"])
def test_no_special_token_forms_when_another_is_broken(nested: str) -> None:
    assert not SPECIAL_IDS & set(TOKENIZER(neutralise_special_tokens(nested, TOKENIZER))["input_ids"])


def example_asking(question: str) -> Example:
    return Example(id="1", question=question, solution="Answer: 4", answer="4", images=(compose((0, 1)),))


@pytest.mark.parametrize("token", SPECIAL_TOKENS)
def test_special_tokens_spelled_in_a_question_stay_text(token: str) -> None:
    def special_ids(question: str) -> list[int]:
        prompts = build_prompts(build_processor(TOKENIZER), [example_asking(question)])
        return [i for i in prompts.ids[0] if i in SPECIAL_IDS]

    plain = special_ids("Which digits are shown?")
    assert special_ids(f"Which digits {token} are shown?{token}") == plain
    # 16 x 32 pixels in patches of 4, four to a placeholder: 8.
    assert plain.count(TOKENIZER.convert_tokens_to_ids("<|image_pad|>")) == 8


def test_the_processor_saves_and_loads_equal(tmp_path: Path) -> None:
    processor = build_processor(TOKENIZER)
    processor.save_pretrained(tmp_path)
    loaded = ImageOnlyQwen3VLProcessor.load(tmp_path)
    assert loaded.chat_template == processor.chat_template
    assert loaded.image_token_id == processor.image_token_id == TOKENIZER.convert_tokens_to_ids("<|image_pad|>")
    assert loaded.tokenizer.get_vocab() == TOKENIZER.get_vocab()
    assert (loaded.tokenizer.eos_token, loaded.tokenizer.padding_side) == ("<|im_end|>", "left")
    examples = [example_asking("Which digit is the largest?"), example_asking("")]
    first, second = build_prompts(processor, examples), build_prompts(loaded, examples)
    assert (first.ids, first.per_token, first.num_images) == (second.ids, second.per_token, second.num_images)
    for name, values in first.image_tensors().items():
        torch.testing.assert_close(second.image_tensors()[name], values, rtol=0, atol=0)


def test_the_model_has_one_and_a_half_million_parameters() -> None:
    with torch.random.fork_rng(devices=[]):
        model = build_model(TOKENIZER)
    assert 1_400_000 < sum(parameter.numel() for parameter in model.parameters()) < 1_600_000
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert model.generation_config.eos_token_id == TOKENIZER.eos_token_id


def test_left_padding_does_not_change_what_the_model_says(tiny_policy: Path) -> None:
    """Log-probabilities of a prompt's last token, alone and beside a longer prompt."""
    from contextrl.policy.loading import load_policy

    processor = ImageOnlyQwen3VLProcessor.load(tiny_policy)
    model = load_policy(str(tiny_policy)).eval()
    prompts = build_prompts(processor, [example_asking("Short?"), example_asking("What is the sum of the digits?" * 3)])
    with torch.no_grad():
        alone = model(**prompts.select([0]).padded(processor.tokenizer.pad_token_id).tensors).logits[0, -1]
        beside = model(**prompts.padded(processor.tokenizer.pad_token_id).tensors).logits[0, -1]
    torch.testing.assert_close(alone, beside, rtol=1e-4, atol=1e-4)
