# `make demo` and `make test` are all a newcomer needs; both set up what is missing first.

PYTHON ?= $(shell /usr/bin/python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo /usr/bin/python3 || echo python3)
BIN := .venv/bin
RELEASES ?= bookworm trixie

.DEFAULT_GOAL := help
.PHONY: help venv host demo test test-fast fresh check format bench lock clean

help: ## what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 18

venv: .venv/.complete ## the virtual environment .venv with all dependencies

.venv/.complete: requirements.lock pyproject.toml
	@tools/host-packages venv $(PYTHON)
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --disable-pip-version-check --quiet --require-hashes -r requirements.lock
	$(BIN)/pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation \
		--config-settings editable_mode=compat --editable .
	$(BIN)/python -m compileall -q fairlead
	@touch $@

host:
	@tools/host-packages run $(PYTHON)

demo: venv host ## a running cluster, and proof on the screen
	@$(BIN)/fairlead demo

test: venv host ## all tests
	@tools/host-packages test $(PYTHON)
	$(BIN)/pip install --disable-pip-version-check --quiet --require-hashes -r requirements-test.lock
	$(BIN)/python -m pytest -q

test-fast: venv ## the pure tests (no kernel, cluster or root), under a minute, with branch coverage
	$(BIN)/coverage run -m pytest -q -m "not (slow or kernel or cluster or root or etcd)"
	@echo "the modules with most statements and branches that no fast test runs:"
	@$(BIN)/coverage report --sort=miss | tail -n 15
	@printf 'branch coverage of the fast tests in per cent (the floor stands in pyproject.toml): '
	@$(BIN)/coverage report --format=total

fresh: ## demo and tests on a new Debian of each release, in a root of their own (root; RELEASES, FRESH_DIR)
	@tools/host-packages fresh $(PYTHON)
	tools/fresh-machine $(RELEASES)

check: venv ## format, lint, types, layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: venv ## put the code in shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: venv host ## the figures of the goals
	$(BIN)/python -m compileall -q fairlead
	$(BIN)/python -m bench.startup
	$(BIN)/python -m bench.fixture
	$(BIN)/python -m bench.api
	$(BIN)/python -m bench.api_lists
	$(BIN)/python -m bench.cost
	$(BIN)/python -m bench.kernel
	$(BIN)/python -m bench.proxy
	$(BIN)/python -m bench.churn
	$(BIN)/python -m bench.change
	$(BIN)/python -m bench.synloss
	$(BIN)/python -m bench.rollout
	$(BIN)/python -m bench.relay
	$(BIN)/python -m bench.loadbalancer
	$(BIN)/python -m bench.dns
	$(BIN)/python -m bench.dnscluster
	$(BIN)/python -m bench.scheduler
	$(BIN)/python -m bench.workloads
	$(BIN)/python -m bench.ui

lock: ## pin all dependencies anew, with hashes (needs uv)
	uv pip compile --universal --generate-hashes --python-version 3.11 --extra dev --extra kubectl --no-header --no-annotate \
		--quiet --output-file requirements.lock pyproject.toml
	uv pip compile --universal --generate-hashes --python-version 3.11 --no-header --no-annotate --quiet \
		--constraint requirements.lock --output-file requirements-test.lock requirements-test.in

clean: ## remove the environment and all caches
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage build *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
