"""The audit history in HOME/state/audits.sqlite: earlier audits and their findings.

It tells since when an expectation fails, which loads no audit has checked yet, and which publication was the last one.
None of that can be computed again, so the file is part of every backup.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb

from amkpi.core.findings import Finding
from amkpi.core.home import Home
from amkpi.core.publication_id import current_file, published_file
from amkpi.core.settings import Settings
from amkpi.core.storage.internal_schemas import internal_schema
from amkpi.core.storage.migrations.state_stores import AUDITS
from amkpi.core.storage.warehouse import connect
from amkpi.expectations.context import AuditContext
from amkpi.expectations.page import link_latest, prune_pages, render, write_page


@dataclass(frozen=True)
class RecordedAudit:
    """An audit of the history. `moment` has a time zone; `page` is the name of its page in HOME/audits/.

    blocking: the findings that stopped the publication, each as `expectation: what was observed`.
    """

    moment: datetime
    publication_id: str
    as_of: date
    passed: bool
    warnings: int
    page: str
    blocking: tuple[str, ...] = ()


def audit_context(home: Home, settings: Settings, as_of: date, moment: datetime) -> AuditContext:
    """The context of an audit that begins now: what earlier audits have checked, and what to compare with."""
    seen = AUDITS.read(
        home.state,
        "select coalesce(max(newest_run), 0) from audits where newest_run < ?",
        lambda newest: int(newest),
        [_newest_run(home, settings)],
    )
    dated = AUDITS.read(
        home.state,
        "select publication_id, max(as_of) from audits where as_of <= ? group by publication_id",
        lambda identity, day: (published_file(home, identity), date.fromisoformat(day)),
        [as_of.isoformat()],
    )
    return AuditContext(as_of, moment, max(seen, default=0), *_last_published(home, dict(dated), as_of))


def _newest_run(home: Home, settings: Settings) -> int:
    with connect(home, settings) as connection:
        found = connection.execute("select coalesce(max(run), 0) from raw.ledger").fetchall()
    return int(found[0][0])


def _last_published(home: Home, dated: Mapping[Path, date], as_of: date) -> tuple[Path | None, str, str]:
    """The last publication of this or an earlier date that can be compared, its schema and its table of scope members.

    dated: the publications of earlier audits. The current one comes first; it is too new for a historical publication.
    """
    current = current_file(home)
    earlier = [path for path in dated if path.is_file() and path != current]
    earlier.sort(key=lambda path: (dated[path], path.stat().st_mtime_ns), reverse=True)
    for path in [*([current] if current else []), *earlier]:
        names = _comparable(path, as_of)
        if names is not None:
            return path, *names
    return None, "internal", "int_scope_members"


# What `closed_periods_stand_still` reads of the file.
_COMPARED = (
    "select kpi, scope, person_key, period_grain, period_start, value, is_provisional from {schema}.int_kpi_values"
    " inner join {schema}.{members} using (subject_id, period_id)"
    " inner join {schema}.int_kpi_catalogue using (kpi_number)"
    " where period_id in (select period_id from {schema}.int_period_months) limit 0"
)


def _comparable(publication: Path, as_of: date) -> tuple[str, str] | None:
    """The schema of the internal tables in a published file, and its table of scope members.

    None if the file is of a later date, or cannot be read, or lacks what is compared: a broken publication must not
    stop the build that will replace it.
    """
    try:
        with closing(duckdb.connect(str(publication), read_only=True)) as connection:
            ((day,),) = connection.execute("select as_of from marts.publication").fetchall()
            old = connection.execute("select 1 from duckdb_tables() where table_name = 'int_scope_people'").fetchone()
            members = "int_scope_members" if old is None else "int_scope_people"
            schema = internal_schema(connection, "intermediate")
            connection.execute(_COMPARED.format(schema=schema, members=members))
    except (duckdb.Error, ValueError):
        return None
    return (schema, members) if day <= as_of else None


def record(
    home: Home, settings: Settings, publication_id: str, context: AuditContext, findings: Sequence[Finding]
) -> tuple[tuple[Finding, ...], Path]:
    """Add an audit to the history and write its page.

    Returns the findings, each failed one with `since`, and the path of the page. Raises OSError and AmkpiError if HOME
    cannot be written; then nothing is recorded.
    """
    page = home.audits / f"audit_{context.as_of}_{publication_id}.html"
    passed = not any(finding.blocks for finding in findings)
    newest_run = _newest_run(home, settings)
    zone = ZoneInfo(settings.timezone)
    with AUDITS.open(home.state) as audits:
        audit = audits.execute(
            "insert into audits (moment, publication_id, as_of, passed, newest_run, page) values (?, ?, ?, ?, ?, ?)",
            [context.moment.isoformat(), publication_id, context.as_of.isoformat(), passed, newest_run, page.name],
        ).lastrowid
        audits.executemany(
            "insert into findings (audit, suite, expectation, table_name, column_name, success, severity, observed,"
            " unexpected_count) values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                [audit, f.suite, f.expectation, f.table_name, f.column_name, f.success, f.severity, f.observed,
                 f.unexpected_count]
                for f in findings
            ],
        )  # fmt: skip
        dated = tuple(f if f.success else replace(f, since=_since(audits, f).astimezone(zone)) for f in findings)
        write_page(page, render(publication_id, context, dated, settings, current_file(home)))
    link_latest(home, page)
    prune_pages(home, settings)
    return dated, page


def _since(audits: sqlite3.Connection, finding: Finding) -> datetime:
    """The moment of the first audit since which it has always failed; the present audit is recorded already.

    Not by table: a later version may rename the table of an expectation.
    """
    own = [finding.suite, finding.expectation]
    is_own = "suite = ? and expectation = ?"
    (moment,) = audits.execute(
        f"select moment from findings join audits using (audit) where {is_own} and not success and audit >"
        f" coalesce((select max(audit) from findings where {is_own} and success), 0) order by audit limit 1",
        [*own, *own],
    ).fetchone()
    return datetime.fromisoformat(moment)


def last_audit(home: Home) -> RecordedAudit | None:
    """The last audit of the history; None if there is none."""
    blocking = AUDITS.read(
        home.state,
        "select expectation, observed from findings where audit = (select max(audit) from audits) and not success"
        " and severity = 'blocking' order by expectation, table_name",
        lambda expectation, observed: f"{expectation}: {observed}",
    )

    def audit(moment: str, identity: str, as_of: str, passed: int, warnings: int, page: str) -> RecordedAudit:
        day = date.fromisoformat(as_of)
        return RecordedAudit(
            datetime.fromisoformat(moment), identity, day, bool(passed), warnings, page, tuple(blocking)
        )

    last = AUDITS.read(
        home.state,
        "select moment, publication_id, as_of, passed, (select count(*) from findings where"
        " findings.audit = audits.audit and not success and severity = 'warning'), page"
        " from audits order by audit desc limit 1",
        audit,
    )
    return last[0] if last else None


def blocking_audit(home: Home, as_of: date, published_at: datetime) -> RecordedAudit | None:
    """The last audit, if it blocked a publication newer than the one of that date and moment; otherwise None."""
    audit = last_audit(home)
    # An audit of an earlier date belongs to a historical publication, which readers do not wait for.
    if audit is None or audit.passed or audit.as_of < as_of or audit.moment < published_at:
        return None
    return audit
