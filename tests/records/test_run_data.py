"""A run directory at any point of its life, and broken ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from run_folders import finished_run, metrics, recovered, write_run

from contextrl.errors import InputError
from contextrl.records.run_data import groups_at, read_run
from contextrl.report.page import build_page


def test_a_finished_run(tmp_path: Path) -> None:
    run = read_run(finished_run(tmp_path / "run"))
    assert run.state == "finished"
    assert (run.method, run.seed, run.last_step) == ("contextrl", 0, 4)
    assert run.series("eval/process_accuracy") == [(0, 0.4), (4, 0.55)]
    assert run.series("loss") == [(n, 0.01) for n in range(1, 5)]
    assert run.series("judge/gate_error") == [], "null is no value"
    assert len(list(run.groups())) == 12
    assert not run.damaged


def test_records_of_one_step_are_one(tmp_path: Path) -> None:
    run = read_run(finished_run(tmp_path / "run"))
    last = run.steps[-1]
    assert (last["step"], last["loss"], last["eval/answer_accuracy"]) == (4, 0.01, 0.6)


def test_a_run_that_just_started(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path / "run"))
    assert run.state == "no step yet"
    assert list(run.groups()) == []


def test_a_killed_run_keeps_what_was_written(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", steps=[metrics(1), metrics(2)], groups=[recovered(1)])
    for name in ("metrics.jsonl", "groups.jsonl"):
        with (folder / name).open("a", encoding="utf-8") as file:
            file.write('{"step": 3, "loss": 0.0')
    (folder / "results.json").write_text("{", encoding="utf-8")
    run = read_run(folder)
    assert run.state == "not finished: step 2 of 4"
    assert len(list(run.groups())) == 1
    assert run.damaged == ["metrics.jsonl line 3", "results.json", "groups.jsonl line 2"]


@pytest.mark.parametrize(
    "line", ["[1, 2]", '"text"', "nonsense", "[" * 100_000], ids=["list", "text", "no-json", "deep"]
)
def test_lines_that_are_no_records_are_named_and_skipped(tmp_path: Path, line: str) -> None:
    folder = write_run(tmp_path / "run", steps=[metrics(1)])
    with (folder / "metrics.jsonl").open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")
    run = read_run(folder)
    assert [record["step"] for record in run.steps] == [1]
    assert run.damaged == ["metrics.jsonl line 2"]


def test_blank_lines_and_bytes_that_are_no_text_damage_nothing(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", groups=[recovered(1)])
    with (folder / "groups.jsonl").open("ab") as file:
        file.write(b'\n  \r\n{"step": 2, "question": "\xff?"}\r\n')
    run = read_run(folder)
    (_, _, first), (path, offset, second) = run.groups()
    assert (first["step"], second) == (1, {"step": 2, "question": "\ufffd?"})
    assert list(groups_at(path, [offset, 0])) == [(offset, second), (0, first)]
    assert not run.damaged


def test_a_byte_order_mark_is_no_damage(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", groups=[recovered(1)])
    (folder / "groups.jsonl").write_bytes(b"\xef\xbb\xbf" + (folder / "groups.jsonl").read_bytes())
    run = read_run(folder)
    ((path, offset, record),) = run.groups()
    assert list(groups_at(path, [offset])) == [(0, record)]
    assert not run.damaged


def test_groups_that_were_dropped_meanwhile_are_left_out(tmp_path: Path) -> None:
    path = write_run(tmp_path / "run", groups=[recovered(1), recovered(2)]) / "groups.jsonl"
    end = path.stat().st_size
    path.write_text(path.read_text(encoding="utf-8") + '"text"\n', encoding="utf-8")
    within_a_line, no_object, past_the_end = 5, end, end + 100
    assert [offset for offset, _ in groups_at(path, [0, within_a_line, no_object, past_the_end])] == [0]


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1e999", "1" + "0" * 400, "true", '"1"', "[1]", "null"])
def test_what_is_no_finite_number_is_no_value(tmp_path: Path, value: str) -> None:
    folder = write_run(tmp_path / "run", steps=[metrics(1)])
    with (folder / "metrics.jsonl").open("a", encoding="utf-8") as file:
        file.write(
            f'{{"step": 2, "loss": {value}, "eval/answer_accuracy": 0.5, "eval/answer_accuracy_ci95": [{value}, 1]}}\n'
        )
    run = read_run(folder)
    assert run.series("loss") == [(1, 0.01)]
    assert build_page([run]).html


def test_groups_of_other_processes_are_read_too(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", groups=[recovered(1)])
    (folder / "groups-1.jsonl").write_bytes((folder / "groups.jsonl").read_bytes())
    assert [path.name for path, _, _ in read_run(folder).groups()] == ["groups.jsonl", "groups-1.jsonl"]


def test_no_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a run directory, with a config\.yaml, found none"):
        read_run(tmp_path)


@pytest.mark.parametrize("text", ["a: [1", "seed: 2024-13-45", "[" * 5000], ids=["open", "no-date", "deep"])
def test_a_config_that_is_no_yaml(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"a run's config\.yaml"):
        read_run(tmp_path)


def test_yaml_makes_no_objects(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("a: !!python/object/apply:os.getcwd []", encoding="utf-8")
    with pytest.raises(InputError):
        read_run(tmp_path)
