"""Prints what a mapping reads from a native file, and a first mapping for a file."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import duckdb
from rich import box
from rich.markup import escape
from rich.table import Table

from amkpi.core import terminal
from amkpi.core.errors import AmkpiError
from amkpi.core.home import Home
from amkpi.core.paths import SHIPPED_MAPPINGS
from amkpi.core.settings import Settings, load_settings
from amkpi.ingestion import writer
from amkpi.ingestion.contracts.extracts import EXTRACTS
from amkpi.ingestion.delivery_log import Delivery
from amkpi.ingestion.mappings.apply import unused_columns
from amkpi.ingestion.mappings.drafts.draft import draft
from amkpi.ingestion.mappings.files import load_mappings
from amkpi.ingestion.mappings.model import Mapping
from amkpi.ingestion.readers import Unreadable, examine, open_text
from amkpi.ingestion.tables import create_tables

FIRST_ROWS = 3


def show_check(file: Path, name: str | None, home: Home | None) -> None:
    """Print first rows, rows for quarantine and unused columns, for each mapping that takes the file or for one.

    name: only this mapping. home: the agency whose own mappings are used too. Nothing is loaded. The rows are checked
    in memory by the loader's rules, except references and exchange rates, which need the other extracts.
    Raises AmkpiError when no mapping takes the file, or it cannot be read.
    """
    if not file.is_file():
        raise AmkpiError(f"no file {file}")
    zone = (load_settings(home) if home else Settings.model_validate({})).zone
    known = load_mappings(SHIPPED_MAPPINGS, home.sources if home and home.sources.is_dir() else None, zone)
    chosen = [each for each in known if (each.name == name if name else each.takes(file.name))]
    if not chosen:
        names = ", ".join(each.name for each in known)
        raise AmkpiError(
            f"no mapping is named {name}; there are: {names}"
            if name
            else f"no mapping takes {file.name}; name one with --source ({names}), or start one: amkpi sources draft"
        )
    for each in chosen:
        _show_one(file, each)


def _show_one(file: Path, source: Mapping) -> None:
    extract = EXTRACTS[source.extract]
    content = examine(file)
    screen = terminal.out()
    delivery = Delivery(
        1, 1, file.name, extract.name, source.name, content.sha256, content.size, "loaded", None, 0, datetime.now(UTC)
    )
    with duckdb.connect() as connection:
        create_tables(connection)
        try:
            header = open_text(file, content, source.native_columns, layout=source.layout).header
            rows = writer.write_rows(connection, extract, writer.open_rows(file, content, extract, source), delivery)
        except Unreadable as error:
            raise AmkpiError(f"{file.name} as {source.name}: {error}") from error
        names = [column.name for column in extract.columns]
        first = connection.execute(
            f"select _line, {', '.join(names)} from raw.{extract.name} order by _line limit {FIRST_ROWS}"
        ).fetchall()
        held = connection.execute(
            f"select _reason, _column, count(*), min(_line), max(_line) from parsed.{extract.name}"
            " where _reason is not null group by all order by 3 desc, 1, 2"
        ).fetchall()
    screen.print(f"[bold]{escape(source.name)}[/] → {extract.name}: {rows} rows")
    # One line for each column: an extract is wider than a terminal.
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("column")
    for row in first:
        table.add_column(f"line {row[0]}", max_width=24, no_wrap=True)
    for place, title in enumerate(names, 1):
        table.add_row(escape(title), *("" if row[place] is None else escape(row[place]) for row in first))
    screen.print(table)
    for reason, column, count, low, high in held:
        where = f"line {low}" if low == high else f"lines {low} to {high}"
        terminal.warn(f"{count} rows would be quarantined: {reason}{f' in {column}' if column else ''} ({where})")
    if not held:
        screen.print("[green]✓[/] no row breaks a rule of its own")
    unused = unused_columns(source, header)
    if unused:
        screen.print(f"[dim]not used: {escape(', '.join(unused))}[/]", soft_wrap=True)


def show_draft(file: Path, extract: str) -> None:
    """Print a first mapping of the file to the extract. Raises AmkpiError."""
    if extract not in EXTRACTS:
        raise AmkpiError(f"no extract {extract}; there are: {', '.join(EXTRACTS)}")
    if not file.is_file():
        raise AmkpiError(f"no file {file}")
    try:
        text = draft(file, EXTRACTS[extract], f"*{file.stem}*{file.suffix}")
    except Unreadable as error:
        raise AmkpiError(f"{file.name}: {error}") from error
    print(text, end="")
