"""The outcome of a run: a curve over the same questions, and the paired change, by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from run_folders import item, metrics, results, write_items, write_run

from contextrl.records.metrics import EVAL_ANSWER_ACCURACY, EVAL_BY_SOURCE, EVAL_PROCESS_ACCURACY
from contextrl.records.run_data import RunData, read_run
from contextrl.report.charts import outcome_charts
from contextrl.report.comparison import comparison_charts
from contextrl.report.outcome import ACCURACIES, class_rows, evaluation_rows, headline, outcome, outcome_of
from contextrl.report.specs import legend_of
from contextrl.statistics.bootstrap import image_bootstrap

Record = dict[str, Any]
#: Of ten questions the first four are asked on the way. Right answers by a right process: before training 1 of 4 and 6
#: of 10, after it 3 of 4 and 8 of 10.
BEFORE = [True, False, False, False, True, True, True, True, True, False]
AFTER = [True, True, True, False, True, True, True, True, True, False]


def evaluated(step: int, answer: float, process: float | None, n: int, whole: str = "", unscored: int = 0) -> Record:
    record: Record = {
        "step": step,
        "eval/n": n,
        EVAL_ANSWER_ACCURACY: answer,
        f"{EVAL_ANSWER_ACCURACY}_ci95": [answer - 0.1, answer + 0.1],
        EVAL_BY_SOURCE: {"set/sum/easy": {"n": n, "answer_accuracy": answer, "process_accuracy": process}},
    }
    if process is not None:
        record |= {EVAL_PROCESS_ACCURACY: process, f"{EVAL_PROCESS_ACCURACY}_ci95": [process - 0.1, process + 0.1]}
    return record | ({whole: {"n": n, "unscored": unscored}} if whole else {})


def run_of(folder: Path, *, steps: list[Record] | None = None, examples: int = 4, **more: Any) -> Path:
    """Evaluated on ten questions before and after training, and on four at step 2."""
    whole = [evaluated(0, 0.6, 0.6, 10, "before"), evaluated(2, 0.5, 0.5, 4), metrics(3)]
    rows = steps if steps is not None else [*whole, metrics(4) | evaluated(4, 0.8, 0.8, 10, "after")]
    return write_run(
        folder, config={"eval": {"examples": examples}, "data": {"eval": "mine.jsonl"}}, steps=rows, **more
    )


def with_items(folder: Path, **more: Any) -> RunData:
    write_items(
        run_of(folder, **more),
        before=[item(n, right, right) for n, right in enumerate(BEFORE)],
        after=[item(n, right, right) for n, right in enumerate(AFTER)],
    )
    return read_run(folder)


def curve(run: RunData, name: str = EVAL_PROCESS_ACCURACY) -> list[tuple[int, float, int]]:
    return [(p.step, p.figures[name][0], p.asked) for p in outcome(run).curve if name in p.figures]


def test_the_whole_curve_is_over_the_questions_of_the_way(tmp_path: Path) -> None:
    run = with_items(tmp_path / "run")
    assert curve(run) == [(0, 1 / 4, 4), (2, 0.5, 4), (4, 3 / 4, 4)], "not 6 and 8 of 10"
    (low, high) = outcome(run).curve[0].figures[EVAL_PROCESS_ACCURACY][1] or (0, 0)
    assert (low, high) == image_bootstrap([1.0, 0.0, 0.0, 0.0], [[f"image-{n}"] for n in range(4)])
    chart = next(chart for chart in outcome_charts(run) if chart.name == "outcome")
    assert {row["questions"] for row in chart.rows} == {4}
    assert {row["series"] for row in chart.rows} == {"answer and process", "answer"}
    assert "All points are over the same 4 questions; before and after training 10 were asked" in chart.caption


def test_classes_are_over_the_same_questions_too(tmp_path: Path) -> None:
    rows = class_rows(outcome(with_items(tmp_path / "run")))
    # Of the first four, 0 and 2 are hard and 1 and 3 easy; after training 0, 1 and 2 are right.
    assert {(row["step"], row["series"]): row["value"] for row in rows} == {
        (0, "hard"): 1 / 2,
        (0, "easy"): 0.0,
        (2, "easy"): 0.5,
        (4, "hard"): 1.0,
        (4, "easy"): 1 / 2,
    }


def test_the_change_is_paired_over_all_questions(tmp_path: Path) -> None:
    """Two of ten are right that were not, none the other way: +20 points, whatever the others are."""
    run = with_items(tmp_path / "run")
    apart = [float(after) - float(before) for before, after in zip(BEFORE, AFTER, strict=True)]
    low, high = image_bootstrap(apart, [[f"image-{n}"] for n in range(10)])
    change = outcome(run).changes[EVAL_PROCESS_ACCURACY]
    assert (change.value, change.interval, change.n) == (pytest.approx(0.2), (low, high), 10)
    said = f"+20.0 points [{100 * low:+.1f}, {100 * high:+.1f}]"
    assert said in outcome_of(run)
    assert "paired over the same questions (10), interval bootstrapped by image" in outcome_of(run)
    assert [(one.name, one.value, one.said) for one in headline(run, outcome(run), (0, 0))[:1]] == [
        ("held-out answer and process", "80.0%", f"{said}, from 60.0%")
    ]


def test_questions_about_one_image_widen_the_interval_of_the_change(tmp_path: Path) -> None:
    run_of(tmp_path / "run")
    before = [item(n, n % 2 == 0, n % 2 == 0, images=[f"image-{n // 10}"]) for n in range(100)]
    after = [row | {"answer_correct": n < 50 or n % 2 == 0} for n, row in enumerate(before)]
    write_items(tmp_path / "run", before=before, after=after)
    shared = outcome(read_run(tmp_path / "run")).changes[EVAL_ANSWER_ACCURACY]
    apart = [row | {"images": [f"image-{n}"]} for n, row in enumerate(before)]
    write_items(
        tmp_path / "run", before=apart, after=[a | {"images": b["images"]} for a, b in zip(after, apart, strict=True)]
    )
    alone = outcome(read_run(tmp_path / "run")).changes[EVAL_ANSWER_ACCURACY]
    assert shared.value == alone.value == pytest.approx(0.25)
    assert shared.interval[1] - shared.interval[0] > 1.5 * (alone.interval[1] - alone.interval[0])


def test_items_that_name_no_images_are_said_to_be_taken_as_independent(tmp_path: Path) -> None:
    run_of(tmp_path / "run")
    rows = {
        name: [{key: value for key, value in item(n, r, r).items() if key != "images"} for n, r in enumerate(own)]
        for name, own in (("before", BEFORE), ("after", AFTER))
    }
    write_items(tmp_path / "run", **rows)
    run = read_run(tmp_path / "run")
    change = outcome(run).changes[EVAL_PROCESS_ACCURACY]
    assert (change.value, change.by_image) == (pytest.approx(0.2), False)
    assert "by question, because the items do not say which image they are about" in outcome_of(run)
    assert curve(run)[0] == (0, 1 / 4, 4)
    assert outcome(run).curve[0].figures[EVAL_PROCESS_ACCURACY][1] is None
    assert "The ends have none" in outcome_charts(run)[0].caption


def test_a_run_without_items_has_a_line_for_each_set_of_questions(tmp_path: Path) -> None:
    run = read_run(run_of(tmp_path / "run"))
    assert curve(run) == [(0, 0.6, 10), (2, 0.5, 4), (4, 0.8, 10)]
    rows = evaluation_rows(outcome(run), {EVAL_PROCESS_ACCURACY: ACCURACIES[EVAL_PROCESS_ACCURACY]})
    assert [(row["step"], row["series"]) for row in rows] == [
        (0, "answer and process, 10 questions"),
        (2, "answer and process, 4 questions"),
        (4, "answer and process, 10 questions"),
    ]
    chart = outcome_charts(run)[0]
    assert "the run did not keep every item" in chart.caption
    colours = {look.name: look.colour for look in legend_of(chart.spec)}
    assert colours["answer and process, 10 questions"] == colours["answer and process, 4 questions"]
    assert "from 60.0% [50.0%, 70.0%] to 80.0% [70.0%, 90.0%]" in outcome_of(run), "before and after, not the way"
    assert "The change has no interval" in outcome_of(run)
    first = headline(run, outcome(run), (0, 0))[0]
    assert first.said == "+20.0 points, from 60.0%; no interval, because items were not kept"


@pytest.mark.parametrize(
    "damage",
    [
        lambda lines: [*lines[:2], "{cut", *lines[3:]],
        lambda lines: lines[:9],
        lambda lines: [*lines[:9], lines[9][:20]],
    ],
    ids=["line", "missing", "cut"],
)
def test_items_that_are_not_all_there_are_not_counted_as_the_first_ones(tmp_path: Path, damage: Any) -> None:
    with_items(tmp_path / "run")
    path = tmp_path / "run" / "items-before.jsonl"
    path.write_text("\n".join(damage(path.read_text(encoding="utf-8").splitlines())), encoding="utf-8")
    run = read_run(tmp_path / "run")
    assert curve(run) == [(0, 0.6, 10), (2, 0.5, 4), (4, 3 / 4, 4)]
    # Of those that are there, the pairs still say what changed: 1 of the 9 questions where question 2 is lost.
    assert outcome(run).changes[EVAL_PROCESS_ACCURACY].n == 9


def test_items_of_no_run_that_was_evaluated_change_nothing(tmp_path: Path) -> None:
    run = with_items(tmp_path / "run", steps=[metrics(1)])
    assert outcome_of(run) == "No held-out evaluation so far."
    assert outcome_charts(run) == []


def test_a_run_that_goes_on_is_over_the_same_questions_so_far(tmp_path: Path) -> None:
    steps = [evaluated(0, 0.6, 0.6, 10, "before"), evaluated(2, 0.5, 0.5, 4)]
    write_items(run_of(tmp_path / "run", steps=steps), before=[item(n, r, r) for n, r in enumerate(BEFORE)])
    run = read_run(tmp_path / "run")
    assert curve(run) == [(0, 1 / 4, 4), (2, 0.5, 4)]
    assert outcome_of(run).startswith("Held-out answer and process from 25.0%")
    assert "(4 questions of mine.jsonl)" in outcome_of(run)
    (tmp_path / "run" / "items-before.jsonl").unlink()
    said = outcome_of(read_run(tmp_path / "run"))
    assert "(10, then 4 questions of mine.jsonl). These are figures over different questions" in said


def test_what_the_judge_failed_on_is_a_question_and_in_no_mean(tmp_path: Path) -> None:
    steps = [
        evaluated(0, 0.6, 0.6, 9, "before", unscored=1),
        evaluated(2, 0.5, 0.5, 3),
        metrics(4) | evaluated(4, 0.8, 0.8, 10, "after"),
    ]
    run_of(tmp_path / "run", steps=steps)
    before = [item(n, None if n == 1 else right, right) for n, right in enumerate(BEFORE)]
    write_items(tmp_path / "run", before=before, after=[item(n, right, right) for n, right in enumerate(AFTER)])
    run = read_run(tmp_path / "run")
    # One of three that were scored, of the four that were asked; the way scored three of the same four.
    assert curve(run) == [(0, pytest.approx(1 / 3), 4), (2, 0.5, 4), (4, 3 / 4, 4)]
    change = outcome(run).changes[EVAL_PROCESS_ACCURACY]
    assert (change.n, change.value) == (9, pytest.approx(1 / 9))
    assert "(9 of 10, scored both times)" in outcome_of(run)


def test_where_nobody_looks_at_the_process_nothing_is_said_of_it(tmp_path: Path) -> None:
    steps = [evaluated(0, 0.6, None, 10, "before"), evaluated(2, 0.5, None, 4), evaluated(4, 0.8, None, 10, "after")]
    write_items(
        run_of(tmp_path / "run", steps=steps),
        before=[item(n, right, None) for n, right in enumerate(BEFORE)],
        after=[item(n, right, None) for n, right in enumerate(AFTER)],
    )
    run = read_run(tmp_path / "run")
    assert curve(run) == []
    assert curve(run, EVAL_ANSWER_ACCURACY) == [(0, 1 / 4, 4), (2, 0.5, 4), (4, 3 / 4, 4)]
    assert "process" not in outcome_of(run)
    assert list(outcome(run).changes) == [EVAL_ANSWER_ACCURACY]


def test_a_set_smaller_than_the_evaluations_of_the_way_is_one_set(tmp_path: Path) -> None:
    run = read_run(
        run_of(
            tmp_path / "run",
            examples=200,
            steps=[
                evaluated(0, 0.6, 0.6, 10, "before"),
                evaluated(2, 0.5, 0.5, 9),
                evaluated(4, 0.8, 0.8, 10, "after"),
            ],
        )
    )
    assert outcome(run).sizes == [10], "nine of the ten were scored at step 2"


def test_items_of_one_id_are_paired_in_their_order(tmp_path: Path) -> None:
    run_of(tmp_path / "run")
    same = {"id": "twin"}
    write_items(
        tmp_path / "run",
        before=[item(0, True, True, **same), item(1, False, False, **same)],
        after=[item(0, True, True, **same), item(1, True, True, **same), item(2, True, True, **same)],
    )
    change = outcome(read_run(tmp_path / "run")).changes[EVAL_ANSWER_ACCURACY]
    assert (change.n, change.value) == (2, 0.5)


def test_gain_and_recovery_stand_beside_the_change(tmp_path: Path) -> None:
    ended = results(0.8, 0.8) | {"knowledge": {"rho_fp": 0.125, "rho_r": 0.25, "information_gain": 0.375}}
    run = with_items(tmp_path / "run", outcome=ended)
    figures = {one.name: (one.value, one.said) for one in headline(run, outcome(run), (0, 0))}
    assert figures["information gain"] == ("37.5%", "12.5% false positives + 25.0% recovered questions")
    assert figures["recovered by stage 2"] == ("4 of 10", "all-negative groups")
    assert "Stage 2 recovered 4 of 10 all-negative groups." in outcome_of(run)
    going = with_items(tmp_path / "going")
    assert [one.value for one in headline(going, outcome(going), (3, 8)) if one.name == "recovered by stage 2"] == [
        "3 of 8"
    ], "counted in the groups so far"
    assert not [one for one in headline(going, outcome(going), (0, 0)) if one.name == "recovered by stage 2"]


def test_runs_side_by_side_are_over_the_same_questions(tmp_path: Path) -> None:
    kept, bare = with_items(tmp_path / "kept"), read_run(run_of(tmp_path / "bare"))
    chart = next(c for c in comparison_charts([kept, bare]) if c.name == "compare-process-accuracy")
    assert [(row["run"], row["value"]) for row in chart.rows] == [
        ("kept", 1 / 4),
        ("kept", 0.5),
        ("kept", 3 / 4),
        ("bare, 10 questions", 0.6),
        ("bare, 4 questions", 0.5),
        ("bare, 10 questions", 0.8),
    ]
    assert "Runs that did not keep every item have a line for each set of questions" in chart.caption


def test_the_weights_that_were_kept_are_named(tmp_path: Path) -> None:
    run = with_items(tmp_path / "run", outcome=results(0.8, 0.8) | {"best_step": 2})
    assert "weights that were kept, those of step 2" in outcome_charts(run)[0].caption


@pytest.mark.parametrize(
    "row",
    [
        {"id": None},
        {"status": 1, "answer_correct": "yes"},
        {"images": {"a": 1}},
        {"source": ["x"]},
        {"images": [[1], None]},
    ],
    ids=str,
)
def test_items_may_hold_anything(tmp_path: Path, row: Record) -> None:
    rows = [item(n, right, right) | row for n, right in enumerate(BEFORE)]
    write_items(run_of(tmp_path / "run"), before=rows, after=rows)
    run = read_run(tmp_path / "run")
    json.dumps([chart.rows for chart in outcome_charts(run)])
    assert outcome_of(run).startswith("Held-out answer and process from 60.0%")
