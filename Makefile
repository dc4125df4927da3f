# Everything is installed into .venv in this folder: no sudo, nothing global.
.PHONY: help demo test bench soak fmt lock clean
# Two targets named at once must not install into .venv at the same time.
.NOTPARALLEL:

PYTHON ?= python3
BIN := .venv/bin
# Wheels only: an install never runs a package's own build script and never needs a compiler.
# --no-compile: Python compiles what it imports anyway, and this takes a third off the first run.
# -qq: the lock has decided everything; only errors are worth a line.
INSTALL := $(BIN)/python -m pip install -qq --no-input --disable-pip-version-check --no-compile --only-binary=:all:
INSTALL_SELF := $(INSTALL) --no-deps --no-build-isolation --editable .
NAME_ONE := To use another: make PYTHON=/path/to/python3
OFFLINE := { echo "Installing failed (see above). It needs the network once; run the same command again." >&2; exit 1; }

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-6s %s\n", $$1, $$2 }' Makefile

demo: .venv/.runtime ## open the demo community (ARGS="--headless --json" and the like are passed on)
	@$(BIN)/python -m peerbot demo $(ARGS)

test: .venv/.dev ## lint, types, import contracts and every test (ARGS go to pytest)
	@echo "== ruff check: lint"
	@$(BIN)/ruff check --quiet .
	@echo "== ruff format: layout"
	@$(BIN)/ruff format --quiet --check . || { echo "Run: make fmt" >&2; exit 1; }
	@echo "== mypy: types"
	@$(BIN)/mypy
	@echo "== lint-imports: who may import whom"
	@$(BIN)/lint-imports --no-logo
	@echo "== pytest: tests"
	@$(BIN)/python -m pytest $(ARGS)

bench: .venv/.dev ## the benchmarks: a table, and bench.json
	@$(BIN)/python -m benchmarks $(ARGS)

soak: .venv/.dev ## the tests that take minutes (ARGS go to pytest)
	@$(BIN)/python -m pytest -m soak $(ARGS)

fmt: .venv/.dev ## fix and format the code
	@$(BIN)/ruff check --quiet --fix .
	@$(BIN)/ruff format --quiet .

# The pins stay as they are unless pyproject.toml forces a change; ARGS=--upgrade renews them all.
# The runtime lock takes its versions from the dev lock: what is tested is what is installed.
LOCK := .venv-lock/bin/uv pip compile --quiet --universal --generate-hashes --only-binary=:all: \
	--custom-compile-command="make lock" --annotation-style=line $(ARGS) pyproject.toml

lock: .venv-lock/.uv ## write both lock files anew from pyproject.toml (ARGS=--upgrade for newer versions)
	@$(LOCK) --extra keyring --group dev --output-file requirements-dev.lock
	@$(LOCK) --group build --constraint requirements-dev.lock --output-file requirements.lock
	@if grep -n '://' requirements*.lock; then echo "A lock file must not name an index." >&2; exit 1; fi

clean: ## remove the environments, caches and build output
	rm -rf .venv .venv-lock build dist bench.json
	rm -rf .coverage* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/.runtime: .venv/.made requirements.lock pyproject.toml
	@echo "Installing what peerbot needs into .venv (some ten seconds the first time)"
	@$(INSTALL) --require-hashes -r requirements.lock || $(OFFLINE)
	@$(INSTALL_SELF)
	@touch $@

.venv/.dev: .venv/.made requirements-dev.lock pyproject.toml
	@echo "Installing the development tools into .venv (about a minute the first time)"
	@$(INSTALL) --require-hashes -r requirements-dev.lock || $(OFFLINE)
	@$(INSTALL_SELF)
	@touch .venv/.runtime $@

.venv/.made .venv-lock/.made:
	@command -v "$(PYTHON)" >/dev/null || { \
		echo "peerbot needs Python 3.11 or newer; there is no $(PYTHON). $(NAME_ONE)" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "peerbot needs Python 3.11 or newer; $(PYTHON) is $$("$(PYTHON)" -V 2>&1). $(NAME_ONE)" >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) lacks its venv module. On Debian and Ubuntu the package is python3-venv." >&2; exit 1; }
	@"$(PYTHON)" -m venv --clear $(@D)
	@touch $@

# uv resolves for every platform at once, which pip cannot.
.venv-lock/.uv: .venv-lock/.made Makefile
	@.venv-lock/bin/python -m pip install -qq --no-input --disable-pip-version-check --only-binary=:all: uv==0.13.9
	@touch $@
