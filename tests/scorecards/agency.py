"""A small published agency made by hand: marts with their public columns, no pipeline run behind them."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import pyarrow as pa

from amkpi.core.catalogue import kpis
from amkpi.core.home import Home
from amkpi.core.language.periods import Period
from amkpi.core.run import Run
from amkpi.core.settings import load_settings
from amkpi.core.storage import closing_register
from amkpi.core.storage.closing_register import Act, ClosedPeriod

AS_OF = date(2026, 10, 17)
NOW = datetime(2026, 10, 19, 1, 0, tzinfo=UTC)
PROJECT_STATES = ("overdue", "delivered_late", "cancelled")
ID = "00112233445566aa"
HOSTILE = ("<b>Trà Xanh</b>", "=cmd|' /C calc'!A0", "日本広告")
# Every letter of Vietnamese with every tone.
DIACRITICS = "Aàáảãạ Ăằắẳẵặ Âầấẩẫậ Eèéẻẽẹ Êềếểễệ Iìíỉĩị Oòóỏõọ Ôồốổỗộ Ơờớởỡợ Uùúủũụ Ưừứửữự Yỳýỷỹỵ Đđ"

SCHEMA = """
create schema marts;
create schema internal;
create table internal.int_management_chain (staff_id varchar, manager_id varchar, valid_from date, valid_to date,
    is_account_staff boolean, is_loop boolean);
create table marts.publication (publication_id varchar, as_of date, published_at timestamptz, pipeline_version varchar,
    reporting_currency varchar, closing_n integer, closing_sha256 varchar, settings varchar);
create table marts.dim_staff (staff_id varchar, full_name varchar, role varchar, manager_id varchar, department varchar,
    email varchar, locale varchar, is_active boolean, valid_from date);
create table marts.dim_client (client_id varchar, client_name varchar, manager_id varchar, industry varchar,
    is_active boolean);
create table marts.kpi_values (kpi varchar, scope varchar, staff_id varchar, period_grain varchar, period_start date,
    period_end date, value double, numerator double, denominator double, sample_size bigint, unit varchar,
    is_provisional boolean, null_reason varchar, undecided bigint);
create table marts.scorecard_lines (scope varchar, staff_id varchar, period_grain varchar, period_start date,
    kpi varchar, value double, target double, attainment double, weight double, previous_value double, change double,
    status varchar);
create table marts.scorecards (scope varchar, staff_id varchar, period_grain varchar, period_start date,
    period_end date, weighted_score double, rating varchar, weight_covered double, kpis_scored bigint,
    is_provisional boolean);
create table marts.kpi_evidence (kpi varchar, staff_id varchar, client_id varchar, event_date date,
    period_grain varchar, period_start date, source_extract varchar, source_id varchar, numerator double,
    denominator double, record_name varchar, client_name varchar, state varchar, due_date date, done_date date,
    days_late bigint, amount double, kind varchar);
create table marts.closings (n integer, period_grain varchar, period_start date, closed_at timestamptz,
    closed_by varchar, as_of date, reopened_at timestamptz);
create table marts.adjustments (kpi varchar, scope varchar, staff_id varchar, period_grain varchar, period_start date,
    numerator decimal(38, 12), denominator decimal(38, 12), fresh_value double, cause varchar, carried_to date);
create table marts.adjustment_evidence (side varchar, carried_to date, kpi varchar, staff_id varchar, client_id varchar,
    period_grain varchar, period_start date, source_id varchar, numerator double, denominator double);
create table marts.adjusted_scores (scope varchar, staff_id varchar, period_grain varchar, period_start date,
    closed_score double, closed_rating varchar, fresh_score double, fresh_rating varchar, cause varchar);
create table marts.load_ledger (file_name varchar, extract varchar, sha256 varchar, status varchar, reason varchar,
    rows_read bigint, rows_loaded bigint, rows_quarantined bigint, loaded_at timestamptz, source varchar,
    delivery bigint);
create table marts.quarantined_rows (extract varchar, file_name varchar, line_number bigint, reason varchar,
    column_name varchar, raw_row varchar, first_seen_at timestamptz, keeps_older_row boolean, delivery bigint,
    is_dismissed boolean);
create table marts.quality_results (suite varchar, expectation varchar, table_name varchar, column_name varchar,
    success boolean, severity varchar, observed varchar, unexpected_count bigint, advice varchar, since timestamptz,
    rows_concerned json);
"""


@dataclass(frozen=True)
class Somebody:
    """A person of the agency."""

    staff_id: str
    full_name: str
    role: str = "account_manager"
    manager_id: str | None = None
    email: str | None = "set from the id"
    locale: str | None = "vi"
    is_active: bool = True
    valid_from: date = date(2024, 1, 1)

    @property
    def address(self) -> str | None:
        return f"{self.staff_id.lower()}@agency.example" if self.email == "set from the id" else self.email


PEOPLE = (
    Somebody("G1", "Vũ Phương Trâm", "group_account_director"),
    Somebody("D1", "Nguyễn Thị Lan", "account_director", "G1"),
    Somebody("M1", f"Trần {DIACRITICS}", "account_manager", "D1"),
    Somebody("M2", "Lê Đức Đạt", "account_manager", "D1", locale="en"),
    Somebody("D2", "Phạm Quỳnh Nga", "account_director", "G1", locale="en"),
    Somebody("M3", "Đỗ Bảo Ẩn", "account_executive", "D2"),
)


@dataclass
class Marts:
    """Fills a publication's tables. Values differ by person, KPI and period, and follow from a few small rules."""

    connection: duckdb.DuckDBPyConnection
    people: Sequence[Somebody] = PEOPLE
    as_of: date = AS_OF
    months: int = 7
    clients: Sequence[str] = HOSTILE
    publication_id: str = ID
    version: str = "0.1.0+test"
    extra: int = 0
    _rows: dict[str, list[tuple[object, ...]]] = field(default_factory=dict)

    def fill(self) -> None:
        """Write everything."""
        self.connection.execute(SCHEMA)
        self._add("publication", self.publication_id, self.as_of, NOW, self.version, "VND", None, None, None)
        self._add(
            "load_ledger", "contracts/a.csv", "contracts", "ab", "loaded", None, 9, 9, 0, NOW, None, 1 + self.extra
        )
        for each in self.people:
            self._add("dim_staff", each.staff_id, each.full_name, each.role, each.manager_id, None, each.address,
                      each.locale, each.is_active, each.valid_from)  # fmt: skip
        managers = {each.manager_id for each in self.people if each.manager_id}
        above = {each.staff_id: each.manager_id for each in self.people}
        for each in self.people:
            manager = each.manager_id
            while manager is not None:
                self._add("internal.int_management_chain", each.staff_id, manager, each.valid_from,
                          date(9999, 12, 31), True, False)  # fmt: skip
                manager = above.get(manager)
        for number, name in enumerate(self.clients):
            self._add("dim_client", f"C{number}", name, self.people[-1].staff_id, None, True)
        last = Period.holding("month", self.as_of)
        for period in last.last(self.months):
            self._subject("company", None, 0, period)
            for number, each in enumerate(self.people, start=1):
                self._subject("own", each.staff_id, number, period)
                self._evidence(each.staff_id, number, period)
                if each.staff_id in managers:
                    self._subject("team", each.staff_id, number + 20, period)
        for table, rows in self._rows.items():
            # A row at a time takes DuckDB eight seconds, a table of Arrow none.
            columns = pa.table({f"c{place}": list(cells) for place, cells in enumerate(zip(*rows, strict=True))})
            self.connection.register("given", columns)
            self.connection.execute(f"insert into {table if '.' in table else f'marts.{table}'} select * from given")
            self.connection.unregister("given")

    def _add(self, table: str, *cells: object) -> None:
        self._rows.setdefault(table, []).append(cells)

    def _subject(self, scope: str, staff_id: str | None, seed: int, period: Period) -> None:
        provisional = period.end > self.as_of
        this, before = self._values(seed, period), self._values(seed, period.before())
        points = weights = 0.0
        for kpi in kpis():
            value, numerator, denominator, sample = this[kpi.name]
            target = {"money": 900_000_000.0, "score": 75.0}.get(kpi.unit, 0.85)
            attainment = None
            if value is not None:
                attainment = min(1.2, max(0.0, value / target if kpi.better == "higher" else 2 - value / target))
                points, weights = points + 10.0 * kpi.number * attainment, weights + 10.0 * kpi.number
            status = (
                "no_data" if attainment is None else "on_target" if attainment >= 1
                else "at_risk" if attainment >= 0.9 else "off_target"
            )  # fmt: skip
            previous = before[kpi.name][0]
            change = None if value is None or previous is None or provisional else value - previous
            reason = None if value is not None else kpi.no_data_reason
            self._add("kpi_values", kpi.name, scope, staff_id, "month", period.start, period.end, value, numerator,
                      denominator, sample, kpi.unit, provisional, reason, 0)  # fmt: skip
            self._add("scorecard_lines", scope, staff_id, "month", period.start, kpi.name, value, target, attainment,
                      10.0 * kpi.number, previous, change, status)  # fmt: skip
        score = 100 * points / weights
        rating = "A+" if score >= 110 else "A" if score >= 95 else "B" if score >= 80 else "C" if score >= 65 else "D"
        self._add("scorecards", scope, staff_id, "month", period.start, period.end, score, rating, weights / 360, 8,
                  provisional)  # fmt: skip

    def _values(self, seed: int, period: Period) -> dict[str, tuple[float | None, float | None, float | None, int]]:
        found: dict[str, tuple[float | None, float | None, float | None, int]] = {}
        for kpi in kpis():
            turn = seed * 7 + kpi.number * 3 + period.start.month
            if kpi.unit == "money":
                amount = 123_456_789.0 * (1 + turn % 11)
                found[kpi.name] = (amount, amount, None, 1 + turn % 5)
            elif kpi.unit == "score":
                found[kpi.name] = (60.04 + turn % 29, 60.04 + turn % 29, None, 4 + turn % 3)
            elif turn % 13 == 0:
                found[kpi.name] = (None, 0.0, 0.0, 0)
            elif kpi.name == "cost_to_budget_ratio":
                found[kpi.name] = ((70 + turn % 40) / 100, 7e7 + 1e6 * (turn % 40), 1e8, 3)
            else:
                whole = 7 + turn % 9
                part = whole - turn % 4
                found[kpi.name] = (part / whole, float(part), float(whole), whole)
        return found

    def _evidence(self, staff_id: str, seed: int, period: Period) -> None:
        day = period.start.replace(day=11)
        for number, _ in enumerate(self.clients):
            client, key = f"C{number}", f"{staff_id}-{period.start.month}-{number}"
            state = PROJECT_STATES[number % 3]
            late = {"overdue": (self.as_of - day).days, "delivered_late": 4}.get(state)
            delivered = day.replace(day=15) if state == "delivered_late" else None
            proposal = ("open", "lost", "withdrawn")[number % 3]
            decided = None if proposal == "open" else day.replace(day=20)
            project, worth = f"Ra mắt {number}", 1e8 * (number - 1)
            rows = (
                ("client_revenue", "contracts", f"HD{key}", worth, None, None,
                 "cancelled" if number == 0 else "signed", None, day, None, worth, "upsell"),
                ("client_retention_rate", "clients", client, float(number % 2), 1.0, None,
                 "retained" if number % 2 else "lost_client", day, None if number % 2 else day, None, 3e8, None),
                ("on_time_delivery_rate", "projects", f"DA{key}", 0.0, 1.0, project, state, day, delivered, late, None,
                 None),
                ("client_satisfaction", "client_surveys", f"KS{key}", float(number % 2), 1.0, project,
                 "satisfied" if number % 2 else "not_satisfied", None, day, None, None, None),
                ("contract_win_rate", "proposals", f"DX{key}", 0.0, 1.0, None, proposal, None, decided, None,
                 2e8 + number, "renewal"),
                ("upsell_cross_sell_rate", "clients", client, 0.0, 1.0, None, "not_expanded", None, None, None, None,
                 None),
                ("cost_to_budget_ratio", "projects", f"DA{key}", 1.2e8, 1e8, project, "over_budget", day, day, None,
                 2e7, None),
            )  # fmt: skip
            for kpi, extract, source_id, numerator, denominator, *details in rows:
                event = day.replace(day=15) if kpi == "cost_to_budget_ratio" else day
                name, *others = details
                self._add("kpi_evidence", kpi, staff_id, client, event, "month", period.start, extract, source_id,
                          numerator, denominator, name, None, *others)  # fmt: skip


def publish(home: Home, **changes: object) -> Path:
    """Put a publication into HOME/published and point the link at it."""
    home.make()
    identity = str(changes.get("publication_id", ID))
    file = home.published / f"kpi_{identity}.duckdb"
    with duckdb.connect(str(file)) as connection:
        filled = Marts(connection, **changes)  # type: ignore[arg-type]
        filled.fill()
    home.current.unlink(missing_ok=True)
    home.current.symlink_to(file.name)
    return file


def run_with(folder: Path, publication: Path) -> Run:
    """A run in FOLDER whose current publication is a copy of that file."""
    made = run_of(folder)
    shutil.copy(publication, made.home.published / publication.name)
    made.home.current.symlink_to(publication.name)
    return made


def change(file: Path, sql: str) -> None:
    """Change a publication that was just made."""
    with duckdb.connect(str(file)) as connection:
        connection.execute("set search_path = 'marts'")
        connection.execute(sql)


# What a mail reads of a closing file.
_CLOSED = {
    "publication": "marts.publication",
    "dim_staff": "marts.dim_staff",
    "dim_client": "marts.dim_client",
    "intermediate.int_management_chain": "internal.int_management_chain",
}


def close(home: Home, day: date = AS_OF) -> None:
    """Close September: a closing file with the names of the current publication, and its line in the register."""
    period = ClosedPeriod("month", date(2026, 9, 1), date(2026, 9, 30))
    act = Act(n=1, period="2026-09", periods=(period,), by="Chị Hoa <b>", at=NOW, note="", publication_id=ID, as_of=day,
              delivery=1, pipeline_version="0.1.0+test", reporting_currency="VND", waiting_files=0, waiting_rows=0,
              rows_held_back=0, file_sha256="")  # fmt: skip
    with duckdb.connect(str(act.file(home))) as connection:
        connection.execute(f"attach '{home.current.resolve()}' as seen (read_only)")
        connection.execute("create schema intermediate")
        for table, seen in _CLOSED.items():
            connection.execute(f"create table {table} as from seen.{seen}")
    closing_register.append(home, closing_register.begin(home), act)


def run_of(folder: Path, as_of: date = AS_OF) -> Run:
    """A run on a home below the folder, its clock standing still."""
    home = Home.at(folder / "home")
    home.make()
    return Run(home, load_settings(home, {}), as_of, now=lambda: NOW)
