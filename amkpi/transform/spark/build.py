"""A build on Spark: the valid rows go into the lake, dbt builds there, and the tables come back into the warehouse.

Afterwards the warehouse is as after a build on DuckDB: the same tables, views and types under the same names. So
nothing after the build knows which engine built.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import date
from pathlib import Path

from amkpi.core.errors import AmkpiError
from amkpi.core.home import Home
from amkpi.core.paths import DBT_PROJECT
from amkpi.core.settings import Settings
from amkpi.core.storage.warehouse import open_warehouse
from amkpi.transform.dbt_runner import Engine, run_dbt
from amkpi.transform.spark.lake import Lake
from amkpi.transform.spark.session import spark_session


def build_on_spark(
    home: Home,
    settings: Settings,
    as_of: date,
    arguments: list[str],
    progress: Callable[[str], None],
    *,
    project_folder: Path = DBT_PROJECT,
) -> tuple[int, int]:
    """Run dbt on Spark with these arguments, whole, and fetch what it built; returns how many models and tests ran.

    Raises as `run_dbt` does, and AmkpiError where Spark or the lake cannot be used.
    """
    lake = Lake(home, settings, project_folder)
    lake.make()
    try:
        with spark_session(settings, home.dbt_target / "spark" / "server.log") as session:
            try:
                with open_warehouse(home, settings) as connection:
                    lake.write_rows(connection)
                lake.show_to(session)
                variables = {"schema_prefix": lake.prefix}
                ran = run_dbt(home, settings, as_of, arguments, progress, Engine.SPARK, variables, project_folder)
                lake.bring_back()
                fetch(lake, home, settings, as_of, project_folder)
                return ran
            finally:
                # A server that is gone cannot drop its databases; the next build does.
                with suppress(Exception):
                    lake.hide_from(session)
    finally:
        try:
            lake.remove()
        except AmkpiError as error:
            progress(f"{error}; the next build on Spark tries it again")


def fetch(lake: Lake, home: Home, settings: Settings, as_of: date, project_folder: Path = DBT_PROJECT) -> None:
    """Make the tables and views of the models in the warehouse: dbt runs them on DuckDB, and each table takes the rows
    that Spark built instead of those of its own query. Raises AmkpiError where one is missing."""
    run_dbt(
        home,
        settings,
        as_of,
        ["run", "--full-refresh"],
        lambda line: None,
        variables={"rows_from": str(lake.built)},
        project_folder=project_folder,
    )
