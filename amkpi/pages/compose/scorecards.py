"""The pages with a scorecard: the overview of a reader, a team, and a person."""

from __future__ import annotations

from amkpi.core.language.names import name_key
from amkpi.core.language.periods import Period
from amkpi.pages.model import Figure, Matrix, MatrixRow, Name, NavLink, Page, Part, Span, Text
from amkpi.pages.sections.context import COMPANY, PageContext, marked
from amkpi.pages.sections.layout import home_link, layout
from amkpi.pages.sections.matrix import member_row, people_matrix, team_matrix
from amkpi.pages.sections.opening import opening
from amkpi.pages.sections.scorecard import score_card, title
from amkpi.pages.sections.to_dos import to_do_lists
from amkpi.scorecards.compose.data_warnings import data_warnings
from amkpi.scorecards.facts import ScopeMember
from amkpi.scorecards.page_paths import PagePath


def overview_page(context: PageContext) -> Page:
    """The reader's overview: the widest scorecard, the others in short, and the matrix of teams and people."""
    main = context.main()
    heading: Text = (context.period.name(context.language),)

    def in_period(period: Period) -> PagePath:
        return PagePath(context.language, "overview", period)

    if main is None:
        frame = layout(context, context.t("Overview"), heading, in_period=in_period)
        note = context.t("You have no scorecard in this period. Choose another period, or one of the parts above.")
        return Page("scorecard.html.j2", frame, context.subject(COMPANY), opening=(note,))
    whose = title(context, main)
    return Page(
        template="scorecard.html.j2",
        layout=layout(context, context.title(main), heading, whose, in_period),
        subject=context.subject(main),
        opening=opening(context, main),
        card=score_card(context, main),
        to_dos=to_do_lists(context, _led(context, main)),
        others=_others(context, main),
        matrices=_matrices(context, main),
        warnings=_warnings(context),
    )


def member_page(context: PageContext, member: ScopeMember) -> Page | None:
    """The page of a person or a team; None where there is none in the period."""
    if (member, context.period.start) not in context.facts.scores:
        return None

    def in_period(period: Period) -> PagePath | None:
        if not context.has(member, period):
            return None
        return PagePath.of_member(context.language, member, period)

    card = score_card(context, member)
    return Page(
        template="scorecard.html.j2",
        layout=layout(
            context, context.title(member), card.title, (Span(context.period.name(context.language)),), in_period,
            trail=[home_link(context)],
        ),
        subject=context.subject(member),
        opening=opening(context, member),
        card=card,
        to_dos=to_do_lists(context, [member]),
        others=_others_of(context, member),
        matrices=_matrices(context, member) if member.scope == "team" else (),
    )  # fmt: skip


def trail_of(context: PageContext, member: ScopeMember) -> list[NavLink]:
    """The pages above a KPI of a member."""
    trail = [home_link(context)]
    if member.staff_id is not None:
        trail.append(NavLink(context.title(member), context.member_href(member)))
    return trail


def _led(context: PageContext, main: ScopeMember) -> list[ScopeMember]:
    """The scorecards whose to-dos the overview shows: the main one, and the reader's own team and person."""
    staff_id = context.reader.staff_id
    own = [ScopeMember("team", staff_id), ScopeMember("own", staff_id)] if staff_id is not None else []
    return [main, *(m for m in own if m != main and (m, context.period.start) in context.facts.scores)]


def _others(context: PageContext, main: ScopeMember) -> tuple[MatrixRow, ...]:
    """The reader's other scorecards."""
    staff_id = context.reader.staff_id
    if staff_id is None:
        return ()
    wanted = [ScopeMember("team", staff_id), ScopeMember("own", staff_id)]
    return tuple(
        member_row(context, member)
        for member in wanted
        if member != main and (member, context.period.start) in context.facts.scores
    )


def _others_of(context: PageContext, member: ScopeMember) -> tuple[MatrixRow, ...]:
    """The other scorecard of a person who also leads a team, and the reverse."""
    other = ScopeMember("own" if member.scope == "team" else "team", member.staff_id)
    return (member_row(context, other),) if (other, context.period.start) in context.facts.scores else ()


def _matrices(context: PageContext, member: ScopeMember) -> tuple[Matrix, ...]:
    """The teams and the people of a scorecard; of the company all whom the reader may read."""
    facts, leaders, people = context.facts, context.leaders(), context.people()
    if member.scope == "own":
        return ()
    without = 0
    if member.scope == "team":
        below = {
            staff_id for staff_id in facts.names.managers if facts.is_under(staff_id, member.staff_id, facts.close)
        }
        leaders = [staff_id for staff_id in leaders if staff_id in below]
        people = [staff_id for staff_id in people if staff_id in below]
        active = {each for each in below & context.reader.people if facts.names.people[each].is_active}
        without = len(active - set(people))
    found = []
    if leaders:
        found.append(team_matrix(context, leaders))
    if people:
        found.append(people_matrix(context, by_need(context, people), without))
    return tuple(found)


def by_need(context: PageContext, people: list[str]) -> list[str]:
    """Staff ids, those whose scores are lowest first; who has no score is last."""

    def need(staff_id: str) -> tuple[float, tuple[object, ...], str]:
        number = context.facts.shown_score(ScopeMember("own", staff_id)).number
        return (float("inf") if number is None else number, name_key(context.full_name(staff_id)), staff_id)

    return sorted(people, key=need)


def _warnings(context: PageContext) -> tuple[Text, ...]:
    """What the reader should know about the data behind the figures, as in the mails."""
    found: list[Text] = []
    for warning in data_warnings(context):
        parts: list[Part] = [Name(warning.places)]
        if warning.count is not None:
            parts.append(Figure(context.figures.number(warning.count), warning.count, "page.warnings"))
        found.append(marked(warning.text, parts))
    return tuple(found)
