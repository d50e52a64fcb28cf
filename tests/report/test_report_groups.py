"""What a run's groups say together, counted by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from run_folders import (
    FALSE_POSITIVE,
    RIGHT,
    UNSCORED,
    attempt,
    group,
    recovered,
    spread,
    unreachable,
    verdict,
    write_run,
)

from contextrl.records.run_data import read_run
from contextrl.report.charts import kind_rows
from contextrl.report.groups import GroupsSummary, difference, kind_of, read_entries, summarise_groups, tags_of


def summary(folder: Path, *groups: dict) -> GroupsSummary:  # type: ignore[type-arg]
    return summarise_groups(read_run(write_run(folder, groups=groups)))


@pytest.mark.parametrize(
    ("record", "tags"),
    [
        (recovered(), ("recovered", "not_standalone")),
        (spread(), ("false_positive", "unscored", "mixed")),
        (unreachable(), ("unreachable",)),
        (group("solved", [attempt("x", RIGHT)]), ("solved",)),
        (group("unscored", [attempt("x", UNSCORED)]), ("unscored",)),
        (group("solved", [attempt("x", RIGHT, audit=FALSE_POSITIVE)]), ("false_positive", "solved")),
        (group("spread", [attempt("x", FALSE_POSITIVE, audit=RIGHT)]), ("mixed",)),
        ({"attempts": "none", "kind": 3}, ()),
    ],
    ids=["recovered", "spread", "unreachable", "solved", "unscored", "audit-finds", "audit-acquits", "nonsense"],
)
def test_tags(record: dict, tags: tuple[str, ...]) -> None:  # type: ignore[type-arg]
    assert tags_of(record) == tags


def test_the_funnel_and_the_rejections(tmp_path: Path) -> None:
    found = summary(tmp_path / "run", recovered(), recovered(2), spread())
    # Per recovered group: 4 retries, none cut, 1 refused by rules, of 3 judged 2 correct, 1 of them kept.
    assert found.funnel == {
        "attempts": 8,
        "complete": 8,
        "standalone by rule": 6,
        "standalone": 6,
        "correct": 4,
        "kept": 2,
    }
    assert found.rejections == {"duplicate": 2, "not_standalone": 2, "incorrect": 2}


def test_a_retry_that_the_judge_finds_not_standalone_passed_the_rules(tmp_path: Path) -> None:
    said = verdict("incorrect", True, False, self_consistent=False)
    told = attempt("x", said, stage=2, parent=0, rejection="not_standalone")
    cut = attempt("x", None, stage=2, parent=0, rejection="truncated")
    found = summary(tmp_path / "run", group("all_negative", [told, cut]))
    assert [found.funnel[name] for name in ("attempts", "complete", "standalone by rule")] == [2, 1, 1]
    assert [found.funnel[name] for name in ("standalone", "correct", "kept")] == [0, 0, 0]


def test_when_kinds_became_reachable(tmp_path: Path) -> None:
    found = summary(tmp_path / "run", unreachable(1), recovered(2), spread(3), unreachable(3, source="other"))
    history = found.kinds["miniature/largest"]
    assert (history.groups.total(), history.first_recovered, history.first_reachable) == (3, 2, 3)
    assert found.kinds["other"].first_reachable is None
    assert found.kinds["other"].first_recovered is None


def test_questions_that_came_again(tmp_path: Path) -> None:
    rows = [
        unreachable(1, example_id="a"),
        spread(2, example_id="a"),
        unreachable(1, example_id="b"),
        recovered(2, example_id="b"),
        spread(1, example_id="c"),
        unreachable(2, example_id="c"),
        unreachable(1, example_id="d"),
    ]
    assert summary(tmp_path / "run", *rows).seen_again == (2, 1)


def test_questions_that_came_again_on_another_process(tmp_path: Path) -> None:
    """Files are read one after another; what counts is the step."""
    folder = write_run(tmp_path / "run", groups=[spread(50, example_id="a"), unreachable(60, example_id="b")])
    later = [unreachable(3, example_id="a"), spread(3, example_id="b")]
    (folder / "groups-1.jsonl").write_text("".join(json.dumps(row) + "\n" for row in later), encoding="utf-8")
    assert summarise_groups(read_run(folder)).seen_again == (1, 1)


def test_a_judge_that_failed_makes_nothing_unreachable(tmp_path: Path) -> None:
    failed = group("unscored", [attempt("x", UNSCORED)], step=1, example_id="a")
    found = summary(tmp_path / "run", failed, group("solved", [attempt("x", RIGHT)], step=2, example_id="a"))
    assert found.seen_again == (0, 0)
    (row,) = kind_rows(found.kinds)
    assert (row["share"], row["groups"], found.kinds["miniature/largest"].groups.total()) == (1.0, 1, 2)


def test_a_step_that_no_run_has_is_no_trouble(tmp_path: Path) -> None:
    found = summary(tmp_path / "run", unreachable(10**12), unreachable(1), unreachable(-5), unreachable(10**300))
    assert len(kind_rows(found.kinds)) == 2


def test_patterns_of_false_positives(tmp_path: Path) -> None:
    found = summary(tmp_path / "run", spread(1), spread(2), unreachable(1))
    assert (found.false_positives, found.right_answers) == (2, 4)
    (pattern,) = found.patterns
    assert (pattern.kind, pattern.expected, pattern.said) == ("miniature/largest", "6", "8")
    assert (pattern.count, pattern.examples) == (2, [0, 1])


@pytest.mark.parametrize(
    ("reference", "response", "expected"),
    [
        ("Digits: 7, 6. Answer: 7", "Digits: 7, 8. Answer: 7", ("6", "8")),
        ("Digits: 7, 6. Answer: 7", "digits: 7, 6. Answer: 7", ("", "")),
        ("Sum: 1 + 2 = 3. Answer: 3", "I simply know it. Answer: 3", ("", "I simply know it.")),
        ("Digits: 7, 6. Sum: 13. Answer: 13", "Sum: 13. Digits: 7, 5. Answer: 13", ("6", "5")),
        ("", "Anything", ("", "Anything")),
    ],
    ids=["one-word", "same", "a-step-of-its-own", "other-order", "no-reference"],
)
def test_where_a_response_first_differs(reference: str, response: str, expected: tuple[str, str]) -> None:
    assert difference(reference, response) == expected


def test_kinds_without_a_source() -> None:
    assert kind_of({"task": "reasoning", "answer_type": "number", "source": ""}) == "reasoning, number"
    assert kind_of({}) == "unknown task, any"


def test_entries_are_found_again(tmp_path: Path) -> None:
    found = summary(tmp_path / "run", unreachable(1), spread(2, question="größer?"), recovered(3))
    read = {entry.number: record["step"] for entry, record in read_entries([found.entries[2], found.entries[1]])}
    assert read == {1: 2, 2: 3}
