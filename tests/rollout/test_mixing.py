"""Rollback into mixed groups: the union of negatives and kept retries, and retries in the places of negatives."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rollout_fakes import group, retry

from contextrl.records.groups import Rejection
from contextrl.rollout.groups import Group
from contextrl.rollout.mixing import mix_group


def mixed(outcomes: str, retries: list[tuple[int, str]], max_positives: int = 4) -> Group:
    """`outcomes` with one kept candidate per (parent, text), in the places of negatives."""
    judged = group(outcomes)
    judged.retries = [retry(parent, text) for parent, text in retries]
    mix_group(judged, "replace", max_positives)
    return judged


def rejections(judged: Group) -> list[Rejection | None]:
    return [one.rejection for one in judged.retries]


def rolled_back(judged: Group) -> list[int]:
    return [i for i, slot in enumerate(judged.members) if slot.rolled_back]


def united(outcomes: str, retries: list[tuple[int, str]], max_positives: int | None = None) -> Group:
    """`outcomes` with one kept candidate per (parent, text), beside the negatives."""
    judged = group(outcomes)
    judged.retries = [retry(parent, text) for parent, text in retries]
    mix_group(judged, "union", max_positives)
    return judged


# ---- union ---------------------------------------------------------------------------------------------------------


def test_a_mixed_group_has_all_negatives_and_all_kept_retries() -> None:
    """K + |P| members (arXiv 2602.22623, section 3); the rows that GRPOTrainer scores stay the online ones."""
    judged = united("----", [(2, "b"), (0, "a"), (1, "c"), (3, "d")])
    assert judged.members == [*judged.attempts, *judged.retries]
    assert judged.replayed == judged.attempts
    assert judged.mixed


def test_unscored_attempts_are_no_members_of_a_mixed_group() -> None:
    judged = united("-?-?", [(0, "a")])
    assert judged.members == [judged.attempts[0], judged.attempts[2], judged.retries[0]]


def test_a_single_negative_makes_a_mixed_group() -> None:
    judged = united("-???", [(0, "a")])
    assert judged.members == [judged.attempts[0], judged.retries[0]]


def test_duplicates_are_kept_once_and_a_cap_only_where_there_is_one() -> None:
    retries = [(0, "a"), (1, "a"), (2, "b"), (3, "c")]
    assert rejections(united("----", retries)) == [None, "duplicate", None, None]
    assert rejections(united("----", retries, 2)) == [None, "duplicate", None, "over_cap"]


def test_nothing_kept_leaves_an_online_group() -> None:
    judged = group("--?")
    judged.retries = [retry(0, "a", "incorrect")]
    mix_group(judged)
    assert judged.members == judged.attempts, "unscored ones too, as GRPO has them"
    assert not judged.mixed


# ---- replace -------------------------------------------------------------------------------------------------------


def test_a_kept_retry_takes_the_slot_of_its_parent() -> None:
    judged = mixed("----", [(2, "b"), (0, "a")])
    assert judged.members[0] is judged.retries[1]
    assert judged.members[2] is judged.retries[0]
    assert judged.members[1] is judged.attempts[1]
    assert judged.members[3] is judged.attempts[3]


def test_attempts_stay_what_they_were() -> None:
    judged = mixed("--", [(0, "a")])
    assert [one.stage for one in judged.attempts] == [1, 1]
    assert judged.kind == "all_negative"


@pytest.mark.parametrize(
    ("outcomes", "max_positives", "kept"),
    [
        pytest.param("--------", 4, 4, id="half-of-the-group"),
        pytest.param("--------", 1, 1, id="one"),
        pytest.param("----", 4, 3, id="a-negative-must-remain"),
        pytest.param("--", 4, 1, id="two-negatives"),
        pytest.param("--??????", 4, 1, id="unscored-are-not-negatives"),
        pytest.param("-???????", 4, 0, id="the-only-negative-stays"),
    ],
)
def test_cap(outcomes: str, max_positives: int, kept: int) -> None:
    negatives = [i for i, outcome in enumerate(outcomes) if outcome == "-"]
    judged = mixed(outcomes, [(i, f"text {i}") for i in negatives], max_positives)
    assert rolled_back(judged) == negatives[:kept]
    assert rejections(judged) == [None] * kept + ["over_cap"] * (len(negatives) - kept)


def test_identical_retries_are_kept_once() -> None:
    judged = mixed("----", [(0, "same"), (1, "same"), (2, "other")])
    assert rejections(judged) == [None, "duplicate", None]
    assert rolled_back(judged) == [0, 2]


def test_a_duplicate_is_a_duplicate_even_when_the_cap_is_reached() -> None:
    assert rejections(mixed("----", [(0, "a"), (1, "a"), (2, "b")], max_positives=1)) == [None, "duplicate", "over_cap"]


def test_two_good_samples_of_one_negative_share_its_slot() -> None:
    # samples_per_negative 2: a parent has one slot, so its second sample does not fit.
    judged = mixed("----", [(0, "a"), (0, "b"), (1, "c"), (1, "d")])
    assert rejections(judged) == [None, "over_cap", None, "over_cap"]
    assert rolled_back(judged) == [0, 1]


def test_a_text_that_did_not_fit_may_still_come_from_another_parent() -> None:
    judged = mixed("----", [(0, "a"), (0, "b"), (1, "b")])
    assert rejections(judged) == [None, "over_cap", None]


def test_earlier_rejections_keep_their_reason_and_take_no_slot() -> None:
    judged = group("----")
    judged.retries = [retry(0, "same", "incorrect"), retry(1, "same"), retry(2, "c", "not_standalone")]
    mix_group(judged, "replace", 4)
    assert rejections(judged) == ["incorrect", None, "not_standalone"]
    assert rolled_back(judged) == [1]


def test_a_group_with_nothing_kept_is_unchanged() -> None:
    judged = group("--")
    judged.retries = [retry(0, "a", "incorrect"), retry(1, "b", "truncated")]
    mix_group(judged, "replace", 4)
    assert judged.members == judged.attempts
    assert not judged.recovered


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.data())
def test_scored_negatives_always_remain(data: st.DataObject) -> None:
    outcomes = data.draw(st.text("-x?", min_size=2, max_size=8).filter(lambda text: set(text) != {"?"}))
    judged = group(outcomes)
    parents = data.draw(st.lists(st.sampled_from(judged.negatives), max_size=16))
    judged.retries = [retry(parent, data.draw(st.sampled_from("abcdefgh"))) for parent in parents]
    max_positives = data.draw(st.integers(1, 8))
    mix_group(judged, "replace", max_positives)

    kept = [one for one in judged.retries if one.rejection is None]
    assert len(judged.members) == len(outcomes)
    assert any(slot.scored and not slot.correct for slot in judged.members)
    assert len(kept) <= min(max_positives, len(judged.negatives) - 1)
    assert [one for one in judged.members if one.rolled_back] == sorted(kept, key=lambda one: one.parent or 0)
    assert len({one.completion.text for one in kept}) == len(kept)
    for i, slot in enumerate(judged.members):
        assert slot.parent == i if slot.rolled_back else slot is judged.attempts[i]
