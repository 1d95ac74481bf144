# `make demo` and `make test` need only Python 3.11 or newer; both set up .venv first.
# PYTHON=python3.12 chooses the interpreter, PIP_ARGS=... is passed to pip (for instance an index with CPU-only torch).
SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
BENCH := $(VENV)/.bench
PIP_ARGS ?=
PYTHON ?=

.DEFAULT_GOAL := help
.PHONY: help setup demo table test lint format bench bench-parts clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 18

setup: $(STAMP)  ## make .venv and install the package with the versions in constraints.txt

# one recipe line, so that a step that fails ends it; the stamp comes last
$(STAMP): pyproject.toml constraints.txt
	@set -euo pipefail; \
	python="$(PYTHON)"; \
	if [ -z "$$python" ] && [ -x $(BIN)/python ]; then python=$(BIN)/python; fi; \
	if [ -z "$$python" ]; then \
	  for name in python3 python3.13 python3.12 python3.11 python; do \
	    if command -v $$name >/dev/null && $$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; \
	    then python=$$name; break; fi; \
	  done; \
	fi; \
	if [ -z "$$python" ]; then echo "Python 3.11 or newer is needed; name one with PYTHON=..." >&2; exit 2; fi; \
	if [ ! -x $(BIN)/python ]; then echo "making $(VENV) with $$($$python --version)"; $$python -m venv $(VENV); fi; \
	echo "installing the package and its libraries (some minutes the first time)"; \
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt $(PIP_ARGS) -e '.[dev]'; \
	touch $(STAMP); \
	echo "ready: $(BIN)/repo --help"

demo: setup  ## train a hotel-negotiation agent with REPO on this machine, from nothing to a report
	@$(BIN)/repo pipeline +experiment=demo $(ARGS)

table: setup  ## every method of the paper from one base, three seeds, one table (about an hour on two cores)
	@$(BIN)/repo pipeline +experiment=paper_table $(ARGS)

# what is compared with: TRL and its chat templates; installed by itself, so that the demo need not wait for it
$(BENCH): $(STAMP)
	@$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt $(PIP_ARGS) -e '.[dev,bench]'
	@touch $(BENCH)

test: $(BENCH)  ## run the tests
	@$(BIN)/python -m pytest -q -n auto --dist loadfile $(ARGS)

lint: setup  ## ruff, types, and the floors between the rooms
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: setup  ## let ruff mend what it can
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: $(BENCH)  ## speed and losses against TRL, on the lengths of real dialogues (half an hour on two cores)
	@$(BIN)/python benchmarks/against_trl.py $(ARGS)

bench-parts: setup  ## measure parts (benchmarks/: attention, rules, known_answer)
	@for script in attention rules known_answer; do echo "== $$script"; $(BIN)/python benchmarks/$$script.py || exit $$?; done

clean:  ## remove what tools leave behind (keeps .venv and runs/)
	@rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@find . -path ./$(VENV) -prune -o -name __pycache__ -type d -print0 | xargs -0 rm -rf
