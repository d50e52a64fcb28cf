"""What a judge found, and what finding it cost."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from operator import add, attrgetter
from typing import Any, Literal

#: How much of the reference the judge may see (paper section "context-augmented reward model"): nothing, the final
#: answer, the answer with the row's documents in place of a solution (ours), or the whole solution with its answer.
ReferenceContext = Literal["none", "answer", "documents", "solution"]
Status = Literal["correct", "incorrect", "unscored"]
#: What a mistake report may tell the policy, from least to most.
Disclosure = Literal["location", "hint", "correction", "answer"]
#: When the judge is asked for reports: where one is needed, in a call of its own, or in one call with the verdict.
ReportTiming = Literal["lazy", "with_verdict"]
#: Why a verdict is unscored; `Verdict.error` begins with it, so that failures can be counted by kind.
#: The service: timeout, connection, server_error, rate_limited, rejected (a 4xx for this request alone), malformed (a
#: body that is no completion), budget, gone. The reply: missing (no verdict in it), off_menu, contradictory, truncated
#: (at the length limit, twice), empty, null, refusal, wrong_language. The votes: tie. The request: too_long (the judge
#: saw only a part), unsupported (not a question that this judge knows).
UnscoredKind = Literal[
    "timeout",
    "connection",
    "server_error",
    "rate_limited",
    "rejected",
    "malformed",
    "budget",
    "gone",
    "missing",
    "off_menu",
    "contradictory",
    "truncated",
    "empty",
    "null",
    "refusal",
    "wrong_language",
    "tie",
    "too_long",
    "unsupported",
]


#: Of these, the ones that a response brings about by what it makes the judge write. A judge that refuses has judged
#: nothing, and a reply without content is the server's doing.
PROVOKED: frozenset[UnscoredKind] = frozenset(
    ("missing", "off_menu", "contradictory", "truncated", "empty", "wrong_language")
)

#: And the ones that are the service's doing: another time there may be a verdict.
UNSERVED: frozenset[UnscoredKind] = frozenset(
    ("timeout", "connection", "server_error", "rate_limited", "malformed", "budget", "gone", "null")
)


@dataclass(frozen=True)
class Usage:
    """What one or more verdicts cost.

    Attributes:
        calls: requests that reached a model (0 for rules).
        cache_hits: verdicts answered from the cache.
        tokens: prompt and completion tokens together.
        seconds: time spent waiting, summed over calls.
        retries: calls repeated after a failure.
        parse_failures: replies in which no verdict could be read.
        cost: what the calls cost, in the currency of the configured prices; 0 without prices.
        gated: responses that a rule found wrong without a call.
        gate_audited: responses that the gate would have stopped and that were judged all the same.
        gate_overruled: of these, the ones that the judge found correct: the gate's errors.
        unaided: responses about which a judge was asked without the whole reference first.
        escalated: of these, the ones that it was then shown for, because votes parted.
        prompt_tokens: of the tokens, those of the prompts.
        cached_tokens: of the prompts' tokens, those that the server had read before, where it tells.
    """

    calls: int = 0
    cache_hits: int = 0
    tokens: int = 0
    seconds: float = 0.0
    retries: int = 0
    parse_failures: int = 0
    cost: float = 0.0
    gated: int = 0
    gate_audited: int = 0
    gate_overruled: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    unaided: int = 0
    escalated: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(*map(add, _parts(self), _parts(other)))


#: All parts of a usage, in order.
_parts = attrgetter(*(part.name for part in fields(Usage)))


@dataclass(frozen=True)
class Verdict:
    """What a judge found.

    Attributes:
        status: `correct`, `incorrect`, or `unscored` where the judge failed. Unscored is never a zero reward.
        answer_correct: final answer right; None where nobody looked.
        process_correct: reasoning right; None where nobody looked.
        self_consistent: whether the reasoning arrives at the final answer and nothing in the text speaks of an earlier
            one (arXiv 2602.22623, A.2); where it is False the response is incorrect, and a retry not standalone. None
            where nobody looked.
        mistake_report: where and why the response went wrong; only if asked for, incorrect and self-consistent.
        standalone: for judges of your own that tell apart whether a retry stands alone; None otherwise.
        error: why the verdict is unscored, or came to count as incorrect: "kind: detail", the kind one of
            `UnscoredKind`.
        usage: what it cost.
        mistake_step: number of the first wrong step, counted from 1, where the judge names one beside the report;
            written only then.
    """

    status: Status
    answer_correct: bool | None = None
    process_correct: bool | None = None
    self_consistent: bool | None = None
    mistake_report: str | None = None
    standalone: bool | None = None
    error: str | None = None
    usage: Usage = field(default_factory=Usage)
    mistake_step: int | None = None

    def columns(self) -> dict[str, Any]:
        """Its fields by name, as they are written; `mistake_step` only where there is one."""
        written = asdict(self)
        if self.mistake_step is None:
            del written["mistake_step"]
        return written

    @property
    def false_positive(self) -> bool:
        """Right answer, wrong reasoning: negative in ContextRL."""
        return self.answer_correct is True and self.process_correct is False

    @property
    def error_kind(self) -> str | None:
        """What failures are counted by; None where a verdict could be read."""
        return None if self.error is None else self.error.partition(":")[0]


def unscored(kind: UnscoredKind, detail: str, usage: Usage | None = None) -> Verdict:
    """A verdict of a judge that failed."""
    return Verdict("unscored", error=f"{kind}: {detail}", usage=usage or Usage())
