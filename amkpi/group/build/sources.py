"""What a build of the group reads: the current publication of each agency as Parquet, rates and targets.

Each publication is a folder that never changes, so that a build sees one publication of an agency throughout, whatever
the agency publishes meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from amkpi.core.agencies import Agencies, Agency
from amkpi.core.catalogue import kpis
from amkpi.core.errors import AmkpiError
from amkpi.core.publication_id import current_file
from amkpi.core.settings import load_settings
from amkpi.core.storage.sql import literal
from amkpi.exports import parquet
from amkpi.group.build.inputs import Rate, Target

# The marts that a build reads, and the columns of each. Those of an older publication may lack the last ones.
_MARTS = {
    "kpi_values": "kpi, period_grain, period_start, period_end, value, numerator, denominator, sample_size,"
    " is_provisional, null_reason, undecided, is_closed",
    "scorecards": "period_grain, period_start, period_end, weighted_score, rating, weight_covered, kpis_scored,"
    " is_provisional",
    "scorecard_lines": "period_grain, period_start, kpi, value, target, attainment, weight, previous_value, change,"
    " status",
}
_EVIDENCE = (
    "kpi, client_id, event_date, period_grain, period_start, source_extract, source_id, numerator, denominator,"
    " is_closed"
)
_TABLE_OF = {"kpi_values": "agency_values", "scorecards": "agency_scorecards", "scorecard_lines": "agency_lines"}


@dataclass(frozen=True)
class Publication:
    """The current publication of an agency: its Parquet files, and what its mart `publication` says."""

    folder: Path
    publication_id: str
    as_of: date
    published_at: datetime
    currency: str


@dataclass(frozen=True)
class Source:
    """An agency with its publication, or with the reason why it has none that can be read."""

    agency: Agency
    publication: Publication | None
    problem: str | None = None


def find_sources(agencies: Agencies, today: date) -> tuple[Source, ...]:
    """Each agency with its current publication, in the order of agencies.toml; missing Parquet files are written.

    today: in the time zone of the group.
    """
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        return tuple(_source(agency, connection, today) for agency in agencies.agencies)


def _source(agency: Agency, connection: duckdb.DuckDBPyConnection, today: date) -> Source:
    """One agency that cannot be read must not keep the others from being counted."""
    try:
        file = current_file(agency.home)
        if file is None:
            return Source(agency, None, "nothing is published yet")
        folder = agency.home.parquet / file.stem.removeprefix("kpi_")
        if not folder.is_dir():
            folder = parquet.write(agency.home, load_settings(agency.home)).folder
        found = _publication(folder, connection)
    except (AmkpiError, OSError, duckdb.Error) as error:
        return Source(agency, None, " ".join(str(error).splitlines()[0].split()))
    # In another time zone it may be tomorrow.
    if found.as_of > today + timedelta(days=1):
        command = f"amkpi run --agency {agency.code} --current"
        return Source(agency, None, f"its publication is of {found.as_of}, which is to come: run `{command}`")
    return Source(agency, found)


def _publication(folder: Path, connection: duckdb.DuckDBPyConnection) -> Publication:
    for mart, columns in {**_MARTS, "kpi_evidence": _EVIDENCE}.items():
        if not any((folder / mart).glob("*.parquet")):
            raise AmkpiError(f"no Parquet files in {folder / mart}: remove {folder}, and run this again")
        _check_readable(folder, mart, columns, connection)
    ((identity, as_of, published_at, currency),) = connection.execute(
        "select publication_id, as_of, published_at, reporting_currency"
        f" from read_parquet({literal(str(folder / 'publication' / '*.parquet'))})"
    ).fetchall()
    return Publication(folder, identity, as_of, published_at, currency)


def _check_readable(folder: Path, mart: str, columns: str, connection: duckdb.DuckDBPyConnection) -> None:
    """Read all that a build will read: a damaged page is not seen in the file's footer. Raises duckdb.Error.

    A column that an older publication lacks is left out.
    """
    files = f"read_parquet({literal(str(folder / mart / '*.parquet'))}, union_by_name = true)"
    there = [name for name, *_ in connection.execute(f"describe from {files}").fetchall()]
    read = ", ".join(name for name in columns.split(", ") if name in there)
    connection.execute(f"select bit_xor(hash({read})) from {files}").fetchall()


def common_day(sources: Iterable[Source], most_days_behind: int) -> date | None:
    """The last day that is in the publication of every agency; None if no agency has one.

    One that is more days behind the newest is not asked: the whole group would stand still with it.
    """
    days = [source.publication.as_of for source in sources if source.publication]
    if not days:
        return None
    oldest = max(days) - timedelta(days=most_days_behind)
    return min(day for day in days if day >= oldest)


def create_sources(
    connection: duckdb.DuckDBPyConnection,
    sources: Sequence[Source],
    rates: Sequence[Rate],
    targets: Sequence[Target],
) -> None:
    """Make the tables of the schemas `sources` and `audit` that dbt reads. At least one source has a publication.

    Raises duckdb.Error where files of a publication cannot be read.
    """
    connection.execute("create schema if not exists sources; create schema if not exists audit")
    _create(
        connection,
        "sources.agencies",
        "agency varchar, name varchar, region varchar, publication_id varchar, as_of date, published_at timestamptz,"
        " currency varchar, is_missing boolean, problem varchar",
        [
            (
                source.agency.code, source.agency.name, source.agency.region,
                *((of.publication_id, of.as_of, of.published_at, of.currency) if of else (None,) * 4),
                of is None, source.problem,
            )
            for source in sources
            for of in [source.publication]
        ],
    )  # fmt: skip
    _create(
        connection,
        "sources.kpi_catalogue",
        "kpi_number integer, kpi varchar, unit varchar, better varchar, no_data_reason varchar, aggregation varchar,"
        " target_growth varchar, is_private boolean, is_of_amounts boolean, is_of_signings boolean",
        [
            (
                kpi.number, kpi.name, kpi.unit, kpi.better, kpi.no_data_reason, kpi.aggregation, kpi.target_growth,
                kpi.private, kpi.is_of_amounts, kpi.is_of_signings,
            )
            for kpi in kpis()
        ],
    )  # fmt: skip
    _create(
        connection,
        "sources.fx_rates",
        "currency varchar, rate_date date, rate double",
        [(each.currency, each.rate_date, each.rate) for each in rates],
    )
    _create(
        connection,
        "sources.targets",
        "level varchar, code varchar, kpi varchar, period_grain varchar, valid_from date, target double, weight double",
        [
            (
                each.level,
                each.code or None,
                each.kpi,
                each.period_grain or None,
                each.valid_from,
                each.target,
                each.weight,
            )
            for each in targets
        ],
    )
    _create(
        connection,
        "audit.publication",
        "publication_id varchar, as_of date, published_at timestamptz, pipeline_version varchar,"
        " reporting_currency varchar, group_name varchar, agencies bigint, agencies_missing bigint",
        [],
    )
    _create(
        connection,
        "audit.results",
        "name varchar, success boolean, severity varchar, observed varchar, unexpected_count bigint",
        [],
    )
    _create_from_publications(connection, [source for source in sources if source.publication])


def _create_from_publications(connection: duckdb.DuckDBPyConnection, sources: Sequence[Source]) -> None:
    """The rows of the companies as tables; the records as a view, because they are read once."""
    files = [
        (str(path), source.agency.code)
        for source in sources
        if source.publication
        for mart in (*_MARTS, "kpi_evidence")
        for path in sorted((source.publication.folder / mart).glob("*.parquet"))
    ]
    _create(connection, "sources.files", "file varchar, agency varchar", files)
    for mart, columns in _MARTS.items():
        connection.execute(
            f"create or replace table sources.{_TABLE_OF[mart]} as select files.agency, {columns}"
            f" from {_reading(files, mart)} as rows inner join sources.files as files on rows.file = files.file"
            " where rows.scope = 'company'"
        )
    # An older publication does not say what is closed.
    connection.execute("update sources.agency_values set is_closed = false where is_closed is null")
    private = ", ".join(literal(kpi.name) for kpi in kpis() if kpi.private) or "''"
    connection.execute(
        f"create or replace view sources.agency_evidence as select files.agency, {_EVIDENCE}"
        f" from {_reading(files, 'kpi_evidence')} as rows inner join sources.files as files on rows.file = files.file"
        f" where rows.kpi not in ({private})"
    )


def _reading(files: Iterable[tuple[str, str]], mart: str) -> str:
    """The rows of a mart of all agencies, with the column `file`; a column that some lack is NULL there."""
    names = ", ".join(literal(file) for file, _ in files if Path(file).parent.name == mart)
    return f"read_parquet([{names}], union_by_name = true, filename = 'file')"


def _create(connection: duckdb.DuckDBPyConnection, table: str, columns: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """Make a table with these rows: in one statement, because one for each row takes a millisecond a row."""
    connection.execute(f"create or replace table {table} ({columns})")
    if rows:
        named = [column.rsplit(" ", 1) for column in columns.split(", ")]
        lists = ", ".join(f"unnest(?::{kind}[]) as {name}" for name, kind in named)
        connection.execute(
            f"insert into {table} by name select {lists}", [list(column) for column in zip(*rows, strict=True)]
        )
