"""FLOPs of forwards and backwards from lengths, as PyTorch's counter has them: a product and a sum are two."""

from __future__ import annotations

from dataclasses import dataclass

from contextrl.planning.shape import ModelShape

#: Backward of attention over its forward: fused kernels compute scores again; plain ones do not.
FUSED, PLAIN = 2.5, 2.0


@dataclass(frozen=True)
class Rows:
    """What one forward reads: prompts, and completions behind them.

    Attributes:
        prompts: how often a prompt is read; rows: completions. Equal where nothing is shared.
        prompt, completion: tokens of each, means.
        patches: of each prompt's picture.
    """

    prompts: float
    rows: float
    prompt: float
    completion: float
    patches: float = 0.0

    @property
    def tokens(self) -> float:
        """That pass through the decoder."""
        return self.prompts * self.prompt + self.rows * self.completion

    @property
    def pairs(self) -> float:
        """Of a query and a key, as dense attention has them."""
        if self.prompts == self.rows:
            return self.rows * (self.prompt + self.completion) ** 2
        return self.prompts * self.prompt**2 + self.rows * self.completion * (self.prompt + self.completion)


def tower_flops(shape: ModelShape, patches: float) -> float:
    """The vision tower on one picture."""
    cost = shape.cost
    return cost.image_value * cost.patch_values * patches + cost.image_pair * patches**2


def body_flops(shape: ModelShape, rows: Rows) -> float:
    """Decoder and vision tower, without the head."""
    text = shape.cost.token * rows.tokens + shape.cost.pair * rows.pairs
    return text + rows.prompts * tower_flops(shape, rows.patches)


def forward_flops(shape: ModelShape, rows: Rows, *, scored: float | None = None) -> float:
    """One forward.

    Args:
        scored: positions that the head scores; by default those of completions.
    """
    positions = rows.rows * rows.completion if scored is None else scored
    return body_flops(shape, rows) + shape.cost.scored * positions


def backward_flops(
    shape: ModelShape,
    rows: Rows,
    *,
    scored: float | None = None,
    checkpointing: bool = False,
    attention: float = FUSED,
    fused_head: bool = True,
) -> float:
    """The backward of one forward; a frozen base has gradients of its inputs, not of its weights.

    Args:
        scored: see `forward_flops`.
        checkpointing: layers are computed again.
        attention: `FUSED` or `PLAIN`.
        fused_head: the head computes its logits again.
    """
    cost = shape.cost
    matrices = 1.0 if shape.adapter else 2.0
    positions = rows.rows * rows.completion if scored is None else scored
    total = matrices * cost.token * rows.tokens + attention * cost.pair * rows.pairs
    if shape.tower_learns:
        pairs = cost.image_pair * rows.patches**2
        total += rows.prompts * (2.0 * (tower_flops(shape, rows.patches) - pairs) + attention * pairs)
    total += (matrices + fused_head) * cost.scored * positions
    if checkpointing:
        # PyTorch stops once it has what a layer kept, which is before its last product.
        total += shape.again_token * rows.tokens + cost.pair * rows.pairs
        if shape.tower_learns:
            total += rows.prompts * (shape.again_patch * rows.patches + cost.image_pair * rows.patches**2)
    return total


def decode_flops(shape: ModelShape, prompt: float, completion: float) -> float:
    """Of one completion's tokens after its prompt was read, each with the keys before it."""
    pairs = completion * (prompt + (completion + 1) / 2)
    return completion * (shape.cost.token + shape.cost.scored) + shape.cost.pair * pairs


def read_flops(shape: ModelShape, tokens: float, patches: float = 0.0, after: float = 0.0) -> float:
    """Of reading a prompt before sampling: the head scores its last position only.

    Args:
        after: tokens before it that a cache holds already.
    """
    pairs = shape.cost.pair * tokens * (tokens + after)
    return shape.cost.token * tokens + pairs + tower_flops(shape, patches) + shape.cost.scored
