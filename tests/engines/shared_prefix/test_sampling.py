"""Sampling with the prompt once per group: greedy texts are `generate`'s, sampled ones follow its distribution."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from scipy.stats import chisquare
from tiny_models import PAD, TEXT, VOCABULARY, build, make_prompts
from transformers import GenerationConfig

from contextrl.engines.shared_prefix.attention import install
from contextrl.engines.shared_prefix.generation import Decoder, Samples, SharedDecoder, generate
from contextrl.engines.shared_prefix.prompts import encode_prompts
from contextrl.engines.shared_prefix.repeated import RepeatedDecoder
from contextrl.policy.prompts import Prompts

CPU = torch.device("cpu")
#: Of every ten text tokens one ends a sample, so that batches shrink early.
STOPS = [1, *range(5, TEXT, 10)]
SHAPES = [(6, [(2, 2)]), (15, [(2, 3)]), (4, []), (5, [(1, 2), (2, 2)])]
ROW = [0, 0, 0, 1, 1, 2, 3, 3, 3, 3]
SETTINGS: dict[str, dict[str, Any]] = {
    "plain": {"temperature": 1.0, "top_k": 0},
    "temperature": {"temperature": 0.6, "top_k": 0},
    "top-k": {"top_k": 7},
    "top-p": {"top_p": 0.8, "top_k": 0},
    "min-p": {"min_p": 0.2, "top_k": 0},
    "repetition-penalty": {"repetition_penalty": 1.7, "top_k": 0},
    "all": {"temperature": 0.8, "top_k": 20, "top_p": 0.9, "min_p": 0.02, "repetition_penalty": 1.3},
}


def model_of(family: str) -> Any:
    model = build(family).eval()
    if family != "gemma3":
        install(model.config.get_text_config())
    return model


@pytest.fixture(scope="module")
def qwen() -> Any:
    return model_of("qwen3-vl")


def decoder_of(model: Any, samples: Samples, new_tokens: int) -> Decoder:
    if model.config.model_type == "gemma3":
        return RepeatedDecoder(model, samples)
    return SharedDecoder(model, samples, new_tokens)


def configured(**settings: Any) -> GenerationConfig:
    """Image tokens are suppressed, as in training: a model would look for their images."""
    fixed = {"pad_token_id": PAD, "eos_token_id": STOPS, "max_new_tokens": 12, "suppress_tokens": [*range(90, 94)]}
    return GenerationConfig(**(fixed | settings))


def ours(model: Any, prompts: Prompts, row: Sequence[int], suffixes: Any, config: GenerationConfig) -> list[list[int]]:
    samples = Samples(encode_prompts(model, prompts, CPU), row, suffixes or [[]] * len(row), seeds=range(len(row)))
    return generate(model, samples, decoder_of(model, samples, config.max_new_tokens), config, PAD)


def theirs(model: Any, prompts: Prompts, row: Sequence[int], suffixes: Any, config: GenerationConfig) -> Any:
    """transformers' own `generate` on every sample beside a copy of its prompt: tokens, scores of each step."""
    chosen = prompts.select(list(row))
    chosen = chosen.extended([ids + list(s) for ids, s in zip(chosen.ids, suffixes or [[]] * len(row), strict=True)])
    inputs = chosen.padded(PAD).tensors
    # What pads a row is nothing that it says: some releases of transformers penalise its repetition.
    inputs["input_ids"] = torch.where(inputs["attention_mask"].bool(), inputs["input_ids"], inputs["input_ids"][:, -1:])
    config = GenerationConfig(**(config.to_dict() | {"output_scores": True, "return_dict_in_generate": True}))
    with torch.no_grad():
        found = model.generate(**inputs, generation_config=config)
    sampled = found.sequences[:, inputs["input_ids"].size(1) :].tolist()
    ends = [next((n + 1 for n, token in enumerate(ids) if token in STOPS), len(ids)) for ids in sampled]
    return [ids[:end] for ids, end in zip(sampled, ends, strict=True)], found.scores


def suffixes_of(kind: str) -> list[list[int]]:
    generator = torch.Generator().manual_seed(3)
    lengths = {"none": [0] * 10, "ragged": [4, 0, 9, 1, 1, 7, 3, 0, 0, 12], "equal": [5] * 10}[kind]
    return [torch.randint(2, TEXT, (n,), generator=generator).tolist() for n in lengths]


# ---- greedy ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("penalty", [1.0, 1.4])
@pytest.mark.parametrize("suffixes", ["none", "ragged", "equal"])
@pytest.mark.parametrize("family", ["qwen3-vl", "qwen2.5-vl", "qwen3"])
def test_greedy_is_generates(family: str, suffixes: str, penalty: float) -> None:
    model, prompts = model_of(family), make_prompts(family, SHAPES)
    config = configured(do_sample=False, repetition_penalty=penalty)
    found = ours(model, prompts, ROW, suffixes_of(suffixes), config)
    expected, _ = theirs(model, prompts, ROW, suffixes_of(suffixes), config)
    assert found == expected
    assert len({len(ids) for ids in found}) > 1 or len(found[0]) == 12, "samples should end at different times"


@pytest.mark.parametrize("family", ["smolvlm", "gemma3"])
def test_greedy_is_generates_where_every_row_has_an_image(family: str) -> None:
    model, prompts = model_of(family), make_prompts(family, [(6, [(2, 2)]), (15, [(2, 2)]), (3, [(2, 2)])])
    row = [0, 0, 1, 1, 1, 2]
    config = configured(do_sample=False, repetition_penalty=1.4)
    expected, _ = theirs(model, prompts, row, None, config)
    assert ours(model, prompts, row, None, config) == expected


def test_minimum_length_and_suppressed_tokens_hold(qwen: Any) -> None:
    config = configured(do_sample=False, min_new_tokens=4, suppress_tokens=[7, 8, *range(90, 94)])
    found = ours(qwen, make_prompts("qwen3-vl", SHAPES), ROW, None, config)
    expected, _ = theirs(qwen, make_prompts("qwen3-vl", SHAPES), ROW, None, config)
    assert found == expected
    assert min(map(len, found)) >= 4


# ---- sampled -----------------------------------------------------------------------------------------------------


def two_token_distribution(
    model: Any, prompts: Prompts, n: int, config: GenerationConfig
) -> dict[tuple[int, ...], float]:
    """P(first two tokens) of prompt n, as `generate`'s processors leave it; one token where that is a stop."""
    _, (first, *_) = theirs(model, prompts, [n], None, config)
    p_first = torch.softmax(first[0].double(), -1)
    starts = p_first.nonzero()[:, 0].tolist()
    _, (second, *_) = theirs(model, prompts, [n] * len(starts), [[token] for token in starts], config)
    p_second = torch.softmax(second.double(), -1)
    joint: dict[tuple[int, ...], float] = {}
    for k, token in enumerate(starts):
        if token in STOPS:
            joint[(token,)] = float(p_first[token])
            continue
        for other in p_second[k].nonzero()[:, 0].tolist():
            joint[(token, other)] = float(p_first[token] * p_second[k, other])
    return joint


def goodness_of_fit(sampled: list[list[int]], expected: dict[tuple[int, ...], float]) -> float:
    """p-value of Pearson's test; cells that expect fewer than five samples are one cell."""
    counts = Counter(tuple(ids[:2]) for ids in sampled)
    total = len(sampled)
    assert set(counts) <= set(expected), "a sample that the distribution excludes"
    large = [cell for cell, p in expected.items() if p * total >= 5]
    observed, wanted = [counts[cell] for cell in large], [expected[cell] * total for cell in large]
    rest = total - sum(wanted)
    if rest > 1:
        observed.append(total - sum(observed))
        wanted.append(rest)
    assert len(wanted) > 3, "too few cells to say anything"
    return float(chisquare(observed, [w * sum(observed) / sum(wanted) for w in wanted]).pvalue)


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS.keys())
@pytest.mark.parametrize("family", ["qwen3-vl", "gemma3"])
def test_samples_follow_the_distribution_of_generate(family: str, settings: dict[str, Any]) -> None:
    """Two prompts, 3,000 samples each in one shrinking batch; p is uniform where they do, tiny where not."""
    model, prompts = model_of(family), make_prompts(family, [(6, [(2, 2)]), (11, [(2, 2)])])
    config = configured(do_sample=True, max_new_tokens=3, **settings)
    row = [0, 1] * 3000
    sampled = ours(model, prompts, row, None, config)
    for n in (0, 1):
        mine = [ids for ids, of in zip(sampled, row, strict=True) if of == n]
        assert goodness_of_fit(mine, two_token_distribution(model, prompts, n, config)) > 1e-3


def test_the_goodness_of_fit_sees_another_temperature(qwen: Any) -> None:
    prompts = make_prompts("qwen3-vl", [(6, [(2, 2)])])
    sampled = ours(qwen, prompts, [0] * 3000, None, configured(do_sample=True, top_k=0, temperature=1.3))
    expected = two_token_distribution(qwen, prompts, 0, configured(do_sample=True, top_k=0))
    assert goodness_of_fit(sampled, expected) < 1e-6


# ---- what it costs -----------------------------------------------------------------------------------------------


class CountingDecoder(SharedDecoder):
    """Remembers how many samples each forward had."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.sizes: list[int] = []

    def _forward(self, ids: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        self.sizes.append(ids.size(0))
        return super()._forward(ids, positions)


def test_samples_that_have_ended_leave_the_batch(qwen: Any) -> None:
    prompts = make_prompts("qwen3-vl", SHAPES)
    config = configured(do_sample=True, top_k=0)
    samples = Samples(encode_prompts(qwen, prompts, CPU), ROW, [[]] * len(ROW), seeds=range(len(ROW)))
    decoder = CountingDecoder(qwen, samples, config.max_new_tokens)
    sampled = generate(qwen, samples, decoder, config, PAD)
    expected = [sum(len(ids) > step for ids in sampled) for step in range(max(map(len, sampled)))]
    assert decoder.sizes == expected
    assert expected[-1] < expected[0]


def test_with_sharded_parameters_a_finished_process_goes_on_with_one_sample(
    qwen: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other processes need its forwards; its texts are what they were."""
    prompts = make_prompts("qwen3-vl", SHAPES)
    config = configured(do_sample=False)
    steps = iter([True] * 8 + [False])
    monkeypatch.setattr("contextrl.engines.shared_prefix.generation._any_alive", lambda here, synced: next(steps))
    samples = Samples(encode_prompts(qwen, prompts, CPU), ROW[:3], [[]] * 3)
    decoder = CountingDecoder(qwen, samples, config.max_new_tokens)
    config.eos_token_id = list(range(VOCABULARY))
    assert [len(ids) for ids in generate(qwen, samples, decoder, config, PAD, synced=True)] == [1, 1, 1]
    assert decoder.sizes == [3] + [1] * 8


def test_stage_2_goes_on_from_the_states_of_stage_1(qwen: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same texts without another look at the images."""
    prompts = make_prompts("qwen3-vl", SHAPES)
    config, encoded = configured(do_sample=False), encode_prompts(qwen, prompts, CPU)
    first = Samples(encoded, ROW, [[]] * len(ROW))
    decoder = SharedDecoder(qwen, first, 12)
    generate(qwen, first, decoder, config, PAD)
    assert decoder.states is not None
    chosen, row = encoded.select([3, 1]), [0, 0, 1]
    suffixes = suffixes_of("ragged")[:3]
    expected, _ = theirs(qwen, chosen.prompts, row, suffixes, config)

    def forbidden(*_: Any, **__: Any) -> Any:
        raise AssertionError("the images were looked at again")

    monkeypatch.setattr(type(qwen.model.visual), "forward", forbidden)
    second = Samples(chosen, row, suffixes, decoder.states.select(torch.tensor([3, 1])))
    assert generate(qwen, second, SharedDecoder(qwen, second, 12), config, PAD) == expected


@pytest.mark.parametrize("how", ["weights", "autocast"])
def test_bfloat16_decodes_as_precisely_as_transformers(how: str) -> None:
    """Scores and sums are kept in float32: without that, differences are several times those of `generate`'s path."""
    model, prompts = model_of("qwen3-vl"), make_prompts("qwen3-vl", [(40, [(2, 2)]), (60, [(2, 3)]), (25, [])])
    with torch.no_grad():
        for name, weights in model.named_parameters():
            if "q_norm" in name or "k_norm" in name:
                weights *= 4.5  # sharp attention, where rounding of scores shows
    model.to(torch.bfloat16).to(torch.float32)
    row, tokens = [0, 0, 1, 1, 2, 2], torch.tensor([[7, 20], [9, 21], [11, 22], [30, 23], [31, 24], [40, 25]])
    exact = _decoded(model, prompts, row, tokens)
    if how == "weights":
        model.to(torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16, enabled=how == "autocast"):
        ours, theirs = _decoded(model, prompts, row, tokens), _decoded_by_transformers(model, prompts, row, tokens)
    rounding = float((theirs - exact).abs().mean())
    assert rounding > 0.01, "rounding must show"
    assert float((ours - exact).abs().mean()) < 1.3 * rounding
    if how == "weights":
        # Both then round the same things (0.22 of it); with rounded scores the two are 0.41 of it apart.
        assert float((ours - theirs).abs().mean()) < 0.3 * rounding


def _decoded(model: Any, prompts: Prompts, row: list[int], tokens: torch.Tensor) -> torch.Tensor:
    """Log-probabilities [B, 3, V] of the shared decoder, fed with given tokens."""
    decoder = SharedDecoder(model, Samples(encode_prompts(model, prompts, CPU), row, [[]] * len(row)), 4)
    with torch.no_grad():
        logits = [decoder.start(), *(decoder.step(column) for column in tokens.T)]
    return torch.log_softmax(torch.stack(logits, 1).float(), -1)


def _decoded_by_transformers(model: Any, prompts: Prompts, row: list[int], tokens: torch.Tensor) -> torch.Tensor:
    chosen = prompts.select(row)
    ids = [[*ids, *column] for ids, column in zip(chosen.ids, tokens.tolist(), strict=True)]
    inputs = chosen.extended(ids).padded(PAD).tensors
    with torch.no_grad():
        return torch.log_softmax(model(**inputs, logits_to_keep=3).logits.float(), -1)


def test_bfloat16_samples_as_generate_does() -> None:
    model = model_of("qwen3-vl").to(torch.bfloat16)
    prompts, config = make_prompts("qwen3-vl", SHAPES), configured(do_sample=False, max_new_tokens=3)
    expected, _ = theirs(model, prompts, ROW, None, config)
    same = sum(a == b for a, b in zip(ours(model, prompts, ROW, None, config), expected, strict=True))
    assert same >= 8, "rounding may turn a close decision, not most of them"
