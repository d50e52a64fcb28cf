"""The first configuration for somebody's rows: looked at, tried, and written with a word on every choice."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from contextrl.commands.column_options import given_columns
from contextrl.commands.config import RunConfig, parse_config
from contextrl.commands.data_config import DataConfig
from contextrl.commands.input_paths import with_input_paths
from contextrl.commands.model_names import names_a_folder
from contextrl.data.holding_out import held_out
from contextrl.data.loading import load_examples
from contextrl.data.proposal import Proposal, propose
from contextrl.data.row_files import Source
from contextrl.data.validation import validate_examples
from contextrl.errors import InputError, ServiceError
from contextrl.judge.settings import checked_urls
from contextrl.plugins import DATA, MODELS
from contextrl.records.example import Example
from contextrl.records.yaml_files import parse_yaml

#: The policy where none is named: the smallest of the paper's family.
DEFAULT_MODEL = "Qwen/Qwen3-VL-2B-Instruct"
#: Rows of a hub dataset that are looked at, and rows from which some are held out.
_HUB_ROWS, _FEWEST_TO_SPLIT = 200, 20
_MOST_HELD_OUT, _HELD_OUT_SHARE = 200, 10
#: Names of files that hold the evaluation rows of a file of training rows.
_EVALUATION_NAMES = ("val", "validation", "dev", "test", "eval")
#: Language models up to this width are toys, whose weights all fit: adapters would gain nothing.
_TINY_WIDTH = 512
_SECONDS = 10


@dataclass(frozen=True)
class Asked:
    """What the user typed."""

    data: str
    model: str | None = None
    judge: str | None = None
    judge_model: str | None = None
    columns: Sequence[str] = ()


@dataclass(frozen=True)
class FirstConfig:
    """The file, and what is said about it."""

    text: str
    summary: str
    notes: list[str]


@dataclass
class _Evaluation:
    """Lines of the `data` section on evaluation.

    Attributes:
        rows: of the evaluation.
        held_out: how many of them are taken from the training rows.
    """

    lines: list[str] = field(default_factory=list)
    rows: int = 0
    held_out: int = 0


def first_config(asked: Asked, out: Path) -> FirstConfig:
    """A configuration for rows that have been read and validated.

    Args:
        out: where it will be: its paths are relative to that.

    Raises:
        InputError: the rows cannot be read in any one way, rows are wrong, or there is no such model.
        ServiceError: the judge's server does not answer.
    """
    if asked.data.partition(":")[0] in DATA:
        raise InputError("rows of your own", found=asked.data, where="--data", fix=f"contextrl init {asked.data}")
    model = _Model(asked.model or DEFAULT_MODEL)
    hub = Source(asked.data).is_hub
    limit = _HUB_ROWS if hub else None
    proposal = propose(asked.data, given_columns(asked.columns), vision=model.vision, limit=limit)
    evaluation = _evaluation(asked.data, proposal, vision=model.vision, hub=hub, out=out)
    judge = _judge_lines(asked)
    text = "\n".join(
        [
            f"# ContextRL on {_one_line(asked.data)}: written by contextrl init.",
            "method: contextrl   # or grpo, dapo, sft",
            f"run_dir: {_scalar(f'runs/{out.stem}')}   # from where the command runs; other paths from here",
            *model.lines(out),
            *_data_lines(asked.data, proposal, evaluation, out),
            *judge,
            *_train_lines(len(proposal.examples) - evaluation.held_out, model, hub=hub),
            f"eval: {{every: 20, examples: {max(1, min(200, evaluation.rows))}}}" if evaluation.rows else "",
        ]
    ).rstrip("\n")
    # As `train` will read it.
    parse_config(with_input_paths(parse_yaml(text), RunConfig, out.parent), where=str(out))
    return FirstConfig(f"{text}\n", _summary(asked.data, proposal, evaluation, hub=hub), proposal.notes)


class _Model:
    """What can be known of a policy without loading it."""

    def __init__(self, path: str) -> None:
        self.path = path
        folder = Path(MODELS.get(path, Path(path).expanduser()))
        self.folder = folder if folder.is_dir() else None
        config = _json(folder / "config.json")
        if self.folder is None and names_a_folder(path):
            raise InputError("a folder with a model, or a hub id", found="no such folder", where=f"--model {path}")
        if self.folder is not None and not config and not (folder / "adapter_config.json").is_file():
            # A run directory holds its model in a folder of its own.
            config = _json(folder / "model" / "config.json")
            if not (folder / "config.yaml").is_file():
                raise InputError("a folder with a model", found="no config.json in it", where=f"--model {path}")
        text = {**config, **config.get("text_config", {})}
        self.vision = not config or any(config.get(name) for name in ("vision_config", "vit_config", "visual"))
        self.tiny = 0 < int(text.get("hidden_size") or 0) <= _TINY_WIDTH
        self.positions = int(text.get("max_position_embeddings") or 2**15)

    def lines(self, out: Path) -> list[str]:
        named = self.path if self.folder is None or self.path in MODELS else _relative(self.path, out)
        comment = "   # a hub id or a folder" if self.path == DEFAULT_MODEL else ""
        if self.tiny:
            return [f"model: {{path: {_scalar(named)}}}"]
        return [
            "model:",
            f"  path: {_scalar(named)}{comment}",
            "  lora: true   # adapters on the language model; without this line all weights train, at 1.0e-6 or so",
        ]


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _evaluation(data: str, proposal: Proposal, *, vision: bool, hub: bool, out: Path) -> _Evaluation:
    """A file of evaluation rows beside the training rows; else some of those held out."""
    for path in _files_beside(Path(data).expanduser()):
        reading = DataConfig(train=data, eval=str(path), columns=proposal.columns).reading(evaluation=True)
        try:
            examples = load_examples(str(path), **{**reading, "answer_type": proposal.answer_type or "text"})
            validate_examples(examples, vision=vision, where=str(path))
        except InputError:
            proposal.notes.append(f"{path.name} is not used for evaluation: its rows cannot be read as the others are")
            continue
        return _Evaluation([f"  eval: {_scalar(_relative(str(path), out))}"], len(examples))
    count = len(proposal.examples)
    if hub:
        return _Evaluation(
            [f"  holdout: {_MOST_HELD_OUT}   # rows that nobody trains on; or eval: and eval_split:"], _MOST_HELD_OUT
        )
    if count < _FEWEST_TO_SPLIT:
        proposal.notes.append(
            f"{count} rows are too few to hold some out: the run is not evaluated; data.eval can name a file"
        )
        return _Evaluation(["  eval: null   # a file of rows that are not trained on"])
    wanted = min(_MOST_HELD_OUT, max(1, count // _HELD_OUT_SHARE))
    try:
        held = held_out(proposal.examples, wanted, where="data.holdout")[1]
    except InputError:
        proposal.notes.append("all rows show the same pictures, so none can be held out; data.eval can name a file")
        return _Evaluation(["  eval: null   # a file of rows that are not trained on"])
    return _Evaluation(
        [f"  holdout: {wanted}   # rows of it that nobody trains on: what the run is evaluated on"],
        len(held),
        len(held),
    )


def _files_beside(path: Path) -> list[Path]:
    """`dev.jsonl` beside `train.jsonl`, `mine-dev.jsonl` beside `mine-train.jsonl` or `mine.jsonl`."""
    if not path.is_file():
        return []
    stem = path.stem
    stems = [stem[: -len("train")] + name for name in _EVALUATION_NAMES if stem.endswith("train")]
    stems += [f"{stem}{joint}{name}" for joint in "-_." for name in _EVALUATION_NAMES]
    found = [path.with_name(f"{name}{path.suffix}") for name in stems]
    return [other for other in found if other.is_file()][:1]


def _data_lines(data: str, proposal: Proposal, evaluation: _Evaluation, out: Path) -> list[str]:
    lines = ["data:", f"  train: {_scalar(data if Source(data).is_hub else _relative(data, out))}"]
    if proposal.columns:
        lines += ["  columns:   # field: the file's column"]
        lines += [f"    {name}: {_scalar(column)}" for name, column in proposal.columns.items()]
    if proposal.answer_type is not None:
        seen = ", ".join(f"{count} {name}" for name, count in proposal.answer_types.most_common())
        lines += [f"  answer_type: {proposal.answer_type}   # how answers compare: {seen}"]
    return [*lines, *evaluation.lines]


def _judge_lines(asked: Asked) -> list[str]:
    if asked.judge is None:
        return [
            "judge:",
            "  kind: rules   # the final answer alone counts; for verified steps and reports on mistakes, a judge that",
            "                # sees the solutions: kind: llm, base_url: http://host:8000/v1, model: NAME",
        ]
    try:
        checked_urls(asked.judge)
    except ValueError as error:
        raise InputError("a server's address", found=f"another ({error})", where="--judge") from error
    name = asked.judge_model or _offered(asked.judge)
    return [
        "judge:",
        "  kind: llm",
        f"  base_url: {_scalar(asked.judge)}",
        f"  model: {_scalar(name)}",
        "  context: solution   # what it sees of the reference: none, answer, documents or solution",
    ]


def _offered(url: str) -> str:
    """The one model that a server offers.

    Raises:
        InputError: there are several, or none is named.
        ServiceError: it does not answer.
    """
    request = urllib.request.Request(f"{url.rstrip('/')}/models")
    if key := os.environ.get("OPENAI_API_KEY"):
        request.add_header("Authorization", f"Bearer {key}")
    fix = "Name the judge with --judge-model"
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS) as response:
            found = json.loads(response.read(2**20))
        names = [str(model["id"]) for model in found["data"]]
    except (urllib.error.URLError, OSError) as error:
        short = not url.rstrip("/").endswith("/v1")
        start = (
            f"Start it, name the API's address, which mostly ends in /v1 ({url.rstrip('/')}/v1)"
            if short
            else "Start it"
        )
        reason = f"HTTP {error.code}" if isinstance(error, urllib.error.HTTPError) else getattr(error, "reason", error)
        raise ServiceError(
            f"--judge {url}: no list of models from there ({reason}). {start}, or name the judge with --judge-model."
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            "a server of models, http://host:port/v1", found="another reply", where=f"--judge {url}", fix=fix
        ) from error
    if len(names) != 1:
        raise InputError("a server of one model", found=", ".join(names[:8]) or "none", where=f"--judge {url}", fix=fix)
    return names[0]


def _train_lines(rows: int, model: _Model, *, hub: bool) -> list[str]:
    prompts = 4 if hub else max(1, min(4, rows))
    longest = min(64 if model.tiny else 1024, model.positions // 2)
    rate = "7.5e-5" if model.tiny else "2.0e-5"
    step = f"   # x {prompts} = {prompts} prompts with 8 responses each in a step"
    lines = [
        "train:   # fields of TRL's GRPOConfig",
        "  num_train_epochs: 1" if not hub else "  max_steps: 200",
        "  num_generations: 8",
        f"  per_device_train_batch_size: 8{step}",
        f"  gradient_accumulation_steps: {prompts}",
        f"  max_completion_length: {longest}   # longer responses are cut, and then never right",
        f"  learning_rate: {rate}",
        "  beta: 0.01",
    ]
    return [*lines, *([] if model.tiny else ["  gradient_checkpointing: true"]), "  save_steps: 50"]


def _summary(data: str, proposal: Proposal, evaluation: _Evaluation, *, hub: bool) -> str:
    rows: Sequence[Example] = proposal.examples
    pictures = sum(len(example.images) for example in rows)
    parts = [f"{'the first ' if hub else ''}{len(rows):,} rows of {data} read, {pictures:,} pictures"]
    if proposal.columns:
        named = {name: column for name, column in proposal.columns.items() if column is not None}
        parts += [", ".join(f"{name} from {_shown(column)}" for name, column in named.items())]
    if evaluation.rows:
        parts += [f"{evaluation.rows} rows for evaluation"]
    return "; ".join(parts)


def _shown(column: str | list[str]) -> str:
    return column if isinstance(column, str) else " and ".join(column)


def _relative(path: str, out: Path) -> str:
    """A path as the file `out` names it: relative below its folder, absolute elsewhere."""
    absolute, folder = os.path.abspath(os.path.expanduser(path)), os.path.abspath(out.parent)
    relative = os.path.relpath(absolute, folder)
    return absolute if relative.startswith("..") else f"./{relative}" if "." not in relative else relative


def _scalar(value: Any) -> str:
    """A value on one line of YAML."""
    if isinstance(value, str) and not value.isprintable():
        return json.dumps(value)
    return yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10_000).split("\n")[0]


def _one_line(text: str) -> str:
    return " ".join(text.split())
