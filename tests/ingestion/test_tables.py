"""Short ways of the loader give what the long ones do: blocks read at once, cells known to be tidy, values tried."""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, date, datetime
from pathlib import Path
from random import Random

import duckdb
import pyarrow as pa
import pytest

from amkpi.ingestion.contracts.extracts import EXTRACTS
from amkpi.ingestion.delivery_log import Delivery
from amkpi.ingestion.readers import delimited, examine
from amkpi.ingestion.readers.record_batches import TIDY, TextRows, batch
from amkpi.ingestion.tables import create_tables
from amkpi.ingestion.writer import write_rows

PIECES = (
    "a",
    "Đ",
    "ễ",
    "e\u0302",
    "\u0301",
    " ",
    "\u00a0",
    "\u2003",
    "\u2013",
    "\0",
    "\t",
    "",
    "1",
    '"',
    "'",
    "\n",
    "x y",
)


def csv_text(random: Random) -> str:
    """Lines of three fields: many as they should be, some with something odd."""
    odd = random.choice([0.0, 0.02, 0.3])
    delimiter = random.choice([",", ";", "\t", "|"])
    end = random.choice(["\n", "\r\n"])
    lines = ["".join(f"h{i}{delimiter}" for i in range(3))[:-1]]
    for _ in range(random.randint(1, 12)):
        cells = []
        for _ in range(3):
            cell = "".join(random.choice(PIECES) for _ in range(3)) if random.random() < odd else "Đà Nẵng"
            quoted = random.random() < odd or any(ch in cell for ch in (delimiter, "\n", '"'))
            cells.append('"' + cell.replace('"', '""') + '"' if quoted else cell)
        lines.append(delimiter.join(cells) if random.random() > odd / 10 else "")
    return end.join(lines) + random.choice(["", end])


def rows(tables: list[pa.Table]) -> list[dict[str, object]]:
    return [row for table in tables for row in table.to_pylist()]


@pytest.mark.parametrize("seed", range(4))
def test_a_block_read_at_once_is_the_block_read_row_by_row(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = Random(seed)
    at_once = delimited._at_once
    tidy = 0
    for _ in range(150):
        path = tmp_path / "a.csv"
        path.write_bytes(csv_text(random).encode())
        known = frozenset(("h0", "h1", "h2"))
        monkeypatch.setattr(delimited, "_at_once", at_once)
        fast = list(delimited.read_csv(path, examine(path).encoding, known).batches)
        monkeypatch.setattr(delimited, "_at_once", lambda *_: None)
        slow = list(delimited.read_csv(path, examine(path).encoding, known).batches)
        assert rows(fast) == rows(slow)
        for table in fast:
            if table.schema.metadata == TIDY:
                tidy += 1
                cells = [str(cell) for name in ("c0", "c1", "c2") for cell in table[name].to_pylist()]
                assert all(cell == cell.strip() and "\0" not in cell for cell in cells)
                assert all(unicodedata.is_normalized("NFC", cell) for cell in cells)
    assert 20 < tidy < 140, "some blocks are tidy, and some are not"


NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def mutated(random: Random, texts: tuple[str, ...], letters: str) -> str:
    text = list(random.choice(texts))
    for _ in range(random.randint(0, 3)):
        place = random.randint(0, len(text))
        text[place : place + random.choice([0, 0, 1])] = random.choice(["", random.choice(letters)])
    return "".join(text).strip()


def is_number(text: str) -> bool:
    return NUMBER.fullmatch(text) is not None and abs(float(text)) < 1e18


def is_day(text: str) -> bool:
    try:
        # DuckDB has a year 0, Python has not; it is as long as the year 4.
        return DAY.fullmatch(text) is not None and date.fromisoformat(text.replace("0000-", "0004-")) is not None
    except ValueError:
        return False


def test_what_is_a_number_and_a_date_is_what_the_contract_says() -> None:
    random = Random(1)
    numbers = ("126000000", "43300.00", "-5", "1e5", ".5", "5.", "+3", "nan", "inf", "1_000", "0x1F", "1e-5", "9e17")
    days = ("2024-01-05", "2024-1-5", "12024-01-05", "2024-02-30", "infinity", "epoch", "2024-01-05 (BC)", "20240105")
    cells = [
        (mutated(random, numbers, "0123456789+-.eE_xnaif ,"), mutated(random, days, "0123456789-+/ T(BC)"))
        for _ in range(20_000)
    ]
    connection = duckdb.connect()
    create_tables(connection)
    extract = EXTRACTS["fx_rates"]
    given = [["USD", day, number] for number, day in cells]
    moment = datetime(2026, 10, 18, tzinfo=UTC)
    delivery = Delivery(1, 1, "fx_rates/1.csv", "fx_rates", None, "0" * 64, 0, "loaded", None, 0, moment)
    write_rows(connection, extract, TextRows(extract.required, iter([batch(given, range(len(given)), 3)])), delivery)
    typed = connection.execute(
        "select rate is not null, rate_date is not null from parsed.fx_rates order by _line"
    ).fetchall()
    expected = [(is_number(number), is_day(day)) for number, day in cells]
    wrong = [(cell, found) for cell, found, right in zip(cells, typed, expected, strict=True) if found != right]
    assert wrong == []
    assert 2_000 < sum(number for number, _ in expected) < 18_000
    assert 500 < sum(day for _, day in expected) < 18_000
