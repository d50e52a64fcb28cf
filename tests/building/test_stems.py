"""What a question asks, without the instructions that sets put around it; and which words make it another."""

from __future__ import annotations

import pytest

from contextrl.building.contents import contents, initials, same_contents
from contextrl.building.stems import parts

STEM = "How many cats are there?"


@pytest.mark.parametrize(
    "instruction",
    [
        "Answer the question using a single word or phrase.",
        "Answer with the option's letter from the given choices directly.",
        "Answer with the option letter from the given choices directly.",
        "Please select the correct answer from the options above.",
        "Please answer directly with only the letter of the correct option and nothing else.",
        "Please answer directly with a single word or number.",
        "Let's think step by step.",
        "Think step by step before answering.",
        r"Give your answer within \boxed{}.",
        r"Please reason step by step, and put your final answer within \boxed{}.",
        "Please answer the question and provide the correct option letter, e.g., A, B, C, D, at the end.",
        "Provide a short and direct response.",
        "Keep it short and to the point.",
        "Answer briefly.",
        "Give a very brief answer.",
        "Your response must be concise.",
        "Output the thinking process in <think> </think> and final answer (number) in <answer> </answer> tags.",
        "请直接回答选项字母。",
    ],
)
def test_an_instruction_is_no_part_of_the_stem(instruction: str) -> None:
    assert parts(f"{STEM}\n{instruction}").stem == STEM
    assert parts(f"{STEM} {instruction}").stem == STEM
    assert parts(f"{instruction}\n{STEM}").stem == STEM


@pytest.mark.parametrize(
    "hint",
    [
        "Please answer the question requiring an integer answer and provide the final value, e.g., 1, 2, 3, at the"
        " end.",
        "Please answer the question requiring a floating-point number with one decimal place and provide the final"
        " value, e.g., 1.2, 1.3, 1.4, at the end.",
        "Please answer the question requiring a Python list as an answer and provide the final list, e.g., [1, 2, 3],"
        " [1.2, 1.3, 1.4], at the end.",
    ],
)
@pytest.mark.parametrize("between", ["\n", " "])
def test_hint_label_and_options_are_no_part_of_the_stem(hint: str, between: str) -> None:
    found = parts(f"Hint: {hint}{between}Question: {STEM}\nChoices:\n(A) 3\n(B) answer 4\nAnswer with the letter only.")
    assert (found.stem, found.options) == (STEM, {"A": "3", "B": "answer 4"})
    assert parts(f"Hint: {hint}{between}Question: {STEM}").stem == STEM


@pytest.mark.parametrize(
    "question",
    [
        "Answer in which year the war began.",
        "Choose the option that shows a cat.",
        "Select the letter that marks the left ventricle.",
        "Give the final velocity of the ball.",
        "Hint: the angles of a triangle sum to 180 degrees. Find x.",
        "Think of the tallest building. What is its number?",
        "Is the answer yes or no?",
        "Answer the question using a single word or phrase.",
        "What is it? Answer.",
    ],
)
def test_what_asks_something_stays(question: str) -> None:
    assert parts(question).stem == question


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Is there a cat in the picture?", "is there a Cat in the picture"),
        ("How many cats are there?", "How many cat are in the image?"),
        ("What is the area of the triangle?", "Find the area of teh triangel."),
        ("Is a bicylce parked here?", "Is the bicycle parked here?"),
        ("Which colour has the bus?", "What color has the bus?"),
        ("How many houses and glasses are there?", "How many house and glass are there?"),
        ("Are the buses moving?", "Are the bus moved?"),
    ],
)
def test_inflection_articles_and_slips_make_no_other_question(one: str, other: str) -> None:
    first, second = contents(one.casefold()), contents(other.casefold())
    assert same_contents(first, second)
    assert initials(first) == initials(second), "only those of the same are compared"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Is there a cat in the picture?", "Is there a hat in the picture?"),
        ("Is there a bus?", "Is there a bush?"),
        ("Is the house big?", "Is the horse big?"),
        ("Is the cat on the dog?", "Is the dog on the cat?"),
        ("How many small cats are there?", "How many cats are there?"),
        ("Who sits here?", "Where sits it here?"),
        ("What was sold in 1998?", "What was sold in 1989?"),
        ("What is the capital of Peru?", "What is the capital of Chad?"),
    ],
)
def test_another_content_word_makes_another_question(one: str, other: str) -> None:
    assert not same_contents(contents(one.casefold()), contents(other.casefold()))


def test_of_long_questions_their_likeness_tells() -> None:
    words = "alpha beta gamma delta epsilon zeta eta theta iota kappa {}".format
    assert contents(words("cat")) == b""
    assert same_contents(contents(words("cat")), contents(words("dog")))
    assert not same_contents(contents(words("cat")), contents("alpha"))
