"""A scorecard as a mail message: equal bytes for an equal publication and sending history."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes
from email.errors import MessageError
from email.header import Header
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, EmailPolicy, default
from email.utils import format_datetime, parseaddr
from typing import Any
from urllib.parse import quote

from amkpi.core.errors import AmkpiError
from amkpi.core.language.names import plain
from amkpi.scorecards.mail.history import edition
from amkpi.scorecards.mail.options import Options
from amkpi.scorecards.model import Scorecard, SentFigure
from amkpi.scorecards.render.chart import chart
from amkpi.scorecards.render.html import fitted
from amkpi.scorecards.render.jinja import CHART_ID
from amkpi.scorecards.render.pdf import pdf
from amkpi.scorecards.render.text import text
from amkpi.scorecards.render.workbook import workbook

SCORECARD_HEADER = "X-Amkpi-Scorecard"


class _WholeWords(EmailPolicy):
    """Writes headers that are not ASCII with Python's older encoder.

    The newer one loses the space where it folds a long line: `5 chỉ số cần chú ý` arrived as `5 chỉ sốcần chú ý`.
    """

    def fold(self, name: str, value: Any) -> str:
        """The header as lines."""
        if str(value).isascii():
            return str(super().fold(name, value))
        if not hasattr(value, "addresses"):
            return f"{name}: {self._encoded(str(value), len(name) + 2)}{self.linesep}"
        named = (
            f"{self._encoded(each.display_name, len(name) + 2)}{self.linesep} <{each.addr_spec}>"
            if each.display_name
            else each.addr_spec
            for each in value.addresses
        )
        return f"{name}: {f',{self.linesep} '.join(named)}{self.linesep}"

    def fold_binary(self, name: str, value: Any) -> bytes:
        """The same as bytes, all ASCII."""
        return self.fold(name, value).encode("ascii")

    def _encoded(self, text: str, before: int) -> str:
        return Header(text, "utf-8", maxlinelen=75, header_name="x" * (before - 2)).encode(linesep=self.linesep)


# The policy of every message that the pipeline writes.
POLICY = _WholeWords(linesep=SMTP.linesep)


@dataclass(frozen=True)
class OutgoingMail:
    """One message for one person. Envelope, header and payload all take the recipient from here."""

    staff_id: str
    address: str
    grain: str
    period: str
    edition: str
    message_id: str
    subject: str
    content: bytes
    sent_figures: tuple[SentFigure, ...]

    @property
    def file_name(self) -> str:
        """Its file in an outbox. Characters of a staff_id that a file name cannot have are quoted."""
        return f"{self.grain}_{self.period}_{quote(self.staff_id, safe='')}.eml"

    def check(self) -> None:
        """Raise AmkpiError where envelope, header and payload do not name the same person: then nothing may be sent."""
        parsed = message_from_bytes(self.content, policy=default)
        body = parsed.get_body(("plain",))
        named = f"({plain(self.staff_id)})"
        if (
            [address.addr_spec for address in parsed["To"].addresses] != [self.address]
            or parsed[SCORECARD_HEADER] != f"{self.grain} {self.period} {quote(self.staff_id, safe='')}"
            or body is None
            or named not in "\n".join(str(body.get_content()).splitlines()[:4])
        ):
            raise AmkpiError(
                f"the mail for {self.staff_id} names somebody else: nothing is sent; report this as a defect"
            )


def sender_address(given: str) -> Address:
    """`Name <address>` as an address. Raises AmkpiError."""
    name, spec = parseaddr(given)
    try:
        address = Address(display_name=plain(name), addr_spec=spec)
    except (MessageError, ValueError, IndexError) as error:
        raise AmkpiError(f"{given!r} is not an address: write it as `KPI <kpi@agency.vn>`") from error
    if not address.domain or not spec.isascii():
        raise AmkpiError(f"{given!r} is not an address: write it as `KPI <kpi@agency.vn>`")
    return address


def message(card: Scorecard, options: Options) -> OutgoingMail:
    """The message of a scorecard.

    Who gets the replies also gets the requests to be taken off the list: they name the reader, whom the operator then
    adds to the setting `mail_unsubscribed`.
    """
    sender, reply_to = sender_address(options.mail_from), options.reply_to or options.operator_email
    whole = card
    card, page_source = fitted(card)
    recipient, staff = card.recipient, quote(card.recipient.staff_id, safe="")
    card_edition = edition(card.is_provisional, card.as_of)
    digest = hashlib.sha256(
        "\n".join(
            (card.grain, card.period, recipient.staff_id, recipient.language, card_edition, card.publication_id)
        ).encode()
    ).hexdigest()[:32]
    mail = EmailMessage(policy=POLICY)
    mail["From"] = sender
    mail["To"] = recipient.address
    mail["Subject"] = card.subject
    mail["Date"] = format_datetime(card.published_at)
    mail["Message-ID"] = f"<{digest}@{sender.domain}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Auto-Response-Suppress"] = "All"
    mail["List-ID"] = f"KPI scorecards <scorecards.{sender.domain}>"
    contact = sender_address(reply_to).addr_spec if reply_to else sender.addr_spec
    mail["List-Unsubscribe"] = f"<mailto:{contact}?subject={quote(f'unsubscribe {recipient.staff_id}')}>"
    if reply_to:
        mail["Reply-To"] = sender_address(reply_to)
    mail[SCORECARD_HEADER] = f"{card.grain} {card.period} {staff}"
    mail.set_content(text(card), cte="quoted-printable")
    mail.add_alternative(page_source, subtype="html", cte="base64")
    payload = mail.get_payload()
    assert isinstance(payload, list)
    page = payload[1]
    assert isinstance(page, EmailMessage)
    page.add_related(
        chart(card), "image", "png", cid=f"<{CHART_ID}>", disposition="inline",
        filename="chart.png",
    )  # fmt: skip
    name = f"scorecard_{card.grain}_{card.period}_{staff}"
    mail.add_attachment(pdf(whole), "application", "pdf", filename=f"{name}.pdf")
    if options.workbook:
        kind = "vnd.openxmlformats-officedocument.spreadsheetml.sheet"
        mail.add_attachment(workbook(whole), "application", kind, filename=f"{name}.xlsx")
    # Set last: Python moves Content-* headers into the first part when a second part is added.
    mail["Content-Language"] = recipient.language
    for number, part in enumerate(part for part in mail.walk() if part.is_multipart()):
        part.set_boundary(f"=_{number}_{digest}")
    made = OutgoingMail(
        staff_id=recipient.staff_id,
        address=recipient.address.addr_spec,
        grain=card.grain,
        period=card.period,
        edition=card_edition,
        message_id=f"<{digest}@{sender.domain}>",
        subject=card.subject,
        content=mail.as_bytes(),
        sent_figures=card.sent_figures,
    )
    made.check()
    return made


def note(sender: Address, to: Address, subject: str, body: str, at: datetime, digest: str) -> bytes:
    """A plain text mail to the operator. digest: identifies it; the same digest gives the same Message-ID."""
    mail = EmailMessage(policy=POLICY)
    mail["From"], mail["To"] = sender, to
    mail["Subject"] = plain(subject)
    mail["Date"] = format_datetime(at)
    mail["Message-ID"] = f"<{digest}@{sender.domain}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(body, cte="quoted-printable")
    return mail.as_bytes()
