"""The figures as Markdown, for docs/speed.md."""

from __future__ import annotations

from typing import Any

Row = dict[str, Any]


def markdown(report: Row) -> str:
    """Three tables: beside TRL, layouts, exactness."""
    parts = [_machine(report), _beside_trl(report["cases"]), _layouts(report["cases"]), _exactness(report["cases"])]
    return "\n\n".join(part for part in parts if part) + "\n"


def _machine(report: Row) -> str:
    machine = report["machine"]
    known = [f"{machine['memory_gb']} GB", f"driver {machine['driver']}", f"CUDA {machine['cuda']}"]
    details = [*(known if machine["memory_gb"] else []), f"torch {machine['torch']}"]
    text = (
        f"**{machine['card']}**, {', '.join(details)}. MFU is of {machine['peak_tflops']} TFLOP/s, {machine['peak_is']}"
    )
    text += f" (a large product ran at {machine['product_tflops']})."
    return text + (" Tiny models: these figures say that the script runs, nothing of speed." if report["tiny"] else "")


def table(columns: list[str], rows: list[list[str]]) -> str:
    lines = [columns, ["---", *["---:"] * (len(columns) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _label(case: Row) -> str:
    trained = "LoRA" if case["lora"] else "full"
    return (
        f"{case['model']} {trained}, {case.get('prompt_tokens', '?')} + {case['completion']}, {case['megapixels']} MP"
    )


def _seconds(found: Row | None) -> str:
    if found is None:
        return ""
    if found.get("seconds") is None:
        return str(found.get("why") or "not measured").replace("|", "/")
    return f"{found['seconds']:.3f}" + ("" if found["runs"] else " (first run)")


def _value(found: Row | None, name: str, form: str) -> str:
    value = (found or {}).get(name)
    return "" if value is None else format(value, form)


def _ratio(ours: Row | None, theirs: Row | None) -> str:
    # A first run compiles: no ratio comes of it.
    if not ours or not theirs or not ours.get("runs") or not theirs.get("runs"):
        return ""
    return f"{theirs['seconds'] / ours['seconds']:.2f}x"


def _beside_trl(cases: list[Row]) -> str:
    columns = ["prompt + completion tokens", "part", "TRL s", "contextrl s", "ratio"]
    columns += ["TRL GB", "contextrl GB", "TRL tokens/s", "contextrl tokens/s", "TRL MFU", "contextrl MFU", "layout"]
    rows = []
    for case in cases:
        ours, theirs = case.get("ours", {}), case.get("trl", {})
        for part in ("learner", "step"):
            mine, other = ours.get(part), theirs.get(part)
            if mine is None and other is None:
                continue
            name = part if part == "learner" else f"step of {case['step']} tokens"
            row = [_label(case), name, _seconds(other), _seconds(mine), _ratio(mine, other)]
            for key, form in (("peak_gb", ".1f"), ("tokens_per_second", ",.0f"), ("mfu", ".1%")):
                row += [_value(other, key, form), _value(mine, key, form)]
            rows.append([*row, ours.get("layout", "")])
    return table(columns, rows)


def _layouts(cases: list[Row]) -> str:
    rows = [
        [_label(case), name, _seconds(found), _value(found, "peak_gb", ".1f"), _value(found, "mfu", ".1%")]
        for case in cases
        for name, found in case.get("variants", {}).items()
    ]
    return table(["the learner's layout", "layout", "s", "GB", "MFU"], rows) if rows else ""


def _exactness(cases: list[Row]) -> str:
    rows = []
    for case in cases:
        found = case.get("exactness")
        if found is None:
            if case.get("exactness_why"):
                rows.append([_label(case), case["exactness_why"].replace("|", "/"), "", "", ""])
            continue
        for name, mean in found["mean"].items():
            verdict = "" if name == "separate" else "farther" if name in found["farther"] else "no farther"
            rows.append([_label(case), name, f"{mean:.2g}", f"{found['max'][name]:.2g}", verdict])
    columns = ["log-probabilities in bfloat16", "layout", "mean from float32", "largest", "than separate rows"]
    return table(columns, rows) if rows else ""
