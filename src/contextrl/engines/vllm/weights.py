"""The policy's weights as vLLM takes them: under a checkpoint's names, adapters merged, one module at a time."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from peft.tuners.tuners_utils import BaseTunerLayer
from peft.utils.other import AuxiliaryTrainingWrapper
from torch import nn

from contextrl.engines.vllm.requests import EngineMismatchError

Weights = Iterator[tuple[str, torch.Tensor]]
#: How the name, numeric type and shape of a weight are told to a server before it comes.
Announced = tuple[str, str, list[int]]


def policy_weights(model: Any, sharding: Any) -> Weights:
    """Every weight of a policy once, whole, as what it computes with: base plus active adapters.

    Merging happens in a copy of each layer, so the base is never touched: nothing has to be undone, not after an error
    either, and bfloat16 loses nothing. Gathering what is sharded is collective: every process iterates to the end.

    Args:
        model: unwrapped, with or without adapters.
        sharding: TRL's `DistributedBackend`.
    """
    for prefix, module in _leaves(model):
        with sharding.gather_params(list(module.parameters())):
            merges = isinstance(module, BaseTunerLayer) and not module.merged and not module.disable_adapters
            source = _merged(module) if merges else module
            for name, parameter in _own(source):
                yield _checkpoint_name(f"{prefix}.{name}"), _whole(parameter.detach())


def announced(model: Any) -> list[Announced]:
    """Names, types and shapes of what `policy_weights` will give, in its order, without gathering or merging."""
    return [
        (
            _checkpoint_name(f"{prefix}.{name}"),
            str(parameter.dtype).removeprefix("torch."),
            list(getattr(parameter, "ds_shape", parameter.shape)),
        )
        for prefix, module in _leaves(model)
        for name, parameter in _own(module)
    ]


def _leaves(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """(name, module) of each module with weights; adapters' layers as wholes, tied weights once."""
    seen: set[int] = set()
    skipped: tuple[str, ...] = ()
    for name, module in model.named_modules(remove_duplicate=True):
        if skipped and name.startswith(skipped):
            continue
        if isinstance(module, BaseTunerLayer):
            skipped = (*skipped, f"{name}.")
        elif isinstance(module, AuxiliaryTrainingWrapper):
            skipped = (*skipped, f"{name}.original_module.")
            copies = getattr(module, "modules_to_save", {})
            skipped += tuple(f"{name}.modules_to_save.{key}." for key in copies if key not in module.active_adapters)
            if any(key in copies for key in module.active_adapters):
                skipped += (f"{name}.original_module",)
            continue
        own = [id(parameter) for _, parameter in _own(module)]
        if own and not seen.issuperset(own):
            yield name, module
        seen.update(own)


def _own(module: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    """A module's weights; of an adapter's layer those of the layer that it adapts."""
    source = module.get_base_layer() if isinstance(module, BaseTunerLayer) else module
    yield from source.named_parameters(recurse=False)


def _merged(layer: BaseTunerLayer) -> nn.Module:
    """A copy of an adapter's layer with the adapter merged into it, by the adapter's own arithmetic."""
    with torch.no_grad():
        twin: nn.Module = _twin(layer)
        twin.merged_adapters = []  # type: ignore[assignment]
        twin.merge()  # type: ignore[operator]
    return twin


def _twin(module: nn.Module) -> Any:
    """A copy whose weights are whole and its own, and whose everything else is shared."""
    twin = copy.copy(module)
    twin._parameters = {
        name: None if value is None else nn.Parameter(_whole(value.detach()).clone(), requires_grad=False)
        for name, value in module._parameters.items()
    }
    twin._modules = {name: None if child is None else _twin(child) for name, child in module._modules.items()}
    return twin


def _whole(tensor: torch.Tensor) -> torch.Tensor:
    """All of a tensor that FSDP2 has parted."""
    whole: torch.Tensor = tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor
    return whole


def _checkpoint_name(name: str) -> str:
    """A weight's name in the base's checkpoint, without what adapters and wrappers have put around it."""
    parts = name.removeprefix("base_model.model.").split(".")
    kept = []
    for n, part in enumerate(parts):
        if part in _WRAPPERS or (n and parts[n - 1] == "modules_to_save"):
            continue
        kept.append(part)
    return ".".join(kept)


_WRAPPERS = {"base_layer", "modules_to_save", "original_module", "token_adapter"} | {
    "_checkpoint_wrapped_module",
    "_fsdp_wrapped_module",
    "_orig_mod",
}


class Loaded:
    """Which weights an engine has taken, against what it holds and what the policy has."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.refused: list[str] = []
        self.taken: set[str] = set()

    def add(self, name: str, taken: Iterable[str] | None) -> None:
        """Note a weight of the policy and the engine's own names for what it has filled with it."""
        names = set(taken or ())
        self.sent.append(name)
        self.taken |= names
        if not names:
            self.refused.append(name)

    def check(self, held: Iterable[str]) -> None:
        """Everything was sent once, taken, and nothing that the engine holds was left as it was.

        Args:
            held: the engine's own names of its weights.

        Raises:
            EngineMismatchError: names them.
        """
        twice = sorted(name for name, times in Counter(self.sent).items() if times > 1)
        left = sorted(set(held) - self.taken)
        for names, problem in (
            (twice, "were sent twice"),
            (self.refused, "of the policy were not loaded by vLLM"),
            (left, "of vLLM's were not in what the policy sent"),
        ):
            if names:
                raise EngineMismatchError(
                    f"{len(names)} weights {problem}: {', '.join(names[:5])}{', ...' if len(names) > 5 else ''}. vLLM "
                    "would sample from another policy than the one that is trained"
                )
