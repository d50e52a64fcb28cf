"""Packed groups with FlexAttention's block masks against dense ones and against rows of their own.

torch does not let users run the backward of FlexAttention on a CPU; its plain operations have one, which these tests
allow. They ignore tiles, which are therefore compared with the mask by themselves.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from test_scoring import BATCHES, CPU, case, prepared, with_sharing
from tiny_models import build
from torch.nn.attention import flex_attention
from unshared import compare, score_unshared

from contextrl.engines.shared_prefix import flex
from contextrl.engines.shared_prefix.cost import ModelCost
from contextrl.engines.shared_prefix.flex import BLOCK, BlockAttention, Spans
from contextrl.engines.shared_prefix.prompts import encode_prompts
from contextrl.engines.shared_prefix.scoring import score_packed
from contextrl.engines.shared_prefix.sharing import Sharing
from contextrl.engines.shared_prefix.support import Support
from contextrl.policy.prompts import Prompts


@pytest.fixture
def _gradients_on_a_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flex_attention, "_validate_device", lambda *_: None)


#: (prefix of each row, row of each branch, length of each branch)
LAYOUTS: dict[str, tuple[list[int], list[int], list[int]]] = {
    "short": ([5], [0, 0], [3, 2]),
    "across-tiles": ([200], [0, 0, 0], [150, 1, 130]),
    "on-the-border": ([128], [0, 0], [128, 128]),
    "first-branch-adjoins": ([100], [0], [400]),
    "unequal-rows": ([300, 17, 129], [0, 1, 0, 2, 2], [40, 260, 90, 0, 3]),
    "many-short": ([64], [0] * 12, [9] * 12),
    "nothing": ([7, 130], [0, 1], [0, 0]),
}


def spans_of(name: str) -> tuple[Spans, torch.Tensor]:
    """The spans and, by a loop over tokens, what each sees: [N, S, S] bool."""
    prefixes, row, lengths = LAYOUTS[name]
    used, starts = list(prefixes), []
    for n, length in zip(row, lengths, strict=True):
        starts.append(used[n])
        used[n] += length
    total = -(-max(used) // BLOCK) * BLOCK
    seen = torch.zeros(len(prefixes), total, total, dtype=torch.bool)
    for n, prefix in enumerate(prefixes):
        for token in range(prefix):
            seen[n, token, : token + 1] = True
        for token in range(used[n], total):
            seen[n, token, token] = True
    for n, start, length in zip(row, starts, lengths, strict=True):
        for token in range(start, start + length):
            seen[n, token, : prefixes[n]] = True
            seen[n, token, start : token + 1] = True
    return Spans.of(prefixes, row, starts, lengths, total, CPU), seen


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_mask_is_that_of_a_loop(name: str) -> None:
    spans, expected = spans_of(name)
    rows, columns = torch.arange(len(expected)), torch.arange(expected.size(1))
    found = spans.mask_mod()(rows[:, None, None], 0, columns[:, None], columns)
    assert torch.equal(found, expected)


@pytest.mark.parametrize("name", LAYOUTS)
def test_tiles_are_those_of_the_mask(name: str) -> None:
    """A tile that is left out holds nothing to be seen, and one that is not masked holds nothing else."""
    spans, expected = spans_of(name)
    count, total = expected.size(0), expected.size(1) // BLOCK
    tiles = expected.view(count, total, BLOCK, total, BLOCK).transpose(2, 3)
    for row in range(count):
        seen, whole = spans.tiles(row)
        assert torch.equal(seen, tiles[row].flatten(2).any(-1))
        assert torch.equal(whole, tiles[row].flatten(2).all(-1))
    mask = spans.block_mask()
    assert torch.equal(mask.to_dense()[:, 0].bool(), tiles.flatten(3).any(-1))


@pytest.mark.parametrize("name", BATCHES)
@pytest.mark.usefixtures("_gradients_on_a_cpu")
def test_blocks_equal_unshared(name: str) -> None:
    model = with_sharing(prepared("qwen3-vl"))
    prompts, row, completions, lengths, weights = case(name, "qwen3-vl")
    encoded = encode_prompts(model, prompts, CPU)
    found = compare(
        model,
        weights,
        lambda: score_packed(model, encoded, row, completions, lengths, blocks=True),
        lambda: score_unshared(model, prompts, row, completions, lengths, "left"),
    )
    assert found.logps < 1e-5
    assert found.entropies < 1e-5
    assert found.gradients < 1e-5


@pytest.mark.parametrize(("family", "lora", "checkpointing"), list(product(["qwen3-vl", "qwen3"], [0, 1], [0, 1])))
@pytest.mark.usefixtures("_gradients_on_a_cpu")
def test_blocks_equal_dense_under_lora_and_checkpointing(family: str, lora: int, checkpointing: int) -> None:
    """Several tiles in a row: branches of more than 128 tokens."""
    model = prepared(family)
    if checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
        model.enable_input_require_grads()
    if lora:
        torch.manual_seed(1)
        adapters = LoraConfig(r=4, target_modules=["q_proj", "v_proj", "down_proj"], init_lora_weights=False)
        model = get_peft_model(model, adapters)
    with_sharing(model)
    prompts, row, _, _, _ = case("lengths", family)
    lengths = [140, 3, 131, 20, 60, 7]
    generator = torch.Generator().manual_seed(3)
    completions = torch.randint(2, 89, (len(row), max(lengths)), generator=generator)
    weights = torch.randn(completions.shape, generator=generator)
    encoded = encode_prompts(model.get_base_model() if lora else model, prompts, CPU)
    found = compare(
        model,
        weights,
        lambda: score_packed(model, encoded, row, completions, lengths, blocks=True),
        lambda: score_packed(model, encoded, row, completions, lengths),
    )
    assert found.logps < 1e-5
    assert found.entropies < 1e-5
    assert found.gradients < 1e-5


@pytest.mark.parametrize("how", ["autocast", "weights"])
def test_blocks_in_bfloat16_are_as_far_from_float32_as_dense_masks(how: str) -> None:
    model = with_sharing(prepared("qwen3-vl")).to(torch.bfloat16).to(torch.float32)
    prompts, row, completions, lengths, _ = case("lengths", "qwen3-vl")
    encoded = encode_prompts(model, prompts, CPU)
    with torch.no_grad():
        exact, _ = score_packed(model, encoded, row, completions, lengths)
        model.to(torch.bfloat16 if how == "weights" else torch.float32)
        with torch.autocast("cpu", torch.bfloat16, enabled=how == "autocast"):
            dense, _ = score_packed(model, encoded, row, completions, lengths)
            blocks, _ = score_packed(model, encoded, row, completions, lengths, blocks=True)
    apart = [(values.float() - exact).abs().max() for values in (dense, blocks)]
    assert apart[0] > 1e-4, "rounding must show"
    assert apart[1] < 1.5 * apart[0]


def text_prompts(*lengths: int) -> Prompts:
    return Prompts([[0] * length for length in lengths], {}, [{}] * len(lengths), [0] * len(lengths))


#: Qwen3-VL-2B's decoder, about: 28 layers, hidden size 2,048, 16 heads of 128.
QWEN_2B = ModelCost(token=2.8e9, scored=6.2e8, pair=4.0 * 28 * 16 * 128)


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_cost_of_blocks_is_that_of_their_tiles(name: str) -> None:
    prefixes, row, lengths = LAYOUTS[name]
    spans, _ = spans_of(name)
    tiles = sum(int(spans.tiles(n)[0].sum()) for n in range(len(prefixes)))
    prompts = text_prompts(*(prefix + 1 for prefix in prefixes))
    cost = ModelCost(token=0.0, scored=0.0, pair=1.0)
    assert cost.packed_by_blocks(prompts, row, lengths) == tiles * BLOCK**2


@pytest.mark.parametrize(
    ("prompt", "lengths", "without", "with_blocks"),
    [
        (1000, [256] * 8, "dense", "blocks"),
        (300, [4096] * 8, "separate", "blocks"),  # dense packing sees a square, where blocks see half of it
        (300, [3000, *[200] * 7], "dense", "blocks"),  # nor is any branch padded to the longest
        (30, [4096] * 8, "separate", "separate"),  # nothing to speak of is shared
        (1000, [256], "separate", "separate"),  # nothing at all
    ],
    ids=["long-prompt", "long-completions", "lopsided", "short-prompt", "one"],
)
def test_blocks_are_used_where_they_pay(prompt: int, lengths: list[int], without: str, with_blocks: str) -> None:
    prompts, row = text_prompts(prompt), [0] * len(lengths)
    assert QWEN_2B.layout(prompts, row, lengths) == without
    assert QWEN_2B.layout(prompts, row, lengths, blocks=True) == with_blocks


def attention_of(device: str, told: list[str]) -> BlockAttention | None:
    config = build("qwen3-vl").config.get_text_config()
    return BlockAttention.of(config, torch.device(device), torch.float32, told.append)


def test_a_cpu_has_no_blocks_and_says_nothing() -> None:
    told: list[str] = []
    assert attention_of("cpu", told) is None
    assert told == []


def test_who_turns_compilation_off_is_not_warned() -> None:
    told: list[str] = []
    with torch._dynamo.config.patch(disable=True):
        assert attention_of("cuda", told) is None
    assert told == []


def on_a_cpu(told: list[str], size: int = 16) -> BlockAttention:
    """What a GPU would try, with a CPU's plain operations for its kernels."""
    return BlockAttention(CPU, torch.float32, 4, 2, size, told.append)


@pytest.fixture
def _triton(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flex, "find_spec", lambda _: object())


@pytest.mark.usefixtures("_gradients_on_a_cpu", "_triton")
def test_the_trial_passes_where_kernels_are_right() -> None:
    told: list[str] = []
    attention = on_a_cpu(told)
    assert attention._difference(3 * BLOCK) < 1e-5
    usable = attention.usable()
    assert told == []
    assert usable


def wrong(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *_: Any) -> torch.Tensor:
    return query + key.sum() + value.sum()


def broken(*_: Any) -> torch.Tensor:
    raise RuntimeError("No valid triton configs. OutOfResources: shared memory\nmore")


@pytest.mark.parametrize(
    ("kernel", "reason"),
    [(wrong, "differs from dense attention by"), (broken, "(RuntimeError: No valid triton configs. OutOfResources")],
)
@pytest.mark.usefixtures("_triton")
def test_the_trial_finds_a_wrong_kernel_and_says_so_once(
    monkeypatch: pytest.MonkeyPatch, kernel: Any, reason: str
) -> None:
    monkeypatch.setattr(flex, "flex", kernel)
    told: list[str] = []
    attention = on_a_cpu(told)
    assert [attention.usable() for _ in range(3)] == [False] * 3
    assert len(told) == 1
    assert reason in told[0]
    assert "\n" not in told[0]


def test_without_triton_there_are_no_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flex, "find_spec", lambda _: None)
    told: list[str] = []
    assert not on_a_cpu(told).usable()
    assert told == ["triton is not installed"]


def test_heads_that_are_too_small_for_kernels_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flex, "find_spec", lambda _: object())
    told: list[str] = []
    assert not on_a_cpu(told, size=8).usable()
    assert told == ["its attention heads have 8 numbers, and kernels need 16"]


def test_where_blocks_fail_packing_goes_on_with_dense_masks(caplog: pytest.LogCaptureFixture) -> None:
    sharing = Sharing(Support("packed"), cost=QWEN_2B)
    prompts, row, lengths = text_prompts(1000), [0] * 8, [256] * 8
    assert sharing.layout(prompts, row, lengths) == "dense"
    sharing.blocks = BlockAttention(CPU, torch.float32, 4, 2, 8, sharing.warn_of_blocks)
    found = [sharing.layout(prompts, row, lengths) for _ in range(2)]
    assert found == ["dense", "dense"]
    assert sharing.way == "packed"
    assert caplog.text.count("not block masks") == 1
