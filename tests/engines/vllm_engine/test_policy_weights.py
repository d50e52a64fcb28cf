"""The weights that vLLM is sent: all once, under the checkpoint's names, adapters merged, the base untouched."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import Qwen3Config, Qwen3ForCausalLM
from trl.distributed import DistributedBackend

from contextrl.engines.vllm.requests import EngineMismatchError
from contextrl.engines.vllm.weights import Loaded, announced, policy_weights


class Alone:
    """TRL's backend where nothing is sharded."""

    class accelerator:
        class state:
            deepspeed_plugin = None
            fsdp_plugin = None


ALONE = DistributedBackend(Alone.accelerator)


def base(dtype: torch.dtype = torch.float32, *, tied: bool = False) -> Any:
    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=32,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=8,
        tie_word_embeddings=tied,
    )
    return Qwen3ForCausalLM(config).to(dtype)


def with_adapter(model: Any, **settings: Any) -> Any:
    """A LoRA whose second half is not zero, as after some steps."""
    chosen: dict[str, Any] = {"r": 4, "lora_alpha": 8, "target_modules": ["q_proj", "down_proj"]} | settings
    peft = get_peft_model(model, LoraConfig(**chosen))
    torch.manual_seed(1)
    for name, parameter in peft.named_parameters():
        if "lora_B" in name or "lora_embedding" in name or "magnitude" in name:
            parameter.data += torch.randn_like(parameter) * 0.3
    return peft


def weights_of(model: Any) -> dict[str, torch.Tensor]:
    pairs = list(policy_weights(model, ALONE))
    assert len({name for name, _ in pairs}) == len(pairs), "a weight was sent twice"
    return {name: weight.clone() for name, weight in pairs}


@pytest.mark.parametrize("tied", [False, True])
def test_a_policy_without_adapters_is_sent_as_it_is(tied: bool) -> None:
    model = base(tied=tied)
    sent = weights_of(model)
    assert sent.keys() == dict(model.named_parameters()).keys()
    assert all(torch.equal(sent[name], value) for name, value in model.named_parameters())


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({}, id="lora"),
        pytest.param({"use_rslora": True, "r": 8}, id="rslora"),
        pytest.param({"use_dora": True}, id="dora"),
        pytest.param({"target_modules": ["embed_tokens", "v_proj"]}, id="embeddings"),
        pytest.param({"modules_to_save": ["lm_head"]}, id="a-layer-of-its-own"),
        pytest.param({"trainable_token_indices": {"embed_tokens": [3, 5]}}, id="tokens-of-their-own"),
        pytest.param({"target_modules": "all-linear", "lora_dropout": 0.5}, id="every-layer"),
    ],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_what_is_sent_is_base_and_adapter_and_the_base_stays(dtype: torch.dtype, settings: dict[str, Any]) -> None:
    model = with_adapter(base(dtype), **settings)
    if "modules_to_save" in settings or "trainable_token_indices" in settings:
        for name, parameter in model.named_parameters():
            if parameter.requires_grad and "lora" not in name:
                parameter.data += 0.5
    before = {name: value.clone() for name, value in model.state_dict().items()}
    sent = weights_of(model)
    after = model.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items()), "bit for bit"
    assert not any(getattr(module, "merged_adapters", None) for module in model.modules())
    expected = dict(copy.deepcopy(model).merge_and_unload().named_parameters())
    assert sent.keys() == expected.keys()
    assert all(torch.equal(sent[name], value) for name, value in expected.items())
    moved = [name for name, value in base(dtype).named_parameters() if not torch.equal(sent[name], value)]
    assert moved, "an adapter that reaches nobody"
    told = announced(model)
    assert told == [(name, str(value.dtype).split(".")[1], list(value.shape)) for name, value in sent.items()]


def test_again_and_again_the_adapter_counts_once() -> None:
    model = with_adapter(base(torch.bfloat16))
    first = weights_of(model)
    for _ in range(20):
        last = weights_of(model)
    assert all(torch.equal(first[name], value) for name, value in last.items())


def test_an_adapter_that_is_merged_already_counts_once_too() -> None:
    model = with_adapter(base())
    expected = weights_of(model)
    model.merge_adapter()
    merged = weights_of(model)
    assert all(torch.equal(expected[name], value) for name, value in merged.items())


def test_a_loader_that_fails_leaves_the_policy_as_it_was() -> None:
    model = with_adapter(base(torch.bfloat16))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    stream = policy_weights(model, ALONE)
    for _, (name, _) in zip(range(4), stream, strict=False):
        assert name
    with pytest.raises(RuntimeError):
        stream.throw(RuntimeError("the engine is gone"))
    assert all(torch.equal(model.state_dict()[name], value) for name, value in before.items())
    assert not any(getattr(module, "merged_adapters", None) for module in model.modules())


def test_switched_off_adapters_are_not_sent() -> None:
    model = with_adapter(base())
    with model.disable_adapter():
        sent = weights_of(model)
    assert all(torch.equal(sent[name], value) for name, value in base().named_parameters())


def test_weights_that_were_not_loaded_are_named() -> None:
    loaded = Loaded()
    loaded.add("a.q_proj.weight", {"a.qkv.weight"})
    loaded.add("b.weight", set())
    loaded.add("c.weight", None)
    with pytest.raises(EngineMismatchError, match=r"2 weights of the policy were not loaded.*b\.weight, c\.weight"):
        loaded.check(["a.qkv.weight"])


def test_weights_that_the_engine_never_got_are_named() -> None:
    loaded = Loaded()
    loaded.add("a.q_proj.weight", {"a.qkv.weight"})
    loaded.check(["a.qkv.weight"])
    with pytest.raises(EngineMismatchError, match=r"1 weights of vLLM's.*visual\.x"):
        loaded.check(["a.qkv.weight", "visual.x"])


def test_weights_that_come_twice_are_named() -> None:
    loaded = Loaded()
    for _ in range(2):
        loaded.add("a.weight", {"a.weight"})
    with pytest.raises(EngineMismatchError, match=r"sent twice: a\.weight"):
        loaded.check(["a.weight"])
