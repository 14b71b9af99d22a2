"""Judging rows by other rows: references, rates, and which row of a key is current.

Runs before every build, over whole tables. It writes `judged.quarantine` (every row held back now, with its
reason) and `current_rows.<extract>` (the rows that count downstream).
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import duckdb

import ingestion
from ingestion.extracts import EXTRACTS, Column, Extract
from ingestion.raw import literal


def judge(connection: duckdb.DuckDBPyConnection, reporting_currency: str) -> bool:
    """Bring quarantine and current rows up to date with what has been delivered, in one transaction.

    reporting_currency: the currency that needs no rate. Returns whether there was anything to do: the same
    deliveries, currency and rules give the same verdicts.
    """
    basis = _basis(connection, reporting_currency)
    connection.execute("create table if not exists judged.basis (basis varchar not null)")
    if connection.execute("select basis from judged.basis").fetchall() == [(basis,)]:
        return False
    delivered = {
        name for name in EXTRACTS if connection.execute(f"select 1 from raw.{name} limit 1").fetchone() is not None
    }
    connection.begin()
    try:
        connection.execute(
            """
            create or replace table judged.quarantine (
                extract varchar not null, _delivery bigint not null, _line bigint not null, reason varchar not null,
                column_name varchar, raw_row varchar, keeps_older_row boolean
            )
            """
        )
        # Rates first: the others' amounts are judged by the rates that are current.
        for extract in sorted(EXTRACTS.values(), key=lambda extract: extract.name != "fx_rates"):
            connection.execute(_quarantine(extract, delivered), {"reporting_currency": reporting_currency})
            connection.execute(_current(extract))
            connection.execute(_keeps_older(extract))
        connection.execute("delete from judged.basis")
        connection.execute("insert into judged.basis values (?)", [basis])
        connection.commit()
    except duckdb.Error:
        connection.rollback()
        raise
    return True


def _basis(connection: duckdb.DuckDBPyConnection, reporting_currency: str) -> str:
    last = connection.execute("select max(delivery), count(*) from raw.ledger").fetchone()
    rules = hashlib.sha256()
    for path in sorted(Path(ingestion.__file__).parent.glob("*.py")):
        rules.update(path.read_bytes())
    return f"{last} {reporting_currency} {rules.hexdigest()}"


def _good(extract: Extract) -> str:
    """The rows that may become current, as a subquery."""
    return f"""(
        select t.* from typed.{extract.name} as t
        anti join (select _delivery, _line from judged.quarantine where extract = '{extract.name}') as q
            on t._delivery = q._delivery and t._line = q._line
    )"""


def _quarantine(extract: Extract, delivered: set[str]) -> str:
    """Insert the rows held back of one extract: by themselves, else for a missing reference, else for a rate."""
    joins, tests = [], []
    for number, column in enumerate(c for c in extract.columns if c.references in delivered):
        joins.append(
            f"left join (select distinct {_referred(column)} as id from typed.{column.references}"
            f" where _reason is null) as r{number} on t.{column.name} = r{number}.id"
        )
        tests.append(
            f"when t.{column.name} is not null and r{number}.id is null then 'unknown_reference:{column.name}'"
        )
    if extract.fx_date:
        joins.append(
            "left join (select currency, min(rate_date) as first_date from current_rows.fx_rates group by currency)"
            " as fx on t.currency = fx.currency"
        )
        tests.append(
            f"when t.currency <> $reporting_currency and ({extract.fx_when})"
            f" and (fx.first_date is null or fx.first_date > t.{extract.fx_date}) then 'missing_fx_rate:currency'"
        )
    others = f"case when t.is_deleted then null {' '.join(tests)} end" if tests else "null"
    # The parameter stands in every statement, because DuckDB refuses one that a statement does not use.
    return f"""
        insert into judged.quarantine
        with ruled as (
            select t._delivery, t._line,
                coalesce(t._reason || ':' || coalesce(t._column, ''), {others}) as verdict
            from typed.{extract.name} as t
            {" ".join(joins)}
            where $reporting_currency is not null
        )
        select '{extract.name}', v._delivery, v._line, split_part(v.verdict, ':', 1),
            nullif(split_part(v.verdict, ':', 2), ''), {_raw_row(extract)}, false
        from ruled as v
        inner join raw.{extract.name} as raw on v._delivery = raw._delivery and v._line = raw._line
        where v.verdict is not null
        """


def _referred(column: Column) -> str:
    assert column.references is not None
    return EXTRACTS[column.references].key[0]


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


def _current(extract: Extract) -> str:
    """The newest good row of each key, unless that is a deletion."""
    columns = ", ".join(column.name for column in extract.columns)
    return f"""
        create or replace table current_rows.{extract.name} as
        select {columns}, updated_at as _updated_at, _delivery, _line
        from (
            select *, row_number() over (
                partition by {", ".join(extract.key)}
                order by updated_at desc nulls last, _delivery desc, _line desc
            ) as _rank
            from {_good(extract)}
        )
        where _rank = 1 and not coalesce(is_deleted, false)
        """


def _keeps_older(extract: Extract) -> str:
    """Mark the rows in whose place an older row of the same key stays current."""
    same_key = " and ".join(
        f"t.{name} = c.{name}" if extract.column(name).required else f"t.{name} is not distinct from c.{name}"
        for name in extract.key
    )
    return f"""
        update judged.quarantine as q set keeps_older_row = true
        from typed.{extract.name} as t, current_rows.{extract.name} as c
        where q.extract = '{extract.name}' and q._delivery = t._delivery and q._line = t._line and {same_key}
            and (
                coalesce(t.updated_at, timestamptz '-infinity'), t._delivery, t._line
            ) > (coalesce(c._updated_at, timestamptz '-infinity'), c._delivery, c._line)
        """
