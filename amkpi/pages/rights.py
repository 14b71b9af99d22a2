"""The facts of a publication as one reader may see them. All pages are composed from these, so that none can leak.

This is the only module of the pages that asks what a reader may see.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from amkpi.access.clients import visible_clients, whole_clients
from amkpi.access.names import Names
from amkpi.access.reader import Reader
from amkpi.core.catalogue import kpis
from amkpi.explain.evidence import CountedRecord, ExcludedRecord, Explanation
from amkpi.pages.facts import Index, PeriodFacts
from amkpi.scorecards.closings import Adjustment, Closings
from amkpi.scorecards.evidence_records import Evidence

K = TypeVar("K")
V = TypeVar("V")


class Readable(Mapping[K, V]):
    """A mapping with those entries whose keys a reader may see; every other key is missing."""

    def __init__(self, everything: Mapping[K, V], allowed: Callable[[K], bool]) -> None:
        self._everything = everything
        self._allowed = allowed

    def __getitem__(self, key: K) -> V:
        if not self._allowed(key):
            raise KeyError(key)
        return self._everything[key]

    def __contains__(self, key: object) -> bool:
        return key in self._everything and self._allowed(key)  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[K]:
        return filter(self._allowed, self._everything)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def readable_index(index: Index, reader: Reader) -> Index:
    """The members, people and clients of a publication that a reader may see."""
    managers = {client_id: client.manager_id for client_id, client in index.clients.items()}
    clients = visible_clients(reader, managers, index.credited)
    return replace(
        index,
        names=_names(index.names, reader, clients),
        members=Readable(index.members, lambda member: reader.may_read(member.scope, member.staff_id)),
        clients=Readable(index.clients, clients.__contains__),
        credited={},
        whole_clients=whole_clients(reader, clients, index.credited),
    )


def readable_period(period: PeriodFacts, index: Index, reader: Reader) -> PeriodFacts:
    """The facts of a period as a reader may see them. index: as `readable_index` gives it."""
    facts, clients = period.facts, frozenset(index.clients)
    seen = replace(
        facts,
        today=_names(facts.today, reader, clients),
        as_closed=_names(facts.as_closed, reader, clients) if facts.as_closed else None,
        values=Readable(facts.values, lambda key: reader.may_read(key[0].scope, key[0].staff_id)),
        lines=Readable(facts.lines, lambda key: reader.may_read(key[0].scope, key[0].staff_id)),
        scores=Readable(facts.scores, lambda key: reader.may_read(key[0].scope, key[0].staff_id)),
        records=readable_evidence(facts.records, reader),
        closings=_closings(facts.closings, reader),
    )
    intervals = Readable(period.intervals, lambda key: reader.may_read(key[0].scope, key[0].staff_id))
    measures = Readable(period.measures, lambda key: reader.may_read(key[0].scope, key[0].staff_id))
    return PeriodFacts(seen, intervals, measures)


def readable_evidence(records: Evidence, reader: Reader) -> Evidence:
    """The rows of evidence that a reader may see."""
    known = {kpi.name: kpi for kpi in kpis()}
    return records.only(lambda kpi, staff_id: reader.may_read_evidence(known[kpi], staff_id))


def readable_explanation(explanation: Explanation, reader: Reader) -> Explanation:
    """An explanation without the records that a reader may not see; places in files only for who reads everything."""
    kpi = explanation.question.kpi
    closing = explanation.closing
    if closing is not None:
        records = tuple(record for record in closing.records if reader.may_read_evidence(kpi, record.staff_id))
        closing = replace(closing, records=records)
    excluded = (record for record in explanation.excluded if reader.may_read_evidence(kpi, record.staff_id))
    return replace(
        explanation,
        excluded=readable_exclusions(excluded, explanation.counted, reader),
        quarantined=explanation.quarantined if reader.company or reader.data else (),
        closing=closing,
    )


def readable_exclusions(
    excluded: Iterable[ExcludedRecord], counted: Iterable[CountedRecord], reader: Reader
) -> tuple[ExcludedRecord, ...]:
    """The records that do not count and that a reader may see.

    counted: the records of the same value. A newer proposal may be somebody else's: its id is shown only to who may
    read every record, or where it is one of these that the reader may see.
    """
    found = tuple(record for record in excluded if reader.may_read_record(record.staff_id))
    known = {each.source_id for each in (*found, *counted) if reader.may_read_record(each.staff_id)}
    return tuple(
        replace(record, detail=None)
        if record.reason == "superseded" and record.detail not in known and not reader.company
        else record
        for record in found
    )


def readable_rows(rows: Iterable[tuple[Any, ...]], reader: Reader) -> list[tuple[Any, ...]]:
    """The rows of a mart about members, each with scope and staff_id first, that a reader may see."""
    return [row for row in rows if reader.may_read(row[0], row[1])]


def readable_records(rows: Iterable[tuple[Any, ...]], reader: Reader) -> list[tuple[Any, ...]]:
    """The rows of a mart about records, each with the staff_id of who has the credit first, that a reader may see."""
    return [row for row in rows if reader.may_read_record(row[0])]


def readable_operator(name: str, reader: Reader) -> str:
    """Who closed a period or opened one again; empty for a reader who may not know."""
    return name if reader.may_name_operators else ""


def readable_client_sums(sums: Mapping[str, V], index: Index) -> Mapping[str, V]:
    """Sums over clients, by client id, for clients of whom the reader may read every record. index: of the reader."""
    return Readable(sums, index.whole_clients.__contains__)


def _names(names: Names, reader: Reader, clients: frozenset[str]) -> Names:
    return replace(
        names,
        people=Readable(names.people, reader.may_name),
        clients=Readable(names.clients, clients.__contains__),
    )


def _closings(closings: Closings, reader: Reader) -> Closings:
    closing = closings.closing
    return replace(
        closings,
        closing=replace(closing, closed_by=readable_operator(closing.closed_by, reader)) if closing else None,
        adjustments=tuple(
            _adjustment(each, reader) for each in closings.adjustments if reader.may_read(each.scope, each.staff_id)
        ),
        scores=tuple(each for each in closings.scores if reader.may_read(each.scope, each.staff_id)),
    )


def _adjustment(adjustment: Adjustment, reader: Reader) -> Adjustment:
    """Without the records of a team, which may be those of people who have left it."""
    if reader.company or adjustment.scope == "own":
        return adjustment
    return replace(adjustment, records=())
