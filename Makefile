# `make help` lists everything. Each command prepares what it needs; a second time it is quick.
SHELL := /bin/bash
PYTHON ?= python3.11
BIN := .venv/bin
export GRADIO_ANALYTICS_ENABLED := False
# Tests must never wait for a hub that is not there.
TEST_ENV := HF_HUB_OFFLINE=1 TOKENIZERS_PARALLELISM=false

.DEFAULT_GOAL := help
.PHONY: help run test check bench format

help: ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

.venv/runtime: requirements.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

.venv/dev: requirements-dev.txt requirements.txt .venv/runtime
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

run: .venv/runtime ## install what is needed and serve the page on http://127.0.0.1:7860
	$(BIN)/python benchmark_app.py

# Side by side where nothing waits for a browser or is killed on purpose: that halves the time.
test: .venv/dev ## all tests; those of the page need Chromium and are skipped without it
ifdef TESTS
	$(TEST_ENV) $(BIN)/python -m pytest $(TESTS)
else
	failed=0; \
	$(TEST_ENV) OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile \
	  --ignore=tests/ui --ignore-glob='tests/test_*.py' tests || failed=1; \
	$(TEST_ENV) $(BIN)/python -m pytest tests/ui $(wildcard tests/test_*.py) || failed=1; \
	exit $$failed
endif

check: .venv/dev ## lint, types, layering
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_layering.py

format: .venv/dev ## put code into the one layout
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: .venv/dev ## timed comparisons; see benchmarks/README.md
	$(TEST_ENV) $(BIN)/python -m benchmarks
