"""The two trainers beside each other: ours and TRL's own GRPOTrainer, on one model at a time."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig
from trl import GRPOConfig, GRPOTrainer

from contextrl.engines.compiled import compile_layers
from contextrl.engines.shared_prefix.cost import Layout
from contextrl.engines.shared_prefix.flex import BlockAttention
from contextrl.engines.shared_prefix.support import underlying
from contextrl.objective.settings import ObjectiveSettings
from contextrl.rollout.settings import Stage2Settings
from contextrl.trainer.config import ContextRLConfig
from contextrl.trainer.contextrl_trainer import ContextRLTrainer

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import group_step
from workload import SHAPES, Case, build_model, build_processor, examples_of

#: The first id that is no byte, and none that a template writes.
FIRST_TEXT = 256


def arguments_of(case: Case, device: torch.device) -> dict[str, Any]:
    """Of both trainers. No KL term: its reference model would be a second one in memory, and the same for both."""
    cuda = device.type == "cuda"
    return group_step.ARGUMENTS | {
        "use_cpu": not cuda,
        "bf16": cuda,
        "beta": 0.0,
        "num_generations": case.generations,
        "per_device_train_batch_size": case.generations,
        "max_completion_length": case.completion,
        "generation_kwargs": {"min_new_tokens": case.completion},
        "gradient_checkpointing": True,
        "gradient_checkpointing_kwargs": {"use_reentrant": False},
        "optim": "adamw_torch",
    }


def adapter_of(case: Case) -> LoraConfig | None:
    if not SHAPES[case.model].lora:
        return None
    targets = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    return LoraConfig(r=32, lora_alpha=64, target_modules=targets, task_type="CAUSAL_LM")


class Ours(group_step.Ours):
    """ContextRLTrainer on a model that is not loaded."""

    def __init__(self, model: Any, case: Case, folder: str, device: torch.device) -> None:
        self.trainer = ContextRLTrainer(
            model,
            group_step.LengthJudge(),
            ContextRLConfig(
                output_dir=folder,
                stage2=Stage2Settings(enabled=False),
                objective=ObjectiveSettings(kl_scope="all"),
                **arguments_of(case, device),
            ),
            examples_of(case),
            build_processor(SHAPES[case.model]),
            peft_config=adapter_of(case),
        )
        self.generations = case.generations
        group_step.ready(self.trainer)


class Theirs(group_step.Theirs):
    """GRPOTrainer on a model that is not loaded."""

    def __init__(self, model: Any, case: Case, folder: str, device: torch.device) -> None:
        arguments = arguments_of(case, device)
        suppressed = [n for token, n in SHAPES[case.model].special.items() if token != "<|im_end|>"]
        arguments["generation_kwargs"] = arguments["generation_kwargs"] | {"suppress_tokens": suppressed}
        examples = examples_of(case)

        def rewards(completions: list[Any], **_: Any) -> list[float]:
            return [group_step.reward(completion[0]["content"]) for completion in completions]

        self.trainer = GRPOTrainer(
            model,
            [rewards],
            GRPOConfig(output_dir=folder, **arguments),
            train_dataset=Dataset.from_list([{"n": n} for n in range(len(examples))]),
            processing_class=build_processor(SHAPES[case.model]),
            peft_config=adapter_of(case),
        )
        self.data = [{"prompt": [{"role": "user", "content": e.question}], "images": list(e.images)} for e in examples]
        self.generations = case.generations
        group_step.ready(self.trainer)


SIDES: dict[str, type[Ours] | type[Theirs]] = {"trl": Theirs, "ours": Ours}


@contextmanager
def side_of(name: str, case: Case, folder: str, device: torch.device) -> Iterator[Any]:
    """A trainer with a model of its own, gone afterwards: two would not fit beside each other."""
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    model = build_model(SHAPES[case.model], device, dtype)
    model.set_attn_implementation("sdpa")
    side = SIDES[name](model, case, f"{folder}/{name}", device)
    del model
    try:
        yield side
    finally:
        # Trainer, model and optimizer hold each other.
        side.trainer.model = side.trainer.model_wrapped = side.trainer.optimizer = None
        del side


def completions_of(case: Case) -> list[list[int]]:
    """Random text: what is learnt does not change the time it takes."""
    generator = torch.Generator().manual_seed(0)
    size, end = (case.generations, case.completion), SHAPES[case.model].special["<|endoftext|>"]
    return torch.randint(FIRST_TEXT, end, size, generator=generator).tolist()


def batch_of(side: Any, case: Case) -> dict[str, Any]:
    """A scored batch, with advantages that no sample lacks."""
    batch: dict[str, Any] = side.batch([0], completions_of(case))
    signs = torch.tensor([1.0, -1.0], device=batch["advantages"].device)
    batch["advantages"] = signs.repeat(case.generations)[: case.generations].view_as(batch["advantages"])
    return batch


def learn(side: Any, batch: dict[str, Any]) -> None:
    """Forward and backward of the loss."""
    trainer = side.trainer
    trainer.model.zero_grad()
    with trainer.compute_loss_context_manager():
        loss = trainer._compute_loss(trainer.model, batch)
    loss.backward()


@contextmanager
def laid_out(ours: Ours, layout: Layout, *, compiled: bool) -> Iterator[None]:
    """Every micro-batch in one layout, decoder layers compiled or not.

    Raises:
        RuntimeError: block masks are asked for where they cannot be used.
    """
    sharing: Any = ours.trainer.engines.sharing
    model = ours.trainer.model
    if layout == "blocks" and next(model.parameters()).device.type == "cuda":
        blocks: BlockAttention | None = sharing.blocks
        if blocks is None or not blocks.usable():
            raise RuntimeError("block masks cannot be used here; the log says why")
    original = sharing.layout
    sharing.layout = lambda *_, **__: layout
    # On a CPU only whether torch can trace the layers: its C++ takes minutes to compile.
    backend = "inductor" if next(model.parameters()).device.type == "cuda" else "eager"
    if compiled:
        compile_layers(model, partial(torch.compile, dynamic=True, backend=backend))
    try:
        yield
    finally:
        sharing.layout = original
        for layer in underlying(model).get_decoder().layers:
            layer._compiled_call_impl = None
