"""The standalone rules: an adversarial table."""

from __future__ import annotations

import pytest

from contextrl.rollout.standalone import QUOTE_WORDS, standalone_problem

GIVES_ITSELF_AWAY = {
    "report-named": "The mistake report says the second digit is 8. Answer: 12",
    "error-report": "As the error report states, it is an 8. Answer: 12",
    "feedback-report": "Going by the feedback report, 8. Answer: 12",
    "capitals": "THE MISTAKE REPORT SAYS 8. Answer: 12",
    "line-break-inside": "The mistake\nreport says 8. Answer: 12",
    "full-width-letters": "Ｔｈｅ ｍｉｓｔａｋｅ ｒｅｐｏｒｔ: 8. Answer: 12",
    "bold-phrase": "From the **mistake report**: 8. Answer: 12",
    "the-report": "I look at the report: 8. Answer: 12",
    "per-report": "Per report, the digit is 8. Answer: 12",
    "your-feedback": "With your feedback in mind, 4 + 8 = 12. Answer: 12",
    "this-hint": "This hint helps: 8. Answer: 12",
    "that-critique": "That critique is fair. Answer: 12",
    "the-correction": "Using the correction, 4 + 8 = 12. Answer: 12",
    "report-notes": "A report notes an 8. Answer: 12",
    "report-points": "Your teacher's report points at the 8. Answer: 12",
    "my-previous-answer": "My previous answer was 9. Answer: 12",
    "my-first-attempt": "In my first attempt I added wrongly. Answer: 12",
    "my-earlier-reading": "My earlier reading was off. Answer: 12",
    "my-original-reasoning": "My original reasoning skipped a digit. Answer: 12",
    "my-initial-response": "My initial response had 5. Answer: 12",
    "my-last-calculation": "My last calculation is replaced. Answer: 12",
    "previous-answer": "The previous answer is wrong. Answer: 12",
    "earlier-attempt": "Unlike the earlier attempt, I see 8. Answer: 12",
    "prior-response": "A prior response read 5. Answer: 12",
    "you-are-right": "You are right, it is an 8. Answer: 12",
    "you-were-correct": "You were correct about the 8. Answer: 12",
    "youre-right": "You're right. Answer: 12",
    "your-misspelt": "Your right, it is 8. Answer: 12",
    "as-you-said": "As you said, the digit is 8. Answer: 12",
    "as-you-pointed-out": "As you pointed out, 8. Answer: 12",
    "thanks": "Thanks for catching that. Answer: 12",
    "thank-you": "Thank you for the note. Answer: 12",
    "apologize": "I apologize. Answer: 12",
    "apologise": "I apologise! Answer: 12",
    "made-a-mistake": "I made a mistake before. Answer: 12",
    "made-an-error": "I made an error in the sum. Answer: 12",
    "misread": "I misread the second digit. Answer: 12",
    "was-wrong": "I was wrong about the 5. Answer: 12",
    "sorry": "Sorry about the confusion. Answer: 12",
    "apologies": "Apologies, my earlier sum is off. Answer: 12",
    "let-me-correct": "Let me correct that: 12. Answer: 12",
    "let-me-redo": "Let me redo the sum. Answer: 12",
    "corrected-answer": "Corrected answer: 12",
    "upon-re-examination": "Upon re-examination, it is 8. Answer: 12",
    "upon-reexamination": "Upon reexamination, it is 8. Answer: 12",
    "at-the-end": "Digits: 4, 8. Sum: 4 + 8 = 12. Answer: 12. You were right.",
    "zh-report": "错误报告说第二个数字是8。答案：12",
    "zh-feedback": "根据反馈，第二个数字是8。答案：12",
    "zh-my-previous": "我之前的计算有误。答案：12",
    "zh-previous-answer": "之前的回答读错了。答案：12",
    "zh-prior": "先前的结果不对。答案：12",
    "zh-you-are-right": "你说得对，是8。答案：12",
    "zh-you-are-right-polite": "您说得对，是8。答案：12",
    "zh-sorry": "抱歉，应为8。答案：12",
}
STANDS_ALONE = {
    "worked": "Digits: 4, 8. Sum: 4 + 8 = 12. Answer: 12",
    "answer-only": "Answer: 12",
    "empty": "",
    "boxed": "So \\boxed{12}",
    "reporter": "The reporter in the picture holds a microphone. Answer: reporter",
    "a-report": "A report lies on the desk. Answer: 1",
    "reported": "The reported value is 5 cm. Answer: 5",
    "sales-reports": "Three sales reports are open. Answer: 3",
    "correct-angle": "The correct angle is 30 degrees. Answer: 30",
    "correctly": "The axis is read correctly at 5. Answer: 5",
    "hints-of-red": "Hints of red show at the edge. Answer: red",
    "right-side": "The car on the right is blue. Answer: blue",
    "right-triangle": "ABC is a right triangle, so c = 5. Answer: 5",
    "mistake-in-the-question": "The student's mistake is in step 2. Answer: 2",
    "error-bar": "The error bar spans 2 units. Answer: 2",
    "standard-error": "The standard error is 0.5. Answer: 0.5",
    "previous-year": "Compared with the previous year, sales rose by 5. Answer: 5",
    "previous-step": "From the previous step, x = 3. Answer: 3",
    "first-term": "The first answer choice is too small, so B. Answer: B",
    "initial-speed": "The initial speed is 5 m/s. Answer: 5",
    "earlier-time": "The earlier train leaves at 9. Answer: 9",
    "original-price": "The original price was 20. Answer: 20",
    "thanks-in-name": "Thanksgiving is in November. Answer: November",
    "sorry-card": "The card reads SORRY. Answer: sorry",
    "let-x": "Let me denote the side by x; then x = 4. Answer: 4",
    "you-see": "You can see two cats. Answer: 2",
    "wrong-in-image": "The clock was wrong by an hour. Answer: 1",
    "zh-worked": "数字：4，8。和：4 + 8 = 12。答案：12",
    "zh-report-noun": "图中的报告显示有5辆车。答案：5",
    "zh-right": "右边的车是对着镜头的。答案：右边",
    "zh-before": "之前一年的销量是5。答案：5",
    "zh-error": "选项B错误，答案选C",
}


def test_tables_are_large_enough() -> None:
    assert len(GIVES_ITSELF_AWAY) >= 40
    assert len(STANDS_ALONE) >= 25


@pytest.mark.parametrize("text", GIVES_ITSELF_AWAY.values(), ids=list(GIVES_ITSELF_AWAY))
def test_gives_itself_away(text: str) -> None:
    assert standalone_problem(text) is not None


@pytest.mark.parametrize("text", STANDS_ALONE.values(), ids=list(STANDS_ALONE))
def test_stands_alone(text: str) -> None:
    assert standalone_problem(text) is None


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("You’re right, it is 8. Answer: 12", id="curly-apostrophe"),
        pytest.param("I’ve made a mistake. Answer: 12", id="curly-have-made"),
        pytest.param("I have made a mistake. Answer: 12", id="have-made"),
        pytest.param("By the mistake-report it is 8. Answer: 12", id="hyphen"),
        pytest.param("My previous incorrect answer was 13. Answer: 12", id="word-between"),
        pytest.param("我上一次的回答是13，应为12。答案：12", id="zh-my-last"),
        pytest.param("根据报告，第二个数字是8。答案：12", id="zh-by-the-report"),
    ],
)
def test_gives_itself_away_unnoticed(text: str) -> None:
    assert standalone_problem(text) is not None


@pytest.mark.parametrize(
    ("text", "question"),
    [
        pytest.param(
            "The report on the chart shows 5 cars. Answer: 5", "How many cars does the report show?", id="report"
        ),
        pytest.param(
            "The feedback loop is negative. Answer: negative", "What sign has the feedback loop?", id="feedback"
        ),
        pytest.param("这是负反馈。答案：B", "图中是哪种反馈？", id="zh-feedback"),
    ],
)
def test_words_of_the_question_are_refused(text: str, question: str) -> None:
    assert standalone_problem(text, "", question) is None


def test_the_problem_names_what_was_found() -> None:
    assert standalone_problem("So my previous answer was 9.") == "my previous answer"


REPORT = "In step one you read the second digit as five but it clearly has two closed loops."


def words(count: int) -> str:
    return " ".join(REPORT.split()[:count])


def test_quoting_the_report() -> None:
    assert standalone_problem(f"Note: {words(QUOTE_WORDS)}. Answer: 12", REPORT) == words(QUOTE_WORDS).casefold()


def test_shorter_overlap_is_no_quote() -> None:
    assert standalone_problem(f"Note: {words(QUOTE_WORDS - 1)}. Answer: 12", REPORT) is None


def test_quoting_ignores_case_and_punctuation() -> None:
    quote = words(QUOTE_WORDS).upper().replace(" ", ", ")
    assert standalone_problem(f"{quote}. Answer: 12", REPORT) is not None


def test_words_in_another_order_are_no_quote() -> None:
    assert standalone_problem(" ".join(reversed(words(QUOTE_WORDS).split())), REPORT) is None


def test_without_a_report_nothing_is_quoted() -> None:
    assert standalone_problem(REPORT.replace("you", "they")) is None


def test_words_of_the_question_are_nobodys_quote() -> None:
    question = "How many red cars stand in front of the old town hall?"
    report = f"You must tell: {question} You counted a van."
    text = "To find how many red cars stand in front of the old town hall, count. Answer: 3"
    assert standalone_problem(text, report) is not None
    assert standalone_problem(text, report, question) is None


def test_same_digits_as_the_report_are_no_quote() -> None:
    report = "The digits are 4, 8, 1, 5, 9, 2, 6, 3 in this order."
    # Eight shared words, all of them numbers: the content of any right answer.
    assert standalone_problem("Digits: 4, 8, 1, 5, 9, 2, 6, 3. Answer: 38", report) is None


def test_four_words_among_four_digits_are_a_quote() -> None:
    report = "Digits read 4 8 sum gives 1 2 only"
    assert standalone_problem("digits read 4 8 sum gives 1 2", report) is not None
    # With three words of eight it is mostly content.
    assert standalone_problem("digits read 4 8 sum 7 1 2", "Digits read 4 8 sum 7 1 2") is None


def test_quoting_a_chinese_report() -> None:
    report = "第三个数字是八而不是五，因此总和应当是十二，请注意两个闭合的圆圈。"
    assert standalone_problem(f"{report}答案：12", report) is not None


#: (response, question): a report, feedback or hint that the picture or the question has.
IN_THE_PICTURE = [
    ("According to the report in the image, 5 cars were sold. Answer: 5", ""),
    ("According to the report shown in the picture, sales rose.", ""),
    ("The report in the chart says 5.", ""),
    ("The report displayed on the screen states 7.", ""),
    ("The image shows a weather report. According to the report, it is 5 degrees.", ""),
    ("The annual report says 5.", ""),
    ("The police report states 3.", ""),
    ("According to the report, 5.", "What does the report show?"),
    ("The report says 5.", "How many cars does the report mention?"),
    ("Per the feedback form, 4 stars.", "How many stars does the feedback form give?"),
    ("The feedback in the image is positive.", ""),
    ("根据图中的报告，有5辆车。", ""),
    ("根据报告，有5辆车。", "报告中有几辆车？"),
    ("图片是一份报告。根据报告，答案是5。", ""),
    ("Using the hint, x=5", "Hint: use Pythagoras. What is x?"),
    ("The error report in the screenshot says code 404.", ""),
    ("A customer feedback report is shown. The report states 4.", "Look at the feedback report: how many?"),
    ("The report visible in this photo says 12", ""),
    ("This report from the document states 12.", ""),
    ("The lab report notes 3 mg.", ""),
    ("The picture contains a report; the report says 8.", ""),
]
#: The judge's, whatever else is said of the picture.
NOT_IN_THE_PICTURE = [
    ("According to the report, the digit is 8.", ""),
    ("The report says the image shows an 8.", ""),
    ("The report says 8.", "Report the total."),
    ("The mistake report in the image says 8.", ""),
    ("The mistake report says 8.", "What does the report show?"),
    ("The image shows 8 as the report says.", ""),
    ("Your feedback in the image is right", ""),
    ("By the feedback, 8. The image shows a cat.", ""),
    ("The hint says 8", "What does the report show?"),
    ("Following the report, the image shows an 8.", ""),
    ("根据报告，第二个数字是8。", ""),
    ("根据反馈，图中是8。", ""),
    ("A report notes an 8.", ""),
    ("As the report on the answer says, 8.", ""),
    ("The report states the picture has 5.", "How many cats are in the picture?"),
    ("In the report I was told that the image has 5 cats.", ""),
    ("你说得对，图中的报告是8", ""),
    ("The report of my attempt says 8", ""),
    ("The report is right: in the image there is an 8", ""),
    ("The feedback report says that 8 is in the image.", ""),
]


@pytest.mark.parametrize(("text", "question"), IN_THE_PICTURE)
def test_a_report_in_the_picture_may_be_spoken_of(text: str, question: str) -> None:
    assert standalone_problem(text, "", question) is None


@pytest.mark.parametrize(("text", "question"), NOT_IN_THE_PICTURE)
def test_the_judges_report_may_not(text: str, question: str) -> None:
    assert standalone_problem(text, "", question) is not None


@pytest.mark.parametrize("piece", ["the report ", "the image shows a ", "a ", "图", "report is shown "])
def test_long_responses_are_read_in_bounded_time(piece: str) -> None:
    standalone_problem(piece * (50_000 // len(piece)), "", piece * 1_000)
