"""The records in the workbook of a mail."""

from __future__ import annotations

from datetime import date
from types import SimpleNamespace
from typing import Any

from amkpi.access.reader import Reader
from amkpi.scorecards.compose.evidence import evidence
from amkpi.scorecards.evidence_records import EvidenceRecord
from amkpi.scorecards.facts import ScopeMember

PRIVATE, OPEN = "internal_collaboration_score", "on_time_delivery_rate"
COMPANY = ScopeMember("company", None)


def context_of(reader: Reader) -> Any:
    """Who gets the mail of a company with two people, each with a record of two KPIs."""

    def records_of(member: ScopeMember, kpi: str) -> list[EvidenceRecord]:
        if kpi not in (PRIVATE, OPEN):
            return []
        return [EvidenceRecord(kpi, who, None, date(2026, 9, 1), None, None, 70.0, None) for who in ("ME", "OTHER")]

    return SimpleNamespace(
        recipient=SimpleNamespace(reader=reader, may_name=reader.may_name),
        facts=SimpleNamespace(records_of=records_of, names=SimpleNamespace(clients={})),
        choose=lambda label: label["en"],
        full_name=lambda staff_id: staff_id,
    )


def test_the_workbook_of_the_company_has_the_private_score_of_nobody_whom_the_reader_may_not_read() -> None:
    me = frozenset({"ME"})
    rows = evidence(context_of(Reader("ME", me, me, me, company=True, data=False)), COMPANY)
    assert [(row.kpi, row.person) for row in rows] == [
        ("On-time delivery", "ME"), ("On-time delivery", ""), ("Internal collaboration", "ME"),
    ]  # fmt: skip
