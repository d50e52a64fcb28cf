"""The learning rate over the steps of a fit; what is fitted is tested where it is used."""

from __future__ import annotations

import math

import pytest

from contextrl.miniature.fitting import schedule


@pytest.mark.parametrize(
    ("step", "share"),
    [
        pytest.param(0, 1 / 50, id="first-step-of-the-warm-up"),
        # 25/50 of a cosine that has gone 24/400 of its way.
        pytest.param(24, 0.5 * 0.5 * (1 + math.cos(math.pi * 0.06)), id="half-warm"),
        # cos(pi/4) = 0.7071: (1 + 0.7071) / 2.
        pytest.param(100, 0.853553, id="quarter"),
        pytest.param(200, 0.5, id="half"),
        pytest.param(400, 0.0, id="end"),
    ],
)
def test_the_rate_warms_up_and_falls_to_nothing(step: int, share: float) -> None:
    assert schedule(step, 400) == pytest.approx(share, abs=1e-6)
