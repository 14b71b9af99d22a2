"""What every page has around its content: the menu, the languages, the other periods, and the state of the data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date

from amkpi.core.language.names import plain, shortened
from amkpi.core.language.periods import GRAINS, Period
from amkpi.core.language.translation import LANGUAGES
from amkpi.core.language.translator import Message
from amkpi.pages.model import Layout, Name, NavLink, PeriodSwitch, Text
from amkpi.pages.sections.context import PageContext, day, fill, marked, slots
from amkpi.pages.sections.labels import labels
from amkpi.scorecards.compose.adjustments import closed_by
from amkpi.scorecards.page_paths import PagePath

GRAIN_NAMES = {
    "month": Message("Month"),
    "quarter": Message("Quarter"),
    "year": Message("Year"),
    "trailing_12m": Message("12 months"),
}
LANGUAGE_NAMES = {"vi": "Tiếng Việt", "en": "English"}


def layout(
    context: PageContext,
    title: str,
    heading: Text,
    eyebrow: Text = (),
    in_period: Callable[[Period], PagePath | None] | None = None,
    trail: Sequence[NavLink] = (),
) -> Layout:
    """The frame of a page.

    title: of the window. in_period: the same page in another period, None where there is none; without it the page has
    no period. trail: the pages above this one.
    """
    path = context.path
    return Layout(
        language=context.language,
        title=title,
        heading=heading,
        eyebrow=eyebrow,
        state=state(context) if in_period else _as_of(context),
        root=path.to("").removesuffix("/"),
        menu=_menu(context),
        languages=tuple(
            NavLink(LANGUAGE_NAMES[each], context.href(path.in_language(each)), each == context.language, each)
            for each in LANGUAGES
        ),
        trail=tuple(trail),
        periods=_periods(context, in_period) if in_period else None,
        footer=_footer(context),
        labels=labels(context),
    )


def home_link(context: PageContext) -> NavLink:
    """The link to the reader's overview of the page's period."""
    path = PagePath(context.language, "overview", context.period)
    return NavLink(context.t("Overview"), context.href(path), context.path.kind in ("home", "overview"))


def _menu(context: PageContext) -> tuple[NavLink, ...]:
    """The parts of the pages that this reader has."""
    t, language, kind = context.t, context.language, context.path.kind
    menu = [home_link(context)] if context.index.members else []
    if context.index.clients:
        clients = PagePath(language, "clients")
        menu.append(NavLink(t("Clients"), context.href(clients), kind in ("clients", "client")))
    if context.index.members:
        menu.append(NavLink(t("Changes"), context.href(PagePath(language, "changes")), kind == "changes"))
    if context.reader.data:
        menu.append(NavLink(t("Data"), context.href(PagePath(language, "data")), kind == "data"))
    return tuple(menu)


def state(context: PageContext) -> Text:
    """Whether the period runs, is over or is closed, and when; and the date of the data. As in the mails."""
    t, as_of = context.t, day(context.index.publication.as_of)
    closing = context.facts.closings.closing
    if closing is not None:
        text = closed_by(context)
        parts = (Name(shortened(closing.closed_by)), day(closing.closed_at.date()), day(closing.as_of))
        return marked(text, parts)
    if context.period.end > context.index.publication.as_of:
        return fill(t("Provisional · data as of {day}", **slots("day")), day=as_of)
    return fill(t("The period is over, not closed yet · data as of {day}", **slots("day")), day=as_of)


def _as_of(context: PageContext) -> Text:
    return fill(context.t("data as of {day}", **slots("day")), day=day(context.index.publication.as_of))


def _footer(context: PageContext) -> Text:
    publication = context.index.publication
    return fill(
        context.t(
            "Internal. Made for {reader} alone · publication {id} · version {version}",
            **slots("reader", "id", "version"),
        ),
        reader=Name(_reader_name(context)),
        id=Name(publication.publication_id),
        version=Name(publication.pipeline_version),
    )


def _reader_name(context: PageContext) -> str:
    person = context.recipient.person
    return f"{plain(person.full_name)} ({plain(person.staff_id)})" if person.full_name else context.t("the operator")


def _periods(context: PageContext, in_period: Callable[[Period], PagePath | None]) -> PeriodSwitch:
    shown = [period for period in sorted(context.shown, key=_order) if in_period(period) is not None]

    def link(period: Period, label: str, is_current: bool = False) -> NavLink:
        path = in_period(period)
        return NavLink(label, context.href(path) if path else "", is_current)

    now, same = context.period, [period for period in shown if period.grain == context.period.grain]
    place = same.index(now) if now in same else -1
    before = same[place - 1] if place > 0 else None
    after = same[place + 1] if 0 <= place < len(same) - 1 else None
    grains = []
    for grain in GRAINS:
        nearest = _nearest([period for period in shown if period.grain == grain], min(now.end, context.facts.close))
        if nearest is not None:
            chosen = now if grain == now.grain else nearest
            grains.append(link(chosen, context.t(GRAIN_NAMES[grain]), grain == now.grain))
    return PeriodSwitch(
        title=now.name(context.language),
        grains=tuple(grains),
        before=link(before, before.short(context.language)) if before else None,
        after=link(after, after.short(context.language)) if after else None,
        all=tuple(link(period, period.short(context.language), period == now) for period in reversed(same)),
    )


def _order(period: Period) -> tuple[int, date]:
    return (GRAINS.index(period.grain), period.start)


def _nearest(periods: Sequence[Period], last_day: date) -> Period | None:
    """The period that holds the day; else the newest before it, else the oldest."""
    for period in reversed(periods):
        if period.grain == "trailing_12m":
            if period.end.replace(day=1) <= last_day:
                return period
        elif period.start <= last_day:
            return period
    return periods[0] if periods else None
