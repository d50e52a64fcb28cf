"""All that can be known of a run before anything is paid: `train` stops at it, `check` shows it.

Everything is looked at, whatever else is wrong, so that one try finds all faults.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from typing import Any

import torch

from contextrl.commands.arguments import training_arguments
from contextrl.commands.chat_template import chat_template_kwargs
from contextrl.commands.config import RunConfig
from contextrl.commands.judges import audit_from_config, judge_from_config, rewards_from_config
from contextrl.commands.models import model_config, policy_folder
from contextrl.commands.sources import held_out_examples, run_examples, training_examples
from contextrl.data.problems import RowsError
from contextrl.errors import ContextRLError, InputError
from contextrl.judge.documents import check_documents
from contextrl.judge.protocol import Judge, JudgeRequest, check_judge, close_judge
from contextrl.plugins import JUDGES
from contextrl.policy.adapters import check_lora, lora_config, saved_lora
from contextrl.policy.loading import has_vision, load_processor
from contextrl.policy.processor import check_processor
from contextrl.policy.prompting import Prompting
from contextrl.policy.skeleton import in_dtype, skeleton, with_adapter
from contextrl.records.example import Example
from contextrl.records.verdict import Verdict
from contextrl.rollout.rewards import reward_functions
from contextrl.trainer.adapters import check_adapter
from contextrl.trainer.checks import FittingExamples, check_prompts, prompt_room
from contextrl.trainer.refusals import architecture, check_arguments
from contextrl.trainer.vllm_prompts import check_vllm_prompts
from contextrl.trainer.vllm_settings import check_vllm


class Problems:
    """Faults that were found, each kept so that the next is found too."""

    def __init__(self) -> None:
        self.found: list[ContextRLError] = []

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Keep what is raised on purpose within it; what is known is not told twice."""
        try:
            yield
        except ContextRLError as error:
            if str(error) not in map(str, self.found):
                self.found.append(error)

    def raise_them(self, *, rows_are_listed: bool = False) -> None:
        """Nothing if there are none; the one that there is; else one error with all of them.

        Args:
            rows_are_listed: the reader has seen the faults of rows already.

        Raises:
            ContextRLError: exit code 3 only where a service is all that is missing.
        """
        found = [_counted(error) if rows_are_listed else error for error in self.found]
        if not found:
            return
        if len(found) == 1:
            raise found[0]
        listing = "".join(f"\n- {error}" for error in found)
        error = ContextRLError(f"{len(found)} things keep this run from starting:{listing}")
        inputs = [error for error in found if isinstance(error, InputError)]
        error.exit_code = (inputs or found)[0].exit_code
        raise error


def _counted(error: ContextRLError) -> ContextRLError:
    """An error of rows without the rows."""
    if not isinstance(error, RowsError):
        return error
    count = len(error.problems)
    found = f"{count} problem{'s' * (count != 1)}, listed above by kind"
    return InputError(error.expected, found=found, where=error.where, fix=error.fix)


@dataclass
class Prepared:
    """What a run is built from; parts that could not be made are None or empty.

    Attributes:
        args: the trainer's.
        policy_path: the policy's folder or hub id; `policy`: its transformers configuration.
        skeleton: the policy's modules without memory for their weights, adapter included; None where it cannot be made.
        examples, eval_examples: rows, checked.
        judge_is_there: the judge can be asked.
        room, eval_room: most tokens of a prompt, of rows of both kinds.
    """

    config: RunConfig
    args: Any = None
    policy_path: str = ""
    policy: Any = None
    skeleton: Any = None
    prompting: Prompting | None = None
    examples: Sequence[Example] = ()
    eval_examples: Sequence[Example] = ()
    rewards: Sequence[Callable[..., Any]] = ()
    judge: Judge | None = None
    audit: Judge | None = None
    judge_is_there: bool = False
    room: int = 0
    eval_room: int = 0
    problems: Problems = field(default_factory=Problems)

    @property
    def vision(self) -> bool:
        """Whether the policy sees pictures; assumed where nothing is known of it."""
        return self.policy is None or has_vision(self.policy)

    def close(self) -> None:
        """Close what the judges have open."""
        close_judge(self.judge)
        close_judge(self.audit)


def prepare(config: RunConfig) -> Prepared:
    """Look at settings, policy, rows and judges; what is wrong is in `problems`."""
    ready = Prepared(config)
    problems = ready.problems
    with problems.kept():
        ready.args = training_arguments(config)
        check_arguments(ready.args)
    with problems.kept():
        check_lora(config.model.lora)
    with problems.kept():
        _read_policy(ready)
    _read_rows(ready)
    with problems.kept():
        _build_judges(ready)
    _check_lengths(ready)
    with problems.kept():
        if ready.prompting is not None:
            check_vllm_prompts(ready.args, ready.policy, ready.prompting, ready.examples)
    return ready


def _read_policy(ready: Prepared) -> None:
    """Configuration, processor and modules; the weights stay where they are."""
    model = ready.config.model
    ready.policy_path = policy_folder(model.path)
    ready.policy = model_config(ready.policy_path, trust_remote_code=model.trust_remote_code)
    processor = load_processor(
        ready.policy_path,
        ready.policy,
        model.max_pixels,
        model.min_pixels,
        trust_remote_code=model.trust_remote_code,
    )
    check_processor(processor)
    prompting = Prompting(processor, ready.config.data.system_prompt, chat_template_kwargs(ready.config))
    prompting.check()
    ready.prompting = prompting
    with ready.problems.kept():
        check_vllm(ready.args, ready.policy)
    bare = _skeleton(ready)
    adapter = None if bare is None else lora_config(model.lora, bare)
    if ready.args is not None:
        kind = architecture(ready.policy_path, ready.policy)
        check_adapter(ready.policy_path, kind, ready.policy, ready.args, adapter)
    adapter = adapter or saved_lora(ready.policy_path)
    if bare is not None and adapter is not None:
        bare = with_adapter(bare, adapter)
    ready.skeleton = bare


def _skeleton(ready: Prepared) -> Any:
    """The policy on no device: its parameters can be counted and its modules named.

    None where a model's code is not made for that: it is looked at when its weights are loaded.
    """
    kind = architecture(ready.policy_path, ready.policy)
    wanted = ready.config.model
    try:
        if kind is None:
            found = skeleton(ready.policy, trust_remote_code=wanted.trust_remote_code)
        else:
            with torch.device("meta"):
                found = kind(copy.deepcopy(ready.policy))
    except Exception:  # whatever that code raises
        return None
    return in_dtype(found, wanted.dtype)


def _read_rows(ready: Prepared) -> None:
    """Rows of both kinds; of rows that have faults the others are looked at further."""
    config, vision, problems = ready.config, ready.vision, ready.problems
    if config.data.holdout is not None:
        with problems.kept():
            try:
                ready.examples, ready.eval_examples = run_examples(config, vision=vision)
            except RowsError as error:
                ready.examples = error.usable
                raise
        return
    with problems.kept():
        try:
            ready.examples = training_examples(config, vision=vision)
        except RowsError as error:
            ready.examples = error.usable
            raise
    with problems.kept():
        ready.eval_examples = held_out_examples(config, vision=vision)


def _build_judges(ready: Prepared) -> None:
    """Judges that answer, and that know these questions: found now, not after steps of unscored verdicts."""
    config = ready.config
    if config.method == "sft":
        return
    # Rules cost nothing: only a judge that does gets the gate.
    gate = config.judge.gate and config.judge.kind == "llm"
    together = config.judge.reports == "with_verdict"
    # Code of the user's own first: what is wrong there is found before a server is asked.
    with ready.problems.kept():
        _read_rewards(ready)
    with ready.problems.kept():
        ready.judge = judge_from_config(config.judge, gate=gate, defer_reports=together)
    with ready.problems.kept():
        ready.audit = audit_from_config(config.judge)
    with ready.problems.kept():
        check_judge(ready.judge)
        ready.judge_is_there = ready.judge is not None
    with ready.problems.kept():
        check_judge(ready.audit)
    with ready.problems.kept():
        check_documents(config.judge.context, ready.examples)
    _check_questions(ready)


def _read_rewards(ready: Prepared) -> None:
    wanted = ready.config.rewards
    ready.rewards = rewards_from_config(wanted)
    weights = [reward.weight for reward in wanted] or None
    reward_functions(ready.rewards, weights, [column.name for column in fields(Example)])
    if ready.args is not None:
        ready.args.reward_weights = weights


def _check_questions(ready: Prepared) -> None:
    judge = ready.config.judge
    for where, name in (("judge.kind", judge.kind), ("judge.audit", judge.audit)):
        entry = JUDGES.get(name or "")
        problems = ((example, entry.knows(example)) for example in ready.examples) if entry else ()
        for example, problem in problems:
            if problem is not None:
                raise InputError(
                    f"questions that {name!r} knows",
                    found=problem,
                    where=f"{where}, row {example.id}",
                    fix=f"Set {where} to llm or none" if where == "judge.audit" else "Set judge.kind to rules",
                )


def _check_lengths(ready: Prepared) -> None:
    """Prompts leave room for the longest answers: those of training, or those of evaluations."""
    if ready.prompting is None:
        return
    config, longest = ready.config, ready.config.max_new_tokens
    of_training = longest if config.method == "sft" or ready.args is None else int(ready.args.max_completion_length)
    ready.room, ready.eval_room = (
        min(config.data.max_prompt_tokens, prompt_room(ready.policy, tokens)) for tokens in (of_training, longest)
    )
    with ready.problems.kept():
        check_prompts(ready.prompting, ready.examples, ready.room)
        ready.examples = FittingExamples(ready.examples)
    if ready.eval_examples:
        with ready.problems.kept():
            check_prompts(ready.prompting, ready.eval_examples, ready.eval_room)


def ask_judge(ready: Prepared) -> tuple[Example, Verdict] | None:
    """Let the judge verify the first row's own solution: one that cannot answer is found before training.

    Returns:
        The row and what the judge says of it; None where there is no judge or no row.

    Raises:
        InputError: it gives no verdict.
    """
    if ready.judge is None or not ready.judge_is_there or not ready.examples:
        return None
    example = ready.examples[0]
    (verdict,) = ready.judge.judge([JudgeRequest(example, example.solution, ready.judge.context)])
    if verdict.status == "unscored":
        raise InputError(
            "a judge that verifies a response",
            found=f"none for the solution of row {example.id}: {verdict.error}",
            where="judge",
            fix="See judge.model, judge.sampling.max_tokens, judge.timeouts and the server's log",
        )
    return example, verdict
