"""Write a publication into PostgreSQL: all tables and rights in one transaction.

Readers see the last publication until the transaction ends, and then the new one. Rows are deleted and copied, and
tables are not exchanged for new ones: so a reader in a transaction of its own keeps what it began with, nobody waits
for anybody, and views that an analyst has made upon the marts stay. Whatever interrupts the transaction leaves
everything as it was.

Only where the structure changes (the first time, and after an upgrade) tables are locked until the transaction ends. A
reader in a long transaction then makes the publication fail after some seconds, and the next one tries again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import astuple, dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb

from amkpi.core.errors import AmkpiError
from amkpi.core.run import Progress, silent
from amkpi.core.settings import Settings
from amkpi.core.storage.sql import literal
from amkpi.exports.postgres import layout, roles, rows
from amkpi.exports.postgres.connection import connected, one_line
from amkpi.exports.postgres.policies import RIGHTS
from amkpi.exports.postgres.rights import RoleRights, all_rights
from amkpi.exports.postgres.tables import Table, tables_of
from amkpi.publishing.reader import open_publication

# How long a change of the structure waits for readers.
LOCK_SECONDS = 20
# Any number that no other program takes for an advisory lock of its own.
_ONE_WRITER = 0x616D6B7069


@dataclass(frozen=True)
class PostgresReport:
    """What was written: the rows that changed, and how many statements about roles wait for an administrator.

    is_new: False where the database had this publication, with these rights, already.
    """

    publication_id: str
    is_new: bool
    rows: int = 0
    waiting_statements: int = 0


@dataclass(frozen=True)
class _State:
    """What the database has: the publication, a hash of its structure, a hash of the rights."""

    publication_id: str | None = None
    layout: str = ""
    rights: str = ""


@dataclass(frozen=True)
class _Wanted:
    """What it is to have."""

    tables: list[Table]
    rights: list[RoleRights]
    state: _State
    as_of: date
    now: datetime


def write(url: str, file: Path, settings: Settings, now: datetime, progress: Progress = silent) -> PostgresReport:
    """Write the publication in a file, unless the database has it already. now: the moment, with a time zone.

    Raises AmkpiError; the database then has what it had before.
    """
    source = open_publication(file, settings.timezone)
    try:
        tables, rights = tables_of(source), all_rights(source, settings)
        publication_id, as_of = source.execute("select publication_id, as_of from publication").fetchall()[0]
        state = _State(publication_id, layout.fingerprint(tables), _fingerprint(rights))
        with connected(url) as connection:
            report = _write(connection, source, _Wanted(tables, rights, state, as_of, now), progress)
            if report.rows:
                _tidy(connection, tables)
        return report
    finally:
        source.close()


def _write(connection: Any, source: duckdb.DuckDBPyConnection, wanted: _Wanted, progress: Progress) -> PostgresReport:
    """The one transaction."""
    count = 0
    with connection, connection.cursor() as cursor:
        cursor.execute("set local search_path = pg_catalog")
        cursor.execute("set local client_min_messages = warning")
        cursor.execute(f"set local lock_timeout = '{LOCK_SECONDS}s'")
        with _explained(cursor):
            cursor.execute("select pg_advisory_xact_lock(%s)", [_ONE_WRITER])
            found = _found(cursor)
            is_other_layout = found.layout != wanted.state.layout
            if is_other_layout:
                layout.apply(cursor, wanted.tables)
            if is_other_layout or found.publication_id != wanted.state.publication_id:
                for table in wanted.tables:
                    copied = rows.copy_changed(cursor, source, table)
                    progress(f"{table.name}: {copied:,} rows")
                    count += copied
            if is_other_layout:
                layout.build_indexes(cursor, wanted.tables)
            if found.rights != wanted.state.rights:
                _replace_rights(cursor, wanted.rights)
            waiting = _bring_roles(cursor)
            layout.grant(cursor, wanted.tables, is_other_layout)
            if found != wanted.state:
                cursor.execute(f"delete from {RIGHTS}.state")
                cursor.execute(
                    f"insert into {RIGHTS}.state (publication_id, layout, rights, as_of, written_at)"
                    " values (%s, %s, %s, %s, %s)",
                    [*astuple(wanted.state), wanted.as_of, wanted.now],
                )
    return PostgresReport(str(wanted.state.publication_id), found != wanted.state, count, waiting)


def _found(cursor: Any) -> _State:
    cursor.execute("select to_regclass(%s)", [f"{RIGHTS}.state"])
    if cursor.fetchone()[0] is None:
        return _State()
    cursor.execute(f"select publication_id, layout, rights from {RIGHTS}.state")
    row = cursor.fetchone()
    return _State(*row) if row else _State()


def _fingerprint(rights: list[RoleRights]) -> str:
    lines = sorted(
        repr((each.role, each.reader, each.staff_id, each.company, each.data, each.everything, *each.rows()))
        for each in rights
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def _replace_rights(cursor: Any, rights: list[RoleRights]) -> None:
    from psycopg2.extras import execute_values

    cursor.execute(f"delete from {RIGHTS}.grants")
    cursor.execute(f"delete from {RIGHTS}.readers")
    people = [(each.role, each.reader, each.staff_id, each.company, each.data, each.everything) for each in rights]
    execute_values(
        cursor,
        f"insert into {RIGHTS}.readers (role_name, reader, staff_id, company, data, everything) values %s",
        people,
    )
    granted = (row for each in rights for row in each.rows())
    execute_values(cursor, f"insert into {RIGHTS}.grants (role_name, level, id) values %s", granted, page_size=1000)
    cursor.execute(
        f"insert into {RIGHTS}.roles (role_name) select role_name from {RIGHTS}.readers on conflict do nothing"
    )


def _bring_roles(cursor: Any) -> int:
    """Run the statements that the roles lack; returns how many wait for an administrator.

    A role of who left keeps its login then. It reads nothing: the policies do not know it any more.
    """
    from psycopg2 import errors

    cursor.execute(roles.STATEMENTS)
    statements = [statement for (statement,) in cursor.fetchall()]
    if not statements:
        return 0
    cursor.execute("savepoint roles")
    try:
        cursor.execute("; ".join(statements))
    except errors.InsufficientPrivilege:
        cursor.execute("rollback to savepoint roles")
        return len(statements)
    return 0


@contextmanager
def _explained(cursor: Any) -> Iterator[None]:
    """Say what to do where readers hold a table, or something depends on one that has to go. Raises AmkpiError."""
    from psycopg2 import errors

    try:
        yield
    except errors.LockNotAvailable as error:
        cursor.connection.rollback()
        raise AmkpiError(
            f"PostgreSQL: waited {LOCK_SECONDS} s for {_holders(cursor)}; the last publication stays in the database:"
            " end that session, then run `amkpi publish`"
        ) from error
    except errors.DependentObjectsStillExist as error:
        raise AmkpiError(
            f"PostgreSQL: a mart has other columns now, and {one_line(error)}; drop what depends on it, then run"
            " `amkpi publish`"
        ) from error


def _holders(cursor: Any) -> str:
    """Who holds a table of the marts, or is writing them."""
    cursor.execute(
        "select distinct format('process %%s of %%s', lock.pid, coalesce(activity.usename, 'an unknown user'))"
        " from pg_locks as lock left join pg_stat_activity as activity on activity.pid = lock.pid"
        " where lock.granted and lock.pid <> pg_backend_pid() and ((lock.locktype = 'relation' and lock.relation in"
        " (select oid from pg_class where relnamespace = any(array[to_regnamespace('marts'),"
        f" to_regnamespace({literal(RIGHTS)}), to_regnamespace('marts_for_readers')]::oid[])))"
        " or (lock.locktype = 'advisory' and lock.objid = %s)) order by 1 limit 5",
        [_ONE_WRITER & 0xFFFFFFFF],
    )
    found = [text for (text,) in cursor.fetchall()]
    return ", ".join(found) or "another session that is gone now"


def _tidy(connection: Any, tables: list[Table]) -> None:
    """Free the space of the rows that were replaced, and count for the planner. What another session holds is left."""
    import psycopg2

    connection.autocommit = True
    with connection.cursor() as cursor:
        for table in tables:
            # The publication is written: the server's own clean-up comes later anyway.
            with suppress(psycopg2.Error):
                cursor.execute(f"vacuum (analyze, skip_locked, truncate false) {table.full_name}")
