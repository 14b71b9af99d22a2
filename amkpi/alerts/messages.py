"""The mail about an alert."""

from __future__ import annotations

import hashlib
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from amkpi.alerts.incidents import CurrentPublication, moment, translator_of
from amkpi.alerts.store import Alert
from amkpi.alerts.texts import FAMILIES, TEXTS
from amkpi.core.agencies import current_agencies
from amkpi.core.language import formatting
from amkpi.core.run import Run
from amkpi.scorecards.mail.messages import OutgoingMail, sender_address

RUNBOOKS = "docs/operations/runbooks"


def message(run: Run, alert: Alert, current: CurrentPublication | None) -> OutgoingMail:
    """The mail about an open alert or, when it is resolved, about that. The same alert gives the same Message-ID."""
    settings, incident = run.settings, alert.incident
    sender, operator = sender_address(settings.mail.sender), sender_address(settings.mail.operator)
    digest = hashlib.sha256(
        f"{run.home.root}\n{incident.type}\n{incident.about}\n{alert.since.isoformat()}".encode()
    ).hexdigest()[:32]
    # A long line length: some readers show a blank in front of a subject that is folded at its first word.
    mail = EmailMessage(policy=SMTP.clone(max_line_length=200))
    mail["From"], mail["To"] = sender, operator
    mail["Subject"] = subject_line(run, alert)
    mail["Date"] = format_datetime(run.now())
    mail["Message-ID"] = f"<{digest}{'-over' if alert.resolved else ''}@{sender.domain}>"
    if alert.resolved:
        mail["In-Reply-To"] = mail["References"] = f"<{digest}@{sender.domain}>"
    mail["Content-Language"] = settings.scorecards.language
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(_body(run, alert, current), cte="quoted-printable")
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
    lines = [(t("What happened"), incident.facts), (t("Since"), moment(alert.since, settings))]
    if alert.resolved:
        lines += [(t("Until"), moment(alert.resolved, settings)), (t("Current publication"), publication)]
    else:
        lines += [
            (t("What readers see"), t(TEXTS[incident.type].readers)),
            (t("Current publication"), publication),
            (t("What to do"), f"{RUNBOOKS}/{incident.type}.md"),
        ]
    return "".join(f"{label}\n  {text}\n\n" for label, text in lines)
