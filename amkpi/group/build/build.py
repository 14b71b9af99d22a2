"""`amkpi group build`: the publications of the agencies are added up from their records, audited, and published."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import duckdb

from amkpi.core.agencies import Agencies
from amkpi.core.errors import AmkpiError, AuditBlocked
from amkpi.core.findings import Finding
from amkpi.core.paths import DBT_GROUP_PROJECT
from amkpi.core.publication_id import (
    GROUP_SOURCES,
    RESULT_SOURCES,
    is_current,
    pipeline_version,
    published_file,
)
from amkpi.core.run import Progress, silent, utc_now
from amkpi.core.settings import Settings
from amkpi.core.storage import permissions, published_hashes
from amkpi.core.storage.sql import identifier, literal
from amkpi.core.storage.transactions import transaction
from amkpi.core.storage.warehouse import open_warehouse
from amkpi.exports import parquet
from amkpi.group.build.audit import audit
from amkpi.group.build.inputs import Rate, Target, read_rates, read_targets
from amkpi.group.build.sources import Source, common_day, create_sources, find_sources
from amkpi.group.home import GroupHome, group_home, group_settings
from amkpi.publishing import retention
from amkpi.publishing.publication_file import STORAGE_VERSION
from amkpi.publishing.publications import switch
from amkpi.transform.dbt_runner import run_dbt


@dataclass(frozen=True)
class GroupReport:
    """A publication of the group: its id and file, whether it is new, its date, and the agencies.

    as_of: the last day that every agency has, but those that are far behind. warnings: what the audit found that does
    not block; empty for a publication that was there already.
    """

    publication_id: str
    file: Path
    is_new: bool
    as_of: date
    sources: tuple[Source, ...]
    warnings: tuple[Finding, ...] = ()

    @property
    def missing(self) -> tuple[Source, ...]:
        """The agencies of which nothing is counted."""
        return tuple(source for source in self.sources if source.publication is None)


def build(agencies: Agencies, progress: Progress = silent, now: Callable[[], datetime] = utc_now) -> GroupReport:
    """Build and publish the group's view of what its agencies have published.

    Raises AmkpiError, also where no agency has a publication; AuditBlocked where a rate is missing or a rule of the
    audit is broken. The last good publication of the group then stays.
    """
    home, settings = group_home(agencies), group_settings(agencies)
    home.make()
    with home.lock():
        return _build(agencies, home, settings, progress, now())


def _build(
    agencies: Agencies, home: GroupHome, settings: Settings, progress: Progress, moment: datetime
) -> GroupReport:
    folder = agencies.file.parent
    rates, targets = read_rates(folder), read_targets(folder, agencies)
    sources = find_sources(agencies, moment.astimezone(settings.zone).date())
    as_of = common_day(sources, agencies.most_days_behind)
    if as_of is None:
        first = sources[0]
        raise AmkpiError(
            f"{agencies.file}: none of its agencies can be counted; {first.agency.code}: {first.problem}: run"
            " `amkpi run` for them first"
        )
    identity = _publication_id(agencies, settings, sources, rates, targets)
    target = published_file(home, identity)
    if is_current(home, identity):
        parquet.write(home, settings)
        return GroupReport(identity, target, False, as_of, sources)
    with open_warehouse(home, settings) as connection:
        create_sources(connection, sources, rates, targets)
    if settings.build.engine == "spark":
        from amkpi.transform.spark.build import build_on_spark as run_models
    else:
        run_models = run_dbt
    run_models(home, settings, as_of, ["build", "--full-refresh"], progress, project_folder=DBT_GROUP_PROJECT)
    with open_warehouse(home, settings) as connection:
        findings = audit(connection)
        blocking = tuple(each for each in findings if each.blocks)
        if blocking:
            said = "; ".join(f"{each.expectation}: {each.observed}. {each.advice}" for each in blocking)
            raise AuditBlocked(f"the audit of the group blocks publication: {said}", blocking)
        connection.execute("delete from audit.publication")
        connection.execute(
            "insert into audit.publication (publication_id, as_of, published_at, pipeline_version, reporting_currency,"
            " group_name, agencies, agencies_missing) values (?, ?, ?, ?, ?, ?, ?, ?)",
            [
                identity, as_of, moment, _version(), agencies.reporting_currency, agencies.group_name, len(sources),
                sum(source.publication is None for source in sources),
            ],
        )  # fmt: skip
        _publish(connection, home, settings, target)
    published_hashes.record(home, target)
    retention.prune(home, settings, moment)
    parquet.write(home, settings)
    parquet.prune(home)
    warnings = tuple(each for each in findings if not each.success)
    return GroupReport(identity, target, True, as_of, sources, warnings)


def _publication_id(
    agencies: Agencies,
    settings: Settings,
    sources: Sequence[Source],
    rates: Sequence[Rate],
    targets: Sequence[Target],
) -> str:
    """The same publications, files and settings give the same id: sixteen hexadecimal digits."""
    counted = [
        [
            source.agency.code, source.agency.name, source.agency.region,
            source.publication.publication_id if source.publication else None,
        ]
        for source in sources
    ]  # fmt: skip
    basis = [agencies.group_name, agencies.most_days_behind, counted, list(map(str, rates)), list(map(str, targets)),
             settings.fingerprint_fields(), _version()]  # fmt: skip
    return hashlib.sha256(json.dumps(basis).encode()).hexdigest()[:16]


def _version() -> str:
    return pipeline_version(RESULT_SOURCES + GROUP_SOURCES)


def _publish(connection: duckdb.DuckDBPyConnection, home: GroupHome, settings: Settings, target: Path) -> None:
    """Copy the marts to a read-only file, and switch readers to it in one step."""
    partial = target.with_name(f".{target.name}.part")
    partial.unlink(missing_ok=True)
    marts = connection.execute(
        "select table_name from information_schema.tables where table_catalog = current_database()"
        " and table_schema = 'marts' order by table_name"
    ).fetchall()
    connection.execute(f"attach {literal(str(partial))} as new_publication (storage_version '{STORAGE_VERSION}')")
    with transaction(connection):
        connection.execute("create schema new_publication.marts")
        for (mart,) in marts:
            connection.execute(
                f"create table new_publication.marts.{identifier(mart)} as from marts.{identifier(mart)}"
            )
    connection.execute("checkpoint new_publication")
    connection.execute("detach new_publication")
    with partial.open("rb") as written:
        os.fsync(written.fileno())
    permissions.share(partial, settings.storage.published_group)
    partial.replace(target)
    switch(home, target)
    permissions.share(home.published, settings.storage.published_group)
