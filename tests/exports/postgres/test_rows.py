"""Every reader sees exactly the rows that the rule gives, and who administers the database sees the published file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import psycopg2
import pytest

from amkpi.core.language.mart_texts import marts
from amkpi.exports.postgres.rights import ADDRESS, PERSON, role_name
from tests.access.test_reader import is_here
from tests.exports.plain_rule import PlainReader, Row
from tests.exports.postgres.conftest import Database, counted, marts_of, new_database, read
from tests.exports.postgres.server import Server

pytestmark = pytest.mark.slow

# Agencies of eleven and twelve people; in the last one four people manage each other in a loop.
SEEDS = (20, 38, 106)
OUTSIDE, OPERATOR = "out@side.example", "ops@side.example"
# Marts of which readers see every cell of their rows: they may read the table itself too.
WITH_ALL_CELLS = {
    "kpi_values", "scorecards", "scorecard_lines", "supporting_measures", "adjustments", "adjusted_scores",
    "restatements", "load_ledger", "closings", "publication", "dim_kpi", "dim_period", "dim_date",
}  # fmt: skip


def readers(database: Database) -> dict[str, PlainReader]:
    """Every reader by the name of the role."""
    names, settings = database.names, database.settings
    analysts, operators = settings.pages.analysts, settings.pages.operators
    found = {
        role_name(PERSON, staff_id): PlainReader(
            staff_id, names, settings.scorecards.leadership, staff_id in analysts and "@" not in staff_id,
            staff_id in operators,
        )
        for staff_id, person in names.people.items()
        if person.is_active and is_here(names, staff_id)
    }  # fmt: skip
    return found | {
        ADDRESS + OUTSIDE: PlainReader(None, names, analyst=True),
        ADDRESS + OPERATOR: PlainReader(None, names, operator=True),
    }


def check(connection: psycopg2.extensions.connection, reader: PlainReader, everything: Mapping[str, list[Row]]) -> int:
    """Compare all that a session sees with the rule; returns how many rows that is."""
    count = 0
    for mart in everything:
        expected = counted(reader.sees(everything, mart))
        if mart != "scorecards_sent":
            assert counted(read(connection, f"marts_for_readers.{mart}")) == expected, (reader.staff_id, mart)
        if reader.analyst or mart in WITH_ALL_CELLS:
            assert counted(read(connection, f"marts.{mart}")) == expected, (reader.staff_id, mart)
        count += len(expected)
    return count


@pytest.fixture(scope="module", params=SEEDS)
def agency(
    request: pytest.FixtureRequest, server: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Database]:
    with new_database(server, tmp_path_factory.mktemp("agency")) as database:
        database.set_up(
            request.param,
            pages_analysts=("CEO", OUTSIDE),
            pages_operators=("A/03 Đ.ổ", OPERATOR),
            scorecard_leadership=("b'\\c", "a05"),
        )
        yield database


@pytest.fixture(scope="module")
def everything(agency: Database) -> dict[str, list[Row]]:
    found = marts_of(agency.home.current.resolve())
    assert found.keys() == marts().keys()
    return found


def sessions(agency: Database) -> Iterator[tuple[str, PlainReader]]:
    found = readers(agency)
    agency.let_in(*found)
    yield from found.items()


def test_the_superuser_and_the_owner_see_the_published_file_row_for_row(
    agency: Database, everything: dict[str, list[Row]], server: Server
) -> None:
    for user in ("postgres", "publisher"):
        connection = server.open(agency.name, user)
        for mart, rows in everything.items():
            assert counted(read(connection, f"marts.{mart}")) == counted(rows), mart
        connection.close()


def test_every_reader_sees_exactly_what_the_plain_rule_gives(
    agency: Database, everything: dict[str, list[Row]], server: Server
) -> None:
    counts = []
    for role, reader in sessions(agency):
        connection = server.open(agency.name, role)
        counts.append(check(connection, reader, everything))
        connection.close()
    assert len(set(counts)) > 4
    known = {role for (role,) in agency.rows("select role_name from amkpi.readers")}
    assert known == readers(agency).keys()


def test_a_pooled_tool_sees_what_the_reader_sees_whom_it_names(
    agency: Database, everything: dict[str, list[Row]], server: Server
) -> None:
    agency.rows("drop role if exists bi_tool")
    agency.rows("create role bi_tool login")
    agency.rows("grant amkpi_pooled to bi_tool")
    connection = server.open(agency.name, "bi_tool")
    nobody = {mart: 0 for mart in everything if mart != "scorecards_sent"}
    assert {mart: len(read(connection, f"marts_for_readers.{mart}")) for mart in nobody} == nobody
    for name, reader in [
        (OPERATOR, PlainReader(None, agency.names, operator=True)),
        *((each.staff_id, each) for each in readers(agency).values() if each.staff_id and not each.analyst),
    ]:
        connection.cursor().execute("select set_config('amkpi.reader', %s, false)", [name])
        check(connection, reader, everything)
    for name in ("nobody", "", "amkpi_reader_CEO"):
        connection.cursor().execute("select set_config('amkpi.reader', %s, false)", [name])
        assert {mart: len(read(connection, f"marts_for_readers.{mart}")) for mart in nobody} == nobody
    connection.close()
