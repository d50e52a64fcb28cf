"""Difficulty: the policy tries each question a few times, and what it nearly always solves is left out.

The paper takes 4 responses, judged against the answer, and drops what has 4 of 4 right (arXiv 2602.22623, 4.1.1).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from contextrl.building.asking import Asking, load_prompts, read_prompt, sampling_fields
from contextrl.building.candidates import Candidate, Dropped
from contextrl.building.kept import KeptFolder, digest_of
from contextrl.building.model_settings import DifficultySettings
from contextrl.building.pipeline import Context, EachStep
from contextrl.building.step_files import failures
from contextrl.building.trials import Figures, Trial, Trials, judge_identity
from contextrl.judge.llm.completions import Completions
from contextrl.judge.protocol import Judge, check_judge

_PROMPT = {"attempt": {"question"}}


class Difficulty(EachStep):
    """The step: sets a candidate's `tried` and `right`.

    Args:
        policy: the client of its servers.
        judge: as `settings.judge` describes it.
        scratch: folder in which responses and verdicts are kept as they come.

    Raises:
        InputError: the prompt's file is not as it must be.
    """

    name = "difficulty"

    def __init__(self, settings: DifficultySettings, policy: Completions, judge: Judge, scratch: Path) -> None:
        self.settings, self.policy, self.judge = settings, policy, judge
        if settings.prompt is None:
            self._template = load_prompts(_PROMPT, None, "")["attempt"]
        else:
            self._template = read_prompt(settings.prompt, _PROMPT["attempt"], "difficulty.prompt")
        self._kept, self._figures = KeptFolder(scratch), Figures()

    def identity(self) -> Mapping[str, Any]:
        asked = self.settings
        return {
            "policy": {"model": asked.policy.model, "extra": asked.policy.extra},
            "judge": judge_identity(asked.judge),
            "prompt": digest_of(self._template, asked.system_prompt),
            **asked.model_dump(mode="json", exclude={"policy", "judge", "prompt", "system_prompt"}),
        }

    def check(self) -> None:
        """Ask policy and judge whether they are there."""
        self.policy.check()
        check_judge(self.judge)

    def each(self, candidates: Iterable[Candidate], context: Context) -> Iterator[Candidate | Dropped]:
        """See `EachStep`; responses to all candidates are asked for together.

        Raises:
            ServiceError: policy or judge is gone, or a budget is spent; what has been said is kept.
        """
        settings, part = self.settings, list(candidates)
        self._figures = Figures()
        asking = Asking(self.policy, settings.policy, context.pictures, settings.image_max_side)
        trials = Trials(asking, self._template, self.judge, settings.judge, system=settings.system_prompt, solved=True)
        fields = [
            [sampling_fields(settings.sampling, context, self.name, one.id, n) for n in range(settings.attempts)]
            for one in part
        ]
        with self._kept.part(part) as kept:
            for candidate, responses in trials.of(part, fields, kept):
                yield self._outcome(candidate, responses)

    def _outcome(self, candidate: Candidate, responses: Sequence[Trial]) -> Candidate | Dropped:
        self._figures.count(responses)
        scored = [trial for trial in responses if trial.scored]
        right, attempts = sum(trial.right for trial in scored), self.settings.attempts
        if len(scored) < attempts - self.settings.max_unanswered:
            return lacking(candidate, responses)
        self._figures.right[str(right)] += 1
        drop = (right,) if self.settings.drop is None and right == len(scored) else self.settings.drop or ()
        if right in drop:
            return Dropped(candidate.id, f"{right} of {len(scored)} right")
        return replace(candidate, tried=len(scored), right=right)

    def part_notes(self) -> Mapping[str, Any]:
        """Responses, tokens, cost, verdicts by status, candidates by number right."""
        return self._figures.notes(self.settings.policy.prices) | failures(self._figures.failed)


def lacking(candidate: Candidate, responses: Sequence[Trial]) -> Dropped:
    """A candidate with too few responses that are known to be right or wrong."""
    unanswered = [trial for trial in responses if trial.status is None]
    unscored = [trial for trial in responses if trial.status == "unscored"]
    number = len(responses)
    if unanswered:
        return Dropped(candidate.id, f"no {number} responses", _detail(number, unanswered, "responses"))
    return Dropped(candidate.id, f"no {number} verdicts", _detail(number, unscored, "verdicts"))


def _detail(number: int, without: Sequence[Trial], what: str) -> str:
    return f"{number - len(without)} of {number} {what}: {' '.join(without[0].error.split())[:200]}"
