# Everything a newcomer or CI calls. `make help` lists the targets.
SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
# The reference client and parser, in an environment of their own: tests drive them, the product never imports them.
CFY_VENV ?= $(CURDIR)/.venv-cfy
export CFY_VENV
PIP_FLAGS := --quiet --disable-pip-version-check
# The newest Python the machine has, at least 3.11.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	if $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then echo $$p; break; fi; done)
# Many tests wait for processes more than they compute: two workers a core of a small machine.
WORKERS ?= 4
PYTEST_ARGS ?=

.PHONY: help install install-cfy run test test-unit check fix lint types imports bench simulate zones reliability clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

install: $(VENV)/.installed ## make .venv and install the project and everything its tests need
install-cfy: $(CFY_VENV)/.installed ## make the environment of the reference client (tests only)

$(VENV)/.installed: pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; set PYTHON=/path/to/python3"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	PIP_CONSTRAINT=constraints.txt $(BIN)/python -m pip install $(PIP_FLAGS) -e '.[postgres,dev]'
	@touch $@

$(CFY_VENV)/.installed: constraints-cfy.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; set PYTHON=/path/to/python3"; exit 1; }
	$(PYTHON) -m venv $(CFY_VENV)
	$(CFY_VENV)/bin/python -m pip install $(PIP_FLAGS) -r constraints-cfy.txt
	@touch $@

run: install ## start everything on SQLite, deploy the example and tell what happens
	@exec $(BIN)/cloudify-manager up --example

test: install install-cfy ## run all tests, in parallel
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

test-unit: install ## run the tests of the pure cores alone (seconds)
	$(BIN)/python -m pytest tests/unit $(PYTEST_ARGS)

check: lint types imports ## format, lint, types, import directions

lint: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: install
	$(BIN)/python -m mypy scheduler manager_core

imports: install
	$(BIN)/lint-imports

fix: install ## format and mend what the linter can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: install install-cfy ## run every benchmark, one JSON line each
	@for f in benchmarks/*.py; do echo "# $$f"; $(BIN)/python $$f || exit 1; done

reliability: install ## disturb real hosts (needs root, iproute2, PostgreSQL's programs); writes docs/reference/reliability.md
	REQUIRE_POSTGRES=1 RELIABILITY_PAGE=docs/reference/reliability.md $(BIN)/python -m pytest tests/hosts $(PYTEST_ARGS)

simulate: install ## simulate occurrences under faults: make simulate SEED=1 OCCURRENCES=1000000
	$(BIN)/python -m tests.simulation --seed $(or $(SEED),1) --occurrences $(or $(OCCURRENCES),200000) --port $(or $(PORT),memory) --jobs $(or $(JOBS),2)

zones: install ## every change of every time zone from 2000 to 2100 (minutes; the tests take a sample)
	HYPOTHESIS_PROFILE=ci $(BIN)/python -m pytest tests/properties/test_zone_changes.py

clean: ## remove the environments and caches (never the data directory)
	rm -rf $(VENV) .venv-cfy .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist
