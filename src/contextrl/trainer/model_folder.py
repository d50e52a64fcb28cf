"""The trained model as a folder that other programs load: weights or adapter, processor, model card."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from contextrl.records.evaluation import percent
from contextrl.records.files import scratch_name

#: Files of a processor, tokenizer included; ours may not have written all: other programs look for them beside the
#: weights.
_PROCESSOR_FILES = (
    "preprocessor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "processor_config.json",
    "video_preprocessor_config.json",
    "chat_template.json",
    "chat_template.jinja",
    "vocab.json",
    "merges.txt",
    "tokenizer.model",
)
#: Trainer pickles its arguments beside the weights: of no use to who loads them, and pickles run code.
_NOT_THE_MODEL = ("training_args.bin",)
#: Where peft puts the copy of a starting adapter that TRL makes for the reference model.
_REFERENCE = "ref"


def save_model_folder(trainer: Any, folder: Path, card: str, *, base: str) -> None:
    """Write a trained policy so that it is there whole or not at all; every process calls it.

    Args:
        trainer: a transformers Trainer, which gathers weights that are spread over processes.
        folder: replaced if it is there.
        card: README.md.
        base: the policy that training started from; a local folder lends what its processor has beside ours.
    """
    scratch = folder.with_name(scratch_name(folder.name))
    main = trainer.accelerator.is_main_process
    if main:
        shutil.rmtree(scratch, ignore_errors=True)
    trainer.accelerator.wait_for_everyone()
    _save_weights(trainer, scratch)
    trainer.accelerator.wait_for_everyone()
    if main:
        complete(scratch, card, base)
        shutil.rmtree(folder, ignore_errors=True)
        scratch.replace(folder)
    trainer.accelerator.wait_for_everyone()


def _save_weights(trainer: Any, folder: Path) -> None:
    """All weights, also where checkpoints keep each process's part: Trainer then saves no model at all."""
    if getattr(trainer.accelerator.state, "fsdp_plugin", None) is None:
        trainer.save_model(str(folder))
        return
    weights = trainer.accelerator.get_state_dict(trainer.model)
    if trainer.args.should_save:
        trainer._save(str(folder), state_dict=weights)


def is_adapter(trainer: Any) -> bool:
    """Whether what is trained is a LoRA adapter."""
    return hasattr(trainer.accelerator.unwrap_model(trainer.model), "peft_config")


def lend_processor(source: Path, folder: Path) -> None:
    """Copy the files of a processor that `folder` does not have."""
    for name in _PROCESSOR_FILES:
        if (source / name).is_file() and not (folder / name).exists():
            shutil.copyfile(source / name, folder / name)


def complete(folder: Path, card: str, base: str) -> None:
    """Add the card and what a base's processor has beside what is here."""
    for name in _NOT_THE_MODEL:
        (folder / name).unlink(missing_ok=True)
    if (folder / "adapter_config.json").is_file():
        shutil.rmtree(folder / _REFERENCE, ignore_errors=True)
    lend_processor(Path(base), folder)
    (folder / "README.md").write_text(card, encoding="utf-8")


def model_card(
    *,
    base: str,
    started_from: str,
    method: str,
    data: str,
    results: Mapping[str, Any],
    adapter: bool,
    vision: bool,
    versions: Mapping[str, str],
) -> str:
    """What a trained model is, for people and for hubs.

    Args:
        base: the model that the weights are of; an adapter's is the one it is loaded onto.
        started_from: the policy that training started from, as the configuration names it.
        data: what it was trained on.
        results: what results.json holds.
        adapter: whether the folder holds a LoRA adapter and not a whole model.
        vision: whether it sees pictures.
        versions: package to version.
    """
    head: dict[str, Any] = {
        "library_name": "peft" if adapter else "transformers",
        "pipeline_tag": "image-text-to-text" if vision else "text-generation",
        "tags": list(dict.fromkeys(["contextrl", "trl", method])),
    }
    if not Path(base).exists() and base.count("/") == 1:
        head["base_model"] = base
    evaluated = [row for name in ("before", "after") if (row := _figures(name, results.get(name)))]
    lines = [
        "---",
        yaml.safe_dump(head, sort_keys=False, allow_unicode=True).strip(),
        "---",
        "",
        f"# {_plain(base)}, trained with {method}",
        "",
        f"{'A LoRA adapter on' if adapter else 'All weights of'} `{_plain(base)}`, trained with {method} "
        "([ContextRL](https://arxiv.org/abs/2602.22623) and its baselines) by contextrl "
        f"{versions.get('contextrl', '')}.".replace(" .", "."),
        "",
        *([f"- Training started from: `{_plain(started_from)}`"] if started_from != base else []),
        f"- Data: `{_plain(data)}`",
        f"- Optimizer steps: {results.get('steps')}; seed: {results.get('seed')}",
        f"- All settings: `config.yaml` of the run; versions: {', '.join(f'{k} {v}' for k, v in versions.items())}",
        "",
        *_table(evaluated),
        "",
        "```python",
        *_how_to_load(vision=vision),
        "```",
        "",
    ]
    return "\n".join(lines)


def _plain(text: str) -> str:
    """A name from a configuration, so that it stays within its line and its backticks."""
    return " ".join(text.replace("`", "'").split())


def _figures(name: str, row: Any) -> list[str] | None:
    if not isinstance(row, Mapping):
        return None
    return [
        f"{name} training",
        percent(row.get("answer_accuracy"), row.get("answer_accuracy_ci95")),
        percent(row.get("process_accuracy"), row.get("process_accuracy_ci95")),
        str(row.get("n")),
        _plain(str(row.get("data") or "held-out rows")),
    ]


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    if not rows:
        return ["Not evaluated."]
    head = ["", "right answer", "right answer by a right process", "n", "data"]
    return [
        "Greedy answers, with 95 % intervals by image:",
        "",
        *(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)),
    ]


def _how_to_load(*, vision: bool) -> list[str]:
    """For adapters too: transformers loads the base that an adapter names."""
    kind = "AutoModelForImageTextToText" if vision else "AutoModelForCausalLM"
    reader = "AutoProcessor" if vision else "AutoTokenizer"
    return [
        f"from transformers import {kind}, {reader}",
        "",
        f'model = {kind}.from_pretrained("FOLDER", dtype="auto")',
        f'processor = {reader}.from_pretrained("FOLDER")',
    ]
