"""One way of asking: the system prompt and the template's settings are in every prompt of the policy."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from contextrl.errors import InputError
from contextrl.evaluation.generation import generate_greedy
from contextrl.miniature import BASE_POLICY
from contextrl.policy.loading import load_policy, load_processor, policy_config
from contextrl.policy.prompting import Prompting
from contextrl.records.example import Example
from contextrl.trainer.sft import sft_dataset

PHOTO = Example("photo", "What is it?", "A cat. Answer: cat", "cat", "text", images=(Image.new("RGB", (24, 24)),))
TEXT = Example("text", "How much is 1 + 1?", "1 + 1 = 2. Answer: 2", "2", "number")
SYSTEM = "Think first."


@pytest.fixture(scope="module")
def processor() -> Any:
    return load_processor(str(BASE_POLICY), policy_config(str(BASE_POLICY)))


def decoded(prompting: Prompting, example: Example) -> str:
    return str(prompting.tokenizer.decode(prompting.prompts([example]).ids[0]))


def with_template(processor: Any, template: str) -> Any:
    other = copy.deepcopy(processor)
    other.chat_template = other.tokenizer.chat_template = template
    return other


@pytest.mark.parametrize("example", [PHOTO, TEXT], ids=["picture", "text"])
def test_the_system_prompt_stands_before_the_question(processor: Any, example: Example) -> None:
    text = decoded(Prompting(processor, SYSTEM), example)
    assert text.startswith(f"<|im_start|>system\n{SYSTEM}<|im_end|>\n<|im_start|>user\n")
    assert example.question in text
    assert SYSTEM not in decoded(Prompting(processor), example)


def test_a_text_only_policy_gets_it_as_plain_text(processor: Any) -> None:
    template = "{% for m in messages %}[{{ m.role }}:{{ m.content + '' }}]{% endfor %}"
    tokenizer = with_template(processor, template).tokenizer
    assert decoded(Prompting(tokenizer, SYSTEM), TEXT).replace(" ", "") == ("[system:Thinkfirst.][user:Howmuchis1+1?]")


def test_stage_2_renders_with_it(processor: Any) -> None:
    text = Prompting(processor, SYSTEM).text([{"role": "user", "content": [{"type": "text", "text": "Again."}]}])
    assert text.startswith(f"<|im_start|>system\n{SYSTEM}<|im_end|>")
    assert text.endswith("Again.<|im_end|>\n<|im_start|>assistant\n")


def test_template_settings_reach_questions_and_stage_2(processor: Any) -> None:
    template = "{{ mode }}{% for m in messages %}{% for p in m.content %}{{ p.text }}{% endfor %}{% endfor %}"
    prompting = Prompting(with_template(processor, template), None, {"mode": "quick:"})
    assert decoded(prompting, TEXT) == "quick:How much is 1 + 1?"
    assert prompting.text([{"role": "user", "content": [{"type": "text", "text": "x"}]}]) == "quick:x"


def test_sft_trains_on_the_same_prompts(processor: Any) -> None:
    from trl import apply_chat_template
    from trl.data_utils import prepare_multimodal_messages

    prompting = Prompting(processor, SYSTEM)
    row = sft_dataset([PHOTO], prompting)[0]
    row["prompt"] = prepare_multimodal_messages(row["prompt"], images=row["images"])
    row["completion"] = prepare_multimodal_messages(row["completion"])
    written = apply_chat_template(row, processor)
    asked = processor(text=[written["prompt"]], images=[row["images"]])["input_ids"][0]
    assert list(asked) == prompting.prompts([PHOTO]).ids[0]
    assert written["completion"].startswith(PHOTO.solution)


def test_text_rows_of_sft_carry_system_prompt_and_template_settings(processor: Any) -> None:
    row = sft_dataset([TEXT], Prompting(processor.tokenizer, SYSTEM, {"enable_thinking": False}))[0]
    assert row["prompt"] == [{"role": "system", "content": SYSTEM}, {"role": "user", "content": TEXT.question}]
    assert row["chat_template_kwargs"] == {"enable_thinking": False}


def test_evaluation_asks_as_training_does(processor: Any, tiny_policy: Path) -> None:
    model = load_policy(str(tiny_policy))
    seen: list[list[int]] = []
    generate = model.generate

    def spy(**inputs: Any) -> Any:
        seen.append(inputs["input_ids"][0].tolist())
        return generate(**inputs)

    model.generate = spy
    prompting = Prompting(processor, SYSTEM)
    generate_greedy(model, prompting, [PHOTO], max_new_tokens=1)
    assert seen == [prompting.prompts([PHOTO]).ids[0]]


@pytest.mark.parametrize(
    ("template", "found"),
    [
        ("{{ raise_exception('System role not supported') }}", "System role not supported"),
        ("{% for m in messages if m.role == 'user' %}x{% endfor %}", "leaves it out"),
    ],
)
def test_a_template_without_room_for_it_is_refused(processor: Any, template: str, found: str) -> None:
    with pytest.raises(InputError, match=rf"data\.system_prompt.*found.*{found}"):
        Prompting(with_template(processor, template), SYSTEM).check()
