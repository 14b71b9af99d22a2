"""Checking what is new gives the same as checking everything, after every run, for random deliveries.

Small pools of keys, references, dates, currencies and moments, so that rows meet: late, corrected, deleted, released,
held back again, known bytes, snapshots. `AMKPI_TEST_SEEDS=300` runs that many seeds.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import duckdb
import pytest

from amkpi.ingestion import ledger, snapshots
from amkpi.ingestion.contracts.extracts import EXTRACTS, Column, Extract
from amkpi.ingestion.delivery_log import Delivery
from amkpi.ingestion.mappings.model import Mapping
from amkpi.ingestion.readers.record_batches import TextRows, batch
from amkpi.ingestion.tables import create_tables
from amkpi.ingestion.validation import row_checks
from amkpi.ingestion.validation.row_checks import check_rows
from amkpi.ingestion.validation.settled_rows import LINE, SHA256
from amkpi.ingestion.writer import write_rows
from tests.paths import ROOT

SEEDS = int(os.environ.get("AMKPI_TEST_SEEDS", "4"))
MOMENT = datetime(2026, 10, 18, 1, 0, tzinfo=UTC)
DAYS = ("2026-01-01", "2026-02-01", "2026-03-01")
MOMENTS = ("", "", "2026-01-01", "2026-02-01", "2026-02-01T08:00:00Z", "2999-01-01")
POOLS = {
    "clients": ("C1", "C2", "C3"),
    "staff": ("S1", "S2", "S3"),
    "projects": ("P1", "P2", "P3"),
    "proposals": ("B1", "B2"),
    "contracts": ("K1", "K2"),
    "project_costs": ("X1", "X2", "X3"),
    "client_surveys": ("R1", "R2"),
    "peer_reviews": ("V1", "V2"),
}
OF_NUMBER = {"score": "3", "teamwork_score": "4", "project_management_score": "", "scale_min": "1", "scale_max": "5"}


class World:
    """A warehouse in memory, or in a file, to which runs are delivered that a seed decides."""

    def __init__(self, seed: int, file: str = ":memory:") -> None:
        self.random = Random(seed)
        self.connection = duckdb.connect(file)
        create_tables(self.connection)
        self.number = 0
        self.currency = "VND"
        self.sent: list[tuple[int, Extract, list[list[str]], str | None]] = []
        # One extract, what it rests on, and some others: rows that have nothing to do with each other show nothing.
        # An agency does not have every extract from its first day, nor every one at all.
        money = [e for e in EXTRACTS.values() if e.fx_date]
        self.focus = self.random.choice([*money, *money, *(e for e in EXTRACTS.values() if e.name != "fx_rates")])
        referred = {c.references for c in self.focus.columns if c.references} | {"fx_rates"}
        others = self.random.sample(list(EXTRACTS), self.random.randint(0, 3))
        self.extracts = [EXTRACTS[name] for name in sorted({self.focus.name, *referred, *others})]

    def run(self) -> None:
        """Deliver one run."""
        for _ in range(self.random.choice([1, 1, 2, 4])):
            self.number += 1
            draw = self.random.random()
            if draw < 0.08:
                self.enter("duplicate" if self.sent else "rejected", self.random.choice(list(EXTRACTS.values())))
            elif draw < 0.16 and self.sent:
                self.insert(*self.random.choice(self.sent))  # replayed on purpose
            elif draw < 0.3 and self.sent:
                self.correct(*self.random.choice(self.sent)[:2])
            else:
                extract = self.random.choice([self.focus, self.focus, EXTRACTS["fx_rates"], *self.extracts])
                rows = [self.row(extract) for _ in range(self.random.randint(0, 5 if extract == self.focus else 2))]
                source = "crm" if self.random.random() < 0.2 else None
                self.sent.append((self.number, extract, rows, source))
                self.insert(*self.sent[-1])
        if self.random.random() < 0.03:
            self.currency = self.random.choice(["VND", "USD"])

    def correct(self, number: int, extract: Extract) -> None:
        """Deliver rows that name lines of an earlier file, as a file that was exported from the quarantine does."""
        rows = [self.row(extract) for _ in range(self.random.randint(1, 3))]
        lines = [[f"{number:064x}", self.random.choice(["2", "3.0", "4", "x"])] for _ in rows]
        columns = len(extract.all_columns)
        whole = [row + line if len(row) == columns else row for row, line in zip(rows, lines, strict=True)]
        self.insert(self.number, extract, whole, None, (SHA256, LINE))

    def insert(
        self,
        bytes_of: int,
        extract: Extract,
        rows: list[list[str]],
        source: str | None,
        more: tuple[str, ...] = (),
    ) -> None:
        """Deliver these rows; `bytes_of`: the delivery that has the same bytes."""
        delivery = self.delivery(extract, source, bytes_of)
        names = (*(column.name for column in extract.all_columns), *more)
        batches = iter([batch(rows, range(2, len(rows) + 2), len(names))] if rows else [])
        count = write_rows(self.connection, extract, TextRows(names, batches), delivery)
        if source:
            # Its columns do not matter: the rows are made here.
            mapping = Mapping.model_construct(name=source, extract=extract.name, snapshot=True, columns={})
            lost = snapshots.find_lost(self.connection, mapping, [delivery])
            snapshots.delete_lost(self.connection, mapping, lost, [delivery])
        ledger.enter(self.connection, replace(delivery, rows_read=count))

    def delivery(self, extract: Extract, source: str | None, bytes_of: int) -> Delivery:
        name = f"{extract.name}/{self.number}.csv"
        moment = MOMENT + timedelta(days=self.number)
        return Delivery(
            self.number, self.number, name, extract.name, source, f"{bytes_of:064x}", 0, "loaded", None, 0, moment
        )

    def enter(self, status: str, extract: Extract) -> None:
        """Deliver a file of which no row is loaded."""
        ledger.enter(self.connection, replace(self.delivery(extract, None, self.number), status=status))

    def row(self, extract: Extract) -> list[str]:
        days = sorted(self.random.choice(DAYS) for _ in extract.columns)
        cells = {c.name: self.cell(extract, c, days) for c in extract.all_columns}
        if extract.name == "kpi_targets" and self.random.random() < 0.8:
            cells |= {"scope": "own"} | ({"role": ""} if cells["staff_id"] else {"role": "a"})
        if self.random.random() < 0.06:
            cells[self.random.choice(list(cells))] = self.random.choice(["", "?", "-1"])
        return list(cells.values())[: -1 if self.random.random() < 0.03 else None]

    def cell(self, extract: Extract, column: Column, days: list[str]) -> str:
        choice, chance = self.random.choice, self.random.random()
        if column.name == "updated_at":
            return choice(MOMENTS)
        if column.name == "is_deleted":
            return "true" if chance < (0.35 if extract.name == "fx_rates" else 0.15) else ""
        if column.references or (extract.name in POOLS and column.name == extract.key[0]):
            pool = POOLS[column.references or extract.name]
            return "" if not column.required and chance < 0.3 else choice(pool)
        if column.choices:
            return choice(column.choices[:2])
        if column.currency:
            return choice(["VND", "USD", "USD", "EUR"] if extract.name != "fx_rates" else ["USD", "USD", "EUR"])
        if column.type == "date":
            return days.pop(0) if column.required or chance < 0.5 else ""
        if column.type == "number":
            return OF_NUMBER.get(column.name, choice(["1", "2"]))
        return "true" if column.type == "boolean" else choice(["a", "b"])

    def state(self) -> dict[str, list[tuple[Any, ...]]]:
        """Everything that the checks write."""
        queries = {
            "inputs": "select * from validation.inputs",
            "held back": "select * from validation.held_back order by all",
            "quarantine": "select * from validation.quarantine order by all",
            "corrections": "select * from validation.corrections order by all",
        }
        for name in EXTRACTS:
            queries[name] = f"select * from valid.{name} order by all"
            queries[f"{name} marks"] = f"select _delivery, _line, _superseded from parsed.{name} order by all"
        return {name: self.connection.execute(query).fetchall() for name, query in queries.items()}

    def check(self) -> bool:
        return check_rows(self.connection, self.currency)

    def check_everything(self) -> None:
        """Check as in a warehouse that was just rebuilt."""
        self.connection.execute("delete from validation.inputs")
        for name in EXTRACTS:
            self.connection.execute(f"update parsed.{name} set _superseded = false")
        self.check()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(SEEDS))
def test_checking_what_is_new_equals_checking_everything(seed: int) -> None:
    world = World(seed)
    for run in range(world.random.randint(5, 12)):
        world.run()
        world.check()
        of_what_is_new = world.state()
        world.check_everything()
        everything = world.state()
        differing = {name for name in everything if everything[name] != of_what_is_new[name]}
        assert not differing, f"seed {seed}, run {run}: {sorted(differing)}"


CLIENT = ("clients", {"client_id": "C1", "client_name": "a"})
COST = ("project_costs", {"cost_id": "X1", "project_id": "P1", "cost_date": "2026-02-15", "amount": "1",
                          "currency": "USD"})  # fmt: skip
CONTRACT = ("contracts", {"contract_id": "K1", "client_id": "C1", "owner_id": "S1", "kind": "renewal",
                          "signed_date": "2026-01-01", "start_date": "2026-01-01", "end_date": "2026-01-31",
                          "amount": "1", "currency": "VND"})  # fmt: skip
PERSON = ("staff", {"staff_id": "S1", "valid_from": "2026-01-01", "full_name": "a", "role": "a", "is_active": "true"})


def rate(day: str, **more: str) -> tuple[str, dict[str, str]]:
    return ("fx_rates", {"currency": "USD", "rate_date": day, "rate": "1", **more})


def other(row: tuple[str, dict[str, str]], **cells: str) -> tuple[str, dict[str, str]]:
    return (row[0], {**row[1], **cells})


# What was checked before -> what arrives -> what is held back before and after, as reason:column, and whether an
# older row stays in its place.
CHANGES = {
    "a rate comes": ([COST], [rate("2026-02-01")], ["missing_fx_rate:currency"], []),
    "a rate of a day that is too late": ([COST], [rate("2026-02-16")], *[["missing_fx_rate:currency"]] * 2),
    "the only rate goes": (
        [rate("2026-02-01"), COST], [rate("2026-02-01", is_deleted="true")], [], ["missing_fx_rate:currency"],
    ),
    "the first rate goes, one that is too late stays": (
        [rate("2026-02-01"), rate("2026-03-01"), COST],
        [rate("2026-02-01", is_deleted="true")], [], ["missing_fx_rate:currency"],
    ),
    "the first rate goes, one that does stays": (
        [rate("2026-01-01"), rate("2026-02-01"), COST], [rate("2026-01-01", is_deleted="true")], [], [],
    ),
    "the rate goes, and a newer row of the key": (
        [rate("2026-02-01"), other(COST, currency="VND"), other(COST, updated_at="2026-05-01")],
        [rate("2026-02-01", is_deleted="true")], [], ["missing_fx_rate:currency keeps older"],
    ),
    "a reference comes": (
        [CLIENT, other(CONTRACT, client_id="C2", owner_id="")], [other(CLIENT, client_id="C2")],
        ["unknown_reference:client_id"], [],
    ),
    "one of two references comes": (
        [other(CLIENT, client_id="C9"), other(PERSON, staff_id="S9"), CONTRACT], [CLIENT],
        ["unknown_reference:client_id"], ["unknown_reference:owner_id"],
    ),
    "the reference comes, and the rate lacks": (
        [other(CLIENT, client_id="C9"), other(CONTRACT, owner_id="", currency="USD")], [CLIENT],
        ["unknown_reference:client_id"], ["missing_fx_rate:currency"],
    ),
    "the first delivery of what rows refer to": (
        [CLIENT, CONTRACT], [other(PERSON, staff_id="S9")], [], ["unknown_reference:owner_id"],
    ),
    "a reference is deleted": ([CLIENT, PERSON, CONTRACT], [other(CLIENT, is_deleted="true")], [], []),
    "an older good row comes": (
        [other(CLIENT, client_name="", updated_at="2026-05-01")], [CLIENT],
        ["missing_required:client_name"], ["missing_required:client_name keeps older"],
    ),
    "the older good row is deleted": (
        [CLIENT, other(CLIENT, client_name="", updated_at="2026-05-01")], [other(CLIENT, is_deleted="true")],
        ["missing_required:client_name keeps older"], ["missing_required:client_name"],
    ),
    "a newer good row comes": (
        [CLIENT, other(CLIENT, client_name="", updated_at="2026-05-01")], [other(CLIENT, updated_at="2026-06-01")],
        ["missing_required:client_name keeps older"], [],
    ),
    "a newer deletion comes": (
        [CLIENT, other(CLIENT, client_name="", updated_at="2026-05-01")],
        [other(CLIENT, is_deleted="true", updated_at="2026-06-01")],
        ["missing_required:client_name keeps older"], [],
    ),
    "a newer row comes that is held back too": (
        [other(CLIENT, client_name="")], [other(CLIENT, client_name="")],
        ["missing_required:client_name"], ["missing_required:client_name"] * 2,
    ),
    "the newer good row is deleted": (
        [other(CLIENT, client_name=""), CLIENT], [other(CLIENT, is_deleted="true")], [], [],
    ),
    "the newer good row lost its rate": (
        [rate("2026-02-01"), other(COST, amount="x"), COST], [rate("2026-02-01", is_deleted="true")],
        [], ["bad_type:amount", "missing_fx_rate:currency"],
    ),
    "the newer good row got its rate": (
        [other(COST, amount="x"), COST], [rate("2026-02-01")],
        ["bad_type:amount", "missing_fx_rate:currency"], [],
    ),
    "a good row comes whose key is not the whole key of the held row": (
        [other(PERSON, valid_from="")], [PERSON], ["missing_required:valid_from"], ["missing_required:valid_from"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_new_rows_change_earlier_verdicts(change: str) -> None:
    before, comes, held_before, held_after = CHANGES[change]
    world = World(0)
    for rows, held in ((before, held_before), (comes, held_after)):
        for name, cells in rows:
            world.number += 1
            world.insert(
                world.number, EXTRACTS[name], [[cells.get(c.name, "") for c in EXTRACTS[name].all_columns]], None
            )
        world.check()
        found = world.connection.execute(
            "select reason || ':' || column_name || if(keeps_older_row, ' keeps older', '') from validation.quarantine"
        ).fetchall()
        assert sorted(row[0] for row in found) == sorted(held)
    what_is_new = world.state()
    world.check_everything()
    assert world.state() == what_is_new


def test_rows_that_are_not_checked_yet_are_not_shown() -> None:
    world = World(2)
    current = []
    for figure in ("1", "2"):
        world.number += 1
        world.insert(world.number, EXTRACTS["fx_rates"], [["USD", "2026-01-01", figure, "", ""]], None)
        if figure == "2":
            current += world.connection.execute("select rate from valid.fx_rates").fetchall()
        world.check()
        current += world.connection.execute("select rate from valid.fx_rates").fetchall()
    assert current == [(1.0,), (1.0,), (2.0,)]


@pytest.mark.slow
def test_only_what_is_new_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without this, the comparison above would also hold for checks that always start from the beginning."""
    world = World(1)
    seen: list[int] = []
    whole = row_checks._check
    monkeypatch.setattr(row_checks, "_check", lambda c, inputs, since: (seen.append(since), whole(c, inputs, since))[1])
    for _ in range(3):
        world.run()
        until = world.number
        world.check()
        world.check()
        seen.append(until)
    assert seen == [0, seen[1], seen[1], seen[3], seen[3], seen[5]], (
        "since which delivery each run checked, and until which"
    )
    world.run()
    # Not the deliveries of the last checks and more: one of them is gone.
    world.connection.execute("delete from raw.ledger where delivery = 1")
    world.check()
    assert seen[-1] == 0
    world.currency = "EUR"
    world.run()
    world.check()
    assert seen[-1] == 0


class Breaking:
    """A connection that fails at its n-th statement."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, fatal: int, kill: bool = False) -> None:
        self._connection, self.left, self._kill = connection, fatal, kill

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, *arguments: Any) -> duckdb.DuckDBPyConnection:
        self.left -= 1
        if self.left == 0 and self._kill:
            os.kill(os.getpid(), signal.SIGKILL)
        if self.left == 0:
            raise duckdb.IOException("no space left on device")
        return self._connection.execute(*arguments)


@pytest.mark.slow
def test_checks_that_fail_half_way_leave_the_old_verdicts() -> None:
    world = World(3)
    for _ in range(4):
        world.run()
    world.check()
    world.run()
    world.run()
    shown = [name for name in world.state() if not name.endswith("marks")]
    before = {name: world.state()[name] for name in shown}
    fatal, failed = 1, 0
    while True:
        breaking = Breaking(world.connection, fatal)
        try:
            check_rows(breaking, world.currency)  # type: ignore[arg-type]
        except duckdb.IOException:
            failed += 1
            assert {name: world.state()[name] for name in shown} == before, f"after statement {fatal}"
        else:
            break
        fatal += 7
    assert failed > 5
    after = world.state()
    world.check_everything()
    assert world.state() == after


def killed_checks(file: str) -> None:
    """Judge this warehouse, and die half way: run in a process of its own."""
    with duckdb.connect(file) as connection:
        check_rows(Breaking(connection, 60, kill=True), "VND")  # type: ignore[arg-type]


@pytest.mark.slow
def test_checks_that_are_killed_leave_the_old_verdicts(tmp_path: Path) -> None:
    file = str(tmp_path / "w.duckdb")
    world = World(3, file)
    world.currency = "VND"
    for _ in range(4):
        world.run()
    check_rows(world.connection, "VND")
    world.run()
    before = world.state()
    world.connection.close()
    module = killed_checks.__module__
    code = f"from {module} import killed_checks; killed_checks({file!r})"
    root = ROOT
    done = subprocess.run([sys.executable, "-c", code], cwd=root, check=False)
    assert done.returncode == -signal.SIGKILL
    world.connection = duckdb.connect(file)
    assert world.state() == before
    assert check_rows(world.connection, "VND")
    after = world.state()
    world.connection.execute("delete from validation.inputs")
    check_rows(world.connection, "VND")
    assert world.state() == after
