"""Arithmetic of a forward with the prompt once per group and once per sample: what sharing can save, from lengths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Literal

from torch.nn import Embedding

from contextrl.engines.shared_prefix.flex import BLOCK
from contextrl.engines.shared_prefix.support import underlying
from contextrl.policy.prompts import Prompts

#: Packing gathers and copies keys, which no FLOP counts: on two CPU cores it costs about a tenth of a step.
WORTHWHILE = 0.9
#: A block mask needs neither; what remains is to lay out rows. Estimated, not measured.
BLOCKS_WORTHWHILE = 0.98

#: Of a micro-batch: a row per sample, or packed groups with a dense mask or a block mask (`flex`).
Layout = Literal["separate", "dense", "blocks"]


@dataclass(frozen=True)
class ModelCost:
    """Multiplications and additions of a forward, each counted as one.

    Attributes:
        token: of the decoder's matrices, per token.
        scored: of the head, per position that it scores.
        pair: of attention, per query and key, all layers.
        image_value: of the vision tower's matrices, per number in `pixel_values`.
        image_pair: of its attention, per pair of patches.
        patch_values: numbers of `pixel_values` in one patch.
    """

    token: float
    scored: float
    pair: float
    image_value: float = 0.0
    image_pair: float = 0.0
    patch_values: float = 1.0

    @staticmethod
    def of(model: Any) -> ModelCost:
        """Counted from a model's parameters and config."""
        base = underlying(model)
        text, vision = base.config.get_text_config(), getattr(base.config, "vision_config", None)
        token, tower, merged = _matrices(base)
        head = _size(base.get_output_embeddings().weight)
        width = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
        pair = 4.0 * text.num_hidden_layers * text.num_attention_heads * width
        if vision is None or not tower:
            return ModelCost(2.0 * token, 2.0 * head, pair)
        # Vision configs have no common form; what is missing counts as nothing.
        side = getattr(vision, "patch_size", 14)
        area = side**2 if isinstance(side, int) else prod(side)
        channels = getattr(vision, "in_channels", getattr(vision, "num_channels", 3))
        patch = float(channels * area * getattr(vision, "temporal_patch_size", 1))
        depth = getattr(vision, "depth", getattr(vision, "num_hidden_layers", 0))
        within = 4.0 * getattr(vision, "hidden_size", 0)
        # Qwen2.5-VL attends to whole pictures in some layers only, elsewhere to windows.
        full = getattr(vision, "fullatt_block_indexes", None)
        whole = depth if full is None else len(full)
        window = 0 if full is None else (vision.window_size // side) ** 2
        of_patch = 2.0 * (tower + merged / getattr(vision, "spatial_merge_size", 1) ** 2)
        of_patch += within * (depth - whole) * window
        return ModelCost(2.0 * token, 2.0 * head, pair, of_patch / patch, within * whole, patch)

    def images(self, prompts: Prompts) -> float:
        """The vision tower on each prompt's images."""
        return sum(self._images_of(features) for features in prompts.features)

    def _images_of(self, features: dict[str, Any]) -> float:
        pixels = features.get("pixel_values")
        if pixels is None:
            return 0.0
        grids = features.get("image_grid_thw")
        if grids is not None:
            patches = [float(count) for count in grids.prod(-1).tolist()]
        else:
            images = pixels.numel() // (pixels.size(-1) * pixels.size(-2) * pixels.size(-3))
            patches = [pixels.numel() / self.patch_values / images] * images
        return self.image_value * float(pixels.numel()) + self.image_pair * sum(count**2 for count in patches)

    def separate(self, prompts: Prompts, prompt_of: Sequence[int], lengths: Sequence[int]) -> float:
        """One row per sample, padded: prompts at the left, completions at the right."""
        width = max(len(prompts.ids[n]) for n in prompt_of) + max(lengths)
        rows = len(prompt_of)
        text = rows * width * self.token + rows * max(lengths) * self.scored + rows * width**2 * self.pair
        return text + self.images(prompts.select(prompt_of))

    def packed(self, prompts: Prompts, prompt_of: Sequence[int], lengths: Sequence[int]) -> float:
        """One row per prompt, with its completions behind it, padded to the longest."""
        sizes = [len(ids) - 1 for ids in prompts.ids]
        prefix, longest = max(sizes), max(lengths)
        used = list(sizes)
        for n, length in zip(prompt_of, lengths, strict=True):
            used[n] += length
        pairs = len(sizes) * prefix**2 + len(prompt_of) * longest * (prefix + longest)
        text = len(sizes) * max(used) * self.token + sum(lengths) * self.scored + pairs * self.pair
        return text + self.images(prompts)

    def packed_by_blocks(self, prompts: Prompts, prompt_of: Sequence[int], lengths: Sequence[int]) -> float:
        """As `packed`, with rows padded to whole blocks and attention in the tiles that hold something to be seen.

        A branch neither pays for others nor is padded to the longest.
        """
        sizes = [len(ids) - 1 for ids in prompts.ids]
        branches: list[list[int]] = [[] for _ in sizes]
        for n, length in zip(prompt_of, lengths, strict=True):
            branches[n].append(length)
        blocks = max(-(-(size + sum(own)) // BLOCK) for size, own in zip(sizes, branches, strict=True))
        tiles = sum(_tiles(size, own, blocks) for size, own in zip(sizes, branches, strict=True))
        text = len(sizes) * blocks * BLOCK * self.token + sum(lengths) * self.scored + tiles * BLOCK**2 * self.pair
        return text + self.images(prompts)

    def layout(
        self, prompts: Prompts, prompt_of: Sequence[int], lengths: Sequence[int], *, blocks: bool = False
    ) -> Layout:
        """The cheapest way to score a micro-batch; packing must save more than it costs.

        Args:
            blocks: block masks can be used.
        """
        separate = self.separate(prompts, prompt_of, lengths)
        dense = self.packed(prompts, prompt_of, lengths) / WORTHWHILE
        if blocks:
            # Rows of their own are causal too, where none is padded.
            halved = separate - self.spared_by_causality(prompts, prompt_of, lengths)
            if self.packed_by_blocks(prompts, prompt_of, lengths) / BLOCKS_WORTHWHILE < min(dense, halved):
                return "blocks"
        return "dense" if dense < separate else "separate"

    def spared_by_causality(self, prompts: Prompts, prompt_of: Sequence[int], lengths: Sequence[int]) -> float:
        """What rows of their own need less than `separate` says: half the pairs, where no padding asks for a mask."""
        widths = {len(prompts.ids[n]) + length for n, length in zip(prompt_of, lengths, strict=True)}
        return len(prompt_of) * max(widths) ** 2 * self.pair / 2 if len(widths) == 1 else 0.0


def _tiles(prefix: int, lengths: Sequence[int], blocks: int) -> int:
    """Tiles in which a packed row of so many blocks sees anything."""
    border = -(-prefix // BLOCK)
    # The first tile of its own that each block of queries sees: padding sees itself.
    first, has_branch = list(range(blocks)), [False] * blocks
    start = prefix
    for length in lengths:
        for block in range(start // BLOCK, -(-(start + length) // BLOCK)) if length else ():
            first[block], has_branch[block] = min(first[block], start // BLOCK), True
        start += length
    count = 0
    for block in range(blocks):
        shared = block + 1 if block < border else border if has_branch[block] else 0
        count += shared + max(0, block + 1 - max(first[block], shared))
    return count


def _matrices(base: Any) -> tuple[float, float, float]:
    """Elements of matrices that a decoder's token meets, a patch in the vision tower, and a merged patch at its end.

    Of a mixture's experts those count that a token is sent to; tables that are only looked up, and the head, do not.
    """
    text = base.config.get_text_config()
    experts = getattr(text, "num_experts", None) or getattr(text, "num_local_experts", None)
    met = (getattr(text, "num_experts_per_tok", None) or 1) / experts if experts else 1.0
    tables = {id(base.get_input_embeddings().weight), id(base.get_output_embeddings().weight)}
    tables |= {id(weight) for table in base.modules() if isinstance(table, Embedding) for weight in table.parameters()}
    token = tower = merged = 0.0
    for name, weight in base.named_parameters():
        dimensions = len(getattr(weight, "ds_shape", weight.shape))
        if id(weight) in tables or dimensions < 2:
            continue
        if "vis" not in name:
            token += _size(weight) * (met if dimensions == 3 else 1.0)
        elif "merger" in name:
            merged += _size(weight)
        else:
            tower += _size(weight)
    return token, tower, merged


def _size(parameter: Any) -> int:
    """Elements, over all processes: ZeRO-3 leaves an empty tensor."""
    return int(getattr(parameter, "ds_numel", parameter.numel()))
