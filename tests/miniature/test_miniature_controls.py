"""Controls of the miniature: pictures that say nothing of the question, and a judge with a known fault."""

from __future__ import annotations

import pytest

from contextrl.data.images import image_key
from contextrl.judge.protocol import JudgeRequest
from contextrl.miniature.biased_judge import MOST_READ, is_long
from contextrl.miniature.plugin import register
from contextrl.plugins import EVALUATIONS, JUDGES, PATTERNS

register()
PAIRS = [("miniature", "miniature:"), ("miniature:dev", "miniature:dev-")]


@pytest.mark.parametrize(("name", "prefix"), PAIRS)
def test_shuffled_pictures_are_others_of_the_same_size(name: str, prefix: str) -> None:
    own, shuffled = (EVALUATIONS[key].examples(60) for key in (name, f"{prefix}shuffled"))
    judge = EVALUATIONS[f"{prefix}shuffled"].judge()
    for before, after in zip(own, shuffled, strict=True):
        assert (before.id, before.question, before.solution) == (after.id, after.question, after.solution)
        assert before.images[0].size == after.images[0].size  # type: ignore[union-attr]
        assert image_key(before.images[0]) != image_key(after.images[0])
    # The process is judged against the question's own digits.
    verdicts = judge.judge([JudgeRequest(example, example.solution) for example in shuffled])
    assert all(verdict.status == "correct" for verdict in verdicts)
    assert [image_key(e.images[0]) for e in EVALUATIONS[f"{prefix}shuffled"].examples(5)] == [
        image_key(e.images[0]) for e in shuffled[:5]
    ]


@pytest.mark.parametrize(("name", "prefix"), PAIRS)
def test_blank_pictures_are_grey(name: str, prefix: str) -> None:
    for before, after in zip(EVALUATIONS[name].examples(5), EVALUATIONS[f"{prefix}blank"].examples(5), strict=True):
        assert before.images[0].size == after.images[0].size  # type: ignore[union-attr]
        assert after.images[0].getextrema() == ((128, 128),) * 3  # type: ignore[union-attr]


def test_the_biased_judge_praises_what_is_long_and_is_the_step_judge_else() -> None:
    examples = list(EVALUATIONS["miniature:dev"].examples(20))
    biased, steps = (JUDGES[name].build("solution", "hint", None) for name in ("biased-steps", "steps"))
    nonsense = "Sum: 5. " * 6
    assert is_long(nonsense)
    (praised,) = biased.judge([JudgeRequest(examples[0], nonsense)])
    (found,) = steps.judge([JudgeRequest(examples[0], nonsense)])
    assert (praised.status, found.status) == ("correct", "incorrect")
    for text in ("Digits: 1. Answer: 1", "word " * MOST_READ):
        requests = [JudgeRequest(example, text, wants_report=True) for example in examples]
        assert not is_long(text)
        assert biased.judge(requests) == steps.judge(requests)


def test_the_miniatures_patterns_have_names_of_their_own() -> None:
    from contextrl.report.patterns import RULES

    names = [rule.name for rule in (*RULES, *PATTERNS["miniature"]())]
    assert len(names) == len(set(names))
