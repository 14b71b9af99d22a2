"""`amkpi status`: what is published, what waits, and what is in quarantine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
from rich import box
from rich.markup import escape
from rich.table import Table

from amkpi.access import addresses
from amkpi.alerts.store import AlertStore
from amkpi.core import terminal
from amkpi.core.errors import ClosingsBroken
from amkpi.core.language import formatting
from amkpi.core.paths import SHIPPED_MAPPINGS
from amkpi.core.publication_id import current_file
from amkpi.core.run import Run
from amkpi.core.storage import closing_register, dismissals
from amkpi.core.storage.locking import locked
from amkpi.core.storage.migrations.state_stores import DELIVERY_LOG
from amkpi.core.storage.warehouse import connect
from amkpi.expectations.history import last_audit
from amkpi.ingestion import archive, delivery_log, landing
from amkpi.ingestion.landing import LandingFile
from amkpi.ingestion.loader import changed_mappings
from amkpi.ingestion.mappings.files import read_mappings
from amkpi.ingestion.tables import create_tables
from amkpi.ingestion.validation import quarantine
from amkpi.ingestion.validation.row_checks import check_rows
from amkpi.publishing.publications import historical_publications
from amkpi.publishing.reader import published


def show_status(run: Run) -> None:
    """Print the current publication, quarantined rows by reason, closings, the last audit, incidents, waiting files."""
    screen = terminal.out()
    waiting = landing.waiting(run.home.landing) if run.home.landing.is_dir() else []
    if current_file(run.home) is None:
        screen.print(f"published   nothing yet in {run.home.published}", soft_wrap=True)
        if not (DELIVERY_LOG.exists(run.home.state) and delivery_log.read(run.home.state)):
            screen.print(f"received    never a file: put extracts into {run.home.landing}", soft_wrap=True)
    else:
        with published(run.home, run.settings) as connection:
            identity, as_of, at, version = connection.execute(
                "select publication_id, as_of, published_at, pipeline_version from publication"
            ).fetchall()[0]
            # A publication of version 0.1.0 has no rows that are set aside.
            columns = [name for name, *_ in connection.execute("describe quarantined_rows").fetchall()]
            which = "not is_dismissed" if "is_dismissed" in columns else "true"
            reasons = connection.execute(
                "select extract, reason, count(*), min(first_seen_at) from quarantined_rows"
                f" where {which} group by all order by all"
            ).fetchall()
            failed = connection.execute(
                "select suite, expectation, observed from quality_results where not success order by all"
            ).fetchall()
            rejected = connection.execute("select count(*) from load_ledger where status = 'rejected'").fetchall()[0][0]
        screen.print(f"published   {identity}, as of {formatting.day(as_of)}, at {at:%d/%m/%Y %H:%M %z} by {version}")
        screen.print(f"file        {run.home.current} -> {current_file(run.home)}", soft_wrap=True)
        for file, date in historical_publications(run.home):
            screen.print(f"historical  {file}, as of {formatting.day(date)}", soft_wrap=True)
        if reasons:
            table = Table(title="quarantine", title_justify="left", box=box.SIMPLE_HEAD)
            for name in ("extract", "reason", "rows", "since"):
                table.add_column(name, justify="right" if name == "rows" else "left")
            for extract, reason, rows, since in reasons:
                table.add_row(extract, reason, str(rows), f"{since:%d/%m/%Y %H:%M}")
            screen.print(table)
        else:
            screen.print("quarantine  no rows")
        screen.print(f"rejected    {rejected} files since the beginning (see {run.home.rejected})", soft_wrap=True)
        for suite, expectation, observed in failed:
            terminal.warn(f"{suite}: {expectation}: {observed}")
    _show_changed_mappings(run)
    _show_closings(run)
    audit = last_audit(run.home)
    if audit is not None:
        verdict = "passed" if audit.passed else "blocked publication"
        warned = f"{audit.warnings} warning{'' if audit.warnings == 1 else 's'}"
        at = audit.moment.astimezone(ZoneInfo(run.settings.timezone))
        screen.print(
            f"audit       {verdict}, {warned}, as of {formatting.day(audit.as_of)}, at {at:%d/%m/%Y %H:%M %z}"
            f" (see {escape(str(run.home.audits / audit.page))})",
            soft_wrap=True,
        )
    for alert in AlertStore(run.home).open_alerts():
        incident, at = alert.incident, alert.since.astimezone(ZoneInfo(run.settings.timezone))
        terminal.warn(f"alert since {at:%d/%m/%Y %H:%M}: {incident.type} {incident.about}: {incident.facts}")
    held = [each.staff_id for each in addresses.changes(run.home.state)]
    if held:
        terminal.warn(f"changed addresses are held of {', '.join(held)}: see amkpi addresses")
    claimed = archive.claimed(run.home)
    if claimed:
        screen.print(
            f"claimed     {_files(claimed)}; by a run that is still working or was killed; the next run loads"
            " what is left",
            soft_wrap=True,
        )
    screen.print(f"waiting     {_files(waiting, f'in {escape(str(run.home.landing))}')}", soft_wrap=True)


def changed_mapping(name: str, files: int) -> str:
    """What to do about files that were loaded before their mapping was changed."""
    what = "a file that was" if files == 1 else f"{files} files that were"
    return f"mapping {name} was changed after {what} loaded by it: take it again with amkpi replay --mapping {name}"


def _show_changed_mappings(run: Run) -> None:
    deliveries = delivery_log.read(run.home.state) if DELIVERY_LOG.exists(run.home.state) else []
    mappings = read_mappings(SHIPPED_MAPPINGS, run.home.sources, run.settings.zone)
    for wrong in mappings.broken:
        terminal.warn(str(wrong.error))
    for name, files in changed_mappings(deliveries, mappings.valid).items():
        terminal.warn(changed_mapping(name, files))


def _show_closings(run: Run) -> None:
    try:
        in_force = closing_register.read(run.home).in_force()
    except ClosingsBroken as broken:
        terminal.warn(str(broken))
        return
    if in_force:
        newest = in_force[-1]
        at = newest.at.astimezone(ZoneInfo(run.settings.timezone))
        count = len(in_force)
        terminal.out().print(
            f"closed      {count} closing{'' if count == 1 else 's'} in force; the newest is {newest.period} by"
            f" {escape(newest.by)} at {at:%d/%m/%Y %H:%M %z}",
            soft_wrap=True,
        )


def _files(seen: Sequence[LandingFile], where: str = "") -> str:
    """The number of files, and the names of the first."""
    names = ", ".join(escape(each.name) for each in seen[:5]) + (" …" if len(seen) > 5 else "")
    count = f"{len(seen)} file{'' if len(seen) == 1 else 's'}"
    return " ".join([count, *([where] if where else [])]) + (f": {names}" if names else "")


def show_quarantine(run: Run, extract: str | None, file_name: str | None, reason: str | None) -> None:
    """Print the number of quarantined rows by extract, file, reason and column, and how to export them."""
    with _with_row_checks(run) as connection:
        found = quarantine.counts(connection, extract=extract, file_name=file_name, reason=reason)
    if not found:
        terminal.out().print("no rows are in quarantine")
        return
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name in ("extract", "file", "mapping", "reason", "column", "rows", "first line", "since"):
        table.add_column(name, justify="right" if name in ("rows", "first line") else "left")
    for held in found:
        table.add_row(
            held.extract,
            escape(held.file_name),
            escape(held.source or ""),
            held.reason,
            held.column_name or "",
            str(held.rows),
            str(held.first_line),
            f"{held.first_seen_at:%d/%m/%Y %H:%M}",
        )
    terminal.out().print(table)
    for name in dict.fromkeys(str(held.source) for held in found if held.is_likely_of_mapping):
        terminal.warn(
            f"so many rows of one reason are most likely a fault of the mapping: correct {name}.yml in"
            f" {run.home.sources}, then: amkpi replay --mapping {name}"
        )
    terminal.out().print(
        f"[dim]to correct them: amkpi quarantine --extract {found[0].extract} --export {found[0].extract}.xlsx,"
        f" correct the rows, drop the file into landing/{found[0].extract}/[/]",
        soft_wrap=True,
    )


def export_quarantine(run: Run, extract: str, target: Path, file_name: str | None, reason: str | None) -> int:
    """Write the quarantined rows of an extract to a file; returns how many. Raises AmkpiError."""
    with _with_row_checks(run) as connection:
        return quarantine.export(connection, extract, target, file_name=file_name, reason=reason)


def dismiss_quarantine(
    run: Run, by: str, why: str, extract: str | None, file_name: str | None, reason: str | None
) -> int:
    """Set quarantined rows aside; returns how many. Raises AmkpiError."""
    with _with_row_checks(run) as connection:
        return quarantine.dismiss(
            connection, run.home, by, why, run.now(), extract=extract, file_name=file_name, reason=reason
        )


def take_back_dismissals(
    run: Run, by: str, why: str, extract: str | None, file_name: str | None, reason: str | None
) -> int:
    """Let dismissed rows count again; returns how many. Raises AmkpiError."""
    with _with_row_checks(run) as connection:
        return quarantine.take_back(
            connection, run.home, by, why, run.now(), extract=extract, file_name=file_name, reason=reason
        )


def show_dismissed(run: Run) -> None:
    """Print the rows that were set aside and are still held back, and the dismissals that were taken back.

    Each with by whom, why and when.
    """
    with _with_row_checks(run) as connection:
        found = quarantine.dismissed(connection, run.home)
    _show_taken_back(run)
    if not found:
        terminal.out().print("no quarantined rows are dismissed")
        return
    groups = Counter((each.extract, file, reason, each.by, each.why, each.at) for each, file, reason in found)
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name in ("extract", "file", "reason", "rows", "by", "why", "at"):
        table.add_column(name, justify="right" if name == "rows" else "left")
    zone = ZoneInfo(run.settings.timezone)
    for (extract, file, reason, by, why, at), rows in sorted(groups.items()):
        moment = f"{at.astimezone(zone):%d/%m/%Y %H:%M}"
        table.add_row(extract, escape(file), reason, str(rows), escape(by), escape(why), moment)
    terminal.out().print(table)


def _show_taken_back(run: Run) -> None:
    groups = Counter(
        (each.dismissal.extract, each.dismissal.by, each.dismissal.why, each.at, each.by, each.why)
        for each in dismissals.read_taken_back(run.home.state)
    )
    zone = ZoneInfo(run.settings.timezone)
    for (extract, by, why, at, back_by, back_why), rows in sorted(groups.items()):
        what = "1 dismissal" if rows == 1 else f"{rows} dismissals"
        terminal.out().print(
            f"{what} of {extract} by {escape(by)} ({escape(why)}) taken back by {escape(back_by)} at"
            f" {at.astimezone(zone):%d/%m/%Y %H:%M}: {escape(back_why)}",
            soft_wrap=True,
        )


@contextmanager
def _with_row_checks(run: Run) -> Iterator[duckdb.DuckDBPyConnection]:
    """The warehouse after the row checks with everything that was delivered until now."""
    with locked(run.home, run.settings), connect(run.home, run.settings) as connection:
        create_tables(connection)
        check_rows(connection, run.settings.kpi.reporting_currency)
        quarantine.copy_dismissals(connection, run.home)
        yield connection
