"""Questions that give their answer away are found, and questions in which the answer merely occurs are not."""

from __future__ import annotations

import pytest

from contextrl.building.candidates import Candidate
from contextrl.building.giveaways import FILLED, MARKED, PASTED, SAID, STATED, giveaway
from contextrl.records.example import AnswerType

WORKED = (
    "Since AB = AC, the triangle is isosceles, so angle B equals angle C. The angles add up to 180 degrees, "
    "so angle B = (180 - 40) / 2 = 70 degrees."
)

#: (question, answer, type, how)
GIVES: list[tuple[str, str, AnswerType, str]] = [
    ("The answer is 12. What is 5 + 7?", "12", "number", STATED),
    ("What is 5 + 7? The answer is 12.", "12", "number", STATED),
    ("What is 5 + 7? The answer is 12", "12", "number", STATED),
    ("What is 5 + 7?\nAnswer: 12", "12", "number", STATED),
    ("What is 5 + 7? (Answer: 12)", "12", "number", STATED),
    ("What is 5 + 7? (correct answer: 12)", "12", "number", STATED),
    ("What is 5 + 7? [Final answer = 12]", "12", "number", STATED),
    ("How long is AB? The correct answer is 12 cm, explain why.", "12 cm", "number", STATED),
    ("How long is AB? ANSWER: 12 cm.", "12", "number", STATED),
    ("The price is shown. Ground truth: 1,200. What is the price?", "1200", "number", STATED),
    ("What is the value of pi to two decimals? The answer is 3.14.", "3.14", "number", STATED),
    (r"Solve $x^2 = 144$ for positive x. The final answer is $\boxed{12}$.", "12", "number", STATED),
    (r"Solve $x^2 = 144$ for positive x. \boxed{12}", "12", "number", STATED),
    ("What is 5 + 7? <answer>12</answer>", "12", "number", STATED),
    ("What is 5 + 7?\n#### 12", "12", "number", STATED),
    ("What is 5 + 7? Hint: 12", "12", "number", STATED),
    (r"Simplify. The answer is \frac{1}{2}.", r"\frac{1}{2}", "math", STATED),
    ("Which is right? A. 10 B. 12 C. 14\nAnswer: B", "B", "choice", STATED),
    ("Which is right? The answer is (B). A. 10 B. 12 C. 14", "B", "choice", STATED),
    ("Which is right? The answer is 12. A. 10 B. 12 C. 14", "B", "choice", STATED),
    ("Which is right?\n(A) 10\n(B) 12\n(C) 14\nCorrect option: B", "B", "choice", STATED),
    ("Which is right?\nA. 10\nB. 12\nC. 14\nB is the correct answer.", "B", "choice", STATED),
    ("Which is right?\nA. cat\nB. dog\nC. cow\nThe correct answer is B. dog", "B", "choice", STATED),
    ("Explain why the correct answer is B.\nA. cat\nB. dog", "B", "choice", STATED),
    ("What animal is this? The answer is dog.", "dog", "text", STATED),
    ("What animal is this? Answer: a dog", "dog", "text", STATED),
    ('{"question": "What animal is this?", "answer": "dog"}', "dog", "text", STATED),
    ("Is the bus red? Answer: Yes.", "yes", "yes_no", STATED),
    ("Is the bus red? The correct answer is no, because it is blue.", "no", "yes_no", STATED),
    ("图中有多少人? 答案是12。", "12", "number", STATED),
    ("图中有多少人?答案:12", "12", "number", STATED),
    ("下列正确的是 A. 甲 B. 乙 C. 丙 D. 丁\n故选: C", "C", "choice", STATED),
    ("写真には何人いますか？答えは12です", "12", "number", STATED),
    ("사진에 몇 명이 있습니까? 정답은 12", "12", "number", STATED),
    ("Wie viele Personen sind da? Die Antwort ist 12.", "12", "number", STATED),
    ("¿Cuántas personas hay? La respuesta es 12.", "12", "number", STATED),
    ("Combien de personnes ? Réponse : 12", "12", "number", STATED),
    ("Сколько людей? Ответ: 12", "12", "number", STATED),
    ("Which is right?\nA. 10\nB. 12 (correct)\nC. 14", "B", "choice", MARKED),
    ("Which is right?\nA. 10\nB. 12 ✓\nC. 14", "B", "choice", MARKED),
    ("Which is right? (A) 10 (B) 12 (correct answer) (C) 14", "B", "choice", MARKED),
    ("Which is right?\nA. 10\n**B. 12**\nC. 14", "B", "choice", MARKED),
    ("Which is right?\n[ ] A. 10\n[x] B. 12\n[ ] C. 14", "B", "choice", MARKED),
    ("下列说法正确的是( C )\nA. 甲 B. 乙 C. 丙 D. 丁", "C", "choice", FILLED),
    ("如图，则x的值为（ 12 ）", "12", "number", FILLED),
    ("The value of x is __12__.", "12", "number", FILLED),
    ("The area of the square is 16. What is the area of the square?", "16", "number", SAID),
    ("The bus is red. What colour is the bus?", "red", "text", SAID),
    ("The capital of France is Paris. What is the capital of France?", "Paris", "text", SAID),
    ("Given that x = 12. Find x.", "12", "number", SAID),
    ("AB = 5. Find the value of AB.", "5", "number", SAID),
    ("There are 7 dots in the picture. How many dots are there in the picture?", "7", "number", SAID),
    ("How many dots are there?\n7", "7", "number", SAID),
    ("What colour is the bus? Red", "red", "text", SAID),
    (f"In triangle ABC, AB = AC and angle A is 40 degrees. How large is angle B? {WORKED}", "70", "number", PASTED),
    (f"{WORKED} How large is angle B?", "70", "number", PASTED),
    ("What is 5 + 7? Solution: We add the numbers and get 5 + 7 = 12.", "12", "number", PASTED),
    ("What animal is this?\nExplanation: it barks and wags its tail, so it must be a dog.", "dog", "text", PASTED),
    ("求角B的度数。解：因为AB=AC，所以角B=角C=70度。", "70", "number", PASTED),
]

#: (question, answer, type)
KEEPS: list[tuple[str, str, AnswerType]] = [
    ("Is it red or blue?", "red", "text"),
    ("Is the car red or blue? Answer with one word.", "red", "text"),
    ("What colour is the car: red, blue or green?", "red", "text"),
    ("What colour is it? Answer: red, blue or green.", "red", "text"),
    ("Which is right? A. 10 B. 12 C. 14", "B", "choice"),
    ("Choose the best answer: A. cat B. dog C. cow", "A", "choice"),
    ("Choose the correct answer: (A) cat (B) dog (C) cow", "A", "choice"),
    ("Select the right option:\nA. cat\nB. dog", "A", "choice"),
    ("What is shown?\nOptions: A: cat, B: dog\nAnswer:", "B", "choice"),
    ("What is shown? A. cat B. dog\nAnswer with the option's letter from the given choices directly.", "B", "choice"),
    ("Is the answer A or B?\nA. cat B. dog", "A", "choice"),
    ("What is shown? A. cat B. dog. Answer: A or B", "A", "choice"),
    ("What is shown? A. cat B. dog C. cow\nAnswer: A/B/C", "A", "choice"),
    ("What is shown? A. cat B. dog C. cow D. pig\nYour answer: A-D", "A", "choice"),
    (
        "Hint: Please answer the question and provide the correct option letter, e.g., A, B, C, D, at the end.\n"
        "Question: Find x.\nChoices:\n(A) 3\n(B) 4",
        "A",
        "choice",
    ),
    (
        "Hint: Please answer the question requiring an integer answer and provide the final value, e.g., 1, 2, 3, at "
        "the end.\nQuestion: How many dots?",
        "1",
        "number",
    ),
    (r"Solve x + 1 = 2. Put your final answer in \boxed{}.", "1", "number"),
    (r"Solve x + 1 = 2. End with the answer in a box, for example \boxed{1}.", "1", "number"),
    ("Solve x + 1 = 2. Finish with 'Answer: 1' or the like.", "1", "number"),
    ("How many cats? Write your result as 'Answer: 3', for example.", "3", "number"),
    ("Which one? Respond in the format: Answer: A\nA. cat B. dog", "A", "choice"),
    ("If the answer is 12, what is the question's first number x in x + 7?", "12", "number"),
    ("Tom says the answer is 12. Is he right?", "yes", "yes_no"),
    (
        "Ann says B is the correct answer. Bob says that C is the correct answer. Who is right?\nA. x B. y C. z",
        "B",
        "choice",
    ),
    ("The answer is not 12. What is 5 + 8?", "12", "number"),
    ("The answer is an integer. What is 5 + 7?", "12", "number"),
    ("The answer is 12 more than x. What is x?", "12", "number"),
    ("Is the figure symmetric? Answer yes or no.", "yes", "yes_no"),
    ("Is the figure symmetric? Answer: yes/no", "yes", "yes_no"),
    ("Is the figure symmetric? Answer: yes or no", "yes", "yes_no"),
    ("Is the figure symmetric? Answer: yes if it has an axis, otherwise no.", "yes", "yes_no"),
    ("Is it true that the bus is red?", "yes", "yes_no"),
    ("In the figure AB = 5 and BC = 5. Find AC.", "5", "number"),
    (
        "A circle has radius 12. The square beside it has the same area as 12 tiles. How many tiles are there?",
        "12",
        "number",
    ),
    ("There are 12 apples. 12 are eaten and 12 come back. How many apples are there now?", "12", "number"),
    ("There are 7 red dots and 5 blue dots. How many dots are there?", "7", "number"),
    ("AB = 7, angle B = 70 degrees. What is angle C?", "70", "number"),
    ("Triangle ABC is isosceles with AB = AC = 5. If angle A is 70 degrees, how large is angle B?", "70", "number"),
    ("The perimeter of the square is 16. What is the area of the square?", "16", "number"),
    ("x = 12 - y and y = 0. What is y + x?", "12", "number"),
    ("The bus is red. What colour is the car?", "red", "text"),
    ("It is 5 o'clock. What is it called when the hands overlap?", "5", "number"),
    ("Round the value to 2 decimals: A. 1.23 (correct to 2 decimals) B. 1.2 C. 1", "A", "choice"),
    ("Which is right? **A. 10** **B. 12** **C. 14**", "B", "choice"),
    ("下列说法正确的是( )\nA. 甲 B. 乙 C. 丙 D. 丁", "C", "choice"),
    ("选择正确答案: A. 甲 B. 乙 C. 丙", "A", "choice"),
    ("如图,AB=12,BC=5,则AC的长是( )", "12", "number"),
    ("答案是多少?图中有12个点。", "12", "number"),
    ("What is the answer?", "the", "text"),
    ("Solution A contains 12 g of salt in 100 g of water. How much salt is in it?", "12 g", "number"),
    ("A solution: 5 g of salt in 100 ml. What is its mass of salt?", "5 g", "number"),
    ("Why is the sky blue in the picture? Is it noon or evening?", "noon", "text"),
    ("Read the sign. It has the letters A, B and C. Which letter is first?", "A", "text"),
    ("Example: What is 2 + 2? Answer: 4. Now: what is 5 + 7? Answer:", "12", "number"),
    ("The key of map colours: red is water. What colour is land?", "green", "text"),
    ("Does the chart say 12? Explain.", "yes", "yes_no"),
    ("What is written on the door? (Use the text exactly.)", "exit", "text"),
    ("How many sides has the polygon? (5 or 6)", "5", "number"),
    (
        "Line AB is parallel to CD. Which statement is correct?\nA. AB = CD\nB. The answer is 12\nC. AB > CD",
        "A",
        "choice",
    ),
]

#: More of both kinds, in other words.
GIVES_TOO: list[tuple[str, str, AnswerType]] = [
    ("Hint: the answer is 8. How many sides does it have?", "8", "number"),
    ("Hint: the correct answer is B.\nWhich?\nA. x\nB. y", "B", "choice"),
    ("Why is the correct option B?\nA. x\nB. y\nC. z", "B", "choice"),
    ("Explain why option C is the correct answer.\nA. x\nB. y\nC. z", "C", "choice"),
    ("Justify why 12 is the right answer to 5+7.", "12", "number"),
    ("Pick the largest number. The right answer is option A.\nA. 9\nB. 4", "A", "choice"),
    ("Why is 7 the correct answer?", "7", "number"),
    ("Why is (C) the right choice?\n(A) x\n(B) y\n(C) z", "C", "choice"),
    ("Find k. [Solution: since 2k = 10, we get k = 5.]", "5", "number"),
    ("Answer: option B\nWhich is a cat?\nA. dog\nB. cat", "B", "choice"),
    ("A train travels 60 km in 1 hour. What is its speed? #### 60", "60", "number"),
    ("Please find the area. Answer = 42", "42", "number"),
    ("(The correct answer is C) What is shown?\nA. a\nB. b\nC. c", "C", "choice"),
    ("What is the area of the circle? The area of the circle is 50.", "50", "number"),
    ("Q: What is 3*4? A: 12", "12", "number"),
    ("Question: what colour is the sky? Answer: blue", "blue", "text"),
    ("What is the largest planet? It is Jupiter.", "Jupiter", "text"),
    ("What's x? x = 3", "3", "number"),
    ("Find the value of x. [Answer: x = 3]", "3", "number"),
    ("What is x? (x=3)", "3", "number"),
    ("Note: the correct choice is D. Which one fits?\nA. 1\nB. 2\nC. 3\nD. 4", "D", "choice"),
    ("Which is it? A) red B) blue C) green. Correct Answer: C", "C", "choice"),
    ("Correct answer - B. Which one? A. x B. y", "B", "choice"),
    ("The right answer to this question is 12. What is 5+7?", "12", "number"),
    ("The answer to this question is 12. What is 5 + 7?", "12", "number"),
    ("The answer should be 12. What is 5+7?", "12", "number"),
    ("The answer will be yes. Is the cat black?", "yes", "yes_no"),
    ("Given the answer is 12, what is 5 + 7?", "12", "number"),
    ("Knowing that the answer is 12, compute 5+7.", "12", "number"),
    ("What is 5+7? (ans. 12)", "12", "number"),
    ("What is 5+7? Ans: 12", "12", "number"),
    ("Which one? A. x B. y C. z [B]", "B", "choice"),
    ("图中有多少个三角形？（答案：8个）", "8", "number"),
    ("正确答案为B。下列哪个对? A. 甲 B. 乙", "B", "choice"),
    ("答案是 B，为什么? A. 甲 B. 乙", "B", "choice"),
    ("What is the total? Solution: 3 + 4 = 7", "7", "number"),
    ("The correct letter is A.\nA. x\nB. y", "A", "choice"),
    ("What is the name of the animal? The name of the animal is a zebra.", "zebra", "text"),
    ("How many cars are there? There are 3 cars.", "3", "number"),
    ("How many cars are there? There are three cars.", "3", "number"),
    ("Which is right?\nA. 10\nB. 12 <-- correct\nC. 14", "B", "choice"),
    ("Which is right?\nA. 10\nB. 12 (right)\nC. 14", "B", "choice"),
    ("Which is right?\nA. 10\nB. 12 *\nC. 14", "B", "choice"),
    ("Which is right?\n1. x\nAnswer：Ｂ\nA. 1 B. 2", "B", "choice"),
    ("Is the bus red? Yes, it is.", "yes", "yes_no"),
    ("Is the bus red? Yes", "yes", "yes_no"),
    ("The answer is $\\frac{1}{2}$. What is 1/2?", "\\frac{1}{2}", "math"),
    ("Is the ball bigger? (Yes)", "yes", "yes_no"),
    ("I know that the answer is 12, but how do you get 5 + 7?", "12", "number"),
    ("What is 5+7? The answer: **12**", "12", "number"),
    ("What is 5+7? The final answer is: \\(12\\).", "12", "number"),
    ("Answer: 12\nQuestion: What is 5+7?", "12", "number"),
    ("What is 5 + 7? Thus the answer is 12.", "12", "number"),
    ("What is 5 + 7? So the answer is 12 apples.", "12 apples", "number"),
    ("The value of x is 5. What is the value of x?", "5", "number"),
    ("x=5. What is the value of x?", "5", "number"),
    ("已知x=5，求x的值", "5", "number"),
    ("正方形的面积是16。正方形的面积是多少？", "16", "number"),
]
KEEPS_TOO: list[tuple[str, str, AnswerType]] = [
    ('Answer the question with a single letter, e.g. "Answer: B".\nA. x\nB. y', "B", "choice"),
    ("For example, 2+2: the answer is 4. Now what is 1+3?", "4", "number"),
    ("Example: Q: 1+1? A: 2\nNow: 0+2?", "2", "number"),
    ("Why is option B wrong?\nA. x\nB. y", "A", "choice"),
    ("Why is B not the correct answer?\nA. x\nB. y", "B", "choice"),
    ("Explain why this is the correct order of operations: 2, 3", "3", "number"),
    ("Is option A the right answer?\nA. x\nB. y", "A", "choice"),
    ("What does the label Option B on the map name?", "B", "text"),
    ("Pick the correct answer from red, blue and green.", "red", "text"),
    ("The possible answers are: yes, no.", "yes", "yes_no"),
    ("Answer choices: A. x B. y", "A", "choice"),
    ("Answer options: yes, no", "yes", "yes_no"),
    ("Possible answers: red, blue", "red", "text"),
    ("Answer: A. x B. y C. z", "A", "choice"),
    ("Answers: (A) x (B) y", "A", "choice"),
    ("Give the final answer as a number: 12 apples and 3 pears are how many fruits?", "12", "number"),
    ("Your answer is wrong if it's 12. What's 6+7?", "12", "number"),
    ("Is this a cat? Answer with yes or no.", "yes", "yes_no"),
    ("Does the answer equal 12?", "yes", "yes_no"),
    ("What is the answer to 5 + 7: 10, 12 or 14?", "12", "number"),
    ("The correct answer is one of: 10, 12, 14.", "12", "number"),
    ("The answer is between 10 and 12.", "12", "number"),
    ("The answer is either 10 or 12. What's 5+7?", "12", "number"),
    ("The answer is 10 or 12. What's 5+7?", "12", "number"),
    ("The answer is greater than 12.", "12", "number"),
    ("Ground truth: see image. What is it?", "cat", "text"),
    ("What is the ratio? Write the answer as a:b.", "2:3", "text"),
    ("Express the answer as 12 times x", "12", "number"),
    ("Result: what's shown?", "cat", "text"),
    ("Fill in: 5 + __ = 12", "7", "number"),
    ("x = 3. What is x + 1?", "4", "number"),
    ("x = 3. What is x^2 - 6?", "3", "number"),
    ("f(x) = 3 at x = 3. Find f(3).", "3", "number"),
    ("AB = 3, find BC if BC = AB", "3", "number"),
    ("The radius is 5. The side is 5. What is the diameter?", "10", "number"),
    ("The colour of the car is red. What colour is the bus, which matches the car?", "red", "text"),
    ("How many of the 12 dots are red? All are.", "12", "number"),
    ("What is 12 in binary?", "1100", "number"),
    ("What is the text in the image? no hints.", "no", "text"),
    ("Hint: The sum is even. What is 5+7?", "12", "number"),
    ("Which answer is correct?\nA. B\nB. A", "A", "choice"),
    ("Which option is correct?\nA. 1\nB. 2", "A", "choice"),
    ("Which of the options is the correct answer? A. 1 B. 2", "A", "choice"),
    ("Choose the letter of the correct choice: A, B, C or D", "A", "choice"),
    ("If the correct option is B, the marker is up. Is it up?\nA. yes\nB. no", "B", "choice"),
    ("Answer: the question about 12 dots.", "12", "number"),
    ("Is the statement 'the answer is 12' right?", "yes", "yes_no"),
    ("选项: A. 甲 B. 乙 C. 丙", "A", "choice"),
    ("选项：A. 甲\nB. 乙", "A", "choice"),
    ("答: ", "12", "number"),
    ("正确的选项是( ) A. 甲 B. 乙", "A", "choice"),
    ("下列选项为正确的是 A. 甲 B. 乙", "A", "choice"),
    ("Solve for x: x + 5 = 12. Solution:", "7", "number"),
    ("Solution: mix of 5 g salt and 10 g sugar. How much salt?", "5 g", "number"),
    ("Explanation: in this chart, red is sales. What are sales in 2012?", "12", "number"),
    ("What colour is it? A. red B. blue (light) C. green", "B", "choice"),
    ("Which has the value (true)? A. x (true) B. y (false)", "A", "choice"),
    ("The price of a pen is 5. The price of a book is 12. What is the price of a pen and a book?", "17", "number"),
    ("A pen costs 5. What is the cost of a pen?", "5", "number"),
    ("Is the angle (A) or (B) larger?", "A", "choice"),
    ("How many? 3 or 4", "3", "number"),
    ("What is 5+7? A number.", "12", "number"),
    ("What time is it? 12-hour format.", "12", "number"),
    ("How tall is it? In cm.", "cm", "text"),
    ("Correct the sentence: a cat are here.", "a cat is here", "text"),
    ("Give the ratio AB : BC = 2 : 3. What is AB if BC = 3?", "2", "number"),
    ("In the figure, angle 1 = 70. What is angle 1 + angle 2?", "70", "number"),
    ("In two similar triangles angle 1 = 70 and angle 2 = angle 1. Find angle 2.", "70", "number"),
    ("The final answer: is it a cat?", "yes", "yes_no"),
    ("Is the correct answer yes or no?", "yes", "yes_no"),
    ("Answer yes, no or unknown: is it red?", "yes", "yes_no"),
]


def candidate(question: str, answer: str, answer_type: AnswerType, solution: str = "") -> Candidate:
    return Candidate("one", question, answer, answer_type, "reasoning", "made", solution=solution)


@pytest.mark.parametrize(("question", "answer", "answer_type", "how"), GIVES)
def test_questions_that_give_their_answer_away(question: str, answer: str, answer_type: AnswerType, how: str) -> None:
    found = giveaway(candidate(question, answer, answer_type, f"{WORKED} Answer: {answer}"))
    assert found is not None
    assert found[0] == how


@pytest.mark.parametrize(("question", "answer", "answer_type"), GIVES_TOO)
def test_answers_that_are_given_away_in_other_words(question: str, answer: str, answer_type: AnswerType) -> None:
    assert giveaway(candidate(question, answer, answer_type)) is not None


@pytest.mark.parametrize(("question", "answer", "answer_type"), KEEPS + KEEPS_TOO)
def test_questions_in_which_the_answer_merely_occurs(question: str, answer: str, answer_type: AnswerType) -> None:
    assert giveaway(candidate(question, answer, answer_type, f"{WORKED} Answer: {answer}")) is None


def test_a_solution_that_repeats_its_question_is_no_paste() -> None:
    question = "A train travels 12 km in the morning and then 7 km more in the evening. How far does it travel in all?"
    solution = "A train travels 12 km in the morning and then 7 km more in the evening. In all it travels 19 km."
    assert giveaway(candidate(question, "19", "number", solution)) is None


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "text",
    [
        *("answer is " * 3_000, "answer: (" * 3_000, "[" * 30_000, "A. B. " * 5_000, "is 1. " * 5_000, "= " * 15_000),
        *("_" * 30_000, "( " * 15_000, "solution: " * 3_000, "the correct " * 3_000, "\\boxed{" * 5_000, "\n" * 30_000),
    ],
)
def test_long_hostile_questions_end(text: str) -> None:
    for answer, answer_type in (("12", "number"), ("B", "choice"), ("red", "text"), ("yes", "yes_no")):
        assert giveaway(candidate(text, answer, answer_type)) is None
