"""Configuration files: reading, overriding, refusing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from contextrl.commands.config import RunConfig, load_config, nearest_key, parse_config
from contextrl.commands.settings_files import apply_override
from contextrl.errors import InputError
from contextrl.records.secrets import is_secret
from contextrl.settings import flat_settings

CONFIGS = sorted((Path(__file__).parents[2] / "configs").rglob("*.yaml"))
#: Not run configurations: accelerate's own files, and recipes of data sets.
RUN_CONFIGS = [path for path in CONFIGS if path.parent.name not in ("accelerate", "data")]


def write(folder: Path, text: str) -> Path:
    path = folder / "run.yaml"
    path.write_text(text, encoding="utf-8")
    return path


# ---- shipped files -----------------------------------------------------------------------------------------------


def test_there_are_shipped_files() -> None:
    assert len(RUN_CONFIGS) >= 5


@pytest.mark.parametrize("path", RUN_CONFIGS, ids=[f"{path.parent.name}/{path.name}" for path in RUN_CONFIGS])
def test_shipped_files_parse_and_round_trip(path: Path) -> None:
    config = load_config(path)
    assert parse_config(yaml.safe_load(config.to_yaml())) == config
    # Every key of the file has arrived: none is dropped or renamed on the way.
    written = yaml.safe_load(config.to_yaml())
    for section, value in yaml.safe_load(path.read_text(encoding="utf-8")).items():
        if isinstance(value, dict):
            assert value.keys() <= written[section].keys()
        else:
            assert written[section] == value


def test_round_trip_keeps_numbers_paths_and_other_scripts(tmp_path: Path) -> None:
    config = RunConfig(
        run_dir=tmp_path / "läufe" / "一",
        train={"learning_rate": 1e-6, "max_steps": 3, "bf16": False},
        stage2={"instruction": "请重新回答。", "max_positives": None},
    )
    text = config.to_yaml()
    assert "请重新回答。" in text
    assert parse_config(yaml.safe_load(text)) == config


# ---- files -------------------------------------------------------------------------------------------------------


def test_defaults_of_an_empty_file(tmp_path: Path) -> None:
    assert load_config(write(tmp_path, "# nothing\n")) == RunConfig()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("method: [", "expected valid YAML", id="unfinished"),
        pytest.param("a: b: c", "expected valid YAML", id="two-colons"),
        pytest.param("- grpo\n- dapo", "expected a mapping of sections, found list", id="list"),
        pytest.param("grpo", "expected a mapping of sections, found str", id="word"),
    ],
)
def test_bad_yaml(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(InputError) as caught:
        load_config(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["mine.jsonl", "mine.csv", "mine.parquet"])
def test_a_file_of_rows_is_no_configuration(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text('{"question": "1 + 1?"}\n{"question": "1 + 2?"}\n')
    with pytest.raises(InputError, match=f"found a file of rows. Write one with contextrl init --data .*{name}"):
        load_config(tmp_path / name)


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_bytes(b"method: \xff\xfe")
    with pytest.raises(InputError, match="expected valid YAML"):
        load_config(path)


@pytest.mark.parametrize(("name", "found"), [("absent.yaml", "no such file"), (".", "a folder")])
def test_missing_file(tmp_path: Path, name: str, found: str) -> None:
    with pytest.raises(InputError) as caught:
        load_config(tmp_path / name)
    assert str(caught.value) == f"{tmp_path / name}: expected a configuration file, found {found}."
    assert caught.value.exit_code == 2


# ---- unknown keys and wrong values -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        pytest.param({"metod": "grpo"}, "unknown key metod, did you mean method?", id="top-level"),
        pytest.param({"stage_2": {}}, "unknown key stage_2, did you mean stage2?", id="section"),
        pytest.param(
            {"stage2": {"max_positive": 4}},
            "unknown key stage2.max_positive, did you mean max_positives?",
            id="in-a-section",
        ),
        pytest.param(
            {"judge": {"report": {"disclosure": "hint"}}},
            "unknown key judge.report.disclosure, did you mean disclose?",
            id="in-a-section-of-a-section",
        ),
        pytest.param(
            {"model": {"qqqq": 1}},
            "unknown key model.qqqq (known: path, dtype, lora, max_pixels, ",
            id="none-near",
        ),
    ],
)
def test_unknown_key_names_the_nearest(raw: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_config(raw)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("raw", "key", "found"),
    [
        pytest.param({"method": "ppo"}, "method", "'ppo'", id="off-menu"),
        pytest.param({"seed": "seven"}, "seed", "'seven'", id="not-a-number"),
        pytest.param({"stage2": {"samples_per_negative": 0}}, "stage2.samples_per_negative", "0", id="too-small"),
        pytest.param({"judge": {"max_unscored_share": 1.5}}, "judge.max_unscored_share", "1.5", id="too-large"),
        pytest.param({"objective": {"ratio": "luffy"}}, "objective.ratio", "'luffy'", id="off-menu-in-a-section"),
        pytest.param({"objective": {"off_policy_advantage_scale": 0}}, "off_policy_advantage_scale", "0", id="zero"),
        pytest.param({"stage2": {"enabled": "perhaps"}}, "stage2.enabled", "'perhaps'", id="not-a-boolean"),
        pytest.param({"judge": "rules"}, "judge", "'rules'", id="value-for-a-section"),
        pytest.param({"train": [1]}, "train", "[1]", id="list-for-a-section"),
    ],
)
def test_wrong_value_names_key_and_value(raw: dict[str, Any], key: str, found: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_config(raw, where="run.yaml")
    assert f"{key}: " in str(caught.value)
    assert f"(found {found})" in str(caught.value)
    assert str(caught.value).startswith("run.yaml: ")


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(InputError) as caught:
        parse_config({"metod": "grpo", "seed": "x", "eval": {"every": -1}})
    assert all(part in str(caught.value) for part in ("metod", "seed", "eval.every"))


@pytest.mark.parametrize(
    ("key", "known", "hint"),
    [
        pytest.param("sed", ["seed", "method"], ", did you mean seed?", id="near"),
        pytest.param("zzz", ["b", "a"], " (known: b, a)", id="few-known"),
        pytest.param("zzz", [f"a{i}" for i in range(13)], "", id="too-many-to-list"),
    ],
)
def test_nearest_key(key: str, known: list[str], hint: str) -> None:
    assert nearest_key(key, known) == hint


# ---- overrides ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        pytest.param("seed=3", {"seed": 3}, id="whole-number"),
        pytest.param("train.learning_rate=1e-4", {"train": {"learning_rate": 1e-4}}, id="exponent"),
        pytest.param("train.learning_rate=-2E+3", {"train": {"learning_rate": -2000.0}}, id="signs"),
        pytest.param("train.learning_rate=1.5e-4", {"train": {"learning_rate": 1.5e-4}}, id="decimal-and-exponent"),
        pytest.param("train.x=0.5", {"train": {"x": 0.5}}, id="decimal"),
        pytest.param("run_dir=runs/1e4", {"run_dir": "runs/1e4"}, id="text-with-an-exponent-inside"),
        pytest.param("stage2.enabled=false", {"stage2": {"enabled": False}}, id="boolean"),
        pytest.param("data.eval=null", {"data": {"eval": None}}, id="null"),
        pytest.param("data.eval=", {"data": {"eval": None}}, id="nothing"),
        pytest.param("judge.report.disclose=hint", {"judge": {"report": {"disclose": "hint"}}}, id="nested"),
        pytest.param("model.lora={r: 8}", {"model": {"lora": {"r": 8}}}, id="mapping"),
        pytest.param("train.report_to=[a, b]", {"train": {"report_to": ["a", "b"]}}, id="list"),
        pytest.param("stage2.instruction=a=b", {"stage2": {"instruction": "a=b"}}, id="equals-sign-in-the-value"),
        pytest.param(" seed =3", {"seed": 3}, id="spaces"),
    ],
)
def test_override(override: str, expected: dict[str, Any]) -> None:
    raw: dict[str, Any] = {}
    apply_override(raw, override)
    assert raw == expected
    leaf, wanted = raw, expected
    while isinstance(wanted, dict):
        leaf, wanted = next(iter(leaf.values())), next(iter(wanted.values()))
    assert type(leaf) is type(wanted)


def test_override_leaves_its_neighbours() -> None:
    raw: dict[str, Any] = {"train": {"beta": 0.01, "max_steps": 5}}
    apply_override(raw, "train.beta=0")
    assert raw == {"train": {"beta": 0, "max_steps": 5}}


def test_numbers_lead_into_lists() -> None:
    raw: dict[str, Any] = {"judge": {"panel": [{"model": "a"}, {"model": "b"}], "urls": ["x", "y"]}}
    apply_override(raw, "judge.panel.1.model=c")
    apply_override(raw, "judge.urls.0=z")
    assert raw == {"judge": {"panel": [{"model": "a"}, {"model": "c"}], "urls": ["z", "y"]}}
    for override in ("judge.panel.2.model=c", "judge.urls.2=z", "judge.panel.x=1", "judge.panel.-1.model=c"):
        with pytest.raises(InputError, match="a number below 2"):
            apply_override(raw, override)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        pytest.param("seed", "--set: expected --set key=value, found 'seed'", id="no-equals-sign"),
        pytest.param("=3", "--set: expected --set key=value, found '=3'", id="no-key"),
        pytest.param("seed.deep=3", "--set seed.deep: expected a section at seed, found int", id="below-a-value"),
        pytest.param("seed=[1", "--set seed: expected a YAML value, found '[1'", id="bad-yaml"),
    ],
)
def test_bad_override(override: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        apply_override({"seed": 0}, override)
    assert message in str(caught.value)


def test_overrides_apply_in_order_over_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, "seed: 1\ntrain: {beta: 0.5, max_steps: 7}\n")
    config = load_config(path, ["seed=2", "train.beta=1e-3", "seed=3"])
    assert (config.seed, config.train) == (3, {"beta": 1e-3, "max_steps": 7})


def test_overridden_keys_are_checked_too(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown key sed, did you mean seed"):
        load_config(write(tmp_path, "seed: 1"), ["sed=2"])


def test_exponents_without_a_point_are_numbers_in_files_too(tmp_path: Path) -> None:
    # YAML 1.1 reads 1e-4 as text.
    config = load_config(write(tmp_path, "train: {learning_rate: 1e-4, run_name: e5, weight_decay: 1.0e-2}"))
    assert config.train == {"learning_rate": 1e-4, "run_name": "e5", "weight_decay": 1e-2}


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("train: {lr_scheduler_kwargs: {min_lr: 1e-5}}", id="mapping-in-train"),
        pytest.param("train: {betas: [9e-1, 1e-3]}", id="list-in-train"),
        pytest.param("model: {lora: {lora_dropout: 1e-1}}", id="lora"),
    ],
)
def test_exponents_deeper_down_are_numbers_too(tmp_path: Path, text: str) -> None:
    config = load_config(write(tmp_path, text))

    def leaves(value: Any) -> list[Any]:
        parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
        return [value] if parts is None else [leaf for part in parts for leaf in leaves(part)]

    values = leaves([config.train, config.model.lora or {}])
    assert [type(value) for value in values] == [float] * len(values)


@pytest.mark.parametrize("overrides", [[], ["train.beta=0"]], ids=["alone", "with-override"])
def test_a_section_with_every_line_commented_out_is_its_default(tmp_path: Path, overrides: list[str]) -> None:
    load_config(write(tmp_path, "train:\n  # beta: 0.01\n"), overrides)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({}, "miniature"),
        ({"train": "miniature"}, "miniature"),
        ({"train": "mine.jsonl"}, None),
        ({"train": "org/set"}, None),
        ({"train": "mine.jsonl", "eval": "miniature"}, "miniature"),
        ({"train": "mine.jsonl", "eval": "dev.jsonl"}, "dev.jsonl"),
        ({"train": "miniature", "eval": None}, None),
    ],
)
def test_rows_of_ones_own_are_evaluated_on_what_was_asked(data: dict[str, Any], expected: str | None) -> None:
    config = parse_config({"data": data})
    assert config.data.eval == expected
    # As a run writes it down and reads it again.
    assert parse_config(config.model_dump(mode="json")).data.eval == expected


def test_no_setting_is_taken_for_a_secret() -> None:
    """What is hidden in a run's config.yaml could not be read again; keys are named by their environment variable."""
    names = [name.rpartition(".")[2] for name in flat_settings(RunConfig().model_dump(mode="json"))]
    assert "rolled_back_tokens" in names
    assert [name for name in names if is_secret(name)] == []


def test_every_value_of_every_setting_survives_being_recorded() -> None:
    """A name that looks like a secret's would be hidden, and the run could not be read again."""
    config = RunConfig(objective={"rolled_back_tokens": "after_divergence"})  # type: ignore[arg-type]
    assert parse_config(yaml.safe_load(config.to_yaml())) == config
    assert "[hidden]" not in RunConfig().to_yaml()


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ({"judge": {"cache": []}}, "judge.cache: "),
        ({"judge": {"base_url": [1]}}, "judge.base_url.0: "),
    ],
)
def test_a_field_of_several_kinds_is_named_as_the_user_names_it(raw: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_config(raw)
    assert said in caught.value.found
    for kind in (".bool", "[path_validator", "list[", ".str"):
        assert kind not in caught.value.found
