"""Records in words: title, kind, state, and where in the files a record came from."""

from __future__ import annotations

from collections.abc import Mapping

from amkpi.core.catalogue import kpis
from amkpi.core.language.names import plain, shortened
from amkpi.core.language.terms import INDUSTRY, KIND
from amkpi.core.language.translator import Message
from amkpi.pages.model import Name, Text
from amkpi.pages.sections.context import PageContext

# Those that no KPI of the catalogue has.
STATES: Mapping[str, Mapping[str, Message]] = {
    "contract": {
        "running": Message("running"),
        "ended": Message("ended"),
        "upcoming": Message("not begun"),
        "cancelled": Message("cancelled"),
    },
    "project": {"open": Message("in progress"), "cancelled": Message("cancelled")},
    "survey": {"not_answered": Message("not answered"), "no_score": Message("answered without a score")},
    "proposal": {},
}


def title_of(name: str | None, key: str) -> Text:
    """A record by its title and its key."""
    shown = plain(name or "")
    return (Name(shown), " ", Name(f"({plain(key)})")) if shown and shown != plain(key) else (Name(plain(key)),)


def kind_of(context: PageContext, kind: str | None) -> Text:
    """The kind of a contract or proposal in words."""
    if not kind:
        return ()
    return (context.t(KIND[kind]) if kind in KIND else plain(kind),)


def state_of(context: PageContext, record: str, state: str | None) -> Text:
    """The state of a contract, project, survey or proposal in words."""
    if not state:
        return ()
    if state in STATES[record]:
        return (context.t(STATES[record][state]),)
    return (next((context.choose(kpi.states[state]) for kpi in kpis() if state in kpi.states), plain(state)),)


def place_of(file_name: str | None, line: int | None) -> Text:
    """The file and line that a record came in."""
    if not file_name:
        return ()
    return (Name(shortened(file_name) if line is None else f"{shortened(file_name)}:{line}"),)


def industry_of(context: PageContext, industry: str) -> Text:
    """An industry in words of the language where it is a known one, else as it was delivered."""
    known = INDUSTRY.get("_".join(plain(industry).casefold().replace("-", " ").replace("_", " ").split()))
    return (context.t(known) if known else Name(shortened(industry)),)
