"""Earlier audits, kept in HOME/state/audits.sqlite: since when a check fails, and what was audited last.

Since when a check fails, which loads no audit has seen yet, and what was last published for the same date cannot be
computed again, so it is kept in a SQLite file of its own and backed up.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
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
from amkpi.core.storage.migrations.state_stores import AUDITS
from amkpi.core.storage.warehouse import connect
from amkpi.expectations.context import Occasion
from amkpi.expectations.page import link_latest, prune_pages, render, write_page


@dataclass(frozen=True)
class KeptAudit:
    """An audit that was kept. `moment` is aware; `page` is the name of its page in HOME/audits/.

    blocking: what kept the build from being published, each as `expectation: what was observed`.
    """

    moment: datetime
    publication_id: str
    as_of: date
    passed: bool
    warnings: int
    page: str
    blocking: tuple[str, ...] = ()


def occasion(home: Home, settings: Settings, as_of: date, moment: datetime) -> Occasion:
    """The occasion of an audit that begins now: what earlier ones have judged, and what to compare with."""
    with AUDITS.open(home.state) as audits:
        seen = audits.execute(
            "select max(newest_run) from audits where newest_run < ?", [_newest_run(home, settings)]
        ).fetchone()[0]
        same_date = audits.execute("select distinct publication_id from audits where as_of = ?", [as_of.isoformat()])
        files = {published_file(home, identity) for (identity,) in same_date.fetchall()}
    published = _last_of_date(home, files, as_of)
    if published is None:
        return Occasion(as_of, moment, seen or 0)
    return Occasion(as_of, moment, seen or 0, published, _members_table(published))


def _newest_run(home: Home, settings: Settings) -> int:
    with connect(home, settings) as connection:
        found = connection.execute("select coalesce(max(run), 0) from raw.ledger").fetchall()
    return int(found[0][0])


def _last_of_date(home: Home, files: set[Path], as_of: date) -> Path | None:
    """The newest of these publications and the current one, if it can be read and is of that date."""
    current = current_file(home)
    there = [path for path in files | ({current} if current else set()) if path.is_file()]
    for path in sorted(there, key=lambda path: path.stat().st_mtime_ns, reverse=True):
        try:
            with closing(duckdb.connect(str(path), read_only=True)) as connection:
                if connection.execute("select as_of from marts.publication").fetchall() == [(as_of,)]:
                    return path
        except duckdb.Error:
            # A broken publication must not keep a sound one from taking its place.
            continue
    return None


def _members_table(publication: Path) -> str:
    with closing(duckdb.connect(str(publication), read_only=True)) as connection:
        found = connection.execute("select 1 from duckdb_tables() where table_name = 'int_scope_people'").fetchone()
    return "int_scope_members" if found is None else "int_scope_people"


def keep(
    home: Home, settings: Settings, publication_id: str, when: Occasion, findings: Sequence[Finding]
) -> tuple[tuple[Finding, ...], Path]:
    """Keep an audit and write its page; returns the findings, now with since when they fail, and the page's path.

    Raises OSError and AmkpiError where HOME cannot be written.
    """
    page = home.audits / f"audit_{when.as_of}_{publication_id}.html"
    passed = not any(finding.blocks for finding in findings)
    newest_run = _newest_run(home, settings)
    zone = ZoneInfo(settings.timezone)
    with AUDITS.open(home.state) as audits:
        audit = audits.execute(
            "insert into audits (moment, publication_id, as_of, passed, newest_run, page) values (?, ?, ?, ?, ?, ?)",
            [when.moment.isoformat(), publication_id, when.as_of.isoformat(), passed, newest_run, page.name],
        ).lastrowid
        audits.executemany(
            "insert into findings values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                [audit, f.suite, f.expectation, f.table_name, f.column_name, f.success, f.severity, f.observed,
                 f.unexpected_count]
                for f in findings
            ],
        )  # fmt: skip
        dated = tuple(f if f.success else replace(f, since=_since(audits, f).astimezone(zone)) for f in findings)
        write_page(page, render(publication_id, when, dated, settings, current_file(home)))
    link_latest(home, page)
    prune_pages(home, settings)
    return dated, page


def _since(audits: sqlite3.Connection, finding: Finding) -> datetime:
    """When the first of the audits in a row saw it fail. The present one is kept already, so there is one."""
    own = [finding.suite, finding.expectation, finding.table_name]
    is_own = "suite = ? and expectation = ? and table_name = ?"
    (moment,) = audits.execute(
        f"select moment from findings join audits using (audit) where {is_own} and not success and audit >"
        f" coalesce((select max(audit) from findings where {is_own} and success), 0) order by audit limit 1",
        [*own, *own],
    ).fetchone()
    return datetime.fromisoformat(moment)


def last_audit(home: Home) -> KeptAudit | None:
    """The audit that was kept last."""
    if not AUDITS.exists(home.state):
        return None
    with AUDITS.open(home.state) as audits:
        row = audits.execute(
            "select moment, publication_id, as_of, passed, (select count(*) from findings where"
            " findings.audit = audits.audit and not success and severity = 'warning'), page, audit"
            " from audits order by audit desc limit 1"
        ).fetchone()
        if row is None:
            return None
        moment, identity, as_of, passed, warnings, page, audit = row
        blocking = tuple(
            f"{expectation}: {observed}"
            for expectation, observed in audits.execute(
                "select expectation, observed from findings where audit = ? and not success and severity = 'blocking'"
                " order by expectation, table_name",
                [audit],
            )
        )
    return KeptAudit(
        datetime.fromisoformat(moment), identity, date.fromisoformat(as_of), bool(passed), warnings, page, blocking
    )


def blocking_audit(home: Home, as_of: date, published_at: datetime) -> KeptAudit | None:
    """The audit that keeps readers from something newer than the publication of that date and moment, if one does."""
    audit = last_audit(home)
    # One of an earlier date was asked for by a person, and keeps nothing from readers.
    if audit is None or audit.passed or audit.as_of < as_of or audit.moment < published_at:
        return None
    return audit
