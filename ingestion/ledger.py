"""The load ledger `raw.ledger`: one row for each delivery."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, fields

import duckdb

from amkpi.core.errors import AmkpiError
from amkpi.core.home import Home
from amkpi.ingestion import delivery_log
from amkpi.ingestion.delivery_log import Delivery

COLUMNS = ", ".join(field.name for field in fields(Delivery))


def deliveries(connection: duckdb.DuckDBPyConnection, condition: str = "true", **values: object) -> list[Delivery]:
    """The deliveries that fulfil an SQL condition with named values, in the order in which they arrived."""
    sql = f"select {COLUMNS} from raw.ledger where {condition} order by delivery"
    return [Delivery(*row) for row in connection.execute(sql, values).fetchall()]


def next_numbers(connection: duckdb.DuckDBPyConnection) -> tuple[int, int]:
    """The numbers of the next run and of its first delivery."""
    row = connection.execute("select coalesce(max(run), 0) + 1, coalesce(max(delivery), 0) + 1 from raw.ledger")
    ((run, delivery),) = row.fetchall()
    return run, delivery


def enter(connection: duckdb.DuckDBPyConnection, delivery: Delivery) -> None:
    """Enter a delivery, in the transaction of its rows. It is settled once its file is put away."""
    places = ", ".join("?" * len(fields(Delivery)))
    connection.execute(f"insert into raw.ledger ({COLUMNS}, settled) values ({places}, false)", list(astuple(delivery)))


def mark_settled(connection: duckdb.DuckDBPyConnection, settled: Iterable[Delivery]) -> None:
    """Record that the deliveries are in the delivery log and their files are put away."""
    for delivery in settled:
        connection.execute("update raw.ledger set settled = true where delivery = ?", [delivery.delivery])


def check_not_behind(connection: duckdb.DuckDBPyConnection, home: Home) -> None:
    """Raise AmkpiError if the warehouse lacks deliveries of the delivery log: it was lost or replaced by an old one."""
    known = {row[0] for row in connection.execute("select delivery from raw.ledger").fetchall()}
    if any(delivery.delivery not in known for delivery in delivery_log.read(home.state)):
        raise AmkpiError(
            f"{home.warehouse} lacks deliveries that are in the delivery log in {home.state}: run `amkpi rebuild` to"
            " load them again from archive/"
        )
