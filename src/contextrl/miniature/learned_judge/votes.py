"""What adaptive context gives and costs with a learned judge, on responses whose correctness is known."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Literal

from contextrl.judge.adaptive import AdaptiveJudge
from contextrl.judge.protocol import JudgeRequest
from contextrl.judge.settings import AdaptiveConfig
from contextrl.judge.wrapping import WrappingJudge
from contextrl.miniature.digits import Split
from contextrl.miniature.labelled import LabelledResponse, labelled_items
from contextrl.miniature.learned_judge.examination import LABELS, VERDICTS
from contextrl.miniature.learned_judge.judging import LearnedJudge
from contextrl.records.verdict import ReferenceContext, Usage, Verdict

First = Literal["none", "answer"]
#: Beside the vote counts: what is compared with them.
OTHERS = 4


class Remembering(WrappingJudge):
    """Asks once for each look at a response, and says again what that verdict was and what it cost."""

    def __init__(self, judge: LearnedJudge) -> None:
        super().__init__(judge)
        self._kept: dict[tuple[str, str, str, int], Verdict] = {}

    def stream(self, requests: Sequence[JudgeRequest]) -> Iterator[tuple[int, Verdict]]:
        """(index, verdict), in order."""
        keys = [(one.example.id, one.response, one.context, one.vote) for one in requests]
        new = {key: one for key, one in zip(keys, requests, strict=True) if key not in self._kept}
        self._kept |= zip(new, self.judge_.judge(list(new.values())), strict=True)
        yield from ((index, self._kept[key]) for index, key in enumerate(keys))


def measure(
    judge: LearnedJudge,
    split: Split,
    count: int,
    *,
    votes: Sequence[int],
    first: First,
    temperature: float,
    seed: int = 0,
    advance: Callable[[int], object] = lambda _: None,
) -> dict[str, Any]:
    """Verdicts and costs as JSON, a letter per response in the same order everywhere.

    `first` and `solution` are one verdict each with that context, greedy and drawn; `votes-N` shows the solution where
    N drawn votes without it part.

    Args:
        judge: with greedy replies.
        split: whose images.
        count: labelled responses; see `labelled_items`.
        votes: numbers of votes.
        first: what the judge sees in them.
        temperature: of what is drawn.
        seed: of the responses and of what is drawn.
        advance: told of every finished part: `OTHERS` and one for each number of votes.
    """
    items = labelled_items(split, count, seed=seed)
    drawn = Remembering(judge.sampling(temperature, seed))
    verdicts: dict[str, list[Verdict]] = {}
    for name, asked in (("greedy", Remembering(judge)), ("drawn", drawn)):
        contexts: dict[str, ReferenceContext] = {"first": first, "solution": "solution"}
        for said, context in contexts.items():
            requests = [replace(request, context=context) for request in _requests(items)]
            verdicts[f"{said}-{name}"] = asked.judge(requests)
            advance(1)
    for number in votes:
        adaptive = AdaptiveJudge(drawn, AdaptiveConfig(votes=number, first=first))
        verdicts[f"votes-{number}"] = adaptive.judge(_requests(items))
        advance(1)
    spent = {name: sum((one.usage for one in own), Usage()) for name, own in verdicts.items()}
    return {
        "split": split,
        "first": first,
        "temperature": temperature,
        "labels": "".join(LABELS[item.label] for item in items),
        "verdicts": {name: "".join(VERDICTS[one.status] for one in own) for name, own in verdicts.items()},
        "shown": {name: _shown(name, own) for name, own in verdicts.items()},
        "requests": {name: usage.calls + usage.cache_hits for name, usage in spent.items()},
        "tokens": {name: usage.tokens for name, usage in spent.items()},
    }


def _requests(items: Sequence[LabelledResponse]) -> list[JudgeRequest]:
    return [JudgeRequest(item.example, item.response, "solution") for item in items]


def _shown(name: str, verdicts: Sequence[Verdict]) -> str:
    """A 1 for each response that the judge was shown the solution for, else 0."""
    if not name.startswith("votes-"):
        return ("1" if name.startswith("solution") else "0") * len(verdicts)
    return "".join("1" if one.usage.escalated else "0" for one in verdicts)
