"""`judge verify`, `judge bench` and `judge serve` as whole commands: files, exit codes, messages."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from contextrl.commands.cli import main
from contextrl.miniature.labelled import labelled_items

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "100"}


def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit code, stdout, stderr of `contextrl judge ...`, white space joined in the latter."""
    monkeypatch.setattr(sys, "argv", ["contextrl", "judge", *map(str, arguments)])
    monkeypatch.setenv("COLUMNS", "100")
    with pytest.raises(SystemExit) as stopped:
        main()
    captured = capsys.readouterr()
    return int(stopped.value.code or 0), captured.out, " ".join(captured.err.split())


@pytest.fixture
def responses(tmp_path: Path) -> Path:
    """24 responses of the miniature with labels, every other one with an id."""
    lines = []
    for number, item in enumerate(labelled_items("dev", 24)):
        example = item.example
        example.images[0].save(tmp_path / f"{number}.png")  # type: ignore[union-attr]
        row = {
            "question": example.question,
            "images": [f"{number}.png"],
            "solution": example.solution,
            "answer": example.answer,
            "answer_type": example.answer_type,
            "response": item.response,
            "answer_correct": item.label != "wrong_answer",
            "process_correct": item.label == "true_positive",
        }
        lines.append(json.dumps(row if number % 2 else {"id": f"r{number}", **row}) + "\n")
    path = tmp_path / "responses.jsonl"
    path.write_text("".join(lines), encoding="utf-8")
    return path


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


# --- verify -----------------------------------------------------------------------------------------------------------


def test_verify_with_steps(
    responses: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    output = responses.with_name("verdicts.jsonl")
    arguments = ("verify", "--input", str(responses), "--output", str(output), "--judge", "steps")
    code, out, _ = run(monkeypatch, capsys, *arguments, "--context", "solution")
    assert code == 0
    assert "false positives" in out
    assert [row["response"] for row in rows(output)] == [row["response"] for row in rows(responses)]
    for row in rows(output):
        expected = "correct" if row["answer_correct"] and row["process_correct"] else "incorrect"
        assert row["verdict"]["status"] == expected
        assert (row["verdict"]["mistake_report"] is not None) is (expected == "incorrect")
    whole = output.read_bytes()
    output.write_bytes(whole[: len(whole) // 2])
    code, out, _ = run(monkeypatch, capsys, *arguments, "--json")
    summary = json.loads(out)
    assert (code, output.read_bytes()) == (0, whole)
    assert summary["kept"] == whole[: len(whole) // 2].count(b"\n")
    assert summary["kept"] + summary["judged"] == summary["rows"] == 24
    assert (summary["correct"], summary["incorrect"], summary["unscored"]) == (
        *(sum(row["verdict"]["status"] == status for row in rows(output)) for status in ("correct", "incorrect")),
        0,
    )


def test_verify_with_rules_needs_no_solution(
    responses: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [{name: value for name, value in row.items() if name != "solution"} for row in rows(responses)]
    responses.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    output = responses.with_name("verdicts.jsonl")
    common = ("verify", "--input", str(responses), "--output", str(output))
    code, out, _ = run(monkeypatch, capsys, *common, "--judge", "rules", "--no-reports", "--json")
    assert (code, json.loads(out)["judge"]["context"]) == (0, "answer")
    for row in rows(output):
        assert (row["verdict"]["status"] == "correct") is row["answer_correct"]
        assert row["verdict"]["mistake_report"] is None
    code, _, message = run(monkeypatch, capsys, *common, "--judge", "steps", "--overwrite")
    assert code == 2
    assert "24 problems in 24 lines, the first 10" in message
    assert len(rows(output)) == 24, "refused before the old output is touched"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param([], "--base-url URL and --model NAME", id="no-judge"),
        pytest.param(["--base-url", "http://h/v1"], "--model NAME", id="no-model"),
        pytest.param(["--model", "m"], "--base-url URL", id="no-url"),
        pytest.param(["--judge", "steps", "--model", "m"], "one judge", id="two-judges"),
        pytest.param(["--judge", "steps", "--set", "judge.vots=3"], "did you mean votes", id="unknown-key"),
        pytest.param(["--judge", "steps", "--set", "train.seed=3"], "judge section", id="other-section"),
        pytest.param(["--judge", "rules", "--context", "none"], "includes the answer", id="rules-without-answer"),
        pytest.param(["--judge", "steps", "--context", "none", "--gate"], "--gate", id="gate-without-answer"),
        pytest.param(["--judge", "steps", "--output", "{input}"], "another file than the input", id="onto-itself"),
        pytest.param(["--judge", "steps", "--input", "gone.jsonl"], "gone.jsonl", id="no-input"),
        pytest.param(["--judge", "llm"], "llm", id="llm-is-not-named-so"),
        pytest.param(["--judge", "steps", "--context", "all"], "all", id="unknown-context"),
        pytest.param(["--config", "gone.yaml"], "gone.yaml", id="no-config"),
        pytest.param(["--base-url", "http://u:p@h/v1", "--model", "m"], "no secret", id="secret-in-url"),
    ],
)
def test_verify_refuses(
    responses: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    words: str,
) -> None:
    output = responses.with_name("verdicts.jsonl")
    given = [part.replace("{input}", str(responses)) for part in arguments]
    code, _, message = run(monkeypatch, capsys, "verify", "--input", str(responses), "--output", str(output), *given)
    assert code == 2, message
    assert words in message
    assert "Traceback" not in message
    assert not output.exists()


BAD = {
    "bad-json": ("{oops", "valid JSON"),
    "no-response": ('{"question": "Q", "images": [], "solution": "s", "answer": "a"}', "'response'"),
    "no-image": (
        '{"question": "Q", "images": ["x.png"], "solution": "s", "answer": "a", "response": "r"}',
        "x.png",
    ),
    "id-twice": (
        '{"id": "r0", "question": "Q", "images": [], "solution": "s", "answer": "a", "response": "r"}',
        "already the id of line 1",
    ),
    "markup": (
        '{"question": "Q", "images": ["[bold]x[/].png"], "solution": "s", "answer": "a", "response": "r"}',
        "[bold]x[/].png",
    ),
}


@pytest.mark.parametrize(("line", "words"), BAD.values(), ids=BAD.keys())
def test_a_bad_line_is_named(
    responses: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], line: str, words: str
) -> None:
    responses.write_text(responses.read_text(encoding="utf-8") + line + "\n", encoding="utf-8")
    output = responses.with_name("verdicts.jsonl")
    arguments = ("verify", "--input", str(responses), "--output", str(output), "--judge", "steps")
    code, _, message = run(monkeypatch, capsys, *arguments)
    assert code == 2
    assert "line 25" in message
    assert words in message
    assert not output.exists()


def test_the_judge_section_of_a_run(
    responses: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = responses.with_name("run.yaml")
    config.write_text("judge: {kind: steps, context: none, report: {disclose: location}}\n", encoding="utf-8")
    output = responses.with_name("verdicts.jsonl")
    arguments = ("verify", "--input", str(responses), "--output", str(output), "--config", str(config), "--json")
    code, out, _ = run(monkeypatch, capsys, *arguments)
    judge = json.loads(out)["judge"]
    assert (code, judge["kind"], judge["context"], judge["report"]) == (0, "steps", "none", {"disclose": "location"})
    options = ("--overwrite", "--context", "solution", "--disclose", "hint", "--set", "judge.report.disclose=answer")
    _, out, _ = run(monkeypatch, capsys, *arguments, *options)
    judge = json.loads(out)["judge"]
    assert (judge["context"], judge["report"]) == ("solution", {"disclose": "answer"}), "--set is last"


# --- a judge behind a server ------------------------------------------------------------------------------------------


@pytest.fixture
def server() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`judge serve` on a free port: the process and its address."""
    command = [sys.executable, "-m", "contextrl", "judge", "serve", "--port", "0", "--latency", "0.05"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT)
    try:
        assert process.stdout is not None
        match = re.search(r"http://\S+/v1", process.stdout.readline())
        assert match
        yield process, match[0]
    finally:
        process.kill()
        process.wait()


def asking(responses: Path, url: str, *more: str) -> list[str]:
    output = responses.with_name("verdicts.jsonl")
    changes = [f"judge.{change}" for change in ("cache=false", "max_concurrency=1", "patience=1", "max_retries=1")]
    sets = [part for change in changes for part in ("--set", change)]
    command = [sys.executable, "-m", "contextrl", "judge", "verify", "--input", str(responses)]
    return [*command, "--output", str(output), "--base-url", url, "--model", "miniature-judge", *sets, *more]


def test_a_judge_behind_http_that_dies_and_comes_back(
    responses: Path, server: tuple[subprocess.Popen[str], str]
) -> None:
    process, url = server
    output = responses.with_name("verdicts.jsonl")
    command = asking(responses, url, "--json")
    verify = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT)
    wait_for_lines(output, verify)
    process.kill()
    assert verify.stderr is not None
    message = " ".join(verify.stderr.read().split())
    assert verify.wait() == 3, message
    done = len(rows(output))
    assert 0 < done < 24
    assert f"{done} of 24 verdicts are in" in message
    assert "Traceback" not in message
    assert all(row["verdict"]["status"] != "unscored" for row in rows(output))
    restart = [sys.executable, "-m", "contextrl", "judge", "serve", "--port", url.rpartition(":")[2].split("/")[0]]
    again = subprocess.Popen(restart, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT)
    try:
        assert again.stdout is not None
        again.stdout.readline()
        finished = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, check=False)
    finally:
        again.kill()
        again.wait()
    assert finished.returncode == 0, finished.stderr
    summary = json.loads(finished.stdout)
    assert (summary["kept"], summary["judged"]) == (done, 24 - done)
    assert [row["response"] for row in rows(output)] == [row["response"] for row in rows(responses)]
    for row in rows(output):
        assert (row["verdict"]["status"] == "correct") is (row["answer_correct"] and row["process_correct"])
    # A verdict is a call, a mistake report another.
    reports = sum(row["verdict"]["mistake_report"] is not None for row in rows(output)[:])
    assert sum(row["verdict"]["usage"]["calls"] for row in rows(output)) == 24 + reports


def wait_for_lines(output: Path, process: subprocess.Popen[str]) -> None:
    import time

    while process.poll() is None and not (output.exists() and output.read_bytes().count(b"\n")):
        time.sleep(0.01)


@pytest.mark.parametrize(("signal_", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)])
def test_a_stopped_command_goes_on_where_it_was(
    responses: Path, server: tuple[subprocess.Popen[str], str], signal_: signal.Signals, code: int
) -> None:
    _, url = server
    output = responses.with_name("verdicts.jsonl")
    verify = subprocess.Popen(asking(responses, url), stderr=subprocess.PIPE, text=True, env=ENVIRONMENT)
    wait_for_lines(output, verify)
    verify.send_signal(signal_)
    assert verify.stderr is not None
    message = verify.stderr.read()
    assert verify.wait() == code
    assert "Traceback" not in message
    lines = output.read_bytes()
    done = lines.count(b"\n")
    assert 0 < done < 24
    finished = subprocess.run(
        asking(responses, url, "--json"), capture_output=True, text=True, env=ENVIRONMENT, check=False
    )
    summary = json.loads(finished.stdout)
    assert (finished.returncode, summary["kept"], summary["judged"]) == (0, done, 24 - done)


def test_nobody_at_the_address(
    responses: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    output = responses.with_name("verdicts.jsonl")
    arguments = ("--input", str(responses), "--output", str(output), "--base-url", "http://127.0.0.1:1/v1")
    code, _, message = run(monkeypatch, capsys, "verify", *arguments, "--model", "m")
    assert code == 3
    assert "127.0.0.1" in message
    assert not output.exists()


# --- bench ------------------------------------------------------------------------------------------------------------


def test_bench_on_the_miniature(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "figures.json"
    arguments = ("--judge", "steps", "--second-judge", "rules", "--limit", "100", "--output", str(output), "--json")
    code, out, _ = run(monkeypatch, capsys, "bench", *arguments)
    found = json.loads(out)
    assert code == 0
    assert found == json.loads(output.read_text(encoding="utf-8"))
    assert list(found["contexts"]) == ["none", "answer", "solution"]
    solution, answer = found["contexts"]["solution"], found["contexts"]["answer"]
    assert solution["n"] == {"true_positive": 40, "false_positive": 40, "wrong_answer": 20}
    assert solution["balanced_accuracy"]["value"] == 1.0
    assert answer["recall_false_positives"]["value"] < 1.0 == answer["retention_true_positives"]["value"]
    # Rules accept all 80 right answers, the step judge with the solution the 40 true positives of them.
    assert solution["second_judge"]["table"] == {
        "correct/correct": 40,
        "correct/incorrect": 0,
        "incorrect/correct": 40,
        "incorrect/incorrect": 20,
    }
    assert solution["second_judge"]["agreement"]["value"] == 0.6


def test_bench_on_a_file_as_tables(
    responses: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("--data", str(responses), "--judge", "rules", "--second-judge", "steps")
    code, out, _ = run(monkeypatch, capsys, "bench", *arguments)
    assert code == 0
    assert "balanced accuracy" in out
    assert "Cohen's kappa" in out
    assert max(map(len, out.splitlines())) <= 100


def test_unsupported_questions_are_unscored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    row = {"id": "p", "problem": "1 + 1?", "steps": ["It is 2."], "final_answer_correct": True, "label": -1}
    path = tmp_path / "math.json"
    path.write_text(json.dumps([row]), encoding="utf-8")
    code, out, _ = run(monkeypatch, capsys, "bench", "--data", f"processbench:{path}", "--judge", "steps", "--json")
    found = json.loads(out)["contexts"]["none"]
    assert (code, found["unscored"], found["unscored_classes"]) == (0, {"unsupported": 1}, {"true_positive": 1})
    assert found["retention_true_positives"] == {"value": None, "low": None, "high": None, "n": 0}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(
            ["--judge", "steps", "--contexts", "all"], "none, answer, documents or solution", id="unknown-context"
        ),
        pytest.param(["--judge", "rules", "--contexts", "solution"], "rules", id="context-of-rules"),
        pytest.param(["--judge", "steps", "--data", "gone.jsonl"], "gone.jsonl", id="no-data"),
        pytest.param(["--judge", "steps", "--data", "processbench:gone"], "gone", id="no-copy"),
        pytest.param(["--judge", "steps", "--output", "gone/f.json"], "gone", id="no-folder"),
        pytest.param(["--judge", "steps", "--second-base-url", "http://h/v1"], "--second-model", id="half-a-judge"),
        pytest.param(["--judge", "steps", "--second-base-url", "h", "--second-model", "m"], "http://", id="second-url"),
        pytest.param(
            ["--judge", "steps", "--second-judge", "rules", "--second-model", "m"], "one second judge", id="two-seconds"
        ),
        pytest.param([], "a judge", id="no-judge"),
    ],
)
def test_bench_refuses(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    code, _, message = run(monkeypatch, capsys, "bench", *arguments)
    assert code == 2, message
    assert words in message


# --- what is loaded ---------------------------------------------------------------------------------------------------


def test_torch_is_never_imported(responses: Path) -> None:
    output = responses.with_name("verdicts.jsonl")
    code = f"""
import sys
from contextrl.commands.cli import main
def run(*arguments):
    sys.argv = ["contextrl", "judge", *arguments]
    try:
        main()
    except SystemExit as stopped:
        assert not stopped.code, stopped.code
run("verify", "--input", {str(responses)!r}, "--output", {str(output)!r}, "--judge", "steps")
run("bench", "--data", {str(responses)!r}, "--judge", "steps", "--second-judge", "rules")
from contextrl.commands.judges import judge_from_config
heavy = {{"torch", "transformers", "trl", "datasets"}} & set(sys.modules)
assert not heavy, heavy
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=ENVIRONMENT, check=False)
    assert done.returncode == 0, done.stderr


# --- label ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def verdicts(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], responses: Path) -> Path:
    """What the step judge says of the 24 responses."""
    output = responses.with_name("verdicts.jsonl")
    code, _, _ = run(monkeypatch, capsys, "verify", "--input", responses, "--output", output, "--judge", "steps")
    assert code == 0
    return output


def test_labels_go_out_and_come_back(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], verdicts: Path, tmp_path: Path
) -> None:
    sheet = tmp_path / "sheet.jsonl"
    code, out, _ = run(monkeypatch, capsys, "label", verdicts, "--output", sheet, "--sample", 12, "--json")
    assert code == 0
    assert sum(json.loads(out)["drawn"].values()) == 12
    lines = rows(sheet)
    judged = {row["id"]: row["verdict"]["status"] for row in rows(verdicts)}
    # A person who agrees with the judge but for one response, and is unsure of another.
    for number, line in enumerate(lines):
        assert "verdict" not in line
        line["label"] = "unsure" if number == 0 else judged[line["id"]]
    lines[1]["label"] = "incorrect" if lines[1]["label"] == "correct" else "correct"
    filled = tmp_path / "filled.jsonl"
    filled.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    code, out, _ = run(monkeypatch, capsys, "label", verdicts, "--read", filled, "--json")
    assert code == 0
    found = json.loads(out)
    assert found["sample"]["n"] == 11
    assert found["sample"]["value"] == pytest.approx(10 / 11, abs=1e-4)
    assert found["counts"]["undecided"] == 1
    code, out, _ = run(monkeypatch, capsys, "label", verdicts, "--read", filled)
    assert code == 0
    assert "people agree" in " ".join(out.split())
    assert "Undecided, in no figure: 1" in " ".join(out.split())


def test_a_page_is_made_and_other_files_stay(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], verdicts: Path, tmp_path: Path
) -> None:
    page = tmp_path / "sheet.html"
    code, _, _ = run(monkeypatch, capsys, "label", verdicts, "--output", page, "--sample", 6)
    assert code == 0
    assert page.read_text(encoding="utf-8").count("data:image/png") == 6
    before = verdicts.read_bytes()
    for arguments, message in (
        (["--output", verdicts], "is there"),
        (["--output", tmp_path / "sheet.csv"], "ending in .html or .jsonl"),
        ([], "found neither"),
        (["--output", page, "--read", page], "found both"),
        (["--read", tmp_path / "none.jsonl"], "no such file"),
    ):
        code, _, err = run(monkeypatch, capsys, "label", verdicts, *arguments)
        assert code == 2
        assert message in err
    assert verdicts.read_bytes() == before
