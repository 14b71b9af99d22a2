"""Ids that a mapping looks up in another extract: found when that extract has arrived, in whatever order."""

from __future__ import annotations

import pytest

from amkpi.ingestion.validation.row_checks import check_rows
from tests.conftest import Agency

pytestmark = pytest.mark.usefixtures("kept_open")

BY_MAIL = """
file: "tasks*.csv"
extract: projects
columns:
  project_id: Id
  client_id: { column: Customer, lookup: { extract: clients, by: client_name } }
  owner_id: { column: Assignee, lookup: { extract: staff, by: email } }
  project_name: Id
  start_date: { constant: 2026-01-01 }
  committed_due_date: { constant: 2026-02-01 }
  currency: { constant: VND }
"""
TASKS = "Id,Customer,Assignee\nT1,Hoa Mai,anh@agency.example\nT2,Á Đông,BINH@agency.example \nT3,hoa  mai,\n"
CLIENTS = "client_id,client_name\nKH1,Hoa Mai\nKH2,Á Đông\n"
STAFF = "staff_id,valid_from,full_name,email,role,is_active\nNV1,2025-01-01,Ánh,anh@agency.example,x,yes\n"


def mapped(agency: Agency) -> Agency:
    agency.home.sources.mkdir(parents=True, exist_ok=True)
    (agency.home.sources / "tasks.yml").write_text(BY_MAIL, encoding="utf-8")
    return agency


def check(agency: Agency) -> None:
    with agency.warehouse() as connection:
        check_rows(connection, "VND")


def valid(agency: Agency) -> list[tuple[object, ...]]:
    return agency.rows("select project_id, client_id, owner_id from valid.projects order by 1")


def held(agency: Agency) -> list[tuple[object, ...]]:
    return agency.rows("select _line, reason, column_name from validation.quarantine order by 1")


@pytest.mark.slow
def test_a_row_waits_until_what_it_looks_up_has_arrived(agency: Agency) -> None:
    mapped(agency).load({"tasks.csv": TASKS})
    check(agency)
    # Even where nothing was ever delivered of the other extract: a name is no id.
    assert valid(agency) == []
    assert held(agency) == [(line, "unknown_reference", "client_id") for line in (2, 3, 4)]
    agency.load({"clients/1.csv": CLIENTS})
    check(agency)
    assert valid(agency) == [("T3", "KH1", None)]
    assert held(agency) == [(2, "unknown_reference", "owner_id"), (3, "unknown_reference", "owner_id")]
    agency.load({"staff/1.csv": STAFF})
    check(agency)
    assert valid(agency) == [("T1", "KH1", "NV1"), ("T3", "KH1", None)]
    assert held(agency) == [(3, "unknown_reference", "owner_id")]
    agency.load({"staff/2.csv": STAFF.replace("NV1", "NV2").replace("Ánh,anh", "Bình,binh")})
    check(agency)
    assert valid(agency) == [("T1", "KH1", "NV1"), ("T2", "KH2", "NV2"), ("T3", "KH1", None)]
    assert held(agency) == []


@pytest.mark.slow
def test_a_value_of_two_ids_has_none_and_the_last_row_of_a_person_decides(agency: Agency) -> None:
    mapped(agency).load({"tasks.csv": TASKS, "clients/1.csv": CLIENTS + "KH3,HOA MAI\n", "staff/1.csv": STAFF})
    check(agency)
    assert held(agency) == [
        (2, "unknown_reference", "client_id"),
        (3, "unknown_reference", "owner_id"),
        (4, "unknown_reference", "client_id"),
    ]
    # The duplicate is renamed, and the address now belongs to somebody else.
    agency.load(
        {
            "clients/2.csv": "client_id,client_name\nKH3,Hoa Mai 2\n",
            "staff/2.csv": STAFF.replace("2025-01-01,Ánh,anh@", "2026-01-01,Ánh,anh.tran@")
            + "NV3,2026-01-01,Ánh Lê,anh@agency.example,x,yes\n",
        }
    )
    check(agency)
    assert valid(agency) == [("T1", "KH1", "NV3"), ("T3", "KH1", None)]


@pytest.mark.slow
def test_found_ids_are_the_same_after_a_check_from_nothing(agency: Agency) -> None:
    mapped(agency).load({"tasks.csv": TASKS})
    check(agency)
    agency.load({"clients/1.csv": CLIENTS, "staff/1.csv": STAFF})
    check(agency)
    before = valid(agency), held(agency)
    with agency.warehouse() as connection:
        connection.execute("drop table validation.inputs")
        check_rows(connection, "VND")
    assert (valid(agency), held(agency)) == before
    assert before[0]
