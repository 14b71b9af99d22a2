"""The rows of evidence that a reader may see, and their order."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date

import pyarrow as pa
import pytest

from amkpi.access.reader import Reader
from amkpi.core.catalogue import kpi_named
from amkpi.core.language.periods import Period
from amkpi.explain.evidence import CountedRecord, ExcludedRecord, ExplainedValue, Explanation, Question
from amkpi.pages.rights import readable_evidence, readable_exclusions, readable_explanation
from amkpi.pages.sections.records import by_day
from amkpi.scorecards.evidence_records import Evidence, EvidenceRecord, evidence_of

PRIVATE, OPEN = "internal_collaboration_score", "on_time_delivery_rate"
ME = frozenset({"ME"})
ALONE = Reader("ME", ME, ME, ME, company=False, data=False)
COMPANY = Reader("ME", ME, ME, ME, company=True, data=False)


def record(kpi: str, staff_id: str | None, source_id: str = "P1", day: int = 1) -> EvidenceRecord:
    return EvidenceRecord(kpi, staff_id, "C1", date(2026, 9, day), "projects", source_id, 1.0, 1.0)


def evidence(records: list[dict[str, object]]) -> Evidence:
    table = evidence_of(pa.Table.from_pylist(records))
    return Evidence(lambda people: table)


def seen(kpi: str) -> list[str | None]:
    records = [asdict(record(kpi, who)) for who in ("ME", "OTHER", None)]
    readable = readable_evidence(evidence(records), COMPANY)
    whose = [each.staff_id for each in readable]
    assert whose == [each.staff_id for each in readable.of(kpi)]
    for people in ("ME",), ("OTHER",), (None,), ("OTHER", None, "ME"):
        assert [each.staff_id for each in readable.of_people(people, kpi)] == [who for who in whose if who in people]
        assert readable.of_people(people) == readable.of_people(people, kpi)
    return [each.staff_id for each in readable]


def test_who_reads_the_company_reads_the_private_score_of_nobody_else() -> None:
    assert seen(PRIVATE) == ["ME"]


def test_a_record_between_two_that_may_be_read_stays_hidden() -> None:
    two = frozenset({"A", "C"})
    reader = Reader("A", two, two, two, company=False, data=False)
    records = [asdict(record(OPEN, who, f"P{n}")) for n, who in enumerate(("A", "A", "B", "C", None))]
    readable = readable_evidence(evidence(records), reader)
    assert [each.source_id for each in readable.of(OPEN)] == ["P0", "P1", "P3"]
    assert readable.of_people(("B",)) == []
    assert [each.source_id for each in readable.of_people(("C", "B", "A"), OPEN)] == ["P0", "P1", "P3"]


def test_who_reads_the_company_reads_every_other_record() -> None:
    assert seen(OPEN) == ["ME", "OTHER", None]


@pytest.mark.parametrize(("kpi", "seen_by_company"), [(PRIVATE, ["ME"]), (OPEN, ["ME", "OTHER"])])
def test_a_private_record_that_does_not_count_is_as_private(kpi: str, seen_by_company: list[str]) -> None:
    question = Question(kpi_named(kpi), "company", None, Period.parse("month", "2026-09"))
    value = ExplainedValue(None, None, None, 0, None, False, None, None, None, None, None, "no_data", None, None, 0)
    records = (excluded("", "ME"), excluded("", "OTHER"))
    explanation = Explanation(question, None, "", date(2026, 9, 30), "VND", value, (), (), records, ())
    assert [each.staff_id for each in readable_explanation(explanation, COMPANY).excluded] == seen_by_company


def test_the_order_of_a_file_does_not_group_the_records_of_a_person_who_is_not_named() -> None:
    by_person = [record(OPEN, "A", "P3", 2), record(OPEN, "A", "P1", 4), record(OPEN, "B", "P2", 2)]
    assert [each.source_id for each in by_day(by_person)] == ["P2", "P3", "P1"]


def excluded(detail: str, staff_id: str = "ME") -> ExcludedRecord:
    place = (date(2026, 9, 1), "C1", "Client", "proposals", "B1", staff_id, None)
    return ExcludedRecord(*place, reason="superseded", detail=detail, amount=None, records=1)


def counted(source_id: str, staff_id: str) -> CountedRecord:
    place = (date(2026, 9, 2), "C1", "Client", "proposals", source_id, staff_id, None)
    return CountedRecord(*place, numerator=1.0, denominator=1.0, samples=1)


def details(reader: Reader) -> list[str | None]:
    newer = [counted("MINE", "ME"), counted("FOREIGN", "OTHER")]
    records = [excluded("MINE"), excluded("FOREIGN"), excluded("LATER"), excluded("HIDDEN", "OTHER")]
    return [each.detail for each in readable_exclusions(records, newer, reader)]


def test_the_newer_proposal_of_somebody_else_is_not_named() -> None:
    assert details(ALONE) == ["MINE", None, None]
    assert details(COMPANY) == ["MINE", "FOREIGN", "LATER", "HIDDEN"]
