"""The answer-only judge: compares final answers by rule, costs nothing and cannot see the reasoning."""

from __future__ import annotations

from collections.abc import Sequence

from contextrl.answers import check_answer
from contextrl.judge.protocol import JudgeRequest
from contextrl.records.example import Example
from contextrl.records.verdict import ReferenceContext, Verdict

#: All that a rule can say about a mistake; it discloses nothing of the reference.
WRONG_ANSWER_REPORT = "The final answer is wrong."


def confident_rule(example: Example, response: str) -> bool | None:
    """Whether the response's final answer is right, if a rule can tell.

    Returns:
        True or False where both answers could be read and compared; None where the response states no
        recognisable answer or the comparison is doubtful: a judge that reads should look first.
    """
    return check_answer(response, example.answer, example.answer_type, tolerance=example.tolerance)


class RulesJudge:
    """Judges the final answer and nothing else, so right answers with wrong reasoning pass.

    A response without a recognisable final answer is incorrect, and so is a doubtful one: with no other judge
    to ask, a reward must be earned. `confident_rule` tells these apart from answers that are certainly wrong.
    """

    name: str = "rules"
    context: ReferenceContext = "answer"

    def judge(self, requests: Sequence[JudgeRequest]) -> list[Verdict]:
        """Return one verdict per request, in order; `process_correct` is None because nobody looked."""
        return [self._verdict(request) for request in requests]

    def _verdict(self, request: JudgeRequest) -> Verdict:
        if confident_rule(request.example, request.response) is True:
            return Verdict("correct", answer_correct=True)
        report = WRONG_ANSWER_REPORT if request.wants_report else None
        return Verdict("incorrect", answer_correct=False, mistake_report=report)
