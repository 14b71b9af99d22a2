"""The state stores of a HOME with their migrations. The first of each creates the tables as version 0.1.0 did."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable

from amkpi.core.storage.migrations.migration import Migration
from amkpi.core.storage.state_store import StateStore


def _statements(*statements: str) -> Callable[[sqlite3.Connection], None]:
    def apply(connection: sqlite3.Connection) -> None:
        # One by one: `executescript` would commit the transaction.
        for statement in statements:
            connection.execute(statement)

    return apply


def _whole_figures(connection: sqlite3.Connection) -> None:
    """Of a mail the values alone were kept; now each entry has its figures by name."""
    connection.execute("alter table sendings add column as_of text")
    connection.execute("alter table sendings add column settings text")
    for rowid, told in connection.execute("select rowid, told from sendings").fetchall():
        entries = [[*key, {"value": value}] for *key, value in json.loads(told)]
        text = json.dumps(entries, ensure_ascii=False, separators=(",", ":"))
        connection.execute("update sendings set told = ? where rowid = ?", [text, rowid])


_NEW_COUNTS = (
    "rows_skipped_above",
    "rows_skipped_footer",
    "rows_skipped_filtered",
    "cells_cleaned",
    "saved_zeros",
    "rows_repeated",
    "keys_undecided",
    "rows_deleted",
)

DELIVERY_LOG = StateStore(
    "delivery_log.sqlite",
    (
        Migration(
            1,
            "deliveries",
            _statements(
                "create table deliveries (delivery integer primary key, run integer not null, file_name text not null,"
                " extract text, source text, sha256 text, bytes integer not null, status text not null, reason text,"
                " rows_read integer not null, loaded_at text not null)"
            ),
        ),
        Migration(
            2,
            "counts of skipped, changed and deleted rows, and the mapping's text",
            _statements(
                *(f"alter table deliveries add column {name} integer not null default 0" for name in _NEW_COUNTS),
                "alter table deliveries add column mapping_sha256 text",
                "alter table deliveries add column notes text",
                "create table mapping_texts (sha256 text primary key, name text not null, text text not null)",
            ),
        ),
    ),
    holds="which bytes arrived under which name, and when; the texts of all mappings",
    # What is in the warehouse is safe: the next run writes what the log lacks.
    lost="the next run writes the deliveries again from the warehouse; the texts of changed mappings are lost, so that"
    " a rebuild reads their files by the mappings of today",
    former_name="journal.sqlite",
)

AUDITS = StateStore(
    "audits.sqlite",
    (
        Migration(
            1,
            "audits and their findings",
            _statements(
                "create table audits (audit integer primary key, moment text not null, publication_id text not null,"
                " as_of text not null, passed integer not null, newest_run integer not null, page text not null)",
                "create table findings (audit integer not null references audits, suite text not null,"
                " expectation text not null, table_name text not null, column_name text, success integer not null,"
                " severity text not null, observed text not null, unexpected_count integer not null)",
                "create index by_expectation on findings (suite, expectation, table_name)",
            ),
        ),
    ),
    holds="earlier audits and their findings",
    lost="since when checks fail is lost",
)

SCORECARDS = StateStore(
    "scorecards.sqlite",
    (
        Migration(
            1,
            "sent scorecards and notes to the operator",
            _statements(
                "create table sendings (grain text not null, period text not null, edition text not null,"
                " staff_id text not null, address text not null, publication_id text not null,"
                " delivery integer not null, pipeline_version text not null, message_id text not null,"
                " state text not null, at text not null, answer text not null, tries integer not null,"
                " told text not null, primary key (grain, period, edition, staff_id))",
                "create table operator_notes (digest text primary key)",
            ),
        ),
        Migration(2, "all figures of a mail, not its values alone", _whole_figures),
    ),
    holds="which scorecards were sent to whom, with their figures",
    lost="what was sent is lost, so that readers get their scorecards again, and no restatements of them",
)

ALARMS = StateStore(
    "alarms.sqlite",
    (
        Migration(
            1,
            "alarms and tasks that have begun",
            _statements(
                "create table alarms (slug text not null, about text not null, what text not null, since text not null,"
                " over text, told integer not null, over_told integer not null, primary key (slug, about, since))",
                "create table begun (task text primary key, run_id text not null)",
            ),
        ),
    ),
    holds="incidents, and what the operator was told of them",
    lost="the operator is told of open incidents again",
)

FIRST_SEEN = StateStore(
    "first_seen.sqlite",
    (
        Migration(
            1,
            "when differences were first published",
            _statements(
                "create table first_seen (what text not null, key text not null, at text not null,"
                " primary key (what, key))"
            ),
        ),
    ),
    holds="when adjustments and restatements were first published",
    lost="since when a closed or mailed figure differs is lost",
)

CLOSING_REQUESTS = StateStore(
    "closing_requests.sqlite",
    (
        Migration(
            1,
            "periods that somebody refused to close",
            _statements(
                "create table refused (grain text not null, start text not null, by text not null, at text not null,"
                " primary key (grain, start))"
            ),
        ),
    ),
    holds="periods that somebody refused to close",
    lost="Airflow asks again to close what was refused",
)

DISMISSALS = StateStore(
    "dismissals.sqlite",
    (
        Migration(
            1,
            "quarantined rows that a person has set aside",
            _statements(
                "create table dismissals (extract text not null, delivery integer not null, line integer not null,"
                " by text not null, why text not null, at text not null, primary key (extract, delivery, line))"
            ),
        ),
        Migration(
            2,
            "dismissals that were taken back",
            _statements(
                "create table taken_back (extract text not null, delivery integer not null, line integer not null,"
                " by text not null, why text not null, at text not null, back_by text not null, back_why text not null,"
                " back_at text not null)"
            ),
        ),
    ),
    holds="quarantined rows that a person has set aside",
    lost="these rows count as quarantined again",
)

SIGN_INS = StateStore(
    "sign_ins.sqlite",
    (
        Migration(
            1,
            "sessions and sign-in links of the pages",
            _statements(
                "create table sessions (digest text primary key, address text not null, standing text not null,"
                " ends real not null)",
                "create table links (digest text primary key, address text not null, staff_id text,"
                " target text not null, ends real not null, is_used integer not null default 0)",
                "create table requests (who text not null, at real not null)",
                "create index by_who on requests (who, at)",
            ),
        ),
    ),
    holds="sessions and sign-in links of the pages",
    lost="readers sign in again",
)

ADDRESSES = StateStore(
    "addresses.sqlite",
    (
        Migration(
            1,
            "the confirmed address of each person, and changes that are held",
            _statements(
                "create table confirmed (staff_id text primary key, address text not null)",
                "create table changes (staff_id text primary key, old text not null, new text not null,"
                " seen text not null, old_told text, old_answer text not null default '', told text)",
            ),
        ),
    ),
    holds="the confirmed address of each person, and changes that are held",
    lost="every address of the staff extract counts as confirmed",
)

ERASURES = StateStore(
    "erasures.sqlite",
    (
        Migration(
            1,
            "ids whose names are erased",
            _statements(
                "create table erased (kind text not null, id text not null, by text not null, at text not null,"
                " primary key (kind, id))",
                "create table marks (digest text primary key, kind text not null, id text not null)",
                "create table texts (extract text not null, record text not null, column_name text not null,"
                " kind text not null, id text not null, primary key (extract, record, column_name))",
                "create table secret (value text not null)",
            ),
        ),
    ),
    holds="the ids of who is erased, and hashes of their names",
    lost="the next extract brings erased names back; `amkpi forget` replaces them again",
)

STORES = (
    DELIVERY_LOG,
    AUDITS,
    SCORECARDS,
    ALARMS,
    FIRST_SEEN,
    CLOSING_REQUESTS,
    DISMISSALS,
    SIGN_INS,
    ADDRESSES,
    ERASURES,
)
