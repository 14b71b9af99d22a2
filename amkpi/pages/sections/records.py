"""The records behind a value: as a table of the page, and as rows of the CSV."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

from amkpi.core.catalogue import Kpi
from amkpi.core.language.names import plain
from amkpi.pages.model import Figure, Table, Text
from amkpi.pages.sections.context import PageContext, day, fill, join, slots
from amkpi.pages.sections.words import kind_of, place_of, title_of
from amkpi.scorecards.evidence_records import EvidenceRecord
from amkpi.scorecards.facts import ScopeMember
from amkpi.scorecards.page_paths import anchor_of

CSV_COLUMNS = (
    "kpi", "period_grain", "period_start", "event_date", "source_extract", "source_id", "record_name", "client_id",
    "client_name", "staff_id", "full_name", "state", "due_date", "done_date", "days_late", "amount", "kind",
    "numerator", "denominator", "file_name", "line_number",
)  # fmt: skip


def record_table(context: PageContext, kpi: Kpi, member: ScopeMember, records: Sequence[EvidenceRecord]) -> Table:
    """The records that the value counts, those that lower it first."""
    t = context.t
    ordered = sorted(records, key=lambda record: (_benefit(kpi, record), record.event_date, record.source_id or ""))
    columns = [(t("Date"), "date"), (t("Record"), "text"), (t("Client"), "text")]
    with_people = member.scope != "own"
    if with_people:
        columns.append((t("Person"), "text"))
    columns.append((t("State"), "text"))
    with_amounts = kpi.denominator is not None and any(record.amount is not None for record in ordered)
    if with_amounts:
        # Of a project the amount is by how much its cost is above its budget.
        columns.append((t("Above budget") if kpi.is_of_amounts else t("Amount"), "number"))
    columns.append((plain(context.choose(kpi.numerator)), "number"))
    if kpi.denominator is not None:
        columns.append((plain(context.choose(kpi.denominator)), "number"))
    columns.append((t("Source"), "text"))
    return Table(
        title=t("Records"),
        name="records",
        heads=tuple(head for head, _ in columns),
        kinds=tuple(kind for _, kind in columns),
        rows=tuple(_row(context, kpi, record, with_people, with_amounts) for record in ordered),
        anchors=tuple(anchor_of(record) for record in ordered),
        keys=tuple((record.source_id or "", record.event_date) for record in ordered),
        empty=t("No record counts in this period."),
        note=_hidden(context, kpi, member, len(records)),
    )


def _hidden(context: PageContext, kpi: Kpi, member: ScopeMember, shown: int) -> Text:
    """How many records of the value this reader may not see, because their people are in other teams today."""
    value = context.value(member, kpi)
    if value is None or member.scope != "team" or value.sample_size <= shown:
        return ()
    count = value.sample_size - shown
    return fill(
        context.n(
            "{n} more record is of somebody who is in another team today",
            "{n} more records are of people who are in other teams today",
            count,
            **slots("n"),
        ),
        n=Figure(context.figures.number(count), count, "page.hidden_records"),
    )


def _benefit(kpi: Kpi, record: EvidenceRecord) -> float:
    """The order of the records: the worst first for a ratio, the newest money last."""
    if kpi.denominator is None or not record.denominator:
        return 0.0
    share = (record.numerator or 0.0) / record.denominator
    return share if kpi.better == "higher" else -share


def _row(
    context: PageContext, kpi: Kpi, record: EvidenceRecord, with_people: bool, with_amounts: bool
) -> tuple[Text, ...]:
    cells: list[Text] = [
        (day(record.event_date),) if record.event_date else (),
        title_of(None if record.extract == "clients" else record.name, record.source_id or ""),
        context.client_part(record.client_id),
    ]
    if with_people:
        cells.append(context.person_part(record.staff_id))
    cells.append(_state(context, kpi, record))
    if with_amounts:
        cells.append(
            ()
            if record.amount is None
            else (Figure(context.figures.value(record.amount, "money"), record.amount, "kpi_evidence.amount"),)
        )
    if kpi.is_of_amounts:
        counted, whole = context.figures.pair(record.numerator, record.denominator, "money")
    else:
        counted, whole = (context.figures.number(each) for each in (record.numerator, record.denominator))
    cells.append(_amount(record.numerator, counted, "kpi_evidence.numerator"))
    if kpi.denominator is not None:
        cells.append(_amount(record.denominator, whole, "kpi_evidence.denominator"))
    cells.append(place_of(record.file_name, record.line_number))
    return tuple(cells)


def _state(context: PageContext, kpi: Kpi, record: EvidenceRecord) -> Text:
    """What became of the record: its state, when, and how late. Of a contract or proposal its kind too."""
    state: Text = ()
    if record.state:
        state = (context.choose(kpi.states[record.state]) if record.state in kpi.states else plain(record.state),)
    if record.done_date and record.done_date != record.event_date:
        state = join(" ", state, (day(record.done_date),))
    late: Text = ()
    if record.days_late:
        text = context.n("{n} day late", "{n} days late", record.days_late, **slots("n"))
        count = Figure(context.figures.number(record.days_late), record.days_late, "kpi_evidence.days_late")
        late = fill(text, n=count)
    return join(" · ", kind_of(context, record.kind), state, late)


def _amount(amount: float | None, text: str, of: str) -> Text:
    return () if amount is None else (Figure(text, amount, of),)


def by_day(records: Sequence[EvidenceRecord]) -> list[EvidenceRecord]:
    """The records in an order that does not depend on people, so that it groups no unnamed person's records."""
    return sorted(records, key=lambda each: (each.event_date or date.min, each.source_id or "", each.client_id or ""))


def record_rows(
    context: PageContext, kpi: Kpi, member: ScopeMember, records: Sequence[EvidenceRecord]
) -> Iterator[tuple[object, ...]]:
    """The rows of the CSV, with a head. Numbers and dates are as the marts have them."""
    yield CSV_COLUMNS
    for record in by_day(records):
        client = context.index.clients.get(record.client_id or "")
        named = record.staff_id in context.facts.names.people
        yield (
            kpi.name, context.period.grain, context.period.start, record.event_date, record.extract, record.source_id,
            record.name if client or record.extract != "clients" else None, client.client_id if client else None,
            client.name if client else None, record.staff_id if named else None,
            context.full_name(record.staff_id or "") if named else None, record.state, record.due_date,
            record.done_date, record.days_late, record.amount, record.kind, record.numerator, record.denominator,
            record.file_name, record.line_number,
        )  # fmt: skip
