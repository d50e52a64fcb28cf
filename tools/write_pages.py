"""What pages say of settings, metrics, records and commands comes from the code that has them.

    python tools/write_pages.py            # puts it into docs/*.md, between `<!-- generated: NAME -->` and its end
    python tools/write_pages.py --check    # says which pages are not those of today's code; exit code 1 if any

A page may be written by hand around its generated blocks.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import MISSING, Field, fields
from enum import Enum
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from benchmark_pages import ROWS_HEAD, benchmark_protocols, benchmark_rows
from recipe_pages import recipe, sources
from setting_tables import annotation_name, section_tables, table

PAGES = Path(__file__).parents[1] / "docs"
_BLOCK = re.compile(r"(<!-- generated: ([\w-]+) -->\n).*?(<!-- /generated -->)", re.DOTALL)


def with_generated_blocks(text: str) -> str:
    """A page with its blocks as today's code has them.

    Raises:
        KeyError: a block has a name that `BLOCKS` does not know.
    """
    return _BLOCK.sub(lambda match: f"{match[1]}\n{BLOCKS[match[2]]().strip()}\n\n{match[3]}", text)


# ---- settings --------------------------------------------------------------------------------------------------------


def settings() -> str:
    """Every section of a run's YAML: its settings with type, default and meaning."""
    from contextrl.commands.config import RunConfig

    return "\n".join(section_tables("", RunConfig))


def train_defaults() -> str:
    """Fields of TRL's whose default is another one here."""
    from trl import GRPOConfig

    from contextrl.trainer.config import SECTIONS, ContextRLConfig

    theirs = {field.name: field for field in fields(GRPOConfig)}
    rows = [
        [f"`{field.name}`", _value_of(field), _value_of(theirs[field.name]), str(field.metadata.get("help", ""))]
        for field in fields(ContextRLConfig)
        if field.name in ContextRLConfig.__annotations__ and field.name not in SECTIONS and field.name in theirs
    ]
    return table(["field", "default here", "TRL's", "why"], rows)


def _value_of(field: Field[Any]) -> str:
    if field.default is not MISSING:
        return f"`{field.default}`"
    return "" if field.default_factory is MISSING else f"`{field.default_factory()}`"


def refused_options() -> str:
    """Fields of TRL's that are refused unless they keep the value that is implemented."""
    from contextrl.trainer.config import UNSUPPORTED

    return table(
        ["field", "the value that is accepted"], [[f"`{key}`", f"`{value}`"] for key, value in UNSUPPORTED.items()]
    )


def method_defaults() -> str:
    """What each method sets, unless `train` says otherwise."""
    from contextrl.commands.arguments import _METHOD_DEFAULTS, _SFT_DEFAULTS

    rows = [
        [f"`{method}`", ", ".join(f"`{key}: {value}`" for key, value in defaults.items())]
        for method, defaults in {**_METHOD_DEFAULTS, "sft": _SFT_DEFAULTS}.items()
    ]
    return table(["method", "fields of `train`"], rows)


# ---- metrics and records ---------------------------------------------------------------------------------------------


def metrics() -> str:
    """Every metric with its meaning, by family."""
    from contextrl.records.metrics import METRICS, UNSCORED_PREFIX
    from contextrl.records.verdict import UnscoredKind

    families: dict[str, list[list[str]]] = {}
    for name, meaning in METRICS.items():
        family = name.partition("/")[0] if "/" in name else "optimisation"
        families.setdefault(family, []).append([f"`{name}`", meaning])
    kinds = ", ".join(f"`{kind}`" for kind in get_args(UnscoredKind))
    families["judge"].append(
        [f"`{UNSCORED_PREFIX}KIND`", f"Verdicts unscored for one reason; zero is not logged. Kinds: {kinds}."]
    )
    return "\n".join(f"### {family}\n\n{table(['metric', 'what it says'], rows)}" for family, rows in families.items())


def group_record() -> str:
    """The fields of a line of groups.jsonl."""
    from contextrl.records.groups import GroupRecord

    return record_table(GroupRecord)


def attempt_record() -> str:
    """The fields of an attempt of a group."""
    from contextrl.records.groups import AttemptRecord

    return record_table(AttemptRecord)


def verdict_record() -> str:
    """The fields of a verdict as run files hold it."""
    from contextrl.records.verdict import Verdict

    return record_table(Verdict, without=("usage",))


def evaluation_record() -> str:
    """The figures of one evaluation."""
    from contextrl.records.evaluation import Evaluation

    return record_table(Evaluation)


def example_record() -> str:
    """The columns of a row."""
    from contextrl.records.example import Example

    return record_table(Example)


def record_table(record: type, without: Sequence[str] = ()) -> str:
    """Fields of a dataclass with their types and what its docstring says of them."""
    said = attributes_of(record)
    hints = get_type_hints(record)
    rows = [
        [f"`{field.name}`", annotation_name(hints[field.name]), _as_json(said.get(field.name, ""))]
        for field in fields(record)
        if field.name not in without
    ]
    return table(["field", "type", "what it says"], rows)


def _as_json(text: str) -> str:
    """Python's constants as run files have them."""
    for word, instead in (("None", "null"), ("True", "true"), ("False", "false")):
        text = re.sub(rf"\b{word}\b", instead, text)
    return text[:1].upper() + text[1:]


def attributes_of(record: type) -> dict[str, str]:
    """The `Attributes:` of a class's docstring; one line may speak of several."""
    _, _, section = inspect.cleandoc(record.__doc__ or "").partition("Attributes:\n")
    lines = re.sub(r"\n {8,}", " ", section).splitlines()
    said: dict[str, str] = {}
    for line in lines:
        # `a, b: of both; `c`: of c alone.`
        for part in re.split(r"; (?=`\w+`: )", line.strip()):
            names, _, text = part.partition(": ")
            said |= {name.strip("` "): text for name in names.split(",")}
    return said


# ---- commands --------------------------------------------------------------------------------------------------------


def commands() -> str:
    """Every command with its arguments and options."""
    from typer.main import get_command

    from contextrl.commands.cli import app

    return "\n".join(_command_sections("contextrl", get_command(app)))


def _command_sections(path: str, command: Any) -> Iterator[str]:
    inner = getattr(command, "commands", None)
    if inner is not None:
        for name, below in inner.items():
            yield from _command_sections(f"{path} {name}", below)
        return
    shown = [
        parameter
        for parameter in command.params
        if not getattr(parameter, "hidden", False) and parameter.name != "help"
    ]
    arguments = [parameter for parameter in shown if parameter.param_type_name == "argument"]
    usage = " ".join([path, *(_metavar(parameter) for parameter in arguments), "[OPTIONS]"])
    yield f"### {path}\n\n{inspect.cleandoc(command.help or '')}\n\n```text\n{usage}\n```\n"
    rows = [[_parameter_name(parameter), _parameter_default(parameter), parameter.help or ""] for parameter in shown]
    if rows:
        yield table(["argument or option", "default", "what it does"], rows)


def _metavar(parameter: Any) -> str:
    name = parameter.metavar or str(parameter.name).upper().strip("_")
    return name if parameter.required or name.startswith("[") else f"[{name}]"


def _parameter_name(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        shown = parameter.metavar or str(parameter.name).upper().strip("_")
        return " or ".join(f"`{name}`" for name in shown.split("|"))
    names = ", ".join(f"`{name}`" for name in [*parameter.opts, *parameter.secondary_opts])
    if parameter.is_flag:
        return names
    return f"{names} {parameter.metavar or _values_of(parameter.type_descriptor.annotation)}"


def _values_of(annotation: Any) -> str:
    """What may stand after an option."""
    if get_origin(annotation) is list:
        return _values_of(get_args(annotation)[0])
    if get_origin(annotation) is Literal:
        return ", ".join(f"`{part}`" for part in get_args(annotation))
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return ", ".join(f"`{choice.value}`" for choice in annotation)
    return {str: "TEXT", int: "N", float: "X", Path: "PATH"}.get(annotation, "VALUE")


def _parameter_default(parameter: Any) -> str:
    default = parameter.default
    if isinstance(parameter.show_default, str):
        return parameter.show_default
    if parameter.required:
        return "needed"
    if default is None or default in (False, (), "") or callable(default):
        return ""
    return f"`{default.value if isinstance(default, Enum) else default}`"


def scale_figures() -> str:
    """The paper's run on several numbers of cards."""
    from contextrl.commands.plan_page import figures

    return figures()


#: Name to what stands between its markers.
BLOCKS: dict[str, Callable[[], str]] = {
    "settings": settings,
    "train-defaults": train_defaults,
    "refused-options": refused_options,
    "method-defaults": method_defaults,
    "metrics": metrics,
    "group": group_record,
    "attempt": attempt_record,
    "verdict": verdict_record,
    "evaluation": evaluation_record,
    "example": example_record,
    "commands": commands,
    "scale-figures": scale_figures,
    "recipe": recipe,
    "sources": sources,
    "benchmark-protocols": benchmark_protocols,
    "benchmark-rows": lambda: table(ROWS_HEAD, benchmark_rows()),
}


def main(arguments: Sequence[str]) -> int:
    stale = []
    for page in sorted(PAGES.glob("*.md")):
        text = page.read_text(encoding="utf-8")
        today = with_generated_blocks(text)
        if today != text:
            stale.append(page.name)
            if "--check" not in arguments:
                page.write_text(today, encoding="utf-8")
    if stale:
        print("Not of today's code:" if "--check" in arguments else "Written:", ", ".join(stale))
    return int(bool(stale) and "--check" in arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
