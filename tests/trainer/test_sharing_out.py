"""Processes that share a model out use its layers in the same order, whether their rows have pictures or not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from contextrl.miniature.tasks import miniature_examples
from contextrl.policy.loading import load_policy, load_processor, policy_config
from contextrl.policy.prompting import Prompting
from contextrl.records.example import Example
from contextrl.trainer.sharing_out import StandInPicture, blank_picture


class OthersSeePictures:
    """Two processes, of which the other's rows have pictures."""

    device = torch.device("cpu")

    def any(self, here: bool) -> bool:
        return True


class Told(torch.autograd.Function):
    """The identity; its backward pass says that a module's begins, as DeepSpeed is told."""

    @staticmethod
    def forward(ctx: Any, tell: Any, value: torch.Tensor) -> torch.Tensor:
        ctx.tell = tell
        return value.view_as(value)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> Any:
        ctx.tell()
        return None, *gradients


def told(output: Any, tell: Any) -> Any:
    """The output of a module, every tensor with a gradient of which tells."""
    if isinstance(output, torch.Tensor):
        return Told.apply(tell, output) if output.requires_grad and output.is_floating_point() else output
    if isinstance(output, dict):
        for name, value in output.items():
            output[name] = told(value, tell)
        return output
    return type(output)(told(value, tell) for value in output) if isinstance(output, list | tuple) else output


def order_of_layers(model: Any, inputs: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Names of modules, as the forward pass and as the backward pass begin with them."""
    forward: list[str] = []
    backward: dict[str, None] = {}
    hooks = []
    for name, module in model.named_modules():
        hooks.append(module.register_forward_pre_hook(lambda *_, name=name: forward.append(name)))
        tell = lambda name=name: backward.setdefault(name)  # noqa: E731
        hooks.append(module.register_forward_hook(lambda _, __, output, tell=tell: told(output, tell)))
    try:
        model(**inputs).logits.sum().backward()
    finally:
        for hook in hooks:
            hook.remove()
    return forward, list(backward)


@pytest.mark.parametrize("again", [False, True], ids=["once", "twice"])
def test_layers_come_in_the_order_of_a_process_that_sees_a_picture(tiny_policy: Path, again: bool) -> None:
    """Both ways: DeepSpeed compares them, FSDP2 would wait for ever."""
    model = load_policy(str(tiny_policy), trainable=True)
    prompting = Prompting(load_processor(str(tiny_policy), policy_config(str(tiny_policy))))
    StandInPicture(model, blank_picture(prompting), OthersSeePictures()).hook_in()  # type: ignore[arg-type]

    def inputs(*rows: Example) -> dict[str, Any]:
        return dict(prompting.prompts(list(rows)).padded(0).tensors)

    shown = miniature_examples("train", 1)[0]
    plain = Example(id="plain", question=shown.question, solution=shown.solution, answer=shown.answer)
    expected = order_of_layers(model, inputs(shown))
    assert any("visual" in name for name in expected[0])
    assert any("visual" in name for name in expected[1])
    for _ in range(1 + again):
        assert order_of_layers(model, inputs(plain)) == expected
