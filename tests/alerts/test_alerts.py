"""Alerts: one mail when an incident begins, one when it is resolved, none lost and none twice."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args
from zoneinfo import ZoneInfo

import duckdb
import pytest
from aiosmtpd.controller import Controller

from amkpi.alerts.notify import monitor, notify, raise_incident, resolve, task_started
from amkpi.alerts.store import AlertStore, Incident
from amkpi.alerts.texts import TEXTS, IncidentType
from amkpi.core.errors import AmkpiError
from amkpi.core.language import formatting
from amkpi.core.storage.migrations.state_stores import AUDITS
from amkpi.ingestion import delivery_log
from amkpi.ingestion.delivery_log import Delivery
from amkpi.publishing.retention import disk_space
from amkpi.scorecards.mail.history import History, Sending, State
from amkpi.scorecards.mail.smtp import Server
from tests.conftest import Agency

VIETNAM = ZoneInfo("Asia/Ho_Chi_Minh")
FAILED = Incident("task-failed", "load_extracts.load", "another run holds the home")


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
def watched(agency: Agency) -> Agency:
    """An agency with an operator, at noon of a day on which all is well."""
    agency.set(operator_email="ops@agency.example", mail_from="KPI <kpi@agency.example>", scorecard_language="en")
    agency.moment = at(17, 12)
    return agency


def at(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 10, day, hour, minute, tzinfo=VIETNAM)


def none() -> Server:
    raise AssertionError("there is nothing to send")


def publish(agency: Agency, as_of: date, moment: datetime, people: Sequence[tuple[str, str, bool]] = ()) -> None:
    """The part of a publication that alerts read. people: staff id, address, and whether active."""
    file = agency.home.published / f"kpi_{as_of}_{moment:%H%M}.duckdb"
    with duckdb.connect(str(file)) as connection:
        connection.execute("create schema marts")
        connection.execute(
            "create table marts.publication as select 'a' as publication_id, ?::date as as_of, ?::timestamptz"
            " as published_at",
            [as_of, moment],
        )
        connection.execute(
            "create table marts.dim_staff (staff_id varchar, full_name varchar, role varchar, manager_id varchar,"
            " email varchar, locale varchar, is_active boolean, valid_from date)"
        )
        for staff_id, email, is_active in people:
            connection.execute(
                "insert into marts.dim_staff values (?, ?, 'account_manager', null, ?, null, ?, '2024-01-01')",
                [staff_id, staff_id, email, is_active],
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


def open_types(agency: Agency) -> list[str]:
    return [alert.incident.type for alert in AlertStore(agency.home).open_alerts()]


def test_a_failure_is_one_mail_however_often_it_is_seen_and_one_when_it_is_resolved(
    watched: Agency, server: Callable[[], Server], postbox: Postbox
) -> None:
    publish(watched, date(2026, 10, 17), at(17, 2, 5))
    raise_incident(watched.run, FAILED, server)
    watched.moment = at(17, 12, 30)
    raise_incident(watched.run, replace(FAILED, facts="the disk is full"), server)
    monitor(watched.run, none)
    assert postbox.subjects == ["[amkpi] Task failed: load_extracts.load"]
    resolve(watched.run, [("task-failed", "load_extracts.load")], server)
    resolve(watched.run, [("task-failed", "load_extracts.load")], none)
    assert postbox.subjects[1:] == ["[amkpi] Resolved: Task failed: load_extracts.load"]
    begin, over = postbox.taken
    assert over["In-Reply-To"] == begin["Message-ID"] != over["Message-ID"]
    raise_incident(watched.run, FAILED, server)
    assert len(postbox.taken) == 3, "failing again is a new cause"
    assert postbox.taken[2]["Message-ID"] != begin["Message-ID"]


def test_a_mail_has_what_happened_what_readers_see_and_where_the_runbook_is(
    watched: Agency, server: Callable[[], Server], postbox: Postbox
) -> None:
    publish(watched, date(2026, 10, 16), at(16, 2, 5))
    raise_incident(watched.run, FAILED, server)
    text = postbox.taken[0].get_content().replace("\r\n", "\n")
    assert text == (
        "What happened\n  another run holds the home\n\n"
        "Since\n  17/10/2026 12:00\n\n"
        "What readers see\n  Readers keep the last good publication.\n\n"
        "Current publication\n  as of 16/10/2026, published 16/10/2026 02:05\n\n"
        "What to do\n  docs/operations/runbooks/task-failed.md\n\n"
    )
    watched.set(scorecard_language="vi")
    resolve(watched.run, [("task-failed", "load_extracts.load")], server)
    assert postbox.subjects[1] == "[amkpi] Đã hết: Tác vụ thất bại: load_extracts.load"
    assert "Đến lúc\r\n  17/10/2026 12:00" in postbox.taken[1].get_content()


def test_an_operator_of_many_agencies_sees_whose_alert_it_is(
    watched: Agency, server: Callable[[], Server], postbox: Postbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "agencies.toml").write_text(
        '[group]\nname = "g"\nreporting_currency = "VND"\n[[agencies]]\ncode = "hanoi"\nname = "H"\n'
        f'home = "{watched.run.home.root}"\n'
    )
    monkeypatch.setenv("AMKPI_AGENCIES", str(tmp_path / "agencies.toml"))
    raise_incident(watched.run, FAILED, server)
    resolve(watched.run, [("task-failed", "load_extracts.load")], server)
    assert postbox.subjects == [
        "[amkpi hanoi] Task failed: load_extracts.load",
        "[amkpi hanoi] Resolved: Task failed: load_extracts.load",
    ]


def test_an_alert_that_cannot_be_sent_is_sent_once_by_the_next_check(
    watched: Agency, server: Callable[[], Server], postbox: Postbox
) -> None:
    def gone() -> Server:
        return Server("127.0.0.1", 1, "none", timeout=1)

    with pytest.raises(AmkpiError, match=r"could not be notified of 1 alert: 127\.0\.0\.1:1"):
        raise_incident(watched.run, FAILED, gone)
    postbox.no = "451 later"
    with pytest.raises(AmkpiError, match="could not be notified of task-failed: 451 later"):
        monitor(watched.run, server)
    postbox.no = None
    monitor(watched.run, server)
    monitor(watched.run, none)
    assert len(postbox.taken) == 1


def test_an_incident_that_is_resolved_before_its_mail_is_never_mailed(watched: Agency) -> None:
    watched.set(operator_email="")
    raise_incident(watched.run, FAILED, none)
    watched.set(operator_email="ops@agency.example")
    resolve(watched.run, [("task-failed", "load_extracts.load")], none)
    monitor(watched.run, none)
    assert AlertStore(watched.home).to_notify() == []


def test_without_an_operator_an_alert_is_in_the_log_until_there_is_one(
    watched: Agency, server: Callable[[], Server], postbox: Postbox
) -> None:
    watched.set(operator_email="")
    lines: list[str] = []
    raise_incident(watched.run, FAILED, none, lines.append)
    assert lines == [
        "alert: task-failed load_extracts.load: another run holds the home",
        "no mail is sent: set operator_email, and the connection amkpi_smtp",
    ]
    watched.set(operator_email="ops@agency.example")
    monitor(watched.run, server)
    assert len(postbox.taken) == 1


def test_the_night_is_late_from_the_hour_on_until_it_is_published(
    watched: Agency, server: Callable[[], Server], postbox: Postbox
) -> None:
    publish(watched, date(2026, 10, 16), at(16, 2, 5))
    watched.moment = at(17, 5, 59)
    monitor(watched.run, none)
    watched.moment = at(17, 6)
    monitor(watched.run, server)
    watched.run = replace(watched.run, as_of=date(2026, 10, 18))
    watched.moment = at(18, 3)
    monitor(watched.run, none)  # yesterday's is still not out, and today's not yet due
    assert open_types(watched) == ["nightly-late"]
    assert "at 6:00 on 17/10/2026 there was no publication as of 17/10/2026 yet" in postbox.taken[0].get_content()
    publish(watched, date(2026, 10, 18), at(18, 3, 30))
    monitor(watched.run, server)
    assert postbox.subjects == [
        "[amkpi] The nightly publication is late", "[amkpi] Resolved: The nightly publication is late",
    ]  # fmt: skip


def test_before_the_first_publication_only_what_a_night_could_have_published_is_late(
    watched: Agency, server: Callable[[], Server]
) -> None:
    monitor(watched.run, none)
    delivered(watched, "clients", at(17, 11))
    monitor(watched.run, none)
    watched.moment, watched.run = at(18, 6), replace(watched.run, as_of=date(2026, 10, 18))
    monitor(watched.run, server)
    assert open_types(watched) == ["nightly-late"]


def test_a_run_whose_date_is_fixed_is_never_late(watched: Agency) -> None:
    publish(watched, date(2026, 10, 17), at(17, 2, 5))
    watched.moment = at(30, 12)
    monitor(watched.run, none)


def test_the_cause_of_a_late_publication_is_mailed_instead_of_the_delay(
    watched: Agency, server: Callable[[], Server], postbox: Postbox
) -> None:
    publish(watched, date(2026, 10, 16), at(16, 2, 5))
    audited(watched, date(2026, 10, 17), passed=False, moment=at(17, 2, 4))
    monitor(watched.run, server)
    assert postbox.subjects == ["[amkpi] Publication blocked"]
    assert "the audit of 17/10/2026 02:04 blocks publication: see audits/audit_b.html" in postbox.taken[0].get_content()
    audited(watched, date(2026, 10, 17), passed=True, moment=at(17, 12, 1))
    publish(watched, date(2026, 10, 17), at(17, 12, 2))
    monitor(watched.run, server)
    assert open_types(watched) == []

    raise_incident(watched.run, Incident("task-failed", "build_marts.build", "no disk"), server)
    watched.moment, watched.run = at(18, 7), replace(watched.run, as_of=date(2026, 10, 18))
    monitor(watched.run, none)
    assert open_types(watched) == ["task-failed"]


def test_an_audit_of_an_earlier_date_blocks_nothing_that_readers_wait_for(watched: Agency) -> None:
    publish(watched, date(2026, 10, 17), at(17, 2, 5))
    audited(watched, date(2026, 6, 30), passed=False, moment=at(17, 11))
    monitor(watched.run, none)


def test_a_block_without_an_audit_is_open_until_something_newer_is_published(
    watched: Agency, server: Callable[[], Server]
) -> None:
    publish(watched, date(2026, 10, 17), at(17, 2, 5))
    raise_incident(watched.run, Incident("publication-blocked", "", "a rule of the models is broken"), server)
    monitor(watched.run, none)
    assert open_types(watched) == ["publication-blocked"]
    publish(watched, date(2026, 10, 17), at(17, 12, 30))
    monitor(watched.run, server)
    assert open_types(watched) == []


def test_a_family_goes_stale_by_its_own_days_and_one_that_never_came_does_not(
    watched: Agency, server: Callable[[], Server], postbox: Postbox
) -> None:
    publish(watched, date(2026, 10, 17), at(17, 2, 5))
    delivered(watched, "projects", at(10, 0, 30))
    delivered(watched, "projects", at(17, 1), rows=0)
    delivered(watched, "clients", at(10, 0, 30))
    monitor(watched.run, none)  # seven days are allowed
    watched.moment = at(18, 0, 30)
    monitor(watched.run, server)
    assert postbox.subjects == ["[amkpi] No new data: project"]
    assert "the last rows came on 10/10/2026, 8 days ago (7 allowed)" in postbox.taken[0].get_content()
    delivered(watched, "project_costs", at(18, 1))
    monitor(watched.run, server)
    assert postbox.subjects[1:] == ["[amkpi] Resolved: No new data: project"]


def test_uncertain_mails_are_one_incident_for_each_edition_until_each_reader_got_one(
    watched: Agency, server: Callable[[], Server], postbox: Postbox
) -> None:
    publish(watched, date(2026, 10, 17), at(17, 2, 5))
    mailed(watched, "M1", "uncertain", at(12, 7))
    mailed(watched, "M2", "uncertain", at(12, 7))
    mailed(watched, "M3", "sent", at(12, 7))
    monitor(watched.run, server)
    assert "M1 <M1@agency.example>, M2 <M2@agency.example>" in postbox.taken[0].get_content()
    mailed(watched, "M1", "sent", at(17, 13))  # --resend
    monitor(watched.run, none)
    assert open_types(watched) == ["mails-uncertain"]
    mailed(watched, "M2", "sent", at(19, 7), edition="2026-W43")
    monitor(watched.run, server)
    assert postbox.subjects == [
        "[amkpi] Scorecards that may not have arrived: month 2026-10 (2026-W42)",
        "[amkpi] Resolved: Scorecards that may not have arrived: month 2026-10 (2026-W42)",
    ]


def test_a_disk_without_room_for_the_next_runs_is_one_incident_until_there_is_room(
    watched: Agency, server: Callable[[], Server], postbox: Postbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(watched, date(2026, 10, 17), at(17, 2, 5))
    needed = disk_space(watched.home).needed
    assert needed > 0
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=needed - 1))
    monitor(watched.run, server)
    assert postbox.subjects == ["[amkpi] The disk is almost full"]
    said = " ".join(postbox.taken[0].get_content().split())
    size = formatting.size(needed, "en")
    assert f"{watched.home.published} has {size} left, and the next runs may need {size}" in said
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=needed))
    monitor(watched.run, server)
    assert postbox.subjects[1:] == ["[amkpi] Resolved: The disk is almost full"]


def test_people_who_share_an_address_are_one_incident_until_they_do_not(
    watched: Agency, server: Callable[[], Server], postbox: Postbox
) -> None:
    left = ("X", "two@agency.example", False)
    shared = [("M1", "Two@agency.example", True), ("M2", " two@agency.example", True), left, ("M3", "", True)]
    publish(watched, date(2026, 10, 17), at(17, 2, 5), shared)
    monitor(watched.run, server)
    assert postbox.subjects == ["[amkpi] People share a mail address"]
    text = postbox.taken[0].get_content()
    assert "the staff extract gives one address to several people: M1, M2" in text
    assert "two@agency.example" not in text.lower()
    publish(watched, date(2026, 10, 17), at(17, 2, 6), [("M1", "one@agency.example", True), *shared[1:]])
    monitor(watched.run, server)
    assert postbox.subjects[1:] == ["[amkpi] Resolved: People share a mail address"]


def test_one_file_and_one_minute_are_counted_in_the_singular(
    watched: Agency, server: Callable[[], Server], postbox: Postbox
) -> None:
    landing = watched.run.settings.landing.model_copy(update={"stuck_minutes": 1})
    watched.run = replace(
        watched.run, as_of=date(2020, 1, 1), settings=watched.run.settings.model_copy(update={"landing": landing})
    )
    watched.deliver({"clients/0.csv": "x"})
    watched.moment = datetime.now(UTC) + timedelta(minutes=2)
    monitor(watched.run, server)
    assert "1 file has waited for more than 1 minute: clients/0.csv" in postbox.taken[0].get_content()


def test_files_that_stay_in_landing_are_an_incident_unless_their_load_fails(
    watched: Agency, server: Callable[[], Server], postbox: Postbox
) -> None:
    watched.deliver({f"clients/{number}.csv": "x" for number in range(7)})
    watched.deliver({"clients/.8.csv.part": "x"})
    now = datetime.now(UTC)
    watched.run = replace(watched.run, as_of=date(2020, 1, 1))  # the date is of no matter here
    watched.moment = now + timedelta(minutes=29)
    monitor(watched.run, none)
    watched.moment = now + timedelta(minutes=31)
    raise_incident(watched.run, FAILED, server)
    monitor(watched.run, none)
    resolve(watched.run, [("task-failed", "load_extracts.load")], server)
    monitor(watched.run, server)
    assert open_types(watched) == ["landing-stuck"]
    assert (
        "7 files have waited for more than 30 minutes: clients/0.csv, clients/1.csv" in postbox.taken[2].get_content()
    )
    for path in watched.home.landing.rglob("*.csv"):
        path.unlink()
    monitor(watched.run, server)
    assert open_types(watched) == []
    watched.home.landing.rename(watched.home.root / "gone")
    watched.run = replace(watched.run, home=replace(watched.home, landing=watched.home.root / "elsewhere"))
    with pytest.raises(AmkpiError, match="no landing folder"):
        monitor(watched.run, server)


def test_a_killed_task_is_reported_when_airflow_calls_it_failed_and_not_before(
    watched: Agency, server: Callable[[], Server], postbox: Postbox
) -> None:
    failed: set[tuple[str, str]] = set()

    def look(server: Callable[[], Server]) -> None:
        monitor(watched.run, server, has_failed=lambda *task: task in failed)

    task_started(watched.run, "build_marts.build", "one")
    look(none)
    failed.add(("build_marts.build", "one"))
    task_started(watched.run, "build_marts.build", "two")
    look(none)
    failed.add(("build_marts.build", "two"))
    for _ in range(2):
        look(server)
    assert postbox.subjects == ["[amkpi] Task failed: build_marts.build"]
    assert "the task ended without a report: it was killed, ran out of memory" in postbox.taken[0].get_content()
    task_started(watched.run, "build_marts.build", "three")
    resolve(watched.run, [("task-failed", "build_marts.build")], server, task="build_marts.build")
    assert postbox.subjects[1:] == ["[amkpi] Resolved: Task failed: build_marts.build"]


def test_a_task_that_reported_its_end_is_not_reported_again_as_killed(
    watched: Agency, server: Callable[[], Server], postbox: Postbox
) -> None:
    task = FAILED.about
    for ends in (
        lambda: raise_incident(watched.run, FAILED, server, task=task),
        lambda: resolve(watched.run, [("task-failed", task)], server, task=task),
    ):
        task_started(watched.run, task, "one")
        ends()
        monitor(watched.run, server, has_failed=lambda *task: True)
    assert postbox.subjects == [f"[amkpi] Task failed: {task}", f"[amkpi] Resolved: Task failed: {task}"]
    assert "another run holds the home" in postbox.taken[0].get_content()


def test_two_processes_at_a_time_notify_the_operator_once(
    watched: Agency, server: Callable[[], Server], postbox: Postbox
) -> None:
    def and_another() -> Server:
        lines: list[str] = []
        notify(watched.run, none, lines.append)
        assert lines[-1] == "another process is notifying the operator"
        return server()

    raise_incident(watched.run, FAILED, and_another)
    assert len(postbox.taken) == 1


def test_a_broken_store_is_an_error_of_one_line(watched: Agency) -> None:
    (watched.home.state / "alarms.sqlite").write_bytes(b"no database at all, but long enough to be looked into")
    with pytest.raises(AmkpiError, match=r"alarms\.sqlite cannot be used"):
        AlertStore(watched.home).raise_(FAILED, watched.moment)


def test_every_type_of_incident_has_its_texts() -> None:
    assert TEXTS.keys() == set(get_args(IncidentType))
