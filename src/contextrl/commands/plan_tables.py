"""A plan on the terminal: tables, what to mind, and three sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from contextrl.planning.assumptions import Assumptions, meanings
from contextrl.planning.plan import Plan, limit

_WAYS = {"ddp": "DDP", "fsdp2": "FSDP2", "zero3": "ZeRO-3"}
#: How sampling and judging follow one another, and what the other way round is called.
_FLOWS: Mapping[str, tuple[str, str]] = {
    "one after the other": (
        "all groups are sampled, then judged: a vLLM server's samples come to several processes together",
        "with overlap",
    ),
    "judged early": (
        "groups are judged while others are sampled; retried when all are judged, because processes sample together",
        "without overlap",
    ),
    "retried early": ("groups are judged while others are sampled, retried while others are judged", "without overlap"),
}


def show(plan: Plan, notes: Sequence[str], console: Console) -> None:
    """Print it."""
    console.print(_run(plan))
    console.print(_memory(plan))
    console.print(_ways(plan))
    console.print(_step(plan))
    console.print(_assumptions(plan))
    for title, lines in (("Note", notes), ("Warning", plan.warnings)):
        for line in lines:
            console.print(f"[bold]{title}:[/] {escape(line)}", soft_wrap=True, highlight=False)
    console.print()
    for sentence in conclusion(plan):
        console.print(escape(sentence), soft_wrap=True, highlight=False)


def way_name(way: str) -> str:
    """`LoRA, DDP` for `LoRA, ddp`."""
    adapter, _, plain = way.rpartition(", ")
    return f"{adapter}, {_WAYS[plain]}" if adapter else _WAYS[plain]


def amount(value: float) -> str:
    """`1.2T`, `3.4M`, `560`."""
    for unit, size in (("E", 1e18), ("P", 1e15), ("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.0f}"


def seconds(value: float) -> str:
    """`0.4 s`, `3 min 20 s`, `2.5 h`."""
    if value < 0.95:
        return f"{value:.2g} s" if value else "0 s"
    if value < 120:
        return f"{value:.1f} s" if value < 10 else f"{value:.0f} s"
    if value < 7200:
        return f"{int(value // 60)} min {int(value % 60):02d} s"
    return f"{value / 3600:.1f} h"


def gigabytes(size: float) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 5e7 else f"{size / 1e6:.1f} MB"


def _run(plan: Plan) -> Table:
    run = plan.run
    table = Table(title="The run", show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    adapter = f", LoRA trains {amount(run.policy.trained)}" if run.policy.adapter else ""
    table.add_row("policy", escape(f"{run.policy.name}: {amount(run.policy.parameters)} parameters{adapter}"))
    group = f" = {run.groups} prompts x {run.generations}" if run.generations > 1 else ""
    table.add_row("a step", f"{run.samples} samples{group} on {run.count} {run.gpu.name}, {_WAYS[run.way]}")
    table.add_row("steps", "not known" if run.steps is None else f"{run.steps:,}")
    lengths = run.lengths
    how = "measured" if lengths.measured else "assumed"
    table.add_row("prompts", f"{lengths.prompt:,.0f} tokens, longest {lengths.prompt_longest:,.0f} ({how})")
    table.add_row("responses", f"{lengths.completion:,.0f} tokens (assumed), longest {lengths.completion_longest:,.0f}")
    if run.generations > 1:
        kinds = {"trainer": "the trainer itself", "colocate": "vLLM on the same cards", "server": "vLLM servers"}
        cards = f", {run.engine.cards} cards" if run.engine.cards else ""
        table.add_row("sampled by", kinds[run.engine.kind] + cards)
    if run.judge.asked:
        named = run.judge.shape.name if run.judge.shape else "a server whose model is not known here"
        size = f", {run.judge.replicas} x {run.judge.cards} {run.gpu.name}" if run.judge.shape else ""
        table.add_row("judge", escape(f"{named}{size}"))
    return table


def _memory(plan: Plan) -> Table:
    run = plan.run
    table = Table(title=f"Memory of one card: {gigabytes(run.gpu.memory)} {run.gpu.name}, {_WAYS[run.way]}")
    table.add_column("part")
    for name in ("learning", "sampling"):
        table.add_column(name, justify="right")
    memory = plan.memory
    for part in dict.fromkeys([*memory.learning, *memory.sampling]):
        cells = [gigabytes(size) if (size := moment.get(part)) else "" for moment in (memory.learning, memory.sampling)]
        table.add_row(part, *cells)
    table.add_section()
    table.add_row(
        "together", *(gigabytes(sum(one.values())) if one else "" for one in (memory.learning, memory.sampling))
    )
    return table


def _ways(plan: Plan) -> Table:
    table = Table(title=f"What would fit on {plan.run.count} x {plan.run.gpu.name}")
    table.add_column("shared out by")
    table.add_column("peak of a card", justify="right")
    table.add_column("fits")
    for way, size in plan.ways.items():
        mine = " (this run)" if way == plan.run.way else ""
        fits = "[green]yes[/]" if size <= limit(plan.run) else "[red]no[/]"
        table.add_row(f"{'LoRA, ' * plan.run.policy.adapter}{way_name(way)}{mine}", gigabytes(size), fits)
    return table


def _step(plan: Plan) -> Table:
    table = Table(title="One step, each part as if it were alone")
    table.add_column("part")
    for name in ("tokens read", "tokens written", "FLOPs", "time", "share"):
        table.add_column(name, justify="right")
    for name, phase in plan.phases.items():
        share = phase.seconds / plan.serial if plan.serial else 0.0
        counts = [amount(value) if value else "" for value in (phase.read, phase.written, phase.flops)]
        table.add_row(name, *counts, seconds(phase.seconds), f"{share:.0%}")
    table.add_section()
    table.add_row("all of them", "", "", "", seconds(plan.serial), "")
    table.add_row("simulated", "", "", "", seconds(plan.simulated.seconds), "")
    if plan.run.generations == 1:
        return table
    text, otherwise = _FLOWS[plan.flow]
    other = plan.in_turn if plan.simulated is plan.overlapped else plan.overlapped
    table.add_row(f"simulated, {otherwise}", "", "", "", seconds(other.seconds), "")
    table.caption = f"Simulated: {text}."
    return table


def _assumptions(plan: Plan) -> Table:
    table = Table(title="Assumed, not measured (--assume NAME=VALUE)")
    for name in ("name", "value", "what it is"):
        table.add_column(name, overflow="fold")
    usual = asdict(Assumptions())
    for name, value in asdict(plan.run.assumptions).items():
        table.add_row(name, f"{value:g}{' (yours)' if value != usual[name] else ''}", escape(meanings()[name]))
    return table


def conclusion(plan: Plan) -> list[str]:
    """Whether it fits, what it takes, and what to do about what holds it up."""
    run = plan.run
    peak = f"{gigabytes(plan.memory.peak)} of {gigabytes(run.gpu.memory)}"
    by = f"{'LoRA with ' * run.policy.adapter}{_WAYS[run.way]}"
    if plan.fits:
        first = f"It fits: {by} takes {peak} of each {run.gpu.name} at its peak."
    else:
        others = [way for way, size in plan.ways.items() if size <= limit(run)]
        instead = f"{way_name(others[0])} would" if others else "no way of sharing it out would"
        first = f"It does not fit: {by} would take {peak} of each {run.gpu.name}; {instead}."
    step = seconds(plan.simulated.seconds)
    if plan.hours is None:
        second = f"A step takes about {step}; for the whole run give --rows."
    else:
        cost = "give --price for its cost" if plan.cost is None else f"{plan.cost:,.0f} at {plan.price:g} an hour"
        second = (
            f"A step takes about {step}, the run of {run.steps:,} steps {seconds(plan.hours * 3600)}: "
            f"{plan.card_hours:,.1f} card-hours on {run.cards} card{'s' * (run.cards != 1)} ({cost})."
        )
    share = plan.phases[plan.bottleneck].seconds / plan.serial
    third = f"{plan.bottleneck.capitalize()} takes longest ({share:.0%} of a step's work)"
    if plan.replicas is not None:
        third += f"; the judge keeps up with sampling from {plan.replicas} replica{'s' * (plan.replicas != 1)} on"
    return [first, second, f"{third}."]
