"""What `contextrl compare` shows: table 1's layout, marks only where a difference holds, labels as text."""

from __future__ import annotations

import io
import json

import pytest
from made_benchmark import Made, outcome
from rich.console import Console
from test_model_comparison import perception

from contextrl.commands.compare_table import comparison_json, comparison_markdown, comparison_tables, remarks
from contextrl.evaluation.benchmarks.outcome import Outcome
from contextrl.evaluation.comparison import Comparison, ResultSet, compare

MARKUP = "run-[b]x[/b]|`y`"


def printed(found: Comparison, width: int = 80, *, paper: bool = True) -> str:
    console = Console(width=width, record=True, file=io.StringIO())
    for table in comparison_tables(found, width=width, paper=paper):
        console.print(table)
    return console.export_text()


def mathvista(right: int) -> dict[str, Outcome]:
    benchmark = Made(name="mathvista", title="MathVista", family="reasoning", columns={"accuracy": "MathVista"})
    return {"mathvista": outcome([1.0] * right + [0.0] * (40 - right), benchmark=benchmark)}


@pytest.fixture(scope="module")
def found() -> Comparison:
    better = {**perception(0.8, 1), **mathvista(30)}
    return compare([ResultSet("base", {**perception(0.2, 0), **mathvista(10)}), ResultSet(MARKUP, better)])


def cells(text: str, row: str) -> list[list[str]]:
    return [line.split()[1:] for line in text.splitlines() if line.strip().startswith(row)]


def test_the_papers_rows_stand_below_in_its_columns(found: Comparison) -> None:
    text = printed(found, 200)
    grpo = cells(text, "GRPO")
    assert grpo[0] == [
        "46.86",
        "71.87",
        "75.50",
        "58.09",
        "55.60",
        "80.50",
        "70.25",
        "75.38",
        "57.83",
        "50.67",
        "64.25",
    ]
    assert grpo[1] == ["78.80", "58.17"], "of reasoning the one benchmark that there is, and the printed average"
    assert "GRPO" not in printed(found, paper=False)


def test_nothing_is_wider_than_the_terminal(found: Comparison) -> None:
    for width in (80, 100, 200):
        assert max(len(line) for line in printed(found, width).splitlines()) <= width
    assert "Perception, percent (1 of 2)" in printed(found, 80)
    assert "Perception, percent\n" in "\n".join(line.rstrip() for line in printed(found, 200).splitlines())


def test_a_mark_stands_only_where_a_difference_holds(found: Comparison) -> None:
    text = printed(found, 200)
    marked = {(one.benchmark, one.metric) for one in found.differences if one.holds}
    assert ("mathvista", "accuracy") in marked
    rows = [line for line in text.splitlines() if line.strip().startswith("run-")]
    assert sum(line.count("▲") for line in rows[:2]) == len(marked)
    assert all("▲" not in line for line in text.splitlines() if line.strip().startswith("base"))
    alike = compare([ResultSet("a", mathvista(10)), ResultSet("b", mathvista(11))])
    assert "▲" not in printed(alike)
    turned = compare([ResultSet("a", mathvista(30)), ResultSet("b", mathvista(10))])
    assert "25.00▼" in printed(turned)
    assert "-50.00▼ [" in printed(turned)


def test_an_average_needs_all_its_benchmarks(found: Comparison) -> None:
    assert cells(printed(found, 200), "base")[1] == ["25.00", "–"]
    told = "\n".join(remarks(found))
    assert "base: no average of reasoning without MathVerse, LogicVista, We-Math, CharXiv-RQ, DynaMath." in told
    assert "no average of perception" not in told


def test_what_a_label_says_is_text(found: Comparison) -> None:
    assert "[b]x[/b]" in printed(found, 200).replace("\n", "")
    markdown = comparison_markdown(found)
    assert "run-\\[b\\]x\\[/b\\]\\|\\`y\\`" in markdown
    tables = [line for line in markdown.splitlines() if line.startswith("|")]
    widths = {line.replace("\\|", "").count("|") for line in tables}
    assert widths == {13, 4, 7}, "perception: a name, ten columns, the average; reasoning; differences"


def test_markdown_has_the_same_figures(found: Comparison) -> None:
    markdown = comparison_markdown(found)
    assert "| 25.00 ±" in markdown
    assert "| GRPO (paper) | 46.86 | 71.87 |" in markdown
    assert "probably 73.75" in markdown
    assert "(paper)" not in comparison_markdown(found, paper=False)


def test_json_is_of_numbers_between_0_and_1(found: Comparison) -> None:
    data = json.loads(json.dumps(comparison_json(found), allow_nan=False))
    base, other = data["models"]
    assert base["label"] == data["baseline"] == "base"
    assert base["benchmarks"]["mathvista"]["metrics"]["accuracy"]["value"] == 0.25
    assert (base["benchmarks"]["mathvista"]["protocol"], base["benchmarks"]["mathvista"]["n"]) == ("official", 40)
    assert base["averages"]["reasoning"]["value"] is None
    assert "MathVerse" in base["averages"]["reasoning"]["missing"]
    assert other["averages"]["perception"]["missing"] == []
    apart = next(one for one in data["differences"] if one["benchmark"] == "mathvista")
    assert (apart["difference"], apart["n"], apart["holds"]) == (0.5, 40, True)
    assert apart["ci95"][0] < 0.5 < apart["ci95"][1]
    # 20 of 40 questions gained: p = 2 / 2^20 by McNemar, times the differences that there are at most.
    assert apart["p"] == pytest.approx(2 / 2**20)
    assert apart["p"] < apart["p_adjusted"] <= 12 * apart["p"] * 1.001
    average = next(one for one in data["differences"] if one["benchmark"] is None)
    assert (average["family"], average["metric"], average["n"]) == ("perception", "average", 200)
    assert data["paper"]["rows"][0]["benchmarks"]["hallusionbench"]["f_acc"] == 0.5346
    assert "paper" not in comparison_json(found, paper=False)


def test_a_title_stands_once_above_its_columns() -> None:
    """Headings are the part alone, the title with the part, or the title with what the paper adds to it."""
    columns = {"worst": "DynaMath worst", "average": "overall", "third": "DynaMath-mini"}
    of_it = outcome([1.0, 0.0], benchmark=Made(name="dynamath", title="DynaMath", family="reasoning", columns=columns))
    found = compare([ResultSet(label, {"dynamath": of_it}) for label in "ab"])
    lines = [line.split() for line in printed(found).splitlines()]
    above = lines.index(["worst", "overall", "mini", "average"])
    assert lines[above - 1] == ["DynaMath", "DynaMath-"]
    header = comparison_markdown(found).partition("\n")[0]
    assert header == "| reasoning | DynaMath worst | DynaMath overall | DynaMath-mini | average |"


def test_what_a_reader_must_know_is_told() -> None:
    first, second = mathvista(10), mathvista(30)
    robust = Made(name="made", title="Made", family="reasoning", columns={"accuracy": "Made"})
    first["made"] = second["made"] = outcome([None, 1.0, 0.0], benchmark=robust, scorer="robust")
    found = compare([ResultSet("a", first), ResultSet("b", second)])
    told = "\n".join(remarks(found))
    assert "Protocol official: MathVista." in told
    assert "Protocol official, read by scorer robust: Made." in told
    assert "a: 1 questions of Made have no score." in told
    assert "Made: differences are over the 2 questions that all have a score for; 1 that one lacks" in told
    without_paper = compare([ResultSet("a", {"made": first["made"]}), ResultSet("b", {"made": first["made"]})])
    told = "\n".join(remarks(without_paper))
    assert "arXiv 2602" not in told
    assert "no average" not in told, "none was to be expected"
    assert "GRPO" not in printed(without_paper)
