"""A published file with random rows in every mart: hierarchies of any shape, and hostile texts and ids."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from amkpi.access.names import ManagedSpan, Managers, Names
from amkpi.core.catalogue import kpis
from amkpi.core.home import Home
from amkpi.core.language.mart_texts import Column, marts
from amkpi.core.storage.sql import identifier
from amkpi.exports.postgres.tables import keys
from tests.access.agencies import AS_OF, random_names

# What a staff id may be: SQL, a path of roles that differ in case, letters of Vietnamese, names too long for a role
# that begin alike, and something that looks like an address.
ODD_IDS = (
    "CEO", 'x"; drop schema marts cascade; --', "A/03 Đ.ổ", "b'\\c", "a05", "A05", f"{'Đ' * 40}1", f"{'Đ' * 40}2",
    "out@side.example", "%s {0} $1", "", "'; set role postgres; --",
)  # fmt: skip
TEXTS = ("", "Trà Xanh Đậm", 'a "quoted", text', "line\nfeed\ttab", "\\N", "NULL", "{a,b}", "'", "日本", None)
PERIODS = [("month", date(2026, month, 1)) for month in (7, 8, 9, 10)] + [("quarter", date(2026, 7, 1))]
ROWS = 60


def named(seed: int) -> Names:
    """Random people with these ids."""
    names = random_names(seed)
    ids = dict(zip(names.people, ODD_IDS, strict=False))

    def new(staff_id: str | None) -> str | None:
        return ids.get(staff_id, staff_id) if staff_id is not None else None

    people = {
        ids[key]: replace(person, staff_id=ids[key], full_name=f"Tên {ids[key]}", manager_id=new(person.manager_id))
        for key, person in names.people.items()
    }
    spans = {
        ids[key]: tuple(ManagedSpan(str(new(span.manager_id)), span.first, span.last) for span in spans)
        for key, spans in names.managers.items()
    }
    return Names(AS_OF, people, Managers(spans), {})


def publish(home: Home, seed: int, names: Names, publication_id: str = "00000000000000aa") -> Path:
    """Publish random marts of these people as the current publication."""
    home.make()
    file = home.published / f"kpi_{publication_id}.duckdb"
    with duckdb.connect(str(file)) as connection:
        _Maker(connection, seed, names, publication_id).fill()
    home.current.unlink(missing_ok=True)
    home.current.symlink_to(file.name)
    return file


class _Maker:
    def __init__(self, connection: duckdb.DuckDBPyConnection, seed: int, names: Names, publication_id: str) -> None:
        self._connection, self._seed, self._names, self._id = connection, seed, names, publication_id
        self._draw = random.Random(seed)
        self._people = [*names.people, None, "somebody unknown"]
        self._clients = {f"C{number}": self._draw.choice(self._people) for number in range(8)}

    def fill(self) -> None:
        self._connection.execute("set timezone = 'UTC'")
        self._connection.execute("create schema marts")
        self._connection.execute("create schema internal")
        self._connection.execute(
            "create table internal.int_management_chain (staff_id varchar, manager_id varchar, valid_from date,"
            " valid_to date, is_loop boolean)"
        )
        for staff_id, spans in self._names.managers.items():
            for span in spans:
                self._connection.execute(
                    "insert into internal.int_management_chain values (?, ?, ?, ?, false)",
                    [staff_id, span.manager_id, span.first, span.last],
                )
        for mart in marts().values():
            # Of its own, so that another mart does not change the rows of this one.
            self._draw = random.Random(f"{self._seed} {mart.name}")
            columns = ", ".join(f"{identifier(each.name)} {each.type}" for each in mart.columns)
            self._connection.execute(f"create table marts.{mart.name} ({columns})")
            rows = self._rows(mart.name, mart.columns)
            if rows:
                cells = zip(*([row[each.name] for each in mart.columns] for row in rows), strict=True)
                given = pa.table({each.name: list(column) for each, column in zip(mart.columns, cells, strict=True)})
                self._connection.register("given", given)
                self._connection.execute(f"insert into marts.{mart.name} select * from given")
                self._connection.unregister("given")

    def _rows(self, mart: str, columns: tuple[Column, ...]) -> list[dict[str, Any]]:
        if mart == "publication":
            return [{each.name: None for each in columns} | {
                "publication_id": self._id, "as_of": AS_OF, "pipeline_version": "test", "reporting_currency": "VND",
                "published_at": datetime(2026, 10, 18, 1, tzinfo=UTC),
            }]  # fmt: skip
        if mart == "dim_staff":
            return [
                {each.name: getattr(person, each.name, "a department") for each in columns}
                for person in self._names.people.values()
            ]
        key = keys().get(mart)
        required = key.columns if key and key.is_primary else ()
        rows = [self._row(columns, required) for _ in range(ROWS)]
        if mart in ("dim_client", "client_overview"):
            rows = [row | {"client_id": key, "manager_id": who} for row, (key, who) in
                    zip(rows, self._clients.items(), strict=False)]  # fmt: skip
        return list({tuple(row[name] for name in key.columns): row for row in rows}.values()) if key else rows

    def _row(self, columns: tuple[Column, ...], required: Sequence[str]) -> dict[str, Any]:
        grain, start = self._draw.choice(PERIODS)
        special = {
            "scope": self._draw.choice(("own", "team", "company")), "period_grain": grain, "period_start": start,
            "staff_id": self._draw.choice(self._people), "client_id": self._draw.choice(list(self._clients)),
            "kpi": self._draw.choice(kpis()).name,
        }  # fmt: skip
        if special["scope"] == "company" and self._draw.random() < 0.8:
            special["staff_id"] = None
        return {each.name: special.get(each.name, self._cell(each, each.name in required)) for each in columns}

    def _cell(self, column: Column, is_required: bool) -> Any:
        draw = self._draw
        if column.name.endswith("_id") and column.type == "varchar":
            return f"K{draw.randint(0, 10**9)}"
        if draw.random() < 0.1 and not is_required:
            return None
        return {
            "varchar": lambda: draw.choice(TEXTS[:-1] if is_required else TEXTS),
            "json": lambda: '["a", "b"]',
            "varchar[]": lambda: draw.choices([*self._people, *TEXTS], k=draw.randint(0, 3)),
            "double": lambda: draw.choice((draw.uniform(-1e12, 1e12), 0.1 + 0.2, 1e-300, -0.0, float("inf"))),
            "decimal(38, 12)": lambda: Decimal(draw.randint(-(10**18), 10**18)).scaleb(-12),
            "bigint": lambda: draw.randint(-(2**62), 2**62),
            "integer": lambda: draw.randint(0, 9),
            "boolean": lambda: draw.random() < 0.5,
            "date": lambda: AS_OF - timedelta(draw.randint(0, 999)),
            "timestamptz": lambda: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(microseconds=draw.randint(0, 10**13)),
        }[column.type]()
