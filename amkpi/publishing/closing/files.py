"""A closing file: everything that readers see of the periods that one act closes, and what is needed to explain it.

It is written under a hidden name, made read-only and renamed in one step; nobody writes it again.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from amkpi.core.catalogue import kpi_named
from amkpi.core.errors import ClosingsBroken
from amkpi.core.home import Home
from amkpi.core.storage import closing_register
from amkpi.core.storage.closing_register import Act, Register
from amkpi.core.storage.internal_schemas import internal_schema
from amkpi.core.storage.sql import literal
from amkpi.ingestion.contracts.extracts import EXTRACTS
from amkpi.publishing.closing import sums
from amkpi.publishing.closing.changes import valid_rows_at
from amkpi.publishing.publication_file import CLOSABLE, STORAGE_VERSION

_KEY = ("scope", "staff_id", "period_grain", "period_start")
# The columns of a record as adjustments name it.
EVIDENCE = (
    "kpi", "staff_id", "client_id", "event_date", "period_grain", "period_start", "source_extract", "source_id",
    "numerator", "denominator",
)  # fmt: skip
# The private KPI keeps the values of the first closing of a period, also after a reopening.
_PRIVATE_MARTS = ("kpi_values", "scorecard_lines")


@dataclass(frozen=True)
class About:
    """What a closing file says of itself: its HOME, the act (without the file's own hash), and the line before."""

    home_id: str
    act: Act
    previous: str


def sha256(path: Path) -> str:
    """The hash of a file. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def found(home: Home) -> list[Path]:
    """The files in HOME/closed/ that are not hidden, in the order of their names."""
    folder = home.closed
    return sorted(path for path in folder.iterdir() if not path.name.startswith(".")) if folder.is_dir() else []


def about(path: Path) -> About | None:
    """What the file says of itself; None where it is no closing file."""
    try:
        with duckdb.connect(str(path), read_only=True) as connection:
            home_id, line, previous = connection.execute("select home_id, line, previous from about").fetchall()[0]
        return About(home_id, closing_register.act_of({**json.loads(line), "file_sha256": ""}), previous)
    except (duckdb.Error, IndexError, KeyError, TypeError, ValueError):
        return None


@contextmanager
def attached(connection: duckdb.DuckDBPyConnection, path: Path, name: str) -> Iterator[None]:
    """Attach a file for reading. Raises ClosingsBroken where it cannot be opened."""
    try:
        connection.execute(f"attach {literal(str(path))} as {name} (read_only)")
    except duckdb.Error as error:
        raise ClosingsBroken(f"{path} cannot be opened: {str(error).splitlines()[0]}") from error
    try:
        yield
    finally:
        connection.execute(f"detach {name}")


@contextmanager
def opened(home: Home, n: int, timezone: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """The file of an act, for reading. Raises ClosingsBroken where it is gone or cannot be opened."""
    file = next((act.file(home) for act in closing_register.read(home).acts if act.n == n), None)
    if file is None:
        raise ClosingsBroken(f"closing {n} is not in the register of closings: `amkpi close --verify` says more")
    try:
        connection = duckdb.connect(str(file), read_only=True)
    except duckdb.Error as error:
        raise ClosingsBroken(f"{file} cannot be opened: {str(error).splitlines()[0]}") from error
    try:
        connection.execute("set timezone = ?", [timezone])
        connection.execute("set enable_external_access = false")
        yield connection
    finally:
        connection.close()


def write(
    home: Home, connection: duckdb.DuckDBPyConnection, publication: Path, register: Register, act: Act, settings: str
) -> str:
    """Write the file of an act that is not in the register yet; returns its hash.

    connection: the warehouse, which has the source rows. publication: the file that is closed. settings: as JSON, those
    by which it was made. Raises duckdb.Error and OSError where it cannot be written.
    """
    target = act.file(home)
    partial = target.with_name(f".{target.name}.part")
    remove_partials(home)
    with attached(connection, publication, "seen"):
        connection.execute(f"attach {literal(str(partial))} as closing_file (storage_version '{STORAGE_VERSION}')")
        try:
            _fill(home, connection, register, act, settings)
            connection.execute("checkpoint closing_file")
        finally:
            connection.execute("detach closing_file")
    partial.chmod(0o444)
    with partial.open("rb") as written:
        os.fsync(written.fileno())
    partial.replace(target)
    _sync(home.closed)
    return sha256(target)


def remove_partials(home: Home) -> None:
    """Remove what a killed process was writing."""
    for leftover in home.closed.glob(".*.part*"):
        leftover.unlink()


def _fill(home: Home, connection: duckdb.DuckDBPyConnection, register: Register, act: Act, settings: str) -> None:
    new = "closing_file"
    line = {name: value for name, value in closing_register.to_json(act).items() if name != "file_sha256"}
    connection.execute(f"create table {new}.about (home_id varchar, line varchar, previous varchar, settings varchar)")
    connection.execute(
        f"insert into {new}.about (home_id, line, previous, settings) values (?, ?, ?, ?)",
        [register.home_id, json.dumps(line, ensure_ascii=False), closing_register.previous_hash(register), settings],
    )
    connection.execute(f"create table {new}.periods (period_grain varchar, period_start date, period_end date)")
    connection.executemany(
        f"insert into {new}.periods (period_grain, period_start, period_end) values (?, ?, ?)",
        [[p.grain, p.start, p.end] for p in act.periods],
    )
    for mart in CLOSABLE:
        connection.execute(
            f"create table {new}.{mart} as select * exclude (is_closed) from seen.marts.{mart}"
            f" semi join {new}.periods using (period_grain, period_start)"
        )
    internal = internal_schema(connection, "intermediate", "seen")
    connection.execute(f"create table {new}.exact_sums as {sums.of_publication('seen', internal, f'{new}.periods')}")
    sums.check_against_values(connection, f"{new}.exact_sums", f"{new}.kpi_values")
    carried = " ".join(
        f"when {literal(grain)} then date {literal(act.carried_to(grain).isoformat())}" for grain in sorted(act.grains)
    )
    for name in ("adjustments", "adjustment_evidence"):
        connection.execute(
            f"create table {new}.{name} as"
            f" select * replace (case period_grain {carried} end as carried_to) from seen.marts.{name}"
            f" where carried_to is null and period_grain in ({', '.join(map(literal, sorted(act.grains)))})"
        )
    # With the rows closed here, what the next adjustments of these grains start from: all that was open is taken up.
    connection.execute(
        f"create table {new}.known_evidence as select {', '.join(EVIDENCE)}"
        f" from seen.{internal_schema(connection, 'fresh', 'seen')}.kpi_evidence"
        f" semi join seen.{internal_schema(connection, 'closing', 'seen')}.periods using (period_grain, period_start)"
        f" where kpi <> {literal(sums.PRIVATE)} and period_grain in ({', '.join(map(literal, sorted(act.grains)))})"
    )
    for name in ("dim_staff", "dim_client", "publication"):
        connection.execute(f"create table {new}.{name} as from seen.marts.{name}")
    _keep_what_explains(connection, act)
    keep_held(connection, new)
    _keep_sources(connection, act.delivery)
    for number, earlier in enumerate(_first_closings(register, act)):
        with attached(connection, earlier.file(home), f"first_{number}"):
            _take_private_from(connection, f"first_{number}")


def keep_held(connection: duckdb.DuckDBPyConnection, new: str) -> None:
    """Keep which rows were held back. Several rows can have one line; older publications do not say which was meant."""
    columns = _columns(connection, "seen", "quarantined_rows", "marts")
    row = "delivery_row" if "delivery_row" in columns else "line_number"
    connection.execute(
        f"create table {new}.held as select extract, delivery, {row} as line_number, reason"
        " from seen.marts.quarantined_rows"
    )


# What `amkpi explain` reads besides the marts, under the names of the warehouse, and which of its rows.
_EXPLAINS = {
    "int_kpi_catalogue": "true",
    "int_management_chain": "true",
    "int_scope_members": "(period_grain, period_start) in (select period_grain, period_start from {new}.periods)",
    "int_kpi_records": "event_date between date '{first}' and date '{last}'",
    "int_client_records": "(period_grain, period_start) in (select period_grain, period_start from {new}.periods)",
    "int_exclusions": "event_date between date '{first}' and date '{last}'",
    "int_target_spans": "(subject_id, period_id) in"
    " (select subject_id, period_id from {new}.intermediate.int_scope_members)",
}


def _keep_what_explains(connection: duckdb.DuckDBPyConnection, act: Act) -> None:
    """Keep the records, what was left out, the spans of the targets, and the management chains."""
    new = "closing_file"
    first, last = min(each.start for each in act.periods), max(each.end for each in act.periods)
    internal = internal_schema(connection, "intermediate", "seen")
    connection.execute(f"create schema {new}.intermediate")
    for name, condition in _EXPLAINS.items():
        connection.execute(
            f"create table {new}.intermediate.{name} as from seen.{internal}.{name}"
            f" where {condition.format(new=new, first=first, last=last)}"
        )


def _first_closings(register: Register, act: Act) -> list[Act]:
    """The acts that were the first to close one of these periods, reopened by now."""
    firsts = {}
    for earlier in reversed(register.acts):
        for period in earlier.periods:
            if period in act.periods:
                firsts[period] = earlier
    return list({first.n: first for first in firsts.values()}.values())


def _take_private_from(connection: duckdb.DuckDBPyConnection, first: str) -> None:
    """Put the private KPI of an earlier closing in the place of today's, and the score that comes with it."""
    if not sums.PRIVATE:
        return
    new, private = "closing_file", literal(sums.PRIVATE)
    # The earlier file was itself the first of its periods, or took these rows from the first.
    connection.execute(
        f"create or replace temp table again as from {new}.periods"
        f" semi join {first}.periods using (period_grain, period_start)"
    )
    of_again = "(period_grain, period_start) in (select period_grain, period_start from again)"
    of_private = f"kpi = {private} and {of_again}"
    # Who had no row then gets one that says nothing.
    nothing = {
        "sample_size": "0",
        "null_reason": literal(kpi_named(sums.PRIVATE).no_data_reason or ""),
        "status": "'no_data'",
        "undecided": "0",
    }
    for mart in _PRIVATE_MARTS:
        columns = _columns(connection, new, mart)
        kept = {*_KEY, "kpi", "period_end", "unit", "is_provisional"}
        known = set(_columns(connection, first, mart))
        values = ", ".join(
            f"now.{name}" if name in kept
            else f"case when first.kpi is null then {nothing.get(name, 'null')}"
            f" else {f'first.{name}' if name in known else 'null'} end as {name}"
            for name in columns
        )  # fmt: skip
        connection.execute(
            f"create or replace temp table private_rows as select {values}"
            f" from (from {new}.{mart} where {of_private}) as now left join {first}.{mart} as first"
            f" on first.kpi = now.kpi and first.scope = now.scope"
            " and first.staff_id is not distinct from now.staff_id"
            " and first.period_grain = now.period_grain and first.period_start = now.period_start"
        )
        connection.execute(f"delete from {new}.{mart} where {of_private}")
        connection.execute(f"insert into {new}.{mart} by name from private_rows")
    connection.execute(f"delete from {new}.kpi_evidence where {of_private}")
    shared = [name for name in _columns(connection, first, "kpi_evidence")
              if name in _columns(connection, new, "kpi_evidence")]  # fmt: skip
    connection.execute(
        f"insert into {new}.kpi_evidence by name select {', '.join(shared)} from {first}.kpi_evidence"
        f" where {of_private}"
    )
    # A review that came late is not counted among what was left out either.
    left_out = "intermediate.int_exclusions"
    of_days = f"""
        kpi = {private} and exists (
            select 1 from again inner join {new}.periods as closed using (period_grain, period_start)
            where event_date between closed.period_start and closed.period_end
        )"""
    connection.execute(f"delete from {new}.{left_out} where {of_days}")
    connection.execute(f"insert into {new}.{left_out} by name select * from {first}.{left_out} where {of_days}")
    scored = ("weighted_score", "rating", "weight_covered", "kpis_scored")
    connection.execute(
        f"update {new}.scorecards as now set {', '.join(f'{name} = today.{name}' for name in scored)}"
        f" from seen.{internal_schema(connection, 'intermediate', 'seen')}.int_comparable_scores as today"
        " where now.scope = today.scope and coalesce(now.staff_id, '') = today.person_key"
        " and now.period_grain = today.period_grain and now.period_start = today.period_start"
        " and (now.period_grain, now.period_start) in (select period_grain, period_start from again)"
    )


def _columns(connection: duckdb.DuckDBPyConnection, database: str, table: str, schema: str = "main") -> list[str]:
    return [
        name
        for (name,) in connection.execute(
            "select column_name from duckdb_columns() where database_name = ? and table_name = ?"
            " and schema_name = ? order by column_index",
            [database, table, schema],
        ).fetchall()
    ]


# The source rows that evidence names: the key column of the extract, and the column of the evidence.
_NAMED = {
    "contracts": "contract_id",
    "projects": "project_id",
    "client_surveys": "response_id",
    "proposals": "proposal_id",
}


def _keep_sources(connection: duckdb.DuckDBPyConnection, delivery: int) -> None:
    """Keep the source rows behind the evidence as they were then, and the targets; no reviews, no comments."""
    new = "closing_file"
    named = {
        name: f"select source_id as id from {new}.kpi_evidence where source_extract = {literal(name)}"
        for name in _NAMED
    }
    conditions = {name: f"{column} in ({named[name]})" for name, column in _NAMED.items()}
    conditions |= {
        "project_costs": f"project_id in ({named['projects']})",
        "clients": f"client_id in (select client_id from {new}.kpi_evidence)",
        "kpi_targets": "true",
    }
    for name, condition in conditions.items():
        extract = EXTRACTS[name]
        columns = ", ".join(c.name for c in extract.columns if c.name not in extract.private)
        connection.execute(
            f"create table {new}.source_{name} as select {columns}, updated_at, _delivery as delivery, _line as line"
            f" from {valid_rows_at(extract, delivery, f'{new}.held')} as valid where {condition}"
        )


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
