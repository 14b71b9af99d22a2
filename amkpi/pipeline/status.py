"""`amkpi status`: what is published, what waits, and what needs attention."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from amkpi.access import addresses
from amkpi.alerts.store import AlertStore
from amkpi.core import terminal
from amkpi.core.erasure import unfinished
from amkpi.core.errors import AmkpiError
from amkpi.core.language import formatting
from amkpi.core.paths import SHIPPED_MAPPINGS
from amkpi.core.publication_id import current_file
from amkpi.core.run import Run
from amkpi.core.storage import closing_register, published_hashes
from amkpi.expectations.history import last_audit
from amkpi.ingestion import archive, delivery_log, landing
from amkpi.ingestion.loader import changed_mappings
from amkpi.ingestion.mappings.files import read_mappings
from amkpi.pipeline import state_files
from amkpi.publishing.publications import historical_publications
from amkpi.publishing.reader import published
from amkpi.publishing.retention import disk_space

_MOST_NAMES = 5

Found = TypeVar("Found")


@dataclass(frozen=True)
class HeldBack:
    """Rows of an extract in quarantine for one reason."""

    extract: str
    reason: str
    rows: int
    since: datetime


@dataclass(frozen=True)
class FailedExpectation:
    """An expectation of the last audit that failed."""

    suite: str
    expectation: str
    observed: str | None


@dataclass(frozen=True)
class PublicationStatus:
    """The current publication. rejected_files: since the beginning."""

    publication_id: str
    as_of: date
    published_at: datetime
    pipeline_version: str
    file: Path
    quarantine: tuple[HeldBack, ...]
    failed_expectations: tuple[FailedExpectation, ...]
    rejected_files: int


@dataclass(frozen=True)
class AuditStatus:
    """The last audit. page: where its report is."""

    passed: bool
    warnings: int
    as_of: date
    at: datetime
    page: Path


@dataclass(frozen=True)
class ClosingStatus:
    """The closings in force. period, by, at: of the newest."""

    in_force: int
    period: str
    by: str
    at: datetime


@dataclass(frozen=True)
class OpenAlert:
    """An incident that is not resolved."""

    type: str
    about: str
    facts: str
    since: datetime


@dataclass(frozen=True)
class Status:
    """A home. historical: file and date of each historical publication; problems: lines for a person to act on.

    What is in a damaged file of HOME/state/ is left out; the file is a problem then. claimed: files that a run took and
    did not finish; waiting: files in LANDING. Moments are in the agency's time zone.
    """

    home: Path
    landing: Path
    rejected: Path
    ever_received: bool
    publication: PublicationStatus | None
    historical: tuple[tuple[Path, date], ...]
    closings: ClosingStatus | None
    audit: AuditStatus | None
    alerts: tuple[OpenAlert, ...]
    held_addresses: tuple[str, ...]
    problems: tuple[str, ...]
    claimed: tuple[str, ...]
    waiting: tuple[str, ...]


def read_status(run: Run) -> Status:
    """Read what is published, quarantined rows by reason, closings, the last audit, incidents and waiting files."""
    zone = ZoneInfo(run.settings.timezone)
    return Status(
        home=run.home.root,
        landing=run.home.landing,
        rejected=run.home.rejected,
        ever_received=bool(_readable(lambda: delivery_log.read(run.home.state))),
        publication=_publication(run),
        historical=tuple(historical_publications(run.home)) if current_file(run.home) else (),
        closings=_readable(lambda: _closings(run, zone)),
        audit=_readable(lambda: _audit(run, zone)),
        alerts=tuple(
            OpenAlert(each.incident.type, each.incident.about, each.incident.facts, each.since.astimezone(zone))
            for each in _readable(AlertStore(run.home).open_alerts) or ()
        ),
        held_addresses=tuple(each.staff_id for each in _readable(lambda: addresses.changes(run.home.state)) or ()),
        problems=(
            *_interrupted(run),
            *state_files.problems(run.home),
            *_mapping_problems(run),
            *_damaged(run),
            *_disk_problems(run),
        ),
        claimed=tuple(each.name for each in archive.claimed(run.home)),
        waiting=tuple(each.name for each in landing.waiting(run.home.landing)) if run.home.landing.is_dir() else (),
    )


def _readable(read: Callable[[], Found]) -> Found | None:
    """What a state file holds; None for one that is damaged, which is among the problems then."""
    try:
        return read()
    except AmkpiError:
        return None


def _publication(run: Run) -> PublicationStatus | None:
    file = current_file(run.home)
    if file is None:
        return None
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
        ((rejected,),) = connection.execute("select count(*) from load_ledger where status = 'rejected'").fetchall()
    return PublicationStatus(
        identity,
        as_of,
        at,
        version,
        file,
        tuple(HeldBack(*row) for row in reasons),
        tuple(FailedExpectation(*row) for row in failed),
        rejected,
    )


def _interrupted(run: Run) -> list[str]:
    problem = unfinished.interrupted(run.home)
    return [problem] if problem else []


def _damaged(run: Run) -> list[str]:
    """The published files that somebody has written into."""
    return [
        f"{file} is not what was published, somebody has written into it: `amkpi run` writes the current publication"
        " again; remove any other one"
        for file in sorted(run.home.published.glob("kpi_*.duckdb"))
        if published_hashes.is_damaged(run.home, file)
    ]


def _audit(run: Run, zone: ZoneInfo) -> AuditStatus | None:
    last = last_audit(run.home)
    if last is None:
        return None
    return AuditStatus(
        last.passed, last.warnings, last.as_of, last.moment.astimezone(zone), run.home.audits / last.page
    )


def _closings(run: Run, zone: ZoneInfo) -> ClosingStatus | None:
    in_force = closing_register.read(run.home).in_force()
    if not in_force:
        return None
    newest = in_force[-1]
    return ClosingStatus(len(in_force), newest.period, newest.by, newest.at.astimezone(zone))


def _mapping_problems(run: Run) -> list[str]:
    deliveries = _readable(lambda: delivery_log.read(run.home.state)) or []
    mappings = read_mappings(SHIPPED_MAPPINGS, run.home.sources, run.settings.zone)
    changed = changed_mappings(deliveries, mappings.valid)
    return [*(str(wrong.error) for wrong in mappings.broken), *(changed_mapping(*each) for each in changed.items())]


def _disk_problems(run: Run) -> list[str]:
    space = disk_space(run.home) if run.home.published.is_dir() else None
    if space is None or not space.is_low:
        return []
    free, needed = formatting.size(space.free, "en"), formatting.size(space.needed, "en")
    return [
        f"{space.folder} has {free} left, and the next runs may need {needed}: make room, or set"
        " keep_publications_bytes"
    ]


def print_status_json(status: Status) -> None:
    """Print a status as JSON: the fields of `Status`, dates and moments in ISO 8601."""
    terminal.print_json(plain(asdict(status)))


def plain(value: Any) -> Any:
    """A value as JSON has it: dates and moments in ISO 8601, paths as text."""
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, date):
        return value.isoformat()
    return str(value) if isinstance(value, Path) else value


def show_status(status: Status) -> None:
    """Print a status for a person."""
    screen = terminal.out()
    if status.publication is None:
        screen.print(f"published   nothing yet in {status.home / 'published'}", soft_wrap=True)
        if not status.ever_received:
            screen.print(f"received    never a file: put extracts into {status.landing}", soft_wrap=True)
    else:
        _show_publication(screen, status, status.publication)
    for problem in status.problems:
        terminal.warn(problem)
    if status.closings is not None:
        newest = status.closings
        screen.print(
            f"closed      {terminal.counted(newest.in_force, 'closing', 'closings')} in force; the newest is"
            f" {newest.period} by {escape(newest.by)} at {newest.at:%d/%m/%Y %H:%M %z}",
            soft_wrap=True,
        )
    if status.audit is not None:
        verdict = "passed" if status.audit.passed else "blocked publication"
        screen.print(
            f"audit       {verdict}, {terminal.counted(status.audit.warnings, 'warning', 'warnings')}, as of"
            f" {formatting.day(status.audit.as_of)}, at {status.audit.at:%d/%m/%Y %H:%M %z}"
            f" (see {escape(str(status.audit.page))})",
            soft_wrap=True,
        )
    for alert in status.alerts:
        terminal.warn(f"alert since {alert.since:%d/%m/%Y %H:%M}: {alert.type} {alert.about}: {alert.facts}")
    if status.held_addresses:
        terminal.warn(f"changed addresses are held of {', '.join(status.held_addresses)}: see amkpi addresses")
    if status.claimed:
        screen.print(
            f"claimed     {_files(status.claimed)}; by a run that is still working or was killed; the next run loads"
            " what is left",
            soft_wrap=True,
        )
    screen.print(f"waiting     {_files(status.waiting, f'in {escape(str(status.landing))}')}", soft_wrap=True)


def _show_publication(screen: Console, status: Status, publication: PublicationStatus) -> None:
    screen.print(
        f"published   {publication.publication_id}, as of {formatting.day(publication.as_of)}, at"
        f" {publication.published_at:%d/%m/%Y %H:%M %z} by {publication.pipeline_version}",
        soft_wrap=True,
    )
    screen.print(f"file        {publication.file.with_name('current.duckdb')} -> {publication.file}", soft_wrap=True)
    for file, as_of in status.historical:
        screen.print(f"historical  {file}, as of {formatting.day(as_of)}", soft_wrap=True)
    if publication.quarantine:
        table = Table(title="quarantine", title_justify="left", box=box.SIMPLE_HEAD)
        for name in ("extract", "reason", "rows", "since"):
            table.add_column(name, justify="right" if name == "rows" else "left")
        for held in publication.quarantine:
            table.add_row(held.extract, held.reason, str(held.rows), f"{held.since:%d/%m/%Y %H:%M}")
        screen.print(table)
    else:
        screen.print("quarantine  no rows")
    rejected = terminal.counted(publication.rejected_files, "file", "files")
    screen.print(f"rejected    {rejected} since the beginning (see {status.rejected})", soft_wrap=True)
    for failed in publication.failed_expectations:
        terminal.warn(f"{failed.suite}: {failed.expectation}: {failed.observed}")


def changed_mapping(name: str, files: int) -> str:
    """What to do about files that were loaded before their mapping was changed."""
    what = "a file that was" if files == 1 else f"{files} files that were"
    return f"mapping {name} was changed after {what} loaded by it: take it again with amkpi replay --mapping {name}"


def _files(names: Sequence[str], where: str = "") -> str:
    """The number of files, and the names of the first."""
    first = ", ".join(map(escape, names[:_MOST_NAMES])) + (" …" if len(names) > _MOST_NAMES else "")
    count = terminal.counted(len(names), "file", "files")
    return " ".join([count, *([where] if where else [])]) + (f": {first}" if names else "")
