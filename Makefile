# Every target is one call of `portfolio` or of a standard tool, in an environment that set-up creates on its own.
.DEFAULT_GOAL := help
SHELL := /bin/bash
ifeq ($(USE_CASE),)
# The first in params.yaml, which is what `portfolio` takes too.
USE_CASE := $(shell awk '/^use_cases:/ {list = 1; gsub(/[][,]/, " "); if ($$2 ~ /^[^\#]/) {print $$2; exit}} \
	list && $$1 == "-" {print $$2; exit}' params.yaml)
endif
HOST ?= 127.0.0.1
PORT ?= 8000
MLFLOW_PORT ?= 5000
PREFECT_PORT ?= 4200
REPORT_LANG ?= en
export PATH := $(CURDIR)/.venv/bin:$(PATH)
# Compiled modules are kept whatever the shell says: without them every command imports two to three times as long.
unexport PYTHONDONTWRITEBYTECODE
COMPOSE = $(shell docker compose version >/dev/null 2>&1 && echo docker compose || echo docker-compose)

help:  ## list the targets
	@sed '/^include /r deploy/image.mk' Makefile | awk -F ':.*## ' '/^##@ /{printf "\n\033[1m%s\033[0m\n", substr($$0, 5)} \
		/^[a-z-]+:.*## /{printf "  \033[36m%-14s\033[0m %s\n", $$1, $$2}'

##@ Start (USE_CASE=NAME chooses a use case; the default is the first in params.yaml)

setup:  ## make .venv from the locked versions (TORCH=cpu|auto|cu128 chooses PyTorch's build)
	@bash requirements/setup.sh dev

demo: setup  ## show a model's life in seven acts, in a copy, and stop
	@portfolio demo $(USE_CASE)

run: setup  ## train here: collect, version, train, evaluate, promote, publish
	@portfolio run $(USE_CASE)

live: setup  ## start everything: Prefect, MLflow, the API, and what watches and renews the model (PORT, MLFLOW_PORT, PREFECT_PORT)
	@portfolio live $(USE_CASE) --port $(PORT) --mlflow-port $(MLFLOW_PORT) --prefect-port $(PREFECT_PORT)

stop: setup  ## end what `make live` has started, also after a crash
	@portfolio stop

serve: setup  ## serve the champion (HOST, PORT)
	@portfolio serve $(USE_CASE) --host $(HOST) --port $(PORT)

##@ Look at the results

report: setup  ## write the report: one page to show, and answers for an interview (REPORT_LANG=en|ja)
	@portfolio report $(USE_CASE) --lang $(REPORT_LANG)

models: setup  ## list the registered versions with their aliases and metrics
	@portfolio models $(USE_CASE)

mlflow: setup  ## open MLflow for the runs of this folder, at http://127.0.0.1:5000 (MLFLOW_PORT)
	@portfolio mlflow --port $(MLFLOW_PORT)

readme: setup  ## update the figures in README*.md and docs/ from the metrics files
	@portfolio readme

docs: setup  ## build the documentation as a site, in build/site/index.html
	@zensical build --clean --strict

##@ Change the code

format: setup  ## format the code and fix what the linter can fix
	ruff check --fix .
	ruff format .

check: setup  ## lint, types, import rules, and whether the docs' figures are those of the metrics
	ruff check .
	ruff format --check .
	mypy
	lint-imports
	portfolio readme --check

test: setup  ## run all tests that need no Docker
	@# The tests of one file share what it sets up; now and then they wait for a server, so there is one process more than
	@# there are cores. One thread in each is enough: more threads would only busy-wait. Those that measure times come last,
	@# with the machine to themselves.
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 pytest -m "not compose and not copy and not alone" \
		--numprocesses $$(($$(getconf _NPROCESSORS_ONLN) + 1)) --maxprocesses 4 --dist loadfile --no-loadscope-reorder
	pytest -m "not compose and not copy and alone" $$(grep -rl --include='*.py' mark.alone tests)

test-copy: setup  ## run check, docs, demo and test in a project made from this, and where another use case is all there is
	pytest -m copy -s $$(grep -rl --include='*.py' mark.copy tests)

lock: setup  ## update the locked versions
	bash requirements/lock.sh

##@ Share

remote: setup  ## name the DVC remote for data, models and champions (URL=..., a folder or an address)
	@if [ -z "$(URL)" ]; then echo "Name the place: make remote URL=s3://BUCKET/PATH, or a folder" >&2; exit 1; fi
	@dvc remote add --quiet --force --default storage "$(URL)"
	@echo "Data, models and champions go there with: dvc push. For others to use it: git add .dvc/config, and commit."

pull: setup  ## fetch from the DVC remote what it has for this commit: data, models and champions
	@# Without the option it fetches the same, and then fails if there is a use case that nobody has pushed.
	@dvc pull --allow-missing

##@ Measure

bench: setup  ## measure what the README claims about speed (one part: python -m bench PART)
	@python -m bench

bench-serving: setup  ## compare with MLflow, LitServe, BentoML, MLServer and FastAPI (half an hour; needs wrk; ONLY="...")
	@python -m bench.serving $(ONLY)

bench-monitor: setup  ## measure how often the monitor is wrong, and how quickly it is right, compared with Evidently (10 minutes; ONLY="...")
	@python -m bench.monitor $(ONLY)

reliability: setup  ## test what is claimed about reliability (an hour; ONLY="kill overload", ONLY=live-killed=100)
	@python -m bench.reliability $(ONLY)

recording: setup  ## record the demo for the README, in docs/pictures/demo.svg
	@portfolio demo $(USE_CASE) --record docs/pictures/demo.svg

pictures: setup  ## take the README's pictures of the page and the report from the champion (needs Chromium)
	@python -m bench.pictures $(USE_CASE)

##@ Run in containers

up:  ## run the whole loop in containers, with the pages of MLflow and Prefect (API_PORT, ...)
	USE_CASE=$(USE_CASE) PORTFOLIO_GIT_COMMIT=$$(git rev-parse HEAD) $(COMPOSE) up --build

down:  ## stop the containers; their data stay in volumes (docker compose down --volumes deletes them too)
	$(COMPOSE) down

test-compose: setup  ## build the images and test the whole loop in containers
	pytest -m compose -s tests/test_compose.py

include deploy/image.mk

##@ Clean up

clean:  ## delete what can be made again: prepared data, models, plots, reports, caches, logs, checkpoints, the demo
	rm -rf build models plots dvc_plots reports data/*/clean data/*/quarantine data/*/splits
	rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	state="$${PORTFOLIO_STATE:-.state}" && rm -rf "$$state"/{demo,logs,checkpoints}

clean-state: setup  ## delete the registry, the store, the prediction log and its labels; asks first
	@portfolio clean-state

.PHONY: help setup demo run live stop serve report models mlflow readme docs format check test test-copy lock remote pull bench bench-serving bench-monitor reliability recording pictures up down test-compose clean clean-state
