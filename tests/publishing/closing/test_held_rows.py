"""Which rows were held back at a closing, where a mapping makes several rows of one line."""

from __future__ import annotations

import pytest

from amkpi.ingestion.contracts.extracts import EXTRACTS
from amkpi.ingestion.contracts.native_line import native_line
from amkpi.ingestion.validation.row_checks import check_rows
from amkpi.publishing.closing.changes import valid_rows_at
from amkpi.publishing.closing.files import keep_held
from tests.conftest import Agency
from tests.ingestion.test_shapes import BASE

WIDE = """
file: wide*.csv
extract: project_costs
unpivot: { name: Currency, value: Amount, columns: [VND, EUR] }
columns:
  cost_id: { sql: '"Id" || "Currency"' }
  project_id: Project
  cost_date: Day
  amount: Amount
  currency: Currency
"""


@pytest.mark.parametrize(
    ("column", "valid_then"),
    # A publication of before named the line alone, which is the first row's.
    [("_line", ["K1VND", "K2VND"]), (native_line("_line"), ["K1EUR", "K2EUR"])],
)
@pytest.mark.slow
def test_the_rows_of_a_line_are_known_one_by_one(agency: Agency, column: str, valid_then: list[str]) -> None:
    agency.home.sources.mkdir()
    (agency.home.sources / "wide.yml").write_text(WIDE, encoding="utf-8")
    agency.load({**BASE, "wide.csv": "Id,Project,Day,VND,EUR\nK1,DA01,2024-02-01,5,7\nK2,DA01,2024-02-01,5,7\n"})
    with agency.warehouse() as connection:
        check_rows(connection, "VND")
        # The second row of each line waits for a rate.
        connection.execute("attach ':memory:' as seen")
        connection.execute("attach ':memory:' as closing_file")
        connection.execute("create schema seen.marts")
        connection.execute(
            f"create table seen.marts.quarantined_rows as select extract, _delivery as delivery, reason, {column} as"
            f" {'delivery_row' if column == '_line' else 'line_number'} from validation.quarantine"
        )
        keep_held(connection, "closing_file")
        rows = valid_rows_at(EXTRACTS["project_costs"], 100, "closing_file.held")
        found = connection.execute(f"select cost_id from {rows} order by 1").fetchall()
    assert [identity for (identity,) in found] == valid_then
