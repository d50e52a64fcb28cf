"""SFT on the reference solutions, on TRL's SFTTrainer: the baseline that imitates."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from datasets import Dataset
from trl import SFTTrainer

from contextrl.policy.prompting import Prompting
from contextrl.policy.prompts import neutralise_special_tokens, plain_contents
from contextrl.records.example import Example
from contextrl.trainer.checkpoints import Checkpoints, CheckpointState
from contextrl.trainer.finite import FiniteGradients, non_finite
from contextrl.trainer.refusals import check_run
from contextrl.trainer.sharing_out import keep_in_step


def sft_dataset(examples: Sequence[Example], prompting: Prompting) -> Dataset:
    """Prompt and completion conversations; images are decoded when a row is read, not before."""
    vision = any(example.images for example in examples)

    def rows(batch: dict[str, list[int]]) -> dict[str, list[Any]]:
        chosen = [examples[row] for row in batch["row"]]
        prompts = [prompting.messages(example) for example in chosen]
        columns: dict[str, list[Any]] = {
            # Pictures are taken out and their places stay: SFTTrainer fills those.
            "prompt": prompts if vision else [plain_contents(messages) for messages in prompts],
            "completion": [[_answered(example, prompting.tokenizer)] for example in chosen],
        }
        if vision:
            columns["images"] = [_images(messages) for messages in prompts]
        if prompting.template_kwargs:
            columns["chat_template_kwargs"] = [dict(prompting.template_kwargs)] * len(chosen)
        return columns

    every = {"row": list(range(len(examples)))}
    # SFTTrainer prepares text itself and refuses a transform there; with images it leaves rows as they are.
    return Dataset.from_dict(every).with_transform(rows) if vision else Dataset.from_dict(rows(every))


def _answered(example: Example, tokenizer: Any) -> dict[str, str]:
    return {"role": "assistant", "content": neutralise_special_tokens(example.solution, tokenizer)}


def _images(messages: list[dict[str, Any]]) -> list[Any]:
    """Pictures of a conversation, taken out of their places."""
    parts = [part for turn in messages for part in turn["content"] if part["type"] == "image"]
    return [part.pop("image") for part in parts]


class ReferenceSFTTrainer(SFTTrainer):
    """SFTTrainer on `Example.solution`, with checkpoints that a kill cannot spoil and no NaN that goes unnoticed."""

    # SFTTrainer's count behind its metric `num_tokens`: tokens read, padding left out, over all processes.
    _total_train_tokens: int

    def __init__(self, model: Any, args: Any, examples: Sequence[Example], prompting: Prompting, **kwargs: Any):
        check_run(model, model.config, args, prompting.processor, kwargs.get("peft_config"))
        self.prompting = prompting
        self.progress = CheckpointState()
        self.checkpoints = Checkpoints(self)
        super().__init__(
            model=model,
            args=args,
            train_dataset=sft_dataset(examples, prompting),
            processing_class=prompting.processor,
            **kwargs,
        )
        keep_in_step(self, examples, prompting)
        self.add_callback(FiniteGradients(list, self.checkpoints.last))

    def compute_loss(self, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """Counts trained tokens, of which each weighs the same, and refuses a loss that is not finite."""
        here = (inputs["labels"] != -100).sum()
        trained = self.accelerator.reduce(here, reduction="sum")
        self.progress.tokens_trained += int(trained)
        result = super().compute_loss(model, inputs, *args, **kwargs)
        if self.accelerator.num_processes > 1 and kwargs.get("num_items_in_batch") is None:
            # A process's loss is the mean over its own tokens, and gradients are averaged over processes.
            share = here * self.accelerator.num_processes / trained
            result = (result[0] * share, *result[1:]) if isinstance(result, tuple) else result * share
        loss = result[0] if isinstance(result, tuple) else result
        if not torch.isfinite(loss):
            raise non_finite(f"the loss is {loss.item()}", self.state.global_step + 1, self.checkpoints.last())
        return result

    def checkpoint_state(self) -> dict[str, Any]:
        return {"tokens_trained": self.progress.tokens_trained, "tokens_read": self._total_train_tokens}

    def restore_state(self, state: dict[str, Any]) -> None:
        self.progress.tokens_trained = state["tokens_trained"]
        # Checkpoints of earlier versions do not have it.
        self._total_train_tokens = state.get("tokens_read", self._total_train_tokens)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        self.checkpoints.save(partial(super()._save_checkpoint, model, trial))

    def train(self, resume_from_checkpoint: Any = None, **kwargs: Any) -> Any:
        """As Trainer's; resumes from complete checkpoints only."""
        train = partial(super().train, resume_from_checkpoint=resume_from_checkpoint, **kwargs)
        return self.checkpoints.train(train, resume_from_checkpoint)
