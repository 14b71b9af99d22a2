"""Keys that a delivery of a native source lacks, so that they count as deleted.

There are two cases:

- a snapshot: each export of the source holds everything. The files of one source in one run are one snapshot, and a key
  that earlier files of the source have, and none of these, is lost;
- a file that is read again by a changed mapping: a key that only the earlier reading of the file has is lost.

A lost key counts as deleted, as if its newest row of this source had arrived again with `is_deleted = true`. Such a
deletion is a parsed row without a raw row, on line 0 of the last file: it is in no file, so no count of rows changes.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import duckdb

from amkpi.ingestion.contracts.extracts import Extract
from amkpi.ingestion.delivery_log import Delivery
from amkpi.ingestion.mappings.model import Mapping

LINE = 0
UNREADABLE = "nothing counts as deleted, because rows of the snapshot have no key"
# As winners are chosen.
RANK = "{'at': coalesce(t.updated_at, timestamptz '-infinity'), 'delivery': t._delivery, 'line': t._line}"
# So few deletions are never too many: in a small agency one client may be a tenth of all.
ALWAYS_ACCEPTED = 3


@dataclass(frozen=True)
class LostKeys:
    """How many keys the source had, and how many of them the new files lack.

    deletions: how many deletions that makes, with those of keys of which every row is held back by its own fault.
    unreadable: whether rows of a snapshot have no key, so that nothing counts as lost.
    """

    before: int = 0
    lost: int = 0
    deletions: int = 0
    unreadable: bool = False

    def are_too_many(self, max_share: float) -> bool:
        """Whether a person must accept the deletion first."""
        return self.lost > max(ALWAYS_ACCEPTED, max_share * self.before)

    def refusal_of_replay(self, source: str) -> str:
        """Why files of the source are not loaded again, and what to do."""
        return (
            f"mapping {source}: taking its files again would delete {self.lost} of the {self.before} keys that they"
            " had, a greater share than max_deleted_share allows: if they are rightly gone, repeat it with"
            " --accept-deletions"
        )

    def refusal(self, source: str, snapshot: bool) -> str:
        """Why files of the source are not loaded, and what to do."""
        of = "the last snapshot" if snapshot else "the file as it was read before"
        advice = "if this is a part of a snapshot, put all parts into LANDING at the same time; " if snapshot else ""
        return (
            f"would delete {self.lost} of the {self.before} keys of {of}, a greater share than max_deleted_share"
            f" allows: {advice}if they are rightly gone: amkpi load --accept-deletions {source}"
        )


def is_last(
    connection: duckdb.DuckDBPyConnection,
    extract: str,
    source: str,
    hashes: Collection[str],
    mapping_sha256: str | None,
) -> bool:
    """Whether the last snapshot of this source and extract had exactly these files, read by the same mapping."""
    last = connection.execute(
        """
        select sha256, mapping_sha256, status
        from raw.ledger
        where extract = $extract and source = $source and status <> 'duplicate'
            and run = (
                select max(run) from raw.ledger
                where extract = $extract and source = $source and status = 'loaded'
            )
        """,
        {"extract": extract, "source": source},
    ).fetchall()
    is_complete = all(status == "loaded" for *_, status in last)
    # A digest that was not recorded is taken as the same.
    is_same_mapping = all(digest in (None, mapping_sha256) for _, digest, _ in last)
    return is_complete and is_same_mapping and {digest for digest, *_ in last} == set(hashes)


def find_lost(connection: duckdb.DuckDBPyConnection, source: Mapping, parts: Sequence[Delivery]) -> LostKeys:
    """Find the keys that are lost by these deliveries of one run and source; keeps them for `delete_lost`.

    parts: their rows must be written. If the source is no snapshot, they replace earlier readings of the same bytes. A
    row that is held back has its key. If a row of a snapshot has none, its key may be any: nothing is lost then. A key
    that another source has delivered since is not lost. Where a lookup gives the key, it is not known yet.
    """
    extract, snapshot = source.target, source.snapshot
    if source.looks_up_key:
        return LostKeys()
    if snapshot and _has_rows_without_key(connection, extract, parts):
        return LostKeys(unreadable=True)
    first = parts[0]
    hashes = [part.sha256 for part in parts]
    if (
        not snapshot
        and not connection.execute(
            "select 1 from raw.ledger where extract = $extract and source = $source and list_contains($hashes, sha256)"
            " and status = 'loaded' and run < $run and mapping_sha256 <> $digest limit 1",
            {
                "extract": extract.name,
                "source": first.source,
                "run": first.run,
                "hashes": hashes,
                "digest": first.mapping_sha256,
            },
        ).fetchall()
    ):
        return LostKeys()
    key = extract.key
    same = " and ".join(f"t.{name} is not distinct from keys.{name}" for name in key)
    shown = " and ".join(f"t.{name} is not null" for name in key if extract.column(name).required)
    again = (
        "exists (select 1 from every as later where later.sha256 = every.sha256 and later.delivery > every.delivery"
        " and later.mapping_sha256 <> every.mapping_sha256)"
    )
    connection.execute(
        f"""
        create or replace temp table lost_keys as
        with every as (
            select delivery, run, sha256, mapping_sha256
            from raw.ledger
            where extract = $extract and source = $source and status = 'loaded' and run < $run
            union all
            select unnest($parts), $run, unnest($hashes), $digest
        ),
        of_source as (
            select delivery, {"run < $run" if snapshot else again} as is_replaced from every
        ),
        keys as (
            select {", ".join(f"t.{name}" for name in key)}, max(t.updated_at) as updated_at,
                bool_or(t._reason is null) as counts,
                arg_max(t._line <> {LINE}, t._delivery) filter (of_source.is_replaced) as was_there,
                bool_and(of_source.is_replaced or t._line = {LINE}) as is_lost,
                arg_max(t._line <> {LINE}, t._delivery) as is_there,
                max({RANK}) filter (of_source.is_replaced and t._reason is null) as own
            from parsed.{extract.name} as t
            inner join of_source on t._delivery = of_source.delivery
            where {shown}
            group by {", ".join(f"t.{name}" for name in key)}
        )
        select {", ".join(f"keys.{name}" for name in key)}, keys.updated_at, keys.counts,
            keys.is_lost and keys.is_there and not exists (
                select 1 from parsed.{extract.name} as t
                where {same} and t._reason is null and {RANK} > keys.own
                    and t._delivery not in (select delivery from of_source)
            ) as is_lost
        from keys
        where keys.was_there
        """,
        {
            "extract": extract.name,
            "source": first.source,
            "run": first.run,
            "parts": [part.delivery for part in parts],
            "hashes": hashes,
            "digest": first.mapping_sha256,
        },
    )
    counted = (
        "select count(case when counts then 1 end), count(case when counts and is_lost then 1 end),"
        " count(case when is_lost then 1 end) from lost_keys"
    )
    return LostKeys(*connection.execute(counted).fetchall()[0])


def delete_lost(
    connection: duckdb.DuckDBPyConnection, source: Mapping, found: LostKeys, parts: Sequence[Delivery]
) -> None:
    """Write the keys that `find_lost` has just found as deletions of the last of these deliveries.

    A key that a snapshot has again is no longer deleted by an earlier one, whatever the `updated_at` of its row.
    """
    extract = source.target
    delivered = ", ".join(str(part.delivery) for part in parts)
    if source.snapshot:
        same = " and ".join(f"t.{name} is not distinct from again.{name}" for name in extract.key)
        connection.execute(
            f"""
            delete from parsed.{extract.name} as t using (
                select distinct {", ".join(extract.key)} from parsed.{extract.name} where _delivery in ({delivered})
            ) as again
            where {same} and t._line = {LINE} and t._delivery in (
                select delivery from raw.ledger where extract = $extract and source = $source
            )
            """,
            {"extract": extract.name, "source": source.name},
        )
    if not found.deletions:
        return
    connection.execute(
        f"""
        insert into parsed.{extract.name} by name
        select {", ".join(extract.key)}, updated_at, true as is_deleted, $delivery as _delivery, {LINE} as _line,
            false as _from_future, false as _superseded
        from lost_keys
        where is_lost
        """,
        {"delivery": parts[-1].delivery},
    )


def newer_elsewhere(
    connection: duckdb.DuckDBPyConnection, source: Mapping, parts: Sequence[Delivery], first: int
) -> int:
    """How many keys of files that were taken again have a valid row of another source that arrived in between.

    first: the first delivery that was taken again. The row of these files is the newer one now.
    """
    extract = source.target
    delivered = ", ".join(str(part.delivery) for part in parts)
    key = ", ".join(extract.key)
    same = " and ".join(f"t.{name} is not distinct from again.{name}" for name in extract.key)
    ((count,),) = connection.execute(
        f"""
        select count(*) from (
            select distinct {key} from parsed.{extract.name} where _delivery in ({delivered}) and _reason is null
        ) as again
        where exists (
            select 1 from parsed.{extract.name} as t
            inner join raw.ledger as ledger on t._delivery = ledger.delivery
            where {same} and t._reason is null and t.updated_at is null and t._line <> {LINE}
                and ledger.source is distinct from $source and t._delivery between {first} and {parts[0].delivery}
        )
        """,
        {"source": source.name},
    ).fetchall()
    return int(count)


def replaced_rows(count: int) -> str:
    """What a person should know about rows of other files that older ones, taken again, have replaced."""
    keys = "1 key has" if count == 1 else f"{count} keys have"
    return f"{keys} a newer row of another file, such as a correction, that is replaced now: deliver that file again"


def _has_rows_without_key(connection: duckdb.DuckDBPyConnection, extract: Extract, parts: Sequence[Delivery]) -> bool:
    delivered = ", ".join(str(part.delivery) for part in parts)
    missing = " or ".join(f"{name} is null" for name in extract.key if extract.column(name).required)
    return bool(
        connection.execute(
            f"select 1 from parsed.{extract.name} where _delivery in ({delivered}) and ({missing}) limit 1"
        ).fetchall()
    )
