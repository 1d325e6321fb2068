# Callward. `make` lists everything; `.ci/run` runs `make check` and `make test`.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# Compiled tests and modules are kept: rewriting the assertions of a whole tier takes longer than running it.
unexport PYTHONDONTWRITEBYTECODE

# The interpreter that makes .venv: 3.11 or newer.
PYTHON ?= python3
# Test workers; 0 runs the tests in one process.
WORKERS ?= 2
# Tiers that `make test` runs, in order; `make test TIERS=unit` runs one.
TIERS ?= unit contract integration e2e architecture docs
PYTEST_ARGS ?=
# What `make bench` measures.
BENCH ?= sealing ingest seek
# Where `make wheel` puts it.
DIST ?= dist

BIN := .venv/bin
STAMP := .venv/.callward-setup
# The tiers whose tests share nothing but their own worker's fixtures.
PARALLEL_TIERS := unit contract integration e2e

.PHONY: help
help: ## List what there is to do (default)
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  \033[1m%-15s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

## ---- Using it

.PHONY: setup
setup: $(STAMP) ## Make .venv from the lock (needs Python 3.11 or newer, nothing else)

$(STAMP): requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit(f"Callward needs Python 3.11 or newer; this is {sys.version.split()[0]}. Try: make setup PYTHON=python3.12")'
	@if uv --version >/dev/null 2>&1; then \
		echo "Installing from requirements-dev.lock with uv …"; \
		uv venv --quiet --allow-existing --python "$$($(PYTHON) -c 'import sys; print(sys.executable)')" .venv; \
		uv pip install --compile-bytecode --python $(BIN)/python --require-hashes --no-deps --requirements requirements-dev.lock; \
		uv pip install --python $(BIN)/python --quiet --no-deps --no-build-isolation --editable .; \
	else \
		echo "Installing from requirements-dev.lock with pip; this takes a minute or two …"; \
		$(PYTHON) -m venv .venv || { echo "Python's venv module is missing; on Debian: apt-get install python3-venv" >&2; exit 1; }; \
		$(BIN)/python -m pip install --disable-pip-version-check --require-hashes --no-deps --requirement requirements-dev.lock; \
		$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation --editable .; \
	fi
	@touch $@
	@echo "Ready: $$($(BIN)/python --version) in .venv"

.PHONY: demo
demo: setup ## Watch one real call decided upon, sealed, heard and proved
	@$(BIN)/callward demo

.PHONY: dev
dev: setup ## Run the whole platform here, in the foreground
	@$(BIN)/callward dev

.PHONY: wheel
wheel: setup ## Build the wheel into dist/, or into the folder DIST
	@$(BIN)/hatchling build --target wheel --directory $(DIST)

.PHONY: test
test: setup ## Run the tests; TIERS="unit e2e" chooses, PYTEST_ARGS adds
	@failed=; \
	for tier in $(TIERS); do \
		echo "== $$tier"; \
		workers=; \
		case " $(PARALLEL_TIERS) " in *" $$tier "*) workers="--numprocesses $(WORKERS) --dist loadfile";; esac; \
		$(BIN)/pytest tests/$$tier $$workers $(PYTEST_ARGS) || failed="$$failed $$tier"; \
	done; \
	if [ -n "$$failed" ]; then echo "failed:$$failed" >&2; exit 1; fi

.PHONY: bench
bench: setup ## Measure side by side with the same bytes unsealed; BENCH="ingest seek sealing" chooses (minutes, and a quiet machine)
	@for each in $(BENCH); do echo "== $$each"; $(BIN)/python -m bench.$$each; done

## ---- Changing it

.PHONY: check
check: setup ## Everything that is held without running it: style, types, imports, contracts, generated files, lock, sizes
	$(BIN)/ruff check
	$(BIN)/ruff format --check --quiet || { $(BIN)/ruff format --check; exit 1; }
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/buf lint
	$(BIN)/buf format --diff --exit-code
	$(BIN)/python tools/check_breaking.py
	@$(MAKE) proto-check topology-check docs-check lock-check
	$(BIN)/pytest --quiet tests/architecture/test_sizes.py

.PHONY: format
format: setup ## Format the code and fix what can be fixed
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	$(BIN)/buf format --write

.PHONY: proto
proto: setup ## Format proto/ and generate libs/protos from it
	$(BIN)/buf format --write
	$(BIN)/python tools/generate_protos.py

.PHONY: proto-check
proto-check: setup ## Compare libs/protos with a fresh generation
	$(BIN)/python tools/generate_protos.py --check

.PHONY: topology
topology: setup ## Write deploy/topology.yaml from the protos
	$(BIN)/python tools/generate_topology.py

.PHONY: topology-check
topology-check: setup ## Compare deploy/topology.yaml with the protos
	$(BIN)/python tools/generate_topology.py --check

.PHONY: docs
docs: setup ## Write the generated parts of docs/
	$(BIN)/python -m tools.generate_docs

.PHONY: docs-check
docs-check: setup ## Compare the generated parts of docs/ with the code
	$(BIN)/python -m tools.generate_docs --check

.PHONY: openapi
openapi: setup ## Write docs/openapi from the doors of a platform that is started for it
	$(BIN)/python tools/export_openapi.py

.PHONY: lock
lock: setup ## Resolve the dependencies anew and write the three lock files
	$(BIN)/python tools/lock.py

.PHONY: lock-check
lock-check: setup ## Compare the lock files with pyproject.toml
	$(BIN)/python tools/lock.py --check

.PHONY: clean
clean: ## Remove .venv, caches and builds; never the data under .callward
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis dist build
	find libs services tests tools -name __pycache__ -type d -prune -exec rm -rf {} +
