"""Rows of one file that have the same key: which there are, and what a mapping makes of them.

Of the rows of a key the last one counts (by `updated_at`, then by line), which may be right or lose money: so they are
counted. Rows of a mapping that differ are refused, unless it says which of them counts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import duckdb

from amkpi.ingestion.contracts.extracts import Extract
from amkpi.ingestion.contracts.native_line import native_line
from amkpi.ingestion.delivery_log import Delivery
from amkpi.ingestion.mappings.structure import Duplicates
from amkpi.ingestion.readers import Unreadable

_SHOWN = 3


@dataclass(frozen=True)
class RepeatedKeys:
    """The keys that several rows of a delivery have.

    rows: how many rows another row of their key replaces. undecided: how many keys have different rows of which nothing
    but the line decides. first: the first of these keys, each with its lines; of all keys if none is undecided. summed:
    whether the rows of a key were added up.
    """

    rows: int = 0
    undecided: int = 0
    first: tuple[str, ...] = ()
    summed: bool = False

    @property
    def note(self) -> str:
        """What a person should know about the undecided keys, with the first of them."""
        if self.summed:
            return f"{self.rows} rows were added to another row of their key, such as {'; '.join(self.first)}"
        keys = "1 key is" if self.undecided == 1 else f"{self.undecided} keys are"
        return f"{keys} there several times with different values, and the last line counts: {'; '.join(self.first)}"


def find(
    connection: duckdb.DuckDBPyConnection, extract: Extract, delivery: int, summed: str | None = None
) -> RepeatedKeys:
    """The repeated keys of a delivery, from its parsed rows. A row without its whole key has none.

    summed: a number column that is added up. Then every other column decides: rows that differ are not one thing.
    """
    groups = _groups(extract) if summed is None else _groups_to_sum(extract, summed)
    ((count, undecided),) = connection.execute(
        f"select coalesce(sum(rows - 1), 0)::bigint, count(*) filter (undecided) from ({groups})",
        {"delivery": delivery},
    ).fetchall()
    if not count:
        return RepeatedKeys()
    shown = connection.execute(
        f"select key_text, lines from ({groups}) order by undecided desc, lines[1] limit {_SHOWN}",
        {"delivery": delivery},
    ).fetchall()
    first = tuple(
        f"{'a key' if extract.private_rows else key} (lines {', '.join(map(str, lines[:_SHOWN]))})"
        for key, lines in shown
    )
    return RepeatedKeys(count, undecided, first)


def settle(
    connection: duckdb.DuckDBPyConnection, extract: Extract, delivery: Delivery, rule: Duplicates | None
) -> RepeatedKeys:
    """Find the repeated keys of a delivery by a mapping, and apply the mapping's rule to them; returns them.

    rule: `duplicates` of the mapping. Raises Unreadable if the rows of a key differ and the rule does not decide.
    """
    summed = rule.column if rule is not None else None
    found = find(connection, extract, delivery.delivery, summed)
    if summed is not None and found.undecided:
        raise Unreadable(
            f"mapping {delivery.source}: {found.undecided} keys have rows that differ in more than {summed}, so that"
            f" they cannot be summed, such as {'; '.join(found.first)}: use id_from, or where"
        )
    if summed is not None and found.rows:
        _sum(connection, extract, delivery.delivery, summed)
        connection.execute("insert into raw.sums (delivery, column_name) values (?, ?)", [delivery.delivery, summed])
        found = replace(found, summed=True)
    elif found.undecided and (rule is None or rule.rule == "refuse"):
        raise Unreadable(
            f"mapping {delivery.source}: {found.undecided} keys are there several times with different values, such as"
            f" {'; '.join(found.first)}: export a column that tells the rows apart, or write duplicates: last, or"
            " duplicates: sum(amount) in the mapping"
        )
    return found


def sum_again(connection: duckdb.DuckDBPyConnection, extract: Extract, delivery: int) -> None:
    """Apply the sums of a delivery to its rows after they were parsed again."""
    for (column,) in connection.execute("select column_name from raw.sums where delivery = ?", [delivery]).fetchall():
        _sum(connection, extract, delivery, column)


def _groups(extract: Extract) -> str:
    """SQL of the keys that several rows of `$delivery` have: `rows`, `undecided`, `key_text`, `lines`."""
    values = ", ".join(f"t.{column.name}" for column in extract.all_columns if column.name != "updated_at")
    undecided = (
        f"count(distinct hash({values}, t._reason)) > 1"
        " and count(distinct coalesce(t.updated_at, '-infinity')) < count(*)"
    )
    return _grouped(extract, undecided)


def _groups_to_sum(extract: Extract, summed: str) -> str:
    """As `_groups`. Rows of a key are undecided if anything but the summed column differs, `updated_at` too."""
    values = ", ".join(f"raw.{column.name}" for column in extract.all_columns if column.name != summed)
    return _grouped(extract, f"count(distinct hash({values})) > 1")


def _grouped(extract: Extract, undecided: str) -> str:
    key = ", ".join(f"t.{name}" for name in extract.key)
    text = " || ', ' || ".join(f"coalesce(cast(t.{name} as varchar), '')" for name in extract.key)
    # Nearly every key is there once: the costly aggregates are for the others.
    same = " and ".join(f"t.{name} is not distinct from contested.{name}" for name in extract.key)
    of_delivery = f"_delivery = $delivery and {_whole_key(extract)}"
    plain_key = ", ".join(extract.key)
    return f"""
        select {key}, count(*) as rows, {text} as key_text, list({native_line("t._line")} order by t._line) as lines,
            {undecided} as undecided
        from (select * from parsed.{extract.name} where {of_delivery}) as t
        inner join (select * from raw.{extract.name} where _delivery = $delivery) as raw on t._line = raw._line
        semi join (
            select {plain_key} from parsed.{extract.name} where {of_delivery} group by {plain_key} having count(*) > 1
        ) as contested on {same}
        group by {key}
    """


def _whole_key(extract: Extract) -> str:
    return " and ".join(f"{name} is not null" for name in extract.key if extract.column(name).required)


def _sum(connection: duckdb.DuckDBPyConnection, extract: Extract, delivery: int, column: str) -> None:
    """Give the row of each key that counts the sum of all rows of the key.

    If one of them breaks a rule, all are held back for its reason: a sum without it would be wrong.
    """
    key = ", ".join(extract.key)
    same = " and ".join(f"t.{name} is not distinct from s.{name}" for name in extract.key)
    connection.execute(
        f"""
        update parsed.{extract.name} as t set
            {column} = case when s.reason is null and t._line = s.line then s.total else t.{column} end,
            _reason = coalesce(t._reason, s.reason),
            _column = case when t._reason is null and s.reason is not null then s.broken_column else t._column end
        from (
            -- Amounts are exact decimals here: the sum of doubles would depend on their order.
            select {key}, cast(sum(cast({column} as decimal(38, 9))) as double) as total,
                arg_max(_line, (coalesce(updated_at, '-infinity'), _line)) as line,
                arg_min(_reason, _line) as reason, arg_min(_column, _line) filter (_reason is not null) as broken_column
            from parsed.{extract.name}
            where _delivery = $delivery and {_whole_key(extract)}
            group by {key}
            having count(*) > 1
        ) as s
        where t._delivery = $delivery and {same}
        """,
        {"delivery": delivery},
    )
