"""The tables of the schema `closing` in the warehouse: what dbt reads of closings, and what it shows as marts.

They are made empty here, so that a build without closings has them; `amkpi.publishing.closing` fills them.
"""

from __future__ import annotations

import duckdb

_ROW = "scope varchar, staff_id varchar, period_grain varchar, period_start date"
TABLES = {
    # The periods that are closed, by which act; next_start is the first day of the period after.
    "periods": "n bigint, period_grain varchar, period_start date, period_end date, next_start date",
    # The closed values, each by the period after its own. person_key is '' for the company.
    "previous_values": "kpi varchar, scope varchar, person_key varchar, period_grain varchar, period_start date,"
    " value double",
    # Of every period that was ever closed, from its first closing.
    "private_lines": "kpi varchar, scope varchar, person_key varchar, period_grain varchar, period_start date,"
    " target double, attainment double, weight double",
    "closings": "n bigint, period_grain varchar, period_start date, period_end date, closed_at timestamptz,"
    " closed_by varchar, note varchar, publication_id varchar, as_of date, sha256 varchar, reopened_at timestamptz,"
    " reopened_by varchar, reopen_note varchar",
    "adjustments": f"kpi varchar, {_ROW}, numerator decimal(38, 12), denominator decimal(38, 12), sample_size bigint,"
    " fresh_value double, cause varchar, carried_to date, first_seen_at timestamptz",
    "adjustment_evidence": "side varchar, carried_to date, kpi varchar, staff_id varchar, client_id varchar,"
    " event_date date, period_grain varchar, period_start date, source_extract varchar, source_id varchar,"
    " numerator double, denominator double",
    "adjusted_scores": f"{_ROW}, closed_score double, closed_rating varchar, fresh_score double, fresh_rating varchar,"
    " cause varchar",
    # The causes that were worked out last for the rows that differ from act n; basis: a hash of what they follow from.
    "kept_causes": f"n bigint, basis varchar, kpi varchar, {_ROW}, cause varchar",
    # Of which build the four above were worked out.
    "worked_out": "publication_id varchar",
}


def create_closing_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """Make those that are missing."""
    connection.execute("create schema if not exists closing")
    for name, columns in TABLES.items():
        connection.execute(f"create table if not exists closing.{name} ({columns})")
