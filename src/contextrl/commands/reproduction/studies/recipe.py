"""The paper's recipe for data (4.1.1) against as many candidates as they come, both built as users build sets."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

from contextrl.commands.reproduction.arms import BASE, CONTEXTRL, DEV, Study, at, contextrl_with
from contextrl.commands.reproduction.artifacts import Artifact, Work
from contextrl.commands.reproduction.serving import served
from contextrl.miniature.classes import FAMILIARITIES
from contextrl.studies import recipe

_SETS, _WRITER = "built-sets", "reference-model"
_BUILT, _PLAIN = "balanced", "unfiltered"
#: One in twenty is right in just three of four tries, and classes are of one size: 4,000 give some 700 rows.
_CANDIDATES, _QUICK = 4000, 400


def _sets(work: Work) -> None:
    """Both sets, of one size: the base policy tries the questions, the larger model writes references."""
    work.path.mkdir(parents=True)
    questions = work.path / "questions.parquet"
    count = _CANDIDATES if work.steps is None else _QUICK
    work.call(["miniature", "questions", str(questions), "--count", str(count)])
    # What the larger model takes to be made is nothing for a look.
    writer = "miniature" if work.steps is not None else str(work.artifact(_WRITER))
    with served("miniature") as policy, served(writer) as references:
        common = [f"sources.0.path={questions}", f"references.model.base_url={references}"]
        built = [*common, f"difficulty.policy.base_url={policy}", "balance.by=[right]"]
        rows = _build(work, work.path / _BUILT, built)
        # Three candidates for a row: the writer has no right answer to some.
        limits = [f"sources.0.limit={min(count, 3 * rows)}", f"balance.groups=[{{name: all, rows: {rows}}}]"]
        _build(work, work.path / _PLAIN, [*common, *limits, "difficulty=false", "balance.by=[]", "balance.exact=[]"])


def _build(work: Work, out: Path, changes: list[str]) -> int:
    """One set; how many rows it has."""
    settings = [part for change in changes for part in ("--set", change)]
    work.call(["data", "build", str(work.configs.parent / "data" / "digits.yaml"), "--out", str(out), *settings])
    return int(json.loads((out / "manifest.json").read_text(encoding="utf-8"))["rows"])


STUDY = Study(
    name="recipe",
    title="The paper's recipe for data",
    claim="Of 250K candidates those that the policy solves in 4 of 4 tries are dropped, the judge model writes "
    "references, and classes by number right are balanced: 29K rows. Every row of its tables is trained on them; it "
    "compares with no other set.",
    arms=(
        BASE,
        contextrl_with("recipe-balanced", "the recipe's set", f"data.train={at(_SETS)}/{_BUILT}", needs=(_SETS,)),
        contextrl_with(
            "recipe-unfiltered", "as many candidates as they come", f"data.train={at(_SETS)}/{_PLAIN}", needs=(_SETS,)
        ),
        CONTEXTRL,
    ),
    sets=(DEV,),
    result=partial(
        recipe.result, benchmark=DEV, classes=FAMILIARITIES, built="recipe-balanced", plain="recipe-unfiltered"
    ),
    quick=("base", "recipe-balanced", "recipe-unfiltered"),
    artifacts=(Artifact(_SETS, 1, _sets, seeded=False, needs=(_WRITER,)),),
)
