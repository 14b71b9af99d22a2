"""The arguments of tasks: pool, retries, priorities, callbacks."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from amkpi.core.agencies import Agency, current_agencies
from amkpi.core.errors import AmkpiError
from amkpi.interfaces.airflow.callbacks import (
    on_shared_task_failure,
    on_task_failure,
    on_task_start,
    on_task_success,
)
from amkpi.interfaces.airflow.names import PREFIX, name_for

# One slot: DuckDB lets one process write. Without the pool, two of three writers failed on the lock.
POOL = f"{PREFIX}warehouse"
# For tasks that do not write the warehouse.
NO_POOL = "default_pool"
POOL_DESCRIPTION = "the one writer of the DuckDB warehouse"


def default_args(agency: Agency | None, *, writes: bool = True) -> Mapping[str, Any]:
    """The arguments of the tasks of an agency; None: of the only one of this Airflow.

    writes: they write the warehouse, and so wait for the agency's one slot.
    """
    of_agency = {"queue": agency.queue} if agency is not None and agency.queue is not None else {}
    return {
        "owner": "amkpi",
        "pool": pool_of(agency) if writes else NO_POOL,
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
        **of_agency,
    }


# For the tasks that send the alerts. They have no callbacks, because their own failure cannot be mailed.
ALERT_ARGS: Mapping[str, Any] = {
    **{name: value for name, value in default_args(None, writes=False).items() if not name.startswith("on_")},
    "retries": 1,
}
# For a task of what many agencies share: no HOME keeps its incident.
SHARED_ARGS: Mapping[str, Any] = {**ALERT_ARGS, "on_failure_callback": on_shared_task_failure}


def dag_arguments(name: str, agency: Agency | None, doc: str | None, *tags: str) -> dict[str, Any]:
    """What every DAG has. name: of its file. doc: of its file. tags: of this DAG."""
    of_agency = {} if agency is None else {"description": agency.name}
    own_tags = (
        [] if agency is None else [f"agency:{agency.code}", *([f"region:{agency.region}"] if agency.region else [])]
    )
    return {
        "dag_id": name_for(name, agency),
        "catchup": False,
        "max_active_runs": 1,
        "tags": ["amkpi", *tags, *own_tags],
        "doc_md": doc,
        **of_agency,
    }


# The order of tasks that wait for the one slot. A build that has started is finished first, because a load between
# build and audit makes the build stale. A load goes before a build that has not started: the build then has its rows
# too, and many files need few builds.
PRIORITY_FINISH_STARTED: Mapping[str, Any] = {"priority_weight": 10, "weight_rule": "absolute"}
PRIORITY_LOAD: Mapping[str, Any] = {"priority_weight": 5, "weight_rule": "absolute"}
PRIORITY_LOW: Mapping[str, Any] = {"priority_weight": 1, "weight_rule": "absolute"}
# Among many agencies a build goes before the loads of the others, which come without end: with 200 files at once they
# kept every build waiting.
PRIORITY_BEFORE_LOADS: Mapping[str, Any] = {"priority_weight": 6, "weight_rule": "absolute"}
# Among many agencies hundreds of tasks may wait for a worker: who tells of failures does not wait behind them.
PRIORITY_WATCH: Mapping[str, Any] = {"priority_weight": 20, "weight_rule": "absolute"}


def build_priority(agency: Agency | None) -> Mapping[str, Any]:
    """When a build that has not started takes its turn."""
    return PRIORITY_LOW if agency is None else PRIORITY_BEFORE_LOADS


def pool_of(agency: Agency | None) -> str:
    """The pool of an agency's one writer."""
    return POOL if agency is None else agency.pool


def pools() -> Sequence[str]:
    """The pools that our tasks need. Raises AmkpiError where agencies.toml is wrong."""
    group = current_agencies()
    return [POOL] if group is None else [pool_of(agency) for agency in group.agencies]


def ensure_pools() -> None:
    """Create the pools of one slot in Airflow's database, or correct them. Raises AmkpiError."""
    from airflow.models.pool import Pool

    for pool in pools():
        Pool.create_or_update_pool(pool, slots=1, description=POOL_DESCRIPTION, include_deferred=False)


def make_missing_pools(log: logging.Logger, known: frozenset[str] = frozenset()) -> frozenset[str]:
    """Create the pools that are missing; returns those that exist now.

    known: pools that are not looked at again. One that exists stays as it is; more slots are told in one line. Without
    its pool Airflow starts no task and tells nobody.
    """
    from airflow.models.pool import Pool
    from airflow.utils.session import create_session
    from sqlalchemy import select
    from sqlalchemy.exc import SQLAlchemyError

    needed: frozenset[str] = frozenset()
    try:
        needed = frozenset(pools()) - known
        if not needed:
            return known
        with create_session() as session:
            found = {pool.pool: pool.slots for pool in session.scalars(select(Pool))}
            for pool in sorted(needed):
                if pool not in found:
                    session.add(
                        Pool(pool=pool, slots=1, description=POOL_DESCRIPTION, include_deferred=False, team_name=None)
                    )
                    log.info("the pool %s was missing, and is made with one slot", pool)
                elif found[pool] != 1:
                    command = f"airflow pools set {pool} 1 '{POOL_DESCRIPTION}'"
                    log.warning(
                        "the pool %s has %s slots, but one process may write: run `%s`", pool, found[pool], command
                    )
    except AmkpiError as error:
        log.error("no task of an agency starts without its pool: %s", error)
        return known
    except SQLAlchemyError as error:
        command, why = f"airflow pools set POOL 1 '{POOL_DESCRIPTION}'", " ".join(str(error).split())[:200]
        log.error("no task starts without its pool: run `%s` for %s; %s", command, ", ".join(sorted(needed)), why)
        return known
    return known | needed
