"""The links from a mail to the reader's pages. A link leads to a page that this reader has, or there is none."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from amkpi.access.reader import Reader
from amkpi.core.catalogue import Kpi
from amkpi.core.language.periods import Period
from amkpi.core.language.translation import Language
from amkpi.scorecards.evidence_records import EvidenceRecord
from amkpi.scorecards.facts import ScopeMember
from amkpi.scorecards.page_paths import PagePath, anchor_of, key_of


@dataclass(frozen=True)
class PageLinks:
    """Where the pages of one reader are.

    url: the setting `pages_url`; empty where there are no pages. reader: what the reader may see on the pages, which
    are those of today; None for nothing. clients: the ids of the clients whom the reader may see.
    """

    url: str = ""
    language: Language = "vi"
    reader: Reader | None = None
    clients: Collection[str] = ()

    def home(self) -> str:
        """The link to the reader's first page; empty where there are no pages."""
        return self._to(PagePath(self.language, "home")) if self.url else ""

    def kpi(self, kpi: Kpi, member: ScopeMember, period: Period) -> str:
        """The link to the page of a KPI of a member with a scorecard in the period; empty without a right to it."""
        if not self._may_read(member):
            return ""
        return self._to(PagePath.of_kpi(self.language, kpi.name, member, period))

    def record(self, kpi: Kpi, member: ScopeMember, period: Period, record: EvidenceRecord) -> str:
        """The link to the row of a record on the page of the KPI; empty where the reader does not see the row."""
        page = self.kpi(kpi, member, period)
        seen = self.reader is not None and self.reader.may_read_evidence(kpi, record.staff_id)
        return f"{page}#{anchor_of(record)}" if page and seen else ""

    def person(self, staff_id: str, period: Period) -> str:
        """The link to the page of a person with a scorecard in the period; empty without a right to it."""
        member = ScopeMember("own", staff_id)
        return self._to(PagePath.of_member(self.language, member, period)) if self._may_read(member) else ""

    def client(self, client_id: str | None) -> str:
        """The link to the page of a client; empty where the reader may not see the client."""
        if not self.url or client_id is None or client_id not in self.clients:
            return ""
        return self._to(PagePath(self.language, "client", key=key_of(client_id)))

    def _may_read(self, member: ScopeMember) -> bool:
        return bool(self.url) and self.reader is not None and self.reader.may_read(member.scope, member.staff_id)

    def _to(self, path: PagePath) -> str:
        return f"{self.url.rstrip('/')}/{path}"


NO_PAGES = PageLinks()
