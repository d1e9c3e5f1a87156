# Everything is set up inside the checkout: .venv for Python, node_modules for what comes
# from npm. Each is set up again only when the file that names its contents has changed.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run app test check format bench browser-bench screenshots soak clean

BIN := .venv/bin
CONFORMANCE := tests/conformance
SERVER := .venv/.server-installed
DEV := .venv/.dev-installed
NODE := $(CONFORMANCE)/node_modules/.installed
PEERS := tests/benchmarks/peers/node
CLIENT := client_js
CLIENT_NODE := $(CLIENT)/node_modules/.installed
APP := server/tidewire/chat/web/dist/index.html
APP_SOURCES = $(shell find $(CLIENT) \( -name node_modules -o -name dist -o -name test \) -prune -o -type f -print)
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
HAS_NODE := node -e 'const [major, minor] = process.versions.node.split("."); process.exit(100 * major + +minor < 2019 ? 1 : 0)' \
	>/dev/null 2>&1 && npm --version >/dev/null 2>&1
# --verifytypes looks for Python on the PATH only; --pythonpath means nothing to it.
PYRIGHT := PATH="$(CURDIR)/$(BIN):$$PATH" $(CONFORMANCE)/node_modules/.bin/pyright
NEEDS_NODE := echo "The web app, the checks and the tests need Node 20.19 or newer with npm: install it from https://nodejs.org/." >&2

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' Makefile

run: $(SERVER) ## Build the web app if Node is there, and serve the chat server on PORT (default 8000)
	@if $(HAS_NODE); then $(MAKE) --no-print-directory --silent app; else test -e $(APP); fi \
		|| echo "The web app was not built (that takes Node 20.19 or newer, with npm): the API is served without its pages." >&2
	@exec $(BIN)/tidewire serve

app: $(APP) ## Build the web app, which the server then serves at /

# Most tests wait for processes of their own, so two run at once on the smallest of machines; the tests
# of a file stay together, as they share a server. By their names, the files whose tests take longest come
# first; by their numbers of tests, which is the usual order, some of those would be left for the end.
test: $(DEV) $(NODE) $(APP) ## Run all tests, with coverage
	cd $(CLIENT) && npm test
	$(BIN)/python -m pytest --numprocesses=2 --dist=loadfile --no-loadscope-reorder --cov --cov-report=
	$(BIN)/python -m coverage report
	$(BIN)/python -m coverage report --include='protocol/*' --fail-under=95

check: $(DEV) $(NODE) $(CLIENT_NODE) ## Check format, lint and types
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(PYRIGHT)
	$(PYRIGHT) --verifytypes tidewire_protocol --ignoreexternal
	$(PYRIGHT) --verifytypes tidewire --ignoreexternal
	$(BIN)/tidewire typescript tidewire.chat:router -o client_js/app-router.d.ts --transformer superjson --check
	cd $(CLIENT) && npm run check

format: $(DEV) ## Format the code, and mend what the linter can mend
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(DEV) $(NODE) $(PEERS)/node_modules/.installed ## Compare speed with Node and others, printed
	$(BIN)/python -m tests.benchmarks $(BENCH)
	$(BIN)/python -m tests.benchmarks.superjson
	$(BIN)/python -m tests.benchmarks.durable

browser-bench: $(DEV) $(APP) ## Measure how responsive the web app stays, printed
	$(BIN)/python -m tests.browser.long_tasks

screenshots: $(DEV) $(APP) ## Take the pictures of the documents again
	$(BIN)/python -m tests.browser.screenshots docs/screenshots

soak: $(DEV) $(NODE) ## Run the tests under faults long, and watch memory
	TIDEWIRE_SOAK=1 $(BIN)/python -m pytest tests/faults
	$(BIN)/python -m tests.benchmarks.memory

clean: ## Remove what the other targets have set up
	rm -rf .venv .coverage .mypy_cache .pytest_cache .ruff_cache
	rm -rf $(CONFORMANCE)/node_modules $(CONFORMANCE)/trpc/*/node_modules $(PEERS)/node_modules
	rm -rf $(CLIENT)/node_modules $(CLIENT)/app/node_modules $(CLIENT)/dist $(dir $(APP))

# A name on the PATH may be a wrapper for a version that is not there, and a system's
# Python may come without venv, so each candidate is tried, not only looked up.
$(BIN)/python:
	@problem="Tidewire needs Python 3.11 or newer: install it from https://www.python.org/downloads/."; \
	for python in python3.13 python3.12 python3.11 python3; do \
		"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 || continue; \
		"$$python" -c 'import ensurepip, venv' >/dev/null 2>&1 && exec "$$python" -m venv --clear .venv; \
		problem="Python's venv module is missing: install it (on Debian and Ubuntu, apt install $$python-venv)."; \
	done; \
	echo "$$problem" >&2; exit 1

$(SERVER): pyproject.toml $(BIN)/python
	@echo "Installing the server into .venv …"
	@$(PIP) install --editable '.[server]'
	@touch $@

$(DEV): pyproject.toml $(BIN)/python
	@echo "Installing the server and the tools into .venv …"
	@$(PIP) install --editable '.[server,dev]'
	@touch $(SERVER) $@

$(NODE): $(CONFORMANCE)/package-lock.json
	@$(HAS_NODE) || { $(NEEDS_NODE); exit 1; }
	@echo "Installing the npm packages into $(CONFORMANCE) …"
	@cd $(CONFORMANCE) && npm ci --no-progress --loglevel=error
	@touch $@

$(PEERS)/node_modules/.installed: $(PEERS)/package-lock.json $(NODE)
	@echo "Installing the npm packages into $(PEERS) …"
	@cd $(PEERS) && npm ci --no-progress --loglevel=error
	@touch $@

$(CLIENT_NODE): $(CLIENT)/package-lock.json
	@$(HAS_NODE) || { $(NEEDS_NODE); exit 1; }
	@echo "Installing the npm packages into $(CLIENT) …"
	@cd $(CLIENT) && npm ci --no-progress --loglevel=error
	@touch $@

$(APP): $(CLIENT_NODE) $(APP_SOURCES)
	@echo "Building the web app …"
	@cd $(CLIENT) && npm run --silent build
	@touch $@
