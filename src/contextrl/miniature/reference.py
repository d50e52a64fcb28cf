"""A larger model beside the base policy, as the paper has Qwen3-VL-32B beside its 8B policy.

It is the base policy with more layers, which were taught every class of digits under its own name, each digit in many
variants, in the policy's voice. Nothing is trained from it: it says how far a policy of this kind can get on the same
questions.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import torch
from PIL import Image
from rich.console import Console
from safetensors.torch import load_file

from contextrl.miniature import BASE_POLICY
from contextrl.miniature.base import BaseRecipe, SftSampler, TilePixels, hash_of_draws
from contextrl.miniature.digits import SPLITS, TILE, digit_tile
from contextrl.miniature.fitting import Fitted, fit
from contextrl.miniature.policy import build_model
from contextrl.miniature.tasks import Kind
from contextrl.policy.loading import load_processor, policy_config

#: A layer of the language model, in the names of weights.
_LAYER = re.compile(r"language_model\.layers\.(\d+)\.")


@dataclass(frozen=True)
class ReferenceRecipe:
    """Everything the reference model depends on beside the code of this package and the base policy.

    Attributes:
        steps, batch: optimizer steps, and questions in each.
        layers: of its language model; those of the base policy come first.
        variants: pictures of each train digit: itself, and turned, moved and scaled a little.
    """

    steps: int = 200
    batch: int = 32
    layers: int = 12
    variants: int = 12
    kinds: tuple[tuple[Kind, int], ...] = BaseRecipe.kinds
    learning_rate: float = 1.0e-3
    seed: int = 0


class VariedTiles(TilePixels):
    """Patches of every train digit in several variants, of which each picture shows one."""

    def __init__(self, image_processor: Any, variants: int, seed: int) -> None:
        made = [TilePixels(image_processor, partial(varied_tile, variant=number)) for number in range(variants)]
        self.grid_height = made[0].grid_height
        self.rows = torch.cat([tiles.rows for tiles in made])
        self._variants, self._rng = variants, random.Random(seed)

    def compose(self, images: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
        count = len(SPLITS["train"])
        return super().compose([image + count * self._rng.randrange(self._variants) for image in images])


def varied_tile(image: int, variant: int) -> Image.Image:
    """A digit's tile; but for variant 0 turned by at most 12 degrees, moved by 1.5 pixels and scaled by a tenth."""
    tile = digit_tile(image)
    if variant == 0:
        return tile
    rng = random.Random(f"{image}-{variant}")
    angle = rng.uniform(-12, 12)
    moved = (rng.uniform(-1.5, 1.5), rng.uniform(-1.5, 1.5))
    # Pillow's types have whole pixels only; it moves by fractions too.
    turned = tile.rotate(angle, Image.Resampling.BILINEAR, translate=cast("tuple[int, int]", moved))
    scale, middle = rng.uniform(0.9, 1.1), TILE / 2
    there = (scale, 0.0, middle * (1 - scale), 0.0, scale, middle * (1 - scale))
    return turned.transform(tile.size, Image.Transform.AFFINE, there, Image.Resampling.BILINEAR)


class RightSampler(SftSampler):
    """Draws the questions that the base policy is taught, with every digit under its own name."""

    def __init__(self, processor: Any, recipe: ReferenceRecipe) -> None:
        super().__init__(processor, BaseRecipe(kinds=recipe.kinds, seed=recipe.seed))
        self.tiles = VariedTiles(processor.image_processor, recipe.variants, recipe.seed)

    def _read(self, digits: Sequence[int]) -> tuple[int, ...]:
        return tuple(digits)


def train_reference(recipe: ReferenceRecipe, *, console: Console | None = None) -> Fitted:
    """Train the reference model on the train images; a bar shows how far it is."""
    processor, sampler = _sampler(recipe)

    def backward(model: Any) -> float:
        loss = model(**sampler.batch([sampler.direct() for _ in range(recipe.batch)])).loss
        loss.backward()
        return float(loss.detach())

    def build(tokenizer: Any) -> Any:
        return deeper_base(tokenizer, recipe.layers)

    return fit(processor, backward, recipe, title="Building the reference model", build=build, console=console)


def deeper_base(tokenizer: Any, layers: int) -> Any:
    """The base policy with further layers behind its own, which at first pass on what they get.

    Args:
        layers: at least as many as the base policy has.
    """
    model = build_model(tokenizer, layers=layers)
    missing, unknown = model.load_state_dict(load_file(BASE_POLICY / "model.safetensors"), strict=False)
    assert not unknown
    grown = {int(found[1]) for name in missing if (found := _LAYER.search(name))}
    with torch.no_grad():
        for number in grown:
            layer = model.model.language_model.layers[number]
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.down_proj.weight.zero_()
    return model


def reference_fingerprint(recipe: ReferenceRecipe) -> str:
    """SHA-256 of the first draws; see `base.fingerprint`."""
    return hash_of_draws(_sampler(recipe)[1])


def _sampler(recipe: ReferenceRecipe) -> tuple[Any, RightSampler]:
    path = str(BASE_POLICY)
    processor = load_processor(path, policy_config(path))
    return processor, RightSampler(processor, recipe)
