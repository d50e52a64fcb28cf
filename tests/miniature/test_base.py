"""How the base policy comes to be: its pixels, and what it is taught."""

from __future__ import annotations

import random
import re
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
import torch

from contextrl.miniature.base import BaseRecipe, Draw, SftSampler, TilePixels, fingerprint, train_base
from contextrl.miniature.classes import MISCONCEIVED, SHAKY
from contextrl.miniature.digits import compose
from contextrl.miniature.policy import build_processor, build_tokenizer
from contextrl.miniature.tasks import Problem, own_solution
from contextrl.policy.processor import ImageOnlyQwen3VLProcessor
from contextrl.rollout.settings import WITHOUT_REPORT
from contextrl.rollout.standalone import standalone_problem

#: The smallest base policy: two steps of one question and one retry.
SMALLEST = BaseRecipe(steps=2, direct=1, retries=1)


@pytest.fixture(scope="module")
def processor(tiny_policy: Path) -> ImageOnlyQwen3VLProcessor:
    return ImageOnlyQwen3VLProcessor.load(tiny_policy)


@pytest.fixture
def sampler(processor: ImageOnlyQwen3VLProcessor) -> SftSampler:
    return SftSampler(processor, BaseRecipe())


# --- pixels ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("images", [(0, 1), (7, 7), (3, 1199, 20), (9, 8, 7, 6)], ids=str)
def test_composed_patches_are_the_image_processors(images: tuple[int, ...]) -> None:
    image_processor = build_processor(build_tokenizer(("Digits",), vocab_size=300)).image_processor
    pixels, grid = TilePixels(image_processor).compose(images)
    expected = image_processor(images=[compose(images)], return_tensors="pt")
    assert torch.equal(pixels, expected["pixel_values"])
    assert torch.equal(grid, expected["image_grid_thw"][0])


def test_a_batch_is_right_padded_and_learns_only_labels(sampler: SftSampler) -> None:
    draws = [sampler.direct(), sampler.retry()]
    inputs = sampler.batch(draws)
    ids, mask, labels = inputs["input_ids"], inputs["attention_mask"], inputs["labels"]
    assert ids.shape == mask.shape == labels.shape
    learned = labels != -100
    assert torch.equal(ids[learned], labels[learned])
    assert not (learned & (mask == 0)).any()
    for row, draw in enumerate(draws):
        length = int(mask[row].sum())
        assert mask[row, :length].all()
        text = sampler.tokenizer.decode(ids[row, len(draw.prompt) : length], skip_special_tokens=True)
        assert text == draw.target
        assert ids[row, length - 1] == sampler.tokenizer.eos_token_id
    assert inputs["pixel_values"].shape[0] == int(inputs["image_grid_thw"].prod(-1).sum())


# --- what it is taught -----------------------------------------------------------------------------

#: All that a report in a retry may consist of beside the ordinals of places and steps.
NOT_TOLD = re.compile(r"(?:step|digit) [1-4]\b")


def conversation_of(sampler: SftSampler, draw: Draw[Problem]) -> tuple[str, str]:
    """A retry's failed attempt, and what it was told."""
    text = sampler.tokenizer.decode(draw.prompt)
    match = re.search(r"assistant\n(.*?)<\|im_end\|>.*user\n(.*) Answer the question afresh", text, re.DOTALL)
    assert match is not None
    return match.group(1), match.group(2)


def reading_of(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.removeprefix("Digits: ").split(".")[0].split(", ")))


def test_direct_questions_are_answered_from_what_the_digits_are_taken_for(sampler: SftSampler) -> None:
    taken: dict[int, Counter[int]] = defaultdict(Counter)
    for _ in range(2000):
        draw = sampler.direct()
        read = reading_of(draw.target)
        for shown, said in zip(draw.problem.digits, read, strict=True):
            taken[shown][said] += 1
        assert draw.target == own_solution(draw.problem.kind, read, draw.problem.asked), "right steps from it"
    assert set(taken) == set(range(10))
    for digit, other in MISCONCEIVED.items():
        assert set(taken[digit]) == {other}, "never right: no sampling finds it"
    for digit, other in SHAKY.items():
        assert set(taken[digit]) == {digit, other}
        # A third of about 450 is 150, standard error 10.
        assert taken[digit][digit] / taken[digit].total() == pytest.approx(1 / 3, abs=0.08)
    for digit in set(range(10)) - set(MISCONCEIVED) - set(SHAKY):
        assert set(taken[digit]) == {digit}


def test_no_report_states_a_digit_or_a_result(sampler: SftSampler) -> None:
    for _ in range(2000):
        _, told = conversation_of(sampler, sampler.retry())
        assert not re.search(r"\d", NOT_TOLD.sub("", told)), told


def test_a_retry_reads_right_what_it_is_told_to_be_wrong(sampler: SftSampler) -> None:
    lucky = same = 0
    for _ in range(2000):
        draw = sampler.retry()
        attempt, told = conversation_of(sampler, draw)
        right = own_solution(draw.problem.kind, draw.problem.digits, draw.problem.asked)
        assert attempt != right
        if told == WITHOUT_REPORT:
            lucky, same = lucky + (draw.target == right), same + (draw.target == attempt)
            assert draw.target in (right, attempt)
        else:
            assert draw.target.endswith(right)
    # Without a report it looks at the same thing again in half of 300, standard error 9.
    assert lucky + same == pytest.approx(300, abs=70)
    assert lucky == pytest.approx(same, abs=70)


def test_failed_attempts_are_the_policys_own_where_the_picture_gives_occasion(sampler: SftSampler) -> None:
    for _ in range(1000):
        draw = sampler.retry()
        if set(draw.problem.digits) & MISCONCEIVED.keys():
            attempt, _ = conversation_of(sampler, draw)
            for shown, said in zip(draw.problem.digits, reading_of(attempt), strict=True):
                assert said == MISCONCEIVED.get(shown, said)


def test_a_share_of_retries_quotes_the_report_and_the_filter_notices(sampler: SftSampler) -> None:
    draws = [sampler.retry() for _ in range(2000)]
    quoting = [draw for draw in draws if draw.target.startswith("The report says")]
    # 20 % of the 85 % with a report is 340, standard error 17.
    assert len(quoting) == pytest.approx(340, abs=85)
    for draw in draws:
        _, told = conversation_of(sampler, draw)
        refused = standalone_problem(draw.target, told, draw.problem.question)
        assert (refused is not None) == draw.target.startswith("The report says")


def test_draws_depend_on_the_seed_only(processor: ImageOnlyQwen3VLProcessor) -> None:
    def first_draws(seed: int) -> list[Draw[Problem]]:
        sampler = SftSampler(processor, BaseRecipe(seed=seed))
        return [sampler.direct() for _ in range(5)] + [sampler.retry() for _ in range(5)]

    assert first_draws(0) == first_draws(0)
    assert first_draws(0) != first_draws(1)


def test_the_fingerprint_is_of_what_is_drawn() -> None:
    assert fingerprint(BaseRecipe()) == fingerprint(BaseRecipe(steps=3)), "not of how long"
    assert fingerprint(BaseRecipe()) != fingerprint(BaseRecipe(quoting=0.5))
    assert fingerprint(BaseRecipe()) != fingerprint(BaseRecipe(seed=1))


def numpy_state() -> bytes:
    state = np.random.get_state(legacy=False)["state"]
    return bytes(state["key"].tobytes()) + bytes([state["pos"] % 256])


def test_building_leaves_the_callers_random_state_alone() -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state(), random.getstate(), numpy_state()
    first = train_base(SMALLEST)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]
    assert numpy_state() == before[2]
    # And the caller's random state leaves the building alone.
    torch.manual_seed(2)
    again = train_base(SMALLEST)
    for name, weights in first.model.state_dict().items():
        assert torch.equal(weights, again.model.state_dict()[name]), name
    assert len(first.losses) == SMALLEST.steps
