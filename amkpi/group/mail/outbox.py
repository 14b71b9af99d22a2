"""The group's scorecards as files of a folder: one mail for each reader that agencies.toml names."""

from __future__ import annotations

import hashlib
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path
from urllib.parse import quote

from amkpi.core.agencies import Agencies
from amkpi.core.errors import AmkpiError
from amkpi.core.run import Progress, silent
from amkpi.group.home import group_home, group_settings
from amkpi.group.mail.compose import GroupScorecard, compose
from amkpi.group.mail.facts import read_facts
from amkpi.publishing.reader import published
from amkpi.scorecards.mail.messages import POLICY, sender_address
from amkpi.scorecards.mail.options import Options, options_of
from amkpi.scorecards.render.html import styled
from amkpi.scorecards.render.jinja import filled
from amkpi.scorecards.render.text import tidy


def write_to_outbox(
    agencies: Agencies, outbox: Path | None, grain: str, period: str | None = None, progress: Progress = silent
) -> list[Path]:
    """Write the scorecards of the group's current publication, one `group_<grain>_<period>_<address>.eml` a reader.

    outbox: group/outbox beside agencies.toml when None. Raises AmkpiError.
    """
    home, settings = group_home(agencies), group_settings(agencies)
    folder, options = outbox or home.outbox, options_of(settings)
    check_leadership(agencies)
    with published(home, settings) as connection:
        facts = read_facts(connection, grain, period)
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for reader in agencies.leadership:
        card = compose(facts, reader)
        address = sender_address(reader.address).addr_spec
        file = folder / f"group_{card.grain}_{card.period}_{quote(address, safe='@')}.eml"
        progress(file.name)
        partial = file.with_name(f".{file.name}.part")
        partial.write_bytes(message(card, options))
        partial.replace(file)
        files.append(file)
    return files


def check_leadership(agencies: Agencies) -> None:
    """Raise AmkpiError where nobody is to read the group's scorecards."""
    if not agencies.leadership:
        raise AmkpiError(f"{agencies.file}: nobody gets the group's scorecards: set leadership in [group]")


def message_id(card: GroupScorecard, options: Options) -> str:
    """The Message-ID: the same for the same reader, period and publication."""
    return f"<{_digest(card)}@{sender_address(options.mail_from).domain}>"


def _digest(card: GroupScorecard) -> str:
    address = sender_address(card.reader.address).addr_spec
    basis = [card.grain, card.period, address, card.reader.language, card.publication_id]
    return hashlib.sha256("\n".join(basis).encode()).hexdigest()[:32]


def message(card: GroupScorecard, options: Options) -> bytes:
    """The mail of a scorecard: equal bytes for an equal publication."""
    sender, to = sender_address(options.mail_from), sender_address(card.reader.address)
    mail = EmailMessage(policy=POLICY)
    mail["From"], mail["To"], mail["Subject"] = sender, to, card.subject
    mail["Date"] = format_datetime(card.published_at)
    mail["Message-ID"] = message_id(card, options)
    mail["Auto-Submitted"] = "auto-generated"
    if options.reply_to:
        mail["Reply-To"] = sender_address(options.reply_to)
    values = {"card": card, "labels": card.labels, "language": card.reader.language}
    mail.set_content(tidy(filled("group.txt.j2", False, **values)), cte="quoted-printable")
    mail.add_alternative(styled(filled("group.html.j2", True, **values)), subtype="html", cte="base64")
    mail["Content-Language"] = card.reader.language
    mail.set_boundary(f"=_0_{_digest(card)}")
    return mail.as_bytes()
