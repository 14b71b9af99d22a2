"""The steps of the pipeline. An `amkpi` command and a DAG task call the same function.

Each step takes HOME's lock itself, so that the steps can run in different processes, hours apart.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import astuple, dataclass, fields, replace
from datetime import date
from functools import partial
from pathlib import Path

import duckdb

from amkpi.access import addresses
from amkpi.core import build_record, publication_id, terminal
from amkpi.core.erasure import unfinished
from amkpi.core.errors import AmkpiError, AuditBlocked, NothingLoaded, StaleBuild
from amkpi.core.findings import Finding
from amkpi.core.home import Home
from amkpi.core.paths import SHIPPED_MAPPINGS
from amkpi.core.run import Progress, Run, silent
from amkpi.core.settings import Settings, load_settings
from amkpi.core.storage.locking import locked
from amkpi.core.storage.warehouse import connect
from amkpi.expectations import history
from amkpi.expectations.context import AuditContext
from amkpi.expectations.runner import audit_warehouse
from amkpi.exports import parquet
from amkpi.ingestion import archive, from_archive, loader, unprocessed
from amkpi.ingestion.loader import LoadReport
from amkpi.ingestion.tables import create_tables
from amkpi.ingestion.validation import quarantine
from amkpi.pipeline import state_files
from amkpi.pipeline.state_files import StateFile
from amkpi.publishing import backup, publications, retention
from amkpi.publishing.backup import BackupReport, RestoredFile
from amkpi.publishing.closing import publication as closings
from amkpi.publishing.publications import PublishReport
from amkpi.transform import dbt_runner
from amkpi.transform.dbt_runner import BuildReport

# The signature of `amkpi.expectations.runner.audit_warehouse`.
Auditor = Callable[[Path, Settings, AuditContext, Progress], list[Finding]]


@dataclass(frozen=True)
class AuditReport:
    """The findings of an audit and its page. is_new: False if the build was published already."""

    findings: tuple[Finding, ...]
    is_new: bool = True
    page: Path | None = None

    @property
    def blocking(self) -> tuple[Finding, ...]:
        """The findings that stop the publication."""
        return tuple(finding for finding in self.findings if finding.blocks)

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """The findings that are published and reported."""
        return tuple(finding for finding in self.findings if not finding.success and not finding.blocks)


def load(run: Run, progress: Progress = silent, accept_deletions: str | None = None) -> LoadReport:
    """Take everything that is ready in LANDING into `raw`.

    accept_deletions: a mapping of which a person accepts this time that its files delete more than the setting
    `max_deleted_share`; the files that were last rejected for that are put back first. Raises AmkpiError.
    """
    with locked(run.home, run.settings), connect(run.home, run.settings) as connection:
        if accept_deletions is not None:
            archive.put_back(run.home, loader.rejected_for_deletions(connection, accept_deletions))
        report = loader.load(connection, run.home, run.settings, run.now, SHIPPED_MAPPINGS, progress, accept_deletions)
        if report.changed_mappings and run.settings.landing.replay_changed_mappings:
            report = _replay_changed(run, connection, report)
        return replace(report, unprocessed=unprocessed.find(connection))


def _replay_changed(run: Run, connection: duckdb.DuckDBPyConnection, report: LoadReport) -> LoadReport:
    """Take the files again whose mapping was changed; a mapping whose files would delete too much stays reported."""
    refused: dict[str, int] = {}
    for name, count in report.changed_mappings.items():
        try:
            again = _replay_mapping(run, connection, name, accept_deletions=False)
        except AmkpiError as error:
            terminal.warn(str(error))
            refused[name] = count
        else:
            report = replace(report, run=again.run, deliveries=(*report.deliveries, *again.deliveries))
    return replace(report, changed_mappings=refused)


def _replay_mapping(run: Run, connection: duckdb.DuckDBPyConnection, name: str, accept_deletions: bool) -> LoadReport:
    return from_archive.replay_mapping(
        connection, run.home, run.settings, run.now, SHIPPED_MAPPINGS, name, accept_deletions
    )


def rebuild(run: Run, progress: Progress = silent) -> int:
    """Restore the warehouse from archive/ and state/; returns how many deliveries it has. Raises AmkpiError."""
    with locked(run.home, run.settings, warehouse=False):
        fresh = run.home.warehouse.with_name("rebuild.duckdb")
        for leftover in (fresh, _log_of(fresh)):
            leftover.unlink(missing_ok=True)
        unfinished = Home(run.home.root, run.home.landing, warehouse_name=fresh.name)
        with connect(unfinished, run.settings) as connection:
            count = from_archive.rebuild(connection, run.home, run.settings, SHIPPED_MAPPINGS, progress)
        # The old file is replaced only when the new one is complete. A log of a killed run belongs to the old file.
        _log_of(run.home.warehouse).unlink(missing_ok=True)
        fresh.replace(run.home.warehouse)
        return count


def _log_of(database: Path) -> Path:
    """The file of changes that DuckDB has not yet written into the database file."""
    return database.with_name(database.name + ".wal")


def replay(run: Run, wanted: str, accept_deletions: bool = False) -> LoadReport:
    """Load a known file again, on purpose. wanted: the file, its name in the load ledger, or its hash.

    accept_deletions: whether it may delete more than `max_deleted_share`. Raises AmkpiError when it was never loaded.
    """
    with locked(run.home, run.settings), connect(run.home, run.settings) as connection:
        return from_archive.replay(
            connection, run.home, run.settings, run.now, SHIPPED_MAPPINGS, wanted, accept_deletions
        )


def replay_mapping(run: Run, name: str, accept_deletions: bool = False) -> LoadReport:
    """Load all files of a mapping again that were loaded by another text of it.

    accept_deletions: whether they may delete more than `max_deleted_share`. Raises AmkpiError.
    """
    with locked(run.home, run.settings), connect(run.home, run.settings) as connection:
        return _replay_mapping(run, connection, name, accept_deletions)


def build(run: Run, progress: Progress = silent, on_start: Callable[[], None] = lambda: None) -> BuildReport:
    """Build the marts in the warehouse; `on_start` is called once it is clear that there is something to build.

    Raises NothingLoaded before the first file, AmkpiError, AuditBlocked for a broken rule of the models.
    """
    with locked(run.home, run.settings):
        closings.check(run.home, run.settings, run.as_of)
        with connect(run.home, run.settings) as connection:
            create_tables(connection)
            _check_loaded(run, connection)
            quarantine.copy_dismissals(connection, run.home)
            # A historical publication does not count as one that has the new rows. But where readers see a later date
            # than today, no other run of today will do more for them: the first of that date will.
            if not run.historical or (run.as_of >= _today(run) and is_past(run)):
                unprocessed.mark_processed(connection)
            if run.historical:
                identity = publication_id.publication_id(run.home, connection, run.settings, run.as_of)
                if publication_id.published_file(run.home, identity).exists():
                    return BuildReport(identity, 0, 0, is_new=False)
            closings.before_build(connection, run.home, run.as_of)
        report = dbt_runner.build(run.home, run.settings, run.as_of, progress, on_start)
        if report.is_new:
            with connect(run.home, run.settings) as connection:
                closings.after_build(connection, run.home, run.settings, run.as_of, progress)
        return report


def _check_loaded(run: Run, connection: duckdb.DuckDBPyConnection) -> None:
    rejected, loaded = connection.execute(
        "select count(*), count(*) filter (where status = 'loaded') from raw.ledger"
    ).fetchall()[0]
    if loaded:
        return
    if rejected:
        raise NothingLoaded(
            f"{run.home.root} has loaded no file yet, and rejected {rejected}: see {run.home.rejected} for the reasons"
        )
    raise NothingLoaded(
        f"{run.home.root} never received a file: put extracts into {run.home.landing}, or give the right folder with"
        " --home DIR"
    )


def audit(run: Run, progress: Progress = silent, auditor: Auditor = audit_warehouse) -> AuditReport:
    """Run all expectations against the build, and record the findings for the marts.

    auditor: `audit_warehouse`, or an AuditWorker that calls it in another process. Raises AuditBlocked if a blocking
    expectation fails; `publish` then refuses this build.
    """
    with locked(run.home, run.settings):
        if publications.is_published(run.home, run.settings, run.as_of, run.historical):
            return AuditReport((), is_new=False)
        identity = build_record.check_built(run.home, run.settings, run.as_of)
        context = history.audit_context(run.home, run.settings, run.as_of, run.now())
        found = auditor(run.home.warehouse, run.settings, context, progress)
        # First the history and the page, then the mark that allows publication: every publication has both.
        findings, page = history.record(run.home, run.settings, identity, context, found)
        report = AuditReport(findings, page=page)
        build_record.keep_audit(run.home, run.settings, findings, context.moment)
    if report.blocking:
        what = "; ".join(f"{finding.expectation}: {finding.observed}" for finding in report.blocking)
        raise AuditBlocked(
            f"the audit blocks publication, readers keep the last good one (see {page}): {what}", report.blocking
        )
    return report


def publish(run: Run, progress: Progress = silent) -> PublishReport:
    """Publish the audited build. Raises AmkpiError when there is none, or AuditBlocked when its audit failed."""
    with locked(run.home, run.settings):
        closings.check(run.home, run.settings, run.as_of)
        return publications.publish(
            run.home, run.settings, run.as_of, run.now(), partial(_fill_from_state, run), run.historical
        )


def prune_publications(run: Run) -> int:
    """Remove the publications that the settings do not keep; returns how many. Raises AmkpiError."""
    with locked(run.home, run.settings, warehouse=False):
        gone = retention.prune(run.home, run.settings, run.now())
        parquet.prune(run.home)
        return gone


def back_up(run: Run, progress: Progress = silent) -> tuple[BackupReport, int]:
    """Back up what cannot be computed again, and remove old backups; returns how many. Raises AmkpiError."""
    run.home.make()
    # Half of it would have the names, and files would not fit each other.
    unfinished.refuse_interrupted(run.home)
    target = backup_folder(run)
    report = backup.backup(run.home, target, run.now(), progress)
    return report, backup.prune(target, run.settings.retention.backup_days, run.now())


def backup_folder(run: Run) -> Path:
    """The folder of the agency's backups."""
    given = run.settings.storage.backup_dir
    return run.home.root / Path(given).expanduser() if given else run.home.backups


def restore(run: Run, folder: Path, progress: Progress = silent) -> int:
    """Restore a backup into an empty home, with its warehouse; returns the deliveries. Raises AmkpiError."""
    backup.restore(folder, run.home, progress)
    # The run was prepared before the home had its settings file.
    return rebuild(replace(run, settings=load_settings(run.home)), progress)


def restore_one(run: Run, folder: Path, name: str) -> tuple[RestoredFile, StateFile]:
    """Bring one file of HOME/state/ back from a backup, and check that it can be used; the home keeps all else.

    Raises AmkpiError.
    """
    wanted = state_files.find(name)
    run.home.make()
    with run.home.lock():
        restored = backup.restore_one(folder, run.home, (wanted.name, wanted.former_name), run.now())
        wanted.check(run.home, True)
        return restored, wanted


def check_state(run: Run) -> int:
    """Read every page of every file of HOME/state/; returns how many files. Raises AmkpiError, naming all damaged."""
    damaged = state_files.problems(run.home, whole=True)
    if damaged:
        raise AmkpiError("; ".join(damaged))
    return len(state_files.STATE_FILES)


def is_past(run: Run) -> bool:
    """Whether the current publication has a later date than the run: the run must not replace it.

    One that cannot be opened tells no date, and readers have nothing of it: a run of today or later replaces it.
    """
    try:
        seen = publications.current_as_of(run.home)
    except AmkpiError:
        seen = _today(run)
    return seen is not None and run.as_of < seen


def _today(run: Run) -> date:
    return run.now().astimezone(run.settings.zone).date()


def audit_rebuilding_if_stale(run: Run, progress: Progress = silent) -> AuditReport:
    """Audit; build again first if files were loaded since the build. So a DAG run ends with a publication.

    Raises AmkpiError, AuditBlocked.
    """
    try:
        return audit(run, progress)
    except StaleBuild as stale:
        progress(f"{stale}; built again")
        build(run, progress)
        return audit(run, progress)


def publish_rebuilding_if_stale(run: Run, progress: Progress = silent) -> PublishReport:
    """Publish; build and audit again first if files were loaded since. Raises AmkpiError, AuditBlocked."""
    try:
        return publish(run, progress)
    except StaleBuild as stale:
        progress(f"{stale}; built again")
        build(run, progress)
        audit(run, progress)
        return publish(run, progress)


def _fill_from_state(run: Run, connection: duckdb.DuckDBPyConnection) -> None:
    """Fill what a publication shows of HOME/state/: closings and mails."""
    closings.after_build(connection, run.home, run.settings, run.as_of)
    closings.date_adjustments(connection, run.home, run.now(), keep=not run.historical)
    _fill_mail_marts(run, connection)
    if not run.historical:
        # Before readers see the publication: a changed address in it must be held from the first moment.
        people = connection.execute("select staff_id, email from marts.dim_staff").fetchall()
        addresses.observe(run.home.state, people, run.now())
        addresses.settle(run.home, run.settings.mail.address_hold_hours, run.now())
        addresses.write_published(run.home)


def _fill_mail_marts(run: Run, connection: duckdb.DuckDBPyConnection) -> None:
    """Fill the marts of sent mails and of restatements from HOME/state/."""
    from amkpi.scorecards.mail.history import scorecards_sent
    from amkpi.scorecards.restatements.mart import restatements

    restated = restatements(run.home, connection, run.as_of, run.now(), keep=not run.historical)
    for table, rows in (("scorecards_sent", scorecards_sent(run.home.state)), ("restatements", restated)):
        connection.execute(f"delete from audit.{table}")
        if rows:
            values = [list(astuple(row)) for row in rows]
            columns = ", ".join(f'"{field.name}"' for field in fields(rows[0]))
            places = ", ".join("?" * len(values[0]))
            connection.executemany(f"insert into audit.{table} ({columns}) values ({places})", values)
