"""The rows that archive/ keeps of a file are those that the loader read of it, in any format, but for the names."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from xlsxwriter import Workbook

from amkpi.core.erasure.register import Erasures, Subject, with_subject
from amkpi.ingestion.contracts.extracts import EXTRACTS
from amkpi.ingestion.erasure.rows import erase_file
from amkpi.ingestion.mappings.files import from_text
from amkpi.ingestion.mappings.names import folded_cell
from amkpi.ingestion.readers import Unreadable, examine
from amkpi.ingestion.writer import open_rows

WHO = Subject("staff", "NV1")
NAME = "Trần Thị Lan"
ERASURES = with_subject(Erasures(), WHO, [folded_cell(NAME)], [("client_surveys", "R2", "comment")])
HEADER = ["staff_id", "valid_from", "full_name", "role", "is_active", "phone"]
ROWS = [
    ["NV1", "2024-01-01", NAME, "account_manager", "true", "0901"],
    ["NV2", "2024-01-01", "Người khác", "account_manager", "true", "0902"],
    ["NV1", "2024-02-01", "Trần Lan\n(Hà Nội)", "account_manager", "true", ""],
    ["NV3", "2024-01-01", "Cuối, cùng", "account_manager", "true", NAME],
]
MAPPING = """
file: "*.csv"
extract: staff
where: starts_with("Name", 'T')
columns:
  staff_id: Id
  valid_from: { constant: 2024-01-01 }
  full_name: Name
  role: { constant: account_manager }
  is_active: { constant: true }
"""
CLIENTS = """
file: "*.csv"
extract: clients
duplicates: last
split: { column: Account Id, by: ";" }
columns:
  client_id: Account Id
  client_name: Account
"""
PROJECTS = """
file: "*.csv"
extract: projects
columns:
  project_id: Id
  client_id: { column: Account, lookup: { extract: clients, by: client_name } }
  project_name: Title
  start_date: Start
  committed_due_date: Start
  currency: { constant: VND }
"""
LIMIT = 1 << 20


def _csv() -> bytes:
    return "\n".join(",".join(f'"{cell}"' for cell in row) for row in [HEADER, *ROWS]).encode()


def _xlsx(path: Path) -> None:
    with Workbook(path) as book:
        sheet = book.add_worksheet()
        for number, row in enumerate([HEADER, *ROWS]):
            for place, cell in enumerate(row):
                sheet.write_string(number, place, cell)


def _write(path: Path) -> Path:
    records = [dict(zip(HEADER, row, strict=True)) for row in ROWS]
    if path.suffix == ".xlsx":
        _xlsx(path)
    elif path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(records), path)
    else:
        content = {
            ".csv": _csv(),
            ".gz": gzip.compress(_csv()),
            ".json": json.dumps(records).encode(),
            ".ndjson": "\n".join(map(json.dumps, records)).encode("utf-8"),
        }[path.suffix]
        path.write_bytes(content)
    return path


def _read(path: Path, extract: str = "staff", source: Any = None) -> tuple[tuple[str, ...], list[dict[str, Any]]]:
    rows = open_rows(path, examine(path, LIMIT), EXTRACTS[extract], source, LIMIT)
    return rows.header, [row for batch in rows.batches for row in batch.to_pylist()]


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.json", "a.ndjson", "a.parquet", "a.xlsx"])
def test_the_rows_of_a_file_stay_but_for_the_names(tmp_path: Path, name: str) -> None:
    path = _write(tmp_path / name)
    header, before = _read(path)
    erased = erase_file(path, examine(path, LIMIT), [("staff", None)], ERASURES, LIMIT)
    assert erased is not None
    for gone in (NAME, "Trần Lan", "0901"):
        assert gone not in erased.read_text()
    same_header, after = _read(erased)
    assert same_header == header
    who = WHO.pseudonym
    expected = [dict(row) for row in before]
    expected[0] |= {"c2": who, "c5": who}
    expected[2] |= {"c2": who}
    expected[3] |= {"c5": who}
    assert after == expected
    # The same file delivered again gives the same bytes, and what was erased has nothing to erase.
    again = erase_file(path, examine(path, LIMIT), [("staff", None)], ERASURES, LIMIT)
    assert again is not None
    kept = tmp_path / "kept"
    again.replace(kept)
    assert erase_file(kept, examine(kept, LIMIT), [("staff", None)], ERASURES, LIMIT) is None


def test_a_malformed_row_of_the_person_keeps_only_the_id(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("staff_id,valid_from,full_name,role,is_active\nNV1,2024-01-01,Lan Trần\nNV2,Lan,x\n")
    erased = erase_file(path, examine(path, LIMIT), [("staff", None)], ERASURES, LIMIT)
    assert erased is not None
    who = WHO.pseudonym
    assert [json.loads(row["_row"]) for row in _read(erased)[1]] == [["NV1", who, who], ["NV2", "Lan", "x"]]


def test_a_comment_that_names_the_person_is_known_by_its_record(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(
        "response_id,client_id,sent_date,scale_min,scale_max,comment\nR1,C,2024-01-01,1,5,tốt\nR2,C,2024-01-01,1,5,Lan!\n"
    )
    erased = erase_file(path, examine(path, LIMIT), [("client_surveys", None)], ERASURES, LIMIT)
    assert erased is not None
    assert [row["c5"] for row in _read(erased, "client_surveys")[1]] == ["tốt", WHO.pseudonym]


def test_an_id_that_is_a_name_stays_and_a_filter_still_sees_its_column(tmp_path: Path) -> None:
    source = from_text("native", MAPPING, "native", ZoneInfo("UTC"))
    path = tmp_path / "a.csv"
    path.write_text(f"Id,Name,Phone\nNV1,{NAME},0901\n{NAME},Tú,0902\nX,Anh,0903\n")
    before = _read(path, source=source)[1]
    erased = erase_file(path, examine(path, LIMIT), [("staff", source)], ERASURES, LIMIT)
    assert erased is not None
    assert "0901" not in erased.read_text()
    after = _read(erased, source=source)[1]
    assert [[row["c0"], row["c2"]] for row in after] == [[row["c0"], row["c2"]] for row in before]
    with pytest.raises(Unreadable, match="only the rows are kept that its mapping read then"):
        _read(erased, source=source.model_copy(update={"skip_after_header": 1}))
    with pytest.raises(Unreadable, match="it was not read as that then"):
        _read(erased)


@pytest.mark.parametrize("ids", [["K1"], ["K0", "K1"]], ids=["one", "several rows of one native row"])
def test_a_native_row_of_several_extracts_has_no_name_in_any_of_them(tmp_path: Path, ids: list[str]) -> None:
    clients = from_text("c", CLIENTS, "c", ZoneInfo("UTC"))
    projects = from_text("p", PROJECTS, "p", ZoneInfo("UTC"))
    path = tmp_path / "a.csv"
    path.write_text(
        "Id,Account Id,Account,Title,Start,Contact\n"
        f"P1,{';'.join(ids)},Công ty Một,Tết,2026-01-01,Chị Hà\nP2,K2,Công ty Hai,Thu,2026-01-01,Anh Ba\n"
    )
    subject = Subject("client", "K1")
    erasures = with_subject(Erasures(), subject, [folded_cell("Công ty Một"), folded_cell(subject.pseudonym)], [])
    targets = [("clients", clients), ("projects", projects)]
    erased = erase_file(path, examine(path, LIMIT), targets, erasures, LIMIT)
    assert erased is not None
    text = erased.read_text()
    assert [gone for gone in ("Công ty Một", "Tết", "Chị Hà") if gone in text] == []
    assert text.count("Anh Ba") == text.count("Công ty Hai") == 2
    who = subject.pseudonym
    assert [row["c2"] for row in _read(erased, "projects", projects)[1]] == [who, "Thu"]
    read = [(row["c0"], row["c1"]) for row in _read(erased, "clients", clients)[1]]
    assert read == [*((each, who) for each in ids), ("K2", "Công ty Hai")]


_BEGIN = '{"extract":"staff","source":"","layout":"{}","has_kinds":false,"header":["a","b"]}\n'
_END = '{"tally":{"notes":[]}}\n'


@pytest.mark.parametrize(
    "broken",
    ["", "{", "[1]\n", "\x00", '{"extract":"staff","source":"","layout":"{}"}\n', _BEGIN,
     _BEGIN.replace('"a"', "1") + _END,
     _BEGIN + '[1,["x"],null,false]\n' + _END, _BEGIN + f'[{10**30},["x","y"],null,false]\n' + _END,
     _BEGIN + '[1,["x",2],null,false]\n' + _END, _BEGIN + '[2,["x","y"],null,false]\n' * 2 + _END,
     _BEGIN + "[" * 100_000 + "\n" + _END,
     _BEGIN + '{"tally":{"notes":[],"above":"x"}}\n'],
)  # fmt: skip
def test_broken_rows_are_refused(tmp_path: Path, broken: str) -> None:
    path = _write(tmp_path / "a.csv")
    erased = erase_file(path, examine(path, LIMIT), [("staff", None)], ERASURES, LIMIT)
    assert erased is not None
    first = erased.read_text().splitlines()[0]
    erased.write_text(f"{first}\n{broken}")
    with pytest.raises(Unreadable):
        _read(erased)


def test_a_file_without_names_and_one_that_cannot_be_read_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    for text in ("currency,rate_date,rate\nUSD,2024-01-01,1\n", f'currency\n"{NAME}'):
        path.write_text(text)
        assert erase_file(path, examine(path, LIMIT), [("fx_rates", None)], ERASURES, LIMIT) is None
