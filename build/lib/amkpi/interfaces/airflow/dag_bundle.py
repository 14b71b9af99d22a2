"""The DAGs of the installed package, for an Airflow that has DAGs of its own too."""

from __future__ import annotations

from typing import Any

from airflow.dag_processing.bundles.local import LocalDagBundle

from amkpi.core.paths import DAGS


class PackagedDagBundle(LocalDagBundle):  # type: ignore[misc]
    """A DAG bundle of the folder `dags` in the installed package. See docs/operations/existing-airflow.md."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(path=str(DAGS), **kwargs)
