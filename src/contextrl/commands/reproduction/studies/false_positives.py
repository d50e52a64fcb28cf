"""False positives in SFT data (arXiv 2602.22623, table 3): real ones, which a run with an answer reward has sampled."""

from __future__ import annotations

from functools import partial

import pyarrow as pa
import pyarrow.parquet as pq

from contextrl.commands.reproduction.arms import BASE, DEV, Arm, Study, at
from contextrl.commands.reproduction.artifacts import Artifact, Work
from contextrl.commands.reproduction.training import train_command
from contextrl.miniature.classes import FAMILIARITIES
from contextrl.miniature.tasks import miniature_examples
from contextrl.studies import false_positives

_RUN, _ROWS = "answer-reward-run", "sampled-rows"
#: Of the run; of each set. 30 % of 500 are 150 different false positives; in 120 steps one seed of three sampled 119.
_STEPS, _SIZE = 240, 500
_SHARES = {f"sft-false-{percent}": percent / 100 for percent in (0, 10, 20, 30)}
_REFERENCES = "sft-false-0-references"
_OWN_VOICE = "sft-false-0-references-own"
#: Rows that the run draws from: `data.examples`.
_COUNT = 2000


def _run(work: Work) -> None:
    """GRPO with the answer reward, its steps audited. References are by another hand, as real ones are."""
    settings = ["data.voice=foreign", f"train.max_steps={work.steps or _STEPS}"]
    work.call(train_command(work.path, work.configs / "grpo.yaml", work.seed, settings))


def _rows(work: Work) -> None:
    """A file for each share, and the references of the questions of the one without false positives."""
    work.path.mkdir(parents=True)
    # What few steps have sampled is too little for so many.
    size = _SIZE if work.steps is None else min(_SIZE, 3 * work.steps)
    common = ["data", "from-run", str(work.artifact(_RUN))]
    chosen = ["--rows", str(size), "--seed", str(work.seed)]
    for name, share in _SHARES.items():
        work.call([*common, str(work.path / f"{name}.parquet"), *chosen, "--false-positives", str(share)])
    work.call([*common, str(work.path / f"{_REFERENCES}.parquet"), *chosen, "--references"])


def _own_voice(work: Work) -> None:
    """The same questions with references as the policy itself would write them."""
    work.path.mkdir(parents=True)
    rows = pq.read_table(work.artifact(_ROWS) / f"{_REFERENCES}.parquet")
    solutions = {example.id: example.solution for example in miniature_examples("train", _COUNT, seed=work.seed)}
    own = pa.array([solutions[example] for example in rows.column("example").to_pylist()])
    rows = rows.set_column(rows.column_names.index("solution"), "solution", own)
    pq.write_table(rows, work.path / f"{_OWN_VOICE}.parquet")


def _arm(name: str, label: str, rows: str = _ROWS) -> Arm:
    return Arm(name, label, "sft.yaml", (f"data.train={at(rows)}/{name}.parquet",), needs=(rows,))


STUDY = Study(
    name="false-positives",
    title="False positives in SFT data",
    claim="Table 3: with 0, 10, 20 and 30 % false positives among 50,000 rows sampled during training, We-Math strict "
    "is 63.05, 62.76, 61.33 and 61.29, MathVista 78.60, 78.30, 78.30 and 77.00; MME-RW-lite, MMStar and HRBench8K "
    "stay within 1.1 points. And the policy's own positives are better SFT data than the references. One run each.",
    arms=(
        BASE,
        *(_arm(name, f"SFT, own answers, {share:.0%} false positives") for name, share in _SHARES.items()),
        _arm(_REFERENCES, "SFT, references of the same questions"),
        _arm(_OWN_VOICE, "SFT, the same references in the policy's voice", _OWN_VOICE),
    ),
    sets=(DEV,),
    result=partial(
        false_positives.result,
        benchmark=DEV,
        classes=FAMILIARITIES,
        shares=_SHARES,
        references={
            _REFERENCES: "references of the same questions by another hand",
            _OWN_VOICE: "the same references in the policy's own voice",
        },
    ),
    quick=("base", "sft-false-0", "sft-false-30", _REFERENCES),
    artifacts=(
        Artifact(_RUN, 2, _run),
        Artifact(_ROWS, 2, _rows, needs=(_RUN,)),
        Artifact(_OWN_VOICE, 1, _own_voice, needs=(_ROWS,)),
    ),
    setup="Every set has 500 rows, of which 60 steps are two epochs. They were sampled by a run of 240 steps of GRPO "
    "with the answer reward, whose references are by another hand, and are right or false positives by its audit.",
    seeds=5,
)
