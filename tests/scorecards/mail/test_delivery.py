"""Against a real SMTP server: nobody gets two, nobody gets another's, and whoever got none is named."""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from amkpi.alerts.incidents import find_incidents
from amkpi.core.errors import AmkpiError
from amkpi.core.run import Run
from amkpi.core.setting_groups.group import Cadence
from amkpi.scorecards.mail import smtp
from amkpi.scorecards.mail.delivery import send
from amkpi.scorecards.mail.history import History, scorecards_sent
from amkpi.scorecards.mail.operator_mail import log_lines
from amkpi.scorecards.mail.options import Options
from amkpi.scorecards.mail.report import DeliveryReport
from amkpi.scorecards.mail.schedule import due
from amkpi.scorecards.mail.smtp import Server
from tests.paths import ROOT
from tests.scorecards import agency

OPTIONS = Options(mail_from="KPI <kpi@agency.example>", operator_email="ops@agency.example", tries=2, retry_wait=0)
EVERYBODY = {f"{each.staff_id.lower()}@agency.example" for each in agency.PEOPLE}


class Postbox:
    """Takes mail as a server does; what it says to whom can be told it."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, bytes]] = []
        self.answers: dict[tuple[str, str], list[str]] = {}
        self.on_data: Callable[[str], None] = lambda address: None

    def say(self, verb: str, address: str, *answers: str) -> None:
        """Answer so, one answer a time, before it is willing."""
        self.answers[verb, address] = list(answers)

    def _next(self, verb: str, address: str) -> str | None:
        waiting = self.answers.get((verb, address))
        return waiting.pop(0) if waiting else None

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        said = self._next("RCPT", address)
        if said == "cut":
            server.transport.abort()  # type: ignore[union-attr]
            return "421 gone"
        if said:
            return said
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        address = envelope.rcpt_tos[0]
        assert len(envelope.rcpt_tos) == 1
        self.on_data(address)
        said = self._next("DATA", address)
        if said == "cut before":
            server.transport.abort()  # type: ignore[union-attr]
            return "421 gone"
        if said and not said.startswith("cut"):
            return said
        assert isinstance(envelope.content, bytes)
        self.taken.append((address, envelope.content))
        if said == "cut after":
            server.transport.abort()  # type: ignore[union-attr]
        return "250 taken"

    def readers(self) -> Counter[str]:
        """How many mails each address got, the operator's aside; each names the person it went to."""
        found: Counter[str] = Counter()
        for address, content in self.taken:
            mail = message_from_bytes(content, policy=default)
            assert [each.addr_spec for each in mail["To"].addresses] == [address]
            if address != "ops@agency.example":
                body = mail.get_body(("plain",))
                assert body is not None
                assert f"({address.split('@')[0].upper()})" in body.get_content().splitlines()[2]
                found[address] += 1
        return found

    def to_operator(self) -> str:
        """What the operator was told, all mails together."""
        return "\n".join(
            str(message_from_bytes(content, policy=default).get_content())
            for address, content in self.taken
            if address == "ops@agency.example"
        )


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for localhost that stands for itself, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
        .not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder / "cert.pem", folder / "key.pem"


@pytest.fixture
def postbox() -> Postbox:
    return Postbox()


@pytest.fixture
def server(postbox: Postbox) -> Iterator[Server]:
    """A server without TLS."""
    controller = Controller(postbox, hostname="127.0.0.1", port=free_port())
    controller.start()
    yield Server("127.0.0.1", _port(controller), "none", timeout=5)
    controller.stop()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _port(controller: Controller) -> int:
    return int(controller.port)


def go(run: Run, server: Server, **given: Any) -> DeliveryReport:
    chosen: dict[str, Any] = {"period": "2026-09", "options": OPTIONS, "sleep": lambda seconds: None} | given
    return send(run, server, **chosen)


def uncertain_incidents(run: Run) -> int:
    """How many incidents there are of mails with an uncertain outcome; each names D2."""
    found = [each for each in find_incidents(run, None, ()) if each.type == "mails-uncertain"]
    assert all("D2 <d2@agency.example>" in each.facts for each in found)
    return len(found)


@pytest.mark.slow
def test_everybody_due_gets_one_and_a_second_run_sends_nothing(run: Run, server: Server, postbox: Postbox) -> None:
    first, second = go(run, server), go(run, server)
    assert first.count("sent") == second.count("sent_before") == 6
    assert postbox.readers() == Counter(EVERYBODY)
    assert not postbox.to_operator()
    rows = scorecards_sent(run.home.state)
    assert [(row.staff_id, row.state, row.publication_id) for row in rows] == [
        (each, "sent", agency.ID) for each in ("D1", "D2", "G1", "M1", "M2", "M3")
    ]
    assert '"kpi": "client_revenue"' in rows[0].values_sent


@pytest.mark.slow
def test_starttls_with_a_login_that_must_be_right(run: Run, postbox: Postbox, certificate: tuple[Path, Path]) -> None:
    def authenticate(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        assert session.ssl is not None, "no password before TLS"
        right = isinstance(data, LoginPassword) and data.password == b"right"
        return AuthResult(success=right, handled=False) if not right else AuthResult(success=True)

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*map(str, certificate))
    controller = Controller(
        postbox, hostname="127.0.0.1", port=free_port(), tls_context=context, require_starttls=True,
        auth_required=True, authenticator=authenticate,
    )  # fmt: skip
    controller.start()
    try:
        server = Server("localhost", _port(controller), "starttls", "kpi", "wrong", 5, str(certificate[0]))
        refused = go(run, server)
        assert refused.count("deferred") == 6
        assert "535" in str(refused.problems[0].detail)
        assert not postbox.taken
        assert History(run.home.state).read() == (), "nothing was intended: no server was open"
        stranger = go(run, replace(server, password="right", ca_file=None))
        assert "CERTIFICATE_VERIFY_FAILED" in str(stranger.problems[0].detail)
        assert not postbox.taken
        assert go(run, replace(server, password="right")).count("sent") == 6
    finally:
        controller.stop()
    assert postbox.readers() == Counter(EVERYBODY)


@pytest.mark.slow
def test_tls_from_the_first_byte(run: Run, postbox: Postbox, certificate: tuple[Path, Path]) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*map(str, certificate))

    class Implicit(Controller):
        def _trigger_server(self) -> None:
            """aiosmtpd greets itself once; its own way does not know the authority."""
            trusting = ssl.create_default_context(cafile=str(certificate[0]))
            with (
                socket.create_connection(("127.0.0.1", self.port), timeout=5) as plain,
                trusting.wrap_socket(plain, server_hostname="localhost") as safe,
            ):
                safe.recv(1024)

    controller = Implicit(postbox, hostname="127.0.0.1", port=free_port(), ssl_context=context)
    controller.start()
    try:
        server = Server("localhost", _port(controller), "tls", timeout=5, ca_file=str(certificate[0]))
        assert go(run, server).count("sent") == 6
    finally:
        controller.stop()
    assert postbox.readers() == Counter(EVERYBODY)


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["RCPT", "DATA"])
def test_a_permanent_refusal_is_reported_once_and_stops_nobody_else(
    run: Run, server: Server, postbox: Postbox, verb: str
) -> None:
    postbox.say(verb, "m1@agency.example", "550 no such user", "550 no such user")
    first, second = go(run, server), go(run, server)
    assert (first.count("sent"), first.count("refused")) == (5, 1)
    assert (second.count("sent_before"), second.count("refused")) == (5, 1)
    assert postbox.readers() == Counter(EVERYBODY - {"m1@agency.example"})
    assert "- M1: m1@agency.example: 550 no such user" in postbox.to_operator()
    assert postbox.to_operator().count("M1") == 1
    assert go(run, server, resend=("M1",)).count("refused") == 1, "the second no"
    assert go(run, server, resend=("M1",)).count("sent") == 1
    assert postbox.readers() == Counter(EVERYBODY)


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["RCPT", "DATA"])
def test_a_temporary_refusal_is_tried_again_in_the_run_and_by_the_next(
    run: Run, server: Server, postbox: Postbox, verb: str
) -> None:
    postbox.say(verb, "m1@agency.example", "451 later")
    postbox.say(verb, "m2@agency.example", "451 later", "451 later", "451 later")
    first = go(run, server)
    assert (first.count("sent"), first.count("deferred")) == (5, 1)
    assert "- M2: m2@agency.example: 451 later" in log_lines(first)
    assert not postbox.to_operator(), "the alarm of the task that fails tells it, once"
    assert go(run, server).count("sent") == 1
    assert postbox.readers() == Counter(EVERYBODY)


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["cut before", "cut after"])
def test_who_was_cut_off_before_the_answer_is_uncertain_and_only_a_person_sends_again(
    run: Run, server: Server, postbox: Postbox, moment: str
) -> None:
    postbox.say("DATA", "d2@agency.example", moment)
    first, second = go(run, server), go(run, server)
    assert (first.count("sent"), first.count("uncertain")) == (5, 1)
    assert (second.count("sent_before"), second.count("uncertain")) == (5, 1)
    assert postbox.readers()["d2@agency.example"] == (1 if moment == "cut after" else 0)
    assert ["--resend D2" in line for line in log_lines(second)].count(True) == 1
    assert uncertain_incidents(run) == 1
    assert not postbox.to_operator(), "the alarm tells it, once"
    assert go(run, server, resend=("D2",)).count("sent") == 1
    assert postbox.readers()["d2@agency.example"] == (2 if moment == "cut after" else 1)
    assert uncertain_incidents(run) == 0
    assert go(run, server).count("sent_before") == 6


@pytest.mark.slow
def test_a_cut_before_the_content_loses_nothing_and_repeats_nothing(run: Run, server: Server, postbox: Postbox) -> None:
    postbox.say("RCPT", "d1@agency.example", "cut")
    assert go(run, server).count("sent") == 6
    assert postbox.readers() == Counter(EVERYBODY)


@pytest.mark.slow
def test_a_server_that_cannot_be_reached_is_asked_once_and_not_again_after_a_wait(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []

    def connect(address: Any, timeout: float, *more: Any) -> Any:
        asked.append(timeout)
        raise TimeoutError("timed out")

    monkeypatch.setattr("socket.create_connection", connect)
    report = go(run, Server("192.0.2.1", security="none"), sleep=pytest.fail)
    assert report.count("deferred") == len(agency.PEOPLE)
    assert asked == [10]


@pytest.mark.slow
def test_a_server_that_goes_away_is_asked_again_after_the_wait(run: Run, server: Server, postbox: Postbox) -> None:
    reached: list[str] = []
    session = smtp.Session

    class Once(session):  # type: ignore[misc, valid-type]
        def __init__(self, *given: Any) -> None:
            if len(reached) == 1:
                reached.append("no")
                raise smtp.NoConnection("gone")
            super().__init__(*given)
            reached.append("yes")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("amkpi.scorecards.mail.delivery.Session", Once)
        postbox.say("RCPT", "g1@agency.example", "cut")
        report = go(run, server)
    assert report.count("sent") == len(agency.PEOPLE)
    assert reached == ["yes", "no", "yes"]


@pytest.mark.slow
def test_no_server_at_all_names_everybody_and_the_next_run_sends(run: Run, server: Server, postbox: Postbox) -> None:
    report = go(run, Server("127.0.0.1", 1, "none", timeout=2))
    assert report.count("deferred") == 6
    assert go(run, server).count("sent") == 6


KILLED = """
import os, signal, sys
from pathlib import Path
from tests.scorecards import agency
from tests.scorecards.mail.test_delivery import OPTIONS
from amkpi.scorecards.mail import delivery, history, smtp
moment, port = sys.argv[2], int(sys.argv[3])
def die(*_): os.kill(os.getpid(), signal.SIGKILL)
count = 0
write = history.History.write
def writing(self, sending):
    global count
    count += 1
    if moment == "before intent" and count == 3: die()
    write(self, sending)
    if moment == "after intent" and count == 3: die()
    if moment == "after answer" and count == 4: die()
history.History.write = writing
deliver = smtp.Session.deliver
def delivering(self, mail):
    found = deliver(self, mail)
    if moment == "before answer" and mail.staff_id == "D2": die()
    return found
smtp.Session.deliver = delivering
run = agency.run_of(Path(sys.argv[1]))
delivery.send(run, smtp.Server("127.0.0.1", port, "none", timeout=5), period="2026-09", options=OPTIONS)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("moment", "uncertain"),
    [("before intent", 0), ("after intent", 1), ("before answer", 1), ("after answer", 0)],
)
def test_a_kill_at_any_step_sends_nobody_two_and_names_who_may_have_none(
    run: Run, server: Server, postbox: Postbox, moment: str, uncertain: int
) -> None:
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(run.home.root.parent), moment, str(server.port)],
        check=False, capture_output=True, text=True, timeout=120, cwd=ROOT,
    )  # fmt: skip
    assert killed.returncode == -9, killed.stderr
    report = go(run, server)
    assert report.count("uncertain") == uncertain
    assert report.count("sent", "sent_before") == 6 - uncertain
    readers = postbox.readers()
    assert all(count == 1 for count in readers.values())
    if uncertain:
        assert uncertain_incidents(run) == 1
    else:
        assert set(readers) == EVERYBODY


@pytest.mark.slow
def test_who_cannot_be_addressed_is_told_to_the_operator(run: Run, server: Server, postbox: Postbox) -> None:
    agency.change(run.home.current.resolve(), "update dim_staff set email = null where staff_id = 'M3'")
    assert go(run, server).count("unreachable") == 1
    assert "- M3: chưa có địa chỉ email" in postbox.to_operator()


def test_a_stale_publication_goes_to_nobody_and_what_holds_it_is_left_to_its_alarm(
    run: Run, server: Server, postbox: Postbox
) -> None:
    report = go(replace(run, as_of=date(2026, 10, 20)), server)
    assert report.held.startswith("the publication is of 17/10/2026, 3 days before 20/10/2026: run `amkpi run`")
    assert log_lines(report) == [f"Scorecards of 2026-09 were sent to nobody: {report.held}"]
    assert not postbox.taken
    late = go(replace(run, as_of=date(2026, 10, 18)), server, options=replace(OPTIONS, stale_after_days=0))
    assert ", 1 day before 18/10/2026: " in late.held


@pytest.mark.slow
def test_two_senders_at_once_do_not_both_send(run: Run, server: Server, postbox: Postbox) -> None:
    seen: list[str] = []

    def second(address: str) -> None:
        postbox.on_data = lambda _: None
        child = subprocess.run(
            [sys.executable, "-c", KILLED, str(run.home.root.parent), "never", str(server.port)],
            check=False, capture_output=True, text=True, timeout=120, cwd=ROOT,
        )  # fmt: skip
        seen.append(child.stderr)

    postbox.on_data = second
    go(run, replace(server, timeout=60))
    assert "another process is sending" in seen[0]
    assert postbox.readers() == Counter(EVERYBODY)


def test_somebody_who_is_due_nothing_cannot_be_asked_for(run: Run, server: Server) -> None:
    with pytest.raises(AmkpiError, match="nobody with this staff_id"):
        go(run, server, to=("X9",))


def test_only_those_asked_for_get_theirs(run: Run, server: Server, postbox: Postbox) -> None:
    assert go(run, server, to=("M1",)).count("sent") == 1
    assert set(postbox.readers()) == {"m1@agency.example"}


@pytest.mark.parametrize(
    ("now", "wanted"),
    [
        ("2026-10-19T06:59", ("2026-09", "2026-Q3")),
        ("2026-10-19T07:00", ("2026-09", "2026-Q3", "2026-10")),
        ("2026-10-05T06:59", ()),
        ("2026-10-05T07:00", ("2026-09", "2026-10")),
        ("2026-10-10T06:59", ("2026-09", "2026-10")),
        ("2026-10-10T07:00", ("2026-09", "2026-Q3", "2026-10")),
        ("2026-10-31T12:00", ("2026-09", "2026-Q3", "2026-10")),
        # A Sunday: October's last mail went out on Monday, November's first comes tomorrow.
        ("2026-11-01T12:00", ("2026-Q3",)),
        ("2026-11-02T07:00", ("2026-Q3", "2026-11")),
        ("2027-01-15T06:59", ("2026-12", "2026-Q4", "2027-01")),
        ("2027-01-15T07:00", ("2026-12", "2026-Q4", "2026", "2027-01")),
        # Three months later a year is not mailed any more.
        ("2027-04-04T07:00", ()),
    ],
)
def test_what_is_due_when(now: str, wanted: tuple[str, ...]) -> None:
    assert tuple(each.period for each in due(moment(now), Options())) == wanted


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Asia/Ho_Chi_Minh"))


def test_each_cadence_has_its_own_days_after_the_end_and_can_be_left_out() -> None:
    days: dict[Cadence, int] = {"week": 3, "month": 0, "quarter": 20, "year": 1}
    options = Options(after_days=days)
    assert [each.since.isoformat() for each in due(moment("2026-10-21T07:00"), options)] == [
        "2026-09-30", "2026-10-20", "2026-10-21",
    ]  # fmt: skip
    # Tuesday: this week's mail comes tomorrow.
    assert [each.grain for each in due(moment("2026-10-20T07:00"), options)] == ["month", "quarter"]
    assert [each.period for each in due(moment("2027-01-01T07:00"), replace(options, cadences=("year",)))] == ["2026"]


def test_what_is_due_but_has_no_scorecards_is_held_and_fails_nothing(
    run: Run, server: Server, postbox: Postbox
) -> None:
    report = go(run, server, grain="quarter", period="2026-Q3", since=date(2026, 10, 10))
    assert report.held == "no scorecards of 2026-Q3 are published"
    assert not postbox.readers()


@pytest.mark.slow
def test_a_sender_killed_before_it_noted_that_the_operator_knows_tells_them_again(
    run: Run, server: Server, postbox: Postbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    agency.change(run.home.current.resolve(), "update dim_staff set email = null where staff_id = 'M3'")

    def die(history: History, digest: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(History, "note_for_operator", die)
    with pytest.raises(KeyboardInterrupt):
        go(run, server)
    monkeypatch.undo()
    go(run, server)
    go(run, server)
    assert postbox.to_operator().count("- M3: ") == 2, "rather twice than never; then no more"
    assert postbox.readers() == Counter(EVERYBODY - {"m3@agency.example"})


@pytest.mark.parametrize(("language", "words"), [("vi", "chưa có địa chỉ email"), ("en", "has no address")])
@pytest.mark.slow
def test_the_operator_is_told_in_the_language_of_the_settings(
    run: Run, server: Server, postbox: Postbox, language: Any, words: str
) -> None:
    agency.change(run.home.current.resolve(), "update dim_staff set email = null where staff_id = 'M3'")
    go(run, server, options=replace(OPTIONS, default_language=language))
    assert f"- M3: {words}" in postbox.to_operator()


@pytest.mark.parametrize(("since", "is_held"), [(agency.AS_OF, False), (agency.AS_OF + timedelta(days=1), True)])
@pytest.mark.slow
def test_a_publication_of_before_the_day_they_fell_due_is_held(
    run: Run, server: Server, postbox: Postbox, since: date, is_held: bool
) -> None:
    report = go(run, server, since=since)
    assert bool(report.held) is is_held
    assert len(postbox.readers()) == (0 if is_held else 6)
