# PythoFlow. Bare `make` explains itself.
PYTHON ?= python3
PY := .venv/bin/python
SCENARIO ?= drummondville
GATEWAYS ?=
DAYS ?=
SEED ?=
BROKER ?= embedded
WEATHER ?=
BENCH ?= aggregate_engine
N ?= 10
LOAD ?= 4
SPEED ?= 1
STORE ?= $(firstword $(wildcard live-output/compute.sqlite demo-output/compute.sqlite) live-output/compute.sqlite)
PORT ?= 8080

.DEFAULT_GOAL := help
.PHONY: help demo live console test test-often soak check bench findings firmware deploy-local format requirements clean check-types check-firmware check-terraform check-text ready-demo ready-console ready-dev ready-checkov ready-home-assistant

help: ## what can be made
	@echo "PythoFlow aims at the least water that keeps the harvest; docs/water.md says how near it comes."
	@echo
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 22
	@echo
	@echo "  make demo takes GATEWAYS=8 DAYS=5 SEED=1 BROKER=embedded|mosquitto WEATHER=file.csv SCENARIO=name|file.yaml"

demo: ready-demo ## irrigate a farm on this machine, and write demo-output/report.html
ifeq ($(BROKER),mosquitto)
	@$(PYTHON) scripts/setup.py system mosquitto
endif
	@exec $(PY) -m demo --scenario "$(SCENARIO)" --broker "$(BROKER)" --weather "$(WEATHER)" \
		$(if $(GATEWAYS),--gateways "$(GATEWAYS)") $(if $(DAYS),--days "$(DAYS)") $(if $(SEED),--seed "$(SEED)")

live: ready-demo ## keep a farm running for people to steer, until Ctrl-C: SPEED=1 (field time over real time)
ifeq ($(BROKER),mosquitto)
	@$(PYTHON) scripts/setup.py system mosquitto
endif
	@exec $(PY) -m demo.live --speed "$(SPEED)" --scenario "$(SCENARIO)" --broker "$(BROKER)" --weather "$(WEATHER)" \
		$(if $(GATEWAYS),--gateways "$(GATEWAYS)") $(if $(DAYS),--days "$(DAYS)") $(if $(SEED),--seed "$(SEED)")

console: ready-console ## the page to see and steer a farm, on the live one or the demonstration's: STORE=file PORT=8080
	@exec $(PY) -m console --store "$(STORE)" --access "$(dir $(STORE))console.sqlite" --port "$(PORT)" \
		$(if $(wildcard $(dir $(STORE))zones.yaml),--zones "$(dir $(STORE))zones.yaml")

test: ready-dev ## set up everything and run all tests (needs terraform)
	@$(MAKE) --no-print-directory --jobs=2 ready-checkov ready-home-assistant
	@$(PYTHON) scripts/setup.py system mosquitto git terraform chromium promtool
	@# Empty, since with it each worker would rewrite every assertion anew.
	@PYTHONDONTWRITEBYTECODE= $(PY) -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder

test-often: ready-dev ## run what chance could break N=10 times beside a load of LOAD=4 (needs terraform)
	@$(PYTHON) scripts/setup.py system mosquitto terraform chromium
	@exec $(PY) scripts/beside_load.py --load "$(LOAD)" --rounds "$(N)" --python-tests tests/often.txt \
		$(PY) -m pytest --quiet --numprocesses auto --dist loadfile --no-loadscope-reorder

# `-msoak` in one word: aquacrop's modules are not whole in a program that has a word `-m`.
soak: ready-dev ## the tests that are longer, not stronger, with their figures; by hand, or nightly
	@$(PYTHON) scripts/setup.py system mosquitto terraform
	@$(PY) -m pytest -msoak --numprocesses 0 --capture no --durations 0 --durations-min 1

check: ready-dev ## format, lint, types, Terraform, budgets, licences (needs terraform)
	@$(PYTHON) scripts/setup.py system terraform git
	@$(MAKE) --no-print-directory --jobs=2 check-types check-firmware check-terraform check-text

check-types:
	@$(PY) -m mypy

check-firmware:
	@$(PY) scripts/check_firmware.py

check-terraform:
	@$(PY) -m pytest --quiet tests/terraform/test_configuration.py

check-text:
	@$(PY) -m ruff format --check .
	@$(PY) -m ruff check .
	@$(PY) scripts/check_tree.py
	@$(PY) scripts/sbom.py --out build/sbom.cdx.json

bench: ready-dev ## figures side by side in one run: BENCH=name
	@$(PY) -m benchmarks "$(BENCH)"

findings: ## what surprised us in others' libraries: still so? (needs the network)
	@changed=; for finding in findings/*.sh; do \
		echo "$$finding"; \
		PYTHON="$(PYTHON)" bash "$$finding"; \
		case $$? in \
			0) echo "-- passed: it behaves as written" ;; \
			2) echo "-- not run: it could not be set up"; changed=1 ;; \
			*) echo "-- changed: it no longer behaves as written"; changed=1 ;; \
		esac; \
	done; test -z "$$changed"

firmware: ready-dev ## build the flash of a board into build/firmware, and hold it to its budgets
	@$(PY) -m firmware build

deploy-local: ready-dev ## apply terraform/ to an AWS API on this machine, run the farm on it, destroy (needs terraform)
	@$(PYTHON) scripts/setup.py system terraform
	@exec $(PY) -m demo.deploy

format: ready-dev ## put every file into the project's format
	@$(PY) -m ruff format .
	@$(PY) -m ruff check --fix .
	@terraform fmt -recursive terraform

requirements: ready-dev ## compile requirements/*.txt from pyproject.toml again, with hashes
	@bash scripts/compile-requirements

clean: ## remove what runs and builds left; the environment stays
	@rm -rf demo-output live-output build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -not -path './.venv/*' -not -path './node_modules/*' -prune -exec rm -rf {} +

ready-demo:
	@$(PYTHON) scripts/setup.py demo

ready-console:
	@$(PYTHON) scripts/setup.py console

ready-dev:
	@$(PYTHON) scripts/setup.py dev

ready-checkov:
	@$(PYTHON) scripts/setup.py checkov

ready-home-assistant:
	@$(PYTHON) scripts/setup.py home-assistant
