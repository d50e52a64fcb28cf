"""From a RunConfig to the numbers that a plan is made from; no weights, no hub, no judge."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from contextrl.commands.arguments import training_arguments
from contextrl.commands.chat_template import chat_template_kwargs
from contextrl.commands.config import RunConfig
from contextrl.commands.launch_config import read_accelerate_file
from contextrl.commands.models import model_config, policy_folder
from contextrl.commands.sources import training_examples
from contextrl.errors import InputError
from contextrl.judge.settings import as_list
from contextrl.planning.assumptions import Assumptions
from contextrl.planning.gpus import Gpu
from contextrl.planning.memory import judge_cards
from contextrl.planning.probing import model_shape
from contextrl.planning.run import Engine, JudgeSetup, Lengths, PlannedRun, Way
from contextrl.planning.shape import NO_ACTIVATIONS, ModelShape
from contextrl.plugins import DATA
from contextrl.policy.adapters import lora_config, saved_lora
from contextrl.policy.lengths import prompt_lengths
from contextrl.policy.loading import config_folder, freeze_vision, load_processor, shipped_ids
from contextrl.policy.prompting import Prompting
from contextrl.policy.skeleton import in_dtype, skeleton, with_adapter
from contextrl.trainer.room import checkpoint_size

#: Rows whose prompts are measured.
_MEASURED = 256
#: How accelerate's files name ways of sharing.
_WAYS: dict[str, Way] = {"FSDP": "fsdp2", "DEEPSPEED": "zero3"}


@dataclass(frozen=True)
class Asked:
    """What the command line says beside the configuration; None is the configuration's, or worked out."""

    gpu: Gpu
    count: int | None = None
    way: Way | None = None
    judge_replicas: int | None = None
    judge_cards: int | None = None
    engine_cards: int | None = None
    rows: int | None = None


@dataclass(frozen=True)
class Planned:
    """A run, and what its model would be with an adapter (None where it has one); notes say what was not known."""

    run: PlannedRun
    lora: ModelShape | None
    lora_optimizer: float
    notes: tuple[str, ...]


def skeleton_of(path: str, *, trust_remote_code: bool = False) -> Any:
    """A model's modules on no device.

    Args:
        path: a folder, or a hub id whose configuration is shipped.

    Raises:
        InputError: its configuration is not here.
    """
    folder = config_folder(path)
    if folder is None:
        raise InputError(
            f"a folder with a model, or a hub id whose configuration is shipped ({', '.join(shipped_ids())})",
            found=f"{path}, whose configuration is not here",
            where="model.path",
            fix="Put its config.json into a folder and name that (planning asks no hub)",
        )
    config = model_config(str(folder), trust_remote_code=trust_remote_code)
    return skeleton(config, trust_remote_code=trust_remote_code)


def planned_run(config: RunConfig, asked: Asked, assumed: Assumptions) -> Planned:
    """A run in numbers.

    Raises:
        InputError: what `contextrl train` would refuse of the settings; a model whose configuration is not here.
    """
    args = training_arguments(config)
    gpu_trains = not config.train.get("use_cpu", False)
    autocast = bool(config.train.get("bf16", gpu_trains))
    policy, optimizer = _policy(config, args, config.model.lora, autocast)
    lora, lora_optimizer = None, 0.0
    if not policy.adapter:
        # An adapter's base needs no float32.
        small = config.model_copy(update={"model": config.model.model_copy(update={"dtype": "bfloat16"})})
        lora, lora_optimizer = _policy(small, args, True, autocast)
    notes: list[str] = []
    lengths, rows = _lengths(config, args, policy, assumed, notes)
    count, way = _shared_out(config, asked, notes)
    run = run_of(config, args, policy, optimizer, lengths, asked, assumed, (count, way), autocast=autocast)
    steps = _steps(args, asked.rows or rows, run.groups)
    if steps is None:
        notes.append("the number of rows is not known (data.train is not here): give --rows for the whole run's time")
    return Planned(replace(run, steps=steps), lora, lora_optimizer, tuple(notes))


def run_of(
    config: RunConfig,
    args: Any,
    policy: ModelShape,
    optimizer: float,
    lengths: Lengths,
    asked: Asked,
    assumed: Assumptions,
    shared_out: tuple[int, Way],
    *,
    autocast: bool,
) -> PlannedRun:
    """A run from its trainer's arguments and what is known of its model and rows; its steps are left open.

    Args:
        optimizer: bytes, on one process that shares nothing.
        shared_out: processes, and how.
    """
    sft = config.method == "sft"
    accumulation = int(args.gradient_accumulation_steps)
    # A step of the plan is what one generation batch serves.
    micro = accumulation if sft else int(args.steps_per_generation)
    beta = float(getattr(args, "beta", 0.0) or 0.0)
    vllm = bool(getattr(args, "use_vllm", False)) and not sft
    iterations = 1 if sft else int(args.num_iterations)
    old = vllm and bool(getattr(args, "vllm_importance_sampling_correction", True))
    old = old or (not sft and accumulation % (micro * iterations) != 0)
    count, way = shared_out
    return PlannedRun(
        policy=policy,
        method=config.method,
        gpu=asked.gpu,
        count=count,
        way=way,
        rows=int(args.per_device_train_batch_size),
        micro_batches=micro,
        generations=1 if sft else int(args.num_generations),
        steps=None,
        lengths=lengths,
        engine=_engine(args, asked, count) if vllm else Engine(),
        judge=_judge(config, asked, assumed, sft=sft),
        assumptions=assumed,
        scoring=0 if sft else int(old) + int(beta > 0),
        reference=beta > 0 and not policy.adapter and not sft,
        checkpointing=bool(args.gradient_checkpointing),
        shared_prefix=bool(getattr(args, "shared_prefix", False)),
        autocast=autocast,
        optimizer_bytes=optimizer,
        updates=iterations,
        stage2=not sft and args.stage2.in_use,
        # At most: a group of which a retry is kept has no further round.
        retries=config.stage2.samples_per_negative * config.stage2.rounds,
        context=config.stage2.max_context_tokens,
        dynamic=0 if sft else args.dynamic_sampling.rounds,
    )


def _policy(config: RunConfig, args: Any, lora: Any, autocast: bool) -> tuple[ModelShape, float]:
    """The policy's shape and the bytes of its optimizer on one process."""
    path = policy_folder(config.model.path)
    model = in_dtype(skeleton_of(path, trust_remote_code=config.model.trust_remote_code), config.model.dtype)
    if config.model.freeze_vision:
        freeze_vision(model)
    adapter = lora_config(lora, model) or saved_lora(path)
    if adapter is not None:
        model = with_adapter(model, adapter)
    shape = model_shape(model, config.model.path, autocast=autocast)
    return shape, float(checkpoint_size(model, args).optimizer)


def _lengths(
    config: RunConfig, args: Any, policy: ModelShape, assumed: Assumptions, notes: list[str]
) -> tuple[Lengths, int | None]:
    """Lengths, and the number of rows where they are here."""
    longest = float(config.max_new_tokens if config.method == "sft" else args.max_completion_length)
    completion = min(assumed.completion, 0.6 * longest)
    spec = config.data.train
    here = spec in DATA or Path(spec).exists()
    rows = training_examples(config, vision=policy.blocks > 0) if here else None
    measured = None if rows is None else _measured(config, rows)
    if measured is not None:
        tokens = [one.tokens for one in measured]
        patches = [sum(one.pictures) * policy.merge for one in measured]
        return Lengths(
            sum(tokens) / len(tokens), max(tokens), sum(patches) / len(patches), max(patches), completion, longest, True
        ), len(rows or ())
    why = "the policy's tokenizer is not here" if here else f"the rows of {spec} are not here"
    notes.append(f"prompts are assumed, not measured: {why}")
    most = float(config.model.max_pixels or max(assumed.pixels, 1e6))
    pixels = min(assumed.pixels, most)
    room = float(config.data.max_prompt_tokens)
    prompt = min(assumed.prompt_text + policy.picture_tokens(pixels), room)
    return Lengths(prompt, room, policy.patches(pixels), policy.patches(most), completion, longest), (
        None if rows is None else len(rows)
    )


def _measured(config: RunConfig, rows: Sequence[Any]) -> Any:
    """Lengths of the first prompts, None where there is no tokenizer."""
    folder = policy_folder(config.model.path)
    vocabulary = ("tokenizer.json", "tokenizer_config.json", "vocab.json", "tokenizer.model")
    if not rows or not any((Path(folder) / name).is_file() for name in vocabulary):
        return None
    model = config.model
    policy = model_config(folder, trust_remote_code=model.trust_remote_code)
    processor = load_processor(
        folder, policy, model.max_pixels, model.min_pixels, trust_remote_code=model.trust_remote_code
    )
    prompting = Prompting(processor, config.data.system_prompt, chat_template_kwargs(config))
    return prompt_lengths(prompting, list(rows)[:_MEASURED])


def _shared_out(config: RunConfig, asked: Asked, notes: list[str]) -> tuple[int, Way]:
    """Processes and what shares the model out: the command line's, the configuration's, or one and DDP."""
    settings = config.launch.resolved()
    kind = read_accelerate_file(settings.accelerate)["distributed_type"] if settings.accelerate else ""
    count = asked.count or (settings.processes or 1) * (settings.machines or 1)
    way = asked.way or _WAYS.get(str(kind), "ddp")
    if asked.way is None and settings.accelerate is None and count > 1:
        notes.append(
            "no launch.accelerate says how the model is shared out: DDP, a whole copy on each card (--parallel)"
        )
    return count, way


def _steps(args: Any, rows: int | None, prompts: int) -> int | None:
    if args.max_steps > 0:
        return int(args.max_steps)
    if rows is None:
        return None
    return max(1, math.ceil(math.ceil(rows / max(prompts, 1)) * float(args.num_train_epochs)))


def _engine(args: Any, asked: Asked, count: int) -> Engine:
    server = args.vllm_mode == "server"
    parallel = 1 if server else int(args.vllm_tensor_parallel_size)
    return Engine(
        kind="server" if server else "colocate",
        share=0.9 if server else float(args.vllm_gpu_memory_utilization),
        parallel=parallel,
        sleeps=bool(args.vllm_enable_sleep_mode) or server,
        cards=(asked.engine_cards or count) if server else 0,
    )


def _judge(config: RunConfig, asked: Asked, assumed: Assumptions, *, sft: bool) -> JudgeSetup:
    judge = config.judge
    if sft or judge.kind != "llm":
        return JudgeSetup()
    shape = None
    name = str(judge.model or "")
    if config_folder(name) is not None:
        shape = model_shape(skeleton_of(name), name, autocast=True, activations=NO_ACTIVATIONS)
        shape = replace(shape, adapter=False)
    most = judge.sampling.max_tokens
    return JudgeSetup(
        shape=shape,
        asked=True,
        replicas=asked.judge_replicas or max(1, len(as_list(judge.base_url))),
        cards=asked.judge_cards or (judge_cards(shape, asked.gpu.memory) if shape is not None else 1),
        places=int(judge.max_concurrency),
        reply=min(assumed.judge_reply, float(most)) if most else assumed.judge_reply,
        apart=judge.reports != "with_verdict",
    )
