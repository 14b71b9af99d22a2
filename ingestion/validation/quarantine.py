"""The quarantine: the rows that are held back now, and neither settled nor dismissed; an export of them to correct.

Private content stays private: survey comments are left out, and peer reviews are not exported at all.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb
import xlsxwriter

from amkpi.core.errors import AmkpiError
from amkpi.core.home import Home
from amkpi.core.storage import dismissals
from amkpi.core.storage.dismissals import Dismissal
from amkpi.core.storage.transactions import transaction
from amkpi.core.storage.warehouse import table_exists
from amkpi.ingestion.contracts.extracts import EXTRACTS, REASONS, Extract
from amkpi.ingestion.contracts.native_line import native_line
from amkpi.ingestion.validation import exported_cells
from amkpi.ingestion.validation.settled_rows import LINE, SHA256

# Columns that an export has after those of the extract. A corrected file may keep them: unknown columns are ignored.
# By its line and the digest of its file, the row that comes back settles the row that was exported.
ABOUT = ("quarantine_reason", "quarantine_column", "quarantine_file", LINE, "quarantine_row", SHA256)
# From so many rows on, and so great a share of a file, a fault is most likely one of the mapping.
_MANY_ROWS, _MANY_OF = 3, 0.1
_EXCEL_ROWS = 1_048_576
_EXCEL_CHARS = 32_767


@dataclass(frozen=True)
class QuarantinedRow:
    """A row in quarantine. raw_row: the row as it arrived, as JSON without private columns; None if all is private."""

    extract: str
    file_name: str
    line: int
    reason: str
    column_name: str | None
    raw_row: str | None
    first_seen_at: datetime
    keeps_older_row: bool


@dataclass(frozen=True)
class QuarantineCount:
    """How many rows of one file are in quarantine for one reason in one column, and since when.

    source: the mapping of a native file. of_rows: the rows of the file, of its largest delivery.
    """

    extract: str
    file_name: str
    reason: str
    column_name: str | None
    rows: int
    first_line: int
    first_seen_at: datetime
    source: str | None
    of_rows: int

    @property
    def is_likely_of_mapping(self) -> bool:
        """Whether the mapping, not the rows, is most likely wrong: many rows break one rule about a single value."""
        of_value = self.reason in ("missing_required", "bad_type", "bad_enum")
        return self.source is not None and of_value and self.rows >= max(_MANY_ROWS, _MANY_OF * self.of_rows)


def counts(
    connection: duckdb.DuckDBPyConnection,
    *,
    extract: str | None = None,
    file_name: str | None = None,
    reason: str | None = None,
) -> list[QuarantineCount]:
    """Quarantined rows by extract, file, reason and column, most rows first. Raises AmkpiError for an unknown name."""
    where, values = _chosen(connection, extract, file_name, reason)
    rows = connection.execute(
        f"""
        select q.extract, file_name, q.reason, column_name, count(*), min({native_line("_line")}), min(loaded_at),
            source, max(rows_read)
        from validation.quarantine as q inner join raw.ledger on _delivery = delivery
        where {where}
        group by q.extract, file_name, source, q.reason, column_name
        order by count(*) desc, q.extract, file_name, q.reason, column_name
        """,
        values,
    ).fetchall()
    return [QuarantineCount(*row) for row in rows]


def rows(
    connection: duckdb.DuckDBPyConnection,
    *,
    extract: str | None = None,
    file_name: str | None = None,
    reason: str | None = None,
    limit: int = 1_000,
) -> list[QuarantinedRow]:
    """The first quarantined rows, by extract, file and line. Raises AmkpiError for an unknown name."""
    where, values = _chosen(connection, extract, file_name, reason)
    rows = connection.execute(
        f"""
        select q.extract, file_name, {native_line("_line")}, q.reason, column_name, raw_row, loaded_at, keeps_older_row
        from validation.quarantine as q inner join raw.ledger on _delivery = delivery
        where {where}
        order by q.extract, delivery, _line
        limit {int(limit)}
        """,
        values,
    ).fetchall()
    return [QuarantinedRow(*row) for row in rows]


def export(
    connection: duckdb.DuckDBPyConnection,
    extract: str,
    target: Path,
    *,
    file_name: str | None = None,
    reason: str | None = None,
) -> int:
    """Write the quarantined rows of an extract to `target`, as .csv or .xlsx by its ending; returns how many.

    The columns are those of the extract, then ABOUT; a malformed row has its fields in `quarantine_row`, as JSON. No
    program that opens the file takes a cell as a formula: in .xlsx each cell is text, in .csv a cell that could be a
    formula has an apostrophe before it, which a load of the corrected file removes. Raises AmkpiError.
    """
    where, values = _chosen(connection, extract, file_name, reason)
    declared = EXTRACTS[extract]
    if declared.private_rows:
        raise AmkpiError(
            f"the rows of {extract} are private and cannot be exported: correct them in the system that they come from"
        )
    columns = [column.name for column in declared.all_columns if column.name not in declared.private]
    rows = _rows(connection, declared, columns, where, values)
    header = (*columns, *ABOUT)
    try:
        if target.suffix.lower() == ".csv":
            return _write_csv(target, header, rows)
        if target.suffix.lower() == ".xlsx":
            return _write_xlsx(target, header, rows)
    except OSError as error:
        raise AmkpiError(f"{target} cannot be written: {error.strerror}: choose another place, or make room") from error
    raise AmkpiError(f"{target}: give a file name that ends in .csv or .xlsx")


def _check_decision(flag: str, by: str, why: str, choice: tuple[str | None, ...]) -> None:
    """Raise AmkpiError where nobody decided, no reason is given, or every row would be meant."""
    if not by.strip() or not why.strip():
        raise AmkpiError(f"{flag} needs --by NAME and --why TEXT: who decides about these rows, and why")
    if all(each is None for each in choice):
        raise AmkpiError(f"{flag} needs --extract, --file or --reason: it does not change all rows at once")


def dismiss(
    connection: duckdb.DuckDBPyConnection,
    home: Home,
    by: str,
    why: str,
    at: datetime,
    *,
    extract: str | None = None,
    file_name: str | None = None,
    reason: str | None = None,
) -> int:
    """Set rows aside: nobody will correct them; returns how many. `at` is aware. Raises AmkpiError."""
    _check_decision("--dismiss", by, why, (extract, file_name, reason))
    rows = _places(connection, *_chosen(connection, extract, file_name, reason))
    dismissals.add(home.state, [Dismissal(*row, by.strip(), why.strip(), at) for row in rows])
    copy_dismissals(connection, home)
    return len(rows)


def take_back(
    connection: duckdb.DuckDBPyConnection,
    home: Home,
    by: str,
    why: str,
    at: datetime,
    *,
    extract: str | None = None,
    file_name: str | None = None,
    reason: str | None = None,
) -> int:
    """Let dismissed rows count again; returns how many. `at` is aware. Raises AmkpiError."""
    _check_decision("--undismiss", by, why, (extract, file_name, reason))
    rows = _places(connection, *_chosen(connection, extract, file_name, reason, dismissed=True))
    dismissals.take_back(home.state, rows, by.strip(), why.strip(), at)
    copy_dismissals(connection, home)
    return len(rows)


def _places(connection: duckdb.DuckDBPyConnection, where: str, values: list[str]) -> list[tuple[str, int, int]]:
    """The extract, delivery and line of each chosen row."""
    rows = connection.execute(
        "select q.extract, q._delivery, q._line from validation.quarantine as q"
        f" inner join raw.ledger on q._delivery = delivery where {where}",
        values,
    ).fetchall()
    return [(str(name), int(delivery), int(line)) for name, delivery, line in rows]


def copy_dismissals(connection: duckdb.DuckDBPyConnection, home: Home) -> None:
    """Copy which rows are dismissed from HOME/state/ to the warehouse, for the build and the audit."""
    rows = [[each.extract, each.delivery, each.line] for each in dismissals.read(home.state)]
    with transaction(connection):
        connection.execute("delete from validation.dismissed")
        if rows:
            connection.executemany(
                "insert into validation.dismissed (extract, _delivery, _line) values (?, ?, ?)", rows
            )


def dismissed(connection: duckdb.DuckDBPyConnection, home: Home) -> list[tuple[Dismissal, str, str]]:
    """The dismissals of rows that are still held back and not settled, each with its file and reason."""
    _check_checked(connection)
    held = {
        (extract, delivery, line): (file_name, reason)
        for extract, delivery, line, file_name, reason in connection.execute(
            "select q.extract, q._delivery, q._line, file_name, q.reason from validation.quarantine as q"
            " inner join raw.ledger on q._delivery = delivery"
            " semi join validation.dismissed as d"
            " on q.extract = d.extract and q._delivery = d._delivery and q._line = d._line"
        ).fetchall()
    }
    found = ((each, held.get((each.extract, each.delivery, each.line))) for each in dismissals.read(home.state))
    return [(each, *place) for each, place in found if place is not None]


def _check_checked(connection: duckdb.DuckDBPyConnection) -> None:
    if not table_exists(connection, "validation", "held_back"):
        raise AmkpiError("no rows were checked yet: run `amkpi build` first")


def _chosen(
    connection: duckdb.DuckDBPyConnection,
    extract: str | None,
    file_name: str | None,
    reason: str | None,
    *,
    dismissed: bool = False,
) -> tuple[str, list[str]]:
    """An SQL condition over quarantine and ledger, and its values. Only dismissed rows fulfil it, or none of them."""
    if extract is not None and extract not in EXTRACTS:
        raise AmkpiError(f"unknown extract {extract}; the extracts are: {', '.join(EXTRACTS)}")
    if reason is not None and reason not in REASONS:
        raise AmkpiError(f"unknown reason {reason}; the reasons are: {', '.join(REASONS)}")
    _check_checked(connection)
    given = {"q.extract": extract, "file_name": file_name, "q.reason": reason}
    conditions = [f"{name} = ?" for name, value in given.items() if value is not None]
    which = (
        f"{'' if dismissed else 'not '}exists (select 1 from validation.dismissed as d"
        " where d.extract = q.extract and d._delivery = q._delivery and d._line = q._line)"
    )
    return " and ".join([which, *conditions]), [value for value in given.values() if value is not None]


def _rows(
    connection: duckdb.DuckDBPyConnection, extract: Extract, columns: Sequence[str], where: str, values: list[str]
) -> Iterator[tuple[str, ...]]:
    fields = ", ".join(f"raw.{name}" for name in columns)
    whole = "null" if extract.private else "case when raw._malformed then raw._row end"
    # With a cursor of its own, the caller may use the connection while it reads these rows.
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            select {fields}, q.reason, column_name, file_name, q._line, {whole}, sha256
            from validation.quarantine as q
            inner join raw.ledger on q._delivery = delivery
            inner join raw.{extract.name} as raw on q._delivery = raw._delivery and q._line = raw._line
            where {where}
            order by delivery, q._line
            """,
            values,
        )
        while rows := cursor.fetchmany(10_000):
            for row in rows:
                yield tuple("" if cell is None else str(cell) for cell in row)


def _write_csv(target: Path, header: Sequence[str], rows: Iterator[tuple[str, ...]]) -> int:
    count = 0
    # With a byte order mark: without it Excel reads the old code page of the machine.
    with target.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        for row in rows:
            writer.writerow(map(exported_cells.in_text, row))
            count += 1
    return count


def _write_xlsx(target: Path, header: Sequence[str], rows: Iterator[tuple[str, ...]]) -> int:
    count = 0
    with xlsxwriter.Workbook(str(target), {"constant_memory": True}) as book:
        sheet = book.add_worksheet("quarantine")
        for place, title in enumerate(header):
            sheet.write_string(0, place, title)
        for count, row in enumerate(rows, 1):
            if count >= _EXCEL_ROWS or any(len(cell) > _EXCEL_CHARS for cell in row):
                raise AmkpiError(
                    f"{target}: too many rows or characters for a sheet: export to {target.stem}.csv instead"
                )
            for place, cell in enumerate(row):
                if cell:
                    sheet.write_string(count, place, exported_cells.in_sheet(cell))
    return count
