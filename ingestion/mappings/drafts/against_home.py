"""A checked file beside what HOME has: the ids that its lookups find, unknown references, keys that it would delete.

HOME's warehouse is only read. The rules are those of the load and of the row checks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import duckdb

from amkpi.core.storage.migrations import warehouse as warehouse_layout
from amkpi.core.storage.migrations.migration import newest
from amkpi.core.storage.sql import literal
from amkpi.ingestion import snapshots
from amkpi.ingestion.contracts.extracts import EXTRACTS, Extract
from amkpi.ingestion.delivery_log import Delivery
from amkpi.ingestion.mappings.lookups import wanted
from amkpi.ingestion.mappings.model import Mapping
from amkpi.ingestion.snapshots import LostKeys
from amkpi.ingestion.validation.lookups import candidates, is_not_found

_MOST_VALUES = 10


class HomeUnread(Exception):
    """HOME's warehouse cannot be read now; the text says why and what to do."""


@dataclass(frozen=True)
class Found:
    """How many different values of a column are ids, or have one, in the extract that it refers to.

    missing: values that nothing there has; ambiguous: values of several ids. Each with its rows, most rows first.
    """

    extract: str
    found: int = 0
    missing: list[tuple[str, int]] = field(default_factory=list)
    ambiguous: list[tuple[str, int]] = field(default_factory=list)


@dataclass(frozen=True)
class AgainstHome:
    """What a file means for HOME. references: by column. lost: keys that it would delete; first_lost: some of them."""

    references: dict[str, Found]
    lost: LostKeys
    first_lost: list[str]


def compare(connection: duckdb.DuckDBPyConnection, source: Mapping, delivery: Delivery, warehouse: Path) -> AgainstHome:
    """Compare the rows of a delivery, written in memory, with a warehouse. Raises HomeUnread.

    The rows become those of the delivery that would be next, and rows of the warehouse come beside them.
    """
    extract = source.target
    referred = {name: column.references for name in source.columns if (column := extract.column(name)).references}
    looked_up = {rule.lookup.extract for rule in source.columns.values() if rule.lookup is not None}
    with _attached(connection, warehouse):
        ((run, number),) = connection.execute(
            "select coalesce(max(run), 0) + 1, coalesce(max(delivery), 0) + 1 from home.raw.ledger"
        ).fetchall()
        for schema in ("raw", "parsed"):
            connection.execute(f"update {schema}.{extract.name} set _delivery = {number}")
        connection.execute("insert into raw.ledger by name from home.raw.ledger")
        for name in {extract.name, *looked_up, *filter(None, referred.values())}:
            connection.execute(f"insert into parsed.{name} by name from home.parsed.{name}")
    new = replace(delivery, delivery=number, run=run, mapping_sha256=source.sha256)
    references = {}
    for name, rule in source.columns.items():
        if rule.lookup is not None:
            references[name] = _looked_up(connection, extract, name)
        elif target := referred.get(name):
            references[name] = _referred(connection, extract, name, EXTRACTS[target], number)
    lost = snapshots.find_lost(connection, source, [new])
    return AgainstHome(references, lost, _first_lost(connection, extract) if lost.lost else [])


@contextmanager
def _attached(connection: duckdb.DuckDBPyConnection, warehouse: Path) -> Iterator[None]:
    try:
        connection.execute(f"attach {literal(str(warehouse))} as home (read_only)")
    except duckdb.Error as error:
        reason = str(error).splitlines()[0]
        raise HomeUnread(f"{warehouse} cannot be read now ({reason}): wait until no run is working") from error
    try:
        version = _version(connection)
        if version != newest(warehouse_layout.MIGRATIONS):
            raise HomeUnread(f"{warehouse} is of another version of amkpi: amkpi quarantine brings it up to date")
        yield
    finally:
        connection.execute("detach home")


def _version(connection: duckdb.DuckDBPyConnection) -> int:
    try:
        return int(connection.execute("select version from home.raw.warehouse_layout").fetchall()[0][0])
    except duckdb.CatalogException:
        return 0


def _looked_up(connection: duckdb.DuckDBPyConnection, extract: Extract, name: str) -> Found:
    texts = connection.execute(
        f"select {name}, count(*) from raw.{extract.name} where {is_not_found(name)} group by all"
    ).fetchall()
    counts: Counter[str] = Counter()
    found, target = 0, ""
    ambiguous: Counter[str] = Counter()
    for text, rows in texts:
        what = wanted(text)
        target = what.extract
        ids = candidates(connection, EXTRACTS[what.extract], what.by).get(what.value, frozenset())
        if len(ids) == 1:
            found += 1
        else:
            (ambiguous if ids else counts)[what.value] += rows
    return Found(target, found, counts.most_common(_MOST_VALUES), ambiguous.most_common(_MOST_VALUES))


def _referred(
    connection: duckdb.DuckDBPyConnection, extract: Extract, name: str, target: Extract, delivery: int
) -> Found:
    known = f"(select {target.key[0]} from parsed.{target.name} where _reason is null and _line > 0)"
    rows = connection.execute(
        f"select {name}, count(*), {name} in {known} from parsed.{extract.name}"
        f" where _delivery = {delivery} and {name} is not null group by all order by 2 desc, 1"
    ).fetchall()
    missing = [(value, count) for value, count, is_known in rows if not is_known]
    return Found(target.name, len(rows) - len(missing), missing[:_MOST_VALUES])


def _first_lost(connection: duckdb.DuckDBPyConnection, extract: Extract) -> list[str]:
    key = ", ".join(extract.key)
    rows = connection.execute(f"select {key} from lost_keys where counts and is_lost order by all limit 5").fetchall()
    return [" ".join("" if value is None else str(value) for value in row).strip() for row in rows]
