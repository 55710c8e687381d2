# Two commands matter to a newcomer: `make demo` and `make test`. Both need Python >= 3.11 and git; the
# rest is installed into .venv/ and, for the control plane and what renders, into a cache outside the checkout.

SHELL := /bin/sh
PYTHON ?= $(shell sh scripts/find-python)
VENV := .venv
# Each has a control plane of its own (about 0.5 GB). Files are taken in their order, which has those of few and
# long tests first: taken by their number of tests, as is usual, one process ends long after the other.
TEST_PROCESSES ?= 2
# Such as `--json figures.json`; `python -m benchmarks --help` has them all.
BENCH_OPTIONS ?=
BIN := $(VENV)/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)

.DEFAULT_GOAL := help
.PHONY: help setup controlplane browser demo test check bench bench-large bench-profile bench-render bench-compare format crds clean

help: ## What there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(VENV)/.installed: pyproject.toml constraints.txt scripts/setup scripts/find-python
	@sh scripts/setup "$(PYTHON)" "$(VENV)"
	@touch $@

setup: $(VENV)/.installed ## The virtual environment with everything in it

controlplane: setup ## The Kubernetes control plane and the render tools for demo and tests, built once and cached
	@$(BIN)/trueup sandbox --build-only

demo: setup ## The main job, on real parts, before your eyes
	@$(BIN)/trueup demo

browser: ## A Chromium for the tests of the page, where there is none: Debian's
	@sh scripts/browser

test: controlplane browser ## Every test, on real parts
	@$(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder

check: setup ## Style, types, import direction, size budget, the wheel, the Dockerfile
	@sh scripts/check "$(BIN)"

bench: controlplane ## How fast it is and what it costs, beside the same calls made bare (benchmarks/README.md)
	@$(BIN)/python -m benchmarks $(BENCH_OPTIONS)

bench-large: controlplane ## The same of 10,000 applications of one ConfigMap each, beside 100 of them
	@$(BIN)/python -m benchmarks --shape configmap --applications 100 10000 --events push edit \
		--hooks-per-second 0 --cold-starts 3 $(BENCH_OPTIONS)

bench-profile: controlplane ## Where the time of a push and of a live edit goes
	@$(BIN)/python -m benchmarks --profile --applications 100

bench-render: controlplane ## What a render costs over the bare tool, and what a worker finds again
	@$(BIN)/python -m benchmarks.renders $(BENCH_OPTIONS)

bench-compare: setup ## What it costs to hold live objects against Git, in CPU time
	@$(BIN)/python -m benchmarks.compares

format: setup ## Lay the code out
	@$(BIN)/ruff check --fix -q . ; $(BIN)/ruff format -q .

crds: setup ## Write deploy/crds from the models
	@$(BIN)/python -m trueup.clients.crds deploy/crds

clean: ## Remove what was made in the checkout (the cache outside stays)
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
