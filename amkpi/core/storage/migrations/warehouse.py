"""The migrations of the warehouse. Each runs in one transaction, together with the record of its number."""

from __future__ import annotations

from contextlib import suppress

import duckdb

from amkpi.core.storage.migrations.migration import Applied, Migration, missing, newest, refuse_newer
from amkpi.core.storage.transactions import transaction

# The schemas that every full build makes again.
_BUILT = ("staging", "intermediate", "kpis", "marts", "audit")


def _tables(connection: duckdb.DuckDBPyConnection, schema: str) -> dict[str, str]:
    """The tables of a schema, each with the statement that creates it."""
    found = connection.execute("select table_name, sql from duckdb_tables() where schema_name = ?", [schema])
    return dict(found.fetchall())


def _keep_facts_of_deliveries_in_the_ledger(connection: duckdb.DuckDBPyConnection) -> None:
    """Raw rows repeated their file, its hash and its load time. The ledger has them once for each delivery."""
    for table in _tables(connection, "typed"):
        for column in ("_file", "_sha256", "_loaded_at"):
            connection.execute(f"alter table raw.{table} drop column {column}")
        connection.execute(f"alter table typed.{table} add column _passed_over boolean default false")


def _rename_schemas(connection: duckdb.DuckDBPyConnection) -> None:
    """Copy `typed` to `parsed`, with its columns renamed, and drop what the next build makes again.

    DuckDB cannot rename a schema. Verdicts and valid rows (`judged`, `current_rows`) follow from the parsed rows.
    """
    connection.execute("create schema parsed")
    for table, create in _tables(connection, "typed").items():
        renamed = create.replace("_passed_over", "_superseded").replace("_clock_ahead", "_from_future")
        connection.execute(renamed.replace(f"CREATE TABLE typed.{table}(", f"CREATE TABLE parsed.{table}("))
        connection.execute(
            f"insert into parsed.{table} by name"
            f" select * rename (_passed_over as _superseded, _clock_ahead as _from_future) from typed.{table}"
        )
    if "taken_up" in _tables(connection, "raw"):
        connection.execute("alter table raw.taken_up rename to processed")
    for schema in ("typed", "judged", "current_rows", *_BUILT):
        connection.execute(f"drop schema if exists {schema} cascade")


def _add_counts_to_the_ledger(connection: duckdb.DuckDBPyConnection) -> None:
    """Add what a load skipped, changed and deleted. The row checks are made again: their tables change."""
    counts = (
        "rows_skipped_above", "rows_skipped_footer", "rows_skipped_filtered", "cells_cleaned", "saved_zeros",
        "rows_repeated", "keys_undecided", "rows_deleted",
    )  # fmt: skip
    for name in counts:
        connection.execute(f"alter table raw.ledger add column {name} bigint default 0")
    for name in ("mapping_sha256", "notes"):
        connection.execute(f"alter table raw.ledger add column {name} varchar")
    connection.execute("drop schema if exists validation cascade")


MIGRATIONS: tuple[Migration[duckdb.DuckDBPyConnection], ...] = (
    Migration(1, "file, hash and load time only in the ledger", _keep_facts_of_deliveries_in_the_ledger),
    Migration(2, "schemas typed and judged renamed to parsed and validation, current_rows to valid", _rename_schemas),
    Migration(3, "the ledger counts skipped, changed and deleted rows", _add_counts_to_the_ledger),
)


def version(connection: duckdb.DuckDBPyConnection) -> int | None:
    """The layout of the warehouse; None for one without tables."""
    # Every connection asks this: without a look at the catalogue it takes 1 ms instead of 30.
    with suppress(duckdb.CatalogException):
        return int(connection.execute("select version from raw.warehouse_layout").fetchall()[0][0])
    tables = _tables(connection, "raw")
    if "ledger" not in tables:
        return None
    return 0 if any("_sha256 " in create for name, create in tables.items() if name != "ledger") else 1


def record(connection: duckdb.DuckDBPyConnection, number: int) -> None:
    """Record the layout, in the caller's transaction if there is one."""
    connection.execute("create or replace table raw.warehouse_layout (version integer not null)")
    connection.execute("insert into raw.warehouse_layout (version) values (?)", [number])


def record_newest(connection: duckdb.DuckDBPyConnection) -> None:
    """Record that the warehouse has been created with the newest layout."""
    record(connection, newest(MIGRATIONS))


def bring_up_to_date(connection: duckdb.DuckDBPyConnection) -> Applied | None:
    """Apply the missing migrations; None where there were none. Raises AmkpiError for a newer warehouse.

    Each migration is one transaction: a run that is killed leaves the layout of the last complete one.
    """
    before = version(connection)
    if before is None:
        return None
    refuse_newer("the warehouse", before, MIGRATIONS)
    wanted = missing(MIGRATIONS, before)
    for migration in wanted:
        with transaction(connection):
            migration.apply(connection)
            record(connection, migration.number)
    if not wanted:
        return None
    connection.execute("checkpoint")
    return Applied("the warehouse", before, newest(MIGRATIONS), tuple(each.text for each in wanted))
