"""Composes the scorecard of one reader from its sections."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from amkpi.core.catalogue import kpis
from amkpi.scorecards.compose import adjustments, changes, kpi_table, overview, team
from amkpi.scorecards.compose.data_warnings import data_warnings
from amkpi.scorecards.compose.evidence import evidence
from amkpi.scorecards.compose.labels import labels
from amkpi.scorecards.compose.lead import lead, tiles
from amkpi.scorecards.compose.subject_line import subject_line
from amkpi.scorecards.context import ReaderContext
from amkpi.scorecards.facts import Facts, Publication, ScopeMember
from amkpi.scorecards.model import Definition, RegisterLine, Scorecard
from amkpi.scorecards.page_links import NO_PAGES, PageLinks
from amkpi.scorecards.recipients import Recipient
from amkpi.scorecards.restatements.causes import UNKNOWN, Why
from amkpi.scorecards.restatements.lines import RestatedLine
from amkpi.scorecards.todos.parts import standing, todo_parts


def unknown_cause(line: RestatedLine) -> Why:
    """The cause of a change where the warehouse cannot be read."""
    return Why((UNKNOWN,))


def compose(
    facts: Facts,
    recipient: Recipient,
    restated: Sequence[RestatedLine] = (),
    why: Callable[[RestatedLine], Why] = unknown_cause,
    links: PageLinks = NO_PAGES,
) -> Scorecard | None:
    """The scorecard of one recipient, or None where the marts have no row for them in the period.

    restated: what differs from what this reader was last sent of periods that were over. why: the cause of that.
    links: to the reader's pages.
    """
    context = ReaderContext(facts, recipient, links=links)
    members = context.members()
    if not members:
        return None
    main = members[0]
    people = team.people_by_need(context)
    to_help = team.people_to_help(context, people)
    found = standing(context, main)
    bars = overview.score_bars(context, main)
    teams = team.teams_matrix(context)
    matrix = team.people_matrix(context, people) if people else None
    all_changes = changes.changes(context, restated, why)
    all_adjustments = adjustments.adjustments(context)
    publication, period = facts.publication, facts.period
    return Scorecard(
        recipient=recipient,
        grain=period.grain,
        period=period.key,
        publication_id=publication.publication_id,
        published_at=publication.published_at,
        as_of=publication.as_of,
        is_provisional=facts.scores[main, period.start].is_provisional,
        subject=subject_line(context, main, found),
        heading=period.name(recipient.language),
        eyebrow=overview.eyebrow(context, main),
        personal=overview.personal(context),
        state=overview.state(context),
        chart=bars,
        chart_title=overview.chart_title(context),
        chart_text=overview.chart_text(bars),
        lead=lead(context, main, found, to_help[0] if to_help else None),
        tiles=tiles(context, main, people),
        todos=todo_parts(context, members),
        cards=tuple(kpi_table.card(context, member) for member in members),
        teams=teams,
        matrix=matrix,
        matrix_in_mail=None if teams and len(people) > team.MOST_PEOPLE else matrix,
        people_title=team.people_title(context),
        people_in_mail=tuple(kpi_table.card(context, ScopeMember("own", staff_id)) for staff_id in to_help),
        everyone=tuple(
            kpi_table.card(context, ScopeMember("own", staff_id)) for staff_id in team.people_by_name(context, people)
        ),
        changes=all_changes[: changes.MOST_CHANGES],
        changes_more=changes.how_many_more(context, all_changes),
        all_changes=all_changes,
        adjustments=all_adjustments[: changes.MOST_CHANGES],
        adjustments_more=changes.how_many_more(context, all_adjustments),
        all_adjustments=all_adjustments,
        register=_register(publication),
        warnings=tuple(warning.text for warning in data_warnings(context)),
        definitions=tuple(
            Definition(context.choose(kpi.label), context.choose(kpi.question), context.choose(kpi.formula))
            for kpi in kpis()
        ),
        evidence=evidence(context, main),
        sent_figures=changes.sent_figures(context, members, people, restated),
        labels=labels(context),
        link=links.home(),
    )


def _register(publication: Publication) -> RegisterLine | None:
    """The last line of the register; None where nothing was ever closed."""
    if publication.closing_n is None or publication.closing_sha256 is None:
        return None
    return RegisterLine(publication.closing_n, publication.closing_sha256)
