# Freehold: `make help` lists what there is. The work is in tools/; this file
# only says what needs what.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# The Python that makes .venv; 3.11 or newer.
PYTHON ?= python3
# An installed Crossplane core to use instead of building one; one on the PATH is found without this.
CROSSPLANE_CORE ?=
# The folder of CRDs and OpenAPI documents that output is validated against.
SCHEMAS ?=
# A folder of the real Helm charts, packaged or unpacked, that tests template.
CHARTS ?=
export CROSSPLANE_CORE SCHEMAS CHARTS

PY := .venv/bin/python
FREEHOLD := $(PY) -m tools
# Extra arguments for pytest: make test ARGS='-k sizing'
ARGS ?=
# Two workers suit two cores; the suite is dominated by short child processes.
JOBS ?= 2
# Control planes for make e2e, 3 GiB of memory each; one has a real node, with five GiB of engines at times. With four
# of them two cores are busy.
PLANES ?= 4
# Models for make load.
N ?= 100
# Images for make images; all of them by default.
NAMES ?=
PYTEST := $(PY) -m pytest -n $(JOBS) --dist loadfile $(ARGS)

.PHONY: help
help: ## List the targets
	@echo 'Freehold. Targets:'
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "%-18s %s\n", $$1, $$2}'
	@echo
	@echo 'Variables:'
	@echo '  PYTHON=python3         makes .venv (3.11 or newer)'
	@echo '  CROSSPLANE_CORE=PATH   an installed core binary, instead of building one'
	@echo '  CHARTS=DIR             the real Helm charts, to template them in the tests'
	@echo '  SCHEMAS=DIR            CRDs to validate against (default ../shared/schemas)'

.PHONY: venv
venv: ## Make .venv from the locked requirements
	@PYTHON='$(PYTHON)' sh tools/venv.sh

.PHONY: tools
tools: venv ## Build what renders claims into .tools/bin (minutes, once)
	@$(FREEHOLD) build

.PHONY: control-plane
control-plane: venv ## Start API server, Crossplane and functions as processes; prints a kubeconfig
	@$(FREEHOLD) up

.PHONY: control-plane-down
control-plane-down: venv ## Stop what `make control-plane` started
	@$(FREEHOLD) down

.PHONY: up
up: venv ## Chat with a Model on this machine: control plane, a real node, vLLM (Linux, root, no GPU); prints a curl line
	@$(FREEHOLD) up --node

.PHONY: down
down: venv ## End what `make up` started
	@$(FREEHOLD) down --node

.PHONY: generate
generate: venv ## Write the XRDs, the input CRDs, package/install.yaml and docs/api.md
	@$(FREEHOLD) generate

.PHONY: demo
demo: venv ## Render and validate every claim in examples/; YAML under out/
	@$(FREEHOLD) demo

# XR=FILE [OBSERVED=PATH] [REQUIRED=PATH] [SETTLE=1] [STRICT=1]. All the progress goes to
# standard error: with `make -s`, standard output is YAML alone.
.PHONY: render
render: venv ## Render one claim or XR: make -s render XR=FILE [OBSERVED= REQUIRED= SETTLE= STRICT=]
	@[ -n '$(XR)' ] || { echo 'make -s render XR=FILE [OBSERVED=PATH] [REQUIRED=PATH] [SETTLE=1]' >&2; exit 2; }
	@$(FREEHOLD) render '$(XR)' $(if $(OBSERVED),--observed '$(OBSERVED)') \
	  $(if $(REQUIRED),--required '$(REQUIRED)') $(if $(SETTLE),--settle) $(if $(STRICT),--strict)

.PHONY: lint
lint: venv ## ruff check, ruff format --check, mypy --strict
	@$(PY) -m ruff check
	@$(PY) -m ruff format --check
	@$(PY) -m mypy

.PHONY: format
format: venv ## Let ruff format and fix what it can
	@$(PY) -m ruff format
	@$(PY) -m ruff check --fix

.PHONY: test
test: tools lint ## Lint, then all the tests
	@$(PYTEST)

.PHONY: e2e
e2e: venv ## Run the tests on a real control plane of their own (E2E_PLANE=FOLDER: on a running one)
	@$(FREEHOLD) build --control-plane
	@$(PY) -m pytest -n $(PLANES) --dist loadfile --no-loadscope-reorder $(ARGS) tests/e2e

.PHONY: signatures
signatures: venv ## Sign packages by cosign, and have Crossplane verify them (cosign is built once, five minutes)
	@$(FREEHOLD) build --control-plane
	@$(PY) -m pytest $(ARGS) tests/signatures

.PHONY: contract
contract: venv ## Check what is rendered against the real vLLM, on the CPU (minutes; first 1 GB to download)
	@$(FREEHOLD) build --vllm
	@$(PY) -m pytest $(ARGS) tests/contract

.PHONY: images
images: venv ## Make the images: make images [NAMES='functions agent'] [ARGS='--push HOST:PORT --authority FILE']
	@$(FREEHOLD) images $(NAMES) $(ARGS)

.PHONY: packages
packages: venv ## Make all images and packages for amd64 and arm64 in out/packages, with SBOMs and checksums
	@rm -rf out/packages
	@$(FREEHOLD) images --architecture amd64 --architecture arm64 --output out/packages $(ARGS)

.PHONY: scan
scan: venv ## Look for known vulnerabilities in what `make packages` made, by OSV-Scanner (built once, minutes)
	@$(FREEHOLD) scan $(ARGS)

.PHONY: load
load: venv ## Apply N=100 Models at once to a real control plane; prints what they cost as a table
	@$(FREEHOLD) build --control-plane
	@$(PY) -m tests.e2e.load --models $(N)

.PHONY: golden
golden: tools ## Rewrite the golden files from what renders now; read the diff
	@$(PYTEST) --golden-update

.PHONY: check
check: ## What CI runs
	@bash .ci/run

.PHONY: lock
lock: venv ## Resolve the declared dependencies anew into requirements/*.txt
	@PY=$(PY) sh tools/lock.sh
	@$(FREEHOLD) images --lock

.PHONY: clean
clean: ## Remove what was made, the built tools too
	rm -rf .venv .tools out .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find agent functions tools tests -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true
