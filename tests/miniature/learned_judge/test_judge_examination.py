"""What a judge's decisions hang on, told by a judge whose every reply is known."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from contextrl.judge.llm.prompts import PromptSet, Task
from contextrl.judge.protocol import JudgeRequest
from contextrl.miniature.digits import IMAGES
from contextrl.miniature.labelled import labelled_items
from contextrl.miniature.learned_judge.changes import changes
from contextrl.miniature.learned_judge.examination import compared_steps, examine, parts
from contextrl.miniature.learned_judge.judging import LearnedJudge
from contextrl.miniature.learned_judge.lessons import write_reply
from contextrl.miniature.learned_judge.writing import ReplyWriter, Written
from contextrl.miniature.steps_judge import parse_steps, question_kind
from contextrl.miniature.tasks import KINDS, Problem
from contextrl.records.verdict import Disclosure

PROMPTS = Path(__file__).resolve().parents[3] / "configs" / "miniature" / "judge-prompts"


class Believer(ReplyWriter):
    """Takes a reference for the truth, and for the picture; writes exactly what a lesson would teach of that."""

    def __init__(self) -> None:
        self.prompts = PromptSet.load(PROMPTS, max_response_chars=400)
        self.asked: list[JudgeRequest] = []

    def stream(
        self, requests: Sequence[JudgeRequest], task: Task = "verify", disclose: Disclosure = "hint"
    ) -> Iterator[tuple[int, Written]]:
        self.asked += requests
        for index, request in enumerate(requests):
            example = request.example
            kind, asked = question_kind(example.question)
            digits = parse_steps(example.solution, KINDS[kind].answer_type).readings[-1]
            reply = write_reply(Problem(kind, (), digits, asked), example, request.response, task, disclose)
            assert reply is not None
            head, verdict, last = reply.rpartition("Verdict: ")
            yield index, Written(reply, (head + verdict, last), (0.5, 0.9), ended=True, prompt_tokens=9, seconds=0.1)


@pytest.fixture(scope="module")
def figures() -> dict[str, object]:
    judge, done = LearnedJudge(Believer()), list[int]()
    found = examine(judge, "dev", 100, advance=done.append)
    assert sum(done) == parts(judge)
    return found


def test_a_judge_that_believes_references_finds_everything_but_another_picture(figures: dict) -> None:
    for context in ("none", "answer", "solution"):
        assert figures["verdicts"][context] == "".join("A" if label == "T" else "R" for label in figures["labels"])
        assert figures["steps"][context]["agreed"] == figures["steps"][context]["compared"] > 250
        assert figures["steps"][context]["same_first"] == figures["steps"][context]["rejected"] > 50
    changed = figures["changed"]
    same = {"n": 40, "before": 40, "after": 40, "flipped": 0}
    assert changed["picture"] == dict.fromkeys(("none", "answer", "solution"), same)
    assert changed["wording"] == dict.fromkeys(("none", "answer", "solution"), same)
    assert changed["reference_wording"] == {"solution": same}
    misled = changed["reference"]["solution"]
    assert (misled["before"], misled["after"], misled["flipped"]) == (misled["n"], 0, misled["n"])
    assert 20 < misled["n"] < 40, "a question that asks for the digits allows no others"


def test_confidence_is_of_the_word_and_of_all_before_it(figures: dict) -> None:
    own = figures["calibration"]["none"]
    right_answers = len(figures["labels"].replace("W", ""))
    assert own["word"][9] == [right_answers, pytest.approx(0.9 * right_answers), right_answers]
    assert own["path"][4] == [right_answers, pytest.approx(0.45 * right_answers), right_answers]
    assert sum(count for count, _, _ in own["word"]) == right_answers


def test_a_judge_that_reads_facts_is_examined_with_some_and_with_all() -> None:
    writer = Believer()
    judge = LearnedJudge(writer, taught=("none", "answer", "solution", "documents"))
    done = list[int]()
    found = examine(judge, "dev", 20, advance=done.append)
    assert sum(done) == parts(judge) == parts(LearnedJudge(writer)) + 2
    assert list(found["verdicts"]) == ["none", "answer", "solution", "documents-some", "documents-all"]
    assert set(found["changed"]["wording"]) == {"none", "answer", "solution"}
    told = {len(one.example.documents) for one in writer.asked if one.context == "documents"}
    shown = [len(one.example.image_ids) + 1 for one in writer.asked if one.context == "documents"]
    assert min(told) == 2, "the count and one digit"
    assert max(told) == max(shown), "the count and every digit"
    assert not any(one.example.documents for one in writer.asked if one.context != "documents")


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        pytest.param(
            "Truth/said: 4/4 right, 8/5 wrong; 12/9 wrong; 12/12 right. Verdict: x", (False, False, True), id="3"
        ),
        pytest.param("Truth/said: 4/4 right; 4/4 right.", (True, True), id="2"),
        pytest.param("Truth/said: 4/4 rigth; 4/4 right.", None, id="misspelt"),
        pytest.param("Verdict: correct", None, id="none"),
    ],
)
def test_steps_are_read_from_a_reply(text: str, steps: tuple[bool, ...] | None) -> None:
    assert compared_steps(text) == steps


def test_changed_pictures_are_of_the_split_and_show_other_digits() -> None:
    items = [item for item in labelled_items("dev", 50) if item.label == "true_positive"]
    picture, reference, wording, read = changes(items, "dev", random.Random(0))
    for before, after in picture.pairs:
        shown = [int(name.removeprefix("digit-")) for name in after.example.image_ids]
        assert set(shown) <= set(IMAGES["dev"])
        assert after.example.images[0].size == before.example.images[0].size  # type: ignore[union-attr]
        assert after.response == before.response
    for before, after in reference.pairs:
        assert after.example.solution.rpartition("Answer: ")[2] == before.example.answer
        assert after.example.solution != before.example.solution
    assert all(after.response != before.response and after.example is before.example for before, after in wording.pairs)
    assert all(after.response == before.response for before, after in read.pairs)
