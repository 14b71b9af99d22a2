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

LINE = 0
# So few deletions are never too many: in a small agency one client may be a tenth of all.
ALWAYS_ACCEPTED = 3


@dataclass(frozen=True)
class LostKeys:
    """How many keys the source had, and how many of them the new files lack.

    deletions: how many deletions that makes, with those of keys of which every row is held back by its own fault.
    """

    before: int = 0
    lost: int = 0
    deletions: int = 0

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


def find_lost(
    connection: duckdb.DuckDBPyConnection, extract: Extract, parts: Sequence[Delivery], *, snapshot: bool
) -> LostKeys:
    """Find the keys that are lost by these deliveries of one run and source; keeps them for `delete_lost`.

    parts: their rows must be written. snapshot: whether they hold everything; else they replace earlier readings of
    the same bytes. A row that is held back has its key; a malformed row has none.
    """
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
                arg_max(t._line <> {LINE}, t._delivery) as is_there
            from parsed.{extract.name} as t
            inner join of_source on t._delivery = of_source.delivery
            where {shown}
            group by {", ".join(f"t.{name}" for name in key)}
        )
        select {", ".join(key)}, updated_at, counts, is_lost and is_there as is_lost
        from keys
        where was_there
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


def delete_lost(connection: duckdb.DuckDBPyConnection, extract: Extract, found: LostKeys, delivery: int) -> None:
    """Write the keys that `find_lost` has just found as deletions of this delivery."""
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
        {"delivery": delivery},
    )
