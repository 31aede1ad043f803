# `make demo` and `make test` need Python >= 3.11 with pip, and nothing else: they create .venv and install into it.
PYTHON ?= python3
PY := .venv/bin/python
INSTALL := $(PY) -m pip install --disable-pip-version-check -c constraints.txt

# Data files beside the checkout are used when they are there; a SEQSCI_DATA of your own always wins.
ifndef SEQSCI_DATA
ifneq ($(wildcard ../shared/data/.),)
export SEQSCI_DATA := $(abspath ../shared/data)
endif
endif

.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: demo test lint bench bench-gpu recovery docs notebooks clean help

demo: .venv/.installed-all  ## fit the S&P 500, print the tables, write the run
	.venv/bin/seqsci fit --config finance/sp500

test: .venv/.installed-dev  ## run the tests on two processes
	$(PY) -m pytest -n 2 --dist loadfile

lint: .venv/.installed-dev  ## ruff check, ruff format, mypy --strict
	$(PY) -m ruff check .
	$(PY) -m ruff format --check --quiet .
	$(PY) -m mypy

bench: .venv/.installed-all  ## numbers against arch and the baselines; last line JSON
	$(PY) -m benchmarks.finance

# make bench-gpu PY=python3 takes the torch and triton that are there, and installs nothing.
bench-gpu: $(if $(filter .venv/%,$(PY)),.venv/.installed-dev)  ## on a CUDA card: GB/s beside the measured copy, then the laws of its kernels
	$(PY) -c "import sys, torch; torch.cuda.is_available() or sys.exit('no CUDA card: torch.cuda.is_available() is False')"
	-$(PY) -m benchmarks.gpu
	$(PY) -m pytest -k "not interpreter and not targets" tests/test_engine_triton.py tests/test_triton_backend.py tests/test_panel_device.py tests/test_card_training.py

recovery: .venv/.installed-all  ## simulate, fit, coverage of the intervals; last line JSON
	$(PY) -m benchmarks.recovery

docs: .venv/.installed-docs  ## build these pages into docs/_build/html; a warning is an error
	$(PY) -m sphinx -b html -W --keep-going -q docs docs/_build/html
	@echo docs/_build/html/index.html

notebooks: .venv/.installed-docs  ## execute notebooks/*.py and write the .ipynb
	$(PY) -m jupytext --to ipynb --set-kernel python3 notebooks/*.py
	.venv/bin/jupyter-execute --inplace notebooks/*.ipynb

clean:  ## remove caches and build output; .venv and runs/ stay
	rm -rf build dist docs/_build docs/generated *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find seqsci domains tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

help:  ## this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1|/' | awk -F'|' '{printf "make %-10s %s\n", $$1, $$2}'

# The stamps make a second run quick; they are older than an edit of the two files, so an edit installs again. An existing .venv is kept.
.venv/.installed-all: pyproject.toml constraints.txt | .venv/bin/python
	$(INSTALL) -e '.[all]'
	@touch $@

.venv/.installed-dev: pyproject.toml constraints.txt | .venv/bin/python
	$(INSTALL) -e '.[all,test,lint]'
	@touch .venv/.installed-all $@

.venv/.installed-docs: pyproject.toml constraints.txt | .venv/bin/python
	$(INSTALL) -e '.[all,docs]'
	@touch .venv/.installed-all $@

.venv/bin/python:
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; v >= (3, 11) or sys.exit("seqsci needs Python >= 3.11, %s is %d.%d; say make PYTHON=python3.12" % (sys.executable, *v))'
	$(PYTHON) -m venv --clear .venv
