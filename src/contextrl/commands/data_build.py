"""`contextrl data build CONFIG`: the steps of a recipe, what they ask of models, and the set that they leave."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from contextrl.building.balance import Balance
from contextrl.building.difficulty import Difficulty
from contextrl.building.duplicates import Duplicates
from contextrl.building.filters import Filter
from contextrl.building.importing import Import
from contextrl.building.pictures import PictureStore
from contextrl.building.pipeline import Context, Pipeline, Step, WholeStep
from contextrl.building.recipe import BuildRecipe
from contextrl.building.references import References
from contextrl.building.solved import Solved
from contextrl.building.step_files import FAILED
from contextrl.building.writing import MANIFEST, BuildRecord, write_set
from contextrl.commands.data_out import WORK, check_out
from contextrl.commands.input_paths import without_folders
from contextrl.commands.judges import judge_from_config
from contextrl.commands.settings_files import read_settings, with_numbers
from contextrl.console import progress_bar, status
from contextrl.integrations.datatrove_stages import ExecutorSettings, Stage, run_stages
from contextrl.judge.llm.completions import Completions, completions_of
from contextrl.judge.llm.naming import Naming
from contextrl.judge.protocol import Judge
from contextrl.judge.settings import JudgeConfig, ServerConfig
from contextrl.records.jsonl import read_object
from contextrl.records.secrets import without_secrets
from contextrl.records.writer import written_by_one
from contextrl.settings import OPERATIONAL, validated, without_marked

#: What each step's bar says.
_TITLES = {
    "import": "Reading sources",
    "filter": "Filtering by rule",
    "duplicates": "Looking for duplicates",
    "difficulty": "Trying the policy",
    "references": "Choosing references",
    "solved": "Keeping what has a solution",
    "balance": "Balancing",
}
_ALONE = "a folder that no other build is writing"


@dataclass(frozen=True)
class BuildOptions:
    """What the user typed.

    Attributes:
        config: the recipe.
        out: the set's folder.
        local: a folder of copies of the sources.
        limit: candidates of each source at most.
        overrides: `key=value`.
        executor: whose tasks do the work; None: this process.
    """

    config: Path
    out: Path
    local: Path | None = None
    limit: int | None = None
    overrides: Sequence[str] = ()
    executor: ExecutorSettings | None = None


def load_recipe(path: Path, overrides: Sequence[str] = ()) -> BuildRecipe:
    """A recipe's file.

    Raises:
        InputError: one line per problem.
    """
    raw = read_settings(path, BuildRecipe, overrides, instead=f"Name {path} as a source's `path` in a recipe")
    sections = ("filter", "duplicates", "write")
    # A section whose lines are all commented out is read as null and would be left out; `false` says so.
    raw = {key: {} if value is None and key in sections else with_numbers(value) for key, value in raw.items()}
    raw = {key: None if value is False else value for key, value in raw.items()}
    return validated(BuildRecipe, raw, where=str(path))


def build(options: BuildOptions, console: Console) -> dict[str, Any] | None:
    """Run a recipe, or go on with it where it was; on a cluster, hand it in.

    Returns:
        The manifest; None where others do the work.

    Raises:
        InputError: before anything is read or asked: settings, sources, servers' keys.
        ServiceError: the hub or a server is gone, or a budget is spent; what is done stays, the same command goes on.
    """
    check_out(options.out, load_recipe(options.config, options.overrides).sources)
    with written_by_one(options.out, expected=_ALONE, fix="Wait for that build, or change --out"):
        with opened(options) as work:
            with status(console, "Looking at sources and servers"):
                for step in work.pipeline.steps:
                    step.check()
            if options.executor is None:
                work.pipeline.run(lambda step, given: _bar(step, given, work.pipeline.context, console))
                with status(console, "Writing the set"):
                    return work.write()
            logs = options.out / WORK / "logs" / work.pipeline.identity[:16]
            stages = list(_stages(options, work.pipeline))
            if options.executor.kind != "slurm" and _has_failed(work.pipeline):
                # What is done once is passed over by them; no job of an earlier command is left here.
                shutil.rmtree(logs, ignore_errors=True)
        # Tasks have clients of their own.
        run_stages(stages, options.executor, logs)
        return read_object(options.out / MANIFEST) if options.executor.kind != "slurm" else None


@dataclass(frozen=True)
class Work:
    """A recipe with its steps, and where its set goes."""

    recipe: BuildRecipe
    pipeline: Pipeline
    out: Path

    def write(self) -> dict[str, Any]:
        """The set; returns its manifest."""
        steps = self.pipeline.steps
        counts = [self.pipeline.done(number) or self.pipeline.finish(number) for number in range(len(steps))]
        named = [(step.name, one) for step, one in zip(steps, counts, strict=True)]
        record = BuildRecord(self.recipe.seed, _recorded(self.recipe), named, self.pipeline.folder)
        pictures = self.pipeline.context.pictures
        return write_set(self.out, self.pipeline.outcome, self.recipe.write, pictures, record)


@contextmanager
def opened(options: BuildOptions) -> Iterator[Work]:
    """A recipe's steps with what they ask of servers, which is closed afterwards."""
    recipe = _limited(load_recipe(options.config, options.overrides), options.limit)
    folder = options.out / WORK
    with ExitStack() as stack:
        steps = _steps(recipe, options, folder, stack)
        context = Context(recipe.seed, PictureStore(folder / "pictures"))
        yield Work(recipe, Pipeline(folder, steps, context), options.out)


def _limited(recipe: BuildRecipe, limit: int | None) -> BuildRecipe:
    """With `--limit` in it, as the manifest is to say it."""
    if limit is None:
        return recipe
    sources = [one.model_copy(update={"limit": min(limit, one.limit or limit)}) for one in recipe.sources]
    return recipe.model_copy(update={"sources": sources})


def _stages(options: BuildOptions, pipeline: Pipeline) -> Iterator[Stage]:
    """The build as stages: before each step one task counts what the last has left."""
    for number, step in enumerate(pipeline.steps):
        yield Stage(f"before-{step.name}", partial(_begin, options, number), shared=False)
        yield Stage(step.name, partial(_share, options, number), shared=not isinstance(step, WholeStep))
    yield Stage("write", partial(_write, options), shared=False)


def _has_failed(pipeline: Pipeline) -> bool:
    """Whether requests to models failed in an earlier command, so that they are to be asked again."""
    done = (pipeline.done(number) for number in range(len(pipeline.steps)))
    return any(counts is not None and counts.notes.get(FAILED) for counts in done)


def _begin(options: BuildOptions, number: int, _rank: int, _tasks: int) -> None:
    with opened(options) as work:
        if number and work.pipeline.done(number - 1) is None:
            work.pipeline.finish(number - 1)
        work.pipeline.begin(number)


def _share(options: BuildOptions, number: int, rank: int, tasks: int) -> None:
    with opened(options) as work:
        if work.pipeline.done(number) is None:
            with _bar(work.pipeline.steps[number], None, work.pipeline.context, Console(stderr=True)) as context:
                work.pipeline.work(number, context, rank, tasks)


def _write(options: BuildOptions, _rank: int, _tasks: int) -> None:
    with opened(options) as work:
        work.write()


def _steps(recipe: BuildRecipe, options: BuildOptions, work: Path, stack: ExitStack) -> list[Step]:
    """The steps in the order in which they run: what costs nothing comes before what asks models."""
    steps: list[Step] = [
        Import(recipe.sources, local=options.local, decode=recipe.duplicates is None, seen=work / "seen-pictures")
    ]
    if recipe.filter is not None:
        steps.append(Filter(recipe.filter, {source.unit: source.ratings for source in recipe.sources}))
    if recipe.duplicates is not None:
        steps.append(Duplicates(recipe.duplicates, work / "fingerprints"))
    if (difficulty := recipe.difficulty) is not None:
        policy = _client(difficulty.policy, "difficulty.policy", stack)
        judge = _judge(difficulty.judge, "difficulty.judge", stack)
        steps.append(Difficulty(difficulty, policy, judge, work / "difficulty"))
    if (references := recipe.references) is not None:
        model = _client(references.model, "references.model", stack)
        judge = _judge(references.judge, "references.judge", stack)
        steps.append(References(references, model, judge, work / "references"))
    else:
        steps.append(Solved())
    if recipe.balance is not None:
        steps.append(Balance(recipe.balance))
    return steps


def _client(config: ServerConfig, section: str, stack: ExitStack) -> Completions:
    client = completions_of(config, Naming(section, section=section))
    stack.callback(client.close)
    return client


def _judge(config: JudgeConfig, section: str, stack: ExitStack) -> Judge:
    judge = judge_from_config(config, gate=config.gate, naming=Naming(section, section=section))
    close = getattr(judge, "close", None)
    if callable(close):
        stack.callback(close)
    return judge


@contextmanager
def _bar(step: Step, candidates: int | None, context: Context, console: Console) -> Iterator[Context]:
    """What a step is run in; one that is done already has no bar. How many a source gives nobody knows."""
    with progress_bar(console, _TITLES[step.name], candidates) as advance:
        yield replace(context, advance=advance, tell=lambda note: advance(0, note))


def _recorded(recipe: BuildRecipe) -> dict[str, Any]:
    """The recipe as the manifest has it: without what is of one machine, and without secrets."""
    settings = without_marked(recipe.model_dump(mode="json"), BuildRecipe, OPERATIONAL)
    return dict(without_secrets(without_folders(settings, BuildRecipe), prose=False))


def load_executor(path: Path) -> ExecutorSettings:
    """The settings of `--executor`."""
    return validated(ExecutorSettings, read_settings(path, ExecutorSettings), where=str(path))
