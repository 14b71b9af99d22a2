"""What a mail says is to be done: the state and the sum of each record, those to act on first, for each scope."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from amkpi.access.names import read_names
from amkpi.access.reader import reader_in_mail
from amkpi.core.language.periods import Period
from amkpi.core.run import Run
from amkpi.publishing.reader import published
from amkpi.scorecards.facts import read_facts
from amkpi.scorecards.mail.options import Options
from amkpi.scorecards.mail.prepare import prepare
from amkpi.scorecards.model import Scorecard
from tests.scorecards import agency
from tests.scorecards.test_mails import mails, part


def card_of(run: Run, staff_id: str, period: str = "2026-09", pages_url: str = "") -> Scorecard:
    """The scorecard of one reader."""
    (card,) = prepare(run, "month", period, (staff_id,), Options(pages_url=pages_url)).cards
    return card


def only(run: Run, kpi: str) -> None:
    """Make this KPI the only one that misses its target."""
    agency.change(
        run.home.current.resolve(),
        "update scorecard_lines set status = 'on_target', attainment = 1.1;"
        f" update scorecard_lines set status = 'off_target', attainment = 0.5 where kpi = '{kpi}'",
    )


@pytest.mark.parametrize(
    ("kpi", "expected"),
    [
        (
            "on_time_delivery_rate",
            [
                "overdue by 36 days, not delivered · Ra mắt 0 (DAM2-9-0) · <b>Trà Xanh</b> (C0)",
                "delivered 4 days late · Ra mắt 1 (DAM2-9-1) · =cmd|' /C calc'!A0 (C1)",
                "cancelled after the due date · Ra mắt 2 (DAM2-9-2) · 日本広告 (C2)",
            ],
        ),
        (
            "contract_win_rate",
            [
                "open since 11/09/2026 · proposal DXM2-9-0 (renewal) · <b>Trà Xanh</b> (C0) · 200 m ₫",
                "lost on 20/09/2026 · proposal DXM2-9-1 (renewal) · =cmd|' /C calc'!A0 (C1) · 200.00 m ₫",
                "withdrawn · proposal DXM2-9-2 (renewal) · 日本広告 (C2) · 200.00 m ₫",
            ],
        ),
        (
            "client_retention_rate",
            [
                "client lost, contract to 11/09/2026 · <b>Trà Xanh</b> (C0) · contracts of 300 m ₫",
                "client lost, contract to 11/09/2026 · 日本広告 (C2) · contracts of 300 m ₫",
            ],
        ),
        (
            "cost_to_budget_ratio",
            [
                f"20 m ₫ over budget · Ra mắt {n} (DAM2-9-{n}) · {client} (C{n}) · 120 m ₫ of a budget of 100 m ₫"
                for n, client in enumerate(agency.HOSTILE)
            ],
        ),
        ("client_revenue", ["cancelled: −100 m ₫ · contract HDM2-9-0 (upsell) · <b>Trà Xanh</b> (C0)"]),
    ],
)
def test_a_record_says_its_state_and_sum_and_what_can_still_be_changed_comes_first(
    run: Run, kpi: str, expected: list[str]
) -> None:
    only(run, kpi)
    ((item,),) = (each.items for each in card_of(run, "M2").todos)
    assert [f"{todo.what} · {todo.about}" for todo in item.todos] == expected


def test_one_day_is_a_day_and_what_is_due_today_is_not_overdue_by_zero_days(run: Run) -> None:
    only(run, "on_time_delivery_rate")
    agency.change(
        run.home.current.resolve(),
        "update kpi_evidence set days_late = 1 where state = 'delivered_late';"
        " update kpi_evidence set days_late = 0 where state = 'overdue'",
    )
    ((item,),) = (each.items for each in card_of(run, "M2").todos)
    assert [todo.what for todo in item.todos][:2] == ["due today, not delivered", "delivered 1 day late"]


def test_each_scope_that_a_reader_leads_has_its_part_and_the_first_kpi_costs_the_most_points(run: Run) -> None:
    card = card_of(run, "G1")
    assert [each.scope for each in card.todos] == ["company", "team", "own"]
    for each in card.todos:
        points = [float(re.findall(r"[\d.,]+", item.loss)[0].replace(",", ".")) for item in each.items]
        assert points == sorted(points, reverse=True)
        assert points[0] > 0


def test_the_points_of_a_kpi_are_its_share_of_the_weights_that_is_not_attained(run: Run) -> None:
    item = card_of(run, "D1").todos[0].items[0]
    with published(run.home, run.settings) as connection:
        ((lost,),) = connection.execute(
            "select 100 * max(weight * (1 - attainment)) filter (kpi = ?) / sum(weight) from scorecard_lines"
            " where scope = 'team' and staff_id = 'D1' and period_start = '2026-09-01' and attainment is not null",
            [item.kpi],
        ).fetchall()
    assert item.loss == f"mất {lost:.1f} điểm".replace(".", ",")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("value = 74.9, target = 75, attainment = 74.9 / 75", "mất chưa đến 0,1 điểm"),
        ("attainment = 0.5, weight = 0", "không mất điểm nào"),
    ],
)
def test_a_small_loss_of_points_is_not_said_to_be_zero(run: Run, line: str, said: str) -> None:
    only(run, "internal_collaboration_score")
    agency.change(
        run.home.current.resolve(),
        f"update scorecard_lines set {line}, status = 'at_risk' where kpi = 'internal_collaboration_score'",
    )
    (item,) = card_of(run, "D1").todos[0].items
    assert item.loss == said


def test_the_team_of_who_leads_everybody_does_not_repeat_the_company(run: Run) -> None:
    agency.change(
        run.home.current.resolve(),
        "update scorecard_lines as l set attainment = c.attainment, weight = c.weight, target = c.target,"
        " status = c.status from scorecard_lines as c where c.scope = 'company' and l.scope = 'team'"
        " and l.kpi = c.kpi and l.period_start = c.period_start;"
        " update kpi_values as v set value = c.value, numerator = c.numerator, denominator = c.denominator"
        " from kpi_values as c where c.scope = 'company' and v.scope = 'team' and v.kpi = c.kpi"
        " and v.period_start = c.period_start;"
        " update scorecards as s set weighted_score = c.weighted_score, rating = c.rating from scorecards as c"
        " where c.scope = 'company' and s.scope = 'team' and s.period_start = c.period_start",
    )
    for url in ("", "https://kpi.agency.example/"):
        assert [each.scope for each in card_of(run, "G1", pages_url=url).todos] == ["company", "own"]


def test_every_todo_is_a_record_of_the_marts_that_the_reader_may_know(run: Run) -> None:
    with published(run.home, run.settings) as connection:
        records = set(
            connection.execute(
                "select kpi, client_id, source_id from kpi_evidence where period_start = ?",
                [Period.parse("month", "2026-09").start],
            ).fetchall()
        )
    tried = 0
    for card in prepare(run, "month", "2026-09", (), Options()).cards:
        for todo in (todo for each in card.todos for item in each.items for todo in item.todos):
            assert todo.source_id is None or (todo.kpi, todo.client_id, todo.source_id) in records
            assert todo.staff_id is None or card.recipient.may_name(todo.staff_id)
            tried += todo.source_id is not None
    assert tried > 30


@pytest.mark.slow
def test_records_of_which_an_older_version_knew_no_state_are_named_without_one(run: Run) -> None:
    only(run, "on_time_delivery_rate")
    file = run.home.current.resolve()
    for column in ("record_name", "state", "due_date", "done_date", "days_late", "amount", "kind"):
        agency.change(file, f"alter table kpi_evidence drop column {column}")
    text = part(mails(run)["M2"], "plain")
    assert "- not attained, 11/09/2026 · project DAM2-9-0 · <b>Trà Xanh</b> (C0)" in text


def test_what_a_client_signed_is_a_sum_that_only_who_reads_all_of_its_records_sees(run: Run) -> None:
    with published(run.home, run.settings) as connection:
        facts = read_facts(connection, Period.parse("month", "2026-09"), run)
        names = read_names(connection)
    both = replace(facts, signed={"C0": {"M1": 30.0, "M2": 12.0}, "C1": {"M1": 30.0, None: 1.0}})
    alone = reader_in_mail(names, "M1", company=False)
    assert replace(facts, signed={"C0": {"M1": 30.0}}).signed_by("C0", alone) == 30.0
    assert both.signed_by("C0", alone) is None
    leader = reader_in_mail(names, "D1", company=False)
    assert (both.signed_by("C0", leader), both.signed_by("C1", leader)) == (42.0, None)
    assert both.signed_by("C1", reader_in_mail(names, "G1", company=True)) == 31.0
    assert both.signed_by("C9", leader) is both.signed_by(None, leader) is None
