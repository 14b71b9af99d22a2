"""Airflow imports this file by its name in each of its processes, before anything is started.

In the scheduler it imports what tasks import: LocalExecutor forks its workers and these their tasks, so a task begins
with dbt and Great Expectations in memory, where a fresh process needs some 10 s of two cores for them.
"""

from __future__ import annotations

import importlib
import logging
import sys

# The heavy ones that the steps import inside functions, and their own modules.
OF_TASKS = (
    "amkpi.alerts.causes",
    "amkpi.pipeline.steps",
    "dbt.adapters.duckdb",
    "dbt.cli.main",
    "dbt.task.build",
    "amkpi.expectations.dialect",
    "great_expectations.expectations",
    "amkpi.scorecards.mail.delivery",
)

if sys.argv[1:2] == ["scheduler"]:
    for name in OF_TASKS:
        importlib.import_module(name)
    # It tells of each key that it looks up: half of what this container writes. Airflow's namespace_levels has no hold
    # over the loggers of the standard library.
    logging.getLogger("great_expectations").setLevel(logging.WARNING)
