"""Publishing: the audited build becomes one read-only file of its own name, and the link is swung to it.

What is built, audited and published is told apart by the publication id: a hash of the deliveries, the date, the
settings that shape results, and the program. The same inputs give the same id, and an id that is current already is
not built again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb

from amkpi.core.build_record import check_built
from amkpi.core.errors import AmkpiError, AuditBlocked
from amkpi.core.home import Home
from amkpi.core.publication_id import current_file, is_current, pipeline_version, publication_id, published_file
from amkpi.core.settings import Settings
from amkpi.core.storage.warehouse import connect, table_exists
from amkpi.publishing import publication_file

# An empty file of this name and a publication's id says that it lies beside the one that readers open.
_BESIDE = ".beside_"


@dataclass(frozen=True)
class PublishReport:
    """What was published: its id, its file, whether that is new, and whether it lies beside what readers open."""

    publication_id: str
    file: Path
    is_new: bool
    beside: bool = False


def is_published(home: Home, settings: Settings, as_of: date, beside: bool = False) -> bool:
    """Whether readers already see what a build of the warehouse as it is now would publish.

    beside: or it lies beside what they see.
    """
    if current_file(home) is None:
        return False
    with connect(home, settings) as connection:
        if not table_exists(connection, "raw", "ledger"):
            return False
        identity = publication_id(connection, settings, as_of)
    return is_current(home, identity) or (beside and published_file(home, identity).exists())


def current_as_of(home: Home) -> date | None:
    """The date of the publication that readers see; None before the first. Raises AmkpiError where it is broken."""
    file = current_file(home)
    return None if file is None else _as_of(file)


def besides(home: Home) -> list[tuple[Path, date]]:
    """The publications that lie beside the one that readers open, and their dates; the newest first."""
    files = [published_file(home, mark.name.removeprefix(_BESIDE)) for mark in home.published.glob(f"{_BESIDE}*")]
    return [(file, _as_of(file)) for file in _newest_first(files) if file != current_file(home)]


def _as_of(file: Path) -> date:
    try:
        with duckdb.connect(str(file), read_only=True) as connection:
            found: date = connection.execute("select as_of from marts.publication").fetchall()[0][0]
            return found
    except duckdb.Error as error:
        raise AmkpiError(f"{file} cannot be opened: {str(error).splitlines()[0]}") from error


def _newest_first(files: Iterable[Path]) -> list[Path]:
    return sorted((f for f in files if f.exists()), key=lambda file: file.stat().st_mtime_ns, reverse=True)


def publish(
    home: Home,
    settings: Settings,
    as_of: date,
    moment: datetime,
    tell: Callable[[duckdb.DuckDBPyConnection], None] = lambda connection: None,
    beside: bool = False,
) -> PublishReport:
    """Publish the build in the warehouse under its id. `tell` fills what only the moment of publishing knows.

    beside: as a file of its own, and the link stays where it is, if it points anywhere yet. Raises AmkpiError when
    there is no whole build of these inputs or it was not audited, AuditBlocked when its audit failed. A failure leaves
    the current publication in place.
    """
    beside = beside and current_file(home) is not None
    if is_published(home, settings, as_of, beside):
        with connect(home, settings) as connection:
            identity = publication_id(connection, settings, as_of)
        return PublishReport(identity, published_file(home, identity), False, not is_current(home, identity))
    identity = check_built(home, settings, as_of)
    target = published_file(home, identity)
    mark = home.published / f"{_BESIDE}{identity}"
    partial = target.with_name(f".{target.name}.part")
    partial.unlink(missing_ok=True)
    with connect(home, settings) as connection:
        passed = connection.execute("select passed from audit.build").fetchall()[0][0]
        if passed is None:
            raise AmkpiError("this build was not audited: run `amkpi audit` first")
        if not passed:
            raise AuditBlocked("the audit of this build blocks publication: see `amkpi audit`")
        connection.execute("delete from audit.publication")
        connection.execute(
            "insert into audit.publication values (?, ?, ?, ?, ?)",
            [identity, as_of, moment, pipeline_version(), settings.kpi.reporting_currency],
        )
        tell(connection)
        publication_file.write(connection, partial, _basis(home, connection))
    with partial.open("rb") as written:
        os.fsync(written.fileno())
    partial.chmod(0o444)
    if beside:
        mark.touch()
    partial.replace(target)
    if not beside:
        mark.unlink(missing_ok=True)
        _swing(home, target)
    prune(home, settings, moment)
    return PublishReport(identity, target, True, beside)


def _basis(home: Home, connection: duckdb.DuckDBPyConnection) -> Path | None:
    """The file of the publication on which the build rests; None where there is none or it has gone."""
    based_on = connection.execute("select based_on from audit.build").fetchall()[0][0]
    file = published_file(home, based_on) if based_on else None
    return file if file is not None and file.is_file() else None


def _swing(home: Home, target: Path) -> None:
    """Point the link at the file in one atomic step."""
    link = home.published / ".current.duckdb.new"
    link.unlink(missing_ok=True)
    link.symlink_to(target.name)
    link.replace(home.current)
    folder = os.open(home.published, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def prune(home: Home, settings: Settings, moment: datetime) -> int:
    """Remove publications that are neither among the newest nor the last of one of the past days; returns how many.

    Those beside are counted for themselves, the newest stay: what is made by hand must not push out a night's.
    """
    zone = ZoneInfo(settings.timezone)
    marks = {published_file(home, mark.name.removeprefix(_BESIDE)): mark for mark in home.published.glob(f"{_BESIDE}*")}
    beside = _newest_first(marks)
    files = [path for path in _newest_first(home.published.glob("kpi_*.duckdb")) if path not in marks]
    keep = {current_file(home), *files[: settings.keep_publications], *beside[: settings.keep_publications]}
    oldest = moment.astimezone(zone).date() - timedelta(days=settings.keep_daily_days)
    days: set[date] = set()
    for path in files:
        day = datetime.fromtimestamp(path.stat().st_mtime, zone).date()
        if day >= oldest and day not in days:
            days.add(day)
            keep.add(path)
    gone = [path for path in (*files, *beside) if path not in keep]
    for path in gone:
        path.unlink()
    for path, mark in marks.items():
        if not path.exists():
            mark.unlink()
    return len(gone)
