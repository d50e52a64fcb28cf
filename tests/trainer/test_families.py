"""Every family of vision-language models: its prompts, its scores beside TRL's, a step of training.

Run twice: here, where there is no torchvision, and by a test in a process of its own, in which the package of that name
is the stand-in under `tests/vllm_servers`. torchvision itself belongs to another torch than the one that is pinned.
"""

from __future__ import annotations

import gc
import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from runs import ScriptedJudge, untruncated
from tiny_families import FAMILIES, build_checkpoint
from trl import GRPOTrainer
from trl.data_utils import prepare_multimodal_messages

from contextrl.errors import InputError
from contextrl.policy.loading import load_policy, load_processor, policy_config
from contextrl.policy.prompts import Prompts, build_prompts
from contextrl.records.example import Example
from contextrl.trainer.checks import check_prompts
from contextrl.trainer.config import ContextRLConfig
from contextrl.trainer.contextrl_trainer import ContextRLTrainer

STAND_IN = Path(__file__).parents[1] / "vllm_servers" / "torchvision_standin"
TORCHVISION = importlib.util.find_spec("torchvision") is not None
TRAINED = [name for name, family in FAMILIES.items() if TORCHVISION or not family.needs_torchvision]


def picture(width: int, height: int, seed: int) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def examples() -> list[Example]:
    """One picture, several of other sizes and shapes, none at all, and an upright one."""
    shown: list[tuple[str, list[tuple[int, int]]]] = [
        ("What is to be seen here?", [(40, 20)]),
        ("Which one?", [(20, 20), (17, 50), (64, 64)]),
        ("What is one and one?", []),
        ("And the answer is?", [(24, 60)]),
    ]
    return [
        Example(
            f"row-{n}",
            question,
            "One. Answer: 1",
            "1",
            images=tuple(picture(width, height, 10 * n + k) for k, (width, height) in enumerate(sizes)),
        )
        for n, (question, sizes) in enumerate(shown)
    ]


@dataclass
class Trained:
    """A trainer of one family that has made a step, and its weights before it."""

    trainer: ContextRLTrainer
    before: dict[str, torch.Tensor]
    images_sampled_with: list[int]


@cache
def trained(name: str, folder: Path) -> Trained:
    """Two groups with all four kinds of rows in two micro-batches, shared prompts where the family allows."""
    checkpoint = build_checkpoint(name, folder / name)
    calls = [0]

    def every_other(_: Any) -> str:
        calls[0] += 1
        return "correct" if calls[0] % 2 else "incorrect"

    args = ContextRLConfig(
        output_dir=str(folder / f"{name}-run"),
        num_generations=2,
        per_device_train_batch_size=4,
        gradient_accumulation_steps=2,
        max_completion_length=4,
        learning_rate=1e-2,
        max_steps=1,
        beta=0.0,
        use_cpu=True,
        disable_tqdm=True,
        save_strategy="no",
        seed=3,
    )
    processor = load_processor(str(checkpoint), policy_config(str(checkpoint)))
    judge = ScriptedJudge(every_other)
    trainer = untruncated(ContextRLTrainer(load_policy(str(checkpoint)), judge, args, examples(), processor))
    before = {name: weights.clone() for name, weights in trainer.model.state_dict().items()}
    trainer.train()
    assert trainer.rows is not None
    return Trained(trainer, before, trainer.rows.prompts.prompts.num_images)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    gc.freeze()  # a training ends with a search through every object of the process
    yield tmp_path_factory.mktemp("families")
    gc.unfreeze()


def prompts_of(trainer: ContextRLTrainer, rows: Sequence[int]) -> Prompts:
    every = examples()
    return build_prompts(trainer.processing_class, [every[row] for row in rows])


COMPLETIONS = torch.tensor([[40, 41, 42], [50, 51, 52], [60, 61, 62], [70, 71, 72]])


@torch.no_grad()
def by_model(trainer: ContextRLTrainer, prompt: Prompts, completion: torch.Tensor) -> torch.Tensor:
    """Log-probabilities of a completion by the model's own forward over this row alone: the reference."""
    inputs = prompt.padded(0).tensors
    ids = torch.cat([inputs.pop("input_ids"), completion[None]], dim=1)
    types = {n: torch.nn.functional.pad(inputs.pop(n), (0, 3)) for n in list(inputs) if n.endswith("token_type_ids")}
    inputs["attention_mask"] = torch.ones_like(ids)
    logits = trainer.model.eval()(input_ids=ids, **inputs, **types).logits[0, -4:-1]
    return (logits.float() / trainer.temperature).log_softmax(-1).gather(1, completion[:, None])[:, 0]


@pytest.mark.parametrize("name", TRAINED)
def test_it_trains_a_step(name: str, folder: Path) -> None:
    result = trained(name, folder)
    log = result.trainer.state.log_history
    assert np.isfinite(log[0]["loss"])
    assert sorted(result.images_sampled_with) == [0, 1, 1, 3], "all kinds of rows were in the batch"
    moved = {
        part: max(
            float((weights - result.before[key]).abs().max())
            for key, weights in result.trainer.model.state_dict().items()
            if ("visual" in key or "vision_tower" in key or "vision_model" in key) == (part == "vision")
        )
        for part in ("vision", "language")
    }
    assert min(moved.values()) > 1e-3, f"images and text must both have taught something: {moved}"


@pytest.mark.parametrize("name", TRAINED)
def test_shuffled_rows_keep_their_own_images(name: str, folder: Path) -> None:
    """Scores of micro-batches in any order equal the model's own of each row by itself."""
    trainer = trained(name, folder).trainer
    order = [3, 1, 0, 2, 1, 3]
    encoded = trainer.engines.scorer.encode(prompts_of(trainer, range(4)))
    completions = COMPLETIONS[order]
    alone = torch.stack([by_model(trainer, prompts_of(trainer, [row]), COMPLETIONS[row]) for row in range(4)])
    for part in ([0, 1, 2, 3, 4, 5], [0], [3], [1, 4], [2, 3, 5]):
        with torch.no_grad():
            scored, _ = trainer.engines.scorer.score_by(
                "separate", trainer.model, encoded, [order[n] for n in part], completions[part], [3] * len(part)
            )
            ours, _ = trainer.engines.scorer.score(
                trainer.model, encoded, [order[n] for n in part], completions[part], torch.ones(len(part), 3)
            )
        expected = alone[[order[n] for n in part]]
        torch.testing.assert_close(scored, expected, rtol=0, atol=2e-5)
        torch.testing.assert_close(ours, expected, rtol=0, atol=2e-5)
    blank = [Image.new("RGB", image.size) for image in examples()[1].images]
    other = build_prompts(
        trainer.processing_class, [Example("blank", "Which one?", "One. Answer: 1", "1", images=tuple(blank))]
    )
    assert float((by_model(trainer, other, COMPLETIONS[1]) - alone[1]).abs().max()) > 1e-3, "images must matter"


@pytest.mark.parametrize("name", [name for name in TRAINED if FAMILIES[name].trl_scores])
def test_scores_equal_trls(name: str, folder: Path) -> None:
    """GRPOTrainer's own way from pictures to log-probabilities, on the rows that have pictures."""
    trainer = trained(name, folder).trainer
    rows = [3, 1, 0]
    inputs, images = as_trl_processes(trainer, rows)
    width = COMPLETIONS.size(1)
    completions = COMPLETIONS[rows]
    fields = {k: v for k, v in inputs.items() if k not in ("input_ids", "attention_mask")}
    for types in [key for key in fields if key.endswith("token_type_ids")]:
        fields[types] = torch.nn.functional.pad(fields[types], (0, width))
    trainer.model.eval()
    with torch.no_grad():
        theirs, _, _ = GRPOTrainer._get_per_token_logps_and_entropies(
            trainer,
            trainer.model,
            torch.cat([inputs["input_ids"], completions], dim=1),
            torch.cat([inputs["attention_mask"], torch.ones_like(completions)], dim=1),
            width,
            num_images=[len(shown) for shown in images],
            num_tiles=tiles(trainer, images, inputs),
            **fields,
        )
        encoded = trainer.engines.scorer.encode(prompts_of(trainer, rows))
        ours, _ = trainer.engines.scorer.score(trainer.model, encoded, [0, 1, 2], completions, torch.ones(3, width))
    for row, ids in zip(inputs["input_ids"], encoded.prompts.ids, strict=True):
        assert row[-len(ids) :].tolist() == ids
    torch.testing.assert_close(ours, theirs, rtol=0, atol=2e-5)


def as_trl_processes(trainer: ContextRLTrainer, rows: list[int]) -> tuple[Any, list[list[Image.Image]]]:
    """As GRPOTrainer._generate_and_score_completions does."""
    chosen = [examples()[row] for row in rows]
    images = [list(example.images) for example in chosen]
    conversations = [
        prepare_multimodal_messages([{"role": "user", "content": example.question}], images=shown)
        for example, shown in zip(chosen, images, strict=True)
    ]
    texts = [
        trainer.processing_class.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        for messages in conversations
    ]
    return trainer.processing_class(images=images, text=texts, padding=True, return_tensors="pt"), images


def tiles(trainer: ContextRLTrainer, images: list[list[Image.Image]], inputs: Any) -> list[int] | None:
    """GRPOTrainer's numbers of tiles, for InternVL."""
    if inputs["pixel_values"].ndim != 4 or len(inputs["pixel_values"]) == sum(map(len, images)):
        return None
    found = trainer.processing_class.image_processor(images=images, crop_to_patches=True, return_tensors="pt")
    return [int(part.sum()) for part in torch.split(found["num_patches"], list(map(len, images)))]


@pytest.mark.parametrize("name", TRAINED)
def test_a_prompt_that_is_too_long_by_one_token_is_found(name: str, folder: Path) -> None:
    """Whatever a family says beforehand of the tokens of a picture."""
    prompting = trained(name, folder).trainer.prompting
    for row, example in enumerate(examples()):
        length = len(prompts_of(trained(name, folder).trainer, [row]).ids[0])
        check_prompts(prompting, [example], length)
        with pytest.raises(InputError, match=f"{length} tokens"):
            check_prompts(prompting, [example], length - 1)


@pytest.mark.parametrize("name", TRAINED)
def test_what_is_saved_loads_again(name: str, folder: Path, tmp_path: Path) -> None:
    """The model's folder after training: the same prompts and the family's own processor class for others."""
    trainer = trained(name, folder).trainer
    trainer.save_model(str(tmp_path))
    again = load_processor(str(tmp_path), policy_config(str(tmp_path)))
    first, second = prompts_of(trainer, range(4)), build_prompts(again, examples())
    assert first.ids == second.ids
    for one, other in zip(first.features, second.features, strict=True):
        assert one.keys() == other.keys()
        for key in one:
            torch.testing.assert_close(one[key], other[key])
    names = [text for file in tmp_path.glob("*.json") if (text := file.read_text()) and "ImageOnly" in text]
    assert not names
    assert (tmp_path / "video_preprocessor_config.json").exists() or (
        FAMILIES[name].video is None or "video_processor" in (tmp_path / "processor_config.json").read_text()
    ), "what the checkpoint says of videos is kept"


@pytest.mark.skipif(TORCHVISION, reason="torchvision, or the package that stands in for it, is there")
@pytest.mark.parametrize("name", [name for name, family in FAMILIES.items() if family.needs_torchvision])
def test_a_family_that_needs_torchvision_says_so(name: str, tmp_path: Path) -> None:
    checkpoint = build_checkpoint(name, tmp_path)
    with pytest.raises(InputError, match=r"model\.path: .*torchvision .*pip install"):
        load_processor(str(checkpoint), policy_config(str(checkpoint)))


@pytest.mark.skipif(TORCHVISION, reason="this is that process")
def test_with_torchvision_present() -> None:
    """All of this file again, with the stand-in on the path."""
    path = os.pathsep.join([str(STAND_IN), os.environ.get("PYTHONPATH", "")])
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-vv", "-p", "no:cacheprovider", __file__],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-2000:]
    for name in FAMILIES:
        assert f"test_it_trains_a_step[{name}] PASSED" in run.stdout
