"""Your own data, your own judge, LoRA: a first run from Python, cell by cell.

    python examples/own_data_and_judge.py

Pictures, questions with worked solutions, a policy and a judge are all it takes. Here the pictures are made on the spot
and the policy is the package's tiny Qwen3-VL, so that it runs on a laptop in a minute or two; put your own in their
places. It reads no 7 and no 9: about 44 % of the sums are right before, about 90 % after.
"""

# ruff: noqa: E402

# %% [markdown]
# ## 1. Data
# A row is a question, its pictures and a worked solution that ends with the answer. Ours: two handwritten digits.

# %%
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

FOLDER = Path(os.environ.get("FOLDER", "runs/own"))
STEPS = int(os.environ.get("STEPS", "30"))
(FOLDER / "pictures").mkdir(parents=True, exist_ok=True)
digits = load_digits()
numbers = np.random.default_rng(0)


def row(left: int, right: int) -> dict[str, Any]:
    """The picture of two digits side by side, and what is asked about it."""
    tiles = [Image.fromarray((digits.images[n] / 16 * 255).round().astype("uint8")) for n in (left, right)]
    picture = Image.new("RGB", (32, 16))
    for place, tile in enumerate(tiles):
        picture.paste(tile.resize((16, 16), Image.Resampling.BILINEAR).convert("RGB"), (16 * place, 0))
    path = FOLDER / "pictures" / f"{left}-{right}.png"
    picture.save(path)
    a, b = (int(digits.target[n]) for n in (left, right))
    return {
        "id": path.stem,
        "images": [path],
        "question": "What is the sum of the digits?",
        "solution": f"Digits: {a}, {b}. Sum: {a} + {b} = {a + b}. Answer: {a + b}",
        "answer": str(a + b),
        "answer_type": "number",
    }


train_rows = [row(*map(int, numbers.integers(0, 1200, 2))) for _ in range(400)]
held_out_rows = [row(*map(int, numbers.integers(1400, 1797, 2))) for _ in range(200)]

# %% [markdown]
# ## 2. A judge
# It sees the whole solution, so it can tell a right answer from one that was reached by misread digits. Its report says
# where the mistake is, never what the digit is: the policy has to find that itself. `judge` may be an `async def`.

# %%
import re

from contextrl import Judge, JudgeRequest, Verdict


class DigitsJudge(Judge):
    """Right only if the digits were read right and the sum is right."""

    name = "digits"
    context = "solution"  # or answer, or none

    def judge(self, requests: Sequence[JudgeRequest]) -> list[Verdict]:
        return [self.verdict(request) for request in requests]

    def verdict(self, request: JudgeRequest) -> Verdict:
        truth, read = (re.findall(r"\d", self.reading(t)) for t in (request.example.solution, request.response))
        right_answer = request.response.endswith(f"Answer: {request.example.answer}")
        if right_answer and read == truth:
            return Verdict("correct", answer_correct=True, process_correct=True)
        pairs = enumerate(zip(read, truth, strict=False), start=1)
        misread = [f"look at digit {n} again" for n, (said, shown) in pairs if said != shown]
        report = f"Mistake: {', '.join(misread) or 'the steps do not lead to the answer'}."
        return Verdict("incorrect", right_answer, process_correct=False, mistake_report=report)

    def reading(self, text: str) -> str:
        """What stands between `Digits:` and the next full stop."""
        return text.partition("Digits:")[2].partition(".")[0]


# %% [markdown]
# ## 3. A reward beside it
# Any function with TRL's signature. What is right stays the judge's; this one only asks for short answers.


# %%
def short(completion_ids: list[list[int]], **_: Any) -> list[float]:
    return [-len(ids) / 40 for ids in completion_ids]


# %% [markdown]
# ## 4. Train
# As TRL's trainers: callbacks, `peft_config`, `report_to`, `save_model` and the rest are the same. With `run_dir` the
# run is kept as `contextrl train` keeps one; `train(resume_from_checkpoint=True)` goes on after a kill.

# %%
from peft import LoraConfig

from contextrl import ContextRLConfig, ContextRLTrainer
from contextrl.miniature import BASE_POLICY

trainer = ContextRLTrainer(
    os.environ.get("MODEL", str(BASE_POLICY)),
    DigitsJudge(),
    ContextRLConfig(
        max_steps=STEPS,
        num_generations=8,
        per_device_train_batch_size=64,
        max_completion_length=40,
        learning_rate=2e-3,
        reward_weights=[0.1],
        eval_strategy="steps",
        eval_steps=10,
        use_cpu=True,
    ),
    train_rows,
    eval_dataset=held_out_rows,
    eval_judge=DigitsJudge(),
    reward_funcs=short,
    peft_config=LoraConfig(r=16, lora_alpha=32, target_modules=["q_proj", "k_proj", "v_proj", "o_proj", "up_proj"]),
    run_dir=FOLDER / "run",
    overwrite_run_dir=True,
)
trainer.train()

# %% [markdown]
# ## 5. What came of it
# The figures are greedy, on rows that nobody trained on; the page shows curves and every group with its reports.

# %%
from contextrl.commands.report import write_page

results = trainer.own_run.results or {}
for name in ("before", "after"):
    figures = results[name]
    print(
        f"{name:<7} right answer {figures['answer_accuracy']:.3f}, by a right process {figures['process_accuracy']:.3f}"
    )
print(f"all-negative groups {results['groups']['all_negative']}, recovered {results['groups']['recovered']}")
print("Report:", write_page([FOLDER / "run"]))
