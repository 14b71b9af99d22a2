"""The names in Airflow. DAGs, assets and pools have a prefix: an Airflow may have DAGs of other teams too.

With AMKPI_AGENCIES each agency of that file has DAGs and assets of its own, whose names end with its code:
`amkpi_build_marts__hanoi`. Without it the names have no ending.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from amkpi.core.agencies import Agency, current_agencies
from amkpi.core.errors import AmkpiError
from amkpi.core.paths import DAGS

PREFIX = "amkpi_"
# Between a name and the code of an agency. No name of a DAG file or an asset has it.
BEFORE_CODE = "__"
# The DAG that looks at every agency, and the one that has a task for all of them besides the one of each agency.
WATCH_OVER, HOUSEKEEPING = "watch_over", "housekeeping"


# One of many, or None: the only one of this Airflow.
ServedAgency: TypeAlias = Agency | None


def serves_many() -> bool:
    """Whether this Airflow serves the agencies of AMKPI_AGENCIES. Raises AmkpiError."""
    return current_agencies() is not None


def name_for(name: str, agency: Agency | None) -> str:
    """The name in Airflow of a DAG, asset or watcher of an agency; None: the only agency of this Airflow."""
    return PREFIX + name if agency is None else PREFIX + name + BEFORE_CODE + agency.code


def short_name(dag_id: str) -> str:
    """The name of one of our DAGs without prefix and code, as alerts have it, also those from before the prefix."""
    return dag_id.removeprefix(PREFIX).partition(BEFORE_CODE)[0]


def agencies_served() -> Sequence[Agency | None]:
    """The agencies for each of which a DAG file makes a DAG; (None,) without AMKPI_AGENCIES. Raises AmkpiError.

    A task that starts reads its DAG file again, and then gets the agency of its DAG alone: with 500 agencies each start
    would take half a second longer.
    """
    from airflow.sdk import get_parsing_context

    group = current_agencies()
    if group is None:
        return (None,)
    read_for = get_parsing_context().dag_id
    if read_for is None:
        return group.agencies
    code = read_for.partition(BEFORE_CODE)[2]
    return [agency for agency in group.agencies if agency.code == code]


def agency_of(dag_id: str) -> Agency | None:
    """The agency whose DAG this is; None for a DAG without a code. Raises AmkpiError for a code that is not known."""
    code = dag_id.partition(BEFORE_CODE)[2]
    if not code:
        return None
    group = current_agencies()
    if group is None:
        raise AmkpiError(f"{dag_id} is the DAG of an agency, and AMKPI_AGENCIES is not set")
    return group.of_code(code)


def dag_ids() -> list[str]:
    """The ids of our DAGs: each file in the folder of DAGs has one with its name, or of most files each agency has one.

    With agencies, also those from before there were any.
    """
    names = sorted(path.stem for path in DAGS.glob("*.py"))
    group = current_agencies()
    of_agencies = [
        name_for(name, agency) for agency in (group.agencies if group else ()) for name in names if name != WATCH_OVER
    ]
    return [*(name_for(name, None) for name in names), *of_agencies]
