"""The guard's numbers: what is arithmetic, what is another prompt, another policy or a blank picture."""

from __future__ import annotations

import math

import pytest

from contextrl.engines.vllm.guard import MOST, Gap, gap_of


def test_a_gap_is_the_mean_difference_of_tokens() -> None:
    gap = gap_of([[-1.0, -2.0], [-3.0]], [[-1.1, -2.0], [-3.05]], [[-2.0, -4.0], [-9.0]], [True, False])
    assert gap.tokens == 3
    assert gap.engine == pytest.approx(0.05)
    assert gap.largest == pytest.approx(0.1)
    # Blank pictures: only the row that has one.
    assert gap.blank == pytest.approx((1.0 + 2.0) / 2)
    assert gap.pictures == pytest.approx((0.9 + 2.0) / 2)
    assert gap.problem is None


def test_rows_with_pictures_are_not_outweighed_by_the_others() -> None:
    text = [[-1.0] * 30]
    gap = gap_of([*text, [-1.0]], [*text, [-1.5]], [*text, [-3.0]], [False, True])
    assert gap.engine == pytest.approx(0.5)
    assert gap.problem is not None


def test_without_pictures_nothing_is_said_of_them() -> None:
    gap = gap_of([[-1.0]], [[-1.0]], [[-7.0]], [False])
    assert gap.engine == 0.0
    assert math.isnan(gap.blank)
    assert math.isnan(gap.pictures)
    assert gap.problem is None


@pytest.mark.parametrize(
    ("gap", "words"),
    [
        pytest.param(Gap(0.03, 0.4, 0.4, 0.2, 9), None, id="arithmetic"),
        pytest.param(Gap(MOST * 1.01, 3.0, 3.0, 4.0, 9), "by 0.101 nats", id="another-prompt"),
        pytest.param(Gap(math.nan, 0.4, 0.4, 0.2, 9), "by nan nats", id="not-a-number"),
        pytest.param(Gap(0.09, 0.01, 0.095, 0.2, 9), "a blank picture explains", id="blank"),
        pytest.param(Gap(0.01, 0.009, 0.0101, 0.2, 9), None, id="pictures-hardly-matter"),
        pytest.param(Gap(0.0, math.nan, math.nan, 0.0, 0), None, id="nothing-here"),
    ],
)
def test_what_stops_a_run(gap: Gap, words: str | None) -> None:
    assert (gap.problem is None) if words is None else words in str(gap.problem)
