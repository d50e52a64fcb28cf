"""The learned judge in this process: what it is asked, how its replies are read, and what it is never asked.

Its replies come from a script here; what a trained one writes is measured by the judge study.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from contextrl.commands.judges import judge_from_config
from contextrl.errors import InputError
from contextrl.judge.adaptive import AdaptiveJudge
from contextrl.judge.llm.prompts import PromptSet, Task
from contextrl.judge.protocol import JudgeRequest, StreamingJudge
from contextrl.judge.settings import JudgeConfig
from contextrl.miniature.labelled import labelled_items
from contextrl.miniature.learned_judge.judging import LearnedJudge, check_folder
from contextrl.miniature.learned_judge.lessons import draw_lesson, write_reply
from contextrl.miniature.learned_judge.training import SIZES, JudgeRecipe, write_judge
from contextrl.miniature.learned_judge.votes import OTHERS, measure
from contextrl.miniature.learned_judge.writing import ReplyWriter, Written
from contextrl.miniature.steps_judge import StepsJudge
from contextrl.records.verdict import Disclosure, Verdict

PROMPTS = Path(__file__).resolve().parents[3] / "configs" / "miniature" / "judge-prompts"
ITEMS = labelled_items("dev", 60, seed=5)
REQUESTS = [JudgeRequest(item.example, item.response, "solution") for item in ITEMS]
Say = Callable[[int, Task], str]


class Scripted(ReplyWriter):
    """Writes what it is told, and remembers what it was asked."""

    def __init__(self, say: Say, *, ended: bool = True) -> None:
        self.say, self.ended = say, ended
        self.prompts = PromptSet.load(PROMPTS, max_response_chars=400)
        self.asked: list[tuple[str, Task]] = []

    def stream(
        self, requests: Sequence[JudgeRequest], task: Task = "verify", disclose: Disclosure = "hint"
    ) -> Iterator[tuple[int, Written]]:
        assert disclose == "hint"
        for index, request in enumerate(requests):
            self.asked.append((request.example.id, task))
            place = next((n for n, other in enumerate(REQUESTS) if other.example.id == request.example.id), 0)
            text = self.say(place, task)
            yield index, Written(text, (text,), (1.0,), self.ended, prompt_tokens=50, seconds=0.25)


def taught(place: int, task: Task) -> str:
    """What a lesson would teach it to say."""
    item = ITEMS[place]
    reply = write_reply(item.problem, item.example, item.response, task, "hint")
    assert reply is not None
    return reply


def test_replies_as_taught_give_the_step_judges_verdicts_and_reports() -> None:
    judge = LearnedJudge(Scripted(taught))
    assert isinstance(judge, StreamingJudge)
    wanting = [replace(request, wants_report=True) for request in REQUESTS]
    verdicts, expected = judge.judge(wanting), StepsJudge("solution").judge(wanting)
    assert [verdict.status for verdict in verdicts] == [verdict.status for verdict in expected]
    assert [verdict.mistake_report for verdict in verdicts] == [verdict.mistake_report for verdict in expected]
    assert {verdict.status for verdict in verdicts} == {"correct", "incorrect"}
    right = next(verdict for verdict in verdicts if verdict.status == "correct")
    assert (right.usage.calls, right.usage.tokens, right.usage.seconds) == (1, 51, 0.25)


def test_reports_are_asked_for_where_they_are_wanted_only() -> None:
    writer = Scripted(taught)
    LearnedJudge(writer).judge(REQUESTS)
    assert {task for _, task in writer.asked} == {"verify"}
    writer = Scripted(taught)
    known = replace(REQUESTS[0], wants_report=True, known_verdict=Verdict("incorrect", False, False, True))
    (verdict,) = LearnedJudge(writer).judge([known])
    assert [task for _, task in writer.asked] == ["report"]
    assert verdict.status == "incorrect"


@pytest.mark.parametrize(
    ("reply", "ended", "kind"),
    [
        pytest.param("Truth/said: 4/4 right.", True, "missing", id="no-verdict"),
        pytest.param("Verdict: perhaps", True, "off_menu", id="off-menu"),
        pytest.param("Verdict: correct. Verdict: incorrect", True, "contradictory", id="both"),
        pytest.param("Truth/said: 4/4 right. Verdict: correct", False, "truncated", id="cut"),
        pytest.param("", True, "empty", id="empty"),
    ],
)
def test_what_cannot_be_read_is_unscored(reply: str, ended: bool, kind: str) -> None:
    (verdict,) = LearnedJudge(Scripted(lambda *_: reply, ended=ended)).judge(REQUESTS[:1])
    assert (verdict.status, verdict.error_kind) == ("unscored", kind)
    assert verdict.usage.parse_failures == 1


def test_a_rule_that_is_sure_overrules_it_where_it_may_see_the_answer() -> None:
    wrong = next(n for n, item in enumerate(ITEMS) if item.label == "wrong_answer" and item.case == "misread")
    says_right = LearnedJudge(Scripted(lambda *_: "Verdict: correct"))
    assert says_right.judge([REQUESTS[wrong]])[0].status == "incorrect"
    assert says_right.judge([replace(REQUESTS[wrong], context="none")])[0].status == "correct"


def test_a_report_that_gives_the_answer_away_is_cut() -> None:
    place = next(n for n, item in enumerate(ITEMS) if item.label == "wrong_answer" and item.problem.kind == "sum")
    answer = ITEMS[place].example.answer

    def say(_: int, task: Task) -> str:
        return "Verdict: incorrect" if task == "verify" else f"Mistake report: step 2 should say {answer}"

    (verdict,) = LearnedJudge(Scripted(say)).judge([replace(REQUESTS[place], wants_report=True)])
    assert verdict.mistake_report == "Mistake: step 2 is wrong."


def test_what_it_was_not_taught_is_not_asked() -> None:
    writer = Scripted(taught)
    judge = LearnedJudge(writer)
    example = ITEMS[0].example
    (picture,) = example.images
    requests = [
        replace(REQUESTS[0], example=replace(example, question="What is the capital of France?")),
        replace(REQUESTS[0], example=replace(example, images=(picture, picture))),
        replace(REQUESTS[0], response="..."),
        replace(REQUESTS[0], example=replace(example, images=(Path("nowhere.png"),))),
    ]
    verdicts = judge.judge(requests)
    assert [verdict.error_kind for verdict in verdicts] == ["unsupported", "unsupported", None, "rejected"]
    assert verdicts[2].status == "incorrect"
    assert writer.asked == []


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A judge that has learned nothing yet."""
    path = tmp_path_factory.mktemp("judge") / "judge"
    write_judge(JudgeRecipe("first-half", hidden=32, layers=2, steps=2, batch=4), PromptSet.load(PROMPTS), path)
    return path


def test_equal_conversations_are_written_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    judge = LearnedJudge.load(folder)
    monkeypatch.setattr(judge.writer, "max_tokens", 4)
    written: list[str] = []
    generate = judge.writer._generate
    monkeypatch.setattr(
        judge.writer, "_generate", lambda texts, images: written.extend(texts) or generate(texts, images)
    )
    same = [REQUESTS[0], REQUESTS[1], REQUESTS[0]]
    first = judge.judge(same)
    assert [verdict.usage.calls for verdict in first] == [1, 1, 0]
    assert sum(verdict.usage.cache_hits for verdict in judge.judge(same)) == 3
    assert len(written) == 2
    # Another picture under the same text is another conversation.
    other = replace(REQUESTS[0], example=replace(REQUESTS[0].example, images=(Image.new("RGB", (32, 16)),)))
    assert judge.judge([other])[0].usage.calls == 1


def test_drawn_replies_depend_on_seed_and_vote_and_on_nothing_beside_them(folder: Path) -> None:
    greedy = LearnedJudge.load(folder)

    def texts(requests: Sequence[JudgeRequest], seed: int = 0, temperature: float = 2.0) -> list[str]:
        writer = greedy.sampling(temperature, seed).writer
        writer.max_tokens = 6
        return [written.text for written in writer.write(requests)]

    votes = [replace(request, vote=vote) for request in REQUESTS[:3] for vote in range(2)]
    drawn = texts(votes)
    assert drawn == texts(votes), "the same seed"
    assert drawn == [texts([one])[0] for one in votes], "alone as in company"
    assert drawn[::2] != drawn[1::2], "votes can part"
    assert drawn != texts(votes, seed=1)
    assert texts([replace(votes[0], attempt=1)]) != drawn[:1], "what could not be read is drawn anew"
    # Near 0 there is one token to draw: the greedy one.
    greedy.writer.max_tokens = 6
    assert texts(votes, temperature=1e-6) == [written.text for written in greedy.writer.write(votes)]


def test_the_settings_make_it_draw(folder: Path) -> None:
    learned = {"kind": "learned", "path": str(folder), "sampling": {"temperature": 0.5, "seed": 3}}
    judge = judge_from_config(JudgeConfig.model_validate(learned))
    assert isinstance(judge, LearnedJudge)
    assert (judge.writer.temperature, judge.writer.seed) == (0.5, 3)
    judge = judge_from_config(JudgeConfig.model_validate(learned | {"adaptive": {"votes": 2}}))
    assert isinstance(judge, AdaptiveJudge)
    assert isinstance(judge.judge_, LearnedJudge)
    assert judge.judge_.writer.temperature == 0.5
    with pytest.raises(InputError, match=r"judge\.sampling\.temperature: .*votes can part, found learned.*never part"):
        judge_from_config(JudgeConfig.model_validate(learned | {"adaptive": {"votes": 2}, "sampling": {}}))


def test_adaptive_context_is_measured_beside_never_and_always(folder: Path) -> None:
    """A judge that says nothing readable: every vote is a difference, so that the solution is shown for all."""
    parts: list[int] = []
    found = measure(
        LearnedJudge.load(folder), "dev", 10, votes=[2, 3], first="none", temperature=0.5, advance=parts.append
    )
    assert sum(parts) == OTHERS + 2
    assert {len(letters) for letters in found["verdicts"].values()} == {10}
    assert set("".join(found["verdicts"].values())) == {"U"}
    assert found["shown"]["first-drawn"] == "0" * 10
    assert found["shown"]["votes-2"] == found["shown"]["solution-drawn"] == "1" * 10
    assert found["requests"] == {
        **dict.fromkeys(("first-greedy", "first-drawn", "solution-greedy", "solution-drawn"), 10),
        "votes-2": 30,
        "votes-3": 40,
    }
    # Votes are remembered from one number to the next and cost what they cost.
    assert found["tokens"]["votes-2"] > found["tokens"]["first-drawn"] + found["tokens"]["solution-drawn"]


def test_a_judge_without_lessons_is_unscored_and_never_a_guess(folder: Path) -> None:
    verdicts = LearnedJudge.load(folder).judge(REQUESTS[:4])
    assert {verdict.status for verdict in verdicts} == {"unscored"}


def test_what_is_no_judges_folder_is_refused(folder: Path, tmp_path: Path) -> None:
    check_folder(folder, where="judge.path")
    for place, message in ((tmp_path / "none", "no folder"), (tmp_path, r"without config.json, recipe.json, prompts")):
        with pytest.raises(InputError, match=message):
            check_folder(place, where="judge.path")
    (tmp_path / "prompts").mkdir()
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "recipe.json").write_text("{}")
    with pytest.raises(InputError, match="another model of the miniature"):
        check_folder(tmp_path, where="judge.path")


def test_documents_are_read_by_judges_that_were_taught_to(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"judge\.context: expected none, answer or solution.*--facts"):
        LearnedJudge.load(folder, "documents")
    small = JudgeRecipe("first-half", hidden=32, layers=2, steps=3, batch=4).with_facts()
    assert small.steps == 4, "as many lessons in each of the other contexts"
    write_judge(small, PromptSet.load(PROMPTS), tmp_path / "judge")
    judge = LearnedJudge.load(tmp_path / "judge", "documents")
    assert judge.taught == judge.sampling(1.0).taught == ("none", "answer", "solution", "documents")


def test_sizes_learn_from_half_of_the_train_images() -> None:
    assert {recipe.images for recipe in SIZES.values()} == {"first-half"}
    rng = random.Random(1)
    shown = {image for _ in range(50) for image in draw_lesson(rng, SIZES["small"].images).problem.images}
    assert max(shown) < 600
