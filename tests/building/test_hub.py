"""Whether the hub is there is asked once, and briefly."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

#: Imports nothing of the hub's before it asks.
ASK = "from contextrl.building.hub import settle_hub; settle_hub(); import os; print(os.environ.get('HF_HUB_OFFLINE'))"


def asked(endpoint: str, **more: str) -> tuple[str, float]:
    quiet = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "TRANSFORMERS_"))}
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", ASK],
        env=quiet | {"HF_ENDPOINT": endpoint} | more,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip(), time.monotonic() - started


def test_where_nobody_answers_the_hub_is_gone() -> None:
    said, seconds = asked("http://127.0.0.1:9")
    assert (said, seconds < 60) == ("1", True)
    assert asked("no address")[0] == "1"


def test_where_it_answers_or_was_settled_nothing_is_changed(tmp_path: Path) -> None:
    serve = [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", str(tmp_path)]
    server = subprocess.Popen(serve, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert server.stdout is not None
        port = server.stdout.readline().split(" port ")[1].split()[0]
        assert asked(f"http://127.0.0.1:{port}")[0] == "None"
    finally:
        server.kill()
        server.wait()
    assert asked("http://127.0.0.1:9", HF_HUB_OFFLINE="0")[0] == "0"


@pytest.mark.parametrize("name", ["dataset_infos.json", "config.json"])
def test_a_copy_as_the_hub_has_it_is_read_in_its_data_folder(tmp_path: Path, name: str) -> None:
    from contextrl.data.row_files import Source

    (tmp_path / "data").mkdir()
    (tmp_path / name).write_text('{"a": {"b": 1}}')
    (tmp_path / "meta.csv").write_text("x,y\n1,2\n")
    (tmp_path / "data" / "train-00000-of-00001.jsonl").write_text('{"question": "q"}\n')
    rows = list(Source(str(tmp_path)).rows())
    assert [row.columns for row in rows] == [{"question": "q"}]  # type: ignore[union-attr]
