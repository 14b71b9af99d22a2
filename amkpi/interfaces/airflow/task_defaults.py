"""The arguments of tasks: pool, retries, priorities, callbacks."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from amkpi.interfaces.airflow.callbacks import on_task_failure, on_task_start, on_task_success
from amkpi.interfaces.airflow.names import PREFIX

# One slot: DuckDB lets one process write. Without the pool, two of three writers failed on the lock.
POOL = f"{PREFIX}warehouse"

DEFAULT_ARGS: Mapping[str, Any] = {
    "owner": "amkpi",
    "pool": POOL,
    # Waits of 1, 2 and 4 minutes: longer than an `amkpi run` by hand, which holds the lock.
    "retries": 3,
    "retry_delay": timedelta(minutes=1),
    "retry_exponential_backoff": 2.0,  # a number since Airflow 3; True would mean 1, a constant wait
    "max_retry_delay": timedelta(minutes=15),
    "execution_timeout": timedelta(hours=1),
    "on_execute_callback": on_task_start,
    "on_failure_callback": on_task_failure,
    "on_success_callback": on_task_success,
    "on_skipped_callback": on_task_success,
}
# For tasks that do not write the warehouse.
WITHOUT_POOL: Mapping[str, Any] = {**DEFAULT_ARGS, "pool": "default_pool"}
# For the task that sends the alerts. It has no callbacks, because its own failure cannot be mailed.
ALERT_ARGS: Mapping[str, Any] = {
    **{name: value for name, value in WITHOUT_POOL.items() if not name.startswith("on_")},
    "retries": 1,
}

# The order of tasks that wait for the one slot. A build that has started is finished first, because a load between
# build and audit makes the build stale. A load goes before a build that has not started: the build then has its rows
# too, and many files need few builds.
PRIORITY_FINISH_STARTED: Mapping[str, Any] = {"priority_weight": 10, "weight_rule": "absolute"}
PRIORITY_LOAD: Mapping[str, Any] = {"priority_weight": 5, "weight_rule": "absolute"}
PRIORITY_LOW: Mapping[str, Any] = {"priority_weight": 1, "weight_rule": "absolute"}


def ensure_pool() -> None:
    """Create the pool of one slot in Airflow's database, or correct it."""
    from airflow.models.pool import Pool

    Pool.create_or_update_pool(
        POOL, slots=1, description="the one writer of the DuckDB warehouse", include_deferred=False
    )


def make_missing_pool(log: logging.Logger) -> None:
    """Create the pool where it is missing. One that exists stays as it is; more slots are told in one line.

    Without the pool Airflow starts no task of ours and tells nobody.
    """
    from airflow.models.pool import Pool
    from airflow.utils.session import create_session
    from sqlalchemy import select
    from sqlalchemy.exc import SQLAlchemyError

    command = f"airflow pools set {POOL} 1 'the one writer of the DuckDB warehouse'"
    try:
        with create_session() as session:
            slots = session.scalar(select(Pool.slots).where(Pool.pool == POOL))
        if slots is None:
            ensure_pool()
            log.info("the pool %s was missing, and is made with one slot", POOL)
        elif slots != 1:
            log.warning("the pool %s has %s slots, but one process may write: run `%s`", POOL, slots, command)
    except SQLAlchemyError as error:
        log.error("no task starts without the pool %s: run `%s`; %s", POOL, command, " ".join(str(error).split())[:200])
