"""Every chart is one that Vega-Lite can draw, and shows the run's own numbers."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import vl_convert
from rich.console import Console
from run_folders import evaluated, finished_run, metrics, recovered, results, write_run

from contextrl.records.metrics import (
    EVAL_BY_SOURCE,
    EVAL_PROCESS_ACCURACY,
    GROUP_OF,
    JUDGE_COST_OF,
    KL,
    METRICS,
    STAGE2_REJECTED,
    interval_of,
)
from contextrl.records.run_data import RunData, read_run
from contextrl.report.charts import DERIVED, all_charts, discovery_charts, judge_charts, kind_rows, optimisation_charts
from contextrl.report.comparison import compare, comparison_charts, method_charts
from contextrl.report.figures import for_paper, write_figures
from contextrl.report.groups import summarise_groups
from contextrl.report.outcome import class_rows, outcome, outcome_of
from contextrl.report.page import RunView
from contextrl.report.palette import COLOURS, colours_of, dashes
from contextrl.report.specs import VEGA_LITE, Chart, legend_of, lines, smoothing, thinned

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunData:
    return read_run(finished_run(tmp_path_factory.mktemp("runs") / "run"))


def charts_of(run: RunData) -> dict[str, Chart]:
    return {
        chart.name: chart
        for chart in [*all_charts(RunView(run, summarise_groups(run)).charts), *comparison_charts([run])]
    }


def test_every_chart_is_drawn_with_marks_for_its_rows(run: RunData) -> None:
    charts = charts_of(run)
    assert {"outcome", "groups", "funnel", "retries", "kinds", "gap", "kl", "step-time", "compare-reward"} <= set(
        charts
    )
    for name, chart in charts.items():
        svg = ElementTree.fromstring(vl_convert.vegalite_to_svg(for_paper(chart.spec), vl_version=VEGA_LITE))
        marks = [e for e in svg.iter(f"{SVG}g") if (e.get("class") or "").startswith("mark-") and len(e)]
        drawn = [e.get("class", "") for e in marks if "role-mark" in e.get("class", "")]
        assert drawn, f"{name} has no marks"


def test_held_out_accuracy_by_class_over_steps(tmp_path: Path) -> None:
    def at(step: int, easy: float, hard: float) -> dict[str, Any]:
        shares = {"d/sum/easy": easy, "d/sum/hard": hard, "d/read/hard": hard}
        parts = {name: {"n": 2, "answer_accuracy": 1.0, "process_accuracy": v} for name, v in shares.items()}
        return {"step": step, EVAL_BY_SOURCE: parts}

    (tmp_path / "config.yaml").write_text("seed: 0")
    lines_ = [at(0, 1.0, 0.0), {"step": 1, EVAL_BY_SOURCE: "damaged"}, at(2, 0.5, 0.75)]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines_))
    run = read_run(tmp_path)
    assert class_rows(outcome(run)) == [
        {"step": 0, "value": 1.0, "series": "easy", "questions": 2},
        {"step": 0, "value": 0.0, "series": "hard", "questions": 4},
        {"step": 2, "value": 0.75, "series": "hard", "questions": 4},
        {"step": 2, "value": 0.5, "series": "easy", "questions": 2},
    ]
    assert "outcome-by-class" in charts_of(run)


def test_charts_ask_for_metrics_that_exist(run: RunData, monkeypatch: pytest.MonkeyPatch) -> None:
    """A metric that is renamed or dropped takes its chart with it, silently: a chart without rows is left out."""
    asked: set[str] = set()

    class Step(dict[str, Any]):
        def get(self, name: str, default: Any = None) -> Any:
            asked.add(name)
            return super().get(name, default)

    def series(self: RunData, name: str) -> list[tuple[int, float]]:
        asked.add(name)
        return original(self, name)

    original = RunData.series
    monkeypatch.setattr(RunData, "series", series)
    watched = replace(run, steps=[Step(record) for record in run.steps])
    charts_of(watched)
    outcome_of(watched)
    seen = {EVAL_PROCESS_ACCURACY, interval_of(EVAL_PROCESS_ACCURACY), GROUP_OF["all_negative"], KL}
    assert asked >= seen | {JUDGE_COST_OF["gated"], *STAGE2_REJECTED.values(), *DERIVED}, "this test sees what is asked"
    assert not METRICS.keys() & set(DERIVED)
    # The evaluations around training say so, and `step` is whose metrics they are.
    assert asked - METRICS.keys() - {interval_of(name) for name in METRICS} - {"before", "after"} == set(DERIVED)


def test_runs_of_these_tests_have_metrics_that_exist() -> None:
    written = metrics(1) | evaluated(0.5, 0.4)
    assert written.keys() - METRICS.keys() - {interval_of(name) for name in METRICS} == {"step"}


def test_groups_add_up_to_one(run: RunData) -> None:
    rows = charts_of(run)["groups"].rows
    for step in (1, 2, 3, 4):
        assert sum(row["value"] for row in rows if row["step"] == step) == pytest.approx(1.0)
    first = {row["series"]: row["value"] for row in rows if row["step"] == 1}
    assert first["all-negative, nothing kept"] == pytest.approx(0.25)
    assert first["all-negative, recovered"] == pytest.approx(0.25)


def test_step_time_has_its_rest(run: RunData) -> None:
    first = {row["series"]: row["value"] for row in charts_of(run)["step-time"].rows if row["step"] == 1}
    assert first["update and the rest"] == pytest.approx(0.6)
    assert sum(first.values()) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("train", "stage1"),
    [
        ({"num_iterations": 2}, 0.1),  # a line has its rollout or none
        ({"num_iterations": 2, "logging_steps": 10}, 0.05),  # every second of ten steps has one
        ({"gradient_accumulation_steps": 4, "steps_per_generation": 1}, 0.4),  # four rollouts in a step
        ({"gradient_accumulation_steps": 4}, 0.1),
    ],
    ids=["each-step", "averaged", "several", "accumulated"],
)
def test_parts_of_a_step_are_those_of_its_share_of_a_rollout(
    tmp_path: Path, train: dict[str, int], stage1: float
) -> None:
    run = read_run(finished_run(tmp_path / "run", config={"train": train}))
    first = {row["series"]: row["value"] for row in charts_of(run)["step-time"].rows if row["step"] == 1}
    assert first["stage 1"] == pytest.approx(stage1)
    assert sum(first.values()) == pytest.approx(max(1.0, 4 * stage1))


@pytest.mark.parametrize("names", [[f"{n}" for n in range(30)], ["answer", "unscored", *map(str, range(28))]])
def test_no_two_series_have_colour_and_dash_alike(names: list[str]) -> None:
    line = lines([{"step": 1, "value": 1.0, "series": name} for name in names], "y")["layer"][0]["encoding"]
    looks = list(zip(line["color"]["scale"]["range"], map(tuple, line["strokeDash"]["scale"]["range"]), strict=True))
    assert len(set(looks)) == 30
    assert len({(colour, tuple(dash)) for colour, dash in zip(COLOURS * 8, dashes(COLOURS * 8), strict=True)}) == 64


def colours_in(chart: Chart) -> dict[str, str]:
    return {look.name: look.colour for look in legend_of(chart.spec)}


def test_what_means_the_same_has_one_colour_and_one_colour_means_one_thing(run: RunData) -> None:
    charts = charts_of(run)
    outcome_, gap = colours_in(charts["outcome"]), colours_in(charts["gap"])
    assert outcome_["answer"] == gap["right answer"]
    assert outcome_["answer and process"] == gap["right answer and process"]
    assert colours_in(charts["groups"])["all-negative, recovered"] == colours_in(charts["retries"])["kept"]
    for name, chart in charts.items():
        if not name.startswith("compare-"):
            assert len(set(colours_in(chart).values())) == len(colours_in(chart)), name
    taken = {*outcome_.values(), *gap.values()}
    assert taken.isdisjoint(colours_in(charts["loss"]).values()), "a line that means neither"


def test_a_series_that_is_left_out_leaves_the_others_their_colours(tmp_path: Path) -> None:
    whole = read_run(write_run(tmp_path / "a", steps=[metrics(1, **{"stage2/truncated": 2.0})]))
    less = read_run(write_run(tmp_path / "b", steps=[metrics(1, **{"stage2/kept": 0.0})]))
    (one, other) = (
        colours_in(next(c for c in discovery_charts(run, summarise_groups(run)) if c.name == "retries"))
        for run in (whole, less)
    )
    assert set(one) - set(other) == {"kept", "truncated"}
    assert {name: one[name] for name in other} == other


def test_methods_keep_their_colour_where_others_have_no_numbers(tmp_path: Path) -> None:
    sft = write_run(tmp_path / "sft", config={"method": "sft"}, steps=[{"step": 1, **evaluated(0.5, 0.4)}])
    grpo = finished_run(tmp_path / "grpo", config={"method": "grpo"})
    charts = {chart.name: chart for chart in comparison_charts([read_run(sft), read_run(grpo)])}
    assert {row["series"] for row in charts["compare-reward"].rows} == {"grpo"}
    assert colours_in(charts["compare-reward"]) == colours_in(charts["compare-process-accuracy"])


def test_series_over_other_questions_have_the_colour_of_what_they_mean() -> None:
    names = ["answer, 1,000 questions", "answer, 300 questions", "rare, 1,000 questions", "rare, 300 questions", "b, c"]
    colours = colours_of(names)
    assert colours[0] == colours[1] == colours_of(["answer"])[0]
    assert colours[2] == colours[3] not in (colours[0], colours[4])


def test_what_is_zero_at_every_step_is_named_and_not_drawn(tmp_path: Path) -> None:
    steps = [metrics(n, **{"clip_ratio/low_mean": 0.0, "clip_ratio/high_mean": 0.0}) for n in (1, 2)]
    run = read_run(write_run(tmp_path / "run", steps=steps))
    trust = next(chart for chart in judge_charts(run) if chart.name == "false-positives")
    assert (list(trust.zero), set(colours_in(trust))) == (["unscored"], {"false positives"})
    clip = next(chart for chart in optimisation_charts(run) if chart.name == "clip")
    assert (list(clip.zero), clip.rows) == (["low", "high"], [])
    assert "clip" not in {chart.name for chart in all_charts({"": [clip, trust]})}, "nothing to draw"
    late = read_run(write_run(tmp_path / "late", steps=[metrics(1), metrics(2, **{"judge/unscored": 0.1})]))
    trust = next(chart for chart in judge_charts(late) if chart.name == "false-positives")
    assert (list(trust.zero), set(colours_in(trust))) == ([], {"false positives", "unscored"})


def test_methods_are_dots_with_intervals_and_seeds_are_points(tmp_path: Path) -> None:
    """Two seeds at 0.5 and 0.52: a mean of 0.51, t = 12.706 with one degree of freedom, so ± 12.706 · 0.01 = 0.127."""
    folders = [
        finished_run(tmp_path / f"{method}-{seed}", config={"method": method, "seed": seed}, outcome=results(0.6, p))
        for method, seed, p in (("contextrl", 0, 0.5), ("contextrl", 1, 0.52), ("grpo", 0, 0.3))
    ]
    runs = [
        replace(r, results=(r.results or {}) | {"before": {"process_accuracy": 0.25}}) for r in map(read_run, folders)
    ]
    chart = next(chart for chart in method_charts(compare(runs)) if "process" in chart.name)
    assert [(row["series"], row["what"], row["value"]) for row in chart.rows] == [
        ("contextrl", "mean", pytest.approx(0.51)),
        ("contextrl", "seed", 0.5),
        ("contextrl", "seed", 0.52),
        ("grpo", "mean", 0.3),
        ("grpo", "seed", 0.3),
    ]
    first, single = chart.rows[0], chart.rows[3]
    assert (first["low"], first["high"]) == (pytest.approx(0.51 - 0.127, abs=1e-3), pytest.approx(0.637, abs=1e-3))
    assert (single["low"], single["high"]) == (pytest.approx(0.2), pytest.approx(0.4)), "a run's own"
    svg = ElementTree.fromstring(svg_of(chart))
    drawn = {
        name: sum(len(g) for g in svg.iter(f"{SVG}g") if f"{name}_marks" in (g.get("class") or ""))
        for name in ("before", "names", "intervals", "seeds", "means")
    }
    assert drawn == {"before": 1, "names": 2, "intervals": 2, "seeds": 3, "means": 2}
    assert method_charts(compare([replace(runs[0], results=None)])) == [], "no run has ended"


def svg_of(chart: Chart) -> str:
    return vl_convert.vegalite_to_svg(for_paper(chart.spec), vl_version=VEGA_LITE)


def test_a_run_of_one_step_has_marks_that_can_be_seen(tmp_path: Path) -> None:
    """A line through one point and an area over one step have no extent."""
    run = read_run(write_run(tmp_path / "run", steps=[metrics(1)]))
    charts = {chart.name: chart for chart in all_charts(RunView(run, summarise_groups(run)).charts)}
    for name in ("reward", "gap", "groups", "step-time"):
        svg = ElementTree.fromstring(svg_of(charts[name]))
        kind = "mark-symbol" if name in ("reward", "gap") else "mark-rect"
        paths = [p for g in svg.iter(f"{SVG}g") if kind in (g.get("class") or "") for p in g.iter(f"{SVG}path")]
        shown = [p for p in paths if p.get("opacity") != "0" and "role-mark" not in (p.get("class") or "")]
        assert len(shown) >= 2, name


def test_a_figure_for_a_paper_has_every_name_in_its_legend(tmp_path: Path) -> None:
    folders = [
        finished_run(tmp_path / f"run{n}", config={"method": "contextrl", "train": {"learning_rate_of_the_policy": n}})
        for n in range(21)
    ]
    chart = next(c for c in comparison_charts([read_run(f) for f in folders]) if c.name == "compare-reward")
    svg = svg_of(chart)
    for name in colours_in(chart):
        assert f">{name}<" in svg, "whole, not shortened"
    assert len(colours_in(chart)) == 21


def test_kinds_are_shown_without_what_all_begin_with(tmp_path: Path) -> None:
    groups = [recovered(1, source=f"set/{kind}") for kind in ("sum/rare", "sum/common", "read/rare")]
    run = read_run(write_run(tmp_path / "run", groups=groups))
    chart = next(c for c in discovery_charts(run, summarise_groups(run)) if c.name == "kinds")
    svg = svg_of(chart)
    assert ">sum/rare<" in svg
    assert ">set/sum/rare<" not in svg
    assert chart.rows[0]["kind"].startswith("set/")
    assert svg.count(">+1<") == 3, "how many groups stage 2 recovered, for each kind"


def test_outcome_has_intervals(run: RunData) -> None:
    rows = [row for row in charts_of(run)["outcome"].rows if row["series"] == "answer and process"]
    assert [(r["step"], r["value"], r["low"], r["high"]) for r in rows] == [
        (0, 0.4, pytest.approx(0.3), pytest.approx(0.5)),
        (4, 0.55, pytest.approx(0.45), pytest.approx(0.65)),
    ]


def test_kinds_over_parts_of_the_run(run: RunData) -> None:
    rows = kind_rows(summarise_groups(run).kinds)
    # Each step has a recovered group, one with spread and one that is unreachable.
    assert [(row["steps"], row["groups"], row["recovered"]) for row in rows] == [(str(n), 3, 1) for n in range(1, 5)]
    assert all(row["share"] == pytest.approx(1 / 3, abs=1e-4) for row in rows)


def test_what_a_run_does_not_have_is_left_out(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path / "sft", config={"method": "sft"}, steps=[{"step": 1, "loss": 2.0}]))
    assert [chart.name for chart in optimisation_charts(run)] == ["loss"]
    assert discovery_charts(run, summarise_groups(run)) == []


def test_long_runs_are_thinned_to_means() -> None:
    series = [(step, float(step)) for step in range(1, 1001)]
    thin = thinned(series, 400)
    assert len(thin) <= 400
    assert thin[0] == (3, 2.0)
    assert thinned(series[:300], 400) == series[:300]


def test_many_steps_are_averaged_and_few_are_not() -> None:
    rows = [{"step": n, "value": 1.0, "series": "a"} for n in range(96)]
    assert (smoothing(rows), smoothing(rows[:30])) == (3, 0)
    assert lines(rows, "y")["transform"][0]["frame"] == [-3, 3]
    assert lines(rows[:30], "y")["transform"] == []


def test_series_differ_in_dash_as_well_as_colour(run: RunData) -> None:
    layer = charts_of(run)["kl"].spec["layer"][-2]["encoding"]
    assert len({tuple(dash) for dash in layer["strokeDash"]["scale"]["range"]}) == 2
    assert len(set(layer["color"]["scale"]["range"])) == 2


def test_figures_are_written_as_svg_and_png(run: RunData, tmp_path: Path) -> None:
    chart = charts_of(run)["outcome"]
    written = write_figures([chart], tmp_path / "figures", Console(quiet=True))
    assert [path.name for path in written] == ["outcome.svg", "outcome.png"]
    assert written[0].read_text(encoding="utf-8").startswith("<svg")
    assert written[1].read_bytes().startswith(b"\x89PNG")


def test_text_of_a_run_is_data_in_a_chart_not_a_program(tmp_path: Path) -> None:
    """Kinds and labels come from data: Vega reads expressions only from specifications, which are ours."""
    folder = finished_run(tmp_path / "run", config={"method": "'+alert(1)+'"})
    chart = comparison_charts([read_run(folder)])[0]
    assert "alert" not in str({k: v for k, v in chart.spec.items() if k not in ("data", "layer")})
    for layer in chart.spec["layer"]:
        assert layer["encoding"].pop("color")["scale"]["domain"] == ["'+alert(1)+'"]
        layer["encoding"].pop("strokeDash", None)
        assert "alert" not in str(layer)
    (dots,) = [one for one in method_charts(compare([read_run(folder)])) if "process" in one.name]
    for layer in dots.spec["layer"]:
        for channel in ("color", "y"):
            scale = layer["encoding"].get(channel, {}).pop("scale", {})
            assert scale.get("domain", ["'+alert(1)+'"]) == ["'+alert(1)+'"]
        assert "alert" not in str(layer)
