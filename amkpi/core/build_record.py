"""The record of the build in the warehouse: its inputs, whether it is complete, and whether its audit passed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, datetime

import duckdb

from amkpi.core.errors import StaleBuild
from amkpi.core.findings import Finding
from amkpi.core.home import Home
from amkpi.core.publication_id import pipeline_version, publication_id
from amkpi.core.settings import Settings
from amkpi.core.storage.warehouse import connect, table_exists


def mark_building(connection: duckdb.DuckDBPyConnection) -> None:
    """Forget the last build: until the new one is whole, nothing may be audited or published."""
    connection.execute("create schema if not exists audit")
    connection.execute(
        "create or replace table audit.build (publication_id varchar, as_of date, shape varchar, based_on varchar,"
        " passed boolean, audited_at timestamptz)"
    )


def built_alike(connection: duckdb.DuckDBPyConnection, settings: Settings) -> str | None:
    """The publication id of the whole build by this program with these settings, of whatever deliveries and date.

    None where the warehouse holds none. Only on such a one the next may build: what it finds unchanged would be the
    same from nothing.
    """
    if not table_exists(connection, "audit", "build"):
        return None
    built = connection.execute("select publication_id, shape from audit.build").fetchall()
    return str(built[0][0]) if len(built) == 1 and built[0][1] == _shape(settings) else None


def _shape(settings: Settings) -> str:
    """All that shapes a build beside the deliveries and the date."""
    return json.dumps([settings.that_shape_results(), pipeline_version()])


def mark_built(home: Home, settings: Settings, as_of: date, based_on: str | None = None) -> str:
    """Say that the warehouse holds a whole build of this date; returns its publication id.

    based_on: the build whose rows it kept where nothing changed; None where it was made from nothing.
    """
    with connect(home, settings) as connection:
        identity = publication_id(connection, settings, as_of)
        connection.execute(
            "insert into audit.build values (?, ?, ?, ?, null, null)", [identity, as_of, _shape(settings), based_on]
        )
    return identity


def check_built(home: Home, settings: Settings, as_of: date) -> str:
    """The publication id of the build in the warehouse, if it is whole and of just these inputs.

    Raises StaleBuild otherwise: something came between the steps.
    """
    with connect(home, settings) as connection:
        if not table_exists(connection, "raw", "ledger"):
            raise StaleBuild("nothing was built yet: run `amkpi build` first")
        wanted = publication_id(connection, settings, as_of)
        built = (
            connection.execute("select publication_id from audit.build").fetchall()
            if table_exists(connection, "audit", "build")
            else []
        )
    if built != [(wanted,)]:
        raise StaleBuild(
            f"the warehouse holds no build of these inputs, settings and date ({as_of}): run `amkpi build` first"
        )
    return wanted


def keep_audit(home: Home, settings: Settings, findings: Sequence[Finding], audited_at: datetime) -> None:
    """Keep the findings of the build's audit for the marts, and whether it passed."""
    with connect(home, settings) as connection:
        connection.begin()
        connection.execute("delete from audit.results")
        if findings:
            connection.executemany(
                "insert into audit.results values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    [f.suite, f.expectation, f.table_name, f.column_name, f.success, f.severity, f.observed,
                     f.unexpected_count, f.advice, f.since, json.dumps(f.rows, ensure_ascii=False)]
                    for f in findings
                ],
            )  # fmt: skip
        passed = not any(finding.blocks for finding in findings)
        connection.execute("update audit.build set passed = ?, audited_at = ?", [passed, audited_at])
        connection.commit()
