"""`contextrl plan`: what is asked of it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from contextrl.console import status
from contextrl.errors import InputError


def plan(
    config: Annotated[Path, typer.Argument(help="A run's YAML file.", show_default=False)],
    gpu: Annotated[str, typer.Option(help="A card: h100, a100-80, l4, rtx-4090, mi300x, ...", metavar="KIND")] = "h100",
    count: Annotated[
        int | None, typer.Option(min=1, help="Cards that train; by default launch.processes, or one.", metavar="N")
    ] = None,
    price: Annotated[float | None, typer.Option(help="Of a card and hour, in your currency.", metavar="X")] = None,
    parallel: Annotated[
        Literal["ddp", "fsdp2", "zero3"] | None,
        typer.Option(help="How the model is shared out; by default as launch.accelerate says, or ddp."),
    ] = None,
    judge_replicas: Annotated[
        int | None, typer.Option(min=1, help="Judge servers; by default as many as judge.base_url has.", metavar="N")
    ] = None,
    judge_gpus: Annotated[
        int | None, typer.Option(min=1, help="Cards of each judge server; by default what holds it.", metavar="N")
    ] = None,
    engine_gpus: Annotated[
        int | None, typer.Option(min=1, help="Cards of vLLM servers (vllm_mode: server).", metavar="N")
    ] = None,
    rows: Annotated[
        int | None, typer.Option(min=1, help="Training rows, where they are not here.", metavar="N")
    ] = None,
    mfu: Annotated[float | None, typer.Option(help="Share of the card's FLOP/s while learning.", metavar="X")] = None,
    assume: Annotated[
        list[str] | None, typer.Option(help="Another assumption: completion=3000, all_negative=0.3", metavar="NAME=X")
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="Override a key of the file.", metavar="KEY=VALUE")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Memory, time and cost of a run before anybody pays: what fits, what holds it up, how many judges it wants."""
    from contextrl.commands.config import load_config
    from contextrl.planning.gpus import gpu_named

    card = gpu_named(gpu, where="--gpu")
    if price is not None and not (price >= 0 and math.isfinite(price)):
        raise InputError("a price of a card and hour, 0 or more", found=str(price), where="--price")
    settings = load_config(config, set_ or [])
    console = Console()
    with status(Console(stderr=True), "Looking at the model"):
        from contextrl.commands.plan_tables import show
        from contextrl.commands.planned_run import Asked, planned_run
        from contextrl.planning.assumptions import assumptions_from
        from contextrl.planning.plan import make_plan

        assumed = assumptions_from([*([] if mfu is None else [f"mfu={mfu}"]), *(assume or [])])
        asked = Asked(card, count, parallel, judge_replicas, judge_gpus, engine_gpus, rows)
        planned = planned_run(settings, asked, assumed)
        found = make_plan(planned.run, lora=planned.lora, lora_optimizer=planned.lora_optimizer, price=price)
    if as_json:
        typer.echo(json.dumps({**found.as_dict(), "notes": list(planned.notes)}, indent=2))
        return
    show(found, planned.notes, console)
