# Needs make, git and a Python of 3.11 or later; everything else is set up in .venv by the first target that needs it.

PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3.14 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
CODE := $(wildcard gateway scheduler inference_worker models tenfold tests benchmarks monitoring examples docs)
PYTEST_ARGS ?=
# The tests of one file stay together, since they share what they started. 0: all in one process, for a debugger.
TEST_PROCESSES ?= 2

.PHONY: help run test check lint types imports audit soak chaos bench format lock clean
.DEFAULT_GOAL := help

help:
	@echo 'make run [ARGS="--port 9000"]  set up, start the whole system, send the sample images, stay up until Ctrl-C'
	@echo 'make test                      set up and run every test'
	@echo 'make check                     lint, types, import rules, audit and tests: what CI runs'
	@echo 'make soak | chaos              the long forms of the tests | one run of the chaos harness'
	@echo 'make bench [ARGS="--quick --parts limit,serving"]  Tenfold beside its peers; the report goes to build/bench'
	@echo 'make format | lock | clean     format the code | refresh constraints.txt | remove what was built'

run: $(INSTALLED)
	@$(BIN)/tenfold up $(ARGS)

test: $(INSTALLED)
	$(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist loadfile $(PYTEST_ARGS)

check: lint types imports audit test

# The long forms of what `make test` does in short: chaos, simulation, values. Hours, not minutes.
soak: $(INSTALLED)
	TENFOLD_SOAK=1 $(BIN)/python -m pytest -m soak $(PYTEST_ARGS)

# One run of the chaos harness; ARGS="--seconds 60 --seed 1".
chaos: $(INSTALLED)
	$(BIN)/python -m tests.system.chaos $(ARGS)

# Tenfold beside the plain loop and other servers (docs/performance.md); each peer gets an environment of its own.
bench: $(INSTALLED)
	$(BIN)/python -m benchmarks $(ARGS)

lint: $(INSTALLED)
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)

types: $(INSTALLED)
	$(BIN)/mypy

imports: $(INSTALLED)
	$(BIN)/lint-imports

# Known vulnerabilities of what is installed; says that it is skipped where no data on them can be reached.
audit: $(INSTALLED)
	$(BIN)/python -m tests.audit

format: $(INSTALLED)
	$(BIN)/ruff check --fix $(CODE)
	$(BIN)/ruff format $(CODE)

# The newest versions that pyproject.toml allows, put together in an environment of their own; the head is kept.
lock:
	rm -rf build/lock && $(PYTHON) -m venv build/lock
	build/lock/bin/pip install -e '.[all,dev]'
	{ grep '^#' constraints.txt; build/lock/bin/pip list --format=freeze --exclude-editable \
		| grep -viE '^(pip|setuptools)=='; } > build/constraints.txt
	mv build/constraints.txt constraints.txt
	rm -rf build/lock

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Stale when what is asked for changed; an environment that is there already is brought up to date, not thrown away.
$(INSTALLED): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo 'A Python of 3.11 or later is needed; name one with PYTHON=…' >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[all,dev]'
	@touch $@
