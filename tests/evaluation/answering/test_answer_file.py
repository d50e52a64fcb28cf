"""Answers on disk: kept whatever happens, gone on with by the same run only."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from raw_server import Request, Script, completion, plain, running_raw_server
from toy_benchmark import IDENTITY, client_at

from contextrl.errors import InputError, ServiceError
from contextrl.evaluation.answering.answer_file import AnswerFile, answer_all, read_answers, sidecar
from contextrl.evaluation.answering.questions import Answer, Question
from contextrl.evaluation.answering.server import ServerModel
from contextrl.evaluation.benchmarks.items import Sampling

HOSTILE = "line one\nline two\u2028\x85 \ud800 \x00 </script> [bold]{x} 答案"


class Echo:
    """Answers with the id; what is in `sick` fails."""

    def __init__(self, sick: Iterable[str] = ()) -> None:
        self.asked: list[str] = []
        self.sick = set(sick)

    def answers(self, questions: Iterable[Question], sampling: Sampling) -> Iterator[Answer]:
        for question in questions:
            self.asked.append(question.id)
            if question.id in self.sick:
                yield Answer(question.id, error="timeout: no reply")
            else:
                yield Answer(question.id, f"said {question.id}", False, "stop", 2)


def asked(*ids: str, prompt: str = "Which? ") -> list[Question]:
    return [Question(name, prompt + name) for name in ids]


def fill(path: Path, model: Echo, *ids: str, **changes: Any) -> AnswerFile:
    with AnswerFile(path, IDENTITY, **changes) as file:
        list(answer_all(asked(*ids), model, file))
    return file


def test_a_line_has_what_was_said_and_the_sidecar_what_it_depends_on(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "toy.jsonl"
    fill(path, Echo(sick=["b"]), "a", "b")
    first, second = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert first.pop("prompt") == asked("a")[0].digest
    assert first == {"id": "a", "response": "said a", "truncated": False, "finish_reason": "stop", "tokens": 2}
    assert second == {"id": "b", "error": "timeout: no reply"}
    identity = json.loads(sidecar(path).read_text(encoding="utf-8"))
    assert (identity["benchmark"], identity["protocol"], identity["model"]) == ("toy", "official", "m")
    assert identity["sampling"]["max_tokens"] == 50
    assert sidecar(path).name == "toy.identity.json"


def test_what_is_answered_is_not_asked_again_and_errors_are(tmp_path: Path) -> None:
    path = tmp_path / "toy.jsonl"
    fill(path, Echo(sick=["b", "c"]), "a", "b", "c")
    again = Echo(sick=["c"])
    assert fill(path, again, "a", "b", "c", "d").answered == 3
    assert again.asked == ["b", "c", "d"]
    answers = {answer.id: answer for answer in read_answers(path)}
    assert [answers[name].response for name in "abcd"] == ["said a", "said b", None, "said d"]
    assert answers["c"].error == "timeout: no reply"
    assert len(list(read_answers(path))) == 4


@pytest.mark.parametrize("text", [HOSTILE, "", "x" * 100_000])
def test_whatever_is_said_comes_back(tmp_path: Path, text: str) -> None:
    path = tmp_path / "toy.jsonl"
    with AnswerFile(path, IDENTITY) as file:
        file.put(Answer("é\n", text, True, "length", 50))
        file.put(Answer("b", "next"))
    assert list(read_answers(path)) == [Answer("é\n", text, True, "length", 50), Answer("b", "next")]
    assert AnswerFile(path, IDENTITY).answered == 2


@pytest.mark.parametrize("cut", [1, 2, 30])
def test_a_cut_last_line_is_dropped_and_asked_again(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "toy.jsonl"
    fill(path, Echo(), "a", "b")
    path.write_bytes(path.read_bytes()[:-cut])
    assert [answer.id for answer in read_answers(path)] == ["a"]
    again = Echo()
    fill(path, again, "a", "b", "c")
    assert again.asked == ["b", "c"]
    assert [answer.response for answer in read_answers(path)] == ["said a", "said b", "said c"]


OTHERS: list[tuple[dict[str, Any], str, str]] = [
    ({"benchmark": "mmstar"}, 'benchmark "mmstar", found "toy"', "--benchmark"),
    ({"protocol": "vlmevalkit"}, 'protocol "vlmevalkit", found "official"', "--protocol"),
    ({"model": "n"}, 'model "n", found "m"', "the model"),
    ({"control": "blank-image"}, 'control "blank-image", found null', "--control"),
    ({"seed": 3}, "seed 3, found 0", "--seed"),
    ({"data": "rows@2"}, 'data "rows@2", found "rows@1"', "--data"),
    ({"image_max_side": 512}, "image_max_side 512, found null", "--image-max-side"),
    ({"sampling": Sampling(max_tokens=51)}, r"sampling.max_tokens 51, found 50", "the sampling settings"),
    ({"sampling": Sampling(top_k=5, max_tokens=50)}, r"sampling.top_k 5, found null", "the sampling settings"),
]


@pytest.mark.parametrize(("change", "message", "setting"), OTHERS, ids=lambda value: str(value)[:30])
def test_another_identity_is_refused_with_the_setting(
    tmp_path: Path, change: dict[str, Any], message: str, setting: str
) -> None:
    path = tmp_path / "toy.jsonl"
    fill(path, Echo(), "a")
    before = path.read_bytes(), sidecar(path).read_bytes()
    with pytest.raises(InputError) as caught:
        AnswerFile(path, replace(IDENTITY, **change))
    assert message in str(caught.value)
    assert f"Change {setting} back, or change --output to keep both" in str(caught.value)
    assert before == (path.read_bytes(), sidecar(path).read_bytes())


def test_settings_may_have_other_names(tmp_path: Path) -> None:
    path = tmp_path / "toy.jsonl"
    fill(path, Echo(), "a")
    names = {"sampling.temperature": "--temperature", "sampling": "--sampling"}
    with pytest.raises(InputError, match="Change --temperature back, or change --out"):
        AnswerFile(path, replace(IDENTITY, sampling=Sampling(0.7, max_tokens=50)), settings=names, output="--out")


def test_another_identity_may_overwrite(tmp_path: Path) -> None:
    path = tmp_path / "toy.jsonl"
    fill(path, Echo(), "a", "b")
    with AnswerFile(path, replace(IDENTITY, model="n"), overwrite=True) as file:
        list(answer_all(asked("a"), Echo(), file))
    assert [answer.id for answer in read_answers(path)] == ["a"]
    assert AnswerFile(path, replace(IDENTITY, model="n")).answered == 1


def test_another_prompt_for_what_is_answered_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "toy.jsonl"
    fill(path, Echo(), "a")
    with (
        AnswerFile(path, IDENTITY) as file,
        pytest.raises(InputError, match="found another one for id 'a'"),
    ):
        list(answer_all(asked("a", prompt="What? "), Echo(), file))


def test_two_questions_of_one_id_are_refused(tmp_path: Path) -> None:
    with AnswerFile(tmp_path / "t.jsonl", IDENTITY) as file, pytest.raises(InputError, match="found 'a' twice"):
        list(answer_all(asked("a", "b", "a"), Echo(), file))
    assert [answer.id for answer in read_answers(tmp_path / "t.jsonl")] == ["a", "b"]


def spoil(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


STRANGE: list[tuple[Callable[[Path], object], str]] = [
    (lambda path: spoil(path, '{"a": 1}\n'), "an answer with its id"),
    (lambda path: spoil(path, "no json\n"), "an answer with its id"),
    (lambda path: sidecar(path).unlink(), "answers with their toy.identity.json"),
    (lambda path: spoil(sidecar(path), "{"), "valid JSON"),
    (lambda path: spoil(sidecar(path), "[]"), "a JSON object"),
    (lambda path: spoil(sidecar(path), "{}"), "answers with benchmark"),
]


@pytest.mark.parametrize(("change", "message"), STRANGE, ids=lambda value: value if isinstance(value, str) else "")
def test_what_is_not_ours_is_refused_and_stays(tmp_path: Path, change: Callable[[Path], object], message: str) -> None:
    path = tmp_path / "toy.jsonl"
    fill(path, Echo(), "a")
    change(path)
    before = path.read_bytes()
    with pytest.raises(InputError, match=message):
        AnswerFile(path, IDENTITY)
    assert path.read_bytes() == before


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="found a folder or device"):
        AnswerFile(tmp_path, IDENTITY)


def test_two_at_once_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "toy.jsonl"
    with AnswerFile(path, IDENTITY) as file:
        file.put(Answer("a", "x"))
        with pytest.raises(InputError, match="another writes to it"):
            AnswerFile(path, IDENTITY).__enter__()
        file.put(Answer("b", "y"))
    assert [answer.id for answer in read_answers(path)] == ["a", "b"]


def test_a_missing_file_has_no_answers(tmp_path: Path) -> None:
    assert list(read_answers(tmp_path / "none.jsonl")) == []


# ---- with a server ---------------------------------------------------------------------------------------------------

RUN = """
import sys
from pathlib import Path
sys.path[:0] = sys.argv[3:]
from toy_benchmark import IDENTITY, client_at
from contextrl.evaluation.answering.answer_file import AnswerFile, answer_all
from contextrl.evaluation.answering.questions import Question
from contextrl.evaluation.answering.server import ServerModel

asked = (Question(str(n), f"number {n}") for n in range(60))
with AnswerFile(Path(sys.argv[1]), IDENTITY) as file:
    for answer in answer_all(asked, ServerModel(client_at(sys.argv[2], max_concurrency=4)), file):
        print(answer.id, flush=True)
"""


def test_a_run_that_is_killed_goes_on(tmp_path: Path) -> None:
    """60 questions; the first process is killed after 20 answers. What was printed is on disk."""
    path = tmp_path / "toy.jsonl"
    counted: dict[int, int] = {}
    lock = threading.Lock()

    def answer(request: Request) -> Script:
        with lock:
            counted[request.asked] = counted.get(request.asked, 0) + 1
        return [(0.01, plain(completion(f"it is {request.asked}")))]

    with running_raw_server(answer) as server:
        command = [sys.executable, "-c", RUN, str(path), server.url, str(Path(__file__).parent)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        printed = [process.stdout.readline().strip() for _ in range(20)]
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        kept = {answer.id for answer in read_answers(path)}
        assert set(printed) <= kept
        assert len(kept) < 60
        second = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=60)
    assert set(second.stdout.split()) == {str(n) for n in range(60)} - kept
    assert {a.id: a.response for a in read_answers(path)} == {str(n): f"it is {n}" for n in range(60)}
    # Nothing that is on disk was asked twice.
    assert {counted[int(name)] for name in kept} == {1}


def test_a_spent_budget_is_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "toy.jsonl"
    questions = [Question(str(n), f"number {n}") for n in range(12)]
    with running_raw_server(lambda r: [(0.0, plain(completion(str(r.asked))))]) as server:
        for answered in (5, 10):
            client = client_at(server.url, budget={"calls": 5})
            with AnswerFile(path, IDENTITY) as file, pytest.raises(ServiceError, match="calls of 5 is spent"):
                list(answer_all(questions, ServerModel(client), file))
            client.close()
            assert AnswerFile(path, IDENTITY).answered == answered
        client = client_at(server.url, budget={"calls": 5})
        with AnswerFile(path, IDENTITY) as file:
            list(answer_all(questions, ServerModel(client), file))
        client.close()
    assert len(server.requests) == 12
    assert {answer.id: answer.response for answer in read_answers(path)} == {str(n): str(n) for n in range(12)}
