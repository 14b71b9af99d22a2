"""The row checks that need other rows: references, exchange rates, and which row of a key is valid.

They run before every build. They write `validation.held_back` (every row that is held back now, with its reason, and
whether it is settled), mark in `parsed.<extract>` the rows that do not count (held back, superseded by a newer row, or
deletions), and show the others as `valid.<extract>`. The view `validation.quarantine` shows the rows that are held back
and not settled.

Deliveries are only ever added. So if the last checks used the same rules, only what new rows can change is checked:

- the new rows themselves;
- rows that wait: for a reference that may have arrived, or for a rate;
- rows of a currency whose first valid rate went away or is later now: they may have to wait again. A row lacks a rate
  only if it is older than its currency's first rate, so no other change of rates affects a verdict;
- every row of an extract that refers to an extract of which nothing had been delivered: its references are checked now.

A reference that was known stays known: a delivered row that passes the rules before `unknown_reference` counts as
known, even if it is superseded later. The rules that a row breaks by itself never change. A new row or a changed
verdict affects its key: which row of the key is valid, and which quarantined rows of the key keep an older row.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import duckdb

from amkpi.core.paths import PACKAGE
from amkpi.core.storage.sql import literal
from amkpi.core.storage.transactions import transaction
from amkpi.core.storage.warehouse import table_exists
from amkpi.ingestion.contracts.extracts import EXTRACTS, Extract
from amkpi.ingestion.validation import lookups, settled_rows

_WAITING = "('unknown_reference', 'missing_fx_rate')"
# Temporary tables of one run of the checks.
_SCRATCH = ("rates_before", "rates", "affected", "verdicts", "changed", "touched", "superseded")


@dataclass(frozen=True)
class ValidationInputs:
    """What the verdicts depend on: last delivery, number of deliveries, reporting currency, hash of the rules."""

    delivery: int
    deliveries: int
    reporting_currency: str
    rules: str


def check_rows(connection: duckdb.DuckDBPyConnection, reporting_currency: str) -> bool:
    """Bring the quarantine and the valid rows up to date with all deliveries, in one transaction.

    reporting_currency: the currency that needs no rate. Returns whether anything had to be checked: the same
    deliveries, currency and rules give the same verdicts.
    """
    inputs = _inputs(connection, reporting_currency)
    last = _last_inputs(connection)
    if last == inputs:
        return False
    with transaction(connection):
        if last is None:
            _create_tables(connection)
        _check(connection, inputs, _checked_until(connection, inputs, last))
        connection.execute("delete from validation.inputs")
        connection.execute(
            "insert into validation.inputs (delivery, deliveries, reporting_currency, rules) values (?, ?, ?, ?)",
            [inputs.delivery, inputs.deliveries, inputs.reporting_currency, inputs.rules],
        )
    return True


def _inputs(connection: duckdb.DuckDBPyConnection, reporting_currency: str) -> ValidationInputs:
    row = connection.execute("select coalesce(max(delivery), 0), count(*) from raw.ledger").fetchone()
    delivery, deliveries = row or (0, 0)
    rules = hashlib.sha256()
    for path in sorted((PACKAGE / "ingestion").glob("**/*.py")):
        rules.update(path.read_bytes())
    return ValidationInputs(delivery, deliveries, reporting_currency, rules.hexdigest())


def _last_inputs(connection: duckdb.DuckDBPyConnection) -> ValidationInputs | None:
    """The inputs of the last checks; None if there were none."""
    if not table_exists(connection, "validation", "inputs"):
        return None
    rows = connection.execute(
        "select delivery, deliveries, reporting_currency, rules from validation.inputs"
    ).fetchall()
    return ValidationInputs(*rows[0]) if rows else None


def _checked_until(
    connection: duckdb.DuckDBPyConnection, inputs: ValidationInputs, last: ValidationInputs | None
) -> int:
    """The last delivery whose verdicts can be kept; 0 if everything has to be checked."""
    if last is None or (last.reporting_currency, last.rules) != (inputs.reporting_currency, inputs.rules):
        return 0
    known = connection.execute("select count(*) from raw.ledger where delivery <= ?", [last.delivery]).fetchall()
    return last.delivery if known == [(last.deliveries,)] else 0


def _create_tables(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(
        """
        create or replace table validation.inputs (
            delivery bigint not null, deliveries bigint not null, reporting_currency varchar not null,
            rules varchar not null
        )
        """
    )
    connection.execute(
        """
        create or replace table validation.held_back (
            extract varchar not null, _delivery bigint not null, _line bigint not null, reason varchar not null,
            column_name varchar, raw_row varchar, keeps_older_row boolean, has_newer_row boolean default false,
            is_settled boolean default false
        )
        """
    )
    connection.execute(
        """
        create or replace view validation.quarantine as
        select * exclude (has_newer_row, is_settled) from validation.held_back where not is_settled
        """
    )
    settled_rows.create_tables(connection)


def _check(connection: duckdb.DuckDBPyConnection, inputs: ValidationInputs, since: int) -> None:
    """Check what deliveries after `since` can change: everything if that is 0."""
    if lookups.find_ids(connection, since):
        since = 0
    firsts = " union all ".join(f"select '{name}', min(_delivery) from raw.{name}" for name in EXTRACTS)
    first_deliveries = {name: first for name, first in connection.execute(firsts).fetchall() if first is not None}
    _first_rates(connection, "rates_before", since)
    # Rates first: the amounts of the other extracts are checked against the valid rates.
    for extract in sorted(EXTRACTS.values(), key=lambda extract: extract.name != "fx_rates"):
        # An extract of which nothing was ever delivered has no rows: its statements would take half of a small check.
        if extract.name in first_deliveries:
            referred = {column.references for column in extract.columns} & first_deliveries.keys()
            everything = since == 0 or any(first_deliveries[name or ""] > since for name in referred)
            affected = _affected(connection, extract, since, everything)
            if affected is not None:
                _quarantine(
                    connection, extract, affected, first_deliveries, inputs.reporting_currency, since, everything
                )
                _supersede(connection, extract, everything)
            settled_rows.find_corrections(connection, extract, since)
            settled_rows.settle(connection, extract)
        if extract.name == "fx_rates":
            _first_rates(connection, "rates", inputs.delivery)
        connection.execute(_valid_rows(extract, inputs.delivery))
    for name in _SCRATCH:
        connection.execute(f"drop table if exists temp.{name}")


def _first_rates(connection: duckdb.DuckDBPyConnection, name: str, until: int) -> None:
    """The date of each currency's first valid rate, among the deliveries up to `until`, as they are marked now."""
    connection.execute(
        f"""
        create or replace temp table {name} as
        select currency, min(rate_date) as first_date
        from parsed.fx_rates
        where not _superseded and _delivery <= {until}
        group by currency
        """
    )


def _rows(extract: Extract) -> str:
    return f"(select rowid as id, * from parsed.{extract.name})"


def _affected(connection: duckdb.DuckDBPyConnection, extract: Extract, since: int, everything: bool) -> str | None:
    """The rows whose verdict may have changed, as a relation with their row id as `id`; None if there are none."""
    if everything:
        return _rows(extract)
    parts = [f"select rowid as id, * from parsed.{extract.name} where _delivery > {since}"]
    waiting = (
        f"select _delivery, _line from validation.held_back where extract = '{extract.name}' and reason in {_WAITING}"
    )
    if connection.execute(f"{waiting} limit 1").fetchall():
        parts.append(
            f"select t.rowid, t.* from parsed.{extract.name} as t"
            f" semi join ({waiting}) as q on t._delivery = q._delivery and t._line = q._line"
        )
    lost = (
        "select b.currency, b.first_date as since_date, r.first_date as until_date"
        " from rates_before as b left join rates as r on b.currency = r.currency"
        " where r.first_date is null or r.first_date > b.first_date"
    )
    if extract.fx_date and connection.execute(f"{lost} limit 1").fetchall():
        parts.append(
            f"select t.rowid, t.* from parsed.{extract.name} as t"
            f" semi join ({lost}) as lost on t.currency = lost.currency and t.{extract.fx_date} >= lost.since_date"
            f" and t.{extract.fx_date} < coalesce(lost.until_date, date 'infinity')"
        )
    # A row may be in here twice, because it waits and because it lost its rate. What follows allows that.
    connection.execute(f"create or replace temp table affected as {' union all '.join(parts)}")
    return "affected" if connection.execute("select 1 from affected limit 1").fetchall() else None


def _quarantine(
    connection: duckdb.DuckDBPyConnection,
    extract: Extract,
    affected: str,
    first_deliveries: Mapping[str, int],
    reporting_currency: str,
    since: int,
    everything: bool,
) -> None:
    """Bring the extract's quarantine up to date; unless everything is checked, write the changed rows to `changed`."""
    looked_up = lookups.waiting_columns(connection, extract)
    connection.execute(_verdicts(extract, affected, first_deliveries, reporting_currency, looked_up))
    of_extract = f"extract = '{extract.name}'"
    if everything:
        connection.execute(f"delete from validation.held_back where {of_extract}")
    else:
        connection.execute(
            f"""
            create or replace temp table changed as
            select a.id, a._delivery, a._line
            from affected as a
            left join verdicts as v on a.id = v.id
            left join (select * from validation.held_back where {of_extract}) as q
                on a._delivery = q._delivery and a._line = q._line
            where a._delivery > {since} or v.reason is distinct from q.reason
                or v.column_name is distinct from q.column_name
            """
        )
        connection.execute(
            f"delete from validation.held_back as q using changed as c"
            f" where q.{of_extract} and q._delivery = c._delivery and q._line = c._line"
        )
    chosen = "" if everything else "semi join changed as c on v.id = c.id"
    connection.execute(
        f"""
        insert into validation.held_back by name
        select '{extract.name}' as extract, v._delivery, v._line, v.reason, v.column_name,
            {_raw_row(extract)} as raw_row, false as keeps_older_row, false as has_newer_row, false as is_settled
        from (select v.* from verdicts as v {chosen}) as v
        inner join raw.{extract.name} as raw on v._delivery = raw._delivery and v._line = raw._line
        """
    )


def _verdicts(
    extract: Extract,
    affected: str,
    first_deliveries: Mapping[str, int],
    reporting_currency: str,
    looked_up: Collection[str],
) -> str:
    """SQL that writes to `verdicts` the first reason of each row that is not valid: its own, a reference, a rate.

    looked_up: the columns in which a lookup may not have found an id.
    """
    by_others = "t._reason is null and not coalesce(t.is_deleted, false)"
    parts = [f"select id, _delivery, _line, 0 as place, _reason as reason, _column as column_name from {affected}"
             " where _reason is not null"]  # fmt: skip
    for place, column in enumerate(extract.columns, 1):
        unknown = (
            f"select t.id, t._delivery, t._line, {place}, 'unknown_reference', '{column.name}' from {affected} as t"
        )
        if column.references in first_deliveries:
            key = EXTRACTS[column.references or ""].key[0]
            parts.append(
                f"{unknown} anti join"
                f" (select {key} from parsed.{column.references} where _reason is null and _line > 0) as known"
                f" on t.{column.name} = known.{key} where {by_others} and t.{column.name} is not null"
            )
        elif column.name in looked_up:
            parts.append(f"{unknown} where {by_others} and {lookups.is_not_found(f't.{column.name}')}")
    if extract.fx_date:
        parts.append(
            f"select t.id, t._delivery, t._line, {len(extract.columns) + 1}, 'missing_fx_rate', 'currency'"
            f" from {affected} as t"
            f" anti join rates on t.currency = rates.currency and t.{extract.fx_date} >= rates.first_date"
            f" where {by_others} and t.currency <> {literal(reporting_currency)} and ({extract.fx_when})"
        )
    return f"""
        create or replace temp table verdicts as
        select id, _delivery, _line, (first_broken).reason as reason, (first_broken).column_name as column_name
        from (
            select id, _delivery, _line,
                arg_min({{'reason': reason, 'column_name': column_name}}, place) as first_broken
            from ({" union all ".join(parts)})
            group by id, _delivery, _line
        )
        """


def _raw_row(extract: Extract) -> str:
    """The row as it arrived, as JSON without private columns; null where those cannot be separated from the rest."""
    if extract.private_rows:
        return "null"
    shown = [column.name for column in extract.all_columns if column.name not in extract.private]
    columns = ", ".join(f"{literal(name)}, raw.{name}" for name in shown)
    # A merge patch drops the nulls: columns that the file does not have.
    as_object = f"json_merge_patch('{{}}', json_merge_patch(json_object({columns}), coalesce(raw._extra, '{{}}')))"
    whole = "null" if extract.private else "raw._row"
    return f"case when raw._row is not null then {whole} else cast({as_object} as varchar) end"


def _supersede(connection: duckdb.DuckDBPyConnection, extract: Extract, everything: bool) -> None:
    """Mark the superseded rows of the affected keys: only the newest valid row counts, unless it is a deletion."""
    key = ", ".join(extract.key)
    touched = _rows(extract)
    if not everything:
        touched = "touched"
        connection.execute(
            f"""
            create or replace temp table touched as
            select t.rowid as id, {", ".join(f"t.{name}" for name in extract.key)}, t.updated_at, t.is_deleted,
                t._delivery, t._line
            from parsed.{extract.name} as t
            semi join (select {key} from affected semi join changed on affected.id = changed.id) as k
                on {_same_key(extract, "t", "k")}
            """
        )
    held = f"(select _delivery, _line from validation.held_back where extract = '{extract.name}')"
    is_held = f"join {held} as q on t._delivery = q._delivery and t._line = q._line"
    connection.execute(
        f"""
        create or replace temp table superseded as
        with good as (
            select t.* from {touched} as t anti {is_held}
        ),
        contested as (
            select {key} from good group by {key} having count(*) > 1
        ),
        ranked as (
            select good.id, row_number() over (
                partition by {", ".join(f"good.{name}" for name in extract.key)}
                order by good.updated_at desc nulls last, good._delivery desc, good._line desc
            ) as place
            from good semi join contested on {_same_key(extract, "good", "contested")}
        )
        select t.id from {touched} as t semi {is_held}
        union
        select id from good where is_deleted
        union
        select id from ranked where place > 1
        """
    )
    of_touched = "true" if everything else "rowid in (select id from touched)"
    connection.execute(
        f"update parsed.{extract.name} set _superseded = false"
        f" where _superseded and {of_touched} and rowid not in (select id from superseded)"
    )
    connection.execute(
        f"update parsed.{extract.name} set _superseded = true"
        " where not _superseded and rowid in (select id from superseded)"
    )
    _keep_older(connection, extract, touched, held)


def _keep_older(connection: duckdb.DuckDBPyConnection, extract: Extract, touched: str, held: str) -> None:
    """Mark the held-back rows in whose place an older row of their key stays valid, and those with a newer one."""
    if not connection.execute(f"select 1 from {held} limit 1").fetchall():
        return
    of_touched = "q._delivery = t._delivery and q._line = t._line"
    connection.execute(
        f"update validation.held_back as q set keeps_older_row = false from {touched} as t"
        f" where q.extract = '{extract.name}' and q.keeps_older_row and {of_touched}"
    )
    # A row without its whole key has no older row of that key.
    whole = " and ".join(f"t.{name} is not null" for name in extract.key if extract.column(name).required)
    connection.execute(
        f"""
        update validation.held_back as q set keeps_older_row = true
        from {touched} as t, (select c.* from {touched} as c anti join superseded as p on c.id = p.id) as c
        where q.extract = '{extract.name}' and {of_touched} and {_same_key(extract, "t", "c")} and {whole}
            and (
                coalesce(t.updated_at, timestamptz '-infinity'), t._delivery, t._line
            ) > (coalesce(c.updated_at, timestamptz '-infinity'), c._delivery, c._line)
        """
    )
    settled_rows.mark_keys(connection, extract, touched)


def _same_key(extract: Extract, one: str, other: str) -> str:
    return " and ".join(f"{one}.{name} is not distinct from {other}.{name}" for name in extract.key)


def _valid_rows(extract: Extract, until: int) -> str:
    """SQL of the view of the valid rows. Rows that are loaded later are not checked yet, so it does not show them."""
    columns = ", ".join(column.name for column in extract.columns)
    return f"""
        create or replace view valid.{extract.name} as
        select {columns}, updated_at as _updated_at, _delivery, _line
        from parsed.{extract.name}
        where not _superseded and _delivery <= {until}
        """
