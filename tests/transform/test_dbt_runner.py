"""A build that takes only what is new makes the same marts as one from nothing."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta

import pytest

from amkpi.transform import dbt_runner
from tests.conftest import AS_OF, Agency
from tests.oracle.agencies import random_agency
from tests.oracle.oracle import compute
from tests.pipeline.test_against_oracle import differences
from tests.publishing.published_files import different_rows, written

__all__ = ["written"]  # a fixture

Files = dict[str, bytes]


def csv_of(row: dict[str, object]) -> bytes:
    """A file of one row."""
    text = io.StringIO()
    writer = csv.DictWriter(text, row)
    writer.writeheader()
    writer.writerow(row)
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


def a_new_manager(agency: Agency) -> Files:
    """Somebody who has a manager gets another one, who is in nobody's team, from the middle of the history on."""
    ((person, role, active, since, name),) = agency.rows(
        "select staff_id, role, is_active, valid_from + 1, full_name from intermediate.int_staff_history"
        " where manager_id is not null and valid_to > valid_from + 1 order by valid_from, staff_id limit 1"
    )
    ((manager,),) = agency.rows(
        "select min(staff_id) from intermediate.int_staff_history where staff_id not in"
        f" (select staff_id from intermediate.int_management_chain) and staff_id <> '{person}'"
    )
    row = {"staff_id": person, "full_name": name, "role": role, "manager_id": manager, "is_active": active,
           "valid_from": since, "department": "account"}  # fmt: skip
    return {"staff/moved.csv": csv_of(row)}


@pytest.mark.slow
@pytest.mark.parametrize("seed", [12])
def test_builds_of_only_what_is_new_give_what_the_oracle_and_the_published_file_have(
    make_agency: Callable[..., Agency], written: list[str], seed: int
) -> None:
    agency = make_agency(as_of=AS_OF)
    runs = random_agency(seed, as_of=AS_OF, dirty=True)
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

    # Who is over whom is an input of every period.
    runs.append(a_new_manager(agency))
    agency.load(runs[-1])
    agency.build()
    changed, periods = made_anew(agency)
    assert changed == periods
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
