# Two commands for a fresh machine with only Python and venv: `make calibrate` and `make test`.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist worksteal
# Most of the suite is compiling programs that then run once: XLA need not optimise those, and
# workers that share the cores need no threads of BLAS. What times layers on this machine is
# tested with the code that users run.
UNOPTIMISED := --xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true \
	--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1
PYTEST_ONCE := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 XLA_FLAGS="$$XLA_FLAGS $(UNOPTIMISED)" $(PYTEST)
# Counting, tables, data and figures: what neither fits nor measures.
QUICK := jaxcost/trace $(addprefix tests/, _support workload device figures trace papers/test_*data.py \
	test_habits.py test_imports.py test_public_names.py)
# Whole models of five frameworks, programs of several devices, and estimates take half a minute.
NOT_QUICK := $(addprefix --ignore tests/trace/test_, invariants_of_networks.py estimate.py sharding.py \
	by_bytes.py rounds.py unsure.py) --ignore tests/trace/profile

.PHONY: help calibrate test quick docs lint format clean

help:
	@echo "make calibrate   measure this machine, fit a cost model, write calibration.json and report.html"
	@echo "make test        lint, check types and run the tests"
	@echo "make quick       lint, check types and run the tests that neither fit nor measure"
	@echo "make docs        build the documentation into site/, and fail on a broken link"
	@echo "make format      format the code and apply the linter's safe fixes"
	@echo "make clean       remove the environment and what was generated"

calibrate: $(VENV)/.installed
	$(BIN)/jaxcost calibrate --preset quick --out calibration.json --report report.html

test: lint
	$(PYTEST_ONCE) --ignore tests/measure
	$(PYTEST) tests/measure

quick: lint
	$(PYTEST_ONCE) $(QUICK) $(NOT_QUICK)

docs: $(VENV)/.installed-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) build dist site .pytest_cache .mypy_cache .ruff_cache .hypothesis
	rm -f calibration.json report.html measurements.db

# The stamps hold when the environment was last brought up to date with pyproject.toml.
$(VENV)/.installed: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --editable .
	touch $@

$(VENV)/.installed-dev: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --editable ".[dev]"
	touch $@ $(VENV)/.installed

$(VENV)/.installed-docs: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --editable ".[docs]"
	touch $@

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
