"""The DAGs of the installed package, for an Airflow that has DAGs of its own too."""

from __future__ import annotations

import logging
import os
from typing import Any

from airflow.dag_processing.bundles.local import LocalDagBundle

from amkpi.core.paths import DAGS
from amkpi.interfaces.airflow.task_defaults import make_missing_pools


class PackagedDagBundle(LocalDagBundle):  # type: ignore[misc]
    """A DAG bundle of the folder `dags` in the installed package. See docs/operations/existing-airflow.md."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(path=str(DAGS), **kwargs)
        self._pools: frozenset[str] = frozenset()

    def initialize(self) -> None:
        """Make the pools that are missing."""
        self._make_pools()
        super().initialize()

    def refresh(self) -> None:
        """Make the pools of agencies that are new in agencies.toml. Airflow calls it every five minutes by default."""
        self._make_pools()
        super().refresh()

    def _make_pools(self) -> None:
        """Only the DAG processor itself may open Airflow's database."""
        if os.environ.get("_AIRFLOW_PROCESS_CONTEXT") == "server":
            self._pools = make_missing_pools(logging.getLogger(__name__), self._pools)
