"""Sends scorecards to an SMTP server: each person gets an edition once, and problems are reported to the operator."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date

from amkpi.core.errors import AmkpiError
from amkpi.core.run import Progress, Run, silent
from amkpi.expectations.history import blocking_audit
from amkpi.publishing.reader import published
from amkpi.scorecards.facts import Publication, read_publication
from amkpi.scorecards.mail import report as reasons
from amkpi.scorecards.mail.address_changes import announce
from amkpi.scorecards.mail.history import History, Sending, State, edition
from amkpi.scorecards.mail.messages import OutgoingMail, message, sender_address
from amkpi.scorecards.mail.operator_mail import notify_operator
from amkpi.scorecards.mail.options import Options
from amkpi.scorecards.mail.prepare import chosen_period, prepare
from amkpi.scorecards.mail.report import DeliveryReport, MailResult, ask_and_resend, server_answer
from amkpi.scorecards.mail.smtp import NoConnection, Server, Session
from amkpi.scorecards.model import Scorecard


@dataclass(frozen=True)
class Draft:
    """A mail that is made when it is to be sent: a PDF takes a second. staff_id: who gets it, address: where."""

    grain: str
    period: str
    edition: str
    staff_id: str
    address: str
    make: Callable[[], OutgoingMail]


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
) -> DeliveryReport:
    """Send the scorecards of the current publication, each person's edition once, and notify the operator of problems.

    resend: staff ids whose scorecard is sent again though it was sent or refused, or is uncertain. since: the due date.
    Nothing is sent from a publication that is older than the due date or stale, or while the audit blocks a newer one:
    the report then says why. Raises AmkpiError when another sender is running, or when a mail cannot be made.
    """
    options = options or Options()
    sender = sender_address(options.mail_from)
    with only_sender(run) as history:
        with published(run.home, run.settings) as connection:
            publication = read_publication(connection)
            chosen = chosen_period(grain, period, publication)
            has_scorecards = connection.execute(
                "select 1 from scorecards where period_grain = ? and period_start = ? limit 1",
                [chosen.grain, chosen.start],
            ).fetchone()
        smtp = Connection(server, sender.addr_spec)
        try:
            held = why_held(run, publication, options, since)
            if not held and since is not None and has_scorecards is None:
                held = f"no scorecards of {chosen.key} are published"
            if held:
                report = DeliveryReport(chosen.grain, chosen.key, publication.publication_id, (), held)
            else:
                announce(run, lambda: smtp.deliver, progress)
                prepared = prepare(run, grain, period, tuple(to) or tuple(resend), options)
                drafts = (_draft(card, options) for card in prepared.cards)
                sent = send_each_once(
                    drafts, prepared.facts.publication, history, smtp, run, resend, options, progress, sleep
                )
                report = prepared.report([*prepared.results, *sent])
            notify_operator(report, history, lambda mail: smtp.deliver(mail)[0], options, run.now())
        finally:
            smtp.close()
    return report


def why_held(run: Run, publication: Publication, options: Options, since: date | None = None) -> str:
    """Why nothing may be sent from this publication; empty where it may.

    The operator has an alert for each reason: the publication is blocked, or the nightly publication is late.
    """
    found: list[str] = []
    audit = blocking_audit(run.home, publication.as_of, publication.published_at)
    if audit is not None:
        found.append(reasons.blocked(audit.as_of, "; ".join(audit.blocking), str(run.home.audits / audit.page)))
    if (run.as_of - publication.as_of).days > options.stale_after_days:
        found.append(reasons.too_old(publication.as_of, run.as_of, run.home.run_command))
    elif since is not None and publication.as_of < since:
        found.append(reasons.not_yet(publication.as_of, since))
    return "; ".join(found)


def _draft(card: Scorecard, options: Options) -> Draft:
    return Draft(
        card.grain,
        card.period,
        edition(card.is_provisional, card.as_of),
        card.recipient.staff_id,
        card.recipient.address.addr_spec,
        lambda: message(card, options),
    )


def send_each_once(
    drafts: Iterable[Draft],
    publication: Publication,
    history: History,
    connection: Connection,
    run: Run,
    resend: Sequence[str],
    options: Options,
    progress: Progress,
    sleep: Callable[[float], None] = time.sleep,
) -> list[MailResult]:
    """Send each mail that was not sent before, and try again those that the server deferred.

    resend: as for `send`. Raises AmkpiError when a mail names somebody else.
    """
    known = {(s.grain, s.period, s.edition, s.staff_id): s for s in history.read()}
    results: list[MailResult] = []
    waiting: list[tuple[OutgoingMail, int]] = []
    for draft in drafts:
        before = known.get((draft.grain, draft.period, draft.edition, draft.staff_id))
        if before and draft.staff_id not in resend:
            done = _result_of_before(before, draft.address)
            if done:
                results.append(done)
                continue
        waiting.append((draft.make(), before.tries if before else 0))
    for round_ in range(options.tries):
        if round_ and waiting:
            if connection.is_unreachable:
                # Whoever started this tries again: cron, or the retries of the task.
                break
            sleep(options.retry_wait)
            connection.forget_failure()
        again: list[tuple[OutgoingMail, int]] = []
        last: dict[str, str] = {}
        for mail, tries in waiting:
            try:
                connection.open()
            except NoConnection as error:
                last[mail.staff_id] = str(error)
                again.append((mail, tries))
                continue
            mail.check()
            intent = _intent(mail, publication, run, tries + 1)
            history.write(intent)
            state, answer = connection.deliver(mail)
            history.write(replace(intent, state=state, at=run.now(), answer=answer))
            progress(f"{mail.staff_id}: {state}")
            if state == "deferred":
                last[mail.staff_id] = answer
                again.append((mail, tries + 1))
            else:
                results.append(_result(mail, state, answer))
        waiting = again
    results += [
        MailResult(mail.staff_id, "deferred", server_answer(last[mail.staff_id], mail.address)) for mail, _ in waiting
    ]
    return results


def _intent(mail: OutgoingMail, publication: Publication, run: Run, tries: int) -> Sending:
    """The record that is written before a mail is handed to the server."""
    return Sending(
        grain=mail.grain,
        period=mail.period,
        edition=mail.edition,
        staff_id=mail.staff_id,
        address=mail.address,
        publication_id=publication.publication_id,
        delivery=publication.delivery,
        pipeline_version=publication.pipeline_version,
        message_id=mail.message_id,
        state="intended",
        at=run.now(),
        answer="",
        tries=tries,
        figures=mail.sent_figures,
        as_of=publication.as_of,
        settings=publication.settings,
    )


def _result(mail: OutgoingMail, state: State, answer: str) -> MailResult:
    if state == "uncertain":
        return MailResult(mail.staff_id, "uncertain", ask_and_resend(answer, mail.address, mail.staff_id))
    if state == "refused":
        return MailResult(mail.staff_id, "refused", server_answer(answer, mail.address))
    return MailResult(mail.staff_id, "sent", server_answer(answer))


def _result_of_before(before: Sending, address: str) -> MailResult | None:
    """The result for a person who was sent this edition before; None where it is to be tried again."""
    if before.state == "sent":
        return MailResult(before.staff_id, "sent_before", server_answer(before.at.isoformat()))
    if before.state == "uncertain":
        return MailResult(before.staff_id, "uncertain", ask_and_resend(before.answer, before.address, before.staff_id))
    if before.state == "refused" and before.address == address:
        return MailResult(before.staff_id, "refused", server_answer(before.answer, before.address))
    return None


class Connection:
    """The connection to the server, opened when it is first needed and again after it broke.

    It is tried once for a round of mails: each of thirty attempts at a server that does not answer takes seconds.
    """

    def __init__(self, server: Server, sender: str) -> None:
        self._server, self._sender = server, sender
        self._session: Session | None = None
        self._failure: NoConnection | None = None

    @property
    def is_unreachable(self) -> bool:
        """Whether it could not be opened, and never was open."""
        return self._session is None and self._failure is not None

    def forget_failure(self) -> None:
        """Let the next mail try again to open it."""
        self._failure = None

    def open(self) -> Session:
        """Connect where there is no open session. Raises NoConnection."""
        if self._failure is not None:
            raise self._failure
        if self._session is None or not self._session.is_open:
            try:
                self._session = Session(self._server, self._sender)
            except NoConnection as failure:
                self._failure = failure
                raise
        return self._session

    def deliver(self, mail: OutgoingMail) -> tuple[State, str]:
        """Hand a mail to the server. Raises NoConnection where there is none."""
        return self.open().deliver(mail)

    def close(self) -> None:
        """End the session where there is one."""
        if self._session is not None:
            self._session.close()


def _recover(history: History, run: Run) -> None:
    """Mark sendings that were interrupted by a killed sender as uncertain: the server may have accepted the mail."""
    for sending in history.read():
        if sending.state == "intended":
            history.write(replace(sending, state="uncertain", at=run.now(), answer="the sender was interrupted"))


@contextmanager
def only_sender(run: Run) -> Iterator[History]:
    """Let one process send at a time; gives what was sent. The operating system releases the lock when it ends.

    Raises AmkpiError when another process is sending.
    """
    run.home.state.mkdir(parents=True, exist_ok=True)
    with (run.home.state / "scorecards.lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise AmkpiError("another process is sending scorecards: wait until it ends") from error
        history = History(run.home.state)
        _recover(history, run)
        yield history
