"""Judging rows by other rows: references, rates, and which row of a key is current.

Runs before every build. It writes `validation.quarantine` (every row held back now, with its reason), marks in
`parsed.<extract>` the rows that do not count (held back, replaced, deletions), and shows those that do as
`valid.<extract>`.

Deliveries are only ever added. So when the last judgement was by the same rules, only what new rows can change is
judged again:

- the new rows themselves;
- rows that wait: for a reference that may have come, or for a rate;
- rows of a currency whose first current rate went away or begins later now: they may have to wait again. A row lacks a
  rate only before its currency's first, so no other change of rates touches a verdict;
- every row of an extract that refers to one of which nothing had ever been delivered: its references are judged now.

A reference that was known stays known: a delivered row that passes the rules before `unknown_reference` counts whatever
becomes of it. What a row itself breaks never changes. A changed verdict, like a new row, touches its key: which row of
that key is current, and which of those held back stand before an older one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

import duckdb

from amkpi.core.paths import PACKAGE
from amkpi.core.storage.sql import literal
from amkpi.ingestion.contracts.extracts import EXTRACTS, Extract

_WAITING = "('unknown_reference', 'missing_fx_rate')"
# What a judgement keeps beside the warehouse's tables while it lasts.
_SCRATCH = ("rates_before", "rates", "affected", "verdicts", "changed", "touched", "passed_over")


@dataclass(frozen=True)
class _Basis:
    """What verdicts rest on: the deliveries up to a number, and how many those are; the currency; the rules."""

    delivery: int
    deliveries: int
    reporting_currency: str
    rules: str


def judge(connection: duckdb.DuckDBPyConnection, reporting_currency: str) -> bool:
    """Bring quarantine and current rows up to date with what has been delivered, in one transaction.

    reporting_currency: the currency that needs no rate. Returns whether there was anything to do: the same
    deliveries, currency and rules give the same verdicts.
    """
    basis = _basis(connection, reporting_currency)
    last = _last_basis(connection)
    if last == basis:
        return False
    connection.begin()
    try:
        if last is None:
            _clear(connection)
        _judge(connection, basis, _judged_until(connection, basis, last))
        connection.execute("delete from validation.inputs")
        connection.execute(
            "insert into validation.inputs (delivery, deliveries, reporting_currency, rules) values (?, ?, ?, ?)",
            [basis.delivery, basis.deliveries, basis.reporting_currency, basis.rules],
        )
        connection.commit()
    except BaseException:
        # After a failed commit there is nothing to roll back, and DuckDB says so.
        with suppress(duckdb.Error):
            connection.rollback()
        raise
    return True


def _basis(connection: duckdb.DuckDBPyConnection, reporting_currency: str) -> _Basis:
    row = connection.execute("select coalesce(max(delivery), 0), count(*) from raw.ledger").fetchone()
    delivery, deliveries = row or (0, 0)
    rules = hashlib.sha256()
    for path in sorted((PACKAGE / "ingestion").glob("**/*.py")):
        rules.update(path.read_bytes())
    return _Basis(delivery, deliveries, reporting_currency, rules.hexdigest())


def _last_basis(connection: duckdb.DuckDBPyConnection) -> _Basis | None:
    """What the last judgement rested on; None where there was none, or one of an older layout."""
    columns = connection.execute(
        "select count(*) from duckdb_columns() where schema_name = 'validation' and table_name = 'inputs'"
    ).fetchall()
    if columns != [(4,)]:
        return None
    rows = connection.execute(
        "select delivery, deliveries, reporting_currency, rules from validation.inputs"
    ).fetchall()
    return _Basis(*rows[0]) if rows else None


def _judged_until(connection: duckdb.DuckDBPyConnection, basis: _Basis, last: _Basis | None) -> int:
    """The delivery up to which verdicts stand; 0 where everything is to be judged."""
    if last is None or (last.reporting_currency, last.rules) != (basis.reporting_currency, basis.rules):
        return 0
    known = connection.execute("select count(*) from raw.ledger where delivery <= ?", [last.delivery]).fetchall()
    return last.delivery if known == [(last.deliveries,)] else 0


def _clear(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the tables of judgements anew, whatever an older version left."""
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
        create or replace table validation.quarantine (
            extract varchar not null, _delivery bigint not null, _line bigint not null, reason varchar not null,
            column_name varchar, raw_row varchar, keeps_older_row boolean
        )
        """
    )


def _judge(connection: duckdb.DuckDBPyConnection, basis: _Basis, since: int) -> None:
    """Judge what deliveries after `since` can change: everything, when that is 0."""
    first_deliveries = {
        name: first
        for name in EXTRACTS
        for (first,) in connection.execute(f"select min(_delivery) from raw.{name}").fetchall()
        if first is not None
    }
    _first_rates(connection, "rates_before", since)
    # Rates first: the others' amounts are judged by the rates that are current.
    for extract in sorted(EXTRACTS.values(), key=lambda extract: extract.name != "fx_rates"):
        referred = {column.references for column in extract.columns} & first_deliveries.keys()
        everything = since == 0 or any(first_deliveries[name or ""] > since for name in referred)
        affected = _affected(connection, extract, since, everything)
        if affected is not None:
            _hold_back(connection, extract, affected, first_deliveries, basis.reporting_currency, since, everything)
            _pass_over(connection, extract, everything)
        if extract.name == "fx_rates":
            _first_rates(connection, "rates", basis.delivery)
        connection.execute(_current(extract, basis.delivery))
    for name in _SCRATCH:
        connection.execute(f"drop table if exists temp.{name}")


def _first_rates(connection: duckdb.DuckDBPyConnection, name: str, until: int) -> None:
    """The first current rate of each currency, by the marks on the deliveries until that one."""
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
    """The rows whose verdict may be another now, as a relation with their `id`; None where there are none."""
    if everything:
        return _rows(extract)
    parts = [f"select rowid as id, * from parsed.{extract.name} where _delivery > {since}"]
    waiting = (
        f"select _delivery, _line from validation.quarantine where extract = '{extract.name}' and reason in {_WAITING}"
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
    # A row may be there more than once, waiting and without a rate: nothing below minds.
    connection.execute(f"create or replace temp table affected as {' union all '.join(parts)}")
    return "affected" if connection.execute("select 1 from affected limit 1").fetchall() else None


def _hold_back(
    connection: duckdb.DuckDBPyConnection,
    extract: Extract,
    affected: str,
    first_deliveries: Mapping[str, int],
    reporting_currency: str,
    since: int,
    everything: bool,
) -> None:
    """Bring the extract's quarantine up to date; unless everything is judged, say in `changed` which rows changed."""
    connection.execute(_verdicts(extract, affected, first_deliveries, reporting_currency))
    of_extract = f"extract = '{extract.name}'"
    if everything:
        connection.execute(f"delete from validation.quarantine where {of_extract}")
    else:
        connection.execute(
            f"""
            create or replace temp table changed as
            select a.id, a._delivery, a._line
            from affected as a
            left join verdicts as v on a.id = v.id
            left join (select * from validation.quarantine where {of_extract}) as q
                on a._delivery = q._delivery and a._line = q._line
            where a._delivery > {since} or v.reason is distinct from q.reason
                or v.column_name is distinct from q.column_name
            """
        )
        connection.execute(
            f"delete from validation.quarantine as q using changed as c"
            f" where q.{of_extract} and q._delivery = c._delivery and q._line = c._line"
        )
    chosen = "" if everything else "semi join changed as c on v.id = c.id"
    connection.execute(
        f"""
        insert into validation.quarantine
        select '{extract.name}', v._delivery, v._line, v.reason, v.column_name, {_raw_row(extract)}, false
        from (select v.* from verdicts as v {chosen}) as v
        inner join raw.{extract.name} as raw on v._delivery = raw._delivery and v._line = raw._line
        """
    )


def _verdicts(extract: Extract, affected: str, first_deliveries: Mapping[str, int], reporting_currency: str) -> str:
    """Write to `verdicts` why rows are held back: by themselves, else for a missing reference, else for a rate."""
    by_others = "t._reason is null and not coalesce(t.is_deleted, false)"
    parts = [f"select id, _delivery, _line, 0 as place, _reason as reason, _column as column_name from {affected}"
             " where _reason is not null"]  # fmt: skip
    for place, column in enumerate((c for c in extract.columns if c.references in first_deliveries), 1):
        key = EXTRACTS[column.references or ""].key[0]
        parts.append(
            f"select t.id, t._delivery, t._line, {place}, 'unknown_reference', '{column.name}' from {affected} as t"
            f" anti join (select {key} from parsed.{column.references} where _reason is null) as known"
            f" on t.{column.name} = known.{key} where {by_others} and t.{column.name} is not null"
        )
    if extract.fx_date:
        parts.append(
            f"select t.id, t._delivery, t._line, {len(parts)}, 'missing_fx_rate', 'currency' from {affected} as t"
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
    """The row as it came, as JSON; what is private is left out, a whole row where it cannot be told apart."""
    if extract.private_rows:
        return "null"
    shown = [column.name for column in extract.all_columns if column.name not in extract.private]
    columns = ", ".join(f"{literal(name)}, raw.{name}" for name in shown)
    # A merge patch drops the nulls: columns that the file does not have.
    as_object = f"json_merge_patch('{{}}', json_merge_patch(json_object({columns}), coalesce(raw._extra, '{{}}')))"
    whole = "null" if extract.private else "raw._row"
    return f"case when raw._row is not null then {whole} else cast({as_object} as varchar) end"


def _pass_over(connection: duckdb.DuckDBPyConnection, extract: Extract, everything: bool) -> None:
    """Mark the rows that do not count, of the keys that were touched: the newest good row does, if it deletes not."""
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
    held = f"(select _delivery, _line from validation.quarantine where extract = '{extract.name}')"
    is_held = f"join {held} as q on t._delivery = q._delivery and t._line = q._line"
    connection.execute(
        f"""
        create or replace temp table passed_over as
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
        f" where _superseded and {of_touched} and rowid not in (select id from passed_over)"
    )
    connection.execute(
        f"update parsed.{extract.name} set _superseded = true"
        " where not _superseded and rowid in (select id from passed_over)"
    )
    _keep_older(connection, extract, touched, held)


def _keep_older(connection: duckdb.DuckDBPyConnection, extract: Extract, touched: str, held: str) -> None:
    """Mark the rows held back in whose place an older row of the same key stays current."""
    if not connection.execute(f"select 1 from {held} limit 1").fetchall():
        return
    of_touched = "q._delivery = t._delivery and q._line = t._line"
    connection.execute(
        f"update validation.quarantine as q set keeps_older_row = false from {touched} as t"
        f" where q.extract = '{extract.name}' and q.keeps_older_row and {of_touched}"
    )
    # A row without a whole key has no older one.
    whole = " and ".join(f"t.{name} is not null" for name in extract.key if extract.column(name).required)
    connection.execute(
        f"""
        update validation.quarantine as q set keeps_older_row = true
        from {touched} as t, (select c.* from {touched} as c anti join passed_over as p on c.id = p.id) as c
        where q.extract = '{extract.name}' and {of_touched} and {_same_key(extract, "t", "c")} and {whole}
            and (
                coalesce(t.updated_at, timestamptz '-infinity'), t._delivery, t._line
            ) > (coalesce(c.updated_at, timestamptz '-infinity'), c._delivery, c._line)
        """
    )


def _same_key(extract: Extract, one: str, other: str) -> str:
    return " and ".join(f"{one}.{name} is not distinct from {other}.{name}" for name in extract.key)


def _current(extract: Extract, until: int) -> str:
    """Show the rows that count. What is loaded later is not judged yet, and not shown."""
    columns = ", ".join(column.name for column in extract.columns)
    return f"""
        create or replace view valid.{extract.name} as
        select {columns}, updated_at as _updated_at, _delivery, _line
        from parsed.{extract.name}
        where not _superseded and _delivery <= {until}
        """
