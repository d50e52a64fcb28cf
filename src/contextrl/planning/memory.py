"""Memory of one card by part, while the policy learns and while it is sampled from, in bytes."""

from __future__ import annotations

from dataclasses import dataclass, replace

from contextrl.planning.run import PlannedRun, Way
from contextrl.planning.shape import ModelShape

#: Positions and entries of the vocabulary that TRL's fused head has in hand at once.
_HEAD_ROWS, _HEAD_ENTRIES = 4096, 32768
#: What DeepSpeed keeps in float32 of each trained parameter: a copy and two moments.
_DEEPSPEED = 12.0
_FLOAT32, _BFLOAT16 = 4.0, 2.0
#: Of vLLM, beside weights and cache: activations of its largest batch, captured graphs.
_ENGINE_WORK = 2e9


@dataclass(frozen=True)
class Memory:
    """Bytes of one card by part.

    Attributes:
        learning, sampling: parts that are there at the same time.
        cache_room: bytes of the engine's cache.
        cache_needed: what all samples of a step would fill it with at their mean lengths.
    """

    learning: dict[str, float]
    sampling: dict[str, float]
    cache_room: float
    cache_needed: float

    @property
    def peak(self) -> float:
        return max(sum(self.learning.values()), sum(self.sampling.values()))

    @property
    def parts(self) -> dict[str, float]:
        """Those of the moment that needs most."""
        return max(self.learning, self.sampling, key=lambda parts: sum(parts.values()))


def held_bytes(run: PlannedRun) -> dict[str, float]:
    """Weights, gradients, optimizer and reference model on one card."""
    shape, parts = run.policy, 1 if run.way == "ddp" else run.count
    weights, gradients, optimizer = shape.weight_bytes, shape.trained_bytes, run.optimizer_bytes
    if run.way == "zero3" and run.autocast:
        weights, gradients = shape.half_bytes, _BFLOAT16 * shape.trained
        optimizer = _DEEPSPEED * shape.trained
    held = {
        "weights": weights / parts,
        "gradients": gradients / parts,
        "optimizer": optimizer / parts,
        "reference model": weights / parts if run.reference else 0.0,
    }
    if run.count > 1:
        # DDP's buckets are a second copy of the gradients; sharded training gathers layers, and scatters theirs.
        held["communication"] = gradients if run.way == "ddp" else 2 * shape.largest_layer
    return held


def activation_bytes(shape: ModelShape, tokens: float, patches: float, *, checkpointing: bool) -> float:
    """What a backward needs of its forward, without copies of weights and without the head's.

    Args:
        tokens: of all rows; patches: of all their pictures.
        checkpointing: layers' inputs are kept, and one layer at a time is computed again.
    """
    of = shape.activations
    tower_patches = patches if shape.tower_learns else 0.0
    if not checkpointing:
        return tokens * (shape.layers * of.layer + of.ends) + tower_patches * (shape.blocks * of.block + of.tower_ends)
    text = tokens * (shape.layers * of.layer_input + of.ends + of.layer)
    return text + tower_patches * (shape.blocks * of.block_input + of.block + of.tower_ends)


def head_bytes(shape: ModelShape, positions: float, *, autocast: bool) -> float:
    """Of TRL's fused head: a tile of logits, gradients of its input and, where it learns, of its weights."""
    tile = min(positions, _HEAD_ROWS) * min(_HEAD_ENTRIES, shape.vocabulary)
    of_weights = 0.0 if shape.adapter else _FLOAT32 * shape.vocabulary * shape.hidden
    return tile * (_BFLOAT16 if autocast else _FLOAT32) + positions * shape.hidden * _FLOAT32 + of_weights


def gradients_beside(gradients: float, activations: float, run: PlannedRun) -> float:
    """Gradients that are there when activations are most, in bytes.

    Each comes as activations of its layer go: both are there whole only where gradients of an earlier micro-batch wait,
    and under DDP, whose buckets always are.
    """
    alone = run.micro_batches == 1 and (run.count == 1 or run.way == "fsdp2")
    return max(0.0, gradients - activations) if alone else gradients


def memory(run: PlannedRun) -> Memory:
    """Both moments, with the longest prompts and responses, which decide whether a run dies."""
    held, lengths, shape = held_bytes(run), run.lengths, run.policy
    work = {"work space": run.assumptions.workspace * 1e9}
    prompts = run.prompts_read
    tokens = prompts * lengths.prompt_longest + run.rows * lengths.completion_longest
    patches = prompts * lengths.patches_longest
    groups = max(1.0, run.local / run.generations)
    pixels = groups * lengths.patches_longest * shape.cost.patch_values * _FLOAT32 if shape.blocks else 0.0
    casts = shape.activations.casts if run.way == "ddp" else 0.0
    activations = activation_bytes(shape, tokens, patches, checkpointing=run.checkpointing)
    logits = head_bytes(shape, run.rows * lengths.completion_longest, autocast=run.autocast)
    learning = held | {
        "gradients": gradients_beside(held["gradients"], activations + logits, run),
        "activations": activations,
        "logits": logits,
        "weights in bfloat16": casts,
        "pictures": pixels,
    }
    sampling = {name: size for name, size in held.items() if name not in ("gradients", "communication")}
    sampling |= {"pictures": pixels} | _engine_bytes(run, groups)
    if run.engine.kind == "colocate" and not run.engine.sleeps:
        learning["engine (vLLM)"] = sampling["engine (vLLM)"]
    if run.generations == 1:
        sampling = {}
    room, needed = _cache(run)
    return Memory(_present(learning | work), _present(sampling | work if sampling else {}), room, needed)


def _engine_bytes(run: PlannedRun, groups: float) -> dict[str, float]:
    shape, lengths = run.policy, run.lengths
    if run.engine.kind == "colocate":
        return {"engine (vLLM)": run.engine.share * run.gpu.memory}
    if run.engine.kind == "server":
        return {}
    prompts = groups if run.shared_prefix else run.local
    tokens = prompts * lengths.prompt_longest + run.local * lengths.completion_longest
    whole = {"ddp": shape.activations.casts, "fsdp2": shape.largest_layer, "zero3": shape.half_bytes}[run.way]
    return {
        "KV cache": tokens * shape.kv_numbers * (_BFLOAT16 if run.autocast else _FLOAT32),
        "weights to sample with": whole if run.count > 1 or run.way == "ddp" else 0.0,
        "next tokens' logits": run.local * shape.vocabulary * _FLOAT32 * 2,
    }


def _cache(run: PlannedRun) -> tuple[float, float]:
    """Room of the engine's cache and what a step's samples would take of it, of one engine."""
    shape, engine = run.policy, run.engine
    if engine.kind == "trainer" or run.generations == 1:
        return 0.0, 0.0
    room = engine.parallel * (engine.share * run.gpu.memory - _ENGINE_WORK) - shape.half_bytes
    engines = max(1, (engine.cards if engine.kind == "server" else run.count) // engine.parallel)
    rows = run.samples / engines
    tokens = rows / run.generations * run.lengths.prompt + rows * run.lengths.completion
    return room, tokens * shape.kv_bytes


def _present(parts: dict[str, float]) -> dict[str, float]:
    return {name: size for name, size in parts.items() if size > 0}


def ways_that_fit(run: PlannedRun, lora: ModelShape | None, lora_optimizer: float) -> dict[str, float]:
    """Peak bytes of a card under each way of sharing, and with LoRA where the run trains all weights."""
    ways: tuple[Way, ...] = ("ddp", "fsdp2", "zero3")
    found: dict[str, float] = {way: memory(replace(run, way=way)).peak for way in ways}
    if lora is not None:
        on = replace(run, policy=lora, optimizer_bytes=lora_optimizer, reference=False)
        found |= {f"LoRA, {way}": memory(replace(on, way=way)).peak for way in ways[:2]}
    return found


def judge_cards(shape: ModelShape, memory_of_card: float) -> int:
    """Cards of one replica: a power of two that holds the weights with a third of its memory for the cache."""
    cards = 1
    while shape.half_bytes > 0.6 * cards * memory_of_card and cards < 1024:
        cards *= 2
    return cards
