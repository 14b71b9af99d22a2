"""The scorecards of all recipients, composed from the current publication."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from amkpi.access.addresses import held
from amkpi.access.clients import read_credited, visible_clients
from amkpi.access.reader import reader_of
from amkpi.core.errors import AmkpiError
from amkpi.core.language.periods import Period
from amkpi.core.language.translator import Message
from amkpi.core.run import Run
from amkpi.publishing.reader import published
from amkpi.scorecards.compose.scorecard import compose
from amkpi.scorecards.facts import Facts, Publication, read_facts, read_publication
from amkpi.scorecards.mail.history import History, last_sent_figures
from amkpi.scorecards.mail.options import Options
from amkpi.scorecards.mail.report import DeliveryReport, MailResult
from amkpi.scorecards.model import Scorecard
from amkpi.scorecards.page_links import PageLinks
from amkpi.scorecards.recipients import Audience, Recipient, audience
from amkpi.scorecards.restatements.causes import CauseFinder
from amkpi.scorecards.restatements.lines import current_figures, periods_of, restated_lines


class NoScorecards(AmkpiError):
    """The current publication has no scorecards of the period."""


@dataclass(frozen=True)
class Prepared:
    """The scorecards of one publication and period, and the results of those who cannot have one."""

    facts: Facts
    cards: tuple[Scorecard, ...]
    results: tuple[MailResult, ...]

    def report(self, results: Sequence[MailResult]) -> DeliveryReport:
        """The report with these results, by staff id."""
        return DeliveryReport(
            self.facts.period.grain,
            self.facts.period.key,
            self.facts.publication.publication_id,
            tuple(sorted(results, key=lambda result: result.staff_id)),
        )


def chosen_period(grain: str, period: str | None, publication: Publication) -> Period:
    """The period that the text names; without one, the period that contains the publication's date."""
    return Period.parse(grain, period) if period else Period.holding(grain, publication.as_of)


def prepare(run: Run, grain: str, period: str | None, to: Sequence[str], options: Options) -> Prepared:
    """Compose the scorecards of the current publication.

    period: as the command line names it. to: only these staff ids; empty for all. Raises NoScorecards where the period
    has none, AmkpiError where a staff id gets none.
    """
    with published(run.home, run.settings) as connection:
        publication = read_publication(connection)
        chosen = chosen_period(grain, period, publication)
        facts = read_facts(connection, chosen, run)
        sendings = History(run.home.state).read()
        now = current_figures(connection, periods_of(last_sent_figures(sendings)))
        credited = read_credited(connection) if options.pages_url else {}
    everyone = audience(
        facts.today,
        run.settings.kpi.account_roles,
        options.leadership,
        options.default_language,
        facts.as_closed,
        held(run.home.state, facts.today),
    )
    _check_asked(to, everyone, chosen)
    if not any(start == chosen.start for _, start in facts.scores):
        raise NoScorecards(f"no scorecards of {chosen.key} are published: the data ends at {publication.as_of}")

    def links(recipient: Recipient) -> PageLinks:
        """The pages are those of today, also where the mail is about a closed period."""
        reader = reader_of(facts.today, recipient.staff_id, run.settings) if options.pages_url else None
        seen = visible_clients(reader, facts.client_managers, credited) if reader is not None else ()
        return PageLinks(options.pages_url, recipient.language, reader, seen)

    find = CauseFinder(run.home)
    cards: list[Scorecard] = []
    results = [
        MailResult(each.staff_id, "unreachable", each.why)
        for each in everyone.unreachable
        if not to or each.staff_id in to
    ]
    results += [
        MailResult(each, "unreachable", Message("is in the setting mail_unsubscribed, but nobody has this staff_id"))
        for each in sorted(set(options.unsubscribed) - facts.today.people.keys())
        if not to
    ]
    for recipient in everyone.recipients:
        if to and recipient.staff_id not in to:
            continue
        if recipient.staff_id in options.unsubscribed:
            why = Message("asked for no more mails: see the setting mail_unsubscribed")
            results.append(MailResult(recipient.staff_id, "unsubscribed", why))
            continue
        restated = restated_lines(last_sent_figures(sendings, recipient.staff_id), now)
        card = compose(facts, recipient, restated, partial(find.of, lines=restated), links(recipient))
        if card is None:
            why = Message("has no scorecard in {period}", period=chosen.key)
            results.append(MailResult(recipient.staff_id, "no_scorecard", why))
        else:
            cards.append(card)
    return Prepared(facts, tuple(cards), tuple(results))


def _check_asked(to: Sequence[str], everyone: Audience, period: Period) -> None:
    known = {each.staff_id for each in everyone.recipients} | {each.staff_id for each in everyone.unreachable}
    for staff_id in to:
        if staff_id not in known:
            raise AmkpiError(f"--to {staff_id}: nobody with this staff_id gets a scorecard of {period.key}")
