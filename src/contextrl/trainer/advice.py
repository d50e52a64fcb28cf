"""What a run says, once each, when it goes on in a way that its user will regret."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from transformers import TrainerCallback

from contextrl.judge.rules import WRONG_ANSWER_REPORT
from contextrl.records import metrics as names
from contextrl.statistics.parting import LEAST, WINDOW, parting

logger = logging.getLogger("contextrl")

#: Steps in a row in which nothing could be learned.
PATIENCE = 10
#: Shares above which something is said.
TRUNCATED, UNSCORED, VAGUE = 0.5, 0.05, 0.5
#: TRL's name.
_TRUNCATED = "completions/clipped_ratio"


class Advice(TrainerCallback):
    """Warnings through the logger `contextrl`.

    Args:
        stage2: whether all-negative groups are tried again.
    """

    def __init__(self, *, stage2: bool) -> None:
        self.stage2 = stage2
        self.said: set[str] = set()
        self.barren = self.step = 0
        self.gaps: list[tuple[int, float]] = []
        self.checks: tuple[Callable[[Mapping[str, Any], Any], str | None], ...] = (
            self._barren,
            self._truncated,
            self._unscored,
            self._vague,
            self._parted,
        )

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any], **_: Any) -> None:  # noqa: ARG002
        if not state.is_world_process_zero or names.LOSS not in logs:
            return
        passed, self.step = state.global_step - self.step, state.global_step
        none_right = logs.get(names.GROUP_OF["all_negative"]) == 1.0 and not logs.get(names.GROUP_RECOVERED)
        self.barren = self.barren + passed if none_right else 0
        for check in self.checks:
            if check.__name__ not in self.said and (text := check(logs, args)) is not None:
                self.said.add(check.__name__)
                logger.warning("Step %d: %s", state.global_step, text)

    def _barren(self, logs: Mapping[str, Any], _: Any) -> str | None:  # noqa: ARG002
        if self.barren < PATIENCE:
            return None
        way_out = (
            "Stage 2 recovers none either: read some groups (contextrl report RUN --text). Easier rows, a stronger "
            "model.path, more train.num_generations or a judge whose reports name the mistake"
            if self.stage2
            else "method: contextrl tries such groups again with a mistake report; easier rows, a stronger model.path "
            "or more train.num_generations"
        )
        found = f"in {self.barren} steps in a row every sample of every group was wrong"
        return f"nothing can be learned: {found}. {way_out} help."

    def _truncated(self, logs: Mapping[str, Any], args: Any) -> str | None:
        if not (share := logs.get(_TRUNCATED)) or share <= TRUNCATED:
            return None
        return (
            f"{share:.0%} of the responses were cut at {args.max_completion_length} tokens, and none of these is ever "
            "right. Raise train.max_completion_length, or ask for shorter answers (data.system_prompt)."
        )

    def _unscored(self, logs: Mapping[str, Any], _: Any) -> str | None:
        if not (share := logs.get(names.JUDGE_UNSCORED)) or share <= UNSCORED:
            return None
        kinds = sorted(
            (
                name.removeprefix(names.UNSCORED_PREFIX)
                for name, value in logs.items()
                if name.startswith(names.UNSCORED_PREFIX) and value
            )
        )
        why = f" ({', '.join(kinds)})" if kinds else ""
        return (
            f"the judge left {share:.0%} of its verdicts unscored{why}; such responses teach nothing. See the judge's "
            "server and its log, judge.timeouts, judge.sampling.max_tokens and judge.unreadable_attempts."
        )

    def _vague(self, logs: Mapping[str, Any], _: Any) -> str | None:
        if not self.stage2 or not (share := logs.get(names.REPORT_VAGUE)) or share <= VAGUE:
            return None
        return (
            f'{share:.0%} of the mistake reports name no mistake (as "{WRONG_ANSWER_REPORT}" of judge.kind: rules): '
            "stage 2 needs a judge that sees the solution, such as judge.kind: llm with judge.context: solution."
        )

    def _parted(self, logs: Mapping[str, Any], _: Any) -> str | None:
        """Reward that grows away from what an audit finds: the policy has found a fault of its judge."""
        rewarded, audited = logs.get(names.ACCURACY_REWARDED), logs.get(names.ACCURACY_PROCESS)
        if rewarded is None or audited is None:
            return None
        self.gaps.append((self.step, rewarded - audited))
        # Not at every step: it goes over all of them.
        if len(self.gaps) % WINDOW or (apart := parting(self.gaps, least=2 * LEAST)) is None:
            return None
        return (
            f"since step {apart.step} the judge accepts more than judge.audit: {apart.after:.0%} of the samples more, "
            f"{apart.before:.0%} at the beginning. The policy may have found a fault of the judge: read what it "
            "accepts (contextrl report RUN, under Audit), change the judge, or stop."
        )
