"""The records behind the mail's values, for the attached workbook."""

from __future__ import annotations

from amkpi.core.catalogue import kpis
from amkpi.core.language.names import plain
from amkpi.scorecards.context import ReaderContext
from amkpi.scorecards.facts import ScopeMember
from amkpi.scorecards.model import EvidenceRow


def evidence(context: ReaderContext, main: ScopeMember) -> tuple[EvidenceRow, ...]:
    """The records of the main scorecard, by KPI. A person whom the reader may not name stays empty.

    A row of the private KPI is a person's own score: it is there only for who may read that person.
    """
    may_read = context.recipient.reader.may_read
    return tuple(
        EvidenceRow(
            kpi=context.choose(kpi.label),
            person=(
                context.full_name(record.staff_id)
                if record.staff_id and context.recipient.may_name(record.staff_id)
                else ""
            ),
            client_id=plain(record.client_id or ""),
            client=plain(context.facts.names.clients.get(record.client_id or "", "")),
            event_date=record.event_date,
            extract=record.extract or "",
            source_id=plain(record.source_id or ""),
            numerator=record.numerator,
            denominator=record.denominator,
        )
        for kpi in kpis()
        for record in context.facts.records_of(main, kpi.name)
        if not kpi.private or may_read("own", record.staff_id)
    )
