"""A column that is added to an extract loads in a HOME that was made before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from amkpi.core.run import Run
from amkpi.ingestion.contracts.extracts import EXTRACTS, Column
from amkpi.ingestion.validation.row_checks import check_rows
from amkpi.pipeline import steps
from tests.conftest import Agency
from tests.core.storage.homes import home_of_0_1_0, rows

pytestmark = pytest.mark.slow

BEFORE = "client_id,client_name,Sales Tier,note\nC1,One,gold ,x\nC2,Two,,\nC3,,silver,\nbroken\n"
WITHOUT = "client_id,client_name\nC4,Four\n"
AFTER = "client_id,client_name,sales_tier,founded\nC1,One,platinum,1999-05-01\nC5,Five,,May\n"


@pytest.fixture
def add_columns(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Adds columns to the declaration of an extract."""

    def add(extract: str, *columns: Column) -> None:
        declared = EXTRACTS[extract]
        monkeypatch.setitem(EXTRACTS, extract, replace(declared, columns=(*declared.columns, *columns)))

    return add


def tables(agency: Agency) -> dict[str, list[tuple[Any, ...]]]:
    """The raw, parsed and valid rows of clients, and what is held back, by column name."""
    names = [column.name for column in EXTRACTS["clients"].all_columns]
    return {
        "raw": agency.rows(
            f"select {', '.join(names)}, _extra, _row, _malformed, _line, _delivery from raw.clients"
            " order by _delivery, _line"
        ),
        "parsed": agency.rows(
            f"select {', '.join(names)}, _reason, _column, _superseded, _line, _delivery from parsed.clients"
            " order by _delivery, _line"
        ),
        "valid": agency.rows("select client_id, sales_tier, founded from valid.clients order by all"),
        "quarantine": agency.rows("select * from validation.quarantine order by all"),
    }


def check(agency: Agency) -> None:
    """Run the row checks."""
    with agency.warehouse() as connection:
        check_rows(connection, "VND")


def test_the_tables_are_those_of_a_warehouse_that_was_rebuilt_with_the_column(
    agency: Agency, add_columns: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    agency.load({"clients/a.csv": BEFORE, "clients/b.csv": WITHOUT})
    check(agency)
    add_columns("clients", Column("sales_tier", default="none"), Column("founded", "date"))
    report = agency.load({"clients/c.csv": AFTER})
    assert [each.status for each in report.deliveries] == ["loaded"]
    assert (
        "the extract clients has new columns (sales_tier, founded): 5 rows were parsed again" in capsys.readouterr().err
    )
    check(agency)
    found = tables(agency)
    assert [(row[0], row[3]) for row in found["parsed"] if row[-1] == 1] == [
        ("C1", "gold"), ("C2", "none"), ("C3", "silver"), (None, "none"),
    ]  # fmt: skip
    assert [row[0] for row in found["valid"]] == ["C1", "C2", "C4"]
    agency.load()
    assert capsys.readouterr().err == "", "a second run adds nothing"
    steps.rebuild(agency.run)
    check(agency)
    assert tables(agency) == found


def test_a_home_of_0_1_0_takes_a_file_with_the_column(tmp_path: Path, add_columns: Callable[..., None]) -> None:
    old: Run = home_of_0_1_0(tmp_path)
    add_columns("contracts", Column("sales_note"))
    (old.home.landing / "contracts" / "april.csv").write_text(
        "contract_id,client_id,kind,signed_date,start_date,end_date,amount,currency,sales_note\n"
        "K9,C1,renewal,2026-03-20,2026-04-01,2027-03-31,5,VND,by phone\n"
    )
    assert [each.status for each in steps.load(old).deliveries] == ["loaded"]
    notes = rows(
        old.home.warehouse,
        "select contract_id, sales_note from parsed.contracts where sales_note is not null order by all",
    )
    assert notes == [("K2", "corrected"), ("K5", "who is C9?"), ("K7", "clock"), ("K9", "by phone")]
    extras = rows(old.home.warehouse, "select count(*) from raw.contracts where _extra is not null")
    assert extras == [(0,)], "no other unknown column was delivered"


def test_a_run_that_fails_while_a_column_is_added_leaves_the_tables_as_they_were(
    agency: Agency, add_columns: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    agency.load({"clients/a.csv": BEFORE})
    before = agency.rows("select * from parsed.clients order by _line")
    add_columns("clients", Column("sales_tier"))
    with monkeypatch.context() as patch:
        patch.setattr("amkpi.ingestion.tables.parsed_rows", lambda *args, **options: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            agency.load()
    assert agency.rows("select * from parsed.clients order by _line") == before
    agency.load()
    assert agency.rows("select sales_tier from parsed.clients order by _line")[0] == ("gold",)
