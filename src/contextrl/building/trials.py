"""Responses to candidates with their verdicts: asked for, judged while others are still coming, kept as they come."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from contextrl.building.asking import Ask, Asking, Said, cost_of, filled, question_parts
from contextrl.building.candidates import Candidate
from contextrl.building.desk import Desk, threads_for
from contextrl.building.kept import Kept, digest_of
from contextrl.building.pictures import PictureStore
from contextrl.errors import ServiceError
from contextrl.judge.llm.prompts import PromptSet
from contextrl.judge.protocol import Judge, JudgeRequest
from contextrl.judge.settings import JudgeConfig, PriceConfig
from contextrl.records.example import Example
from contextrl.records.verdict import UNSERVED, Status, Verdict
from contextrl.settings import OPERATIONAL, without_marked

#: A response's candidate, by its place in the part, and its number.
Place = tuple[int, int]


@dataclass(frozen=True)
class Trial:
    """One response.

    Attributes:
        said: the response; without its text where it is not right, which nobody reads any more.
        text: what was judged, where it is right.
        status: of its verdict; None where there was nothing to judge.
        error: why there is no verdict.
    """

    said: Said
    text: str = ""
    status: Status | None = None
    error: str = ""

    @property
    def scored(self) -> bool:
        """Whether it is known to be right or wrong."""
        return self.status in ("correct", "incorrect")

    @property
    def right(self) -> bool:
        return self.status == "correct"

    @property
    def failed(self) -> bool:
        """Whether a service is why it is not known to be right or wrong."""
        if self.status is None:
            return self.said.failed
        return self.status == "unscored" and self.error.partition(":")[0] in UNSERVED


class Trials:
    """Several responses to each candidate of a part.

    Args:
        template: the prompt's text, with `{{question}}`.
        judge: who verifies.
        config: of the judge.
        solved: whether the judge may see a candidate's solution, if it may see solutions.
        read: what of a response is judged.
    """

    def __init__(
        self,
        asking: Asking,
        template: str,
        judge: Judge,
        config: JudgeConfig,
        *,
        system: str = "",
        solved: bool = False,
        read: Callable[[str], str] = str,
    ) -> None:
        self.asking, self.template, self.system = asking, template, system
        self.judge, self.solved, self.read = judge, solved, read
        self.threads = threads_for(config)
        self._identity = judge_identity(config)

    def of(
        self, candidates: Sequence[Candidate], fields: Sequence[Sequence[Mapping[str, Any]]], kept: Kept
    ) -> Iterator[tuple[Candidate, list[Trial]]]:
        """Each candidate with its responses in order, as soon as it and all before it are done.

        Args:
            fields: of the requests, for each candidate and each of its responses.

        Raises:
            ServiceError: the model or the judge is gone, or a budget is spent; what is done is kept.
        """
        asks = self._asks(candidates, fields)
        part = _Part(candidates, [len(each) for each in fields])
        desk: Desk[str] = Desk(self.judge, self.threads, lambda digest, verdict: _settle(part, kept, digest, verdict))
        try:
            for place, said in self.asking.answers(asks, kept, lambda: not desk.failed):
                self._judged(part, desk, kept, place, said)
                yield from part.ready()
            for _ in desk.finish():
                yield from part.ready()
            yield from part.ready()
        except ServiceError:
            # What has been answered and paid for is judged, as far as the judge is there.
            for _ in desk.finish():
                pass
            raise
        finally:
            desk.stop()

    def _asks(
        self, candidates: Sequence[Candidate], fields: Sequence[Sequence[Mapping[str, Any]]]
    ) -> Iterator[Ask[Place]]:
        for index, (candidate, each) in enumerate(zip(candidates, fields, strict=True)):
            parts = filled(self.template, {"question": question_parts(candidate)})
            for number, sampling in enumerate(each):
                yield Ask((index, number), parts, candidate.images, sampling, self.system)

    def _judged(self, part: _Part, desk: Desk[str], kept: Kept, place: Place, said: Said) -> None:
        """Let a response be judged that has not been; one that says the same as another is judged with it."""
        if said.text is None:
            part.settle(place, Trial(said, error=said.error))
            return
        candidate = part.candidates[place[0]]
        request = self._request(candidate, self.read(said.text), self.asking.pictures)
        example = request.example
        seen = [candidate.id, example.question, example.answer, example.answer_type, example.solution]
        seen += [] if example.tolerance is None else [str(example.tolerance)]
        digest = digest_of(
            "verdict",
            self._identity,
            request.context,
            [*seen, list(example.documents)] if request.context == "documents" else seen,
            candidate.images,
            request.response,
        )
        if not part.judge(digest, place, replace(said, text=None), request.response):
            return
        if (record := kept.get(digest)) is not None:
            part.decide(digest, Verdict(record["status"]))
        else:
            desk.submit(digest, request)

    def _request(self, candidate: Candidate, response: str, pictures: PictureStore) -> JudgeRequest:
        """A judge that may see solution or documents sees the answer where there are none."""
        example = Example(
            candidate.id,
            candidate.question,
            candidate.solution if self.solved else "",
            candidate.answer,
            candidate.answer_type,
            candidate.task,
            tuple(pictures.path(name) for name in candidate.images),
            candidate.source,
            tolerance=candidate.tolerance,
            documents=candidate.documents,
        )
        context = self.judge.context
        lacks = {"solution": not example.solution.strip(), "documents": not example.documents}
        if lacks.get(context):
            context = "answer"
        return JudgeRequest(example, response, context)


def _settle(part: _Part, kept: Kept, digest: str, verdict: Verdict) -> None:
    """Keep a verdict; a response that could not be judged is judged again next time."""
    if verdict.status != "unscored":
        kept.put(digest, {"status": verdict.status})
    part.decide(digest, verdict)


class _Part:
    """Responses that are there, and the candidates that have all of theirs. Verdicts may come from any thread."""

    def __init__(self, candidates: Sequence[Candidate], counts: Sequence[int]) -> None:
        self.candidates = candidates
        self._trials: list[list[Trial | None]] = [[None] * count for count in counts]
        self._given = 0
        self._lock = threading.Lock()
        self._judged: dict[str, Verdict] = {}
        self._waiting: dict[str, tuple[str, list[tuple[Place, Said]]]] = {}

    def settle(self, place: Place, trial: Trial) -> None:
        self._trials[place[0]][place[1]] = trial

    def judge(self, digest: str, place: Place, said: Said, text: str) -> bool:
        """Let a response wait for the verdict of its digest; whether nobody has asked for it yet."""
        with self._lock:
            waiting = self._waiting.get(digest)
            if waiting is not None:
                waiting[1].append((place, said))
                return False
            verdict = self._judged.get(digest)
            if verdict is None:
                self._waiting[digest] = (text, [(place, said)])
                return True
        self.settle(place, _trial(said, text, verdict))
        return False

    def decide(self, digest: str, verdict: Verdict) -> None:
        """The verdict of all responses of a digest."""
        with self._lock:
            text, waiting = self._waiting.pop(digest)
            self._judged[digest] = verdict
        for place, said in waiting:
            self.settle(place, _trial(said, text, verdict))

    def ready(self) -> Iterator[tuple[Candidate, list[Trial]]]:
        """Candidates that have not been given, up to the first that lacks a response."""
        while self._given < len(self.candidates):
            trials = [trial for trial in self._trials[self._given] if trial is not None]
            if len(trials) < len(self._trials[self._given]):
                return
            self._trials[self._given] = []
            self._given += 1
            yield self.candidates[self._given - 1], trials


def _trial(said: Said, text: str, verdict: Verdict) -> Trial:
    return Trial(said, text if verdict.status == "correct" else "", verdict.status, verdict.error or "")


@dataclass
class Figures:
    """Figures of a part, for the step's notes.

    Attributes:
        right: candidates by number of right responses.
        verdicts: responses by status; `unanswered` where there is none.
        said: what the model said, without texts.
        failed: responses without a verdict, or that never came, for which a service is the cause.
    """

    right: Counter[str] = field(default_factory=Counter)
    verdicts: Counter[str] = field(default_factory=Counter)
    said: list[Said] = field(default_factory=list)
    failed: int = 0

    def count(self, trials: Sequence[Trial]) -> None:
        self.verdicts.update(trial.status or "unanswered" for trial in trials)
        self.failed += sum(trial.failed for trial in trials)
        self.said += [trial.said for trial in trials if trial.status is not None]

    def notes(self, prices: PriceConfig) -> dict[str, Any]:
        return {
            "responses": len(self.said),
            **spent(self.said, prices),
            "verdicts": dict(sorted(self.verdicts.items())),
            "right": dict(sorted(self.right.items())),
        }


def spent(said: Sequence[Said], prices: PriceConfig) -> dict[str, Any]:
    """Tokens and cost: the same whether a server was asked now or earlier."""
    return {
        "prompt_tokens": sum(one.prompt_tokens for one in said),
        "completion_tokens": sum(one.tokens for one in said),
        "cost": cost_of(said, prices),
    }


def judge_identity(config: JudgeConfig) -> dict[str, Any]:
    """What a verdict depends on besides the response: not how the judge is reached, nor where its prompts lie."""
    kept = without_marked(config.model_dump(mode="json"), JudgeConfig, OPERATIONAL, *config.unread)
    kept.pop("prompts", None)
    if config.path is not None:
        kept["path"] = _code_of(config.path)
    if config.kind == "llm":
        kept["prompts"] = digest_of(dict(PromptSet.load(config.prompts).texts))
    return kept


def _code_of(path: str) -> str:
    """A judge's code without the folder that it lies in here, and with what tells apart what it says."""
    module, _, name = path.rpartition(":")
    file = Path(module if module.endswith(".py") else f"{module}.py")
    if not file.is_file():
        return path
    return f"{file.name}:{name} {hashlib.sha256(file.read_bytes()).hexdigest()[:16]}"
