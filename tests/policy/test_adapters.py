"""LoRA by one word: the language model's linear layers and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from peft import get_peft_model

from contextrl.errors import InputError
from contextrl.policy.adapters import check_lora, language_linear, lora_config
from contextrl.policy.loading import load_policy


def adapted(policy: Path, setting: object) -> set[str]:
    """Modules with an adapter."""
    model = load_policy(str(policy))
    peft = get_peft_model(model, lora_config(setting, model))  # type: ignore[arg-type]
    return {
        name.partition(".lora_A")[0].removeprefix("base_model.model.")
        for name, _ in peft.named_modules()
        if name.endswith("lora_A")
    }


@pytest.mark.parametrize("setting", [True, {"r": 2, "target_modules": "language-linear"}], ids=["true", "named"])
def test_every_linear_layer_of_the_language_model_and_no_other(tiny_policy: Path, setting: object) -> None:
    found = adapted(tiny_policy, setting)
    wanted = {
        name
        for name, module in load_policy(str(tiny_policy)).named_modules()
        if isinstance(module, torch.nn.Linear) and ".language_model." in name
    }
    assert found == wanted
    assert len(wanted) >= 7


def test_a_model_whose_linear_layers_have_one_name_in_tower_and_text_is_told_apart() -> None:
    towers = {
        name: torch.nn.ModuleDict({"q_proj": torch.nn.Linear(2, 2)}) for name in ("vision_tower", "language_model")
    }
    model = torch.nn.ModuleDict({**towers, "lm_head": torch.nn.Linear(2, 2)})
    pattern = language_linear(model)
    assert re.fullmatch(pattern, "language_model.q_proj")
    assert re.fullmatch(pattern, "model.language_model.layers.0.q_proj")
    assert not re.fullmatch(pattern, "vision_tower.q_proj")
    assert not re.fullmatch(pattern, "model.vision_tower.layers.0.q_proj")
    assert not re.fullmatch(pattern, "lm_head")


@pytest.mark.parametrize("setting", [None, False])
def test_all_weights_train_without_it(setting: bool | None) -> None:
    assert lora_config(setting, torch.nn.Linear(1, 1)) is None


def test_unknown_fields_and_values_are_refused() -> None:
    with pytest.raises(InputError, match=r"lora_alhpa.*lora_alpha"):
        check_lora({"lora_alhpa": 3})
    with pytest.raises(InputError, match=r"model\.lora: expected values that peft accepts"):
        lora_config(
            {"r": 4, "init_lora_weights": "nonsense", "use_dora": 1, "layers_pattern": 3}, torch.nn.Linear(1, 1)
        )
