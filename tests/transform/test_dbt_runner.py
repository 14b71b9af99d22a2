"""A build that takes only what is new makes the same marts as one from nothing."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, timedelta

import pytest

from amkpi.publishing import publication_file
from amkpi.transform import dbt_runner
from tests.conftest import AS_OF, Agency
from tests.oracle.agencies import random_agency
from tests.oracle.oracle import compute
from tests.pipeline.test_against_oracle import differences
from tests.publishing.published_files import different_rows, written

__all__ = ["written"]  # a fixture

Files = dict[str, bytes]


def csv_of(*rows: dict[str, object]) -> bytes:
    """A file of these rows."""
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0])
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def made_anew(agency: Agency) -> tuple[int, int]:
    """How many periods the last build made anew, and how many there are."""
    return (
        agency.rows("select count(*) from intermediate.int_changed_periods")[0][0],
        agency.rows("select count(*) from intermediate.int_periods")[0][0],
    )


def a_late_cost(agency: Agency) -> Files:
    """One more cost of the project that was delivered last."""
    ((project, day),) = agency.rows(
        "select source_id, event_date from intermediate.int_kpi_records where kpi = 'cost_to_budget_ratio'"
        " order by event_date desc, source_id limit 1"
    )
    cost = {"cost_id": "LATE-COST", "project_id": project, "cost_date": day, "amount": 1000, "currency": "VND"}
    return {"project_costs/late.csv": csv_of(cost)}


@dataclass(frozen=True)
class Change:
    """A late row, and the days on which something is different since."""

    files: Files
    first: date
    last: date


def other_days(agency: Agency, **cells: object) -> Change:
    """Somebody of the account staff who has a manager gets these cells for 24 days of May and June 2026."""
    first, last = date(2026, 5, 20), date(2026, 6, 12)
    ((person, role, manager, name),) = agency.rows(
        "select staff_id, role, manager_id, full_name from intermediate.int_staff_history"
        f" where is_account_staff and manager_id is not null and valid_from < '{first}' and valid_to > '{last}'"
        " order by staff_id limit 1"
    )
    row = {"staff_id": person, "full_name": name, "role": role, "manager_id": manager, "is_active": True}
    rows = [row | cells | {"valid_from": first}, row | {"valid_from": last + timedelta(days=1)}]
    return Change({f"staff/{'_'.join(cells)}.csv": csv_of(*rows)}, first, last)


def a_promotion(agency: Agency) -> Change:
    """Somebody has another role for some days."""
    return other_days(agency, role="group_account_director")


def a_leave(agency: Agency) -> Change:
    """Somebody is on leave for some days."""
    return other_days(agency, is_active=False)


def a_new_manager(agency: Agency) -> Change:
    """Somebody is for some days under somebody else, who is in nobody's team."""
    ((manager,),) = agency.rows(
        "select min(manager_id) from intermediate.int_management_chain where manager_id not in"
        " (select staff_id from intermediate.int_management_chain)"
    )
    return other_days(agency, manager_id=manager)


def a_retargeting(agency: Agency) -> Change:
    """The company has another target from the middle of a month on."""
    first = date(2026, 7, 15)
    ((kpi,),) = agency.rows(
        "select min(kpi) from intermediate.int_kpi_catalogue where kpi not in (select kpi from intermediate.int_targets"
        f" where scope = 'company' and period_grain is null and valid_from >= '{first}')"
    )
    row = {"kpi": kpi, "scope": "company", "period_grain": "", "staff_id": "", "role": ""}
    row |= {"valid_from": first, "target": 0.123, "weight": 3}
    return Change({"kpi_targets/late.csv": csv_of(row)}, first, AS_OF)


def an_earlier_beginning(agency: Agency) -> Change:
    """The target of `a_retargeting` begins a day earlier; it is the same on all days after it."""
    ((kpi, begun),) = agency.rows(
        "select kpi, valid_from from intermediate.int_targets where scope = 'company' and target = 0.123"
    )
    row = {"kpi": kpi, "scope": "company", "period_grain": "", "staff_id": "", "role": "", "target": 0.123, "weight": 3}
    first = begun - timedelta(days=1)
    rows = [row | {"valid_from": begun, "is_deleted": "true"}, row | {"valid_from": first, "is_deleted": ""}]
    return Change({"kpi_targets/earlier.csv": csv_of(*rows)}, first, AS_OF)


def rebuilt(agency: Agency) -> set[tuple[str, date]]:
    """The periods that the last build computed again."""
    return set(
        agency.rows(
            "select period_grain, period_start from intermediate.int_periods where period_id in"
            " (select period_id from intermediate.int_changed_periods)"
        )
    )


def concerned(agency: Agency, change: Change) -> set[tuple[str, date]]:
    """The periods with a day of the change, and those after them, which show the value of the period before."""
    periods = agency.rows("select period_grain, period_start, previous_start, close_date from intermediate.int_periods")
    touched = {(grain, start) for grain, start, _, close in periods if start <= change.last and close >= change.first}
    return touched | {(grain, start) for grain, start, previous, _ in periods if (grain, previous) in touched}


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "size"), [(12, "tiny"), pytest.param(12, "small", marks=pytest.mark.long)])
def test_builds_of_only_what_is_new_give_what_the_oracle_and_the_published_file_have(
    make_agency: Callable[..., Agency],
    written: list[str],
    seed: int,
    size: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # So that each file is made from the base, also after a night in which most values changed.
    monkeypatch.setattr(publication_file, "_MOST", 1.0)
    agency = make_agency(as_of=AS_OF)
    runs = random_agency(seed, as_of=AS_OF, dirty=True, size=size)
    # Late, corrected, deleted and released rows, a day later each time.
    for _ in agency.nights(runs):
        assert different_rows(agency, agency.publish_unaudited()) == {}
    assert agency.run.as_of == AS_OF
    assert differences(agency, compute(runs, AS_OF)) == []

    # What changed on the last day alone leaves most periods as they were; they were kept, and are right.
    runs.append(a_late_cost(agency))
    agency.load(runs[-1])
    agency.build()
    changed, periods = made_anew(agency)
    assert 0 < changed < periods / 2
    assert differences(agency, compute(runs, AS_OF)) == []
    assert different_rows(agency, agency.publish_unaudited()) == {}

    # Other roles, days, managers and targets change the periods with such days, and those after them alone.
    for change in (a_promotion, a_leave, a_new_manager, a_retargeting, an_earlier_beginning):
        late = change(agency)
        runs.append(late.files)
        agency.load(runs[-1])
        agency.build()
        assert rebuilt(agency) == concerned(agency, late), change.__name__
        assert len(rebuilt(agency)) < periods / 2
        assert differences(agency, compute(runs, AS_OF)) == []
        assert different_rows(agency, agency.publish_unaudited()) == {}

    # Nights on which a date alone moves: over the end of a month, and back.
    for days in (20, 5):
        agency.run = replace(agency.run, as_of=AS_OF + timedelta(days=days))
        agency.build()
        assert different_rows(agency, agency.publish_unaudited()) == {}
    assert written == ["in full", *["from base"] * (len(runs) + 1)]


@pytest.mark.slow
def test_a_build_after_one_that_broke_off_or_was_another_programs_starts_from_nothing(
    make_agency: Callable[..., Agency], monkeypatch: pytest.MonkeyPatch
) -> None:
    agency = make_agency(as_of=date(2026, 2, 11))
    runs = random_agency(7, as_of=agency.run.as_of, size="tiny")
    agency.load(runs[0])
    agency.build()
    told: list[list[str]] = []
    run_dbt = dbt_runner.run_dbt
    monkeypatch.setattr(dbt_runner, "run_dbt", lambda *args: told.append(args[3]) or run_dbt(*args))

    agency.load(a_late_cost(agency))
    agency.build()
    assert "--full-refresh" not in told[-1]

    # As a kill between two models leaves it.
    with agency.warehouse() as connection:
        connection.execute("delete from audit.build")
        connection.execute("delete from intermediate.int_kpi_values")
    agency.build()
    assert "--full-refresh" in told[-1]
    changed, periods = made_anew(agency)
    assert changed == periods
    assert agency.rows("select count(*) > 0 from marts.kpi_values") == [(True,)]

    agency.set(attainment_cap=1.5)
    agency.build()
    assert "--full-refresh" in told[-1]
