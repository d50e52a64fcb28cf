"""The audit of made groups: counts by hand, the step at which reward and audit part, and what pages show of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from contextrl.records.run_data import read_run
from contextrl.report.audit import EXAMPLES, Audit, audit_lines, audit_of, finding_of
from contextrl.report.page import build_page
from contextrl.report.patterns import Rule

RIGHT = {"status": "correct", "answer_correct": True, "process_correct": True}
FALSE_POSITIVE = {"status": "incorrect", "answer_correct": True, "process_correct": False}
WRONG = {"status": "incorrect", "answer_correct": False, "process_correct": False}
PRAISE = {"status": "correct", "answer_correct": True, "process_correct": True}
LOST = {"status": "unscored", "error": "timeout: 60 s"}
LOUD = Rule("loud", "It shouts.", lambda sample: sample.text.isupper())


def attempt(
    text: str, verdict: dict[str, Any] | None, audit: dict[str, Any] | None = None, stage: int = 1
) -> dict[str, Any]:
    return {"stage": stage, "text": text, "verdict": verdict, "audit": audit, "tokens": 3}


def group(step: int, attempts: list[dict[str, Any]], source: str = "digits/sum/known", **more: Any) -> dict[str, Any]:
    asked = {"question": "What is it?", "solution": "It is so. Answer: 1", "answer": "1", "answer_type": "number"}
    return {"step": step, "source": source, "kind": "spread", "example_id": "e", **asked, "attempts": attempts, **more}


def test_counts_by_hand() -> None:
    audit = Audit([LOUD])
    first = [attempt("YES", PRAISE, FALSE_POSITIVE), attempt("yes", PRAISE, RIGHT), attempt("NO", WRONG, WRONG)]
    audit.add(0, group(1, [*first, attempt("RETRY", PRAISE, RIGHT, stage=2)]))
    audit.add(1, group(2, [attempt("YES", PRAISE, WRONG), attempt("yes", LOST, RIGHT)], "digits/read/known"))
    audit.add(2, group(2, [attempt("YES", PRAISE, RIGHT)], refilled=True))
    one, two = audit.steps[1], audit.steps[2]
    assert vars(one) == {
        "samples": 3,
        "right": 2,
        "false_positives": 1,
        "audited": 3,
        "rewarded": 2,
        "deserved": 1,
        "paid_in_error": 1,
    }
    assert one.gap == pytest.approx(1 / 3)
    assert one.false_positive_rate == 0.5
    assert (two.samples, two.audited, two.paid_in_error) == (2, 1, 1), "a refill is no sample of the run's own"
    assert audit.kinds["digits/sum/known"].samples == 4
    loud = audit.patterns["loud"]
    assert (loud.samples, loud.false_positives, loud.paid_in_error) == (4, 1, 2)
    assert [shown.text for shown in loud.shown] == ["YES", "YES", "NO"], "doubtful ones first"
    assert [shown.group for shown in loud.shown] == [0, 1, 0]


def test_without_an_audit_the_rewarded_judges_own_look_counts() -> None:
    audit = Audit([LOUD])
    audit.add(0, group(1, [attempt("a", FALSE_POSITIVE), attempt("b", RIGHT), attempt("c", WRONG)]))
    assert audit.whole.audited == 0
    assert audit.steps[1].gap is None
    assert finding_of(audit) == "1 of 2 right answers (50.0%) had a wrong process."
    nobody = {"status": "correct", "answer_correct": True, "process_correct": None}
    silent = Audit([LOUD])
    silent.add(0, group(1, [attempt("a", nobody)]))
    assert finding_of(silent) == ""
    assert audit_lines(silent) == []


def hacked(steps: int, onset: int) -> list[dict[str, Any]]:
    """Four samples a group: half right; from `onset` on the others shout, and the judge likes that."""
    groups = []
    for step in range(1, steps + 1):
        rest = attempt("LOUD", PRAISE, WRONG) if step >= onset else attempt("quiet", WRONG, WRONG)
        groups.append(group(step, [attempt("so", PRAISE, RIGHT)] * 2 + [dict(rest), dict(rest)]))
    return groups


def test_where_reward_and_audit_part() -> None:
    audit = Audit([LOUD])
    for number, one in enumerate(hacked(60, 31)):
        audit.add(number, one)
    assert audit.parting is not None
    assert audit.parting.step == 31
    assert audit.first_and_last("loud") == (0.0, 0.5)
    assert "part at step 31: the gap grows from 0.0 to 50.0 points" in finding_of(audit)
    kept = audit.as_json()
    assert json.loads(json.dumps(kept)) == kept
    assert kept["parting"] == {"step": 31, "before": 0.0, "after": 0.5}
    assert kept["patterns"]["loud"]["paid_in_error"] == 60
    assert len(kept["patterns"]["loud"]["examples"]) == EXAMPLES
    honest = Audit([LOUD])
    for number, one in enumerate(hacked(60, 99)):
        honest.add(number, one)
    assert honest.parting is None
    assert "does not grow" in finding_of(honest)


def test_examples_are_of_the_beginning_and_of_the_end() -> None:
    audit = Audit([LOUD])
    for number, one in enumerate(hacked(60, 31)):
        audit.add(number, one)
    assert [shown.step for shown in audit.patterns["loud"].shown] == [31, 32, 60]


def test_of_many_groups_some_are_looked_at_and_all_are_counted(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size = (run / "groups.jsonl").stat().st_size
    monkeypatch.setattr("contextrl.report.audit.MOST_BYTES", size // 3 + 1)
    audit = audit_of(read_run(run), [LOUD])
    assert (audit.every, audit.looked.total(), audit.whole.samples) == (3, 80, 240)
    # Groups 30, 33, ... 57 shout twice.
    assert (audit.patterns["loud"].samples, audit.looked_at.paid_in_error) == (20, 20)
    assert audit.whole.paid_in_error == 60
    assert audit.first_and_last("loud") == (0.0, 0.5)
    assert audit.parting is not None
    assert audit_lines(audit)[1] == "Patterns were looked for in one group of 3, 80 samples."
    assert "80 responses of stage 1, those of one group of 3" in build_page([read_run(run)], rules=[LOUD]).html


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "config.yaml").write_text("method: grpo\nseed: 0\n", encoding="utf-8")
    lines = [{"step": n, "accuracy/answer": 0.5, "accuracy/process": 0.5} for n in range(1, 61)]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    groups = hacked(60, 31)
    groups[59]["attempts"][3]["text"] = "<SCRIPT>ALERT(1)</SCRIPT>\u202e"
    groups[59]["attempts"][2]["text"] = "quiet"
    (folder / "groups.jsonl").write_text("".join(json.dumps(one) + "\n" for one in groups), encoding="utf-8")
    return folder


def test_the_page_shows_what_was_found(run: Path) -> None:
    page = build_page([read_run(run)], rules=[LOUD])
    assert "Rewarded and audited accuracy part at step 31" in page.html
    assert "Paid in error" in page.html
    assert "It shouts." in page.html
    (gap,) = (chart for chart in page.charts if chart.name == "gap")
    rewarded = {row["step"]: row["value"] for row in gap.rows if row["series"] == "rewarded"}
    assert (rewarded[30], rewarded[31]) == (0.5, 1.0)
    assert "<SCRIPT>ALERT" not in page.html
    assert "&lt;SCRIPT&gt;ALERT(1)&lt;/SCRIPT&gt;[U+202E]" in page.html


def test_the_terminal_says_it_too(run: Path) -> None:
    first, second = audit_lines(audit_of(read_run(run), [LOUD]))
    assert "part at step 31" in first
    assert second == (
        "- loud: 59 samples, 0 false positives, 59 paid in error, 0.0% at first and 48.3% at last. Such as: LOUD"
    )
