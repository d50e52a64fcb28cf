"""Labelled sets: the public ones' schemas in rows of our own, references, and what is left out."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from contextrl.commands.judges import judge_from_config
from contextrl.errors import InputError
from contextrl.evaluation.judging.bench import chosen_contexts, run_bench
from contextrl.evaluation.judging.public_sets import guess_answer_type
from contextrl.evaluation.judging.sets import LabelledSet, load_labelled
from contextrl.judge.settings import JudgeConfig

PROCESS_ROWS: list[dict[str, Any]] = [
    {"id": "math-0", "generator": "m", "problem": "What is 1 + 1?", "final_answer_correct": True, "label": -1},
    {"id": "math-1", "generator": "m", "problem": "What is 1 + 2?", "final_answer_correct": True, "label": 0},
    {"id": "math-2", "generator": "m", "problem": "What is 2 + 2?", "final_answer_correct": False, "label": 1},
    # A right process cannot have a wrong answer, but the labels are the set's: the class is what they say.
    {"id": "math-3", "generator": "m", "problem": "What is 3 + 2?", "final_answer_correct": False, "label": -1},
]
for _row in PROCESS_ROWS:
    _row["steps"] = ["Add the two.", "So the answer is 2."]

REFERENCES = [{"id": row["id"], "answer": "2", "solution": "1 + 1 = 2. Answer: 2"} for row in PROCESS_ROWS]


def visual(**changes: Any) -> dict[str, Any]:
    row = {
        "image": ["shape.png"],
        "question": "<image>\nWhich colour is it?\nA. red\nB. blue",
        "answer": "A",
        "response": {"steps": ["It is red.", "The answer is A."], "process_correctness": [1, 1]},
        "policy_model": "m",
        "data_source": "ours",
    }
    return {**row, **changes}


def steps(*marks: int, last: str = "The answer is A.") -> dict[str, Any]:
    return {"steps": ["It is red."] * (len(marks) - 1) + [last], "process_correctness": list(marks)}


def write(path: Path, rows: Any) -> Path:
    path.parent.mkdir(exist_ok=True)
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    elif path.suffix == ".parquet":
        import pyarrow
        import pyarrow.parquet

        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(list(rows)), path)
    else:
        path.write_text(json.dumps(list(rows)), encoding="utf-8")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Image.new("RGB", (8, 8), "red").save(tmp_path / "shape.png")
    return tmp_path


def labels(found: LabelledSet) -> list[str]:
    return [item.label for item in found.items]


# --- ProcessBench -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".json", ".jsonl", ".parquet"])
def test_process_bench(folder: Path, suffix: str) -> None:
    found = load_labelled(f"processbench:{write(folder / f'math{suffix}', PROCESS_ROWS)}")
    assert labels(found) == ["true_positive", "false_positive", "wrong_answer", "wrong_answer"]
    assert found.contexts() == ("none",)
    assert found.items[0].response == "Add the two.\n\nSo the answer is 2."
    assert found.items[0].example.images == ()


def test_a_folder_holds_all_of_its_subsets(folder: Path) -> None:
    write(folder / "copy" / "math.json", PROCESS_ROWS)
    write(folder / "copy" / "gsm8k.json", [{**PROCESS_ROWS[0], "id": "gsm8k-0"}])
    (folder / "copy" / "README.md").write_text("a data set", encoding="utf-8")
    assert len(load_labelled(f"processbench:{folder / 'copy'}").items) == 5


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        pytest.param({"label": 2}, "'label'", id="label-beyond-the-steps"),
        pytest.param({"label": True}, "'label'", id="boolean-label"),
        pytest.param({"label": None}, "'label'", id="no-label"),
        pytest.param({"final_answer_correct": 1}, "final_answer_correct", id="no-boolean"),
        pytest.param({"steps": "one text"}, "'steps'", id="steps-are-text"),
        pytest.param({"steps": []}, "'steps'", id="no-steps"),
        pytest.param({"problem": " "}, "'problem'", id="no-problem"),
    ],
)
def test_a_wrong_row_of_process_bench_is_named(folder: Path, changes: dict[str, Any], words: str) -> None:
    path = write(folder / "math.jsonl", [PROCESS_ROWS[0], {**PROCESS_ROWS[1], **changes}])
    with pytest.raises(InputError, match=words) as caught:
        load_labelled(f"processbench:{path}")
    assert "line 2" in str(caught.value)


# --- VisualProcessBench -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "label"),
    [
        pytest.param({}, "true_positive", id="all-right"),
        pytest.param({"response": steps(1, 0, 1)}, "true_positive", id="a-neutral-step-is-no-mistake"),
        pytest.param({"response": steps(1, -1, 1)}, "false_positive", id="one-wrong-step"),
        pytest.param({"response": steps(1, 1, last="The answer is B.")}, "wrong_answer", id="wrong-answer"),
        pytest.param({"response": json.dumps(steps(1, -1))}, "false_positive", id="response-as-json-text"),
        pytest.param({"image": "shape.png"}, "true_positive", id="one-image-as-text"),
        pytest.param({"answer": 5, "response": steps(1, last="Answer: 5")}, "true_positive", id="number-as-answer"),
    ],
)
def test_visual_process_bench(folder: Path, changes: dict[str, Any], label: str) -> None:
    found = load_labelled(f"visualprocessbench:{write(folder / 'test.jsonl', [visual(**changes)])}")
    assert labels(found) == [label]
    assert found.contexts() == ("none", "answer")
    example = found.items[0].example
    assert "<image>" not in example.question
    assert example.images == (folder / "shape.png",)


def test_doubtful_answers_are_left_out_and_counted(folder: Path) -> None:
    doubtful = visual(response=steps(1, last="I cannot tell."))
    found = load_labelled(f"visualprocessbench:{write(folder / 'test.jsonl', [visual(), doubtful])}")
    assert (len(found.items), found.left_out) == (1, {"doubtful final answer": 1})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        pytest.param({"response": steps(1, 2)}, "-1, 0 or 1", id="unknown-mark"),
        pytest.param({"response": {"steps": ["a", "b"], "process_correctness": [1]}}, "2 steps", id="a-mark-too-few"),
        pytest.param({"response": "text"}, "'response'", id="no-steps"),
        pytest.param({"image": ["gone.png"]}, "gone.png", id="missing-image"),
        pytest.param({"answer": None}, "'answer'", id="no-answer"),
    ],
)
def test_a_wrong_row_of_visual_process_bench_is_named(folder: Path, changes: dict[str, Any], words: str) -> None:
    path = write(folder / "test.jsonl", [visual(**changes)])
    with pytest.raises(InputError, match=words) as caught:
        load_labelled(f"visualprocessbench:{path}")
    assert "test.jsonl" in str(caught.value)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ("A", "choice"),
        ("(C)", "choice"),
        ("Yes", "yes_no"),
        ("12.5", "number"),
        ("1,200", "number"),
        (r"\frac{1}{2}", "math"),
        ("x^2 + 1", "math"),
        ("red circle", "text"),
    ],
)
def test_the_type_of_an_answer_that_nobody_states(answer: str, kind: str) -> None:
    assert guess_answer_type(answer) in ({kind, "number"} if kind == "math" else {kind})


# --- references -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["id", "question", "problem"])
def test_references_open_the_other_contexts(folder: Path, key: str) -> None:
    sources = {"id": "id", "question": "problem", "problem": "problem"}
    rows = [
        {key: f" {row[sources[key]]} " if key != "id" else row["id"], "answer": "2", "solution": "1 + 1 = 2. Answer: 2"}
        for row in PROCESS_ROWS
    ]
    path = write(folder / "math.jsonl", PROCESS_ROWS)
    found = load_labelled(f"processbench:{path}", references=write(folder / "references.jsonl", rows))
    assert found.contexts() == ("none", "answer", "solution")
    assert found.items[3].example.solution == "1 + 1 = 2. Answer: 2"


def test_items_without_a_reference_are_left_out_of_every_context(folder: Path) -> None:
    path = write(folder / "math.jsonl", PROCESS_ROWS)
    found = load_labelled(f"processbench:{path}", references=write(folder / "r.jsonl", REFERENCES[:3]))
    assert (len(found.items), found.left_out) == (3, {"no reference": 1})


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        pytest.param([{"id": "other", "answer": "2", "solution": "s"}], "this set's items", id="none-matches"),
        pytest.param([{"id": "math-0"}], "answer", id="neither-answer-nor-solution"),
        pytest.param([{"id": "math-0", "answer": 2, "solution": "s"}], "as text", id="number"),
        pytest.param([{"answer": "2", "solution": "s"}], "`id` or `question`", id="nameless"),
        pytest.param(
            [{"id": "math-0", "answer": "2"}, {"id": "math-0", "answer": "3"}], "another for 'math-0'", id="id-twice"
        ),
        pytest.param(
            [{"question": "What is 1 + 1?", "answer": answer} for answer in "23"], "one reference", id="ambiguous"
        ),
    ],
)
def test_references_that_do_not_fit(folder: Path, rows: list[dict[str, Any]], words: str) -> None:
    path = write(folder / "math.jsonl", PROCESS_ROWS)
    with pytest.raises(InputError, match=words):
        load_labelled(f"processbench:{path}", references=write(folder / "r.jsonl", rows))


# --- one's own, limits, contexts --------------------------------------------------------------------------------------


def own(**changes: Any) -> dict[str, Any]:
    row = {"question": "Q?", "images": [], "answer": "2", "answer_type": "number", "response": "Answer: 2"}
    return {**row, "solution": "1 + 1 = 2", "answer_correct": True, "process_correct": False, **changes}


def test_a_file_of_ones_own(folder: Path) -> None:
    rows = [own(id="a"), own(id="b", process_correct=True), own(id="c", answer_correct=False)]
    found = load_labelled(str(write(folder / "own.jsonl", rows)))
    assert labels(found) == ["false_positive", "true_positive", "wrong_answer"]
    assert found.contexts() == ("none", "answer", "solution")
    without = load_labelled(str(write(folder / "own.jsonl", [own(id="a"), own(id="b", solution=None)])))
    assert without.contexts() == ("none", "answer")


@pytest.mark.parametrize("flag", ["answer_correct", "process_correct"])
@pytest.mark.parametrize("value", [None, 1, "true"])
def test_labels_are_true_or_false(folder: Path, flag: str, value: Any) -> None:
    with pytest.raises(InputError, match=f"'{flag}': expected true or false"):
        load_labelled(str(write(folder / "own.jsonl", [own(**{flag: value})])))


def test_a_limit_draws_at_random_and_the_same_again(folder: Path) -> None:
    """Files are often sorted by class: the first rows would hold one class alone."""
    rows = [own(id=f"f{n}") for n in range(50)] + [own(id=f"t{n}", process_correct=True) for n in range(50)]
    path = str(write(folder / "own.jsonl", rows))
    found = load_labelled(path, limit=20)
    assert len(found.items) == 20
    assert set(labels(found)) == {"false_positive", "true_positive"}
    assert found == load_labelled(path, limit=20)
    assert found != load_labelled(path, limit=20, seed=1)
    ids = [item.example.id for item in found.items]
    assert ids == sorted(ids, key=[row["id"] for row in rows].index)


@pytest.mark.parametrize("spec", ["nowhere.jsonl", "processbench:", "visualprocessbench:nowhere", "mathvista"])
def test_nothing_there(spec: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder / "..")
    with pytest.raises(InputError):
        load_labelled(spec)


@pytest.mark.parametrize(
    ("judge", "wanted", "chosen"),
    [
        pytest.param("steps", [], ["none", "answer"], id="all-that-are-served"),
        pytest.param("steps", ["answer", "answer"], ["answer"], id="once"),
        pytest.param("rules", [], ["answer"], id="rules-see-the-answer"),
        pytest.param("steps", ["solution"], "reference solution", id="not-served"),
        pytest.param("rules", ["none"], "rules", id="rules-without-answer"),
        pytest.param("steps", ["all"], "none, answer, documents or solution", id="unknown"),
    ],
)
def test_contexts(folder: Path, judge: Any, wanted: list[str], chosen: Any) -> None:
    data = load_labelled(str(write(folder / "own.jsonl", [own(solution="")])))
    if isinstance(chosen, list):
        assert chosen_contexts(data, wanted, JudgeConfig(kind=judge)) == chosen
        return
    with pytest.raises(InputError, match=chosen):
        chosen_contexts(data, wanted, JudgeConfig(kind=judge))


def test_the_second_judge_must_be_able_to_judge(folder: Path) -> None:
    data = load_labelled(f"processbench:{write(folder / 'math.jsonl', PROCESS_ROWS)}")
    with pytest.raises(InputError, match="reference answer"):
        run_bench(
            data, JudgeConfig(), ["none"], judge_from_config, lambda total: None, second=JudgeConfig(kind="rules")
        )  # type: ignore[arg-type,return-value]


def test_responses_to_one_question_belong_together(folder: Path) -> None:
    data = load_labelled(str(write(folder / "own.jsonl", [own(id="a"), own(id="b"), own(id="c", question="R?")])))
    assert sorted(Counter(item.question_key for item in data.items).values()) == [1, 2]


def test_documents_are_a_context_where_every_response_has_them(folder: Path) -> None:
    told = {"documents": ["The first digit is a 4."]}
    every = load_labelled(str(write(folder / "own.jsonl", [own(**told), own(id="b", **told)])))
    assert chosen_contexts(every, [], JudgeConfig(kind="steps")) == ["none", "answer", "documents", "solution"]
    some = load_labelled(str(write(folder / "own.jsonl", [own(**told), own(id="b")])))
    assert "documents" not in some.contexts()
    with pytest.raises(InputError, match=r"documents for every response.*none for 1 of 2 \(b\)"):
        chosen_contexts(some, ["documents"], JudgeConfig(kind="steps"))
