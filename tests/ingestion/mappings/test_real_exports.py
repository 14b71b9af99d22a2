"""The shipped mappings on real files, which are read where they lie."""

from __future__ import annotations

from pathlib import Path

import pytest

from amkpi.core.paths import SHIPPED_MAPPINGS as SHIPPED
from amkpi.ingestion.mappings.files import load_mappings
from amkpi.ingestion.readers import examine, read_csv
from tests.ingestion.mappings.cases import ZONE, csv_file, result
from tests.paths import REAL_EXPORTS as REAL


def real(name: str, mapping_name: str) -> list[dict[str, object]]:
    path = REAL / name
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    mapping = next(mapping for mapping in load_mappings(SHIPPED, None, ZONE) if mapping.name == mapping_name)
    assert mapping.takes(path.name)
    return result(mapping, read_csv(path, examine(path).encoding, mapping.native_columns))


def test_the_shipped_mappings_take_the_files_they_are_for() -> None:
    takes = {
        name: [mapping.name for mapping in load_mappings(SHIPPED, None, ZONE) if mapping.takes(name)]
        for name in ("nyc_capital_projects_20190901.csv", "in/salesforce_opportunity.csv", "Opportunity.csv", "x.csv")
    }
    assert takes == {
        "nyc_capital_projects_20190901.csv": ["nyc_clients", "nyc_project_costs", "nyc_projects", "nyc_staff"],
        "in/salesforce_opportunity.csv": ["salesforce_opportunities"],
        "Opportunity.csv": ["salesforce_opportunities"],
        "x.csv": [],
    }


def test_the_citys_reports_read_as_projects() -> None:
    rows = real("nyc_capital_projects_20190901.csv", "nyc_projects")
    assert len(rows) == 2259
    first = {key: value for key, value in rows[0].items() if not key.startswith("_")}
    assert first == {
        "project_id": "3",
        "client_id": "DEP",
        "owner_id": "DEP",
        "project_name": "26th Ward Waste Water Treatment Plant Preliminary Treatment Improvements",
        "start_date": "2013-09-23",
        "committed_due_date": "2019-04-19",  # 2020-01-14 less 270 days
        "delivered_date": "2020-01-14",
        "budget_amount": "187299603.37",  # 182980960 less -4318643.37
        "currency": "USD",
        "updated_at": "2014-05-01T00:00:00",
    }
    # What the file leaves blank stays blank: nothing failed, nothing was guessed.
    assert sum(not row["start_date"] for row in rows) == 164
    assert sum(not row["delivered_date"] for row in rows) == sum(not row["committed_due_date"] for row in rows) == 122
    assert sum(not row["budget_amount"] for row in rows) == 106
    assert not any(
        "(" in str(row[key]) for row in rows for key in ("committed_due_date", "budget_amount", "start_date")
    )


def test_the_citys_reports_read_as_costs_clients_and_staff() -> None:
    costs_of_city = real("nyc_capital_projects_20190901.csv", "nyc_project_costs")
    assert (costs_of_city[0]["amount"], costs_of_city[0]["cost_date"]) == ("182980960", "2020-01-14")
    clients = real("nyc_capital_projects_20190901.csv", "nyc_clients")
    assert all(row["client_id"] for row in clients)
    assert {"DEP, DOT", "DEP"} <= {str(row["client_id"]) for row in clients}
    staff = real("nyc_capital_projects_20190901.csv", "nyc_staff")
    assert len({row["staff_id"] for row in staff}) == 12
    assert {(row["role"], row["is_active"], row["valid_from"]) for row in staff} == {
        ("account_manager", "true", "1990-01-01")
    }


def test_salesforce_opportunities_read_as_proposals() -> None:
    rows = real("salesforce_opportunity.csv", "salesforce_opportunities")
    assert [row["outcome"] for row in rows] == ["won"] * 5 + ["lost"] * 4 + ["open"]
    # It was created on 19 December after 17:00 UTC, which is the next day in Vietnam. A close date has no time.
    assert (rows[0]["sent_date"], rows[0]["decided_date"]) == ("2018-12-20", "2018-12-19")
    assert rows[-1]["decided_date"] == ""
    assert (rows[0]["updated_at"], rows[2]["updated_at"]) == (
        "2019-04-04T18:47:01+00:00",
        "2018-12-18T18:20:30.829+00:00",
    )
    assert all(row["is_deleted"] == "true" for row in rows)


def test_salesforce_types_stages_and_unknown_types_read_as_the_mapping_says(tmp_path: Path) -> None:
    (mapping,) = [
        mapping for mapping in load_mappings(SHIPPED, None, ZONE) if mapping.name == "salesforce_opportunities"
    ]
    header = "id,account_id,owner_id,type,amount,created_date,close_date,stage_name,is_won,is_closed,is_deleted"
    rows = csv_file(
        tmp_path,
        f"{header},_fivetran_synced\n"
        "1,a,o,New Business,5,2025-01-01,2025-02-01,Closed Won,true,true,false,2025-03-01T00:00:00+07:00\n"
        "2,a,o,Existing Business,5,2025-01-01 10:00:00.5,2025-02-01,Client Withdrawn,false,true,false,2025-03-01\n"
        "3,a,o,Barter,5,2025-01-01,2025-02-01,Prospecting,,,false,\n",
        mapping,
    )
    found = [tuple(row[key] for key in ("kind", "outcome", "sent_date", "updated_at")) for row in result(mapping, rows)]
    assert found == [
        ("new_business", "won", "2025-01-01", "2025-03-01T00:00:00+07:00"),
        ("upsell", "withdrawn", "2025-01-01", "2025-03-01T00:00:00"),
        ("Barter", "", "2025-01-01", ""),
    ]
