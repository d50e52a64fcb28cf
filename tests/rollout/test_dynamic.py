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

    def __call__(self, rows: Sequence[int], first: int) -> list[Group]:
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
            share_out=lambda here: (0, here + elsewhere),
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
    # Round 1 draws three, the second useful: it goes to the second place. Round 2 draws for the two that are left.
    assert run_refill(groups, roll_out) == 5
    assert [len(rows) for rows in roll_out.calls] == [3, 2]
    assert groups[1].example.id == f"row {roll_out.calls[0][1]}"
    assert groups[0].example.id == f"row {roll_out.calls[1][0]}"
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


@pytest.mark.parametrize("cut", [0, 1, 2, 3, 4], ids=lambda cut: f"{cut}-of-4-here")
def test_a_batch_is_refilled_alike_on_one_process_and_on_two(cut: int) -> None:
    """The same rows, with the same numbers, for the same places."""
    whole, parts = ["--", "+-", "??", "++"], (slice(0, cut), slice(cut, 4))
    outcome = {number: ("+-", "--", "--")[number % 3] for number in range(20)}

    def run(groups: list[Group], before: dict[int, int], total: dict[int, int]) -> list[tuple[str, int]]:
        drawn: list[tuple[str, int]] = []
        rounds = iter(range(9))

        def roll_out(rows: Sequence[int], first: int) -> list[Group]:
            drawn.extend((f"row {row}", first + n) for n, row in enumerate(rows))
            return [group(outcome[first + n], f"row {row}") for n, row in enumerate(rows)]

        def share_out(_: int) -> tuple[int, int]:
            turn = next(rounds)
            return before[turn], total[turn]

        refill(groups, no_spread, roll_out, RefillCursor(100, 0), max_rounds=3, share_out=share_out)
        return drawn

    def fresh() -> list[Group]:
        return [group(kind, f"old {n}") for n, kind in enumerate(whole)]

    # Round 1 fills the first of three places (number 0), round 2 one of two (number 3), round 3 none (number 5).
    alone = fresh()
    total = {0: 3, 1: 2, 2: 1}
    drawn = run(alone, dict.fromkeys(total, 0), total)
    assert [number for _, number in drawn] == [0, 1, 2, 3, 4, 5]
    open_at_first = {0: [0, 2, 3], 1: [2, 3], 2: [3]}
    together: list[Group] = []
    shared: list[tuple[str, int]] = []
    for part in parts:
        here = fresh()[part]
        before = {turn: sum(place < part.start for place in places) for turn, places in open_at_first.items()}
        shared += run(here, before, total)
        together += here
    assert [one.example.id for one in together] == [one.example.id for one in alone]
    assert sorted(shared, key=lambda pair: pair[1]) == drawn
