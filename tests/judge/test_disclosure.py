"""What counts as giving the final answer away, in which notation, and what is no such thing."""

from __future__ import annotations

import pytest

from contextrl.judge.disclosure import cut_to_location, leaks_answer, location_of
from contextrl.records.example import AnswerType, Example


def leaks(report: str, answer: str, kind: AnswerType, response: str, question: str = "What is it?") -> bool:
    return leaks_answer(report, Example("a", question, "s", answer, kind), response)


NUMBERS = {
    "plain": ("It should be 12.", "12", True),
    "at the end": ("The sum is 12", "12", True),
    "words": ("The sum is twelve.", "12", True),
    "hyphenated words": ("It is forty-two.", "42", True),
    "words apart": ("It is forty two.", "42", True),
    "dollars": ("It is $12$.", "12", True),
    "boxed": (r"It is \boxed{12}.", "12", True),
    "trailing zero": ("It is 12.0.", "12", True),
    "full width": ("It is １２.", "12", True),
    "chinese numeral": ("应该是十二。", "12", True),
    "chinese digits": ("和是12。", "12", True),
    "grouped": ("It is 1,200.", "1200", True),
    "not grouped": ("It is 1200.", "1,200", True),
    "minus in words": ("It is minus five.", "-5", True),
    "minus": ("It is -5.", "-5", True),
    "true minus": ("It is \u22125.", "-5", True),
    "fraction as decimal": ("It is 0.5.", "1/2", True),
    "decimal as fraction": ("It is 1/2.", "0.5", True),
    "decimal without zero": ("It is .5.", "0.5", True),
    "latex fraction": (r"It is \frac{1}{2}.", "1/2", True),
    "unit": ("It is 12 cm.", "12", True),
    "unit attached": ("It is 12cm.", "12", True),
    "in brackets": ("Wrong (12).", "12", True),
    "in bold": ("It is **12**.", "12", True),
    "beside another": ("It is 12, not 3.", "12", True),
    "step": ("Step 12 is wrong.", "12", False),
    "step in words": ("Step two is wrong.", "2", False),
    "digit": ("Digit 2 is misread.", "2", False),
    "digit, then the value": ("Digit 2 is misread, it shows 7.", "7", True),
    "ordinal": ("The 2nd equation is wrong.", "2", False),
    "ordinal in words": ("The second equation is wrong.", "2", False),
    "equation": ("Equation (2) does not follow.", "2", False),
    "line": ("Line 3 is wrong.", "3", False),
    "several steps": ("Steps 1 and 2 are wrong.", "2", False),
    "list markers": ("1. You misread it.\n2. Then you added.", "2", False),
    "list marker in brackets": ("1) You misread it.", "1", False),
    "chinese step": ("第2步错了。", "2", False),
    "chinese step with numeral": ("第十二步错了。", "12", False),
    "longer chinese numeral": ("应该是二十二。", "12", False),
    "part of a number": ("112 is wrong.", "12", False),
    "part of a decimal": ("It is 12.5.", "12", False),
    "part of a grouped number": ("It is 12,500.", "12", False),
    "decimals": ("It is 3.12.", "12", False),
    "dimension": ("The 2D view is wrong.", "2", False),
    "index": ("x2 is wrong.", "2", False),
    "subtraction": ("1 - 5 is wrong.", "-5", False),
    "percent": ("Only 50% are counted.", "50", False),
    "nothing": ("One step is wrong.", "12", False),
    "empty": ("", "12", False),
}


@pytest.mark.parametrize(("report", "answer", "leaked"), NUMBERS.values(), ids=NUMBERS.keys())
def test_numbers(report: str, answer: str, leaked: bool) -> None:
    assert leaks(report, answer, "number", "I read 4. Answer: 4") is leaked


def test_what_question_or_response_say_is_no_secret() -> None:
    assert not leaks("It should be 12.", "12", "number", "Answer: 3", question="Is it 12 or 13?")
    assert not leaks("It should be 12.", "12", "number", "12 or 13. Answer: 13")
    assert not leaks("It should be twelve.", "12", "number", "It is 12.0, so Answer: 13")
    assert leaks("It should be 12.", "12", "number", "Step 12: Answer 112")


CHOICES = {
    "is": ("The answer is C.", "C", True),
    "option": ("It is option C.", "C", True),
    "brackets": ("Choose (C).", "C", True),
    "article first": ("The answer is A", "A", True),
    "should be": ("It should be B.", "B", True),
    "chinese": ("正确答案是C。", "C", True),
    "chinese choose": ("应选C。", "C", True),
    "article": ("It is a cat.", "A", False),
    "article at the beginning": ("A cat is shown.", "A", False),
    "confused": ("You confused B and D.", "C", False),
    "part of a word": ("The cat is cold.", "C", False),
}


@pytest.mark.parametrize(("report", "answer", "leaked"), CHOICES.values(), ids=CHOICES.keys())
def test_choices(report: str, answer: str, leaked: bool) -> None:
    response = "Answer: B" if answer != "B" else "Answer: A"
    assert leaks(report, answer, "choice", response, "Which? A. a cat B. a dog C. a cow") is leaked


def test_a_letter_that_the_response_itself_chose_is_no_secret() -> None:
    assert not leaks("The answer is C.", "C", "choice", "The cow. Answer: C", "A, B or C?")


VERDICTS = {
    "so yes": ("The sum is even, so yes.", "yes", True),
    "should be": ("It should be yes.", "yes", True),
    "is no": ("The answer is no.", "no", True),
    "with a reason": ("The answer is no because 3 is odd.", "no", True),
    "chinese": ("答案是否。", "no", True),
    "chinese yes": ("答案应为是。", "yes", True),
    "harmless yes": ("Yes, step 2 is wrong.", "yes", False),
    "there is no": ("There is no cat in it.", "no", False),
    "no step": ("No step says so.", "no", False),
    "the other": ("It is not yes.", "yes", False),
}


@pytest.mark.parametrize(("report", "answer", "leaked"), VERDICTS.values(), ids=VERDICTS.keys())
def test_yes_and_no(report: str, answer: str, leaked: bool) -> None:
    response = "Answer: no" if answer == "yes" else "Answer: yes"
    assert leaks(report, answer, "yes_no", response, "Is the sum even? Answer yes or no.") is leaked


TEXTS = {
    "words": ("It shows the Eiffel Tower.", "Eiffel Tower", True),
    "case": ("It shows the EIFFEL tower.", "Eiffel Tower", True),
    "quoted": ('It says "Eiffel Tower".', "Eiffel Tower", True),
    "a part": ("The tower is misnamed.", "Eiffel Tower", False),
    "list": ("It should say Digits: 4, 8.", "4, 8", True),
    "list without space": ("It shows 4,8.", "4, 8", True),
    "other list": ("It shows 14, 8.", "4, 8", False),
    "chinese": ("图中是故宫。", "故宫", True),
}


@pytest.mark.parametrize(("report", "answer", "leaked"), TEXTS.values(), ids=TEXTS.keys())
def test_texts(report: str, answer: str, leaked: bool) -> None:
    assert leaks(report, answer, "text", "Answer: something else") is leaked


PLACES = {
    "step": ("In step 2 you read 12.", "step 2"),
    "words": ("Step two should be 12.", "step 2"),
    "ordinal": ("The third line is wrong, it is 12.", "line 3"),
    "ordinal in digits": ("The 3rd step is wrong.", "step 3"),
    "equation": ("Equation (3) fails.", "equation 3"),
    "first of several": ("Step 4 follows from step 2.", "step 4"),
    "chinese": ("第2步读错了，应该是12。", "step 2"),
    "chinese numeral": ("第十二步错了。", "step 12"),
    "none": ("You misread it, it is 12.", None),
}


@pytest.mark.parametrize(("report", "place"), PLACES.values(), ids=PLACES.keys())
def test_places(report: str, place: str | None) -> None:
    assert location_of(report) == place
    cut = cut_to_location(report)
    assert cut == (f"Mistake: {place} is wrong." if place else "Mistake: one of the steps is wrong.")
    assert not leaks(cut, "12", "number", "Answer: 4")


def test_a_step_that_is_named_apart_is_used() -> None:
    assert cut_to_location("It is 12.", 3) == "Mistake: step 3 is wrong."


@pytest.mark.parametrize("piece", ["step ", "1,", "12 ", "(((", "第", "is ", "$", "minus "])
def test_long_reports_are_read_in_bounded_time(piece: str) -> None:
    report = piece * (100_000 // len(piece))
    leaks_answer(report, Example("a", report, "s", "7,7", "text"), report)
    assert not leaks_answer(report, Example("a", "q", "s", "977", "number"), "Answer: 3")
    location_of(report)
