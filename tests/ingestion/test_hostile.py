"""Files made to do harm: each is rejected with a reason, or loaded as what it is, and nothing else is touched."""

from __future__ import annotations

import gzip
import io
import os
import sys
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import xlsxwriter

from amkpi.core.errors import AmkpiError
from tests.conftest import Agency
from tests.ingestion.readers.old_workbooks import ods, xlsb
from tests.ingestion.readers.test_formats import parquet, zst
from tests.ingestion.readers.test_zip_files import zipped
from tests.ingestion.test_loader import files_below, reason
from tests.paths import ROOT

pytestmark = pytest.mark.usefixtures("kept_open")

HEAD = "client_id,client_name\n"
GOOD = {"clients/good.csv": HEAD + "G,good\n"}


LONG = pa.repeat(pa.scalar("x" * 100), 50_000).dictionary_encode()


def rejected_next_to_a_good_one(agency: Agency, files: dict[str, str | bytes]) -> str:
    """Why the one file was rejected, while the good one was loaded; one line."""
    report = agency.load({**files, **GOOD})
    bad = [each for each in report.deliveries if each.file_name not in GOOD]
    assert [each.status for each in bad] == ["rejected"]
    assert report.count("loaded") == 1
    assert agency.rows("select client_id from raw.clients") == [("G",)]
    assert files_below(agency.home.landing) == {}
    message = bad[0].reason or ""
    assert "\n" not in message
    assert len(message) < 1000
    return message


def workbook(**parts: bytes) -> bytes:
    """A workbook of two clients, with parts of it replaced or added: `xl__sharedStrings` is xl/sharedStrings.xml."""
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True})
    sheet = book.add_worksheet()
    for y, row in enumerate([["client_id", "client_name"], ["C1", "One"], ["C2", "Two"]]):
        sheet.write_row(y, 0, row)
    book.close()
    named = {name.replace("__", "/") + ".xml": content for name, content in parts.items()}
    packed = io.BytesIO()
    with zipfile.ZipFile(out) as old, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as new:
        for item in old.infolist():
            new.writestr(item.filename, named.pop(item.filename, old.read(item)))
        for name, content in named.items():
            new.writestr(name, content)
    return packed.getvalue()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv.gz", gzip.compress(HEAD.encode() + b"C,x\n" * 1_000_000)),
        ("a.csv.zst", zst(HEAD.encode() + b"C,x\n" * 1_000_000)),
        ("a.ndjson.gz", gzip.compress(b'{"client_id": "C", "client_name": "x"}\n' * 100_000)),
        ("a.xlsx", workbook(xl__media__bomb=b"\0" * 3_000_000)),
        ("a.parquet", parquet(pa.table(dict.fromkeys(("client_id", "client_name"), LONG)))),
        ("a.zip", zipped(("a.csv", HEAD + "C,x\n" * 300_000), ("b.csv", HEAD + "C,x\n" * 300_000))),
        ("b.zip", zipped(("a.xlsx", workbook(xl__media__bomb=b"\0" * 3_000_000)))),
        ("a.ods", ods([["client_id", "client_name"], *[["C", "x" * 1000]] * 2_000])),
        ("a.xlsb", xlsb([["client_id", "client_name"], *[["C", "x" * 1000]] * 2_000])),
    ],
)
def test_a_bomb_is_rejected_at_the_limit(agency: Agency, name: str, content: bytes) -> None:
    agency.set(max_unpacked_bytes=2_000_000)
    assert "max_unpacked_bytes" in rejected_next_to_a_good_one(agency, {f"clients/{name}": content})


def test_a_workbook_that_declares_entities_is_rejected(agency: Agency) -> None:
    laughs = (
        b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><sst><si><t>&b;</t></si></sst>'
    )
    message = rejected_next_to_a_good_one(agency, {"clients/a.xlsx": workbook(xl__sharedStrings=laughs)})
    assert "entities" in message


def test_a_workbook_with_one_cell_at_the_far_corner_does_not_fill_memory(agency: Agency) -> None:
    sheet = (
        b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData><row r="1">'
        b'<c r="A1" t="inlineStr"><is><t>client_id</t></is></c></row><row r="1048576"><c r="XFD1048576"><v>1</v></c>'
        b"</row></sheetData></worksheet>"
    )
    message = rejected_next_to_a_good_one(agency, {"clients/a.xlsx": workbook(xl__worksheets__sheet1=sheet)})
    assert "row 1048576" in message


def test_a_link_to_another_workbook_is_not_followed(agency: Agency) -> None:
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True})
    sheet = book.add_worksheet()
    sheet.write_row(0, 0, ["client_id", "client_name"])
    sheet.write_formula(1, 0, "='file:///etc/[passwd]Sheet1'!A1", None, "C1")
    sheet.write_formula(1, 1, '=WEBSERVICE("http://127.0.0.1:9/")', None, "saved before")
    book.close()
    assert agency.load({"clients/a.xlsx": out.getvalue()}).rows_read == 1
    assert agency.rows("select client_id, client_name from raw.clients") == [("C1", "saved before")]


def test_an_error_in_a_cell_is_held_back_whatever_the_column(agency: Agency) -> None:
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True}) as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, ["client_id", "client_name", "industry"])
        for row, formulas in enumerate((("#N/A", "One", "x"), ("C2", "#REF!", "x"), ("C3", "Three", "#DIV/0!")), 1):
            for place, value in enumerate(formulas):
                sheet.write_formula(row, place, "=A9", None, value)
    agency.load({"clients/a.xlsx": out.getvalue()})
    assert agency.rows("select _line, _reason, _column from parsed.clients order by 1") == [
        (2, "bad_type", "client_id"),
        (3, "bad_type", "client_name"),
        (4, "bad_type", "industry"),
    ]


@pytest.mark.parametrize("kind", ["file", "folder", "nothing", "landing"])
def test_a_link_is_never_followed(agency: Agency, tmp_path: Path, kind: str) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "a.csv").write_text(HEAD + "S,secret\n")
    leads_to = {
        "file": secret / "a.csv",
        "folder": secret,
        "nothing": tmp_path / "nothing",
        "landing": agency.home.landing,
    }[kind]
    (agency.home.landing / "clients").mkdir()
    (agency.home.landing / "clients" / "a.csv").symlink_to(leads_to)
    assert "link" in rejected_next_to_a_good_one(agency, {})
    assert (secret / "a.csv").read_text() == HEAD + "S,secret\n"
    assert (agency.home.rejected / "clients" / "a.csv").is_symlink()


def test_a_link_within_the_archive_or_rejected_leads_nowhere(agency: Agency, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("mine")
    (agency.home.rejected / "clients").mkdir()
    (agency.home.rejected / "clients" / "a.csv.reason.json").symlink_to(outside)
    (agency.home.rejected / "clients" / "a.csv").symlink_to(outside)
    reason(agency.load({"clients/a.csv": "client_id\n"}))
    assert outside.read_text() == "mine"


def test_a_pipe_is_rejected_and_nobody_waits_for_it(agency: Agency) -> None:
    (agency.home.landing / "clients").mkdir()
    os.mkfifo(agency.home.landing / "clients" / "a.csv")
    assert "not a file" in rejected_next_to_a_good_one(agency, {})


NAMES = [
    "new\nline.csv",
    "quo'te\".csv",
    "'; drop table raw.clients; --.csv",
    "$(touch x) `id` {0} %s.csv",
    "-rf.csv",
    "x" * 246 + ".csv",
    "Nguyễn 😀.csv",
    "a.csv.reason.json.csv",
    "[bold]markup[/].csv",
]


@pytest.mark.parametrize("name", NAMES)
def test_names_are_only_names(agency: Agency, name: str) -> None:
    report = agency.load({f"clients/{name}": HEAD + "C1,One\n", f"staff/{name}": "no,columns\n"})
    assert [each.status for each in report.deliveries] == ["loaded", "rejected"]
    assert agency.rows("select distinct file_name from raw.clients inner join raw.ledger on _delivery = delivery") == [
        (f"clients/{name}",)
    ]
    assert files_below(agency.home.landing) == {}
    assert len(files_below(agency.home.archive)) == 1
    assert sorted(files_below(agency.home.rejected).values())[0] == b"no,columns\n" or len(name) > 200


def test_a_name_that_is_no_text_is_written_so_that_it_is(agency: Agency) -> None:
    folder = agency.home.landing / "clients"
    folder.mkdir()
    for number, name in enumerate([b"\xff\xfe.csv", b"\xe9.csv"]):
        Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_text(HEAD + f"C{number},x\n")
    report = agency.load({"clients/good.csv": HEAD})
    assert [each.file_name for each in report.deliveries] == [
        "clients/\\xe9.csv",
        "clients/\\xff\\xfe.csv",
        "clients/good.csv",
    ]
    assert report.count("loaded") == 3


def test_names_that_are_folders_elsewhere_get_another_place_among_the_rejected(agency: Agency) -> None:
    agency.load({"x": "1"})
    agency.load({"x/y.csv": "1", "x.reason.json": "2"})
    agency.load({"x.reason.json/z": "3"})
    assert agency.rows("select count(*) from raw.ledger where status = 'rejected' and settled") == [(4,)]
    contents = [text for name, text in files_below(agency.home.rejected).items() if len(text) == 1]
    assert sorted(contents) == [b"1", b"1", b"2", b"3"]


@pytest.mark.slow
def test_a_line_of_100_mb_is_rejected(agency: Agency) -> None:
    message = rejected_next_to_a_good_one(agency, {"clients/a.csv": HEAD.encode() + b"C1," + b"x" * 100_000_000})
    assert "16 MiB" in message


@pytest.mark.parametrize("name", ["a.json", "a.ndjson"])
@pytest.mark.slow
def test_a_json_text_of_100_mb_is_rejected(agency: Agency, name: str) -> None:
    content = b'[{"client_id": "' + b"x" * 100_000_000
    rejected_next_to_a_good_one(agency, {f"clients/{name}": content[name.endswith("ndjson") :]})


@pytest.mark.parametrize("name", ["a.csv", "a.ndjson"])
def test_ten_thousand_columns_are_rejected(agency: Agency, name: str) -> None:
    columns = ["client_id", "client_name", *(f"x{n}" for n in range(9_998))]
    content = ",".join(columns) + "\n" + "1," * 9_999 + "1\n"
    if name == "a.ndjson":
        content = "{" + ", ".join(f'"{column}": 1' for column in columns) + "}\n"
    assert "10000 columns" in rejected_next_to_a_good_one(agency, {f"clients/{name}": content})


def test_zero_bytes_are_text_or_rejected(agency: Agency) -> None:
    rejected_next_to_a_good_one(agency, {"clients/a.csv": b"\0" * 10_000})
    agency.load({"clients/b.csv": "client_id,client_name,\0x\nC\x001,a\0b,\0\n"})
    assert agency.rows("select client_id, client_name from parsed.clients where client_id <> 'G'") == [
        ("C\x001", "a\0b")
    ]


def test_sql_in_names_and_values_is_text(agency: Agency) -> None:
    evil = "'); drop table raw.clients; --"
    header = f'client_id,client_name,"{evil}",$file,{{x}},"""q"""\n'
    agency.load({"clients/a.csv": header + f'"{evil}",$delivery,"{evil}",1,2,3\n'})
    assert agency.rows("select client_id, client_name, _extra->>'$.\"{x}\"' from raw.clients") == [
        (evil, "$delivery", "2")
    ]


def test_a_folder_that_cannot_be_listed_is_reported(agency: Agency, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.scandir

    def refused(path: Any) -> Any:
        if str(path).endswith("clients"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", refused)
    with pytest.raises(AmkpiError, match="cannot list"):
        agency.load(GOOD)


WATCHED: list[str] | None = None


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if WATCHED is not None and event in ("open", "os.rename", "os.remove", "os.link", "os.symlink", "os.mkdir"):
        WATCHED.extend(os.fsdecode(path) for path in arguments[:2] if isinstance(path, str | bytes) and len(path) > 4)


def test_nothing_outside_home_and_landing_is_opened(agency: Agency, tmp_path: Path) -> None:
    global WATCHED
    sys.addaudithook(_watch)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a.csv").write_text(HEAD)
    agency.deliver({**{f"clients/{name}": HEAD for name in NAMES}, "clients/a.xlsx": workbook(), "b.csv": HEAD})
    (agency.home.landing / "link.csv").symlink_to(outside / "a.csv")
    (agency.home.landing / "clients" / "links").symlink_to(outside)
    WATCHED = []
    try:
        agency.load()
        paths = WATCHED
    finally:
        WATCHED = None
    allowed = (
        str(agency.home.root),
        sys.prefix,
        sys.base_prefix,
        str(ROOT),
        "/usr",
        "/proc",
        "/sys",
    )
    strange = [path for path in paths if path.startswith("/") and not path.startswith(allowed)]
    assert [path for path in strange if "zoneinfo" not in path and "/dev/" not in path] == []
    assert any(path.startswith(str(agency.home.archive)) for path in paths), "nothing was watched"
