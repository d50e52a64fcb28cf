"""What `contextrl plan` says of the learner's peak memory and arithmetic, beside what `speed.py` has measured.

    python benchmarks/gpu/planned.py speed.json

Needs no GPU: models are built without memory for their weights.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

import torch
from peft import get_peft_model
from sides import adapter_of
from workload import SHAPES, Case, build_model

from contextrl.planning.flops import Rows, backward_flops, forward_flops
from contextrl.planning.memory import activation_bytes, head_bytes
from contextrl.planning.probing import model_shape
from contextrl.planning.shape import ModelShape
from report import table

#: Pixels of a patch, along a side.
PATCH = 16


@cache
def shape_of(model: str) -> ModelShape:
    """As the plan sees it: bfloat16, adapter included."""
    skeleton = build_model(SHAPES[model], torch.device("meta"), torch.bfloat16)
    adapter = adapter_of(Case(model, (64, 64), 8, 8))
    if adapter is not None:
        skeleton = get_peft_model(skeleton, adapter)
    return model_shape(skeleton, model, autocast=True)


def planned_bytes(case: Case, prompt: int, *, shared: bool) -> float:
    """Of the learner, before the optimizer has moments.

    Args:
        prompt: tokens of the prompt, the picture's included.
        shared: the group's prompt is read once.
    """
    shape = shape_of(case.model)
    read = 1 if shared else case.generations
    positions = case.generations * case.completion
    patches = read * case.picture[0] * case.picture[1] / PATCH**2
    pixels = 4.0 * patches * shape.cost.patch_values
    activations = activation_bytes(shape, read * prompt + positions, patches, checkpointing=True)
    activations += head_bytes(shape, positions, autocast=True)
    # One micro-batch: gradients take the place of activations, layer by layer.
    return shape.weight_bytes + pixels + max(shape.trained_bytes, activations)


def planned_flops(case: Case, prompt: int, *, shared: bool) -> float:
    """Of forward and backward, with what checkpointing computes again: what the plan divides by `mfu`."""
    shape, patches = shape_of(case.model), case.picture[0] * case.picture[1] / PATCH**2
    rows = Rows(1 if shared else case.generations, case.generations, prompt, case.completion, patches)
    return forward_flops(shape, rows) + backward_flops(shape, rows, checkpointing=True)


def case_of(measured: dict[str, Any]) -> Case:
    """As `speed.py` has written it, among its figures."""
    names = {field.name for field in fields(Case)}
    values: dict[str, Any] = {name: value for name, value in measured.items() if name in names}
    return Case(**values | {"picture": tuple(values["picture"])})


def rows_of(report: dict[str, Any]) -> list[list[str]]:
    """A row for each learner that was measured."""
    rows = []
    for measured in report["cases"]:
        case = case_of(measured)
        for side in ("ours", "trl"):
            peak = measured.get(side, {}).get("learner", {}).get("peak_gb")
            if not peak:
                continue
            prompt, shared = measured["prompt_tokens"], side == "ours"
            planned = planned_bytes(case, prompt, shared=shared) / 2**30
            rate = planned_flops(case, prompt, shared=shared) / measured[side]["learner"]["seconds"]
            share = rate / report["machine"]["peak_tflops"] / 1e12
            what = f"{case.model}, {measured['prompt_tokens']} + {case.completion}"
            name = "contextrl" if side == "ours" else "TRL"
            rows.append([what, name, f"{planned:.1f}", f"{peak:.1f}", f"{planned / peak - 1:+.0%}", f"{share:.2f}"])
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("report", type=Path, help="speed.json")
    report = json.loads(parser.parse_args().report.read_text(encoding="utf-8"))
    print(table(["learner", "side", "planned GB", "measured GB", "apart", "mfu as the plan counts"], rows_of(report)))


if __name__ == "__main__":
    main()
