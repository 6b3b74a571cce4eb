# One command per intent; `make help` lists them. Each target sets up what it needs, on a machine
# with nothing but Python 3.11 or newer and make. Environments come from the hashed exports in
# requirements/ and are brought up to date when an export changes; `make clean` starts over.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

# Machines set this to keep folders clean. Here it would make each of the many processes that the
# tests start compile everything anew: three times as long to start.
unexport PYTHONDONTWRITEBYTECODE

# The first of these that is 3.11 or newer; `make PYTHON=/some/python test` chooses another.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	command -v $$p >/dev/null && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	&& { echo $$p; break; }; done)

# No byte code at installation: the SDKs bring tens of thousands of modules, of which a run
# imports a few. `-qq` leaves errors only.
PIP := python -m pip install -qq --disable-pip-version-check --no-compile
# Packages without wheels are built with the pinned, hashed tools of build.txt, never with
# whatever is newest on the index that day.
HASHED := --require-hashes --no-build-isolation

DEV := .venv/.linked
DEMO := .venv-demo/.linked
CLASSIC := .venv-classic/.made
MNS115 := .venv-mns115/.made
NODE := tests/sim/node/node_modules/.made
HAVE_NODE := $(shell command -v node >/dev/null && command -v npm >/dev/null && echo yes)

.PHONY: help
help: ## this list
	@sed -nE 's/^([a-z]+):.*## (.*)/  make \1|\2/p' Makefile | while IFS='|' read -r name text; do \
		printf '%-14s %s\n' "$$name" "$$text"; done

.PHONY: demo
demo: $(DEMO) ## watch one evening on a simulated fleet: outages, and how they are healed
	@.venv-demo/bin/cloudheal demo

# Tests wait about as much as they compute (for processes, servers, leases).
WORKERS := $(shell python3 -c 'import os; print(2 * (os.cpu_count() or 1) + 1)' 2>/dev/null || echo 5)

.PHONY: test
test: venvs ## run the tests; PYTEST_ARGS=... narrows
	@$(if $(HAVE_NODE),,echo 'node or npm not found: the tests marked "node" will be skipped')
	@.venv/bin/pytest -n $(WORKERS) --dist worksteal $(PYTEST_ARGS)

.PHONY: soak
soak: $(DEV) ## run the long tests that look for leaks and drift, and more examples of every property
	@.venv/bin/pytest -m 'soak or hypothesis' --timeout 3600 $(PYTEST_ARGS)

.PHONY: bench
bench: $(DEV) ## run the programs of benchmarks/, which print what they measured
	@for program in benchmarks/*.py; do .venv/bin/python "$$program"; done

.PHONY: check
check: $(DEV) ## format, lint, layers, types and what nothing uses; changes nothing
	@.venv/bin/ruff format --quiet --check . || { echo 'ruff format: make format repairs this'; exit 1; }
	@.venv/bin/ruff check .
	@.venv/bin/lint-imports
	@.venv/bin/vulture
	@.venv/bin/mypy

.PHONY: format
format: $(DEV) ## format the code and repair what the linter can
	@.venv/bin/ruff format .
	@.venv/bin/ruff check --fix .

.PHONY: docs
docs: $(DEV) ## build the documentation in both languages into build/docs
	@for language in en zh; do .venv/bin/sphinx-build -W -n -q -c docs -t $$language \
		docs/$$language build/docs/$$language && echo "build/docs/$$language/index.html"; done

.PHONY: reference
reference: $(DEV) ## write the generated reference pages anew
	@for language in en zh; do page=docs/$$language/reference/coverage.md; \
		.venv/bin/python -m cloudheal_sim.coverage --language $$language >$$page.new; \
		mv $$page.new $$page; done
	@.venv/bin/python -m tests.docs.fields
	@.venv/bin/python -m tests.docs.playbooks

.PHONY: venv
venv: $(DEV) ## make .venv, the environment for development

.PHONY: venvs
venvs: $(DEV) $(CLASSIC) $(MNS115) $(if $(HAVE_NODE),$(NODE)) ## make every environment that the tests use

.PHONY: lock
lock: requirements/.uv/made ## write requirements/*.txt anew from pyproject.toml and *.in
	@$(call compile,build.txt) requirements/build.in
	@$(call compile,dev.txt) pyproject.toml --extra demo --extra logs --extra kafka --group dev -c requirements/build.txt
	@$(call compile,run.txt) pyproject.toml --extra demo -c requirements/dev.txt
	@$(call compile,sdk-classic.txt) requirements/sdk-classic.in \
		--overrides requirements/sdk-classic.overrides
	@$(call compile,sdk-mns115.txt) requirements/sdk-mns115.in

.PHONY: clean
clean: ## remove environments, caches and everything built
	@rm -rf .venv .venv-demo .venv-classic .venv-mns115 tests/sim/node/node_modules build dist \
		requirements/.uv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis \
		.coverage .coverage.* htmlcov .make.lock
	@find src tests docs -name __pycache__ -type d -prune -exec rm -rf {} +

# --- environments ---

# One at a time, also when two makes run in one checkout: both would write into the same folder.
# Whoever waited finds the stamp fresh and has nothing to do. Without flock (macOS): no guard.
define begin
	@test -n '$(PYTHON)' || { echo 'Python 3.11 or newer is needed and none was found. Install' \
		'python3 and python3-venv, or name one: make PYTHON=... $(MAKECMDGOALS)' >&2; exit 1; }
	@exec 9>.make.lock; if command -v flock >/dev/null; then flock 9; fi; \
	fresh=$$(ls $@ 2>/dev/null || true); for made_of in $^; do [ $@ -nt $$made_of ] || fresh=; done; \
	[ -z "$$fresh" ] || exit 0; PATH="$$PWD/$(@D)/bin:$$PATH"
endef

define tools
	echo "installing $$(dirname $@)"; [ -x $(@D)/bin/python ] || $(PYTHON) -m venv $(@D); \
	$(PIP) --require-hashes -r requirements/build.txt
endef

.venv/.made: requirements/build.txt requirements/dev.txt
	$(begin); $(tools); $(PIP) $(HASHED) -r requirements/dev.txt; touch $@

.venv-demo/.made: requirements/build.txt requirements/run.txt
	$(begin); $(tools); $(PIP) $(HASHED) -r requirements/run.txt; touch $@

# --no-deps: the export is complete; the three products would pull in a second core (see
# requirements/sdk-classic.overrides). The import proves that the right one is in place. Of all
# Pythons that we support only 3.11 can import the client, so it is preferred here.
.venv-classic/.made: PYTHON := $(shell python3.11 -c '' 2>/dev/null && echo python3.11 || echo '$(PYTHON)')
.venv-classic/.made: requirements/build.txt requirements/sdk-classic.txt
	$(begin); $(tools); $(PIP) $(HASHED) --no-deps -r requirements/sdk-classic.txt; \
	python -c 'import aliyunsdkcore as core; assert core.__version__ == "2.13.33", core'; touch $@

.venv-mns115/.made: requirements/build.txt requirements/sdk-mns115.txt
	$(begin); $(tools); $(PIP) $(HASHED) -r requirements/sdk-mns115.txt; touch $@

# The project itself, by reference: a change of the code needs no new installation, but for the
# engine in C, which is compiled here where there is a compiler.
ENGINE := hatch_build.py $(wildcard src/cloudheal/logs/native/*)
.venv/.linked .venv-demo/.linked: %/.linked: %/.made pyproject.toml $(ENGINE)
	$(begin); $(PIP) --no-deps --no-build-isolation -e .; touch $@

$(NODE): tests/sim/node/package.json tests/sim/node/package-lock.json
	$(begin); echo 'installing tests/sim/node'; \
	npm ci --prefix tests/sim/node --ignore-scripts --silent --no-audit --no-fund; touch $@

# uv writes the exports; nothing else needs it, so it is not part of any environment.
requirements/.uv/made:
	$(begin); $(PYTHON) -m venv $(@D); $(PIP) uv; touch $@

compile = requirements/.uv/bin/uv pip compile --quiet --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate \
	--custom-compile-command 'make lock' --output-file requirements/$(1)
