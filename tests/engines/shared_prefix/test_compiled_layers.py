"""Compiled decoder layers: the same numbers and gradients, checkpointed or not, and never in sampling."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from test_scoring import CPU, case, prepared, with_sharing

from contextrl.engines.compiled import compile_layers
from contextrl.engines.shared_prefix.prompts import encode_prompts
from contextrl.engines.shared_prefix.scoring import score_packed
from contextrl.errors import InputError
from contextrl.trainer.config import ContextRLConfig
from contextrl.trainer.refusals import check_arguments


def counting(calls: list[int]) -> Callable[..., Any]:
    """A compiler that traces as CUDA's does and generates no code: C++ takes minutes."""
    compile_ = partial(torch.compile, dynamic=True, backend="aot_eager")

    def compiler(call: Callable[..., Any]) -> Callable[..., Any]:
        compiled = compile_(call)

        def run(*args: Any, **kwargs: Any) -> Any:
            calls.append(1)
            return compiled(*args, **kwargs)

        return run

    return compiler


def values_and_gradients(model: Any, name: str, family: str) -> tuple[torch.Tensor, list[torch.Tensor]]:
    prompts, row, completions, lengths, weights = case(name, family)
    encoded = encode_prompts(model, prompts, CPU)
    model.zero_grad()
    logps, _ = score_packed(model, encoded, row, completions, lengths)
    (logps * weights).sum().backward()
    return logps.detach(), [p.grad.clone() for p in model.parameters() if p.grad is not None]


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize(("family", "batch"), [("qwen3-vl", "lengths"), ("qwen3", "no-images-at-all")])
def test_scoring_and_its_gradients_are_those_of_plain_layers(family: str, batch: str, checkpointing: bool) -> None:
    model, calls = with_sharing(prepared(family)), []
    if checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    plain = values_and_gradients(model, batch, family)
    compile_layers(model, counting(calls))
    compiled = values_and_gradients(model, batch, family)
    layers = model.config.get_text_config().num_hidden_layers
    assert len(calls) >= layers
    torch.testing.assert_close(compiled[0], plain[0], atol=1e-5, rtol=0)
    assert len(compiled[1]) == len(plain[1])
    for found, expected in zip(compiled[1], plain[1], strict=True):
        assert float((found - expected).norm()) <= 1e-5 * max(1.0, float(expected.norm()))


def test_forwards_with_a_cache_stay_as_they_are() -> None:
    model, calls = with_sharing(prepared("qwen3")).eval(), []
    compile_layers(model, counting(calls))
    ids = torch.randint(2, 50, (2, 5), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        model.generate(input_ids=ids, max_new_tokens=3, do_sample=False)
    assert calls == []


def test_weights_and_names_are_untouched() -> None:
    model = prepared("qwen3")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    compile_layers(model, counting([]))
    after = model.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[name], value) for name, value in before.items())


def test_without_a_gpu_it_is_refused_by_name(tmp_path: Any) -> None:
    args = ContextRLConfig(str(tmp_path), compile_layers=True, use_cpu=True)
    with pytest.raises(InputError, match=r"train\.compile_layers: expected a GPU.*Set it to false"):
        check_arguments(args)
