"""What closings add to a build and to its publication; the caller holds HOME's lock."""

from __future__ import annotations

from datetime import date, datetime

import duckdb

from amkpi.core.errors import AuditBlocked
from amkpi.core.home import Home
from amkpi.core.publication_id import publication_id
from amkpi.core.run import Progress, silent
from amkpi.core.settings import Settings
from amkpi.publishing.closing import adjustments, verification, warehouse
from amkpi.publishing.closing.acts import recover
from amkpi.publishing.closing.causes import name_causes
from amkpi.publishing.first_seen import first_seen
from amkpi.transform.closing_tables import create_closing_tables


def check(home: Home, settings: Settings, as_of: date) -> None:
    """Register closing files that a killed process left, then verify all files.

    Raises ClosingsBroken where it does not, AuditBlocked where a closing was made in another reporting currency.
    """
    recover(home)
    register = verification.verify(home).register
    for act in register.in_force(as_of):
        if act.reporting_currency != settings.kpi.reporting_currency:
            raise AuditBlocked(
                f"{act.period} is closed in {act.reporting_currency}, and reporting_currency is"
                f" {settings.kpi.reporting_currency}: set it back, or reopen what is closed"
            )


def before_build(connection: duckdb.DuckDBPyConnection, home: Home, as_of: date) -> None:
    """Give the models what they read of closings."""
    create_closing_tables(connection)
    connection.execute("delete from closing.worked_out")
    warehouse.fill_inputs(connection, home, as_of)


def date_adjustments(connection: duckdb.DuckDBPyConnection, home: Home, moment: datetime, keep: bool) -> None:
    """Say since when each open adjustment is published. moment: of this publication; keep: it is no historical one."""
    keyed = "to_json([kpi, scope, staff_id, period_grain, period_start::varchar])::varchar"
    keys = connection.execute(f"select {keyed} from closing.adjustments where carried_to is null").fetchall()
    dated = first_seen(home.state, "adjustment", (key for (key,) in keys), moment, keep)
    if dated:
        connection.execute("create or replace temp table dated (key varchar, first_at timestamptz)")
        connection.executemany(
            "insert into dated (key, first_at) values (?, ?)", [list(each) for each in dated.items()]
        )
        connection.execute(
            "update closing.adjustments set first_seen_at = dated.first_at from dated where carried_to is null"
            f" and dated.key = {keyed}"
        )


def after_build(
    connection: duckdb.DuckDBPyConnection,
    home: Home,
    settings: Settings,
    as_of: date,
    progress: Progress = silent,
) -> None:
    """Work out what the publication of this build shows of closings, unless that is done. Raises AmkpiError."""
    identity = publication_id(home, connection, settings, as_of)
    if connection.execute("select publication_id from closing.worked_out").fetchall() == [(identity,)]:
        return
    # Again: another build may have begun in between, and been killed.
    warehouse.fill_inputs(connection, home, as_of)
    warehouse.fill_rows(connection, home, as_of)
    adjustments.work_out(connection, home, as_of)
    name_causes(connection, home, settings, as_of, progress)
    connection.execute("insert into closing.worked_out (publication_id) values (?)", [identity])
