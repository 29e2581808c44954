# Two commands do all the set-up: `make demo` and `make test`. Everything lands in .venv and .lake.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Byte code is compiled at install: without it `import dagster` takes 2.3 CPU s instead of 1.0.
unexport PYTHONDONTWRITEBYTECODE
export UV_LINK_MODE ?= copy
READY := $(VENV)/.installed

.PHONY: help demo test test-all bench lint types docs ui image constraints clean
help: ## This list
	@grep -hE '^[a-z-]+:.*##' Makefile | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

$(READY): pyproject.toml airflow_bridge/pyproject.toml deploy/constraints.txt deploy/install.sh
	@PYTHON=$(PYTHON) VENV=$(VENV) sh deploy/install.sh

demo: $(READY) ## The graph on generated data, then how to open the UI
	@$(BIN)/lake demo

test: $(READY) lint ## The tests (a server that is not to be had is a skip with its reason)
	@$(BIN)/pytest -m "not slow" -n 2 --dist loadfile

test-all: $(READY) lint ## Every test, the slow ones and the browser's included
	@$(BIN)/pytest -n 2 --dist loadfile

bench: $(READY) ## Ratios against peers, into bench.json
	@$(BIN)/python -m tests.bench

lint: $(READY) ## ruff, the type checker and the import direction
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports

docs: $(READY) ## docs/preps.md and docs/preps/ from the docstrings of the prep functions
	@$(BIN)/lake preps --docs docs

ui: $(READY) ## The Dagster UI on http://localhost:3000
	@$(BIN)/lake ui

image: ## The worker image of an Airflow: make image AIRFLOW=2.11.2 (deploy/README.md)
	@sh deploy/build.sh $(AIRFLOW)

constraints: ## Resolve deploy/requirements.in into deploy/constraints.txt
	@$(BIN)/uv pip compile --universal --python-version 3.10 -q --no-annotate --no-header \
	  --no-emit-index-url deploy/requirements.in -o deploy/constraints.txt

clean: ## Remove what this checkout installed and wrote
	rm -rf $(VENV) .lake
