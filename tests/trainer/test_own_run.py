"""The Python door: a trainer with a run directory does what the command does, with TRL's names."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from runs import SETTINGS, FunctionEngine, ScriptedJudge, build_trainer, loader_rows, untruncated
from safetensors.torch import load_file

from contextrl.commands.config import parse_config
from contextrl.commands.launch import Run
from contextrl.errors import ContextRLError, InputError
from contextrl.judge.protocol import JudgeRequest
from contextrl.miniature.steps_judge import StepsJudge
from contextrl.miniature.tasks import miniature_examples
from contextrl.objective.advantages import group_advantages
from contextrl.policy.loading import load_policy
from contextrl.records.run_directory import RunDirectory
from contextrl.records.verdict import Verdict
from contextrl.trainer.checkpoint_folders import complete_checkpoints
from contextrl.trainer.config import ContextRLConfig
from contextrl.trainer.contextrl_trainer import ContextRLTrainer

ROWS = miniature_examples("train", 24)


def by_length(request: JudgeRequest) -> str:
    return "correct" if len(request.response) % 3 == 0 else "incorrect"


class ByLength(ScriptedJudge):
    """As a configuration names one."""

    def __init__(self) -> None:
        super().__init__(by_length)


def shortness(completions: Sequence[Any], **_: Any) -> list[float]:
    return [-len(one[0]["content"]) / 10 for one in completions]


def own(policy: Path, run_dir: Path | None, judge: Any = None, **given: Any) -> ContextRLTrainer:
    """A trainer of two steps that evaluates on 8 rows, 4 on the way."""
    settings = SETTINGS | {"evaluation": {"every": 1, "examples": 4}} | given.pop("settings", {})
    judge = judge or ScriptedJudge(by_length)
    given = {"eval_dataset": ROWS[16:]} | given
    args = ContextRLConfig(**settings)
    return untruncated(ContextRLTrainer(load_policy(str(policy)), judge, args, ROWS[:16], run_dir=run_dir, **given))


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture(scope="module")
def run(tiny_policy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run that was started from Python."""
    folder = tmp_path_factory.mktemp("own") / "run"
    trainer = own(tiny_policy, folder, settings={"save_strategy": "steps", "save_steps": 1})
    assert trainer.train().global_step == 2
    assert trainer.own_run.results == RunDirectory(folder).results()
    assert not same(weights(folder / "model"), weights(tiny_policy)), "something must have been learned"
    return folder


def test_the_directory_is_that_of_the_command(run: Path, tiny_policy: Path, tmp_path: Path) -> None:
    """The same judge, rows and settings by the command: the same files, metrics and policy."""
    data = {"train": "miniature", "eval": "miniature:dev", "examples": 16}
    train = {k: v for k, v in SETTINGS.items() if k not in ("seed", "disable_tqdm")} | {"save_steps": 1}
    config = parse_config(
        {
            "run_dir": str(tmp_path / "run"),
            "seed": SETTINGS["seed"],
            "model": {"path": str(tiny_policy)},
            "data": data,
            "train": train | {"save_strategy": "steps"},
            "judge": {"kind": "python", "path": "test_own_run:ByLength"},
            "rewards": [{"path": "test_own_run:shortness", "weight": 0.5}],
            "eval": {"every": 1, "examples": 4, "final_examples": 8},
        }
    )
    from rich.console import Console

    by_command = Run(config, Console(quiet=True), ["contextrl", "train"])
    untruncated(by_command.trainer)
    by_command.train()
    settings = SETTINGS | {"save_strategy": "steps", "save_steps": 1, "evaluation": {"every": 1, "examples": 4}}
    trainer = ContextRLTrainer(
        str(tiny_policy),
        ByLength(),
        ContextRLConfig(**settings, reward_weights=[0.5]),
        by_command.ready.examples,
        eval_dataset=by_command.ready.eval_examples,
        eval_judge=StepsJudge(),
        reward_funcs=shortness,
        run_dir=tmp_path / "own",
    )
    untruncated(trainer).train()
    files = [{path.name for path in (tmp_path / name).rglob("*")} for name in ("run", "own")]
    assert files[0] == files[1]
    trained = weights(tmp_path / "own" / "model")
    assert same(weights(tmp_path / "run" / "model"), trained)
    assert not same(trained, weights(tiny_policy)), "something must have been learned"
    metrics = [lines(tmp_path / name / "metrics.jsonl") for name in ("run", "own")]
    assert [[*line] for line in metrics[0]] == [[*line] for line in metrics[1]]
    results = [RunDirectory(tmp_path / name).results() or {} for name in ("run", "own")]
    assert results[0]["tokens"] == results[1]["tokens"]
    assert results[0]["after"] | {"data": ""} == results[1]["after"] | {"data": ""}
    assert lines(tmp_path / "run" / "groups.jsonl") == lines(tmp_path / "own" / "groups.jsonl")


def test_the_commands_read_it(run: Path) -> None:
    from contextrl.commands.report import write_page

    config = parse_config(RunDirectory(run).settings())
    assert (config.method, config.seed, config.train["max_steps"]) == ("contextrl", 3, 2)
    assert config.judge.path == "runs:ScriptedJudge"
    assert config.data.eval == "eval_dataset (8 rows)"
    assert "eval_dataset (8 rows)" in write_page([run]).read_text(encoding="utf-8")
    assert [line["step"] for line in lines(run / "metrics.jsonl")] == [0, 1, 2, 2]
    assert [len(lines(run / f"items-{whole}.jsonl")) for whole in ("before", "after")] == [8, 8]


def test_a_killed_run_goes_on_to_the_same_policy_and_a_finished_one_is_left_alone(
    run: Path, tiny_policy: Path, tmp_path: Path
) -> None:
    class Killed(ScriptedJudge):
        def judge(self, requests: Sequence[JudgeRequest]) -> list[Verdict]:
            if trainer.state.global_step == 1:
                raise KeyboardInterrupt
            return super().judge(requests)

    settings = {"save_strategy": "steps", "save_steps": 1}
    folder = tmp_path / "run"
    trainer = own(tiny_policy, folder, Killed(by_length), settings=settings)
    with pytest.raises(KeyboardInterrupt):
        trainer.train()
    with pytest.raises(InputError, match=r"an earlier run.*train\(resume_from_checkpoint=True\)"):
        own(tiny_policy, folder, settings=settings).train()
    with pytest.raises(InputError, match=r"train\.learning_rate"):
        own(tiny_policy, folder, settings=settings | {"learning_rate": 1e-4}).train(resume_from_checkpoint=True)
    trainer = own(tiny_policy, folder, settings=settings)
    assert trainer.train(resume_from_checkpoint=True).global_step == 2
    assert same(weights(folder / "model"), weights(run / "model"))
    results = [RunDirectory(path).results() or {} for path in (folder, run)]
    assert results[0]["before"] == results[1]["before"]
    assert results[0]["after"] == results[1]["after"]
    written = (folder / "results.json").stat().st_mtime_ns
    again = own(tiny_policy, folder, settings=settings)
    assert again.train(resume_from_checkpoint=True).global_step == 2
    assert (folder / "results.json").stat().st_mtime_ns == written
    trained = again.model.state_dict()
    assert all(torch.equal(trained[name], tensor) for name, tensor in weights(run / "model").items())
    further = own(tiny_policy, folder, settings=settings | {"max_steps": 3})
    assert further.train(resume_from_checkpoint=True).global_step == 3
    assert (RunDirectory(folder).results() or {})["steps"] == 3


@pytest.mark.parametrize("checkpoint", [True, "nowhere/checkpoint-2"])
def test_there_must_be_something_to_resume(checkpoint: Any, tiny_policy: Path, tmp_path: Path) -> None:
    trainer = own(tiny_policy, tmp_path / "run")
    with pytest.raises(InputError, match="complete checkpoint"):
        trainer.train(resume_from_checkpoint=checkpoint)
    assert not (tmp_path / "run" / "config.yaml").exists()


def test_a_run_directory_of_something_else_is_refused_at_once(tiny_policy: Path, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(InputError, match="files that are not a run"):
        own(tiny_policy, tmp_path)


def test_evaluation_without_a_directory_is_logged_as_trl_logs_it(tiny_policy: Path, tmp_path: Path) -> None:
    settings = {"output_dir": str(tmp_path), "eval_strategy": "steps", "eval_steps": 1, "evaluation": {}}
    trainer = own(tiny_policy, None, settings=settings)
    trainer.train()
    logged = [entry["step"] for entry in trainer.state.log_history if "eval_answer_accuracy" in entry]
    assert logged == [0, 1, 2]
    history = len(trainer.state.log_history)
    figures = trainer.evaluate(ROWS[:4], metric_key_prefix="test")
    assert (figures["test_n"], set(figures) >= {"test_answer_accuracy", "test_answer_accuracy_ci95_low"}) == (4, True)
    assert trainer.state.log_history[history:][0]["test_n"] == 4
    assert trainer.evaluate()["eval_n"] == 8
    assert trainer.model.training


def test_evaluate_without_rows_says_what_is_missing(tiny_policy: Path, tmp_path: Path) -> None:
    trainer = own(tiny_policy, None, eval_dataset=None, settings={"output_dir": str(tmp_path)})
    with pytest.raises(InputError, match="eval_dataset"):
        trainer.evaluate()


def test_own_evaluation_judges_may_look_at_the_process(tiny_policy: Path, tmp_path: Path) -> None:
    for judge, looked in ((None, False), (StepsJudge(), True)):
        trainer = own(tiny_policy, None, eval_judge=judge, settings={"output_dir": str(tmp_path)})
        assert ("eval_process_accuracy" in trainer.evaluate()) is looked


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"judge": StepsJudge}, r"found the class StepsJudge.*StepsJudge\(\)"),
        ({"eval_judge": print}, "eval_judge: .*method judge"),
        ({"audit": 3}, "audit: .*method judge"),
        ({"eval_dataset": []}, "eval_dataset: expected at least one row"),
        ({"eval_dataset": [{"question": "?"}]}, "eval_dataset, row 1"),
        ({"eval_dataset": "nowhere.jsonl"}, "nowhere.jsonl"),
        ({"eval_dataset": {"test": ROWS}}, "found a mapping of test"),
        ({"reward_funcs": "some/model"}, "reward str"),
        ({"reward_funcs": lambda completions, level: []}, "found level"),
        ({"settings": {"reward_weights": [1.0]}}, "the 0 rewards"),
        ({"settings": {"load_best_model_at_end": True}}, "evaluation"),
        ({"settings": {"eval_strategy": "steps", "eval_steps": 0.5}}, "a number of steps"),
    ],
)
def test_what_is_wrong_is_found_before_anything_is_written(
    given: dict[str, Any], message: str, tiny_policy: Path, tmp_path: Path
) -> None:
    with pytest.raises(ContextRLError, match=message):
        own(tiny_policy, tmp_path / "run", **given)
    assert not (tmp_path / "run").exists()


# ---- a judge that breaks its contract ----------------------------------------------------------------------------


class Lapsing(ScriptedJudge):
    """A judge that returns something else once the trainer has done so many steps."""

    def __init__(self, steps: int, then: Callable[[Sequence[JudgeRequest]], Any]) -> None:
        super().__init__(by_length)
        self.steps, self.then = steps, then
        self.step = lambda: 0

    def judge(self, requests: Sequence[JudgeRequest]) -> Any:
        return super().judge(requests) if self.step() < self.steps else self.then(requests)


def test_a_wrong_first_verdict_stops_before_anything_is_trained(tiny_policy: Path, tmp_path: Path) -> None:
    trainer = own(tiny_policy, tmp_path / "run", Lapsing(0, lambda requests: [1.0] * len(requests)))
    with pytest.raises(InputError, match=r"Lapsing\.judge, verdict 1 of \d: expected a contextrl\.Verdict, found the"):
        trainer.train()
    assert trainer.state.global_step == 0


def test_a_later_one_stops_where_the_run_can_go_on(run: Path, tiny_policy: Path, tmp_path: Path) -> None:
    """What was trained is kept, and the mended judge goes on to the same policy."""
    settings = {"save_strategy": "steps", "save_steps": 2}
    folder = tmp_path / "run"
    judge = Lapsing(1, lambda requests: [][0])
    trainer = own(tiny_policy, folder, judge, settings=settings)
    judge.step = lambda: trainer.state.global_step
    with pytest.raises(InputError, match=r"IndexError.*checkpoint-1: mend the judge and run again.*resume_from_check"):
        trainer.train()
    assert [path.name for path in complete_checkpoints(folder / "checkpoints")] == ["checkpoint-1"]
    own(tiny_policy, folder, settings=settings).train(resume_from_checkpoint=True)
    assert same(weights(folder / "model"), weights(run / "model"))


class Later(ScriptedJudge):
    """The same judge as an `async def`."""

    async def judge(self, requests: Sequence[JudgeRequest]) -> list[Verdict]:  # type: ignore[override]
        return super().judge(requests)


def test_an_asynchronous_judge_trains_the_same_policy(run: Path, tiny_policy: Path, tmp_path: Path) -> None:
    own(tiny_policy, tmp_path / "run", Later(by_length)).train()
    assert same(weights(tmp_path / "run" / "model"), weights(run / "model"))


# ---- rewards beside the judge ------------------------------------------------------------------------------------


def rewarded(policy: Path, folder: Path, rule: Any, *functions: Any, **settings: Any) -> ContextRLTrainer:
    args = ContextRLConfig(str(folder), **(SETTINGS | settings))
    rows = [vars(example) | {"image_ids": (), "level": n} for n, example in enumerate(ROWS[:16])]
    trainer = ContextRLTrainer(load_policy(str(policy)), ScriptedJudge(rule), args, rows, reward_funcs=list(functions))
    trainer.model.train()
    trainer.current_gradient_accumulation_steps = 1
    trainer.collector.engine = FunctionEngine(trainer._tokenizer.eos_token_id)
    return untruncated(trainer)


def test_rewards_are_added_after_the_split_and_unscored_rows_stay_out(tiny_policy: Path, tmp_path: Path) -> None:
    def rule(request: JudgeRequest) -> str:
        return ("correct", "incorrect", "unscored")[len(request.response) % 3]

    trainer = rewarded(tiny_policy, tmp_path, rule, shortness, stage2=False, reward_weights=[0.5])
    batch = trainer._generate_and_score_completions(loader_rows(0, 1))
    assert trainer.rows is not None
    kinds = set()
    for n, group in enumerate(trainer.rows.rollout.groups):
        statuses = [attempt.verdict.status for attempt in group.attempts if attempt.verdict]
        kinds.update(statuses)
        expected = [
            math.nan if status == "unscored" else (status == "correct") - 0.05 * len(attempt.completion.text)
            for status, attempt in zip(statuses, group.attempts, strict=True)
        ]
        found = batch["advantages"][4 * n : 4 * n + 4]
        torch.testing.assert_close(found, group_advantages(torch.tensor([expected]))[0])
        assert [found[i].item() == 0 for i in range(4)] == [math.isnan(value) for value in expected]
    assert kinds == {"correct", "incorrect", "unscored"}
    logged = trainer._metrics["train"]
    attempts = [attempt for group in trainer.rows.rollout.groups for attempt in group.attempts]
    mean = sum(-len(attempt.completion.text) / 10 for attempt in attempts) / len(attempts)
    assert logged["rewards/shortness/mean"] == [pytest.approx(mean)]
    scored = [attempt.reward for attempt in attempts if attempt.reward is not None]
    assert logged["rewards/judge_reward/mean"] == [pytest.approx(sum(scored) / len(scored))]


def test_what_is_negative_is_retried_however_well_it_is_rewarded(tiny_policy: Path, tmp_path: Path) -> None:
    """All negative by the verdict: stage 2 is entered, and the rewards of its members are in the advantage."""

    def recovering(request: JudgeRequest) -> str:
        return "correct" if request.wants_standalone else "incorrect"

    def generous(completions: Sequence[Any], level: Sequence[int], **_: Any) -> list[float]:
        assert len(level) == len(completions)
        return [5.0 + n for n, _ in enumerate(completions)]

    trainer = rewarded(tiny_policy, tmp_path, recovering, generous)
    batch = trainer._generate_and_score_completions(loader_rows(0, 1))
    assert trainer.rows is not None
    groups = trainer.rows.rollout.groups
    assert {group.kind for group in groups} == {"all_negative"}
    assert all(group.recovered for group in groups)
    members = [(n, member) for n, group in enumerate(groups) for member in group.members]
    assert {member.rolled_back for _, member in members} == {True, False}
    by_row = dict(zip(map(id, trainer.rows.attempts), batch["advantages"].tolist(), strict=True))
    for n, group in enumerate(groups):
        rewards = [member.rolled_back + member.shift for member in group.members]
        # Lambda of mixed groups is 1/2.
        expected = 0.5 * group_advantages(torch.tensor([rewards]))[0]
        found = torch.tensor([by_row[id(member)] for owner, member in members if owner == n])
        torch.testing.assert_close(found, expected)


def test_without_rewards_nothing_is_shifted(tiny_policy: Path, tmp_path: Path) -> None:
    def nothing(completions: Sequence[Any]) -> list[None]:
        return [None] * len(completions)

    trained = []
    for functions in ((), (nothing,)):
        trainer = rewarded(tiny_policy, tmp_path, by_length, *functions)
        trained.append(trainer._generate_and_score_completions(loader_rows(0, 1))["advantages"])
    assert torch.equal(*trained)


def test_a_reward_that_fails_later_stops_where_the_run_can_go_on(tiny_policy: Path, tmp_path: Path) -> None:
    def fails(completions: Sequence[Any], trainer_state: Any, **_: Any) -> list[float]:
        return [float("nan") if trainer_state.global_step == 1 else 0.0 for _ in completions]

    trainer = rewarded(tiny_policy, tmp_path, by_length, fails)
    with pytest.raises(InputError, match=r"reward fails, completion 1 of \d+: .*found nan.*mend the reward"):
        trainer.train()
    assert [path.name for path in complete_checkpoints(tmp_path)] == ["checkpoint-1"]


# ---- what TRL's users expect -------------------------------------------------------------------------------------


def test_model_and_processor_come_from_a_path_and_rows_from_a_file(tiny_policy: Path, tmp_path: Path) -> None:
    row = {"question": "2 + 2?", "images": [], "solution": "2 + 2 = 4. Answer: 4", "answer": "4"}
    rows = [json.dumps(row | {"id": f"r{n}", "answer_type": "number"}) for n in range(4)]
    (tmp_path / "rows.jsonl").write_text("\n".join(rows), encoding="utf-8")
    trainer = ContextRLTrainer(
        str(tiny_policy),
        ScriptedJudge(by_length),
        ContextRLConfig(str(tmp_path / "out"), **(SETTINGS | {"max_steps": 1})),
        tmp_path / "rows.jsonl",
        run_dir=tmp_path / "run",
    )
    assert type(trainer.processing_class).__name__ == "ImageOnlyQwen3VLProcessor"
    trainer.train()
    assert parse_config(RunDirectory(tmp_path / "run").settings()).data.train == str(tmp_path / "rows.jsonl")
    trainer.save_model()
    trainer.save_model(str(tmp_path / "elsewhere"))
    assert same(weights(tmp_path / "run" / "model"), weights(tmp_path / "elsewhere"))


def test_no_secret_of_the_arguments_is_written(tiny_policy: Path, tmp_path: Path) -> None:
    settings = {"hub_token": "hf_verysecret", "model_init_kwargs": None, "max_steps": 1}
    own(tiny_policy, tmp_path / "run", eval_dataset=None, settings=settings).train()
    texts = [(tmp_path / "run" / name).read_text() for name in ("config.yaml", "environment.json")]
    assert not any("hf_verysecret" in text for text in texts)


def test_trainers_without_a_run_stay_as_they_were(tiny_policy: Path, tmp_path: Path) -> None:
    trainer = build_trainer(tiny_policy, tmp_path, ScriptedJudge(by_length), max_steps=1)
    trainer.train()
    assert trainer.own_run.results is None
    assert not list(tmp_path.glob("*.jsonl"))
