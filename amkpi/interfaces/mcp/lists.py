"""The tools about several values: list_kpis, compare, what_changed, query."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from amkpi.core.catalogue import Kpi, kpis
from amkpi.core.errors import AmkpiError
from amkpi.core.language.periods import GRAINS, Period
from amkpi.explain.arguments import find_kpi, period_key
from amkpi.explain.evidence import Scope
from amkpi.interfaces.mcp.answers import (
    Catalogue,
    Changed,
    Changes,
    Compared,
    Comparison,
    Definition,
    Periods,
    Restated,
    Rows,
)
from amkpi.interfaces.mcp.caller import Asked
from amkpi.pages.rights import readable_rows
from amkpi.publishing.fence import fenced

MOST_PEOPLE = 200
MOST_ROWS = 500
_VALUES = """
    select v.scope, v.staff_id, v.value, v.sample_size, v.null_reason, l.target, l.attainment, v.wilson_low,
        v.wilson_high
    from kpi_values as v
    left join scorecard_lines as l
        on v.kpi = l.kpi and v.scope = l.scope and v.staff_id is not distinct from l.staff_id
        and v.period_grain = l.period_grain and v.period_start = l.period_start
    where v.kpi = $kpi and v.scope = $scope and v.period_grain = $grain and v.period_start = $start"""


def catalogue(asked: Asked) -> Catalogue:
    """The KPIs, the periods that have values, and what the caller may read."""
    reader = asked.reader
    found = asked.connection.execute(
        "select period_grain, min(period_end), max(period_end), max(period_end) filter (where not is_provisional)"
        " from kpi_values group by period_grain"
    ).fetchall()
    people = sorted(staff_id for staff_id in reader.people if staff_id in asked.names.people)
    return Catalogue(
        **asked.head,
        n=len(kpis()),
        kpis=[_definition(kpi) for kpi in kpis()],
        periods=[
            Periods(
                grain=grain, first=str(_key(grain, first)), last=str(_key(grain, last)), last_complete=_key(grain, over)
            )
            for grain, first, last, over in sorted(found, key=lambda row: GRAINS.index(row[0]))
        ],
        may_read_company=reader.company,
        may_use_query=reader.everything,
        people=[f"{each}: {asked.names.people[each].full_name}" for each in people[:MOST_PEOPLE]],
    )


def _key(grain: str, end: date | None) -> str | None:
    return None if end is None else period_key(Period.ending(grain, end.replace(day=1)))


def _definition(kpi: Kpi) -> Definition:
    return Definition(
        number=kpi.number,
        name=kpi.name,
        label_vi=kpi.label.vi,
        label_en=kpi.label.en,
        question_vi=kpi.question.vi,
        question_en=kpi.question.en,
        formula_vi=kpi.formula.vi,
        formula_en=kpi.formula.en,
        unit=kpi.unit,
        better=kpi.better,
        counts=kpi.sample.en,
        null_reasons={code: reason.en for code, reason in kpi.null_reasons.items()},
        has_records=not kpi.private,
    )


def compare(
    asked: Asked, name: str, period: str | None, people: Sequence[str], scope: Scope | None, other: str | None
) -> Comparison:
    """Values of people, teams or the company in a period, and the change from another period. Raises AmkpiError.

    people: who; empty for everybody whom the caller may read. scope: own without one.
    """
    kpi, when, chosen = find_kpi(name), asked.period(period), scope or "own"
    wanted = [asked.subject(person, chosen)[0] for person in people] if chosen != "company" else [None]
    if chosen == "company":
        if people:
            raise AmkpiError("the company is not a person: leave people out, or use scope own or team")
        asked.check("company", None)
    found = _values(asked, kpi, chosen, when)
    before = None if other is None else asked.period(other)
    earlier = {} if before is None else _values(asked, kpi, chosen, before)
    subjects = wanted or sorted(found, key=str)
    missing = [str(each) for each in subjects if each not in found]
    if missing:
        raise AmkpiError(
            f"no {chosen} value of {kpi.name} in {period_key(when)} for {', '.join(missing)}: list_kpis has the periods"
        )
    rows = [_compared(asked, kpi, each, found[each], earlier.get(each), before is not None) for each in subjects]
    sign = 1 if kpi.better == "lower" else -1

    def rank(row: Compared) -> tuple[bool, float, str]:
        by = row.change if before is not None else row.value
        return by is None, sign * (by or 0.0), str(row.staff_id)

    rows.sort(key=rank)
    empty = sum(row.value is None for row in rows)
    return Comparison(
        **asked.head,
        n=len(rows),
        null_reason=f"{empty} of {len(rows)} have no value: each has its null_reason" if empty else None,
        kpi=kpi.name,
        scope=chosen,
        period=period_key(when),
        other_period=None if before is None else period_key(before),
        better=kpi.better,
        rows=rows,
    )


def _values(asked: Asked, kpi: Kpi, scope: str, period: Period) -> dict[str | None, tuple[Any, ...]]:
    """The values of a scope by staff id, as far as the caller may read them."""
    rows = asked.connection.execute(
        _VALUES, {"kpi": kpi.name, "scope": scope, "grain": period.grain, "start": period.start}
    ).fetchall()
    return {row[1]: row[2:] for row in readable_rows(rows, asked.reader)}


def _compared(
    asked: Asked, kpi: Kpi, staff_id: str | None, now: tuple[Any, ...], then: tuple[Any, ...] | None, with_other: bool
) -> Compared:
    value, n, reason, target, attainment, low, high = now
    other, other_n, _, _, _, other_low, other_high = then or (None,) * 7
    bounds = (low, high, other_low, other_high)
    overlap = None if None in bounds or value is None or other is None else low <= other_high and other_low <= high
    return Compared(
        staff_id=staff_id,
        full_name=asked.name(staff_id),
        value=value,
        n=n,
        null_reason=_reason(kpi, reason),
        target=target,
        attainment=attainment,
        other_value=other,
        other_n=other_n,
        change=None if value is None or other is None else value - other,
        may_be_chance=overlap if with_other else None,
    )


def what_changed(asked: Asked, period: str | None, person: str | None, scope: Scope | None) -> Changes:
    """Every KPI against the period before, the score, and figures of mails and closed periods that are others now.

    Raises AmkpiError where there are no values.
    """
    staff_id, chosen = asked.subject(person, scope)
    when = asked.period(period)
    of = {"scope": chosen, "staff_id": staff_id, "grain": when.grain, "start": when.start}
    member = "scope = $scope and staff_id is not distinct from $staff_id"
    lines = asked.connection.execute(
        "select l.kpi, l.value, v.sample_size, v.null_reason, l.previous_value, l.change, l.status"
        " from scorecard_lines as l join kpi_values as v on v.kpi = l.kpi and v.scope = l.scope"
        " and v.staff_id is not distinct from l.staff_id and v.period_grain = l.period_grain"
        " and v.period_start = l.period_start"
        " where l.scope = $scope and l.staff_id is not distinct from $staff_id and l.period_grain = $grain"
        " and l.period_start = $start",
        of,
    ).fetchall()
    if not lines:
        raise AmkpiError(f"no values of scope {chosen} for {period_key(when)}: list_kpis has the periods")
    by_name = {row[0]: row[1:] for row in lines}
    scores: list[tuple[Any, ...]] = []
    for each in (when, when.before()):
        rows = asked.connection.execute(
            f"select weighted_score, rating from scorecards where {member} and period_grain = $grain"
            " and period_start = $start",
            {**of, "start": each.start},
        ).fetchall()
        # A score without a rating rests on too little: nobody is shown it.
        scores.append(rows[0] if rows and rows[0][1] is not None else (None, None))
    changed = [_changed(kpi, *by_name[kpi.name]) for kpi in kpis() if kpi.name in by_name]
    empty = sum(each.value is None for each in changed)
    return Changes(
        **asked.head,
        n=len(changed),
        null_reason=f"{empty} of {len(changed)} KPIs have no value: each has its null_reason" if empty else None,
        scope=chosen,
        staff_id=staff_id,
        full_name=asked.name(staff_id),
        period=period_key(when),
        previous_period=period_key(when.before()),
        score=scores[0][0],
        rating=scores[0][1],
        previous_score=scores[1][0],
        previous_rating=scores[1][1],
        kpis=changed,
        restated=_restated(asked, chosen, staff_id),
    )


def _changed(
    kpi: Kpi, value: float | None, n: int, reason: str | None, before: float | None, change: float | None, status: str
) -> Changed:
    better = None if not change else (change > 0) == (kpi.better == "higher")
    return Changed(
        kpi=kpi.name,
        value=value,
        n=n,
        null_reason=_reason(kpi, reason),
        previous_value=before,
        change=change,
        is_better=better,
        status=status,
    )


def _reason(kpi: Kpi, code: str | None) -> str | None:
    """Why there is no value, in words; None where there is one."""
    return kpi.null_reasons[code].en if code is not None and code in kpi.null_reasons else code


def _restated(asked: Asked, scope: str, staff_id: str | None) -> list[Restated]:
    member = "scope = ? and staff_id is not distinct from ?"
    mailed = asked.connection.execute(
        f"select kpi, period_grain, period_start, value_then, value_now, cause from restatements where {member}"
        " order by all",
        [scope, staff_id],
    ).fetchall()
    closed = asked.connection.execute(
        "select a.kpi, a.period_grain, a.period_start, v.value, a.fresh_value, a.cause from adjustments as a"
        " left join kpi_values as v using (kpi, scope, period_grain, period_start)"
        " where a.scope = $scope and a.staff_id is not distinct from $staff_id"
        " and v.staff_id is not distinct from a.staff_id order by all",
        {"scope": scope, "staff_id": staff_id},
    ).fetchall()
    return [
        Restated(
            kind="restatement" if rows is mailed else "adjustment",
            kpi=kpi,
            period=period_key(Period.starting(grain, start)),
            before=before,
            now=now,
            cause=cause,
        )
        for rows in (mailed, closed)
        for kpi, grain, start, before, now, cause in rows
    ]


def query(asked: Asked, sql: str, limit: int) -> Rows:
    """The rows of a statement that reads, behind the fence. Raises AmkpiError for who may not read every row."""
    if not asked.reader.everything:
        raise AmkpiError(
            f"query reads everybody's rows, which {asked.asked_as} may not: call get_value, records, compare or"
            " what_changed"
        )
    with fenced(asked.run.home, asked.run.settings) as fence:
        answer = fence.rows(sql, min(limit, MOST_ROWS))
    rows = [[_plain(cell) for cell in row] for row in answer.rows]
    is_empty = any(cell is None for row in rows for cell in row)
    return Rows(
        **asked.head,
        n=len(rows),
        null_reason="a cell is NULL: kpi_values.null_reason says why a value is missing" if is_empty else None,
        columns=list(answer.columns),
        types=list(answer.types),
        rows=rows,
        has_more=answer.has_more,
    )


def _plain(cell: Any) -> Any:
    """A cell as JSON has it: None for what is no number."""
    if isinstance(cell, float):
        return cell if cell == cell and abs(cell) != float("inf") else None
    if cell is None or isinstance(cell, bool | int | str):
        return cell
    if isinstance(cell, Decimal):
        return float(cell)
    return json.loads(json.dumps(cell, default=str)) if isinstance(cell, list | dict) else str(cell)
