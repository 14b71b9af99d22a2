"""One agency, delivered as every format and encoding that a tool exports: the same marts, the same quarantine."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xlsxwriter
import zstandard

from tests.amkpi.test_publishing import REPRODUCIBLE
from tests.conftest import AS_OF, Agency
from tests.oracle.agencies import random_agency

pytestmark = pytest.mark.slow

Table = tuple[list[str], list[list[str]]]


def table_of(data: bytes) -> Table:
    """Header and rows of a clean CSV file."""
    header, *rows = csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""))
    return header, rows


def delimited(delimiter: str, encoding: str = "utf-8", end: str = "\n") -> Callable[[Table], bytes]:
    def write(table: Table) -> bytes:
        text = io.StringIO(newline="")
        csv.writer(text, delimiter=delimiter, lineterminator=end).writerows([table[0], *table[1]])
        return text.getvalue().encode(encoding)

    return write


def as_json(table: Table) -> bytes:
    header, rows = table
    return json.dumps([{h: v or None for h, v in zip(header, row, strict=True)} for row in rows]).encode()


def as_lines(table: Table) -> bytes:
    header, rows = table
    return b"\n".join(json.dumps(dict(zip(header, row, strict=True)), ensure_ascii=False).encode() for row in rows)


def as_parquet(table: Table) -> bytes:
    header, rows = table
    columns = {h: pa.array([row[i] for row in rows], pa.string()) for i, h in enumerate(header)}
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue()


def as_xlsx(table: Table) -> bytes:
    sink = io.BytesIO()
    with xlsxwriter.Workbook(sink, {"in_memory": True, "strings_to_formulas": False}) as book:
        sheet = book.add_worksheet()
        for r, row in enumerate([table[0], *table[1]]):
            for c, value in enumerate(row):
                sheet.write_string(r, c, value)
    return sink.getvalue()


FORMATS: Mapping[str, Callable[[Table], bytes]] = {
    "csv": delimited(";", end="\r\n"),
    "tsv": delimited("\t"),
    "json": as_json,
    "ndjson": as_lines,
    "jsonl": as_lines,
    "parquet": as_parquet,
    "xlsx": as_xlsx,
    "csv.gz": lambda table: gzip.compress(delimited("|")(table)),
    "csv.zst": lambda table: zstandard.ZstdCompressor().compress(delimited(",", "utf-8-sig")(table)),
    "ndjson.gz": lambda table: gzip.compress(as_lines(table)),
}
# Plain text in the other encodings; windows-1258 has no way to say some letters that NFC has in one.
ENCODED = {"utf-16": delimited(",", "utf-16"), "bom": delimited(",", "utf-8-sig")}


def marts(agency: Agency) -> dict[str, list[tuple[object, ...]]]:
    """The reproducible marts, and what is held back by reason."""
    found = {name: agency.rows(f"select * from marts.{name} order by all") for name in REPRODUCIBLE}
    found["held"] = agency.rows(
        "select extract, reason, column_name, keeps_older_row, count(*) from marts.quarantined_rows"
        " group by all order by all"
    )
    return found


@pytest.fixture(scope="module")
def clean() -> dict[str, Table]:
    """A clean agency's tables by extract."""
    (files,) = random_agency(41, as_of=AS_OF)
    return {name.split("/")[0]: table_of(data) for name, data in files.items()}


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory, clean: dict[str, Table]) -> dict[str, list[tuple[object, ...]]]:
    """What the plain CSV delivery gives, with one bad row and one deletion in it."""
    agency = Agency.at(tmp_path_factory.mktemp("plain") / "home")
    agency.load({f"{name}/a.csv": delimited(",")(table) for name, table in worsened(clean).items()})
    agency.build()
    return marts(agency)


def worsened(tables: dict[str, Table]) -> dict[str, Table]:
    """The tables with a deletion, a wrong date, a wrong number and an unknown client among their rows."""
    found = {name: ([*header, "is_deleted"], [[*row, ""] for row in rows]) for name, (header, rows) in tables.items()}
    header, rows = found["contracts"]
    rows[0][-1] = "true"
    rows[1][header.index("signed_date")] = "31/12/2026"
    rows[2][header.index("client_id")] = "nobody"
    header, rows = found["project_costs"]
    rows[0][header.index("amount")] = "1.000,5"
    return found


@pytest.mark.parametrize("ending", FORMATS)
def test_every_extract_in_one_format_gives_the_same_marts(
    make_agency: Callable[..., Agency], clean: dict[str, Table], expected: dict[str, object], ending: str
) -> None:
    agency = make_agency()
    agency.load({f"{name}/x.{ending}": FORMATS[ending](table) for name, table in worsened(clean).items()})
    agency.build()
    assert {row[0] for row in agency.rows("select status from raw.ledger")} == {"loaded"}
    assert marts(agency) == expected


@pytest.mark.parametrize("encoding", ENCODED)
def test_every_extract_in_one_encoding_gives_the_same_marts(
    make_agency: Callable[..., Agency], clean: dict[str, Table], expected: dict[str, object], encoding: str
) -> None:
    agency = make_agency()
    agency.load({f"{name}/x.csv": ENCODED[encoding](table) for name, table in worsened(clean).items()})
    agency.build()
    assert marts(agency) == expected


def test_a_mix_over_three_runs_with_broken_and_unfinished_files_between_gives_the_same_marts(
    make_agency: Callable[..., Agency], clean: dict[str, Table], expected: dict[str, object]
) -> None:
    agency = make_agency()
    tables = sorted(worsened(clean).items())
    endings = list(FORMATS)
    for run in range(3):
        files: dict[str, str | bytes] = {
            f"{name}/x.{endings[i % len(endings)]}": FORMATS[endings[i % len(endings)]](table)
            for i, (name, table) in enumerate(tables)
            if i % 3 == run
        }
        files |= {f"clients/broken{run}.xlsx": b"no workbook", f"clients/late{run}.csv.part": b"client_id\n"}
        agency.load(files)
    agency.build()
    statuses = dict(agency.rows("select status, count(*) from raw.ledger group by all"))
    assert statuses == {"loaded": len(tables), "rejected": 3}
    assert len(list(Path(agency.home.landing).rglob("*.part"))) == 3
    assert marts(agency) == expected
