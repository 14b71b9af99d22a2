"""A period that has just begun alarms nobody: no score, no missed target, no comparison, and a subject that says so."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest

from amkpi.core.language.periods import Period
from amkpi.core.run import Run
from amkpi.publishing.reader import published
from amkpi.scorecards.mail.options import Options
from amkpi.scorecards.mail.prepare import prepare
from tests.scorecards import agency
from tests.scorecards.test_figures import wrong_in
from tests.scorecards.test_mails import Mails, mails, part

SECOND = date(2026, 10, 2)


@pytest.fixture(scope="module")
def early(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """An agency on the second day of October."""
    run = agency.run_of(tmp_path_factory.mktemp("early"), SECOND)
    agency.publish(run.home, as_of=SECOND)
    return run


@pytest.fixture(scope="module")
def sent_early(early: Run) -> Mails:
    """Its mails of October."""
    return mails(early, period="2026-10")


@pytest.mark.slow
def test_the_subject_says_that_it_is_provisional_and_that_nothing_is_scored(sent_early: Mails) -> None:
    assert str(sent_early["D1"]["Subject"]) == (
        "T10/2026, tạm tính đến 02/10 · Nhóm Lan: chưa có điểm, mới có 2 ngày dữ liệu"
    )
    assert str(sent_early["M2"]["Subject"]) == (
        "Oct 2026, provisional to 02/10 · Lê Đức Đạt: not scored yet, 2 days of data"
    )


def test_nobody_has_a_score_misses_a_target_or_needs_attention_most(sent_early: Mails) -> None:
    for staff_id, mail in sent_early.items():
        text = part(mail, "plain")
        assert not re.search("Chưa đạt|Theo dõi|Off target|At risk|Ai cần hỗ trợ nhất|Who needs attention most", text)
        assert not re.search(r"cần hỗ trợ nhất: |needs help most", text)
        assert not re.search("tốt hơn|kém hơn|better by|worse by|(tăng|giảm) [0-9,]+ điểm|points (better|worse)", text)
        assert re.search("mới có 2 ngày dữ liệu, chấm điểm từ 7 ngày|2 days of data, scored from 7 on", text), staff_id


def test_what_has_gone_wrong_already_is_named_and_what_is_only_open_is_not(early: Run) -> None:
    # The records of the tests are of the 11th; these are of the first day.
    for card in prepare(early, "month", "2026-10", (), Options()).cards:
        for item in (item for each in card.todos for item in each.items):
            assert {todo.state for todo in item.todos} & {"overdue", "delivered_late", "lost_client", "over_budget",
                                                          "not_satisfied", "cancelled"}  # fmt: skip


@pytest.mark.slow
def test_every_figure_of_the_first_days_equals_the_marts(early: Run, sent_early: Mails) -> None:
    with published(early.home, early.settings) as connection:
        for staff_id, mail in sent_early.items():
            assert wrong_in(connection, staff_id, mail, Period.parse("month", "2026-10")) == []


def test_the_days_are_a_setting(early: Run, tmp_path: Path) -> None:
    settings = early.settings.model_copy(
        update={"scorecards": early.settings.scorecards.model_copy(update={"min_days_for_score": 2})}
    )
    run = Run(early.home, settings, early.as_of, now=early.now)
    (card,) = prepare(run, "month", "2026-10", ("D1",), Options()).cards
    assert card.cards[0].rating
    assert "tạm tính đến 02/10" in card.subject
    assert card.cards[0].change == ""


def test_who_is_not_rated_has_the_reason_and_is_nobody_who_needs_attention_most(run: Run) -> None:
    agency.change(
        run.home.current.resolve(),
        "update scorecards set weighted_score = 0, rating = null, weight_covered = 0.1 where staff_id = 'M2';"
        " update scorecard_lines set status = 'off_target', attainment = 0, weight = 999 where staff_id = 'M2'",
    )
    (card,) = prepare(run, "month", "2026-09", ("D1",), Options()).cards
    assert [each.staff_id for each in card.people_in_mail] == ["M1"] or not card.people_in_mail
    assert "Lê Đức Đạt" not in " ".join(card.lead)
    assert card.matrix
    last = card.matrix.rows[-1]
    assert (last.staff_id, last.score, last.rating) == ("M2", "–", "")
    assert last.why == "Chưa xếp hạng (10% trọng số có dữ liệu, cần 70%)"


def test_a_share_just_below_what_is_needed_does_not_read_as_enough(run: Run) -> None:
    agency.change(
        run.home.current.resolve(), "update scorecards set rating = null, weight_covered = 0.699 where staff_id = 'M2'"
    )
    (card,) = prepare(run, "month", "2026-09", ("M2",), Options()).cards
    assert card.cards[0].rating_text == "Not rated (69.9% of the weight has data, 70% needed)"
