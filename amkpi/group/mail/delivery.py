"""Sends the group's scorecards: each reader of `leadership` gets a period once, by the rules of an agency's mails."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from email import message_from_bytes
from email.policy import default

from amkpi.core.agencies import Agencies, Reader
from amkpi.core.errors import AmkpiError
from amkpi.core.run import Progress, Run, silent
from amkpi.group.mail.compose import compose
from amkpi.group.mail.facts import GroupFacts, read_facts
from amkpi.group.mail.outbox import check_leadership, message, message_id
from amkpi.publishing.reader import published
from amkpi.scorecards.facts import Publication
from amkpi.scorecards.mail import report as reasons
from amkpi.scorecards.mail.delivery import Connection, Draft, only_sender, send_each_once
from amkpi.scorecards.mail.history import edition
from amkpi.scorecards.mail.messages import OutgoingMail, sender_address
from amkpi.scorecards.mail.operator_mail import notify_operator
from amkpi.scorecards.mail.options import Options, options_of
from amkpi.scorecards.mail.report import DeliveryReport
from amkpi.scorecards.mail.smtp import Server


class GroupMail(OutgoingMail):
    """A mail for a reader of the group. The address is also in the place of the staff id."""

    def check(self) -> None:
        """Raise AmkpiError where envelope and header do not name the same reader."""
        to = message_from_bytes(self.content, policy=default)["To"]
        if [address.addr_spec for address in to.addresses] != [self.address]:
            raise AmkpiError(
                f"the mail for {self.address} names somebody else: nothing is sent; report this as a defect"
            )


def send(
    agencies: Agencies,
    run: Run,
    server: Server,
    grain: str,
    period: str | None = None,
    resend: Sequence[str] = (),
    options: Options | None = None,
    progress: Progress = silent,
    sleep: Callable[[float], None] = time.sleep,
) -> DeliveryReport:
    """Send the scorecards of the group's current publication, each reader's once.

    run: of the group. resend: addresses to which it is sent again though it was sent or refused, or is uncertain.
    Nothing is sent from a publication that is older than an agency may be behind: the report says so. Raises
    AmkpiError when there is no reader, or another sender is running.
    """
    check_leadership(agencies)
    options = options or options_of(run.settings)
    readers = {sender_address(reader.address).addr_spec: reader for reader in agencies.leadership}
    if unknown := set(resend) - readers.keys():
        raise AmkpiError(f"--resend {min(unknown)}: not in leadership; it has {', '.join(readers)}")
    if resend:
        # As for an agency's scorecards: nobody else gets a period by it.
        readers = {address: readers[address] for address in resend}
    with only_sender(run) as history:
        with published(run.home, run.settings) as connection:
            facts = read_facts(connection, grain, period)
        held = ""
        # An agency may hold back the date of the group by so many days.
        if (run.as_of - facts.as_of).days > max(options.stale_after_days, agencies.most_days_behind):
            held = reasons.too_old(facts.as_of, run.as_of, run.home.run_command)
        smtp = Connection(server, sender_address(options.mail_from).addr_spec)
        try:
            drafts = [] if held else [_draft(facts, address, reader, options) for address, reader in readers.items()]
            results = send_each_once(drafts, _publication(facts), history, smtp, run, resend, options, progress, sleep)
            report = DeliveryReport(facts.period.grain, facts.period.key, facts.publication_id, tuple(results), held)
            notify_operator(report, history, lambda mail: smtp.deliver(mail)[0], options, run.now())
        finally:
            smtp.close()
    return report


def _draft(facts: GroupFacts, address: str, reader: Reader, options: Options) -> Draft:
    which = edition(facts.is_provisional, facts.as_of)

    def make() -> OutgoingMail:
        card = compose(facts, reader)
        return GroupMail(
            address, address, card.grain, card.period, which, message_id(card, options), card.subject,
            message(card, options), (),
        )  # fmt: skip

    return Draft(facts.period.grain, facts.period.key, which, address, address, make)


def _publication(facts: GroupFacts) -> Publication:
    """What the sending history keeps of the publication. A group has no deliveries and no closings of its own."""
    return Publication(
        publication_id=facts.publication_id,
        as_of=facts.as_of,
        published_at=facts.published_at,
        pipeline_version=facts.pipeline_version,
        currency=facts.currency,
        delivery=0,
        settings=None,
        closing_n=None,
        closing_sha256=None,
    )
