# Two commands do everything on a fresh machine with Python 3.11+ and make: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# One more than cores: tests of servers and of what is killed wait more than they compute.
WORKERS ?= $(shell $(PYTHON) -c "import os; print((os.cpu_count() or 1) + 1)")

.PHONY: demo test browser reproduce vllm lint types unit format benchmark docs pages clean

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "contextrl needs Python 3.11 or newer; set PYTHON=/path/to/python3.11"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	# torch first and pinned: a looser range may resolve to a build with several gigabytes of GPU libraries.
	$(BIN)/python -m pip install --disable-pip-version-check --progress-bar on "torch==2.13.0"
	$(BIN)/python -m pip install --disable-pip-version-check --progress-bar on -e ".[dev]"
	touch $(STAMP)

demo: $(STAMP)  ## train the miniature with ContextRL, show what it learned and write a report to look at
	$(BIN)/contextrl train configs/miniature/contextrl.yaml --set run_dir=runs/demo --overwrite
	$(BIN)/contextrl report runs/demo

test: lint types unit  ## what CI runs

lint: $(STAMP)  ## style, and the layers of the house (import-linter)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo

types: $(STAMP)
	$(BIN)/mypy

unit: $(STAMP) browser
	OMP_NUM_THREADS=1 HF_HUB_OFFLINE=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

browser:  ## Chromium for the tests of reports: Debian's package, where it can be installed; else they are skipped
	@command -v chromium >/dev/null || { command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ] \
		&& apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null; } \
		|| echo "Chromium cannot be installed here: the tests of reports in a browser are skipped."

vllm: $(STAMP)  ## vLLM on a CPU: rollouts inside the trainer, the trainer beside it, and servers for the judge and a trained model
	bash tests/vllm_servers/run.sh

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

reproduce: $(STAMP)  ## the paper's studies in the miniature: hours on two cores; what is finished is kept
	$(BIN)/contextrl reproduce --seeds 5 --page docs/reproduction.md --readme docs/results.md

benchmark: $(STAMP)  ## the figures of docs/speed.md; about 15 minutes on two cores
	$(BIN)/python benchmarks/group_step.py
	$(BIN)/python benchmarks/step_profile.py
	$(BIN)/python benchmarks/answer_verifier.py
	$(BIN)/python benchmarks/judge_client.py
	$(BIN)/python benchmarks/judge_laziness.py
	$(BIN)/python benchmarks/judge_overlap.py

docs: $(STAMP)  ## the pages as a site, build/docs/index.html; a warning is an error
	$(BIN)/python tools/write_pages.py --check
	$(BIN)/zensical build --clean --strict

pages: $(STAMP)  ## what docs/ says of settings, metrics, records and commands, from the code
	$(BIN)/python tools/write_pages.py

clean:
	rm -rf $(VENV) .venv-vllm runs build .mypy_cache .ruff_cache .pytest_cache
