"""What changed since the last mail, and the values of this mail that the next one is compared with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date

from amkpi.core.catalogue import kpis
from amkpi.core.language.periods import Period
from amkpi.core.language.translator import Message
from amkpi.scorecards.context import PERIODS_SHOWN, ReaderContext
from amkpi.scorecards.facts import ScopeMember
from amkpi.scorecards.mail.history import LastSentValue, ValueKey, differs
from amkpi.scorecards.model import SentValue
from amkpi.scorecards.restatements import Cause

MOST_CHANGES = 6
_CAUSES = {
    Cause.late_rows: Message("rows that came late"),
    Cause.corrected_rows: Message("rows that were corrected"),
    Cause.deleted_rows: Message("rows that were deleted"),
    Cause.released_rows: Message("rows released from quarantine"),
    Cause.settings_or_version: Message("another setting or version"),
    Cause.unknown: Message("cause not known any more"),
}


def changes(
    context: ReaderContext,
    last_sent: Mapping[ValueKey, LastSentValue],
    cause: Callable[[ValueKey, LastSentValue], Cause],
) -> tuple[str, ...]:
    """Each value of a closed period that differs from what this reader was last sent, with the cause.

    The widest scope comes first, then the newest period.
    """
    catalogue = {kpi.name: kpi for kpi in kpis()}
    found = []
    for key, then in last_sent.items():
        scope, staff_id, kpi_name, grain, start = key
        if grain != context.period.grain or not _may_read(context, scope, staff_id):
            continue
        member, kpi = ScopeMember(scope, staff_id), catalogue[kpi_name]
        value = context.facts.values.get((member, kpi_name, start))
        now = value.value if value else None
        if not differs(then.value, now):
            continue
        width = {"company": 0, "team": 1}.get(scope, 2 if staff_id == context.recipient.staff_id else 3)
        text = context.t(
            "{kpi}, {period}, {whose}: {then} → {now} ({cause})",
            kpi=context.choose(kpi.label),
            period=_period_from(grain, start).short(context.language),
            whose=context.title_for_reader(member),
            then=context.figures.value(then.value, kpi.unit),
            now=context.figures.value(now, kpi.unit),
            cause=_CAUSES[cause(key, then)],
        )
        found.append((width, -start.toordinal(), kpi.number, staff_id or "", text))
    return tuple(text for *_, text in sorted(found))


def how_many_more(context: ReaderContext, all_changes: Sequence[str]) -> str:
    """How many changes only the PDF has; empty when the mail has all of them."""
    more = len(all_changes) - MOST_CHANGES
    return context.n("{n} more is in the PDF", "{n} more are in the PDF", more) if more > 0 else ""


def sent_values(context: ReaderContext, members: Sequence[ScopeMember], people: Sequence[str]) -> tuple[SentValue, ...]:
    """The values of closed periods that this mail reports.

    members: whose scorecards it has, with the trend of six periods. people: staff ids in the matrix, without a trend.
    """
    this = context.period
    return tuple(
        SentValue(member.scope, member.staff_id, kpi.name, this.grain, period.start, value.value)
        for group, periods in (
            (tuple(members), this.last(PERIODS_SHOWN)),
            (tuple(ScopeMember("own", staff_id) for staff_id in sorted(people)), (this,)),
        )
        for member in group
        for period in periods
        for kpi in kpis()
        if (value := context.value(member, kpi, period)) is not None and not value.is_provisional
    )


def _may_read(context: ReaderContext, scope: str, staff_id: str | None) -> bool:
    reader = context.recipient
    if scope == "company":
        return reader.company
    if scope == "team":
        return staff_id == reader.staff_id and reader.leads
    return staff_id == reader.staff_id or staff_id in reader.team


def _period_from(grain: str, start: date) -> Period:
    months = {"month": 1, "quarter": 3}.get(grain, 12)
    last = start.year * 12 + start.month - 1 + months - 1
    return Period.ending(grain, date(last // 12, last % 12 + 1, 1))
