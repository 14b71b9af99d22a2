"""A clean agency made dirty by plan: what each planted row and file must come to is said where it is planted.

Nothing here asks the loader. The good rows stay what they are, so the marts must be those of the clean delivery.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from tests.oracle.contract import EXTRACTS
from tests.oracle.corrupted_data import CHANGES, ID_OF
from tests.oracle.tables import Tables
from tests.pipeline.formats import Format, Row, Written

RUNS = 3
NEWEST, NEWER, OLDER = "2026-10-05T09:30:00+07:00", "2026-10-01", "2026-09-01T08:00:00"

# extract -> the reason, the column and what is changed in a good row, one for each way to be wrong.
BAD: Mapping[str, Sequence[tuple[str, str, Mapping[str, str]]]] = {
    "clients": [
        ("missing_required", "client_id", {"client_id": ""}),
        ("missing_required", "client_name", {"client_name": "  "}),
        ("bad_type", "updated_at", {"updated_at": "yesterday"}),
    ],
    "proposals": [
        ("missing_required", "decided_date", {"outcome": "lost", "decided_date": ""}),
        ("bad_type", "amount", {"amount": "1.000,5"}),
        ("bad_enum", "kind", {"kind": "New Business"}),
        ("out_of_range", "amount", {"amount": "-1"}),
        ("bad_date_order", "decided_date", {"sent_date": "2026-02-02", "decided_date": "2026-02-01"}),
        ("unknown_reference", "client_id", {"client_id": "nobody", "owner_id": "nobody"}),
    ],
    "contracts": [
        # Two at once: the first reason of the table counts, then the first column.
        ("missing_required", "kind", {"kind": "", "currency": " ", "signed_date": "31/12/2026"}),
        ("bad_type", "signed_date", {"signed_date": "31/12/2026", "amount": "x"}),
        ("bad_enum", "currency", {"currency": "vnd"}),
        ("out_of_range", "amount", {"amount": "-0.01"}),
        ("bad_date_order", "end_date", {"start_date": "2026-02-01", "end_date": "2026-01-31"}),
        ("unknown_reference", "owner_id", {"owner_id": "nobody", "currency": "CHF"}),
        ("missing_fx_rate", "currency", {"currency": "CHF"}),
    ],
    "projects": [
        ("missing_required", "project_name", {"project_name": ""}),
        ("bad_type", "committed_due_date", {"committed_due_date": "2026-02-30"}),
        ("bad_enum", "currency", {"currency": "VNDD"}),
        ("out_of_range", "budget_amount", {"budget_amount": "-5"}),
        ("bad_date_order", "delivered_date", {"start_date": "2026-02-01", "delivered_date": "2026-01-31"}),
        ("unknown_reference", "owner_id", {"owner_id": "nobody"}),
        ("missing_fx_rate", "currency", {"currency": "CHF", "budget_amount": "5"}),
    ],
    "project_costs": [
        ("missing_required", "cost_id", {"cost_id": " "}),
        ("bad_type", "amount", {"amount": "NaN"}),
        ("bad_enum", "currency", {"currency": "đồng"}),
        ("unknown_reference", "project_id", {"project_id": "nobody"}),
        ("missing_fx_rate", "currency", {"currency": "CHF"}),
    ],
    "client_surveys": [
        ("missing_required", "scale_max", {"scale_max": ""}),
        ("bad_type", "score", {"score": "tốt"}),
        ("out_of_range", "score", {"score": "99"}),
        ("out_of_range", "scale_min", {"score": "", "scale_min": "5", "scale_max": "5"}),
        ("bad_date_order", "responded_date", {"sent_date": "2026-02-02", "responded_date": "2026-02-01"}),
        ("unknown_reference", "project_id", {"project_id": "nobody"}),
    ],
    "peer_reviews": [
        ("missing_required", "reviewer_department", {"reviewer_department": ""}),
        ("bad_type", "review_date", {"review_date": "soon"}),
        ("out_of_range", "teamwork_score", {"teamwork_score": "-99"}),
        ("unknown_reference", "account_manager_id", {"account_manager_id": "nobody"}),
    ],
    "staff": [
        ("missing_required", "role", {"role": ""}),
        ("bad_type", "valid_from", {"valid_from": "2026-13-01"}),
        ("bad_type", "is_active", {"is_active": "perhaps"}),
        ("unknown_reference", "manager_id", {"manager_id": "nobody"}),
    ],
    "client_assignments": [
        ("missing_required", "account_manager_id", {"account_manager_id": ""}),
        ("bad_type", "valid_to", {"valid_to": "never"}),
        ("bad_date_order", "valid_to", {"valid_to": "1899-12-31"}),
        ("unknown_reference", "account_manager_id", {"account_manager_id": "nobody"}),
    ],
    "kpi_targets": [
        ("missing_required", "target", {"target": ""}),
        ("bad_type", "weight", {"weight": "1,2,3"}),
        ("bad_enum", "kpi", {"kpi": "profit"}),
        ("bad_enum", "staff_id", {"scope": "own", "staff_id": "", "role": ""}),
        ("bad_enum", "role", {"scope": "company", "staff_id": "", "role": "account_manager"}),
        ("out_of_range", "weight", {"weight": "-0.5"}),
        ("unknown_reference", "staff_id", {"scope": "team", "staff_id": "nobody", "role": ""}),
    ],
    "fx_rates": [
        ("missing_required", "rate_date", {"rate_date": ""}),
        ("bad_type", "rate", {"rate": "inf"}),
        ("bad_enum", "currency", {"currency": "usd"}),
        ("out_of_range", "rate", {"rate": "0"}),
    ],
}
# Name, bytes and the extract it is taken for: each is rejected, for a reason of its own.
BROKEN: Sequence[tuple[str, bytes, str | None]] = (
    ("clients/0-none.xlsx", b"no workbook", "clients"),
    ("clients/0-quote.csv", b'client_id,client_name\nX,"never closed\nY,y\n', "clients"),
    ("contracts/0-cut.csv.gz", b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff\x4b", "contracts"),
    ("fx_rates/1-twice.csv", b"currency,rate_date,rate,Rate Date\nUSD,2026-10-01,1,2026-10-01\n", "fx_rates"),
    ("invoices/1-unknown.csv", b"invoice_id\n1\n", None),
    ("peer_reviews/1-broken.json", b'[{"review_id": "R1"', "peer_reviews"),
    ("projects/1-lacking.csv", b"project_id,client_id\nJ1,C001\n", "projects"),
    ("clients/2-titles.tsv", "Danh sách khách hàng\n\nclient_id\tclient_name\nX\tx\n".encode(), "clients"),
    ("project_costs/2-none.parquet", b"PAR1PAR1", "project_costs"),
    ("staff/2-other.pdf", b"%PDF-1.7", "staff"),
    ("staff/2-cut.csv.zst", b"\x28\xb5\x2f\xfd\x24", "staff"),
)
UNFINISHED = ("clients/1-half.csv.part", "clients/_1-half.csv", "staff/.half.csv", "contracts/2-half.CSV.crdownload")
EMPTY = (("clients/1-empty.csv", b""), ("clients/2-header.csv", b"client_id,client_name\n"))


@dataclass(frozen=True)
class Held:
    """What a planted row must be held back for. Without a reason, it is a good one.

    settled: whether a good row of its key is newer.
    """

    reason: str | None = None
    column: str | None = None
    keeps_older: bool = False
    settled: bool = False


@dataclass
class Plan:
    """The rows of each run and extract, each with what must become of it."""

    rows: dict[tuple[int, str], list[tuple[Row, Held]]] = field(default_factory=lambda: defaultdict(list))
    number: int = 0

    def put(self, run: int, extract: str, row: Row, held: Held | None = None) -> None:
        """Deliver a row in a run."""
        self.rows[run, extract].append((row, held or Held()))

    def fresh(self, extract: str, row: Mapping[str, str]) -> dict[str, str]:
        """The row under a key of its own, which nothing refers to."""
        self.number += 1
        year = {"valid_from": f"{1900 + self.number}-01-01"}
        own = {
            "staff": {"staff_id": f"planted-{self.number}"},
            "client_assignments": {**year, "valid_to": ""},
            "kpi_targets": year,
            "fx_rates": {"currency": "SGD", "rate_date": f"{1900 + self.number}-01-01"},
        }
        return {**row, **(own.get(extract) or {ID_OF[extract]: f"planted-{self.number}"})}


def plan(tables: Tables) -> Plan:
    """The clean tables over three runs, with everything planted among them."""
    made = Plan()
    for extract, table in tables.items():
        keys = {column.name for column in EXTRACTS[extract] if column.key}
        plain = list(table)
        _plant_versions(made, extract, plain, keys)
        for place, (reason, column, changes) in enumerate(BAD[extract]):
            new = made.fresh(extract, plain[-1])
            made.put(place % RUNS, extract, {**new, **changes}, Held(reason, column))
            if not keys & changes.keys():
                # The newest version of a good row is bad: the good one stays current.
                good = plain.pop()
                made.put((place + 1) % RUNS, extract, good)
                bad = {**good, "updated_at": NEWEST, **changes}
                # A moment that cannot be read is none: the row comes after the good one, or it does not.
                keeps = "updated_at" not in changes or (place + 2) % RUNS > (place + 1) % RUNS
                made.put((place + 2) % RUNS, extract, bad, Held(reason, column, keeps_older=keeps, settled=not keeps))
        for place, row in enumerate(plain):
            made.put(place % RUNS, extract, row)
    return made


def _plant_versions(made: Plan, extract: str, plain: list[dict[str, str]], keys: set[str]) -> None:
    """Versions and deletions that must change nothing, of rows taken out of `plain` and of keys of their own."""
    column, others = CHANGES[extract]

    def gone(row: Mapping[str, str], moment: str) -> dict[str, str]:
        return {**{name: row[name] for name in keys}, "is_deleted": "true", "updated_at": moment}

    late, corrected, kept = plain.pop(), plain.pop(), plain.pop()
    made.put(0, extract, {**late, "updated_at": NEWER})
    made.put(2, extract, {**late, column: others[0], "updated_at": OLDER})
    made.put(0, extract, {**corrected, column: others[0], "updated_at": OLDER})
    made.put(1, extract, {**corrected, "updated_at": NEWER})
    made.put(1, extract, {**kept, "updated_at": NEWER, "is_deleted": "no"})
    made.put(2, extract, gone(kept, OLDER))
    deleted, late_and_deleted = made.fresh(extract, plain[0]), made.fresh(extract, plain[0])
    made.put(0, extract, deleted)
    made.put(1, extract, gone(deleted, NEWER))
    made.put(0, extract, gone(late_and_deleted, NEWER))
    made.put(2, extract, {**late_and_deleted, "updated_at": OLDER})


@dataclass(frozen=True)
class Dirty:
    """Files by run, and what must be in the ledger and held back once all of them are loaded.

    ledger: file, extract, status, rows read, loaded and held back. quarantine: extract, file, line, reason, column and
    whether an older row stays; not the settled ones. unfinished: what must still lie in LANDING.
    """

    runs: list[dict[str, bytes]]
    ledger: set[tuple[str, str | None, str, int, int, int]]
    quarantine: set[tuple[str, str, int, str, str | None, bool]]
    unfinished: dict[str, bytes]


def dirty(made: Plan, form_of: Callable[[int, str], Format]) -> Dirty:
    """The plan as files, each run's file of an extract in the format that `form_of` says."""
    runs: list[dict[str, bytes]] = [{} for _ in range(RUNS)]
    ledger: set[tuple[str, str | None, str, int, int, int]] = set()
    quarantine: set[tuple[str, str, int, str, str | None, bool]] = set()
    for (run, extract), planned in sorted(made.rows.items(), key=lambda item: item[0]):
        form = form_of(run, extract)
        columns = [column.name for column in EXTRACTS[extract]]
        rows = [*planned]
        if form.short:
            rows.insert(len(rows) // 2, (["short"], Held("malformed_row")))
        if form.long:
            rows.insert(1, (["long"] * (len(columns) + 1), Held("malformed_row")))
        written: Written = form.write(extract, columns, [row for row, _ in rows])
        name = f"{extract}/{run}-rows.{form.ending}"
        runs[run][name] = written.data
        held = [(line, each) for line, (_, each) in zip(written.lines, rows, strict=True) if each.reason]
        quarantine |= {
            (extract, name, line, each.reason or "", each.column, each.keeps_older)
            for line, each in held
            if not each.settled
        }
        ledger.add((name, extract, "loaded", len(rows), len(rows) - len(held), len(held)))
        # Known bytes under another name, later by its path.
        if extract in ("contracts", "staff"):
            again = f"{extract}/9-again{run}.{form.ending}"
            runs[run][again] = written.data
            ledger.add((again, extract, "duplicate", 0, 0, 0))
    for name, data, taken_for in BROKEN:
        runs[int(name.split("/")[1][0])][name] = data
        ledger.add((name, taken_for, "rejected", 0, 0, 0))
    for name, data in EMPTY:
        runs[int(name.split("/")[1][0])][name] = data
        ledger.add((name, "clients", "loaded", 0, 0, 0))
    unfinished = dict.fromkeys(UNFINISHED, b"client_id,client_name\nhalf,half\n")
    runs[0] |= unfinished
    return Dirty(runs, ledger, quarantine, unfinished)
