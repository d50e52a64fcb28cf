"""Leaks in every notation, and reports that only look like one: each row is (report, answer)."""

from __future__ import annotations

from fractions import Fraction

import pytest

from contextrl.judge.disclosure import cut_to_location, leaks_answer
from contextrl.judge.quantities import readings, tokens
from contextrl.records.example import AnswerType, Example

RESPONSE = "I read 4. Answer: 4"
OPTIONS = "Which? A. a cat B. a dog C. a cow D. a horse"


def leaks(report: str, answer: str, kind: AnswerType, response: str = RESPONSE, question: str = "What is it?") -> bool:
    return leaks_answer(report, Example("a", question, "s", answer, kind), response)


NUMBERS = [
    ("It is 50%.", "0.5"),
    ("one half", "0.5"),
    ("It is ½.", "0.5"),
    ("5/10", "0.5"),
    ("It should be 5/10.", "1/2"),
    ("half of it", "0.5"),
    ("50 percent", "0.5"),
    ("fifty percent", "1/2"),
    ("0.50", "50%"),
    ("1/2", "50%"),
    ("50", "50%"),
    ("It is =5", "5"),
    ("=5", "5"),
    ("five", "5"),
    ("five apples", "5"),
    ("one hundred and five", "105"),
    ("two hundred", "200"),
    ("1 200", "1200"),
    ("1'200", "1200"),
    ("1.200", "1200"),
    ("1{,}200", "1200"),
    ("1\u202f200", "1200"),
    ("twelve hundred", "1200"),
    ("1.2 thousand", "1200"),
    ("1.2e3", "1200"),
    ("1.2*10^3", "1200"),
    ("MCC", "1200"),
    ("一千二百", "1200"),
    ("应该是五。", "5"),
    ("是5", "5"),
    ("答案为五", "5"),
    ("12 cm", "12"),
    ("12cm", "12 cm"),
    ("twelve centimetres", "12 cm"),
    ("$12", "12"),
    ("12 dollars", "$12"),
    ("0.333", "1/3"),
    ("3.14", "3.14159"),
    ("three quarters", "0.75"),
    ("¾", "0.75"),
    ("75%", "3/4"),
    ("2 1/2", "2.5"),
    ("2½", "2.5"),
    ("two and a half", "2.5"),
    ("\\frac{5}{2}", "2.5"),
    ("5/2", "2 1/2"),
    ("minus five", "-5"),
    ("–5", "-5"),
    ("x = 5", "5"),
    ("5", "x=5"),
    ("the value should be 1", "1"),
    ("It is one.", "1"),
    ("There is only one cat", "1"),
    ("exactly one", "1"),
    ("zero", "0"),
    ("XII", "12"),
    ("百分之五十", "0.5"),
    ("二分之一", "0.5"),
    ("12.", "12"),
    ("(12)", "12"),
    ("**12**", "12"),
    ("twelve", "12.0"),
    ("a dozen", "12"),
    ("１２", "12"),
    ("12°", "12"),
    ("12 degrees", "12^\\circ"),
    ("ninety", "90°"),
    ("You should get 7", "7"),
    ("the correct count is 7, not 4", "7"),
    ("one third", "1/3"),
    ("a third of them", "1/3"),
    ("number 12", "12"),
    ("2.5 million", "2,500,000"),
    ("three dozen", "36"),
    ("sum = 105", "105"),
    ("two thousand and five", "2005"),
    ("30 %", "30%"),
    ("0.3", "30%"),
    ("thirty per cent", "30%"),
    ("50 %", "½"),
    ("ten", "10"),
    ("-½", "-0.5"),
    ("1/3", "0.333"),
    ("It is 5.0", "5"),
    ("seven-tenths", "0.7"),
    ("The result should have been twenty-five", "25"),
    ("25 is the sum", "25"),
    ("you need 25%", "25%"),
    ("one-quarter", "25%"),
    ("a quarter of the pie", "0.25"),
    ("quarter", "1/4"),
    ("0,25", "0.25"),
    ("2,5", "2.5"),
    ("six hundred fifty", "650"),
    ("$1,250.50", "1250.5"),
    ("1250 dollars and 50 cents", "$1,250"),
    ("1.25k", "1250"),
    ("the angle is 45°", "45"),
    ("45 deg", "45"),
    ("forty five degrees", "45"),
    ("10^6", "1000000"),
    ("1 million", "1000000"),
    ("1,000,000", "10^6"),
    ("minus 3", "-3"),
    ("negative three", "-3"),
    ("(-3)", "-3"),
    ("−3", "-3"),
    ("$-3$", "-3"),
    ("three", "3.0"),
    ("3.00", "3"),
    ("x=3", "3"),
    ("n = 3", "3"),
    ("3m", "3"),
    ("3 meters", "3 m"),
    ("3/1", "3"),
    ("6/2", "3"),
    ("nine tenths", "0.9"),
    ("90 per cent", "0.9"),
    ("应为0.9", "0.9"),
    ("答案应该是三十", "30"),
    ("三十", "30"),
    ("第一步错了，结果应为12", "12"),
    ("7:30", "7:30"),
    ("Instead of 4, it is 9.", "9"),
    ("4 → 9", "9"),
    ("9 rather than 4", "9"),
    ("sqrt: it's 9!", "9"),
    ("the digit is an 8", "8"),
    ("The second digit is 8", "8"),
    ("eight, not three", "8"),
    ("½ cup", "0.5"),
    ("2/4", "1/2"),
    ("3:4", "3:4"),
    ("3 : 4", "3:4"),
    ("0.6666", "2/3"),
    ("0.67", "2/3"),
    ("66.7%", "2/3"),
    ("33 1/3 %", "1/3"),
    ("~3.14", "3.1416"),
]
NO_NUMBERS = [
    ("step 2 is wrong", "2"),
    ("the 3rd digit", "3"),
    ("the third digit is misread", "3"),
    ("Step two", "2"),
    ("You made two mistakes.", "2"),
    ("one of the steps is wrong", "1"),
    ("No one would", "1"),
    ("the first step", "1"),
    ("Equation (2)", "2"),
    ("x2 is wrong", "2"),
    ("2D view", "2"),
    ("x^2 is wrong", "2"),
    ("112", "12"),
    ("12.5", "12"),
    ("3.12", "12"),
    ("50% are counted", "50"),
    ("1 - 5", "-5"),
    ("a second look", "2"),
    ("10%", "10"),
    ("half a step", "2"),
    ("figure 3", "3"),
    ("1. You misread\n2. Then", "2"),
    ("line 12", "12"),
    ("第二步", "2"),
    ("一个步骤错了", "1"),
    ("三角形看错了", "3"),
    ("12,500", "12"),
    ("0.512", "0.5"),
    ("this one is misread", "1"),
    ("3/4", "3"),
    ("a quarter", "4"),
    ("Check 2x+1", "2"),
    ("row 3", "3"),
    ("the second and third digits", "2"),
    ("第3个数字", "3"),
    ("十分", "10"),
    ("You skipped step 3 and step 4.", "4"),
    ("You counted two of the steps twice", "2"),
    ("in the second step", "2"),
    ("step 12", "12"),
    ("steps 3-5", "5"),
    ("the first digit", "1"),
    ("one more time", "1"),
    ("each one", "1"),
    ("the one on the left", "1"),
    ("at one point", "1"),
    ("Step one", "1"),
    ("twice", "2"),
    ("double-check", "2"),
    ("a half-hearted try", "2"),
    ("12th row", "12"),
    ("figure 2 shows", "2"),
    ("H2O", "2"),
    ("CO2", "2"),
    ("2nd equation", "2"),
    ("3D", "3"),
    ("two-digit", "20"),
    ("100%", "100"),
    ("10.5", "10"),
    ("10.5", "5"),
    ("105", "5"),
    ("1,005", "5"),
    ("page #5", "5"),
    ("question 4", "4"),
    ("part 2", "2"),
    ("option 3", "3"),
    ("Equation 1 and 2", "2"),
    ("5e3", "5"),
]
EXPRESSIONS = [
    ("x²+2x+1", "x^2+2x+1"),
    ("It is x^2 + 2x + 1.", "x²+2x+1"),
    ("x**2+2*x+1", "x^2+2x+1"),
    ("x squared plus 2x plus 1", "x^2+2x+1"),
    ("\\(x^{2}+2x+1\\)", "x^2+2x+1"),
    ("√2", "\\sqrt{2}"),
    ("sqrt(2)", "\\sqrt{2}"),
    ("the square root of 2", "\\sqrt{2}"),
    ("2π", "2\\pi"),
    ("2 pi", "2\\pi"),
    ("\\frac{\\sqrt{3}}{2}", "√3/2"),
    ("√3/2", "\\frac{\\sqrt{3}}{2}"),
    ("y = 3x^2", "3x^2"),
    ("x >= 5", "x \\geq 5"),
    ("(3, 5)", "(3,5)"),
    ("3 and 5", "3, 5"),
    ("x=2 or x=3", "2, 3"),
    ("a + b", "a+b"),
    ("2·x", "2x"),
    ("x−1", "x-1"),
    ("\\dfrac{1}{x}", "1/x"),
]
OTHER_EXPRESSIONS = [
    ("2x+1", "x+1"),
    ("x^2+2x+12", "x^2+2x+1"),
    ("3\\sqrt{2}", "\\sqrt{2}"),
    ("x+1y", "x+1"),
    ("12\\pi", "2\\pi"),
    ("your x+1 squared", "x^2+1"),
]
TEXTS = [
    ("It is an apple", "apple"),
    ("Apples", "apple"),
    ("the EIFFEL TOWER", "Eiffel tower"),
    ("eiffel towers", "The Eiffel Tower"),
    ("two cats", "2 cats"),
    ("2 cat", "two cats"),
    ("It's Paris.", "Paris"),
    ("berries", "berry"),
    ("boxes", "box"),
    ("“Paris”", "Paris"),
    ("third", "3rd"),
    ("It is the 3rd", "third"),
    ("the sign says STOP", "Stop"),
    ("3 o'clock", "3 o'clock"),
    ("5 metres", "5 metres"),
    ("May 21", "May 21"),
    ("café", "Café"),
    ("故宫", "故宫"),
    ("red car", "a red car"),
    ("the answer is ∅", "∅"),
]
OTHER_TEXTS = [
    ("The tower", "Eiffel Tower"),
    ("the third step", "third"),
    ("pineapple", "apple"),
    ("cart", "car"),
    ("step 3 and the cats", "3 cats"),
    ("14, 8", "4, 8"),
    ("the 3rd digit", "3rd"),
    ("2 + 3 is wrong", "+"),
]
#: The options are those of `OPTIONS`.
CHOICES = [
    ("option B is the right one", "B"),
    ("B would be correct", "B"),
    ("pick the second option", "B"),
    ("B is correct", "B"),
    ("(B) is right", "B"),
    ("The answer is B", "B"),
    ("It is option B", "B"),
    ("choose B", "B"),
    ("Option B fits the picture", "B"),
    ("B matches", "B"),
    ("the correct option is (B)", "B"),
    ("the second choice is right", "B"),
    ("Go with B", "B"),
    ("It should have been B, not C", "B"),
    ("B, not C", "B"),
    ("You chose C instead of B", "B"),
    ("not C but B", "B"),
    ("the second one is correct", "B"),
    ("2nd option", "B"),
    ("B rather than C", "B"),
    ("选B", "B"),
    ("应选B", "B"),
    ("B是正确的", "B"),
    ("B才对", "B"),
    ("正确的是第二个选项", "B"),
    ("第二个选项才对", "B"),
    ("**B** is the right choice", "B"),
    ('"B" is correct', "B"),
    ("option (B) is the right one", "B"),
    ("The answer should be a dog", "B"),
    ("The correct choice: dog", "B"),
    ("the right answer is the dog", "B"),
    ("Mark B.", "B"),
    ("B must be the answer", "B"),
    ("B seems right", "B"),
    ("Option b is the only correct one", "B"),
    ("the letter is B", "B"),
    ("B is the answer", "B"),
    ("answer: B", "B"),
    ("select option B", "B"),
    ("the only option that fits is B", "B"),
    ("B's the right one", "B"),
    ("A dog is the right answer", "B"),
    ("Option B, since the ears are long", "B"),
    ("You should have picked the second answer.", "B"),
    ("A is correct", "A"),
    ("option A is the right one", "A"),
    ("The answer is A", "A"),
    ("A would be correct", "A"),
    ("the first option", "A"),
    ("B would have been the right choice", "B"),
    ("the right choice would be B", "B"),
    ("you ought to pick B", "B"),
    ("it's B", "B"),
    ("It's option B", "B"),
    ("B is indeed the correct one", "B"),
    ("B is the one", "B"),
    ("Only B fits", "B"),
    ("the answer was B", "B"),
    ("B makes sense", "B"),
    ("the correct answer here is option B", "B"),
    ("Correct: B", "B"),
    ("correct answer: (B)", "B"),
    ("B ✓", "B"),
    ("the 2nd choice is correct", "B"),
    ("the second of the options is right", "B"),
    ("option two is right", "B"),
    ("option 2 is right", "B"),
    ("choice B", "B"),
    ("alternative B is correct", "B"),
    ("answer choice B", "B"),
    ("I would choose B", "B"),
    ("switch to B", "B"),
    ("change your answer to B", "B"),
    ("B, since it barks", "B"),
    ("not C, B", "B"),
    ("everything except B is wrong", "B"),
    ("A, C and D are wrong", "B"),
    ("neither A, C nor D is right", "B"),
    ("答案应为B", "B"),
    ("选择B", "B"),
    ("B选项正确", "B"),
    ("B项对", "B"),
    ("应该是第二项", "B"),
    ("正确选项：B", "B"),
    ("The correct one is the dog.", "B"),
    ("You should have said dog", "B"),
    ("the answer ought to be 'a dog'", "B"),
]
NO_CHOICES = [
    ("Option C is wrong", "B"),
    ("You confused B and D.", "B"),
    ("option B is not supported", "B"),
    ("B is wrong", "B"),
    ("B is incorrect", "B"),
    ("It is a cat", "B"),
    ("step 2 is wrong", "B"),
    ("the second step is wrong", "B"),
    ("second sentence", "B"),
    ("The dog was not looked at closely", "B"),
    ("The picture is misread", "B"),
    ("Look at the animal again", "B"),
    ("Compare options B and D.", "B"),
    ("A dog and a cat were confused", "B"),
    ("You did not compare all options.", "B"),
    ("the last step", "B"),
    ("A cat is shown.", "A"),
    ("A careful look is right", "A"),
    ("A step is missing", "A"),
    ("a correct reading would help", "A"),
    ("It is a cow", "A"),
    ("You ruled out B too early", "B"),
    ("C does not bark", "B"),
    ("Options B and C look alike", "B"),
    ("Why is B not possible?", "B"),
    ("Check B", "B"),
    ("the difference between B and C", "B"),
    ("A is wrong", "B"),
    ("Option D is not shown", "B"),
    ("The dog's ears are misread", "B"),
    ("Your choice C is wrong", "B"),
]
VERDICTS = [
    ("The answer should be no", "no"),
    ("'No' is correct", "no"),
    ("it is not even, so no", "no"),
    ("no is the right answer", "no"),
    ("the answer cannot be yes", "no"),
    ("The answer is false.", "no"),
    ("correct answer: yes", "yes"),
    ("the answer is actually yes", "yes"),
    ("应该选是", "yes"),
    ("hence no.", "no"),
]
NO_VERDICTS = [
    ("No step says so", "no"),
    ("There is no cat", "no"),
    ("Yes, step 2 is wrong", "yes"),
    ("You said yes too early", "no"),
    ("so no cat is seen", "no"),
]


@pytest.mark.parametrize(("report", "answer"), NUMBERS)
def test_numbers_leak_by_value(report: str, answer: str) -> None:
    assert leaks(report, answer, "number")
    # Whoever has said it already is told nothing, in whatever notation.
    assert not leaks(report, answer, "number", f"It is {report}. Answer: 4444")


@pytest.mark.parametrize(("report", "answer"), NO_NUMBERS)
def test_other_numbers_and_places_do_not(report: str, answer: str) -> None:
    assert not leaks(report, answer, "number", "I read 44. Answer: 44")


@pytest.mark.parametrize(("report", "answer"), EXPRESSIONS)
def test_expressions_leak_in_any_notation(report: str, answer: str) -> None:
    assert leaks(report, answer, "math")


@pytest.mark.parametrize(("report", "answer"), OTHER_EXPRESSIONS)
def test_parts_of_other_expressions_do_not(report: str, answer: str) -> None:
    assert not leaks(report, answer, "math")


@pytest.mark.parametrize(("report", "answer"), TEXTS)
def test_texts_leak_without_case_articles_and_plural(report: str, answer: str) -> None:
    assert leaks(report, answer, "text")


@pytest.mark.parametrize(("report", "answer"), OTHER_TEXTS)
def test_other_texts_do_not(report: str, answer: str) -> None:
    assert not leaks(report, answer, "text")


@pytest.mark.parametrize(("report", "answer"), CHOICES)
def test_an_option_that_is_said_to_be_right_leaks(report: str, answer: str) -> None:
    assert leaks(report, answer, "choice", "Answer: C", OPTIONS)
    assert not leaks(report, answer, "choice", f"Answer: {answer}", OPTIONS)


@pytest.mark.parametrize(("report", "answer"), NO_CHOICES)
def test_options_that_are_only_spoken_of_do_not(report: str, answer: str) -> None:
    assert not leaks(report, answer, "choice", "Answer: D", OPTIONS)


@pytest.mark.parametrize(("report", "answer"), VERDICTS)
def test_yes_and_no_leak(report: str, answer: str) -> None:
    response = "Answer: no" if answer == "yes" else "Answer: yes"
    assert leaks(report, answer, "yes_no", response, "Is it even? yes or no")


@pytest.mark.parametrize(("report", "answer"), NO_VERDICTS)
def test_other_yes_and_no_do_not(report: str, answer: str) -> None:
    response = "Answer: no" if answer == "yes" else "Answer: yes"
    assert not leaks(report, answer, "yes_no", response, "Is it even? yes or no")


@pytest.mark.parametrize(
    "report", ["The total is 12.", "It equals twelve.", "The sum should be 12.0", "Pick the second option."]
)
def test_the_value_of_an_option_leaks(report: str) -> None:
    question = "Sum? (A) 10 (B) 12 (C) 14"
    assert leaks(report, "B", "choice", "Answer: C", question)
    assert not leaks(report, "A", "choice", "Answer: C", question)


def test_a_place_that_is_asked_for_is_a_value() -> None:
    assert leaks("It is row 3.", "3", "number", "Answer: 4", "Which row has the star?")
    assert not leaks("Look at row 3.", "3", "number", "Answer: 4", "How many stars are there?")
    assert leaks("You count three steps, not 4.", "3", "number", "Answer: 4", "How many steps has the stair?")


@pytest.mark.parametrize("answer", ["12", "x^2+1", "Paris", "0.5", "yes", "B"])
def test_what_a_cut_report_says_is_no_leak(answer: str) -> None:
    for kind in ("number", "math", "text"):
        assert not leaks(cut_to_location(f"In step 3 it is {answer}."), answer, kind)  # type: ignore[arg-type]


VALUES = {
    "two hundred and forty-one": "241",
    "three thousand and seven": "3007",
    "a hundred": "100",
    "nineteen million": "19000000",
    "minus two and a half": "-5/2",
    "five eighths": "5/8",
    "0.125": "1/8",
    "1.5e-3": "3/2000",
    "6.02*10^23": "602000000000000000000000",
    "三分之二": "2/3",
    "两百零五": "205",
    "一万二千": "12000",
    "百分之二十五": "1/4",
    "负十二": "-12",
    "⅔": "2/3",
    "1¾": "7/4",
    r"\frac{7}{8}": "7/8",
    r"\tfrac12": "1/2",
    "12.5%": "1/8",
    "3‰ and 7": "3",
    "MMXXIV": "2024",
}


@pytest.mark.parametrize(("text", "value"), VALUES.items())
def test_values(text: str, value: str) -> None:
    found = {token.value for reading in readings(text) for token in tokens(reading)}
    assert Fraction(value) in found


@pytest.mark.parametrize(
    "piece",
    ["1,", "1/", "\\frac{", "百分之", "IV ", "A. ", "one ", "x + ", "B is ", "\ud800", "\x00", "9" * 500, "1e9", "½"],
)
def test_hostile_text_is_read(piece: str) -> None:
    text = piece * (4_000 // len(piece))
    for kind, answer in (("number", "977"), ("math", "z+7"), ("text", "7,7 z"), ("choice", "B"), ("yes_no", "no")):
        assert not leaks_answer(f"{text} z", Example("a", "q", "s", answer, kind), "Answer: C") or piece == "B is "  # type: ignore[arg-type]
        leaks_answer("7", Example("a", text, "s", text, kind), text)  # type: ignore[arg-type]
