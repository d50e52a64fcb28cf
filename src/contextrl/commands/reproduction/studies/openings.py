"""What the paper left open: options of ours, each against ContextRL as it is."""

from __future__ import annotations

from functools import partial

from contextrl.commands.reproduction.arms import BASE, CONTEXTRL, DEV, WITHOUT_CAR, Study
from contextrl.commands.reproduction.arms import contextrl_with as changed
from contextrl.miniature.classes import FAMILIARITIES
from contextrl.studies import openings

_QUESTIONS = {
    changed("rounds-2", "two rounds of retries", "stage2.rounds=2"): "A second round of retries?",
    changed("rounds-3", "three rounds of retries", "stage2.rounds=3"): "A third round of retries?",
    changed(
        "layered-0.25", "a right answer by wrong steps is worth 0.25", "objective.answer_only_reward=0.25"
    ): "Layered rewards, 0.25 for a right answer by wrong steps?",
    changed(
        "layered-0.5", "a right answer by wrong steps is worth 0.5", "objective.answer_only_reward=0.5"
    ): "Layered rewards, 0.5 for a right answer by wrong steps?",
    changed(
        "budget", "stage 2 where it has paid of late", "stage2.budget.least_recovery=0.5"
    ): "Stage 2 under a budget?",
    changed(
        "after-divergence",
        "gradient only from where a retry leaves its attempt",
        "objective.rolled_back_tokens=after_divergence",
    ): "A gradient only on what follows the first difference?",
    changed(
        "after-wrong-step",
        "gradient only from the step on that the report names",
        "objective.rolled_back_tokens=after_wrong_step",
    ): "A gradient only from the first wrong step on?",
    changed("no-reference", "the judge sees no reference", "judge.context=none"): "No reference at all?",
    WITHOUT_CAR: "The answer alone?",
    changed(
        "documents-all", "the judge sees facts on every digit", "data.facts=all", "judge.context=documents"
    ): "Facts in place of a solution, on every digit?",
    changed(
        "documents-some", "the judge sees facts on some digits", "data.facts=some", "judge.context=documents"
    ): "Facts in place of a solution, on some digits?",
}

STUDY = Study(
    name="open",
    title="What the paper left open",
    claim="One round of retries for every all-negative group, rewards of 0 and 1, a whole solution for every verdict, "
    "gradients on whole retries: what else could be done is not said.",
    arms=(BASE, CONTEXTRL, *_QUESTIONS),
    sets=(DEV,),
    result=partial(
        openings.result,
        benchmark=DEV,
        classes=FAMILIARITIES,
        questions={arm.name: question for arm, question in _QUESTIONS.items()},
    ),
    quick=("base", "contextrl", "budget"),
    measured={arm.name: ("processor",) for arm in (CONTEXTRL, *_QUESTIONS)},
)
