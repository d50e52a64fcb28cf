"""Names of the metrics of a run: written by the trainer, shown by report and terminal, sent to trackers.

A share is of the step's groups or stage-1 samples, before mixing. `METRICS` has what each says.
"""

from __future__ import annotations

from contextrl.records.groups import GROUP_KINDS, REJECTIONS, GroupKind, Rejection

#: Name to its meaning.
METRICS: dict[str, str] = {}


def _metric(name: str, meaning: str) -> str:
    METRICS[name] = meaning
    return name


# ---- samples and groups of stage 1 -----------------------------------------------------------------------------------

ACCURACY_ANSWER = _metric("accuracy/answer", "Share of stage-1 samples with a right answer.")
ACCURACY_PROCESS = _metric("accuracy/process", "Share of stage-1 samples with a right answer and a right process.")
ACCURACY_REWARDED = _metric(
    "accuracy/rewarded",
    "With judge.audit: share of stage-1 samples that the rewarded judge finds correct. Where it rises and "
    "`accuracy/process` does not, the reward is paid for something else.",
)

_KINDS: dict[GroupKind, str] = {
    "all_negative": "Share of groups without a right sample.",
    "solved": "Share of groups with right samples only.",
    "spread": "Share of groups with both kinds of samples.",
    "unscored": "Share of groups without any verdict.",
}
GROUP_OF = {kind: _metric(f"group/{kind}", _KINDS[kind]) for kind in GROUP_KINDS}
"""By kind; they add up to 1."""
GROUP_RECOVERED = _metric("group/recovered", "Share of groups that were all-negative and of which a retry was kept.")

# ---- stage 2 ---------------------------------------------------------------------------------------------------------

STAGE2_ATTEMPTS = _metric("stage2/attempts", "Retries; those kept and those rejected add up to them.")
STAGE2_LEFT = _metric("stage2/groups_left", "All-negative groups that were not retried, by `stage2.budget`.")
STAGE2_KEPT = _metric("stage2/kept", "Retries that were kept, and rolled back unless `stage2.rollback` is off.")
STAGE2_WITHOUT_REPORT = _metric("stage2/without_report", "Retries of attempts on which the judge wrote no report.")
_REJECTED: dict[Rejection, str] = {
    "incorrect": "Retries that the judge found incorrect.",
    "not_standalone": "Retries that speak of the report or the earlier attempt, or are not self-consistent.",
    "truncated": "Retries that the length limit ended.",
    "unscored": "Retries that the judge failed on.",
    "duplicate": "Retries whose text is that of one that was kept.",
    "over_cap": "Retries beyond the most that a group may keep.",
}
STAGE2_REJECTED = {reason: _metric(f"stage2/{reason}", _REJECTED[reason]) for reason in REJECTIONS}
"""By reason."""

# ---- judge -----------------------------------------------------------------------------------------------------------

JUDGE_FALSE_POSITIVE_RATE = _metric(
    "judge/false_positive_rate", "Of stage-1 samples with a right answer, the share with a wrong process."
)
JUDGE_UNSCORED = _metric("judge/unscored", "Share of verdicts that the judge could not give.")
_COSTS = {
    "calls": "Requests that reached a model.",
    "cache_hits": "Verdicts answered from the cache.",
    "tokens": "Prompt and completion tokens of the judge.",
    "prompt_tokens": "Of these, tokens of the prompts.",
    "cached_tokens": "Of the prompts' tokens, those that the server had read before, where it tells.",
    "seconds": "Waiting for the judge, all calls together.",
    "retries": "Calls repeated after a failure.",
    "parse_failures": "Replies in which no verdict could be read.",
    "cost": "What the calls cost, in the currency of judge.prices.",
    "gated": "Responses that a rule found wrong without a call.",
}
JUDGE_COST_OF = {part: _metric(f"judge/{part}", meaning) for part, meaning in _COSTS.items()}
"""By part of `Usage`."""
JUDGE_GATE_ERROR = _metric(
    "judge/gate_error", "Of gated responses that were judged all the same, the share that the judge found correct."
)
JUDGE_ESCALATED = _metric(
    "judge/escalated", "With judge.adaptive: share of responses for which the judge was shown the reference."
)
REPORT_LEAKED_ANSWER = _metric("report/leaked_answer", "Share of mistake reports that state the final answer.")
REPORT_VAGUE = _metric("report/vague", "Share of mistake reports that say that something is wrong and not what.")
JUDGE_UNREADABLE = _metric(
    "judge/unreadable", "Responses that count as incorrect because no reply of the judge about them could be read."
)
UNSCORED_PREFIX = "judge/unscored_"


def unscored_of(kind: str) -> str:
    """Verdicts that are unscored for one reason, a `records.verdict.UnscoredKind` or `unknown`; zero is not logged."""
    return f"{UNSCORED_PREFIX}{kind}"


def reward_of(name: str) -> str:
    """Mean of a reward function beside the judge, over the stage-1 samples of the trained groups that it applies to."""
    return f"rewards/{name}/mean"


# ---- what context brings to light (arXiv 2602.22623, A.1) ------------------------------------------------------------

KNOWLEDGE_RHO_FP = _metric(
    "knowledge/rho_fp", "Share of stage-1 samples that an answer-only check accepts and the judge rejects."
)
KNOWLEDGE_RHO_R = _metric("knowledge/rho_r", "Share of queries that stage 2 recovers.")
KNOWLEDGE_GAIN = _metric("knowledge/information_gain", "Sum of the two.")

# ---- optimisation ----------------------------------------------------------------------------------------------------

ADVANTAGE_ON_POLICY = _metric("advantage/on_policy_abs", "Mean size of the advantages of on-policy rows, scaled.")
ADVANTAGE_OFF_POLICY = _metric("advantage/off_policy_abs", "Mean size of the advantages of rolled-back rows, scaled.")
OFF_POLICY_SAMPLES = _metric("off_policy/sample_share", "Share of rolled-back responses in the trained groups.")
OFF_POLICY_TOKENS = _metric("off_policy/token_share", "Share of tokens of rolled-back responses in the trained groups.")
OFF_POLICY_UNALIGNED = _metric(
    "off_policy/unaligned",
    "With objective.rolled_back_tokens: after_wrong_step: share of rolled-back responses in the trained groups that "
    "are trained whole, because the report names no step or one that they do not have.",
)
KL = _metric("kl", "k3 estimate of KL(policy || reference) per token, in scope or not.")
KL_ON_POLICY = _metric("kl/on_policy", "The same on on-policy tokens.")
KL_OFF_POLICY = _metric("kl/off_policy", "The same on tokens of rolled-back responses.")
ENTROPY = _metric("entropy", "Of the policy's next token, in nats.")
CLIPPED_LOW = _metric("clip_ratio/low_mean", "Share of tokens whose ratio the lower clip holds.")
CLIPPED_HIGH = _metric("clip_ratio/high_mean", "Share of tokens whose ratio the upper clip holds.")
CLIPPED = _metric("clip_ratio/region_mean", "Share of tokens whose ratio a clip holds.")
SAMPLING_GAP = _metric(
    "sampling/sampling_logp_difference/mean",
    "With train.use_vllm: how far the log-probabilities of sampled tokens are from the trainer's, in nats.",
)
SAMPLING_RATIO = _metric(
    "sampling/importance_sampling_ratio/mean",
    "With train.use_vllm: mean factor that corrects for the engine, cut or masked as set.",
)
SHARED_PREFIX_USED = _metric("shared_prefix/used", "Share of scoring passes that read each prompt once.")
ENGINE_PREFIX_CACHE_HITS = _metric(
    "engine/prefix_cache_hits", "Share of the tokens of a rollout's prompts that the engine had read before."
)

# ---- TRL's and transformers' own -------------------------------------------------------------------------------------

LOSS = _metric("loss", "Loss of the optimizer step.")
REWARD = _metric("reward", "Mean reward of the stage-1 samples of the trained groups.")
REWARD_OF_VERDICT = _metric("rewards/judge_reward/mean", "Of these, what the verdicts alone give.")
REWARD_STD = _metric("reward_std", "Standard deviation of the same.")
GRADIENT_NORM = _metric("grad_norm", "Norm of the gradient before clipping.")
STEP_TIME = _metric("step_time", "Seconds of an optimizer step.")
TOKEN_ACCURACY = _metric(
    "mean_token_accuracy", "SFT: share of the references' tokens that the policy would write next."
)

# ---- time ------------------------------------------------------------------------------------------------------------

TIME_STAGE1 = _metric("time/stage1", "Seconds of sampling in stage 1.")
TIME_JUDGE = _metric(
    "time/judge",
    "Seconds of judging stage 1 in which nothing was sampled, before stage 2; judging beside sampling adds none. "
    "Reward functions included.",
)
TIME_STAGE2 = _metric("time/stage2", "Seconds of stage 2, judging of retries included.")
TIME_JUDGE_WAITING = _metric(
    "time/judge_waiting",
    "Seconds in which nothing could be sampled before the judge had answered: parts of `time/judge` and `time/stage2`.",
)
TIME_ENGINE_IDLE = _metric("time/engine_idle", "Seconds of rollouts in which nothing was sampled, for any reason.")
TIME_SCORE = _metric("time/score", "Seconds of the old and the reference pass.")
TIME_TRAIN_TOTAL = _metric("time/train_total", "Seconds of training so far.")
TIME_EVAL_TOTAL = _metric("time/eval_total", "Seconds of evaluation so far.")

# ---- held-out evaluation ---------------------------------------------------------------------------------------------

EVAL_ANSWER_ACCURACY = _metric("eval/answer_accuracy", "Greedy, held-out: share of right answers.")
EVAL_PROCESS_ACCURACY = _metric("eval/process_accuracy", "Greedy, held-out: share of right answers by a right process.")
EVAL_BY_SOURCE = _metric("eval/by_source", "The same by the rows' source: n, answer_accuracy and process_accuracy.")
EVAL_N = _metric("eval/n", "Held-out items that the figures are over.")


def interval_of(metric: str) -> str:
    """The 95 % interval of an evaluation's metric, `[low, high]`."""
    return f"{metric}_ci95"
