"""The process that compares expressions: its time limit, and what it survives."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from answer_pairs import CHOICE, NUMBER, TEXT, YES_NO

from contextrl.answers import answers_equal, check_answer, process, workers
from contextrl.answers.process import WorkerBusy, WorkerPool, WorkerUnavailable
from contextrl.records.example import AnswerType

#: Takes far longer than any limit here: a sum of a million terms with powers.
ENDLESS = "\\sum_{n=1}^{999999} \\frac{n^{2001}}{n^{3}+1}"
#: Quantities in two units, and numbers that are expressions.
NEED_A_WORKER = {
    ("1.5 hours", "90 minutes"),
    ("12 m", "12 cm"),
    ("5 mW", "5 MW"),
    ("16 cm", "16 cm^2"),
    ("10 m", "1000 cm"),
    ("10 m", "10 km"),
    ("3x^2", "3"),
}
FAKE_WORKER = """
import json, os, sys, time
print(json.dumps({"ready": True}), flush=True)
for line in sys.stdin:
    request = json.loads(line)
    if request["do"] == "sleep":
        time.sleep(600)
    if request["do"] == "die":
        os._exit(3)
    if request["do"] == "die once" and not os.path.exists(request["mark"]):
        open(request["mark"], "w").close()
        os._exit(3)
    if request["do"] == "half a line":
        sys.stdout.write('{"equal": tr')
        sys.stdout.flush()
        os._exit(0)
    if request["do"] == "old reply":
        print(json.dumps({"id": request["id"] - 1, "echo": "of another request"}), flush=True)
    print(json.dumps({"id": request["id"], "echo": request["do"]}), flush=True)
"""


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WorkerPool]:
    (tmp_path / "fake_worker.py").write_text(FAKE_WORKER, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    pool = WorkerPool("fake_worker")
    yield pool
    pool.close()


@pytest.fixture(autouse=True)
def _nothing_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    workers._compared.cache_clear()
    monkeypatch.setattr(workers, "COMPARISON_SECONDS", 60.0)  # a busy machine is slow, not wrong


def echo(pool: WorkerPool, word: str, seconds: float = 60) -> str | None:
    reply = pool.ask({"do": word}, seconds)
    return None if reply is None else str(reply["echo"])


def in_thread(work: Callable[[], None]) -> None:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(timeout=120)
    assert not thread.is_alive()


def eventually(condition: Callable[[], bool]) -> bool:
    """Wait for what happens in the background."""
    limit = time.monotonic() + 60
    while not condition() and time.monotonic() < limit:
        time.sleep(0.01)
    return condition()


def test_a_reply_comes_back(fake: WorkerPool) -> None:
    assert fake.pids == []  # nothing is started before it is needed
    assert echo(fake, "a") == "a"
    assert echo(fake, "b") == "b"
    assert eventually(lambda: len(fake.pids) == fake.size)
    assert fake.starts == fake.size


def test_what_takes_too_long_is_killed_and_the_next_request_goes_to_another_child(fake: WorkerPool) -> None:
    assert echo(fake, "a") == "a"
    assert eventually(lambda: len(fake.pids) == 2)
    before = set(fake.pids)
    assert echo(fake, "sleep", 0.2) is None
    assert len(before & set(fake.pids)) == 1
    assert echo(fake, "a") == "a"
    assert eventually(lambda: len(fake.pids) == 2)


def test_what_kills_a_child_is_tried_twice_and_the_next_request_works(fake: WorkerPool) -> None:
    assert echo(fake, "die") is None
    assert echo(fake, "half a line") is None
    assert echo(fake, "a") == "a"
    assert fake.starts >= 4


def test_a_child_that_was_killed_from_outside_is_replaced(fake: WorkerPool, tmp_path: Path) -> None:
    assert fake.ask({"do": "die once", "mark": str(tmp_path / "died")}, 60) is not None
    for pid in fake.pids:
        os.kill(pid, signal.SIGKILL)
    assert echo(fake, "a") == "a"


def test_when_all_are_at_work_a_request_waits_a_little_and_goes_without(fake: WorkerPool) -> None:
    assert echo(fake, "a") == "a"
    assert eventually(lambda: len(fake.pids) == 2)
    threads = [threading.Thread(target=echo, args=(fake, "sleep", 5), daemon=True) for _ in range(2)]
    for thread in threads:
        thread.start()
    assert eventually(lambda: not fake._idle)
    with pytest.raises(WorkerBusy):
        echo(fake, "a", 0.1)
    for thread in threads:
        thread.join(timeout=60)
    assert echo(fake, "a") == "a"


def test_a_reply_to_another_request_is_nobodys(fake: WorkerPool) -> None:
    assert echo(fake, "old reply") == "old reply"


def test_an_interrupted_request_leaves_no_reply_for_the_next(fake: WorkerPool, monkeypatch: pytest.MonkeyPatch) -> None:
    echo(fake, "a")

    talk = process._talk

    def interrupted(child: subprocess.Popen[bytes], message: bytes) -> bytes:
        if not message:  # a child that is being started on another thread, not the request
            return talk(child, message)
        assert child.stdin is not None
        child.stdin.write(message)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(process, "_talk", interrupted)
        with pytest.raises(KeyboardInterrupt):
            echo(fake, "b")
    assert [echo(fake, "c") for _ in range(3)] == ["c"] * 3


def test_a_worker_that_does_not_start_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    launched: list[str] = []
    launch = process._launch

    def counted(module: str, argument: str) -> subprocess.Popen[bytes]:
        launched.append(module)
        return launch(module, argument)

    monkeypatch.setattr(process, "_launch", counted)
    pool = WorkerPool("contextrl.answers.there_is_no_such_module")
    for _ in range(5):
        with pytest.raises(WorkerUnavailable):
            pool.ask({}, 60)
    assert len(launched) == 3


def test_without_a_worker_expressions_are_doubtful_and_nothing_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(workers, "_EXPRESSIONS", WorkerPool("contextrl.answers.there_is_no_such_module"))
        assert answers_equal("|x|+21", "21+|x|", "math") is None
        assert answers_equal("21", "21.0", "number") is True
    assert answers_equal("|x|+21", "21+|x|", "math") is True


def test_an_endless_expression_is_doubtful_off_the_main_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    answers_equal("|x|+1", "1+|x|", "math")  # a worker is there
    assert eventually(lambda: len(workers._EXPRESSIONS.pids) == 2)
    starts, outcomes = workers._EXPRESSIONS.starts, []

    def work() -> None:
        monkeypatch.setattr(workers, "COMPARISON_SECONDS", 0.5)
        outcomes.append(answers_equal(ENDLESS, "x", "math"))
        monkeypatch.setattr(workers, "COMPARISON_SECONDS", 60.0)
        outcomes.append(answers_equal("|x|\\sqrt{3}", "\\sqrt{3}|x|", "math"))
        outcomes.append(answers_equal(ENDLESS, "x", "math"))

    in_thread(work)
    assert outcomes == [None, True, None]  # the second time it was remembered, not tried
    assert workers._EXPRESSIONS.starts == starts  # the worker stopped itself and goes on


def test_an_endless_answer_earns_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "COMPARISON_SECONDS", 0.5)
    assert check_answer(f"The answer is \\boxed{{{ENDLESS}}}", "x", "math") is None


def test_two_threads_at_once_get_their_own_outcomes() -> None:
    outcomes: dict[str, list[bool | None]] = {"equal": [], "different": []}

    def work(name: str, constant: int) -> None:
        for number in range(20):
            response = f"|x|+(x+{number})^2"
            reference = f"|x|+x^2+{2 * number}x+{number * number + constant}"
            outcomes[name].append(answers_equal(response, reference, "math"))

    threads = [threading.Thread(target=work, args=pair, daemon=True) for pair in (("equal", 0), ("different", 1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert outcomes == {"equal": [True] * 20, "different": [False] * 20}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.parametrize("locked", [False, True], ids=["idle", "another-thread-is-asking"])
def test_a_forked_process_starts_its_own_workers(locked: bool) -> None:
    pool = workers._EXPRESSIONS
    assert answers_equal("|x|+1", "1+|x|", "math") is True
    assert eventually(lambda: len(pool.pids) == 2)
    before = set(pool.pids)
    reading, writing = os.pipe()
    lock = pool._changed
    if locked:
        lock.acquire()
    child = os.fork()
    if child == 0:  # pragma: no cover - runs in the forked process
        try:
            signal.alarm(90)
            outcome = answers_equal("|x|+2", "2+|x|", "math")
            os.write(writing, json.dumps([outcome, pool.pids]).encode())
            pool.close()
        finally:
            os._exit(0)
    if locked:
        lock.release()
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        received = pipe.read()
    os.waitpid(child, 0)
    outcome, pids = json.loads(received)
    assert outcome is True
    assert pids
    assert not before & set(pids)
    assert answers_equal("|x|+3", "3+|x|", "math") is True
    assert set(pool.pids) == before  # the parent's were left alone


@pytest.mark.parametrize(
    ("answer_type", "pairs"),
    [
        ("number", NUMBER),
        ("choice", CHOICE),
        ("text", TEXT),
        ("yes_no", YES_NO),
        (
            "math",
            {
                True: [("\\frac{x}{2}", "\\frac{x}{2}"), ("$x+1$", "x + 1"), ("0.5", "\\frac12"), ("(1,2)", "(1, 2)")],
                False: [("(x+1)^2", "x^2+1"), ("x>2", "x<2"), ("2\\sqrt{3}", "3\\sqrt{2}")],
            },
        ),
    ],
    ids=["number", "choice", "text", "yes_no", "elementary-expressions"],
)
def test_plain_answers_need_no_worker(
    answer_type: AnswerType, pairs: dict[bool | None, list[tuple[str, str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, str]] = []
    response, reference = "", ""
    for pool in (workers._EXPRESSIONS, workers._CONVERSIONS):
        monkeypatch.setattr(pool, "start", lambda: False)
        monkeypatch.setattr(pool, "ask", lambda *request: asked.append((response, reference)))
    workers._converted.cache_clear()
    for table in pairs.values():
        for response, reference in table:
            answers_equal(response, reference, answer_type)
    assert set(asked) <= NEED_A_WORKER


def run_python(code: str, **options: object) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, **options)  # type: ignore[call-overload]
    return str(done.stdout)


def test_the_worker_imports_no_learning_library() -> None:
    code = (
        "import sys, contextrl.answers.worker, contextrl.answers.symbolic\n"
        "print([name for name in ('torch', 'transformers', 'trl', 'datasets', 'numpy') if name in sys.modules])"
    )
    assert run_python(code).strip() == "[]"


def test_comparing_plain_answers_imports_no_sympy() -> None:
    code = (
        "import sys; from contextrl.answers import answers_equal\n"
        "print(answers_equal('1/2', '0.5', 'number'), answers_equal('(1, 2)', '(1,2)', 'math'))\n"
        "print([name for name in ('sympy', 'pint', 'babel', 'dateutil') if name in sys.modules])"
    )
    assert run_python(code).split() == ["True", "True", "[]"]


def test_the_worker_ends_when_its_stdin_is_closed() -> None:
    worker = subprocess.Popen(
        [sys.executable, "-m", "contextrl.answers.worker", "conversion"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert worker.stdin is not None
    assert worker.stdout is not None
    with worker.stdin, worker.stdout:
        assert json.loads(worker.stdout.readline()) == {"ready": True}
        worker.stdin.close()
        assert worker.wait(timeout=60) == 0


@pytest.mark.skipif(sys.platform == "win32", reason="no alarm on this system")
def test_a_worker_without_a_parent_does_not_compute_for_ever() -> None:
    code = (
        "import time; from contextrl.answers import worker\n"
        "worker._set_alarm(0.2); print('computing', flush=True)\n"
        "time.sleep(100); print('still there')"
    )
    assert run_python(code).split() == ["computing"]


def test_what_libraries_print_stays_out_of_the_protocol() -> None:
    code = (
        "import os; from contextrl.answers import worker\n"
        "requests, replies = worker._take_over_pipes()\n"
        "print('noise', flush=True); os.system('echo noise'); os.write(1, b'noise')\n"
        "worker._send(replies, {'heard': os.read(requests, 100).decode()})"
    )
    assert json.loads(run_python(code, input="request\n")) == {"heard": "request\n"}


@pytest.mark.skipif(sys.platform != "linux", reason="address space is not limited elsewhere")
def test_the_workers_memory_is_bounded() -> None:
    code = (
        "from contextrl.answers import worker\n"
        "worker._limit_memory()\n"
        "try:\n    bytearray(3 * 1024**3)\nexcept MemoryError:\n    print('refused')"
    )
    assert run_python(code).strip() == "refused"
