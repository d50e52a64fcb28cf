"""What would fail late, or train wrongly in silence, is refused by name before anything is written."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from runs import SETTINGS, ScriptedJudge, build_trainer
from transformers import Qwen3Config, Qwen3ForCausalLM

from contextrl.errors import InputError
from contextrl.evaluation.generation import generate_greedy
from contextrl.miniature.tasks import miniature_examples
from contextrl.policy.loading import load_policy, load_processor, policy_config
from contextrl.policy.prompting import Prompting
from contextrl.trainer.adapters import check_adapter
from contextrl.trainer.config import ContextRLConfig
from contextrl.trainer.contextrl_trainer import ContextRLTrainer
from contextrl.trainer.ranges import RANGES, check_numbers
from contextrl.trainer.refusals import check_arguments, check_checkpoint

REENTRANT = {"gradient_checkpointing": True, "gradient_checkpointing_kwargs": {"use_reentrant": True}}


def arguments(folder: Path, **settings: Any) -> ContextRLConfig:
    return ContextRLConfig(output_dir=str(folder / "run"), **(SETTINGS | settings))


def refused(policy: Path, folder: Path, peft_config: Any = None, **settings: Any) -> str:
    """The message with which a trainer is refused; nothing may have been written."""
    with pytest.raises(InputError) as refusal:
        build_trainer(policy, folder / "run", ScriptedJudge(lambda _: "correct"), peft_config=peft_config, **settings)
    assert not (folder / "run").exists()
    return str(refusal.value)


# ---- adapters ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lora", "settings", "words"),
    [
        pytest.param({}, {}, ["model.lora to true", "target_modules", "q_proj"], id="no-targets-and-no-defaults"),
        pytest.param(
            {"target_modules": ["nope"]}, {}, ["model.lora", "nope", "q_proj"], id="targets-that-are-not-there"
        ),
        pytest.param({"target_modules": ["input_layernorm"]}, {}, ["model.lora", "RMSNorm"], id="no-linear-layer"),
        pytest.param(
            {"target_modules": ["q_proj"], "init_lora_weights": "pissa"},
            {},
            ["model.lora.init_lora_weights", "pissa", "train.beta"],
            id="pissa",
        ),
        pytest.param(
            {"target_modules": ["q_proj"], "init_lora_weights": "pissa_niter_4"}, {}, ["pissa_niter_4"], id="fast-pissa"
        ),
        pytest.param({"target_modules": ["q_proj"], "init_lora_weights": "olora"}, {}, ["olora"], id="olora"),
        pytest.param({"target_modules": ["q_proj"], "init_lora_weights": "OLoRA"}, {}, ["olora"], id="capitals"),
        pytest.param(
            {"target_modules": "all-linear"},
            REENTRANT,
            ["train.gradient_checkpointing_kwargs", "use_reentrant"],
            id="reentrant-checkpointing-of-a-vision-tower",
        ),
        pytest.param({"target_modules": ["q_proj"]}, {"sync_ref_model": True}, ["train.sync_ref_model"], id="sync"),
    ],
)
def test_adapters_that_would_fail_or_mislead(
    tiny_policy: Path, tmp_path: Path, lora: dict[str, Any], settings: dict[str, Any], words: list[str]
) -> None:
    message = refused(tiny_policy, tmp_path, LoraConfig(r=2, **lora), **settings)
    for word in words:
        assert word in message


@pytest.mark.parametrize(
    ("lora", "settings"),
    [
        ({"target_modules": "all-linear"}, {}),
        ({"target_modules": ["q_proj"], "init_lora_weights": "pissa"}, {"beta": 0.0}),
        ({"target_modules": ["q_proj"], "init_lora_weights": "gaussian"}, {}),
        ({"target_modules": ["q_proj"], "init_lora_weights": "orthogonal"}, {}),
        ({"target_modules": ["q_proj", "v_proj"]}, REENTRANT),
        ({"target_modules": "all-linear"}, {"gradient_checkpointing": True}),
    ],
    ids=["all-linear", "pissa-without-kl", "gaussian", "orthogonal", "reentrant-on-text", "checkpointing-as-usual"],
)
def test_adapters_that_are_right(
    tiny_policy: Path, tmp_path: Path, lora: dict[str, Any], settings: dict[str, Any]
) -> None:
    model = load_policy(str(tiny_policy))
    before = {name: weights.clone() for name, weights in model.state_dict().items()}
    config = LoraConfig(r=2, **lora)
    check_adapter(model, type(model), model.config, arguments(tmp_path, **settings), config)
    assert config.init_lora_weights == lora.get("init_lora_weights", True), "the caller's own is not touched"
    for name, weights in model.state_dict().items():
        assert torch.equal(weights, before[name])


def test_targets_that_the_family_has_by_default(tmp_path: Path) -> None:
    """peft knows Qwen3's projections, so that no targets are needed."""
    model = Qwen3ForCausalLM(Qwen3Config(hidden_size=16, num_hidden_layers=1, vocab_size=32, head_dim=8))
    check_adapter(model, type(model), model.config, arguments(tmp_path), LoraConfig(r=2))


def test_the_reference_of_adapters_that_move_the_base_is_wrong(tiny_policy: Path) -> None:
    """What the refusal is for: the base that is left after PiSSA is another model; after a plain start it is not."""
    inputs = {"input_ids": torch.tensor([[7, 8, 9, 10]])}

    def shift(initial: Any) -> float:
        model = load_policy(str(tiny_policy))
        with torch.no_grad():
            start = model(**inputs).logits
            adapted = get_peft_model(
                model, LoraConfig(r=8, target_modules=["q_proj", "v_proj"], init_lora_weights=initial)
            )
            with adapted.disable_adapter():
                return float((adapted(**inputs).logits - start).abs().max())

    assert shift("pissa") > 0.01
    assert shift("olora") > 0.01
    assert shift(True) == shift("orthogonal") == 0.0


@pytest.fixture(scope="module")
def adapter(tiny_policy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a LoRA adapter only."""
    folder = tmp_path_factory.mktemp("adapter")
    model = get_peft_model(load_policy(str(tiny_policy)), LoraConfig(r=2, target_modules=["q_proj"]))
    model.save_pretrained(folder)
    load_processor(str(tiny_policy), policy_config(str(tiny_policy))).save_pretrained(folder)
    return folder


def test_adapters_on_adapters(adapter: Path, tmp_path: Path) -> None:
    message = refused(adapter, tmp_path, LoraConfig(r=2, target_modules=["q_proj"]))
    assert "model.lora" in message
    assert "merge" in message
    config = policy_config(str(adapter))
    with pytest.raises(InputError, match="a policy without adapters"):
        check_adapter(str(adapter), None, config, arguments(tmp_path), LoraConfig(r=2, target_modules=["q_proj"]))


def test_an_adapter_goes_on_training(adapter: Path, tmp_path: Path) -> None:
    model = load_policy(str(adapter), trainable=True)
    check_adapter(model, type(model.get_base_model()), model.config, arguments(tmp_path), None)
    model.peft_config["default"].init_lora_weights = "pissa"
    with pytest.raises(InputError, match="pissa"):
        check_adapter(model, type(model.get_base_model()), model.config, arguments(tmp_path), None)


# ---- processors ----------------------------------------------------------------------------------------------------


def copied(policy: Path, folder: Path, *missing: str) -> Path:
    """A policy without some of the settings of its tokenizer, or without its chat template."""
    shutil.copytree(policy, folder)
    (folder / "chat_template.jinja").unlink() if "chat_template" in missing else None
    file = folder / "tokenizer_config.json"
    settings = json.loads(file.read_text())
    file.write_text(json.dumps({key: value for key, value in settings.items() if key not in missing}))
    return folder


def greedy(policy: Path) -> int:
    processor = load_processor(str(policy), policy_config(str(policy)))
    rows = miniature_examples("train", 2)
    return len(generate_greedy(load_policy(str(policy)), Prompting(processor), rows, max_new_tokens=3))


def test_a_processor_without_chat_template(tiny_policy: Path, tmp_path: Path) -> None:
    policy = copied(tiny_policy, tmp_path / "policy", "chat_template")
    assert "model.path: expected a processor with a chat template" in refused(policy, tmp_path)
    with pytest.raises(InputError, match="chat template"):
        greedy(policy)


def test_a_chat_template_that_shows_no_images(tiny_policy: Path, tmp_path: Path) -> None:
    policy = copied(tiny_policy, tmp_path / "policy")
    template = (policy / "chat_template.jinja").read_text()
    marks = "<|vision_start|><|image_pad|><|vision_end|>"
    assert marks in template
    (policy / "chat_template.jinja").write_text(template.replace(marks, ""))
    assert "chat template renders the rows and shows their images" in refused(policy, tmp_path)


def test_a_chat_template_beside_the_tokenizer_only(tiny_policy: Path, tmp_path: Path) -> None:
    """As older checkpoints have it."""
    policy = copied(tiny_policy, tmp_path / "policy", "chat_template")
    file = policy / "tokenizer_config.json"
    template = (tiny_policy / "chat_template.jinja").read_text()
    file.write_text(json.dumps(json.loads(file.read_text()) | {"chat_template": template}))
    assert greedy(policy) == 2


def test_a_tokenizer_without_pad_token(tiny_policy: Path, tmp_path: Path) -> None:
    """The end token pads, as in TRL; with neither, nothing can."""
    assert greedy(copied(tiny_policy, tmp_path / "padded-with-eos", "pad_token")) == 2
    policy = copied(tiny_policy, tmp_path / "policy", "pad_token", "eos_token")
    assert "model.path: expected a tokenizer with a pad token" in refused(policy, tmp_path)
    with pytest.raises(InputError, match="pad token"):
        greedy(policy)


def test_a_model_folder_without_processor(tiny_policy: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes((tiny_policy / "config.json").read_bytes())
    with pytest.raises(InputError, match=r"model\.path: expected the files of a processor"):
        load_processor(str(tmp_path), policy_config(str(tmp_path)))


# ---- packages and names --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        pytest.param({"optim": "adamw_bnb_8bit"}, ["train.optim", "adamw_bnb_8bit", "bitsandbytes"], id="bitsandbytes"),
        pytest.param({"optim": "paged_lion_8bit"}, ["train.optim", "bitsandbytes"], id="paged"),
        pytest.param(
            {"optim": "galore_adamw", "optim_target_modules": ["q_proj"]}, ["train.optim", "galore_torch"], id="galore"
        ),
        pytest.param({"optim": "schedule_free_adamw"}, ["train.optim", "schedulefree"], id="schedule-free"),
        pytest.param({"optim": "lomo"}, ["train.optim", "lomo"], id="lomo"),
        pytest.param({"optim": "adamw_torch_xla"}, ["train.optim", "torch_xla"], id="xla"),
        pytest.param({"report_to": "wandb"}, ["train.report_to", "wandb", "pip install wandb"], id="wandb"),
        pytest.param({"report_to": ["tensorboard", "mlflow"]}, ["train.report_to", "mlflow"], id="second-of-two"),
        pytest.param({"report_to": "wanb"}, ["train.report_to", "did you mean wandb"], id="misspelt-tracker"),
        pytest.param({"model_init_kwargs": {"dtype": "bfloat61"}}, ["dtype", "did you mean bfloat16"], id="dtype"),
        pytest.param({"model_init_kwargs": {"dtype": "int8"}}, ["dtype", "int8"], id="dtype-of-integers"),
        pytest.param({"model_init_kwargs": {"attn_implementation": "spda"}}, ["sdpa"], id="attention"),
        pytest.param(
            {"lr_scheduler_type": "cosine_with_min_lr"}, ["train.lr_scheduler_type", "min_lr"], id="scheduler"
        ),
    ],
)
def test_what_is_not_installed_or_not_known(tmp_path: Path, settings: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(InputError) as refusal:
        check_arguments(arguments(tmp_path, **settings))
    for word in words:
        assert word in str(refusal.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"optim": "adafactor"},
        {"optim": "sgd"},
        {"report_to": "tensorboard"},
        {"report_to": "all"},
        {"report_to": []},
        {"model_init_kwargs": {"dtype": "bfloat16", "attn_implementation": "eager"}},
        {"model_init_kwargs": {"dtype": torch.float16}},
        {"lr_scheduler_type": "cosine_with_min_lr", "lr_scheduler_kwargs": {"min_lr": 1e-6}},
        {"lr_scheduler_type": "polynomial"},
    ],
)
def test_what_is_there_is_taken(tmp_path: Path, settings: dict[str, Any]) -> None:
    check_arguments(arguments(tmp_path, **settings))


# ---- numbers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("per_device_train_batch_size", 0),
        ("per_device_train_batch_size", -8),
        ("gradient_accumulation_steps", 0),
        ("max_steps", 0),
        ("max_steps", -2),
        ("num_train_epochs", 0.0),
        ("learning_rate", -1e-6),
        ("learning_rate", float("nan")),
        ("learning_rate", float("inf")),
        ("max_completion_length", 0),
        ("temperature", 0.0),
        ("temperature", float("inf")),
        ("top_p", 0.0),
        ("top_p", 1.5),
        ("top_k", -1),
        ("min_p", -0.1),
        ("repetition_penalty", 0.0),
        ("beta", -0.01),
        ("epsilon", float("nan")),
        ("epsilon_high", -1.0),
        ("num_iterations", 0),
        ("steps_per_generation", 0),
        ("adam_beta2", 1.0),
        ("max_grad_norm", -1.0),
        ("warmup_steps", -3),
        ("save_steps", 0),
        ("logging_steps", -1),
        ("dataloader_num_workers", -1),
        ("seed", -1),
        ("ref_model_mixup_alpha", 2.0),
    ],
)
def test_numbers_that_make_no_sense(tmp_path: Path, name: str, value: float) -> None:
    with pytest.raises(InputError, match=rf"train\.{name}: expected .*found {value:g}\. Change train\.{name}"):
        arguments(tmp_path, **{name: value})


def test_numbers_that_do(tmp_path: Path) -> None:
    edges = {"learning_rate": 0.0, "top_p": 1.0, "top_k": 0, "beta": 0.0, "min_p": None, "warmup_steps": 0, "seed": 0}
    args = arguments(tmp_path, **edges, max_steps=-1, weight_decay=0.0, max_grad_norm=0.0, save_total_limit=1)
    check_numbers(vars(args))
    check_numbers({"no_field_of_theirs": -1.0, "max_steps": "three"})
    known = set(vars(args))
    theirs = {"max_length", "dataset_num_proc", "warmup_ratio"}  # SFTConfig's, and an older name
    assert set(RANGES) <= known | theirs, "every range is of a field"


# ---- resuming ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["save_only_model", "sync_ref_model"])
def test_checkpoints_without_all_state_are_not_resumed_from(tiny_policy: Path, tmp_path: Path, name: str) -> None:
    args = arguments(tmp_path, **{name: True})
    check_checkpoint(args, None)  # nothing was saved yet: the run begins again
    with pytest.raises(InputError, match=rf"--resume: .*train\.{name}: checkpoint-3 lacks"):
        check_checkpoint(args, tmp_path / "checkpoint-3")
    check_checkpoint(arguments(tmp_path), tmp_path / "checkpoint-3")
    trainer = build_trainer(tiny_policy, tmp_path / "run", ScriptedJudge(lambda _: "correct"), **{name: True})
    with pytest.raises(InputError, match=f"train.{name}"):
        trainer.train(resume_from_checkpoint=str(tmp_path / "checkpoint-3"))


def test_a_moving_reference_needs_one(tiny_policy: Path, tmp_path: Path) -> None:
    assert "train.sync_ref_model" in refused(tiny_policy, tmp_path, sync_ref_model=True, beta=0.0)


def test_features_that_the_model_does_not_take(tiny_policy: Path, tmp_path: Path) -> None:
    class Odd:
        """A processor that gives what no forward knows."""

        def __init__(self, own: Any) -> None:
            self.own, self.tokenizer, self.chat_template = own, own.tokenizer, own.chat_template

        def apply_chat_template(self, *args: Any, **kwargs: Any) -> Any:
            encoded = self.own.apply_chat_template(*args, **kwargs)
            encoded["aspect_ratio_ids"] = torch.ones(1, 1)
            return encoded

    processor = Odd(load_processor(str(tiny_policy), policy_config(str(tiny_policy))))
    judge = ScriptedJudge(lambda _: "correct")
    rows = miniature_examples("train", 4)
    with pytest.raises(InputError, match=r"Qwen3VLForConditionalGeneration can be trained on, found aspect_ratio_ids"):
        ContextRLTrainer(load_policy(str(tiny_policy)), judge, arguments(tmp_path), rows, processor)
    assert not (tmp_path / "run").exists()
