"""An error of the engine is what a person sees, whatever the clean-up after it does."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import duckdb
import pytest

from amkpi.core.errors import AmkpiError
from amkpi.core.storage.transactions import transaction
from amkpi.ingestion import loader
from amkpi.ingestion.contracts.extracts import EXTRACTS
from amkpi.ingestion.delivery_log import Delivery
from amkpi.ingestion.readers.record_batches import TextRows, batch
from amkpi.ingestion.tables import create_tables
from amkpi.ingestion.writer import write_rows
from tests.conftest import Agency

DELIVERY = Delivery(
    1, 1, "clients/a.csv", "clients", None, "ab", 1, "loaded", None, 0, datetime(2026, 10, 17, tzinfo=UTC)
)


class FailingEngine:
    """A connection that fails for good at the first insert: from then on it refuses everything."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self.has_failed = False

    def __getattr__(self, name: str) -> Any:
        if self.has_failed:
            raise duckdb.InvalidInputException("the database has been invalidated")
        return getattr(self._connection, name)

    def execute(self, sql: str, *arguments: Any) -> duckdb.DuckDBPyConnection:
        if "insert into raw." in sql:
            self.has_failed = True
            raise duckdb.OutOfMemoryException("no space left on the disk")
        return self._connection.execute(sql, *arguments)


def test_the_writer_raises_the_error_of_the_engine_not_that_of_the_clean_up() -> None:
    with duckdb.connect() as connection:
        create_tables(connection)
        rows = TextRows(("client_id", "client_name"), iter([batch([["C1", "One"]], [2], 2)]))
        engine: Any = FailingEngine(connection)
        with pytest.raises(duckdb.OutOfMemoryException, match="no space left on the disk"):
            write_rows(engine, EXTRACTS["clients"], rows, DELIVERY)
        assert engine.has_failed


def test_a_transaction_raises_the_error_of_its_block_not_that_of_the_roll_back() -> None:
    with duckdb.connect() as connection:
        engine: Any = FailingEngine(connection)
        with pytest.raises(duckdb.OutOfMemoryException, match="no space left"), transaction(engine):
            engine.execute("insert into raw.clients")


def test_a_load_reports_the_error_of_the_engine_and_the_file_waits(
    agency: Agency, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = loader.write_file
    with monkeypatch.context() as patch:
        patch.setattr(loader, "write_file", lambda connection, *args: write(FailingEngine(connection), *args))  # type: ignore[arg-type]
        with pytest.raises(AmkpiError, match=r"clients/a\.csv could not be loaded.*no space left on the disk"):
            agency.load({"clients/a.csv": "client_id,client_name\nC1,One\n"})
    assert (agency.home.landing / "clients" / "a.csv").exists()
    assert agency.load().count("loaded") == 1
