"""References: where no trusted solution exists, the stronger model answers, and the best of its right answers is taken.

The paper samples with the judge model and lets it pick (arXiv 2602.22623, 4.1.1). Here a sample must also state the
answer so that our own rules read it, or training and `contextrl data validate` would refuse the row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from contextrl.building.asking import Asking, load_prompts, sampling_fields, without_thoughts
from contextrl.building.candidates import Candidate, Dropped
from contextrl.building.choosing import PROMPTS, Choice, Chooser, addresses_reader
from contextrl.building.kept import KeptFolder, digest_of
from contextrl.building.model_settings import ReferenceSettings
from contextrl.building.pipeline import Context, EachStep
from contextrl.building.step_files import failures
from contextrl.building.trials import Figures, Trial, Trials, judge_identity, spent
from contextrl.judge.llm.completions import Completions
from contextrl.judge.llm.neutralise import visible
from contextrl.judge.protocol import Judge, check_judge

#: Why a candidate is left out.
NONE_RIGHT, NONE_SAID = "no right solution", "no solution"
_ENDED = ("stop", "")


class References(EachStep):
    """The step: sets a candidate's `solution` and `reference`, and in `origin` how a sampled one came about.

    `reference_model`: who wrote it; `right_samples`: how many there were to choose from; `chosen_by`: see `Choice`.

    Args:
        model: the client of the stronger model's servers.
        judge: as `settings.judge` describes it.
        scratch: folder in which responses, verdicts and choices are kept as they come.

    Raises:
        InputError: a prompt's file is not as it must be.
    """

    name = "references"
    version = 2

    def __init__(self, settings: ReferenceSettings, model: Completions, judge: Judge, scratch: Path) -> None:
        self.settings, self.model, self.judge = settings, model, judge
        self._texts = load_prompts({"solve": {"question"}, **PROMPTS}, settings.prompts, "references.prompts")
        self._kept = KeptFolder(scratch)
        self._notes: Mapping[str, Any] = {}

    def identity(self) -> Mapping[str, Any]:
        asked = self.settings
        return {
            "model": {"model": asked.model.model, "extra": asked.model.extra},
            "judge": judge_identity(asked.judge),
            "prompts": digest_of(self._texts),
            **asked.model_dump(mode="json", exclude={"model", "judge", "prompts"}),
        }

    def check(self) -> None:
        """Ask model and judge whether they are there."""
        self.model.check()
        check_judge(self.judge)

    def each(self, candidates: Iterable[Candidate], context: Context) -> Iterator[Candidate | Dropped]:
        """See `EachStep`; a part's samples are asked for together, then its choices.

        Raises:
            ServiceError: model or judge is gone, or a budget is spent; what has been said is kept.
        """
        settings, part = self.settings, list(candidates)
        own = {one.id for one in part if settings.trusts(one.source) and ends_with_answer(one.solution, one)}
        wanted = [one for one in part if one.id not in own]
        figures, refused = Figures(), Counter[str]()
        asking = Asking(self.model, settings.model, context.pictures, settings.image_max_side)
        chooser = Chooser(asking, settings, self._texts, context)
        trials = Trials(asking, self._texts["solve"], self.judge, settings.judge, read=_solution)
        fields = [
            [sampling_fields(settings.sampling, context, self.name, one.id, n) for n in range(settings.samples)]
            for one in wanted
        ]
        solutions: list[tuple[Candidate, Mapping[int, str]]] = []
        lacking: dict[str, Dropped] = {}
        with self._kept.part(part) as kept:
            for candidate, samples in trials.of(wanted, fields, kept):
                figures.count(samples)
                solutions.append((candidate, right := _right(candidate, samples, refused)))
                figures.right[str(len(right))] += 1
                if not right:
                    lacking[candidate.id] = _without(candidate, samples)
                context.tell(f"{len(solutions)} of {len(wanted)} answered")
            choices = chooser.of(solutions, kept)
        chosen = {
            one.id: self._with(one, texts, choice)
            for (one, texts), choice in zip(solutions, choices, strict=True)
            if choice is not None
        }
        self._notes = self._figures(len(own), figures, refused, chooser, choices)
        for one in part:
            yield replace(one, reference="source") if one.id in own else chosen.get(one.id) or lacking[one.id]

    def _with(self, candidate: Candidate, texts: Mapping[int, str], choice: Choice) -> Candidate:
        how = {
            "reference_model": self.settings.model.model,
            "right_samples": len(texts),
            "chosen_by": choice.by,
        }
        origin = {**candidate.origin, **how}
        return replace(candidate, solution=texts[choice.number], reference="sampled", origin=origin)

    def _figures(
        self,
        own: int,
        figures: Figures,
        refused: Mapping[str, int],
        chooser: Chooser,
        choices: Sequence[Choice | None],
    ) -> Mapping[str, Any]:
        prices, made = self.settings.model.prices, chooser.figures
        return {
            "kept_from_source": own,
            "samples": {**figures.notes(prices), "refused": dict(sorted(refused.items()))},
            "choices": {
                "comparisons": made.comparisons,
                **spent(made.said, prices),
                "unreadable_choices": made.unreadable,
                "undecided_pairs": made.undecided,
                "chosen_by": dict(sorted(Counter(choice.by for choice in choices if choice is not None).items())),
            },
            **failures(figures.failed + made.failed),
        }

    def part_notes(self) -> Mapping[str, Any]:
        """Responses, tokens, cost, verdicts, candidates by right samples; comparisons and how references were chosen.

        `refused`: samples that the judge found right and that are no references all the same.
        """
        return self._notes


def ends_with_answer(solution: str, candidate: Candidate) -> bool:
    """Whether a solution states the candidate's answer, by rule and without doubt."""
    return bool(solution.strip()) and candidate.is_stated_in(solution)


def _solution(response: str) -> str:
    """A response as a reference: without a think block and what nobody sees."""
    return visible(without_thoughts(response)).strip()


def _right(candidate: Candidate, samples: Sequence[Trial], refused: Counter[str]) -> dict[int, str]:
    """Samples that may be references, by number."""
    right: dict[int, str] = {}
    for number, sample in enumerate(samples):
        if not sample.right:
            continue
        if sample.said.finish_reason not in _ENDED:
            refused["not finished"] += 1
        elif not ends_with_answer(sample.text, candidate):
            refused["answer not read or in doubt"] += 1
        elif addresses_reader(sample.text):
            refused["speaks to its reader"] += 1
        else:
            right[number] = sample.text
    return right


def _without(candidate: Candidate, samples: Sequence[Trial]) -> Dropped:
    """A candidate for which there is no reference."""
    said = [sample for sample in samples if sample.status is not None]
    if not said:
        return Dropped(candidate.id, NONE_SAID, " ".join(samples[0].error.split())[:200])
    right = sum(sample.right for sample in samples)
    unscored = sum(sample.status == "unscored" for sample in samples)
    detail = f"{len(said)} of {len(samples)} responses, {right} right by the judge, {unscored} without a verdict"
    return Dropped(candidate.id, NONE_RIGHT, detail)
