"""An Airflow of the tests' own. Airflow reads these variables once, on its first import, so they are set before any."""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from amkpi.core.paths import DAGS

AIRFLOW_HOME = Path(tempfile.mkdtemp(prefix="amkpi-airflow-"))
atexit.register(shutil.rmtree, AIRFLOW_HOME, ignore_errors=True)

DATABASE = f"sqlite:///{AIRFLOW_HOME / 'airflow.db'}"

# None of these is read by anything but Airflow, so the tests of other folders in this process are left as they are.
os.environ |= {
    "AIRFLOW_HOME": str(AIRFLOW_HOME),
    "AIRFLOW__CORE__UNIT_TEST_MODE": "True",
    "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": DATABASE,
    "AIRFLOW__DATABASE__LOAD_DEFAULT_CONNECTIONS": "False",
    "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
}


@pytest.fixture(scope="session")
def airflow() -> None:
    """Airflow with an empty database and the pool. Costs 10 s once."""
    from airflow.configuration import conf
    from airflow.utils.db import initdb

    from amkpi.interfaces.airflow.task_defaults import ensure_pools

    found = conf.get("database", "sql_alchemy_conn")
    assert found == DATABASE, f"Airflow was imported before this conftest: the tests would write into {found}"
    initdb()
    ensure_pools()


@pytest.fixture
def bag(airflow: None) -> Iterator[Any]:
    """The DAGs, read anew, so that a test may change its own."""
    from airflow.dag_processing.dagbag import DagBag

    before = signal.getsignal(signal.SIGTERM)
    yield DagBag(DAGS)
    signal.signal(signal.SIGTERM, before)  # a task run in this process leaves one that ignores it


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home that the tasks find by AMKPI_HOME."""
    for name in [name for name in os.environ if name.startswith("AMKPI_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AMKPI_HOME", str(tmp_path))
    monkeypatch.setenv("AMKPI_AS_OF", "2026-10-17")
    return tmp_path
