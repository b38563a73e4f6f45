# The commands of this project; `make help` lists them. Works as root and as anybody else.
# All work happens in .venv, built once from the pinned requirements.lock.

VENV := .venv
PYTHON := $(VENV)/bin/python
READY := $(VENV)/.ready
COMPILED := build/.compiled
TOUR ?=
WORKERS ?= auto
TESTS ?=
MORE ?=
INPUTS ?= 10000000

.DEFAULT_GOAL := help
.PHONY: help setup demo test check lint format types architecture compiled test-compiled bench connections bulk ssh-bench soak regression fuzz docs lock clean

help: ## this list
	@grep -E '^[a-z-]+:.*## ' $(firstword $(MAKEFILE_LIST)) | sed 's/:.*## /	/' | \
	while IFS='	' read -r name what; do printf '  make %-12s %s\n' "$$name" "$$what"; done

setup: $(READY) ## build .venv and install what is pinned
	@:

$(READY): requirements.lock pyproject.toml
	@sh .ci/make-venv $(VENV)
	@touch $@

demo: $(READY) ## a database, the gateway before it, and what to paste (TOUR=1: play the story and end)
	@exec $(VENV)/bin/gatekeep demo $(if $(filter-out 0,$(TOUR)),--tour)

test: $(READY) ## every test but the long proofs
	@$(PYTHON) -m pytest -n $(WORKERS) -m 'not soak'

check: lint types architecture ## what must hold before tests are worth running

lint: $(READY) ## ruff
	@$(PYTHON) -m ruff check .

format: $(READY) ## let ruff lay out the code
	@$(PYTHON) -m ruff format src tests bench

types: $(READY) ## mypy, strict
	@$(PYTHON) -m mypy

architecture: $(READY) ## layers, purity, words, sizes
	@$(PYTHON) -m pytest tests/architecture

compiled: $(COMPILED) ## the package with its hot path compiled, in build/compiled (needs a C compiler)
	@:

$(COMPILED): $(READY) setup.py $(shell find src -name '*.py')
	@rm -rf build
	@GATEKEEP_COMPILE=1 $(PYTHON) setup.py -q build --build-lib build/compiled
	@touch $@

test-compiled: $(COMPILED) ## the tests of the rooms that are compiled, over the compiled package
	@PYTHONPATH=build/compiled $(PYTHON) -m pytest -n $(WORKERS) -m 'not soak' --compiled \
	    tests/gate tests/journal tests/protocols/postgres tests/proxies tests/stores \
	    $(addprefix tests/journeys/test_,copy_out.py flips.py held_statements.py hostile_target.py pgbench.py)

bench: $(COMPILED) ## throughput and CPU per statement: direct, pooled, through the gateway
	@PYTHONPATH=build/compiled $(PYTHON) bench/postgres.py

connections: $(COMPILED) ## connections per second: direct and through the gateway
	@PYTHONPATH=build/compiled $(PYTHON) bench/connections.py

bulk: $(COMPILED) ## large results and COPY either way: direct, pooled, through the gateway
	@PYTHONPATH=build/compiled $(PYTHON) bench/bulk.py

ssh-bench: $(READY) ## SSH by each way: bulk, copies, echo, connections; direct, ProxyJump, gateway
	@$(PYTHON) bench/ssh.py

soak: $(READY) ## the long proofs in whole size
	@$(PYTHON) -m pytest -m soak

regression: $(READY) ## PostgreSQL's own regression tests, directly and through the gateway
	@$(PYTHON) tests/regression/run.py $(MORE) $(TESTS)

fuzz: $(READY) ## the parsers' fuzz tests, then ten million inputs (or INPUTS=...)
	@$(PYTHON) -m pytest -n $(WORKERS) -k fuzz
	@$(PYTHON) tests/fuzz/run.py --inputs $(INPUTS)

docs: $(READY) ## write the generated pages anew
	@$(PYTHON) tests/support/messages_page.py
	@$(PYTHON) tests/support/api_page.py

lock: $(READY) ## pin the newest versions that pyproject.toml allows
	@sh .ci/make-lock

clean: ## remove what can be made again; state and keys stay
	@rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist src/*.egg-info
	@find src tests bench -name __pycache__ -type d -prune -exec rm -rf {} +
