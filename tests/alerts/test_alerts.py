"""Alarms: one mail for one cause, one when it is over, none lost and none twice."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pytest
from aiosmtpd.controller import Controller

from amkpi.alerts import causes
from amkpi.alerts.store import Alarms, Trouble
from amkpi.alerts.texts import FACTS, LABELS, WORDS
from amkpi.core.errors import AmkpiError
from amkpi.core.storage.migrations.state_stores import AUDITS
from amkpi.ingestion import delivery_log
from amkpi.ingestion.delivery_log import Delivery
from amkpi.scorecards.mail.history import History, Sending, State
from amkpi.scorecards.mail.smtp import Server
from tests.conftest import Agency

VIETNAM = ZoneInfo("Asia/Ho_Chi_Minh")
FAILED = Trouble("task-failed", "load_extracts.load", "another run holds the home")


@dataclass
class Postbox:
    """A mail server in this process, and what it took; `no` is what it says instead, as long as it is set."""

    taken: list[EmailMessage] = field(default_factory=list)
    no: str | None = None

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.no:
            return self.no
        mail = message_from_bytes(envelope.content, policy=default)
        assert isinstance(mail, EmailMessage)
        assert envelope.rcpt_tos == [mail["To"]] == ["ops@agency.example"]
        self.taken.append(mail)
        return "250 taken"

    @property
    def subjects(self) -> list[str]:
        return [str(mail["Subject"]) for mail in self.taken]


@pytest.fixture
def postbox() -> Postbox:
    return Postbox()


@pytest.fixture
def server(postbox: Postbox) -> Iterator[Callable[[], Server]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    controller = Controller(postbox, hostname="127.0.0.1", port=port, ready_timeout=60)
    controller.start()
    yield lambda: Server("127.0.0.1", port, "none", timeout=30)
    controller.stop()


@pytest.fixture
def told(agency: Agency) -> Agency:
    """An agency with an operator, at noon of a day on which all is well."""
    agency.set(operator_email="ops@agency.example", mail_from="KPI <kpi@agency.example>", scorecard_language="en")
    agency.moment = at(17, 12)
    return agency


def at(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 10, day, hour, minute, tzinfo=VIETNAM)


def none() -> Server:
    raise AssertionError("there is nothing to send")


def publish(agency: Agency, as_of: date, moment: datetime) -> None:
    """What alarms know of a publication."""
    file = agency.home.published / f"kpi_{as_of}_{moment:%H%M}.duckdb"
    with duckdb.connect(str(file)) as connection:
        connection.execute("create schema marts")
        connection.execute(
            "create table marts.publication as select 'a' as publication_id, ?::date as as_of, ?::timestamptz"
            " as published_at",
            [as_of, moment],
        )
    agency.home.current.unlink(missing_ok=True)
    agency.home.current.symlink_to(file.name)


def delivered(agency: Agency, extract: str, moment: datetime, rows: int = 1) -> None:
    number = len(delivery_log.read(agency.home.state)) + 1
    delivery_log.write(
        agency.home.state,
        [Delivery(number, 1, f"{extract}/{number}.csv", extract, None, "0", 1, "loaded", None, rows, moment)],
    )


def mailed(agency: Agency, staff_id: str, state: State, moment: datetime, edition: str = "2026-W42") -> None:
    History(agency.home.state).write(
        Sending("month", "2026-10", edition, staff_id, f"{staff_id}@agency.example", "a", 1, "1", f"<{staff_id}>",
                state, moment, "", 1, ())
    )  # fmt: skip


def audited(agency: Agency, as_of: date, passed: bool, moment: datetime) -> None:
    with AUDITS.open(agency.home.state) as audits:
        audits.execute(
            "insert into audits (moment, publication_id, as_of, passed, newest_run, page) values (?, 'b', ?, ?, 1, ?)",
            [moment.isoformat(), as_of.isoformat(), passed, "audit_b.html"],
        )


def slugs(agency: Agency) -> list[str]:
    return [alarm.trouble.slug for alarm in Alarms(agency.home).lasting()]


def test_a_failure_is_one_mail_however_often_it_is_seen_and_one_when_it_is_over(
    told: Agency, server: Callable[[], Server], postbox: Postbox
) -> None:
    publish(told, date(2026, 10, 17), at(17, 2, 5))
    causes.happened(told.run, FAILED, server)
    told.moment = at(17, 12, 30)
    causes.happened(told.run, replace(FAILED, what="the disk is full"), server)
    causes.watch_over(told.run, none)
    assert postbox.subjects == ["[amkpi] Task failed: load_extracts.load"]
    causes.recovered(told.run, [("task-failed", "load_extracts.load")], server)
    causes.recovered(told.run, [("task-failed", "load_extracts.load")], none)
    assert postbox.subjects[1:] == ["[amkpi] Over: Task failed: load_extracts.load"]
    begin, over = postbox.taken
    assert over["In-Reply-To"] == begin["Message-ID"] != over["Message-ID"]
    causes.happened(told.run, FAILED, server)
    assert len(postbox.taken) == 3, "failing again is a new cause"
    assert postbox.taken[2]["Message-ID"] != begin["Message-ID"]


def test_a_mail_says_what_happened_what_readers_see_and_where_the_runbook_is(
    told: Agency, server: Callable[[], Server], postbox: Postbox
) -> None:
    publish(told, date(2026, 10, 16), at(16, 2, 5))
    causes.happened(told.run, FAILED, server)
    text = postbox.taken[0].get_content().replace("\r\n", "\n")
    assert text == (
        "What happened\n  another run holds the home\n\n"
        "Since\n  17/10/2026 12:00\n\n"
        "What readers see\n  Readers keep the last good publication.\n\n"
        "Current publication\n  as of 16/10/2026, published 16/10/2026 02:05\n\n"
        "What to do\n  docs/operations/runbooks/task-failed.md\n\n"
    )
    told.set(scorecard_language="vi")
    causes.recovered(told.run, [("task-failed", "load_extracts.load")], server)
    assert postbox.subjects[1] == "[amkpi] Đã hết: Tác vụ thất bại: load_extracts.load"
    assert "Đến lúc\r\n  17/10/2026 12:00" in postbox.taken[1].get_content()


def test_an_alarm_that_cannot_be_sent_is_told_by_the_next_look_and_by_it_alone(
    told: Agency, server: Callable[[], Server], postbox: Postbox
) -> None:
    def gone() -> Server:
        return Server("127.0.0.1", 1, "none", timeout=1)

    with pytest.raises(AmkpiError, match=r"could not be told of 1 alarms: 127\.0\.0\.1:1"):
        causes.happened(told.run, FAILED, gone)
    postbox.no = "451 later"
    with pytest.raises(AmkpiError, match="could not be told of task-failed: 451 later"):
        causes.watch_over(told.run, server)
    postbox.no = None
    causes.watch_over(told.run, server)
    causes.watch_over(told.run, none)
    assert len(postbox.taken) == 1


def test_what_is_over_before_it_could_be_told_is_never_told(told: Agency) -> None:
    told.set(operator_email="")
    causes.happened(told.run, FAILED, none)
    told.set(operator_email="ops@agency.example")
    causes.recovered(told.run, [("task-failed", "load_extracts.load")], none)
    causes.watch_over(told.run, none)
    assert Alarms(told.home).untold() == []


def test_without_an_operator_it_is_said_in_the_log_until_there_is_one(
    told: Agency, server: Callable[[], Server], postbox: Postbox
) -> None:
    told.set(operator_email="")
    lines: list[str] = []
    causes.happened(told.run, FAILED, none, lines.append)
    assert lines == [
        "alarm: task-failed load_extracts.load: another run holds the home",
        "nobody is mailed of this: set operator_email, and the connection amkpi_smtp",
    ]
    told.set(operator_email="ops@agency.example")
    causes.watch_over(told.run, server)
    assert len(postbox.taken) == 1


def test_the_night_is_late_from_the_hour_on_until_it_is_published(
    told: Agency, server: Callable[[], Server], postbox: Postbox
) -> None:
    publish(told, date(2026, 10, 16), at(16, 2, 5))
    told.moment = at(17, 5, 59)
    causes.watch_over(told.run, none)
    told.moment = at(17, 6)
    causes.watch_over(told.run, server)
    told.run = replace(told.run, as_of=date(2026, 10, 18))
    told.moment = at(18, 3)
    causes.watch_over(told.run, none)  # yesterday's is still not out, and today's not yet due
    assert slugs(told) == ["nightly-late"]
    assert "at 6:00 on 17/10/2026 there was no publication as of 17/10/2026 yet" in postbox.taken[0].get_content()
    publish(told, date(2026, 10, 18), at(18, 3, 30))
    causes.watch_over(told.run, server)
    assert postbox.subjects == [
        "[amkpi] The night's publication is late", "[amkpi] Over: The night's publication is late",
    ]  # fmt: skip


def test_before_the_first_publication_only_what_a_night_could_have_published_is_late(
    told: Agency, server: Callable[[], Server]
) -> None:
    causes.watch_over(told.run, none)
    delivered(told, "clients", at(17, 11))
    causes.watch_over(told.run, none)
    told.moment, told.run = at(18, 6), replace(told.run, as_of=date(2026, 10, 18))
    causes.watch_over(told.run, server)
    assert slugs(told) == ["nightly-late"]


def test_a_run_whose_date_is_fixed_is_never_late(told: Agency) -> None:
    publish(told, date(2026, 10, 17), at(17, 2, 5))
    told.moment = at(30, 12)
    causes.watch_over(told.run, none)


def test_what_keeps_the_night_from_being_published_is_told_instead_of_it(
    told: Agency, server: Callable[[], Server], postbox: Postbox
) -> None:
    publish(told, date(2026, 10, 16), at(16, 2, 5))
    audited(told, date(2026, 10, 17), passed=False, moment=at(17, 2, 4))
    causes.watch_over(told.run, server)
    assert postbox.subjects == ["[amkpi] Publication blocked"]
    assert "the audit of 17/10/2026 02:04 blocks publication: see audits/audit_b.html" in postbox.taken[0].get_content()
    audited(told, date(2026, 10, 17), passed=True, moment=at(17, 12, 1))
    publish(told, date(2026, 10, 17), at(17, 12, 2))
    causes.watch_over(told.run, server)
    assert slugs(told) == []

    causes.happened(told.run, Trouble("task-failed", "build_marts.build", "no disk"), server)
    told.moment, told.run = at(18, 7), replace(told.run, as_of=date(2026, 10, 18))
    causes.watch_over(told.run, none)
    assert slugs(told) == ["task-failed"]


def test_an_audit_of_an_earlier_date_blocks_nothing_that_readers_wait_for(told: Agency) -> None:
    publish(told, date(2026, 10, 17), at(17, 2, 5))
    audited(told, date(2026, 6, 30), passed=False, moment=at(17, 11))
    causes.watch_over(told.run, none)


def test_a_block_that_no_audit_tells_of_lasts_until_something_newer_is_published(
    told: Agency, server: Callable[[], Server]
) -> None:
    publish(told, date(2026, 10, 17), at(17, 2, 5))
    causes.happened(told.run, Trouble("publication-blocked", "", "a rule of the models is broken"), server)
    causes.watch_over(told.run, none)
    assert slugs(told) == ["publication-blocked"]
    publish(told, date(2026, 10, 17), at(17, 12, 30))
    causes.watch_over(told.run, server)
    assert slugs(told) == []


def test_a_family_goes_stale_by_its_own_days_and_one_that_never_came_does_not(
    told: Agency, server: Callable[[], Server], postbox: Postbox
) -> None:
    publish(told, date(2026, 10, 17), at(17, 2, 5))
    delivered(told, "projects", at(10, 0, 30))
    delivered(told, "projects", at(17, 1), rows=0)
    delivered(told, "clients", at(10, 0, 30))
    causes.watch_over(told.run, none)  # seven days are allowed
    told.moment = at(18, 0, 30)
    causes.watch_over(told.run, server)
    assert postbox.subjects == ["[amkpi] No new data: project"]
    assert "the last rows came on 10/10/2026, 8 days ago (7 allowed)" in postbox.taken[0].get_content()
    delivered(told, "project_costs", at(18, 1))
    causes.watch_over(told.run, server)
    assert postbox.subjects[1:] == ["[amkpi] Over: No new data: project"]


def test_mails_whose_fate_nobody_knows_are_an_alarm_an_edition_until_each_reader_got_one(
    told: Agency, server: Callable[[], Server], postbox: Postbox
) -> None:
    publish(told, date(2026, 10, 17), at(17, 2, 5))
    mailed(told, "M1", "uncertain", at(12, 7))
    mailed(told, "M2", "uncertain", at(12, 7))
    mailed(told, "M3", "sent", at(12, 7))
    causes.watch_over(told.run, server)
    assert "M1 <M1@agency.example>, M2 <M2@agency.example>" in postbox.taken[0].get_content()
    mailed(told, "M1", "sent", at(17, 13))  # --resend
    causes.watch_over(told.run, none)
    assert slugs(told) == ["mails-uncertain"]
    mailed(told, "M2", "sent", at(19, 7), edition="2026-W43")
    causes.watch_over(told.run, server)
    assert postbox.subjects == [
        "[amkpi] Scorecards that may not have arrived: month 2026-10 (2026-W42)",
        "[amkpi] Over: Scorecards that may not have arrived: month 2026-10 (2026-W42)",
    ]


def test_files_that_stay_in_landing_are_an_alarm_unless_their_load_fails(
    told: Agency, server: Callable[[], Server], postbox: Postbox
) -> None:
    told.deliver({f"clients/{number}.csv": "x" for number in range(7)})
    told.deliver({"clients/.8.csv.part": "x"})
    now = datetime.now(UTC)
    told.run = replace(told.run, as_of=date(2020, 1, 1))  # the date is of no matter here
    told.moment = now + timedelta(minutes=29)
    causes.watch_over(told.run, none)
    told.moment = now + timedelta(minutes=31)
    causes.happened(told.run, FAILED, server)
    causes.watch_over(told.run, none)
    causes.recovered(told.run, [("task-failed", "load_extracts.load")], server)
    causes.watch_over(told.run, server)
    assert slugs(told) == ["landing-stuck"]
    assert (
        "7 files have waited for more than 30 minutes: clients/0.csv, clients/1.csv" in postbox.taken[2].get_content()
    )
    for path in told.home.landing.rglob("*.csv"):
        path.unlink()
    causes.watch_over(told.run, server)
    assert slugs(told) == []
    told.home.landing.rename(told.home.root / "gone")
    told.run = replace(told.run, home=replace(told.home, landing=told.home.root / "elsewhere"))
    with pytest.raises(AmkpiError, match="no landing folder"):
        causes.watch_over(told.run, server)


def test_a_task_that_was_killed_is_told_when_airflow_calls_it_failed_and_not_before(
    told: Agency, server: Callable[[], Server], postbox: Postbox
) -> None:
    failed: set[tuple[str, str]] = set()

    def look(server: Callable[[], Server]) -> None:
        causes.watch_over(told.run, server, has_failed=lambda *task: task in failed)

    causes.task_begins(told.run, "build_marts.build", "one")
    look(none)
    failed.add(("build_marts.build", "one"))
    causes.task_begins(told.run, "build_marts.build", "two")
    look(none)
    failed.add(("build_marts.build", "two"))
    for _ in range(2):
        look(server)
    assert postbox.subjects == ["[amkpi] Task failed: build_marts.build"]
    assert "the task ended without a word: killed, out of memory" in postbox.taken[0].get_content()
    causes.task_begins(told.run, "build_marts.build", "three")
    causes.recovered(told.run, [("task-failed", "build_marts.build")], server, task="build_marts.build")
    assert postbox.subjects[1:] == ["[amkpi] Over: Task failed: build_marts.build"]


def test_a_task_that_said_how_it_ended_is_not_told_again_as_killed(
    told: Agency, server: Callable[[], Server], postbox: Postbox
) -> None:
    task = FAILED.about
    for ends in (
        lambda: causes.happened(told.run, FAILED, server, task=task),
        lambda: causes.recovered(told.run, [("task-failed", task)], server, task=task),
    ):
        causes.task_begins(told.run, task, "one")
        ends()
        causes.watch_over(told.run, server, has_failed=lambda *task: True)
    assert postbox.subjects == [f"[amkpi] Task failed: {task}", f"[amkpi] Over: Task failed: {task}"]
    assert "another run holds the home" in postbox.taken[0].get_content()


def test_two_at_a_time_tell_the_operator_once(told: Agency, server: Callable[[], Server], postbox: Postbox) -> None:
    def and_another() -> Server:
        lines: list[str] = []
        causes.tell(told.run, none, lines.append)
        assert lines[-1] == "another process is telling the operator"
        return server()

    causes.happened(told.run, FAILED, and_another)
    assert len(postbox.taken) == 1


def test_a_store_that_is_none_is_one_line(told: Agency) -> None:
    (told.home.state / "alarms.sqlite").write_bytes(b"no database at all, but long enough to be looked into")
    with pytest.raises(AmkpiError, match=r"alarms\.sqlite cannot be used"):
        Alarms(told.home).begin(FAILED, told.moment)


def test_every_kind_of_alarm_is_said_in_both_languages() -> None:
    assert {frozenset(each) for each in WORDS.values()} == {frozenset({"vi", "en"})}
    assert LABELS["vi"].keys() == LABELS["en"].keys()
    assert FACTS["vi"].keys() == FACTS["en"].keys()
    for name, text in FACTS["vi"].items():
        assert sorted(_fields(text)) == sorted(_fields(FACTS["en"][name])), name


def _fields(text: str) -> list[str]:
    from string import Formatter

    return [name for _, name, _, _ in Formatter().parse(text) if name]
