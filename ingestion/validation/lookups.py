"""Finds the ids that source mappings look up in other extracts, before each build.

The ids are those of today: a load writes only what to look up (`amkpi.ingestion.mappings.lookups`). A row whose id is
not found, or is not the only one, keeps that text, and waits as `unknown_reference`.
"""

from __future__ import annotations

from collections import defaultdict

import duckdb
import pyarrow as pa

from amkpi.core.storage.sql import literal
from amkpi.core.storage.transactions import registered
from amkpi.ingestion.contracts.extracts import EXTRACTS, Extract
from amkpi.ingestion.mappings.lookups import MARK, wanted
from amkpi.ingestion.mappings.names import folded_cell
from amkpi.ingestion.readers.record_batches import text_array


def is_not_found(column: str) -> str:
    """An SQL condition: the text column still has what to look up, instead of an id."""
    return f"starts_with({column}, {literal(MARK)})"


def find_ids(connection: duckdb.DuckDBPyConnection, since: int) -> bool:
    """Write the ids that are found now into the parsed rows.

    Returns whether a row changed that was delivered up to `since` and does not wait: then all rows must be checked.
    """
    changed = False
    known: dict[tuple[str, str], dict[str, str]] = {}
    mapped = connection.execute("select distinct extract from raw.ledger where source is not null").fetchall()
    for extract in (each for each in EXTRACTS.values() if (each.name,) in mapped):
        for name in waiting_columns(connection, extract):
            texts = [text for (text,) in connection.execute(_texts(extract, name)).fetchall()]
            ids = []
            for text in texts:
                what = wanted(text)
                place = (what.extract, what.by)
                if place not in known:
                    known[place] = _ids(connection, EXTRACTS[what.extract], what.by)
                ids.append(known[place].get(what.value, text))
            changed = _write(connection, extract, name, texts, ids, since) or changed
    return changed


def waiting_columns(connection: duckdb.DuckDBPyConnection, extract: Extract) -> list[str]:
    """The columns of the extract in which a lookup may not have found an id."""
    names = [column.name for column in extract.columns if column.type == "text" and not column.choices]
    by_mapping = f"select delivery from raw.ledger where extract = '{extract.name}' and source is not null"
    if not names or not connection.execute(f"{by_mapping} limit 1").fetchall():
        return []
    waits = ", ".join(f"bool_or({is_not_found(name)})" for name in names)
    (found,) = connection.execute(
        f"select {waits} from raw.{extract.name} where _delivery in ({by_mapping})"
    ).fetchall()
    return [name for name, is_waiting in zip(names, found, strict=True) if is_waiting]


def _texts(extract: Extract, name: str) -> str:
    """SQL of the distinct texts that are looked up. Only a mapping writes them."""
    return (
        f"select distinct {name} from raw.{extract.name} where {is_not_found(name)} and _delivery in"
        f" (select delivery from raw.ledger where extract = '{extract.name}' and source is not null)"
    )


def _ids(connection: duckdb.DuckDBPyConnection, extract: Extract, by: str) -> dict[str, str]:
    """Value, as `folded_cell` → the one id that has it now. A value of several ids has none."""
    found = candidates(connection, extract, by)
    return {value: next(iter(ids)) for value, ids in found.items() if len(ids) == 1}


def candidates(connection: duckdb.DuckDBPyConnection, extract: Extract, by: str) -> dict[str, frozenset[str]]:
    """Value, as `folded_cell` → the ids that have it now.

    A row counts as for a reference: it breaks no rule of its own. Of each key the newest row counts; of the rows of a
    person or client, those of the last valid_from have precedence.
    """
    key, *rest = extract.key
    last = f"row_number() over (partition by {key} order by {rest[0]} desc) = 1" if rest else "true"
    rows = connection.execute(
        f"""
        with newest as (
            select {key} as id, {by} as value, {", ".join(["is_deleted", *rest])},
                row_number() over (
                    partition by {", ".join(extract.key)}
                    order by updated_at desc nulls last, _delivery desc, _line desc
                ) as place
            from parsed.{extract.name}
            where _reason is null
        ),
        current as (
            select id as {key}, value{"".join(f", {name}" for name in rest)}
            from newest
            where place = 1 and not coalesce(is_deleted, false)
        )
        select {key}, value, {last} as is_last
        from current
        where value is not null and not {is_not_found(key)}
        """
    ).fetchall()
    found: dict[bool, dict[str, set[str]]] = {True: defaultdict(set), False: defaultdict(set)}
    for identity, value, is_last in rows:
        found[is_last][folded_cell(value)].add(identity)
    return {value: frozenset(found[True].get(value) or found[False][value]) for value in {*found[True], *found[False]}}


def _write(
    connection: duckdb.DuckDBPyConnection, extract: Extract, name: str, texts: list[str], ids: list[str], since: int
) -> bool:
    """Write the ids of one column; returns whether more than the verdict of a row that waits can change by it."""
    # A row that waits is checked in any case. Its key must not change, and an id must not become another.
    waits = "false" if name in extract.key else is_not_found(f"t.{name}")
    of_row = f"r.{name} = lookup.text and t._delivery = r._delivery and t._line = r._line"
    changed = f"from raw.{extract.name} as r, lookup where {of_row} and t.{name} is distinct from lookup.id"
    with registered(connection, "lookup", pa.table({"text": text_array(texts), "id": text_array(ids)})):
        found = connection.execute(
            f"select 1 from parsed.{extract.name} as t, raw.{extract.name} as r, lookup where {of_row}"
            f" and t.{name} is distinct from lookup.id and t._delivery <= {since} and not {waits} limit 1"
        ).fetchall()
        connection.execute(f"update parsed.{extract.name} as t set {name} = lookup.id {changed}")
    return bool(found)
