# Everything a user or CI runs. A fresh machine needs Python 3.11+, make and a C++ compiler; nothing is installed by hand.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
# CUDA's run-time compiler: the tests compile every kernel with it. It needs no GPU, and building worlds does not need it.
NVRTC  := $(VENV)/.nvrtc
GPU    := $(VENV)/.gpu
WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: help run test test-all test-gpu lint bench golden lock clean

help:                     ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:[^#]*##/\t/' | sort

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	$(BIN)/python -c 'from sim.backends import get_backend; get_backend("cpu").kernels.compile_all()'
	touch $@

$(NVRTC): $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[nvrtc]'
	touch $@

run: $(STAMP)             ## build the demo world (set up on first use)
	$(BIN)/closedworld run --preset demo

test: $(NVRTC)            ## quick tests (about 8 minutes on 2 cores)
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup -m 'not slow'

test-all: $(NVRTC)        ## quick tests, then the slow statistical and fault loops
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup

$(GPU): $(NVRTC)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,gpu-cu13]'
	touch $@

test-gpu: $(GPU)          ## on a GPU node: parity of kernels and worlds on the device, then its throughput (10 minutes)
	$(BIN)/python -m pytest --require-gpu -m 'not slow' tests/kernels tests/gpu
	$(BIN)/closedworld bench gpu

lint: $(STAMP)            ## ruff, mypy --strict, layering, contracts
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/closedworld contracts lint

bench: $(STAMP)           ## time kernels, states, the write floor and start-up (see bench/README.md)
	$(BIN)/closedworld bench

golden: $(STAMP)          ## recompute tests/golden/digests.tsv (needs a model_version bump and a CHANGELOG line)
	$(BIN)/python tests/golden/make.py
	$(BIN)/python tests/golden/make_kernels.py

lock: $(STAMP)            ## rewrite constraints.txt from a fresh resolution
	$(BIN)/python -m pip freeze --exclude-editable > constraints.txt

clean:                    ## remove the virtual environment and caches; runs/ is yours
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
