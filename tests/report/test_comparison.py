"""Runs side by side: methods, labels and differences, against arithmetic by hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from run_folders import results, write_run

from contextrl.commands.config import settings_of_the_method
from contextrl.records.run_data import RunData, read_run, with_names_of_their_own
from contextrl.report.comparison import compare, comparison_charts, method_labels


def run(folder: Path, method: str, seed: int, process: float, **config: Any) -> RunData:
    name = f"{method}-{seed}-{len(list(folder.iterdir()))}"
    return read_run(
        write_run(folder / name, config={"method": method, "seed": seed, **config}, outcome=results(0.6, process))
    )


def test_welchs_test_by_hand(tmp_path: Path) -> None:
    """Means 0.50 and 0.30, variances 1e-4 each, n = 3: t = 0.2 / sqrt(2e-4 / 3) = 24.49 with 4 degrees of freedom.

    P(|T| > 24.49) with 4 degrees of freedom is 1.65e-5; one pair, so Holm leaves it.
    """
    runs = [run(tmp_path, "contextrl", n, 0.5 + 0.01 * (n - 1)) for n in range(3)]
    runs += [run(tmp_path, "grpo", n, 0.3 + 0.01 * (n - 1)) for n in range(3)]
    found = compare(runs)
    (process,) = [one for one in found.differences if one.measure == "process_accuracy"]
    assert process.difference == pytest.approx(0.2)
    assert process.p == pytest.approx(1.65e-5, rel=0.02)
    assert process.significant
    assert not found.untested


def test_noise_is_not_marked(tmp_path: Path) -> None:
    runs = [run(tmp_path, "contextrl", n, value) for n, value in enumerate((0.4, 0.6, 0.5))]
    runs += [run(tmp_path, "grpo", n, value) for n, value in enumerate((0.45, 0.35, 0.55))]
    assert not any(one.significant for one in compare(runs).differences)


def test_equal_numbers_are_no_difference(tmp_path: Path) -> None:
    runs = [run(tmp_path, method, seed, 0.5) for method in ("contextrl", "grpo") for seed in (0, 1)]
    assert [(one.difference, one.p) for one in compare(runs).differences] == [(0.0, None)] * 2


def test_a_difference_without_spread_is_shown_and_not_tested(tmp_path: Path) -> None:
    runs = [run(tmp_path, method, seed, p) for method, p in (("contextrl", 0.9), ("grpo", 0.5)) for seed in (0, 1)]
    (process,) = [one for one in compare(runs).differences if one.measure == "process_accuracy"]
    assert (process.difference, process.p, process.significant) == (pytest.approx(0.4), None, False)


def test_a_single_seed_is_not_tested(tmp_path: Path) -> None:
    runs = [run(tmp_path, "contextrl", 0, 0.5), run(tmp_path, "grpo", 0, 0.3), run(tmp_path, "grpo", 1, 0.31)]
    found = compare(runs)
    assert found.differences == []
    assert found.untested == ["contextrl"]


def test_a_run_twice_is_no_second_seed(tmp_path: Path) -> None:
    runs = [run(tmp_path, "contextrl", 0, 0.5), run(tmp_path, "contextrl", 0, 0.5)]
    (row,) = compare(runs).rows
    assert (row.seeds, row.repeated) == ("0", False)
    found = row.estimates["process_accuracy"]
    assert found is not None
    assert (found.mean, found.low) == (0.5, None), "the interval of one of them is not that of their mean"


def test_where_all_began(tmp_path: Path) -> None:
    runs = [run(tmp_path, "contextrl", 0, 0.5), run(tmp_path, "grpo", 0, 0.4)]
    assert compare(runs).before == {}
    began = [replace(one, results={**(one.results or {}), "before": {"process_accuracy": 0.39}}) for one in runs]
    assert compare(began).before == {"process_accuracy": 0.39}
    other = replace(runs[0], results={"before": {"process_accuracy": 0.2}})
    assert compare([*began, other]).before == {}, "runs of other policies"


def test_labels_say_what_tells_methods_apart(tmp_path: Path) -> None:
    runs = [
        run(tmp_path, "grpo", 0, 0.3, judge={"kind": "rules", "audit": "steps"}, train={"beta": 0.01}),
        run(tmp_path, "grpo", 0, 0.3, judge={"kind": "steps", "audit": None}, train={"beta": 0.01}),
        run(tmp_path, "contextrl", 0, 0.5, judge={"kind": "steps"}),
    ]
    expected = ["grpo (judge.kind rules)", "grpo (judge.kind steps)", "contextrl"]
    assert method_labels(runs, settings_of_the_method) == expected


def test_seeds_and_folders_make_no_other_method(tmp_path: Path) -> None:
    runs = [
        run(
            tmp_path,
            "grpo",
            seed,
            0.3,
            eval={"every": seed},
            judge={"base_url": f"http://127.0.0.1:800{seed}/v1", "budget": {"calls": seed}},
            train={"logging_steps": seed},
        )
        for seed in (0, 1, 2)
    ]
    assert set(method_labels(runs, settings_of_the_method)) == {"grpo"}


def test_a_setting_that_is_not_written_has_its_default(tmp_path: Path) -> None:
    runs = [run(tmp_path, "grpo", 0, 0.3), run(tmp_path, "grpo", 1, 0.3, judge={"gate": True, "context": "solution"})]
    assert set(method_labels(runs, settings_of_the_method)) == {"grpo"}


def test_what_makes_a_method_is_the_callers_to_say(tmp_path: Path) -> None:
    runs = [run(tmp_path, "grpo", n, 0.3, eval={"every": n}, train={"beta": 0.01 * n}) for n in (0, 1)]
    assert method_labels(runs) == ["grpo (eval.every 0)", "grpo (eval.every 1)"], "all but run_dir and seed"

    def beta(config: Mapping[str, Any]) -> dict[str, Any]:
        return {"beta": config["train"]["beta"]}

    labels = ["grpo (beta 0.0)", "grpo (beta 0.01)"]
    assert method_labels(runs, beta) == labels
    assert [row.label for row in compare(runs, beta).rows] == labels
    curves = [replace(one, steps=[{"step": 1, "reward": 0.5}]) for one in runs]
    assert [row["series"] for row in comparison_charts(curves, beta)[0].rows] == labels


def test_runs_in_folders_of_one_name_stay_apart(tmp_path: Path) -> None:
    for seed in (0, 1):
        (tmp_path / f"seed{seed}").mkdir()
        write_run(tmp_path / f"seed{seed}" / "demo", steps=[{"step": 1, "reward": 0.1 * seed}])
    runs = with_names_of_their_own([read_run(tmp_path / f"seed{seed}" / "demo") for seed in (0, 1)])
    assert [one.name for one in runs] == ["seed0/demo", "seed1/demo"]
    (chart,) = comparison_charts(runs)
    assert [row["run"] for row in chart.rows] == ["seed0/demo", "seed1/demo"]


def test_runs_that_go_on_are_in_the_curves_and_not_in_the_means(tmp_path: Path) -> None:
    going = read_run(write_run(tmp_path / "going", config={"method": "grpo"}, steps=[{"step": 1, "reward": 0.5}]))
    found = compare([going, run(tmp_path, "contextrl", 0, 0.5)])
    assert [row.estimates["process_accuracy"] is None for row in found.rows] == [True, False]
    (chart,) = comparison_charts([going])
    assert (chart.name, chart.rows[0]["run"]) == ("compare-reward", "going")


# scipy says so of values that are all equal; the p is right all the same.
@pytest.mark.filterwarnings("ignore:Precision loss:RuntimeWarning")
def test_holm_counts_only_what_was_tested(tmp_path: Path) -> None:
    """Of three pairs one has no spread; the other two p are adjusted for two comparisons, each in its own place."""
    values = {"contextrl": (0.75, 0.75, 0.75), "dapo": (0.5, 0.5, 0.5), "grpo": (0.5, 0.625, 0.375)}
    runs = [run(tmp_path, method, n, value) for method, own in values.items() for n, value in enumerate(own)]
    found = {(one.one, one.other): one.p for one in compare(runs).differences if one.measure == "process_accuracy"}
    # contextrl and grpo: t = (1/4) / sqrt((1/64) / 3) = sqrt(12) with 2 degrees of freedom, P = 1 − t / sqrt(2 + t²) =
    # 1 − sqrt(12 / 14) = 0.0742; dapo and grpo have equal means, P = 1. Holm: 2 · 0.0742 and 1.
    assert found == {
        ("contextrl", "dapo"): None,
        ("contextrl", "grpo"): pytest.approx(0.1484, abs=1e-4),
        ("dapo", "grpo"): pytest.approx(1.0),
    }
