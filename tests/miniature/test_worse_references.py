"""References that are not whole: what is left in them, and what the step judge still knows."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from contextrl.commands.config import parse_config
from contextrl.commands.sources import training_examples
from contextrl.data.loading import load_examples
from contextrl.data.validation import validate_examples
from contextrl.errors import InputError
from contextrl.judge.protocol import JudgeRequest
from contextrl.miniature import BASE_POLICY
from contextrl.miniature.questions import write_questions
from contextrl.miniature.references import References, with_references
from contextrl.miniature.steps_judge import StepsJudge, reference_digits
from contextrl.miniature.tasks import Voice, miniature_examples, own_solution
from contextrl.records.example import Example
from contextrl.records.verdict import Verdict

COUNT = 300


def digits_of(example: Example) -> tuple[int, ...]:
    """What a picture shows, from the whole reference."""
    told = reference_digits(example.solution)
    assert told is not None
    assert None not in told
    return tuple(digit for digit in told if digit is not None)


def judged(solution: str, response: str, *, question: str = "What is the sum of the digits?", answer: str) -> Verdict:
    example = Example("q", question, solution, answer, "number")
    return StepsJudge("solution", "hint").judge([JudgeRequest(example, response, "solution", wants_report=True)])[0]


# ---- how they are written --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("voice", ["own", "foreign"])
@pytest.mark.parametrize("kind", ["partial", "wrong_step"])
def test_rows_stay_usable_and_only_solutions_change(voice: Voice, kind: References) -> None:
    whole = miniature_examples("train", COUNT, seed=1, voice=voice)
    changed = with_references(whole, kind)
    validate_examples(changed, vision=True, where="rows")
    for before, after in zip(whole, changed, strict=True):
        assert before.solution != after.solution
        assert (before.id, before.question, before.answer, before.images) == (
            after.id,
            after.question,
            after.answer,
            after.images,
        )


@pytest.mark.parametrize("voice", ["own", "foreign"])
def test_a_partial_reference_tells_some_digits_rightly_and_no_later_step(voice: Voice) -> None:
    whole = miniature_examples("train", COUNT, seed=1, voice=voice)
    told_at_all = 0
    for before, after in zip(whole, with_references(whole, "partial"), strict=True):
        shown, told = digits_of(before), reference_digits(after.solution)
        assert told is not None
        assert len(told) == len(shown)
        known = [(digit, right) for digit, right in zip(told, shown, strict=True) if digit is not None]
        assert 0 < len(known) < len(shown)
        assert all(digit == right for digit, right in known)
        told_at_all += len(known)
        assert not re.search(r"[+=]|plus|minus|Largest|exceeds|greatest|Number|appears|turns up", after.solution)
    assert 0.35 < told_at_all / sum(len(digits_of(one)) for one in whole) < 0.6


@pytest.mark.parametrize("voice", ["own", "foreign"])
def test_a_wrong_step_is_one_digit_of_the_reading(voice: Voice) -> None:
    whole = miniature_examples("train", COUNT, seed=1, voice=voice)
    for before, after in zip(whole, with_references(whole, "wrong_step"), strict=True):
        shown, told = digits_of(before), digits_of(after)
        assert sum(a != b for a, b in zip(shown, told, strict=True)) == 1
        assert sum(a != b for a, b in zip(before.solution, after.solution, strict=True)) == 1


def test_a_share_is_of_rows_and_the_same_rows_are_written_alike() -> None:
    whole = miniature_examples("train", COUNT, seed=1)
    some, every = (with_references(whole, "wrong_step", share) for share in (0.3, 1.0))
    changed = [n for n, (a, b) in enumerate(zip(whole, some, strict=True)) if a.solution != b.solution]
    # Three standard deviations of 300 draws at 0.3 are 24.
    assert 66 <= len(changed) <= 114
    assert all(some[n].solution == every[n].solution for n in changed)
    assert [one.solution for one in with_references(whole, "whole")] == [one.solution for one in whole]


# ---- what the judge makes of them ------------------------------------------------------------------------------------

PARTIAL = "Digits: 4, _, 2. Answer: 9"


@pytest.mark.parametrize(
    ("response", "process", "report"),
    [
        ("Digits: 4, 3, 2. Sum: 4 + 3 + 2 = 9. Answer: 9", True, None),
        ("Digits: 5, 2, 2. Sum: 5 + 2 + 2 = 9. Answer: 9", False, "Mistake: digit 1 is misread."),
        ("Digits: 4, 4, 1. Sum: 4 + 4 + 1 = 9. Answer: 9", False, "Mistake: digit 3 is misread."),
        ("Digits: 4, 7, 2. Sum: 4 + 7 + 2 = 13. Answer: 13", False, "Mistake: the final answer is wrong."),
        ("Digits: 4, 5. Sum: 4 + 5 = 9. Answer: 9", False, "Mistake: the number of digits is wrong."),
        ("Digits: 4, _, 2. Sum: 4 + 3 + 2 = 9. Answer: 9", False, None),
    ],
    ids=["right", "known digit misread", "other known digit misread", "wrong answer", "too few", "evasive"],
)
def test_a_partial_reference_judges_what_it_tells(response: str, process: bool, report: str | None) -> None:
    verdict = judged(PARTIAL, response, answer="9")
    assert (verdict.status, verdict.process_correct) == ("correct" if process else "incorrect", process)
    if report is not None:
        assert verdict.mistake_report == report


def test_what_a_partial_reference_leaves_out_is_not_judged() -> None:
    """A digit that it does not tell may be read as anything that the answer follows from: here 7 as 1, by parity."""
    question, misread = "Is the sum of the digits even?", own_solution("parity", (4, 1), 0)
    example = Example("q", question, "Digits: 4, _. Answer: no", "no", "yes_no")
    request = JudgeRequest(example, misread, "solution", wants_report=False)
    assert StepsJudge("solution").judge([request])[0].status == "correct"
    told = Example("q", question, own_solution("parity", (4, 7), 0), "no", "yes_no")
    assert StepsJudge("solution").judge([JudgeRequest(told, misread, "solution", wants_report=False)])[0].false_positive


def test_a_wrong_reference_is_believed() -> None:
    right = own_solution("sum", (4, 8), 0)
    verdict = judged("Digits: 4, 5. Sum: 4 + 8 = 12. Answer: 12", right, answer="12")
    assert (verdict.answer_correct, verdict.mistake_report) == (True, "Mistake: digit 2 is misread.")


@pytest.mark.parametrize("solution", ["Answer: 9", "Digits: _, _. Answer: 9", "Digits: 4, x. Answer: 9", "Digits. 9"])
def test_a_reference_that_tells_no_digit_is_no_reference(solution: str) -> None:
    verdict = judged(solution, own_solution("sum", (4, 5), 0), answer="9")
    assert (verdict.status, verdict.error_kind) == ("unscored", "unsupported")


# ---- where they are asked for ----------------------------------------------------------------------------------------


def configured(**data: Any) -> list[Example]:
    return training_examples(parse_config({"data": {"train": "miniature", "examples": 40, **data}}), vision=True)


def test_a_run_names_them() -> None:
    whole, partial = configured(), configured(references="partial")
    assert [one.solution for one in partial] == [one.solution for one in with_references(whole, "partial")]
    half = configured(references="wrong_step", references_share=0.5, voice="foreign")
    assert 8 < sum(a.solution != b.solution for a, b in zip(configured(voice="foreign"), half, strict=True)) < 32


def test_rows_of_ones_own_have_the_references_that_they_have() -> None:
    with pytest.raises(InputError, match="expected whole beside rows of your own"):
        parse_config({"data": {"train": "rows.jsonl", "references": "partial"}})


def test_a_weaker_models_references_are_its_right_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = miniature_examples("train", 40, seed=2)

    def texts(model: Any, processor: Any, prompts: Any, images: Any, **_: Any) -> list[str]:
        """A third misread but right, a third wrong, a third no answer at all."""
        says = ("Digits: 0, 0. Answer: {}", "Answer: 99999", "I cannot say")
        return [says[n % 3].replace("{}", one.answer) for n, one in enumerate(whole)]

    monkeypatch.setattr("contextrl.miniature.references.greedy_texts", texts)
    monkeypatch.setattr("contextrl.miniature.references.load_policy", lambda path: _Silent())
    out = tmp_path / "weak.parquet"
    write_questions(out, 40, "train", 2, str(BASE_POLICY))
    rows = load_examples(str(out))
    validate_examples(rows, vision=True, where="rows")
    for number, (row, columns) in enumerate(zip(rows, pq.read_table(out).to_pylist(), strict=True)):
        own = whole[number]
        assert (row.id, row.source) == (own.id, own.source)
        assert columns["reference"] == ("miniature" if number % 3 else "model")
        assert row.solution == (own.solution if number % 3 else f"Digits: 0, 0. Answer: {own.answer}")
    assert "solution" not in pq.read_table(_plain(tmp_path)).column_names


class _Silent:
    def eval(self) -> None: ...


def _plain(folder: Path) -> Path:
    path = folder / "plain.parquet"
    write_questions(path, 3, "train", 2)
    return path
