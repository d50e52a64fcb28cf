"""The base policy: its pixels, what it is never shown, and its cache."""

from __future__ import annotations

import random
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from contextrl.miniature import base
from contextrl.miniature.base import BaseRecipe, Draw, SftSampler, TilePixels, base_policy
from contextrl.miniature.digits import compose
from contextrl.miniature.policy import build_processor, build_tokenizer
from contextrl.policy.processor import ImageOnlyQwen3VLProcessor
from contextrl.rollout.standalone import standalone_problem
from contextrl.user_cache import cache_folder

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


# --- what it is never shown -----------------------------------------------------------------------


def report_of(sampler: SftSampler, draw: Draw) -> str:
    match = re.search(r"Mistake: .*(?= Answer the question afresh)", sampler.tokenizer.decode(draw.prompt))
    assert match is not None
    return match.group(0)


def attempt_of(sampler: SftSampler, draw: Draw) -> str:
    match = re.search(r"assistant\n(.*?)<\|im_end\|>", sampler.tokenizer.decode(draw.prompt), re.DOTALL)
    assert match is not None
    return match.group(1)


def test_blind_spots_occur_in_no_direct_question(sampler: SftSampler) -> None:
    draws = [sampler.direct() for _ in range(2000)]
    assert {digit for draw in draws for digit in draw.problem.digits} == {0, 1, 2, 3, 4, 5, 6}
    assert all(set(draw.prompt_labels) == {-100} for draw in draws)


def test_blind_spots_occur_in_no_retry_whose_report_does_not_say_what_to_write(sampler: SftSampler) -> None:
    draws = [sampler.retry() for _ in range(2000)]
    silent = [draw for draw in draws if "should" not in report_of(sampler, draw)]
    told = [draw for draw in draws if "should" in report_of(sampler, draw)]
    # Hint and location are a fifth of the retries: 400 of 2000, standard error 18.
    assert len(silent) == pytest.approx(400, abs=90)
    assert {digit for draw in silent for digit in draw.problem.digits} == {0, 1, 2, 3, 4, 5, 6}
    assert {digit for draw in told for digit in draw.problem.digits} == set(range(10)), "the others show them"


def test_a_misread_blind_spot_is_named_by_the_report(sampler: SftSampler) -> None:
    named = 0
    for _ in range(1500):
        draw = sampler.retry()
        shown = ", ".join(map(str, draw.problem.digits))
        misread = not attempt_of(sampler, draw).startswith(f"Digits: {shown}.")
        if misread and set(draw.problem.digits) & {7, 8, 9}:
            assert f"should say Digits: {shown}." in report_of(sampler, draw)
            named += 1
    assert named > 300


def test_labels_of_retries_never_cover_a_reading(sampler: SftSampler) -> None:
    for _ in range(500):
        draw = sampler.retry()
        attempt = attempt_of(sampler, draw)
        assert len(draw.prompt_labels) == len(draw.prompt)
        learned = [token for token in draw.prompt_labels if token != -100]
        # Exactly what follows the reading: neither the question before it nor the report after it.
        assert sampler.tokenizer.decode(learned) == attempt[attempt.index(".") :]
        places = [place for place, token in enumerate(draw.prompt_labels) if token != -100]
        assert [draw.prompt[place] for place in places] == learned
        assert places == list(range(places[0], places[-1] + 1))


def test_attempts_state_no_blind_spot_that_is_not_there(sampler: SftSampler) -> None:
    for _ in range(1000):
        draw = sampler.retry()
        reading = attempt_of(sampler, draw).split(".")[0].removeprefix("Digits: ").split(", ")
        assert all(int(digit) in {0, 1, 2, 3, 4, 5, 6, *draw.problem.digits} for digit in reading)


def test_a_share_of_retries_quotes_the_report_and_the_filter_notices(sampler: SftSampler) -> None:
    draws = [sampler.retry() for _ in range(2000)]
    quoting = [draw for draw in draws if draw.target.startswith("The report says")]
    # 20 % of 2000 is 400, standard error 18.
    assert len(quoting) == pytest.approx(400, abs=90)
    for draw in draws:
        refused = standalone_problem(draw.target, report_of(sampler, draw), draw.problem.question)
        assert (refused is not None) == draw.target.startswith("The report says")


def test_draws_depend_on_the_seed_only(processor: ImageOnlyQwen3VLProcessor) -> None:
    def first_draws(seed: int) -> list[Draw]:
        sampler = SftSampler(processor, BaseRecipe(seed=seed))
        return [sampler.direct() for _ in range(5)] + [sampler.retry() for _ in range(5)]

    assert first_draws(0) == first_draws(0)
    assert first_draws(0) != first_draws(1)


# --- cache ----------------------------------------------------------------------------------------


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CONTEXTRL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_the_cache_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("CONTEXTRL_CACHE", str(tmp_path / "own"))
    assert cache_folder() == tmp_path / "own"
    monkeypatch.delenv("CONTEXTRL_CACHE")
    assert cache_folder() == tmp_path / "contextrl"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "contextrl"


def test_a_second_call_does_not_build_again(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built = base_policy(SMALLEST)
    written = (built / "model.safetensors").stat().st_mtime_ns

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("built again")

    monkeypatch.setattr(base, "train_base", refuse)
    assert base_policy(SMALLEST) == built
    assert (built / "model.safetensors").stat().st_mtime_ns == written
    assert [path.name for path in cache.iterdir()] == [built.name], "nothing is left of the building"
    with pytest.raises(AssertionError, match="built again"):
        base_policy(replace(SMALLEST, seed=1))


def test_a_half_built_folder_is_not_used(cache: Path) -> None:
    half = cache / f"miniature-base-{SMALLEST.key}"
    half.mkdir(parents=True)
    (half / "model.safetensors").write_bytes(b"half")
    built = base_policy(SMALLEST)
    assert built == half
    assert (built / "model.safetensors").stat().st_size > 1_000_000
    assert (built / "recipe.json").exists()


def test_a_build_that_fails_leaves_nothing(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: BaseRecipe, folder: Path, **__: object) -> None:
        (folder / "model.safetensors").write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(base, "train_base", fail)
    with pytest.raises(KeyboardInterrupt):
        base_policy(SMALLEST)
    assert list(cache.iterdir()) == []


def test_another_process_that_finished_first_wins(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = cache / f"miniature-base-{SMALLEST.key}"

    def slow(_: BaseRecipe, folder: Path, **__: object) -> None:
        (folder / "recipe.json").write_text("ours")
        target.mkdir()
        (target / "recipe.json").write_text("theirs")

    monkeypatch.setattr(base, "train_base", slow)
    assert base_policy(SMALLEST) == target
    assert (target / "recipe.json").read_text() == "theirs"


def test_every_field_of_the_recipe_is_part_of_the_key() -> None:
    others = [
        replace(SMALLEST, blind=(8, 9)),
        replace(SMALLEST, steps=3),
        replace(SMALLEST, quoting=0.0),
        replace(SMALLEST, kinds=(("read", 1),)),
        replace(SMALLEST, seed=1),
        replace(SMALLEST, version=SMALLEST.version + 1),
    ]
    assert len({recipe.key for recipe in [SMALLEST, *others]}) == 7
    assert SMALLEST.key == BaseRecipe(steps=2, direct=1, retries=1).key


def numpy_state() -> bytes:
    state = np.random.get_state(legacy=False)["state"]
    return bytes(state["key"].tobytes()) + bytes([state["pos"] % 256])


def test_building_leaves_the_callers_random_state_alone(cache: Path) -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state(), random.getstate(), numpy_state()
    first = base_policy(SMALLEST)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]
    assert numpy_state() == before[2]
    # And the caller's random state leaves the building alone.
    torch.manual_seed(2)
    weights = (first / "model.safetensors").read_bytes()
    (first / "recipe.json").unlink()
    assert (base_policy(SMALLEST) / "model.safetensors").read_bytes() == weights
