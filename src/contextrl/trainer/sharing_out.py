"""What a policy needs whose parameters are shared out over processes (FSDP2, ZeRO-3).

Each process then holds a part of every layer, and a layer's parts come together in a collective call when it is used:
all processes must use the same layers in the same order, or they wait for each other for ever. Of rows with and without
pictures some process may have none with a picture, and its vision tower would stand still.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from accelerate.utils import DistributedType
from PIL import Image
from trl.models.utils import add_hooks, remove_hooks

from contextrl.engines.processes import Processes
from contextrl.engines.shared_prefix.support import underlying
from contextrl.policy.prompting import Prompting
from contextrl.records.example import Example

_BLANK_SIDE = 64


def keep_in_step(trainer: Any, examples: Sequence[Example], prompting: Prompting) -> None:
    """Prepare a trainer's policy and reference model for processes that share them out.

    Args:
        trainer: a transformers Trainer that has been built and does not train yet.
        examples: what it trains on.
    """
    if trainer.accelerator.distributed_type not in (DistributedType.FSDP, DistributedType.DEEPSPEED):
        return
    kinds = {bool(example.images) for example in examples}
    for model in filter(None, (trainer.model, getattr(trainer, "ref_model", None))):
        inner = underlying(trainer.accelerator.unwrap_model(model))
        # transformers' generate then goes on until every process has ended; accelerate does not tell it.
        inner._is_fsdp_managed_module = trainer.accelerator.distributed_type == DistributedType.FSDP
        if len(kinds) == 2:
            StandInPicture(inner, blank_picture(prompting), Processes(trainer.accelerator)).hook_in()


@contextmanager
def generating(trainer: Any) -> Iterator[Any]:
    """The policy without wrappers, in one piece where ZeRO-3 has parted it, so that it can generate. Collective.

    Before training nothing brings its parts together, and while it trains DeepSpeed does so layer by layer, a token at
    a time; `ds3_gather_for_generation: false` keeps to that.

    Args:
        trainer: a transformers Trainer, before, in or after training.
    """
    model, wrapped = trainer.accelerator.unwrap_model(trainer.model), trainer.model_wrapped
    plugin = trainer.accelerator.state.deepspeed_plugin
    layer_by_layer = hasattr(wrapped, "optimizer") and not getattr(trainer.args, "ds3_gather_for_generation", True)
    if plugin is None or plugin.zero_stage != 3 or layer_by_layer:
        yield model
        return
    import deepspeed

    with deepspeed.zero.GatheredParameters(list(model.parameters())):
        remove_hooks(wrapped)
        try:
            yield model
        finally:
            add_hooks(wrapped)


def backward_of_part(accelerator: Any, loss: torch.Tensor) -> None:
    """The backward pass of a part of a micro-batch, which is followed by others of the same optimizer step.

    Accelerate takes every backward pass of DeepSpeed's at the end of an accumulation for the last one, and lets the
    optimizer step; DeepSpeed divides by the micro-batches of a step, as our losses are already.
    """
    if accelerator.distributed_type == DistributedType.DEEPSPEED:
        accelerator.deepspeed_engine_wrapped.backward(loss, sync_gradients=False, scale_wrt_gas=False)
    else:
        accelerator.backward(loss)


def blank_picture(prompting: Prompting) -> dict[str, torch.Tensor]:
    """The features of one, as the policy's processor makes them."""
    image = Image.new("RGB", (_BLANK_SIDE, _BLANK_SIDE), "white")
    row = Example(id="blank", question="-", solution="-", answer="-", images=(image,))
    return prompting.prompts([row]).image_tensors()


class StandInPicture:
    """Lets a model look at a blank picture wherever other processes look at theirs and its own rows have none.

    Nothing comes of it: the features enter the outputs times zero, so that the backward pass goes the same way too.

    Args:
        model: with transformers' `get_image_features`; without wrappers.
        blank: features of the picture.
        processes: that share the model out.
    """

    def __init__(self, model: Any, blank: Mapping[str, torch.Tensor], processes: Processes) -> None:
        self.model, self.blank, self.processes = model, blank, processes
        self._wanted = False
        self._owed: list[torch.Tensor] = []
        self._on_embeddings: Any = None

    def hook_in(self) -> None:
        """Before the model is wrapped: FSDP2 then brings together what it holds itself before we are called."""
        self.model.register_forward_pre_hook(self._before, with_kwargs=True)
        self._hook_on_embeddings()
        self.model.register_forward_hook(self._after)

    def _hook_on_embeddings(self) -> None:
        """Models embed their tokens before they look at pictures, and embeddings may be shared out on their own.

        The last of the hooks there: DeepSpeed compares the order of layers between processes, the backward pass's too.
        """
        if self._on_embeddings is not None:
            self._on_embeddings.remove()
        self._on_embeddings = self.model.get_input_embeddings().register_forward_hook(self._embedded)

    def _before(self, _: Any, __: Any, inputs: dict[str, Any]) -> None:
        self._owed = []
        self._hook_on_embeddings()
        sees = any(inputs.get(name) is not None for name in self.blank)
        self._wanted = self.processes.any(sees) and not sees

    def _embedded(self, *_: Any) -> None:
        if self._wanted:
            self._wanted = False
            blank = {name: value.to(self.processes.device) for name, value in self.blank.items()}
            features = self.model.get_image_features(**blank)
            self._owed = list(_numbers_in(features))

    def _after(self, _: Any, __: Any, outputs: Any) -> Any:
        owed, self._owed = self._owed, []
        if not owed:
            return outputs
        nothing = sum(part.float().sum() * 0.0 for part in owed)
        if isinstance(outputs, torch.Tensor):
            return outputs + nothing.to(outputs.dtype)  # type: ignore[union-attr]
        for name, value in outputs.items():
            if isinstance(value, torch.Tensor) and value.is_floating_point():
                outputs[name] = value + nothing.to(value.dtype)  # type: ignore[union-attr]
        return outputs


#: Of a picture's features what comes before `pooler_output`, which the language model reads.
_BEFORE_POOLING = ("last_hidden_state", "hidden_states", "attentions")


def _numbers_in(found: Any) -> Iterator[torch.Tensor]:
    """Every tensor of numbers in a picture's features that the language model reads."""
    if isinstance(found, torch.Tensor):
        if found.is_floating_point():
            yield found
    elif isinstance(found, Mapping):
        pooled = found.get("pooler_output") is not None
        for name, value in found.items():
            if not (pooled and name in _BEFORE_POOLING):
                yield from _numbers_in(value)
    elif isinstance(found, list | tuple):
        for value in found:
            yield from _numbers_in(value)
