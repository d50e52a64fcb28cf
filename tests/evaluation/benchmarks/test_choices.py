"""Option letters in prose, options in a question's text, and VLMEvalKit's rule for multiple choice."""

from __future__ import annotations

import pytest

from contextrl.errors import InputError
from contextrl.evaluation.benchmarks.choices import letter_of, option_columns, read_choice
from contextrl.evaluation.benchmarks.inline_options import split_options
from contextrl.evaluation.benchmarks.items import Response
from contextrl.evaluation.benchmarks.mcq_vlmevalkit import inferred_option, mcq_prompt

OPTIONS = {"A": "a cat", "B": "a dog", "C": "a red car", "D": "4"}
CHINESE = {"A": "红色", "B": "蓝色", "C": "深蓝色", "D": "没有颜色"}

#: (response, the letters that it finally says)
READ = [
    # Letters alone, in every wrapping.
    ("B", "B"),
    ("b", "B"),
    (" B \n", "B"),
    ("`B`", "B"),
    ('"B"', "B"),
    ("[B]", "B"),
    ("{B}", "B"),
    ("B)", "B"),
    ("B:", "B"),
    ("***B***", "B"),
    ("$B$", "B"),
    ("\\(B\\)", "B"),
    ("\\boxed{ B }", "B"),
    ("\\boxed{\\textbf{(B)}}", "B"),
    ("$$\\boxed{B}$$", "B"),
    ("\\boxed{B. a dog}", "B"),
    ("Ｂ", "B"),
    ("（B）", "B"),
    # A letter with its text.
    ("B: a dog", "B"),
    ("(B) a dog", "B"),
    ("B) a dog", "B"),
    ("B - a dog", "B"),
    ("**B.** a dog", "B"),
    # Sentences.
    ("The answer is B because a dog barks.", "B"),
    ("The correct answer is option B.", "B"),
    ("I would go with B.", "B"),
    ("I'd say B", "B"),
    ("I choose option (B).", "B"),
    ("My final answer: **B**", "B"),
    ("Answer:\nB", "B"),
    ("### Answer\n\nB", "B"),
    ("The correct choice is (B) a dog.", "B"),
    ("(B) is correct.", "B"),
    ("Option B is the best match.", "B"),
    ("It must be B.", "B"),
    ("That leaves B.", "B"),
    ("So the answer must be B, as the others are excluded.", "B"),
    ("Therefore, B.", "B"),
    ("Hence (B)", "B"),
    ("=> B", "B"),
    ('The one that is marked "B" fits.', "B"),
    ("A DOG", "B"),
    # Articles and words are no options.
    ("A dog", "B"),
    ("A dog is on the mat.", "B"),
    ("A bird sits there. The answer is (C).", "C"),
    ("A closer look shows that D is correct.", "D"),
    ("Based on the image, the answer is D", "D"),
    ("Considering all, the answer is D.", "D"),
    ("I think D.", "D"),
    ("A car and a tree are there.", ""),
    # Options that are rejected.
    ("A is wrong, B is wrong, so C.", "C"),
    ("It is not A. It is B.", "B"),
    ("Option A is incorrect. Option B is incorrect. Option C fits.", "C"),
    ("We can rule out A and B. D is the only one left.", "D"),
    ("The answer is not A but B.", "B"),
    ("The answer is not A.", ""),
    # The option's own text.
    ("a red car", "C"),
    ("A red car.", "C"),
    ("The answer is a red car.", "C"),
    ("It's a dog!", "B"),
    ("There are 4.", "D"),
    ("\\boxed{4}", "D"),
    ("There are 14.", ""),
    ("4.5", ""),
    ("I count 4 in the picture, so the answer is 4.", "D"),
    ("It is not a dog.", ""),
    ("a cat or a dog", ""),
    ("a cat and a dog", ""),
    ("It might be a dog.", ""),
    ("At first sight it is a cat. In fact, it is no cat: so it is a dog.", "B"),
    # A change of mind.
    ("The answer is A. Wait, no. The answer is B.", "B"),
    ("A... actually, B.", "B"),
    ("First I thought A, but the correct answer is B.", "B"),
    ("The answer is A.\n\nLet me double-check. The animal barks.\n\nThe answer is B.", "B"),
    ("I initially chose A; on reflection, the answer is (B).", "B"),
    ("\\boxed{A} is wrong, it is \\boxed{B}", "B"),
    # Several without a commitment.
    ("A or B", ""),
    ("A/B", ""),
    ("Either A or B.", ""),
    ("The answer is A or B.", ""),
    ("It could be A. It could be B.", ""),
    ("Possible options: A, B", ""),
    ("A. a cat\nB. a dog\nC. a red car\nD. 4", ""),
    # Refusals and nothing.
    ("I cannot answer that.", ""),
    ("I'm sorry, I can't help with that.", ""),
    ("The picture is too blurry to tell whether it is B.", ""),
    ("None of the above.", ""),
    ("", ""),
    ("...", ""),
    # Thoughts.
    ("<think>A? No, B.</think>\nC", "C"),
    ("<think>The answer is B.", ""),
    ("<think></think>", ""),
    ("<answer>B</answer>", "B"),
    ("<answer>a dog</answer>", "B"),
    ("<answer> (B) </answer>", "B"),
    # Chinese.
    ("答案是B", "B"),
    ("答案：B", "B"),
    ("正确答案为（B）。", "B"),
    ("选B", "B"),
    ("故选B。", "B"),
    ("我选择B选项", "B"),
    ("应选 B", "B"),
    ("B选项正确", "B"),
    ("因此答案是 **B**。", "B"),
    ("答案是A。不对，应该是B。", "B"),
    ("A不对，B也不对，所以选C。", "C"),
    ("无法确定是A还是B。", ""),
]


@pytest.mark.parametrize(("text", "letters"), READ)
def test_what_a_response_finally_says(text: str, letters: str) -> None:
    found = read_choice(Response(text), OPTIONS)
    assert ("" if len(found) != 1 else "".join(found)) == letters


SEVERAL = [
    ("A, C", "AC"),
    ("A and C", "AC"),
    ("AC", "AC"),
    ("The answer is A and C.", "AC"),
    ("(A), (C)", "AC"),
    ("\\boxed{A, C}", "AC"),
    ("A、C", "AC"),
    ("A or C", ""),
]


@pytest.mark.parametrize(("text", "letters"), SEVERAL)
def test_several_letters_as_one_answer(text: str, letters: str) -> None:
    assert read_choice(Response(text), OPTIONS) == frozenset(letters)


CHINESE_READ = [
    ("蓝色", "B"),
    ("深蓝色", "C"),
    ("图中是红色。", "A"),
    ("不是红色。", ""),
    ("答案是深蓝色", "C"),
    ("没有颜色", "D"),
    ("红色或蓝色", ""),
]


@pytest.mark.parametrize(("text", "letters"), CHINESE_READ)
def test_chinese_options(text: str, letters: str) -> None:
    assert read_choice(Response(text), CHINESE) == frozenset(letters)


#: Options of measures, and of colours of which one stands in another.
MEASURES = {"A": "12 cm", "B": "12.5 cm", "C": "$\\frac{3}{4}$", "D": "1,200", "E": "25%"}
COLOURS = {"A": "red", "B": "green", "C": "dark green", "D": "blue"}
FURTHER = [
    ("12.5", MEASURES, "B"),
    ("12", MEASURES, "A"),
    ("The length is 12.5 cm", MEASURES, "B"),
    ("The length is $12.5\\,\\text{cm}$.", MEASURES, "B"),
    ("3/4", MEASURES, "C"),
    ("0.75", MEASURES, "C"),
    ("\\boxed{\\frac34}", MEASURES, "C"),
    ("The answer is 1200.", MEASURES, "D"),
    ("\\boxed{1{,}200}", MEASURES, "D"),
    ("25 %", MEASURES, "E"),
    ("12.4", MEASURES, ""),
    ("dark green", COLOURS, "C"),
    ("The car is dark green.", COLOURS, "C"),
    ("It is not red, it is blue.", COLOURS, "D"),
    ("The car is green, not dark green.", COLOURS, "B"),
    ("Is it red? No, blue.", COLOURS, "D"),
    ("It could be red or blue.", COLOURS, ""),
    ("Is it blue?", COLOURS, ""),
    ("If it were blue, the light would be on.", COLOURS, ""),
    ("Probably D", COLOURS, "D"),
    ("Not A, not B, not C. D.", COLOURS, "D"),
    ("Between A and D, D is better.", COLOURS, "D"),
    ("Ans. D", COLOURS, "D"),
    ("✅ D", COLOURS, "D"),
    ("A. red - incorrect\nB. green - incorrect\nC. dark green - wrong\nD. blue - correct", COLOURS, "D"),
    ("A. red ❌\nB. green ✅\nC. dark green ❌\nD. blue ❌", COLOURS, "B"),
    ("In picture A, the car is blue.", COLOURS, "D"),
    ("In picture A, the car fits.", dict.fromkeys("ABCD", ""), "A"),
    ("Point A lies on the road. The car is blue.", COLOURS, "D"),
]


@pytest.mark.parametrize(("text", "options", "letters"), FURTHER)
def test_texts_and_numbers_of_options(text: str, options: dict[str, str], letters: str) -> None:
    assert read_choice(Response(text), options) == frozenset(letters)


NUMBERS = {"A": "5", "B": "15", "C": "1,500", "D": "-5", "E": "1/5"}


@pytest.mark.parametrize(
    ("text", "letters"),
    [
        ("5", "A"),
        ("15", "B"),
        ("-5", "D"),
        ("1/5", "E"),
        ("1,500", "C"),
        ("It is 15 cm.", "B"),
        ("0.5", ""),
        ("50", ""),
    ],
)
def test_numbers_are_whole(text: str, letters: str) -> None:
    assert read_choice(Response(text), NUMBERS) == frozenset(letters)


def test_a_statement_far_from_the_end_counts() -> None:
    text = "The answer is B.\n\n" + "The dog lies on a mat and looks up. " * 60
    assert read_choice(Response(text), OPTIONS) == {"B"}


def test_options_with_the_same_text_tell_no_letter() -> None:
    assert read_choice(Response("a dog"), {"A": "a dog", "B": "A dog"}) == frozenset()


#: (question, its stem, its options)
INLINE = [
    ("Which?\nOptions: A: cat, B: dog, C: cow, D: pig", "Which?\n", ["cat", "dog", "cow", "pig"]),
    ("Which? Choices:\n(A) 3\n(B) 4\n(C) 5\n(D) 6", "Which? ", ["3", "4", "5", "6"]),
    (
        "Hint: Please answer and provide the correct option letter, e.g., A, B, C, D, at the end.\n"
        "Question: Which? \nChoices:\n(A) x = 1, y = 2\n(B) 5:30",
        "Hint: Please answer and provide the correct option letter, e.g., A, B, C, D, at the end.\nQuestion: Which? \n",
        ["x = 1, y = 2", "5:30"],
    ),
    ("Which?\nOptions: A. cat\nB. dog\nC. cow", "Which?\n", ["cat", "dog", "cow"]),
    ("Which? A) one B) two C) three", "Which? ", ["one", "two", "three"]),
    ("Select from A, B, and C. (A)  A  (B)  B (C) C", "Select from A, B, and C. ", ["A", "B", "C"]),
    ("Select from A, B. (A) (B)", "Select from A, B. ", ["", ""]),
    ("哪个？\n选项：A. 猫\nB. 狗", "哪个？\n", ["猫", "狗"]),
    ("哪个？A、猫 B、狗", "哪个？", ["猫", "狗"]),
    ("What choice (A, B, C, or D) should be there?", "What choice (A, B, C, or D) should be there?", []),
    ("What are the options: red or blue?", "What are the options: red or blue?", []),
    ("", "", []),
]


@pytest.mark.parametrize(("question", "stem", "texts"), INLINE)
def test_options_in_a_question(question: str, stem: str, texts: list[str]) -> None:
    found = split_options(question)
    assert (found.stem, [*found.options.values()]) == (stem, texts)
    assert found.stem + found.tail == question
    assert [*found.options] == [*"ABCD"[: len(texts)]]


#: (response, what VLMEvalKit's rule of the paper's time reads), from its source: one letter among the tokens, its first
#: place among the last four; else one option's text in an answer of at most twice the options' length.
INFERRED = [
    ("B", "B"),
    ("(B)", "B"),
    ("**B**", "B"),
    ("{B}", "B"),
    ("#B!", "B"),
    ("b", None),
    ("The answer is B", "B"),
    ("B is the answer", "B"),
    ("B is the answer here", None),
    ("The best choice is B, as the animal barks", None),
    ("the right answer is B because it barks loudly", None),
    ("A or B", None),
    ("A red car. The answer is (C)", "C"),
    ("So D, the D", "D"),
    ("D it is, of course, D", None),
    ("'B'", None),
    ("B/", None),
    ("a dog", "B"),
    ("A DOG", "A"),
    ("it is a dog", "B"),
    ("a dog, a cat", None),
    ("I see 4", "D"),
    ("I see 14", "D"),
    ("there is a red car in front of the house, I do believe so", None),
    ("Z", "Z"),
    ("Z, none of these", "Z"),
    ("Sorry, I can't help with images of people yet.", "Z"),
    ("Well: Cannot determine the answer B", "Z"),
    ("Failed to obtain answer via API.", None),
    ("", None),
]


@pytest.mark.parametrize(("text", "letter"), INFERRED)
def test_vlmevalkit_rule(text: str, letter: str | None) -> None:
    assert inferred_option(text, OPTIONS) == letter


def test_vlmevalkit_prompt_with_a_hint() -> None:
    assert mcq_prompt("Which?", {"A": "x", "C": "y"}, hint="Look left.") == (
        "Hint: Look left.\nQuestion: Which?\nOptions:\nA. x\nC. y\n"
        "Please select the correct answer from the options above. \n"
    )
    assert mcq_prompt("Which?", {}) == "Question: Which?\n"


def test_columns_of_options() -> None:
    row = {"A": "x", "B": 4, "C": float("nan"), "D": None, "E": " ", "F": True, "a": "z"}
    assert option_columns(row) == {"A": "x", "B": "4"}


@pytest.mark.parametrize(("value", "letter"), [("B", "B"), (" b ", "B"), ("(B)", "B"), ("B.", "B")])
def test_right_option_of_a_row(value: str, letter: str) -> None:
    assert letter_of({"answer": value}, "answer", "row 1", "ABCD") == letter


@pytest.mark.parametrize("value", ["E", "AB", "", None, 1, ["A"]])
def test_a_row_without_a_right_option_is_refused(value: object) -> None:
    with pytest.raises(InputError, match="row 1, column 'answer'"):
        letter_of({"answer": value}, "answer", "row 1", "ABCD")
