"""`contextrl data build CONFIG`: the steps of a recipe, what they ask of models, and the set that they leave."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from contextrl.building.balance import Balance
from contextrl.building.difficulty import Difficulty
from contextrl.building.duplicates import Duplicates
from contextrl.building.filters import Filter
from contextrl.building.importing import Import
from contextrl.building.pictures import PictureStore
from contextrl.building.pipeline import Context, Counts, Pipeline, Step
from contextrl.building.recipe import BuildRecipe
from contextrl.building.references import References
from contextrl.building.solved import Solved
from contextrl.building.writing import BuildRecord, write_set
from contextrl.commands.judges import judge_from_config
from contextrl.commands.settings_files import read_settings, with_numbers
from contextrl.console import progress_bar, status
from contextrl.judge.llm.completions import Completions, completions_of
from contextrl.judge.llm.naming import Naming
from contextrl.judge.protocol import Judge
from contextrl.judge.settings import JudgeConfig, ServerConfig
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
#: Folder of a build's own files, within the set's.
WORK = "build"


@dataclass(frozen=True)
class BuildOptions:
    """What the user typed.

    Attributes:
        config: the recipe.
        out: the set's folder.
        local: a folder of copies of the sources.
        limit: candidates of each source at most.
        overrides: `key=value`.
    """

    config: Path
    out: Path
    local: Path | None = None
    limit: int | None = None
    overrides: Sequence[str] = ()


@dataclass(frozen=True)
class Built:
    """A finished set: its steps and its manifest."""

    steps: Sequence[tuple[str, Counts]]
    manifest: dict[str, Any]


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


def build(options: BuildOptions, console: Console) -> Built:
    """Run a recipe, or go on with it where it was.

    Raises:
        InputError: before anything is read or asked: settings, sources, servers' keys.
        ServiceError: the hub or a server is gone, or a budget is spent; what is done stays, the same command goes on.
    """
    recipe = load_recipe(options.config, options.overrides)
    work = options.out / WORK
    with ExitStack() as stack:
        stack.enter_context(written_by_one(options.out, expected=_ALONE, fix="Wait for that build, or change --out"))
        steps = _steps(recipe, options, work, stack)
        with status(console, "Looking at sources and servers"):
            for step in steps:
                step.check()
        context = Context(recipe.seed, PictureStore(work / "pictures"))
        pipeline = Pipeline(work, steps, context)
        counts = pipeline.run(lambda step, given: _bar(step, given, context, console))
        named = [(step.name, one) for step, one in zip(steps, counts, strict=True)]
        record = BuildRecord(recipe.seed, _recorded(recipe), named, work)
        with status(console, "Writing the set"):
            manifest = write_set(options.out, pipeline.outcome, recipe.write, context.pictures, record)
    return Built(named, manifest)


def _steps(recipe: BuildRecipe, options: BuildOptions, work: Path, stack: ExitStack) -> list[Step]:
    """The steps in the order in which they run: what costs nothing comes before what asks models."""
    steps: list[Step] = [Import(recipe.sources, local=options.local, limit=options.limit)]
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
        yield replace(context, advance=advance)


def _recorded(recipe: BuildRecipe) -> dict[str, Any]:
    """The recipe as the manifest has it: without what is of one machine, and without secrets."""
    settings = without_marked(recipe.model_dump(mode="json"), BuildRecipe, OPERATIONAL)
    return dict(without_secrets(settings, prose=False))
