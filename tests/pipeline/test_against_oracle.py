"""The marts equal an independent program's: plain Python, written from the specification alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from typing import Any

import pytest

from tests.conftest import AS_OF, Agency
from tests.oracle.agencies import random_agency
from tests.oracle.oracle import Marts, compute
from tests.paths import EXAMPLE

KEYS = {
    "kpi_values": ("kpi", "scope", "staff_id", "period_grain", "period_start"),
    "scorecards": ("scope", "staff_id", "period_grain", "period_start"),
    "scorecard_lines": ("kpi", "scope", "staff_id", "period_grain", "period_start"),
    # A contract may be signed and cancelled on one day: the one that adds less is the first of the two, and of two that
    # add nothing the cancellation.
    "kpi_evidence": ("kpi", "staff_id", "source_extract", "source_id", "period_grain", "period_start", "event_date",
                     "time"),
    "supporting_measures": ("measure", "scope", "staff_id", "period_grain", "period_start"),
    "load_ledger": ("file_name", "extract", "time"),
    "quarantined_rows": ("extract", "file_name", "line_number"),
    "dim_staff": ("staff_id",),
    "dim_client": ("client_id",),
    "client_overview": ("client_id",),
    "project_overview": ("project_id",),
    "contract_overview": ("contract_id",),
    "proposal_overview": ("proposal_id",),
    "survey_overview": ("response_id",),
}  # fmt: skip


def keyed(table: str, rows: Iterable[Mapping[str, Any]]) -> dict[tuple[Any, ...], Mapping[str, Any]]:
    """The rows by their key. `time`: a file that is delivered again, or a record that counts again, is numbered."""
    found: dict[tuple[Any, ...], Mapping[str, Any]] = {}
    times: Counter[tuple[Any, ...]] = Counter()
    names = [name for name in KEYS[table] if name != "time"]
    if table == "kpi_evidence":
        rows = sorted(rows, key=lambda row: (row["numerator"] or 0, row["state"] or ""))
    for row in rows:
        key = tuple([row[name] for name in names])
        if "time" in KEYS[table]:
            times[key] += 1
            key = (*key, times[key])
        assert key not in found, f"{table} has {key} twice"
        found[key] = row
    return found


def same(found: Any, expected: Any, scale: float = 0.0) -> bool:
    """Equal, numbers to a relative 1e-9; a difference of two numbers to 1e-9 of their size."""
    if isinstance(found, float) and isinstance(expected, int | float):
        return abs(found - expected) <= 1e-9 * max(abs(found), abs(expected), scale)
    return bool(found == expected)


def differences(agency: Agency, oracle: Marts) -> list[str]:
    """Every cell in which the marts and the oracle differ, and every row that only one of them has."""
    with agency.warehouse():
        tables = {table: agency.table(f"marts.{table}") for table in KEYS}
    found = []
    for table in KEYS:
        mine = keyed(table, tables[table])
        theirs = keyed(table, getattr(oracle, table))
        found += [f"{table}: missing {key}" for key in theirs.keys() - mine.keys()]
        found += [f"{table}: only here {key}" for key in mine.keys() - theirs.keys()]
        for key in theirs.keys() & mine.keys():
            # Nearly every row: 1.7 million cells are not compared one by one.
            if {column: mine[key].get(column, expected) for column, expected in theirs[key].items()} == theirs[key]:
                continue
            for column, expected in theirs[key].items():
                of = {"change": "value", "amount": "numerator", "over_budget": "cost"}.get(column, "")
                scale = abs(mine[key].get(of) or 0.0)
                if column in mine[key] and not same(mine[key][column], expected, scale):
                    found.append(f"{table} {key}: {column} is {mine[key][column]!r}, expected {expected!r}")
    return found


@pytest.mark.slow
def test_the_example_agency_gives_what_the_oracle_gives(agency: Agency) -> None:
    files = {f"{path.stem}/{path.name}": path.read_bytes() for path in (EXAMPLE / "landing").glob("*.csv")}
    agency.load(files)
    agency.build()
    assert differences(agency, compute([files], AS_OF)) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "as_of", [date(2026, 10, 17), date(2026, 2, 11), pytest.param(date(2025, 12, 31), marks=pytest.mark.long)]
)
@pytest.mark.parametrize("dirty", [False, True], ids=["clean", "dirty"])
@pytest.mark.parametrize("seed", [11, pytest.param(12, marks=pytest.mark.long)])
def test_random_agencies_give_what_the_oracle_gives(
    make_agency: Callable[..., Agency], seed: int, dirty: bool, as_of: date
) -> None:
    agency = make_agency(as_of=as_of)
    runs = random_agency(seed, as_of=as_of, dirty=dirty)
    for files in runs:
        agency.load(files)
    agency.build()
    oracle = compute(runs, as_of)
    assert len(oracle.kpi_values) > 1000
    assert differences(agency, oracle) == []


@pytest.mark.slow
def test_other_variables_give_what_the_oracle_gives_with_them(make_agency: Callable[..., Agency]) -> None:
    agency = make_agency()
    changed = {
        "retention_grace_days": 5,
        "csat_threshold": 0.5,
        "min_raters": 1,
        "attainment_cap": 1.5,
        "attainment_floor": 0.4,
        "min_weight_covered": 0.3,
        "revenue_kinds": ("new_business", "renewal"),
        "account_roles": ("account_manager", "account_director"),
    }
    agency.set(**changed)
    runs = random_agency(21, as_of=AS_OF)
    for files in runs:
        agency.load(files)
    agency.build()
    assert differences(agency, compute(runs, AS_OF, variables=changed)) == []
