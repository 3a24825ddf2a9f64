# Two commands matter: `make demo` and `make test`. Everything runs in .venv, with the versions in constraints.txt.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
TEST := $(BIN)/python -m pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder
INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo serve test test-faults load test-compose check format bench docs clean

demo: .venv/server
	$(BIN)/slope demo

serve: .venv/server
	$(BIN)/slope serve $(if $(PORT),--port $(PORT))

# Three processes for two cores: most tests wait now and then. Those of partitions keep both cores busy by themselves, and
# those of faults run apart from the others: they hold what is to have happened within seconds.
test: .venv/test
	$(TEST) tests/unit tests/integration tests/test_architecture.py
	$(TEST) --ignore tests/unit --ignore tests/integration --ignore tests/test_architecture.py --ignore tests/faults
	$(TEST) tests/faults --ignore tests/faults/test_partitions.py
	$(BIN)/python -m pytest tests/faults/test_partitions.py

test-faults: .venv/test
	PYTHONPATH=tests $(BIN)/python -m faults

load: .venv/test
	PYTHONPATH=tests $(BIN)/python -m faults.load

test-compose: .venv/test
	tests/compose/run

check: .venv/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tests/browser/check.py

format: .venv/test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: .venv/bench
	$(BIN)/python -m benchmarks
	$(BIN)/python docs/draw_benchmarks.py

docs: .venv/test
	$(BIN)/python docs/build.py

clean:
	rm -rf .venv build dist

.venv/server: pyproject.toml constraints.txt hatch_build.py service/web/package-lock.json
	@echo "Installing Slope and PyTorch into .venv: some minutes, and 2 GB, or several more where PyTorch comes with CUDA."
	$(PYTHON) -m venv .venv
	$(INSTALL) torch
	$(INSTALL) --editable '.[server,pictures]'
	touch $@

# Without the generators, which npm and PyPI may not be there for, their tests are skipped; in CI they fail.
.venv/test: .venv/server tests/generators/requirements.txt tests/generators/package-lock.json
	$(INSTALL) --editable '.[server,pictures,docs,test]'
	-$(BIN)/python tests/generators/install.py
	-$(BIN)/python tests/chart/install.py
	-@{ command -v ip && command -v pgbouncer && command -v chromium && command -v promtool; } >/dev/null \
	  || test "$$(id -u)" != 0 \
	  || { apt-get update -qq && apt-get install -qq --no-install-recommends iproute2 pgbouncer chromium prometheus; }
	touch $@

.venv/bench: .venv/test
	$(INSTALL) --editable '.[server,pictures,docs,test,bench]'
	touch $@
