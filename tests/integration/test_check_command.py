"""`contextrl check`: everything that is wrong at once, and what a run would be."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from peft import LoraConfig, get_peft_model
from PIL import Image

from contextrl.commands.cli import main
from contextrl.judge.protocol import JudgeRequest
from contextrl.judge.rules import RulesJudge
from contextrl.policy.loading import load_policy
from contextrl.records.verdict import Verdict


def row(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "id": f"own-{number}",
        "question": f"How much is {number} + 1?",
        "images": ["square.png"],
        "solution": f"{number} + 1 = {number + 1}. Answer: {number + 1}",
        "answer": str(number + 1),
        "answer_type": "number",
        **changes,
    }


class Own:
    """A folder of one's own: rows, a picture and a configuration."""

    def __init__(self, folder: Path, policy: Path) -> None:
        self.folder, self.policy = folder, policy
        Image.new("RGB", (32, 16)).save(folder / "square.png")

    def config(self, rows: list[dict[str, Any]], **sections: Any) -> Path:
        lines = [json.dumps(one) + "\n" for one in rows]
        (self.folder / "own.jsonl").write_text("".join(lines), encoding="utf-8")
        config: dict[str, Any] = {
            "run_dir": str(self.folder / "run"),
            "model": {"path": str(self.policy)},
            "data": {"train": str(self.folder / "own.jsonl")},
            "judge": {"kind": "rules"},
            "train": {"max_steps": 2, "num_generations": 2, "per_device_train_batch_size": 4, "use_cpu": True},
        }
        for name, section in sections.items():
            config[name] = {**config.get(name, {}), **section}
        path = self.folder / "own.yaml"
        path.write_text(yaml.safe_dump(config), encoding="utf-8")
        return path


@pytest.fixture
def own(tmp_path: Path, tiny_policy: Path) -> Own:
    return Own(tmp_path, tiny_policy)


def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: str) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["contextrl", *arguments])
    monkeypatch.setenv("COLUMNS", "200")
    code = 0
    try:
        main()
    except SystemExit as stopped:
        code = int(stopped.code or 0)
    said = capsys.readouterr()
    return code, said.out, said.err


def test_a_run_with_nothing_wrong(
    own: Own, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    system = {"system_prompt": "Think first."}
    code, out, err = run(capsys, monkeypatch, "check", str(own.config([row(n) for n in range(4)], data=system)))
    assert (code, err) == (0, "")
    assert "4 rows, 4 pictures, answers: number" in out
    assert "none: the run is not evaluated on held-out rows" in out
    assert "the solution of row own-0 is correct" in out
    assert "rules, sees the final answer alone" in out
    assert "rules write no mistake reports" in out
    assert "GB on one process (weights 0.00" in out
    assert "activations" in out
    assert "<|im_start|>system\nThink first.<|im_end|>\n<|im_start|>user\n<|vision_start|><|image_pad|>" in out
    assert out.count("row own-") == 1 + 3
    assert "Nothing wrong was found." in out
    assert not (own.folder / "run").exists()


def test_everything_that_is_wrong_at_once(
    own: Own, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [
        row(0),
        row(1, answer=None),
        row(2, answer_type="numeric"),
        row(3, images=["missing.png"]),
        row(4, solution="4 + 1 = 6. Answer: 6"),
        row(5, question=""),
        row(6, answer=None),
        row(7, question="How much is seven plus one? " * 30),
    ]
    config = own.config(
        rows,
        model={"lora": {"r": 2, "target_modules": ["q_prj"]}},
        data={"max_prompt_tokens": 200},
        judge={"kind": "llm", "model": "judge", "base_url": "http://127.0.0.1:9/v1"},
    )
    code, out, err = run(capsys, monkeypatch, "check", str(config))
    assert code == 2
    for place, what in (
        ("line 2", "'answer'"),
        ("line 7", "'answer'"),
        ("line 3", "one of choice, number"),
        ("line 6", "'question'"),
        ("line 4, row 'own-3'", "missing.png"),
        ("line 5, row 'own-4'", "the final answer '5'"),
    ):
        assert any(place in line and what in line for line in out.splitlines()), (place, what)
    assert "2 x answer: text" in out
    assert "q_prj" in err
    assert "127.0.0.1:9" in err
    assert "row own-7" in err
    assert "expected a prompt of at most 200 tokens" in err
    assert not (own.folder / "run").exists()
    assert run(capsys, monkeypatch, "train", str(config))[0] == 2
    assert not (own.folder / "run").exists()


def test_a_fault_is_told_once(own: Own, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    config = own.config([row(n) for n in range(4)], train={"report_to": "wandb"})
    code, _, err = run(capsys, monkeypatch, "check", str(config))
    assert code == 2
    assert err.count("expected a tracker that is installed") == 1
    assert "things keep this run from starting" not in err


def test_faults_of_both_files_are_told(
    own: Own, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    dev = own.folder / "dev.jsonl"
    dev.write_text(json.dumps(row(8, id="dev-8", answer="7")) + "\n" + json.dumps(row(9, id="dev-9")) + "\n")
    rows = [*(row(n) for n in range(4)), row(4, answer=None)]
    code, out, _ = run(capsys, monkeypatch, "check", str(own.config(rows, data={"eval": str(dev)})))
    assert code == 2
    assert "line 5, row 'own-4', field 'answer'" in out
    assert "line 1, row 'dev-8', field 'solution'" in out
    assert f"{own.folder / 'own.jsonl'}: 4 rows" in out, "rows to evaluate on are no rows to train on"


def test_answers_of_evaluations_take_no_room_from_training(
    own: Own, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tiny policy has 2,048 positions: beside answers of 2,030 tokens no question fits, beside 256 all do."""
    config = own.config([row(n) for n in range(4)], eval={"max_new_tokens": 2030})
    assert run(capsys, monkeypatch, "check", str(config))[0] == 0


def test_only_a_service_is_missing(
    own: Own, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    llm = {"kind": "llm", "model": "judge", "base_url": "http://127.0.0.1:9/v1"}
    code, _, err = run(capsys, monkeypatch, "check", str(own.config([row(n) for n in range(4)], judge=llm)))
    assert code == 3
    assert "127.0.0.1:9" in err


def test_a_judge_that_gives_no_verdict(
    own: Own, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def unscored(_: RulesJudge, requests: list[JudgeRequest]) -> list[Verdict]:
        return [Verdict("unscored", error="refusal: no") for _ in requests]

    monkeypatch.setattr(RulesJudge, "judge", unscored)
    code, _, err = run(capsys, monkeypatch, "check", str(own.config([row(n) for n in range(4)])))
    assert code == 2
    assert "none for the solution of row own-0: refusal: no" in " ".join(err.split())


def test_an_earlier_run_is_told(own: Own, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    (own.folder / "run").mkdir()
    (own.folder / "run" / "config.yaml").write_text("{}")
    code, out, _ = run(capsys, monkeypatch, "check", str(own.config([row(n) for n in range(4)])))
    assert code == 0
    assert "holds an earlier run" in out


def test_an_adapter_that_is_trained_on_counts_as_one(
    own: Own, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter = own.folder / "adapter"
    targets = ["q_proj", "v_proj"]
    base = load_policy(str(own.policy))
    get_peft_model(base, LoraConfig(r=2, target_modules=targets)).save_pretrained(adapter)
    for file in own.policy.glob("*"):
        if not (adapter / file.name).exists() and file.name not in ("config.json", "model.safetensors"):
            shutil.copyfile(file, adapter / file.name)
    capsys.readouterr()
    code, out, err = run(capsys, monkeypatch, "check", str(own.config([row(0)], model={"path": str(adapter)})))
    assert (code, err) == (0, "")
    named = get_peft_model(load_policy(str(own.policy)), LoraConfig(r=2, target_modules=targets))
    count = sum(1 for name, _ in named.named_modules() if name.endswith(".lora_A"))
    assert count > 0
    assert f"in {count} modules" in " ".join(out.replace("│", " ").split())
