# make demo: install, train, recommend, serve, with a page to look at.   make test: every check.   make help: the rest.
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV ?= .venv
# A Python of one's own choice: make demo PYTHON=/path/to/python3.12
PYTHON ?=
# make demo DATA=FOLDER PORT=9000 WEB_PORT=9001 USER_ID=42; all other settings by MATINEE_* variables
DATA ?=
PORT ?=
WEB_PORT ?=
STUDIO_PORT ?=
USER_ID ?=
TESTS ?= tests
COVERAGE ?= 90
PYTEST_OPTIONS ?=
# Options of benchmarks/compare_peers.py and benchmarks/zoo.py
PEERS ?=
ZOO ?=
# Test files are dealt to this many processes, whole ones: each process has servers and a browser of its own.
# The many processes that tests start need not compile the modules each time (see PYTHONDONTWRITEBYTECODE below).
JOBS ?= 3

bin := $(VENV)/bin
pip := $(bin)/python -m pip --disable-pip-version-check --no-input
install := $(bin)/python tools/install.py
checked := src tests benchmarks tools examples deploy
has_chromium = $(bin)/python -c 'import sys; sys.path.insert(0, "tests"); from browser_support import chromium; sys.exit(not chromium())' 2>/dev/null
has_elasticsearch = $(bin)/python -c 'import sys; sys.path.insert(0, "tests"); from elasticsearch_support import provide; sys.exit(provide())'
quoted = '$(subst ','\'',$(1))'

.PHONY: help demo studio test test-all coverage browser elasticsearch mlflow spark check containers fix docs bench compare-peers zoo screenshots lock clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 22

demo: $(VENV)/.train $(VENV)/.web $(VENV)/.ann ## install, fetch data, train, recommend, open http://localhost:7860 (DATA=FOLDER PORT=9000 WEB_PORT=9001 PYTHON=…)
	@$(bin)/matinee demo $(if $(DATA),--data $(call quoted,$(DATA))) $(if $(PORT),--port $(call quoted,$(PORT))) $(if $(WEB_PORT),--web-port $(call quoted,$(WEB_PORT))) $(if $(USER_ID),--user $(call quoted,$(USER_ID)))

studio: $(VENV)/.studio ## the studio on port 8501, beside a running make demo (PORT=9000, as the demo; STUDIO_PORT=9002)
	@$(bin)/matinee studio $(if $(PORT),--core-url $(call quoted,http://127.0.0.1:$(PORT))) $(if $(STUDIO_PORT),--port $(call quoted,$(STUDIO_PORT)))

test: $(VENV)/.dev ## every check and all tests but extended ones
	@$(has_chromium) || echo "There is no Chromium: the tests that need one are skipped. make browser installs it."
	@log=$$(mktemp); trap 'kill $$check 2>/dev/null; rm -f "$$log"' EXIT; $(MAKE) check >"$$log" 2>&1 & check=$$!; status=0; \
	PYTHONDONTWRITEBYTECODE= $(bin)/python -m pytest $(TESTS) -n $(JOBS) --dist loadfile $(PYTEST_OPTIONS) || status=$$?; \
	wait $$check || status=1; cat "$$log"; \
	exit $$status

test-all: ## the same with the tests marked as extended: phones, languages, second servers, long runs
	@$(MAKE) test PYTEST_OPTIONS="-m '' $(PYTEST_OPTIONS)"

coverage: ## all tests with branch coverage, which takes a quarter longer and must reach 90 %
	@$(MAKE) test PYTEST_OPTIONS='-m "" --cov --cov-report=term --cov-fail-under=$(COVERAGE)'

browser: $(VENV)/.browser ## a Chromium for the tests that need one, by apt where this is root

elasticsearch: $(VENV)/.elasticsearch ## an Elasticsearch for the tests that need one, by Maven, which apt installs where this is root

mlflow: $(VENV)-mlflow/.done ## an MLflow for the tests that need one, in an environment of its own ($(VENV)-mlflow)

spark: $(VENV)-spark/.done ## a Spark for the tests that need one, in an environment of its own ($(VENV)-spark), and these tests
	@PYTHONPATH=src '$(VENV)-spark/bin/python' -m pytest tests/spark -n0 -rs -m '' $(PYTEST_OPTIONS)

check: $(VENV)/.dev ## style, types and import order, without the tests
	@status=0; \
	for command in 'ruff check $(checked)' 'ruff format --check $(checked)' mypy 'lint-imports --no-cache'; do \
	  echo "$$command"; $(bin)/$$command || status=1; done; \
	exit $$status

containers: $(VENV)/.dev ## builds and starts the container images, and the walk over compose; needs a Docker engine, or root to start one
	@MATINEE_TEST_DOCKER=1 $(bin)/python -m pytest tests/deploy -n0 -rs

fix: $(VENV)/.dev ## what ruff can mend by itself
	-$(bin)/ruff check --fix $(checked)
	$(bin)/ruff format $(checked)

docs: $(VENV)/.docs ## the site, in site/
	@NO_MKDOCS_2_WARNING=1 $(bin)/mkdocs build --strict

bench: $(VENV)/.dev ## every benchmark but those of peers and Spark; each prints its table
	@for file in $(filter-out benchmarks/compare_peers.py benchmarks/spark.py,$(wildcard benchmarks/*.py)); do echo "== $$file"; $(bin)/python "$$file"; done

compare-peers: $(VENV)/.train ## other recommenders, in environments of their own (.venv-peers), and ours on the same splits (PEERS="--folds 5 --data …")
	@$(bin)/python benchmarks/compare_peers.py $(PEERS)

zoo: $(VENV)/.dev ## every model on three data sets, into the README; stored figures are kept (ZOO="--models ease …")
	@$(bin)/python benchmarks/zoo.py --readme README.md $(ZOO)

screenshots: $(VENV)/.dev $(VENV)/.browser ## the pictures of docs/images anew
	@$(bin)/python tools/screenshots.py
	@$(bin)/python tools/moving_picture.py

# pip wants the hash of every requirement as it is written, so extras stay (coverage[toml]).
lock: $(VENV)/.python ## new pinned requirements with hashes, by uv in a throw-away environment
	@set -eu; folder=$$(mktemp -d); trap 'rm -rf "$$folder"' EXIT; \
	$(bin)/python -m venv "$$folder"; "$$folder/bin/python" -m pip install --quiet --disable-pip-version-check uv; \
	compile="$$folder/bin/uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate --upgrade pyproject.toml"; \
	$$compile --extra dev -o "$$folder/all.txt"; compile="$$compile --generate-hashes --no-strip-extras -c $$folder/all.txt"; \
	$$compile -o requirements/base.txt; \
	for extra in train web studio ocr dev docs; do $$compile --extra $$extra -o requirements/$$extra.txt; done; \
	echo 'onnx>=1.22' | $$compile - --extra encoders --extra telemetry -o requirements/encoder.txt; \
	compile="$$compile --extra elasticsearch --extra postgres --extra telemetry"; \
	echo 'pillow>=11.3' | $$compile - -o requirements/core.txt; \
	$$compile --extra forest -o requirements/recommender.txt; \
	$$compile --extra ann -o requirements/vectors.txt; \
	echo 'mlflow>=3.4' | "$$folder/bin/uv" pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate --upgrade \
	  --generate-hashes --no-strip-extras pyproject.toml - --extra train --extra tracking -o requirements/mlflow.txt; \
	printf '%s\n' pytest pytest-xdist pytest-rerunfailures hypothesis | $$compile - --extra spark -o requirements/spark.txt

clean: ## everything that make made here (the caches and snapshots of the settings' folders stay)
	rm -rf $(VENV) $(VENV)-spark .venv-peers site dist build .mypy_cache .ruff_cache .hypothesis .schemathesis .import_linter_cache .coverage .coverage.*
	find src tests benchmarks tools -name __pycache__ -type d -exec rm -rf {} +

# The first Python 3.11+ that is found makes the environment.
$(VENV)/.python:
	@set -eu; for candidate in $(if $(PYTHON),'$(PYTHON)',python3 python3.13 python3.12 python3.11 python3.14 python); do \
	  if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then found=$$candidate; break; fi; \
	done; \
	if [ -z "$${found:-}" ]; then \
	  echo "No Python 3.11 or newer was found. Install one, or name it: make demo PYTHON=/path/to/python3.12" >&2; exit 1; fi; \
	if ! "$$found" -m venv '$(VENV)' >'$(VENV).log' 2>&1; then \
	  cat '$(VENV).log' >&2; rm -rf '$(VENV)' '$(VENV).log'; \
	  echo "$$found cannot make virtual environments. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; fi; \
	rm -f '$(VENV).log'; touch $@

# Pinned packages, then this package itself without looking at its dependencies.
$(VENV)/.base: requirements/base.txt pyproject.toml | $(VENV)/.python
	@echo "Installing Matinee into $(VENV) …"
	@$(install) requirements/base.txt
	@$(pip) install --quiet --no-deps --editable .
	@touch $@

$(VENV)/.train $(VENV)/.web $(VENV)/.studio: $(VENV)/.%: requirements/%.txt $(VENV)/.base
	@echo "Installing what $(patsubst train,training,$(patsubst web,the web app,$(patsubst studio,the studio,$*))) needs …"
	@$(install) requirements/$*.txt
	@touch $@

# FAISS, HNSW (usearch) and Annoy, pinned with the tests' packages. Annoy needs a C++ compiler. Constraints of pip have neither
# hashes nor extras.
$(VENV)/.ann: requirements/dev.txt | $(VENV)/.base
	@sed -e '/^ *--hash/d' -e 's/ *\\$$//' -e 's/\[.*\]//' requirements/dev.txt >'$(VENV)/ann.txt'; \
	for index in faiss-cpu usearch annoy; do \
	  $(pip) install --quiet --constraint '$(VENV)/ann.txt' "$$index" >>'$(VENV)/ann.log' 2>&1 || \
	    echo "$$index cannot be installed (see $(VENV)/ann.log): exact search answers in its place."; done; touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.base
	@echo "Installing what the tests need …"
	@$(install) requirements/dev.txt
	@touch $@

$(VENV)/.docs: requirements/docs.txt $(VENV)/.base
	@$(install) requirements/docs.txt
	@touch $@

# A browser for tests/browser; make test alone installs none. Where there is none, those tests are skipped and say so.
$(VENV)/.browser: | $(VENV)/.dev
	@if $(has_chromium); then \
	  touch $@; \
	elif command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
	  echo "Installing Chromium for the tests …"; export DEBIAN_FRONTEND=noninteractive; \
	  { apt-get -o Acquire::http::Timeout=20 update && { \
	    apt-get install --yes --no-install-recommends chromium-headless-shell || \
	    apt-get install --yes --no-install-recommends chromium; }; } >'$(VENV)/browser.log' 2>&1 && touch $@ || \
	    echo "It cannot be installed (see $(VENV)/browser.log): the tests that need it are skipped."; \
	else echo "There is no Chromium: the tests that need it are skipped. Install one, or set MATINEE_CHROMIUM."; fi

# MLflow and what training needs, apart from the other environments: MLflow holds cachetools and pyarrow back.
$(VENV)-mlflow/.done: requirements/mlflow.txt | $(VENV)/.python
	@echo "Installing MLflow for the tests …"
	@$(bin)/python -m venv '$(VENV)-mlflow'
	@'$(VENV)-mlflow/bin/python' -m pip install --quiet --disable-pip-version-check --no-input -r requirements/mlflow.txt
	@touch $@

# Spark, what training needs and the tools of its tests, apart from the other environments: it is 450 MB.
$(VENV)-spark/.done: requirements/spark.txt | $(VENV)/.python
	@echo "Installing Spark for the tests …"
	@$(bin)/python -m venv '$(VENV)-spark'
	@'$(VENV)-spark/bin/python' -m pip install --quiet --disable-pip-version-check --no-input -r requirements/spark.txt
	@touch $@

# A node of Elasticsearch for its tests, fetched once for all checkouts. Where it cannot be had, those tests are skipped and say so.
$(VENV)/.elasticsearch: | $(VENV)/.dev
	@if $(has_elasticsearch) 2>/dev/null; then \
	  touch $@; \
	elif command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
	  echo "Installing Maven and a Java for Elasticsearch …"; export DEBIAN_FRONTEND=noninteractive; \
	  { apt-get -o Acquire::http::Timeout=20 update && apt-get install --yes --no-install-recommends maven && { \
	    apt-get install --yes --no-install-recommends openjdk-25-jre-headless || \
	    apt-get install --yes --no-install-recommends openjdk-21-jre-headless || true; }; } >'$(VENV)/elasticsearch.log' 2>&1; \
	  if $(has_elasticsearch); then touch $@; else echo "The tests that need Elasticsearch are skipped (see $(VENV)/elasticsearch.log)."; fi; \
	else $(has_elasticsearch) || echo "The tests that need Elasticsearch are skipped. Set MATINEE_TEST_ELASTICSEARCH_URL to a server of yours."; fi
