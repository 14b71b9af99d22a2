"""The group's scorecards are sent once, and problems are told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from amkpi.core.errors import AmkpiError
from amkpi.group.home import group_run
from amkpi.group.mail import delivery
from amkpi.group.mail.delivery import GroupMail, send
from amkpi.scorecards.mail.history import History
from amkpi.scorecards.mail.report import DeliveryReport
from amkpi.scorecards.mail.smtp import Server
from tests.command_line import amkpi
from tests.group.conftest import Group
from tests.scorecards.mail.test_delivery import OPTIONS, Postbox, free_port

pytestmark = pytest.mark.slow

MINH, AN = "minh@saomai.vn", "an@saomai.vn"
Send = Callable[..., DeliveryReport]


@pytest.fixture
def postbox() -> Postbox:
    return Postbox()


@pytest.fixture
def server(postbox: Postbox) -> Iterator[Server]:
    controller = Controller(postbox, hostname="127.0.0.1", port=free_port())
    controller.start()
    yield Server("127.0.0.1", controller.port, "none", timeout=5)
    controller.stop()


@pytest.fixture
def copy(make_group: Callable[[], Group]) -> Group:
    return make_group()


@pytest.fixture
def send_it(copy: Group, server: Server) -> Send:
    """Sends the third quarter on 01/10/2026, a day after the date of the group."""

    def send_now(as_of: date = date(2026, 10, 1), **given: Any) -> DeliveryReport:
        run = replace(group_run(copy.agencies), as_of=as_of)
        chosen = {"period": "2026-Q3", "options": OPTIONS, "sleep": lambda seconds: None} | given
        return send(copy.agencies, run, server, "quarter", **chosen)

    return send_now


def outcomes(report: DeliveryReport) -> dict[str, str]:
    return {result.staff_id: result.outcome for result in report.results}


def test_each_reader_gets_a_period_once_and_again_where_that_is_asked_for(
    send_it: Send, postbox: Postbox, copy: Group
) -> None:
    assert outcomes(send_it()) == {MINH: "sent", AN: "sent"}
    assert outcomes(send_it()) == {MINH: "sent_before", AN: "sent_before"}
    assert [address for address, _ in postbox.taken] == [MINH, AN]
    assert outcomes(send_it(resend=[AN])) == {AN: "sent"}
    assert Counter(address for address, _ in postbox.taken) == {MINH: 1, AN: 2}
    # Nobody else gets a period by it, who never had it.
    assert outcomes(send_it(period="2026-Q2", resend=[AN])) == {AN: "sent"}
    assert outcomes(send_it(period="2026-Q2")) == {MINH: "sent", AN: "sent_before"}
    publication = copy.rows("from group_publication")[0]
    for sending in History(copy.root / "group" / "state").read():
        assert sending.publication_id == publication["publication_id"]
        assert sending.pipeline_version == publication["pipeline_version"]


def test_what_is_refused_or_uncertain_is_told_and_not_sent_again(send_it: Send, postbox: Postbox) -> None:
    postbox.say("RCPT", MINH, "550 no such user")
    postbox.say("DATA", AN, "cut after")
    assert outcomes(send_it()) == {MINH: "refused", AN: "uncertain"}
    assert MINH in postbox.to_operator()
    assert outcomes(send_it()) == {MINH: "refused", AN: "uncertain"}
    assert Counter(address for address, _ in postbox.taken if address != "ops@agency.example") == {AN: 1}


def test_a_publication_that_is_older_than_an_agency_may_be_behind_is_not_sent(
    send_it: Send, postbox: Postbox, copy: Group
) -> None:
    assert copy.agencies.most_days_behind == 31
    held = send_it(as_of=date(2026, 11, 1))
    assert held.results == ()
    assert "the publication is of 30/09/2026" in held.held
    assert "run `amkpi group build`" in held.held
    assert postbox.taken == []
    assert outcomes(send_it(as_of=date(2026, 10, 31))) == {MINH: "sent", AN: "sent"}


def test_nobody_but_a_reader_can_be_asked_for_and_no_mail_goes_to_another(
    send_it: Send, postbox: Postbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(AmkpiError, match=r"--resend x@saomai\.vn: not in leadership; it has minh@saomai\.vn"):
        send_it(resend=["x@saomai.vn"])
    monkeypatch.setattr(delivery, "GroupMail", lambda staff_id, address, *rest: GroupMail(AN, AN, *rest))
    with pytest.raises(AmkpiError, match=r"the mail for an@saomai\.vn names somebody else"):
        send_it()
    assert postbox.taken == []


def test_the_command_sends_and_ends_with_1_where_a_mail_is_undelivered(
    copy: Group, postbox: Postbox, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_AMKPI_SMTP", f"smtp://127.0.0.1:{server.port}/?security=none")
    file = copy.root / "agencies.toml"
    file.write_text(file.read_text().replace("most_days_behind = 31", "most_days_behind = 20000"))
    command = ("group", "scorecards", "--agencies", str(file), "--period", "2026-08", "--send")
    postbox.say("RCPT", AN, "550 no such user")
    done = amkpi(None, *command)
    assert done.code == 1
    assert "1 sent, 0 sent before, 1 refused" in done.stdout
    assert "1 mail was not delivered for certain" in " ".join(done.stderr.split())
    assert [address for address, _ in postbox.taken] == [MINH]
    assert not Path(copy.root / "group" / "outbox").exists()
