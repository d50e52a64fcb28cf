"""What the task files beside this one call: a benchmark's prompt, pictures, marks and figures.

The functions are made when a task file names them: `mmstar__rows`, `mmstar__prompt`, `mmstar__images`,
`mmstar__target`, `mmstar__marks`, and by scorer and metric `mmstar__robust__accuracy`; `not_scored` counts answers
without a score.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from PIL import Image

from contextrl.data.images import open_image
from contextrl.errors import InputError
from contextrl.evaluation.benchmarks.benchmark import CONFIG, Benchmark
from contextrl.evaluation.benchmarks.items import Item, Mark, Response, Scored, Scorer, failed
from contextrl.evaluation.benchmarks.registry import BENCHMARKS
from contextrl.integrations.lmms_eval.judging import mark_of

#: Of a row among all that are read; lmms-eval does not tell it.
POSITION = "_position"
SCORERS: tuple[Scorer, ...] = ("official", "robust")
NOT_SCORED = "not_scored"
#: What `not_scored` tells of a question.
_WHY = ("id", "how", "detail", "value")
Document = Mapping[str, Any]
#: A question, its answer's mark, and all that a figure needs. The score is not called so: lmms-eval would give every
#: figure the standard error of a mean of scores, which figures over groups of questions are not.
Line = Mapping[str, Any]


def __getattr__(name: str) -> Callable[..., Any]:
    benchmark, *rest = name.split("__")
    if benchmark in _BY_NAME and len(rest) == 1 and rest[0] in _OF_A_ROW:
        return _of_a_row(_BY_NAME[benchmark], _OF_A_ROW[rest[0]])
    if benchmark in _BY_NAME and len(rest) == 2 and rest[0] in SCORERS:
        return _figure(_BY_NAME[benchmark], SCORERS[rest[0] == "robust"], rest[1])
    raise AttributeError(name)


def _of_a_row(benchmark: Benchmark, function: Callable[..., Any]) -> Callable[..., Any]:
    def of_a_row(doc: Any, *more: Any, **others: Any) -> Any:
        del others  # lmms-eval's options for single models
        return function(benchmark, doc, *more)

    return of_a_row


def _rows(benchmark: Benchmark, dataset: Any) -> Any:
    """A split with its rows' positions and configurations, pictures as the bytes that are stored.

    A picture that cannot be decoded then concerns its row alone; and lmms-eval copies none into its samples, as it does
    with datasets' own form of bytes.
    """
    datasets = importlib.import_module("datasets")
    for name, feature in dataset.features.items():
        if isinstance(feature, datasets.Image):
            dataset = dataset.cast_column(name, datasets.Image(decode=False))
    count, configs = len(dataset), benchmark.source.configs
    if len(configs) > 1 and CONFIG not in dataset.features:
        # They follow each other and are of one size.
        dataset = dataset.add_column(CONFIG, [configs[position * len(configs) // count] for position in range(count)])
    return dataset.add_column(POSITION, list(range(count))).with_transform(_plain)


def _plain(batch: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
    return {name: [_stored(value) for value in values] for name, values in batch.items()}


def _stored(value: Any) -> Any:
    """Bytes, else the path, of a picture as datasets stores it; other values are themselves."""
    if isinstance(value, dict) and value.keys() == {"bytes", "path"}:
        return value["path"] if value["bytes"] is None else value["bytes"]
    return value


def _read(benchmark: Benchmark, doc: Document) -> Item | InputError | None:
    """A row's question; what is wrong with a row that has none, None for one that is not scored."""
    try:
        return benchmark.item({CONFIG: benchmark.source.configs[0], **doc}, int(doc[POSITION]))
    except InputError as error:
        return error


def _prompt(benchmark: Benchmark, doc: Document, *_: Any) -> str:
    item = _read(benchmark, doc)
    return benchmark.prompt(item, "official") if isinstance(item, Item) else ""


def _images(benchmark: Benchmark, doc: Document, *_: Any) -> list[Image.Image]:
    item = _read(benchmark, doc)
    return [open_image(image).convert("RGB") for image in item.images] if isinstance(item, Item) else []


def _target(benchmark: Benchmark, doc: Document, *_: Any) -> str:
    item = _read(benchmark, doc)
    return str(item.columns.get("answer", "")) if isinstance(item, Item) else ""


def _marks(benchmark: Benchmark, doc: Document, results: Sequence[str], *_: Any) -> dict[str, Any]:
    """By metric of each scorer the question and its mark; nothing for a row that is not scored."""
    item = _read(benchmark, doc)
    if item is None:
        return {}
    found: dict[str, Any] = {}
    for scorer in _scorers(benchmark):
        if isinstance(item, Item):
            line = _line(Scored(item, mark_of(benchmark.score(item, Response(results[0]), scorer))))
        else:
            line = _line(Scored(Item(f"row {doc[POSITION]}", {}), failed(str(item))))
        found |= {f"{scorer}_{metric}": line for metric in benchmark.columns}
        found[f"{scorer}_{NOT_SCORED}"] = {name: part for name, part in line.items() if name in _WHY}
    return found


_OF_A_ROW: Mapping[str, Callable[..., Any]] = {
    "rows": _rows,
    "prompt": _prompt,
    "images": _images,
    "target": _target,
    "marks": _marks,
}
_BY_NAME = {name.replace("-", "_"): benchmark for name, benchmark in BENCHMARKS.items()}


def _scorers(benchmark: Benchmark) -> list[Scorer]:
    return [scorer for scorer in SCORERS if scorer in benchmark.scorers]


def _figure(benchmark: Benchmark, scorer: Scorer, metric: str) -> Callable[[Sequence[Line]], float]:
    """A metric over all lines; questions without a score are left out, and counted by `not_scored`."""

    def figure(lines: Sequence[Line]) -> float:
        if metric == NOT_SCORED:
            return float(sum("value" not in line for line in lines))
        scored = [_scored(line) for line in lines if line["columns"]]
        metrics = benchmark.summarise(scored, scorer)
        return metrics[metric].value if metric in metrics else math.nan

    return figure


def _line(one: Scored) -> Line:
    mark = one.mark
    line = {
        "id": one.item.id,
        "cluster": one.item.cluster or one.item.id,
        "extracted": mark.extracted,
        "how": mark.how,
        "label": mark.label,
        "detail": mark.detail,
        "columns": dict(one.item.columns),
    }
    return line if mark.score is None else {**line, "value": mark.score}


def _scored(line: Line) -> Scored:
    item = Item(line["id"], line["columns"], cluster=line["cluster"])
    mark = Mark(line.get("value"), line["extracted"], line["how"], line["label"], line["detail"])
    return Scored(item, mark)
