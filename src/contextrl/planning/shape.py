"""What arithmetic needs to know of a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from contextrl.engines.shared_prefix.cost import ModelCost


@dataclass(frozen=True)
class ActivationShape:
    """What autograd keeps of a forward, in bytes.

    Attributes:
        layer: of a decoder layer, per token.
        layer_input: what gradient checkpointing keeps of it, per token.
        block: of a block of the vision tower, per patch; block_input likewise.
        tower_ends: of what stands before and behind the tower's blocks, per patch.
        ends: of embeddings and the last norm, per token.
        casts: copies of weights in the compute dtype, of decoder and learning tower.
    """

    layer: float
    layer_input: float
    block: float
    block_input: float
    tower_ends: float
    ends: float
    casts: float


#: Of a model that is only asked.
NO_ACTIVATIONS = ActivationShape(0, 0, 0, 0, 0, 0, 0)


@dataclass(frozen=True)
class ModelShape:
    """A model in numbers.

    Attributes:
        name: hub id or folder.
        parameters: of the whole model, an adapter included.
        trained: of these, those with a gradient.
        weight_bytes, trained_bytes: what both take.
        largest_layer: bytes of the largest part that is gathered at once where weights are sharded.
        layers, hidden, vocabulary: of the decoder.
        kv_numbers: numbers that a token leaves in the cache, all layers.
        blocks: of the vision tower, 0 without one.
        merge: patches that become one token of the prompt.
        patch: pixels of a patch.
        tower_learns: whether a gradient reaches the vision tower.
        adapter: LoRA's; the base is frozen.
        again_token, again_patch: FLOPs of matrices that gradient checkpointing repeats.
        cost: of a forward.
        activations: of a forward with gradient.
    """

    name: str
    parameters: int
    trained: int
    weight_bytes: float
    trained_bytes: float
    largest_layer: float
    layers: int
    hidden: int
    vocabulary: int
    kv_numbers: int
    blocks: int
    merge: int
    patch: int
    tower_learns: bool
    adapter: bool
    again_token: float
    again_patch: float
    cost: ModelCost
    activations: ActivationShape

    @property
    def half_bytes(self) -> float:
        """The weights in bfloat16, as an engine holds them."""
        return 2.0 * self.parameters

    @property
    def kv_bytes(self) -> float:
        """Of a token in bfloat16."""
        return 2.0 * self.kv_numbers

    def patches(self, pixels: float) -> float:
        """Patches of a picture."""
        return pixels / self.patch if self.blocks else 0.0

    def picture_tokens(self, pixels: float) -> float:
        """Tokens of a picture in a prompt."""
        return self.patches(pixels) / self.merge
