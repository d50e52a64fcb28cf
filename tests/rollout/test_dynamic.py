"""Dynamic sampling: the cursor and the bounded refill."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from rollout_fakes import group

from contextrl.rollout.dynamic import RefillCursor, refill
from contextrl.rollout.groups import Group, has_spread


def no_spread(one: Group) -> bool:
    return not has_spread([member.reward for member in one.members])


class FakeRollOut:
    """Groups with the given outcomes, in order; remembers the rows that it was asked for."""

    def __init__(self, *outcomes: str) -> None:
        self.outcomes = list(outcomes)
        self.calls: list[list[int]] = []

    def __call__(self, rows: Sequence[int]) -> list[Group]:
        self.calls.append(list(rows))
        return [group(self.outcomes.pop(0), f"row {row}") for row in rows]


# ---- cursor ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 3, 7], ids=["one-by-one", "straddling", "whole-epochs"])
def test_every_row_comes_once_before_any_comes_again(count: int) -> None:
    cursor = RefillCursor(7, seed=5)
    drawn = [row for _ in range(21 // count) for row in cursor.draw(count)]
    for epoch in range(3):
        assert sorted(drawn[7 * epoch : 7 * (epoch + 1)]) == list(range(7))
    assert cursor.position == 21


def test_a_draw_may_be_longer_than_the_data() -> None:
    drawn = RefillCursor(3, seed=0).draw(7)
    assert sorted(drawn[:3]) == sorted(drawn[3:6]) == [0, 1, 2]


def test_order_is_shuffled_anew_each_epoch_and_by_seed() -> None:
    first = RefillCursor(50, seed=1).draw(100)
    assert first[:50] != list(range(50))
    assert first[:50] != first[50:]
    assert first != RefillCursor(50, seed=2).draw(100)


@pytest.mark.parametrize("position", [0, 4, 10, 11, 25])
def test_position_resumes(position: int) -> None:
    whole = RefillCursor(10, seed=3).draw(40)
    resumed = RefillCursor(10, seed=3)
    resumed.position = position
    assert resumed.draw(40 - position) == whole[position:]


def test_drawing_nothing_moves_nothing() -> None:
    cursor = RefillCursor(10, seed=3)
    assert cursor.draw(0) == []
    assert cursor.position == 0


# ---- refill ------------------------------------------------------------------------------------------------------


def run_refill(
    groups: list[Group], roll_out: FakeRollOut, max_rounds: int = 2, *, elsewhere: bool = False, seed: int = 0
) -> int:
    return len(
        refill(
            groups,
            no_spread,
            roll_out,
            RefillCursor(100, seed),
            max_rounds=max_rounds,
            any_process=lambda here: here or elsewhere,
        )
    )


def test_places_without_spread_are_replaced_and_others_stay() -> None:
    groups = [group("+-", "a"), group("--", "b"), group("++", "c"), group("-+", "d")]
    kept = groups[0], groups[3]
    roll_out = FakeRollOut("+-", "-+")
    assert run_refill(groups, roll_out) == 2
    assert (groups[0], groups[3]) == kept
    assert [g.example.id for g in groups[1:3]] == [f"row {row}" for row in roll_out.calls[0]]
    assert [g.refilled for g in groups] == [False, True, True, False]
    assert len(roll_out.calls) == 1


def test_what_has_no_spread_either_is_dropped_and_tried_again() -> None:
    groups = [group("--", "a"), group("??", "b"), group("++", "c")]
    roll_out = FakeRollOut("++", "+-", "+?", "-+", "--")
    # Round 1 draws three, one useful: it goes to the first place. Round 2 draws for the two that are left.
    assert run_refill(groups, roll_out) == 5
    assert [len(rows) for rows in roll_out.calls] == [3, 2]
    assert groups[0].example.id == f"row {roll_out.calls[0][1]}"
    assert groups[1].example.id == f"row {roll_out.calls[1][0]}"
    # No more rounds: the last one stays as it was.
    assert groups[2].example.id == "c"
    assert not groups[2].refilled


@pytest.mark.parametrize("max_rounds", [1, 2, 5])
def test_rounds_are_bounded(max_rounds: int) -> None:
    groups = [group("--", "a")]
    original = groups[0]
    roll_out = FakeRollOut(*["++"] * 10)
    assert run_refill(groups, roll_out, max_rounds) == max_rounds
    assert len(roll_out.calls) == max_rounds
    assert groups == [original]


def test_rounds_draw_new_rows() -> None:
    roll_out = FakeRollOut(*["++"] * 10)
    run_refill([group("--", "a")], roll_out, 5)
    rows = [row for call in roll_out.calls for row in call]
    assert rows == RefillCursor(100, 0).draw(5)


def test_nothing_to_refill_samples_nothing() -> None:
    roll_out = FakeRollOut()
    assert run_refill([group("+-")], roll_out) == 0
    assert roll_out.calls == []


def test_another_process_in_need_is_joined_with_no_rows() -> None:
    roll_out = FakeRollOut()
    groups = [group("+-")]
    assert run_refill(groups, roll_out, max_rounds=3, elsewhere=True) == 0
    assert roll_out.calls == [[], [], []]
