"""`amkpi quarantine`: the rows that are held back, exported, set aside, or taken back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
from rich import box
from rich.markup import escape
from rich.table import Table

from amkpi.core import terminal
from amkpi.core.run import Run
from amkpi.core.storage import dismissals
from amkpi.core.storage.locking import locked
from amkpi.core.storage.warehouse import connect
from amkpi.ingestion.tables import create_tables
from amkpi.ingestion.validation import quarantine
from amkpi.ingestion.validation.row_checks import check_rows


def show_quarantine(run: Run, extract: str | None, file_name: str | None, reason: str | None) -> None:
    """Print the number of quarantined rows by extract, file, reason and column, and how to export them."""
    with _with_row_checks(run) as connection:
        found = quarantine.counts(connection, extract=extract, file_name=file_name, reason=reason)
    if not found:
        terminal.out().print("no rows are in quarantine")
        return
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name in ("extract", "file", "mapping", "reason", "column", "rows", "first line", "since"):
        table.add_column(name, justify="right" if name in ("rows", "first line") else "left")
    for held in found:
        table.add_row(
            held.extract,
            escape(held.file_name),
            escape(held.source or ""),
            held.reason,
            held.column_name or "",
            str(held.rows),
            str(held.first_line),
            f"{held.first_seen_at:%d/%m/%Y %H:%M}",
        )
    terminal.out().print(table)
    for name in dict.fromkeys(str(held.source) for held in found if held.is_likely_of_mapping):
        terminal.warn(
            f"so many rows of one reason are most likely a fault of the mapping: correct {name}.yml in"
            f" {run.home.sources}, then: amkpi replay --mapping {name}"
        )
    terminal.out().print(
        f"[dim]to correct them: amkpi quarantine --extract {found[0].extract} --export {found[0].extract}.xlsx,"
        f" correct the rows, drop the file into landing/{found[0].extract}/[/]",
        soft_wrap=True,
    )


def export_quarantine(run: Run, extract: str, target: Path, file_name: str | None, reason: str | None) -> int:
    """Write the quarantined rows of an extract to a file; returns how many. Raises AmkpiError."""
    with _with_row_checks(run) as connection:
        return quarantine.export(connection, extract, target, file_name=file_name, reason=reason)


def dismiss_quarantine(
    run: Run, by: str, why: str, extract: str | None, file_name: str | None, reason: str | None
) -> int:
    """Set quarantined rows aside; returns how many. Raises AmkpiError."""
    with _with_row_checks(run) as connection:
        return quarantine.dismiss(
            connection, run.home, by, why, run.now(), extract=extract, file_name=file_name, reason=reason
        )


def take_back_dismissals(
    run: Run, by: str, why: str, extract: str | None, file_name: str | None, reason: str | None
) -> int:
    """Let dismissed rows count again; returns how many. Raises AmkpiError."""
    with _with_row_checks(run) as connection:
        return quarantine.take_back(
            connection, run.home, by, why, run.now(), extract=extract, file_name=file_name, reason=reason
        )


def show_dismissed(run: Run) -> None:
    """Print the rows that were set aside and are still held back, and the dismissals that were taken back.

    Each with by whom, why and when.
    """
    with _with_row_checks(run) as connection:
        found = quarantine.dismissed(connection, run.home)
    _show_taken_back(run)
    if not found:
        terminal.out().print("no quarantined rows are dismissed")
        return
    groups = Counter((each.extract, file, reason, each.by, each.why, each.at) for each, file, reason in found)
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name in ("extract", "file", "reason", "rows", "by", "why", "at"):
        table.add_column(name, justify="right" if name == "rows" else "left")
    zone = ZoneInfo(run.settings.timezone)
    for (extract, file, reason, by, why, at), rows in sorted(groups.items()):
        moment = f"{at.astimezone(zone):%d/%m/%Y %H:%M}"
        table.add_row(extract, escape(file), reason, str(rows), escape(by), escape(why), moment)
    terminal.out().print(table)


def _show_taken_back(run: Run) -> None:
    groups = Counter(
        (each.dismissal.extract, each.dismissal.by, each.dismissal.why, each.at, each.by, each.why)
        for each in dismissals.read_taken_back(run.home.state)
    )
    zone = ZoneInfo(run.settings.timezone)
    for (extract, by, why, at, back_by, back_why), rows in sorted(groups.items()):
        what = terminal.counted(rows, "dismissal", "dismissals")
        terminal.out().print(
            f"{what} of {extract} by {escape(by)} ({escape(why)}) taken back by {escape(back_by)} at"
            f" {at.astimezone(zone):%d/%m/%Y %H:%M}: {escape(back_why)}",
            soft_wrap=True,
        )


@contextmanager
def _with_row_checks(run: Run) -> Iterator[duckdb.DuckDBPyConnection]:
    """The warehouse after the row checks with everything that was delivered until now."""
    with locked(run.home, run.settings), connect(run.home, run.settings) as connection:
        create_tables(connection)
        check_rows(connection, run.settings.kpi.reporting_currency)
        quarantine.copy_dismissals(connection, run.home)
        yield connection
