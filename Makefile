# Two commands matter: `make demo` and `make test`. Everything runs in .venv, with the versions in constraints.txt.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo serve test test-faults test-compose check format bench clean

demo: .venv/server
	$(BIN)/slope demo

serve: .venv/server
	$(BIN)/slope serve

test: .venv/test
	$(BIN)/python -m pytest

test-faults: .venv/test
	PYTHONPATH=tests $(BIN)/python -m faults

test-compose: .venv/test
	tests/compose/run

check: .venv/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: .venv/test
	$(BIN)/python -m benchmarks

clean:
	rm -rf .venv build dist

.venv/server: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(INSTALL) torch
	$(INSTALL) --editable '.[server]'
	touch $@

.venv/test: .venv/server
	$(INSTALL) --editable '.[server,test]'
	touch $@
