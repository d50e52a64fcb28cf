"""Scoring with the prompt once per group against scoring every row by itself: values, entropies, gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from tiny_models import TEXT, build, make_prompts
from trl.trainer.utils import add_fused_lm_head
from unshared import compare, score_unshared

from contextrl.engines.shared_prefix.attention import install
from contextrl.engines.shared_prefix.prompts import encode_prompts
from contextrl.engines.shared_prefix.repeated import score_repeated
from contextrl.engines.shared_prefix.scoring import score_packed

CPU = torch.device("cpu")
Shapes = Sequence[tuple[int, Sequence[tuple[int, int]]]]
ONE = [(2, 2)]

#: (prompts: text tokens and images, row of each completion, length of each completion)
BATCHES: dict[str, tuple[Shapes, list[int], list[int]]] = {
    "equal": ([(6, ONE), (6, ONE)], [0, 0, 0, 1, 1, 1], [5] * 6),
    "lengths": ([(2, ONE), (19, ONE), (7, ONE)], [0, 0, 1, 1, 2, 2], [3, 9, 1, 7, 5, 5]),
    "image-sizes": ([(5, [(1, 2)]), (5, [(3, 4)]), (4, [(4, 1)])], [0, 0, 1, 1, 2, 2], [4, 4, 8, 2, 1, 6]),
    "several-images": ([(5, [(1, 2), (2, 2)]), (3, [(2, 1), (1, 1), (3, 2)])], [0, 0, 1, 1], [4, 6, 3, 5]),
    "text-only-rows": ([(5, ONE), (9, []), (3, [(2, 3)])], [0, 0, 1, 1, 1, 2], [4, 6, 3, 5, 2, 7]),
    "no-images-at-all": ([(5, []), (12, [])], [0, 0, 1, 1], [4, 6, 3, 5]),
    "unequal-groups": ([(6, ONE), (9, ONE), (4, ONE)], [0, 1, 1, 1, 1, 2, 2], [5, 2, 4, 8, 3, 1, 6]),
    "mixed-order": ([(6, ONE), (9, [(2, 3)])], [1, 0, 1, 0, 0], [5, 2, 4, 8, 3]),
    "one-sample-each": ([(6, ONE), (9, [(2, 3)])], [0, 1], [5, 8]),
    "one-group": ([(6, ONE)], [0, 0, 0, 0], [5, 8, 1, 3]),
    "masked-samples": ([(6, ONE), (9, [(2, 3)])], [0, 0, 1, 1], [0, 5, 3, 0]),
}


def case(name: str, family: str) -> tuple[Any, list[int], torch.Tensor, list[int], torch.Tensor]:
    shapes, row, lengths = BATCHES[name]
    if family in ("smolvlm", "gemma3"):  # which have one size, and as many images in every row
        shapes = [(text, images[:1] or (ONE if family == "smolvlm" else [])) for text, images in shapes]
    generator = torch.Generator().manual_seed(7)
    completions = torch.randint(2, TEXT, (len(row), max(lengths)), generator=generator)
    weights = torch.randn(completions.shape, generator=generator)
    return make_prompts(family, shapes), row, completions, lengths, weights


def prepared(family: str, implementation: str = "sdpa", temperature: float = 0.9) -> Any:
    model = build(family, implementation=implementation)
    add_fused_lm_head(model, temperature=temperature, outputs=("log_probs", "entropy"))
    return model.train()


def with_sharing(model: Any) -> Any:
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    install(base.config.get_text_config())
    return model


@pytest.fixture(scope="module")
def qwen() -> Any:
    return with_sharing(prepared("qwen3-vl"))


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("name", BATCHES)
def test_packed_equals_unshared(qwen: Any, name: str, side: str) -> None:
    prompts, row, completions, lengths, weights = case(name, "qwen3-vl")
    encoded = encode_prompts(qwen, prompts, CPU)
    found = compare(
        qwen,
        weights,
        lambda: score_packed(qwen, encoded, row, completions, lengths),
        lambda: score_unshared(qwen, prompts, row, completions, lengths, side),
    )
    assert found.logps < 1e-5
    assert found.entropies < 1e-5
    assert found.gradients < 1e-5


def test_packed_equals_unshared_with_text_between_images(qwen: Any) -> None:
    _, row, completions, lengths, weights = case("several-images", "qwen3-vl")
    prompts = make_prompts("qwen3-vl", BATCHES["several-images"][0], between=4)
    encoded = encode_prompts(qwen, prompts, CPU)
    found = compare(
        qwen,
        weights,
        lambda: score_packed(qwen, encoded, row, completions, lengths),
        lambda: score_unshared(qwen, prompts, row, completions, lengths, "left"),
    )
    assert found.logps < 1e-5
    assert found.gradients < 1e-5


@pytest.mark.parametrize("name", ["lengths", "text-only-rows", "unequal-groups"])
@pytest.mark.parametrize("family", ["qwen2.5-vl", "smolvlm", "qwen3"])
def test_packed_equals_unshared_in_other_families(family: str, name: str) -> None:
    model = with_sharing(prepared(family))
    prompts, row, completions, lengths, weights = case(name, family)
    encoded = encode_prompts(model, prompts, CPU)
    found = compare(
        model,
        weights,
        lambda: score_packed(model, encoded, row, completions, lengths),
        lambda: score_unshared(model, prompts, row, completions, lengths, "left"),
    )
    assert found.logps < 1e-5
    assert found.entropies < 1e-5
    assert found.gradients < 1e-5


@pytest.mark.parametrize("name", ["lengths", "text-only-rows", "unequal-groups", "one-group", "masked-samples"])
@pytest.mark.parametrize("family", ["gemma3", "smolvlm", "qwen3"])
def test_repeated_equals_unshared(family: str, name: str) -> None:
    """Gemma 3: a window shorter than the prompts, and image tokens that see each other."""
    model = prepared(family)
    prompts, row, completions, lengths, weights = case(name, family)
    encoded = encode_prompts(model, prompts, CPU)
    found = compare(
        model,
        weights,
        lambda: score_repeated(model, encoded, row, completions, lengths),
        lambda: score_unshared(model, prompts, row, completions, lengths, "left"),
    )
    assert found.logps < 1e-5
    assert found.entropies < 1e-5
    assert found.gradients < 1e-5


def test_the_comparison_sees_a_wrong_mask() -> None:
    """Gemma 3 with causal attention is another model: the tests above can fail."""
    model = with_sharing(prepared("gemma3"))
    prompts, row, completions, lengths, weights = case("lengths", "gemma3")
    encoded = encode_prompts(model, prompts, CPU)
    found = compare(
        model,
        weights,
        lambda: score_packed(model, encoded, row, completions, lengths),
        lambda: score_unshared(model, prompts, row, completions, lengths, "left"),
    )
    assert found.logps > 0.1
    assert found.gradients > 0.1


@pytest.mark.parametrize("implementation", ["sdpa", "eager"])
@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("lora", [False, True])
def test_packed_under_lora_and_checkpointing(implementation: str, checkpointing: bool, lora: bool) -> None:
    model = prepared("qwen3-vl", implementation)
    if checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
        model.enable_input_require_grads()
    if lora:
        torch.manual_seed(1)
        adapters = LoraConfig(r=4, target_modules=["q_proj", "v_proj", "down_proj"], init_lora_weights=False)
        model = get_peft_model(model, adapters)
    with_sharing(model)
    prompts, row, completions, lengths, weights = case("text-only-rows", "qwen3-vl")
    encoded = encode_prompts(model.get_base_model() if lora else model, prompts, CPU)
    found = compare(
        model,
        weights,
        lambda: score_packed(model, encoded, row, completions, lengths),
        lambda: score_unshared(model, prompts, row, completions, lengths, "left"),
    )
    assert found.logps < 1e-5
    assert found.entropies < 1e-5
    assert found.gradients < 1e-5


@pytest.mark.parametrize("how", ["autocast", "weights"])
def test_bfloat16_is_as_far_from_float32_as_the_unshared_path(how: str) -> None:
    """The bound: both ways round to 8 bits, in another order; neither may be farther off than the other by half."""
    model = with_sharing(prepared("qwen3-vl")).to(torch.bfloat16).to(torch.float32)
    prompts, row, completions, lengths, weights = case("lengths", "qwen3-vl")
    encoded = encode_prompts(model, prompts, CPU)

    def low_precision(score: Any) -> Any:
        def rounded() -> Any:
            model.to(torch.bfloat16 if how == "weights" else torch.float32)
            with torch.autocast("cpu", torch.bfloat16, enabled=how == "autocast"):
                logps, entropies = score()
            return logps.float(), entropies.float()

        return rounded

    def exact() -> Any:
        model.to(torch.float32)
        return score_unshared(model, prompts, row, completions, lengths, "left")

    packed = low_precision(lambda: score_packed(model, encoded, row, completions, lengths))
    unshared = low_precision(lambda: score_unshared(model, prompts, row, completions, lengths, "left"))
    ours, theirs = compare(model, weights, packed, exact), compare(model, weights, unshared, exact)
    assert 1e-4 < theirs.logps < 0.05, "rounding must show"
    assert ours.logps < 1.5 * theirs.logps
    assert ours.gradients < 1.5 * theirs.gradients


def test_without_a_shared_prefix_nothing_changes() -> None:
    """Installing our attention leaves the model's own results bit for bit."""
    model = prepared("qwen3-vl").eval()
    inputs = make_prompts("qwen3-vl", [(5, ONE), (9, [(2, 3)])]).padded(0).tensors
    with torch.no_grad():
        before = model(**inputs).logits
        after = with_sharing(model)(**inputs).logits
    assert torch.equal(before, after)
    assert model.config.vision_config._attn_implementation == "sdpa", "the vision tower keeps its attention"


def test_images_are_encoded_once_per_prompt(qwen: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    prompts, row, completions, lengths, _ = case("image-sizes", "qwen3-vl")
    seen: list[int] = []
    original = type(qwen.model.visual).forward

    def counting(self: Any, pixels: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        seen.append(pixels.size(0))
        return original(self, pixels, *args, **kwargs)

    monkeypatch.setattr(type(qwen.model.visual), "forward", counting)
    score_packed(qwen, encode_prompts(qwen, prompts, CPU), row, completions, lengths)
    assert seen == [sum(row["pixel_values"].size(0) for row in prompts.features)]
