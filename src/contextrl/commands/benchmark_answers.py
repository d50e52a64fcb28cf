"""Answers to a benchmark's questions: from servers, from a model in this process, or made elsewhere."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console
from rich.markup import escape

from contextrl.commands.benchmark_options import BenchmarkOptions
from contextrl.commands.judge_terminal import compact
from contextrl.console import progress_bar
from contextrl.errors import InputError
from contextrl.evaluation.answering.answer_file import AnswerFile, Identity, answer_all, read_answers
from contextrl.evaluation.answering.controls import Control, controlled
from contextrl.evaluation.answering.questions import Answer, Model, questions
from contextrl.evaluation.answering.server import ServerModel
from contextrl.evaluation.benchmarks.benchmark import Benchmark
from contextrl.evaluation.benchmarks.folder import ResultFolder
from contextrl.evaluation.benchmarks.items import Item, Response, Sampling
from contextrl.evaluation.benchmarks.rows import Items
from contextrl.evaluation.result_files.importing import ItemKeys, import_answers
from contextrl.judge.llm.completions import completions_of
from contextrl.judge.llm.naming import Naming

_SERVER = Naming("model server", {"judge.base_url": "--base-url", "judge.model": "MODEL", "judge": "server"})


@dataclass(frozen=True)
class Given:
    """A benchmark's answers.

    Attributes:
        responses: by question's id.
        missing: why a question has none, by its id.
        record: how they came about, for the results.
    """

    responses: Mapping[str, Response]
    missing: Mapping[str, str]
    record: Mapping[str, Any]


class Answers(Protocol):
    """Where answers come from."""

    def of(self, items: Items, asked: Sequence[Item], control: Control | None, console: Console) -> Given:
        """The answers to a benchmark's questions.

        Args:
            asked: the questions, without pictures.
            control: what is asked in their place; None asks them as they are.
        """
        ...


@contextmanager
def answers_by(options: BenchmarkOptions, local: Any) -> Iterator[Answers]:
    """What the options name; servers are asked whether they are there.

    Args:
        local: loads a model of this process (`LocalModel`), called where no server and no file is named.

    Raises:
        InputError: a control of answers that were made elsewhere.
        ServiceError: no server can be reached.
    """
    if options.predictions is not None:
        if options.controls:
            fix = "Leave --control out, or let a model answer"
            raise InputError("answers that a model gives", found="--predictions", where="--control", fix=fix)
        yield Elsewhere(options.predictions)
        return
    if options.server is None:
        yield Asked(options, local())
        return
    completions = completions_of(options.server, _SERVER)
    try:
        completions.check()
        yield Asked(options, ServerModel(completions, image_max_side=options.image_max_side))
    finally:
        completions.close()


@dataclass(frozen=True)
class Elsewhere:
    """Answers in a file of lmms-eval's, VLMEvalKit's or our own form."""

    path: Path

    def of(self, items: Items, asked: Sequence[Item], control: Control | None, console: Console) -> Given:
        assert control is None
        references = {item.id: str(item.columns["answer"]) for item in asked if "answer" in item.columns}
        keys = ItemKeys([item.id for item in asked], items.by_position, references=references)
        found = import_answers(self.path, keys)
        for line in found.remarks():
            console.print(escape(line), soft_wrap=True, highlight=False)
        missing = dict.fromkeys(found.missing, "no row in the file") | dict(found.failed)
        return Given(found.responses, missing, {"predictions": str(self.path), "form": found.form})


@dataclass(frozen=True)
class Asked:
    """Answers of a model, kept in the folder as they come."""

    options: BenchmarkOptions
    model: Model

    def of(self, items: Items, asked: Sequence[Item], control: Control | None, console: Console) -> Given:
        benchmark = items.benchmark
        path = ResultFolder(self.options.output).answers(benchmark.name, self.options.protocol, control)
        sampling = self._sampling(benchmark)
        identity = Identity(
            benchmark=benchmark.name,
            protocol=self.options.protocol,
            model=self._name(),
            sampling=sampling,
            data=items.origin,
            control=control,
            seed=self.options.seed if control else 0,
            image_max_side=self.options.image_max_side,
        )
        file = AnswerFile(path, identity)
        wanted = {item.id for item in asked}
        self._ask(file, items, wanted, control, console)
        answers = [answer for answer in read_answers(path) if answer.id in wanted]
        responses = {answer.id: response for answer in answers if (response := answer.as_response) is not None}
        missing = {answer.id: answer.error or "no answer" for answer in answers if answer.response is None}
        record: dict[str, Any] = {
            "sampling": {name: value for name, value in vars(sampling).items() if value is not None}
        }
        if isinstance(self.model, ServerModel) and (left_out := self.model.completions.left_out):
            record["left_out"] = list(left_out)
        return Given(responses, missing, record)

    def _ask(
        self, file: AnswerFile, items: Items, wanted: Collection[str], control: Control | None, console: Console
    ) -> None:
        """Ask what has no answer yet."""
        benchmark = items.benchmark
        title = f"Answering {benchmark.title}" + (f", {control}" if control else "")
        every = items.every()
        # Whose pictures a question gets depends on its neighbours, so a control sees all of them, asked or not.
        shown = every if control is None else controlled(every, control, benchmark, seed=self.options.seed)
        asked = questions((item for item in shown if item.id in wanted), benchmark, self.options.protocol)
        with file, progress_bar(console, title, len(wanted)) as advance:
            advance(min(file.answered, len(wanted)))
            rate = _Rate()
            for answer in answer_all(asked, self.model, file):
                advance(1, rate.note(answer))

    def _name(self) -> str:
        """The model's, with what tells its weights apart: a run that is trained again has other answers."""
        digest = getattr(self.model, "digest", "")
        return f"{self.options.target}@{digest}" if digest else self.options.target

    def _sampling(self, benchmark: Benchmark) -> Sampling:
        sampling = replace(benchmark.sampling(self.options.protocol), seed=self.options.seed)
        longest = self.options.max_new_tokens
        return sampling if longest is None else replace(sampling, max_tokens=longest)


class _Rate:
    """What a bar says beside its count."""

    def __init__(self) -> None:
        self.started, self.tokens, self.errors = time.monotonic(), 0, 0

    def note(self, answer: Answer) -> str:
        self.tokens += answer.tokens
        self.errors += answer.response is None
        seconds = max(time.monotonic() - self.started, 1e-9)
        parts = [f"{compact(round(self.tokens / seconds))} tokens/s"] if self.tokens else []
        return ", ".join([*parts, *([f"{self.errors} without an answer"] if self.errors else [])])
