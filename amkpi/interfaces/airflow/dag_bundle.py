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

    def initialize(self) -> None:
        """Make the pools that are missing; only the DAG processor itself may open Airflow's database."""
        if os.environ.get("_AIRFLOW_PROCESS_CONTEXT") == "server":
            make_missing_pools(logging.getLogger(__name__))
        super().initialize()
