"""The names in Airflow. DAGs, assets and the pool have a prefix: an Airflow may have DAGs of other teams too."""

from __future__ import annotations

from amkpi.core.paths import DAGS

PREFIX = "amkpi_"


def dag_ids() -> list[str]:
    """The ids of our DAGs: each file in the folder of DAGs has one, with its name."""
    return sorted(f"{PREFIX}{path.stem}" for path in DAGS.glob("*.py"))


def short_name(dag_id: str) -> str:
    """The name of one of our DAGs without the prefix, as alerts have it, also those from before the prefix."""
    return dag_id.removeprefix(PREFIX)
