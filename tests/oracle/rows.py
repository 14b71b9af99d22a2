"""Files to rows: CSV reading, the row rules with their reasons, current rows, the ledger.

Source: page 1 (extracts). Every row is judged from scratch over all runs, so a release needs no memory.
"""

from __future__ import annotations

import hashlib
import math
import re
import unicodedata
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, tzinfo
from fractions import Fraction

from .contract import (
    DATE_ORDERS,
    EXTRACTS,
    LISTS,
    MONEY_DATES,
    NOT_NEGATIVE,
    REFERENCES,
    SCORES,
    Column,
)
from .settings import Settings

Cell = str | Fraction | date | datetime | bool | None
Key = tuple[Cell, ...]

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_CURRENCY = re.compile(r"[A-Z]{3}")
_BOOLEANS = {"true": True, "t": True, "yes": True, "1": True, "false": False, "f": False, "no": False, "0": False}
_OLDEST = datetime.min.replace(tzinfo=UTC)
_UNREADABLE = object()


class Rejected(Exception):
    """The whole file cannot be loaded; the message says why."""


@dataclass
class Row:
    """One raw row: where it stands, its parsed values, and the reason that holds it back (None: good)."""

    extract: str
    file_number: int
    file_name: str
    line: int
    values: dict[str, Cell] = field(default_factory=dict)
    key: Key | None = None
    deleted: bool = False
    rank: tuple[datetime, int, int] = (_OLDEST, 0, 0)
    reason: str | None = None
    column: str | None = None


@dataclass
class File:
    """One delivered file and what became of it."""

    file_name: str
    extract: str | None
    status: str
    rows: list[Row] = field(default_factory=list)


@dataclass
class Rows:
    """All raw rows and files, and for each extract the rows that are current (winning, good, not deleted)."""

    files: list[File]
    rows: list[Row]
    current: dict[str, list[Row]]
    current_by_key: dict[str, dict[Key, Row]]


def loose(name: str) -> str:
    """A header name without case, surrounding spaces, and space/hyphen/underscore."""
    return re.sub(r"[\s_\-]", "", unicodedata.normalize("NFC", name).strip().casefold())


def decode(data: bytes) -> str:
    """UTF-8 with or without BOM, UTF-16 with BOM, else windows-1258."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1258", errors="replace")


def records(text: str, delimiter: str, at_most: int | None = None) -> list[tuple[int, list[str]]]:
    """CSV records with the physical line on which each begins; wholly empty lines are no records.

    Raises Rejected when a quote never closes.
    """
    found: list[tuple[int, list[str]]] = []
    cells: list[str] = []
    cell: list[str] = []
    line, begin, i, n = 1, 1, 0, len(text)
    quoted, was_quoted = False, False
    while i <= n:
        char = text[i] if i < n else ""
        if quoted:
            if char == "":
                raise Rejected(f"a quote in the row of line {begin} never closes")
            if char == '"':
                if i + 1 < n and text[i + 1] == '"':
                    cell.append('"')
                    i += 1
                else:
                    quoted = False
            else:
                if char == "\n" or (char == "\r" and text[i + 1 : i + 2] != "\n"):
                    line += 1
                cell.append(char)
        elif char == '"' and not cell and not was_quoted:
            quoted = was_quoted = True
        elif char == delimiter:
            cells.append("".join(cell))
            cell, was_quoted = [], False
        elif char in ("\n", "\r", ""):
            if cells or cell or was_quoted:
                cells.append("".join(cell))
                found.append((begin, cells))
                if at_most is not None and len(found) >= at_most:
                    return found
            cells, cell, was_quoted = [], [], False
            if char == "\r" and text[i + 1 : i + 2] == "\n":
                i += 1
            line += 1
            begin = line
        elif was_quoted:
            # Text behind a closing quote: some quote before it never closed, and rows were swallowed.
            raise Rejected(f"text behind a closing quote in the row of line {begin}")
        else:
            cell.append(char)
        i += 1
    return found


def delimiter_of(text: str, columns: Sequence[Column]) -> str:
    """The delimiter under which the header names most of the extract's columns."""
    known = {loose(column.name) for column in columns}
    best, best_score = ",", (-1, -1)
    for candidate in (",", ";", "\t", "|"):
        try:
            header = records(text, candidate, at_most=1)
        except Rejected:
            continue
        names = header[0][1] if header else []
        score = (sum(loose(name) in known for name in names), len(names))
        if score > best_score:
            best, best_score = candidate, score
    return best


def parse(text: str, column: Column, zone: tzinfo) -> Cell | object:
    """A cell's value, or the marker of a value that does not parse as its type."""
    if column.type == "text":
        return text
    if column.type == "bool":
        return _BOOLEANS.get(text.casefold(), _UNREADABLE)
    if column.type == "number":
        if not _NUMBER.fullmatch(text) or not math.isfinite(float(text)):
            return _UNREADABLE
        return Fraction(text)
    try:
        if column.type == "date":
            return date.fromisoformat(text) if _DATE.fullmatch(text) else _UNREADABLE
        moment = datetime.fromisoformat(text)
    except ValueError:
        return _UNREADABLE
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)


def read_file(
    extract: str, file_name: str, number: int, data: bytes, latest: datetime | None, zone: tzinfo
) -> list[Row]:
    """The rows of one file, judged by every rule that the row alone decides. Raises Rejected.

    `latest`: the load's moment, to which an `updated_at` more than a day later is set back.
    """
    columns = EXTRACTS[extract]
    text = decode(data)
    table = records(text, delimiter_of(text, columns))
    if not table:
        return []
    header = [loose(name) for name in table[0][1]]
    if len(set(header)) < len(header):
        raise Rejected("a column is named twice")
    places = {name: place for place, name in enumerate(header)}
    at = {column.name: places.get(loose(column.name)) for column in columns}
    absent = [column.name for column in columns if column.required and at[column.name] is None]
    if absent:
        raise Rejected(f"required columns are missing: {absent}")
    rows = []
    for line, cells in table[1:]:
        row = Row(extract, number, file_name, line, rank=(_OLDEST, number, line))
        if len(cells) != len(header):
            row.reason = "malformed_row"
        else:
            _judge_alone(row, columns, at, cells, latest, zone)
        rows.append(row)
    return rows


def _judge_alone(
    row: Row,
    columns: Sequence[Column],
    at: Mapping[str, int | None],
    cells: Sequence[str],
    latest: datetime | None,
    zone: tzinfo,
) -> None:
    """Fill the row's values, key and rank, and the first reason and column that hold it back."""
    unreadable: set[str] = set()
    for column in columns:
        place = at[column.name]
        text = unicodedata.normalize("NFC", cells[place]).strip() if place is not None else ""
        value = parse(text, column, zone) if text else None
        if value is _UNREADABLE:
            unreadable.add(column.name)
            value = None
        assert value is None or isinstance(value, str | Fraction | date | bool)
        row.values[column.name] = value
    values = row.values
    if row.extract == "kpi_targets" and values["scope"] is None:
        values["scope"] = "own"
    row.deleted = values["is_deleted"] is True
    moment = values["updated_at"]
    if isinstance(moment, datetime):
        if latest is not None and moment > latest + timedelta(days=1):
            moment = latest
        row.rank = (moment, *row.rank[1:])
    keys = [column for column in columns if column.key]
    if not any((column.required and values[column.name] is None) or column.name in unreadable for column in keys):
        row.key = tuple(values[column.name] for column in keys)

    judged = [c for c in columns if c.key or c.name in ("updated_at", "is_deleted")] if row.deleted else columns
    missing = [
        c.name
        for c in judged
        if (c.required or (c.name == "decided_date" and values.get("outcome") in ("won", "lost")))
        and values[c.name] is None
        and c.name not in unreadable
    ]
    wrong = [c.name for c in judged if c.name in unreadable]
    found = [("missing_required", missing), ("bad_type", wrong)]
    if not row.deleted and not missing and not wrong:
        found += [
            ("bad_enum", _bad_enum(row)),
            ("out_of_range", _out_of_range(row)),
            ("bad_date_order", _bad_order(row)),
        ]
    for reason, names in found:
        if names:
            order = {column.name: place for place, column in enumerate(columns)}
            row.reason, row.column = reason, min(names, key=order.__getitem__)
            return


def _bad_enum(row: Row) -> list[str]:
    values = row.values
    bad = [name for name, allowed in LISTS.items() if values.get(name) is not None and values[name] not in allowed]
    if "currency" in values and not _CURRENCY.fullmatch(str(values["currency"])):
        bad.append("currency")
    if row.extract == "kpi_targets":
        person, role = values["staff_id"] is not None, values["role"] is not None
        if values["scope"] == "company":
            bad += ["staff_id"] * person + ["role"] * role
        elif person == role:
            bad.append("staff_id")
    return bad


def _out_of_range(row: Row) -> list[str]:
    values = row.values
    bad = []
    for name in NOT_NEGATIVE.get(row.extract, ()):
        amount = values[name]
        if isinstance(amount, Fraction) and amount < 0:
            bad.append(name)
    rate = values.get("rate")
    if isinstance(rate, Fraction) and rate <= 0:
        bad.append("rate")
    low, high = values.get("scale_min"), values.get("scale_max")
    if isinstance(low, Fraction) and isinstance(high, Fraction):
        for name in SCORES[row.extract]:
            score = values[name]
            if isinstance(score, Fraction) and not low <= score <= high:
                bad.append(name)
        if low >= high:
            bad.append("scale_min")
    return bad


def _bad_order(row: Row) -> list[str]:
    if row.extract not in DATE_ORDERS:
        return []
    later, earlier = (row.values[name] for name in DATE_ORDERS[row.extract])
    if isinstance(later, date) and isinstance(earlier, date) and later < earlier:
        return [DATE_ORDERS[row.extract][0]]
    return []


def _winners(rows: Sequence[Row]) -> dict[Key, Row]:
    """For each key its winning row among those without a reason."""
    winners: dict[Key, Row] = {}
    for row in rows:
        if row.reason is None and row.key is not None:
            known = winners.get(row.key)
            if known is None or row.rank > known.rank:
                winners[row.key] = row
    return winners


def _judge_references(by_extract: Mapping[str, Sequence[Row]]) -> None:
    delivered = {
        extract: {row.key[0] for row in by_extract[extract] if row.reason is None and row.key is not None}
        for extract in ("clients", "projects", "staff")
        if by_extract.get(extract)
    }
    unknown = []
    for extract, references in REFERENCES.items():
        for row in by_extract.get(extract, ()):
            if row.reason is None and not row.deleted:
                for column, target in references:
                    value = row.values[column]
                    if value is not None and target in delivered and value not in delivered[target]:
                        unknown.append((row, column))
                        break
    for row, column in unknown:
        row.reason, row.column = "unknown_reference", column


def _judge_rates(by_extract: Mapping[str, Sequence[Row]], reporting: str) -> None:
    first: dict[Cell, date] = {}
    for row in _winners(by_extract.get("fx_rates", ())).values():
        day = row.values["rate_date"]
        if not row.deleted and isinstance(day, date):
            currency = row.values["currency"]
            first[currency] = min(first.get(currency, day), day)
    for extract, column in MONEY_DATES.items():
        for row in by_extract.get(extract, ()):
            if row.reason is not None or row.deleted or row.values["currency"] == reporting:
                continue
            if extract == "projects" and row.values["budget_amount"] is None:
                continue
            day, start = row.values[column], first.get(row.values["currency"])
            if isinstance(day, date) and (start is None or start > day):
                row.reason, row.column = "missing_fx_rate", "currency"


def read_runs(
    runs: Sequence[Mapping[str, bytes]], settings: Settings, load_times: Sequence[datetime] | None = None
) -> Rows:
    """All files of all runs, every row judged as the last run's publication judges it."""
    files: list[File] = []
    loaded: set[tuple[str, str]] = set()
    for run_number, run in enumerate(runs):
        latest = load_times[run_number] if load_times is not None else None
        for path in sorted(run):
            name = path.rsplit("/", 1)[-1]
            if name.startswith((".", "_")) or name.endswith((".part", ".tmp", ".filepart", ".crdownload")):
                continue
            extract = path.split("/")[0]
            if extract not in EXTRACTS or "/" not in path:
                files.append(File(path, None, "rejected"))
                continue
            mark = (extract, hashlib.sha256(run[path]).hexdigest())
            if mark in loaded:
                files.append(File(path, extract, "duplicate"))
                continue
            try:
                rows = read_file(extract, path, len(files), run[path], latest, settings.timezone)
            except Rejected:
                files.append(File(path, extract, "rejected"))
                continue
            loaded.add(mark)
            files.append(File(path, extract, "loaded", rows))
    by_extract: dict[str, list[Row]] = defaultdict(list)
    for file in files:
        if file.extract is not None:
            by_extract[file.extract] += file.rows
    _judge_references(by_extract)
    _judge_rates(by_extract, settings.reporting_currency)
    winners = {extract: _winners(by_extract.get(extract, ())) for extract in EXTRACTS}
    current = {extract: [r for r in won.values() if not r.deleted] for extract, won in winners.items()}
    by_key = {extract: {r.key: r for r in kept if r.key is not None} for extract, kept in current.items()}
    return Rows(files, [row for file in files for row in file.rows], current, by_key)


def ledger(rows: Rows) -> list[dict[str, object]]:
    """`load_ledger`: a row a delivered file; rows_read = rows_loaded + rows_quarantined."""
    return [
        {
            "file_name": file.file_name,
            "extract": file.extract,
            "status": file.status,
            "rows_read": len(file.rows),
            "rows_loaded": sum(row.reason is None for row in file.rows),
            "rows_quarantined": sum(row.reason is not None for row in file.rows),
        }
        for file in rows.files
    ]


def quarantine(rows: Rows) -> list[dict[str, object]]:
    """`quarantined_rows`: a row for each raw row held back now and not settled: its key has no newer good row.

    `keeps_older_row`: the key has a current row, and the row held back would have replaced it.
    """
    newest: dict[tuple[str, Key], tuple[datetime, int, int]] = {}
    for row in rows.rows:
        if row.reason is None and row.key is not None:
            newest[row.extract, row.key] = max(row.rank, newest.get((row.extract, row.key), row.rank))
    held = []
    for row in rows.rows:
        if row.reason is None:
            continue
        if row.key is not None and (row.extract, row.key) in newest and newest[row.extract, row.key] > row.rank:
            continue
        kept = rows.current_by_key[row.extract].get(row.key) if row.key is not None else None
        held.append(
            {
                "extract": row.extract,
                "file_name": row.file_name,
                "line_number": row.line,
                "reason": row.reason,
                "column_name": row.column,
                "keeps_older_row": kept is not None and row.rank > kept.rank,
            }
        )
    return held


@dataclass(frozen=True)
class Rates:
    """Exchange rates by currency: dates ascending and the rate from each on."""

    reporting: str
    days: Mapping[str, Sequence[date]]
    rates: Mapping[str, Sequence[Fraction]]

    def money(self, amount: Fraction, currency: str, day: date) -> Fraction:
        """Reporting money of an amount on a day, not rounded."""
        if currency == self.reporting:
            return amount
        place = bisect_right(self.days[currency], day) - 1
        if place < 0:
            raise LookupError(f"no rate of {currency} on or before {day}; the row should be quarantined")
        return amount * self.rates[currency][place]


def read_rates(rows: Rows, reporting: str) -> Rates:
    """The current exchange rates."""
    found: dict[str, list[tuple[date, Fraction]]] = defaultdict(list)
    for row in rows.current["fx_rates"]:
        day, rate = row.values["rate_date"], row.values["rate"]
        assert isinstance(day, date)
        assert isinstance(rate, Fraction)
        found[str(row.values["currency"])].append((day, rate))
    for pairs in found.values():
        pairs.sort()
    return Rates(
        reporting,
        {currency: [day for day, _ in pairs] for currency, pairs in found.items()},
        {currency: [rate for _, rate in pairs] for currency, pairs in found.items()},
    )
