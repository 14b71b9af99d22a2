"""Several rows of one file with the same key: counted, and refused, summed or replaced as the mapping says."""

from __future__ import annotations

import pytest

from amkpi.ingestion.contracts.extracts import EXTRACTS
from amkpi.ingestion.tables import create_tables
from amkpi.ingestion.validation import repeated_keys
from tests.conftest import Agency

COSTS = """
file: "lines*.csv"
extract: project_costs
columns:
  cost_id: Order
  project_id: { constant: P1 }
  cost_date: Day
  amount: Amount
  currency: { constant: VND }
"""
LINES = "Order,Day,Amount\nSO1,2026-01-01,100.1\nSO1,2026-01-01,50.2\nSO2,2026-01-02,70\n"


def load(agency: Agency, mapping: str, rows: str) -> tuple[str, str]:
    """The status and the reason of the one delivery."""
    agency.home.sources.mkdir(parents=True, exist_ok=True)
    (agency.home.sources / "lines.yml").write_text(mapping, encoding="utf-8")
    (delivery,) = agency.load({"lines.csv": rows}).deliveries
    return delivery.status, delivery.reason or ""


def rows_of(agency: Agency) -> list[tuple[object, ...]]:
    return agency.rows("select _line, cost_id, amount, _reason from parsed.project_costs order by _line")


def test_rows_that_differ_are_refused_when_nothing_is_said(agency: Agency) -> None:
    status, reason = load(agency, COSTS, LINES)
    assert status == "rejected"
    assert "1 keys are there several times with different values, such as SO1 (lines 2, 3)" in reason
    assert "duplicates: sum(amount)" in reason
    assert rows_of(agency) == []


def test_rows_that_are_equal_are_one_row(agency: Agency) -> None:
    assert load(agency, COSTS, LINES.replace("50.2", "100.1"))[0] == "loaded"
    with agency.warehouse() as connection:
        found = repeated_keys.find(connection, EXTRACTS["project_costs"], 1)
    assert found == repeated_keys.RepeatedKeys(1, 0, ("SO1 (lines 2, 3)",))


def test_rows_that_updated_at_puts_in_order_are_not_refused(agency: Agency) -> None:
    with_moment = COSTS + "  updated_at: Changed\n"
    rows = "Order,Day,Amount,Changed\nSO1,2026-01-01,100,2026-01-05\nSO1,2026-01-01,50,2026-01-04\n"
    assert load(agency, with_moment, rows)[0] == "loaded"
    assert load(agency, with_moment, rows.replace("01-05", "01-04").replace("50", "60"))[0] == "rejected"


def test_the_last_of_the_rows_counts_where_the_mapping_says_so(agency: Agency) -> None:
    assert load(agency, COSTS + "duplicates: last\n", LINES)[0] == "loaded"
    assert rows_of(agency)[0][2] == 100.1


def test_rows_are_summed_exactly_into_the_row_that_counts(agency: Agency) -> None:
    assert load(agency, COSTS + "duplicates: sum(amount)\n", LINES)[0] == "loaded"
    assert rows_of(agency) == [(2, "SO1", 100.1, None), (3, "SO1", 150.3, None), (4, "SO2", 70.0, None)]


def test_a_sum_without_one_of_its_rows_is_held_back_whole(agency: Agency) -> None:
    assert load(agency, COSTS + "duplicates: sum(amount)\n", LINES.replace("50.2", "fifty"))[0] == "loaded"
    assert rows_of(agency) == [
        (2, "SO1", 100.1, "bad_type"),
        (3, "SO1", None, "bad_type"),
        (4, "SO2", 70.0, None),
    ]


def test_sums_are_made_again_when_an_extract_gets_a_new_column(agency: Agency) -> None:
    load(agency, COSTS + "duplicates: sum(amount)\n", LINES)
    before = rows_of(agency)
    with agency.warehouse() as connection:
        # As in a warehouse of a version that did not know the column.
        for schema in ("raw", "parsed"):
            connection.execute(f"alter table {schema}.project_costs drop column department")
        create_tables(connection)
    assert rows_of(agency) == before


@pytest.mark.parametrize("rule", ["first", "sum(department)", "sum(amount, currency)"])
def test_a_rule_that_cannot_be_applied_is_refused(agency: Agency, rule: str) -> None:
    status, reason = load(agency, f"{COSTS}duplicates: {rule}\n", LINES)
    assert status == "rejected"
    assert "lines.yml: duplicates: " in reason
