"""`contextrl reproduce`: every cell is made once, a killed command goes on, equal tokens are equal."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from contextrl.commands.arms import ARMS, BLANK, DEV, TEST, Arm, sets_of
from contextrl.commands.cli import app
from contextrl.commands.reproduce import Plan, Runner, arms_of, chosen_studies, late_mean
from contextrl.errors import ContextRLError, InputError
from contextrl.studies.cells import CellStore

CONFIGS = Path(__file__).parents[2] / "configs" / "miniature"


class FakeCommand:
    """Stands for `contextrl train` and `eval`: ContextRL samples a quarter more a step than the others."""

    def __init__(self, fail_at: int | None = None) -> None:
        self.calls: list[list[str]] = []
        self.fail_at = fail_at

    def __call__(self, arguments: Sequence[str]) -> None:
        self.calls.append(list(arguments))
        if self.fail_at is not None and len(self.calls) > self.fail_at:
            raise ContextRLError("killed")
        if arguments[0] == "train":
            self._train(arguments)
        else:
            self._eval(arguments)

    def _train(self, arguments: Sequence[str]) -> None:
        settings = dict(part.split("=", 1) for part in arguments if "=" in part)
        steps = int(settings.get("train.max_steps", 80))
        run_dir = Path(settings["run_dir"])
        run_dir.mkdir(parents=True)
        sampled = steps * (1250 if str(arguments[1]).endswith("contextrl.yaml") else 1000)
        results = {"steps": steps, "seconds": {"train": 60.0}, "tokens": {"sampled": sampled}}
        (run_dir / "results.json").write_text(json.dumps(results))
        lines = [{"step": 0}, *({"step": n, "entropy": float(n)} for n in range(1, 7))]
        (run_dir / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))

    def _eval(self, arguments: Sequence[str]) -> None:
        options = dict(zip(arguments[2::2], arguments[3::2], strict=False))
        verdict = {"status": "correct", "answer_correct": True, "process_correct": True}
        rows = [
            {"benchmark": name, "id": str(n), "source": f"miniature/sum/{need}", **verdict}
            for name in options["--benchmark"].split(",")
            for n, need in enumerate(["known", "shaky", "misconceived"])
        ]
        Path(options["--predictions"]).write_text("".join(json.dumps(row) + "\n" for row in rows))

    def trained(self) -> int:
        return sum(call[0] == "train" for call in self.calls)


def runner(tmp_path: Path, command: FakeCommand) -> Runner:
    return Runner(CellStore(tmp_path), Plan(CONFIGS, items=3), Console(file=io.StringIO()), command)


def test_every_arm_is_trained_once_for_each_seed_and_the_base_not_at_all(tmp_path: Path) -> None:
    command, arms = FakeCommand(), arms_of(["methods", "ablations"])
    runner(tmp_path, command).run(arms, range(2))
    trained = [arm for arm in arms if arm.config]
    assert command.trained() == 2 * len(trained)
    assert len({arm.name for arm in arms}) == len(arms), "an arm of both studies is one"
    assert len(command.calls) - command.trained() == 2 * len(trained) + 1, "the base is measured once"
    again = FakeCommand()
    runner(tmp_path, again).run(arms, range(2))
    assert again.calls == [], "all is kept"


def test_a_killed_command_goes_on_where_it_was(tmp_path: Path) -> None:
    arms = arms_of(["ablations"])
    with pytest.raises(ContextRLError, match="killed"):
        runner(tmp_path, FakeCommand(fail_at=6)).run(arms, range(1))
    kept = len(list(tmp_path.rglob("seed-*.json")))
    assert kept > 0
    command = FakeCommand()
    runner(tmp_path, command).run(arms, range(1))
    assert len(list(tmp_path.rglob("seed-*.json"))) == len(arms)
    assert command.trained() + kept == len(arms) + (0 if (tmp_path / "cells/base").exists() else 1)


def test_an_arm_with_anothers_tokens_takes_the_steps_that_cost_as_much(tmp_path: Path) -> None:
    command = FakeCommand()
    made = runner(tmp_path, command)
    made.run(arms_of(["methods"]), range(1))
    store = made.store
    equal, model = store.read("grpo-process-tokens", 0), store.read("contextrl", 0)
    assert equal is not None
    assert model is not None
    assert equal.steps == 100
    assert equal.tokens["sampled"] == model.tokens["sampled"]


def test_entropy_is_of_the_last_third_of_the_steps(tmp_path: Path) -> None:
    made = runner(tmp_path, FakeCommand())
    made.run(arms_of(["ablations"]), range(1))
    cells = {name: made.store.read(name, 0) for name in ("contextrl", "base")}
    assert {name: cell.entropy for name, cell in cells.items() if cell} == {"contextrl": 5.5, "base": None}
    assert late_mean([{"entropy": 1.0}], "entropy") == 1.0


def test_other_settings_are_other_cells(tmp_path: Path) -> None:
    made = runner(tmp_path, FakeCommand())
    made.run(arms_of(["ablations"]), range(1))
    command = FakeCommand()
    shorter = Runner(made.store, Plan(CONFIGS, items=3, steps=20), Console(file=io.StringIO()), command)
    shorter.run(arms_of(["ablations"]), range(1))
    assert command.trained() == len(arms_of(["ablations"])) - 1


def test_choices_are_made_on_development_images_only() -> None:
    for study, arms in ARMS.items():
        for arm in arms:
            assert (TEST in sets_of(arm)) == (arm in ARMS["methods"])
            assert (BLANK in sets_of(arm)) == (TEST in sets_of(arm))
            assert (DEV in sets_of(arm)) == (arm in (*ARMS["ablations"], *ARMS["rates"])), study


@pytest.mark.parametrize("arm", arms_of(["methods", "ablations", "rates"]), ids=lambda arm: arm.name)
def test_every_arm_is_a_run_that_the_configuration_allows(arm: Arm) -> None:
    assert Plan(CONFIGS).settings(arm) == Plan(CONFIGS).settings(arm)
    assert arm.config is None or (CONFIGS / arm.config).is_file()


def test_arms_of_a_study_differ() -> None:
    for arms in ARMS.values():
        # Equal tokens are equal settings but for their steps.
        hashes = [Plan(CONFIGS).settings(arm) for arm in arms if arm.tokens_of is None]
        assert len(set(hashes)) == len(hashes)


def test_an_unknown_study_is_refused_by_name() -> None:
    assert chosen_studies([]) == ["methods", "ablations", "rates"]
    with pytest.raises(InputError, match="methods or ablations or rates"):
        chosen_studies(["judges"])


def test_the_command_shows_tables_of_what_is_finished(tmp_path: Path) -> None:
    made = runner(tmp_path / "out", FakeCommand())
    made.run(arms_of(["methods", "ablations"]), range(2))
    page = tmp_path / "docs" / "page.md"
    arguments = ["reproduce", "--seeds", "2", "--output", str(tmp_path / "out"), "--configs", str(CONFIGS)]
    done = CliRunner().invoke(app, [*arguments, "--only-tables", "--page", str(page)], catch_exceptions=False)
    assert done.exit_code == 0
    text = page.read_text()
    assert "| ContextRL | 1.000 [1.000, 1.000] |" in text
    assert "## Ablations" in text
    assert "equal" not in text
    assert set(json.loads((tmp_path / "out" / "reproduction.json").read_text())) == set(ARMS)
