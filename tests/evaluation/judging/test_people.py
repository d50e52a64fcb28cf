"""Samples of verdicts for people, and labels read back: by hand, and hostile files."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from contextrl.errors import InputError
from contextrl.evaluation.judging.labels import Label, people_agreement, read_labels
from contextrl.evaluation.judging.people import KINDS, Population, draw_sample, read_population, shared_out, sheet_row

#: What the judge says of response n: 12 accepted, 6 false positives, 6 rejected, 2 unscored.
STATUSES = ["correct"] * 12 + ["incorrect"] * 12 + ["unscored"] * 2


def verdict(number: int) -> dict[str, Any]:
    error = "missing: no verdict" if STATUSES[number] == "unscored" else None
    answer = number < 18
    return {"status": STATUSES[number], "answer_correct": answer, "process_correct": number < 12, "error": error}


def written(folder: Path, **changes: Any) -> Path:
    Image.new("RGB", (8, 8), (10, 20, 30)).save(folder / "a.png")
    lines = []
    for number in range(len(STATUSES)):
        row = {
            "id": f"r{number}",
            "question": f"What is {number} + 1?",
            "images": ["a.png"],
            "solution": f"Answer: {number + 1}",
            "answer": str(number + 1),
            "answer_type": "number",
            "response": f"It is {number + 1}. Answer: {number + 1}",
            "verdict": verdict(number),
        }
        lines.append(json.dumps({**row, **changes}) + "\n")
    path = folder / "verdicts.jsonl"
    path.write_text("".join(lines), encoding="utf-8")
    return path


@pytest.fixture
def population(tmp_path: Path) -> Population:
    return read_population(written(tmp_path))


def test_kinds_are_what_the_judge_said(population: Population) -> None:
    assert {kind: len(population.of(kind)) for kind in KINDS} == {"accepted": 12, "false positive": 6, "rejected": 6}
    assert population.unscored == 2


def test_a_sample_has_as_many_of_each_and_is_drawn_again_alike(population: Population) -> None:
    sample = draw_sample(population, 12, seed=3)
    assert Counter(item.kind for item in sample) == {"accepted": 4, "false positive": 4, "rejected": 4}
    assert [item.key for item in draw_sample(population, 12, seed=3)] == [item.key for item in sample]
    assert [item.key for item in draw_sample(population, 12, seed=4)] != [item.key for item in sample]
    assert [item.kind for item in sample] != sorted(item.kind for item in sample), "its order gives nothing away"
    assert len(draw_sample(population, 100, seed=0)) == 24


@pytest.mark.parametrize(
    ("count", "sizes", "shares"),
    [
        (9, [5, 5, 5], [3, 3, 3]),
        (10, [5, 5, 5], [4, 3, 3]),
        (10, [1, 2, 50], [1, 2, 7]),
        (2, [5, 5, 5], [1, 1, 0]),
        (9, [0, 3, 2], [0, 3, 2]),
        (0, [1, 1, 1], [0, 0, 0]),
    ],
)
def test_a_count_is_shared_out(count: int, sizes: list[int], shares: list[int]) -> None:
    assert shared_out(count, sizes) == shares


def test_a_sheet_tells_no_verdict_unless_asked(population: Population) -> None:
    blind, seen = (sheet_row(population.items[13], verdict=shown) for shown in (False, True))
    assert blind["label"] is None
    assert "incorrect" not in json.dumps(blind)
    assert seen["verdict"] == "incorrect"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"verdict": None}, "line 1.*contextrl judge verify", id="no-verdict"),
        pytest.param({"verdict": {"status": "maybe"}}, "expected a verdict", id="off-menu"),
        pytest.param({"verdict": {"status": "unscored", "error": "gone: x"}}, "found 26 unscored", id="all-unscored"),
        pytest.param({"images": ["../a.png"]}, "expected a picture in", id="outside"),
    ],
)
def test_what_is_no_file_of_verdicts_is_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    folder = tmp_path / "inner"
    folder.mkdir()
    with pytest.raises(InputError, match=message):
        read_population(written(folder, **changes))


def test_a_picture_that_cannot_be_shown_is_named(tmp_path: Path) -> None:
    path = written(tmp_path)
    (tmp_path / "a.png").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"r\d+: "):
        draw_sample(read_population(path), 3, seed=0)


def test_a_run_gives_attempts_and_pictures_of_its_own_only(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "images" / "p.png")
    (tmp_path / "config.yaml").write_text("method: contextrl\nseed: 0\n")
    attempts = [
        {"text": "Answer: 2", "verdict": {"status": "correct", "answer_correct": True, "process_correct": True}},
        {"text": "no verdict", "verdict": None},
        {"text": "Answer: 3", "verdict": {"status": "incorrect", "answer_correct": False}},
    ]
    group = {
        "step": 1,
        "example_id": "e",
        "question": "1 + 1?",
        "solution": "Answer: 2",
        "answer": "2",
        "answer_type": "number",
        "images": ["images/p.png"],
        "attempts": attempts,
    }
    (tmp_path / "groups.jsonl").write_text(json.dumps(group) + "\n")
    found = read_population(tmp_path)
    assert [item.key for item in found.items] == ["group-0-attempt-0", "group-0-attempt-2"]
    assert found.items[1].response == "Answer: 3"
    (tmp_path / "groups.jsonl").write_text(json.dumps({**group, "images": ["config.yaml"]}) + "\n")
    with pytest.raises(InputError, match="pictures within the run"):
        read_population(tmp_path)


# --- labels -----------------------------------------------------------------------------------------------------------


def labelled(folder: Path, *rows: object) -> Path:
    path = folder / "labels.jsonl"
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def test_labels_are_read_and_what_is_not_labelled_is_left_out(population: Population, tmp_path: Path) -> None:
    digest = population.items[0].digest
    rows = [
        {"id": "r0", "label": "correct", "digest": digest},
        {"id": "r1", "label": None},
        {"id": "r2"},
        {"id": "r3", "label": "unsure"},
        {"id": "r0", "label": "correct"},
    ]
    assert read_labels(labelled(tmp_path, *rows), population) == {"r0": "correct", "r3": "unsure"}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        pytest.param(["[]"], "line 1: expected a JSON object", id="no-object"),
        pytest.param([{"id": "r99", "label": "correct"}], "line 1: field 'id'.*'r99'", id="unknown-id"),
        pytest.param([{"label": "correct"}], "field 'id'", id="no-id"),
        pytest.param(
            [{"id": "r0", "label": "yes"}], "correct, incorrect, unsure or null, found 'yes'", id="unknown-label"
        ),
        pytest.param([{"id": "r0", "label": True}], "found 'True'", id="no-text"),
        pytest.param(
            [{"id": "r0", "label": "correct"}, {"id": "r0", "label": "incorrect"}],
            "line 2: .*incorrect here and correct in line 1",
            id="two-ways",
        ),
        pytest.param([{"id": "r0", "label": "correct", "digest": "0" * 12}], "another response", id="another-response"),
        pytest.param([{"id": "r25", "label": "correct"}], "field 'id'", id="unscored"),
    ],
)
def test_labels_that_mean_nothing_are_named(
    population: Population, tmp_path: Path, rows: list[object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        read_labels(labelled(tmp_path, *rows), population)


def of(accepted: str, false_positives: str, rejected: str) -> dict[str, Label]:
    """A letter a response, from the first of its kind on: correct, incorrect, unsure."""
    words: dict[str, Label] = {"c": "correct", "i": "incorrect", "u": "unsure"}
    places = [*enumerate(accepted, 0), *enumerate(false_positives, 12), *enumerate(rejected, 18)]
    return {f"r{place}": words[letter] for place, letter in places}


def test_agreement_is_by_kind_and_weighed_back(population: Population) -> None:
    found = people_agreement(population, [of("ccci", "iicc", "iiii")])
    assert [found.by_kind[kind].value for kind in KINDS] == [0.75, 0.5, 1.0]
    assert found.sample.value == pytest.approx(9 / 12)
    # 12 accepted, 6 false positives, 6 rejected of 24: 0.75 / 2 + 0.5 / 4 + 1 / 4.
    assert found.population.value == pytest.approx(0.75)
    # Of 24: 9 right and accepted, 3 wrong and accepted, 3 right and rejected, 9 wrong and rejected.
    assert found.population_kappa.value == pytest.approx(0.5)
    assert found.keeps_right == pytest.approx(9 / 12)
    assert found.rejects_wrong == pytest.approx(9 / 12)
    assert found.counts["labelled"] == 12
    assert found.between is None
    json.dumps(found.as_json(), allow_nan=False)


def test_what_people_do_not_agree_on_is_undecided(population: Population) -> None:
    found = people_agreement(population, [of("cccu", "iiu", "ii"), of("ccic", "iiu", "ii")])
    assert found.conflicts == ["r2"]
    assert found.counts["undecided"] == 2, "one in two ways, one that both are unsure of"
    assert found.by_kind["accepted"].n == 3, "who is unsure leaves it to the other"
    assert found.between is not None
    assert found.between[0].n == 7
    assert found.between[0].value == pytest.approx(6 / 7)


def test_a_kind_that_nobody_labelled_leaves_the_population_unknown(population: Population) -> None:
    found = people_agreement(population, [of("cc", "ii", "")])
    assert found.as_json()["population"]["value"] is None
    assert found.keeps_right is None
    assert found.sample.value == 1
    with pytest.raises(InputError, match="at least one label"):
        people_agreement(population, [of("uu", "", "")])
