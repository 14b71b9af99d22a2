"""The build: the row checks that need other rows, then dbt in this process."""

from __future__ import annotations

import gc
import importlib
import json
import logging
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any

import duckdb

from amkpi.core import build_record, publication_id
from amkpi.core.errors import AmkpiError, AuditBlocked
from amkpi.core.home import Home
from amkpi.core.paths import DBT_PROJECT
from amkpi.core.settings import Settings
from amkpi.core.storage.warehouse import connect, out_of_memory
from amkpi.ingestion.validation.row_checks import check_rows
from amkpi.transform import manifest_cache
from amkpi.transform.closing_tables import create_closing_tables
from amkpi.transform.dbt_variables import dbt_variables, profile_variables


class Engine(StrEnum):
    """What runs the models: the target of dbt's profile."""

    DUCKDB = "warehouse"
    SPARK = "spark"


@dataclass(frozen=True)
class BuildReport:
    """The result of a build: its publication id, how many models and tests ran; not new if it is published already."""

    publication_id: str
    models: int
    tests: int
    is_new: bool = True


def build(
    home: Home,
    settings: Settings,
    as_of: date,
    progress: Callable[[str], None] = lambda line: None,
    on_start: Callable[[], None] = lambda: None,
) -> BuildReport:
    """Build the marts as of a date in the warehouse, which has the tables of the extracts; `progress` gets a line for
    each model.

    on_start: called when it is clear that there is something to build.

    Raises AuditBlocked if a test of the models fails (a broken invariant), AmkpiError if a model cannot be built.
    """
    with connect(home, settings) as connection:
        create_audit_tables(connection)
        identity = publication_id.publication_id(home, connection, settings, as_of)
        if publication_id.is_current(home, identity):
            return BuildReport(identity, 0, 0, is_new=False)
        on_start()
        on_spark = settings.build.engine == "spark"
        # Its tables cannot delete the rows of a period, so a build on Spark is whole.
        based_on = None if on_spark else build_record.reusable_build(connection, settings)
        is_full = based_on is None
        build_record.mark_building(connection)
        _keep_previous_fingerprints(connection, is_full)
        check_rows(connection, settings.kpi.reporting_currency)
    arguments = ["build", "--exclude-resource-type", "unit_test", *(["--full-refresh"] if is_full else [])]
    if on_spark:
        from amkpi.transform.spark.build import build_on_spark as run_models
    else:
        run_models = run_dbt
    models, tests = run_models(home, settings, as_of, arguments, progress)
    return BuildReport(build_record.mark_built(home, settings, as_of, based_on), models, tests)


def _keep_previous_fingerprints(connection: duckdb.DuckDBPyConnection, is_full: bool) -> None:
    """Copy the fingerprints of the last complete build: the models compute the periods whose inputs have changed."""
    connection.execute("delete from audit.previous_fingerprints")
    if not is_full:
        connection.execute("insert into audit.previous_fingerprints by name from intermediate.int_period_fingerprints")


def create_audit_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """Create the tables that audit and publishing fill after the build; some marts are views of them."""
    connection.execute("create schema if not exists audit")
    connection.execute(
        "create table if not exists audit.results (suite varchar, expectation varchar, table_name varchar,"
        " column_name varchar, success boolean, severity varchar, observed varchar, unexpected_count bigint,"
        " advice varchar, since timestamptz, rows_concerned varchar)"
    )
    connection.execute(
        "create table if not exists audit.publication (publication_id varchar, as_of date, published_at timestamptz,"
        " pipeline_version varchar, reporting_currency varchar)"
    )
    for column in ("closing_n bigint", "closing_sha256 varchar", "settings varchar"):
        connection.execute(f"alter table audit.publication add column if not exists {column}")
    connection.execute(
        "create table if not exists audit.scorecards_sent (grain varchar, period varchar, staff_id varchar,"
        ' publication_id varchar, state varchar, "at" timestamptz, message_id varchar, values_sent varchar)'
    )
    connection.execute(
        "create table if not exists audit.restatements (kpi varchar, scope varchar, staff_id varchar,"
        " period_grain varchar, period_start date, value_then double, value_now double, cause varchar,"
        " told_publication_id varchar)"
    )
    for column in ("what varchar", "rating_then varchar", "rating_now varchar", "mailed_at timestamptz",
                   "first_seen_at timestamptz"):  # fmt: skip
        connection.execute(f"alter table audit.restatements add column if not exists {column}")
    connection.execute(
        "create table if not exists audit.previous_fingerprints (period_id integer, part varchar, month_start date,"
        " row_count bigint, hash_xor ubigint, hash_sum hugeint)"
    )
    create_closing_tables(connection)


_preload_thread: threading.Thread | None = None


def preload_dbt() -> None:
    """Start importing dbt in the background, for a run that is going to build. The import takes seconds.

    Loading leaves a core idle half of the time. `run_dbt` waits for the import: two threads must not import the same
    packages.
    """
    global _preload_thread
    _preload_thread = threading.Thread(target=_import_dbt, daemon=True)
    _preload_thread.start()


def _import_dbt() -> None:
    if "dbt.cli.main" in sys.modules:
        return
    # An import leaves hardly any garbage, and looking for it takes a tenth of the time.
    gc.disable()
    try:
        importlib.import_module("dbt.cli.main")
        importlib.import_module("amkpi.transform.dbt_shortcuts").take_shortcuts()
    finally:
        gc.enable()
        gc.freeze()


def run_dbt(
    home: Home,
    settings: Settings,
    as_of: date,
    arguments: list[str],
    progress: Callable[[str], None],
    engine: Engine = Engine.DUCKDB,
    variables: Mapping[str, str] = MappingProxyType({}),
    project_folder: Path | None = None,
) -> tuple[int, int]:
    """Run dbt in this process, on the warehouse or on the open session of Spark; returns how many models and tests ran.

    variables: dbt variables besides those of the run. project_folder: of the dbt project; the
    agencies' when None. Raises as `build` does.
    """
    # dbt takes seconds to import: only here, where it is needed, and once.
    if _preload_thread is not None:
        _preload_thread.join()
    _import_dbt()
    from dbt.cli.main import dbtRunner
    from dbt.contracts.results import NodeStatus, RunStatus, TestStatus
    from dbt_common.events.event_manager_client import ctx_set_event_manager

    from amkpi.transform.dbt_events import EventsOfARun
    from amkpi.transform.dbt_macros import forget_contexts

    ctx_set_event_manager(EventsOfARun())

    def on_event(event: Any) -> None:
        if event.info.name == "LogModelResult":
            progress(f"{event.data.index}/{event.data.total} {event.data.node_info.node_name}")

    target = home.dbt_target if engine is Engine.DUCKDB else home.dbt_target / engine
    target.mkdir(parents=True, exist_ok=True)
    # The cache is of the project on DuckDB, and lacks the tests that a build does not run; `dbt test` needs them.
    is_cached = engine is Engine.DUCKDB and arguments[0] != "test"
    project = manifest_cache.load(home, project_folder) if is_cached else None
    if arguments[0] == "build" and project is None and project_folder in (None, DBT_PROJECT):
        arguments = [*arguments, "--exclude", *manifest_cache.TESTS_OF_THE_PROJECT]
    options = [
        *arguments,
        "--quiet",
        # Nothing reads the manifest and the results as JSON; writing them takes half a second.
        *([] if arguments[0] == "docs" else ["--no-write-json"]),
        "--no-use-colors",
        "--no-send-anonymous-usage-stats",
        "--use-fast-test-edges",
        "--log-level", "none",
        "--log-level-file", "info",
        "--log-path", str(target),
        "--target-path", str(target),
        "--project-dir", str(project_folder or DBT_PROJECT),
        "--profiles-dir", str(DBT_PROJECT),
        "--target", engine,
        "--vars", json.dumps(dbt_variables(settings, as_of) | profile_variables(home, settings) | dict(variables)),
    ]  # fmt: skip
    # A build leaves hardly any garbage, and the search for it takes a tenth of the time.
    gc.disable()
    # dbt's log cannot be written on a full disk. The error of the model is reported, not a traceback for each line.
    shown, logging.raiseExceptions = logging.raiseExceptions, False
    try:
        result = dbtRunner(manifest=project, callbacks=[on_event]).invoke(options)
    finally:
        forget_contexts()
        gc.enable()
        logging.raiseExceptions = shown
    _release_warehouse()
    if is_cached and project is None and result.exception is None:
        manifest_cache.save(home, project_folder)
    if result.exception is not None:
        raise AmkpiError(f"dbt could not run: {one_line(str(result.exception))}") from result.exception
    nodes = list(getattr(result.result, "results", []))
    failed = [node for node in nodes if node.status in (RunStatus.Error, TestStatus.Error, NodeStatus.Error)]
    if failed:
        message = one_line(failed[0].message or "")
        reason = out_of_memory(message, settings) or message
        raise AmkpiError(f"the model {failed[0].node.name} could not be built: {reason}")
    broken = [node for node in nodes if node.status == TestStatus.Fail]
    if broken:
        names = ", ".join(node.node.name for node in broken)
        raise AuditBlocked(f"a rule of the models is broken, nothing is published: {names}")
    tests = sum(node.node.resource_type == "test" for node in nodes)
    return len(nodes) - tests, tests


def _release_warehouse() -> None:
    """Close dbt's connection: while it is open, no other process can write, and this one would read old data."""
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager

    DuckDBConnectionManager.close_all_connections()


def one_line(text: str) -> str:
    """The text in one line, without the stack with which Spark ends it."""
    return " ".join(text.split("JVM stacktrace:")[0].split("\n\tat ")[0].split())
