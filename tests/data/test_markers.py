"""`<image>` keeps its place: from the row to the policy's prompt, the SFT row and the judge's prompt."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from contextrl.data.loading import load_examples, rows_to_examples
from contextrl.data.markers import placed, settled_markers
from contextrl.data.validation import validate_examples
from contextrl.errors import InputError
from contextrl.judge.llm.prompts import PromptSet
from contextrl.judge.protocol import JudgeRequest
from contextrl.records.example import Example

ROW: dict[str, Any] = {"solution": "Answer: 12", "answer": "12"}
COLOURS = ("red", "green", "blue")


def pictures(count: int) -> list[Image.Image]:
    return [Image.new("RGB", (32, 32), colour) for colour in COLOURS[:count]]


def read(question: str, count: int) -> Example:
    (example,) = rows_to_examples([{**ROW, "question": question, "images": pictures(count)}], where="rows", base=None)
    return example


def colours(example: Example) -> list[str]:
    """Which pictures are shown, in their order."""
    names = {Image.new("RGB", (1, 1), name).getpixel((0, 0)): name for name in COLOURS}
    return [names[image.getpixel((0, 0))] for image in example.images]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("question", "count", "kept", "parts"),
    [
        pytest.param("What?", 2, "What?", [0, 1, "What?"], id="none"),
        pytest.param("What?", 0, "What?", ["What?"], id="no-pictures"),
        pytest.param("<image>\nWhat?", 1, "What?", [0, "What?"], id="leading"),
        pytest.param(" <image>\n<image> What?", 2, "What?", [0, 1, "What?"], id="both-leading"),
        pytest.param("What is <image>?", 1, "What is <image>?", ["What is ", 0, "?"], id="middle"),
        pytest.param("What? <image>", 1, "What? <image>", ["What? ", 0], id="last"),
        pytest.param(
            "First <image> then <image>", 2, "First <image> then <image>", ["First ", 0, " then ", 1], id="two"
        ),
        pytest.param("<image> or <IMAGE>?", 2, "<image> or <image>?", [0, " or ", 1, "?"], id="first-leads"),
        pytest.param("A<image><image>B", 2, "A<image><image>B", ["A", 0, 1, "B"], id="adjacent"),
        pytest.param("a < b > c, <images>", 1, "a < b > c, <images>", [0, "a < b > c, <images>"], id="other-brackets"),
    ],
)
def test_markers_are_places(question: str, count: int, kept: str, parts: list[str | int]) -> None:
    example = read(question, count)
    assert example.question == kept
    assert placed(example.question, count) == parts
    assert colours(example) == list(COLOURS[:count])


@pytest.mark.parametrize(
    ("question", "order", "kept"),
    [
        ("Is <image 2> above <image 1>?", ["green", "red"], "Is <image> above <image>?"),
        ("<image1> <image_2>: which?", ["red", "green"], "which"),
        ("See <image 1>. In <image 1>, and <image-2>?", ["red", "green"], "See <image>. In <image 1>, and <image>?"),
    ],
)
def test_numbered_markers_show_their_own_picture(question: str, order: list[str], kept: str) -> None:
    example = read(question, 2)
    assert colours(example) == order
    assert kept in example.question


@pytest.mark.parametrize(
    "question",
    ["See <image 1>. In <image 1>, and <image-2>?", "Is <image 2> above <image 1>?", "<image 1><image 2> a?"],
)
def test_what_is_settled_stays_as_it_is(question: str) -> None:
    once, _ = settled_markers(question, 2)
    assert settled_markers(once, 2) == (once, [0, 1])


@pytest.mark.parametrize(
    ("question", "count", "message"),
    [
        pytest.param("First <image> then <image>", 1, r"one picture in the row.*found 2 in", id="too-many"),
        pytest.param("First <image> then", 2, r"2 pictures in the row.*found 1 in", id="too-few"),
        pytest.param("<image>\nWhat?", 2, r"2 pictures in the row.*found 1 in", id="leading-too-few"),
        pytest.param("<image>\nWhat?", 0, r"0 pictures in the row.*found 1 in", id="no-pictures"),
        pytest.param("<image 1> and <image 3>", 2, r"found <image 1>, <image 3>", id="number-without-picture"),
        pytest.param("<image 1>?", 2, r"found <image 1>", id="picture-without-number"),
        pytest.param("<image 1> and <image>", 2, r"all have a number, or none.*Number all", id="mixed"),
        pytest.param("<image> <image>", 2, r"a question, found only <image> markers", id="nothing-else"),
    ],
)
def test_another_number_of_markers_is_refused_by_row(tmp_path: Path, question: str, count: int, message: str) -> None:
    for index, image in enumerate(pictures(count)):
        image.save(tmp_path / f"{index}.png")
    row = {**ROW, "question": question, "images": [f"{index}.png" for index in range(count)]}
    (tmp_path / "rows.jsonl").write_text(json.dumps(row))
    with pytest.raises(InputError, match=r"rows\.jsonl, line 1, field 'question'.*" + message):
        load_examples(str(tmp_path / "rows.jsonl"))


def test_an_example_that_was_built_is_checked_too() -> None:
    built = Example("a", "First <image> then <image>", "Answer: 12", "12", images=pictures(1))
    with pytest.raises(InputError, match=r"row 'a', field 'question': expected a marker for each picture.*found 2"):
        validate_examples([built], vision=True, where="rows")


def test_the_policy_the_sft_row_and_the_judge_see_pictures_in_their_places() -> None:
    loading = importlib.import_module("contextrl.policy.loading")
    prompts = importlib.import_module("contextrl.policy.prompts")
    base = importlib.import_module("contextrl.miniature").BASE_POLICY
    processor = loading.load_processor(str(base), loading.policy_config(str(base)))
    tokenizer = processor.tokenizer
    marked, plain = read("First <image> then <image>", 2), read("First  then ", 2)

    (message,) = prompts.conversation(marked, tokenizer)
    assert [part["type"] for part in message["content"]] == ["text", "image", "text", "image"]
    assert [part["image"].getpixel((0, 0)) for part in message["content"] if "image" in part] == [
        (255, 0, 0),
        (0, 128, 0),
    ]
    ids = prompts.build_prompts(processor, [marked, plain]).ids
    pad = tokenizer.convert_tokens_to_ids("<|image_pad|>")
    first, last = ([n for n, token in enumerate(row) if token == pad] for row in ids)
    assert len(first) == len(last)
    # Marked: text stands between the pictures' tokens; without markers one picture follows the other.
    text = tokenizer.decode(ids[0][: first[0]]), tokenizer.decode(ids[0][first[0] : first[-1]])
    assert "First" in text[0]
    assert " then " in text[1]
    assert "First" not in tokenizer.decode(ids[1][: last[-1]])

    prompting = importlib.import_module("contextrl.policy.prompting").Prompting(processor)
    sft = importlib.import_module("contextrl.trainer.sft").sft_dataset([marked], prompting)[0]
    kinds = [part.get("text", part["type"]) for part in sft["prompt"][0]["content"]]
    assert kinds == ["First ", "image", " then ", "image"]
    assert len(sft["images"]) == 2

    request = JudgeRequest(marked, "<image> Answer: 12", "solution")
    (_, user) = PromptSet.load().messages("verify", request, images=["data:one", "data:two"])
    shown = [part.get("text") or part["image_url"]["url"] for part in user["content"]]
    assert shown[0] == "<question>\nFirst "
    assert shown[1:4:2] == ["data:one", "data:two"]
    assert shown[2] == " then "
    assert shown[4].startswith("\n</question>")
    assert "<image>" not in shown[4]  # the response places nothing


def test_a_prompt_file_without_the_question_has_its_pictures_first(tmp_path: Path) -> None:
    (tmp_path / "none.user.txt").write_text("{{response}}")
    (tmp_path / "answer.user.txt").write_text("{{question}} {{question}} {{response}}")
    prompts = PromptSet.load(tmp_path)
    example = read("See <image> here", 1)
    kinds = {}
    for context in ("none", "answer"):
        (_, user) = prompts.messages("verify", JudgeRequest(example, "r", context), images=["data:one"])  # type: ignore[arg-type]
        kinds[context] = [part["type"] for part in user["content"]]
        if context == "answer":
            assert "See <image> here" in user["content"][-1]["text"]
    assert kinds == {"none": ["image_url", "text"], "answer": ["text", "image_url", "text"]}
