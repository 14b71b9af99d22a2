"""The addresses of the pages, to which mails link too: relative file names that work from a share and from a server.

An id may hold any character. Its key in an address has only lower-case letters, digits and hyphens, so that it is a
file name on every system, and ends with a hash of the id, so that two ids never share a key.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

from amkpi.core.catalogue import kpis
from amkpi.core.errors import AmkpiError
from amkpi.core.language.periods import Period
from amkpi.core.language.translation import LANGUAGES, Language
from amkpi.scorecards.evidence_records import EvidenceRecord
from amkpi.scorecards.facts import ScopeMember

Kind = Literal["home", "overview", "person", "team", "kpi", "clients", "client", "changes", "data"]
FRONT = "index.html"
COMPANY_KEY = "all"
_MOST_LETTERS = 40
_HASH_DIGITS = 12
_TRAILING = "t12m-"
_GRAINS = (
    (re.compile(r"\d{4}-\d{2}"), "month"),
    (re.compile(r"\d{4}-q[1-4]"), "quarter"),
    (re.compile(r"\d{4}"), "year"),
    (re.compile(rf"{_TRAILING}\d{{4}}-\d{{2}}"), "trailing_12m"),
)
_PLAIN = {"changes.html": "changes", "data.html": "data", "clients.html": "clients", FRONT: "home"}


@dataclass(frozen=True)
class PagePath:
    """Where a page is. key: of the person or client; `all` for the company. is_csv: the records of a KPI as CSV."""

    language: Language
    kind: Kind
    period: Period | None = None
    key: str = ""
    kpi: str = ""
    scope: str = ""
    is_csv: bool = False

    def __str__(self) -> str:
        """The file name, relative to the folder of all pages."""
        slug = period_slug(self.period) if self.period else ""
        if self.kind == "home":
            return f"{self.language}/{FRONT}"
        if self.kind == "overview":
            return f"{self.language}/overview/{slug}.html"
        if self.kind in ("person", "team"):
            return f"{self.language}/{self.kind}/{self.key}/{slug}.html"
        if self.kind == "kpi":
            ending = "csv" if self.is_csv else "html"
            return f"{self.language}/kpi/{self.kpi}/{self.scope}/{self.key}/{slug}.{ending}"
        if self.kind == "client":
            return f"{self.language}/client/{self.key}.html"
        return f"{self.language}/{self.kind}.html"

    def to(self, other: PagePath | str) -> str:
        """The link from this page to another one or to a file."""
        return "../" * str(self).count("/") + str(other)

    def in_language(self, language: Language) -> PagePath:
        """The same page in another language."""
        return replace(self, language=language)

    @classmethod
    def of_member(cls, language: Language, member: ScopeMember, period: Period) -> PagePath:
        """The page of a person or team; for the company the overview."""
        if member.staff_id is None:
            return cls(language, "overview", period)
        kind: Kind = "team" if member.scope == "team" else "person"
        return cls(language, kind, period, key_of(member.staff_id))

    @classmethod
    def of_kpi(cls, language: Language, kpi: str, member: ScopeMember, period: Period) -> PagePath:
        """The page of a KPI of a person, a team or the company."""
        key = COMPANY_KEY if member.staff_id is None else key_of(member.staff_id)
        return cls(language, "kpi", period, key, kpi, member.scope)


@lru_cache(maxsize=65536)
def key_of(identity: str) -> str:
    """The key of a person or client: a readable beginning and a hash of the id.

    Lower case alone, because Windows and macOS do not distinguish upper case in file names.
    """
    letters = unicodedata.normalize("NFKD", identity.replace("đ", "d").replace("Đ", "d"))
    readable = re.sub(r"[^a-z0-9]+", "-", letters.encode("ascii", "ignore").decode().lower()).strip("-")
    digest = hashlib.sha256(identity.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH_DIGITS]
    return f"{readable[:_MOST_LETTERS]}-{digest}".lstrip("-")


def anchor_of(record: EvidenceRecord) -> str:
    """The id of a record's row on the page of its KPI. A contract has two: its signing and its cancellation."""
    day_of = record.event_date.isoformat() if record.event_date else ""
    return f"r-{key_of(record.source_id or '')}-{day_of}"


def period_slug(period: Period) -> str:
    """A period in an address: `2026-09`, `2026-q3`, `2026` or `t12m-2026-09`."""
    prefix = _TRAILING if period.grain == "trailing_12m" else ""
    return prefix + period.key.lower()


def parse(path: str) -> PagePath | None:
    """The page of a path; None where no page could be there."""
    found = _parse(path.split("/"))
    return found if found is not None and str(found) == path else None


def _parse(parts: list[str]) -> PagePath | None:
    language = next((each for each in LANGUAGES if each == parts[0]), None)
    if language is None or len(parts) < 2:
        return None
    match parts[1:]:
        case [name] if name in _PLAIN:
            return PagePath(language, _PLAIN[name])  # type: ignore[arg-type]
        case ["client", name]:
            return PagePath(language, "client", key=name.removesuffix(".html"))
        case ["overview", name]:
            period = _period(name.removesuffix(".html"))
            return PagePath(language, "overview", period) if period else None
        case [("person" | "team") as kind, key, name]:
            period = _period(name.removesuffix(".html"))
            return PagePath(language, kind, period, key) if period else None
        case ["kpi", kpi, scope, key, name] if any(kpi == each.name for each in kpis()):
            slug, _, ending = name.partition(".")
            period = _period(slug)
            return PagePath(language, "kpi", period, key, kpi, scope, ending == "csv") if period else None
    return None


def _period(slug: str) -> Period | None:
    for pattern, grain in _GRAINS:
        if pattern.fullmatch(slug):
            try:
                return Period.parse(grain, slug.removeprefix(_TRAILING).upper())
            except (AmkpiError, ValueError):
                return None
    return None
