"""`contextrl reproduce`: every cell is made once, a killed command goes on, equal tokens are equal."""

from __future__ import annotations

import io
import json
import re
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import Result
from rich.console import Console
from typer.testing import CliRunner

from contextrl.commands.cli import app
from contextrl.commands.reproduction.arms import BLANK, CONTEXTRL, TEST, Arm, at
from contextrl.commands.reproduction.artifacts import Artifact, Pantry, Work
from contextrl.commands.reproduction.runner import Plan, Runner, filled
from contextrl.commands.reproduction.studies import STUDIES, arms_of, chosen_studies
from contextrl.commands.reproduction.training import late_mean
from contextrl.errors import ContextRLError, InputError
from contextrl.studies.cells import CellStore

CONFIGS = Path(__file__).parents[2] / "configs" / "miniature"
#: Studies whose arms are trained and evaluated, and probed with nothing that a stand-in could not say.
PLAIN = [STUDIES[name] for name in ("methods", "ablations", "rates")]


def plan(**changed: object) -> Plan:
    return Plan(CONFIGS, PLAIN, **{"items": 3, **changed})  # type: ignore[arg-type]


def arms_in(*names: str) -> list[Arm]:
    return arms_of([STUDIES[name] for name in names])


class FakeCommand:
    """Stands for `contextrl train` and `eval`: ContextRL samples a quarter more a step than the others."""

    def __init__(self, fail_at: int | None = None) -> None:
        self.calls: list[list[str]] = []
        self.fail_at = fail_at

    def __call__(self, arguments: Sequence[str]) -> float:
        self.calls.append(list(arguments))
        if self.fail_at is not None and len(self.calls) > self.fail_at:
            raise ContextRLError("killed")
        if arguments[0] == "train":
            self._train(arguments)
        elif arguments[0] == "miniature":
            Path(arguments[arguments.index("--output") + 1]).mkdir()
        else:
            self._eval(arguments)
        # ContextRL takes half as long again as the others.
        return 90.0 if str(arguments[1]).endswith("contextrl.yaml") else 60.0

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
    return Runner(CellStore(tmp_path), plan(), Console(file=io.StringIO()), command)


def test_every_arm_is_trained_once_for_each_seed_and_the_base_not_at_all(tmp_path: Path) -> None:
    command, arms = FakeCommand(), arms_in("methods", "ablations")
    runner(tmp_path, command).run(arms, range(2))
    trained = [arm for arm in arms if arm.config]
    assert command.trained() == 2 * len(trained)
    assert len({arm.name for arm in arms}) == len(arms), "an arm of both studies is one"
    assert len(command.calls) - command.trained() == 2 * len(trained) + 3, (
        "the base and the reference model, which is made first, are measured once"
    )
    again = FakeCommand()
    runner(tmp_path, again).run(arms, range(2))
    assert again.calls == [], "all is kept"


def test_a_killed_command_goes_on_where_it_was(tmp_path: Path) -> None:
    arms = arms_in("ablations")
    with pytest.raises(ContextRLError, match="killed"):
        runner(tmp_path, FakeCommand(fail_at=6)).run(arms, range(1))
    kept = len(list(tmp_path.rglob("seed-*.json")))
    assert kept > 0
    trained = len(list(tmp_path.rglob("cost.json")))
    command = FakeCommand()
    runner(tmp_path, command).run(arms, range(1))
    assert len(list(tmp_path.rglob("seed-*.json"))) == len(arms)
    assert command.trained() + trained == len([arm for arm in arms if arm.config]), "no run is trained twice"


@pytest.mark.parametrize("kept", [True, False])
def test_what_a_study_has_come_to_ask_is_measured_alone_only_of_the_same_run(tmp_path: Path, kept: bool) -> None:
    runner(tmp_path, FakeCommand()).run([CONTEXTRL], [0])
    (path,) = tmp_path.rglob("cells/contextrl/seed-0.json")
    cell = json.loads(path.read_text())
    del cell["outcomes"][BLANK]
    path.write_text(json.dumps(cell))
    if not kept:
        shutil.rmtree(tmp_path / "artifacts")
    command = FakeCommand()
    runner(tmp_path, command).run([CONTEXTRL], [0])
    evaluated = [call[call.index("--benchmark") + 1].split(",") for call in command.calls if call[0] == "eval"]
    asked = [BLANK] if kept else [*cell["outcomes"], BLANK]
    assert (command.trained(), [sorted(names) for names in evaluated]) == (not kept, [sorted(asked)])


def test_an_arm_with_anothers_tokens_takes_the_steps_that_cost_as_much(tmp_path: Path) -> None:
    command = FakeCommand()
    made = runner(tmp_path, command)
    made.run(arms_in("methods"), range(1))
    store = made.store
    equal, model = store.read("grpo-process-tokens", 0), store.read("contextrl", 0)
    assert equal is not None
    assert model is not None
    assert equal.steps == 100
    assert equal.tokens["sampled"] == model.tokens["sampled"]
    longer = store.read("grpo-process-time", 0)
    assert longer is not None
    assert longer.steps == 120, "a step of it takes two thirds of the processor's time"


def test_entropy_is_of_the_last_third_of_the_steps(tmp_path: Path) -> None:
    made = runner(tmp_path, FakeCommand())
    made.run(arms_in("ablations"), range(1))
    cells = {name: made.store.read(name, 0) for name in ("contextrl", "base")}
    assert {name: cell.entropy for name, cell in cells.items() if cell} == {"contextrl": 5.5, "base": None}
    assert late_mean([{"entropy": 1.0}], "entropy") == 1.0


def test_other_settings_are_other_cells(tmp_path: Path) -> None:
    made = runner(tmp_path, FakeCommand())
    made.run(arms_in("ablations"), range(1))
    command = FakeCommand()
    shorter = Runner(made.store, plan(steps=20), Console(file=io.StringIO()), command)
    shorter.run(arms_in("ablations"), range(1))
    assert command.trained() == len(arms_in("ablations")) - 1


def test_choices_are_made_on_development_images_only() -> None:
    for study in STUDIES.values():
        assert (TEST in study.sets, BLANK in study.sets) == (
            (True, True) if study.name == "methods" else (False, False)
        )


@pytest.mark.parametrize("arm", arms_of(list(STUDIES.values())), ids=lambda arm: arm.name)
def test_every_arm_is_a_run_that_the_configuration_allows(arm: Arm) -> None:
    everything = Plan(CONFIGS, list(STUDIES.values()))
    assert everything.settings(arm, {}) == everything.settings(arm, {})
    assert arm.config is None or (CONFIGS / arm.config).is_file()


def test_arms_of_a_study_differ() -> None:
    for study in STUDIES.values():
        # Equal cost is equal settings but for the steps.
        hashes = [plan().settings(arm, dict.fromkeys(arm.needs, 1)) for arm in study.arms if arm.spends is None]
        assert len(set(hashes)) == len(hashes), study.name


def test_names_of_arms_are_of_one_arm_each_and_all_that_a_study_names_is_there() -> None:
    arms = arms_of(list(STUDIES.values()))
    assert len({arm.name for arm in arms}) == len(arms)
    runner = Runner(CellStore(Path("nowhere")), Plan(CONFIGS, list(STUDIES.values())), Console(file=io.StringIO()))
    for study in STUDIES.values():
        own = {arm.name for arm in study.arms}
        assert set(study.quick) | set(study.measured) | set(study.more_seeds) <= own, study.name
        assert {probe for probes in study.measured.values() for probe in probes} <= set(runner.probes)
        assert {name for arm in study.arms for name in arm.needs} <= set(runner.pantry.known)
        for arm in study.arms:
            said = " ".join((*arm.overrides, arm.target))
            assert all(at(name) in said or study.measured.get(arm.name) for name in arm.needs), arm.name


def test_an_unknown_study_is_refused_by_name() -> None:
    assert chosen_studies([]) == list(STUDIES.values())
    with pytest.raises(InputError, match="methods or ablations"):
        chosen_studies(["method"])


def test_the_command_shows_tables_of_what_is_finished(tmp_path: Path) -> None:
    made = runner(tmp_path / "out", FakeCommand())
    made.run(arms_in("methods", "ablations"), range(2))
    page = tmp_path / "docs" / "page.md"
    where = ["--output", str(tmp_path / "out"), "--configs", str(CONFIGS)]
    arguments = ["reproduce", "methods", "ablations", "--seeds", "2", *where]
    done = CliRunner().invoke(app, [*arguments, "--only-tables", "--page", str(page)], catch_exceptions=False)
    assert done.exit_code == 0
    text = page.read_text()
    assert "| ContextRL | 1.000 | 1.000 |" in text, "seeds that do not differ have no interval"
    assert "## Ablations" in text
    assert "equal" not in text
    assert "rings are seeds.](page/ablations.svg)" in text
    assert (tmp_path / "docs" / "page" / "ablations.svg").read_text().startswith("<svg")
    said = json.loads((tmp_path / "out" / "reproduction.json").read_text())
    assert set(said) == {"methods", "ablations"}
    verdicts = [finding["verdict"] for finding in said["ablations"]["findings"]]
    assert verdicts == ["cannot be told"] * 4 + ["not claimed"] * 3, "all are the same"
    shown = (tmp_path / "out" / "reproduction.html").read_text()
    assert "Main comparison" in shown
    assert "adjusted by Holm" in shown.split("<main")[0]
    assert "http" not in shown.split("</style>")[1].split("<script")[0]


def only_tables(folder: Path, *options: str) -> Result:
    where = ["--output", str(folder), "--configs", str(CONFIGS), "--seeds", "1", "--only-tables"]
    return CliRunner().invoke(app, ["reproduce", "ablations", *where, *options])


def test_places_that_nothing_can_be_written_to_are_found_before_any_training(tmp_path: Path) -> None:
    runner(tmp_path / "out", FakeCommand()).run(arms_in("ablations"), range(1))
    taken = tmp_path / "taken"
    taken.write_text("no markers")
    for options in (
        ("--page", str(tmp_path)),
        ("--page", str(taken / "page.md")),
        ("--readme", str(taken)),
        ("--readme", str(tmp_path / "none.md")),
    ):
        failed = only_tables(tmp_path / "out", *options)
        assert isinstance(failed.exception, InputError), options
        assert options[0] in str(failed.exception)
    assert not list((tmp_path / "out").glob("reproduction.*"))
    assert "--output" in str(only_tables(taken).exception)


def test_tables_of_nothing_are_refused_and_an_earlier_page_stays(tmp_path: Path) -> None:
    (tmp_path / "reproduction.json").write_text("earlier")
    assert "found none" in str(only_tables(tmp_path).exception)
    assert (tmp_path / "reproduction.json").read_text() == "earlier"


def test_measures_of_another_form_are_the_cells_fault_and_old_cells_are_named(tmp_path: Path) -> None:
    made = runner(tmp_path, FakeCommand())
    made.run(arms_in("ablations"), range(1))
    cell = made.store.read("contextrl", 0)
    assert cell is not None
    made.store.write(replace(cell, settings="of before"))
    said = only_tables(tmp_path)
    assert "would make them anew" in said.stderr
    assert "contextrl (seed 0)" in said.stderr
    made.store.write(replace(cell, measures={**cell.measures, "leaks": 7}))
    assert "study ablations: expected measures of this version" in str(only_tables(tmp_path).exception)


def test_a_cell_without_what_a_study_measures_is_made_again(tmp_path: Path) -> None:
    command, arms = FakeCommand(), arms_in("ablations")
    made = runner(tmp_path, command)
    made.run(arms, range(1))
    cell = made.store.read("contextrl", 0)
    assert cell is not None
    assert set(cell.measures) == {"processor", "leaks"}
    made.store.write(replace(cell, measures={}))
    again = FakeCommand()
    runner(tmp_path, again).run(arms, range(1))
    assert again.calls == [], "the run and what it was evaluated on are there"
    assert runner(tmp_path, again).finished(CONTEXTRL, 0) == cell
    shutil.rmtree(tmp_path / "artifacts")
    made.store.write(replace(cell, outcomes={}))
    runner(tmp_path, again).run(arms, range(1))
    assert [call[0] for call in again.calls] == ["train", "eval"], "of a run that is gone"


class Kitchen:
    """Artifacts `rows`, made of `model`, which every seed shares."""

    def __init__(self, folder: Path, *, fails: bool = False) -> None:
        self.made: list[str] = []
        self.fails = fails
        known = {
            "rows": Artifact("rows", 1, self.rows, needs=("model",)),
            "model": Artifact("model", 3, self.model, seeded=False),
        }
        self.pantry = Pantry(folder, known, lambda arguments: None, CONFIGS)

    def rows(self, work: Work) -> None:
        self.made.append(f"rows {work.seed}")
        work.path.mkdir()
        (work.path / "rows.jsonl").write_text((work.artifact("model") / "weights").read_text())
        if self.fails:
            raise ContextRLError("killed")

    def model(self, work: Work) -> None:
        self.made.append(f"model {work.seed}")
        work.path.mkdir()
        (work.path / "weights").write_text("w")


def test_artifacts_are_made_once_a_seed_with_what_they_need(tmp_path: Path) -> None:
    kitchen = Kitchen(tmp_path)
    paths = [kitchen.pantry.path("rows", seed) for seed in (0, 1, 1)]
    assert kitchen.made == ["rows 0", "model 0", "rows 1"]
    assert (paths[0] / "rows.jsonl").read_text() == "w"
    assert paths[1] == paths[2] != paths[0]
    assert kitchen.pantry.versions(["rows"]) == {"rows": 1, "model": 3}
    assert filled("data.train=<rows>/rows.jsonl", {"rows": paths[0]}) == f"data.train={paths[0]}/rows.jsonl"
    again = Kitchen(tmp_path)
    again.pantry.path("rows", 1)
    assert again.made == [], "kept on disk"


def test_an_artifact_that_was_not_finished_is_made_anew(tmp_path: Path) -> None:
    with pytest.raises(ContextRLError, match="killed"):
        Kitchen(tmp_path, fails=True).pantry.path("rows", 0)
    assert not list(tmp_path.glob("rows*"))
    kitchen = Kitchen(tmp_path)
    assert (kitchen.pantry.path("rows", 0) / "rows.jsonl").exists()
    assert kitchen.made == ["rows 0"], "the model was finished"


def test_the_help_names_every_study() -> None:
    said = CliRunner().invoke(app, ["reproduce", "--help"], env={"COLUMNS": "200"}).output
    words = set(re.findall(r"[\w-]+", said))
    assert set(STUDIES) <= words


def test_a_study_without_a_quick_look_says_so(tmp_path: Path) -> None:
    said = CliRunner().invoke(app, ["reproduce", "documents", "--quick", "--output", str(tmp_path / "out")])
    assert isinstance(said.exception, InputError)
    assert str(said.exception) == (
        "--quick: expected a study that has a quick look, found documents. Leave --quick out."
    )
    assert not (tmp_path / "out").exists()
