"""Settings of the steps that ask models: how often the policy is right, and reference solutions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from contextrl.judge.settings import JudgeConfig, ServerConfig
from contextrl.settings import INPUT_PATH, Section

#: How one of several right samples is chosen.
Choosing = Literal["listwise", "pairwise", "first"]
#: The most samples that a choice can tell apart: each has a letter, and some letters are kept free.
MOST_SAMPLES = 12


def by_answer(judge: Any) -> Any:
    """A judge's section that does not say what is seen of the reference; code of one's own says it itself."""
    return {"context": "answer", **judge} if isinstance(judge, dict) else judge


#: A judge that sees the answer where its section does not say what it sees.
AnswerJudge = Annotated[JudgeConfig, BeforeValidator(by_answer)]


class ResponseSampling(Section):
    """How responses are drawn."""

    temperature: float | None = Field(1.0, ge=0)
    """null sends none, for models that refuse it."""

    top_p: float | None = Field(None, gt=0, le=1)
    """Nucleus sampling; null leaves it to the server."""

    top_k: int | None = Field(None, ge=-1)
    """Only so many of the likeliest tokens; null leaves it to the server."""

    max_tokens: int = Field(16_384, gt=0)
    """Longest response; one that is cut there is judged as it is."""

    seed: int | None = 0
    """Each response has a seed of its own, made from this one, the build's and what it is a response to. null sends
    none, for servers that refuse it: then two builds differ."""


class ChoiceSampling(Section):
    """How the model that chooses a reference is asked."""

    temperature: float | None = Field(0.0, ge=0)
    """0 is greedy; null sends none, for models that refuse it."""

    max_tokens: int = Field(4_096, gt=0)
    """Longest reply; one that is cut before it has named its choice is unreadable."""


class DifficultySettings(Section):
    """How often the policy is right. What it nearly always solves teaches it nothing."""

    policy: ServerConfig
    """The model that is to be trained, behind one server or several. A `cache` lets responses be used again in other
    builds; within one, they are kept in any case."""

    judge: AnswerJudge = JudgeConfig(context="answer")
    """Who verifies its responses. What it sees is the answer unless `context` says `solution` or `documents`: most
    candidates have none, and one that has none is judged by its answer."""

    attempts: int = Field(4, ge=1, le=64)
    """Responses to each question."""

    drop: list[Annotated[int, Field(ge=0)]] | None = None
    """Numbers of right responses with which a question is left out, such as [0, 4]; null: those with all right."""

    max_unanswered: int = Field(0, ge=0)
    """A question may lack so many responses, because requests failed for good or no verdict could be read: it then
    counts by the others. One that lacks more is left out; what is lacking is never counted as wrong."""

    sampling: ResponseSampling = ResponseSampling()

    system_prompt: str = ""
    """Stands before the question, as `data.system_prompt` does in training; empty: none."""

    prompt: Annotated[Path | None, INPUT_PATH] = None
    """A text file that is asked, with `{{question}}` in it; null asks the question alone, as training does."""

    image_max_side: int | None = Field(None, gt=0)
    """Larger pictures are scaled down to this side, in pixels; null sends all as they are."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.max_unanswered >= self.attempts:
            raise ValueError("max_unanswered: expected less than attempts, or nobody would have tried")
        if self.drop is not None and any(number > self.attempts for number in self.drop):
            raise ValueError(f"drop: expected numbers up to attempts ({self.attempts})")
        check_draws(self.sampling, self.policy, self.attempts, "attempts")
        return self


class ReferenceSettings(Section):
    """Where reference solutions come from."""

    model: ServerConfig
    """The stronger model that answers, and that chooses among its right answers. As for `difficulty.policy.cache`, what
    it says is kept within a build without one."""

    judge: AnswerJudge = JudgeConfig(context="answer")
    """Who verifies its responses: by the answer, since no solution is trusted here, or by `documents` where a question
    has some. Besides, the final answer must be right by rule."""

    samples: int = Field(4, ge=1, le=MOST_SAMPLES)
    """Responses to each question."""

    choose: Choosing = "listwise"
    """Among several right ones: `listwise` shows all at once; `pairwise` each two in both orders, and the one with the
    most wins is taken; `first` takes the first and asks nothing."""

    trusted: list[str] | Literal["all", "none"] = "none"
    """Names of sources whose own solutions are kept, where they end with their answer; others are replaced."""

    sampling: ResponseSampling = ResponseSampling()

    choice: ChoiceSampling = ChoiceSampling()

    prompts: Annotated[Path | None, INPUT_PATH] = None
    """A folder whose files replace the shipped prompts of the same names (building/prompts)."""

    image_max_side: int | None = Field(None, gt=0)
    """Larger pictures are scaled down to this side, in pixels; null sends all as they are."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        check_draws(self.sampling, self.model, self.samples, "samples")
        if self.judge.context == "solution" and self.judge.kind in ("rules", "llm"):
            raise ValueError("judge.context: expected answer or none, found solution, which is what is being made")
        return self

    def trusts(self, source: str) -> bool:
        """Whether a source's own solutions are kept."""
        return self.trusted == "all" or source in ([] if isinstance(self.trusted, str) else self.trusted)


def check_draws(sampling: ResponseSampling, server: ServerConfig, number: int, name: str) -> None:
    """Refuse settings with which all responses to a question are one.

    Raises:
        ValueError: says what to change.
    """
    if number > 1 and sampling.temperature == 0:
        raise ValueError(f"sampling.temperature: at 0 all {number} {name} say the same: raise it, or set {name} to 1")
    if number > 1 and sampling.seed is None and server.cache:
        raise ValueError(
            f"sampling.seed: without one a cache gives all {number} {name} the same reply: set it, or no cache"
        )
