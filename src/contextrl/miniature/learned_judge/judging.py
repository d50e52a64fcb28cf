"""The learned judge as a judge: a checkpoint of `contextrl miniature judge`, asked in this process.

What it replies is read as a served model's reply is (`judge.llm.parsing`): what cannot be read is unscored.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from contextrl.data.images import open_image
from contextrl.errors import InputError
from contextrl.judge.disclosure import cut_to_location, leaks_answer
from contextrl.judge.llm.emptiness import says_nothing
from contextrl.judge.llm.judge import NOTHING_SAID
from contextrl.judge.llm.neutralise import neutralise
from contextrl.judge.llm.parsing import Reading, parse_reply, parse_report
from contextrl.judge.llm.prompts import PromptSet
from contextrl.judge.llm.verdicts import Vote, decide, rule_of
from contextrl.judge.protocol import JudgeRequest
from contextrl.miniature.learned_judge.lessons import CONTEXTS
from contextrl.miniature.learned_judge.training import PROMPTS
from contextrl.miniature.learned_judge.writing import ReplyWriter, Written
from contextrl.miniature.steps_judge import question_kind
from contextrl.policy.loading import load_policy
from contextrl.policy.processor import ImageOnlyQwen3VLProcessor
from contextrl.records.verdict import Disclosure, ReferenceContext, Usage, Verdict, unscored

#: Longer responses are cut in the middle; the longest that it was taught has about 120 characters.
MAX_RESPONSE_CHARS = 400
_MADE_BY = "Make one with contextrl miniature judge FOLDER"
_MADE_WITH_FACTS = f"{_MADE_BY} --facts"


class LearnedJudge:
    """Verdicts and mistake reports by a small model that was taught to judge.

    Args:
        writer: of its replies.
        context: how much of the reference it sees.
        disclose: how much its mistake reports may say.
        taught: what it has learned to judge with.
    """

    name = "learned"

    def __init__(
        self,
        writer: ReplyWriter,
        context: ReferenceContext = "solution",
        disclose: Disclosure = "hint",
        taught: Sequence[ReferenceContext] = CONTEXTS,
    ) -> None:
        self.writer = writer
        self.context: ReferenceContext = context
        self.disclose: Disclosure = disclose
        self.taught = tuple(taught)

    @classmethod
    def load(
        cls,
        folder: Path,
        context: ReferenceContext = "solution",
        disclose: Disclosure = "hint",
        *,
        where: str = "judge.path",
    ) -> LearnedJudge:
        """The judge of a folder.

        Args:
            where: the setting that names the folder, for the message.

        Raises:
            InputError: it holds none, or one that was not taught to read the context.
        """
        check_folder(folder, where=where)
        taught = tuple(_recipe(folder).get("contexts", CONTEXTS))
        if context not in taught:
            expected = f"{', '.join(taught[:-1])} or {taught[-1]}, as {folder} is taught"
            raise InputError(expected, found=context, where="judge.context", fix=_MADE_WITH_FACTS)
        model = load_policy(str(folder)).eval().requires_grad_(False)
        prompts = PromptSet.load(folder / PROMPTS, max_response_chars=MAX_RESPONSE_CHARS)
        return cls(ReplyWriter(model, ImageOnlyQwen3VLProcessor.load(folder), prompts), context, disclose, taught)

    def sampling(self, temperature: float, seed: int = 0) -> LearnedJudge:
        """The same judge with drawn replies, so that its votes can part; see `ReplyWriter`."""
        one = self.writer
        drawn = ReplyWriter(one.model, one.processor, one.prompts, batch=one.batch, temperature=temperature, seed=seed)
        return LearnedJudge(drawn, self.context, self.disclose, self.taught)

    def judge(self, requests: Sequence[JudgeRequest]) -> list[Verdict]:
        """One verdict per request, in order."""
        verdicts = dict(self.stream(requests))
        return [verdicts[index] for index in range(len(requests))]

    def stream(self, requests: Sequence[JudgeRequest]) -> Iterator[tuple[int, Verdict]]:
        """(index, verdict), batch by batch; mistake reports last."""
        asked, found = [], {}
        for index, request in enumerate(requests):
            verdict = _without_asking(request)
            if verdict is None:
                asked.append(index)
            else:
                found[index] = verdict
        waiting = {index for index, verdict in found.items() if _wants_report(requests[index], verdict)}
        yield from ((index, verdict) for index, verdict in found.items() if index not in waiting)
        for place, written in self.writer.stream([requests[index] for index in asked]):
            index = asked[place]
            found[index] = _verdict(requests[index], written, self.writer.prompts)
            if _wants_report(requests[index], found[index]):
                waiting.add(index)
            else:
                yield index, found[index]
        order = sorted(waiting)
        reports = self.writer.stream([requests[index] for index in order], "report", self.disclose)
        for place, written in reports:
            index = order[place]
            yield index, self._reported(requests[index], found[index], written)

    def _reported(self, request: JudgeRequest, verdict: Verdict, written: Written) -> Verdict:
        """With the mistake report, cut to the location where it says what it must not; without one if it is none."""
        reading = parse_report(written.text) if written.ended else Reading(failure="truncated")
        report = reading.report
        hides = self.disclose in ("location", "hint")
        if report is not None and hides and leaks_answer(report, request.example, request.response):
            report = cut_to_location(report, reading.step)
        step = None if report is None else reading.step
        usage = verdict.usage + _usage(written)
        return replace(verdict, mistake_report=report, mistake_step=step, usage=usage)


def check_folder(folder: Path, *, where: str) -> None:
    """Refuse a folder that holds no learned judge.

    Raises:
        InputError: says what is missing.
    """
    found = None
    if not folder.is_dir():
        found = f"no folder {str(folder)!r}"
    elif missing := [name for name in ("config.json", "recipe.json", PROMPTS) if not (folder / name).exists()]:
        found = f"{folder} without {', '.join(missing)}"
    elif "decision_weight" not in _recipe(folder):
        found = f"{folder}, which holds another model of the miniature"
    if found is not None:
        raise InputError("the folder of a learned judge", found=found, where=where, fix=_MADE_BY)


def _recipe(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "recipe.json").read_text(encoding="utf-8")))


def _without_asking(request: JudgeRequest) -> Verdict | None:
    """The verdict where there is one without a reply; None where the judge is to be asked."""
    example = request.example
    if request.known_verdict is not None:
        return replace(request.known_verdict, usage=Usage(), mistake_report=None)
    if says_nothing(request.response, example.answer, example.question):
        report = NOTHING_SAID if request.wants_report else None
        return Verdict("incorrect", answer_correct=False, process_correct=False, mistake_report=report)
    try:
        question_kind(example.question)
    except ValueError as error:
        return unscored("unsupported", str(error).replace("step judge", "learned judge"))
    if len(example.images) != 1:
        return unscored("unsupported", f"the learned judge looks at one picture, found {len(example.images)}")
    try:
        open_image(example.images[0])
    except InputError as error:
        return unscored("rejected", str(error))
    return None


def _wants_report(request: JudgeRequest, verdict: Verdict) -> bool:
    """What is not of one piece gets none (arXiv 2602.22623, A.2), and what says nothing has its own."""
    return (
        request.wants_report
        and verdict.status == "incorrect"
        and verdict.self_consistent is not False
        and verdict.mistake_report is None
    )


def _verdict(request: JudgeRequest, written: Written, prompts: PromptSet) -> Verdict:
    if written.ended:
        reading = parse_reply(written.text, response=request.response)
    else:
        reading = Reading(failure="truncated", detail="the reply does not end")
    usage = replace(_usage(written), parse_failures=int(reading.failure is not None))
    cut = neutralise(request.response, limit=prompts.max_response_chars).cut
    return replace(decide([Vote(reading, usage)], rule_of(request), cut=cut), mistake_report=None)


def _usage(written: Written) -> Usage:
    if not written.seconds:
        return Usage(cache_hits=1)
    tokens = written.prompt_tokens + len(written.pieces)
    return Usage(calls=1, tokens=tokens, prompt_tokens=written.prompt_tokens, seconds=written.seconds)
