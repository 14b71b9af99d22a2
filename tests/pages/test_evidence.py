"""The rows of evidence that a reader may see, and their order."""

from __future__ import annotations

from datetime import date

from amkpi.access.reader import Reader
from amkpi.pages.rights import readable_evidence
from amkpi.pages.sections.records import by_day
from amkpi.scorecards.facts import EvidenceRecord

PRIVATE, OPEN = "internal_collaboration_score", "on_time_delivery_rate"
ME = frozenset({"ME"})
COMPANY = Reader("ME", ME, ME, ME, company=True, data=False)


def record(kpi: str, staff_id: str | None, source_id: str = "P1", day: int = 1) -> EvidenceRecord:
    return EvidenceRecord(kpi, staff_id, "C1", date(2026, 9, day), "projects", source_id, 1.0, 1.0)


def seen(kpi: str) -> list[str | None]:
    return [each.staff_id for each in readable_evidence([record(kpi, who) for who in ("ME", "OTHER", None)], COMPANY)]


def test_who_reads_the_company_reads_the_private_score_of_nobody_else() -> None:
    assert seen(PRIVATE) == ["ME"]


def test_who_reads_the_company_reads_every_other_record() -> None:
    assert seen(OPEN) == ["ME", "OTHER", None]


def test_the_order_of_a_file_does_not_group_the_records_of_a_person_who_is_not_named() -> None:
    by_person = [record(OPEN, "A", "P3", 2), record(OPEN, "A", "P1", 4), record(OPEN, "B", "P2", 2)]
    assert [each.source_id for each in by_day(by_person)] == ["P2", "P3", "P1"]
