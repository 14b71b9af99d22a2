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
from amkpi.core.storage.transactions import transaction
from amkpi.core.storage.warehouse import connect, table_exists


def mark_building(connection: duckdb.DuckDBPyConnection) -> None:
    """Forget the last build: until the new one is complete, nothing may be audited or published."""
    connection.execute("create schema if not exists audit")
    connection.execute(
        "create or replace table audit.build (publication_id varchar, as_of date, fingerprint varchar,"
        " based_on varchar, passed boolean, audited_at timestamptz)"
    )


def reusable_build(connection: duckdb.DuckDBPyConnection, settings: Settings) -> str | None:
    """The publication id of the complete build in the warehouse, if the same code and settings made it; else None.

    The next build may reuse its rows, whatever its deliveries and date: the rows of a period whose inputs did not
    change would be the same in a full build.
    """
    if not table_exists(connection, "audit", "build"):
        return None
    built = connection.execute("select publication_id, fingerprint from audit.build").fetchall()
    return str(built[0][0]) if len(built) == 1 and built[0][1] == _fingerprint(settings) else None


def _fingerprint(settings: Settings) -> str:
    """Everything that a build depends on, except the deliveries and the date."""
    return json.dumps([settings.fingerprint_fields(), pipeline_version()])


def mark_built(home: Home, settings: Settings, as_of: date, based_on: str | None = None) -> str:
    """Record that the warehouse holds a complete build of this date; returns its publication id.

    based_on: the build whose rows it reused where nothing changed; None for a full build.
    """
    with connect(home, settings) as connection:
        identity = publication_id(home, connection, settings, as_of)
        connection.execute(
            "insert into audit.build (publication_id, as_of, fingerprint, based_on) values (?, ?, ?, ?)",
            [identity, as_of, _fingerprint(settings), based_on],
        )
    return identity


def check_built(home: Home, settings: Settings, as_of: date) -> str:
    """The publication id of the build in the warehouse, if it is complete and has exactly these inputs.

    Raises StaleBuild otherwise: something changed between the steps.
    """
    with connect(home, settings) as connection:
        if not table_exists(connection, "raw", "ledger"):
            raise StaleBuild("nothing was built yet: run `amkpi build` first")
        wanted = publication_id(home, connection, settings, as_of)
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
    """Store the findings of the build's audit for the marts, and whether it passed."""
    with connect(home, settings) as connection, transaction(connection):
        connection.execute("delete from audit.results")
        if findings:
            connection.executemany(
                "insert into audit.results (suite, expectation, table_name, column_name, success, severity, observed,"
                " unexpected_count, advice, since, rows_concerned) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    [f.suite, f.expectation, f.table_name, f.column_name, f.success, f.severity, f.observed,
                     f.unexpected_count, f.advice, f.since, json.dumps(f.rows, ensure_ascii=False)]
                    for f in findings
                ],
            )  # fmt: skip
        passed = not any(finding.blocks for finding in findings)
        connection.execute("update audit.build set passed = ?, audited_at = ?", [passed, audited_at])
