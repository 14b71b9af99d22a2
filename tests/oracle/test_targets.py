"""Targets by the days that count, against cases computed by hand."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import date
from math import isclose

import pytest

from .agencies import random_agency
from .cases import PEOPLE, files, row
from .oracle import Marts, compute

CONTRACT = "K,C,A,upsell,2026-01-10,2026-04-01,2026-04-10,100,VND,"
FIRST_QUARTER = date(2026, 1, 1)


def marts_of(targets: Sequence[str], as_of: date, people: Sequence[str] = PEOPLE, contract: str = CONTRACT) -> Marts:
    """The marts of an agency with one contract."""
    return compute([files(clients=["C,C"], staff=people, contracts=[contract], kpi_targets=targets)], as_of)


def target(
    marts: Marts,
    grain: str,
    start: date,
    person: str | None = "A",
    scope: str = "own",
    kpi: str = "client_revenue",
) -> tuple[object, object]:
    """Target and weight of a line."""
    wanted = {"kpi": kpi, "scope": scope, "staff_id": person, "period_grain": grain, "period_start": start}
    found = row(marts.scorecard_lines, **wanted)
    return found["target"], found["weight"]


def near(found: tuple[object, object], wanted: tuple[float, float]) -> bool:
    """Whether target and weight are these, to a relative 1e-12."""
    return all(isclose(float(str(one)), other, rel_tol=1e-12) for one, other in zip(found, wanted, strict=True))


def person(name: str, *rows: tuple[str, str, str, str]) -> list[str]:
    """The staff rows of one person: valid_from, role, manager, is_active."""
    return [f"{name},{since},{name},{role},{manager},{active}" for since, role, manager, active in rows]


def test_a_revenue_target_per_month_adds_up_by_days_and_one_for_the_grain_by_the_days_of_the_period() -> None:
    targets = [
        "client_revenue,,,A,,2026-01-01,310,1",
        "client_revenue,own,,A,,2026-03-01,620,1",
        "client_revenue,own,month,A,,2026-01-15,9300,1",
        "client_revenue,own,year,A,,2026-01-02,730,3",
    ]
    marts = marts_of(targets, date(2026, 4, 10))
    # 14 days by the row for any grain, 17 by the row for months.
    assert near(target(marts, "month", date(2026, 1, 1)), (14 * 10 + 17 * 300, 1))
    assert target(marts, "month", date(2026, 2, 1)) == (9300.0, 1)
    assert near(target(marts, "month", date(2026, 4, 1)), (3100, 1))  # 10 of 30 days
    assert target(marts, "quarter", FIRST_QUARTER) == (310 + 310 + 620.0, 1)  # the rows for any grain only
    assert near(target(marts, "quarter", date(2026, 4, 1)), (620 * 10 / 30, 1))
    # One day at 310 a month, then 99 days of the year's own row: 2 a day.
    assert near(target(marts, "year", date(2026, 1, 1)), (10 + 99 * 2, (1 + 99 * 3) / 100))
    assert target(marts, "trailing_12m", date(2025, 5, 1)) == (None, None)  # the first days have none


def test_a_target_for_the_person_at_any_grain_goes_before_the_role_at_the_grain() -> None:
    targets = [
        "client_revenue,own,month,,account_manager,2025-01-01,10,1",
        "client_revenue,own,,,account_manager,2025-01-01,20,1",
        "client_revenue,own,,A,,2026-01-01,30,1",
        "client_revenue,company,,,,2025-01-01,40,1",
        "client_revenue,company,month,,,2026-02-01,50,1",
    ]
    marts = marts_of(targets, date(2026, 3, 31))
    assert target(marts, "month", date(2026, 1, 1))[0] == 30.0
    assert target(marts, "month", date(2026, 1, 1), "B")[0] == 10.0
    assert target(marts, "quarter", FIRST_QUARTER, "B")[0] == 60.0
    assert target(marts, "trailing_12m", date(2025, 4, 1))[0] == 9 * 20 + 3 * 30.0
    assert target(marts, "month", date(2026, 1, 1), None, "company")[0] == 40.0
    assert target(marts, "month", date(2026, 3, 1), None, "company")[0] == 50.0
    assert target(marts, "quarter", FIRST_QUARTER, None, "company")[0] == 120.0


ROLES = (
    "client_revenue,own,,,account_manager,2025-01-01,100,1",
    "client_revenue,own,,,account_director,2025-01-01,300,4",
    "contract_win_rate,own,,,account_manager,2025-01-01,0.5,2",
    "contract_win_rate,own,,,account_director,2025-01-01,0.2,1",
)


def test_a_joiner_is_judged_by_the_days_since_joining() -> None:
    people = [*PEOPLE, *person("J", ("2026-03-16", "account_manager", "D", "true"))]
    marts = marts_of(ROLES, date(2026, 6, 30), people)
    assert near(target(marts, "month", date(2026, 3, 1), "J"), (100 * 16 / 31, 1))
    assert near(target(marts, "quarter", FIRST_QUARTER, "J"), (100 * 16 / 31, 1))
    assert near(target(marts, "year", date(2026, 1, 1), "J"), (100 * 16 / 31 + 300, 1))
    assert near(target(marts, "month", date(2026, 3, 1), "J", kpi="contract_win_rate"), (0.5, 2))


def test_the_joiner_of_16_march_who_sold_60_million_attains_116_per_cent_and_is_rated_a_plus() -> None:
    people = [*PEOPLE, *person("J", ("2026-03-16", "account_manager", "D", "true"))]
    contract = "K,C,J,new_business,2026-03-20,2026-04-01,2026-04-10,60e6,VND,"
    marts = marts_of(["client_revenue,own,,,account_manager,2025-01-01,100e6,1"], date(2026, 3, 31), people, contract)
    where = {"scope": "own", "staff_id": "J", "period_grain": "quarter", "period_start": FIRST_QUARTER}
    line = row(marts.scorecard_lines, kpi="client_revenue", **where)
    assert round(float(str(line["target"])) / 1e6, 1) == 51.6
    assert (line["value"], line["attainment"], line["status"]) == (60e6, 1.1625, "on_target")
    card = row(marts.scorecards, **where)
    assert (round(float(str(card["weighted_score"])), 9), card["rating"]) == (116.25, "A+")


def test_a_leaver_is_judged_by_the_days_until_leaving_and_late_records_by_all_days_of_personal_rows() -> None:
    people = [
        *PEOPLE,
        *person("L", ("2025-01-01", "account_manager", "D", "true"), ("2026-02-15", "account_manager", "D", "false")),
    ]
    contract = "K,C,L,upsell,2026-03-10,2026-02-01,2026-04-10,100,VND,"
    personal = "client_satisfaction,own,,L,,2026-03-22,0.8,31"
    marts = marts_of([*ROLES, personal], date(2026, 3, 31), people, contract)
    assert near(target(marts, "month", date(2026, 2, 1), "L"), (100 * 14 / 28, 1))
    assert near(target(marts, "quarter", FIRST_QUARTER, "L"), (150, 1))
    assert target(marts, "quarter", FIRST_QUARTER, "L", kpi="client_satisfaction") == (None, None)
    # March has no day of theirs: all 31 count, and no role is asked.
    assert target(marts, "month", date(2026, 3, 1), "L") == (None, None)
    assert near(target(marts, "month", date(2026, 3, 1), "L", kpi="client_satisfaction"), (0.8, 10))


def test_who_was_promoted_on_30_march_has_312_9_to_sell_in_the_quarter() -> None:
    people = [
        *PEOPLE,
        *person("P", ("2025-01-01", "account_manager", "D", "true"), ("2026-03-30", "account_director", "D", "true")),
    ]
    contract = "K,C,P,upsell,2026-03-10,2026-04-01,2026-04-10,300,VND,"
    marts = marts_of(ROLES, date(2026, 3, 31), people, contract)
    assert near(target(marts, "quarter", FIRST_QUARTER, "P"), (200 + 100 * 29 / 31 + 300 * 2 / 31, (88 + 2 * 4) / 90))
    wanted = {"scope": "own", "staff_id": "P", "period_grain": "quarter", "kpi": "client_revenue"}
    line = row(marts.scorecard_lines, **wanted)
    assert (line["value"], round(float(str(line["target"])), 1), line["status"]) == (300.0, 312.9, "at_risk")
    rate = target(marts, "quarter", FIRST_QUARTER, "P", kpi="contract_win_rate")
    assert near(rate, ((88 * 0.5 + 2 * 0.2) / 90, (88 * 2 + 2) / 90))


def test_a_personal_row_from_the_middle_of_a_month_counts_from_that_day() -> None:
    targets = [*ROLES, "client_revenue,own,,A,,2026-03-11,620,8", "contract_win_rate,own,month,A,,2026-03-11,0.8,5"]
    marts = marts_of(targets, date(2026, 3, 31))
    assert near(target(marts, "month", date(2026, 3, 1)), (100 * 10 / 31 + 620 * 21 / 31, (10 + 21 * 8) / 31))
    rate = target(marts, "month", date(2026, 3, 1), kpi="contract_win_rate")
    assert near(rate, ((10 * 0.5 + 21 * 0.8) / 31, (10 * 2 + 21 * 5) / 31))
    assert target(marts, "quarter", FIRST_QUARTER, kpi="contract_win_rate") == (0.5, 2)


def test_a_role_held_for_some_days_and_left_again_counts_for_these_days() -> None:
    people = [
        *PEOPLE,
        *person(
            "P",
            ("2025-01-01", "account_manager", "D", "true"),
            ("2026-03-10", "account_director", "D", "true"),
            ("2026-03-20", "account_manager", "D", "true"),
        ),
    ]
    marts = marts_of(ROLES, date(2026, 3, 31), people)
    assert near(target(marts, "month", date(2026, 3, 1), "P"), ((21 * 100 + 10 * 300) / 31, (21 + 40) / 31))


@pytest.mark.parametrize("away", ["account_manager,D,false", "strategist,D,true"], ids=["unpaid leave", "other work"])
def test_days_of_leave_and_of_other_work_do_not_count(away: str) -> None:
    people = [
        *PEOPLE,
        *person("P", ("2025-01-01", "account_manager", "D", "true"), ("2026-03-12", "account_manager", "D", "true")),
        f"P,2026-03-02,P,{away}",
    ]
    marts = marts_of(ROLES, date(2026, 3, 31), people)
    assert near(target(marts, "month", date(2026, 3, 1), "P"), (100 * 21 / 31, 1))
    assert near(target(marts, "month", date(2026, 3, 1), "P", kpi="contract_win_rate"), (0.5, 2))


def test_a_team_counts_the_days_with_somebody_under_its_leader_and_goes_by_the_leaders_role() -> None:
    people = [
        *PEOPLE,
        # N takes A's team over on 11 February, and is a director from the 21st on.
        *person("N", ("2025-01-01", "account_manager", "G", "true"), ("2026-02-21", "account_director", "G", "true")),
        "A,2026-02-11,A,account_manager,N,true",
        # Somebody below who is not active makes no team.
        *person("Z", ("2025-01-01", "account_manager", "N", "false")),
    ]
    targets = [
        "client_revenue,team,,,account_manager,2025-01-01,280,1",
        "client_revenue,team,,,account_director,2025-01-01,560,2",
        "client_revenue,team,quarter,D,,2026-02-01,900,1",
    ]
    marts = marts_of(targets, date(2026, 3, 31), people)
    assert near(target(marts, "month", date(2026, 2, 1), "N", "team"), ((10 * 280 + 8 * 560) / 28, 26 / 18))
    assert near(target(marts, "quarter", FIRST_QUARTER, "N", "team"), (260 + 560, (10 + 39 * 2) / 49))
    # D led A until 10 February: 31 days by role, then ten days of the quarter's own row.
    assert near(target(marts, "quarter", FIRST_QUARTER, "D", "team"), (560 + 900 * 10 / 90, (31 * 2 + 10) / 41))


def test_a_leader_who_is_no_active_account_staff_goes_by_personal_rows_alone() -> None:
    people = [
        *PEOPLE,
        *person("B", ("2026-01-01", "account_manager", "G", "false")),
        *person("E", ("2026-01-01", "account_executive", "B", "true")),
    ]
    targets = [
        "client_revenue,team,,,account_manager,2025-01-01,280,1",
        "client_satisfaction,team,,B,,2026-03-17,0.7,1",
    ]
    marts = marts_of(targets, date(2026, 3, 31), people)
    assert target(marts, "month", date(2026, 3, 1), "B", "team") == (None, None)
    assert near(target(marts, "month", date(2026, 3, 1), "B", "team", "client_satisfaction"), (0.7, 15 / 31))


def test_a_counted_day_without_a_target_leaves_revenue_without_one_and_weighs_less_elsewhere() -> None:
    targets = ["client_revenue,own,,A,,2026-03-02,310,4", "contract_win_rate,own,,A,,2026-03-02,0.5,31"]
    marts = marts_of(targets, date(2026, 3, 31))
    assert target(marts, "month", date(2026, 3, 1)) == (None, None)
    assert target(marts, "month", date(2026, 3, 1), kpi="contract_win_rate") == (0.5, 30)
    assert near(target(marts, "quarter", FIRST_QUARTER, kpi="contract_win_rate"), (0.5, 31 * 30 / 90))


def test_a_row_with_a_target_of_zero_gives_its_days_none_and_hides_the_levels_below() -> None:
    targets = [
        *ROLES,
        "client_revenue,own,,A,,2026-03-11,0,9",
        "client_revenue,own,,A,,2026-03-21,930,2",
        "contract_win_rate,own,month,A,,2026-03-11,0,9",
    ]
    marts = marts_of(targets, date(2026, 3, 31))
    assert target(marts, "month", date(2026, 3, 1)) == (None, None)
    assert near(target(marts, "month", date(2026, 3, 1), kpi="contract_win_rate"), (0.5, 2 * 10 / 31))
    assert target(marts, "quarter", FIRST_QUARTER, kpi="contract_win_rate") == (0.5, 2)


def test_random_agencies_have_leaves_short_roles_takeovers_rows_at_every_level_and_zeros() -> None:
    back, levels, zeros = set(), set(), 0
    for seed in range(6):
        (run,) = random_agency(seed, as_of=date(2026, 10, 17), size="tiny")
        staff = [*csv.DictReader(io.StringIO(run["staff/staff.csv"].decode()))]
        for line in staff:
            line["is_active"] = str(line["is_active"] in ("true", "T", "Yes", "1"))
        people = {line["staff_id"] for line in staff}
        for person_id in people:
            rows = sorted(
                (line for line in staff if line["staff_id"] == person_id), key=lambda line: line["valid_from"]
            )
            for before, other, after in zip(rows, rows[1:], rows[2:], strict=False):
                for name in ("is_active", "role", "manager_id"):
                    is_middle = other["valid_from"][-2:] != "01" and after["valid_from"][-2:] != "01"
                    if is_middle and before[name] == after[name] != other[name]:
                        back.add(name)
        targets = [*csv.DictReader(io.StringIO(run["kpi_targets/kpi_targets.csv"].decode()))]
        zeros += sum(line["target"] == "0" for line in targets)
        for line in targets:
            levels.add((line["scope"] or "own", bool(line["staff_id"]), bool(line["period_grain"])))
    assert back == {"is_active", "role", "manager_id"}
    assert levels == {(scope, whose, grain) for scope in ("own", "team") for whose in (True, False)
                      for grain in (True, False)} | {("company", False, True), ("company", False, False)}  # fmt: skip
    assert zeros > 20


def test_change_is_left_out_while_a_period_is_running_but_for_a_trailing_year() -> None:
    contract = "K,C,A,upsell,2026-03-10,2026-04-01,2026-04-10,100,VND,"
    marts = marts_of([], date(2026, 4, 10), contract=contract)

    def change(grain: str, start: date) -> object:
        wanted = {"kpi": "client_revenue", "scope": "own", "staff_id": "A"}
        line = row(marts.scorecard_lines, **wanted, period_grain=grain, period_start=start)
        return line["previous_value"], line["change"]

    assert change("month", date(2026, 4, 1)) == (100.0, None)
    assert change("quarter", date(2026, 4, 1)) == (100.0, None)
    assert change("trailing_12m", date(2025, 5, 1)) == (100.0, 0.0)
    assert change("month", date(2026, 3, 1)) == (None, None)
