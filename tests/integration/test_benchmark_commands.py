"""`contextrl eval --benchmark ...` and `contextrl compare` as users run them, on made rows of all 11 benchmarks."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from benchmarks.made_rows import MADE, ROWS
from made_server import MODEL, asked_of, made_server, serving

from contextrl.commands.cli import main
from contextrl.evaluation.benchmarks.registry import BENCHMARKS

QUICK = ("--set", "server.max_retries=0", "--set", "judge.max_retries=0", "--set", "judge.cache=false")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with 20 made rows of each benchmark."""
    folder = tmp_path_factory.mktemp("rows")
    for name, rows in MADE.items():
        pq.write_table(pa.Table.from_pylist(rows()), folder / f"{name}.parquet")
    return folder


@pytest.fixture(scope="module")
def policy() -> Iterator[str]:
    """The miniature's policy behind a server."""
    with serving("-m", "contextrl.miniature.policy_server", "--port", "0") as url:
        yield url


@pytest.fixture(scope="module")
def says_a() -> Iterator[str]:
    with made_server("--says", "The answer is A.") as url:
        yield url


def run_main(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["contextrl", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    return int(end.value.code or 0)


def figures(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    return dict(json.loads(capsys.readouterr().out)["benchmarks"])


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("protocol", ["official", "vlmevalkit"])
def test_the_miniature_behind_a_server_answers_all_eleven(
    protocol: str,
    policy: str,
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ("--base-url", policy, "--data", str(data), "--output", str(tmp_path), "--max-new-tokens", "12")
    all_of_them = ("eval", "miniature-policy", "--benchmark", "all", "--protocol", protocol, *arguments, *QUICK)
    assert run_main(monkeypatch, *all_of_them, "--json") == 0
    found = figures(capsys)
    assert list(found) == list(BENCHMARKS)
    for name, row in found.items():
        assert row["n"] + row["n_failed"] == ROWS, name
        assert row["name"] == f"{name}/{protocol}"
        assert set(BENCHMARKS[name].columns) <= row.keys() & row["ci95"].keys()
        assert len(lines(tmp_path / name / protocol / "answers.jsonl")) == ROWS
        assert row["robust"]["scorer"] == "robust"
    assert run_main(monkeypatch, *all_of_them) == 0
    table = capsys.readouterr().out
    assert all(one.title in table for one in BENCHMARKS.values())
    assert max(map(len, table.partition("Answers and marks:")[0].splitlines())) <= 80


def test_a_killed_evaluation_goes_on_where_it_was(data: Path, tmp_path: Path) -> None:
    answers = tmp_path / "mmstar" / "official" / "answers.jsonl"
    with made_server("--latency", "0.3") as url:
        command = [sys.executable, "-m", "contextrl", "eval", MODEL, "--base-url", url, "--benchmark", "mmstar"]
        command += ["--data", str(data), "--output", str(tmp_path), "--set", "server.max_concurrency=2"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as first:
            while not (answers.is_file() and len(answers.read_bytes().splitlines()) >= 4):
                assert first.poll() is None
                time.sleep(0.05)
            first.send_signal(signal.SIGKILL)
        kept = answers.read_bytes()
        kept = kept[: kept.rfind(b"\n") + 1]
        subprocess.run(command, check=True, capture_output=True)
        assert answers.read_bytes().startswith(kept)
        assert len({line["id"] for line in lines(answers)}) == len(lines(answers)) == ROWS
        # Asked twice are at most those that were under way.
        assert sum(asked_of(url).values()) <= ROWS + 4


def test_a_judge_that_fails_is_counted_apart(
    says_a: str, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with made_server("--says", "correct", "--fails", "0.3") as judge:
        arguments = ("--base-url", says_a, "--judge-url", judge, "--judge-model", MODEL, "--data", str(data))
        command = ("eval", MODEL, "--benchmark", "HallusionBench", *arguments, "--output", str(tmp_path), *QUICK)
        assert run_main(monkeypatch, *command, "--json") == 0
    row = figures(capsys)["hallusionbench"]
    assert 0 < row["n_failed"] < ROWS
    assert row["n"] + row["n_failed"] == ROWS
    assert row["a_acc"] == 1.0
    assert row["range"]["a_acc"] == [pytest.approx(row["n"] / ROWS, abs=1e-6), 1.0]
    assert sum(row["failures"].values()) == row["n_failed"]
    assert all("500" in reason for reason in row["failures"])


def test_a_dead_judge_stops_and_keeps_the_answers(
    says_a: str, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with made_server("--fails", "1") as judge:
        arguments = ("--base-url", says_a, "--judge-url", judge, "--judge-model", MODEL, "--data", str(data))
        stop = ("--set", "judge.max_failures=3")
        command = ("eval", MODEL, "--benchmark", "simplevqa", *arguments, "--output", str(tmp_path), *QUICK, *stop)
        assert run_main(monkeypatch, *command) == 3
    assert "judge" in capsys.readouterr().err
    assert len(lines(tmp_path / "simplevqa" / "official" / "answers.jsonl")) == ROWS


def test_answers_from_elsewhere_are_scored(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "20260101_000000_samples_mmstar.jsonl"
    rows = [
        {"doc_id": n, "target": "A", "filtered_resps": ["A" if n < 15 else "B"], "doc_hash": "x"} for n in range(ROWS)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    command = ("eval", "theirs", "--benchmark", "mmstar", "--data", str(data), "--output", str(tmp_path / "out"))
    assert run_main(monkeypatch, *command, "--predictions", str(path), "--json") == 0
    row = figures(capsys)["mmstar"]
    assert (row["accuracy"], row["n"], row["n_failed"]) == (0.75, ROWS, 0)
    assert row["form"] == "lmms-eval"


@pytest.mark.parametrize(("form", "pattern"), [("lmms-eval", "samples_*.jsonl"), ("vlmevalkit", "made_*.tsv")])
def test_answers_go_to_another_harness_and_come_back(
    form: str,
    pattern: str,
    says_a: str,
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    common = ("--benchmark", "mme-realworld-lite", "--data", str(data), "--json")
    out = str(tmp_path / "out")
    assert run_main(monkeypatch, "eval", MODEL, "--base-url", says_a, *common, "--export", form, "--output", out) == 0
    first = figures(capsys)["mme-realworld-lite"]
    (written,) = (tmp_path / "out" / "mme-realworld-lite" / "official").glob(pattern)
    again = ("--predictions", str(written), "--output", str(tmp_path / "again"))
    assert run_main(monkeypatch, "eval", "theirs", *common, *again) == 0
    second = figures(capsys)["mme-realworld-lite"]
    assert second["form"] == form
    assert [second[key] for key in ("perception", "reasoning", "n")] == [first["perception"], first["reasoning"], ROWS]


def test_models_are_compared_question_by_question(
    says_a: str, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with made_server("--says", "B") as says_b:
        for name, url in (("a", says_a), ("b", says_b)):
            arguments = ("--base-url", url, "--data", str(data), "--output", str(tmp_path / name))
            assert run_main(monkeypatch, "eval", MODEL, "--benchmark", "mmstar,hrbench8k", *arguments) == 0
    capsys.readouterr()
    folders = (str(tmp_path / "b"), f"says A={tmp_path / 'a'}")
    assert run_main(monkeypatch, "compare", *folders, "--scorer", "robust", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    differences = {(one["benchmark"], one["metric"]): one for one in told["differences"]}
    star = differences["mmstar", "accuracy"]
    assert (star["difference"], star["n"], star["holds"]) == (1.0, ROWS, True)
    assert not differences["hrbench8k", "overall"]["holds"]
    assert run_main(monkeypatch, "compare", *folders, "--scorer", "robust") == 0
    shown = capsys.readouterr().out
    assert "says A" in shown
    assert "ContextRL" in shown


def test_a_sick_row_stops_no_other(
    says_a: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = MADE["mmstar"]()
    rows[3]["image"] = {"bytes": b"no picture", "path": None}
    del rows[7]["answer"]
    path = tmp_path / "rows.jsonl"
    for row in rows:
        if isinstance(row["image"], dict) and row["image"]["bytes"] != b"no picture":
            (tmp_path / f"{row['index']}.png").write_bytes(row["image"]["bytes"])
        row["image"] = f"{row['index']}.png"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    arguments = ("--base-url", says_a, "--data", str(path), "--output", str(tmp_path / "out"), *QUICK)
    assert run_main(monkeypatch, "eval", MODEL, "--benchmark", "mmstar", *arguments, "--json") == 0
    row = figures(capsys)["mmstar"]
    assert (row["n"], row["n_failed"]) == (ROWS - 2, 2)
    assert len(row["sick_rows"]) == 1


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (("--benchmark", "mmstr"), "mmstar"),
        (("--benchmark", "mmstar", "--protocol", "paper"), "--protocol"),
        (("--benchmark", "mmstar", "--control", "blank"), "blank-image"),
        (("--benchmark", "mmstar", "--judge-model", "m"), "--judge-url"),
        (("--benchmark", "mmstar", "--set", "server.max_concurency=3"), "max_concurrency"),
        (("--benchmark", "mmstar", "--data", "absent"), "absent"),
        (("--control", "blank-image"), "--benchmark"),
    ],
)
def test_wrong_options_are_refused_with_the_right_one(
    arguments: tuple[str, ...], found: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_main(monkeypatch, "eval", MODEL, "--base-url", "http://127.0.0.1:9/v1", *arguments) == 2
    assert found in capsys.readouterr().err


def test_without_a_network_the_copy_that_is_needed_is_named(
    says_a: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("--base-url", says_a, "--output", str(tmp_path))
    assert run_main(monkeypatch, "eval", MODEL, "--benchmark", "mmstar", *arguments) == 3
    told = capsys.readouterr().err
    assert "Lin-Chen/MMStar" in told
    assert "--data" in told
