"""`contextrl check CONFIG`: what a run would be and everything that is wrong with it, before anything is paid."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape

from contextrl.commands.config import RunConfig
from contextrl.commands.dry_run import Sheet, described_judge, say_batch, say_learning_rate, say_method
from contextrl.commands.memory import describe_memory
from contextrl.commands.prepare import Prepared, Problems, ask_judge, prepare
from contextrl.console import progress_bar, status
from contextrl.data.problems import RowsError, by_kind
from contextrl.errors import InputError
from contextrl.policy.lengths import PromptLength, prompt_lengths, prompt_text
from contextrl.records.example import Example
from contextrl.records.run_directory import RunDirectory

#: Rows of each kind of fault, and of those with long prompts, that are named.
SHOWN_ROWS = 20
#: Prompts that are shown as the policy sees them.
SHOWN_PROMPTS = 3
_LONGEST_SHOWN = 4000


def check(config: RunConfig, console: Console) -> None:
    """Print what was found.

    Raises:
        ContextRLError: all that is wrong, in one error; exit code 2, or 3 where only a service is missing.
    """
    with status(console, "Reading rows, policy and judge"):
        ready = prepare(config)
    try:
        sheet = Sheet()
        sheet.say("method", f"{config.method}, seed {config.seed}, into {config.run_dir}")
        _say_directory(sheet, ready)
        _say_policy(sheet, ready)
        _say_rows(sheet, ready)
        lengths = _say_lengths(sheet, ready, console)
        _say_judge(sheet, ready)
        if ready.args is not None:
            _say_training(sheet, ready, lengths)
        console.print(sheet.shown("Check"))
        _show_prompts(ready, console)
        _show_problems(ready.problems, console)
    finally:
        ready.close()
    ready.problems.raise_them(rows_are_listed=True)
    console.print("Nothing wrong was found.")


def _say_directory(sheet: Sheet, ready: Prepared) -> None:
    directory = RunDirectory(ready.config.run_dir)
    if directory.exists():
        sheet.say("run_dir", "holds an earlier run: contextrl train wants --resume or --overwrite")
        return
    with ready.problems.kept():
        directory.check_free(resume=False, overwrite=False)


def _say_policy(sheet: Sheet, ready: Prepared) -> None:
    if ready.skeleton is None:
        return
    weights = list(ready.skeleton.parameters())
    every, trained = sum(w.numel() for w in weights), sum(w.numel() for w in weights if w.requires_grad)
    text = f"{ready.policy_path}: {ready.policy.model_type}, {_amount(every)} parameters"
    if every != trained:
        adapted = {name.partition(".lora_A")[0] for name, _ in ready.skeleton.named_modules() if ".lora_A" in name}
        text += f"; LoRA trains {_amount(trained)} in {len(adapted)} modules"
    sheet.say("policy", text)


def _counted(count: int, name: str) -> str:
    return f"{count:,} {name}{'s' * (count != 1)}"


def _amount(count: int) -> str:
    return f"{count / 1e9:.2f}B" if count >= 1e8 else f"{count / 1e6:.2f}M"


def _say_rows(sheet: Sheet, ready: Prepared) -> None:
    for where, spec, rows in (
        ("data.train", ready.config.data.train, ready.examples),
        ("data.eval", ready.config.data.evaluated_on, ready.eval_examples),
    ):
        if spec is None:
            sheet.say(where, "none: the run is not evaluated on held-out rows")
        elif rows:
            types = sorted({example.answer_type for example in rows})
            pictures = sum(len(example.images) for example in rows)
            amounts = f"{_counted(len(rows), 'row')}, {_counted(pictures, 'picture')}"
            sheet.say(where, f"{spec}: {amounts}, answers: {', '.join(types)}")


def _say_lengths(sheet: Sheet, ready: Prepared, console: Console) -> list[PromptLength]:
    """Tokens per prompt and per picture, of training and evaluation rows alike."""
    rows: list[Example] = [*ready.examples, *ready.eval_examples]
    if ready.prompting is None or not rows:
        return []
    with progress_bar(console, "Measuring prompts", len(rows)) as advance:
        lengths = prompt_lengths(ready.prompting, rows, advance)
    rooms = [ready.room] * len(ready.examples) + [ready.eval_room] * len(ready.eval_examples)
    fit = " or ".join(f"{room:,}" for room in dict.fromkeys(rooms))
    sheet.say("tokens per prompt", f"{_spread([length.tokens for length in lengths])}; up to {fit} fit")
    if pictures := [count for length in lengths for count in length.pictures]:
        sheet.say("tokens per picture", _spread(pictures))
    measured = zip(lengths, rows, rooms, strict=True)
    over = [(length.tokens, row.id) for length, row, room in measured if length.tokens > room]
    if over:
        named = ", ".join(f"{row} ({tokens:,})" for tokens, row in sorted(over, reverse=True)[:SHOWN_ROWS])
        sheet.say("over the limit", f"{len(over):,} prompts: {named}{', ...' * (len(over) > SHOWN_ROWS)}")
    return lengths


def _spread(counts: Sequence[int]) -> str:
    ordered = sorted(counts)
    at = ordered[min(len(ordered) - 1, round(0.95 * (len(ordered) - 1)))]
    return f"median {statistics.median_low(ordered):,}, 95 % {at:,}, longest {ordered[-1]:,}"


def _say_judge(sheet: Sheet, ready: Prepared) -> None:
    judge = ready.config.judge
    if ready.config.method == "sft" or ready.judge is None:
        return
    sheet.say("judge", described_judge(judge))
    started = time.monotonic()
    with ready.problems.kept():
        if (answered := ask_judge(ready)) is not None:
            example, verdict = answered
            sheet.say(
                "judge's answer",
                f"the solution of row {example.id} is {verdict.status}, after {time.monotonic() - started:.1f} s",
            )
            if verdict.status == "incorrect":
                said = verdict.error or verdict.mistake_report or "it does not say why"
                sheet.say("", f"a judge should find a reference correct: {said}"[:400])
    if ready.config.method == "contextrl" and judge.kind == "rules":
        sheet.say("", "rules write no mistake reports: stage 2 needs a judge that sees the solution (judge.kind: llm)")


def _say_training(sheet: Sheet, ready: Prepared, lengths: Sequence[PromptLength]) -> None:
    config, args = ready.config, ready.args
    if config.method != "sft":
        say_method(sheet, config, args)
    steps = say_batch(sheet, config, args, len(ready.examples) or None)
    say_learning_rate(sheet, args, steps)
    if ready.skeleton is not None:
        longest = max((length.tokens for length in lengths), default=config.data.max_prompt_tokens)
        pictures = max((sum(length.pictures) for length in lengths), default=0)
        try:
            sheet.say("memory", describe_memory(ready.skeleton, config, args, longest, pictures))
        except InputError as error:  # of a model's own code
            sheet.unchecked.append(f"memory: {error}")


def _show_prompts(ready: Prepared, console: Console) -> None:
    if ready.prompting is None or not ready.examples:
        return
    chosen = ready.examples[:SHOWN_PROMPTS]
    console.print(f"The first {len(chosen)} prompts as the policy sees them, a picture as its placeholder:")
    for example in chosen:
        text = prompt_text(ready.prompting, example)
        cut = f"... ({len(text):,} characters)" if len(text) > _LONGEST_SHOWN else ""
        console.rule(escape(f"row {example.id}, {_counted(len(example.images), 'picture')}"), align="left")
        console.print(escape(text[:_LONGEST_SHOWN].rstrip("\n") + cut), highlight=False, soft_wrap=True)
    console.rule()


def _show_problems(problems: Problems, console: Console) -> None:
    """Faults of rows by kind; the error that follows gives their number."""
    for error in problems.found:
        if not isinstance(error, RowsError):
            continue
        for kind, lines in by_kind(error.problems).items():
            console.print(escape(f"{len(lines):,} x {kind}"), style="bold", highlight=False, soft_wrap=True)
            for line in lines[:SHOWN_ROWS]:
                console.print(escape(f"  {line}"), highlight=False, soft_wrap=True)
            if len(lines) > SHOWN_ROWS:
                console.print(f"  ... and {len(lines) - SHOWN_ROWS:,} more")
