"""Every shipped recipe runs for two steps: a tiny policy of its class, the miniature's judge behind HTTP, a few rows.

What a CPU cannot do, and the sizes, are changed by the list below; the run records every other setting as the recipe
has it, so that a wrong key, a combination that is refused or a path that leads nowhere fails here.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import fields
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
import yaml
from test_commands import REJECTIONS, run_main, serving_judge
from tiny_families import build_checkpoint
from trl import SFTConfig

from contextrl.commands.config import RunConfig, load_config, parse_config
from contextrl.commands.shipped_configs import CONFIGS, shipped_configs
from contextrl.commands.sources import training_examples
from contextrl.records.jsonl import read_objects
from contextrl.settings import flat_settings
from contextrl.trainer.config import ContextRLConfig

RECIPES = {name: path for name, path in shipped_configs().items() if not name.startswith("miniature/")}
#: Left out: one process without an accelerator. Patterns of dotted keys.
WITHOUT_GPU = ("launch.*", "train.use_vllm", "train.vllm_*")
#: Where things are in a test.
PLACES = ("run_dir", "model.path", "data.train", "data.eval", "judge.base_url", "judge.model", "judge.cache")
#: Sizes: two steps of one group, responses of SHORT tokens and what is measured in them, a few rows to evaluate.
SIZES = (
    "train.use_cpu",
    "train.max_steps",
    "train.num_train_epochs",
    "train.gradient_accumulation_steps",
    "train.max_completion_length",
    "train.save_steps",
    "objective.overlong_buffer",
    "eval.examples",
    "eval.final_examples",
    "eval.max_new_tokens",
)
SHORT = 32
#: Rows; in SFT they are also those of one step, so that two epochs are two steps.
ROWS = 8


@pytest.fixture(scope="module")
def judge_urls() -> Iterator[list[str]]:
    """Two servers, as a fleet's replicas."""
    with serving_judge() as (_, first), serving_judge() as (_, second):
        yield [first, second]


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of the miniature's rows with its pictures, as anyone's data are."""
    folder = tmp_path_factory.mktemp("data")
    drawn = training_examples(parse_config({"data": {"examples": ROWS}}), vision=True)
    with (folder / "rows.jsonl").open("w", encoding="utf-8") as file:
        for example in drawn:
            pictures = [f"{example.id}-{n}.png" for n in range(len(example.images))]
            for picture, name in zip(example.images, pictures, strict=True):
                picture.save(folder / name)  # type: ignore[union-attr]
            names = ("id", "question", "solution", "answer", "answer_type")
            row = {name: getattr(example, name) for name in names}
            file.write(json.dumps({**row, "images": pictures}) + "\n")
    return folder / "rows.jsonl"


@pytest.fixture(scope="module")
def policies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """By class, as the names of recipes begin."""
    folder = tmp_path_factory.mktemp("policies")
    return {name: build_checkpoint(name, folder / name) for name in ("qwen3-vl", "qwen2.5-vl")}


def small(recipe: Path, places: dict[str, Any]) -> dict[str, Any]:
    """A recipe at test size; only keys of the lists above are changed."""
    raw: dict[str, Any] = yaml.safe_load(recipe.read_text(encoding="utf-8"))
    raw.pop("launch", None)
    train = raw["train"]
    for key in [key for key in train if any(fnmatchcase(f"train.{key}", pattern) for pattern in WITHOUT_GPU)]:
        del train[key]
    train["use_cpu"] = True
    train["gradient_accumulation_steps"] = min(ROWS, train["gradient_accumulation_steps"])
    if raw["method"] == "sft":
        train["num_train_epochs"] = 2
    else:
        shrink = train["max_completion_length"] // SHORT
        train["max_steps"], train["save_steps"], train["max_completion_length"] = 2, 1, SHORT
        if "overlong_buffer" in raw.get("objective", {}):
            raw["objective"]["overlong_buffer"] //= shrink
    raw["eval"] |= {"examples": 4, "final_examples": 4, "max_new_tokens": SHORT}
    for key, value in places.items():
        section, _, name = key.rpartition(".")
        if section in raw or not section:
            (raw[section] if section else raw)[name] = value
    return raw


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_runs(
    name: str,
    policies: dict[str, Path],
    rows: Path,
    judge_urls: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = tmp_path / "run"
    places = {
        "run_dir": str(run),
        "model.path": str(next(path for kind, path in policies.items() if name.startswith(kind))),
        "data.train": str(rows),
        "data.eval": str(rows),
        "judge.base_url": judge_urls,
        "judge.model": "miniature-judge",
        "judge.cache": str(tmp_path / "replies.sqlite"),
    }
    config = tmp_path / "recipe.yaml"
    config.write_text(yaml.safe_dump(small(RECIPES[name], places)), encoding="utf-8")
    assert run_main(monkeypatch, "train", str(config)) == 0, capsys.readouterr().err
    steps = [line for line in read_objects(run / "metrics.jsonl") if "loss" in line]
    assert [line["step"] for line in steps] == [1, 2]
    assert json.loads((run / "results.json").read_text(encoding="utf-8"))["after"]["n"] == 4
    assert survived(RECIPES[name], run / "config.yaml") == []
    recorded = yaml.safe_load((run / "config.yaml").read_text(encoding="utf-8"))
    if recorded["method"] == "sft":
        return
    groups = list(read_objects(run / "groups.jsonl"))
    assert {group["step"] for group in groups} == {1, 2}
    assert all(line["judge/calls"] > 0 and line["judge/unscored"] == 0 for line in steps)
    retried = sum(line["stage2/attempts"] for line in steps)
    assert (retried > 0) == (recorded["method"] == "contextrl")
    assert retried == sum(line["stage2/kept"] + sum(line[f"stage2/{why}"] for why in REJECTIONS) for line in steps)


def survived(recipe: Path, recorded: Path) -> list[str]:
    """Settings of a recipe that its run does not have, apart from those that the lists name."""
    written, kept = (flat_settings(yaml.safe_load(path.read_text(encoding="utf-8"))) for path in (recipe, recorded))
    changed = (*WITHOUT_GPU, *PLACES, *SIZES)
    return [
        key
        for key, value in written.items()
        if not any(fnmatchcase(key, pattern) for pattern in changed) and kept.get(key) != value
    ]


def test_a_setting_that_got_lost_would_be_found(tmp_path: Path) -> None:
    recipe, recorded = tmp_path / "a.yaml", tmp_path / "b.yaml"
    recipe.write_text("train: {beta: 0.01, vllm_mode: colocate}\nobjective: {mixing: union}\n")
    recorded.write_text("train: {beta: 0.02}\nobjective: {mixing: union}\n")
    assert survived(recipe, recorded) == ["train.beta"]


@pytest.mark.parametrize(
    ("section", "key", "value", "named"),
    [
        ("objective", "mixng", "union", "did you mean mixing"),
        ("train", "num_generation", 8, "did you mean num_generations"),
        ("train", "num_generations", 7, "num_generations to divide"),
        ("judge", "report", {"disclose": "hints"}, "judge.report.disclose"),
    ],
)
def test_a_wrong_recipe_would_be_found(
    section: str,
    key: str,
    value: Any,
    named: str,
    policies: dict[str, Path],
    rows: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    places = {"run_dir": str(tmp_path / "run"), "model.path": str(policies["qwen3-vl"]), "data.train": str(rows)}
    raw = small(RECIPES["qwen3-vl-8b/contextrl"], places)
    raw[section][key] = value
    config = tmp_path / "wrong.yaml"
    config.write_text(yaml.safe_dump(raw), encoding="utf-8")
    assert run_main(monkeypatch, "train", str(config)) == 2
    assert named in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "run").exists()


# ---- numbers that hang together --------------------------------------------------------------------------------------


def settings_of(name: str) -> dict[str, Any]:
    return dict(yaml.safe_load(RECIPES[name].read_text(encoding="utf-8")))


SAMPLING = [name for name in RECIPES if settings_of(name)["method"] != "sft"]


@pytest.mark.parametrize("name", RECIPES)
def test_settings_of_train_and_launch_exist(name: str) -> None:
    raw = settings_of(name)
    arguments = SFTConfig if raw["method"] == "sft" else ContextRLConfig
    assert raw["train"].keys() <= {field.name for field in fields(arguments)}
    assert raw.keys() <= {*RunConfig.model_fields, "launch"}
    if "launch" in raw:
        assert set(raw["launch"]) == {"processes", "accelerate"}
        assert (CONFIGS.parent / raw["launch"]["accelerate"]).is_file()


@pytest.mark.parametrize("name", RECIPES)
def test_a_step_has_the_papers_batch(name: str) -> None:
    """128 samples a step (section 4.1.4), in whole groups on every process."""
    raw = settings_of(name)
    processes = raw.get("launch", {}).get("processes", 1)
    own = raw["train"]["per_device_train_batch_size"] * raw["train"]["gradient_accumulation_steps"]
    assert processes * own == 128
    assert own % raw["train"].get("num_generations", 1) == 0


@pytest.mark.parametrize("name", SAMPLING)
def test_the_engine_holds_the_longest_conversation(name: str) -> None:
    raw = settings_of(name)
    train, context = raw["train"], raw.get("stage2", {}).get("max_context_tokens", 0)
    assert train["use_vllm"] is True
    longest = max(context, raw["data"]["max_prompt_tokens"]) + train["max_completion_length"]
    assert train["vllm_max_model_length"] == longest
    if context:  # a prompt and a whole failed response, and some room for the report
        assert context >= raw["data"]["max_prompt_tokens"] + train["max_completion_length"] + 1000


@pytest.mark.parametrize("name", SAMPLING)
def test_the_judge_can_read_a_whole_response_and_has_time_to_reply(name: str) -> None:
    raw = settings_of(name)
    judge = parse_config({key: raw[key] for key in ("method", "judge", "data")}).judge
    assert judge.max_response_chars >= 4 * raw["train"]["max_completion_length"]
    assert judge.timeouts.read >= judge.sampling.max_tokens / 25
    assert judge.timeouts.total >= 2 * judge.timeouts.read
    fleet = (CONFIGS / "judge" / "fleet.sh").read_text(encoding="utf-8")
    said = dict(re.findall(r"^(\w+)=\$\{\w+:-([^}]*)\}", fleet, re.MULTILINE))
    assert said["MODEL"] == judge.model
    assert int(said["MAX_NUM_SEQS"]) >= judge.max_concurrency
    assert [int(url.split(":")[2].partition("/")[0]) for url in judge.base_urls] == [
        int(said["PORT"]) + n for n in range(len(judge.base_urls))
    ]
    # A picture of 3M pixels in patches of 32, response, reference, reply.
    tokens = 3_000_000 // 32**2 + 2 * raw["train"]["max_completion_length"] + judge.sampling.max_tokens
    assert int(said["MAX_MODEL_LEN"]) > tokens


def test_every_class_of_policy_has_a_tiny_one(policies: dict[str, Path]) -> None:
    kinds = {name: json.loads((path / "config.json").read_text())["model_type"] for name, path in policies.items()}
    assert kinds == {"qwen3-vl": "qwen3_vl", "qwen2.5-vl": "qwen2_5_vl"}
    assert all(name.startswith(tuple(policies)) for name in RECIPES)
    assert {"contextrl", "grpo", "dapo", "sft"} <= {Path(name).name for name in RECIPES}


def test_a_copy_finds_what_it_names_without_the_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As of an installed package: a copy of a recipe in a folder that has nothing else."""
    monkeypatch.chdir(tmp_path)
    prompts = "judge: {prompts: configs/miniature/judge-prompts}\n"
    Path("mine.yaml").write_text(prompts)
    assert load_config("mine.yaml").judge.prompts == CONFIGS / "miniature" / "judge-prompts"
    # One of the user's own goes before it.
    own = tmp_path / "configs" / "miniature" / "judge-prompts"
    shutil.copytree(CONFIGS / "miniature" / "judge-prompts", own)
    assert load_config("mine.yaml").judge.prompts == own
