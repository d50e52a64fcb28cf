"""DynaMath: floats, options and texts as each scorer reads them; what holds in all ten variants."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from contextrl.errors import InputError
from contextrl.evaluation.benchmarks.benchmark import CONFIG
from contextrl.evaluation.benchmarks.dynamath import DynaMath
from contextrl.evaluation.benchmarks.items import Item, Mark, Response, Scored, Scorer
from contextrl.evaluation.benchmarks.rows import Items
from contextrl.evaluation.benchmarks.steps import Ask, finish, without_judge

BENCHMARK = DynaMath()
YES_NO = "Is the red bar higher than the blue one? Choices: (A) yes (B) no"


def row(answer_type: str, answer: str, **columns: Any) -> dict[str, Any]:
    made = {
        CONFIG: "sample_variant3",
        "id": "12",
        "question": YES_NO if answer_type == "multiple choice" else "What does the graph show?",
        "image": "image/image12.png",
        "decoded_image": Image.new("RGB", (4, 4)),
        "ground_truth": answer,
        "answer_type": answer_type,
        "subject": "algebra",
        "knowledge_level": "high school",
    }
    return {**made, **columns}


def item(answer_type: str, answer: str, **columns: Any) -> Item:
    made = BENCHMARK.item(row(answer_type, answer, **columns), 0)
    assert made is not None
    return made


def float_(answer: str) -> Item:
    return item("float", answer)


def text(answer: str) -> Item:
    return item("text", answer)


A, B, E = (item("multiple choice", letter) for letter in "ABE")


def said(value: Any) -> str:
    return json.dumps({"solution": "step by step", "short answer": value}, ensure_ascii=False)


ASKS = None
#: (question, response, official, vlmevalkit, robust): scores by rule; None where VLMEvalKit's judge is asked.
GOLDEN: list[tuple[Item, str, float, float | None, float]] = [
    # Floats within 0.001.
    (float_("2.0944"), said("2.094"), 1, 1, 1),
    (float_("2.0944"), said("2.0944"), 1, 1, 1),
    (float_("2.0944"), said("2.095"), 1, 1, 1),
    (float_("2.0944"), said("2.09"), 0, 0, 0),
    (float_("2.0944"), said("2.096"), 0, 0, 0),
    (float_("12"), said("12"), 1, 1, 1),
    (float_("12"), said("12.000"), 1, 1, 1),
    (float_("-0.5"), said("-0.500"), 1, 1, 1),
    (float_("5"), said("5 cm"), 1, 1, 1),
    (float_("5"), said("5cm"), 0, ASKS, 1),
    (float_("5"), said("x = 5"), 0, ASKS, 1),
    (float_("5"), said("about 5"), 0, ASKS, 1),
    (float_("5"), said(5.0), 1, ASKS, 1),  # a number in JSON is no text to VLMEvalKit
    (float_("5"), said(None), 0, ASKS, 0),
    (float_("1234"), said("1,234"), 0, ASKS, 1),
    (float_("0.5"), said("50%"), 0, ASKS, 1),
    (float_("0.5"), said("1/2"), 0, ASKS, 1),
    (float_("0.5"), said("\\frac{1}{2}"), 0, ASKS, 1),
    (float_("6.2832"), said("2π"), 1, 1, 1),
    (float_("2.0944"), said("2π/3"), 0, 0, 1),  # what follows π is dropped by both: 6.283
    (float_("3.1416"), said("π"), 0, ASKS, 1),
    (float_("5"), said("nan"), 0, 0, 0),
    (float_("5"), said("²"), 0, ASKS, 0),
    (float_("4"), said("4 or 5"), 1, 1, 0),
    # Without JSON: the authors take the last line without its last character.
    (float_("12"), "12", 0, 1, 1),  # JSON, but no object
    (float_("12"), "12.0\n", 0, 1, 1),
    (float_("12"), "Adding up:\n12.", 1, ASKS, 1),
    (float_("12"), "Adding up:\n12", 0, ASKS, 1),  # 1
    (float_("1"), "Adding up:\n12", 1, ASKS, 0),
    (float_("12"), "The answer is 12.", 0, ASKS, 1),
    (float_("12"), "12 is what the bars add up to.", 1, 1, 1),  # the first word
    (float_("12"), "The sum is 11. Wait, the answer is 12.", 0, ASKS, 1),
    (float_("12"), "答案是12。", 0, ASKS, 1),
    (float_("12"), "I cannot read the graph.", 0, ASKS, 0),
    (float_("12"), "", 0, ASKS, 0),
    (float_("12"), f"```json\n{said('12')}\n```", 1, 1, 1),
    (float_("12"), f"Here it is: {said('11')} Wait, the answer is 12.", 0, 0, 1),
    (float_("12"), f"{said('11')}\n{said('12')}", 0, ASKS, 1),  # two objects are none
    (float_("12"), '{"solution": "so \\frac{24}{2}", "short answer": "12"}', 1, 1, 1),
    (float_("12"), '{"solution": "it says "a"", "short answer": "12"}', 0, ASKS, 1),
    (float_("12"), "**Solution:** long.\n\n**Short answer:** 12", 0, ASKS, 1),
    # Options.
    (B, said("B"), 1, 1, 1),
    (B, said("A"), 0, 0, 0),
    (B, said("b"), 0, 1, 1),
    (B, said("(B)"), 1, 1, 1),
    (B, said("(B) no"), 1, 1, 1),
    (B, said("no"), 0, ASKS, 1),
    (A, said("yes"), 0, 0, 1),  # E is the only one of A to E in "yes"
    (E, said("yes"), 0, 1, 0),
    (A, said("Yes."), 0, 0, 1),
    (B, said("Based on it"), 1, ASKS, 0),  # a B among the first three characters
    (B, said("A or B"), 0, ASKS, 0),
    (B, "B", 0, 1, 1),  # without its last character nothing is left
    (B, "B.", 1, 1, 1),
    (B, "The answer is B", 0, ASKS, 1),
    (B, "The answer is (A)... no, it is (B).", 0, ASKS, 1),
    (B, "选B。", 1, 1, 1),
    (B, "我认为应该选B。", 0, 1, 1),  # the only one of A to E in the whole, but not among the first three
    (B, "I do not know.", 0, 0, 0),  # D
    (B, "I cannot tell.", 0, ASKS, 0),
    # Texts: the truth in the answer (official), the answer in the truth (VLMEvalKit).
    (text("yes"), said("Yes"), 0, 1, 1),
    (text("Yes"), said("yes"), 0, 1, 1),
    (text("Sep"), said("Sep"), 1, 1, 1),
    (text("Sep"), said("September"), 1, 0, 1),
    (text("4:45"), said("14:45"), 1, 0, 0),
    (text("14:45"), said("4:45"), 0, 1, 0),
    (text("4:45"), said("04:45"), 1, 0, 1),
    (text("4:45"), said("It is 4:45."), 1, 0, 1),
    (text("(0, 6)"), said("(0,6)"), 0, 0, 1),
    (text("(0, 6)"), said("(0.000, 6.000)"), 0, 0, 1),
    (text("(0, 6)"), said("(6, 0)"), 0, 0, 0),
    (text("(-2.777, -1.136)"), said("(-2.777, -1.137)"), 0, 0, 1),
    (text("(-2.777, -1.136)"), said("(2.777, -1.136)"), 0, 0, 0),
    (text("y = 4"), said("y=4.000"), 0, 0, 1),
    (text("[3, 2, 3]"), said("3, 2, 3"), 0, 1, 1),
    (text("[3, 2, 3]"), said([3, 2, 3]), 1, 0, 1),
    (text("White"), said("White or black"), 1, 0, 0),
    (text("White"), said("not White"), 1, 0, 0),
    (text("White"), said("The spinner lands on white."), 0, 0, 1),
    (text("White"), said(""), 0, 1, 0),
    (text("White"), "", 0, 1, 0),
    (text("White"), "w", 0, 1, 0),
    (text("White"), said(None), 0, 0, 0),
    (text("Product C"), said("Product A"), 0, 0, 0),
    (text("275"), said("2750"), 1, 0, 0),
    (text("11/02/2006"), said("11/2/2006"), 0, 0, 1),
]


@pytest.mark.parametrize(
    ("question", "response", "official", "vlmevalkit", "robust"),
    GOLDEN,
    ids=[f"{question.columns['answer']}-{response!r}"[:70] for question, response, *_ in GOLDEN],
)
def test_golden(question: Item, response: str, official: float, vlmevalkit: float | None, robust: float) -> None:
    for scorer, expected in (("official", official), ("vlmevalkit", vlmevalkit), ("robust", robust)):
        step = BENCHMARK.score(question, Response(response), scorer)  # type: ignore[arg-type]
        found = None if isinstance(step, Ask) else step.score
        assert found == expected, scorer


@pytest.mark.parametrize(
    ("question", "response", "reply", "expected"),
    [
        (float_("5"), "It is five.", "5.000", Mark(1.0, "5.0", how="judge")),
        (float_("5"), "It is five.", "5.000 cm", Mark(1.0, "5.0", how="judge")),
        (float_("5"), "It is five.", "4", Mark(0.0, "4.0", how="judge")),
        (float_("5"), "It is five.", "five", Mark(0.0, how="unresolved")),
        (float_("6.2832"), "Twice pi.", "2π", Mark(1.0, str(2 * math.pi), how="judge")),
        (B, "The answer is B", "B", Mark(1.0, "B", how="judge")),
        (B, "The answer is B", "b", Mark(1.0, "B", how="judge")),
        (B, "The answer is B", "A", Mark(0.0, "A", how="judge")),
        (B, "The answer is B", "A or B", Mark(0.0, how="unresolved")),
        # Where the judge fails too, the first three characters may hold the letter.
        (B, "Bar A is lower", "A or B", Mark(1.0, how="unresolved")),
    ],
)
def test_vlmevalkits_judge(question: Item, response: str, reply: str, expected: Mark) -> None:
    step = BENCHMARK.score(question, Response(response), "vlmevalkit", seed=4)
    assert isinstance(step, Ask)
    assert response in step.prompt
    assert (step.temperature, step.seed) == (0.0, 4)
    assert without_judge(step).how == "failed"
    assert finish(step, lambda _ask: reply) == expected


def test_prompts_are_the_protocols() -> None:
    example = '{\n    "solution": "[Detailed step-by-step explanation]",\n    "short answer": "[Concise Answer]"\n}'
    question = float_("5")
    official = BENCHMARK.prompt(question, "official")
    assert official.startswith(
        "## Question\nWhat does the graph show?Please answer in a floating-point number.\n"
        "## Answer Instruction Please provide an answer to the question outlined above. Your response should adhere \n"
        "to the following JSON format"
    )
    assert official.endswith(
        "just provide the corresponing choice option, \nsuch as 'A', 'B', 'C', or 'D'. If the answer is a numerical "
        "value, format it as a three-digit floating-point number.\n\nExample of expected JSON response format:\n\n"
        f"{example}"
    )
    assert "floating-point number.\n## Answer" not in BENCHMARK.prompt(B, "official")
    assert BENCHMARK.prompt(question, "vlmevalkit") == (
        "## Question\n What does the graph show?\n## Answer Instruction Please provide an answer to the question "
        "outlined above. Your response should adhere to the following JSON format, which includes two keys: 'solution' "
        "and 'short answer'. The 'solution' key can contain detailed steps needed to solve the question, and the "
        "'short answer' key should provide a concise response. Format the answer as a three-digit floating-point "
        "number and provide it in the 'short answer' key.\n\nExample of expected JSON response format:\n\n"
        f"{example}"
    )


def test_without_its_question_the_options_stay() -> None:
    assert BENCHMARK.without_question(B).columns["question"] == "Choices: (A) yes (B) no"
    assert BENCHMARK.without_question(float_("5")).columns["question"] == ""


def test_truncated_responses_give_no_answer() -> None:
    for cut in (
        '{"solution": "so 5", "short answer": "1',
        '{"solution": "first 12 and',
        "It grows by one.\nShort answer: 1",
    ):
        assert BENCHMARK.score(float_("1"), Response(cut, truncated=True), "robust") == Mark(0.0, how="unresolved")
    whole = Response('{"short answer": "12", "solution": "first', truncated=True)
    assert BENCHMARK.score(float_("12"), whole, "robust") == Mark(1.0, "12")


def marks(scores: dict[str, list[float | None]], **columns: dict[str, str]) -> list[Scored]:
    return [
        Scored(
            item("float", "5", id=seed, **{CONFIG: f"sample_variant{place + 1}"}, **columns.get(seed, {})), Mark(score)
        )
        for seed, variants in scores.items()
        for place, score in enumerate(variants)
    ]


def test_worst_and_average_by_hand() -> None:
    scored = marks(
        {"s1": [1.0] * 10, "s2": [1.0] * 9 + [0.0], "s3": [0.0] * 10, "s4": [1.0] * 10},
        s4={"subject": "puzzle test", "knowledge_level": "undergraduate"},
    )
    figures = {name: metric.value for name, metric in BENCHMARK.summarise(scored, "official").items()}
    assert figures["average"] == pytest.approx((10 + 9 + 0 + 10) / 40)
    assert figures["worst"] == pytest.approx(2 / 4)
    assert figures["subject/algebra"] == pytest.approx(19 / 30)
    assert figures["worst/subject/algebra"] == pytest.approx(1 / 3)
    assert figures["subject/puzzle test"] == figures["worst/subject/puzzle test"] == 1.0
    assert figures["level/high school"] == pytest.approx(19 / 30)
    assert figures["worst/level/undergraduate"] == 1.0


def test_a_failed_judgement_leaves_open_only_seeds_that_it_could_change() -> None:
    metrics = BENCHMARK.summarise(marks({"s1": [1.0] * 9 + [None], "s2": [0.0] + [None] * 9}), "vlmevalkit")
    assert (metrics["worst"].value, metrics["worst"].n) == (0.0, 1)
    assert (metrics["average"].value, metrics["average"].n) == (pytest.approx(9 / 10), 10)


@pytest.mark.parametrize(
    ("columns", "variant"),
    [
        ({CONFIG: "sample_variant1"}, 1),
        ({CONFIG: "sample_variant10"}, 10),
        ({CONFIG: "sample3"}, 3),
        ({CONFIG: "7"}, 7),
        ({CONFIG: "sample_variant1", "varid": 4}, 4),
        ({CONFIG: None, "varid": "4.0"}, 4),
    ],
)
def test_a_row_tells_its_variant(columns: dict[str, Any], variant: int) -> None:
    made = item("float", "5", **columns)
    assert (made.id, made.cluster, made.columns["variant"]) == (f"12_{variant}", "12", variant)


def test_rows_of_vlmevalkit() -> None:
    tsv = {
        "index": "1513",
        "qid": "12",
        "varid": 3,
        "question": "What does the graph show?",
        "image": Image.new("RGB", (4, 4)),
        "answer": "5",
        "answer_type": "float",
        "subject": "algebra",
        "knowledge_level": "high school",
    }
    other = BENCHMARK.item(tsv, 0)
    assert other is not None
    assert (other.id, other.columns) == (float_("5").id, float_("5").columns)


@pytest.mark.parametrize("layout", ["{}.jsonl", "{}/rows.jsonl"])
def test_a_folder_with_a_file_for_each_variant(tmp_path: Path, layout: str) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    for variant in (1, 2, 10):
        place = tmp_path / layout.format(f"sample_variant{variant}")
        place.parent.mkdir(exist_ok=True)
        picture = "a.png" if place.parent == tmp_path else "../a.png"
        line = {**row("float", "5"), "decoded_image": picture}
        line.pop(CONFIG)
        place.write_text(json.dumps(line) + "\n", encoding="utf-8")
    (tmp_path / "rest").mkdir()
    for variant in range(3, 10):
        (tmp_path / f"sample_variant{variant}.jsonl").write_text(
            json.dumps({**line, "decoded_image": "a.png"}) + "\n", encoding="utf-8"
        )
    read = Items(BENCHMARK, tmp_path)
    assert [one.id for one in read] == [f"12_{variant}" for variant in range(1, 11)]
    assert read.sick == {}


def test_a_folder_as_the_hub_has_it(tmp_path: Path) -> None:
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    data = {"bytes": (tmp_path / "a.png").read_bytes(), "path": None}
    (tmp_path / "data").mkdir()
    for variant in range(1, 11):
        for part in range(2):
            line = {**row("float", "5", id=str(part)), "decoded_image": data}
            line.pop(CONFIG)
            name = f"sample{variant}-0000{part}-of-00002.parquet"
            parquet.write_table(pyarrow.Table.from_pylist([line]), tmp_path / "data" / name)
    read = Items(BENCHMARK, tmp_path)
    assert [one.id for one in read] == [f"{part}_{variant}" for variant in range(1, 11) for part in range(2)]
    assert read.sick == {}


@pytest.mark.parametrize(
    "columns",
    [
        {"answer_type": "essay"},
        {"answer_type": None},
        {"ground_truth": None},
        {"question": None},
        {"subject": None},
        {"decoded_image": None, "image": None},
        {CONFIG: None},
        {CONFIG: "sample_variant11"},
        {CONFIG: "rows"},
    ],
    ids=str,
)
def test_sick_rows_are_refused_by_name(columns: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="row 3"):
        BENCHMARK.item({**row("float", "5"), **columns}, 2)


HOSTILE = [
    "{" * 100_000,
    "[" * 100_000 + "{}",
    '{"short answer": ' * 6_000,
    'short answer: "' * 6_000,
    '{"short answer": ' + "[" * 50_000 + "]" * 50_000 + "}",
    '{"short answer": ' + "9" * 50_000 + "}",
    said("\\frac{" * 10_000),
    said({"a": 1}),
    said(True),
    "İ" * 50_000 + "short answer: 5",
    "\x00\ud800\u202e5",
    "}{",
    "{",
    "null",
    "NaN",
]


@pytest.mark.parametrize("response", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("question", [float_("5"), B, text("White")], ids=["float", "choice", "text"])
def test_no_response_raises(response: str, question: Item) -> None:
    scorers: tuple[Scorer, ...] = ("official", "vlmevalkit", "robust")
    for scorer in scorers:
        mark = finish(BENCHMARK.score(question, Response(response), scorer), lambda _ask: response[:2_000])
        assert mark.score in (0.0, 1.0)
