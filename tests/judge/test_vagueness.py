"""Reports that name a mistake, and reports that only say that there is one."""

from __future__ import annotations

import pytest

from contextrl.judge.rules import WRONG_ANSWER_REPORT
from contextrl.judge.vagueness import names_no_mistake


@pytest.mark.parametrize(
    "report",
    [
        WRONG_ANSWER_REPORT,
        "",
        "...",
        "Incorrect.",
        "Your answer is not correct. Please check your solution again!",
        "**The response is wrong**",
        "There are some mistakes in the reasoning.",
        "Verdict: incorrect",
        "The student's final answer doesn't appear correct.".replace("student's ", ""),
        "答案错误",
        "最终答案不正确。请重新检查。",
    ],
)
def test_a_bare_verdict_names_nothing(report: str) -> None:
    assert names_no_mistake(report)


@pytest.mark.parametrize(
    "report",
    [
        "Mistake: a digit is misread.",
        "Step 2 is wrong.",
        "The sum is wrong.",
        "The final answer is wrong: 12 is not what the steps give.",
        "You counted the red ball twice.",
        "The answer is wrong because the triangle is not isosceles.",
        "第二步的加法错误",
        "图中数字读错了",
        "x",
    ],
)
def test_anything_more_names_something(report: str) -> None:
    assert not names_no_mistake(report)
