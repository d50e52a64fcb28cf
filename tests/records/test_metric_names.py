"""Names and meanings of metrics."""

from __future__ import annotations

import pytest

from contextrl.records import metrics
from contextrl.records.groups import GROUP_KINDS, REJECTIONS
from contextrl.records.metrics import METRICS, interval_of, unscored_of


def constants() -> list[str]:
    """The names behind every public constant of the module, one each, equal ones too."""
    found: list[str] = []
    for constant, value in vars(metrics).items():
        if constant.isupper() and not constant.startswith("_") and constant not in ("METRICS", "UNSCORED_PREFIX"):
            found += [value] if isinstance(value, str) else value.values() if isinstance(value, dict) else []
    return found


def test_names_are_unique() -> None:
    """`METRICS` has each name once by its nature: two constants of one name would hide in it."""
    assert sorted(constants()) == sorted(METRICS)


def test_every_kind_and_reason_has_a_metric() -> None:
    assert tuple(metrics.GROUP_OF) == GROUP_KINDS
    assert tuple(metrics.STAGE2_REJECTED) == REJECTIONS


def test_names_that_are_made_are_of_no_metric() -> None:
    assert not {interval_of(name) for name in METRICS} & METRICS.keys()
    assert unscored_of("timeout") == "judge/unscored_timeout"
    assert not [name for name in METRICS if name.startswith(metrics.UNSCORED_PREFIX)]


@pytest.mark.parametrize(("name", "meaning"), METRICS.items(), ids=list(METRICS))
def test_every_meaning_is_a_sentence(name: str, meaning: str) -> None:
    words = meaning.split()
    assert len(words) > 2
    assert words[0][0].isupper() or words[0] == "k3", "the estimator is called so"
    assert meaning.endswith(".")
    assert not meaning.endswith("..")
    assert meaning == " ".join(words)
