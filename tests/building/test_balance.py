"""Balanced sets: sizes by hand, the same with every run, and a table of what was asked and what there was."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from contextrl.building.balance import Balance, filled, shared_out
from contextrl.building.candidates import Candidate, Dropped
from contextrl.building.finish_settings import BalanceSettings
from contextrl.building.pictures import PictureStore
from contextrl.building.pipeline import Context
from contextrl.building.recipe import BuildRecipe
from contextrl.errors import InputError
from contextrl.settings import validated


def rows(*kinds: tuple[int, int | None, str, str]) -> list[Candidate]:
    """(how many, right, source, answer type)."""
    made = []
    for count, right, source, kind in kinds:
        made += [
            Candidate(f"{source}-{kind}-{right}-{n}", "?", "1", kind, "perception", source, right=right)  # type: ignore[arg-type]
            for n in range(count)
        ]
    return made


def balanced(candidates: list[Candidate], seed: int = 0, **settings: Any) -> tuple[list[Candidate], Balance]:
    step = Balance(BalanceSettings.model_validate(settings))
    context = Context(seed, PictureStore(Path("nowhere")))
    outcomes = list(step.whole(lambda: iter(candidates), context))
    assert len(outcomes) == len(candidates)
    return [one for one in outcomes if not isinstance(one, Dropped)], step


def by(taken: list[Candidate], *fields: str) -> dict[tuple[Any, ...], int]:
    return dict(Counter(tuple(getattr(one, field) for field in fields) for one in taken))


UNEVEN = rows((40, 0, "a", "text"), (10, 1, "a", "text"), (25, 2, "a", "number"), (12, 3, "b", "text"))


def test_classes_by_number_right_are_of_one_size() -> None:
    taken, step = balanced(UNEVEN)
    assert by(taken, "right") == {(0,): 10, (1,): 10, (2,): 10, (3,): 10}
    assert (step.table[0].asked, step.table[0].available, step.table[0].taken) == (40, 87, 40)


def test_a_class_that_has_too_few_stays_short_and_the_table_says_so() -> None:
    taken, step = balanced(UNEVEN, groups=[{"name": "all", "rows": 60}])
    assert by(taken, "right") == {(0,): 15, (1,): 10, (2,): 15, (3,): 12}
    short = {row.classes["right"]: (row.asked, row.available, row.taken) for row in step.table if len(row.classes) == 1}
    assert short == {"0": (15, 40, 15), "1": (15, 10, 10), "2": (15, 25, 15), "3": (15, 12, 12)}
    taken, _ = balanced(UNEVEN, groups=[{"name": "all", "rows": 60}], exact=[])
    # 1 and 3 give all they have, 10 + 12; 0 and 2 share the other 38.
    assert by(taken, "right") == {(0,): 19, (1,): 10, (2,): 19, (3,): 12}


def test_sources_and_answer_types_leave_room_to_each_other() -> None:
    given = rows((100, 0, "big", "text"), (100, 0, "big", "number"), (6, 0, "small", "text"))
    taken, _ = balanced(given, groups=[{"name": "all", "rows": 40}])
    assert by(taken, "source", "answer_type") == {("big", "text"): 17, ("big", "number"): 17, ("small", "text"): 6}


def test_shares_by_name() -> None:
    settings = {"groups": [{"name": "all", "rows": 30}], "shares": {"right": {"0": 2, "1": 1, "4": 0}}}
    taken, _ = balanced(UNEVEN, **settings)
    assert by(taken, "right") == {(0,): 20, (1,): 10}
    taken, step = balanced(UNEVEN[:40], groups=[{"name": "all", "rows": 8}], shares={"right": {"0": 1, "3": 1}})
    assert by(taken, "right") == {(0,): 4}
    assert [(row.classes, row.asked, row.available) for row in step.table if row.classes == {"right": "3"}] == [
        ({"right": "3"}, 4, 0)
    ]


def test_without_a_size_a_class_of_which_there_is_nothing_takes_nothing_from_the_others() -> None:
    given = rows(
        (7, 0, "a", "text"), (4, 0, "b", "text"), (9, 1, "a", "text"), (9, 1, "b", "text"), (6, 2, "a", "text")
    )
    settings = {
        "exact": ["right", "source"],
        "by": ["right", "source"],
        "shares": {"right": {"0": 1, "1": 1, "2": 1, "3": 1}},
    }
    taken, step = balanced(given, **settings, groups=[{"name": "all"}])
    # 2 has source a alone, and so gives all it has; the others half of each source.
    assert by(taken, "right", "source") == {(0, "a"): 3, (0, "b"): 3, (1, "a"): 3, (1, "b"): 3, (2, "a"): 6}
    assert all(row.asked == row.taken for row in step.table)
    absent = [row for row in step.table if row.classes == {"right": "3"}]
    assert [(row.asked, row.available, row.taken) for row in absent] == [(0, 0, 0)]


def test_without_a_size_as_many_are_taken_as_the_table_asks_for() -> None:
    draw = random.Random(0)
    for _ in range(200):
        given = rows(*((draw.randint(0, 12), right, source, "text") for right in range(3) for source in "ab"))
        features = draw.sample(["right", "source"], 2)
        named = {name: draw.choice([0.5, 1, 2]) for name in ("0", "1", "2", "3")}
        taken, step = balanced(
            given, by=features, exact=draw.sample(features, draw.randint(0, 2)), shares={"right": named}
        )
        assert step.table[0].asked == step.table[0].taken == len(taken)


def test_groups_have_sizes_of_their_own() -> None:
    groups = [{"name": "math", "rows": 8, "sources": ["b"]}, {"name": "vqa", "rows": 12, "answer_types": ["text"]}]
    taken, step = balanced(UNEVEN, groups=groups, exact=[])
    assert by(taken, "source") == {("b",): 8, ("a",): 12}
    assert {one.answer_type for one in taken if one.source == "a"} == {"text"}
    assert {row.group for row in step.table} == {"math", "vqa"}


def test_rows_of_unmeasured_difficulty_are_a_class() -> None:
    taken, _ = balanced(rows((9, None, "a", "text"), (5, 1, "a", "text")))
    assert by(taken, "right") == {(None,): 5, (1,): 5}


def test_the_seed_decides_and_the_order_does_not() -> None:
    ids = {one.id for one in balanced(UNEVEN)[0]}
    assert {one.id for one in balanced(UNEVEN[::-1])[0]} == ids
    assert {one.id for one in balanced(UNEVEN, seed=1)[0]} != ids


def test_nothing_comes_of_nothing() -> None:
    taken, step = balanced([], groups=[{"name": "all", "rows": 5}])
    assert taken == []
    assert [(row.asked, row.available, row.taken) for row in step.table] == [(5, 0, 0)]


def test_whole_numbers_add_up() -> None:
    assert shared_out(10, {"a": 1, "b": 1, "c": 1}) == {"a": 4, "b": 3, "c": 3}
    assert filled(10, {"a": 1, "b": 1, "c": 1}, {"a": 1, "b": 9, "c": 9}) == {"a": 1, "b": 5, "c": 4}
    assert filled(10, {"a": 1, "b": 1}, {"a": 2, "b": 3}) == {"a": 2, "b": 3}
    assert filled(10, {"a": 0, "b": 1}, {"a": 20, "b": 3}) == {"a": 0, "b": 3}


@pytest.mark.parametrize(
    "raw",
    [
        {"shares": {"task": {"perceptoin": 1}}},
        {"shares": {"right": {"many": 1}}},
        {"shares": {"source": {"a": 0}}},
        {"shares": {"right": {"0": -1}}},
        {"shares": {"right": {"04": 1}}},
        {"shares": {"right": {True: 1}}},
        {"shares": {"right": {"1": 1e308, "2": 1e308}}},
        {"shares": {"task": {"reasoning": 1}}, "by": ["right"]},
        {"groups": [{"name": "a"}, {"name": "a"}]},
        {"by": ["right", "right"]},
        {"groups": [{"name": "a", "rows": 0}]},
    ],
)
def test_settings_that_mean_nothing_are_refused(raw: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        validated(BalanceSettings, raw, where="balance")


def test_classes_by_number_right_need_no_quotes() -> None:
    plain = validated(BalanceSettings, {"shares": {"right": {0: 1, 1: 2, "untried": 1}}}, where="balance")
    assert plain.shares == {"right": {"0": 1, "1": 2, "untried": 1}}


@pytest.mark.parametrize(("attempts", "fits"), [(2, False), (3, True)])
def test_no_class_beyond_the_number_of_attempts(attempts: int, fits: bool) -> None:
    recipe = {
        "sources": [{"path": "rows.jsonl"}],
        "difficulty": {"policy": {"base_url": "http://127.0.0.1:1/v1", "model": "m"}, "attempts": attempts},
        "balance": {"shares": {"right": {3: 1}}},
    }
    if fits:
        validated(BuildRecipe, recipe, where="recipe")
    else:
        with pytest.raises(
            InputError, match=r"balance.shares.right: expected at most difficulty.attempts \(2\), found 3"
        ):
            validated(BuildRecipe, recipe, where="recipe")
