# Everything a user or CI runs. A fresh machine needs Python 3.11+, make and a C++ compiler; nothing is installed by hand.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
# What only tests and linters need, CUDA's run-time compiler among it: every kernel is compiled with it, which takes no GPU.
TESTS  := $(VENV)/.tests
GPU    := $(VENV)/.gpu
WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: FORCE help run test test-all test-gpu gpu-node-kit lint bench golden lock sbom clean

help:                     ## list the targets
	@grep -hE '^[a-z%-]+:.*##' $(MAKEFILE_LIST) | sed 's/:[^#]*##/\t/' | sort

# Dependencies are taken by hash from the lock, and nothing that is not in it: not by them, not to build this project.
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps

$(STAMP): pyproject.toml requirements.lock
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(PIP) --require-hashes --requirement requirements.lock
	$(PIP) --no-build-isolation --editable .
	$(BIN)/python -m sim.backends.compiled
	touch $@

$(TESTS): $(STAMP) requirements-test.lock
	$(PIP) --require-hashes --requirement requirements-test.lock
	touch $@

run: $(STAMP)             ## build the demo world (set up on first use)
	$(BIN)/closedworld run --preset demo

# A state is built with all before it; its segment passes only when its last state and bundle are. FORCE: a file of that name is no world.
segment%: $(STAMP) FORCE  ## build up to a segment or a state: make segment5b-s3 ARGS='--preset small'
	$(BIN)/closedworld run --until $(shell printf %s '$*' | tr 'a-z-' 'A-Z.') $(ARGS)

FORCE:

test: $(TESTS)            ## quick tests (about 10 minutes on 2 cores)
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup -m 'not slow'

test-all: $(TESTS)        ## quick tests, then the slow statistical and fault loops
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup

$(GPU): $(TESTS)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,gpu-cu13]'
	touch $@

test-gpu: $(GPU)          ## on a GPU node: parity of kernels and worlds on the device, then its throughput (10 minutes)
	$(BIN)/python -m pytest --require-gpu -m 'not slow' tests/kernels tests/gpu
	$(BIN)/closedworld bench gpu --preset demo --preset reference

gpu-node-kit: $(TESTS)    ## what tests/gpu/node.py takes along to a GPU node that reaches no registry
	$(BIN)/python tests/gpu/kit.py

lint: $(TESTS)            ## ruff (rules and format), mypy --strict, layering, contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/closedworld contracts lint

bench: $(TESTS)           ## time kernels, states, the write floor and start-up (see bench/README.md)
	$(BIN)/closedworld bench

golden: $(TESTS)          ## recompute tests/golden/digests.tsv (needs a model_version bump and a CHANGELOG line)
	$(BIN)/python tests/golden/make.py
	$(BIN)/python tests/golden/make_kernels.py

lock: $(STAMP)            ## rewrite the locks from a fresh resolution (needs uv)
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python .ci/lock.py --upgrade

sbom: $(TESTS)            ## CycloneDX bill of materials of this environment, to sbom.json
	$(BIN)/python .ci/sbom.py > sbom.json

clean:                    ## remove the virtual environment and caches; runs/ is yours
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
