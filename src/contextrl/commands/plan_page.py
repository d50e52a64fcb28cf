"""docs/scale-figures.md: the paper's run on 8, 64 and 512 cards, worked out anew whenever the pages are checked."""

from __future__ import annotations

from dataclasses import replace

from contextrl.commands.config import load_config
from contextrl.commands.plan_tables import amount, gigabytes, way_name
from contextrl.commands.planned_run import Asked, planned_run
from contextrl.commands.shipped_configs import CONFIGS
from contextrl.planning.assumptions import Assumptions, meanings
from contextrl.planning.gpus import gpu_named, gpus
from contextrl.planning.plan import Plan, limit, make_plan
from contextrl.planning.run import PlannedRun

#: The paper's rows, the rent of a card and hour that is reckoned with, and the sizes of the page.
ROWS, PRICE, SIZES = 29_000, 2.5, (8, 64, 512)
#: Cards of a node.
_CARD = "h100"


def paper_run() -> tuple[PlannedRun, Plan]:
    """The shipped recipe on eight cards."""
    config = load_config(CONFIGS / "qwen3-vl-8b" / "contextrl.yaml")
    asked = Asked(gpu_named(_CARD, where="--gpu"), count=SIZES[0], way="fsdp2", judge_replicas=2, rows=ROWS)
    planned = planned_run(config, asked, Assumptions())
    plan = make_plan(planned.run, lora=planned.lora, lora_optimizer=planned.lora_optimizer, price=PRICE)
    return planned.run, plan


def scaled(run: PlannedRun, count: int) -> PlannedRun:
    """On more cards: as many samples as before where whole groups allow, with judges that keep up."""
    micro = max(run.generations, run.samples // count)
    prompts = count * micro // run.generations
    steps = -(-ROWS // prompts)
    found = replace(run, count=count, micro_batches=micro // run.rows, steps=steps)
    needed = make_plan(found, steps=1).replicas or 1
    return replace(found, judge=replace(found.judge, replicas=needed))


def figures() -> str:
    """Tables in Markdown."""
    run, first = paper_run()
    plans = [make_plan(scaled(run, count), price=PRICE) for count in SIZES]
    return "\n".join([_sizes(plans), _phases(plans[0]), _memory(first), _fits(first), _assumed(), _cards()])


def _table(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rows]) + "\n"


def _rounded(value: float) -> str:
    """Two figures: the assumptions bear no more."""
    return f"{float(f'{value:.2g}'):,.0f}" if value >= 10 else f"{value:.2g}"


def _sizes(plans: list[Plan]) -> str:
    rows = []
    for plan in plans:
        run = plan.run
        assert plan.hours is not None
        assert plan.card_hours is not None
        assert plan.cost is not None
        rows.append(
            [
                str(run.count),
                f"{run.judge.replicas} x {run.judge.cards}",
                f"{run.groups} x {run.generations}",
                f"{run.steps:,}",
                f"{_rounded(plan.simulated.seconds)} s",
                f"{_rounded(plan.in_turn.seconds)} s",
                f"{_rounded(plan.hours)} h",
                _rounded(plan.card_hours),
                f"{_rounded(plan.cost)} $",
                plan.bottleneck,
            ]
        )
    head = [
        "cards that train",
        "judges: replicas x cards",
        "prompts x G a step",
        "steps",
        "a step, simulated",
        "without overlap",
        "the run",
        "card-hours, judges too",
        f"cost at {PRICE} $",
        "bottleneck",
    ]
    return f"## The run\n\n{_table(head, rows)}"


def _phases(plan: Plan) -> str:
    rows = [
        [
            name,
            *(amount(value) if value else "" for value in (one.read, one.written)),
            amount(one.flops) if one.flops else "",
            f"{_rounded(one.seconds)} s",
        ]
        for name, one in plan.phases.items()
    ]
    head = ["part", "tokens read", "tokens written", "FLOPs", "alone"]
    return f"## A step on {plan.run.count} cards\n\n{_table(head, rows)}"


def _memory(plan: Plan) -> str:
    memory = plan.memory
    moments = (memory.learning, memory.sampling)
    names = list(dict.fromkeys([*memory.learning, *memory.sampling]))
    rows = [[name, *(gigabytes(moment[name]) if name in moment else "" for moment in moments)] for name in names]
    rows.append(["together", *(gigabytes(sum(moment.values())) for moment in moments)])
    return f"## Memory of one card, FSDP2 on {plan.run.count}\n\n{_table(['part', 'learning', 'sampling'], rows)}"


def _fits(plan: Plan) -> str:
    rows = [
        [way_name(way), gigabytes(size), "yes" if size <= limit(plan.run) else "no"] for way, size in plan.ways.items()
    ]
    return _table(["shared out by", "peak of a card", f"fits {gigabytes(plan.run.gpu.memory)}"], rows)


def _assumed() -> str:
    usual = Assumptions()
    rows = [[f"`{name}`", f"{getattr(usual, name):g}", meaning] for name, meaning in meanings().items()]
    return f"## Assumed, not measured\n\n{_table(['name', 'value', 'what it is'], rows)}"


def _cards() -> str:
    rows = [
        [
            f"`{gpu.name}`",
            f"{gpu.memory / 1e9:g} GB",
            f"{gpu.flops / 1e12:g}",
            f"{gpu.bandwidth / 1e9:,g} GB/s",
            gpu.source,
        ]
        for gpu in gpus().values()
    ]
    return f"## Cards\n\n{_table(['name', 'memory', 'dense bf16 TFLOP/s', 'bandwidth', 'from'], rows)}"
