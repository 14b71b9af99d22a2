"""The steps of the pipeline. An `amkpi` command and a DAG task are these same functions.

Each takes HOME's lock for itself, so that steps can run in processes of their own, hours apart.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import astuple, dataclass, replace
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb

from amkpi import auditing, backup, building, publishing
from amkpi.backup import BackupReport
from amkpi.building import BuildReport
from amkpi.errors import AmkpiError, AuditBlocked, StaleBuild
from amkpi.home import Home
from amkpi.publishing import PublishReport
from amkpi.settings import SHIPPED_SOURCES, Settings, load_settings
from amkpi.warehouse import connect
from expectations.auditing import audit_warehouse
from expectations.findings import Finding
from expectations.occasion import Occasion
from ingestion import loading, pending
from ingestion.loading import LoadReport
from ingestion.raw import create_tables

Progress = Callable[[str], None]
# As `expectations.auditing.audit_warehouse`.
Auditor = Callable[[Path, Settings, Occasion, Progress], list[Finding]]


def silent(line: str) -> None:
    """A progress that shows nothing."""


def utc_now() -> datetime:
    """The moment it is; the one clock of the pipeline."""
    return datetime.now(UTC)


def sample_date() -> date:
    """Until when the sample agency's history goes when nobody says: today where most users are."""
    return datetime.now(ZoneInfo("Asia/Ho_Chi_Minh")).date()


@dataclass(frozen=True)
class Run:
    """For which agency, with which settings, as of which date, by which clock.

    beside: what is published is a file beside the one that readers open, and takes nobody's place.
    """

    home: Home
    settings: Settings
    as_of: date
    now: Callable[[], datetime] = utc_now
    beside: bool = False

    @classmethod
    def prepare(cls, home: Path | None = None, landing: Path | None = None, as_of: str | None = None) -> Run:
        """The run that arguments, and for those not given AMKPI_HOME, AMKPI_LANDING and AMKPI_AS_OF, describe.

        as_of: YYYY-MM-DD; today in the agency's time zone when nobody says. Raises AmkpiError.
        """
        given_home = home or os.environ.get("AMKPI_HOME")
        if not given_home:
            raise AmkpiError("no home given: say --home DIR, or set AMKPI_HOME")
        given_landing = landing or os.environ.get("AMKPI_LANDING")
        place = Home.at(Path(given_home), Path(given_landing) if given_landing else None)
        settings = load_settings(place)
        text = as_of or os.environ.get("AMKPI_AS_OF")
        try:
            day = date.fromisoformat(text) if text else settings.today()
        except ValueError as error:
            raise AmkpiError(f"--as-of {text!r} is no date: say it as YYYY-MM-DD") from error
        return cls(place, settings, day)

    def said(self) -> dict[str, Any]:
        """What the later steps of a run must be told, JSON-ready: so that no midnight comes between them."""
        return {"as_of": self.as_of.isoformat(), "beside": self.beside}


@dataclass(frozen=True)
class AuditReport:
    """What the audit found, and the page that shows it; nothing was looked at where readers have this build already."""

    findings: tuple[Finding, ...]
    is_new: bool = True
    page: Path | None = None

    @property
    def blocking(self) -> tuple[Finding, ...]:
        """What keeps the build from being published."""
        return tuple(finding for finding in self.findings if finding.blocks)

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """What is published all the same, and said."""
        return tuple(finding for finding in self.findings if not finding.success and not finding.blocks)


def load(run: Run, progress: Progress = silent) -> LoadReport:
    """Take everything that is ready in LANDING into `raw`. Raises AmkpiError."""
    run.home.make()
    with run.home.lock(), connect(run.home, run.settings) as connection:
        report = loading.load(connection, run.home, run.settings, run.now, SHIPPED_SOURCES, progress)
        return replace(report, pending=pending.pending(connection))


def rebuild(run: Run, progress: Progress = silent) -> int:
    """Make the warehouse anew from archive/ and state/; returns how many deliveries it holds. Raises AmkpiError."""
    run.home.make()
    with run.home.lock():
        fresh = run.home.warehouse.with_name("rebuild.duckdb")
        for leftover in (fresh, _log_of(fresh)):
            leftover.unlink(missing_ok=True)
        aside = Home(run.home.root, run.home.landing, warehouse_name=fresh.name)
        with connect(aside, run.settings) as connection:
            count = loading.replay(connection, run.home, SHIPPED_SOURCES, progress)
        # The old file goes only when the new one is whole; a log that a killed run left belongs to the old one.
        _log_of(run.home.warehouse).unlink(missing_ok=True)
        fresh.replace(run.home.warehouse)
        return count


def _log_of(database: Path) -> Path:
    """Where DuckDB keeps what it has not yet written into the file."""
    return database.with_name(database.name + ".wal")


def replay(run: Run, wanted: str) -> LoadReport:
    """Load bytes that were loaded before once more, on purpose: a file of them, its name in the ledger, or its hash.

    Raises AmkpiError when no such bytes were loaded.
    """
    run.home.make()
    with run.home.lock(), connect(run.home, run.settings) as connection:
        return loading.load_again(connection, run.home, run.settings, run.now, SHIPPED_SOURCES, wanted)


def build(run: Run, progress: Progress = silent, begun: Callable[[], None] = lambda: None) -> BuildReport:
    """Build the marts in the warehouse; `begun` is called once it is clear that there is something to build.

    Raises AmkpiError, AuditBlocked for a broken rule of the models.
    """
    run.home.make()
    with run.home.lock():
        with connect(run.home, run.settings) as connection:
            create_tables(connection)
            if run.beside:
                identity = publishing.publication_id(connection, run.settings, run.as_of)
                if publishing.published_file(run.home, identity).exists():
                    return BuildReport(identity, 0, 0, is_new=False)
            else:
                pending.take_up(connection)  # what is beside is no answer to what came
        return building.build(run.home, run.settings, run.as_of, progress, begun)


def audit(run: Run, progress: Progress = silent, auditor: Auditor = audit_warehouse) -> AuditReport:
    """Check what was let in and what would be let out, and keep the findings for the marts.

    auditor: `audit_warehouse`, or what calls it elsewhere. Raises AuditBlocked when something must not be published:
    publishing then refuses this build.
    """
    run.home.make()
    with run.home.lock():
        if publishing.is_published(run.home, run.settings, run.as_of, run.beside):
            return AuditReport((), is_new=False)
        identity = publishing.check_built(run.home, run.settings, run.as_of)
        occasion = auditing.occasion(run.home, run.settings, run.as_of, run.now())
        found = auditor(run.home.warehouse, run.settings, occasion, progress)
        # Before the build may be published: what is published has a page, and is remembered.
        findings, page = auditing.keep(run.home, run.settings, identity, occasion, found)
        report = AuditReport(findings, page=page)
        publishing.keep_audit(run.home, run.settings, findings, occasion.moment)
    if report.blocking:
        what = "; ".join(f"{finding.expectation}: {finding.observed}" for finding in report.blocking)
        raise AuditBlocked(
            f"the audit blocks publication, readers keep the last good one (see {page}): {what}", report.blocking
        )
    return report


def publish(run: Run, progress: Progress = silent) -> PublishReport:
    """Publish the audited build. Raises AmkpiError when there is none, or AuditBlocked when its audit failed."""
    run.home.make()
    with run.home.lock():
        return publishing.publish(
            run.home, run.settings, run.as_of, run.now(), lambda connection: _tell_of_mails(run.home, connection),
            run.beside,
        )  # fmt: skip


def prune_publications(run: Run) -> int:
    """Remove the publications that the settings do not keep; returns how many. Raises AmkpiError."""
    run.home.make()
    with run.home.lock():
        return publishing.prune(run.home, run.settings, run.now())


def back_up(run: Run, progress: Progress = silent) -> tuple[BackupReport, int]:
    """Back up what cannot be computed anew, and let the oldest backups go; returns how many. Raises AmkpiError."""
    run.home.make()
    target = backup_folder(run)
    report = backup.backup(run.home, target, run.now(), progress)
    return report, backup.prune(target, run.settings.keep_backup_days, run.now())


def backup_folder(run: Run) -> Path:
    """Where the agency's backups lie."""
    given = run.settings.backup_dir
    return run.home.root / Path(given).expanduser() if given else run.home.backups


def restore(run: Run, folder: Path, progress: Progress = silent) -> int:
    """Put a backup into an empty home, and make the warehouse from it; returns the deliveries. Raises AmkpiError."""
    backup.restore(folder, run.home, progress)
    # What the run was prepared with came before the settings file did.
    return rebuild(replace(run, settings=load_settings(run.home)), progress)


def is_past(run: Run) -> bool:
    """Whether readers see a later date than the run's: what it publishes must not take that one's place."""
    seen = publishing.current_as_of(run.home)
    return seen is not None and run.as_of < seen


def audit_afresh(run: Run, progress: Progress = silent) -> AuditReport:
    """Audit, after building anew where a load came in between: a run that has begun ends with a publication.

    Raises AmkpiError, AuditBlocked.
    """
    try:
        return audit(run, progress)
    except StaleBuild as stale:
        progress(f"{stale}; built again")
        build(run, progress)
        return audit(run, progress)


def publish_afresh(run: Run, progress: Progress = silent) -> PublishReport:
    """Publish, after building and auditing anew where a load came in between. Raises AmkpiError, AuditBlocked."""
    try:
        return publish(run, progress)
    except StaleBuild as stale:
        progress(f"{stale}; built again")
        build(run, progress)
        audit(run, progress)
        return publish(run, progress)


def _tell_of_mails(home: Home, connection: duckdb.DuckDBPyConnection) -> None:
    """Fill the marts of what was mailed, and of the mailed values that are others now, from HOME/state/."""
    from scorecards.history import scorecards_sent
    from scorecards.restating import restatements

    for table, rows in (
        ("scorecards_sent", scorecards_sent(home.state)),
        ("restatements", restatements(home, connection)),
    ):
        connection.execute(f"delete from audit.{table}")
        if rows:
            values = [[str(v) if isinstance(v, StrEnum) else v for v in astuple(row)] for row in rows]
            connection.executemany(f"insert into audit.{table} values ({', '.join('?' * len(values[0]))})", values)
