"""`contextrl train CONFIG --dry-run`: all that can be checked and said of a run without weights, hub or judge."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import yaml
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from transformers import Qwen2VLImageProcessorPil
from transformers.optimization import get_scheduler

from contextrl.commands.arguments import training_arguments
from contextrl.commands.config import RunConfig
from contextrl.commands.models import model_config, policy_folder
from contextrl.commands.sources import held_out_examples, training_examples
from contextrl.errors import InputError
from contextrl.judge.settings import JudgeConfig, as_list
from contextrl.launchers import processes_started
from contextrl.plugins import DATA, EVALUATIONS
from contextrl.policy.loading import config_folder, has_vision, limit_pixels
from contextrl.policy.skeleton import skeleton
from contextrl.records.secrets import without_secrets
from contextrl.records.verdict import ReferenceContext
from contextrl.trainer.checks import prompt_room

#: A photo of twelve megapixels, as a telephone takes it: width and height.
PHOTO = (4000, 3000)
#: Processes that the batch is worked out for, beside those of this command.
PROCESSES = (1, 8)


_DISCLOSED = {"location": "the location", "hint": "a hint", "correction": "the correction", "answer": "the answer"}


class Sheet:
    """What a dry run has found, line by line, and what it could not look at."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []
        self.unchecked: list[str] = []

    def say(self, name: str, value: str) -> None:
        self.lines.append((name, value))

    def shown(self, title: str) -> Table:
        table = Table(title=escape(title), show_header=False)
        table.add_column(style="bold")
        table.add_column(overflow="fold")
        for name, value in self.lines:
            table.add_row(escape(name), escape(value))
        for text in self.unchecked:
            table.add_row("not checked", escape(text))
        return table


def dry_run(config: RunConfig, console: Console) -> None:
    """Check a run's settings and print what it would be.

    Raises:
        InputError: as `contextrl train` would, but for data that is not there yet, which is said.
    """
    sheet = Sheet()
    args = training_arguments(config)
    sheet.say("method", f"{config.method}, seed {config.seed}, into {config.run_dir}")
    model = _say_model(sheet, config)
    rows = _say_data(sheet, config, vision=model is None or has_vision(model))
    _say_lengths(sheet, config, args, model)
    if config.method != "sft":
        _say_judge(sheet, config)
        say_method(sheet, config, args)
    steps = say_batch(sheet, config, args, rows)
    say_learning_rate(sheet, args, steps)
    console.print(sheet.shown("Dry run"))
    console.print("Settings as they are resolved:")
    settings = without_secrets(config.model_dump(mode="json"))
    text = yaml.safe_dump(settings, sort_keys=False, allow_unicode=True)
    console.print(escape(text), highlight=False, soft_wrap=True)


def _say_model(sheet: Sheet, config: RunConfig) -> Any:
    """The policy's configuration, where its files are here or shipped."""
    path = policy_folder(config.model.path)
    folder = config_folder(path)
    if folder is None:
        sheet.say("policy", f"{path}: a hub id")
        sheet.unchecked.append(f"model.path: the configuration of {path} is not here")
        return None
    model = model_config(str(folder), trust_remote_code=config.model.trust_remote_code)
    parameters = sum(weight.numel() for weight in skeleton(model).parameters())
    adapter = f", LoRA on it: {config.model.lora}" if config.model.lora else ""
    sheet.say("policy", f"{path}: {model.model_type}, {parameters / 1e9:.2f}B parameters{adapter}")
    if has_vision(model):
        _say_photo(sheet, config, str(folder))
    return model


def _say_photo(sheet: Sheet, config: RunConfig, folder: str) -> None:
    if not (Path(folder) / "preprocessor_config.json").is_file():
        return
    processor = Qwen2VLImageProcessorPil.from_pretrained(folder)
    if config.model.max_pixels is not None or config.model.min_pixels is not None:
        limit_pixels(processor, config.model.max_pixels, config.model.min_pixels)
    width, height = PHOTO
    tokens = processor.get_number_of_image_patches(height, width, {}) // processor.merge_size**2
    limit = f"{processor.size['longest_edge']:,} pixels at most"
    sheet.say("pictures", f"{limit}: a photo of {width} x {height} takes {tokens:,} tokens")
    if tokens > config.data.max_prompt_tokens:
        raise InputError(
            f"pictures of at most data.max_prompt_tokens = {config.data.max_prompt_tokens:,} tokens",
            found=f"{tokens:,} for a photo of {width} x {height}",
            where="model.max_pixels",
            fix="Lower model.max_pixels or raise data.max_prompt_tokens",
        )


def _say_data(sheet: Sheet, config: RunConfig, *, vision: bool) -> int | None:
    """Rows of training, None where they are not here."""
    count = _rows(sheet, "data.train", config.data.train, DATA, lambda: training_examples(config, vision=vision))
    if (spec := config.data.evaluated_on) is not None:
        file = config.data.train if config.data.holdout else spec
        _rows(sheet, "data.eval", file, EVALUATIONS, lambda: held_out_examples(config, vision=vision))
    return count


def _rows(sheet: Sheet, where: str, spec: str, table: Any, read: Callable[[], Any]) -> int | None:
    if spec not in table and not Path(spec).exists():
        sheet.say(where, f"{spec}: not here")
        sheet.unchecked.append(f"{where}: the rows of {spec}")
        return None
    rows = read()
    sheet.say(where, f"{spec}: {len(rows):,} rows, all valid")
    return len(rows)


def _say_lengths(sheet: Sheet, config: RunConfig, args: Any, model: Any) -> None:
    longest = config.max_new_tokens if config.method == "sft" else int(args.max_completion_length)
    room = config.data.max_prompt_tokens
    if model is not None:
        room = min(room, prompt_room(model, longest))
    if room <= 0:
        raise InputError(
            "responses shorter than the policy's positions",
            found=f"{longest:,} tokens",
            where="train.max_completion_length",
        )
    sheet.say("lengths", f"prompts up to {room:,} tokens, responses up to {longest:,}")


def _say_judge(sheet: Sheet, config: RunConfig) -> None:
    if config.judge.kind == "llm":
        sheet.unchecked.append("judge: no server was asked")
    sheet.say("judge", described_judge(config.judge))


#: What a judge is shown of the reference.
SEES: dict[ReferenceContext, str] = {
    "none": "no reference",
    "answer": "the answer",
    "documents": "the answer and documents",
    "solution": "the solution",
}


def described_judge(judge: JudgeConfig) -> str:
    """Its kind, what it sees, and where it is."""
    if judge.kind == "rules":
        return "rules, sees the final answer alone"
    sees = SEES[judge.context]
    if judge.adaptive is not None:
        sees = f"{SEES[judge.adaptive.first]}, and {sees} where {judge.adaptive.votes} votes part"
    text = f"{judge.kind}, sees {sees}, reports disclose {_DISCLOSED[judge.report.disclose]}"
    if judge.kind == "llm":
        text += f", {judge.model} at {', '.join(as_list(judge.base_url))}"
    return text


def say_method(sheet: Sheet, config: RunConfig, args: Any) -> None:
    objective = config.objective
    shown = f"report {args.stage2.report}" if args.stage2.guidance == "attempt" else "further samples, shown nothing"
    stage2 = f"on, {shown}" if args.stage2.in_use else "off"
    sheet.say("stage 2", stage2)
    if args.stage2.in_use:
        sheet.say("mixed groups", f"{objective.mixing}, lambda {objective.mixed_group_scale}")
    sheet.say("loss", f"{args.loss_type}, KL beta {args.beta} on {args.objective.kl_on} tokens")


def say_batch(sheet: Sheet, config: RunConfig, args: Any, rows: int | None) -> int | None:
    """Optimizer steps of the whole run on as many processes as this one is of."""
    group = 1 if config.method == "sft" else int(args.num_generations)
    own = processes_started()
    steps: int | None = int(args.max_steps) if args.max_steps > 0 else None
    for processes in dict.fromkeys((own, *PROCESSES)):
        samples = args.per_device_train_batch_size * args.gradient_accumulation_steps * processes
        prompts = samples // group
        text = f"{samples} rows a step" if group == 1 else f"{samples} samples = {prompts} prompts x {group} a step"
        if args.max_steps <= 0 and rows is not None:
            of_all = math.ceil(math.ceil(rows / prompts) * args.num_train_epochs)
            text += f", {of_all:,} steps in {_epochs(args)}"
            steps = of_all if processes == own else steps
        sheet.say(f"batch on {processes} process{'es' * (processes > 1)}", text)
    if steps is None:
        sheet.say("length", _epochs(args))
    else:
        sheet.say("length", f"{steps:,} steps")
    return steps


def _epochs(args: Any) -> str:
    return f"{args.num_train_epochs:g} epoch{'s' * (args.num_train_epochs != 1)}"


def say_learning_rate(sheet: Sheet, args: Any, steps: int | None) -> None:
    """The rate at the ends of its schedule; without known steps, over a thousand."""
    total = steps or 1000
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=args.learning_rate)
    options = dict(args.lr_scheduler_kwargs or {})
    warm_up = args.get_warmup_steps(total)
    scheduler = get_scheduler(args.lr_scheduler_type, optimizer, warm_up, total, scheduler_specific_kwargs=options)
    rates = []
    for _ in range(total):
        rates.append(float(scheduler.get_last_lr()[0]))
        optimizer.step()
        scheduler.step()
    kind = getattr(args.lr_scheduler_type, "value", args.lr_scheduler_type)
    warmed = f"{warm_up} of {total:,} steps" if steps else f"{warm_up / total:.1%} of the steps"
    text = f"{max(rates):.2g} after {warmed} of warm-up, {rates[-1]:.2g} at the end ({kind})"
    sheet.say("learning rate", text)
