"""What `sources check` tells about a mapping and a file, before anything is loaded."""

from __future__ import annotations

import json
from pathlib import Path
from zoneinfo import ZoneInfo

import jsonschema
import pytest
import yaml

from amkpi.core.paths import SHIPPED_MAPPINGS
from amkpi.ingestion.mappings.drafts import guesses
from amkpi.ingestion.mappings.drafts.review import HeldBack, MappingReview, review
from amkpi.ingestion.mappings.drafts.sample import Cell
from amkpi.ingestion.mappings.files import from_text
from amkpi.ingestion.mappings.schema import schema
from amkpi.ingestion.readers.record_batches import NUMBER, NUMBER_1904

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
MAPPING = """
file: "deals*.csv"
extract: proposals
header: { row: 2 }
stop_at: { column: Id, matches: "^Tổng" }
where: '"Id" <> ''test'''
columns:
  proposal_id: Id
  client_id: { column: Customer, lookup: { extract: clients, by: client_name } }
  kind: { constant: new_business }
  amount: { column: Value, number: vi }
  currency: { constant: VND }
  sent_date: { column: Sent, date_format: d/M/yyyy }
  decided_date: { constant: 2026-12-01 }
  outcome: { column: Stage, values: { won: [Đã ký] } }
"""
ROWS = """Báo cáo,,,,,
Id,Customer,Value,Sent,Stage,Note
D1,Hoa Mai,1.500,3/4/2026,Đã ký,x
D2,Á Đông,2.500,4/4/2026,Chờ,
D2,Á Đông,2.600,5/4/2026,Chờ,
test,Á Đông,1,5/4/2026,open,
Tổng,,4.000,,,
"""


@pytest.fixture
def found(tmp_path: Path) -> MappingReview:
    file = tmp_path / "deals.csv"
    file.write_text(ROWS, encoding="utf-8")
    return review(file, from_text("deals", MAPPING, "deals.yml", ZONE))


def test_rows_keys_and_what_is_left_out_are_counted(found: MappingReview) -> None:
    assert (found.rows, found.keys) == (3, 2)
    assert (found.tally.above, found.tally.footer, found.tally.filtered) == (1, 1, 1)
    assert found.unused == ("Note",)


def test_values_are_shown_before_and_after_with_the_lowest_and_highest(found: MappingReview) -> None:
    assert found.values["amount"] == [("1.500", "1500"), ("2.500", "2500"), ("2.600", "2600")]
    assert found.values["client_id"][0] == ("Hoa Mai", "(clients with client_name hoa mai)")
    assert found.values["kind"] == [(None, "new_business")]
    # Only rows that break no rule of their own.
    assert found.ranges["sent_date"] == ("2026-04-03", "2026-04-03")
    assert found.ranges["amount"] == ("1500", "1500")


def test_what_could_be_wrong_is_told(found: MappingReview) -> None:
    assert found.doubts == [
        "amount: 1.500 is 1500 here; with number: plain it is 1.5",
        "sent_date: every date also reads as M/d/yyyy: 3/4/2026 would be 2026-03-04",
    ]
    assert found.unmapped == {"outcome": [("Chờ", 2)]}
    assert found.looked_up == {"client_id": 2}
    assert (found.repeated.rows, found.repeated.first) == (1, ("D2 (lines 4, 5)",))
    assert found.held == [HeldBack("bad_enum", "outcome", 2, (4, 5), example="Chờ")]


def test_what_otherwise_takes_is_named_and_a_tone_may_stand_on_either_vowel(tmp_path: Path) -> None:
    file = tmp_path / "deals.csv"
    text = MAPPING.replace("values: { won: [Đã ký] }", "values: { won: [Đã ký], withdrawn: [Huỷ], otherwise: open }")
    file.write_text(ROWS.replace("2.600,5/4/2026,Chờ", "2.600,5/4/2026,Hủy"), encoding="utf-8")
    found = review(file, from_text("deals", text, "deals.yml", ZONE))
    assert found.values["outcome"] == [("Đã ký", "won"), ("Chờ", "open"), ("Hủy", "withdrawn")]
    assert found.by_otherwise == {"outcome": [("Chờ", 1), ("open", 1)]}


def test_a_value_that_is_not_read_is_shown_with_the_key_that_would_read_it(tmp_path: Path) -> None:
    file = tmp_path / "deals.csv"
    file.write_text(ROWS, encoding="utf-8")
    text = MAPPING.replace("{ column: Sent, date_format: d/M/yyyy }", "Sent")
    found = review(file, from_text("deals", text, "deals.yml", ZONE)).held[0]
    assert (found.reason, found.column, found.example, found.advice) == (
        "bad_type",
        "sent_date",
        "3/4/2026",
        "date_format: d/M/yyyy",
    )


def test_dates_that_only_one_format_reads_are_no_doubt(tmp_path: Path) -> None:
    file = tmp_path / "deals.csv"
    file.write_text(ROWS.replace("5/4/2026", "25/4/2026").replace("2.600", '"2.600,5"'), encoding="utf-8")
    assert review(file, from_text("deals", MAPPING, "deals.yml", ZONE)).doubts == []


def test_typed_numbers_of_which_all_have_three_decimals_are_a_doubt() -> None:
    def doubt(*texts: str, kind: str = NUMBER) -> str | None:
        return guesses.other_numbers(None, [Cell(text, kind) for text in texts])

    assert "all numbers with decimals have exactly three, such as 12.125" in str(doubt("450.125", "12.125", "7"))
    assert "all numbers" in str(doubt("450.125", "12.125", kind=NUMBER_1904))
    assert doubt("450.125", "12.5") is None
    assert doubt("12.125", "7") is None


def test_the_schema_accepts_the_shipped_mappings_and_refuses_unknown_keys() -> None:
    validator = jsonschema.Draft202012Validator(schema())
    shipped = sorted(SHIPPED_MAPPINGS.glob("*.yml"))
    for text in [*(path.read_text(encoding="utf-8") for path in shipped), MAPPING]:
        # As an editor reads it, but dates as text.
        data = json.loads(json.dumps(yaml.safe_load(text), default=str))
        assert [error.message for error in validator.iter_errors(data)] == []
    for wrong in ("sheets: 1", "header: { rows: 2 }", "columns: { client_id: { colum: x } }", "extract: client"):
        data = {"file": "x", "extract": "clients", "columns": {}, **yaml.safe_load(wrong)}
        assert list(validator.iter_errors(data)), wrong
