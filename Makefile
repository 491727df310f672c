# Every target is one call of `portfolio` or of a standard tool, in an environment that set-up makes by itself.
.DEFAULT_GOAL := help
SHELL := /bin/bash
USE_CASE ?= digits
HOST ?= 127.0.0.1
PORT ?= 8000
MLFLOW_PORT ?= 5000
MLFLOW = $(abspath $(or $(PORTFOLIO_STATE),.state))/mlflow
REPORT_LANG ?= en
export PATH := $(CURDIR)/.venv/bin:$(PATH)
# Compiled modules are kept whatever the shell says: without them every command imports two to three times as long.
unexport PYTHONDONTWRITEBYTECODE
COMPOSE = $(shell docker compose version >/dev/null 2>&1 && echo docker compose || echo docker-compose)

include deploy/image.mk

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  \033[36m%-14s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup:  ## make .venv from the locked versions (TORCH=cpu|auto|cu128 chooses PyTorch's build)
	@bash requirements/setup.sh dev

demo: setup  ## the whole loop on real data, from collection to a served prediction, then stop
	@portfolio demo

run: setup  ## the training flow: collect, version, train, promote, publish (USE_CASE=digits|housing)
	@portfolio run '$(USE_CASE)'

serve: setup  ## serve the champion (USE_CASE, HOST, PORT)
	@portfolio serve '$(USE_CASE)' --host $(HOST) --port $(PORT)

models: setup  ## the registered versions with their aliases and metrics
	@portfolio models '$(USE_CASE)'

mlflow: setup  ## MLflow's pages of what was trained here, at http://127.0.0.1:5000 (MLFLOW_PORT)
	@test -f $(MLFLOW)/mlflow.db || { echo "Nothing was trained here yet: make run" >&2; exit 1; }
	DO_NOT_TRACK=true MLFLOW_DISABLE_TELEMETRY=true mlflow server --host 127.0.0.1 --port $(MLFLOW_PORT) --workers 1 \
		--backend-store-uri sqlite:///$(MLFLOW)/mlflow.db --artifacts-destination $(MLFLOW)/artifacts

report: setup  ## the report: one page to show, and answers for an interview (USE_CASE, REPORT_LANG=en|ja)
	@portfolio report '$(USE_CASE)' --lang $(REPORT_LANG)

readme: setup  ## write the figures of README*.md and docs/ from the metrics files
	@portfolio readme

check: setup  ## lint, types, import rules, and whether the docs' figures are those of the metrics
	ruff check .
	ruff format --check .
	mypy
	lint-imports
	portfolio readme --check

test: setup  ## all tests that need no Docker
	pytest

bench: setup  ## measure what the README claims of speed (20 minutes on two cores)
	@python -m bench

bench-serving: setup  ## our server beside MLflow's, LitServe, BentoML, MLServer and FastAPI (20 minutes; needs wrk; ONLY="...")
	@python -m bench.serving $(ONLY)

reliability: setup  ## what is claimed of the server's reliability, tried (20 minutes; ONLY="kill overload")
	@python -m bench.reliability $(ONLY)

pictures: setup  ## take the README's pictures of the page and the report from the champion (needs Chromium)
	@python -m bench.pictures '$(USE_CASE)'

test-compose: setup  ## build the images and try the whole loop in containers (needs a Docker engine)
	pytest -m compose -s tests/test_compose.py

up:  ## the whole loop in containers, with the pages of MLflow and Prefect (USE_CASE, API_PORT, ...)
	USE_CASE='$(USE_CASE)' PORTFOLIO_GIT_COMMIT=$$(git rev-parse HEAD) $(COMPOSE) up --build

down:  ## stop the containers; their data stay in volumes (with them: docker compose down --volumes)
	$(COMPOSE) down

lock: setup  ## renew the locked versions
	bash requirements/lock.sh

clean:  ## delete what was made here: state, models, plots, reports, prepared data; collected batches stay
	rm -rf .state build models plots reports data/*/clean data/*/quarantine data/*/splits

.PHONY: help setup demo run serve models mlflow report readme check test bench bench-serving reliability pictures test-compose up down lock clean
