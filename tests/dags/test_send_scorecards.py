"""The DAG send_scorecards, run through Airflow against a real SMTP server: who is due gets one, once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import duckdb
import pytest
from aiosmtpd.controller import Controller

from amkpi.core.findings import Finding
from amkpi.core.home import Home
from amkpi.core.run import Run
from amkpi.expectations import history
from amkpi.expectations.context import AuditContext
from amkpi.scorecards.mail import options
from tests.scorecards import agency
from tests.scorecards.mail.test_delivery import EVERYBODY, Postbox, free_port

pytestmark = pytest.mark.slow  # Airflow: 10 s once, and 2 s a run

MONDAY = date(2026, 10, 19)
AT_SEVEN = datetime(2026, 10, 19, 0, 0, tzinfo=UTC)  # 07:00 where the agency is
OCTOBER_4 = date(2026, 10, 4)  # a Sunday before September is mailed


@pytest.fixture
def postbox() -> Postbox:
    return Postbox()


@pytest.fixture
def mail_server(airflow: None, postbox: Postbox) -> Iterator[None]:
    """A server on the loopback, and the connection in Airflow's database as an operator makes it."""
    from airflow.models import Connection
    from airflow.utils.session import create_session
    from sqlalchemy import delete

    controller = Controller(postbox, hostname="127.0.0.1", port=free_port())
    controller.start()
    with create_session() as session:
        session.add(
            Connection(
                conn_id="amkpi_smtp", conn_type="smtp", host="127.0.0.1", port=controller.port,
                extra='{"security": "none"}',
            )
        )  # fmt: skip
    yield
    with create_session() as session:
        session.execute(delete(Connection).where(Connection.conn_id == "amkpi_smtp"))
    controller.stop()


@pytest.fixture
def clock(home: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[datetime], None]:
    """Sets the one clock, and the date the nightly run goes by, to a moment."""
    prepare = Run.prepare
    options_of = options.options_of
    # Between the tries of a run: twenty seconds are for servers, not for tests.
    monkeypatch.setattr(options, "options_of", lambda settings: replace(options_of(settings), retry_wait=0))
    monkeypatch.setenv("AMKPI_MAIL_FROM", "KPI <kpi@agency.example>")
    monkeypatch.setenv("AMKPI_OPERATOR_EMAIL", "ops@agency.example")

    def set_(moment: datetime) -> None:
        monkeypatch.setenv("AMKPI_AS_OF", (moment + timedelta(hours=7)).date().isoformat())
        monkeypatch.setattr(Run, "prepare", lambda **given: replace(prepare(**given), now=lambda: moment))

    set_(AT_SEVEN)
    return set_


@pytest.fixture
def send(bag: Any, mail_server: None, clock: Any) -> Callable[[], str | None]:
    """Runs the DAG as the scheduler would, its retries without their waits; gives the state of its task."""

    def run() -> str | None:
        dag = bag.dags["amkpi_send_scorecards"]
        for task in dag.tasks:
            task.retry_delay, task.retry_exponential_backoff = timedelta(0), 0
        (task,) = dag.test().get_task_instances()
        return str(task.state)

    return run


@pytest.fixture
def watch_over(bag: Any, mail_server: None, clock: Any, home: Path) -> Callable[[], None]:
    """Runs the DAG that tells the operator."""
    Home.at(home).make()

    def run() -> None:
        assert bag.dags["amkpi_watch_over"].test().state == "success"

    return run


def publish(home: Path, as_of: date, identity: str = agency.ID) -> None:
    agency.publish(Home.at(home), as_of=as_of, publication_id=identity)


def periods(postbox: Postbox) -> Counter[str]:
    """How many readers got a scorecard of each period."""
    return Counter(
        line.split(b" ")[2].decode()
        for address, content in postbox.taken
        for line in content.split(b"\r\n")
        if line.startswith(b"X-Amkpi-Scorecard:") and address != "ops@agency.example"
    )


def test_on_monday_at_seven_everybody_gets_what_is_due_and_whatever_comes_later_sends_nobody_two(
    send: Any, home: Path, postbox: Postbox
) -> None:
    publish(home, MONDAY)
    assert send() == "success"
    assert periods(postbox) == {"2026-09": 6, "2026-10": 6}
    assert set(postbox.readers()) == EVERYBODY
    assert send() == "success"
    publish(home, MONDAY, "ffeeddccbbaa0099")
    assert send() == "success"
    assert periods(postbox) == {"2026-09": 6, "2026-10": 6}
    assert not postbox.to_operator()


def test_a_day_on_which_nothing_is_due_is_skipped(send: Any, home: Path, postbox: Postbox, clock: Any) -> None:
    clock(datetime(2026, 10, 4, 0, 0, tzinfo=UTC))
    publish(home, OCTOBER_4)
    assert send() == "skipped"
    assert not postbox.taken


def test_before_the_first_publication_a_run_is_skipped_and_nobody_is_alarmed(
    send: Any, home: Path, postbox: Postbox
) -> None:
    assert send() == "skipped"
    assert not postbox.taken


def test_a_stale_publication_is_held_and_the_next_one_goes_out(
    send: Any, watch_over: Any, home: Path, postbox: Postbox
) -> None:
    publish(home, date(2026, 10, 17))
    assert send() == "skipped"
    assert not postbox.taken
    watch_over()
    assert len(postbox.taken) == 1
    assert "[amkpi] Bản công bố hằng đêm bị trễ" in subjects(postbox)[0]
    publish(home, MONDAY, "ffeeddccbbaa0099")
    assert send() == "success"
    assert periods(postbox) == {"2026-09": 6, "2026-10": 6}


def test_sundays_publication_does_not_pass_for_mondays(
    send: Any, watch_over: Any, home: Path, postbox: Postbox
) -> None:
    publish(home, date(2026, 10, 18))
    assert send() == "success"
    assert periods(postbox) == {"2026-09": 6}, "September is closed: Sunday knows all of it"
    watch_over()
    assert subjects(postbox) == ["[amkpi] Bản công bố hằng đêm bị trễ"], "what holds the rest has its alarm"


def test_a_block_holds_even_a_fresh_publication_and_is_one_mail_and_one_when_it_is_over(
    send: Any, watch_over: Any, home: Path, postbox: Postbox
) -> None:
    publish(home, MONDAY)
    keep_audit(home, passed=False)
    for _ in range(2):
        assert send() == "skipped"
        watch_over()
    assert not postbox.readers()
    assert subjects(postbox) == ["[amkpi] Công bố bị chặn"]
    keep_audit(home, passed=True)
    for _ in range(2):
        assert send() == "success"
        watch_over()
    assert periods(postbox) == {"2026-09": 6, "2026-10": 6}
    assert subjects(postbox) == ["[amkpi] Công bố bị chặn", "[amkpi] Đã hết: Công bố bị chặn"]


def subjects(postbox: Postbox) -> list[str]:
    """The subjects of what the operator was mailed."""
    return [
        str(message_from_bytes(content, policy=default)["Subject"])
        for address, content in postbox.taken
        if address == "ops@agency.example"
    ]


def keep_audit(home: Path, passed: bool) -> None:
    """Keep an audit of Monday's newer build."""
    later = agency.NOW + timedelta(hours=1)
    run = agency.run_of(home.parent)
    with duckdb.connect(str(Home.at(home).warehouse)) as warehouse:
        warehouse.execute("create schema if not exists raw")
        warehouse.execute("create table if not exists raw.ledger (run bigint)")
    finding = Finding(
        suite="marts", expectation="no_loop_in_the_chain_of_managers", table_name="staff", column_name=None,
        success=passed, severity="blocking", observed="A is over A", unexpected_count=1, advice="mend it",
    )  # fmt: skip
    history.record(Home.at(home), run.settings, "0" * 16, AuditContext(MONDAY, later, 0, None), [finding])


def test_who_was_deferred_gets_theirs_with_the_retries_and_nobody_else_a_second(
    send: Any, home: Path, postbox: Postbox
) -> None:
    publish(home, MONDAY)
    # Three tries for September in the first run of the task, and one more in its retry.
    postbox.say("RCPT", "m1@agency.example", *["451 later"] * 3)
    assert send() == "success"
    assert periods(postbox) == {"2026-09": 6, "2026-10": 6}
    assert postbox.readers() == Counter(dict.fromkeys(EVERYBODY, 2))
    assert not postbox.to_operator(), "nobody was left waiting"


def test_who_is_deferred_to_the_last_retry_is_one_mail_and_one_when_theirs_went_out(
    send: Any, home: Path, postbox: Postbox
) -> None:
    publish(home, MONDAY)
    postbox.say("RCPT", "m1@agency.example", *["451 later"] * 3 * 2 * 4)  # tries a run, periods, runs of the task
    assert send() == "failed"
    failed = "Tác vụ thất bại: send_scorecards.send"
    assert subjects(postbox) == [f"[amkpi] {failed}"]
    assert "- M1: m1@agency.example: 451 later" in postbox.to_operator()
    assert send() == "success"
    assert postbox.readers() == Counter(dict.fromkeys(EVERYBODY, 2))
    assert subjects(postbox) == [f"[amkpi] {failed}", f"[amkpi] Đã hết: {failed}"]


def test_a_refused_and_an_uncertain_mail_are_the_operators_and_fail_nothing(
    send: Any, home: Path, postbox: Postbox
) -> None:
    publish(home, MONDAY)
    postbox.say("RCPT", "m1@agency.example", "550 no such user", "550 no such user")
    postbox.say("DATA", "m2@agency.example", "cut before")
    assert send() == "success"
    assert send() == "success"
    assert postbox.readers() == Counter(dict.fromkeys(EVERYBODY - {"m1@agency.example"}, 2)) - Counter(
        {"m2@agency.example": 1}
    )
    told = postbox.to_operator()
    assert "- M1: m1@agency.example: 550 no such user" in told
    # Whose mail is uncertain is told by an alarm of its own, once.
    assert "M2" not in told


def test_without_the_connection_the_task_says_what_is_missing(
    bag: Any, home: Path, clock: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(home, MONDAY)
    dag = bag.dags["amkpi_send_scorecards"]
    for task in dag.tasks:
        task.retries = 0
    (instance,) = dag.test().get_task_instances()
    assert instance.state == "failed"
    assert "amkpi_smtp" in capsys.readouterr().out
