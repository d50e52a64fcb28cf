"""Difficulty: how often a policy behind HTTP is right, and that nobody is asked twice for it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from chat_models import Asked, chat_model, client, context_in, lines, server, summed, text_of
from PIL import Image
from pydantic import ValidationError

from contextrl.building.candidates import Candidate, Dropped
from contextrl.building.difficulty import Difficulty
from contextrl.building.model_settings import DifficultySettings
from contextrl.building.pictures import PictureStore
from contextrl.building.pipeline import Context, Pipeline, UnitsStep
from contextrl.errors import InputError, ServiceError
from contextrl.judge.llm.building import llm_judge
from contextrl.judge.protocol import Judge, JudgeRequest
from contextrl.judge.rules import RulesJudge
from contextrl.records.verdict import Verdict, unscored

RULES = RulesJudge()


def number_in(text: str) -> int:
    found = re.search(r"What is (\d+)", text)
    assert found is not None
    return int(found[1])


class Right:
    """Answers `What is n + 1?` rightly the first `n` times that it is asked with seeds it has not seen."""

    def __init__(self) -> None:
        self.seeds: dict[int, list[int]] = {}

    def __call__(self, asked: Asked) -> str:
        number = number_in(asked.text)
        seeds = self.seeds.setdefault(number, [])
        if asked.seed not in seeds:
            seeds.append(asked.seed)
        right = seeds.index(asked.seed) < number
        return f"I add.\nThe answer is \\boxed{{{number + 1 if right else 999}}}."


def by_seed(asked: Asked) -> str:
    """Right or wrong by the request alone, so that no order matters."""
    number = number_in(asked.text)
    return f"Seed {asked.seed}: \\boxed{{{number + 1 if asked.seed % 2 else 999}}}"


def run(
    folder: Path,
    urls: Sequence[str],
    candidates: Sequence[Candidate],
    judge: Judge = RULES,
    policy: Mapping[str, Any] | None = None,
    section: Mapping[str, Any] | None = None,
    **settings: Any,
) -> tuple[list[Candidate | Dropped], Mapping[str, Any]]:
    """Outcomes and notes."""
    asked = DifficultySettings.model_validate(
        {"policy": server(*urls, **(policy or {})), **settings, "judge": section or {}}
    )
    with client(asked.policy, "difficulty.policy") as completions:
        step = Difficulty(asked, completions, judge, folder / "difficulty")
        return list(step.each(candidates, context_in(folder))), step.part_notes()


# ---- what is counted -------------------------------------------------------------------------------------------------


def test_right_ones_are_counted_and_four_of_four_are_left_out(tmp_path: Path) -> None:
    """Candidate n is answered rightly n times of 4."""
    with chat_model(Right()) as policy:
        outcomes, notes = run(tmp_path, [policy.url], [summed(n) for n in range(5)], policy={"prices": {"prompt": 2}})
    assert [(one.tried, one.right) for one in outcomes if isinstance(one, Candidate)] == [
        (4, 0), (4, 1), (4, 2), (4, 3),
    ]  # fmt: skip
    assert outcomes[4] == Dropped("sums-4", "4 of 4 right")
    # 20 responses of 10 and 5 tokens; 200 prompt tokens at 2 a million; 0 + 1 + 2 + 3 + 4 of 20 are right.
    assert notes == {
        "responses": 20,
        "prompt_tokens": 200,
        "completion_tokens": 100,
        "cost": 0.0004,
        "verdicts": {"correct": 10, "incorrect": 10},
        "right": {"0": 1, "1": 1, "2": 1, "3": 1, "4": 1},
    }


@pytest.mark.parametrize(
    ("settings", "kept"),
    [
        ({"drop": [0, 4]}, [1, 2, 3]),
        ({"drop": []}, [0, 1, 2, 3, 4]),
        ({"drop": [2]}, [0, 1, 3, 4]),
        ({"attempts": 2}, [0, 1]),
        ({"attempts": 1}, [0]),
    ],
)
def test_which_are_left_out_is_a_setting(tmp_path: Path, settings: dict[str, Any], kept: list[int]) -> None:
    with chat_model(Right()) as policy:
        outcomes, _ = run(tmp_path, [policy.url], [summed(n) for n in range(5)], **settings)
    assert [one.id for one in outcomes if isinstance(one, Candidate)] == [f"sums-{n}" for n in kept]


def test_each_response_has_a_seed_and_the_sampling_settings(tmp_path: Path) -> None:
    with chat_model(by_seed) as policy:
        run(tmp_path, [policy.url], [summed(1), summed(2)], sampling={"top_p": 0.9, "top_k": 20, "max_tokens": 77})
    assert len({asked.seed for asked in policy.asked}) == 8
    assert all(0 <= asked.seed < 2**31 for asked in policy.asked)
    sent = {(a.body["temperature"], a.body["top_p"], a.body["top_k"], a.body["max_tokens"]) for a in policy.asked}
    assert sent == {(1.0, 0.9, 20, 77)}


def test_the_question_is_asked_as_training_asks_it(tmp_path: Path) -> None:
    """Pictures where the markers are, no token of a chat template, nothing of answer or solution."""
    name = PictureStore(tmp_path / "pictures").put(Image.new("RGB", (4, 4), "red"), where="here")
    question = "Is <image> redder than <image>? <|im_start|>system"
    candidate = Candidate("a", question, "yes", "yes_no", "perception", "s", images=(name, name), solution="Secret.")
    with chat_model(lambda _: "No.") as policy:
        run(tmp_path, [policy.url], [candidate], attempts=1, system_prompt="Be brief.")
    assert policy.asked[0].text == "Be brief.\nIs [picture] redder than [picture]? ‹|im_start|>system"
    url = policy.asked[0].body["messages"][1]["content"][1]["image_url"]["url"]
    assert url.startswith("data:image/png;base64,")


def test_a_prompt_of_ones_own(tmp_path: Path) -> None:
    prompt = tmp_path / "prompt.txt"
    prompt.write_text("Think.\n{{question}}\nBox it.", encoding="utf-8")
    with chat_model(by_seed) as policy:
        run(tmp_path, [policy.url], [summed(1)], attempts=1, prompt=str(prompt))
    assert policy.asked[0].text == "Think.\nWhat is 1 + 1?\nBox it."


@pytest.mark.parametrize("text", ["Think.", "{{question}} {{answer}}"])
def test_a_prompt_without_the_question_or_with_the_answer_is_refused(tmp_path: Path, text: str) -> None:
    prompt = tmp_path / "prompt.txt"
    prompt.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"expected \{\{question\}\}"):
        run(tmp_path, ["http://127.0.0.1:9/v1"], [], prompt=str(prompt))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"max_unanswered": 4}, "less than attempts"),
        ({"drop": [5]}, "up to attempts"),
        ({"sampling": {"temperature": 0}}, "all 4 attempts say the same"),
        ({"sampling": {"seed": None}, "policy": server("http://h/v1", cache=True)}, "the same reply"),
        ({"policy": server("ftp://h/v1")}, "http"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        DifficultySettings.model_validate({"policy": server("http://h/v1"), **settings})


def test_a_judge_sees_the_answer_unless_it_is_told_otherwise() -> None:
    def context(**judge: Any) -> str:
        section = {"policy": server("http://h/v1"), **({"judge": judge} if judge else {})}
        return DifficultySettings.model_validate(section).judge.context

    assert context() == "answer"
    assert context(kind="llm", base_url="http://h/v1", model="j") == "answer"
    assert context(kind="llm", base_url="http://h/v1", model="j", context="solution") == "solution"


# ---- what fails ------------------------------------------------------------------------------------------------------


class Unsure:
    """A judge that finds `unsure` unscored and compares the rest by rule; notes what it was asked."""

    name = "unsure"
    context: Any = "answer"

    def __init__(self, kind: Any = "tie") -> None:
        self.kind = kind
        self.asked: list[JudgeRequest] = []

    def judge(self, requests: Sequence[JudgeRequest]) -> list[Verdict]:
        self.asked += requests
        return [
            unscored(self.kind, "made") if "unsure" in request.response else RULES.judge([request])[0]
            for request in requests
        ]


def one_in_four(text: Any) -> Callable[[Asked], Any]:
    """`text` to the first seed of each question, else a wrong answer."""
    first: dict[int, int] = {}

    def says(asked: Asked) -> Any:
        return text if first.setdefault(number_in(asked.text), asked.seed) == asked.seed else "\\boxed{999}"

    return says


def test_a_response_that_never_comes_is_not_a_wrong_one(tmp_path: Path) -> None:
    with chat_model(one_in_four(500)) as policy:
        strict, notes = run(tmp_path / "a", [policy.url], [summed(1)])
    with chat_model(one_in_four(500)) as policy:
        lenient, _ = run(tmp_path / "b", [policy.url], [summed(1)], max_unanswered=1)
    assert isinstance(strict[0], Dropped)
    assert (strict[0].reason, strict[0].detail[:19]) == ("no 4 responses", "3 of 4 responses: s")
    assert notes["verdicts"] == {"incorrect": 3, "unanswered": 1}
    assert notes["responses"] == 3
    assert [(one.tried, one.right) for one in lenient if isinstance(one, Candidate)] == [(3, 0)]


def test_with_a_response_lacking_all_right_is_all_that_are_there(tmp_path: Path) -> None:
    says = one_in_four(500)

    def right(asked: Asked) -> Any:
        return "\\boxed{2}" if says(asked) != 500 else 500

    with chat_model(right) as policy:
        outcomes, _ = run(tmp_path, [policy.url], [summed(1)], max_unanswered=1)
    assert outcomes == [Dropped("sums-1", "3 of 3 right")]


@pytest.mark.parametrize("said", [{"content": None}, {"content": None, "reasoning_content": "Hm"}])
def test_an_empty_reply_is_asked_for_again_and_is_not_a_wrong_one(tmp_path: Path, said: dict[str, Any]) -> None:
    with chat_model(one_in_four(said)) as policy:
        outcomes, notes = run(tmp_path, [policy.url], [summed(1)], max_unanswered=1)
    assert [(one.tried, one.right) for one in outcomes if isinstance(one, Candidate)] == [(3, 0)]
    assert notes["verdicts"] == {"incorrect": 3, "unanswered": 1}
    assert Counter(Counter(asked.seed for asked in policy.asked).values()) == {1: 3, 2: 1}, "it repeats once"


@pytest.mark.parametrize(
    "said",
    [{"content": None, "refusal": "No."}, ("", "content_filter"), ("", "length")],
    ids=["a refusal", "filtered", "cut"],
)
def test_a_refusal_and_a_reply_that_was_cut_are_wrong(tmp_path: Path, said: Any) -> None:
    for _ in range(2):
        with chat_model(one_in_four(said)) as policy:
            outcomes, notes = run(tmp_path, [policy.url], [summed(1)])
        assert [(one.tried, one.right) for one in outcomes if isinstance(one, Candidate)] == [(4, 0)]
        assert notes["verdicts"] == {"incorrect": 4}
    assert not policy.asked, "all is kept"


def test_an_unscored_verdict_is_not_a_wrong_one(tmp_path: Path) -> None:
    judge = Unsure()
    with chat_model(one_in_four("unsure")) as policy:
        outcomes, notes = run(tmp_path, [policy.url], [summed(1), summed(2)], judge)
    assert [(one.reason, one.detail) for one in outcomes if isinstance(one, Dropped)] == [
        ("no 4 verdicts", "3 of 4 verdicts: tie: made")
    ] * 2
    assert notes["verdicts"] == {"incorrect": 6, "unscored": 2}


def test_a_reply_of_the_judge_that_cannot_be_read_is_asked_for_once_more(tmp_path: Path) -> None:
    judge = Unsure("missing")
    # Three of the four responses say the same and are judged once.
    with chat_model(one_in_four("unsure")) as policy:
        run(tmp_path, [policy.url], [summed(1)], judge)
    assert Counter(request.attempt for request in judge.asked) == {0: 2, 1: 1}


def test_the_judge_sees_a_solution_where_there_is_one_and_it_may(tmp_path: Path) -> None:
    judge = Unsure()
    judge.context = "solution"
    candidates = [summed(1, solution="One more than 1 is 2."), summed(2)]
    with chat_model(by_seed) as policy:
        run(tmp_path, [policy.url], candidates, judge, attempts=1)
    seen = {(request.example.id, request.context, request.example.solution) for request in judge.asked}
    assert seen == {("sums-1", "solution", "One more than 1 is 2."), ("sums-2", "answer", "")}


def test_one_of_several_servers_is_dead(tmp_path: Path) -> None:
    with chat_model(by_seed) as policy:
        urls, candidates = ["http://127.0.0.1:9/v1", policy.url], [summed(n) for n in range(6)]
        outcomes, notes = run(tmp_path, urls, candidates, policy={"max_retries": 5}, drop=[])
    assert notes["responses"] == 24
    assert all(isinstance(one, Candidate) for one in outcomes)


# ---- going on --------------------------------------------------------------------------------------------------------


def test_a_spent_budget_keeps_all_and_the_same_command_goes_on(tmp_path: Path) -> None:
    """12 responses, 5 calls a command: three starts."""
    candidates = [summed(n) for n in range(3)]
    settings: dict[str, Any] = {"policy": {"budget": {"calls": 5}}, "drop": []}
    with chat_model(by_seed) as policy:
        for _ in range(2):
            with pytest.raises(ServiceError, match=r"difficulty\.policy.*budget\.calls of 5 is spent"):
                run(tmp_path, [policy.url], candidates, **settings)
        outcomes, notes = run(tmp_path, [policy.url], candidates, **settings)
        again, noted = run(tmp_path, [policy.url], candidates, **settings)
        assert len(policy.asked) == 12
        whole, figures = run(tmp_path / "whole", [policy.url], candidates, drop=[])
    assert lines(outcomes) == lines(again) == lines(whole)
    assert notes == noted == figures


def test_a_judge_that_is_gone_leaves_the_responses(tmp_path: Path) -> None:
    """It gives three verdicts and then raises; the next one is asked for the others only."""

    class Going(Unsure):
        concurrent = True

        def judge(self, requests: Sequence[JudgeRequest]) -> list[Verdict]:
            if len(self.asked) >= 3:
                raise ServiceError("the judge stops")
            return super().judge(requests)

    candidates = [summed(1), summed(2)]
    with chat_model(by_seed) as policy:
        first = Going()
        with pytest.raises(ServiceError, match="the judge stops"):
            run(tmp_path, [policy.url], candidates, first, section={"max_concurrency": 1})
        second = Unsure()
        outcomes, _ = run(tmp_path, [policy.url], candidates, second, drop=[])
        assert len(policy.asked) == 8
        assert Counter(asked.seed for asked in policy.asked).most_common(1)[0][1] == 1
    assert len(outcomes) == 2
    assert len(first.asked) + len(second.asked) == 8


def test_a_kill_within_a_line_costs_that_line(tmp_path: Path) -> None:
    candidates = [summed(n) for n in range(3)]
    with chat_model(by_seed) as policy:
        whole, _ = run(tmp_path, [policy.url], candidates, drop=[])
        (kept,) = (tmp_path / "difficulty").iterdir()
        written = kept.read_bytes()
        # Verdicts stand between the responses; the last line is one of them, and it is cut.
        kept.write_bytes(written[:-9])
        judge = Unsure()
        again, _ = run(tmp_path, [policy.url], candidates, judge, drop=[])
        assert (len(policy.asked), len(judge.asked)) == (12, 1)
        assert sorted(kept.read_bytes().splitlines()) == sorted(written.splitlines())
        kept.write_bytes(b'{"key": "damaged\n' + written.split(b"\n", 1)[1])
        run(tmp_path, [policy.url], candidates, judge, drop=[])
        assert len(policy.asked) == 13
    assert lines(whole) == lines(again)


def test_other_parts_of_the_same_candidates_ask_nobody(tmp_path: Path) -> None:
    """An earlier step now leaves one out, so that parts have other candidates."""
    with chat_model(by_seed) as policy:
        whole, _ = run(tmp_path, [policy.url], [summed(n) for n in range(6)], drop=[])
        judge = Unsure()
        first, _ = run(tmp_path, [policy.url], [summed(n) for n in (0, 2, 3)], judge, drop=[])
        second, _ = run(tmp_path, [policy.url], [summed(n) for n in (4, 5, 6)], judge, drop=[])
        assert len(policy.asked) == 24 + 4
        assert len(judge.asked) == 4
    assert lines(whole)[:1] + lines(whole)[2:] == lines(first) + lines(second)[:2]


def test_other_settings_of_what_is_left_out_ask_nobody(tmp_path: Path) -> None:
    candidates = [summed(n) for n in range(4)]
    with chat_model(Right()) as policy:
        run(tmp_path, [policy.url], candidates)
        outcomes, _ = run(tmp_path, [policy.url], candidates, drop=[0])
        assert len(policy.asked) == 16
        run(tmp_path, [policy.url], candidates, system_prompt="Be brief.")
        assert len(policy.asked) == 32
    assert outcomes[0] == Dropped("sums-0", "0 of 4 right")


def test_the_order_of_replies_does_not_matter(tmp_path: Path) -> None:
    candidates = [summed(n) for n in range(8)]
    with (
        chat_model(by_seed, lambda n: 0.15 if n % 7 == 0 else 0.0) as slow,
        chat_model(by_seed, lambda n: 0.02 * (n % 5)) as other,
    ):
        first, notes = run(tmp_path / "a", [slow.url], candidates)
        second, noted = run(tmp_path / "b", [other.url, slow.url], candidates)
    assert lines(first) == lines(second)
    assert notes == noted


def test_the_judge_works_while_the_policy_still_answers(tmp_path: Path) -> None:
    """The last response comes when the judge has seen all others: the server waits for it."""
    judge = Unsure()

    def says(asked: Asked) -> str:
        seen.append(len(judge.asked))
        return by_seed(asked)

    seen: list[int] = []
    with chat_model(says) as policy:
        run(tmp_path, [policy.url], [summed(n) for n in range(40)], judge, policy={"max_concurrency": 2})
    assert seen[-1] > 80


#: A build's step in a process of its own: the server's address, the folder.
ALONE = """
import sys
from pathlib import Path
sys.path[:0] = sys.argv[3:]
from test_difficulty import run, summed
run(Path(sys.argv[2]), [sys.argv[1]], [summed(n) for n in range(10)], drop=[])
"""


def test_a_kill_asks_again_only_what_was_under_way(tmp_path: Path) -> None:
    """40 responses, two at a time; killed when 15 have been asked for: two of these may not be there yet."""
    candidates = [summed(n) for n in range(10)]
    with chat_model(by_seed, lambda _: 0.02) as policy:
        command = [sys.executable, "-c", ALONE.replace("drop=[]", "drop=[], policy={'max_concurrency': 2}")]
        with subprocess.Popen([*command, policy.url, str(tmp_path / "killed"), *sys.path]) as process:
            while len(policy.asked) < 15 and process.poll() is None:
                time.sleep(0.005)
            process.kill()
        before = len(policy.asked)
        outcomes, notes = run(tmp_path / "killed", [policy.url], candidates, drop=[])
        asked = Counter(one.seed for one in policy.asked)
        whole, figures = run(tmp_path / "whole", [policy.url], candidates, drop=[])
    assert 15 <= before < 40
    assert len(asked) == 40
    assert asked.total() <= 40 + 2
    assert lines(outcomes) == lines(whole)
    assert notes == figures


# ---- within a build --------------------------------------------------------------------------------------------------


class Sums(UnitsStep):
    name = "import"

    def identity(self) -> Mapping[str, Any]:
        return {}

    def units(self) -> list[str]:
        return ["sums"]

    def unit(self, name: str, context: Context, start: int) -> Any:
        yield from [summed(n) for n in range(6)][start:]


def test_notes_are_of_all_parts_in_however_many_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of 2; each start may make 10 calls, so that the build takes three."""
    monkeypatch.setattr("contextrl.building.pipeline.PART", 2)
    told: list[int] = []

    def build(folder: Path, **policy: Any) -> Any:
        asked = DifficultySettings.model_validate({"policy": server(model.url, **policy), "drop": [4]})
        with client(asked.policy, "difficulty.policy") as completions:
            step = Difficulty(asked, completions, RULES, folder / "difficulty")
            context = Context(3, PictureStore(folder / "pictures"), told.append)
            return Pipeline(folder, [Sums(), step], context).run()[1]

    with chat_model(by_seed) as model:
        for _ in range(2):
            with pytest.raises(ServiceError):
                build(tmp_path / "a", budget={"calls": 10})
        counts = build(tmp_path / "a", budget={"calls": 10})
        assert len(model.asked) == 24
        assert counts == build(tmp_path / "b")
    assert counts.notes["responses"] == 24
    assert sum(counts.notes["right"].values()) == 6
    done = [json.loads((tmp_path / x / "steps" / "02-difficulty" / "done.json").read_text()) for x in "ab"]
    assert done[0] == done[1]


def test_the_identity_holds_nothing_of_one_machine(tmp_path: Path) -> None:
    """Addresses, budgets and folders differ; the model and the prompt's text do not."""

    def identity(url: str, folder: str, text: str = "Hm. {{question}}") -> Any:
        prompt = tmp_path / folder / "prompt.txt"
        prompt.parent.mkdir(exist_ok=True)
        prompt.write_text(text, encoding="utf-8")
        judge = {"kind": "llm", "base_url": url, "model": "j", "cache": str(tmp_path / folder / "c")}
        section = {"policy": server(url, budget={"calls": len(folder)}), "judge": judge, "prompt": str(prompt)}
        settings = DifficultySettings.model_validate(section)
        with client(settings.policy, "difficulty.policy") as completions:
            return Difficulty(settings, completions, llm_judge(settings.judge), tmp_path).identity()

    one = identity("http://a/v1", "x")
    assert one == identity("http://b:8000/v1", "yy")
    assert one != identity("http://a/v1", "x", "Well. {{question}}")
    assert "http" not in json.dumps(one)
    assert str(tmp_path) not in json.dumps(one)


def test_a_judge_behind_a_server_judges_many_at_once(tmp_path: Path) -> None:
    """It says that answers are right where the response boxes the reference answer."""

    def verdict(asked: Asked) -> str:
        answer = re.search(r"<reference_answer>\s*(\d+)", asked.text)
        assert answer is not None
        correct = f"boxed{{{answer[1]}}}" in asked.text
        return json.dumps(
            {
                "analysis": "x",
                "self_consistent": True,
                "answer_correct": correct,
                "process_correct": correct,
            }
        )

    with chat_model(by_seed) as policy, chat_model(verdict) as judging:
        section = {"kind": "llm", "base_url": judging.url, "model": "m", "cache": False}
        config = DifficultySettings.model_validate({"policy": server(policy.url), "judge": section}).judge
        judge = llm_judge(config)
        candidates = [summed(n) for n in range(12)]
        try:
            outcomes, notes = run(tmp_path, [policy.url], candidates, judge, section=section, drop=[])
            again, _ = run(tmp_path, [policy.url], candidates, judge, section=section, drop=[])
        finally:
            judge.close()
        assert (len(policy.asked), len(judging.asked)) == (48, 48)
    ruled, figures = expected(candidates, policy.asked)
    assert [one.right for one in outcomes if isinstance(one, Candidate)] == ruled
    assert lines(outcomes) == lines(again)
    assert notes["verdicts"]["correct"] == figures
    assert all("Secret" not in text_of(asked.body["messages"]) for asked in judging.asked)


def expected(candidates: Sequence[Candidate], asked: Sequence[Asked]) -> tuple[list[int], int]:
    """Right ones by candidate and in all: odd seeds."""
    odd = Counter(number_in(one.text) for one in asked if one.seed % 2)
    return [odd[number_in(one.question)] for one in candidates], sum(odd.values())
