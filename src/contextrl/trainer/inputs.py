"""What `ContextRLTrainer` is built from, checked before weights are loaded and before anything is paid."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

from datasets import Dataset

from contextrl.errors import InputError
from contextrl.judge.contract import check_judge_object
from contextrl.judge.documents import check_documents
from contextrl.judge.protocol import Judge
from contextrl.judge.rules import RulesJudge
from contextrl.policy.loading import base_of, has_vision, load_policy, load_processor, policy_config
from contextrl.policy.prompting import Prompting
from contextrl.records.example import Example
from contextrl.rollout.rewards import RewardFunction, reward_functions
from contextrl.trainer.checks import FittingExamples, as_examples, check_policy, check_prompts, prompt_room
from contextrl.trainer.config import ContextRLConfig
from contextrl.trainer.held_out import HeldOut
from contextrl.trainer.stage2_checks import check_named_steps

_OF_EXAMPLE = [field.name for field in fields(Example)]


@dataclass(frozen=True)
class TrainerInputs:
    """What a trainer works on.

    Attributes:
        model: as it was given; an adapter's folder is loaded.
        path: where the policy was loaded from, empty for one that was never saved.
        room: positions that a prompt may take.
        data: what the training rows are called in results.
        rewards: beside the judge; `columns` are what they may take of the data beside `Example`'s fields, by row.
    """

    model: Any
    path: str
    examples: Sequence[Example]
    data: str
    prompting: Prompting
    room: int
    held_out: HeldOut | None
    rewards: Sequence[RewardFunction]
    columns: Mapping[str, Callable[[int], Any]]


def checked_inputs(
    model: Any,
    judge: Judge,
    args: ContextRLConfig,
    train_dataset: Any,
    processing_class: Any = None,
    *,
    audit: Judge | None = None,
    eval_dataset: Any = None,
    eval_judge: Judge | None = None,
    reward_funcs: Any = None,
    peft_config: Any = None,
) -> TrainerInputs:
    """See `ContextRLTrainer` for the arguments.

    Raises:
        InputError: names what is wrong.
    """
    check_judge_object(judge)
    for other, where in ((audit, "audit"), (eval_judge, "eval_judge")):
        if other is not None:
            check_judge_object(other, where=where)
    columns = further_columns(train_dataset)
    rewards = reward_functions(reward_funcs, args.reward_weights, [*_OF_EXAMPLE, *columns])
    trust = args.trust_remote_code
    config = policy_config(model, trust_remote_code=trust) if isinstance(model, str) else model.config
    vision = has_vision(config)
    examples = as_examples(train_dataset, vision=vision)
    check_documents(judge.context, examples)
    check_named_steps(judge, args.objective)
    path = model if isinstance(model, str) else str(config._name_or_path)
    held_out = None
    if eval_dataset is not None:
        held_out = held_out_rows(eval_dataset, eval_judge, args, vision=vision)
    if processing_class is None:
        processing_class = _processor_of(path, config, trust)
    prompting = Prompting(processing_class, args.prompts.system_prompt, args.chat_template_kwargs or {})
    check_policy(model, config, args, examples, prompting, peft_config)
    prompting.check()
    room = prompt_room(config, args.max_completion_length)
    if not isinstance(examples, FittingExamples):
        check_prompts(prompting, examples, min(args.prompts.max_prompt_tokens, room))
    if held_out is not None:
        room_there = prompt_room(config, held_out.max_new_tokens)
        check_prompts(prompting, held_out.examples, min(args.prompts.max_prompt_tokens, room_there))
    if isinstance(model, str) and base_of(model):
        model = load_policy(model, trainable=True, **{"trust_remote_code": trust} | dict(args.model_init_kwargs or {}))
    data = data_name(train_dataset, "train_dataset", len(examples))
    return TrainerInputs(model, path, examples, data, prompting, room, held_out, rewards, columns)


@contextmanager
def without_reward_weights(args: ContextRLConfig) -> Iterator[None]:
    """For GRPOTrainer, which has one column and would look for a weight for each of the rewards beside it."""
    weights, args.reward_weights = args.reward_weights, None
    try:
        yield
    finally:
        args.reward_weights = weights


def held_out_rows(dataset: Any, judge: Judge | None, args: ContextRLConfig, *, vision: bool) -> HeldOut:
    """Rows to evaluate on.

    Args:
        judge: who counts accuracy; by default answers are compared by rule.
    """
    examples = as_examples(dataset, vision=vision, where="eval_dataset", split="test")
    longest = args.evaluation.max_new_tokens or args.max_completion_length
    name = data_name(dataset, "eval_dataset", len(examples))
    return HeldOut(examples, judge or RulesJudge(), name, args.evaluation, int(longest))


def data_name(dataset: Any, argument: str, rows: int) -> str:
    """What rows are called in results and reports: their file, or the argument that they came by."""
    return str(dataset) if isinstance(dataset, str | Path) else f"{argument} ({rows} rows)"


def further_columns(dataset: Any) -> dict[str, Callable[[int], Any]]:
    """Columns of a data set beside those of `Example`: name to the value of a row, read when it is asked for."""
    if isinstance(dataset, Dataset):
        return {name: dataset[name].__getitem__ for name in dataset.column_names if name not in _OF_EXAMPLE}
    if not isinstance(dataset, Sequence) or isinstance(dataset, str):
        return {}
    named = {str(key) for row in dataset if isinstance(row, Mapping) for key in row}
    return {name: partial(_value, dataset, name) for name in sorted(named.difference(_OF_EXAMPLE))}


def _value(rows: Sequence[Mapping[str, Any]], name: str, row: int) -> Any:
    return rows[row].get(name)


def _processor_of(path: str, config: Any, trust: bool) -> Any:
    if not path:
        raise InputError(
            "a processor, or a model that was loaded from somewhere", found="none", where="processing_class"
        )
    try:
        return load_processor(path, config, trust_remote_code=trust)
    except (OSError, ValueError) as error:
        raise InputError(
            "a folder or hub id with the policy's processor",
            found=" ".join(str(error).split())[:200],
            where=f"processing_class, {path}",
            fix="Give processing_class",
        ) from error
