"""ContextRL (arXiv 2602.22623) in one file: the whole algorithm as a plain torch loop, on the miniature.

    python examples/contextrl_in_one_file.py --steps 60

A tiny Qwen3-VL answers questions about pictures of handwritten digits. Its base policy takes 7 for 1 and 9 for 4,
so groups that need them are all-negative: GRPO learns nothing there, ContextRL recovers them with mistake reports.
The package gives the model, the task and the judge; the method is written out below, in the order of the paper.

Dimensions: N prompts a step, G samples of each (B = N * G sequences), P prompt tokens, C completion tokens,
V vocabulary.
"""

from __future__ import annotations

import argparse
import copy
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.nn.utils.rnn import pad_sequence
from transformers import Qwen3VLForConditionalGeneration

from contextrl.evaluation.generation import generate_greedy
from contextrl.judge.protocol import JudgeRequest
from contextrl.miniature import BASE_POLICY
from contextrl.miniature.steps_judge import StepsJudge
from contextrl.miniature.tasks import miniature_examples
from contextrl.policy.processor import ImageOnlyQwen3VLProcessor
from contextrl.policy.prompting import Prompting
from contextrl.policy.prompts import Prompts, build_prompts
from contextrl.records.example import Example

N, G = 8, 8  # prompts a step, samples of each
MAX_NEW_TOKENS = 40
LEARNING_RATE = 2e-4
LAMBDA = 0.5  # advantage scaling of mixed groups
EPSILON = 0.2  # clip range of the ratio
BETA = 0.01  # weight of the KL term

# The judge sees the full reference solution, not only the final answer: right answers with wrong steps are negative.
JUDGE = StepsJudge(context="solution", disclose="hint")
# What a response that does not stand on its own says.
NOT_STANDALONE = re.compile(r"\b(the|mistake) report\b|\bmy (previous|earlier|first) \w+|\byou are right\b", re.I)


@dataclass
class Sample:
    """One response. `off_policy`: sampled under the guiding context, trained under the original prompt."""

    ids: list[int]  # as sampled, end of turn included
    text: str
    truncated: bool
    off_policy: bool = False
    reward: float = 0.0


# --- sampling and judging -------------------------------------------------------------------------


@torch.no_grad()
def sample(model: Any, processor: Any, prompts: Prompts) -> list[Sample]:
    """One completion of each prompt at temperature 1, from the whole vocabulary."""
    tokenizer = processor.tokenizer
    inputs = prompts.padded(tokenizer.pad_token_id).tensors  # input_ids [B, P], left-padded, and the images
    # A placeholder in a response would ask for an image that is not there.
    placeholders = tokenizer.convert_tokens_to_ids(["<|image_pad|>", "<|video_pad|>"])
    everything = {"do_sample": True, "temperature": 1.0, "top_k": 0, "top_p": 1.0}
    output = model.generate(**inputs, **everything, max_new_tokens=MAX_NEW_TOKENS, suppress_tokens=placeholders)
    samples = []
    for row in output[:, inputs["input_ids"].shape[1] :].tolist():  # [B, C]
        truncated = tokenizer.eos_token_id not in row
        ids = row if truncated else row[: row.index(tokenizer.eos_token_id) + 1]
        samples.append(Sample(ids, tokenizer.decode(ids, skip_special_tokens=True), truncated))
    return samples


def judge(examples: Sequence[Example], samples: Sequence[Sample]) -> None:
    """Set rewards: 1 for a right answer by a right process, and never for text cut at the length limit."""
    verdicts = JUDGE.judge([JudgeRequest(e, s.text, "solution") for e, s in zip(examples, samples, strict=True)])
    for one, verdict in zip(samples, verdicts, strict=True):
        one.reward = float(verdict.status == "correct" and not one.truncated)


def mistake_reports(example: Example, negatives: Sequence[Sample]) -> list[str]:
    """Where each negative went wrong."""
    requests = [JudgeRequest(example, negative.text, "solution", wants_report=True) for negative in negatives]
    # A truncated response may be right as far as it goes; then there is no mistake to report.
    return [verdict.mistake_report or "Mistake: it does not end." for verdict in JUDGE.judge(requests)]


# --- two-stage sampling ---------------------------------------------------------------------------


def retry_ids(tokenizer: Any, prompt: list[int], attempt: list[int], report: str) -> list[int]:
    """Stage-2 prompt: `[user: image + question] [assistant: attempt] [user: report + ask to answer afresh]`.

    The attempt enters as the ids that were sampled: its text could be tokenised in another way.
    """
    follow_up = f"<|im_end|>\n<|im_start|>user\n{report} Answer the question afresh.<|im_end|>\n<|im_start|>assistant\n"
    attempt = attempt[:-1] if attempt[-1] == tokenizer.eos_token_id else attempt
    return [*prompt, *attempt, *tokenizer(follow_up)["input_ids"]]


def mix(negatives: Sequence[Sample], retries: Sequence[Sample]) -> list[Sample]:
    """Filter and rollback: what becomes of an all-negative group, given its retries.

    A retry is kept if it is correct and standalone; identical ones once. The mixed group has all negatives and all kept
    retries. Only the response moves: it is trained under the original prompt, without attempt and report. That is the
    rollback.
    """
    kept: dict[str, Sample] = {}
    for retry in retries:
        if retry.reward and not NOT_STANDALONE.search(retry.text):
            kept.setdefault(retry.text, retry)
    for retry in kept.values():
        retry.off_policy = True
    return [*negatives, *kept.values()]


@dataclass
class Rollout:
    """N groups, online ones of G samples and mixed ones of more, with their prompts; figures of stage 1."""

    prompts: Prompts
    groups: list[list[Sample]]
    figures: list[float]  # mean reward, share of all-negative groups, share of recovered groups


def roll_out(model: Any, processor: Any, examples: Sequence[Example]) -> Rollout:
    """Two-stage sampling of N examples."""
    prompts = build_prompts(processor, examples)
    # Stage 1: G responses to each original prompt, judged.
    repeated = [n for n in range(len(examples)) for _ in range(G)]
    flat = sample(model, processor, prompts.select(repeated))
    judge([examples[n] for n in repeated], flat)
    groups = [flat[start : start + G] for start in range(0, len(flat), G)]
    reward = sum(one.reward for one in flat) / len(flat)

    # Stage 2: only where the whole group is negative; one retry of each negative, given its mistake report.
    failed = [n for n, group in enumerate(groups) if not any(one.reward for one in group)]
    recovered = 0
    if failed:
        contexts = [
            retry_ids(processor.tokenizer, prompts.ids[n], negative.ids, report)
            for n in failed
            for negative, report in zip(groups[n], mistake_reports(examples[n], groups[n]), strict=True)
        ]
        origins = [n for n in failed for _ in range(G)]
        retries = sample(model, processor, prompts.select(origins).extended(contexts))
        judge([examples[n] for n in origins], retries)
        for place, n in enumerate(failed):
            groups[n] = mix(groups[n], retries[place * G : (place + 1) * G])
            recovered += any(one.off_policy for one in groups[n])
    return Rollout(prompts, groups, [reward, len(failed) / len(groups), recovered / len(groups)])


# --- objective ------------------------------------------------------------------------------------


def advantages(group: Sequence[Sample]) -> torch.Tensor:
    """[|g|] rewards relative to the group; in a mixed group lambda times that, for every member."""
    rewards = torch.tensor([member.reward for member in group])
    relative = (rewards - rewards.mean()) / (rewards.std() + 1e-4)  # sample deviation, n - 1; 0 without spread
    return relative * (LAMBDA if any(member.off_policy for member in group) else 1.0)


def logps(model: Any, inputs: dict[str, torch.Tensor], completions: torch.Tensor) -> torch.Tensor:
    """Log-probabilities [B, C] of completions [B, C] under the original prompts: nothing of stage 2 is left here."""
    width = completions.shape[1]
    # Padding after a completion cannot be seen by the tokens before it, so it may count as text.
    after = {"input_ids": completions, "attention_mask": torch.ones_like(completions)}
    after["mm_token_type_ids"] = torch.zeros_like(completions)
    joined = {name: torch.cat([inputs[name], tail], dim=1) for name, tail in after.items()}  # [B, P + C]
    images = {name: inputs[name] for name in ("pixel_values", "image_grid_thw")}
    logits = model(**joined, **images, logits_to_keep=width + 1).logits[:, :-1]  # [B, C, V]
    return logits.log_softmax(-1).gather(-1, completions.unsqueeze(-1)).squeeze(-1)  # type: ignore[no-any-return]


def loss_of(
    new: torch.Tensor,
    old: torch.Tensor,
    reference: torch.Tensor,
    advantage: torch.Tensor,
    mask: torch.Tensor,
    off_policy: torch.Tensor,
    weights: torch.Tensor,
) -> torch.Tensor:
    """Clipped policy loss plus selective KL. Log-probabilities and mask [B, C], all else [B]."""
    advantage = advantage.unsqueeze(1)  # [B, 1]
    ratio = torch.exp(new - old)
    policy = -torch.min(ratio * advantage, ratio.clamp(1 - EPSILON, 1 + EPSILON) * advantage)
    # Selective KL: k3 estimates KL(policy || reference) on samples of the policy only, and the reference does not
    # know what was recovered: pulling towards it would undo that.
    difference = reference - new
    k3 = torch.exp(difference) - difference - 1
    tokens = policy + BETA * torch.where(off_policy.unsqueeze(1), torch.zeros_like(k3), k3)  # [B, C]
    return ((tokens * mask).sum(1) / mask.sum(1) * weights).sum()


def rollout_loss(model: Any, reference: Any, processor: Any, rollout: Rollout) -> torch.Tensor:
    """Mean over each sequence's tokens, over each group's members, over groups."""
    rows = [member for group in rollout.groups for member in group]
    off_policy = torch.tensor([member.off_policy for member in rows])  # [B]
    advantage = torch.cat([advantages(group) for group in rollout.groups])
    weights = torch.tensor([1 / len(group) / len(rollout.groups) for group in rollout.groups for _ in group])

    pad = processor.tokenizer.pad_token_id
    completions = pad_sequence(
        [torch.tensor(member.ids) for member in rows], batch_first=True, padding_value=pad
    )  # [B, C]
    lengths = torch.tensor([len(member.ids) for member in rows])
    mask = torch.arange(completions.shape[1]) < lengths.unsqueeze(1)  # [B, C]
    originals = rollout.prompts.select([n for n, group in enumerate(rollout.groups) for _ in group])
    inputs = originals.padded(pad).tensors

    new = logps(model, inputs, completions)
    with torch.no_grad():
        ref = logps(reference, inputs, completions)
    # One update follows each rollout, so the old policy under the original prompt is the policy itself: ratio 1.
    return loss_of(new, new.detach(), ref, advantage, mask, off_policy, weights)


# --- the loop -------------------------------------------------------------------------------------


def evaluate(name: str, model: Any, processor: Any, examples: Sequence[Example]) -> None:
    """Print greedy accuracy: right answer; right answer by a right process."""
    responses = generate_greedy(model, Prompting(processor), examples, max_new_tokens=MAX_NEW_TOKENS)
    verdicts = JUDGE.judge([JudgeRequest(e, r.text, "solution") for e, r in zip(examples, responses, strict=True)])
    answer = sum(verdict.answer_correct is True for verdict in verdicts) / len(verdicts)
    process = sum(verdict.status == "correct" for verdict in verdicts) / len(verdicts)
    print(f"{name:<7} answer {answer:.3f}  process {process:.3f}  ({len(verdicts)} dev examples)", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="ContextRL on the miniature, in one file.")
    parser.add_argument("--steps", type=int, default=60, help="updates, each after one rollout of 8 x 8 responses")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--examples", type=int, default=300, help="dev examples for the evaluation before and after")
    parser.add_argument("--base", type=Path, help="folder of the base policy; by default the package's own")
    args = parser.parse_args()

    path = args.base or BASE_POLICY
    torch.manual_seed(args.seed)
    processor = ImageOnlyQwen3VLProcessor.load(path)
    model: Any = Qwen3VLForConditionalGeneration.from_pretrained(path, dtype=torch.float32)
    reference = copy.deepcopy(model).requires_grad_(False)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=0.0)
    train = miniature_examples("train", N * args.steps, seed=args.seed)
    dev = miniature_examples("dev", args.examples)

    evaluate("before", model, processor, dev)
    window: list[list[float]] = []
    for step in range(1, args.steps + 1):
        rollout = roll_out(model, processor, train[(step - 1) * N : step * N])
        loss = rollout_loss(model, reference, processor, rollout)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        window.append(rollout.figures)
        if step % 10 == 0 or step == args.steps:
            reward, all_negative, recovered = (sum(column) / len(window) for column in zip(*window, strict=True))
            print(
                f"step {step:3d}  reward {reward:.3f}  all-negative {all_negative:.3f}  recovered {recovered:.3f}",
                flush=True,
            )
            window.clear()
    evaluate("after", model, processor, dev)


if __name__ == "__main__":
    main()
