"""Twenty rows of each benchmark in its hub schema. Questions, answers and pictures are made here."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from typing import Any

from PIL import Image, ImageDraw

ROWS = 20


def png(number: int, size: tuple[int, int] = (48, 32)) -> bytes:
    """A picture that shows a number of bars, unlike any other number's."""
    image = Image.new("RGB", size, (255, 255, 255 - number % 200))
    draw = ImageDraw.Draw(image)
    for bar in range(number % 8 + 1):
        draw.rectangle((4 + 5 * bar, 6, 6 + 5 * bar, 26), fill=(20 * (number % 12), 0, 0))
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return buffer.getvalue()


def stored(number: int) -> dict[str, Any]:
    """A picture as datasets stores it."""
    return {"bytes": png(number), "path": None}


def as_text(number: int) -> str:
    return base64.b64encode(png(number)).decode("ascii")


def letter(number: int, of: int = 4) -> str:
    return "ABCDEFGH"[number % of]


def simplevqa() -> list[dict[str, Any]]:
    return [
        {
            "data_id": n,
            "image": as_text(n),
            "language": "CN" if n % 2 else "EN",
            "question": "图中有几根柱子？" if n % 2 else "How many bars does the picture show?",
            "answer": str(n % 8 + 1),
            "original_category": "made",
            "source": "made",
            "atomic_question": "What is shown?",
            "atomic_fact": "bars",
            "vqa_category": "made",
        }
        for n in range(ROWS)
    ]


def mmstar() -> list[dict[str, Any]]:
    categories = ("coarse perception", "fine-grained perception", "instance reasoning", "logical reasoning", "math")
    return [
        {
            "index": n,
            "question": f"How many bars are there?\nOptions: A: {n % 8 + 1}, B: {n % 8 + 2}, C: {n % 8 + 3}, D: none",
            "image": stored(n),
            "answer": "A",
            "category": categories[n % len(categories)],
            "l2_category": "made",
            "meta_info": {"source": "made", "split": "val", "image_path": f"{n}.png"},
        }
        for n in range(ROWS)
    ]


def hallusionbench() -> list[dict[str, Any]]:
    """Five sets with two figures and two questions each."""
    return [
        {
            "category": "VD" if n < ROWS // 2 else "VS",
            "subcategory": "figure",
            "visual_input": "1",
            "set_id": str(n // 4),
            "figure_id": str(n // 2 % 2 + 1),
            "sample_note": "made",
            "question_id": str(n % 2),
            "question": "Are there more than two bars?" if n % 2 else "Are there no bars?",
            "gt_answer_details": "The picture shows bars.",
            "gt_answer": str(int(n % 8 + 1 > 2)) if n % 2 else "0",
            "filename": f"./hallusion_bench/VD/figure/{n}.png",
            "image": stored(n),
        }
        for n in range(ROWS)
    ]


def hrbench8k() -> list[dict[str, Any]]:
    """Five questions in four orders of their options."""
    return [
        {
            "index": n,
            "question": f"How many bars does picture {n // 4} show?",
            "answer": letter(n),
            **{option: str(n // 4 + 1 + (k - n) % 4) for k, option in enumerate("ABCD")},
            "category": "single" if n < 12 else "cross",
            "cycle_category": str(n % 4),
            "image": as_text(n // 4),
        }
        for n in range(ROWS)
    ]


def mme_realworld() -> list[dict[str, Any]]:
    return [
        {
            "index": f"made/{n}",
            "bytes": as_text(n),
            "question": "What does the sign say?",
            "multi-choice options": [
                f"({option}) {text}"
                for option, text in zip(
                    "ABCDE", ("stop", "go", "wait", "turn", "The image does not feature it."), strict=True
                )
            ],
            "answer": letter(n, 5),
            "category": "Perception/OCR" if n < 12 else "Reasoning/OCR",
            "l2-category": "signs",
        }
        for n in range(ROWS)
    ]


def mathverse() -> list[dict[str, Any]]:
    """Four problems in five versions."""
    versions = ("Text Dominant", "Text Lite", "Vision Intensive", "Vision Dominant", "Vision Only")
    rows = []
    for n in range(ROWS):
        choice = n // 5 % 2 == 0
        question = "Find the length.\nChoices:\nA:3\nB:4\nC:5\nD:6" if choice else "Find the length."
        rows.append(
            {
                "sample_index": str(n + 1),
                "problem_index": str(n // 5 + 1),
                "problem_version": versions[n % 5],
                "question": "" if n % 5 == 4 else question,
                "image": stored(n),
                "answer": "C" if choice else "5",
                "question_type": "multi-choice" if choice else "free-form",
                "metadata": {"split": "testmini", "source": "made", "subject": "Plane Geometry", "subfield": "Length"},
                "query_wo": f"Please directly answer the question.\n{question}",
                "query_cot": f"Please first conduct reasoning, and then answer the question.\n{question}",
                "question_for_eval": question,
            }
        )
    return rows


def mathvista() -> list[dict[str, Any]]:
    kinds = (("multi_choice", "text", None), ("free_form", "integer", None), ("free_form", "float", 1.0))
    rows = []
    for n in range(ROWS):
        question_type, answer_type, precision = kinds[n % 3]
        choices = ["red", "blue", "green"] if question_type == "multi_choice" else None
        answer = "blue" if choices else str(n) if answer_type == "integer" else f"{n}.5"
        hint = "provide the correct option letter" if choices else f"answer with {answer_type}"
        rows.append(
            {
                "pid": str(n + 1),
                "question": "Which value is shown?",
                "image": f"images/{n + 1}.jpg",
                "decoded_image": stored(n),
                "choices": choices,
                "unit": None,
                "precision": precision,
                "answer": answer,
                "question_type": question_type,
                "answer_type": answer_type,
                "metadata": {
                    "category": "general-vqa",
                    "context": "bar chart",
                    "grade": "daily life",
                    "img_height": 32,
                    "img_width": 48,
                    "language": "english",
                    "skills": ["statistical reasoning"],
                    "source": "made",
                    "split": "testmini",
                    "task": "figure question answering",
                },
                "query": f"Hint: Please {hint}.\nQuestion: Which value is shown?"
                + ("\nChoices:\n(A) red\n(B) blue\n(C) green" if choices else ""),
            }
        )
    return rows


def logicvista() -> list[dict[str, Any]]:
    skills = (["inductive"], ["deductive"], ["numerical"], ["spatial"], ["mechanical"])
    return [
        {
            "question": f"Which figure follows after {n}? A) one B) two C) three D) four",
            "answer": "B, D" if n == 7 else letter(n),
            "image": stored(n),
            "skill": skills[n % 5],
        }
        for n in range(ROWS)
    ]


def we_math() -> list[dict[str, Any]]:
    """Four problems of two steps and two of three: 4 x 3 + 2 x 4 rows."""
    rows: list[dict[str, Any]] = []
    for problem in range(6):
        steps = 2 if problem < 4 else 3
        for part in range(steps + 1):
            n = len(rows)
            rows.append(
                {
                    "ID": f"{'2' if steps == 2 else '3'}steps_{problem}",
                    "split": "testmini",
                    "key": f"{steps}steps_{'multi' if part == steps else part + 1}",
                    "question": f"What is the area of part {part}?",
                    "option": "A. 4 cm²; B. 6 cm²; C. 8 cm²; D. 9 cm²; E. No correct answer",
                    "answer": letter(n, 5),
                    "image_path": stored(problem),
                    "question number": problem,
                    "knowledge concept": "Calculation of Plane Figures",
                    "knowledge concept description": "made",
                }
            )
    return rows


def charxiv() -> list[dict[str, Any]]:
    answers = ("Model A", "the upper left panel", "12", "0.25")
    return [
        {
            "image": stored(n),
            "category": "cs",
            "year": "20",
            "original_figure_path": f"made/{n}",
            "original_id": f"2001.{n:05d}",
            "figure_path": f"{n}.jpg",
            "num_subplots": 1,
            "subplot_row": 1,
            "subplot_col": 1,
            "subplot_loc": None,
            "reasoning_q": "Which one is the highest?",
            "reasoning_a": answers[n % 4],
            "reasoning_a_type": n % 4 + 1,
            "reasoning_q_source": 1,
        }
        for n in range(ROWS)
    ]


def dynamath() -> list[dict[str, Any]]:
    """Two seed questions in ten variants; a row tells its variant."""
    rows = []
    for variant in range(1, 11):
        for seed in (1, 2):
            n = len(rows)
            rows.append(
                {
                    "id": str(seed),
                    "question": "How high is the bar?"
                    if seed == 1
                    else "Which bar is higher? choice: (A) left (B) right",
                    "image": f"images/{seed}_{variant}.png",
                    "decoded_image": stored(n),
                    "ground_truth": f"{variant}.5" if seed == 1 else letter(variant, 2),
                    "answer_type": "float" if seed == 1 else "multiple choice",
                    "subject": "plane geometry",
                    "knowledge_level": "high school",
                    "_config": f"sample_variant{variant}",
                }
            )
    return rows


MADE: dict[str, Callable[[], list[dict[str, Any]]]] = {
    "simplevqa": simplevqa,
    "mmstar": mmstar,
    "hallusionbench": hallusionbench,
    "hrbench8k": hrbench8k,
    "mme-realworld-lite": mme_realworld,
    "mathverse": mathverse,
    "mathvista": mathvista,
    "logicvista": logicvista,
    "we-math": we_math,
    "charxiv-rq": charxiv,
    "dynamath": dynamath,
}
