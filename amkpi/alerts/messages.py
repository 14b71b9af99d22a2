"""The mail about an alert."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from amkpi.alerts.incidents import CurrentPublication, moment, translator_of
from amkpi.alerts.store import Alert, Incident
from amkpi.alerts.texts import FAMILIES, TEXTS
from amkpi.core.agencies import current_agencies
from amkpi.core.language import formatting
from amkpi.core.run import Run
from amkpi.core.settings import Settings
from amkpi.scorecards.mail.messages import OutgoingMail, sender_address

RUNBOOKS = "docs/operations/runbooks"


def message(run: Run, alert: Alert, current: CurrentPublication | None) -> OutgoingMail:
    """The mail about an open alert or, when it is resolved, about that. The same alert gives the same Message-ID."""
    subject, body = subject_line(run, alert), _body(run, alert, current)
    identity = f"{run.home.root}\n{alert.incident.type}\n{alert.incident.about}\n{alert.since.isoformat()}"
    return _mail(run.settings, subject, body, run.now(), identity, is_over=alert.resolved is not None)


def message_without_home(settings: Settings, incident: Incident, now: datetime) -> OutgoingMail:
    """The mail about an incident of what many agencies share. It is of no HOME, so it tells of no publication."""
    t = translator_of(settings).t
    lines = [*_what_happened(settings, incident, now), *_what_to_do(settings, incident)]
    subject = f"[amkpi] {t(TEXTS[incident.type].subject, about=incident.about)}"
    identity = f"{incident.type}\n{incident.about}\n{now.isoformat()}"
    return _mail(settings, subject, _text(lines), now, identity)


def _mail(
    settings: Settings, subject: str, body: str, now: datetime, identity: str, *, is_over: bool = False
) -> OutgoingMail:
    """A mail to the operator. identity: what its Message-ID is made of; is_over: the answer to the one that had it."""
    sender, operator = sender_address(settings.mail.sender), sender_address(settings.mail.operator)
    digest = hashlib.sha256(identity.encode()).hexdigest()[:32]
    # A long line length: some readers show a blank in front of a subject that is folded at its first word.
    mail = EmailMessage(policy=SMTP.clone(max_line_length=200))
    mail["From"], mail["To"] = sender, operator
    mail["Subject"] = subject
    mail["Date"] = format_datetime(now)
    mail["Message-ID"] = f"<{digest}{'-over' if is_over else ''}@{sender.domain}>"
    if is_over:
        mail["In-Reply-To"] = mail["References"] = f"<{digest}@{sender.domain}>"
    mail["Content-Language"] = settings.scorecards.language
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(body, cte="quoted-printable")
    return OutgoingMail(
        "", operator.addr_spec, "", "", "", str(mail["Message-ID"]), str(mail["Subject"]), mail.as_bytes(), ()
    )


def subject_line(run: Run, alert: Alert) -> str:
    """The subject: `[amkpi] Task failed: load_extracts.load`; of an agency of a group `[amkpi hanoi] …`."""
    group = current_agencies()
    agency = group.of_home(run.home) if group else None
    sender = "amkpi" if agency is None else f"amkpi {agency.code}"
    t, incident = translator_of(run.settings).t, alert.incident
    subject = t(TEXTS[incident.type].subject, about=FAMILIES.get(incident.about, incident.about))
    return f"[{sender}] {t('Resolved: {subject}', subject=subject) if alert.resolved else subject}"


def _body(run: Run, alert: Alert, current: CurrentPublication | None) -> str:
    t, settings, incident = translator_of(run.settings).t, run.settings, alert.incident
    publication = (
        t("none yet")
        if current is None
        else t("as of {as_of}, published {at}", as_of=formatting.day(current.as_of), at=moment(current.at, settings))
    )
    lines = _what_happened(settings, incident, alert.since)
    if alert.resolved:
        lines += [(t("Until"), moment(alert.resolved, settings)), (t("Current publication"), publication)]
    else:
        lines += [
            (t("What readers see"), t(TEXTS[incident.type].readers)),
            (t("Current publication"), publication),
            *_what_to_do(settings, incident),
        ]
    return _text(lines)


def _what_happened(settings: Settings, incident: Incident, since: datetime) -> list[tuple[str, str]]:
    t = translator_of(settings).t
    return [(t("What happened"), incident.facts), (t("Since"), moment(since, settings))]


def _what_to_do(settings: Settings, incident: Incident) -> list[tuple[str, str]]:
    return [(translator_of(settings).t("What to do"), f"{RUNBOOKS}/{incident.type}.md")]


def _text(lines: Sequence[tuple[str, str]]) -> str:
    return "".join(f"{label}\n  {text}\n\n" for label, text in lines)
