"""The old address and the operator are told of a change by mail before the new address gets anything."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import duckdb
import pytest
from aiosmtpd.controller import Controller

from amkpi.access import addresses
from amkpi.alerts.notify import announce_addresses
from amkpi.core.home import Home
from amkpi.core.run import Run
from amkpi.core.setting_groups.readers import Mail
from amkpi.core.settings import Settings
from amkpi.scorecards.mail.smtp import Server
from amkpi.scorecards.recipients import audience
from tests.access.agencies import names_of, person
from tests.scorecards.mail.test_delivery import Postbox, free_port

NOW = datetime(2026, 10, 18, 1, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def running() -> Iterator[Postbox]:
    postbox = Postbox()
    controller = Controller(postbox, hostname="127.0.0.1", port=free_port())
    controller.start()
    postbox.server = Server("127.0.0.1", int(controller.port), "none", timeout=5)  # type: ignore[attr-defined]
    yield postbox
    controller.stop()


@pytest.fixture
def postbox(running: Postbox) -> Postbox:
    running.taken.clear()
    running.answers.clear()
    return running


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A home in which M has a new address, and L, who has left, has one too."""
    home = Home.at(tmp_path)
    home.make()
    publish(home)
    old = [("M", "m@agency.example"), ("L", "l@agency.example"), ("D", "d@agency.example")]
    addresses.observe(home.state, old, NOW)
    addresses.observe(home.state, [("M", "new@agency.example"), ("L", "l2@agency.example")], NOW)
    mail = Mail(sender="KPI <kpi@agency.example>", operator="ops@agency.example")
    return Run(home, Settings(mail=mail), date(2026, 10, 17), lambda: NOW)  # type: ignore[call-arg]


def publish(home: Home) -> None:
    """The tables of a publication that names are read from."""
    with duckdb.connect(str(home.published / "kpi_A.duckdb")) as connection:
        for schema in ("marts", "internal"):
            connection.execute(f"create schema {schema}")
        connection.execute("create table marts.publication as select date '2026-10-17' as as_of")
        connection.execute(
            "create table marts.dim_staff as select * from (values"
            " ('M', 'Lê M', 'en', true), ('L', 'Lê L', 'vi', false), ('D', 'Lê D', 'vi', true))"
            " as people(staff_id, full_name, locale, is_active)"
        )
        connection.execute("alter table marts.dim_staff add column role varchar default 'account_manager'")
        connection.execute("alter table marts.dim_staff add column manager_id varchar")
        connection.execute("alter table marts.dim_staff add column email varchar")
        connection.execute("alter table marts.dim_staff add column valid_from date default '2024-01-01'")
        connection.execute(
            "create table internal.int_management_chain (staff_id varchar, manager_id varchar, valid_from date,"
            " valid_to date, is_loop boolean)"
        )
        connection.execute("create table marts.dim_client (client_id varchar, client_name varchar)")
    home.current.symlink_to("kpi_A.duckdb")


def announce(run: Run, postbox: Postbox) -> list[str]:
    """Tell what is to be told; who got mails by it."""
    before = len(postbox.taken)
    announce_addresses(run, lambda: postbox.server)  # type: ignore[attr-defined]
    return [address for address, _ in postbox.taken[before:]]


def body(postbox: Postbox, number: int) -> str:
    return str(message_from_bytes(postbox.taken[number][1], policy=default).get_content())


def held(run: Run) -> frozenset[str]:
    return addresses.held(run.home.state, names_of(person("M", email="new@agency.example"), person("D")))


def test_the_old_address_and_the_operator_are_told_once_and_the_new_address_waits(run: Run, postbox: Postbox) -> None:
    assert announce(run, postbox) == ["m@agency.example", "ops@agency.example"]
    for number in (0, 1):
        assert "m@agency.example" in body(postbox, number)
        assert "new@agency.example" in body(postbox, number)
        assert "08:00 19/10/2026" in body(postbox, number)
    assert "write to ops@agency.example" in body(postbox, 0)
    assert "amkpi addresses --confirm" in body(postbox, 1)
    assert "l2@" not in body(postbox, 1), "who has left is nobody's business"
    assert announce(run, postbox) == []
    assert held(run) == {"M"}
    assert announce(replace(run, now=lambda: NOW + timedelta(hours=24)), postbox) == []
    assert held(run) == frozenset()


def test_a_setting_of_0_hours_holds_until_the_notice_was_sent(run: Run, postbox: Postbox) -> None:
    at_once = replace(run, settings=Settings(mail=run.settings.mail.model_copy(update={"address_hold_hours": 0})))  # type: ignore[call-arg]
    assert held(at_once) == {"M"}
    announce(at_once, postbox)
    assert held(at_once) == frozenset()


def test_what_the_server_does_not_take_now_is_told_later_and_the_address_waits(run: Run, postbox: Postbox) -> None:
    postbox.say("RCPT", "m@agency.example", "450 later")
    assert announce(run, postbox) == []
    assert addresses.changes(run.home.state)[1].told is None
    postbox.say("RCPT", "ops@agency.example", "450 later")
    assert announce(run, postbox) == ["m@agency.example"]
    assert addresses.changes(run.home.state)[1].told is None
    assert announce(run, postbox) == ["ops@agency.example"], "the old address is not told twice"
    assert addresses.changes(run.home.state)[1].told == NOW


def test_the_operator_is_told_that_the_old_address_did_not_get_it(run: Run, postbox: Postbox) -> None:
    postbox.say("RCPT", "m@agency.example", "550 no such user")
    assert announce(run, postbox) == ["ops@agency.example"]
    assert "550 no such user" in body(postbox, 0)


def test_where_nobody_could_be_told_the_address_waits_for_a_person(run: Run, postbox: Postbox) -> None:
    postbox.say("RCPT", "m@agency.example", "550 no such user")
    alone = replace(run, settings=Settings(mail=Mail(sender="KPI <kpi@agency.example>")))  # type: ignore[call-arg]
    assert announce(alone, postbox) == []
    announce(replace(alone, now=lambda: NOW + timedelta(days=30)), postbox)
    assert held(run) == {"M"}


def test_without_a_connection_the_address_waits(run: Run) -> None:
    announce_addresses(run, lambda: Server("127.0.0.1", free_port(), "none", timeout=1))
    assert addresses.changes(run.home.state)[1].old_told is None
    assert held(run) == {"M"}


def test_an_address_that_is_held_gets_no_scorecard_and_the_reason_is_reported() -> None:
    names = names_of(person("M"), person("D"))
    found = audience(names, ("account_manager",), held={"M"})
    assert [each.staff_id for each in found.recipients] == ["D"]
    assert [each.staff_id for each in found.unreachable] == ["M"]
    assert "held" in str(found.unreachable[0].why)
