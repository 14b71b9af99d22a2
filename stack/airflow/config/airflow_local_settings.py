"""Airflow imports this file by its name in each of its processes, before anything is started.

Where tasks are started it imports the modules that they need: in the scheduler, whose LocalExecutor forks its workers,
and in a Celery worker. These fork their tasks, so a task starts with dbt and Great Expectations in memory. A new
process would need about 10 s of two cores for them.
"""

from __future__ import annotations

import importlib
import logging
import os
import sys

# Slow imports: modules of the pipeline, and libraries that its steps import inside functions.
OF_TASKS = (
    # First: the audit defers them, and the first task that looks at every module would import them each time.
    "altair",
    "scipy.stats",
    "amkpi.alerts.notify",
    "amkpi.pipeline.steps",
    "dbt.adapters.duckdb",
    "dbt.cli.main",
    "dbt.task.build",
    "amkpi.expectations.dialect",
    "great_expectations.expectations",
    "amkpi.scorecards.mail.delivery",
)

uses_celery = os.environ.get("AIRFLOW__CORE__EXECUTOR") == "CeleryExecutor"
if sys.argv[1:] and sys.argv[1] == ("celery" if uses_celery else "scheduler"):
    for name in OF_TASKS:
        importlib.import_module(name)
    # Great Expectations logs each key that it looks up, which would be half of this container's log. Airflow's setting
    # namespace_levels does not change loggers of the standard library.
    logging.getLogger("great_expectations").setLevel(logging.WARNING)
