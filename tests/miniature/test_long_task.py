"""The longer questions: what they ask, that both voices pass their judge, and what it finds in every step."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path

import pytest
from typer.testing import CliRunner

from contextrl.commands.cli import app
from contextrl.commands.config import parse_config
from contextrl.commands.sources import evaluation_examples, training_examples
from contextrl.data.validation import validate_examples
from contextrl.errors import InputError
from contextrl.judge.protocol import JudgeRequest
from contextrl.miniature.classes import MISCONCEIVED, SHAKY
from contextrl.miniature.long_base import LongRecipe, LongSampler, long_fingerprint
from contextrl.miniature.long_judge import LongStepsJudge
from contextrl.miniature.long_task import LongKind, long_examples, long_solution, running, signs
from contextrl.miniature.references import with_references
from contextrl.miniature.shipped import LONGER, weights_hash
from contextrl.miniature.steps_judge import reference_digits
from contextrl.miniature.tasks import Voice
from contextrl.plugins import EVALUATIONS, JUDGES
from contextrl.policy.processor import ImageOnlyQwen3VLProcessor
from contextrl.records.example import Example
from contextrl.records.verdict import ReferenceContext, Verdict

DIGITS = (4, 8, 3, 5)
SOLUTION = "Digits: 4, 8, 3, 5. 4 + 8 = 12. 12 - 3 = 9. 9 + 5 = 14. Sum: 14, even. Answer: yes"
PARITY = Example("q", "Add and subtract in turn. Is the result even?", SOLUTION, "yes", "yes_no")


def judged(response: str, example: Example = PARITY, context: ReferenceContext = "solution") -> Verdict:
    return LongStepsJudge(context, "hint").judge([JudgeRequest(example, response, context, wants_report=True)])[0]


# ---- the questions ---------------------------------------------------------------------------------------------------


def test_digits_are_added_and_subtracted_in_turn() -> None:
    assert signs((1, 1, 1, 1, 1)) == [1, 1, -1, 1, -1]
    # 4; 4 + 8; 12 - 3; 9 + 5
    assert running(DIGITS) == [4, 12, 9, 14]
    assert long_solution("running_parity", DIGITS) == SOLUTION
    assert long_solution("running", (0, 1, 9, 2, 0)) == (
        "Digits: 0, 1, 9, 2, 0. 0 + 1 = 1. 1 - 9 = -8. -8 + 2 = -6. -6 - 0 = -6. Answer: -6"
    )


@pytest.mark.parametrize("voice", ["own", "foreign"])
@pytest.mark.parametrize("context", ["none", "answer", "solution"])
def test_every_reference_passes_its_judge_and_is_six_steps_or_more(voice: Voice, context: ReferenceContext) -> None:
    examples = long_examples("train", 200, seed=1, voice=voice)
    validate_examples(examples, vision=True, where="rows")
    for example in examples:
        assert judged(example.solution, example, context).status == "correct", example.solution
        # The reading, an operation for each further digit, even or odd, and the answer.
        told = reference_digits(example.solution)
        assert told is not None
        assert 1 + len(told) - 1 + example.question.endswith("even?") + 1 >= 6
    kinds = Counter(example.source.split("/")[1] for example in examples)
    assert min(kinds.values()) > 60


def test_splits_share_no_image_and_rows_are_always_the_same() -> None:
    first, again = long_examples("dev", 40, seed=3), long_examples("dev", 20, seed=3)
    assert [one.solution for one in first[:20]] == [one.solution for one in again]
    shown = {image for one in long_examples("train", 100) for image in one.image_ids}
    assert not shown & {image for one in first for image in one.image_ids}


# ---- their judge -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("response", "answer", "report"),
    [
        (SOLUTION, True, None),
        (long_solution("running_parity", (4, 6, 3, 5)), True, "Mistake: digit 2 is misread."),
        (long_solution("running_parity", (4, 8, 2, 5)), False, "Mistake: digit 3 is misread."),
        (SOLUTION.replace("12 - 3 = 9. 9 + 5 = 14", "12 - 3 = 7. 7 + 5 = 12").replace("14", "12"), True, "step 3"),
        (SOLUTION.replace("12 - 3 = 9. 9 +", "12 + 3 = 15. 15 +").replace("14", "20"), True, "step 3 does not follow"),
        (SOLUTION.replace("9 + 5", "8 + 5"), True, "step 4 does not follow"),
        (SOLUTION.replace(" 9 + 5 = 14.", ""), True, "step 4 is missing"),
        (SOLUTION.replace(" Sum", " 14 - 2 = 12. Sum"), True, "there are steps too many"),
        (SOLUTION.replace("even", "odd"), True, "step 5 does not follow"),
        (SOLUTION.replace(" Sum: 14, even.", ""), True, "even or odd is missing"),
        (SOLUTION.replace("yes", "no"), False, "the answer does not follow"),
        (SOLUTION.replace(" Answer: yes", ""), False, "the final answer is missing"),
        ("Digits: 4, 8, 3. 4 + 8 = 12. 12 - 3 = 9. Sum: 9, odd. Answer: no", False, "the number of digits is wrong"),
        ("Answer: yes", True, "it does not say which digits are shown"),
        ("Digits: 4 8 3 5 or so. 4 + 8 = 12. Answer: yes", True, "the number of digits is wrong"),
        (f"Digits: 1, 8, 3, 5. {SOLUTION}", True, "it reads the digits in two ways"),
    ],
    ids=lambda value: str(value)[-60:],
)
def test_what_is_found_in_a_response(response: str, answer: bool, report: str | None) -> None:
    verdict = judged(response)
    assert verdict.answer_correct is answer
    assert verdict.process_correct is (report is None)
    if report is not None:
        assert report in str(verdict.mistake_report)


def test_one_slip_is_one_mistake() -> None:
    """What follows a wrong step is held to what the response has found, not to what it should have."""
    slipped = "Digits: 4, 8, 3, 5. 4 + 8 = 13. 13 - 3 = 10. 10 + 5 = 15. Sum: 15, odd. Answer: no"
    assert judged(slipped).mistake_report == "Mistake: step 2 does not follow."


def test_without_a_reference_a_misreading_is_not_seen_and_with_a_partial_one_only_where_it_tells() -> None:
    misread = long_solution("running_parity", (4, 6, 3, 5))
    assert judged(misread, context="answer").status == "correct"
    told = [
        Example("q", PARITY.question, f"Digits: {d}. Answer: yes", "yes", "yes_no")
        for d in ("4, _, 3, 5", "_, 8, _, _")
    ]
    assert [judged(misread, example).status for example in told] == ["correct", "incorrect"]


def test_other_questions_are_none_of_its_business() -> None:
    other = Example("q", "Which digits are shown?", "Digits: 1, 2. Answer: 1, 2", "1, 2")
    assert judged("Digits: 1, 2. Answer: 1, 2", other).error_kind == "unsupported"
    assert JUDGES["long-steps"].knows(other) is not None
    assert JUDGES["long-steps"].knows(PARITY) is None


# ---- where they are named --------------------------------------------------------------------------------------------


def test_a_run_names_them() -> None:
    config = parse_config({"data": {"train": "miniature:long", "eval": "miniature:long-dev", "examples": 20}})
    train = training_examples(config, vision=True)
    assert [one.solution for one in train] == [one.solution for one in long_examples("train", 20)]
    held_out = evaluation_examples("miniature:long-dev", 10, config.data, vision=True)
    assert all("-dev-" in one.id for one in held_out)
    assert all("-test-" in one.id for one in EVALUATIONS["miniature:long"].examples(10))
    assert EVALUATIONS["miniature:long"].judge().name == "long-steps"


@pytest.mark.parametrize("voice", ["own", "foreign"])
def test_references_of_less_worth_stay_usable(voice: Voice) -> None:
    examples = long_examples("train", 60, seed=2, voice=voice)
    validate_examples(with_references(examples, "partial"), vision=True, where="rows")
    validate_examples(with_references(examples, "wrong_step"), vision=True, where="rows")


# ---- their base policy -----------------------------------------------------------------------------------------------


def test_the_base_is_taught_its_misconceptions_and_right_retries(tiny_policy: Path) -> None:
    sampler = LongSampler(ImageOnlyQwen3VLProcessor.load(tiny_policy), LongRecipe())
    unknown = MISCONCEIVED.keys() | SHAKY.keys()
    for draw in (sampler.direct() for _ in range(100)):
        right = draw.target == long_solution(draw.problem.kind, draw.problem.digits)
        if not unknown & set(draw.problem.digits):
            assert right
        elif MISCONCEIVED.keys() & set(draw.problem.digits):
            assert not right
    retries = [sampler.retry() for _ in range(100)]
    well = sum(one.target.endswith(long_solution(one.problem.kind, one.problem.digits)) for one in retries)
    assert well > 80, "but for some that are told only that they are wrong"


def test_a_fingerprint_is_of_what_is_drawn() -> None:
    assert long_fingerprint(LongRecipe()) == long_fingerprint(LongRecipe(steps=3))
    assert long_fingerprint(LongRecipe()) != long_fingerprint(LongRecipe(seed=1))


def test_a_shortened_build_is_a_model_that_is_measured_on_longer_questions(tmp_path: Path) -> None:
    output = tmp_path / "long"
    command = ["miniature", "build", "--task", "long", "--output", str(output), "--steps", "1", "--questions", "8"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    accuracy = json.loads((output / "accuracy.json").read_text())
    assert sum(row["n"] for row in accuracy.values()) == 8
    card = json.loads((output / "recipe.json").read_text())
    assert (card["steps"], card["weights_sha256"]) == (1, weights_hash(output))
    assert LONGER.examples(3)[0].id.startswith("miniature-long-dev")
    unknown = CliRunner().invoke(app, ["miniature", "build", "--task", "other", "--output", str(tmp_path / "x")])
    assert isinstance(unknown.exception, InputError)


@pytest.mark.parametrize("kind", ["running", "running_parity"])
def test_a_reading_of_other_digits_gives_other_steps(kind: LongKind) -> None:
    rng = random.Random(0)
    for _ in range(50):
        digits = [rng.randrange(10) for _ in range(5)]
        other = [*digits[:2], (digits[2] + 1) % 10, *digits[3:]]
        assert long_solution(kind, digits) != long_solution(kind, other)
