"""Runs that are damaged or meant to harm: shown with what is damaged named, never a traceback or a wait."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from run_folders import finished_run, metrics, recovered, spread, write_run

from contextrl.commands.config import load_config, settings_of_the_method
from contextrl.commands.report import write_page
from contextrl.errors import InputError
from contextrl.records.files import write_atomically
from contextrl.records.jsonl import read_objects
from contextrl.records.run_data import read_run
from contextrl.records.run_directory import RunDirectory
from contextrl.report.groups import summarise_groups
from contextrl.report.page import build_page


def _folder(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.mkdir()


def _loop(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to(path.name)


def _pipe(path: Path) -> None:
    path.unlink(missing_ok=True)
    os.mkfifo(path)


KINDS = [(_folder, "a folder"), (_loop, "a link that leads to itself"), (_pipe, "a pipe or device")]
no_files = pytest.mark.parametrize(("make", "found"), KINDS, ids=["folder", "link-to-itself", "pipe"])


@no_files
@pytest.mark.parametrize(
    "name", ["environment.json", "metrics.jsonl", "groups.jsonl", "groups-1.jsonl", "results.json"]
)
def test_what_is_no_file_is_named(tmp_path: Path, name: str, make: Callable[[Path], None], found: str) -> None:
    folder = finished_run(tmp_path / "run")
    make(folder / name)
    run = read_run(folder)
    assert run.count_groups() == (0 if name == "groups.jsonl" else 12)
    assert f"Not readable in run: {name} ({found})" in build_page([run]).html


@no_files
def test_a_configuration_that_is_no_file(tmp_path: Path, make: Callable[[Path], None], found: str) -> None:
    make(tmp_path / "config.yaml")
    with pytest.raises(InputError, match=f"a file that can be read, found {found}"):
        read_run(tmp_path)
    with pytest.raises(InputError, match=f"a file that can be read, found {found}"):
        RunDirectory(tmp_path).settings()
    with pytest.raises(InputError, match=f"found {found}" if found == "a folder" else "found no such file"):
        load_config(tmp_path / "config.yaml")


@pytest.mark.parametrize(("text", "found"), [("", "NoneType"), ("- a", "list"), ("text", "str")])
def test_a_configuration_that_is_no_mapping(tmp_path: Path, text: str, found: str) -> None:
    (tmp_path / "config.yaml").write_text(text, encoding="utf-8")
    for read in (read_run, lambda path: RunDirectory(path).settings()):
        with pytest.raises(InputError, match=rf"a run's config\.yaml, a mapping, found {found}"):
            read(tmp_path)


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, '{"a": ' * 100_000, "NaN", "[1]", "\0", '{"step": ' + "9" * 5000 + "}"],
    ids=["lists", "objects", "nan", "list", "nul", "digits"],
)
@pytest.mark.parametrize("name", ["environment.json", "metrics.jsonl", "groups.jsonl", "results.json"])
def test_what_is_no_object_is_named(tmp_path: Path, name: str, text: str) -> None:
    folder = finished_run(tmp_path / "run")
    (folder / name).write_text(text, encoding="utf-8")
    assert f"Not readable in run: {name}" in build_page([read_run(folder)]).html


@pytest.mark.parametrize("text", ["[" * 100_000, "[1]", "nonsense"], ids=["deep", "list", "no-json"])
def test_a_run_to_resume_says_what_is_damaged(tmp_path: Path, text: str) -> None:
    for name in ("results.json", "metrics.jsonl"):
        (tmp_path / name).write_text(text + "\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"results\.json: expected"):
        RunDirectory(tmp_path).results()
    with pytest.raises(InputError, match=r"metrics\.jsonl, line 1: expected a JSON object"):
        list(read_objects(tmp_path / "metrics.jsonl"))


def test_depth_that_a_reader_could_not_walk_is_damage(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", steps=[metrics(1)])
    with (folder / "metrics.jsonl").open("a", encoding="utf-8") as file:
        deep, shallow = "[" * 300 + "]" * 300, f'"{"[" * 300}"'
        file.write(f'{{"step": 2, "loss": {deep}}}\n{{"step": 3, "loss": {shallow}}}\n')
    run = read_run(folder)
    assert (run.damaged, [step["step"] for step in run.steps]) == (["metrics.jsonl line 2"], [1, 3])


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("loss", "1e300", None),
        ("loss", "-1e39", None),
        ("loss", "1" + "0" * 400, None),
        ("loss", "-1e12", -1e12),
        ("kl", "3e38", 3e38),
        ("group/recovered", "-5", None),
        ("eval/process_accuracy", "1.01", None),
        ("eval/process_accuracy", "1.0", 1.0),
        ("judge/false_positive_rate", "1e9", None),
        ("judge/tokens", "1e9", 1e9),
    ],
)
def test_figures_that_cannot_be_are_named(tmp_path: Path, name: str, value: str, kept: float | None) -> None:
    folder = write_run(tmp_path / "run", steps=[metrics(1)])
    with (folder / "metrics.jsonl").open("a", encoding="utf-8") as file:
        file.write(f'{{"step": 2, "{name}": {value}}}\n')
    run = read_run(folder)
    assert run.steps[-1][name] == kept
    assert [place.startswith(f"metrics.jsonl line 2 ({name} ") for place in run.damaged] == [True] * (kept is None)
    assert build_page([run]).html


def test_results_that_cannot_be_are_named(tmp_path: Path) -> None:
    outcome = {"after": {"answer_accuracy": -5, "answer_accuracy_ci95": [0.1, 7], "n": 1e300}, "seconds": {"train": 1}}
    run = read_run(finished_run(tmp_path / "run", outcome=outcome))
    assert run.results is not None
    assert run.results["after"] == {"answer_accuracy": None, "answer_accuracy_ci95": [0.1, None], "n": None}
    assert [place.partition(" (")[2] for place in run.damaged] == [
        *("answer_accuracy -5)", "answer_accuracy_ci95 7)", "n 1e+300)")
    ]


@pytest.mark.parametrize("step", ["-1", "1e300", "true", '"3"', "9007199254740992", "null", "[1]"])
def test_lines_of_no_step_are_named(tmp_path: Path, step: str) -> None:
    folder = write_run(tmp_path / "run", steps=[metrics(1)])
    with (folder / "metrics.jsonl").open("a", encoding="utf-8") as file:
        file.write(f'{{"step": {step}, "loss": 1.0}}\n')
    run = read_run(folder)
    assert (len(run.steps), run.damaged) == (1, ["metrics.jsonl line 2 (no step)"])


def test_a_line_that_is_being_written_is_no_damage(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", steps=[metrics(1)], groups=[recovered(1)])
    for name in ("metrics.jsonl", "groups.jsonl"):
        with (folder / name).open("a", encoding="utf-8") as file:
            file.write('no json\n{"step": 2, "lo')
    run = read_run(folder, is_written=True)
    assert len(list(run.groups())) == 1
    assert run.damaged == ["metrics.jsonl line 2", "groups.jsonl line 2"]


@pytest.mark.parametrize(
    "config",
    [
        "train: {1: 2, null: 3, true: 4, 2020-01-01: 5}",
        "method: !!set {a}\nseed: !!binary aGk=",
        "train: !!pairs [a: 1]",
        "seed: .nan\ntrain: {max_steps: .inf, logging_steps: 1e300, num_iterations: 0, gradient_accumulation_steps: 0}",
        "method: [a]\ndata: 3\ntrain: x\neval: [1]",
        'method: "\\uD800"',
    ],
    ids=["keys", "set", "pairs", "numbers", "kinds", "surrogate"],
)
def test_configurations_of_other_forms_are_shown(tmp_path: Path, config: str) -> None:
    folder = finished_run(tmp_path / "run")
    (folder / "config.yaml").write_text(config, encoding="utf-8")
    runs = [read_run(folder), read_run(finished_run(tmp_path / "other"))]
    assert build_page(runs[:1]).html.encode()
    assert build_page(runs, method_settings=settings_of_the_method).html.encode()


def test_a_picture_that_links_to_itself(tmp_path: Path) -> None:
    names = ["images/a.png", "images/loop.png", "images/here/here/a.png", "images/gone.png"]
    folder = write_run(tmp_path / "run", groups=[recovered(1, images=names)])
    (folder / "images" / "loop.png").symlink_to("loop.png")
    (folder / "images" / "here").symlink_to(".")
    page = build_page([read_run(folder)])
    (group,) = page.gallery.groups
    assert (len(page.gallery.images), group["missing"]) == (1, 2), "here/here/a.png is a.png"


def test_a_run_that_links_to_itself(tmp_path: Path) -> None:
    (tmp_path / "run").symlink_to("run")
    with pytest.raises(InputError, match="a run directory"):
        write_page([tmp_path / "run"])


@no_files
def test_what_has_the_name_of_the_page_is_replaced(tmp_path: Path, make: Callable[[Path], None], found: str) -> None:
    folder = finished_run(tmp_path / "run")
    make(folder / "report.html")
    if found == "a folder":
        with pytest.raises(InputError, match="--output: expected a file to write, found a folder"):
            write_page([folder])
    else:
        assert write_page([folder]).is_file()


def test_a_link_under_the_scratch_name_leads_nobody_elsewhere(tmp_path: Path) -> None:
    """It would be written through: a run from a stranger could name any file of the reader's."""
    precious = tmp_path / "precious"
    precious.write_text("kept", encoding="utf-8")
    (tmp_path / ".report.html.partial").symlink_to(precious)
    write_atomically(tmp_path / "report.html", "page")
    assert precious.read_text(encoding="utf-8") == "kept"
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == "page"


def test_a_scratch_name_that_is_taken_is_said(tmp_path: Path) -> None:
    folder = finished_run(tmp_path / "run")
    (folder / ".report.html.partial").mkdir()
    with pytest.raises(InputError, match="--output: expected a place for the page"):
        write_page([folder])


def test_long_responses_take_no_longer_than_short_ones(tmp_path: Path) -> None:
    group = spread(1, solution=" ".join(f"w{n % 89}" for n in range(20_000)))
    group["attempts"][1]["text"] = " ".join(f"w{n % 97}" for n in range(20_000))
    run = read_run(write_run(tmp_path / "run", groups=[group]))
    started = time.process_time()
    assert summarise_groups(run).false_positives == 1
    assert time.process_time() - started < 30, "seconds, where comparing all words with all takes many minutes"


def test_names_that_every_object_has(tmp_path: Path) -> None:
    """Vega looks names up in objects, which have these already."""
    names = ["constructor", "__proto__", "toString", "constructors"]
    run = write_run(tmp_path / "run", groups=[spread(n, source=name) for n, name in enumerate(names, start=1)])
    (chart,) = (chart for chart in build_page([read_run(run)]).charts if chart.name == "kinds")
    assert {row["kind"] for row in chart.rows} == {"constructor\u200b", "__proto__\u200b", "toString\u200b", names[3]}
