"""`judge verify`: input checked first, output written as verdicts come, work resumed and never mixed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from limits import files_of_at_most
from PIL import Image

from contextrl.errors import DiskError, InputError, ServiceError
from contextrl.evaluation.judging.response_rows import content_hash, read_response_rows
from contextrl.evaluation.judging.verdict_file import VerdictFile
from contextrl.evaluation.judging.verification import OnVerdict, VerifySettings, verify_file
from contextrl.judge.protocol import JudgeRequest
from contextrl.judge.settings import JudgeConfig
from contextrl.records.jsonl import read_objects
from contextrl.records.verdict import ReferenceContext, Usage, Verdict, unscored


class FakeJudge:
    """Streams verdicts in reverse order; a response `right` is correct, `fail` unscored; `dies_after` verdicts."""

    name = "fake"
    context: ReferenceContext = "solution"

    def __init__(self, dies_after: int | None = None, stops: type[BaseException] = ServiceError) -> None:
        self.dies_after, self.stops = dies_after, stops
        self.asked: list[JudgeRequest] = []

    def judge(self, requests: Sequence[JudgeRequest]) -> list[Verdict]:
        return [verdict for _, verdict in sorted(self.stream(requests))]

    def stream(self, requests: Sequence[JudgeRequest]) -> Iterator[tuple[int, Verdict]]:
        for done, (index, request) in enumerate(reversed(list(enumerate(requests)))):
            if done == self.dies_after:
                raise self.stops("no server left")
            self.asked.append(request)
            yield index, self._verdict(request)

    def _verdict(self, request: JudgeRequest) -> Verdict:
        usage = Usage(calls=1, tokens=10, seconds=0.5, cost=0.25)
        if request.response == "fail":
            return unscored("timeout", "nothing came", usage)
        right = request.response == "right"
        return Verdict("correct" if right else "incorrect", True, right, usage=usage)


@contextmanager
def silent(total: int) -> Iterator[OnVerdict]:
    yield lambda done, verdict, usage: None


def row(response: str = "right", **changes: Any) -> dict[str, Any]:
    base = {"question": "Q?", "images": [], "solution": "1 + 1 = 2. Answer: 2", "answer": "2", "answer_type": "number"}
    return {name: value for name, value in {**base, "response": response, **changes}.items() if value is not ...}


def write(folder: Path, *rows: dict[str, Any] | str) -> Path:
    path = folder / "in.jsonl"
    lines = (line if isinstance(line, str) else json.dumps(line) for line in rows)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def settings(folder: Path, context: ReferenceContext = "solution", **changes: Any) -> VerifySettings:
    judge = JudgeConfig(kind="steps", context=context)
    return VerifySettings(folder / "in.jsonl", folder / "out.jsonl", judge, **changes)


def output(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "out.jsonl").read_text(encoding="utf-8").splitlines()]


# --- what comes out ---------------------------------------------------------------------------------------------------


def test_the_output_is_the_input_in_its_order_with_verdicts(tmp_path: Path) -> None:
    rows = [row("right", id="b", extra={"mine": 1}), row("wrong", id=7), row("fail")]
    write(tmp_path, *rows)
    summary = verify_file(settings(tmp_path), lambda: FakeJudge(), silent)
    lines = output(tmp_path)
    assert [line["verdict"]["status"] for line in lines] == ["correct", "incorrect", "unscored"]
    for line, given in zip(lines, rows, strict=True):
        assert {**given, "id": line["id"]} == {name: value for name, value in line.items() if name != "verdict"}
    assert [line["id"] for line in lines] == ["b", 7, content_hash(rows[2])]
    assert set(lines[0]["verdict"]) == {
        *(
            "status",
            "answer_correct",
            "process_correct",
            "self_consistent",
            "mistake_report",
            "standalone",
            "error",
            "usage",
        )
    }
    assert lines[2]["verdict"]["error"] == "timeout: nothing came"
    # Three verdicts of one call, 10 tokens and 0.25 each; `wrong` has the right answer by a wrong process.
    assert (summary.usage.calls, summary.usage.tokens, summary.usage.cost) == (3, 30, 0.75)
    assert (summary.false_positives, dict(summary.unscored)) == (1, {"timeout": 1})
    assert summary.as_json()["unscored"] == 1


def test_equal_lines_without_id_are_judged_once_and_written_as_often(tmp_path: Path) -> None:
    write(tmp_path, row("right"), row("wrong"), row("right"))
    judge = FakeJudge()
    summary = verify_file(settings(tmp_path), lambda: judge, silent)
    assert len(judge.asked) == 2
    assert [line["response"] for line in output(tmp_path)] == ["right", "wrong", "right"]
    assert summary.status == {"correct": 2, "incorrect": 1}


def test_an_earlier_verdict_in_the_input_is_replaced(tmp_path: Path) -> None:
    write(tmp_path, row("wrong", verdict={"status": "correct"}))
    verify_file(settings(tmp_path), lambda: FakeJudge(), silent)
    assert output(tmp_path)[0]["verdict"]["status"] == "incorrect"


def test_requests_carry_the_wishes(tmp_path: Path) -> None:
    write(tmp_path, row())
    judge = FakeJudge()
    verify_file(settings(tmp_path, "answer", reports=False), lambda: judge, silent)
    asked = judge.asked[0]
    assert (asked.context, asked.wants_report) == ("answer", False)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("half \ud800 of a pair", id="lone-surrogate"),
        pytest.param("line \u2028 separator \u0085", id="unicode-line-ends"),
        pytest.param('"verdict": {"status": "correct"}}\n', id="imitates-a-line"),
        pytest.param("", id="empty"),
        pytest.param("\x00", id="nul"),
        pytest.param("图中答案是 5", id="chinese"),
    ],
)
def test_hostile_text_survives_writing_and_resuming(tmp_path: Path, text: str) -> None:
    write(tmp_path, row(text), row("right"))
    for _ in range(2):
        verify_file(settings(tmp_path), lambda: FakeJudge(), silent)
        assert [line["response"] for line in output(tmp_path)] == [text, "right"]
    assert len((tmp_path / "out.jsonl").read_bytes().split(b"\n")) == 3


# --- resuming ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stops", [ServiceError, KeyboardInterrupt])
def test_what_is_done_stays_and_only_the_rest_is_asked(tmp_path: Path, stops: type[BaseException]) -> None:
    write(tmp_path, *(row("right", id=f"r{number}") for number in range(5)))
    with pytest.raises(stops) as stopped:
        verify_file(settings(tmp_path), lambda: FakeJudge(dies_after=2, stops=stops), silent)
    assert [line["id"] for line in output(tmp_path)] == ["r4", "r3"]
    if stops is ServiceError:
        assert "2 of 5 verdicts" in str(stopped.value)
        assert "same command again" in str(stopped.value)
    judge = FakeJudge()
    summary = verify_file(settings(tmp_path), lambda: judge, silent)
    assert [request.example.id for request in judge.asked] == ["r2", "r1", "r0"]
    assert [line["id"] for line in output(tmp_path)] == [f"r{number}" for number in range(5)]
    assert (summary.kept, summary.judged, summary.usage.calls) == (2, 3, 3)
    assert summary.status == {"correct": 5}


def test_failures_before_the_judges_end_are_open_and_not_unscored(tmp_path: Path) -> None:
    """Asked from the last: c fails while the judge still lives, b and a fail as it dies."""
    write(tmp_path, row("fail", id="a"), row("fail", id="b"), row("right", id="x"), row("fail", id="c"))
    with pytest.raises(ServiceError, match="2 of 4 verdicts"):
        verify_file(settings(tmp_path), lambda: FakeJudge(dies_after=3), silent)
    assert [line["id"] for line in output(tmp_path)] == ["c", "x"]
    judge = FakeJudge()
    summary = verify_file(settings(tmp_path), lambda: judge, silent)
    assert [request.example.id for request in judge.asked] == ["b", "a"]
    assert summary.status == {"unscored": 3, "correct": 1}, "a judge that lives to the end may fail on the last ones"


def test_every_cut_of_the_output_is_mended(tmp_path: Path) -> None:
    """Wherever a kill cuts the file, the same command ends with the same file."""
    write(tmp_path, row("right", id="a"), row("wrong"), row("fail", id="c"))
    verify_file(settings(tmp_path), lambda: FakeJudge(), silent)
    whole = (tmp_path / "out.jsonl").read_bytes()
    for size in range(0, len(whole), 37):
        (tmp_path / "out.jsonl").write_bytes(whole[:size])
        judge = FakeJudge()
        verify_file(settings(tmp_path), lambda judge=judge: judge, silent)
        assert (tmp_path / "out.jsonl").read_bytes() == whole
        assert len(judge.asked) == 3 - whole[:size].count(b"\n")


def test_a_finished_output_needs_no_judge_and_is_put_in_order(tmp_path: Path) -> None:
    write(tmp_path, row("right", id="a"), row("wrong", id="b"))
    verify_file(settings(tmp_path), lambda: FakeJudge(), silent)
    lines = (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    (tmp_path / "out.jsonl").write_text("".join(reversed(lines)), encoding="utf-8")
    summary = verify_file(settings(tmp_path), lambda: FakeJudge(dies_after=0), silent)
    assert (summary.kept, summary.judged) == (2, 0)
    assert (tmp_path / "out.jsonl").read_text(encoding="utf-8") == "".join(lines)


def test_unscored_rows_are_judged_again_only_on_request(tmp_path: Path) -> None:
    class Recovered(FakeJudge):
        def _verdict(self, request: JudgeRequest) -> Verdict:
            return Verdict("correct", True, True)

    write(tmp_path, row("fail", id="a"), row("wrong", id="b"))
    verify_file(settings(tmp_path), lambda: FakeJudge(), silent)
    assert verify_file(settings(tmp_path), lambda: Recovered(), silent).status == {"unscored": 1, "incorrect": 1}
    summary = verify_file(settings(tmp_path, retry_unscored=True), lambda: Recovered(), silent)
    assert (summary.status, summary.judged, summary.kept) == ({"correct": 1, "incorrect": 1}, 1, 1)
    assert [line["id"] for line in output(tmp_path)] == ["a", "b"]


def test_a_retry_that_is_interrupted_keeps_the_unscored_verdict(tmp_path: Path) -> None:
    write(tmp_path, row("fail", id="a"))
    verify_file(settings(tmp_path), lambda: FakeJudge(), silent)
    with pytest.raises(ServiceError):
        verify_file(settings(tmp_path, retry_unscored=True), lambda: FakeJudge(dies_after=0), silent)
    assert output(tmp_path)[0]["verdict"]["status"] == "unscored"


def test_the_first_rows_then_all(tmp_path: Path) -> None:
    write(tmp_path, *(row("right", id=name) for name in "abc"))
    assert verify_file(settings(tmp_path, limit=1), lambda: FakeJudge(), silent).rows == 1
    summary = verify_file(settings(tmp_path), lambda: FakeJudge(), silent)
    assert (summary.kept, summary.judged) == (1, 2)
    assert verify_file(settings(tmp_path, limit=1), lambda: FakeJudge(dies_after=0), silent).status == {"correct": 1}
    assert len(output(tmp_path)) == 3, "a smaller limit forgets nothing"


FOREIGN = [
    pytest.param(lambda line: {**line, "id": "z"}, "id 'z'", id="unknown-id"),
    pytest.param(lambda line: {**line, "response": "other"}, "other fields or values", id="changed-response"),
    pytest.param(lambda line: {**line, "answer": "3"}, "other fields or values", id="changed-reference"),
    pytest.param(lambda line: {**line, "verdict": {"status": "great"}}, "line 1", id="off-menu-verdict"),
    pytest.param(lambda line: {"id": "a"}, "line 1", id="no-verdict"),
    pytest.param(lambda line: ["a"], "line 1", id="no-object"),
]


@pytest.mark.parametrize(("change", "words"), FOREIGN)
def test_a_foreign_output_is_refused_and_kept(tmp_path: Path, change: Any, words: str) -> None:
    write(tmp_path, row("right", id="a"))
    verify_file(settings(tmp_path), lambda: FakeJudge(), silent)
    text = json.dumps(change(output(tmp_path)[0])) + "\n"
    (tmp_path / "out.jsonl").write_text(text, encoding="utf-8")
    judge = FakeJudge()
    with pytest.raises(InputError, match=words) as caught:
        verify_file(settings(tmp_path), lambda: judge, silent)
    assert "--overwrite" in str(caught.value)
    assert (tmp_path / "out.jsonl").read_text(encoding="utf-8") == text
    assert not judge.asked
    verify_file(settings(tmp_path, overwrite=True), lambda: judge, silent)
    assert len(judge.asked) == 1


def test_verdicts_of_two_judges_are_not_mixed(tmp_path: Path) -> None:
    write(tmp_path, row("right", id="a"), row("right", id="b"))
    with pytest.raises(ServiceError):
        verify_file(settings(tmp_path), lambda: FakeJudge(dies_after=1), silent)
    with pytest.raises(InputError, match="context: 'solution'"):
        verify_file(settings(tmp_path, "answer"), lambda: FakeJudge(), silent)
    verify_file(settings(tmp_path, "answer", overwrite=True), lambda: FakeJudge(), silent)
    verify_file(settings(tmp_path, "answer"), lambda: FakeJudge(dies_after=0), silent)


def test_a_judge_may_move_to_another_server(tmp_path: Path) -> None:
    def at(url: str, model: str = "m") -> VerifySettings:
        judge = JudgeConfig(kind="llm", base_url=url, model=model)
        return VerifySettings(tmp_path / "in.jsonl", tmp_path / "out.jsonl", judge)

    write(tmp_path, row("right", id="a"))
    verify_file(at("http://a/v1"), lambda: FakeJudge(), silent)
    verify_file(at("http://b/v1"), lambda: FakeJudge(dies_after=0), silent)
    with pytest.raises(InputError, match="model: 'm'"):
        verify_file(at("http://b/v1", "other"), lambda: FakeJudge(), silent)


def test_a_panel_may_move_too_but_not_change(tmp_path: Path) -> None:
    def at(url: str, member: str = "second") -> VerifySettings:
        panel = [{"model": member, "base_url": url}]
        judge = JudgeConfig.model_validate({"kind": "llm", "base_url": "http://a/v1", "model": "m", "panel": panel})
        return VerifySettings(tmp_path / "in.jsonl", tmp_path / "out.jsonl", judge)

    write(tmp_path, row("right", id="a"))
    verify_file(at("http://b/v1"), lambda: FakeJudge(), silent)
    verify_file(at("http://c/v1"), lambda: FakeJudge(dies_after=0), silent)
    with pytest.raises(InputError, match="panel"):
        verify_file(at("http://c/v1", "third"), lambda: FakeJudge(), silent)


# --- what is refused before any call ----------------------------------------------------------------------------------

BAD_LINES = [
    pytest.param("{", "valid JSON", id="bad-json"),
    pytest.param("[1]", "a JSON object", id="a-list"),
    pytest.param('{"n": ' + "9" * 5000 + "}", "valid JSON", id="endless-number"),
    pytest.param("[" * 100_000, "valid JSON", id="endless-nesting"),
    pytest.param(row(solution=...), "'solution'", id="no-solution"),
    pytest.param(row(answer=""), "field 'answer'", id="empty-answer"),
    pytest.param(row(answer=2), "Put it in quotes", id="number-as-answer"),
    pytest.param(row(question=...), "'question'", id="no-question"),
    pytest.param(row(images=...), "images: []", id="no-images"),
    pytest.param(row(images=["gone.png"]), "gone.png", id="missing-image"),
    pytest.param(row(images=["cut.png"]), "unreadable", id="cut-image"),
    pytest.param(row(response=...), "field 'response'", id="no-response"),
    pytest.param({**row(), "response": None}, "field 'response'", id="null-response"),
    pytest.param(row(answer_type="integer"), "one of choice", id="unknown-answer-type"),
    pytest.param(row(id="first"), "already the id of line 1", id="id-twice"),
    pytest.param(row(id=True), "field 'id'", id="boolean-id"),
]


@pytest.mark.parametrize(("line", "words"), BAD_LINES)
def test_a_bad_line_is_named_before_any_call(tmp_path: Path, line: Any, words: str) -> None:
    Image.new("RGB", (40, 40), "red").save(tmp_path / "whole.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "whole.png").read_bytes()[:60])
    write(tmp_path, row(id="first", images=["whole.png"]), "", line)
    judge = FakeJudge()
    with pytest.raises(InputError) as caught:
        verify_file(settings(tmp_path), lambda: judge, silent)
    assert "1 problem in 2 lines" in str(caught.value)
    assert "line 3" in str(caught.value)
    assert words in str(caught.value)
    assert not judge.asked
    assert not (tmp_path / "out.jsonl").exists()


def test_all_problems_come_at_once_and_ten_are_shown(tmp_path: Path) -> None:
    write(tmp_path, *(row(response=...) for _ in range(7)), *(row(images=["gone.png"], id=str(n)) for n in range(5)))
    with pytest.raises(InputError) as caught:
        verify_file(settings(tmp_path), lambda: FakeJudge(), silent)
    message = str(caught.value)
    assert "12 problems in 12 lines, the first 10" in message
    assert [f"line {number}," in message for number in (1, 7, 8, 10, 11)] == [True, True, True, True, False]


@pytest.mark.parametrize(
    ("context", "missing", "fine"),
    [
        pytest.param("none", ("solution", "answer"), True, id="none-needs-no-reference"),
        pytest.param("answer", ("solution",), True, id="answer-needs-no-solution"),
        pytest.param("answer", ("answer",), False, id="answer-needs-the-answer"),
        pytest.param("solution", ("answer",), False, id="solution-needs-the-answer"),
        pytest.param("none", ("question",), False, id="none-needs-the-question"),
    ],
)
@pytest.mark.parametrize("absent", [..., None, " "], ids=["missing", "null", "blank"])
def test_leniency_is_exactly_what_the_context_hides(
    tmp_path: Path, context: ReferenceContext, missing: Sequence[str], fine: bool, absent: Any
) -> None:
    path = write(tmp_path, row(**dict.fromkeys(missing, absent)))
    if not fine:
        with pytest.raises(InputError, match=f"'{missing[0]}'"):
            read_response_rows(path, context)
        return
    example = read_response_rows(path, context)[0].example
    assert [getattr(example, name) for name in missing] == [""] * len(missing)


def test_documents_take_the_place_of_the_solution(tmp_path: Path) -> None:
    given = row(solution=None, documents=["4 and 8 are shown"])
    assert read_response_rows(write(tmp_path, given), "documents")[0].example.documents == ("4 and 8 are shown",)
    with pytest.raises(InputError, match=r"field 'documents'.*expected texts, to show them to the judge, found none"):
        read_response_rows(write(tmp_path, row()), "documents")


def test_a_hidden_field_of_the_wrong_kind_is_still_wrong(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'solution'"):
        read_response_rows(write(tmp_path, row(solution=5)), "none")


@pytest.mark.parametrize(
    ("context", "changes", "words"),
    [
        pytest.param("none", {"gate": True}, "--gate", id="gate-that-would-tell"),
    ],
)
def test_wishes_that_cannot_be_met(
    tmp_path: Path, context: ReferenceContext, changes: dict[str, Any], words: str
) -> None:
    write(tmp_path, row())
    with pytest.raises(InputError, match=words):
        verify_file(settings(tmp_path, context, **changes), lambda: FakeJudge(), silent)


def test_the_input_is_never_the_output(tmp_path: Path) -> None:
    path = write(tmp_path, row())
    (tmp_path / "link.jsonl").symlink_to(path)
    for name in ("in.jsonl", "link.jsonl"):
        with pytest.raises(InputError, match="another file"):
            verify_file(VerifySettings(path, tmp_path / name, JudgeConfig()), lambda: FakeJudge(), silent)


def test_an_output_that_cannot_be_written(tmp_path: Path) -> None:
    write(tmp_path, row())
    (tmp_path / "out.jsonl").mkdir()
    judge = FakeJudge()
    with pytest.raises(InputError, match="a folder"):
        verify_file(settings(tmp_path), lambda: judge, silent)
    assert not judge.asked


def test_a_disk_that_fills_up_keeps_what_was_judged(tmp_path: Path) -> None:
    write(tmp_path, *[row("right", id=f"r{n}") for n in range(9)])
    with (
        files_of_at_most(1000),
        pytest.raises(DiskError, match=r"out\.jsonl could not be written: no space left") as full,
    ):
        verify_file(settings(tmp_path), FakeJudge, silent)
    assert "the same command goes on from there" in str(full.value)
    kept = list(read_objects(tmp_path / "out.jsonl"))
    assert 0 < len(kept) < 9
    assert verify_file(settings(tmp_path), FakeJudge, silent).kept == len(kept)
    assert [line["id"] for line in read_objects(tmp_path / "out.jsonl")] == [f"r{n}" for n in range(9)]


def test_a_verdict_is_on_disk_before_the_next_one_comes(tmp_path: Path) -> None:
    rows = read_response_rows(write(tmp_path, row("right", id="a"), row("right", id="b")), "solution")
    file = VerdictFile(tmp_path / "new" / "out.jsonl", rows)
    file.open()
    file.put("b", Verdict("correct"))
    assert json.loads(file.path.read_text(encoding="utf-8"))["id"] == "b"
    file.close()
