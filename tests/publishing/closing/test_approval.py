"""What a person is asked before a period is closed: which one, and with which figures."""

from __future__ import annotations

from datetime import date

import pytest

from amkpi.core.errors import AmkpiError
from amkpi.core.language.periods import Period
from amkpi.core.storage import closing_register
from amkpi.publishing.closing import approval
from tests.publishing.closing.conftest import Closable
from tests.publishing.closing.test_acts import act_alone

# An agency is published and closed for these: 10 to 20 s.
pytestmark = pytest.mark.slow


def due(agency: Closable, today: date) -> str | None:
    found = approval.due(agency.home, agency.run.settings, today)
    return None if found is None else found.key


def test_nobody_is_asked_unless_the_agency_wants_to_be(published: Closable) -> None:
    assert due(published, date(2026, 10, 17)) is None


def test_a_period_is_due_so_many_days_after_its_end(published: Closable) -> None:
    published.set(close_after_days=10)
    assert due(published, date(2026, 10, 10)) == "2026-Q3"
    assert due(published, date(2026, 10, 9)) == "2026-Q2"
    published.set(close_grain="month")
    assert due(published, date(2026, 10, 10)) == "2026-09"
    published.set(close_grain="year")
    assert due(published, date(2026, 10, 10)) == "2025"


def test_after_a_closing_the_next_is_asked_about_and_what_was_refused_is_left_out(published: Closable) -> None:
    published.set(close_after_days=10, close_grain="month")
    act_alone(published, "2026-06")
    assert due(published, date(2026, 10, 17)) == "2026-07"
    approval.refuse(published.home, "2026-07", "An", published.moment)
    assert due(published, date(2026, 10, 17)) == "2026-08"
    for period in ("2026-08", "2026-09"):
        approval.refuse(published.home, period, "An", published.moment)
    assert due(published, date(2026, 10, 17)) is None


def test_the_question_shows_scores_what_is_open_and_the_warnings(published: Closable) -> None:
    asked = approval.ask(published.home, Period.parse("quarter", "2026-Q3"))
    company = published.published(
        "select printf('%.1f', weighted_score), rating from marts.scorecards"
        " where scope = 'company' and period_grain = 'quarter' and period_start = '2026-07-01'"
    )[0]
    teams = published.published(
        "select count(*) from marts.scorecards where scope = 'team' and period_grain = 'quarter'"
        " and period_start = '2026-07-01'"
    )[0][0]
    assert asked.publication_id == published.published("select publication_id from marts.publication")[0][0]
    assert "2026-Q3" in asked.subject
    score, rating = company if company[1] else ("–", "–")
    assert f"| company | {score} | {rating} |" in asked.body, "who is not rated has no score"
    assert len([line for line in asked.body.splitlines() if line.startswith("| ")]) == teams + 2
    assert "proposals are still open" in asked.body
    with pytest.raises(AmkpiError, match="has no row of it"):
        approval.ask(published.home, Period.parse("quarter", "1999-Q3"))
    assert closing_register.read(published.home).acts == ()


def test_what_is_open_is_counted_in_the_singular_and_in_the_plural() -> None:
    assert approval.what_is_open(1, 1, 1) == "1 of 1 proposal is still open; 1 row is in quarantine."
    assert approval.what_is_open(1, 2, 0) == "1 of 2 proposals are still open; 0 rows are in quarantine."
