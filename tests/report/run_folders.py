"""Run directories written by hand: finished, just started, killed, SFT, hostile."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from PIL import Image

Record = dict[str, Any]

HOSTILE = (
    "<script>window.pwned=1</script></script><img src=x onerror=\"window.pwned=1\">' onmouseover='window.pwned=1 "
    "javascript:window.pwned=1 {{ 7*7 }} \u202egnp.exe \u2028 &lt;b&gt; \x1b[31m \x00 end"
)


def verdict(status: str, answer: bool | None = None, process: bool | None = None, **more: Any) -> Record:
    empty = {"mistake_report": None, "standalone": None, "error": None}
    return {"status": status, "answer_correct": answer, "process_correct": process, **empty, **more}


RIGHT = verdict("correct", True, True)
WRONG = verdict("incorrect", False, False, mistake_report="Mistake: step 1 should say Digits: 7, 6.")
FALSE_POSITIVE = verdict("incorrect", True, False)
UNSCORED = verdict("unscored", error="timeout: no reply in 180 s")


def attempt(text: str, judged: Record | None, **more: Any) -> Record:
    fields = {
        "stage": 1,
        "parent": None,
        "text": text,
        "tokens": 9,
        "truncated": False,
        "seen": None,
        "verdict": judged,
        "audit": None,
        "kept": None,
        "rejection": None,
        "in_mixed_group": True,
        "off_policy": False,
        "reward": 0.0,
        "advantage": -0.354,
    }
    return fields | more


def retry(text: str, judged: Record | None, parent: int, rejection: str | None = None, **more: Any) -> Record:
    fields = {
        "stage": 2,
        "parent": parent,
        "seen": "Mistake: step 1 should say Digits: 7, 6. Answer the question afresh.",
        "kept": rejection is None,
        "rejection": rejection,
        "in_mixed_group": rejection is None,
        "off_policy": True,
        "reward": 1.0 if rejection is None else None,
        "advantage": 2.474 if rejection is None else None,
    }
    return attempt(text, judged, **(fields | more))


def group(kind: str, attempts: Sequence[Record], *, step: int = 1, **more: Any) -> Record:
    fields = {
        "step": step,
        "example_id": "row-1",
        "question": "Which digit is the largest?",
        "solution": "Digits: 7, 6. Largest: 7. Answer: 7",
        "answer": "7",
        "answer_type": "number",
        "task": "perception",
        "source": "miniature/largest",
        "images": ["images/a.png"],
        "kind": kind,
        "recovered": any(one["kept"] for one in attempts),
        "refilled": False,
        "trained": True,
        "attempts": list(attempts),
    }
    return fields | more


def recovered(step: int = 1, **more: Any) -> Record:
    """Four negatives: one retry kept, one a duplicate, one refused by the rules, one incorrect."""
    right = "Digits: 7, 6. Largest: 7. Answer: 7"
    attempts = [attempt(f"Digits: {n}, 6. Largest: 6. Answer: 6", WRONG) for n in (1, 4, 1, 2)]
    attempts += [
        retry(right, RIGHT, 0),
        retry(right, RIGHT, 1, "duplicate"),
        retry(f"You are right. {right}", None, 2, "not_standalone"),
        retry("Digits: 9, 6. Largest: 9. Answer: 9", WRONG, 3, "incorrect"),
    ]
    return group("all_negative", attempts, step=step, **more)


def spread(step: int = 1, **more: Any) -> Record:
    """A right sample, a false positive and an unscored one."""
    attempts = [
        attempt("Digits: 7, 6. Largest: 7. Answer: 7", RIGHT, reward=1.0, advantage=1.2),
        attempt("Digits: 7, 8. Largest: 7. Answer: 7", FALSE_POSITIVE),
        attempt("Digits: 7", UNSCORED, reward=None, advantage=0.0),
    ]
    return group("spread", attempts, step=step, **more)


def unreachable(step: int = 1, **more: Any) -> Record:
    return group("all_negative", [attempt("Digits: 1", WRONG), attempt("Digits: 2", WRONG)], step=step, **more)


def metrics(step: int, **more: Any) -> Record:
    fields = {
        "step": step,
        "loss": 0.01,
        "reward": 0.4,
        "reward_std": 0.5,
        "grad_norm": 0.7,
        "entropy": 0.2,
        "kl/on_policy": 0.01,
        "kl/off_policy": 0.4,
        "group/all_negative": 0.5,
        "group/recovered": 0.25,
        "group/solved": 0.1,
        "group/spread": 0.4,
        "group/unscored": 0.0,
        "accuracy/answer": 0.6,
        "accuracy/process": 0.4,
        "judge/false_positive_rate": 0.2,
        "judge/unscored": 0.0,
        "judge/calls": 10.0,
        "judge/cache_hits": 2.0,
        "judge/gate_error": None,
        "stage2/attempts": 4.0,
        "stage2/kept": 1.0,
        "stage2/incorrect": 1.0,
        "stage2/not_standalone": 1.0,
        "stage2/duplicate": 1.0,
        "time/stage1": 0.1,
        "time/stage2": 0.1,
        "time/judge": 0.1,
        "time/score": 0.1,
        "step_time": 1.0,
    }
    return fields | more


def evaluated(answer: float, process: float | None) -> Record:
    record = {"eval/answer_accuracy": answer, "eval/answer_accuracy_ci95": [answer - 0.1, answer + 0.1], "eval/n": 1000}
    if process is not None:
        record |= {"eval/process_accuracy": process, "eval/process_accuracy_ci95": [process - 0.1, process + 0.1]}
    return record


def results(answer: float, process: float) -> Record:
    after = {
        "answer_accuracy": answer,
        "answer_accuracy_ci95": [answer - 0.1, answer + 0.1],
        "process_accuracy": process,
        "process_accuracy_ci95": [process - 0.1, process + 0.1],
        "n": 1000,
    }
    return {"after": after, "before": None, "groups": {"all_negative": 10, "recovered": 4}, "seconds": {"train": 60.0}}


def item(number: int, answer: bool | None, process: bool | None, **more: Any) -> Record:
    """A held-out item as runs keep it; a verdict without an answer is one that the judge failed to give."""
    fields = {
        "id": f"held-{number}",
        "source": f"set/sum/{'easy' if number % 2 else 'hard'}",
        "images": [f"image-{number}"],
        "response": "Answer: 7",
        "truncated": False,
        "status": "unscored" if answer is None else "correct" if answer and process is not False else "incorrect",
        "answer_correct": answer,
        "process_correct": process,
    }
    return fields | more


def write_items(folder: Path, **items: Sequence[Record]) -> None:
    """`before`, `after`: the items of these evaluations."""
    for whole, rows in items.items():
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"items-{whole}.jsonl").write_text(text, encoding="utf-8")


def write_run(
    folder: Path,
    *,
    config: Mapping[str, Any] | None = None,
    steps: Sequence[Record] = (),
    groups: Sequence[Record] = (),
    outcome: Record | None = None,
    environment: Record | None = None,
) -> Path:
    (folder / "images").mkdir(parents=True)
    Image.new("RGB", (16, 8), "white").save(folder / "images" / "a.png")
    settings = {"method": "contextrl", "seed": 0, "run_dir": str(folder), "train": {"max_steps": 4}} | dict(
        config or {}
    )
    (folder / "config.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    known = {
        "python": "3.11.7",
        "packages": {"trl": "1.16.0"},
        "seed": 0,
        "command": ["contextrl", "train", "a b.yaml"],
    }
    (folder / "environment.json").write_text(json.dumps(environment or known), encoding="utf-8")
    for name, rows in (("metrics.jsonl", steps), ("groups.jsonl", groups)):
        if rows:
            (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    if outcome is not None:
        (folder / "results.json").write_text(json.dumps(outcome), encoding="utf-8")
    return folder


def finished_run(folder: Path, **more: Any) -> Path:
    steps = [
        {"step": 0, **evaluated(0.5, 0.4)},
        *(metrics(n) for n in range(1, 5)),
        {"step": 4, **evaluated(0.6, 0.55)},
    ]
    groups = [one for step in range(1, 5) for one in (recovered(step), spread(step), unreachable(step))]
    return write_run(folder, **({"steps": steps, "groups": groups, "outcome": results(0.6, 0.55)} | more))
