"""What is known of easy-VQA's solutions: each step against the reference's, and reports that say which is wrong.

Held out pictures are counted by it, and the learned judge is taught what it says.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from contextrl import Judge, JudgeRequest, Verdict

_STEPS = re.compile(r"(?:Shape: (?P<shape>\w+)\. )?(?:Colour: (?P<colour>\w+)\. )?Answer: (?P<answer>\w+)")


class EasyJudge(Judge):
    """Right only if shape, colour and answer are those of the reference solution."""

    name = "easy-vqa"
    context = "solution"

    def judge(self, requests: Sequence[JudgeRequest]) -> list[Verdict]:
        """See `contextrl.Judge`."""
        return [self.verdict(request) for request in requests]

    def verdict(self, request: JudgeRequest) -> Verdict:
        """One response's; a response of another form is wrong in all of it."""
        truth, said = steps(request.example.solution), steps(request.response)
        wrong = [name for name in ("shape", "colour") if said.get(name) != truth.get(name)]
        answered = said.get("answer") == request.example.answer
        report = " and ".join(wrong) or "answer"
        verb = "are" if len(wrong) > 1 else "is"
        return Verdict(
            "correct" if answered and not wrong else "incorrect",
            answer_correct=answered,
            process_correct=not wrong,
            mistake_report=None if answered and not wrong else f"Mistake: the {report} {verb} wrong.",
        )


def steps(text: str) -> dict[str, str]:
    """What a solution says, by step; nothing where more stands there."""
    found = _STEPS.fullmatch(text.strip())
    return {name: value for name, value in found.groupdict().items() if value} if found else {}
