"""The first sentences and figures of a mail, and the matrix of teams: each figure worked out from the marts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from amkpi.core.catalogue import kpis
from amkpi.core.run import Run
from amkpi.publishing.reader import published
from amkpi.scorecards.mail.options import Options
from amkpi.scorecards.mail.prepare import prepare
from amkpi.scorecards.model import Matrix, Scorecard
from tests.scorecards import agency
from tests.scorecards.figures import attained, rated, shown
from tests.scorecards.test_mails import mails, part

LABELS = {kpi.name: kpi.label.vi for kpi in kpis()}


def cards(run: Run, *staff_ids: str) -> dict[str, Scorecard]:
    """September's scorecards by reader."""
    return {card.recipient.staff_id: card for card in prepare(run, "month", "2026-09", staff_ids, Options()).cards}


def test_the_first_sentences_say_money_kpis_on_target_and_what_weighs_most(run: Run) -> None:
    lead = cards(run, "D1")["D1"].lead
    with published(run.home, run.settings) as connection:
        rows = connection.execute(
            "select kpi, attainment, status, weight * (1 - attainment), target, value from scorecard_lines"
            " where scope = 'team' and staff_id = 'D1' and period_start = '2026-09-01' order by 4 desc nulls last"
        ).fetchall()
    revenue = next(row for row in rows if row[0] == "client_revenue")
    met, scored = sum(row[2] == "on_target" for row in rows), sum(row[1] is not None for row in rows)
    label = LABELS["client_revenue"].lower()
    assert lead[0] == f"Nhóm Lan đạt {attained(revenue[1], 'vi')} mục tiêu {label}; {met}/{scored} chỉ số đạt."
    missed = [row[0] for row in rows if row[2] in ("at_risk", "off_target")]
    names = ", ".join(LABELS[each][0].lower() + LABELS[each][1:] for each in missed[:3])
    assert lead[1] == f"{len(missed)} chỉ số chưa đạt, nặng nhất là {names}."


def test_the_person_who_needs_help_most_lost_the_most_points_and_is_the_first_of_the_matrix(run: Run) -> None:
    card = cards(run, "D1")["D1"]
    with published(run.home, run.settings) as connection:
        ((staff_id, name, missed),) = connection.execute(
            "select staff_id, any_value(full_name), count(*) filter (status in ('at_risk', 'off_target'))"
            " from scorecard_lines inner join dim_staff using (staff_id)"
            " where scope = 'own' and staff_id in ('M1', 'M2') and period_start = '2026-09-01'"
            " group by staff_id order by sum(weight * greatest(0, 1 - attainment)) desc limit 1"
        ).fetchall()
    assert card.lead[2].startswith(f"{name} cần hỗ trợ nhất: {missed} chỉ số chưa đạt, nặng nhất là ")
    assert card.matrix
    assert card.matrix.rows[0].staff_id == staff_id == card.people_in_mail[0].staff_id


def test_the_figures_below_the_sentences_are_those_of_the_marts(run: Run) -> None:
    card = cards(run, "G1")["G1"]
    with published(run.home, run.settings) as connection:
        ((value, target, share),) = connection.execute(
            "select value, target, attainment from scorecard_lines"
            " where scope = 'company' and kpi = 'client_revenue' and period_start = '2026-09-01'"
        ).fetchall()
        ratings = connection.execute(
            "select rating, count(*) from scorecards where scope = 'own' and staff_id <> 'G1'"
            " and period_start = '2026-09-01' group by rating"
        ).fetchall()
    money, met, people = card.tiles
    assert money.figure == shown(value, "money", "vi", [target])
    assert money.note == f"{attained(share, 'vi')} mục tiêu {shown(target, 'money', 'vi', [value])}"
    statuses = [line.status for line in card.cards[0].lines]
    assert met.figure == f"{statuses.count('on_target')}/{len(statuses) - statuses.count('no_data')}"
    counts = dict(ratings)
    assert people.figure == " · ".join(
        f"{each}\u00a0{counts[each]}" for each in ("A+", "A", "B", "C", "D") if each in counts
    )


@pytest.mark.slow
def test_sentences_and_figures_are_in_the_html_the_text_and_one_count_is_singular(run: Run) -> None:
    agency.change(
        run.home.current.resolve(),
        "update scorecard_lines set status = 'on_target', attainment = 1.1 where staff_id = 'M2';"
        " update scorecard_lines set status = 'off_target', attainment = 0.5"
        " where staff_id = 'M2' and kpi = 'client_revenue'",
    )
    mail = mails(run)["M2"]
    for source in (part(mail, "plain"), part(mail, "html")):
        assert re.search(r"You reached 50% of the target for client revenue; \d of 8 KPIs are on target\.", source)
        assert "1 KPI is below target: client revenue." in source
        assert "1 below target" in source


def cells(matrix: Matrix) -> dict[tuple[str, str], tuple[str, str]]:
    """Status and text of each cell, by staff id and KPI."""
    return {
        (row.staff_id, kpi.name): (cell.status, cell.text)
        for row in matrix.rows
        for kpi, cell in zip(kpis(), row.cells, strict=True)
    }


def test_teams_are_between_the_company_and_its_people_and_every_cell_equals_the_marts(run: Run) -> None:
    found = cards(run)
    teams = found["G1"].teams
    assert teams
    assert {row.staff_id for row in teams.rows} == {"D1", "D2"}
    assert {staff_id for staff_id, card in found.items() if card.teams} == {"G1"}
    with published(run.home, run.settings) as connection:
        rows = connection.execute(
            "select staff_id, kpi, status, attainment from scorecard_lines"
            " where scope = 'team' and staff_id in ('D1', 'D2') and period_start = '2026-09-01'"
        ).fetchall()
        scores = connection.execute(
            "select staff_id, weighted_score, rating from scorecards"
            " where scope = 'team' and staff_id in ('D1', 'D2') and period_start = '2026-09-01'"
        ).fetchall()
    shares = {(who, kpi): (status, attained(share, "vi").strip("%–")) for who, kpi, status, share in rows}
    assert cells(teams) == shares
    wanted = {who: (rated(score, rating, "vi"), rating) for who, score, rating in scores}
    assert {row.staff_id: (row.score, row.rating) for row in teams.rows} == wanted


def test_a_team_below_another_follows_it_and_is_set_in(run: Run) -> None:
    file = run.home.current.resolve()
    agency.change(
        file,
        "update dim_staff set manager_id = 'M1' where staff_id = 'M2';"
        " insert into scorecards select * replace ('M1' as staff_id) from scorecards where scope = 'team'"
        " and staff_id = 'D1'",
    )
    teams = cards(run, "G1")["G1"].teams
    assert teams
    order = [(row.staff_id, row.depth) for row in teams.rows]
    assert order.index(("M1", 1)) == order.index(("D1", 0)) + 1


@pytest.mark.slow
def test_above_forty_people_the_mail_shows_teams_and_the_pdf_the_people(tmp_path: Path) -> None:
    run = agency.run_of(tmp_path)
    people = [agency.Somebody("G1", "Vũ Phương Trâm", "group_account_director")]
    people += [agency.Somebody(f"L{n}", f"Trưởng nhóm {n}", "account_director", "G1") for n in (1, 2)]
    people += [agency.Somebody(f"NV{n:03}", f"Nhân viên {n}", manager_id=f"L{1 + n % 2}") for n in range(45)]
    agency.publish(run.home, people=tuple(people), months=2)
    card = cards(run, "G1")["G1"]
    assert card.matrix_in_mail is None
    assert card.matrix
    assert len(card.matrix.rows) == 47
    text = part(mails(run, to=("G1",))["G1"], "plain")
    assert "Trưởng nhóm 1" in text
    named = set(re.findall(r"Nhân viên \d+", text))
    # Those who need help most have full cards, and the to-dos name people.
    assert len(named) < 20
