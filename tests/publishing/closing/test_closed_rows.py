"""What is closed stays as it was closed, and what is learned later adds up to the last figure."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from math import isclose
from pathlib import Path
from typing import Any

import duckdb
import pytest

from amkpi.core.language.periods import Period
from amkpi.core.setting_groups.pipeline import RatingBand
from amkpi.core.storage import closing_register
from amkpi.explain.arguments import period_key
from amkpi.explain.evidence import explain
from amkpi.explain.render import as_csv, as_json
from amkpi.pipeline import steps
from amkpi.publishing.closing import publication
from tests.publishing.closing.changed_rows import changed
from tests.publishing.closing.conftest import Closable
from tests.publishing.closing.equation import (
    CLOSABLE,
    broken_equations,
    evidence_that_does_not_add_up,
    rows_not_as_closed,
)

# An agency is published and closed for these: 10 to 20 s.
pytestmark = pytest.mark.slow

COMPARED = (*CLOSABLE, "adjustments", "adjustment_evidence", "adjusted_scores", "closings", "dim_staff", "dim_client")


def check(agency: Closable) -> None:
    """What must hold in every publication with closings."""
    file = agency.home.current.resolve()
    for act in closing_register.read(agency.home).in_force(agency.run.as_of):
        assert rows_not_as_closed(file, act.file(agency.home)) == {}
    assert broken_equations(file) == []
    assert evidence_that_does_not_add_up(file) == []


def contents(agency: Closable) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of the marts that closings touch, without causes, which `test_causes` is about."""
    return {
        mart: sorted(agency.published(f"select columns(lambda c: c <> 'cause') from marts.{mart}"), key=repr)
        for mart in COMPARED
    }


@pytest.fixture
def _no_causes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Naming several causes runs the models once for each."""
    monkeypatch.setattr(publication, "name_causes", lambda *_: None)


def check_explained(agency: Closable) -> int:
    """`amkpi explain` of what has moved most: closed + taken up + open = fresh, with the records of the closing.

    Returns how many values had an adjustment that was taken up and one that is open.
    """
    both = 0
    rows = agency.published(
        "select kpi, scope, staff_id, period_grain, period_start, count(*) from marts.adjustments as adjusted"
        " semi join marts.kpi_values as closed on adjusted.kpi = closed.kpi and adjusted.scope = closed.scope"
        " and adjusted.staff_id is not distinct from closed.staff_id and closed.is_closed"
        " and adjusted.period_grain = closed.period_grain and adjusted.period_start = closed.period_start"
        " group by all order by count(*) desc, 1, 2, 3, 4, 5 limit 12"
    )
    for kpi, scope, staff_id, grain, start, count in rows:
        explanation = explain(agency.run, kpi, staff_id, period_key(Period.holding(grain, start)), scope)
        closing = explanation.closing
        assert closing is not None
        assert len(closing.adjustments) == count
        both += {each.carried_to is None for each in closing.adjustments} == {True, False}
        moved = sum(each.numerator for each in closing.adjustments)
        fresh = closing.fresh.numerator if closing.fresh else 0
        assert isclose((closing.closed.numerator or 0) + moved, fresh or 0, rel_tol=1e-9, abs_tol=1e-6)
        # What counted when it was closed, not what counts today.
        counted = sum(record.numerator for record in explanation.counted)
        assert isclose(counted, closing.closed.numerator or 0, rel_tol=1e-9, abs_tol=1e-6)
        of_sides = {"closed": -1, "fresh": 1}
        if scope != "team":
            of_records = sum(of_sides[record.side] * record.numerator for record in closing.records)
            assert isclose(of_records, moved, rel_tol=1e-9, abs_tol=1e-6)
        assert json.dumps(as_json(explanation, "vi"))
        assert as_csv(explanation).count("adjustment_") == len(closing.records)
    return both


@pytest.mark.parametrize("seed", [1])
def test_closed_rows_stay_whatever_comes_and_a_rebuild_and_a_restored_backup_give_the_same(
    published: Closable,
    delivered: list[dict[str, bytes]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    seed: int,
) -> None:
    published.close("2026-Q2")
    bands = (RatingBand(rating="A", at_least=50), RatingBand(rating="D", at_least=0))
    published.set(csat_threshold=0.5, rating_bands=bands)
    published.publish(changed(delivered[0], seed, 150, "later"))
    check(published)
    counts = published.published(
        "select (select count(*) from marts.adjustments where carried_to is null),"
        " (select count(*) from marts.adjusted_scores), (select count(*) from marts.adjustment_evidence),"
        " (select count(*) from marts.adjustments where cause is null or first_seen_at is null)"
    )[0]
    assert counts[:3] > (20, 5, 20)
    assert counts[3] == 0
    before = contents(published)

    monkeypatch.setattr(publication, "name_causes", lambda *_: None)
    backup, _ = steps.back_up(published.run)
    published.home.current.resolve().unlink()
    steps.rebuild(published.run)
    published.publish()
    assert contents(published) == before

    restored = Closable(replace(published.run, home=type(published.home).at(tmp_path / "restored")), published.moment)
    steps.restore(restored.run, backup.folder)
    assert [oct(path.stat().st_mode)[-3:] for path in restored.home.closed.iterdir()] == ["444"]
    # The restored settings are those of the home's file, which has none.
    restored.publish()
    assert contents(restored) == before


@pytest.mark.long
@pytest.mark.usefixtures("_no_causes")
def test_a_later_act_takes_up_what_is_open_and_a_reopening_gives_it_back(
    published: Closable, delivered: list[dict[str, bytes]]
) -> None:
    published.close("2026-Q1")
    published.publish(changed(delivered[0], 1, 80, "one"))
    check(published)
    opened = published.published("from marts.adjustments")
    values = published.published("select * exclude (is_closed) from marts.kpi_values where is_closed order by all")
    assert opened
    assert {row[-2] for row in opened} == {None}

    published.close("2026-Q2")
    check(published)
    taken = published.published("from marts.adjustments")
    carried = {("month", date(2026, 6, 1)), ("quarter", date(2026, 4, 1))}
    assert {(row[3], row[-2]) for row in taken} == carried
    # Nothing but where they were taken up is another.
    assert sorted(repr((*row[:-2], row[-1])) for row in taken) == sorted(repr((*row[:-2], row[-1])) for row in opened)
    assert values == published.published(
        "select * exclude (is_closed) from marts.kpi_values where is_closed and period_start < '2026-04-01'"
        " order by all"
    )

    published.publish(changed(delivered[0], 2, 80, "two"))
    check(published)
    assert {row[-2] for row in published.published("from marts.adjustments")} == {
        None, date(2026, 6, 1), date(2026, 4, 1),
    }  # fmt: skip
    assert check_explained(published) > 2

    published.reopen("2026-Q2")
    check(published)
    assert {row[-2] for row in published.published("from marts.adjustments")} == {None}
    assert published.published("select distinct reopened_by, reopen_note from marts.closings where n = 2") == [
        ("An", "a mistake")
    ]
    assert published.published(
        "select count(*) from marts.kpi_values where is_closed and period_start >= '2026-04-01'"
    ) == [(0,)]

    published.close("2026-Q2")
    check(published)
    with duckdb.connect() as connection:
        for number, name in ((0, "2-2026-Q2"), (1, "3-2026-Q2")):
            connection.execute(f"attach '{published.home.closed / name}.duckdb' as file_{number} (read_only)")
        for mart in ("kpi_values", "kpi_evidence", "scorecard_lines"):
            private = "kpi = 'internal_collaboration_score' and sample_size > 0" if mart == "kpi_values" else (
                "kpi = 'internal_collaboration_score' and value is not null" if mart == "scorecard_lines"
                else "kpi = 'internal_collaboration_score'"
            )  # fmt: skip
            told = connection.execute(
                f"select count(*) from (from file_1.{mart} where {private} except from file_0.{mart} where {private})"
            ).fetchall()
            assert told == [(0,)], mart


@pytest.mark.long
@pytest.mark.usefixtures("_no_causes")
def test_what_follows_a_closed_period_is_compared_with_it_and_an_earlier_date_knows_of_no_closing(
    published: Closable, delivered: list[dict[str, bytes]]
) -> None:
    published.close("2026-08")
    published.publish(changed(delivered[0], 3, 100, "later"))
    moved = published.published(
        """
        select count(*), count(case when lines.previous_value is distinct from closed.value then 1 end),
            count(case when closed.value is distinct from fresh.value then 1 end),
            count(case when lines.change is distinct from lines.value - closed.value then 1 end)
        from marts.scorecard_lines as lines
        inner join marts.kpi_values as closed
            on closed.is_closed and lines.kpi = closed.kpi and lines.scope = closed.scope
            and lines.staff_id is not distinct from closed.staff_id
        inner join internal_fresh.kpi_values as fresh
            on fresh.kpi = closed.kpi and fresh.scope = closed.scope
            and fresh.staff_id is not distinct from closed.staff_id
            and fresh.period_grain = closed.period_grain and fresh.period_start = closed.period_start
        where lines.period_grain = 'month' and lines.period_start = '2026-09-01'
        """
    )[0]
    assert moved[0] > 20
    assert moved[1] == 0
    assert moved[2] > 0
    assert moved[3] == 0
    # Who was closed and is no longer delivered has a name all the same.
    assert published.published(
        "select count(*) from marts.kpi_values where staff_id is not null"
        " and staff_id not in (select staff_id from marts.dim_staff)"
    ) == [(0,)]

    published.publish(as_of=date(2026, 10, 1))
    assert published.published(
        "select (select count(*) from marts.kpi_values where is_closed), (select count(*) from marts.closings),"
        " (select count(*) from marts.adjustments), closing_n from marts.publication"
    ) == [(0, 0, 0, 1)]


@pytest.mark.long
def test_a_closing_that_does_not_wait_is_published_with_the_rows_that_it_closed(published: Closable) -> None:
    own = "select staff_id from marts.scorecards where scope = 'own' and period_start = '2026-04-01' order by all"
    owner = published.published(own)[0][0]
    published.load(
        {
            "contracts/late.csv": "contract_id,client_id,owner_id,kind,signed_date,start_date,end_date,amount,"
            f"currency\nLATE,C000,{owner},new_business,2026-05-05,2026-05-05,2027-05-04,123456,VND\n"
        }
    )
    before = contents(published)
    report = published.close("2026-Q2", ignore_waiting=True)
    assert report.act.waiting_rows == 1
    after = contents(published)
    # Nothing but what is closed is another: the late contract waits for the next publication.
    for mart in CLOSABLE:
        assert sorted(repr(row[:-1]) for row in after[mart]) == sorted(repr(row[:-1]) for row in before[mart])
    assert not list(published.home.warehouse.parent.glob("as_published*"))
    published.publish()
    check(published)
    assert published.published(
        "select numerator::double, cause from marts.adjustments"
        " where kpi = 'client_revenue' and scope = 'company' and period_grain = 'quarter'"
    ) == [(123456.0, "late_rows")]
