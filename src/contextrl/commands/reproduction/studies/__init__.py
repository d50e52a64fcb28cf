"""The paper's studies, and those that it left open: a module each with a `STUDY`, listed in the page's order."""

from __future__ import annotations

from collections.abc import Sequence

from contextrl.commands.reproduction.arms import Arm, Study
from contextrl.commands.reproduction.studies import (
    ablations,
    adaptive,
    documents,
    false_positives,
    hacking,
    information_gain,
    judge_rewards,
    judges,
    long_horizon,
    methods,
    openings,
    rates,
    reachability,
    recipe,
    references,
)
from contextrl.errors import InputError, nearest_key

_MODULES = (
    methods,
    ablations,
    judges,
    judge_rewards,
    adaptive,
    documents,
    false_positives,
    information_gain,
    hacking,
    reachability,
    references,
    openings,
    long_horizon,
    recipe,
    rates,
)
STUDIES: dict[str, Study] = {module.STUDY.name: module.STUDY for module in _MODULES}


def chosen_studies(names: Sequence[str]) -> list[Study]:
    """The studies that were named, all where none was.

    Raises:
        InputError: there is no such study.
    """
    for name in names:
        if name not in STUDIES:
            raise InputError(" or ".join(STUDIES), found=f"{name!r}{nearest_key(name, STUDIES)}", where="STUDY")
    return [STUDIES[name] for name in names or STUDIES]


def arms_of(studies: Sequence[Study]) -> list[Arm]:
    """Arms of several studies, each once."""
    return list(dict.fromkeys(arm for study in studies for arm in study.arms))
