"""A row that was corrected is held back no longer: its key has a newer good row, or its line came back good."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Callable
from pathlib import Path

import pytest
import xlsxwriter

from amkpi.ingestion.readers import examine, open_text
from amkpi.ingestion.validation import quarantine
from amkpi.ingestion.validation.row_checks import check_rows
from amkpi.ingestion.validation.settled_rows import LINE, SHA256
from tests.conftest import Agency
from tests.ingestion.readers.test_readers import listed

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("kept_open")]

# A row that lacks a value, one that lacks its key, one with too few fields, and a good one.
FAULTY = "client_id,client_name,industry\nC1,One,\nC2,,\n,Three,\nC4\n"


def held(agency: Agency) -> list[tuple[str, int, str]]:
    """The rows that are held back now: file, line and reason."""
    with agency.warehouse() as connection:
        check_rows(connection, "VND")
        return [(each.file_name, each.line, each.reason) for each in quarantine.rows(connection)]


def exported(agency: Agency, target: Path) -> list[dict[str, str]]:
    with agency.warehouse() as connection:
        quarantine.export(connection, "clients", target)
    rows = open_text(target, examine(target), frozenset({"clientid"}))
    return [dict(zip(rows.header, map(str, fields), strict=True)) for _, fields in listed(rows)]


def as_csv(rows: list[dict[str, str]], target: Path) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def as_xlsx(rows: list[dict[str, str]], target: Path) -> bytes:
    with xlsxwriter.Workbook(str(target)) as book:
        sheet = book.add_worksheet()
        for number, row in enumerate([dict(zip(rows[0], rows[0], strict=True)), *rows]):
            for place, (title, cell) in enumerate(row.items()):
                # As a person leaves it who has edited the line number: a number.
                if title == LINE and cell.isdecimal():
                    sheet.write_number(number, place, int(cell))
                elif cell:
                    sheet.write_string(number, place, cell)
    return target.read_bytes()


@pytest.mark.parametrize(("ending", "write"), [("csv", as_csv), ("xlsx", as_xlsx)])
def test_what_is_exported_corrected_and_dropped_back_is_held_back_no_longer(
    agency: Agency, tmp_path: Path, ending: str, write: Callable[[list[dict[str, str]], Path], bytes]
) -> None:
    agency.load({"clients/a.csv": FAULTY})
    assert held(agency) == [
        ("clients/a.csv", 3, "missing_required"),
        ("clients/a.csv", 4, "missing_required"),
        ("clients/a.csv", 5, "malformed_row"),
    ]
    rows = exported(agency, tmp_path / f"out.{ending}")
    for row, key in zip(rows, ("C2", "C3", "C4"), strict=True):
        row |= {"client_id": key, "client_name": row["client_name"] or "corrected"}
    agency.load({f"clients/corrected.{ending}": write(rows, tmp_path / f"back.{ending}")})
    assert held(agency) == []
    assert agency.rows("select client_id, client_name from valid.clients order by 1") == [
        ("C1", "One"), ("C2", "corrected"), ("C3", "Three"), ("C4", "corrected"),
    ]  # fmt: skip
    assert agency.rows("select count(*), count_if(is_settled) from validation.held_back") == [(3, 3)]


@pytest.mark.parametrize(("written", "saved"), [("csv", "csv"), ("xlsx", "xlsx"), ("csv", "xlsx"), ("xlsx", "csv")])
def test_an_id_that_looks_like_a_formula_comes_back_as_it_was(
    agency: Agency, tmp_path: Path, written: str, saved: str
) -> None:
    ids = ["=1+1", "'=1+1", "-x", "@x", "'-5", "-5", "''+a", "'Hoa Mai"]
    agency.load({"clients/a.csv": "client_id,client_name\n" + "".join(f"{each},\n" for each in ids)})
    held(agency)
    rows = [{**row, "client_name": "x"} for row in exported(agency, tmp_path / f"out.{written}")]
    save = as_csv if saved == "csv" else as_xlsx
    agency.load({f"clients/b.{saved}": save(rows, tmp_path / "back")})
    assert held(agency) == []
    assert agency.rows("select client_id from valid.clients order by 1") == [(each,) for each in sorted(ids)]


def test_a_line_that_comes_back_bad_is_held_back_in_both_files(agency: Agency, tmp_path: Path) -> None:
    agency.load({"clients/a.csv": "client_id,client_name\n,Three\n"})
    held(agency)
    rows = exported(agency, tmp_path / "out.csv")
    agency.load({"clients/b.csv": as_csv(rows, tmp_path)})
    assert [name for name, _, _ in held(agency)] == ["clients/a.csv", "clients/b.csv"]
    # The second attempt is an export of both.
    rows = exported(agency, tmp_path / "out.csv")
    agency.load({"clients/c.csv": as_csv([{**row, "client_id": "C3"} for row in rows], tmp_path)})
    assert held(agency) == []


def test_a_corrected_line_of_other_bytes_or_another_extract_settles_nothing(agency: Agency) -> None:
    text = "client_id,client_name\n,Three\n"
    agency.load({"clients/a.csv": text, "staff/a.csv": "staff_id,valid_from,full_name,role,is_active\n,,,,\n"})
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    for number, (line, digest) in enumerate([("3", sha256), ("2", sha256[::-1]), ("2", "")]):
        agency.load({f"clients/{number}.csv": f"client_id,client_name,{LINE},{SHA256}\nC{number},x,{line},{digest}\n"})
    staff = f"staff_id,valid_from,full_name,role,is_active,{LINE},{SHA256}\nS1,2026-01-01,a,a,true,2,{sha256}\n"
    agency.load({"staff/b.csv": staff})
    assert {name for name, _, _ in held(agency)} == {"clients/a.csv", "staff/a.csv"}


def test_a_settled_row_is_held_back_again_when_the_corrected_row_is(agency: Agency) -> None:
    """The corrected row waits again for an exchange rate, so nothing valid has come back for the line."""
    cost = "cost_id,project_id,cost_date,amount,currency"
    agency.load({"fx_rates/a.csv": "currency,rate_date,rate\nUSD,2026-01-01,25000\n",
                 "project_costs/a.csv": f"{cost}\n,P1,2026-02-01,1,USD\n"})  # fmt: skip
    (digest,) = agency.rows("select sha256 from raw.ledger where extract = 'project_costs'")[0]
    assert len(held(agency)) == 1
    agency.load({"project_costs/b.csv": f"{cost},{LINE},{SHA256}\nX1,P1,2026-02-01,1,USD,2,{digest}\n"})
    assert held(agency) == []
    agency.load({"fx_rates/b.csv": "currency,rate_date,rate,is_deleted\nUSD,2026-01-01,,true\n"})
    assert held(agency) == [
        ("project_costs/a.csv", 2, "missing_required"),
        ("project_costs/b.csv", 2, "missing_fx_rate"),
    ]


def test_a_corrected_row_that_is_deleted_later_leaves_its_line_settled(agency: Agency) -> None:
    agency.load({"clients/a.csv": "client_id,client_name\nC1,\n"})
    agency.load({"clients/b.csv": "client_id,client_name\nC1,One\n"})
    agency.load({"clients/c.csv": "client_id,client_name,is_deleted\nC1,,true\n"})
    assert held(agency) == []
