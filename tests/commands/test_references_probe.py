"""The probe of the study of references: a run's verdicts beside those by whole references."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from contextrl.commands.reproduction.probes import Probing
from contextrl.commands.reproduction.studies import STUDIES
from contextrl.miniature.tasks import miniature_examples, own_solution
from contextrl.studies.references import VERDICTS


def attempt(text: str, status: str, stage: int = 1, *, kept: bool | None = None) -> dict[str, Any]:
    return {"stage": stage, "text": text, "kept": kept, "verdict": {"status": status}}


def test_true_verdicts_come_from_whole_references(tmp_path: Path) -> None:
    examples = miniature_examples("train", 50, seed=4, voice="foreign")
    parity = next(one for one in examples if one.question.startswith("Is the sum"))
    shown = miniature_examples("train", 50, seed=4)[examples.index(parity)].solution
    first, second = (int(digit) for digit in shown.removeprefix("Digits: ")[:4].split(", "))
    misread = own_solution("parity", ((first + 2) % 10, second), 0)
    attempts = [
        attempt(shown, "incorrect"),
        attempt(shown, "correct"),
        attempt(misread, "correct"),
        attempt("Answer: maybe", "incorrect"),
        attempt(shown, "correct", 2, kept=True),
        attempt(misread, "correct", 2, kept=False),
    ]
    (tmp_path / "config.yaml").write_text("method: contextrl\n")
    (tmp_path / "groups.jsonl").write_text(
        json.dumps({"step": 1, "example_id": parity.id, "attempts": attempts}) + "\n"
    )
    probing = Probing(tmp_path, "", 4, tmp_path, lambda _: None, lambda _: tmp_path, 0)
    counts = STUDIES["references"].probes[VERDICTS](probing)
    assert counts == {
        "true_positives": 2,
        "true_positives_accepted": 1,
        "true_positives_unscored": 0,
        "false_positives": 1,
        "false_positives_accepted": 1,
        "false_positives_unscored": 0,
        "retries_kept": 1,
        "retries_right": 1,
    }
