"""Which page a path names for a reader, and every path that a reader can reach."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager
from typing import Protocol

import duckdb

from amkpi.access.reader import Reader
from amkpi.core.catalogue import kpi_named, kpis
from amkpi.core.language.periods import Period
from amkpi.core.language.translation import Language
from amkpi.explain.evidence import Explanation, Question
from amkpi.pages.compose.changes import changes_page
from amkpi.pages.compose.clients import client_page, clients_page
from amkpi.pages.compose.data import data_page
from amkpi.pages.compose.kpi import kpi_csv, kpi_page
from amkpi.pages.compose.scorecards import member_page, overview_page
from amkpi.pages.facts import Index
from amkpi.pages.model import Page
from amkpi.pages.sections.context import PageContext
from amkpi.scorecards.facts import ScopeMember
from amkpi.scorecards.page_paths import COMPANY_KEY, PagePath, key_of


class Source(Protocol):
    """What a page reads of the publication beyond the facts of its period."""

    def explanation(self, question: Question) -> Explanation | None: ...

    def connection(self) -> AbstractContextManager[duckdb.DuckDBPyConnection]: ...


def page_of(context: PageContext, source: Source) -> Page | bytes | None:
    """The content of the page at the context's path, bytes for a file; None where this reader has no such page."""
    path = context.path
    match path.kind:
        case "home" | "overview":
            return overview_page(context)
        case "person" | "team":
            member = _member(context, "own" if path.kind == "person" else "team", path.key)
            return member_page(context, member) if member else None
        case "kpi":
            member = _member(context, path.scope, path.key)
            if member is None or (member, context.period.start) not in context.facts.scores:
                return None
            make: Callable[..., Page | bytes] = kpi_csv if path.is_csv else kpi_page
            return make(context, kpi_named(path.kpi), member, source)
        case "clients":
            return clients_page(context, source) if context.index.clients else None
        case "client":
            client_id = next((each for each in context.index.clients if key_of(each) == path.key), None)
            return client_page(context, client_id, source) if client_id is not None else None
        case "changes":
            return changes_page(context, source) if context.index.members else None
        case "data":
            return data_page(context, source) if context.reader.data else None


def paths_of(index: Index, reader: Reader, language: Language, shown: Collection[Period]) -> Iterator[PagePath]:
    """Every page of one language that a reader can reach. index: as the reader may see it."""
    yield PagePath(language, "home")
    for period in shown:
        yield PagePath(language, "overview", period)
    for member in sorted(index.members, key=lambda each: (each.scope, each.staff_id or "")):
        for period in shown:
            if not index.has(member, period):
                continue
            if member.staff_id is not None:
                yield PagePath.of_member(language, member, period)
            for kpi in kpis():
                page = PagePath.of_kpi(language, kpi.name, member, period)
                yield page
                yield PagePath(language, "kpi", period, page.key, kpi.name, member.scope, is_csv=True)
    if index.clients:
        yield PagePath(language, "clients")
        for client_id in sorted(index.clients):
            yield PagePath(language, "client", key=key_of(client_id))
    if index.members:
        yield PagePath(language, "changes")
    if reader.data:
        yield PagePath(language, "data")


def _member(context: PageContext, scope: str, key: str) -> ScopeMember | None:
    """The member with that key whom the reader may read."""
    if scope == "company":
        return ScopeMember("company", None) if key == COMPANY_KEY else None
    readable = context.reader.people if scope == "own" else context.reader.teams
    staff_id = next((each for each in readable if key_of(each) == key), None)
    return ScopeMember(scope, staff_id) if staff_id is not None else None
