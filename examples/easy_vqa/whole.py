"""From raw questions to a trained policy on two cores: does the paper's recipe for data pay?

    python examples/easy_vqa/whole.py [--out runs/easy-vqa] [--steps 100] [--seeds 3] [--judge rules] [--quick]

easy-VQA's questions have answers and no solutions. Two small policies are fitted to pictures that nothing else is taken
from: one is to be trained, the better one writes references. A small judge is fitted to others, and measured on a
fourth part. All three are served over HTTP. `contextrl data build` makes two sets: as the paper does (four tries of the
policy, all right is dropped, classes by number right are of one size), and without that. ContextRL is trained on both,
with as many rows and steps and with the judge's verdicts and reports, and held out pictures tell. What they tell is
counted by rule, from what the pictures are known to show.

What is done is not done again: a stopped run goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from fit import Recipe, fit_policy
from questions import Row, parts, rows
from teach import CONTEXTS, PROMPTS, JudgeRecipe, fit_judge, write_labelled

from contextrl import Judge
from judge import EasyJudge

HERE = Path(__file__).parent
JUDGE = "judge"
#: Sets by name: what of the recipe is changed for them.
ARMS: dict[str, Sequence[str]] = {
    "as the paper's": (),
    "unfiltered": ("difficulty=false", "balance.by=[]", "balance.exact=[]"),
}


@dataclass(frozen=True)
class Size:
    """How much of everything.

    Attributes:
        fitted: pictures that the two policies are fitted to.
        asked: pictures whose questions are candidates.
        questions: of each such picture at most.
        judged, examined: pictures that the judge is fitted to, and those that it is measured on.
        weak, strong, judge: optimizer steps of the two policies and of the judge.
        lessons, right: of a step of the judge, and how often they are about right responses.
        labelled: responses that the judge is measured by.
        taken: rows of each set.
        held_out: questions about other pictures.
        temperature: at which the policy is tried.
        batch: responses of a step of training, eight to a question.
    """

    fitted: int = 1500
    asked: int = 800
    questions: int = 2
    judged: int = 1000
    examined: int = 200
    weak: int = 250
    strong: int = 1800
    judge: int = 800
    lessons: int = 32
    right: int = 35
    labelled: int = 600
    taken: int = 300
    held_out: int = 300
    temperature: float = 1.0
    batch: int = 128


#: One policy is both; it gets yes-or-no questions right, as often as not. The judge finds nearly all right.
QUICK = Size(
    fitted=300,
    asked=8,
    questions=12,
    judged=100,
    examined=20,
    weak=60,
    strong=60,
    judge=120,
    lessons=12,
    right=400,
    labelled=20,
    taken=16,
    held_out=16,
    temperature=0.2,
    batch=64,
)


def main() -> None:
    """Run it, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/easy-vqa"))
    parser.add_argument("--steps", type=int, default=100, help="of training, of each arm and seed")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--judge", choices=("learned", "rules"), default="learned", help="who judges in all of it")
    parser.add_argument("--quick", action="store_true", help="a few of everything: that it works, not what it shows")
    arguments = parser.parse_args()
    size = QUICK if arguments.quick else Size()
    out: Path = arguments.out
    pictures = {name: getattr(size, name) for name in ("fitted", "asked", "judged", "examined")}
    all_rows = parts(rows("train"), pictures)
    write_candidates(all_rows["asked"], size.questions, out / "candidates.parquet")
    strong = "weak" if size.strong == size.weak else "strong"
    for name, steps in (("weak", size.weak), (strong, size.strong)):
        if not (out / name / "recipe.json").is_file():
            fit_policy(all_rows["fitted"], Recipe(steps), out / name)
    held_out = rows("test")[: size.held_out]
    with ExitStack() as stack:
        judge_url = stack.enter_context(the_judge(all_rows, size, out)) if arguments.judge == "learned" else None
        with served(out / "weak") as weak_url, served(out / strong) as strong_url:
            servers = {"difficulty.policy": weak_url, "references.model": strong_url}
            for number, changes in enumerate(ARMS.values()):
                changes = [*changes, f"references.model.model={strong}"]
                build(out, f"set-{number}", servers, judge_url, size, changes)
        for seed in range(arguments.seeds):
            for number, name in enumerate(ARMS):
                result = out / f"run-{number}-{seed}" / "results.json"
                if not result.is_file():
                    judge = EasyJudge() if judge_url is None else judge_at(judge_url)
                    run = Run(out / f"set-{number}", out / "weak", result.parent, seed, arguments.steps, size.batch)
                    train(run, judge, held_out)
                print(name, seed, json.dumps(accuracy(result)), flush=True)
    show(out, arguments.seeds)


@contextmanager
def the_judge(all_rows: Mapping[str, Sequence[Row]], size: Size, out: Path) -> Iterator[str]:
    """The judge, fitted and measured first if need be, behind a server."""
    if not (out / JUDGE / "recipe.json").is_file():
        fit_judge(all_rows["judged"], JudgeRecipe(size.judge, size.lessons, size.right), out / JUDGE)
    with served(out / JUDGE) as url:
        if not (out / "judge.json").is_file():
            labelled = out / "labelled.jsonl"
            write_labelled(all_rows["examined"], size.labelled, labelled)
            measure(url, labelled, out / "judge.json")
        yield url


def measure(url: str, labelled: Path, figures: Path) -> None:
    """How well the judge tells right from wrong, by the product's own command."""
    settings = [
        'judge.structured="off"',
        f"judge.prompts={PROMPTS}",
        "judge.cache=false",
        "judge.sampling.max_tokens=48",
    ]
    command = [sys.executable, "-m", "contextrl", "judge", "bench", "--data", str(labelled), "--allow-outside"]
    command += ["--contexts", ",".join(CONTEXTS), "--base-url", url, "--model", JUDGE, "--output", str(figures)]
    subprocess.run([*command, *(word for setting in settings for word in ("--set", setting))], check=True)


def judge_at(url: str) -> Judge:
    """The judge of training: what a run's `judge` section makes, with a rule before it for answers that are wrong."""
    from contextrl.judge.gate import GatedJudge
    from contextrl.judge.llm.building import llm_judge
    from contextrl.judge.settings import JudgeConfig, SamplingConfig

    sampling = SamplingConfig(max_tokens=48)
    named = {"kind": "llm", "base_url": url, "model": JUDGE, "prompts": PROMPTS, "structured": "off"}
    return GatedJudge(llm_judge(JudgeConfig.model_validate({**named, "sampling": sampling, "cache": False})))


def write_candidates(asked: Sequence[Row], most: int, path: Path) -> None:
    """The first questions of each picture, as anybody would have them: no solutions."""
    count: dict[int, int] = {}
    lines = []
    for row in asked:
        count[row.picture] = count.get(row.picture, 0) + 1
        if count[row.picture] <= most:
            picture = {"bytes": row.path.read_bytes(), "path": row.path.name}
            identity = f"{row.picture}-{count[row.picture]}"
            lines.append({"id": identity, "question": row.question, "answer": row.answer, "images": [picture]})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(lines), path)


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """A policy behind chat completions."""
    command = [
        sys.executable,
        "-m",
        "contextrl.miniature.policy_server",
        str(folder),
        "--name",
        folder.name,
        "--port",
        "0",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            line = server.stdout.readline()
            yield next(word.rstrip(",") for word in line.split() if word.startswith("http"))
        finally:
            server.terminate()


def build(
    out: Path, name: str, servers: Mapping[str, str], judge: str | None, size: Size, changes: Sequence[str]
) -> None:
    """One set; a build that is done says so and does nothing.

    Args:
        judge: address of the judge of both steps; None: rules judge by the answer alone.
    """
    settings = [
        f"sources.0.path={out.absolute() / 'candidates.parquet'}",
        f"balance.groups.0.rows={size.taken}",
        *changes,
    ]
    off = [change.removesuffix("=false") for change in changes if change.endswith("=false")]
    settings += [f"{key}.base_url={url}" for key, url in servers.items() if key.partition(".")[0] not in off]
    asked = [step for step in ("difficulty", "references") if step not in off]
    settings += [f"{step}.judge.{'kind=rules' if judge is None else f'base_url={judge}'}" for step in asked]
    if "difficulty" not in off:
        settings.append(f"difficulty.sampling.temperature={size.temperature}")
    settings.append(f"references.sampling.temperature={min(0.7, size.temperature)}")
    command = [sys.executable, "-m", "contextrl", "data", "build", str(HERE / "recipe.yaml"), "--out", str(out / name)]
    subprocess.run([*command, *(word for setting in settings for word in ("--set", setting))], check=True)


@dataclass(frozen=True)
class Run:
    """One run of training.

    Attributes:
        batch: responses of a step.
    """

    dataset: Path
    policy: Path
    out: Path
    seed: int
    steps: int
    batch: int


def train(run: Run, judge: Judge, held_out: Sequence[Row]) -> None:
    """ContextRL on a set, from the weak policy: the settings of configs/miniature, at a higher rate."""
    from contextrl import ContextRLConfig, ContextRLTrainer
    from contextrl.data.loading import load_examples

    evaluated = [
        {
            "id": str(number),
            "question": row.question,
            "images": [row.path],
            "solution": row.solution,
            "answer": row.answer,
            "task": "perception",
        }
        for number, row in enumerate(held_out)
    ]
    trainer = ContextRLTrainer(
        str(run.policy),
        judge,
        ContextRLConfig(
            max_steps=run.steps,
            seed=run.seed,
            num_generations=8,
            per_device_train_batch_size=run.batch,
            max_completion_length=40,
            learning_rate=2e-4,
            beta=0.01,
            use_cpu=True,
        ),
        load_examples(str(run.dataset)),
        eval_dataset=evaluated,
        eval_judge=EasyJudge(),
        run_dir=run.out,
        overwrite_run_dir=True,
    )
    trainer.train()


def accuracy(result: Path) -> dict[str, dict[str, float]]:
    """Held out: right answers, and right answers by a right process, before and after."""
    found = json.loads(result.read_text(encoding="utf-8"))
    names = ("answer_accuracy", "process_accuracy")
    return {when: {name: round(found[when][name], 3) for name in names} for when in ("before", "after")}


def show(out: Path, seeds: int) -> None:
    """A table of both arms."""
    table: dict[str, Any] = {}
    for number, name in enumerate(ARMS):
        found = [accuracy(out / f"run-{number}-{seed}" / "results.json") for seed in range(seeds)]
        for figure in ("answer_accuracy", "process_accuracy"):
            after = [one["after"][figure] for one in found]
            spread = statistics.stdev(after) if len(after) > 1 else 0.0
            table.setdefault(figure, {})[name] = f"{statistics.mean(after):.3f} (sd {spread:.3f})"
            table[figure]["before"] = f"{found[0]['before'][figure]:.3f}"
    (out / "comparison.json").write_text(json.dumps(table, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(table, indent=2))


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    main()
