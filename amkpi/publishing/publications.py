"""Publishing: the audited build is copied to a read-only file, and `current.duckdb` is switched to it.

The file is named by the publication id, a hash of the deliveries, the date, the settings that affect results, and the
code. The same inputs give the same id. An id that is current already is not built again.

A historical publication is one of an earlier date. It gets a file, but `current.duckdb` stays where it is.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import duckdb

from amkpi.core import terminal
from amkpi.core.build_record import check_built
from amkpi.core.errors import AmkpiError, AuditBlocked
from amkpi.core.home import Home
from amkpi.core.publication_id import current_file, is_current, pipeline_version, publication_id, published_file
from amkpi.core.settings import Settings
from amkpi.core.storage import closing_register, permissions, published_hashes
from amkpi.core.storage.warehouse import connect, out_of_memory, table_exists
from amkpi.publishing import publication_file, retention
from amkpi.publishing.reader import cannot_be_opened


@dataclass(frozen=True)
class PublishReport:
    """A publication: its id, its file, whether the file is new, and whether it is historical.

    repaired: somebody had written into the file of this publication, and it was written again.
    """

    publication_id: str
    file: Path
    is_new: bool
    historical: bool = False
    repaired: bool = False


def is_published(home: Home, settings: Settings, as_of: date, historical: bool = False) -> bool:
    """Whether a build of the present deliveries would give the publication that is current already.

    historical: a historical publication with the same id counts too.
    """
    if current_file(home) is None:
        return False
    with connect(home, settings) as connection:
        if not table_exists(connection, "raw", "ledger"):
            return False
        identity = publication_id(home, connection, settings, as_of)
    return is_current(home, identity) or (historical and _is_intact(home, published_file(home, identity)))


def _is_intact(home: Home, file: Path) -> bool:
    return file.exists() and not published_hashes.is_damaged(home, file)


def current_as_of(home: Home) -> date | None:
    """The date of the current publication; None before the first. Raises AmkpiError if its file is broken."""
    file = current_file(home)
    return None if file is None else _as_of(file)


def historical_publications(home: Home) -> list[tuple[Path, date]]:
    """The files of the historical publications and their dates; the newest file first."""
    return [
        (file, _as_of(file))
        for file in retention.newest_first(retention.historical_marks(home))
        if file != current_file(home)
    ]


def _as_of(file: Path) -> date:
    try:
        with duckdb.connect(str(file), read_only=True) as connection:
            found: date = connection.execute("select as_of from marts.publication").fetchall()[0][0]
            return found
    except duckdb.Error as error:
        raise AmkpiError(cannot_be_opened(file, error)) from error


def publish(
    home: Home,
    settings: Settings,
    as_of: date,
    moment: datetime,
    fill: Callable[[duckdb.DuckDBPyConnection], None] = lambda connection: None,
    historical: bool = False,
) -> PublishReport:
    """Publish the build in the warehouse under its id.

    fill: writes the rows that are known only now (what was mailed) into the warehouse, before it is copied.
    historical: write the file, but do not switch `current.duckdb`; the first publication is always current.

    Raises AmkpiError when there is no complete build of these inputs or it was not audited, AuditBlocked when its audit
    failed. A failure leaves the current publication in place.
    """
    historical = historical and current_file(home) is not None
    if is_published(home, settings, as_of, historical):
        with connect(home, settings) as connection:
            identity = publication_id(home, connection, settings, as_of)
        return PublishReport(identity, published_file(home, identity), False, not is_current(home, identity))
    identity = check_built(home, settings, as_of)
    target = published_file(home, identity)
    mark = retention.historical_mark(home, identity)
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
            "insert into audit.publication (publication_id, as_of, published_at, pipeline_version, reporting_currency,"
            " closing_n, closing_sha256, settings) values (?, ?, ?, ?, ?, ?, ?, ?)",
            [
                identity, as_of, moment, pipeline_version(), settings.kpi.reporting_currency,
                *(closing_register.read(home).last or (None, None)), json.dumps(settings.fingerprint_fields()),
            ],
        )  # fmt: skip
        fill(connection)
        failure = publication_file.write(connection, partial, _base(home, connection))
    if failure is not None:
        reason = out_of_memory(failure, settings) or failure.splitlines()[0]
        terminal.report(f"the publication was written in full, not from the one before it: {reason}")
    with partial.open("rb") as written:
        os.fsync(written.fileno())
    permissions.share(partial, settings.storage.published_group)
    repaired = target.exists() and published_hashes.is_damaged(home, target)
    if historical:
        mark.touch()
    partial.replace(target)
    if not historical:
        mark.unlink(missing_ok=True)
        switch(home, target)
    permissions.share(home.published, settings.storage.published_group)
    published_hashes.record(home, target)
    retention.prune(home, settings, moment)
    return PublishReport(identity, target, True, historical, repaired)


def _base(home: Home, connection: duckdb.DuckDBPyConnection) -> Path | None:
    """The file of the base publication; None after a full build, or if the file is not known to be as it was written.

    The rows of its marts that are kept are not compared with the build.
    """
    based_on = connection.execute("select based_on from audit.build").fetchall()[0][0]
    file = published_file(home, based_on) if based_on else None
    return file if file is not None and published_hashes.is_intact(home, file) else None


def switch(home: Home, target: Path) -> None:
    """Switch the link that readers open to the file in one atomic step."""
    link = home.published / f".{home.current.name}.new"
    link.unlink(missing_ok=True)
    link.symlink_to(target.name)
    link.replace(home.current)
    folder = os.open(home.published, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
