"""The oracle against the specification's example, and against small cases computed by hand."""

from __future__ import annotations

import csv
from datetime import UTC, date, datetime
from functools import cache
from math import isclose

import pytest

from tests.paths import EXAMPLE

from .agencies import random_agency
from .cases import PEOPLE, files, month, row
from .oracle import Marts, compute

AS_OF = date(2026, 10, 17)
KEYS = ("kpi", "scope", "staff_id", "period_grain", "period_start")
NUMBERS = frozenset(
    ("value", "numerator", "denominator", "target", "attainment", "weight", "weighted_score", "weight_covered")
)
REASONS = {
    "malformed_row",
    "missing_required",
    "bad_type",
    "bad_enum",
    "out_of_range",
    "bad_date_order",
    "unknown_reference",
    "missing_fx_rate",
}
NULL_REASONS = {
    "no_opening_clients",
    "nothing_due",
    "no_responses",
    "no_proposals",
    "nothing_delivered",
    "no_reviews",
    "too_few_raters",
    "period_running",
}


@cache
def example() -> Marts:
    """The oracle's answer to the example."""
    landing = {f"{path.stem}/{path.name}": path.read_bytes() for path in (EXAMPLE / "landing").glob("*.csv")}
    return compute([landing], AS_OF)


def text(value: object) -> str:
    """A value as the expected files write it."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def same(name: str, expected: str, found: object) -> bool:
    """Whether a cell equals the expected one, numbers to a relative 1e-9."""
    if name not in NUMBERS or expected == "" or found is None:
        return expected == text(found)
    return isclose(float(expected), float(str(found)), rel_tol=1e-9, abs_tol=0.0)


@pytest.mark.parametrize("table", ["kpi_values", "scorecard_lines", "scorecards"])
@pytest.mark.slow
def test_the_oracle_gives_exactly_the_rows_of_the_example(table: str) -> None:
    with (EXAMPLE / "expected" / f"{table}.csv").open(encoding="utf-8", newline="") as file:
        expected = list(csv.DictReader(file))
    columns = list(expected[0])
    keys = [name for name in KEYS if name in columns]
    wanted = {tuple(row[name] for name in keys): row for row in expected}
    rows: list[dict[str, object]] = getattr(example(), table)
    found = {tuple(text(row[name]) for name in keys): row for row in rows}
    assert len(found) == len(rows)
    assert len(wanted) == len(expected) > 2000
    assert found.keys() == wanted.keys()
    wrong = [
        (key, name, row[name], found[key][name])
        for key, row in wanted.items()
        for name in columns
        if not same(name, row[name], found[key][name])
    ]
    assert wrong == []


# --- small cases by hand ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("signed", "cancelled", "event_month", "back"),
    [
        ("2026-03-10", "2026-03-01", 3, 100.0),  # before signing: all, on the signing's day
        ("2026-03-10", "2026-04-01", 4, 100.0),  # on the first day: all
        ("2026-03-10", "2026-04-02", 4, 90.0),  # second of ten days: nine are taken back
        ("2026-03-10", "2026-04-10", 4, 10.0),  # on the last day: that day
        ("2026-03-10", "2026-04-11", 4, 0.0),  # after the end: nothing
        ("2026-04-06", "2026-04-02", 4, 50.0),  # signed after the start, cancelled before: from the signing on
        ("2026-03-10", "2026-06-16", 6, None),  # after as_of: not happened
    ],
)
def test_a_cancellation_takes_back_the_days_from_the_later_of_cancelling_and_signing(
    signed: str, cancelled: str, event_month: int, back: float | None
) -> None:
    contract = f"K,C,A,upsell,{signed},2026-04-01,2026-04-10,100,VND,{cancelled}"
    marts = compute([files(clients=["C,C"], staff=PEOPLE, contracts=[contract])], date(2026, 6, 15))
    signing = int(signed[5:7])
    for number in (3, 4, 5, 6):
        expected = 100.0 * (number == signing) - (back or 0.0) * (number == event_month)
        found = month(marts, "client_revenue", "own", "A", date(2026, number, 1)) if number >= signing else None
        if found is not None:
            assert found[:4] == (expected, expected, None, int(number == signing))
    monthly = [r for r in marts.kpi_evidence if r["kpi"] == "client_revenue" and r["period_grain"] == "month"]
    assert [r["numerator"] for r in monthly] == [100.0] + ([] if back is None else [-back])


@pytest.mark.parametrize(
    ("agreed", "agreed_on", "delivered", "due_month", "on_time"),
    [
        ("", "", "2026-03-11", 3, 0.0),
        ("2026-04-10", "", "2026-04-10", 4, 1.0),  # agreed, nobody knows when
        ("2026-04-10", "2026-03-10", "2026-04-10", 4, 1.0),  # agreed on the promised day
        ("2026-04-10", "2026-03-11", "2026-04-10", 3, 0.0),  # agreed after the promise was broken
        ("2026-02-10", "2026-02-01", "2026-03-10", 2, 0.0),  # agreed to be earlier
        ("", "", "", 3, 0.0),  # never delivered: late
    ],
)
def test_the_due_date_is_the_agreed_one_unless_agreed_after_the_committed_day(
    agreed: str, agreed_on: str, delivered: str, due_month: int, on_time: float
) -> None:
    project = f"J,C,A,J,2026-02-01,2026-03-10,{agreed},{agreed_on},{delivered},,,VND"
    marts = compute([files(clients=["C,C"], staff=PEOPLE, projects=[project])], date(2026, 6, 15))
    for number in (2, 3, 4, 5, 6):
        found = month(marts, "on_time_delivery_rate", "own", "A", date(2026, number, 1))
        if number == due_month:
            assert found == (on_time, on_time, 1.0, 1, None)
        else:
            assert found == (None, 0.0, 0.0, 0, "nothing_due")


def test_a_project_cancelled_on_its_due_date_is_not_due_and_one_cancelled_a_day_later_is() -> None:
    projects = [
        "J1,C,A,J,2026-02-01,2026-03-10,,,,2026-03-10,,VND",
        "J2,C,A,J,2026-02-01,2026-03-10,,,,2026-03-11,,VND",
        "J3,C,A,J,2026-02-01,2026-06-16,,,,,,VND",
    ]
    marts = compute([files(clients=["C,C"], staff=PEOPLE, projects=projects)], date(2026, 6, 15))
    assert month(marts, "on_time_delivery_rate", "own", "A", date(2026, 3, 1)) == (0.0, 0.0, 1.0, 1, None)
    assert month(marts, "on_time_delivery_rate", "own", "A", date(2026, 6, 1))[4] == "nothing_due"


def test_reviews_are_hidden_below_three_reviewers_and_averaged_by_department() -> None:
    reviews = [
        "R1,A,X1,media,2026-01-10,5,3,1,5",  # 75
        "R2,A,X2,media,2026-01-10,1,,1,5",  # 0
        "R3,A,X1,media,2026-01-11,5,,1,5",  # 100: the same reviewer again
        "R4,A,A,creative,2026-01-11,5,,1,5",  # self: left out
        "R5,A,X4,creative,2026-01-11,,,1,5",  # no score: left out
        "R6,A,X3,creative,2026-02-11,,8,0,10",  # 80
    ]
    marts = compute([files(clients=["C,C"], staff=PEOPLE, peer_reviews=reviews)], date(2026, 3, 31))
    kpi = "internal_collaboration_score"
    assert month(marts, kpi, "own", "A", date(2026, 1, 1)) == (None, None, None, 2, "too_few_raters")
    assert month(marts, kpi, "own", "B", date(2026, 1, 1)) == (None, None, None, 0, "no_reviews")
    quarter = row(marts.kpi_values, kpi=kpi, scope="own", staff_id="A", period_grain="quarter")
    assert quarter["sample_size"] == 3
    assert quarter["denominator"] is None
    assert isclose(float(str(quarter["value"])), ((75 + 0 + 100) / 3 + 80) / 2, rel_tol=1e-12)


def test_a_record_counts_for_the_teams_of_its_event_date_and_a_cancellation_for_those_of_its_own() -> None:
    people = [*PEOPLE, "A,2026-02-15,A,account_manager,B,true", "B,2026-01-01,B,account_manager,G,false"]
    contract = "K,C,A,upsell,2026-02-14,2026-02-01,2026-02-28,280,VND,2026-02-15"
    marts = compute([files(clients=["C,C"], staff=people, contracts=[contract])], date(2026, 3, 31))
    february = date(2026, 2, 1)
    assert month(marts, "client_revenue", "team", "D", february)[:2] == (280.0, 280.0)
    assert month(marts, "client_revenue", "team", "B", february)[:2] == (-140.0, -140.0)  # 14 of 28 days; inactive lead
    assert month(marts, "client_revenue", "team", "G", february)[:2] == (140.0, 140.0)
    assert month(marts, "client_revenue", "company", None, february)[:2] == (140.0, 140.0)
    months = {(r["scope"], r["staff_id"], r["period_start"]) for r in marts.kpi_values if r["period_grain"] == "month"}
    assert ("team", "D", february) in months  # led A until the 14th
    assert ("team", "D", date(2026, 3, 1)) not in months
    assert ("own", "B", february) not in months
    assert ("team", "A", february) not in months


def test_a_client_is_kept_through_the_days_of_grace_and_belongs_to_its_manager_on_opening() -> None:
    contracts = [
        "K1,C1,,renewal,2025-12-01,2025-12-01,2026-01-01,1,VND,",  # active until 31 January
        "K2,C2,,renewal,2025-12-01,2025-12-01,2026-01-31,1,VND,2026-01-01",  # in force until 31 December
        "K3,C2,B,upsell,2026-01-20,2026-05-01,2026-05-02,1,VND,2026-02-01",
    ]
    assignments = ["C1,2025-01-01,A,2025-12-31", "C2,2025-01-01,B,", "C2,2026-01-01,A,"]
    tables = files(clients=["C1,C", "C2,C"], staff=PEOPLE, contracts=contracts, client_assignments=assignments)
    marts = compute([tables], date(2026, 2, 28))
    january = date(2026, 1, 1)
    assert month(marts, "client_retention_rate", "own", "A", january) == (1.0, 1.0, 1.0, 1, None)
    assert month(marts, "client_retention_rate", "own", "B", january) == (0.0, 0.0, 1.0, 1, None)
    assert month(marts, "upsell_cross_sell_rate", "own", "B", january) == (1.0, 1.0, 1.0, 1, None)
    assert month(marts, "client_retention_rate", "company", None, date(2026, 2, 1)) == (0.0, 0.0, 1.0, 1, None)
    assert month(marts, "client_retention_rate", "own", "A", date(2026, 2, 1))[4] == "no_opening_clients"


def test_a_superseded_proposal_does_not_count_unless_its_successor_is_sent_after_as_of() -> None:
    proposals = [
        "P1,C,A,upsell,1,VND,2026-01-01,won,2026-02-01,P1",  # supersedes itself: counts
        "P2,C,A,upsell,1,VND,2026-01-01,lost,2026-01-05,",  # superseded
        "P3,C,A,upsell,1,VND,2026-02-01,lost,2026-02-05,P2",
        "P4,C,A,upsell,1,VND,2026-01-01,won,2026-03-05,",  # decided after as_of; its successor is, too
        "P5,C,A,upsell,1,VND,2026-03-02,won,2026-03-05,P4",
    ]
    marts = compute([files(clients=["C,C"], staff=PEOPLE, proposals=proposals)], date(2026, 3, 1))
    assert month(marts, "contract_win_rate", "own", "A", date(2026, 1, 1)) == (0.5, 1.0, 2.0, 2, None)
    assert month(marts, "contract_win_rate", "own", "A", date(2026, 2, 1)) == (0.0, 0.0, 1.0, 1, None)


def test_the_newest_row_wins_and_a_held_back_one_keeps_the_older() -> None:
    header = "client_id,client_name,updated_at,is_deleted\n"
    runs = [
        {"clients/a.csv": (header + "C1,new,2026-01-02,\nC2,old,,\nC3,x,2026-01-01T00:00:00Z,\nC4,x,,\n").encode()},
        {
            "clients/b.csv": (
                header + "C1,late,2026-01-01,\nC2,newer,,\nC3,,2026-01-01T07:00:01,\nC4,,,true\n"
            ).encode(),
            "clients/c.csv": (header + "C1,new,2026-01-02,\nC2,old,,\nC3,x,2026-01-01T00:00:00Z,\nC4,x,,\n").encode(),
            "clients/d.csv": b"client_id\nC9\n",
        },
    ]
    marts = compute(runs, AS_OF)
    assert {r["client_id"]: r["client_name"] for r in marts.dim_client} == {"C1": "new", "C2": "newer", "C3": "x"}
    held = [tuple(r.values()) for r in marts.quarantined_rows]
    assert held == [("clients", "clients/b.csv", 4, "missing_required", "client_name", True)]
    assert [tuple(r.values())[2:] for r in marts.load_ledger] == [
        ("loaded", 4, 4, 0),
        ("loaded", 4, 3, 1),
        ("duplicate", 0, 0, 0),
        ("rejected", 0, 0, 0),
    ]


def test_a_moment_more_than_a_day_after_the_load_counts_as_the_load() -> None:
    header = "client_id,client_name,updated_at\n"
    clock = [
        {"clients/a.csv": f"{header}C1,bad clock,2099-01-01\n".encode()},
        {"clients/b.csv": f"{header}C1,b,2026-03-01\n".encode()},
    ]
    loads = [datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC)]
    assert compute(clock, AS_OF).dim_client[0]["client_name"] == "bad clock"
    assert compute(clock, AS_OF, load_times=loads).dim_client[0]["client_name"] == "b"


@pytest.mark.parametrize(("covered", "rating"), [("7", "A"), ("6.999999", None)])
def test_a_score_is_rated_from_seven_tenths_of_the_weight_on_and_rounds_half_up(
    covered: str, rating: str | None
) -> None:
    rest = "3" if covered == "7" else "3.000001"
    contract = "K,C,A,upsell,2026-01-10,2026-01-01,2026-01-31,94.95,VND,"
    targets = [f"client_revenue,,,A,,2026-01-01,100,{covered}", f"client_satisfaction,,,A,,2026-01-01,0.8,{rest}"]
    runs = [files(clients=["C,C"], staff=PEOPLE, contracts=[contract], kpi_targets=targets)]
    card = row(compute(runs, date(2026, 1, 31)).scorecards, scope="own", staff_id="A", period_grain="month")
    assert (card["weighted_score"], card["rating"], card["kpis_scored"]) == (94.95, rating, 1)


# --- the random agencies reach every corner --------------------------------------------------------------------------


# Of this many seeds, each with a clean and a dirty agency; the oracle takes 1 s for each.
SEEDS = pytest.mark.parametrize("seeds", [3, pytest.param(10, marks=pytest.mark.long)])


@cache
def answers(seeds: int) -> list[Marts]:
    """The oracle's answers to so many clean and as many dirty agencies."""
    made = [(seed, dirty) for seed in range(seeds) for dirty in (False, True)]
    return [compute(random_agency(seed, as_of=AS_OF, size="tiny", dirty=dirty), AS_OF) for seed, dirty in made]


@pytest.mark.long
@pytest.mark.slow
def test_random_agencies_reach_every_reason_status_and_rating() -> None:
    marts = answers(10)
    assert {r["reason"] for m in marts for r in m.quarantined_rows} == REASONS
    assert {True, False} == {r["keeps_older_row"] for m in marts for r in m.quarantined_rows}
    assert {r["status"] for m in marts for r in m.load_ledger} == {"loaded", "duplicate", "rejected"}
    assert {r["null_reason"] for m in marts for r in m.kpi_values} == NULL_REASONS | {None}
    assert {r["rating"] for m in marts for r in m.scorecards} == {"A+", "A", "B", "C", "D", None}
    statuses = {r["status"] for m in marts for r in m.scorecard_lines}
    assert statuses == {"no_data", "no_target", "on_target", "at_risk", "off_target"}
    assert {(r["scope"], r["period_grain"]) for m in marts for r in m.kpi_values} == {
        (scope, grain) for scope in ("own", "team", "company") for grain in ("month", "quarter", "year", "trailing_12m")
    }


@SEEDS
@pytest.mark.slow
def test_clean_agencies_hold_nothing_back_and_no_agency_has_a_loop(seeds: int) -> None:
    assert all(marts.quarantined_rows == [] for marts in answers(seeds)[::2])
    assert not any(marts.manager_loop for marts in answers(seeds))


def test_the_same_seed_makes_the_same_agency() -> None:
    for dirty in (False, True):
        assert random_agency(3, as_of=AS_OF, dirty=dirty) == random_agency(3, as_of=AS_OF, dirty=dirty)


def test_a_loop_of_managers_is_seen() -> None:
    people = [*PEOPLE, "G,2026-01-01,G,group_account_director,A,true"]
    assert compute([files(staff=people)], AS_OF).manager_loop
    assert not compute([files(staff=people)], date(2025, 12, 31)).manager_loop


@SEEDS
@pytest.mark.slow
def test_evidence_adds_up_to_the_own_rows(seeds: int) -> None:
    for marts in answers(seeds):
        sums: dict[tuple[object, ...], list[float]] = {}
        names = ("kpi", "staff_id", "period_grain", "period_start")
        for r in marts.kpi_evidence:
            if r["staff_id"] is not None and r["kpi"] != "internal_collaboration_score":
                sums.setdefault(tuple(r[name] for name in names), []).append(float(str(r["numerator"])))
        own = {tuple(r[name] for name in names): r["numerator"] for r in marts.kpi_values if r["scope"] == "own"}
        assert sums.keys() <= own.keys()
        for key, numerators in sums.items():
            assert isclose(sum(numerators), float(str(own[key])), rel_tol=1e-9, abs_tol=1e-3)
