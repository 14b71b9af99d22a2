"""The page on data, for those who run it: freshness, delivered files, quarantine, and the audit."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

import duckdb

from amkpi.core.language.names import plain
from amkpi.pages.model import Figure, Name, Page, Table, Text
from amkpi.pages.sections.context import PageContext, day
from amkpi.pages.sections.layout import layout
from amkpi.pages.sections.words import place_of
from amkpi.scorecards.compose.data_warnings import extract_name, reason_name

MOST_FILES = 200
MOST_ROWS = 1000


class Source(Protocol):
    """The publication that the page is read from."""

    def connection(self) -> AbstractContextManager[duckdb.DuckDBPyConnection]: ...


def data_page(context: PageContext, source: Source) -> Page:
    """What was delivered, what is held back, and what the audit says."""
    with source.connection() as connection:
        tables = (
            _freshness(context, connection),
            _audit(context, connection),
            _quarantine(context, connection),
            _files(context, connection),
        )
    t = context.t
    return Page(template="list.html.j2", layout=layout(context, t("Data"), (t("Data"),)), tables=tables)


def _count(context: PageContext, count: int | None, of: str) -> Text:
    return () if count is None else (Figure(context.figures.number(count), count, of),)


def _freshness(context: PageContext, connection: duckdb.DuckDBPyConnection) -> Table:
    """When each extract was delivered last."""
    t = context.t
    rows = connection.execute(
        "select extract, max(cast(loaded_at as date)), count(*), sum(rows_loaded), sum(rows_quarantined)"
        " from load_ledger where status = 'loaded' group by extract order by extract"
    ).fetchall()
    return Table(
        title=t("Freshness"),
        name="freshness",
        heads=(t("Extract"), t("Last delivery"), t("Files"), t("Rows loaded"), t("Rows held back")),
        kinds=("text", "date", "number", "number", "number"),
        rows=tuple(
            (
                (extract_name(extract, context.language),),
                (day(last),),
                _count(context, files, "load_ledger.files"),
                _count(context, loaded, "load_ledger.rows_loaded"),
                _count(context, held, "load_ledger.rows_quarantined"),
            )
            for extract, last, files, loaded, held in rows
        ),
        empty=t("Nothing was delivered yet."),
    )


def _audit(context: PageContext, connection: duckdb.DuckDBPyConnection) -> Table:
    """The expectations of the last audit, those that failed first."""
    t = context.t
    rows = connection.execute(
        "select success, severity, suite, expectation, table_name, column_name, observed, unexpected_count, advice"
        " from quality_results order by success, suite, expectation, table_name, column_name"
    ).fetchall()
    return Table(
        title=t("Audit"),
        name="audit",
        heads=(t("Result"), t("Expectation"), t("Rows"), t("Observed"), t("Advice")),
        kinds=("text", "text", "number", "text", "text"),
        rows=tuple(
            (
                (t("as expected") if success else t("blocks") if severity == "critical" else t("warning"),),
                # With the table in one cell: a column of its own would leave the advice no room.
                (
                    Name(f"{suite}: {plain(expectation)}"),
                    *((" · ", Name(".".join(each for each in (table, column) if each))) if table else ()),
                ),
                _count(context, count, "quality_results.unexpected_count"),
                (Name(plain(observed)),) if observed else (),
                (Name(plain(advice)),) if advice and not success else (),
            )
            for success, severity, suite, expectation, table, column, observed, count, advice in rows
        ),
    )


def _quarantine(context: PageContext, connection: duckdb.DuckDBPyConnection) -> Table:
    """The rows in quarantine, without their content."""
    t = context.t
    rows = connection.execute(
        "select extract, reason, column_name, file_name, line_number, cast(first_seen_at as date) from quarantined_rows"
        f" where not is_dismissed order by first_seen_at desc, file_name, line_number limit {MOST_ROWS}"
    ).fetchall()
    return Table(
        title=t("Quarantine"),
        name="quarantine",
        heads=(t("Extract"), t("Reason"), t("Column"), t("Place"), t("Held back since")),
        kinds=("text", "text", "text", "text", "date"),
        rows=tuple(
            (
                (extract_name(extract, context.language),),
                (reason_name(reason, context.language),),
                (Name(plain(column)),) if column else (),
                place_of(file_name, line),
                (day(since),) if since else (),
            )
            for extract, reason, column, file_name, line, since in rows
        ),
        empty=t("No row is in quarantine."),
    )


def _files(context: PageContext, connection: duckdb.DuckDBPyConnection) -> Table:
    """The delivered files, the newest first."""
    t = context.t
    rows = connection.execute(
        "select file_name, extract, status, reason, rows_read, rows_loaded, rows_quarantined, cast(loaded_at as date)"
        f" from load_ledger order by delivery desc, file_name limit {MOST_FILES}"
    ).fetchall()
    return Table(
        title=t("Delivered files"),
        name="files",
        heads=(t("File"), t("Extract"), t("Status"), t("Read"), t("Loaded"), t("Held back"), t("Loaded on")),
        kinds=("text", "text", "text", "number", "number", "number", "date"),
        rows=tuple(
            (
                place_of(file_name, None),
                (extract_name(extract, context.language),) if extract else (),
                (Name(" · ".join(plain(each) for each in (status, reason) if each)),),
                _count(context, read, "load_ledger.rows_read"),
                _count(context, loaded, "load_ledger.rows_loaded"),
                _count(context, held, "load_ledger.rows_quarantined"),
                (day(moment),) if moment else (),
            )
            for file_name, extract, status, reason, read, loaded, held, moment in rows
        ),
    )
