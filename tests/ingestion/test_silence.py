"""Exports that gave a wrong number or lost a row in silence when somebody tried to make them do so."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping

import pytest
import xlsxwriter

from amkpi.core.paths import SHIPPED_MAPPINGS
from amkpi.ingestion import from_archive
from amkpi.ingestion.loader import LoadReport
from amkpi.ingestion.validation.row_checks import check_rows
from amkpi.pipeline import steps
from tests.conftest import Agency

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("kept_open")]

COSTS = """
file: "{file}"
extract: project_costs
{keys}
columns:
  cost_id: {id}
  project_id: P
  cost_date: {{ constant: 2026-01-05 }}
  amount: {amount}
  currency: {currency}
"""


def costs(
    file: str = "c*",
    keys: str = "",
    amount: str = "A",
    currency: str = "{ constant: VND }",
    id: str = "Id",
) -> str:
    return COSTS.format(file=file, keys=keys, amount=amount, currency=currency, id=id)


def mapped(agency: Agency, **mappings: str) -> None:
    agency.home.sources.mkdir(parents=True, exist_ok=True)
    for name, text in mappings.items():
        (agency.home.sources / f"{name}.yml").write_text(text, encoding="utf-8")


def checked(agency: Agency, files: Mapping[str, str | bytes]) -> LoadReport:
    report = agency.load(files)
    with agency.warehouse() as connection:
        check_rows(connection, "VND")
    return report


def replayed(agency: Agency, name: str) -> LoadReport:
    with agency.warehouse() as connection:
        report = from_archive.replay_mapping(
            connection, agency.home, agency.run.settings, agency.run.now, SHIPPED_MAPPINGS, name
        )
        check_rows(connection, "VND")
    return report


def amounts(agency: Agency) -> list[tuple[object, ...]]:
    return agency.rows("select cost_id, amount from valid.project_costs order by 1")


def workbook(rows: list[list[object]], *others: str) -> bytes:
    data = io.BytesIO()
    with xlsxwriter.Workbook(data) as book:
        for name in ("S1", *others):
            sheet = book.add_worksheet(name)
            for place, row in enumerate(rows):
                sheet.write_row(place, 0, row)
    return data.getvalue()


@pytest.mark.slow
def test_a_corrected_mapping_takes_newer_files_again_too(agency: Agency) -> None:
    mapped(agency, m=costs())
    checked(agency, {"c_jan.csv": "Id,P,A\n1,P1,100\n"})
    mapped(agency, m=costs().replace("columns:", "columns:\n  department: { constant: Media }"))
    checked(agency, {"c_feb.csv": "Id,P,A\n1,P1,999\n"})
    assert [each.file_name for each in replayed(agency, "m").deliveries] == ["c_jan.csv", "c_feb.csv"]
    assert amounts(agency) == [("1", 999.0)]


def test_a_correction_that_an_older_file_replaces_is_told(agency: Agency) -> None:
    mapped(agency, m=costs())
    checked(agency, {"c_jan.csv": "Id,P,A\n1,P1,100\n"})
    checked(
        agency, {"project_costs/fix.csv": "cost_id,project_id,cost_date,amount,currency\n1,P1,2026-01-05,150,VND\n"}
    )
    mapped(agency, m=costs().replace("columns:", "columns:\n  department: { constant: Media }"))
    (delivery,) = replayed(agency, "m").deliveries
    assert "1 key has a newer row of another file" in (delivery.notes or "")


def test_a_mapping_that_was_changed_back_reads_the_same_file_again(agency: Agency) -> None:
    wrong = costs(amount="{ column: A, scale: 1000 }")
    for text in (costs(), wrong, costs()):
        mapped(agency, m=text)
        (delivery,) = checked(agency, {"c.csv": "Id,P,A\n1,P1,100\n"}).deliveries
        assert delivery.status == "loaded"
    assert amounts(agency) == [("1", 100.0)]


@pytest.mark.parametrize(
    ("keys", "amount", "expected"),
    [
        ("", '{ sql: \'coalesce("A", "B")\', number: vi }', [12.125, 1500000.0]),
        ("unpivot: { name: M, value: V, columns: [A] }", "{ column: V, number: vi }", [12.125, 1500000.0]),
        # What an expression makes of a number cell is refused: it could be read both ways.
        ("", "{ sql: '\"A\" || '',0''', number: vi }", [1500000.0]),
    ],
)
def test_a_typed_number_is_not_read_as_text_behind_sql_or_unpivot(
    agency: Agency, keys: str, amount: str, expected: list[float]
) -> None:
    mapped(agency, m=costs(keys=keys, amount=amount))
    checked(
        agency, {"c.xlsx": workbook([["Id", "P", "A", "B"], ["1", "P1", 12.125, ""], ["2", "P1", "1.500.000", ""]])}
    )
    assert [amount for _, amount in amounts(agency)] == expected


def test_a_typed_number_of_json_is_not_read_as_text_behind_sql(agency: Agency) -> None:
    mapped(agency, m=costs(amount="{ sql: '\"A\"', number: vi }"))
    checked(agency, {"c.json": json.dumps([{"Id": "1", "P": "P1", "A": 1.234}])})
    assert amounts(agency) == [("1", 1.234)]


@pytest.mark.parametrize(
    "rows",
    [
        "1,P1,100,USD,,\n1,P1,50,VND,,\n",
        "1,P1,100,VND,,\n1,P2,50,VND,,\n",
        "1,P1,100,VND,true,\n1,P1,50,VND,,\n",
        "1,P1,100,VND,,2026-01-01\n1,P1,150,VND,,2026-02-01\n",
    ],
)
def test_rows_that_differ_in_more_than_the_amount_are_not_summed(agency: Agency, rows: str) -> None:
    text = costs(keys="duplicates: sum(amount)", currency="C") + "  is_deleted: D\n  updated_at: U\n"
    mapped(agency, m=text)
    (delivery,) = checked(agency, {"c.csv": f"Id,P,A,C,D,U\n{rows}"}).deliveries
    assert delivery.status == "rejected"
    assert "1 keys have rows that differ in more than amount" in (delivery.reason or "")


def test_what_was_summed_is_told(agency: Agency) -> None:
    mapped(agency, m=costs(keys="duplicates: sum(amount)"))
    (delivery,) = checked(agency, {"c.csv": "Id,P,A\n1,P1,100\n1,P1,50\n"}).deliveries
    assert delivery.notes == "1 rows were added to another row of their key, such as 1 (lines 2, 3)"
    assert amounts(agency) == [("1", 150.0)]


@pytest.mark.parametrize("amount", ["{ column: A, number: en }", "{ sql: 'trim(\"A\")', number: en }"])
def test_the_sign_of_another_currency_is_refused(agency: Agency, amount: str) -> None:
    mapped(agency, m=costs(amount=amount))
    checked(agency, {"c.csv": 'Id,P,A\n1,P1,"$1,200"\n2,P1,"¥1,200"\n3,P1,"€1,200"\n4,P1,"₫1,200"\n'})
    assert amounts(agency) == [("4", 1200.0)]


def test_a_snapshot_does_not_delete_the_newer_row_of_another_source(agency: Agency) -> None:
    mapped(agency, m1=costs("one*", "snapshot: true"), m2=costs("two*", "snapshot: true"))
    checked(agency, {"one.csv": "Id,P,A\n1,P1,1\n2,P1,1\n3,P1,1\n"})
    checked(agency, {"two.csv": "Id,P,A\n3,P1,2\n4,P1,2\n"})
    checked(agency, {"one.csv": "Id,P,A\n1,P1,1\n2,P1,1\n"})
    assert amounts(agency) == [("1", 1.0), ("2", 1.0), ("3", 2.0), ("4", 2.0)]


def test_a_row_without_key_may_be_any_so_nothing_counts_as_deleted(agency: Agency) -> None:
    mapped(agency, m=costs(keys="snapshot: true"))
    checked(agency, {"c.csv": "Id,P,A\n1,P1,1\n2,P1,1\n"})
    (delivery,) = checked(agency, {"c.csv": "Id,P,A\n1,P1,1,\n2,P1,5\n"}).deliveries
    assert delivery.notes == "nothing counts as deleted, because rows of the snapshot have no key"
    assert amounts(agency) == [("1", 1.0), ("2", 5.0)]


def test_a_key_that_a_snapshot_has_again_is_back_without_updated_at(agency: Agency) -> None:
    mapped(agency, m=costs(keys="snapshot: true") + "  updated_at: U\n")
    nights = (("1,P1,1,2026-02-01\n2,P1,1,\n", "12"), ("2,P1,1,\n", "2"), ("1,P1,7,\n2,P1,1,\n", "12"))
    for rows, keys in nights:
        checked(agency, {"c.csv": f"Id,P,A,U\n{rows}"})
        assert [key for key, _ in amounts(agency)] == list(keys)
    # The row with the greatest updated_at is the current one, as always.
    assert amounts(agency) == [("1", 1.0), ("2", 1.0)]
    rebuilt(agency)
    assert amounts(agency) == [("1", 1.0), ("2", 1.0)]


def test_a_key_that_is_looked_up_is_not_deleted_when_a_mapping_is_corrected(agency: Agency) -> None:
    assigned = """
file: "a*"
extract: client_assignments
columns:
  client_id: { column: Client, lookup: { extract: clients, by: client_name } }
  valid_from: From
  account_manager_id: Who
"""
    mapped(agency, m=assigned)
    clients = "client_id,client_name\nK1,Hoa Mai\nK2,Á Đông\nK3,Ba\n"
    checked(
        agency, {"clients/1.csv": clients, "a1.csv": "Client,From,Who\nHoa Mai,2026-01-01,S1\nÁ Đông,2026-01-01,S1\n"}
    )
    checked(agency, {"a2.csv": "Client,From,Who\nBa,2026-01-01,S1\n"})
    mapped(agency, m=assigned + "  valid_to: { constant: 2027-01-01 }\n")
    replayed(agency, "m")
    held = "select client_id from valid.client_assignments order by 1"
    assert agency.rows(held) == [("K1",), ("K2",), ("K3",)]


def test_sheets_that_are_not_read_are_told(agency: Agency) -> None:
    mapped(agency, m=costs())
    (delivery,) = checked(agency, {"c.xlsx": workbook([["Id", "P", "A"], ["1", "P1", 5]], "T2")}).deliveries
    assert delivery.notes == "sheet S1 of 2; not read, though the columns are there too: T2"


def test_shortened_ids_of_an_extract_are_reported(agency: Agency) -> None:
    text = "client_id,client_name\n1.23457E+11,One\nC+1,Two\nC2,Three\n"
    (delivery,) = agency.load({"clients/a.csv": text}).deliveries
    assert (delivery.notes or "").startswith("client_id: 1 rows have an id such as 1.23457E+11, which a spreadsheet")


def test_ids_of_another_format_than_the_file_before_are_reported(agency: Agency) -> None:
    mapped(agency, m=costs(id="{ id_from: [P, Day] }"))
    agency.load({"c1.csv": "P,Day,A\nDA01,5/1/2026,5\n"})
    (same,) = agency.load({"c2.csv": "P,Day,A\nDA01,6/1/2026,5\n"}).deliveries
    (other,) = agency.load({"c3.xlsx": workbook([["P", "Day", "A"], ["DA01", "2026-01-07", 5]])}).deliveries
    assert same.notes is None
    assert "id_from: the file before was a text, this one is a workbook" in (other.notes or "")


def test_rows_that_id_from_cannot_tell_apart_are_told(agency: Agency) -> None:
    mapped(agency, m=costs(id="{ id_from: [P] }"))
    (delivery,) = checked(agency, {"c.csv": "P,A\nP1,100\nP1,50\n"}).deliveries
    assert (delivery.notes or "").startswith("id_from: 1 rows have the same values as rows before them")


def rebuilt(agency: Agency) -> None:
    """Fill an empty warehouse from the archive."""
    steps.rebuild(agency.run)
    with agency.warehouse() as connection:
        check_rows(connection, "VND")
