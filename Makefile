.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
# What builds the marts: duckdb, or spark, which has an environment of its own because pyspark is large.
ENGINE ?= duckdb
SPARK_VENV := .venv-spark
SPARK_BIN := $(SPARK_VENV)/bin
SPARK_STAMP := $(SPARK_VENV)/.ready
# A server of S3, and what Spark needs to use one: for the proof alone.
S3_STAMP := $(SPARK_VENV)/.ready-s3
# The stack with Celery, for the proof of many agencies.
CELERY_VENV := .venv-celery
CELERY_BIN := $(CELERY_VENV)/bin
CELERY_STAMP := $(CELERY_VENV)/.ready
DEMO_HOME ?= $(CURDIR)/demo
export DBT_SEND_ANONYMOUS_USAGE_STATS := false
export DO_NOT_TRACK := 1
# Containers often set it. Without bytecode every process compiles dbt, Airflow and the rest again: 3 to 8 s of CPU each.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

.PHONY: setup
setup: $(STAMP) ## make .venv from the lock file, with the command .venv/bin/amkpi

# pip installs uv by its hash; uv installs the rest in 8 s (pip needs minutes).
$(STAMP): requirements/uv.lock requirements/dev.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "no python3.11 found: install Python 3.11, or run make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements/uv.lock
	$(BIN)/uv pip install -q --python $(BIN)/python --require-hashes --no-build -r requirements/dev.lock
	$(BIN)/uv pip install -q --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

# pyspark has no wheel: it is built with the setuptools of the lock file. Everything else is a wheel.
$(SPARK_STAMP): $(STAMP) requirements/spark.lock
	@command -v java >/dev/null || test -n "$$JAVA_HOME$$SPARK_REMOTE" || { echo "Spark needs Java 17: apt-get install openjdk-17-jre-headless"; exit 1; }
	$(PYTHON) -m venv --clear $(SPARK_VENV)
	$(BIN)/uv pip install -q --python $(SPARK_BIN)/python --require-hashes --no-build -r requirements/dev.lock
	$(BIN)/uv pip install -q --python $(SPARK_BIN)/python --require-hashes --no-build-isolation -r requirements/spark.lock
	$(BIN)/uv pip install -q --python $(SPARK_BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

$(S3_STAMP): $(SPARK_STAMP) requirements/s3-server.lock requirements/s3-jars.lock
	$(BIN)/uv pip install -q --python $(SPARK_BIN)/python --require-hashes --no-build -r requirements/s3-server.lock
	rm -rf $(SPARK_VENV)/s3 && mkdir $(SPARK_VENV)/s3
	$(BIN)/pip download -q --disable-pip-version-check --no-deps --no-build-isolation --require-hashes \
	  -r requirements/s3-jars.lock -d $(SPARK_VENV)/s3
	tar -xzf $(SPARK_VENV)/s3/*.tar.gz -C $(SPARK_VENV)/s3 --strip-components=3 --wildcards '*/hadoop-aws-*.jar' '*/aws-java-sdk-bundle-*.jar'
	rm $(SPARK_VENV)/s3/*.tar.gz
	@touch $@

.PHONY: lock
lock: $(STAMP) ## update the lock files from pyproject.toml: dev.lock, and with its versions stack.lock and celery.lock for the image, spark.lock and s3-server.lock
	cd requirements && ../$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --extra dev ../pyproject.toml -o dev.lock
	cd requirements && ../$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --extra stack -c dev.lock ../pyproject.toml -o stack.lock
	cd requirements && ../$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --extra celery -c stack.lock ../pyproject.toml -o celery.lock
	cd requirements && ../$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --extra spark --extra s3 -c dev.lock ../pyproject.toml -o spark.lock
	cd requirements && ../$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url -c spark.lock s3-server.in -o s3-server.lock

# The build folder goes before and after: setuptools would put its old files into the wheel.
.PHONY: wheel
wheel: $(STAMP) ## dist/amkpi-*.whl, to be installed without this checkout
	rm -rf build dist
	$(BIN)/python -m pip wheel -q --no-deps --no-build-isolation --no-index --wheel-dir dist .
	rm -rf build *.egg-info
	@ls dist

.PHONY: run
run: $(if $(filter spark,$(ENGINE)),$(SPARK_STAMP),$(STAMP)) ## run the sample agency through the real DAGs, in ./demo; ENGINE=spark: on Spark
	$(if $(filter spark,$(ENGINE)),AMKPI_ENGINE=spark $(SPARK_BIN),$(BIN))/python -m amkpi.interfaces.demo --home $(DEMO_HOME)

# The homes of the tests are in memory where there is room for them: DuckDB waits for the disk after each of its steps.
SHM_FREE := $(shell df --output=avail -k /dev/shm 2>/dev/null | tail -1)
RAM_FREE := $(shell awk '/^MemAvailable/ {print $$2}' /proc/meminfo 2>/dev/null)
TEST_TMP := $(shell test "$(SHM_FREE)" -gt 8000000 -a "$(RAM_FREE)" -gt 12000000 2>/dev/null && echo TMPDIR=/dev/shm)

.PHONY: test
test: $(STAMP) ## run every test
	$(TEST_TMP) $(BIN)/python -m pytest -n 2 --dist loadgroup --no-loadscope-reorder -q

# pytest leaves out a file that is named beside its folder and has no name of a test.
.PHONY: test-spark
test-spark: $(S3_STAMP) ## build the same agencies on DuckDB and Spark, and compare every value (needs Java 17; an hour; not part of make test)
	$(SPARK_BIN)/python -m pytest -n 0 -q -s $(wildcard tests/transform/spark/test_*.py) tests/transform/spark/proof.py \
	  tests/transform/spark/object_storage_proof.py tests/group/spark_proof.py

.PHONY: quick
quick: $(STAMP) ## run the fast tests
	$(BIN)/python -m pytest -n 2 --dist loadfile -q -m "not slow"

.PHONY: fuzz
fuzz: $(STAMP) ## test readers and mappings with 10,000 random examples each, and every fault and format; takes half an hour
	$(BIN)/python -m pytest -n 2 -q -m long

.PHONY: lint
lint: $(STAMP) docs-check ## run ruff, mypy, sqlfluff and docs-check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	cd dbt_project && AMKPI_WAREHOUSE=:memory: ../$(BIN)/sqlfluff lint -q models
	cd dbt_project/group && AMKPI_WAREHOUSE=:memory: ../../$(BIN)/sqlfluff lint -q models

.PHONY: docs
docs: $(STAMP) ## write the generated pages of docs/
	$(BIN)/python -m tools.docs.write

.PHONY: docs-check
docs-check: $(STAMP) ## name the generated pages of docs/ that are out of date
	$(BIN)/python -m tools.docs.write --check

.PHONY: texts
texts: $(STAMP) ## bring the message catalogues (vi, en) in line with the code, and name what needs a translation
	$(BIN)/python -m tools.texts

.PHONY: docs-site
docs-site: $(STAMP) ## write dbt's own site of all models as one page that opens offline: docs/site/index.html
	$(BIN)/python -m tools.docs.write --site

.PHONY: format
format: $(STAMP) ## format the Python code with ruff
	$(BIN)/ruff check --fix-only -q .
	$(BIN)/ruff format -q .

.PHONY: clean
clean: ## remove .venv, ./demo and caches
	rm -rf $(VENV) $(SPARK_VENV) $(CELERY_VENV) $(DEMO_HOME) .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info build dist dbt_project/target
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: bench
bench: $(STAMP) ## measure time and memory against one plain DuckDB script; BENCH_SIZES="0.1 M,1.25 M,12.5 M" for all sizes
	$(BIN)/python -m tools.benchmarks.measure $(if $(BENCH_SIZES),--sizes "$(BENCH_SIZES)") $(if $(BENCH_FIRST_ONLY),--first-only "$(BENCH_FIRST_ONLY)")
	$(BIN)/python -m tools.benchmarks.pages

.PHONY: scorecards
scorecards: $(STAMP) ## write the sample agency's mails of the last closed month, with pictures of one if Chromium is installed
	test -e $(DEMO_HOME)/published/current.duckdb || $(MAKE) run
	AMKPI_SCORECARD_LEADERSHIP=NV001 $(BIN)/amkpi scorecards --home $(DEMO_HOME) --as-of 2026-10-17 --period 2026-09
	$(BIN)/amkpi scorecards --home $(DEMO_HOME) --as-of 2026-10-17 --period 2026-09 --to NV003 --outbox $(DEMO_HOME)/outbox/one
	$(BIN)/python -m tools.pictures.mails $(DEMO_HOME)/outbox/one $(DEMO_HOME)/outbox/pictures

.PHONY: secrets
secrets: ## make the stack's secrets in secrets/, once; MAIL=smtp://user:password@host:587/?security=starttls
	@stack/make-secrets secrets "$(MAIL)"

.PHONY: up
up: secrets ## build and start the stack of docker-compose.yml; wait until it is healthy
	docker compose up --detach --build --wait
	@docker compose ps

.PHONY: down
down: ## stop the stack; its data stays in the volumes
	docker compose down

.PHONY: logs
logs: ## follow the logs of the stack's containers
	docker compose logs --follow --tail 100

$(CELERY_STAMP): $(STAMP) requirements/celery.lock
	$(PYTHON) -m venv --clear $(CELERY_VENV)
	$(BIN)/uv pip install -q --python $(CELERY_BIN)/python --require-hashes --no-build -r requirements/dev.lock
	$(BIN)/uv pip install -q --python $(CELERY_BIN)/python --require-hashes --no-build -r requirements/celery.lock
	$(BIN)/uv pip install -q --python $(CELERY_BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

.PHONY: test-agencies
test-agencies: $(CELERY_STAMP) ## run many agencies in one Airflow, AGENCIES=200, and Celery with two workers (needs PostgreSQL; not part of make test)
	$(CELERY_BIN)/python -m pytest tests/stack/agencies/proof.py -n 0 -q -x

.PHONY: test-stack
test-stack: $(STAMP) ## build the stack, kill its parts, and print the results (needs root; not part of make test)
	$(BIN)/python -m pytest tests/stack/proof.py -q -x
