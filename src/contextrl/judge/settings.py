"""The `judge` section of a run's YAML: who verifies, what it sees, how its server is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from contextrl.records.verdict import Disclosure, ReferenceContext, ReportTiming
from contextrl.settings import CODE_PATH, INPUT_PATH, OPERATIONAL, Mark, Section

#: Read in training only: `judge verify` and `judge bench` have options of their own for it.
TRAINING = Mark("training")
#: Read by a judge behind a server only.
SERVER = Mark("server")
#: Read by judges that write replies, behind a server or not.
WRITTEN = Mark("written")
#: `auto` asks for a JSON schema and falls back to free text for a server that refuses or ignores it.
Structured = Literal["auto", "json_schema", "json_object", "off"]


class ReportConfig(Section):
    disclose: Disclosure = "hint"
    """What a mistake report may say. `location` and `hint` state no correct fact, as the paper's; `correction` does,
    and `answer` all of it."""


class SamplingConfig(Section):
    temperature: float | None = Field(0.0, ge=0)
    """0 is greedy; several votes need more, or they all say the same. null sends none, for models that refuse it.
    `judge.kind: learned` reads this and `seed`, null is 0 there."""
    top_p: float | None = Field(None, gt=0, le=1)
    """Nucleus sampling; null leaves it to the server."""
    max_tokens: int = Field(2048, gt=0)
    """Longest reply; one cut at this length is asked for once more with twice the room."""
    seed: int | None = 0
    """Sent to the server; vote k adds k. null sends none, for servers that refuse it."""
    extra: dict[str, Any] = Field(default_factory=dict)
    """Further fields of the request's body, such as {chat_template_kwargs: {enable_thinking: false}}."""


class TimeoutConfig(Section):
    connect: float = Field(10.0, gt=0)
    """Seconds until a connection stands."""
    read: float = Field(180.0, gt=0)
    """Seconds without a byte."""
    total: float = Field(600.0, gt=0)
    """Seconds for one verdict, all of its retries included."""


class BudgetConfig(Section):
    calls: int | None = Field(None, gt=0)
    """Most requests in one command, repeated ones included; reaching it stops the run, resumable."""
    tokens: int | None = Field(None, gt=0)
    """Most prompt and completion tokens."""
    money: float | None = Field(None, gt=0)
    """Most cost, in the currency of `prices`."""


class PriceConfig(Section):
    prompt: float = Field(0.0, ge=0)
    """Per million prompt tokens."""
    completion: float = Field(0.0, ge=0)
    """Per million completion tokens."""


class PanelMember(Section):
    model: str
    """The model's name at its server."""
    base_url: Annotated[str | list[str] | None, OPERATIONAL] = None
    """Its server, if it is not the judge's."""

    @field_validator("base_url")
    @classmethod
    def _without_secrets(cls, value: str | list[str] | None) -> str | list[str] | None:
        return checked_urls(value)

    @property
    def base_urls(self) -> list[str]:
        """Its own servers, as a list."""
        return as_list(self.base_url)


class AdaptiveConfig(Section):
    votes: int = Field(3, gt=1)
    """How often the judge is asked at first; where all say the same, that is the verdict."""
    first: Literal["none", "answer"] = "answer"
    """What it sees of the reference then."""


class JudgingSettings(Section):
    """What training asks of a judge, whichever it is."""

    report: ReportConfig = ReportConfig()
    reports: ReportTiming = "lazy"
    """`lazy` asks for a report where one is needed, in a call of its own; `with_verdict` for both in one call, as the
    paper does: fewer calls, more tokens."""
    unreadable_attempts: Annotated[int | None, TRAINING] = Field(2, gt=0)
    """So many times a reply about one response may be unreadable; then, if most replies of the step can be read, the
    response counts as incorrect, or it could escape its penalty by what it makes the judge write. null: never."""
    max_unscored_share: Annotated[float, OPERATIONAL] = Field(0.5, gt=0, le=1)
    """A step with a larger share of unscored verdicts counts as failed."""
    max_failed_steps: Annotated[int, OPERATIONAL] = Field(3, gt=0)
    """So many failed steps in a row stop the run, resumable."""


class JudgeConfig(JudgingSettings):
    kind: str = "rules"
    """`rules`: the final answer only. `llm`: a model behind a server. `python`: code of your own. A plug-in's judge by
    its name."""
    path: Annotated[str | None, CODE_PATH] = None
    """python: `module:name` of a class with the method of `contextrl.Judge`, `my_rules:MyJudge` or `rules.py:MyJudge`,
    relative to the file that names it; its module is run. `context` must be what the class says. learned: the folder of
    the judge."""
    options: dict[str, Any] = Field(default_factory=dict)
    """python: what the class is called with."""
    context: ReferenceContext = "solution"
    """What the judge sees of the reference: none, answer, solution, or documents: the answer with the row's `documents`
    in place of a solution. `rules` sees the answer."""
    adaptive: AdaptiveConfig | None = None
    """Show the reference (`context`) only where the judge is unsure without it: it is asked several times with less,
    and with all of it where its votes part. `judge/escalated` says how often. By default it always sees it."""
    audit: Annotated[str | None, TRAINING] = None
    """A second judge that is recorded and never rewarded: llm, or a plug-in's."""

    base_url: Annotated[str | list[str] | None, OPERATIONAL] = None
    """llm: an OpenAI-compatible server (http://host:8000/v1), or several that serve the same model."""
    model: Annotated[str | None, SERVER] = None
    """llm: the model's name at the server."""
    api_key_env: Annotated[str, OPERATIONAL] = "OPENAI_API_KEY"
    """llm: the environment variable that holds the key; the key itself is never written anywhere."""
    panel: Annotated[list[PanelMember], SERVER] = Field(default_factory=list)
    """llm: further models that vote beside `model`, in turn."""
    votes: Annotated[int, SERVER] = Field(1, gt=0)
    """llm: verdicts per response, decided by majority; a tie is unscored."""
    structured: Annotated[Structured, SERVER] = "auto"
    """llm: how the verdict's form is enforced: auto, json_schema, json_object or off (free text)."""
    prompts: Annotated[Path | None, SERVER, INPUT_PATH] = None
    """llm: a folder whose files replace the shipped prompts of the same names (judge/llm/prompts)."""
    sampling: Annotated[SamplingConfig, WRITTEN] = SamplingConfig()
    timeouts: Annotated[TimeoutConfig, OPERATIONAL] = TimeoutConfig()
    max_retries: Annotated[int, OPERATIONAL] = Field(5, ge=0)
    """llm: repeats of a request after a failure that may pass (429, 5xx, time-outs, cut connections)."""
    max_concurrency: Annotated[int, OPERATIONAL] = Field(64, gt=0)
    """llm: most requests at once per server; fewer while a server is slow or refuses."""
    max_failures: Annotated[int, OPERATIONAL] = Field(20, gt=0)
    """llm: so many requests in a row that failed after all retries, or were refused with the same HTTP status, and the
    judge counts as gone: the run stops."""
    patience: Annotated[float, OPERATIONAL] = Field(60.0, gt=0)
    """llm: seconds for which no server can be reached until the judge counts as gone; shorter outages are sat out."""
    image_max_side: Annotated[int, SERVER] = Field(1536, gt=0)
    """llm: larger images are downscaled to this side, in pixels, before they are sent."""
    max_response_chars: Annotated[int, SERVER] = Field(32_000, gt=0)
    """llm: longer responses are cut in the middle, and can then be found incorrect but not correct."""
    budget: Annotated[BudgetConfig, OPERATIONAL] = BudgetConfig()
    prices: Annotated[PriceConfig, OPERATIONAL] = PriceConfig()
    cache: Annotated[bool | Path, OPERATIONAL] = True
    """llm: true keeps replies in the user's cache folder; a path keeps them there (a local disk); false keeps none."""
    gate: Annotated[bool, TRAINING] = True
    """llm, in training: a final answer that a rule is sure is wrong is negative without a call."""
    gate_audit_share: float = Field(0.02, ge=0, le=1)
    """Share of the gated responses that are judged all the same, to measure the gate's own error."""

    @field_validator("base_url")
    @classmethod
    def _without_secrets(cls, value: str | list[str] | None) -> str | list[str] | None:
        return checked_urls(value)

    @model_validator(mode="after")
    def _complete(self) -> JudgeConfig:
        if self.kind in ("python", "rules", "llm") and (self.kind == "python") != (self.path is not None):
            raise ValueError("`kind: python` and judge.path (module:name) belong together")
        if "llm" in (self.kind, self.audit):
            missing = [name for name in ("base_url", "model") if not getattr(self, name)]
            if missing:
                raise ValueError(f"`llm` needs judge.{' and judge.'.join(missing)}")
        if self.votes > 1 and not self.panel and self.sampling.temperature == 0:
            raise ValueError(
                "several votes at judge.sampling.temperature 0 all say the same: raise it, or name a panel"
            )
        self._check_adaptive()
        if self.budget.money is not None and not (self.prices.prompt or self.prices.completion):
            raise ValueError("judge.budget.money needs judge.prices (per million tokens)")
        return self

    @property
    def unread(self) -> tuple[Mark, ...]:
        """Marks of settings that this judge does not look at."""
        if self.kind == "llm":
            return ()
        return (SERVER,) if self.sampling.temperature else (SERVER, WRITTEN)

    def _check_adaptive(self) -> None:
        """Votes that could never part would only cost, and a context that is no larger would not help."""
        if self.adaptive is None:
            return
        if self.kind == "rules":
            raise ValueError("judge.adaptive: rules always say the same; it needs a judge that samples")
        if self.kind == "llm" and not self.panel and self.sampling.temperature == 0:
            raise ValueError(
                "judge.adaptive at judge.sampling.temperature 0: votes never part; raise it, or name a panel"
            )
        if self.context in ("none", self.adaptive.first):
            raise ValueError(
                f"judge.adaptive: expected a context that shows more than {self.adaptive.first}, found {self.context}"
            )

    @property
    def base_urls(self) -> list[str]:
        """The servers, as a list."""
        return as_list(self.base_url)


class ServerConfig(Section):
    """A model behind servers that answers questions: the policy of a benchmark, or the model that reads its answers."""

    base_url: Annotated[str | list[str], OPERATIONAL]
    """An OpenAI-compatible server (http://host:8000/v1), or several that serve the same model."""
    model: str
    """The model's name at the server."""
    api_key_env: Annotated[str, OPERATIONAL] = "OPENAI_API_KEY"
    """The environment variable that holds the key; the key itself is never written anywhere."""
    extra: dict[str, Any] = Field(default_factory=dict)
    """Further fields of the request's body, such as {chat_template_kwargs: {enable_thinking: false}}."""
    timeouts: Annotated[TimeoutConfig, OPERATIONAL] = TimeoutConfig(read=3600.0, total=7200.0)
    """A server sends nothing until a whole answer is there: 16,384 tokens at 10 a second are 27 minutes."""
    max_retries: Annotated[int, OPERATIONAL] = Field(5, ge=0)
    """Repeats of a request after a failure that may pass (429, 5xx, time-outs, cut connections)."""
    max_concurrency: Annotated[int, OPERATIONAL] = Field(64, gt=0)
    """Most requests at once per server; fewer while a server is slow or refuses."""
    max_failures: Annotated[int, OPERATIONAL] = Field(20, gt=0)
    """So many requests in a row that failed after all retries, or that were refused alike before any was answered, and
    the servers count as gone."""
    patience: Annotated[float, OPERATIONAL] = Field(60.0, gt=0)
    """Seconds for which no server can be reached until they count as gone; shorter outages are sat out."""
    budget: Annotated[BudgetConfig, OPERATIONAL] = BudgetConfig()
    prices: Annotated[PriceConfig, OPERATIONAL] = PriceConfig()
    cache: Annotated[bool | Path, OPERATIONAL] = False
    """True keeps replies in the user's cache folder; a path keeps them there (a local disk); false keeps none."""

    @field_validator("base_url")
    @classmethod
    def _without_secrets(cls, value: str | list[str]) -> str | list[str]:
        checked_urls(value)
        if not as_list(value):
            raise ValueError("expected an address, or several")
        return value

    @property
    def base_urls(self) -> list[str]:
        """The servers, as a list."""
        return as_list(self.base_url)


def as_list(urls: str | list[str] | None) -> list[str]:
    """One address or several."""
    return [urls] if isinstance(urls, str) else list(urls or ())


def checked_urls(value: str | list[str] | None) -> str | list[str] | None:
    """Refuse addresses that are none, and ones that would carry a password into configs and logs."""
    for url in as_list(value):
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("an address begins with http:// or https:// and names a host: http://host:port/v1")
        if parts.username or parts.password or parts.query:
            raise ValueError("an address must hold no secret: put the key into the variable that api_key_env names")
    return value
