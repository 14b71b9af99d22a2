"""The operator's mail about readers whose scorecards could not be delivered, and the same as lines of a log."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from amkpi.core.language.names import plain
from amkpi.core.language.translator import Message, Translator
from amkpi.scorecards.mail.history import History, State
from amkpi.scorecards.mail.messages import OutgoingMail, note, sender_address
from amkpi.scorecards.mail.options import Options
from amkpi.scorecards.mail.report import DeliveryReport, MailOutcome
from amkpi.scorecards.mail.smtp import NoConnection

_TITLES: dict[MailOutcome, Message] = {
    "uncertain": Message("Uncertain: the connection broke before the server's answer. Not sent again automatically."),
    "refused": Message(
        "Refused by the server. Correct the address in the staff extract or agencies.toml, or use --resend."
    ),
    "deferred": Message("Not accepted for now. The next run tries again."),
    "unreachable": Message("No scorecard could be addressed."),
}
# The other problems have alerts of their own (`amkpi.alerts`): mails whose outcome is uncertain, mails that were
# deferred until the last retry, and the reasons why nothing is sent to anybody.
_BY_MAIL: tuple[MailOutcome, ...] = ("refused", "unreachable")


def notify_operator(
    report: DeliveryReport, history: History, deliver: Callable[[OutgoingMail], State], options: Options, now: datetime
) -> None:
    """Mail the operator about readers whose address needs a correction. The same text is sent once.

    deliver: hands a mail to the server. Without a connection nothing is sent: the caller has the report in any case.
    """
    if not options.operator_email:
        return
    report = replace(report, results=tuple(each for each in report.results if each.outcome in _BY_MAIL))
    translator = Translator(options.default_language)
    text = problem_text(report, translator)
    if not text:
        return
    digest = hashlib.sha256(f"{report.publication_id}\n{text}".encode()).hexdigest()[:32]
    if history.operator_knows(digest):
        return
    sender, operator = sender_address(options.mail_from), sender_address(options.operator_email)
    subject = translator.n(
        "Scorecards {period}: {n} person needs you",
        "Scorecards {period}: {n} people need you",
        len(report.problems),
        period=report.period,
    )
    content = note(sender, operator, subject, text, now, digest)
    mail = OutgoingMail("", operator.addr_spec, report.grain, report.period, "", "", "", content, ())
    try:
        state = deliver(mail)
    except NoConnection:
        return
    # Recorded after the delivery: a sender that is killed in between notifies twice rather than never.
    if state in ("sent", "uncertain"):
        history.note_for_operator(digest)


def problem_text(report: DeliveryReport, translator: Translator) -> str:
    """The people whom the operator must look at, by outcome; empty without any."""
    lines: list[str] = []
    for outcome, title in _TITLES.items():
        found = [result for result in report.results if result.outcome == outcome]
        if found:
            lines.append(translator.t(title))
            for each in found:
                detail = translator.t(each.detail) if isinstance(each.detail, Message) else each.detail
                lines.append(f"- {plain(each.staff_id)}: {plain(detail)}")
            lines.append("")
    return "\n".join(lines)


def log_lines(report: DeliveryReport) -> list[str]:
    """The problems of a report in English, one line each."""
    held = [f"Scorecards of {report.period} were sent to nobody: {report.held}"] if report.held else []
    return held + [line for line in problem_text(report, Translator("en")).splitlines() if line]
