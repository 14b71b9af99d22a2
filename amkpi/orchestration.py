"""What the DAGs share: the asset that joins them, the pool of the one writer, retries, the clock, and how a step fails.

Airflow reads every DAG file again and again, so nothing here imports more than `airflow.sdk` at the top.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset, CronTriggerTimetable
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from amkpi.errors import AmkpiError, AuditBlocked

if TYPE_CHECKING:
    from amkpi.steps import Run

# New rows in `raw`. An event is a doorbell: who hears it takes everything that is there, not what the event names.
RAW = Asset(name="raw", group="amkpi")
# New marts are published.
MARTS = Asset(name="marts", group="amkpi")

# Of one slot: DuckDB lets one process write. Without it two of three writers fail on the lock.
POOL = "warehouse"

# From the environment alone: HOME/amkpi.toml may not be there, or be wrong, when Airflow reads the DAG files.
TIMEZONE = os.environ.get("AMKPI_TIMEZONE") or "Asia/Ho_Chi_Minh"
NIGHTLY = CronTriggerTimetable("0 2 * * *", timezone=TIMEZONE)
EVERY_TEN_MINUTES = CronTriggerTimetable("*/10 * * * *", timezone=TIMEZONE)

# Waits of 1, 2 and 4 minutes outlast an `amkpi run` by hand, which holds the lock that a task finds taken.
DEFAULT_ARGS: Mapping[str, Any] = {
    "owner": "amkpi",
    "pool": POOL,
    "retries": 3,
    "retry_delay": timedelta(minutes=1),
    "retry_exponential_backoff": 2.0,  # a number since Airflow 3; True would mean 1, a constant wait
    "max_retry_delay": timedelta(minutes=15),
    "execution_timeout": timedelta(hours=1),
}

# What was begun ends first: a load that came between build and audit would make the audit refuse the build as stale.
BEGUN = {"priority_weight": 10, "weight_rule": "absolute"}

say = logging.getLogger(__name__).info


def run_for_task(params: Mapping[str, Any] | None = None) -> Run:
    """The run that AMKPI_HOME, AMKPI_LANDING and the param `as_of` describe, or AMKPI_AS_OF when the param is empty.

    Raises AmkpiError.
    """
    from amkpi.steps import Run  # DuckDB and Arrow cost a second to import: not while Airflow reads DAG files

    return Run.prepare(as_of=(params or {}).get("as_of") or None)


@contextmanager
def told_to_airflow() -> Iterator[None]:
    """Let a step fail as Airflow should treat it, with the step's own line as the message.

    A blocked audit fails at once, since the same rows would be blocked again. Any other AmkpiError is retried: the lock
    of another run is let go, a share comes back, and a wrong setting costs no more than a few short tries.
    """
    try:
        yield
    except AuditBlocked as blocked:
        raise AirflowFailException(str(blocked)) from blocked
    except AmkpiError as error:
        raise AirflowException(str(error)) from error


def ensure_pool() -> None:
    """Make the pool of one slot in Airflow's database, or set it right."""
    from airflow.models.pool import Pool

    Pool.create_or_update_pool(
        POOL, slots=1, description="the one writer of the DuckDB warehouse", include_deferred=False
    )
