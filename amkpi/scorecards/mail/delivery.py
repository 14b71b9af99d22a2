"""Scorecards into a folder, or to an SMTP server: nobody gets two, and whoever got none is named to the operator."""

from __future__ import annotations

import fcntl
import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

from amkpi.core.catalogue import Language
from amkpi.core.errors import AmkpiError
from amkpi.core.language.i18n import Speech, say_later
from amkpi.core.language.periods import Period
from amkpi.core.run import Progress, Run, silent
from amkpi.core.settings import Settings
from amkpi.expectations.history import blocking_audit
from amkpi.publishing.reader import published
from amkpi.scorecards.compose import compose
from amkpi.scorecards.facts import Facts, Publication, read_facts, read_publication
from amkpi.scorecards.mail import report
from amkpi.scorecards.mail.history import History, Sending, edition_of, last_told
from amkpi.scorecards.mail.messages import Mail, message, note, sender_address
from amkpi.scorecards.mail.report import Outcome, Report, answered, ask_and_resend, operator_subject, operator_text
from amkpi.scorecards.mail.smtp import NoConnection, Server, Session
from amkpi.scorecards.model import Scorecard
from amkpi.scorecards.recipients import Audience, audience
from amkpi.scorecards.restatements import causes


@dataclass(frozen=True)
class Options:
    """What an agency chooses about its scorecards.

    stale_after_days: a publication whose date lies further back goes to nobody. tries: how often a temporary refusal is
    tried in one run, retry_wait seconds apart.
    """

    mail_from: str = "KPI scorecards <scorecards@localhost.localdomain>"
    operator_email: str | None = None
    default_language: Language = "vi"
    leadership: tuple[str, ...] = ()
    workbook: bool = False
    stale_after_days: int = 1
    weekly_hour: int = 7
    close_after_days: int = 5
    tries: int = 3
    retry_wait: float = 20.0


def options_of(settings: Settings) -> Options:
    """The agency's choices, from its settings."""
    return Options(
        mail_from=settings.mail.sender,
        operator_email=settings.mail.operator or None,
        default_language=settings.scorecards.language,
        leadership=settings.scorecards.leadership,
        workbook=settings.scorecards.workbook,
        stale_after_days=settings.scorecards.stale_after_days,
        weekly_hour=settings.scorecards.hour,
        close_after_days=settings.scorecards.close_after_days,
    )


def server_of(connection: Any) -> Server:
    """The SMTP server that an Airflow connection names. Raises AmkpiError where it does not say enough."""
    extra = connection.extra_dejson
    security = extra.get("security", "starttls")
    if not connection.host or security not in ("starttls", "tls", "none"):
        raise AmkpiError(
            "the connection amkpi_smtp needs a host, and as extra security: starttls, tls or none"
            f" (it says {security!r})"
        )
    port = connection.port or {"starttls": 587, "tls": 465, "none": 25}[security]
    return Server(
        connection.host, port, security, connection.login or None, connection.password, ca_file=extra.get("ca_file")
    )


@dataclass(frozen=True)
class Wanted:
    """Scorecards that ought to have gone out by now. since: the day they fell due; an older publication will not do."""

    grain: str
    period: str
    since: date


def due(now: datetime, options: Options) -> tuple[Wanted, ...]:
    """Which scorecards ought to have gone out by now; sending them again sends nothing twice.

    now: aware, in the agency's time zone. From Monday at the hour on: the month to date, once a week, until the month
    ends. From so many days after a month's end, at the hour: that month, once.
    """
    wanted: list[Wanted] = []
    today = now.date()
    month = Period.holding("month", today)
    before = month.before()
    closes = before.end + timedelta(days=options.close_after_days)
    if now >= _at(now, closes, options.weekly_hour):
        wanted.append(Wanted("month", before.key, closes))
    monday = today - timedelta(days=today.weekday())
    # The first days of a month belong to a week whose mail is out: its first mail is the next Monday's.
    if monday >= month.start and now >= _at(now, monday, options.weekly_hour):
        wanted.append(Wanted("month", month.key, monday))
    return tuple(wanted)


def render(
    run: Run,
    outbox: Path,
    grain: str = "month",
    period: str | None = None,
    to: Sequence[str] = (),
    options: Options | None = None,
    progress: Progress = silent,
) -> Report:
    """Write the scorecards of the current publication into a folder, one `<grain>_<period>_<staff_id>.eml` a person.

    period: as `amkpi explain` takes it; the one that holds the publication's date when None. to: only these staff ids.
    Sends nothing and leaves the history alone. Raises AmkpiError.
    """
    options = options or Options()
    due_now = _prepare(run, grain, period, to, options)
    outbox.mkdir(parents=True, exist_ok=True)
    outcomes = list(due_now.outcomes)
    for card in due_now.cards:
        mail = _message(card, options)
        progress(mail.file_name)
        partial = outbox / f".{mail.file_name}.part"
        partial.write_bytes(mail.content)
        partial.replace(outbox / mail.file_name)
        outcomes.append(Outcome(mail.staff_id, "written", answered(mail.file_name)))
    return due_now.report(outcomes)


def send(
    run: Run,
    server: Server,
    grain: str = "month",
    period: str | None = None,
    to: Sequence[str] = (),
    resend: Sequence[str] = (),
    since: date | None = None,
    options: Options | None = None,
    progress: Progress = silent,
    sleep: Callable[[float], None] = time.sleep,
) -> Report:
    """Send the scorecards of the current publication, each person's once an edition, and tell the operator of trouble.

    resend: staff ids whose scorecard goes again though it was sent, refused or is uncertain. since: the day they fell
    due. A publication of before that day, a stale one, or one whose successor the audit blocked goes to nobody: the
    report says what holds it. Raises AmkpiError when another sender is at work, or when the mail could not be made.
    """
    options = options or Options()
    sender = sender_address(options.mail_from)
    with _alone(run):
        history = History(run.home.state)
        _recover(history, run)
        with published(run.home, run.settings) as connection:
            publication = read_publication(connection)
        line = _Line(server, sender.addr_spec)
        try:
            held = what_holds(run, publication, options, since)
            if held:
                chosen = _period(grain, period, publication)
                report = Report(chosen.grain, chosen.key, publication.publication_id, (), held)
            else:
                due_now = _prepare(run, grain, period, tuple(to) or tuple(resend), options)
                report = due_now.report(_send_all(due_now, history, line, run, resend, options, progress, sleep))
            _tell_operator(report, history, line, options, run)
        finally:
            line.close()
    return report


def what_holds(run: Run, publication: Publication, options: Options, since: date | None = None) -> str:
    """Why this publication must not go out: a newer one is blocked, it is stale, or of before the day they fell due.

    The operator has an alert of each: the block itself, or that the night's publication is late.
    """
    reasons: list[str] = []
    audit = blocking_audit(run.home, publication.as_of, publication.published_at)
    if audit is not None:
        reasons.append(report.blocked(audit.as_of, "; ".join(audit.blocking), str(run.home.audits / audit.page)))
    if (run.as_of - publication.as_of).days > options.stale_after_days:
        reasons.append(report.too_old(publication.as_of, run.as_of))
    elif since is not None and publication.as_of < since:
        reasons.append(report.not_yet(publication.as_of, since))
    return "; ".join(reasons)


@dataclass(frozen=True)
class _Due:
    """Everybody's scorecard, made from one publication, and who cannot have one."""

    facts: Facts
    cards: tuple[Scorecard, ...]
    outcomes: tuple[Outcome, ...]

    def report(self, outcomes: Sequence[Outcome]) -> Report:
        return Report(
            self.facts.period.grain,
            self.facts.period.key,
            self.facts.publication.publication_id,
            tuple(sorted(outcomes, key=lambda outcome: outcome.staff_id)),
        )


def _period(grain: str, period: str | None, publication: Publication) -> Period:
    return Period.parse(grain, period) if period else Period.holding(grain, publication.as_of)


def _prepare(run: Run, grain: str, period: str | None, to: Sequence[str], options: Options) -> _Due:
    with published(run.home, run.settings) as connection:
        publication = read_publication(connection)
        chosen = _period(grain, period, publication)
        facts = read_facts(connection, chosen)
    everyone = audience(
        facts.people, publication.as_of, run.settings.kpi.account_roles, options.leadership, options.default_language
    )
    _check_asked(to, everyone, chosen)
    if not any(start == chosen.start for _, start in facts.scores):
        raise AmkpiError(f"no scorecards of {chosen.key} are published: the data ends at {publication.as_of}")
    sendings = History(run.home.state).read()
    cause = causes(run.home)
    cards: list[Scorecard] = []
    outcomes = [
        Outcome(each.staff_id, "unreachable", each.why)
        for each in everyone.unreachable
        if not to or each.staff_id in to
    ]
    for recipient in everyone.recipients:
        if to and recipient.staff_id not in to:
            continue
        card = compose(facts, recipient, last_told(sendings, recipient.staff_id), cause)
        if card is None:
            outcomes.append(
                Outcome(
                    recipient.staff_id, "no_scorecard", say_later("has no scorecard in {period}", period=chosen.key)
                )
            )
        else:
            cards.append(card)
    return _Due(facts, tuple(cards), tuple(outcomes))


def _check_asked(to: Sequence[str], everyone: Audience, period: Period) -> None:
    known = {each.staff_id for each in everyone.recipients} | {each.staff_id for each in everyone.unreachable}
    for staff_id in to:
        if staff_id not in known:
            raise AmkpiError(f"--to {staff_id}: nobody with this staff_id is due a scorecard of {period.key}")


def _message(card: Scorecard, options: Options) -> Mail:
    return message(card, sender_address(options.mail_from), options.operator_email, options.workbook)


def _send_all(
    due_now: _Due,
    history: History,
    line: _Line,
    run: Run,
    resend: Sequence[str],
    options: Options,
    progress: Progress,
    sleep: Callable[[float], None],
) -> list[Outcome]:
    known = {(s.grain, s.period, s.edition, s.staff_id): s for s in history.read()}
    outcomes = list(due_now.outcomes)
    waiting: list[tuple[Mail, int]] = []
    for card in due_now.cards:
        staff_id = card.recipient.staff_id
        before = known.get((card.grain, card.period, edition_of(card.is_provisional, card.as_of), staff_id))
        if before and staff_id not in resend:
            done = _done_with(before, card.recipient.address.addr_spec)
            if done:
                outcomes.append(done)
                continue
        waiting.append((_message(card, options), before.tries if before else 0))
    for round_ in range(options.tries):
        if round_ and waiting:
            sleep(options.retry_wait)
        again: list[tuple[Mail, int]] = []
        last: dict[str, str] = {}
        for mail, tries in waiting:
            intent = Sending(
                mail.grain, mail.period, mail.edition, mail.staff_id, mail.address,
                due_now.facts.publication.publication_id, due_now.facts.publication.delivery,
                due_now.facts.publication.pipeline_version, mail.message_id, "intended", run.now(), "", tries + 1,
                mail.told,
            )  # fmt: skip
            try:
                line.open()
            except NoConnection as error:
                last[mail.staff_id] = str(error)
                again.append((mail, tries))
                continue
            mail.check()
            history.write(intent)
            state, answer = line.deliver(mail)
            history.write(replace(intent, state=state, at=run.now(), answer=answer))
            progress(f"{mail.staff_id}: {state}")
            if state == "deferred":
                last[mail.staff_id] = answer
                again.append((mail, tries + 1))
            elif state == "uncertain":
                why = ask_and_resend(answer, mail.address, mail.staff_id)
                outcomes.append(Outcome(mail.staff_id, "uncertain", why))
            elif state == "refused":
                outcomes.append(Outcome(mail.staff_id, "refused", answered(answer, mail.address)))
            else:
                outcomes.append(Outcome(mail.staff_id, "sent", answered(answer)))
        waiting = again
    outcomes += [Outcome(mail.staff_id, "deferred", answered(last[mail.staff_id], mail.address)) for mail, _ in waiting]
    return outcomes


def _done_with(before: Sending, address: str) -> Outcome | None:
    """What is said of somebody whom this edition was tried with before; None where it is to be tried again."""
    if before.state == "sent":
        return Outcome(before.staff_id, "sent_before", answered(before.at.isoformat()))
    if before.state == "uncertain":
        return Outcome(before.staff_id, "uncertain", ask_and_resend(before.answer, before.address, before.staff_id))
    if before.state == "refused" and before.address == address:
        return Outcome(before.staff_id, "refused", answered(before.answer, before.address))
    return None


class _Line:
    """The connection, opened when it is first needed and again when it broke."""

    def __init__(self, server: Server, sender: str) -> None:
        self._server, self._sender = server, sender
        self._session: Session | None = None

    def open(self) -> None:
        """Be connected. Raises NoConnection."""
        if self._session is None or not self._session.is_open:
            self._session = Session(self._server, self._sender)

    def deliver(self, mail: Mail) -> tuple[Literal["intended", "sent", "deferred", "refused", "uncertain"], str]:
        assert self._session is not None
        return self._session.deliver(mail)

    def close(self) -> None:
        if self._session is not None:
            self._session.close()


def _recover(history: History, run: Run) -> None:
    """Whoever was being sent to when a sender was killed is uncertain: the server may have taken the mail."""
    for sending in history.read():
        if sending.state == "intended":
            history.write(replace(sending, state="uncertain", at=run.now(), answer="the sender was cut off"))


@contextmanager
def _alone(run: Run) -> Iterator[None]:
    """Let one process send at a time; the operating system lets go when it ends, however it ends."""
    run.home.state.mkdir(parents=True, exist_ok=True)
    with (run.home.state / "scorecards.lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise AmkpiError("another process is sending scorecards: wait until it ends") from error
        yield


def _tell_operator(report: Report, history: History, line: _Line, options: Options, run: Run) -> None:
    """Mail the operator whose address needs them, each text once; the caller has the report in any case."""
    if not options.operator_email:
        return
    # The rest are alerts of their own (`amkpi.alerts.causes`): mails whose fate is unknown, mails that were deferred
    # until the last try, and whatever holds all of them back.
    told = tuple(each for each in report.outcomes if each.fate in ("refused", "unreachable"))
    report = replace(report, outcomes=told)
    speech = Speech(options.default_language, run.settings.kpi.reporting_currency)
    text = operator_text(report, speech)
    if not text:
        return
    digest = hashlib.sha256(f"{report.publication_id}\n{text}".encode()).hexdigest()[:32]
    if history.operator_knows(digest):
        return
    sender, operator = sender_address(options.mail_from), sender_address(options.operator_email)
    content = note(sender, operator, operator_subject(report, speech), text, run.now(), digest)
    mail = Mail("", operator.addr_spec, report.grain, report.period, "", "", "", content, ())
    try:
        line.open()
    except NoConnection:
        return
    # Noted afterwards: whoever is killed in between tells twice, not never.
    if line.deliver(mail)[0] in ("sent", "uncertain"):
        history.note_for_operator(digest)


def log_lines(report: Report) -> list[str]:
    """What became of the scorecards but for those that went as they should, in English and as lines of a log."""
    held = [f"Scorecards of {report.period} were sent to nobody: {report.held}"] if report.held else []
    return held + [line for line in operator_text(report, Speech("en", "XXX")).splitlines() if line]


def _at(now: datetime, day: date, hour: int) -> datetime:
    return datetime(day.year, day.month, day.day, hour, tzinfo=now.tzinfo or ZoneInfo("UTC"))
