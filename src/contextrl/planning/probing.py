"""A model's numbers from its own modules, without memory for its weights."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.autograd.graph import saved_tensors_hooks
from transformers import AttentionInterface, AutoModel

from contextrl.engines.shared_prefix.cost import ModelCost
from contextrl.engines.shared_prefix.support import underlying
from contextrl.errors import InputError
from contextrl.planning.shape import ActivationShape, ModelShape

#: Attention as fused kernels save it: queries, keys, values, output.
_ATTENTION = "saves_as_fused"
#: Two lengths and depths whose differences are what a token and a layer add.
_LENGTHS, _DEPTHS = (64, 128), (1, 2)


class _Fused(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        out = torch.empty_like(query)
        ctx.save_for_backward(query, key, value, out)
        return out

    @staticmethod
    def backward(ctx: Any, _: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return tuple(torch.zeros_like(one) for one in ctx.saved_tensors[:3])


def _attend(
    _: nn.Module, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *__: Any, **___: Any
) -> tuple[torch.Tensor, None]:
    return _Fused.apply(query.to(value.dtype), key.to(value.dtype), value).transpose(1, 2), None  # type: ignore[no-untyped-call]


AttentionInterface.register(_ATTENTION, _attend)


def model_shape(skeleton: Any, name: str, *, autocast: bool, activations: ActivationShape | None = None) -> ModelShape:
    """Numbers of a model whose parameters may be on the meta device.

    Args:
        skeleton: in the dtype in which it trains, adapter included; frozen weights without gradient.
        autocast: products are in bfloat16 whatever the weights' dtype is.
        activations: where they are known, or do not matter; looking takes seconds.
    """
    base = underlying(skeleton)
    config, text = base.config, base.config.get_text_config()
    vision = getattr(config, "vision_config", None)
    every = list(skeleton.named_parameters())
    trained = [weight for _, weight in every if weight.requires_grad]
    adapter = base is not skeleton
    heads = getattr(text, "num_key_value_heads", None) or text.num_attention_heads
    width = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    side = int(getattr(vision, "patch_size", 14)) if vision is not None else 1
    blocks = 0 if vision is None else int(getattr(vision, "depth", getattr(vision, "num_hidden_layers", 0)))
    tower_width = int(getattr(vision, "hidden_size", 0) or 0)
    compute, cost = torch.bfloat16 if autocast else every[0][1].dtype, ModelCost.of(skeleton)
    return ModelShape(
        name=name,
        parameters=sum(weight.numel() for _, weight in every),
        trained=sum(weight.numel() for weight in trained),
        weight_bytes=float(sum(weight.numel() * weight.element_size() for _, weight in every)),
        trained_bytes=float(sum(weight.numel() * weight.element_size() for weight in trained)),
        largest_layer=compute.itemsize * _gathered(base),
        layers=text.num_hidden_layers,
        hidden=text.hidden_size,
        vocabulary=text.vocab_size,
        kv_numbers=2 * text.num_hidden_layers * heads * width,
        blocks=blocks,
        merge=int(getattr(vision, "spatial_merge_size", 1)) ** 2,
        patch=side**2,
        tower_learns=any(weight.requires_grad and "vis" in name for name, weight in every),
        adapter=adapter,
        again_token=cost.token - 2.0 * text.num_hidden_layers * text.hidden_size * _inner(text),
        again_patch=2.0 * blocks * tower_width * (4 * tower_width + _inner(vision)),
        cost=cost,
        activations=activations or _activations(skeleton, every[0][1].dtype, autocast=autocast),
    )


def _inner(config: Any) -> int:
    """Width of a layer's hidden part, of all experts that a token meets."""
    width = getattr(config, "moe_intermediate_size", None)
    if width:
        return int(width * (getattr(config, "num_experts_per_tok", None) or 1))
    return int(getattr(config, "intermediate_size", 0) or 4 * (getattr(config, "hidden_size", 0) or 0))


def _gathered(base: Any) -> float:
    """Weights that a process of sharded training has whole at once: what is in no layer, and two layers."""
    layers = [list(module.parameters()) for module in base.get_decoder().layers]
    sizes = [sum(weight.numel() for weight in layer) for layer in layers]
    tower = sum(weight.numel() for name, weight in base.named_parameters() if "vis" in name)
    return float(sum(weight.numel() for weight in base.parameters()) - tower - sum(sizes) + 2 * max(sizes))


def _activations(skeleton: Any, dtype: torch.dtype, *, autocast: bool) -> ActivationShape:
    """From what autograd keeps of small depths and lengths; a tower's blocks by what theirs are made of."""
    config = underlying(skeleton).config
    short, long = _LENGTHS
    slope, casts = {}, {}
    for depth in _DEPTHS:
        try:
            first, second = _saved(config, dtype, depth, autocast)
        except Exception as error:  # whatever a model's code raises
            raise InputError(
                "a decoder that can be looked at without its weights",
                found=f"{type(error).__name__} in {config.model_type}",
                where="model.path",
            ) from error
        slope[depth] = (second - first) / (long - short)
        casts[depth] = first - slope[depth] * short
    layer = slope[2] - slope[1]
    text = config.get_text_config()
    of_layer = casts[2] - casts[1]
    vision = getattr(config, "vision_config", None)
    block, block_input = _tower_block(vision, dtype, autocast=autocast)
    learning = sum(
        weight.numel() for name, weight in skeleton.named_parameters() if weight.requires_grad and "vis" in name
    )
    cast = torch.bfloat16.itemsize * learning if autocast and dtype == torch.float32 else 0
    return ActivationShape(
        layer=layer,
        layer_input=float(text.hidden_size * dtype.itemsize),
        block=block,
        block_input=block_input,
        tower_ends=_tower_ends(vision, text.hidden_size, dtype, autocast=autocast),
        ends=slope[1] - layer,
        casts=cast + casts[1] + of_layer * (text.num_hidden_layers - 1),
    )


def _tower_block(vision: Any, dtype: torch.dtype, *, autocast: bool) -> tuple[float, float]:
    """Bytes of a patch in a block with two layer norms, rotated queries and keys, and one hidden layer."""
    hidden = int(getattr(vision, "hidden_size", 0) or 0)
    inner = _inner(vision)
    own, compute = dtype.itemsize, torch.bfloat16.itemsize if autocast else dtype.itemsize
    # Both norms' inputs in the weights' dtype; what products and attention take in theirs.
    return hidden * (2 * own + 6 * compute) + 2.0 * inner * compute, float(hidden * own)


def _tower_ends(vision: Any, hidden: int, dtype: torch.dtype, *, autocast: bool) -> float:
    """Bytes of a patch: its pixels, what mergers keep, and its share of the tokens that it becomes."""
    if vision is None:
        return 0.0
    own, compute = dtype.itemsize, torch.bfloat16.itemsize if autocast else dtype.itemsize
    width = int(getattr(vision, "hidden_size", 0) or 0)
    side = getattr(vision, "patch_size", 14)
    values = getattr(vision, "in_channels", 3) * side**2 * getattr(vision, "temporal_patch_size", 1)
    mergers = 1 + len(getattr(vision, "deepstack_visual_indexes", None) or ())
    tokens = mergers * hidden * own / getattr(vision, "spatial_merge_size", 1) ** 2
    # Those between blocks take what the next block keeps anyway.
    return float(values * own + (3 * mergers + 1) * width * compute + tokens)


def _saved(config: Any, dtype: torch.dtype, depth: int, autocast: bool) -> list[float]:
    """Bytes that autograd keeps of rows of `_LENGTHS` through so many layers, weights themselves not counted."""
    config = copy.deepcopy(config)
    text = config.get_text_config()
    text.num_hidden_layers = depth
    if getattr(text, "layer_types", None):
        text.layer_types = text.layer_types[:depth]
    with FakeTensorMode():
        decoder = _decoder(config, dtype)
        rows = [torch.empty(1, length, text.hidden_size, dtype=dtype, requires_grad=True) for length in _LENGTHS]
        return [saved_bytes(decoder, lambda row=row: _read(decoder, row, autocast)) for row in rows]  # type: ignore[misc]


def _read(decoder: Any, embedded: torch.Tensor, autocast: bool) -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        decoder(inputs_embeds=embedded, use_cache=False, attention_mask=None)


def saved_bytes(model: Any, forward: Callable[[], object]) -> float:
    """Bytes of all that autograd keeps for a backward, without the model's own parameters.

    Args:
        forward: of `model`.
    """
    own = {weight.untyped_storage()._cdata for weight in model.parameters()}
    # Held, so that no storage takes the place of another.
    kept: dict[int, torch.Tensor] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in own:
            kept[storage._cdata] = tensor
        return tensor

    with saved_tensors_hooks(keep, lambda tensor: tensor):
        result = forward()
    del result
    return float(sum(tensor.untyped_storage().nbytes() for tensor in kept.values()))


def _decoder(config: Any, dtype: torch.dtype) -> Any:
    text = config.get_text_config()
    text.dtype = dtype
    return AutoModel.from_config(text, attn_implementation=_ATTENTION, dtype=dtype).train()
