"""Facts in place of a solution, shown to learned judges that were taught to read them."""

from __future__ import annotations

from contextrl.commands.reproduction.arms import Study
from contextrl.commands.reproduction.artifacts import Artifact, Work
from contextrl.commands.reproduction.studies.judges import arms_of, examined
from contextrl.studies import documents


def _teach(work: Work, size: str) -> None:
    work.call(["miniature", "judge", str(work.path), "--facts", "--size", size, "--seed", str(work.seed)])


FACTS_JUDGES = (
    Artifact("facts-judge-small", 1, lambda work: _teach(work, "small")),
    Artifact("facts-judge-large", 1, lambda work: _teach(work, "large")),
)
_ARMS = arms_of(FACTS_JUDGES)

STUDY = Study(
    name="documents",
    title="Facts in place of a solution",
    claim="The judge's context is a whole solution, which a person or a stronger model has to write (A.2). Whether "
    "facts that belong to the question do in its place is left open.",
    arms=_ARMS,
    sets=(),
    result=documents.result,
    # Two judges more to teach: `--quick` has those of the judge study.
    quick=(),
    measured={arm.name: (documents.EXAMINED,) for arm in _ARMS},
    probes={documents.EXAMINED: examined},
    artifacts=FACTS_JUDGES,
)
