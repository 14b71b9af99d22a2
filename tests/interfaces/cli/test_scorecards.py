"""`amkpi scorecards`: what is due without rows, and a period that is sent again after it was closed."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller

from amkpi.scorecards.mail import options
from amkpi.scorecards.mail.schedule import DueScorecards
from tests.command_line import amkpi, failed
from tests.scorecards import agency
from tests.scorecards.mail.test_delivery import Postbox, free_port
from tests.scorecards.test_closings import CLOSE


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with a published agency that has months alone."""
    made = agency.run_of(tmp_path).home
    agency.publish(made)
    return made.root


@pytest.mark.slow
def test_a_due_period_without_scorecards_is_one_line_and_the_others_are_written(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    due = (
        DueScorecards("quarter", "2026-Q3", date(2026, 10, 10)),
        DueScorecards("month", "2026-09", date(2026, 10, 5)),
    )
    monkeypatch.setattr("amkpi.scorecards.mail.schedule.due", lambda now, options: due)
    ended = amkpi(home, "scorecards", "--due")
    assert (ended.code, ended.stderr) == (0, "")
    warned = [line.strip() for line in ended.stdout.splitlines() if "2026-Q3 was written" in line]
    assert warned == [
        "! no mail of 2026-Q3 was written: no scorecards of 2026-Q3 are published: the data ends at 2026-10-17"
    ]
    assert "6 mails in" in ended.stdout
    assert len(list((home / "outbox").glob("month_2026-09_*.eml"))) == len(agency.PEOPLE)


def test_a_period_that_a_person_asks_for_must_have_scorecards(home: Path) -> None:
    line = failed(amkpi(home, "scorecards", "--grain", "quarter", "--period", "2026-Q3"), 1)
    assert "no scorecards of 2026-Q3 are published" in line


@pytest.mark.slow
def test_a_month_that_was_mailed_before_it_was_closed_is_sent_again_by_hand(home: Path) -> None:
    postbox = Postbox()
    controller = Controller(postbox, hostname="127.0.0.1", port=free_port())
    controller.start()
    connection = {"AIRFLOW_CONN_AMKPI_SMTP": f"smtp://127.0.0.1:{controller.port}/?security=none"}
    command = ("scorecards", "--as-of", "2026-10-17", "--send", "--grain", "month", "--period", "2026-09")
    everybody = [word for person in ("G1", "M1") for word in ("--resend", person)]
    try:
        assert "2 sent, 0 sent before" in amkpi(home, *command, "--to", "G1", "--to", "M1", **connection).stdout
        agency.close(agency.run_of(home.parent).home)
        file = (home / "published" / "current.duckdb").resolve()
        agency.change(file, CLOSE.format(month="2026-09-01", carried="date '2026-10-01'"))
        assert "0 sent, 2 sent before" in amkpi(home, *command, "--to", "G1", "--to", "M1", **connection).stdout
        again = amkpi(home, *command, *everybody, **connection)
    finally:
        controller.stop()
    assert (again.code, "2 sent, 0 sent before" in again.stdout) == (0, True), again.stdout + again.stderr
    assert postbox.readers() == {"g1@agency.example": 2, "m1@agency.example": 2}
    bodies = [message_from_bytes(content, policy=default).get_body(("plain",)) for _, content in postbox.taken]
    texts = [str(body and body.get_content()) for body in bodies]
    assert ["Đã chốt" in text for text in texts] == [False, False, True, True]
    # Who closed it is for those who see the whole company.
    assert ["Chị Hoa" in text for text in texts] == [False, False, True, False]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("verb", "answer", "counted"),
    [("RCPT", "451 later", "1 deferred"), ("RCPT", "550 no", "1 refused"), ("DATA", "cut after", "1 uncertain")],
)
def test_a_mail_that_is_not_delivered_for_certain_ends_with_one(
    home: Path, monkeypatch: pytest.MonkeyPatch, verb: str, answer: str, counted: str
) -> None:
    options_of = options.options_of
    monkeypatch.setattr(options, "options_of", lambda settings: replace(options_of(settings), retry_wait=0))
    postbox = Postbox()
    postbox.say(verb, "g1@agency.example", *[answer] * 9)
    controller = Controller(postbox, hostname="127.0.0.1", port=free_port())
    controller.start()
    try:
        ended = amkpi(
            home, "scorecards", "--as-of", "2026-10-17", "--send", "--period", "2026-09", "--to", "G1", "--to", "M1",
            AIRFLOW_CONN_AMKPI_SMTP=f"smtp://127.0.0.1:{controller.port}/?security=none",
        )  # fmt: skip
    finally:
        controller.stop()
    assert ended.code == 1
    (line,) = (line for line in ended.stdout.splitlines() if "scorecards" in line)
    assert line.startswith("✗ scorecards")
    assert line.endswith(f"1 sent, 0 sent before, {counted}")
    assert "1 mail was not delivered for certain" in ended.stderr
