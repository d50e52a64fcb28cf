"""The option letter that prose commits itself to where it says something of other options too."""

from __future__ import annotations

import pytest

from contextrl.evaluation.benchmarks.choices import read_choice
from contextrl.evaluation.benchmarks.items import Response

ANIMALS = {"A": "cat", "B": "dog", "C": "bird", "D": "fish"}
LETTERS = dict.fromkeys("ABCDE", "")

#: (response, the letter that it finally says; none where it leaves its choice open)
SAID = [
    # A reason that speaks of other options.
    ("It is (C), because (A) is too small.", "C"),
    ("It is (C), because (A) is too small, (B) is too large, and (D) is upside down.", "C"),
    ("It is (A), because (C) is too small.", "A"),
    ("I choose (C) because (B) has four legs and (A) too.", "C"),
    ("It is (C) though (A) is close.", "C"),
    ("This is (B) whereas (A) would be another.", "B"),
    ("That is (C), given that (A), (B) and (D) lack wings.", "C"),
    ("So it must be (B): (A) is the other one.", "B"),
    ("It is (C) (not (A), which is too small).", "C"),
    ("The answer should be (D). (A), (B) and (C) all have legs.", "D"),
    ("是C，因为A太小，B太大", "C"),
    ("I think that it's (B), though (D) might be possible.", "B"),
    # Another option in a sentence of its own.
    ("It is (C). (A) is too small.", "C"),
    ("(A) is too small and (B) is too big. (C) is just right.", "C"),
    ("I pick (B) because (A) is blurry. (C) is far away.", "B"),
    ("It is (C). Is (A) possible? No.", "C"),
    ("Options A and C are similar but it is C that has wings.", "C"),
    # A choice between options.
    ("Choose (C) over (A).", "C"),
    ("We choose C rather than D.", "C"),
    ("C is better than option A.", "C"),
    ("(A) is smaller than (B), so it is (A).", "A"),
    # Options that are rejected together.
    ("A, B and D are wrong, so C.", "C"),
    ("Because (A) and (B) are wrong, (C).", "C"),
    ("(A), (B), and (D) can be ruled out. (C) remains.", "C"),
    ("Neither A nor C; B.", "B"),
    ("A、B、D都不对，所以是C。", "C"),
    ("It's B, A and D are wrong.", "B"),
    ("A, B and D are wrong.", ""),
    ("Eliminate A and B. D is not possible. Answer C.", "C"),
    ("Not A, C or D. Then B.", "B"),
    ("Between A and D, D is better.", "D"),
    ("A is false, B is false, C is true, D is false.", "C"),
    # What is said of the letter.
    ("After considering all options, B seems the best fit.", "B"),
    ("B seems most likely.", "B"),
    ("B would be my answer.", "B"),
    ("I'd lean towards B.", "B"),
    ("I prefer B to A.", "B"),
    ("I was going to say A but it's B.", "B"),
    ("The most suitable option is D because A, B, and C are all alike.", "D"),
    ("AB/DE = 2, which gives B.", "B"),
    ("From A to B is 3 km.", ""),
    # Questions that the text asks itself, and adverbs.
    ("Is it B? No. Is it C? Yes.", "C"),
    ("Is it A? Yes.", "A"),
    ("Is it A? No.", ""),
    ("Definitely (D)", "D"),
    ("Surely D.", "D"),
    ("Answer:\n\n- C", "C"),
    # Open, or taken back.
    ("It is (A) or (B).", ""),
    ("It is (A), or maybe (B).", ""),
    ("It is C if the bird flies, D if not.", ""),
    ("Both (A) and (B) are correct.", ""),
    ("(A) shows one thing. (B) shows another.", ""),
    ("It is (C). Hmm, actually (A).", "A"),
    ("It is (C), because (A) is too small. Wait, (A) is fine.", "A"),
]

#: The same of options' texts.
IN_WORDS = [
    ("It is the dog, because the cat is too small.", "B"),
    ("It is a bird, since cats and dogs do not fly.", "C"),
    ("A cat would be smaller, so this is a dog.", "B"),
    ("At first it looks like a cat but it is a dog.", "B"),
    ("The animal appears to be a fish at first sight but is a bird.", "C"),
    ("There are a cat and a dog.", ""),
    ("This is a dog rather than a cat.", "B"),
    ("The options are a cat, a dog, a bird and a fish. It is a dog.", "B"),
    ("A cat or a dog, because both have fur.", ""),
]

LENGTHS = {"A": "12 cm", "B": "24 cm", "C": "3.5 cm", "D": "1200 cm"}
RESULTS = [
    ("12 cm + 12 cm = 24 cm", "B"),
    ("It is 12 cm plus 12 cm, which makes 24 cm.", "B"),
    ("7 / 2 = 3.5", "C"),
    ("between 12 cm and 24 cm", ""),
    ("12 m", "D"),
    ("13 m", ""),
]


def _letters(response: str, options: dict[str, str]) -> str:
    said = read_choice(Response(response), options)
    return "".join(said) if len(said) == 1 else ""


@pytest.mark.parametrize(("response", "letter"), SAID)
def test_the_letter_that_prose_commits_itself_to(response: str, letter: str) -> None:
    assert _letters(response, ANIMALS) == letter
    assert _letters(response, LETTERS) == letter


@pytest.mark.parametrize(("response", "letter"), IN_WORDS)
def test_the_text_that_prose_commits_itself_to(response: str, letter: str) -> None:
    assert _letters(response, ANIMALS) == letter


@pytest.mark.parametrize(("response", "letter"), RESULTS)
def test_the_option_that_a_sum_comes_to(response: str, letter: str) -> None:
    assert _letters(response, LENGTHS) == letter
