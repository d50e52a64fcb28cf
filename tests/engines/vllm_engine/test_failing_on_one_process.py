"""What one of several processes finds wrong ends the run on all of them, and is told once, with its numbers."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from two_processes import TORCHRUN

from contextrl.trainer.checkpoint_folders import complete_checkpoints

SCRIPT = Path(__file__).with_name("failing_on_one_process.py")


@pytest.fixture(scope="module")
def ended(tiny_policy: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """Runs of two processes, one kind of fault after the other; the last, of the judge, ends them."""
    folder = tmp_path_factory.mktemp("told")
    paths = [str(SCRIPT.parents[2] / "trainer"), *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(
        [*TORCHRUN, SCRIPT.name, str(tiny_policy), str(folder)],
        cwd=SCRIPT.parent,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    return folder, done


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("log-probabilities", r"does not sample from the policy that is trained: .* by 0\.5 nats per token.* at fault"),
        ("prompt", r"vLLM has read a prompt of \d+ tokens .*, the trainer scores one of \d+ "),
        ("judge", r"the judge stops: .* for 60 s\. The last checkpoint is .*checkpoint-\d.*--resume"),
        ("nothing", "^nothing$"),
    ],
)
def test_what_one_process_finds_is_told_by_both(
    kind: str, words: str, ended: tuple[Path, subprocess.CompletedProcess[str]]
) -> None:
    folder, done = ended
    told = [folder / f"{kind}-{rank}" for rank in range(2)]
    assert all(path.exists() for path in told), done.stderr[-3000:]
    first, second = (path.read_text(encoding="utf-8") for path in told)
    assert first == second
    assert re.search(words, first), first
    saved = complete_checkpoints(folder / kind)
    assert len(saved) == (kind in ("judge", "nothing")), "what was learned before is kept"


def test_one_of_them_says_it_and_both_end(ended: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    folder, done = ended
    assert done.returncode != 0
    assert done.stderr.count(f"error: {(folder / 'judge-0').read_text(encoding='utf-8')}") == 1, done.stderr[-3000:]
    assert done.stderr.count("error: ") == 1
